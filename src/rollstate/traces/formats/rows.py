"""What every reader yields: batches of rows with the same columns, and what its source can see.

A row is a touch, or a value before and after (a difference) from which `rollstate.traces.import_ranges` finds the net
effect of a transaction. Readers say nothing of order and repeats: rows may come in any order, several times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import polars as pl

from rollstate.traces.formats.columns import OnBad
from rollstate.traces.schema import ACCOUNTS_SCHEMA

ROWS_SCHEMA = pl.Schema(
    {
        "block_number": pl.Int64,
        "tx_index": pl.Int32,
        "address": pl.Binary,
        "slot": pl.Binary,
        "is_write": pl.Boolean,
    }
)
"""A touch."""
DIFFS_SCHEMA = pl.Schema(
    [*ROWS_SCHEMA.items(), ("place", pl.Int64), ("before", pl.Binary), ("after", pl.Binary)]
)
"""A difference: ``place`` is its order within the transaction, ``before`` and ``after`` are null for a read."""
VERSIONED_SCHEMA = pl.Schema([*DIFFS_SCHEMA.items(), ("version", pl.Int64), ("tx_hash", pl.UInt64)])
"""A difference of a replacing table: of equal block, transaction, place and kind the highest version counts."""
BLOCKS_INFO_SCHEMA = pl.Schema({"block_number": pl.Int64, "timestamp": pl.Int64, "tx_count": pl.Int32})


@dataclass(frozen=True)
class Batch:
    """Some rows of a source: of one of the schemas above, with what is known of accounts and blocks beside them."""

    rows: pl.DataFrame
    accounts: pl.DataFrame = field(default_factory=ACCOUNTS_SCHEMA.to_frame)
    blocks: pl.DataFrame = field(default_factory=BLOCKS_INFO_SCHEMA.to_frame)


class Batches(Protocol):
    """Reads a unit: yields number and batch, but for those whose number `needless` says so."""

    def __call__(
        self, needless: Callable[[int], bool], on_bad: OnBad | None = None
    ) -> Iterator[tuple[int, Batch]]:
        """Yield the batches; with `on_bad`, without the rows that it was told of."""
        ...


@dataclass(frozen=True)
class Unit:
    """A part of a source that is read from its start: a file, or some small ones.

    Attributes
    ----------
    name : str
        For messages and progress.
    size : int
        Bytes.
    batches : Batches
        Reads it.
    """

    name: str
    size: int
    batches: Batches


@dataclass(frozen=True)
class Source:
    """A file whose format was recognised.

    Attributes
    ----------
    format : str
        Name of the format.
    schema : polars.Schema
        Which of the schemas its rows have.
    units : tuple of Unit
        Its parts.
    observes_reads, observes_all_writes, tx_level, key_form, account_changes, chain_id
        As in `rollstate.traces.schema.Capability`; None where the content decides.
    span : (int, int) or None
        Half-open window of blocks that the names of the files promise.
    notes : tuple of str
        What could not be seen or was presumed, a sentence each.
    """

    format: str
    schema: pl.Schema
    units: tuple[Unit, ...]
    observes_reads: bool | None
    observes_all_writes: bool
    tx_level: str | None
    key_form: str = "slot"
    account_changes: bool = False
    chain_id: int | None = None
    span: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Options:
    """What the reader says of a source that does not say it.

    Attributes
    ----------
    chain_id : int, optional
        EIP-155 chain id.
    blocks : (int, int), optional
        Half-open window; rows outside are left out.
    columns : mapping, optional
        What the trace calls a column to what the file calls it, of a table.
    seconds : int, optional
        Length of a step of the clock, where a table has timestamps in place of blocks.
    layout : {"draft", "final"}, optional
        Of block access lists.
    source : str, optional
        Name of the source in the stamp; the format by default.
    all_writes : bool
        Whether a table lists every write; unknown counts as no.
    """

    chain_id: int | None = None
    blocks: tuple[int, int] | None = None
    columns: dict[str, str] = field(default_factory=dict)
    seconds: int | None = None
    layout: str | None = None
    source: str | None = None
    all_writes: bool = False
