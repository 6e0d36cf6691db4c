"""What is compared over months, every rule named before any result.

A rule looks at a `Known`, which holds what lies before a border, and at the penalty, and sets the window of each group
of spells judged behind it: of all, of each class of what was known when a spell began, or of each fold in which it did.

- the four simple rules of `rollstate.tiering.policies`, and fixed windows of 30 and 90 days;
- *window per class*: the window that was best before the border for spells of the same class of accesses so far and of
  the last gap; a class of few spells takes that of its accesses, and that of all where those are few too;
- *window per slot*: from the gamma-Poisson posterior of the slot's rate (`rollstate.horizons.posterior`);
- *re-tuned on change*: tuned again at every border, on all since the last change. A change is found where the window in
  force cost more than `CHANGE` above the best one of the blocks just seen. A spell keeps the window of its start.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from rollstate.errors import InputError
from rollstate.horizons import posterior, tables
from rollstate.horizons.names import CLASSES, HINDSIGHT, MONTH, QUARTER, RETUNED, SLOTS
from rollstate.horizons.tables import Table
from rollstate.profile.rows import shares
from rollstate.profile.tables import Profile
from rollstate.tiering.policies import ALWAYS, CLAIRVOYANT, NEVER, SIMPLE, SKI, TUNED

DAY_S = 86_400
CHANGE = 0.05
"""Loss to the best window of the blocks just seen that counts as a change."""
FEWEST = 200
"""Spells below which a class has no window of its own."""


@dataclass(frozen=True)
class Chain:
    """A profile read once for many borders and penalties; `read` makes one.

    Attributes
    ----------
    profile : Profile
    pieces : polars.DataFrame
        Of `rollstate.horizons.tables.pieces`, with ``class`` and ``history``: codes from 0 of accesses so far with the
        last gap, and with the mean gap.
    folds : Table
        A group for every fold.
    of_class : array of int64, shape (classes, 2)
        Classes of accesses and of the last gap of each ``class``.
    of_history : array of int64, shape (histories, 2)
        Classes of accesses and of the mean gap of each ``history``.
    """

    profile: Profile
    pieces: pl.DataFrame
    folds: Table
    of_class: np.ndarray
    of_history: np.ndarray

    @property
    def day(self) -> float:
        """Blocks in a day."""
        return self.profile.plan.blocks_of(DAY_S, "windows in days")

    @property
    def borders(self) -> tuple[int, ...]:
        """The borders in time, first blocks of folds."""
        return self.profile.plan.borders

    @functools.cached_property
    def starts(self) -> tuple[int, ...]:
        """The folds that begin at a border."""
        return tuple(self.profile.plan.fold_from(border) for border in self.borders)

    def between(self, first: int, last: int) -> pl.DataFrame:
        """Return the pieces of some folds, `last` not included."""
        return self.pieces.filter(pl.col("fold").is_between(first, last, closed="left"))

    def before(self, first: int) -> Known:
        """Return what lies before a fold; the same object each time, so that what it derives is derived once."""
        return self._before.setdefault(first, Known(self, first))

    @functools.cached_property
    def _before(self) -> dict[int, Known]:
        return {}

    @functools.cached_property
    def by_history(self) -> pl.DataFrame:
        """Shares of each ``history`` among ends of spells, as `rollstate.profile.rows.shares` has them."""
        return shares(self.profile, self.pieces, "history")

    def class_of(self, accesses: np.ndarray, gap: np.ndarray) -> np.ndarray:
        """Return the ``class`` of each pair of classes of accesses and of the last gap, int64."""
        return np.searchsorted(_packed(*self.of_class.T), _packed(accesses, gap))

    @functools.cached_property
    def by_start(self) -> pl.DataFrame:
        """The same of each ``start_fold``."""
        return shares(self.profile, self.pieces, "start_fold")


def _packed(accesses: np.ndarray, octave: np.ndarray) -> np.ndarray:
    """Return one number for each pair of classes, in their order; both are below 256."""
    return accesses.astype(np.int64) * 256 + octave


def read(profile: Profile) -> Chain:
    """Return what rules need of a profile.

    Raises
    ------
    InputError
        If the source did not observe every block.
    """
    frame = tables.pieces(profile)
    accesses, gap, pace = (frame[name].to_numpy().astype(np.int64) for name in ("accesses", "gap", "pace"))
    known, of_class = np.unique(_packed(accesses, gap), return_inverse=True)
    paced, of_history = np.unique(_packed(accesses, pace), return_inverse=True)
    frame = frame.with_columns(**{"class": pl.Series(of_class), "history": pl.Series(of_history)})
    return Chain(
        profile,
        frame,
        tables.by_fold(profile),
        np.column_stack([known // 256, known % 256]),
        np.column_stack([paced // 256, paced % 256]),
    )


@dataclass(frozen=True)
class Known:
    """What lies before a border: the spells as seen there, and nothing of what follows.

    Attributes
    ----------
    chain : Chain
    first : int
        The fold that begins at the border.
    """

    chain: Chain
    first: int

    @property
    def pieces(self) -> pl.DataFrame:
        """Pieces before the border."""
        return self.chain.between(0, self.first)

    @functools.cached_property
    def all(self) -> Table:
        """Table of all spells."""
        return self.chain.folds.joined(slice(0, self.first))

    @functools.cached_property
    def by_class(self) -> Table:
        """Table of each class."""
        return tables.table(self.pieces, self.pieces["class"].to_numpy(), len(self.chain.of_class))

    @functools.cached_property
    def by_accesses(self) -> Table:
        """Table of each class of accesses."""
        return tables.table(
            self.pieces, self.pieces["accesses"].to_numpy(), int(self.chain.of_class[:, 0].max()) + 1
        )

    @functools.cached_property
    def prior(self) -> posterior.Prior:
        """Law of rates over slots."""
        return posterior.fit(self.pieces)


@dataclass(frozen=True)
class Set:
    """Windows in blocks for the groups of a column of the pieces; an empty column means all spells alike.

    Attributes
    ----------
    windows : array of float64, shape (groups,)
    column : {"", "class", "history", "start_fold"}
    """

    windows: np.ndarray
    column: str = ""


Rule = Callable[[Known, float], Set]


def fixed(blocks: float) -> Set:
    """Return one window for all."""
    return Set(np.array([float(blocks)]))


def tuned(known: Known, penalty: float) -> Set:
    """Take the one window that was best before the border."""
    return fixed(known.all.tuned(penalty, open_end=True)[0][0])


def by_class(known: Known, penalty: float) -> Set:
    """Take the window that was best before the border for spells of the same class."""
    every = tuned(known, penalty).windows[0]
    coarse = np.where(
        known.by_accesses.spells >= FEWEST, known.by_accesses.tuned(penalty, open_end=True)[0], every
    )
    own = known.by_class.tuned(penalty, open_end=True)[0]
    return Set(np.where(known.by_class.spells >= FEWEST, own, coarse[known.chain.of_class[:, 0]]), "class")


def by_slot(known: Known, penalty: float) -> Set:
    """Take the window of least expected cost under the posterior of the slot's rate."""
    gaps, time = posterior.history(*known.chain.of_history.T)
    return Set(known.prior.window(gaps, time, penalty), "history")


def schedule(folds: Table, starts: tuple[int, ...], penalty: float) -> np.ndarray:
    """Return the window in force from each border on under re-tuning with a change detector.

    Parameters
    ----------
    folds : Table
        A group for every fold.
    starts : tuple of int
        Folds that begin at a border, ascending, the first above 0.
    penalty : float
        Cost of a miss in slot-blocks of RAM.

    Returns
    -------
    array of float64, shape (borders,)
        Each depends on the folds before its border alone.
    """
    return np.array([window for _, window in _re_tuned(folds, starts, penalty)])


def in_memory(folds: Table, starts: tuple[int, ...], penalty: float) -> tuple[int, float]:
    """Return the first fold since the last change that `schedule` finds, and the window tuned on all since then."""
    return _re_tuned(folds, starts, penalty)[-1]


def _re_tuned(folds: Table, starts: tuple[int, ...], penalty: float) -> list[tuple[int, float]]:
    """Return the first fold remembered and the window in force from each border on."""

    def at(memory: int, now: int) -> tuple[int, float]:
        return memory, float(folds.joined(slice(memory, now)).tuned(penalty, open_end=True)[0][0])

    found = [at(0, starts[0])]
    for before, now in itertools.pairwise(starts):
        memory, window = found[-1]
        seen = folds.joined(slice(before, now))
        changed = seen.cost(window, penalty)[0] > (1 + CHANGE) * seen.tuned(penalty)[1][0]
        found.append(at(before if changed else memory, now))
    return found


def retuned(known: Known, penalty: float) -> Set:
    """Tune again at every border, on all since the last change; a spell keeps the window of its start.

    Windows of folds behind the border are set at their own borders, from what lies before those. A spell that began
    before the first judged border has the window in force there.
    """
    starts = np.array(known.chain.starts)
    in_force = schedule(known.chain.folds, known.chain.starts, penalty)
    fold = np.maximum(np.arange(len(known.chain.folds.exposure)), known.first)
    return Set(in_force[np.searchsorted(starts, fold, "right") - 1], "start_fold")


RULES: dict[str, Rule] = {
    MONTH: lambda known, penalty: fixed(30 * known.chain.day),
    QUARTER: lambda known, penalty: fixed(90 * known.chain.day),
    TUNED: tuned,
    NEVER: lambda known, penalty: fixed(np.inf),
    ALWAYS: lambda known, penalty: fixed(0.0),
    SKI: lambda known, penalty: fixed(penalty),
    CLASSES: by_class,
    RETUNED: retuned,
    SLOTS: by_slot,
}
"""Every rule under trial by name, in the order of tables and figures."""
ROBUST = (RETUNED, SLOTS)
"""The alternatives meant to survive drift."""
ORDER = (*RULES, HINDSIGHT, CLAIRVOYANT)
_NEEDS = {CLASSES: ("gap", "accesses"), SLOTS: ("pace", "accesses")}


def available(profile: Profile) -> dict[str, Rule]:
    """Return the rules that a profile can carry.

    Without those whose classes were merged to keep its file small, without windows in days where it does not know how
    long a block takes, and without those as long as all of it: they would be *never demote* under another name.
    """
    plan = profile.plan
    beyond = {
        name
        for name, days in ((MONTH, 30), (QUARTER, 90))
        if plan.block_s is None or days * DAY_S >= plan.n_blocks * plan.block_s
    }
    return {
        name: rule
        for name, rule in RULES.items()
        if name not in beyond and all(profile.tells("pieces", column) for column in _NEEDS.get(name, ()))
    }


def check_penalty(penalty: float) -> float:
    """Return the penalty, which must be a finite number above zero."""
    if not np.isfinite(penalty) or penalty <= 0:
        raise InputError(f"penalty must be a finite number above 0 slot-blocks of RAM, not {penalty!r}")
    return float(penalty)


__all__ = [
    "ALWAYS",
    "CHANGE",
    "CLAIRVOYANT",
    "CLASSES",
    "HINDSIGHT",
    "MONTH",
    "NEVER",
    "ORDER",
    "QUARTER",
    "RETUNED",
    "ROBUST",
    "RULES",
    "SIMPLE",
    "SKI",
    "SLOTS",
    "TUNED",
    "Chain",
    "Known",
    "Set",
    "available",
    "check_penalty",
    "read",
    "schedule",
]  # fmt: skip
