"""A trace of the reader's own: one Parquet or CSV table, with its stamp beside it.

Columns: ``block_number``, ``address`` and ``slot`` (bytes, or hexadecimal text), ``kind`` (``read`` or ``write``),
and ``tx_index`` where the source knows it. The stamp is ``<table>.capability.json``. What is known of the blocks may
lie in ``<table>.blocks.csv`` or ``.blocks.parquet``: ``block_number`` for every block of the window, and any of
``timestamp``, ``gas_used``, ``tx_count``, ``observed`` (true or false).
"""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from rollstate import __version__
from rollstate.errors import InputError
from rollstate.traces.schema import BLOCKS_SCHEMA, Capability, Trace
from rollstate.traces.store import assemble

_COLUMNS = ("block_number", "address", "slot", "kind")


def read_table(path: Path, capability: Capability | None = None) -> Trace:
    """Read a Parquet or CSV table as a trace.

    Parameters
    ----------
    path : Path
        The table; its ending says the format.
    capability : Capability, optional
        What the source can see; read from ``<path>.capability.json`` if not given.

    Raises
    ------
    InputError
        Naming the file and the column or row that breaks the contract. Where the stamp is missing, the message
        shows the one to fill in.
    """
    if path.suffix not in {".parquet", ".csv"}:
        raise InputError(f"{path}: a trace table must end in .parquet or .csv")
    frame = _read(path)
    missing = [name for name in _COLUMNS if name not in frame.columns]
    if missing:
        raise InputError(
            f"{path} has no column {', '.join(missing)}; a trace has {', '.join(_COLUMNS)} and may have tx_index"
        )
    if frame.is_empty():
        raise InputError(f"{path} holds no rows")
    kinds = set(frame["kind"].unique().to_list())
    if kinds - {"read", "write"}:
        raise InputError(
            f"{path}: kind must be 'read' or 'write', found {sorted(map(str, kinds - {'read', 'write'}))}"
        )
    tx = (
        _integers(frame, "tx_index", path, pl.Int32)
        if "tx_index" in frame.columns
        else pl.lit(None, pl.Int32)
    )
    touches = frame.select(
        _integers(frame, "block_number", path).alias("block_number"),
        tx.alias("tx_index"),
        _bytes(frame, "address", 20, path).alias("address"),
        _bytes(frame, "slot", 32, path).alias("slot"),
        (pl.col("kind") == "write").alias("is_write"),
    )
    stamp = capability or _read_stamp(path, touches)
    try:
        return assemble(touches, stamp, blocks=_read_blocks(path))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _read(path: Path) -> pl.DataFrame:
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path)
        # Text first: an address that looks like a number must not become one.
        return pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error


def _read_blocks(path: Path) -> pl.DataFrame | None:
    found = [
        file for end in ("csv", "parquet") if (file := path.with_name(f"{path.name}.blocks.{end}")).exists()
    ]
    if not found:
        return None
    if len(found) > 1:
        raise InputError(f"{found[0]} and {found[1]} both describe the blocks; keep one")
    frame = _read(found[0])
    unknown = set(frame.columns) - set(BLOCKS_SCHEMA)
    if unknown or "block_number" not in frame.columns:
        raise InputError(
            f"{found[0]}: columns must be block_number and any of {', '.join(list(BLOCKS_SCHEMA)[1:])}, "
            f"not {', '.join(frame.columns)}"
        )
    return frame.select(
        (_truths if name == "observed" else _integers)(frame, name, found[0], BLOCKS_SCHEMA[name]).alias(name)
        for name in frame.columns
    )


def _truths(frame: pl.DataFrame, name: str, path: Path, dtype: pl.DataType | type) -> pl.Series:
    values = frame[name]
    if values.dtype == pl.String:
        values = values.str.to_lowercase().replace_strict({"true": True, "false": False}, default=None)
    if values.dtype != dtype or values.null_count():
        raise InputError(f"{path}: {name} must be true or false in every row")
    return values


def _integers(frame: pl.DataFrame, name: str, path: Path, dtype: pl.DataType | type = pl.Int64) -> pl.Series:
    values = frame[name]
    # A cast would cut the fraction of a float off, and make 0 and 1 of truth values.
    if values.dtype not in (pl.String, pl.Null) and not values.dtype.is_integer():
        raise InputError(f"{path}: {name} must hold integers, not {values.dtype}")
    try:
        # An empty field of a CSV is a null, which only block_number may not be.
        values = values.replace("", None) if values.dtype == pl.String else values
        return values.cast(dtype, strict=True)
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{path}: {name} must hold integers: {error}") from error


def _bytes(frame: pl.DataFrame, name: str, length: int, path: Path) -> pl.Series:
    values = frame[name]
    if values.dtype == pl.String:
        try:
            text = values.str.strip_prefix("0x").str.to_lowercase()
            # Slot numbers are often written short: 0x0 is slot zero. A short address is a cut one.
            text = text.str.zfill(2 * length) if name == "slot" else text
            values = text.str.decode("hex", strict=True)
        except pl.exceptions.PolarsError as error:
            raise InputError(f"{path}: {name} must be hexadecimal text: {error}") from error
    if values.dtype != pl.Binary:
        raise InputError(f"{path}: {name} must be {length} bytes or hexadecimal text, not {values.dtype}")
    bad = frame.with_row_index("row").filter(values.is_null() | (values.bin.size() != length))["row"]
    if len(bad):
        raise InputError(f"{path}: {name} must have {length} bytes; row {bad[0]} has not")
    return values


def _read_stamp(path: Path, touches: pl.DataFrame) -> Capability:
    stamp = path.with_name(path.name + ".capability.json")
    if stamp.exists():
        try:
            return Capability.from_dict(json.loads(stamp.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise InputError(f"{stamp}: {error}") from error
    template = Capability(
        source="name of your extractor",
        observes_reads=not touches["is_write"].all(),
        observes_all_writes=True,
        tx_level="none" if touches["tx_index"].is_null().all() else "all",
        key_form="slot",
        window_start=touches["block_number"].min(),
        window_stop=touches["block_number"].max() + 1,
        chain_id=None,
        extractor_version=__version__,
    )
    raise InputError(
        f"{stamp} is missing: say what the source of this trace can see. A template, to check and save:\n"
        + template.to_json()
    )
