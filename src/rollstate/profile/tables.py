"""The schema of a profile: ten tables of counts, a stamp, and the plan by which time was cut.

Keys are small whole numbers (bins and classes of `grid` and `classes`); ``rows`` and the sums are int64 and add up
over parts of a chain that share no contract. No column holds an address or a key of storage.

``pieces``
    Spells, cut at every cut of the plan, as in a counting process: at risk for gap times ``entry`` < u <=
    ``duration``. ``event``; ``fold`` and ``start_fold`` (where the spell began); known at the start: ``contract_type``,
    ``slot_type`` (null if unknown), ``kind`` (0 read, 1 write, 2 creation), ``accesses`` (class), ``gap`` and ``pace``
    (octaves of the last and of the mean gap; 0 if none); ``duration``, ``entry`` (bins of `grid.GAPS`); ``rows``.
    Pieces of folds i to j are the spells as seen between two cuts, idle time carried over; of folds 0 to j what was
    known before; of all, the whole.
``sums``
    The same pieces by ``event``, ``fold``, ``start_fold``, ``duration``, ``entry`` alone, with their exact totals:
    ``rows``, ``sum_entry``, ``sum_duration``.
``pieces_by_group``
    The same by random group: ``event``, ``fold``, ``activity`` (0 first, 1 few, 2 many; `rollstate.intervals`),
    ``duration``, ``entry`` (bins of the coarser `grid.LAGS`), ``group``; ``rows``. For intervals, not for estimates.
``ends_by_class``
    Ends of spells by class and random group, between borders in time alone: ``event`` (an access ended it there; else
    it was still open at the next border), ``fold`` (that begins at the border), ``accesses``, ``gap`` (classes at its
    start), ``duration`` (bin of `grid.CLASSES`), ``group``; ``rows``. What is open at a border enters behind it with
    that idle time: so costs and curves of every class follow for all blocks between two borders, for intervals.
``slots``
    ``group``, ``contract_type``, ``slot_type``, ``touches`` (blocks in which a slot is accessed, exact, 0 for a slot
    that is only listed); ``rows``, ``sum_written`` (of these blocks, those with a write).
``contracts``
    ``group``, ``touches`` (sum over the contract's slots, exact); ``rows``, ``sum_slots`` (touched).
``pairs``
    ``lag`` (bin of `grid.LAGS`), ``period`` of the earlier visit, ``accesses`` (class of the slot's touches in all);
    ``sum_pairs`` (visits of a slot that far apart), ``sum_chances`` (visits, times observed blocks that far on).
``pairs_by_group``
    ``lag``, ``group``; ``sum_pairs``, ``sum_chances``.
``time``
    ``bin`` of time; ``rows`` (accesses), ``sum_visits`` (slot and block), ``sum_written``, ``sum_first`` (first
    visits).
``hot``
    Slots on both sides of a border: ``border``, ``near`` (counted over the plan's ``hot_blocks`` on each side instead
    of all), ``before`` and ``after`` (bins of touches by `grid.TOUCHES`), ``idle`` (bin of `grid.LAGS` of the
    time since the last touch, 0 if none); ``rows``, ``sum_before``, ``sum_after``.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from rollstate.errors import InputError
from rollstate.profile.plan import Plan
from rollstate.traces.schema import Capability

VERSION = 2
"""Version of the schema and its grids; profiles of different versions do not add up."""

_U8, _U16, _I64, _S = pl.UInt8, pl.UInt16, pl.Int64, pl.String

TABLES: dict[str, dict[str, Any]] = {
    "pieces": {
        "event": pl.Boolean,
        "fold": _U8,
        "start_fold": _U8,
        "contract_type": _S,
        "slot_type": _S,
        "kind": _U8,
        "accesses": _U8,
        "gap": _U8,
        "pace": _U8,
        "duration": _U16,
        "entry": _U16,
        "rows": _I64,
    },
    "sums": {
        "event": pl.Boolean,
        "fold": _U8,
        "start_fold": _U8,
        "duration": _U16,
        "entry": _U16,
        "rows": _I64,
        "sum_entry": _I64,
        "sum_duration": _I64,
    },
    "pieces_by_group": {
        "event": pl.Boolean,
        "fold": _U8,
        "activity": _U8,
        "duration": _U16,
        "entry": _U16,
        "group": _U8,
        "rows": _I64,
    },
    "ends_by_class": {
        "event": pl.Boolean,
        "fold": _U8,
        "accesses": _U8,
        "gap": _U8,
        "duration": _U16,
        "group": _U8,
        "rows": _I64,
    },
    "slots": {
        "group": _U8,
        "contract_type": _S,
        "slot_type": _S,
        "touches": _I64,
        "rows": _I64,
        "sum_written": _I64,
    },
    "contracts": {"group": _U8, "touches": _I64, "rows": _I64, "sum_slots": _I64},
    "pairs": {"lag": _U16, "period": _U16, "accesses": _U8, "sum_pairs": _I64, "sum_chances": _I64},
    "pairs_by_group": {"lag": _U16, "group": _U8, "sum_pairs": _I64, "sum_chances": _I64},
    "time": {"bin": _U16, "rows": _I64, "sum_visits": _I64, "sum_written": _I64, "sum_first": _I64},
    "hot": {
        "border": _U8,
        "near": pl.Boolean,
        "before": _U16,
        "idle": _U16,
        "after": _U16,
        "rows": _I64,
        "sum_before": _I64,
        "sum_after": _I64,
    },
}


MERGED = 255
"""Class of what a coarsened profile no longer tells apart."""

JOINED = 4
"""Neighbouring values of the columns of `COARSER` that become one where the file would be too large."""
COARSER = ("group", "idle")

LADDER = (
    ("ends_by_class", "group"),
    ("pieces_by_group", "activity"),
    ("pieces", "pace"),
    ("pieces", "gap"),
    ("ends_by_class", "gap"),
    ("pieces", "kind"),
    ("pieces_by_group", "group"),
    ("hot", "idle"),
    ("ends_by_class", "accesses"),
    ("pieces", "accesses"),
    ("pairs", "accesses"),
)
"""Columns that are merged, one after the other, where a file would be too large; totals stay as they are.

Of a column of `COARSER` every `JOINED` values become one, any other column becomes `MERGED`.
"""


def keys(table: str) -> list[str]:
    """Return the columns of a table that name a cell."""
    return [name for name in TABLES[table] if not _is_sum(name)]


def sums(table: str) -> list[str]:
    """Return the columns of a table that add up."""
    return [name for name in TABLES[table] if _is_sum(name)]


def _is_sum(name: str) -> bool:
    return name == "rows" or name.startswith("sum_")


def gathered(table: str, frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Add up frames of a table, cell by cell, in the order of their keys."""
    return added(table, frames).sort(keys(table))


def added(table: str, frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Add up frames of a table, cell by cell, in any order."""
    schema = TABLES[table]
    frame = pl.concat(
        [pl.DataFrame(schema=schema), *(one.select(list(schema)).cast(pl.Schema(schema)) for one in frames)]
    )
    return frame.group_by(keys(table)).agg(pl.col(sums(table)).sum()).select(list(schema))


def without_classes(cells: pl.DataFrame) -> pl.DataFrame:
    """Return the pieces that ``sums`` counts, every class merged and no types: all that is left of them at last."""
    known = {name: pl.col(name) for name in ("event", "fold", "start_fold", "duration", "entry", "rows")}
    nothing = {"contract_type": pl.lit(None), "slot_type": pl.lit(None)}
    schema = TABLES["pieces"]
    return cells.select(
        {**known, **nothing}.get(name, pl.lit(MERGED)).cast(dtype).alias(name)
        for name, dtype in schema.items()
    )


# Frames have no truth value: profiles are compared by `equals`, and are keys of caches as the objects they are.
@dataclass(frozen=True, eq=False)
class Profile:
    """The sufficient statistics of a trace; the frames are described at the head of the module.

    Attributes
    ----------
    capability : Capability
        Stamp of the trace.
    plan : Plan
        How time was cut and slots grouped.
    pieces, sums, pieces_by_group, ends_by_class, slots, contracts, pairs, pairs_by_group, time, hot : polars.DataFrame
        The tables.
    trace_sha256 : str or None
        What identifies the trace it was made from, where that was given.
    merged : int
        How many columns of `LADDER` were merged to keep the file small.
    """

    capability: Capability
    plan: Plan
    pieces: pl.DataFrame = field(repr=False)
    sums: pl.DataFrame = field(repr=False)
    pieces_by_group: pl.DataFrame = field(repr=False)
    ends_by_class: pl.DataFrame = field(repr=False)
    slots: pl.DataFrame = field(repr=False)
    contracts: pl.DataFrame = field(repr=False)
    pairs: pl.DataFrame = field(repr=False)
    pairs_by_group: pl.DataFrame = field(repr=False)
    time: pl.DataFrame = field(repr=False)
    hot: pl.DataFrame = field(repr=False)
    trace_sha256: str | None = None
    merged: int = 0

    def coarsened(self, merged: int) -> Profile:
        """Return the profile with the first columns of `LADDER` merged."""
        frames: dict[str, Any] = {name: self.table(name) for name in TABLES}
        for table, column in LADDER[self.merged : merged]:
            merge = pl.col(column) // JOINED if column in COARSER else pl.lit(MERGED, _U8)
            frames[table] = gathered(table, [frames[table].with_columns(merge.alias(column))])
        return dataclasses.replace(self, merged=max(self.merged, merged), **frames)

    def tells(self, table: str, column: str) -> bool:
        """Whether a column of `LADDER` is as fine as in memory."""
        return (table, column) not in LADDER[: self.merged]

    def require(self, table: str, column: str) -> None:
        """Raise `InputError` where a column was merged."""
        if not self.tells(table, column):
            raise InputError(
                f"this profile was saved without {column!r} in {table}, to stay small; take the one in memory, made "
                "from the trace"
            )

    def table(self, name: str) -> pl.DataFrame:
        """Return a table by its name."""
        return getattr(self, name)

    def equals(self, other: Profile) -> bool:
        """Whether stamp, plan and every count are the same."""
        mine, theirs = ((one.capability, one.plan, one.merged) for one in (self, other))
        return mine == theirs and all(self.table(name).equals(other.table(name)) for name in TABLES)

    def __add__(self, other: Profile) -> Profile:
        """Return the profile of two parts of a chain that share no contract.

        Raises
        ------
        InputError
            If the parts are of different traces, windows or grids.
        """
        if self.capability != other.capability:
            raise InputError(
                f"profiles add up within one trace alone: one is of {self.capability.describe()}, the other of "
                f"{other.capability.describe()}; use `rollstate profile --diff` to compare chains"
            )
        if self.plan != other.plan:
            changed = [
                f"{one.name} is {getattr(self.plan, one.name)} and {getattr(other.plan, one.name)}"
                for one in dataclasses.fields(Plan)
                if getattr(self.plan, one.name) != getattr(other.plan, one.name)
            ]
            raise InputError(
                f"profiles on different grids do not add up ({'; '.join(changed)}); make both with one plan"
            )
        if self.merged != other.merged:
            raise InputError(
                f"one profile has {self.merged} columns merged, the other {other.merged}; bring both to "
                f"coarsened({max(self.merged, other.merged)}) first"
            )
        frames: dict[str, Any] = {
            name: gathered(name, [self.table(name), other.table(name)]) for name in TABLES
        }
        return Profile(self.capability, self.plan, **frames, merged=self.merged)

    @property
    def n_slots(self) -> int:
        """Slots listed, touched or not."""
        return int(self.slots["rows"].sum())

    @property
    def n_touched(self) -> int:
        """Number of slots that were touched at all."""
        return int(self.slots.filter(pl.col("touches") > 0)["rows"].sum())

    @property
    def n_contracts(self) -> int:
        """Contracts with a touch."""
        return int(self.contracts["rows"].sum())

    @property
    def n_accesses(self) -> int:
        """Rows of the trace."""
        return int(self.time["rows"].sum())

    @property
    def n_visits(self) -> int:
        """Pairs of slot and block."""
        return int(self.time["sum_visits"].sum())

    @property
    def clusters(self) -> str:
        """What intervals resample, in words."""
        return f"the profile's random groups of {self.plan.group_by}s"

    def describe(self) -> str:
        """Say in a few lines what was profiled."""
        p = self.plan
        span = f"{p.n_blocks} blocks"
        if p.block_s is not None:
            span += f" of {p.block_s:g} s ({p.n_blocks * p.block_s / 86_400:.4g} days)"
        merged = "".join(f", {column} merged in {table}" for table, column in LADDER[: self.merged])
        cells = sum(self.table(name).height for name in TABLES)
        return (
            f"{self.capability.describe()}\n{self.capability.chain}, {span}: {self.n_accesses} accesses in "
            f"{self.n_visits} visits of {self.n_touched} slots in {self.n_contracts} contracts; {cells} cells, "
            f"groups of {p.group_by}s{merged}"
        )
