r"""Policies on trial: windows are set from what was known at a border, and judged on the blocks behind it.

A slot that is idle at the border goes on with its idle time (`rollstate.tiering.replay.after`); covariates of a later
spell are what was known at its start. An earlier trial inside the known blocks serves whatever needs data of its own:
calibrated curves, conformal bounds, and the choice of the policy that was the cheapest there.

Curves go on, on their fitted tails, to `REACH` times the longest spell before the border. A rule that has seen nothing
beyond its blocks then neither leaves RAM nor stays there for want of data alone.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from rollstate import scalars
from rollstate.bootstrap import Resampling
from rollstate.errors import InputError
from rollstate.intervals import ACTIVITY
from rollstate.survival import calibration, conformal, forecasts, frailty, landmarks
from rollstate.survival.cox import ConvergenceError
from rollstate.survival.spells import add_covariates
from rollstate.tiering import evaluation, policies, windows
from rollstate.tiering.costs import Costs, two_tiers
from rollstate.tiering.replay import Gaps, after, clairvoyant, gaps, paid

POINTS = 60
"""Idle times up to the longest seen, spread by their logs, at which a window may end."""
REACH = 100.0
"""How far beyond the longest spell seen a window may end, as a multiple of it."""
EARLIER = 2 / 3
"""Share of the known blocks behind which the earlier trial judges."""
FEWEST = 200
"""Spells below which a class of activity has no window of its own."""
ALPHA = 0.1
"""Share of waits that may be shorter than their conformal bound."""


@dataclass(frozen=True)
class Trial:
    """One border: what was known there, and what came after. `prepare` makes one.

    Attributes
    ----------
    border : int
        The last block that policies know of.
    seed : int
        Of randomised policies.
    past, future : polars.DataFrame
        Spells as known at the border, and what is seen of spells behind it.
    train, test : Gaps
        The same as arrays.
    grid : array, shape (g,)
        Idle times in blocks, from 0 to `REACH` times the longest seen.
    curve : array, shape (1, g)
        Survival of any spell from the last access on, by idle time alone.
    cox : array, shape (k, g)
        The different curves of the stratified Cox model.
    row : array of int, shape (n,)
        Which of them each spell of the future has.
    mixture : GammaFrailty
        Of the slots' rates before the border.
    tau : float
        The published rule's horizon: the median spell before the border, in blocks.
    calibrated : array, shape (k, g), optional
        Curves of the Cox model, calibrated in the earlier trial.
    bound : array, shape (k,), optional
        Conformal lower bounds on the wait after an access, in blocks, from the earlier trial.
    earlier : Trial, optional
        The trial inside the known blocks; None where they are too few.
    """

    border: int
    seed: int
    past: pl.DataFrame
    future: pl.DataFrame
    train: Gaps
    test: Gaps
    grid: np.ndarray
    curve: np.ndarray
    cox: np.ndarray
    row: np.ndarray
    mixture: frailty.GammaFrailty
    tau: float
    calibrated: np.ndarray | None = None
    bound: np.ndarray | None = None
    earlier: Trial | None = None

    def learned(self, part: np.ndarray | None) -> np.ndarray:
        """Return a part that the earlier trial taught; an `InputError` where there was none."""
        if part is None:
            raise InputError(f"border {self.border}: the known blocks are too few for an earlier trial")
        return part

    @functools.cached_property
    def profile(self) -> windows.Profile:
        """The spells before the border, sorted once for all penalties."""
        return windows.profile(self.train)

    @functools.cached_property
    def profiles_by_activity(self) -> dict[int, windows.Profile]:
        """The same for each class of activity with at least `FEWEST` spells, by the class's place in `ACTIVITY`."""
        code = _activity(self.past)
        classes = ((number, self.train.take(code == number)) for number in np.unique(code))
        return {int(number): windows.profile(part) for number, part in classes if len(part) >= FEWEST}

    @functools.cached_property
    def within_tau(self) -> np.ndarray:
        """Probability of an access within `tau` by the Cox model at each idle time, shape (k, g), for all penalties."""
        return windows.access_within(self.cox, self.grid, self.tau)

    @functools.cached_property
    def activity(self) -> np.ndarray:
        """Class of activity of each spell behind the border, as its place in `ACTIVITY`, shape (n,)."""
        return _activity(self.future)

    @property
    def longest(self) -> float:
        """The longest spell before the border, in blocks."""
        return float(self.train.duration.max())

    @property
    def judged_blocks(self) -> float:
        """The longest stretch that is seen of a spell behind the border, in blocks."""
        return float((self.test.duration - self.test.entry).max())


MixtureAt = Callable[[int], frailty.GammaFrailty]
"""The mixture of the slots' rates as it was known at a border."""


def prepare(
    spells: pl.DataFrame,
    border: int,
    *,
    seed: int,
    mixture_at: MixtureAt | None = None,
    first: int | None = None,
) -> Trial:
    """Fit survival models on what was known at a border, and what else policies need inside the known blocks.

    Parameters
    ----------
    spells : polars.DataFrame
        Of `rollstate.intervals.build`.
    border : int
        Last block that is known.
    seed : int
        Of randomised policies.
    mixture_at : callable, optional
        Where the spells are a sample, which does not hold the history of any slot; else it is fitted to them.
    first : int, optional
        First known block; that of the first spell if not given.

    Returns
    -------
    Trial
        Without ``earlier`` and what depends on it if the known blocks are too few for a trial of their own.

    Raises
    ------
    InputError
        If nothing is seen on one side of the border, or no spell before it ended in an access.
    """
    trial = at_border(spells, border, seed=seed, mixture_at=mixture_at)
    known = landmarks.as_of(spells, border)
    first = scalars.whole((known["start"] + known["entry"]).min()) if first is None else first
    try:
        earlier = at_border(known, earlier_border(first, border), seed=seed, mixture_at=mixture_at)
    except InputError:
        return trial
    # Beyond the longest spell it learned from the earlier model says nothing: a spell counts as far as that.
    end = np.minimum(earlier.test.duration, earlier.longest)
    event = earlier.test.event & (earlier.test.duration <= earlier.longest)
    seen, whole = earlier.test.entry < end, earlier.test.entry == 0
    if not event.any() or not whole.any():
        return trial
    entered, ended = (_hazard_at(earlier, at) for at in (earlier.test.entry, end))
    q = conformal.score_quantile(1 - np.exp(-ended[whole]), ALPHA)
    reached = 1 - trial.cox >= q
    bound = np.where(reached.any(axis=1), trial.grid[reached.argmax(axis=1)], trial.longest)
    calibrated = calibration.fit_curve(entered[seen], ended[seen], event[seen]).predict(trial.cox)
    return dataclasses.replace(
        trial, calibrated=calibrated, bound=np.minimum(bound, trial.longest), earlier=earlier
    )


def earlier_border(first: int, border: int) -> int:
    """Return the border of the trial inside the known blocks, which begin with `first`."""
    return first + round(EARLIER * (border - first))


def curve_grid(longest: int) -> np.ndarray:
    """Return the idle times in blocks at which curves are taken: `POINTS` up to the longest known, fewer beyond it."""
    spread = [np.geomspace(1, longest, POINTS), np.geomspace(longest, REACH * longest, POINTS // 4)]
    return np.unique(np.round(np.r_[0, *spread]))


def at_border(spells: pl.DataFrame, border: int, *, seed: int, mixture_at: MixtureAt | None = None) -> Trial:
    """Return the trial at a border without an earlier one inside the known blocks; see `prepare`."""
    past, future = landmarks.as_of(spells, border), after(spells, border)
    if not len(past) or not len(future) or not past["event"].any():
        raise InputError(
            f"border {border}: policies need spells and accesses before it and spells behind it; "
            "take a longer trace or move the border"
        )
    mixture = frailty.fit_spells(past) if mixture_at is None else mixture_at(border)
    # The curve is of all spells; coefficients, of many spells, of a sample of slots, as in the chapter on survival.
    fitted_on = with_covariates(forecasts.sample_slots(past, seed), mixture)
    covariates = forecasts.affordable(fitted_on, forecasts.COVARIATES)
    by_curve = forecasts.fit_curve(past)
    try:
        by_cox = forecasts.fit_cox(fitted_on, covariates, ("activity",))
    except ConvergenceError:
        raise InputError(
            f"border {border}: no Cox model can be fitted on the blocks before it, because covariates say almost "
            "with certainty which slots are accessed again; take another window or move the border"
        ) from None
    grid = curve_grid(scalars.whole(past["duration"].max()))
    cox, row = by_cox.curves(with_covariates(future, mixture), grid)
    return Trial(
        border=border,
        seed=seed,
        past=past,
        future=future,
        train=gaps(past),
        test=gaps(future),
        grid=grid,
        curve=by_curve.survival(grid)[None, :],
        cox=cox,
        row=row,
        mixture=mixture,
        tau=float(np.median(past["duration"].to_numpy())),
    )


def with_covariates(spells: pl.DataFrame, mixture: frailty.GammaFrailty) -> pl.DataFrame:
    """Return spells with the columns that the Cox model looks at."""
    return add_covariates(frailty.add_frailty(spells, mixture))


def _activity(spells: pl.DataFrame) -> np.ndarray:
    return spells["activity"].cast(pl.String).cast(pl.Enum(list(ACTIVITY))).to_physical().to_numpy()


def _hazard_at(trial: Trial, at: np.ndarray) -> np.ndarray:
    """Return the cumulative hazard of each row at an idle time of its own, on lines between the points of the grid."""
    hazard, grid = calibration.cumulative_hazard(trial.cox), trial.grid
    right = np.clip(np.searchsorted(grid, at, "left"), 1, len(grid) - 1)
    low, high = hazard[trial.row, right - 1], hazard[trial.row, right]
    share = (at - grid[right - 1]) / (grid[right] - grid[right - 1])
    # A hair of hazard in each block: an access that the model holds impossible still counts.
    return low + share * (high - low) + 1e-9 * at


def set_windows(trial: Trial, costs: Costs) -> dict[str, policies.Window]:
    """Return the windows that every available policy sets, by name."""
    return {name: rule(trial, costs) for name, rule in policies.available(trial).items()}


def can_tell(trial: Trial, miss: float) -> bool:
    """Say whether the judged blocks can tell policies apart at a penalty.

    A miss must not cost more than holding a slot through all of them: else keeping everything is right whatever the
    chain does, and a ratio of costs there compares nothing but how policies treat what nobody can see.
    """
    return miss <= trial.judged_blocks


def judge(trial: Trial, misses: Sequence[float], resampled: dict[str, Resampling]) -> pl.DataFrame:
    """Replay every policy at many penalties and compare it, pair by pair, with the cheapest simple rule.

    Parameters
    ----------
    trial : Trial
        Of `prepare`.
    misses : sequence of float
        Penalties in slot-blocks of RAM.
    resampled : dict of str to Resampling
        Samples of whole clusters of the future's spells, by what the clusters are.

    Returns
    -------
    polars.DataFrame
        The columns of `rollstate.tiering.evaluation.totals` with ``miss``, ``cluster``, ``told`` (whether the judged
        blocks can tell policies apart at this penalty), ``simple`` (the cheapest of
        `rollstate.tiering.policies.SIMPLE`), ``factor`` (total over that of the clairvoyant) and ``differs`` (whether
        any spell costs something else than under that rule).

    Raises
    ------
    InputError
        If a simple rule costs nothing.
    """
    tables = []
    for miss in misses:
        costs = two_tiers(miss)
        cost = {name: paid(trial.test, w, costs) for name, w in set_windows(trial, costs).items()}
        cost[policies.CLAIRVOYANT] = clairvoyant(trial.test, costs)
        bound = cost[policies.CLAIRVOYANT].sum()
        simple = min(policies.SIMPLE, key=lambda name: cost[name].sum())
        if not cost[simple].any():
            raise InputError(
                "nothing is accessed on the later blocks, so demoting everything costs nothing there and no policy "
                "can be compared with it; take a window with accesses in its later part, or another share of it to "
                "learn from"
            )
        differs = {name: bool((one != cost[simple]).any()) for name, one in cost.items()}
        for way, samples in resampled.items():
            compared = evaluation.totals(cost, samples, references=policies.SIMPLE)
            tables.append(
                compared.with_columns(
                    miss=pl.lit(float(miss)),
                    cluster=pl.lit(way),
                    told=pl.lit(can_tell(trial, miss)),
                    simple=pl.lit(simple),
                    factor=pl.col("total") / bound,
                    differs=pl.col("policy").replace_strict(differs, return_dtype=pl.Boolean),
                )
            )
    return pl.concat(tables)
