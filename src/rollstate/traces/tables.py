"""A trace of the reader's own: one Parquet or CSV table, with its stamp beside it.

Columns: ``block_number``, ``address`` (bytes, or hexadecimal text), ``slot`` (bytes, or a number in text, all of them
in the base that `rollstate.traces.formats.columns.Spelling` tells by the column's content), ``kind`` (``read`` or
``write``), and ``tx_index`` where the source knows it. The stamp is ``<table>.capability.json``. What is known of the
blocks may lie in ``<table>.blocks.csv`` or ``.blocks.parquet``: ``block_number`` for every block of the window, and any
of ``timestamp``, ``gas_used``, ``tx_count``, ``observed`` (true or false).
"""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from rollstate import __version__
from rollstate.errors import InputError
from rollstate.traces.formats import columns
from rollstate.traces.formats.columns import Place
from rollstate.traces.schema import BLOCKS_SCHEMA, Capability, Trace
from rollstate.traces.store import assemble

ENDINGS = frozenset({".parquet", ".csv"})
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
    if path.suffix not in ENDINGS:
        raise InputError(f"{path}: a trace table must end in .parquet or .csv")
    frame = _read(path)
    missing = [name for name in _COLUMNS if name not in frame.columns]
    if missing:
        raise InputError(
            f"{path} has no column {', '.join(missing)}; a trace has {', '.join(_COLUMNS)} and may have tx_index"
        )
    if frame.is_empty():
        raise InputError(f"{path} holds no rows")
    place = _place(path)
    tx = (
        columns.integers(frame["tx_index"], "tx_index", place, pl.Int32, empty=True)
        if "tx_index" in frame.columns
        else pl.lit(None, pl.Int32)
    )
    slots = frame["slot"]
    base = columns.spelling(slots, place).base("slot", str(path))
    touches = frame.select(
        columns.integers(frame["block_number"], "block_number", place).alias("block_number"),
        tx.alias("tx_index"),
        columns.addresses(frame["address"], "address", place).alias("address"),
        columns.words(slots, "slot", place, base).alias("slot"),
        columns.writes(frame["kind"], "kind", place).alias("is_write"),
    )
    stamp = capability or read_stamp(path)
    if stamp is None:
        raise InputError(_template(path, touches))
    try:
        return assemble(touches, stamp, blocks=read_blocks(path))
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


def read_blocks(path: Path) -> pl.DataFrame | None:
    """Return what is known of the blocks beside a table, None if nothing is."""
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
    place = _place(found[0])
    return frame.select(_known(frame[name], name, place).alias(name) for name in frame.columns)


def _known(values: pl.Series, name: str, place: Place) -> pl.Series:
    if name == "observed":
        return columns.truths(values, name, place)
    return columns.integers(values, name, place, BLOCKS_SCHEMA[name], empty=name != "block_number")


def _place(path: Path) -> Place:
    return Place(str(path), lines=path.suffix == ".csv")


def _stamp_file(path: Path) -> Path:
    return path.with_name(path.name + ".capability.json")


def read_stamp(path: Path) -> Capability | None:
    """Return the stamp beside a table, None if there is none."""
    stamp = _stamp_file(path)
    if not stamp.exists():
        return None
    try:
        return Capability.from_dict(json.loads(stamp.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise InputError(f"{stamp}: {error}") from error


def _template(path: Path, touches: pl.DataFrame) -> str:
    blocks = touches["block_number"].sort()
    template = Capability(
        source="name of your extractor",
        observes_reads=not touches["is_write"].all(),
        observes_all_writes=True,
        tx_level="none" if touches["tx_index"].is_null().all() else "all",
        key_form="slot",
        window_start=int(blocks[0]),
        window_stop=int(blocks[-1]) + 1,
        chain_id=None,
        extractor_version=__version__,
    )
    return (
        f"{_stamp_file(path)} is missing: say what the source of this trace can see, or let `rollstate import` say "
        "what can be told of it. A template, to check and save:\n" + template.to_json()
    )
