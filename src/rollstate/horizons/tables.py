"""Holding and misses of every window, apart for each group of spells: folds of time, or classes of slots.

The pieces of a profile have their classes, its ``sums`` have exact totals of idle time. Joined, every piece has the
mean entry and duration of its cell, so that windows on the profile's grid are exact in total, others within the grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from rollstate.errors import InputError
from rollstate.profile.costs import held_and_missed
from rollstate.profile.grid import GAPS
from rollstate.profile.tables import Profile

_CELL = ("event", "fold", "start_fold", "duration", "entry")
_CLASS = ("accesses", "gap", "pace")


@dataclass(frozen=True)
class Table:
    """Holding and misses at every window on the grid, in groups.

    Attributes
    ----------
    windows : array of int64, shape (m,)
        Greatest gap of each bin in blocks, 0 first.
    held : array of float64, shape (groups, m)
        Slot-blocks in RAM.
    missed : array of int64, shape (groups, m)
        Accesses after the window.
    exposure : array of float64, shape (groups,)
        Slot-blocks in all.
    spells : array of int64, shape (groups,)
        Pieces of spells.
    """

    windows: np.ndarray
    held: np.ndarray
    missed: np.ndarray
    exposure: np.ndarray
    spells: np.ndarray

    @property
    def accesses(self) -> np.ndarray:
        """Accesses after any gap, int64, shape (groups,)."""
        return self.missed[:, 0]

    def joined(self, groups: slice | np.ndarray = slice(None)) -> Table:
        """Return some groups as one."""
        parts = (
            getattr(self, name)[groups].sum(axis=0)[None] for name in ("held", "missed", "exposure", "spells")
        )
        return Table(self.windows, *parts)

    def ram(self, window: np.ndarray | float) -> np.ndarray:
        """Return the slot-blocks in RAM under a window for each group, shape (groups,); infinity never demotes."""
        return self._at(window, self.held, self.exposure)

    def misses(self, window: np.ndarray | float) -> np.ndarray:
        """Return the accesses that come after a window for each group, shape (groups,)."""
        return self._at(window, self.missed, np.zeros_like(self.exposure))

    def cost(self, window: np.ndarray | float, penalty: float) -> np.ndarray:
        """Return the cost under a window for each group, shape (groups,).

        Parameters
        ----------
        window : array, shape (groups,), or float
            Idle blocks in RAM.
        penalty : float
            Cost of a miss in slot-blocks of RAM; cold storage is free.
        """
        return self.ram(window) + penalty * self.misses(window)

    def tuned(self, penalty: float, *, open_end: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Return the best window of each group and its cost, shape (groups,) each; of equally good ones the longest.

        Parameters
        ----------
        open_end : bool
            Never demote where the spells cannot tell: where all the holding beyond the best window costs no more than
            one miss would, as `rollstate.tiering.windows.tuned` does.
        """
        cost = np.column_stack([self.held + penalty * self.missed, self.exposure])
        kept = np.diff(self.missed, axis=1) < 0
        start, end = np.ones((len(cost), 1), bool), np.ones((len(cost), 1), bool)
        cost = np.where(np.column_stack([start, kept, end]), cost, np.inf)
        good = cost <= cost.min(axis=1, keepdims=True) * (1 + 1e-12)
        best = good.shape[1] - 1 - np.argmax(good[:, ::-1], axis=1)
        rows = np.arange(len(cost))
        if open_end:
            best = np.where(cost[:, -1] - cost[rows, best] <= penalty, cost.shape[1] - 1, best)
        return np.append(self.windows.astype(float), np.inf)[best], cost[rows, best]

    def _at(self, window: np.ndarray | float, values: np.ndarray, endless: np.ndarray) -> np.ndarray:
        at = np.broadcast_to(np.asarray(window, float), self.exposure.shape)
        if np.isnan(at).any() or (at < 0).any():
            raise InputError("windows must be numbers of at least 0 idle blocks")
        inside = np.clip(np.where(np.isfinite(at), at, 0), 0, self.windows[-1])
        right = np.clip(np.searchsorted(self.windows, inside, "left"), 1, max(1, len(self.windows) - 1))
        right = np.minimum(right, len(self.windows) - 1)
        left = np.maximum(right - 1, 0)
        rows = np.arange(len(at))
        step = np.maximum(self.windows[right] - self.windows[left], 1)
        share = (inside - self.windows[left]) / step
        found = values[rows, left] + share * (values[rows, right] - values[rows, left])
        return np.where(np.isfinite(at), found, endless)


def pieces(profile: Profile) -> pl.DataFrame:
    """Return all pieces by class with the totals of their idle times.

    Returns
    -------
    polars.DataFrame
        ``event``, ``fold``, ``start_fold``, ``duration``, ``entry`` (bins), ``accesses``, ``gap``, ``pace`` (classes),
        ``rows``, ``ends``, ``begins`` (totals in blocks, float64).

    Raises
    ------
    InputError
        If the source did not observe every block: a window would see too few accesses.
    """
    profile.capability.require("every_block", "the cost of a window")
    cells = profile.pieces.group_by(*_CELL, *_CLASS).agg(pl.col("rows").sum()).sort(*_CELL, *_CLASS)
    means = profile.sums.select(
        *_CELL,
        ends=pl.col("sum_duration") / pl.col("rows"),
        begins=pl.col("sum_entry") / pl.col("rows"),
    )
    return cells.join(means, on=list(_CELL), how="left", maintain_order="left").with_columns(
        ends=pl.col("ends") * pl.col("rows"), begins=pl.col("begins") * pl.col("rows")
    )


def table(frame: pl.DataFrame, code: np.ndarray | None = None, groups: int = 1) -> Table:
    """Return the table of some `pieces`.

    Parameters
    ----------
    frame : polars.DataFrame
        Of `pieces`.
    code : array of int64, shape (n,), optional
        Group of each row, from 0.
    groups : int
        How many groups there are.

    Raises
    ------
    InputError
        If there is no piece.
    """
    if frame.is_empty():
        raise InputError("there are no spells to price; widen the blocks or take a longer trace")
    code = np.zeros(len(frame), np.int64) if code is None else np.asarray(code, np.int64)
    ends, begins = frame["ends"].to_numpy(), frame["begins"].to_numpy()
    held, missed = held_and_missed(frame, ends, begins, GAPS, code, groups)
    exposure = np.bincount(code, ends - begins, groups)
    spells = np.bincount(code, frame["rows"].to_numpy(), groups).astype(np.int64)
    return Table(GAPS.high(np.arange(held.shape[1])), held, missed, exposure, spells)


def by_fold(profile: Profile, *, since: int | None = None) -> Table:
    """Return the table of every fold between two cuts of the plan, a group each.

    Parameters
    ----------
    since : int, optional
        A cut: only spells that start at it or later, as a trace that begins there would show them.
    """
    profile.capability.require("every_block", "the cost of a window")
    rows = profile.sums
    if since is not None:
        rows = rows.filter(pl.col("start_fold") >= profile.plan.fold_from(since))
    frame = rows.with_columns(ends=pl.col("sum_duration").cast(float), begins=pl.col("sum_entry").cast(float))
    return table(frame, frame["fold"].to_numpy(), len(profile.plan.cuts) - 1)
