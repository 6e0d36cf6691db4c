r"""What an idle window costs on spells, exactly.

A slot is in RAM at its access and stays there for a window of :math:`T` idle blocks, then goes down; an access promotes
it. A spell seen from idle time :math:`e` to :math:`u` costs

.. math:: c\,(\min(u, T) - \min(e, T)) + (\ell + \text{moves})\,1[\text{access at } u > T],

and every spell is independent of every other, so that a trace is one pass over its spells. A spell that is open when a
window of blocks ends goes on in the next with its idle time (`after`): what is kept, demoted and missed does not depend
on where the trace is cut.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from rollstate.errors import InputError
from rollstate.tiering.costs import Costs


@dataclass(frozen=True)
class Gaps:
    """Spells as arrays, shape (n,): idle times between which each is seen, and whether an access ended it."""

    entry: np.ndarray
    duration: np.ndarray
    event: np.ndarray

    def __post_init__(self) -> None:
        if not len(self.duration):
            raise InputError("there are no spells to replay; the trace or the window is empty")
        if not (self.entry < self.duration).all() or (self.entry < 0).any():
            raise InputError("spells need 0 <= entry < duration")

    def __len__(self) -> int:
        return len(self.duration)

    def take(self, rows: np.ndarray) -> Gaps:
        """Return the gaps of some of the rows."""
        return Gaps(self.entry[rows], self.duration[rows], self.event[rows])

    @property
    def exposure(self) -> float:
        """Slot-blocks seen."""
        return float((self.duration - self.entry).sum())


def gaps(spells: pl.DataFrame) -> Gaps:
    """Return the spells of a frame of `rollstate.intervals.build` as arrays."""
    return Gaps(
        spells["entry"].to_numpy().astype(float),
        spells["duration"].to_numpy().astype(float),
        spells["event"].to_numpy(),
    )


def after(spells: pl.DataFrame, block: int) -> pl.DataFrame:
    """Return what is seen of spells after a block: open ones go on with the idle time they have then."""
    idle = (pl.lit(block, pl.Int64) - pl.col("start")).clip(0)
    return spells.with_columns(entry=pl.max_horizontal("entry", idle)).filter(
        pl.col("duration") > pl.col("entry")
    )


@dataclass(frozen=True)
class Outcome:
    """What happened to each spell, shape (n,).

    Attributes
    ----------
    ram, ssd : array of float64
        Slot-blocks in RAM and on SSD.
    cold : array of float64
        Slot-blocks in cold storage.
    miss_ssd, miss_cold : array of bool
        Whether the access found the slot there.
    moves : array of int
        Demotions and promotions.
    cost : array of float64
        Total.
    """

    ram: np.ndarray
    ssd: np.ndarray
    cold: np.ndarray
    miss_ssd: np.ndarray
    miss_cold: np.ndarray
    moves: np.ndarray
    cost: np.ndarray


def replay(
    seen: Gaps, ram: np.ndarray | float, costs: Costs, total: np.ndarray | float | None = None
) -> Outcome:
    """Replay windows of idle time in RAM on the gaps of slots.

    Parameters
    ----------
    seen : Gaps
        Spells.
    ram : array, shape (n,), or float
        Idle blocks in RAM, T1; infinity to never demote.
    costs : Costs
        What tiers, misses and moves cost.
    total : array, shape (n,), or float, optional
        Idle blocks until cold storage, T2 >= T1; equal to T1 (no SSD) if not given.
    """
    first = _window(ram, len(seen))
    second = first if total is None else _window(total, len(seen))
    if (second < first).any():
        raise InputError("windows: a slot cannot reach cold storage before it has left RAM (T2 >= T1)")
    e, u = seen.entry, seen.duration
    in_ram = np.minimum(u, first) - np.minimum(e, first)
    in_ssd = np.minimum(u, second) - np.minimum(e, second) - in_ram
    in_cold = u - e - in_ram - in_ssd
    miss_cold = seen.event & (u > second)
    miss_ssd = seen.event & (u > first) & ~miss_cold
    # A slot goes down when its window ends inside what is seen of the spell.
    down = ((first >= e) & (first < u)).astype(int) + ((second > first) & (second >= e) & (second < u))
    up = (miss_ssd | miss_cold).astype(int)
    cost = (
        costs.ram * in_ram + costs.ssd * in_ssd + costs.cold * in_cold
        + costs.miss_ssd * miss_ssd + costs.miss_cold * miss_cold
        + costs.demote * down + costs.promote * up
    )  # fmt: skip
    return Outcome(in_ram, in_ssd, in_cold, miss_ssd, miss_cold, down + up, cost)


def paid(seen: Gaps, window: np.ndarray | float, costs: Costs) -> np.ndarray:
    """Return what each spell costs in two tiers, shape (n,): the ``cost`` of `replay` alone, in a third of the time."""
    if costs.demote:
        return replay(seen, window, costs).cost
    window = _window(window, len(seen))
    held = np.minimum(seen.duration, window) - np.minimum(seen.entry, window)
    cost = (costs.ram - costs.cold) * held
    if costs.cold:
        cost += costs.cold * (seen.duration - seen.entry)
    return cost + costs.penalty * (seen.event & (seen.duration > window))


def clairvoyant(seen: Gaps, costs: Costs) -> np.ndarray:
    """Return the least cost of each spell for one who knows when it ends, shape (n,).

    The best place for the whole of what is seen of a spell, as every tier costs the same in each of its blocks; a slot
    comes into the spell in RAM, so a lower tier costs a demotion, and an access there a promotion.
    """
    length = seen.duration - seen.entry
    down = np.where(seen.entry == 0, costs.demote, 0.0)
    in_ssd = costs.ssd * length + down + seen.event * (costs.miss_ssd + costs.promote)
    in_cold = costs.cold * length + down + seen.event * (costs.miss_cold + costs.promote)
    return np.minimum(costs.ram * length, np.minimum(in_ssd, in_cold))


def _window(value: np.ndarray | float, n: int) -> np.ndarray:
    window = np.broadcast_to(np.asarray(value, float), (n,))
    if np.isnan(window).any() or (window < 0).any():
        raise InputError("windows must be numbers of at least 0 idle blocks")
    return window
