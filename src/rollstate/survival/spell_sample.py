"""Spells that models learn from and are judged on: all of a trace, or a random sample of one that is read in parts.

Of a trace in parts three things are drawn, each by a hash, so that neither the number of parts nor who reads them
changes what is drawn:

* spells, each with the same chance, whatever slot they are of: means and ratios of sums over them estimate those over
  all spells, and a slot with a million accesses weighs no more than its share;
* of slots, each with the same chance, the spells that are current at some landmarks (`rollstate.survival.landmarks`);
* of the same slots the history up to some borders, for the mixture of rates (`rollstate.survival.frailty`).

What is drawn is exactly what it is in the whole trace. What a spell shares with other slots, touches of its contract in
the same block and of its transactions, is counted in a second pass over the parts, for the drawn spells alone: memory
grows with the sample, not with the trace.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl

from rollstate import intervals
from rollstate.scalars import whole
from rollstate.survival import frailty, landmarks
from rollstate.survival.frailty import GammaFrailty
from rollstate.traces.parts import Parts, uniform
from rollstate.traces.schema import Capability, Trace
from rollstate.traces.visits import Counts, largest_others, visits

SPELLS, SLOTS = 1_000_000, 500_000
"""Spells, and slots, that are drawn of a trace in parts, about."""
_SHARED = ("contract_age", "co_contract", "co_tx")
"""Columns of a spell that slots of other parts decide."""
_LABELS = ("contract_type", "slot_type")

Recent = tuple[pl.DataFrame, pl.DataFrame]
"""Accesses of slots and of contracts before a landmark: `rollstate.survival.landmarks.recent`."""


@dataclass(frozen=True)
class Whole:
    """All spells of a trace.

    Attributes
    ----------
    spells : polars.DataFrame
        Of `rollstate.intervals.build`.
    capability : Capability
        The stamp of the trace.
    """

    spells: pl.DataFrame
    capability: Capability

    @property
    def note(self) -> str:
        """Nothing: there is no sample."""
        return ""

    @property
    def first(self) -> int:
        """The first block in which a spell is seen."""
        return whole((self.spells["start"] + self.spells["entry"]).min())

    @property
    def current(self) -> pl.DataFrame:
        """Spells among which those are that landmarks look for: all."""
        return self.spells

    def recent(self, block: int, window: int) -> Recent:
        """Return how often slots and contracts were accessed in a window that ends with a landmark."""
        slots, contracts = (
            landmarks.recent(self.spells, block, window, key) for key in ("slot_id", "contract_id")
        )
        return slots, contracts

    def mixture(self, border: int) -> GammaFrailty:
        """Return the mixture of the slots' rates as it was known at a border."""
        known = ("slot_id", "start", "entry", "duration", "event")
        return frailty.fit_spells(landmarks.as_of(self.spells.select(known), border))

    def longest_gap(self, border: int) -> int:
        """Return the longest gap in blocks that an access had ended by a border; 0 if there is none."""
        return _longest_gap(self.spells, border)


@dataclass(frozen=True)
class Sampled:
    """A sample of the spells of a trace in parts; `draw` makes one.

    Attributes
    ----------
    spells : polars.DataFrame
        Drawn spells with the columns of `rollstate.intervals.build`, sorted by slot and start.
    current : polars.DataFrame
        Those of drawn slots that are current at one of the landmarks, likewise.
    capability : Capability
        The stamp of the trace, whose source says what was drawn.
    recents : mapping
        `Whole.recent` of drawn slots and of all contracts, by landmark and window.
    histories : mapping
        `rollstate.survival.frailty.alike` of drawn slots, by border.
    longest : mapping
        `Whole.longest_gap`, by border.
    every : int
        Spells of the trace.
    share : float
        Of the slots that are drawn.
    """

    spells: pl.DataFrame
    current: pl.DataFrame
    capability: Capability
    recents: Mapping[tuple[int, int], Recent]
    histories: Mapping[int, pl.DataFrame]
    longest: Mapping[int, int]
    every: int
    share: float

    @property
    def note(self) -> str:
        """What was drawn, and what that does to numbers, in sentences."""
        slots = "all of its slots" if self.share == 1 else f"{self.share:.2%} of its slots"
        judged = f" Forecasts are judged on {slots}." if len(self.current) else ""
        return (
            "This trace has more accesses than one process should hold: what follows rests on a random sample of "
            f"{self.spells.height:,} of its {self.every:,} spells.{judged} What is drawn is what it is in the whole "
            "trace. Intervals cover which spells and slots are judged, and take models as they were fitted."
        )

    @property
    def first(self) -> int:
        """The first block of the trace: which is the first one with a spell a sample cannot tell."""
        return self.capability.window_start

    def recent(self, block: int, window: int) -> Recent:
        """See `Whole.recent`; of a landmark and a window that were asked for."""
        return self.recents[block, window]

    def mixture(self, border: int) -> GammaFrailty:
        """See `Whole.mixture`; of a border that was asked for."""
        return frailty.fit_histories(self.histories[border])

    def longest_gap(self, border: int) -> int:
        """See `Whole.longest_gap`; of a border that was asked for, and of all spells, drawn or not."""
        return self.longest[border]


def draw(
    parts: Parts, *, seed: int, borders: Sequence[int], at: Sequence[int] = (), windows: Sequence[int] = ()
) -> Sampled:
    """Draw spells and slots of a trace in parts, in two passes over them.

    Parameters
    ----------
    parts : Parts
        Of a source that observed every block.
    seed : int
        Of the hashes.
    borders : sequence of int
        Blocks at which the histories of slots are wanted.
    at : sequence of int
        Landmarks at which the current spells of slots are wanted.
    windows : sequence of int
        Lengths in blocks that `Sampled.recent` is asked for, at each landmark.
    """
    parts.capability.require("every_block", "a gap between accesses")
    asked = _Asked(
        spells=min(1.0, SPELLS / max(parts.accesses, 1)),
        slots=min(1.0, SLOTS / max(parts.slots, 1)),
        borders=tuple(borders),
        at=tuple(at),
        recents=tuple((block, window) for block in at for window in windows),
        seed=seed,
    )
    found = list(parts.map(functools.partial(_of_part, asked=asked)))
    together = zip(*(one.keys for one in found), strict=True)
    keys = _Keys(*(np.unique(np.concatenate(each)) for each in together))
    slots = functools.reduce(_Keys.plus, parts.map(functools.partial(_slots_of, keys=keys)))
    shared = intervals.Context(
        contract_blocks=Counts(keys.contract_block, slots.contract_block),
        transactions=Counts(keys.transaction, slots.transaction),
        contract_born=intervals.earliest([one.born for one in found]),
    )
    spells = pl.concat([_with_shared(one, shared) for one in found]).sort("slot_id", "start")
    spells = spells.with_columns(pl.col(_LABELS).cast(pl.Categorical))
    drawn, current = (spells.filter(name).select(intervals.COLUMNS) for name in ("drawn", "current"))
    every = sum(one.spells for one in found)
    return Sampled(
        spells=drawn,
        current=current,
        capability=parts.capability.sampled(f"{drawn.height:,} of {every:,} spells drawn at random"),
        recents={key: _added([one.recents[key] for one in found]) for key in asked.recents},
        histories={
            border: frailty.alike([one.histories[border] for one in found]) for border in asked.borders
        },
        longest={border: max(one.longest[border] for one in found) for border in asked.borders},
        every=every,
        share=asked.slots,
    )


class _Asked(NamedTuple):
    """Shares of spells and slots to draw, and at which blocks what is wanted of the slots."""

    spells: float
    slots: float
    borders: tuple[int, ...]
    at: tuple[int, ...]
    recents: tuple[tuple[int, int], ...]
    seed: int


class _Drawn(NamedTuple):
    """What a part gives.

    Attributes
    ----------
    rows : polars.DataFrame
        Wanted spells with ``drawn``, ``current`` (whether each is wanted as such), ``is_access`` and
        ``transactions`` (how many keys of transactions are its own).
    keys : _Keys
        Of the wanted spells, in the order of `rows`.
    born : polars.DataFrame
        ``contract_id``, ``contract_born``.
    recents, histories, longest : dict
        As in `Sampled`, of this part.
    spells : int
        Of the part, drawn or not.
    """

    rows: pl.DataFrame
    keys: _Keys
    born: pl.DataFrame
    recents: dict[tuple[int, int], Recent]
    histories: dict[int, pl.DataFrame]
    longest: dict[int, int]
    spells: int


class _Keys(NamedTuple):
    """Keys of contract and block and of transactions as `rollstate.traces.visits.Visits` has them, or slots of each."""

    contract_block: np.ndarray
    transaction: np.ndarray

    def plus(self, other: _Keys) -> _Keys:
        """Add counts of another part."""
        return _Keys(*(a + b for a, b in zip(self, other, strict=True)))


def _of_part(part: Trace, asked: _Asked) -> _Drawn:
    stamp = part.capability
    window = (stamp.window_start, stamp.window_stop)
    seen = visits(part, stamp.window_stop)
    columns = [name for name in intervals.COLUMNS if name not in _SHARED]
    spells = intervals.spells_of(
        seen, window, stamp.window_start, columns=[*columns, "visit", "gaps", "first_seen", "is_access"]
    )
    slot, start = (spells[name].to_numpy().astype(np.uint64) for name in ("slot_id", "start"))
    named = (slot << np.uint64(40)) + start - np.uint64(stamp.window_start)
    at_landmark = functools.reduce(operator.or_, map(landmarks.is_current, asked.at), pl.lit(False))
    spells = spells.with_columns(
        of_slot=pl.Series(uniform(slot, asked.seed) < asked.slots),
        drawn=pl.Series(uniform(named, asked.seed + 1) < asked.spells),
    ).with_columns(current=pl.col("of_slot") & at_landmark)
    rows = spells.filter(pl.col("drawn") | pl.col("current")).with_columns(pl.col(_LABELS).cast(pl.String))
    visit = rows["visit"].to_numpy()
    begin = seen.tx_at[visit]
    many = np.append(seen.tx_at, seen.tx_key.size)[visit + 1] - begin
    inside = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
    slots = spells.filter("of_slot")
    # Labels of several parts are joined as text: each part has its own codes for them.
    return _Drawn(
        rows=rows.drop("visit", "gaps", "first_seen", "of_slot").with_columns(transactions=many),
        keys=_Keys(seen.contract_key[visit], seen.tx_key[np.repeat(begin, many) + inside]),
        born=intervals.contract_born(seen.slots),
        recents={
            (block, window): (
                landmarks.recent(slots, block, window, "slot_id"),
                landmarks.recent(spells, block, window, "contract_id"),
            )
            for block, window in asked.recents
        },
        histories={border: frailty.alike([_history(slots, border)]) for border in asked.borders},
        longest={border: _longest_gap(spells, border) for border in asked.borders},
        spells=spells.height,
    )


def _longest_gap(spells: pl.DataFrame, border: int) -> int:
    ended = spells.filter(pl.col("event") & (pl.col("start") + pl.col("duration") <= border))
    return whole(ended["duration"].max() or 0)


def _history(spells: pl.DataFrame, border: int) -> pl.DataFrame:
    """Return ``event`` (completed gaps) and ``exposure`` (blocks since the first visit) of slots before a border."""
    return (
        spells.filter(landmarks.is_current(border))
        .select(event="gaps", exposure=border - pl.col("first_seen"), count=pl.lit(1, pl.Int64))
        .filter(pl.col("exposure") > 0)
    )


def _slots_of(part: Trace, keys: _Keys) -> _Keys:
    """Return how many slots of a part share each of the keys; none share an unknown transaction."""
    seen = visits(part, part.capability.window_stop)
    contract_blocks = Counts.collect([seen.contract_key[seen.is_access]])
    transactions = Counts.collect([seen.tx_key[seen.tx_key >= 0]])
    return _Keys(contract_blocks.of(keys.contract_block), transactions.of(keys.transaction))


def _with_shared(one: _Drawn, shared: intervals.Context) -> pl.DataFrame:
    """Return the rows of a part with what other slots of the trace decide."""
    touched, many = shared.contract_blocks.of(one.keys.contract_block), one.rows["transactions"].to_numpy()
    largest = largest_others(shared.transactions.of(one.keys.transaction), np.cumsum(many) - many)
    return one.rows.join(
        shared.contract_born, on="contract_id", how="left", maintain_order="left"
    ).with_columns(
        contract_age=pl.col("start") - pl.col("contract_born"),
        co_contract=pl.Series(touched) - pl.col("is_access").cast(pl.Int64),
        co_tx=pl.when(pl.Series(largest) >= 0).then(pl.Series(largest)),
    )


def _added(parts: Sequence[Recent]) -> Recent:
    """Return the counts of all parts, which share contracts and no slot."""
    slots, contracts = (pl.concat(frames) for frames in zip(*parts, strict=True))
    return slots, contracts.group_by("contract_id").agg(pl.col("recent").sum())
