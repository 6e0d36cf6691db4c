r"""Policies on trial: windows are set from what was known at a border, and judged on the blocks behind it.

A slot that is idle at the border goes on with its idle time (`rollstate.tiering.replay.after`); covariates of a later
spell are what was known at its start. Which policy is ours is said before any result is seen: `OURS`, the exact rule on
the survival curves of a stratified Cox model, a curve for each spell.

An earlier trial inside the known blocks serves whatever needs data of its own: calibrated curves, conformal bounds, and
the policy that is `CHOSEN` for each penalty because it was the cheapest there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from rollstate.errors import InputError
from rollstate.survival import calibration, conformal, forecasts, frailty, landmarks
from rollstate.survival.spells import add_covariates
from rollstate.tiering import evaluation, windows
from rollstate.tiering.costs import two_tiers
from rollstate.tiering.replay import Gaps, after, clairvoyant, gaps, replay

COX = "Cox, stratified"
"""The model of `OURS`, as `rollstate.survival.forecasts` names it."""
OURS = f"exact, {COX}"
TUNED = "fixed window, tuned"
"""The bar: one window for all, the best in hindsight on the blocks before the border."""
RANDOM = "ski rental, random"
CHOSEN = "chosen on earlier blocks"
"""For each penalty the policy that was cheapest in the earlier trial; chance is not chosen."""
POINTS = 60
"""Idle times, spread by their logs, at which a window may end."""
EARLIER = 2 / 3
"""Share of the known blocks behind which the earlier trial judges."""


@dataclass(frozen=True)
class Trial:
    """One border: what was known there, and what came after. `prepare` makes one.

    Attributes
    ----------
    border : int
        The last block that policies know of.
    past, future : polars.DataFrame
        Spells with covariates as known at the border, and what is seen of spells behind it.
    train, test : Gaps
        The same as arrays.
    grid : array, shape (g,)
        Idle times in blocks, from 0 to the longest seen.
    curves : dict of str to array, shape (n, g)
        Survival of the future's spells from their last access on, by model; one row if it is the same for all.
    mixture : GammaFrailty
        Of the slots' rates before the border.
    tau : float
        The published rule's horizon: the median spell before the border, in blocks.
    calibrated : array, shape (n, g), optional
        Curves of the Cox model, calibrated in the earlier trial.
    bound : array, shape (n,), optional
        Conformal lower bounds on the wait after an access, in blocks, from the earlier trial.
    earlier : Trial, optional
        The trial inside the known blocks.
    """

    border: int
    past: pl.DataFrame
    future: pl.DataFrame
    train: Gaps
    test: Gaps
    grid: np.ndarray
    curves: dict[str, np.ndarray]
    mixture: frailty.GammaFrailty
    tau: float
    calibrated: np.ndarray | None = None
    bound: np.ndarray | None = None
    earlier: Trial | None = None


def prepare(
    spells: pl.DataFrame,
    border: int,
    *,
    seed: int,
    models: Sequence[str] = (forecasts.KAPLAN_MEIER, COX),
    alpha: float = 0.1,
) -> Trial:
    """Fit survival models on what was known at a border, and draw their curves for what came after.

    Parameters
    ----------
    spells : polars.DataFrame
        Of `rollstate.intervals.build`.
    border : int
        Last block that is known.
    seed : int
        Of boosted trees.
    models : sequence of str
        Names in `rollstate.survival.forecasts.fit_all`, `COX` among them; one that does not converge has no curves.
    alpha : float
        Share of waits that may be shorter than their conformal bound.

    Raises
    ------
    InputError
        If nothing is seen on one side of the border or of the earlier trial's, or there are too few accesses there to
        fit a model.
    """
    trial = _fitted(spells, border, seed, models)
    known = landmarks.as_of(spells, border)
    first = int((known["start"] + known["entry"]).min())
    earlier = _fitted(known, first + round(EARLIER * (border - first)), seed, models)
    # Beyond the longest spell it learned from the earlier model says nothing: a spell counts as far as that.
    end = np.minimum(earlier.test.duration, earlier.grid[-1])
    event = earlier.test.event & (earlier.test.duration <= earlier.grid[-1])
    seen = earlier.test.entry < end
    curve = earlier.curves[COX]
    entered, ended = (_hazard_at(curve, earlier.grid, at) for at in (earlier.test.entry, end))
    whole = earlier.test.entry == 0
    q = conformal.score_quantile(1 - np.exp(-ended[whole]), alpha)
    reached = 1 - trial.curves[COX] >= q
    return dataclasses.replace(
        trial,
        calibrated=calibration.fit_curve(entered[seen], ended[seen], event[seen]).predict(trial.curves[COX]),
        bound=np.where(reached.any(axis=1), trial.grid[reached.argmax(axis=1)], trial.grid[-1]),
        earlier=earlier,
    )


def _fitted(spells: pl.DataFrame, border: int, seed: int, models: Sequence[str]) -> Trial:
    past, future = landmarks.as_of(spells, border), after(spells, border)
    if not len(past) or not len(future) or not past["event"].any():
        raise InputError(
            f"border {border}: policies need spells and accesses before it and spells behind it; move it"
        )
    mixture = frailty.fit_spells(past)
    past, future = (add_covariates(frailty.add_frailty(frame, mixture)) for frame in (past, future))
    fitted, failed = forecasts.fit_all(
        past, forecasts.COVARIATES, strata=("activity",), seed=seed, iterations=20, models=models
    )
    if COX in failed:
        raise InputError(f"border {border}: {failed[COX]}")
    grid = np.unique(np.round(np.r_[0, np.geomspace(1, past["duration"].max(), POINTS)]))
    fresh = future.with_columns(idle=pl.lit(0))
    curves = {
        name: _curve(model, fresh.head(1) if name == forecasts.KAPLAN_MEIER else fresh, grid)
        for name, model in fitted.items()
    }
    tau = float(np.median(past["duration"].to_numpy()))
    return Trial(border, past, future, gaps(past), gaps(future), grid, curves, mixture, tau)


def _curve(model: forecasts.Forecast, rows: pl.DataFrame, grid: np.ndarray) -> np.ndarray:
    """Return S at the idle times of a grid for slots just accessed, shape (n, g)."""
    survival = np.stack([np.ones(len(rows)), *(1 - model(rows, horizon) for horizon in grid[1:])], axis=1)
    return np.minimum.accumulate(survival, axis=1)


def _hazard_at(survival: np.ndarray, grid: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the cumulative hazard of each row at an idle time of its own, on lines between the points of the grid."""
    hazard = calibration.cumulative_hazard(survival)
    right = np.clip(np.searchsorted(grid, at, "left"), 1, len(grid) - 1)
    rows = np.arange(len(at))
    low, high = hazard[rows, right - 1], hazard[rows, right]
    share = (at - grid[right - 1]) / (grid[right] - grid[right - 1])
    # A hair of hazard in each block: an access that the model holds impossible still counts.
    return low + share * (high - low) + 1e-9 * at


def policies(trial: Trial, seed: int) -> dict[str, evaluation.Policy]:
    """Return every uncoupled policy by name: baselines, the published cutoff, and the exact rule by model."""
    curves = trial.curves
    common, own = curves[forecasts.KAPLAN_MEIER], curves[COX]
    groups, judged = (frame["activity"].cast(pl.String).to_numpy() for frame in (trial.past, trial.future))

    def by_group(costs):
        found = windows.tuned_by_group(trial.train, groups, costs)
        overall = windows.tuned(trial.train, costs)[0]
        return np.array([found.get(name, overall) for name in judged])

    def exact(survival):
        return lambda costs: windows.exact(survival, trial.grid, costs)

    profile = windows.profile(trial.train)
    found = {
        TUNED: lambda costs: windows.tuned(profile, costs)[0],
        "never demote": lambda costs: np.inf,
        "always demote": lambda costs: 0.0,
        "ski rental": windows.ski_rental,
        RANDOM: lambda costs: windows.ski_rental_random(costs, len(trial.test), seed),
        "cutoff": lambda costs: windows.cutoff(own, trial.grid, costs, trial.tau),
        "tuned by activity": by_group,
        "robust": lambda costs: windows.robust([np.broadcast_to(common, own.shape), own], trial.grid, costs),
        **{f"exact, {name}": exact(survival) for name, survival in curves.items()},
    }
    if trial.earlier is not None:
        before = policies(trial.earlier, seed)

        def chosen(costs):
            paid = {
                name: replay(trial.earlier.test, policy(costs), costs).cost.sum()
                for name, policy in before.items()
                if name != RANDOM
            }
            return found[min(paid, key=paid.get)](costs)

        found |= {
            "exact, calibrated Cox": exact(trial.calibrated),
            "conformal": lambda costs: windows.conformal(trial.bound, costs),
            CHOSEN: chosen,
        }
    return found


def judge(
    trial: Trial, misses: Sequence[float], clusters: dict[str, np.ndarray], *, draws: int, seed: int
) -> pl.DataFrame:
    """Replay every policy at many penalties and compare it with the tuned window, pair by pair.

    Parameters
    ----------
    trial : Trial
        Of `prepare`.
    misses : sequence of float
        Penalties in slot-blocks of RAM.
    clusters : dict of str to array, shape (n,)
        What is resampled whole, by name: a code for each spell of the future.
    draws, seed : int
        Of the bootstrap; the seed is that of randomised policies too.

    Returns
    -------
    polars.DataFrame
        The columns of `rollstate.tiering.evaluation.totals` with ``miss``, ``cluster``, ``factor`` (total over that of
        the clairvoyant) and ``differs`` (whether any spell's window is another one than the tuned).
    """
    tables = []
    for miss in misses:
        costs = two_tiers(miss)
        chosen = {name: policy(costs) for name, policy in policies(trial, seed).items()}
        paid = {name: replay(trial.test, window, costs).cost for name, window in chosen.items()}
        paid["clairvoyant"] = clairvoyant(trial.test, costs)
        bound = paid["clairvoyant"].sum()
        differs = {name: bool((paid[name] != paid[TUNED]).any()) for name in paid}
        for way, cluster in clusters.items():
            compared = evaluation.totals(paid, cluster, reference=TUNED, draws=draws, seed=seed)
            tables.append(
                compared.with_columns(
                    miss=pl.lit(float(miss)),
                    cluster=pl.lit(way),
                    factor=pl.col("total") / bound,
                    differs=pl.col("policy").replace_strict(differs, return_dtype=pl.Boolean),
                )
            )
    return pl.concat(tables, how="diagonal_relaxed")
