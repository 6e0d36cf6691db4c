"""Any table with a row per touch: its columns under their own names or mapped, blocks or timestamps.

What a trace needs is found under the usual names, or under the one that ``--map`` gives:

=============  ==============================================================================
``block``      ``block_number``, ``block``, ``blockNumber``
``timestamp``  ``timestamp``, ``block_timestamp``, ``time``: in the place of a block, with ``--seconds N``
``tx``         ``tx_index``, ``transaction_index``, ``transactionIndex``, ``tx``; may be missing
``address``    ``address``, ``contract_address``, ``contract``
``slot``       ``slot``, ``key``, ``storage_key``
``kind``       ``kind``, ``is_write``, ``op``: read or write, r or w, SLOAD or SSTORE, a truth value
=============  ==============================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import polars as pl

from rollstate.errors import InputError
from rollstate.traces.formats import columns, files
from rollstate.traces.formats.columns import OnBad, Place
from rollstate.traces.formats.files import Table
from rollstate.traces.formats.rows import BLOCKS_INFO_SCHEMA, ROWS_SCHEMA, Batch, Options, Source, Unit

NAMES = {
    "block": ("block_number", "block", "blockNumber"),
    "timestamp": ("timestamp", "block_timestamp", "time"),
    "tx": ("tx_index", "transaction_index", "transactionIndex", "tx"),
    "address": ("address", "contract_address", "contract"),
    "slot": ("slot", "key", "storage_key"),
    "kind": ("kind", "is_write", "op"),
}

# As seconds the year 5138; as milliseconds it is 1973, before any chain.
_NO_SECONDS = 100_000_000_000


@dataclass(frozen=True)
class Columns:
    """What the file calls each column of a trace; None for one that it has not."""

    block: str | None
    timestamp: str | None
    tx: str | None
    address: str
    slot: str
    kind: str

    @property
    def names(self) -> list[str]:
        """The columns to read."""
        clock = self.block or self.timestamp
        return [name for name in (clock, self.tx, self.address, self.slot, self.kind) if name]


def find(table: Table, options: Options) -> Columns:
    """Return the columns of a table.

    Raises
    ------
    InputError
        Naming the column that is missing or doubtful, and the ones there are.
    """
    unknown = sorted(set(options.columns) - set(NAMES))
    if unknown:
        raise InputError(f"--map: there is no {', '.join(unknown)}; a trace has {', '.join(NAMES)}")
    found: dict[str, str | None] = {}
    for what, usual in NAMES.items():
        mapped = options.columns.get(what)
        there = [mapped] if mapped else [name for name in usual if name in table.columns]
        if mapped and mapped not in table.columns:
            raise InputError(f"{table.path} has no column {mapped}; it has {', '.join(table.columns)}")
        if len(there) > 1:
            raise InputError(f"{table.path}: {' or '.join(there)}? say which with --map {what}=COLUMN")
        found[what] = there[0] if there else None
    clock = "timestamp" if options.seconds else "block"
    for what in (clock, "address", "slot", "kind"):
        if found[what] is None:
            more = (
                " (or --seconds N, to count time in steps of N seconds)"
                if what == "block" and found["timestamp"]
                else ""
            )
            raise InputError(
                f"{table.path} has no column for {what} ({', '.join(NAMES[what])}), say which with "
                f"--map {what}=COLUMN{more}; it has {', '.join(table.columns)}"
            )
    found["block" if options.seconds else "timestamp"] = None
    return Columns(**found)  # type: ignore[arg-type]


def source(tables: Sequence[Table], options: Options) -> Source:
    """Return the source that some tables make; all of them are read once to tell the base of their slots."""
    if options.seconds is not None and options.seconds <= 0:
        raise InputError(f"--seconds must be positive, not {options.seconds}")
    found = {table.path: find(table, options) for table in tables}
    spelled = columns.combined(one for table in tables for one in _spellings(table, found[table.path].slot))
    base = spelled.base(found[tables[0].path].slot, tables[0].path)
    notes = []
    if base == 10:
        notes.append("Slots without 0x and without letters are read as decimal numbers.")
    if not options.all_writes:
        notes.append("Whether every write is listed is not known; if so, say --all-writes.")
    times = sorted({name for table in tables for name in NAMES["timestamp"] if name in table.columns})
    if times and not options.seconds:
        beside = f"{PurePosixPath(tables[0].path).name if len(tables) == 1 else 'TABLE'}.blocks.csv"
        notes.append(
            f"Times in {', '.join(times)} are not read beside block numbers. The book learns the time per block from "
            f"{beside} beside the table, if that is one file: block_number and timestamp of each block."
        )
    if options.seconds:
        notes.append(f"The clock counts steps of {options.seconds} s, not blocks.")
    return Source(
        format="table",
        schema=ROWS_SCHEMA,
        units=tuple(_unit(table, found[table.path], options.seconds, base) for table in tables),
        observes_reads=None,
        observes_all_writes=options.all_writes,
        tx_level=None,
        notes=tuple(notes),
    )


def _spellings(table: Table, slot: str) -> Iterator[columns.Spelling]:
    """Yield how the slots of a table are written, batch by batch; bytes need no reading."""
    for _, place, frame in table.batches([slot]):
        if frame[slot].dtype == pl.Binary:
            return
        yield columns.spelling(frame[slot], place)


def _unit(table: Table, found: Columns, seconds: int | None, base: int) -> Unit:
    def read(frame: pl.DataFrame, place: Place) -> Batch:
        return _batch(frame, place, found, seconds, base)

    def batches(needless: Callable[[int], bool], on_bad: OnBad | None = None) -> Iterator[tuple[int, Batch]]:
        for number, place, frame in table.batches(found.names, needless):
            yield number, columns.convert(frame, place, read, on_bad)

    return Unit(table.path, files.size(table.path), batches)


def _batch(frame: pl.DataFrame, place: Place, found: Columns, seconds: int | None, base: int) -> Batch:
    if found.block:
        clock = columns.integers(frame[found.block], found.block, place)
    else:
        clock = _seconds(frame[str(found.timestamp)], str(found.timestamp), place) // (seconds or 1)
    unknown = pl.repeat(None, frame.height, dtype=pl.Int32, eager=True)
    rows = pl.DataFrame(
        {
            "block_number": clock,
            "tx_index": columns.integers(frame[found.tx], found.tx, place, pl.Int32, empty=True)
            if found.tx
            else unknown,
            "address": columns.addresses(frame[found.address], found.address, place),
            "slot": columns.words(frame[found.slot], found.slot, place, base),
            "is_write": columns.writes(frame[found.kind], found.kind, place),
        },
        ROWS_SCHEMA,
    )
    if not seconds:
        return Batch(rows)
    steps = rows.select(pl.col("block_number").unique())
    info = steps.with_columns(timestamp=pl.col("block_number") * seconds, tx_count=pl.lit(None, pl.Int32))
    return Batch(rows, blocks=info.select(BLOCKS_INFO_SCHEMA.names()))


def _seconds(values: pl.Series, name: str, place: Place) -> pl.Series:
    """Return seconds since 1970, from numbers of seconds or from dates; milliseconds are refused."""
    if values.dtype == pl.String and values.cast(pl.Int64, strict=False).null_count():
        dates = values.str.to_datetime(strict=False, time_unit="us", time_zone="UTC")
        if dates.null_count():
            raise place.fail(name, "hold seconds, or dates and times", dates.is_null(), values)
        values = dates
    if isinstance(values.dtype, pl.Datetime):
        values = values.dt.epoch("s")
    numbers = columns.integers(values, name, place)
    late = numbers >= _NO_SECONDS
    if late.any():
        raise place.fail(name, "hold seconds since 1970, not milliseconds or less", late, numbers)
    return numbers
