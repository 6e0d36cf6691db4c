"""Traces on disk: Parquet partitioned by slot, a stamp beside it, written whole or not at all.

``<trace>/accesses/part-NNNNN.parquet`` holds the slots whose id is congruent to the part's number modulo the
number of parts, so that intervals are built part by part, without a shuffle and in bounded memory.
``slots.parquet``, ``blocks.parquet`` and ``capability.json`` lie beside it, and ``accounts.parquet`` where the source
sees changes of balances, nonces and code. What is read here may also lie at an address, as a path of fsspec's
(`rollstate.traces.formats.listing.at_address`).
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Self

import polars as pl

from rollstate.errors import InputError
from rollstate.traces import rules
from rollstate.traces.schema import (
    ACCESS_ORDER,
    ACCESSES_SCHEMA,
    ACCOUNTS_SCHEMA,
    BLOCKS_SCHEMA,
    SLOTS_SCHEMA,
    Capability,
    Trace,
)

CAPABILITY_FILE = "capability.json"
ACCOUNTS_FILE = "accounts.parquet"
ROWS_PER_PART = 2_000_000
KEYS_AT_ONCE = 1 << 20
"""Keys that are checked together; 2 or more."""
GROUP_ROWS = 1 << 16
"""Fewest rows of a row group, but for the last one of a file; fewer wait in memory, 17 bytes an access."""


def assemble(
    touches: pl.DataFrame,
    capability: Capability,
    *,
    slots: pl.DataFrame | None = None,
    blocks: pl.DataFrame | None = None,
    accounts: pl.DataFrame | None = None,
) -> Trace:
    """Make a trace of raw touches: give slots and contracts dense ids, sort, drop repeats, validate.

    Parameters
    ----------
    touches : polars.DataFrame
        ``block_number``, ``tx_index`` (nullable), ``address``, ``slot``, ``is_write``; one row per touch, any order.
    capability : Capability
        What the source can see.
    slots : polars.DataFrame, optional
        What is known of slots, touched or not: ``address``, ``slot`` and any of ``created_block``,
        ``contract_type``, ``slot_type``.
    blocks : polars.DataFrame, optional
        ``block_number`` and any of ``timestamp``, ``gas_used``, ``tx_count``.
    accounts : polars.DataFrame, optional
        ``block_number``, ``tx_index``, ``address``, ``kind`` of the changes outside of storage.

    Returns
    -------
    Trace
        Ids follow the order of (address, slot), so they depend on the set of slots alone.
    """
    key = ["address", "slot"]
    known = touches.select(key) if slots is None else pl.concat([touches.select(key), slots.select(key)])
    table = known.unique().sort(key).with_row_index("slot_id").with_columns(pl.col("slot_id").cast(pl.UInt32))
    table = table.with_columns((pl.col("address").rank("dense") - 1).cast(pl.UInt32).alias("contract_id"))
    if slots is not None:
        table = table.join(slots, on=key, how="left", validate="1:1", maintain_order="left")
    accesses = touches.join(table.select(*key, "slot_id"), on=key, how="left")
    if blocks is None:
        blocks = pl.DataFrame({"block_number": range(capability.window_start, capability.window_stop)})
    trace = Trace(
        accesses=conform(accesses, ACCESSES_SCHEMA).unique().sort(ACCESS_ORDER),
        slots=conform(table, SLOTS_SCHEMA),
        blocks=conform(blocks, BLOCKS_SCHEMA).sort("block_number"),
        capability=capability,
        accounts=conform(ACCOUNTS_SCHEMA.to_frame() if accounts is None else accounts, ACCOUNTS_SCHEMA).pipe(
            rules.in_order
        ),
    )
    validate(trace)
    return trace


def conform(frame: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """Return the frame with exactly the columns of `schema`; absent ones are null, absent blocks' ``observed`` true."""
    frame = frame.select(
        (pl.col(name).cast(dtype) if name in frame.columns else pl.lit(None, dtype).alias(name))
        for name, dtype in schema.items()
    )
    return frame.with_columns(pl.col("observed").fill_null(True)) if "observed" in schema else frame


def validate(trace: Trace) -> None:
    """Check every rule of `rollstate.traces.schema`.

    Raises
    ------
    InputError
        Naming the frame, the rule and the first row that breaks it.
    """
    _refuse("slots", rules.shape("slots", trace.slots))
    _refuse_rows("slots", trace.slots, rules.key_rules(in_order=rules.keys_ascend(trace.slots)))
    _validate_keyless(trace)


def _validate_keyless(trace: Trace) -> None:
    """Check every rule but those of the keys of slots, and of what columns slots have."""
    stamp, blocks = trace.capability, trace.blocks
    for name, frame in (("accesses", trace.accesses), ("blocks", blocks), ("accounts", trace.accounts)):
        _refuse(name, rules.shape(name, frame))
    _refuse("blocks", rules.of_blocks(blocks, stamp))
    _refuse("accounts", rules.of_accounts(trace.accounts, stamp))
    unseen = blocks.filter(~pl.col("observed"))["block_number"]
    for name, frame, wanted in (
        ("accesses", trace.accesses, rules.access_rules(stamp, trace.slots.height, unseen)),
        ("slots", trace.slots, rules.slot_rules(stamp)),
        ("blocks", blocks, rules.block_rules(stamp)),
        ("accounts", trace.accounts, rules.account_rules(stamp)),
    ):
        _refuse_rows(name, frame, wanted)
    _refuse("accesses", rules.order_of_accesses(trace.accesses))


def _refuse(name: str, said: str | None) -> None:
    if said:
        raise InputError(f"{name}: {said}")


def _refuse_rows(name: str, frame: pl.DataFrame, wanted: list[rules.Rule], first: int = 0) -> None:
    for said, _, row in rules.broken(frame, wanted, first):
        raise InputError(f"{name}: {said}; row {row.pop('row')} is {row}")


def write_trace(trace: Trace, folder: Path, *, overwrite: bool = False, parts: int | None = None) -> None:
    """Validate a trace and write it; the folder appears whole or not at all.

    Parameters
    ----------
    trace : Trace
        The trace.
    folder : Path
        Where to.
    overwrite : bool
        Replace a trace that is there; without it that is an error.
    parts : int, optional
        Number of parts; one per two million rows by default.
    """
    validate(trace)
    parts = parts or max(1, -(-trace.accesses.height // ROWS_PER_PART))
    chunks = [(trace.accesses, trace.slots)]
    write_chunks(
        chunks,
        trace.blocks,
        trace.capability,
        folder,
        overwrite=overwrite,
        parts=parts,
        accounts=[trace.accounts] if trace.capability.account_changes else None,
    )


def write_chunks(
    chunks: Iterable[tuple[pl.DataFrame, pl.DataFrame]],
    blocks: pl.DataFrame,
    capability: Capability,
    folder: Path,
    *,
    parts: int,
    overwrite: bool = False,
    accounts: Iterable[pl.DataFrame] | None = None,
) -> None:
    """Write a trace that arrives in pieces; whole or not at all.

    In memory are the largest piece, and of each part less than a row group (`GROUP_ROWS`): with parts of
    `ROWS_PER_PART` at most one access in thirty.

    Parameters
    ----------
    chunks : iterable of (accesses, slots)
        Pieces with ascending slot ids, each with all rows of its slots; together they must make a valid trace.
    blocks, capability
        As in `Trace`.
    folder, overwrite, parts
        As in `write_trace`.
    """
    if folder.exists() and not overwrite:
        raise InputError(f"{folder} exists; choose another folder, or say overwrite to replace it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.new-"))
    try:
        work.chmod(0o755)
        (work / "accesses").mkdir()
        with ExitStack() as stack:

            def writer(path: Path, schema: pl.Schema) -> _Grouped:
                return stack.enter_context(_Grouped(path, schema))

            files = [
                writer(work / "accesses" / f"part-{part:05d}.parquet", ACCESSES_SCHEMA)
                for part in range(parts)
            ]
            slots_file = writer(work / "slots.parquet", SLOTS_SCHEMA)
            for accesses, slots in chunks:
                slots_file.add(slots)
                for part, file in enumerate(files):
                    file.add(accesses.filter(pl.col("slot_id") % parts == part))
            writer(work / "blocks.parquet", BLOCKS_SCHEMA).add(blocks)
            if accounts is not None:
                file = writer(work / ACCOUNTS_FILE, ACCOUNTS_SCHEMA)
                for piece in accounts:
                    file.add(piece)
        (work / CAPABILITY_FILE).write_text(capability.to_json(), encoding="utf-8")
        swap(work, folder)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise


class _Grouped:
    """A Parquet file whose row groups have `GROUP_ROWS` rows or more, however small the pieces it gets."""

    def __init__(self, path: Path, schema: pl.Schema) -> None:
        # pyarrow takes 40 MB, which what only reads does not pay.
        import pyarrow.parquet as pq

        self._file = pq.ParquetWriter(path, schema.to_frame().to_arrow().schema, compression="zstd")
        self._waiting: list[pl.DataFrame] = []
        self._rows = 0

    def add(self, piece: pl.DataFrame) -> None:
        """Take rows; they are written as soon as they fill a row group."""
        self._waiting.append(piece)
        self._rows += piece.height
        if self._rows >= GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        self._file.write_table(pl.concat(self._waiting).to_arrow())
        self._waiting, self._rows = [], 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._waiting:
                self._flush()
        finally:
            self._file.close()


def content_digest(trace: Trace) -> str:
    """Return a SHA-256 of every value of a trace, whatever its files look like; the extractor's version is left out."""
    digest = hashlib.sha256()
    stamp = {key: value for key, value in trace.capability.as_dict().items() if key != "extractor_version"}
    digest.update(json.dumps(stamp, sort_keys=True).encode())
    for frame in (trace.accesses, trace.slots, trace.blocks, trace.accounts):
        digest.update(f"{frame.height} {frame.columns}".encode())
        for column in frame.get_columns():
            digest.update(column.is_null().cast(pl.UInt8).to_numpy().tobytes())
            known = column.drop_nulls()
            if known.dtype in (pl.String, pl.Binary):
                parts = known.to_list()
                sizes = ",".join(str(len(part)) for part in parts)
                joined = ("" if known.dtype == pl.String else b"").join(parts)
                digest.update(sizes.encode())
                digest.update(joined.encode() if isinstance(joined, str) else joined)
            else:
                digest.update(known.cast(pl.Int64).to_numpy().tobytes())
    return digest.hexdigest()


def swap(new: Path, folder: Path) -> None:
    """Put the folder `new` in the place of `folder`; the old one is whole until the new one stands."""
    if not folder.exists():
        new.rename(folder)
        return
    old = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.old-"))
    folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    shutil.rmtree(old)


def read_capability(folder: Path) -> Capability:
    """Read the stamp of a trace folder."""
    path = folder / CAPABILITY_FILE
    try:
        return Capability.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(f"{path} is missing: {folder} is not a trace folder") from error
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: {error}") from error


def _parts(folder: Path) -> list[Path]:
    files = sorted((folder / "accesses").glob("part-*.parquet"))
    if not files:
        raise InputError(f"{folder}/accesses holds no part-NNNNN.parquet file")
    return files


def partitions(folder: Path) -> Iterator[Trace]:
    """Yield the trace part by part: each has its own slots, all of their rows, and all blocks.

    Memory is bounded by the largest part beside ``slots`` and ``blocks``.
    """
    for part in range(count_parts(folder)):
        yield read_part(folder, part)


def count_parts(folder: Path) -> int:
    """Return into how many parts a stored trace is cut."""
    return len(_parts(folder))


def count_contracts(folder: Path) -> int:
    """Return how many contracts a stored trace has."""
    return _read(folder / "slots.parquet", columns=["contract_id"])["contract_id"].n_unique()


def count_accesses(folder: Path, start: int, stop: int) -> int:
    """Return how many accesses a stored trace has in blocks ``[start, stop)``."""
    blocks = (_read(file, columns=["block_number"])["block_number"] for file in _parts(folder))
    return sum(int(part.is_between(start, stop, closed="left").sum()) for part in blocks)


def count_slots(folder: Path) -> int:
    """Return how many slots a stored trace lists."""
    return _read(folder / "slots.parquet", columns=["slot_id"]).height


def read_frame(folder: Path) -> Trace:
    """Read the stamp and the blocks of a stored trace, without its accesses and slots."""
    return Trace(
        ACCESSES_SCHEMA.to_frame(), SLOTS_SCHEMA.to_frame(), _read_blocks(folder), read_capability(folder)
    )


def read_accounts(folder: Path, chosen: pl.Expr) -> pl.DataFrame:
    """Read those changes of accounts that are chosen, of a stored trace that lists them, without holding the others."""
    return _read(folder / ACCOUNTS_FILE, chosen)


def read_part(folder: Path, part: int) -> Trace:
    """Read one part of a stored trace: some slots, all of their rows, and all blocks."""
    files = _parts(folder)
    mine = _read(folder / "slots.parquet", pl.col("slot_id") % len(files) == part)
    return Trace(_read(files[part]), mine, _read_blocks(folder), read_capability(folder))


def read_trace(folder: Path, *, keys: bool = True) -> Trace:
    """Read and validate a whole trace, with or without the keys of its slots (`Trace.without_keys`)."""
    stamp = read_capability(folder)
    accesses = pl.concat([_read(file) for file in _parts(folder)]).sort(ACCESS_ORDER)
    accounts = _read(folder / ACCOUNTS_FILE) if stamp.account_changes else ACCOUNTS_SCHEMA.to_frame()
    file = folder / "slots.parquet"
    if keys:
        trace = Trace(accesses, _read_slots(file), _read_blocks(folder), stamp, accounts)
        validate(trace)
    else:
        slots = _read_slots(file, without=rules.KEYS)
        _validate_keys(file)
        trace = Trace(accesses, slots, _read_blocks(folder), stamp, accounts)
        _validate_keyless(trace)
    return trace


def _read_slots(file: Path, without: Collection[str] = ()) -> pl.DataFrame:
    """Read slots, without some columns. A label that no slot has is one null for all of them, not 16 bytes for each."""
    _refuse("slots", rules.shape("slots", _read(file, rows=(0, 0))))
    labels = ("contract_type", "slot_type")
    frame = _read(file, columns=[name for name in SLOTS_SCHEMA if name not in (*without, *labels)])
    for name in labels:
        label = _read(file, columns=[name])[name]
        none = label.null_count() == label.len()
        frame = frame.with_columns(pl.lit(None, label.dtype).alias(name) if none else label)
    return frame


def _validate_keys(file: Path) -> None:
    """Check the keys of slots some at a time; where they are not in order, all of them at once."""
    start, ordered, some = 0, True, KEYS_AT_ONCE
    while ordered and some == KEYS_AT_ONCE:
        piece = _read(file, columns=[*rules.KEYS], rows=(start, KEYS_AT_ONCE))
        some = piece.height
        if not (ordered := rules.keys_ascend(piece)):
            piece, start = _read(file, columns=[*rules.KEYS]), 0
        _refuse_rows("slots", piece, rules.key_rules(in_order=ordered), start)
        # The last one is the next piece's first, so that the order holds from piece to piece.
        start += KEYS_AT_ONCE - 1


def _read_blocks(folder: Path) -> pl.DataFrame:
    """Read the blocks; an earlier version, which wrote no column ``observed``, took all as observed."""
    blocks = _read(folder / "blocks.parquet")
    return blocks if "observed" in blocks.columns else blocks.with_columns(observed=pl.lit(True))


def _read(
    path: Path,
    chosen: pl.Expr | None = None,
    *,
    columns: list[str] | None = None,
    rows: tuple[int, int] | None = None,
) -> pl.DataFrame:
    """Read a file, or those of its rows that are chosen, in their order and without holding the others.

    Some columns may be asked for, and ``rows``: the number of the first one, and how many.
    """
    try:
        with nullcontext(path) if isinstance(path, Path) else path.open("rb") as source:
            if rows is not None:
                return pl.scan_parquet(source).select(columns or pl.all()).slice(*rows).collect()
            if chosen is None:
                return pl.read_parquet(source, columns=columns)
            return pl.scan_parquet(source).filter(chosen).collect(engine="streaming")
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
