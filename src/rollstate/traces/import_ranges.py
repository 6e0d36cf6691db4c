"""Rows in any order made a trace in bounded memory: sorted runs on disk, then one range of slots after another.

Each batch becomes a *run*: an Arrow file sorted by slot, in small groups of rows whose first keys are remembered. Cuts
taken from these keys part the slots into ranges of about `RANGE_ROWS` rows; of each range only the groups that it needs
are read, from all runs. So every range has all rows of its slots, and slot ids count up from range to range.

Of each run a range reads up to two groups that reach beyond it. Groups are so small that these are few rows even with
hundreds of runs, and memory grows with the rows by little more than the remembered keys, some 200 bytes a group.

A run appears whole or not at all, its record last: what is there when a process dies is used by the next one.
"""

from __future__ import annotations

import json
import os
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from rollstate.errors import InputError
from rollstate.traces.chunks import StorageError
from rollstate.traces.formats.rows import (
    DIFFS_SCHEMA,
    ROWS_SCHEMA,
    VERSIONED_SCHEMA,
    Batch,
)
from rollstate.traces.schema import ACCESS_ORDER, ACCESSES_SCHEMA, SLOTS_SCHEMA

GROUP_ROWS = 1024
RANGE_ROWS = 400_000
BY_SLOT = ("address", "slot")
BY_BLOCK = ("block_number",)
_SIDE = ("accounts", "blocks")

Key = tuple[Any, ...]


@dataclass(frozen=True)
class Run:
    """A sorted file: first keys of its groups of rows, and what its rows hold."""

    path: Path
    keys: tuple[Key, ...]
    facts: dict[str, Any]


class Runs:
    """The runs in a folder, sorted by the columns `by`."""

    def __init__(self, folder: Path, by: tuple[str, ...]) -> None:
        self.folder, self.by = folder, by
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for stray in folder.glob("*.new"):
                stray.unlink()
        except OSError as error:
            raise self._cannot(error) from error

    def has(self, name: str) -> bool:
        """Say whether a run is there, whole."""
        return (self.folder / f"{name}.json").exists()

    def keep(self, name: str, batch: Batch) -> None:
        """Store a batch as a run, its record last."""
        frame = batch.rows.sort(self.by)
        firsts = frame.gather_every(GROUP_ROWS).select(self.by).rows()
        record = {
            "keys": [[part.hex() if isinstance(part, bytes) else part for part in key] for key in firsts],
            "facts": facts(batch.rows),
        }
        try:
            for side in _SIDE:
                extra: pl.DataFrame = getattr(batch, side)
                if not extra.is_empty():
                    with self._new(f"{name}.{side}.parquet") as new:
                        pq.write_table(extra.to_arrow(), new)
            with self._new(f"{name}.arrow") as new:
                _write_groups(frame, new)
            new = self.folder / f"{name}.json.new"
            new.write_text(json.dumps(record), encoding="utf-8")
            new.rename(self.folder / f"{name}.json")
        except (OSError, pl.exceptions.PolarsError) as error:
            raise self._cannot(error) from error

    @contextmanager
    def _new(self, name: str) -> Iterator[Path]:
        """Give a path to write to; what is written gets its name once it is safe on disk."""
        new = self.folder / f"{name}.new"
        yield new
        with new.open("rb") as file:
            os.fsync(file.fileno())
        new.rename(self.folder / name)

    def _cannot(self, error: Exception) -> StorageError:
        return StorageError(
            f"{self.folder} cannot be written ({error}); what is finished is kept: make room and run again"
        )

    def all(self) -> list[Run]:
        """Return the runs, by name."""
        return [self._run(path) for path in sorted(self.folder.glob("*.json"))]

    def _run(self, path: Path) -> Run:
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(f"{path} cannot be read ({error}); delete its folder to start anew") from error
        keys = tuple(
            tuple(bytes.fromhex(part) if isinstance(part, str) else part for part in key)
            for key in found["keys"]
        )
        return Run(path.with_suffix(".arrow"), keys, found["facts"])

    def side(self, name: str) -> Iterator[pl.DataFrame]:
        """Yield what the batches said beside their rows, ``accounts`` or ``blocks``, run by run."""
        for path in sorted(self.folder.glob(f"*.{name}.parquet")):
            yield pl.read_parquet(path)

    def ranges(self) -> Iterator[pl.DataFrame]:
        """Yield the rows range by range, in order of the sort columns; a range has all rows of its keys."""
        runs = self.all()
        cuts = _cuts(sorted(key for run in runs for key in run.keys))
        for low, high in zip([None, *cuts], [*cuts, None], strict=True):
            parts = []
            for run in runs:
                # A group that begins before the range may reach into it.
                first = 0 if low is None else max(0, bisect_left(run.keys, low) - 1)
                last = len(run.keys) if high is None else bisect_right(run.keys, high)
                if first < last:
                    part = _read_groups(run.path, range(first, last))
                    parts.append(part.filter(_within(self.by, low, high)))
            if parts:
                yield pl.concat(parts)


def _write_groups(frame: pl.DataFrame, path: Path) -> None:
    table = frame.rechunk().to_arrow()
    # Handing such small buffers to threads takes longer than to compress them.
    options = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=GROUP_ROWS)


def _read_groups(path: Path, numbers: range) -> pl.DataFrame:
    options = pa.ipc.IpcReadOptions(use_threads=False)
    with pa.OSFile(str(path), "rb") as file, pa.ipc.open_file(file, options=options) as reader:
        return pl.DataFrame(pl.from_arrow(pa.Table.from_batches(map(reader.get_batch, numbers))))


def _cuts(firsts: Sequence[Key]) -> list[Key]:
    """Return the keys at which ranges begin, of the sorted first keys of all groups."""
    step = max(1, RANGE_ROWS // GROUP_ROWS)
    return sorted(set(firsts[step::step]))


def _within(by: tuple[str, ...], low: Key | None, high: Key | None) -> pl.Expr:
    inside = pl.lit(True)
    if low is not None:
        inside &= ~_below(by, low)
    if high is not None:
        inside &= _below(by, high)
    return inside


def _below(by: tuple[str, ...], key: Key) -> pl.Expr:
    """Return whether a row's key is below another, column by column."""
    out = pl.lit(False)
    for name, part in zip(reversed(by), reversed(key), strict=True):
        out = (pl.col(name) < part) | ((pl.col(name) == part) & out)
    return out


def facts(rows: pl.DataFrame) -> dict[str, Any]:
    """Return what the stamp of a trace needs to know of some rows."""
    write, unknown = pl.col("is_write"), pl.col("tx_index").is_null()
    found = rows.select(
        rows=pl.len(),
        first=pl.col("block_number").min(),
        last=pl.col("block_number").max(),
        writes=write.sum(),
        reads=(~write).sum(),
        writes_without_tx=(write & unknown).sum(),
        reads_without_tx=(~write & unknown).sum(),
    )
    return found.row(0, named=True)


def newest(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of a replacing table that no later version replaces, without their version."""
    key = ["block_number", "tx_hash", "place", "is_write"]
    return rows.filter(pl.col("version") == pl.col("version").max().over(key)).select(DIFFS_SCHEMA.names())


def net(rows: pl.DataFrame, *, keep_reads: bool) -> pl.DataFrame:
    """Return one touch per transaction and slot: a write if its last value differs from its first, else a read.

    Parameters
    ----------
    rows : polars.DataFrame
        Differences and reads, all of their transactions and slots.
    keep_reads : bool
        Whether the source sees reads; without it a slot that was not changed is no touch.
    """
    key = ["block_number", "tx_index", "address", "slot"]
    written = pl.col("is_write")
    touches = (
        rows.sort("place", maintain_order=True)
        .group_by(key)
        .agg(
            first=pl.col("before").filter(written).first(),
            last=pl.col("after").filter(written).last(),
        )
        .with_columns(is_write=(pl.col("first") != pl.col("last")).fill_null(False))
    )
    return touches.filter(pl.col("is_write") | keep_reads).select(ROWS_SCHEMA.names())


def to_touches(rows: pl.DataFrame, *, keep_reads: bool) -> pl.DataFrame:
    """Return touches of rows of any schema but the versioned one."""
    if rows.schema == DIFFS_SCHEMA:
        return net(rows, keep_reads=keep_reads)
    return rows.unique()


def without_versions(runs: Runs, folder: Path) -> Runs:
    """Return runs by slot of the newest versions of runs by block."""
    out = Runs(folder, BY_SLOT)
    for at, part in enumerate(runs.ranges()):
        out.keep(f"{at:06d}", Batch(newest(part)))
    return out


def chunks(
    runs: Runs, *, keep_reads: bool, inside: pl.Expr | None = None
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Yield accesses and slots range by range, as `rollstate.traces.store.write_chunks` takes them."""
    slots_before, contracts_before = 0, 0
    last_address: bytes | None = None
    for rows in runs.ranges():
        touches = to_touches(rows if inside is None else rows.filter(inside), keep_reads=keep_reads)
        if touches.is_empty():
            continue
        table = touches.select(BY_SLOT).unique().sort(BY_SLOT)
        same = int(table["address"][0] == last_address)
        slots = table.select(
            (pl.int_range(pl.len()) + slots_before).cast(pl.UInt32).alias("slot_id"),
            (pl.col("address").rank("dense") - 1 + contracts_before - same)
            .cast(pl.UInt32)
            .alias("contract_id"),
            *BY_SLOT,
            *(pl.lit(None, SLOTS_SCHEMA[name]).alias(name) for name in SLOTS_SCHEMA.names()[4:]),
        )
        accesses = touches.join(slots.select("slot_id", *BY_SLOT), on=BY_SLOT)
        yield accesses.select(ACCESSES_SCHEMA.names()).sort(ACCESS_ORDER), slots
        slots_before += slots.height
        contracts_before = int(slots["contract_id"][-1]) + 1
        last_address = slots["address"][-1]


def sort_columns(schema: pl.Schema) -> tuple[str, ...]:
    """Return what runs of a schema are sorted by."""
    return BY_BLOCK if schema == VERSIONED_SCHEMA else BY_SLOT
