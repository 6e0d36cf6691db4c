r"""What windows cost, from a profile: on any blocks between two cuts, idle time carried over.

The cost of a window :math:`w` on a piece of a spell at risk between ``entry`` and ``duration`` is
:math:`c (\min(d, w) - \min(e, w))` for RAM, the cold price for the rest, and the penalty for an access that comes after
:math:`w`. All three are known exactly where :math:`w` is the greatest gap of a bin; between two of these the cost is
interpolated, which is exact for holding up to the concavity within a bin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from rollstate.profile.grid import CLASSES, GAPS, LAGS, Grid
from rollstate.profile.plan import GROUPS
from rollstate.profile.rows import between
from rollstate.profile.tables import Profile


@dataclass(frozen=True)
class WindowTable:
    """Holding and misses at every window on the grid.

    Attributes
    ----------
    windows : array of int64, shape (m,)
        Greatest gap of each bin, 0 first.
    held : array of float64, shape (m,)
        Slot-blocks in RAM.
    missed : array of int64, shape (m,)
        Accesses after the window.
    exposure : float
        Slot-blocks in all.
    """

    windows: np.ndarray
    held: np.ndarray
    missed: np.ndarray
    exposure: float

    def costs(self, windows: np.ndarray, *, ram: float, cold: float, penalty: float) -> np.ndarray:
        """Return the total two-tier cost of each window, shape (k,); infinity never demotes."""
        at = np.asarray(windows, float)
        finite = np.where(np.isfinite(at), at, self.windows[-1])
        held = np.where(np.isfinite(at), np.interp(finite, self.windows, self.held), self.exposure)
        missed = np.where(np.isfinite(at), np.interp(finite, self.windows, self.missed), 0)
        return ram * held + cold * (self.exposure - held) + penalty * missed

    def tuned(self, *, ram: float, cold: float, penalty: float) -> tuple[float, float]:
        """Return the window that is best on these spells, and its cost; of equally good ones the longest."""
        hits = np.flatnonzero(np.diff(self.missed) < 0) + 1
        candidates = np.r_[0.0, self.windows[hits], np.inf]
        cost = self.costs(candidates, ram=ram, cold=cold, penalty=penalty)
        best = int(np.flatnonzero(cost <= cost.min() * (1 + 1e-12))[-1])
        return float(candidates[best]), float(cost[best])


def window_table(
    profile: Profile, start: int | None = None, stop: int | None = None, *, inside: bool = False
) -> WindowTable:
    """Return holding and misses of all windows on the blocks between two cuts.

    Raises
    ------
    InputError
        If the source did not observe every block: a window would see too few accesses.
    """
    profile.capability.require("every_block", "the cost of a window")
    rows = between(profile, start, stop, inside=inside, table="sums")
    held, missed = held_and_missed(rows, rows["sum_duration"].to_numpy(), rows["sum_entry"].to_numpy(), GAPS)
    exposure = float((rows["sum_duration"] - rows["sum_entry"]).sum())
    return WindowTable(GAPS.high(np.arange(held.shape[1])), held[0], missed[0], exposure)


def window_table_where(
    profile: Profile,
    where: pl.Expr,
    start: int | None = None,
    stop: int | None = None,
    *,
    inside: bool = False,
) -> WindowTable:
    """Return the same for spells of some classes alone; durations are taken in the middle of their bins."""
    profile.capability.require("every_block", "the cost of a window")
    rows = between(profile, start, stop, inside=inside, where=where)
    ends, begins = _middle_sums(rows, GAPS)
    held, missed = held_and_missed(rows, ends, begins, GAPS)
    return WindowTable(GAPS.high(np.arange(held.shape[1])), held[0], missed[0], float((ends - begins).sum()))


def window_tables_by_group(
    profile: Profile, start: int | None = None, stop: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the same of every group, for intervals: windows (m,), held and missed (groups, m), exposure (groups,)."""
    profile.capability.require("every_block", "the cost of a window")
    rows = between(profile, start, stop, table="pieces_by_group")
    ends, begins = _middle_sums(rows, LAGS)
    held, missed = held_and_missed(
        rows, ends, begins, LAGS, rows["group"].to_numpy().astype(np.int64), GROUPS
    )
    exposure = np.bincount(rows["group"].to_numpy(), ends - begins, GROUPS)
    return LAGS.high(np.arange(held.shape[1])), held, missed, exposure


def costs_by_group(ends: pl.DataFrame, window: np.ndarray, penalty: float) -> np.ndarray:
    """Return the two-tier cost of every group under a window for each class, shape (groups,), cold storage free.

    Where a window lies within a bin of `rollstate.profile.grid.CLASSES`, idle times are spread over it evenly, about
    their mean: for intervals, not for estimates.

    Parameters
    ----------
    ends : polars.DataFrame
        Of `rollstate.profile.rows.ended`.
    window : array, shape (n,)
        Idle blocks in RAM of each row; infinity never demotes.
    penalty : float
        Cost of a miss in slot-blocks of RAM.
    """
    index, n = ends["duration"].to_numpy(), ends["rows"].to_numpy()
    low, high = CLASSES.low(index).astype(float), CLASSES.high(index).astype(float)
    # Of the bin's numbers, those up to the window count as they are, the others as the window.
    width = high - low + 1
    inside = np.clip(np.floor(window) - low + 1, 0, width)
    evenly = (inside * (2 * low + inside - 1) / 2 + (width - inside) * np.minimum(window, high)) / width
    drawn = np.divide(ends["mean"].to_numpy() - low, (high - low) / 2, out=np.ones_like(low), where=width > 1)
    held = np.where(inside > 0, np.minimum(low + (evenly - low) * drawn, window), window)
    late = np.where(ends["event"].to_numpy(), 1 - inside / width, 0)
    cost = n * (held + penalty * late)
    return np.bincount(ends["group"].to_numpy(), cost, GROUPS)


def parted(total: float, counted: np.ndarray) -> np.ndarray:
    """Return an exact total parted among groups as counted on a coarser grid, shape (groups,)."""
    whole = counted.sum()
    return counted * (total / whole) if whole > 0 else np.zeros_like(counted)


def clairvoyant(
    profile: Profile, holding: float, penalty: float, start: int | None = None, stop: int | None = None
) -> float:
    """Return the cost of who knows each next access: it is waited for where that costs less than missing it."""
    profile.capability.require("every_block", "the cost of knowing the future")
    plan = profile.plan
    first = plan.fold_from(plan.start if start is None else start)
    rows = between(profile, start, stop, table="sums").filter(pl.col("event"))
    n = rows["rows"].to_numpy()
    duration, entry = (rows[f"sum_{name}"].to_numpy() / n for name in ("duration", "entry"))
    # What a spell from before the first cut had waited there: what it had at its own fold's cut, less the way between.
    waited = entry - (np.array(plan.cuts)[rows["fold"].to_numpy()] - plan.cuts[first])
    rest = duration - np.where(rows["start_fold"].to_numpy() < first, waited, 0)
    return float((n * np.minimum(holding * rest, penalty)).sum())


def _middle_sums(rows: pl.DataFrame, grid: Any) -> tuple[np.ndarray, np.ndarray]:
    n = rows["rows"].to_numpy()
    ends, begins = (grid.middle(rows[name].to_numpy()) for name in ("duration", "entry"))
    return n * ends, n * np.where(rows["entry"].to_numpy() == 0, 0.0, begins)


def held_and_missed(
    rows: pl.DataFrame,
    ends: np.ndarray,
    begins: np.ndarray,
    grid: Grid = GAPS,
    code: np.ndarray | None = None,
    groups: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the slot-blocks held and the accesses missed by a window of the greatest gap of every bin.

    Parameters
    ----------
    rows : polars.DataFrame
        Pieces: ``duration``, ``entry`` (bins of `grid`), ``event``, ``rows``.
    ends, begins : array, shape (n,)
        Total of the durations and of the entries of each row's pieces, in blocks.
    code : array of int64, shape (n,), optional
        Group of each row, from 0; all in one if not given.
    groups : int
        How many groups there are.

    Returns
    -------
    held : array of float64, shape (groups, bins)
    missed : array of int64, shape (groups, bins)
    """
    duration, entry = (rows[name].to_numpy().astype(np.int64) for name in ("duration", "entry"))
    n, event = rows["rows"].to_numpy(), rows["event"].to_numpy()
    code = np.zeros(len(rows), np.int64) if code is None else code
    bins = int(duration.max(initial=0)) + 1
    high = grid.high(np.arange(bins)).astype(float)

    def by_bin(at: np.ndarray, weight: np.ndarray) -> np.ndarray:
        return np.bincount(code * bins + at, weight, groups * bins).reshape(groups, bins)

    def clipped(at: np.ndarray, total: np.ndarray) -> np.ndarray:
        below = np.cumsum(by_bin(at, total), axis=1)
        counted = by_bin(at, n)
        above = counted.sum(axis=1, keepdims=True) - np.cumsum(counted, axis=1)
        return below + above * high

    hit = np.cumsum(by_bin(duration, n * event), axis=1)
    missed = np.round(hit[:, -1:] - hit).astype(np.int64)
    return clipped(duration, ends) - clipped(entry, begins), missed
