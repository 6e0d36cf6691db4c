"""The choice of a threshold, its uncertainty, and the verdict: is this a tail that the window identifies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from rollstate.bootstrap import cluster_samples
from rollstate.errors import InputError
from rollstate.product_limit import check_spells, kaplan_meier
from rollstate.tails.alternatives import compare
from rollstate.tails.estimators import Fit, discrete, threshold_of

IDENTIFIED = "a power-law tail, identified"
UNIDENTIFIED = "not a tail this window can identify"
MIN_EVENTS = 100
"""Fewest events beyond the threshold for an index to be quoted."""
MIN_EVENT_SHARE = 0.5
"""Fewest events among the exceedances: below it censoring, not the tail, decides (Einmahl et al. 2008, section 4)."""
MIN_DECADES = 1.0
"""Shortest reach of the data beyond the threshold, in decades: a power law needs at least one to be seen."""
MAX_DRIFT = 1.5
"""Largest ratio of the indices over the fourfold range of k about the chosen one."""


def choose_threshold(duration: np.ndarray, event: np.ndarray, entry: np.ndarray | None = None) -> float:
    """Choose the threshold at which the fitted tail is nearest to the product-limit estimate.

    The distance is Kolmogorov and Smirnov's between the two survival curves given survival to the threshold, the rule
    of Clauset, Shalizi and Newman (2009, https://doi.org/10.1137/070710111) with the Kaplan-Meier curve in the place
    of the empirical one, so that it holds under censoring and delayed entry. It is taken relative to how far the
    Kaplan-Meier curve falls: where censoring leaves few events both curves hardly move, and are near for that reason
    alone. Ties go to the lower threshold.

    Raises
    ------
    InputError
        If no threshold leaves ten events beyond it.
    """
    duration, event, entry = check_spells(duration, event, entry)
    candidates = np.unique(duration[event])
    if len(candidates) > 40:
        candidates = np.unique(candidates[np.geomspace(1, len(candidates), 40).astype(int) - 1])
    best, chosen = np.inf, None
    for u in candidates:
        beyond = duration > u
        if u <= 0 or event[beyond].sum() < 10:
            continue
        try:
            alpha = discrete(duration, event, u, entry=entry).alpha
        except InputError:
            continue
        curve = kaplan_meier(duration[beyond], event[beyond], np.maximum(entry[beyond], u), min_at_risk=10)
        if not curve.height:
            continue
        model = (curve["time"].to_numpy() / u) ** -alpha
        survival = curve["survival"].to_numpy()
        distance = np.abs(survival - model).max() / (1 - survival[-1])
        if distance < best:
            best, chosen = distance, float(u)
    if chosen is None:
        raise InputError("no threshold leaves ten events beyond it: there is no tail to fit in this window")
    return chosen


@dataclass(frozen=True)
class Assessment:
    """What can be said about a tail.

    Attributes
    ----------
    verdict : str
        `IDENTIFIED` or `UNIDENTIFIED`.
    reasons : tuple of str
        Why not, in words; empty if identified.
    fit : Fit
        Fit at the chosen threshold; not to be quoted by itself if not identified.
    interval : tuple of float
        95 % interval of the index that carries the choice of the threshold (cluster bootstrap).
    k_interval : tuple of int
        95 % interval of the chosen number of exceedances.
    drift : float
        Largest over smallest index within half to twice the chosen k.
    decades : float
        Reach of the longest gap beyond the threshold.
    alternatives : polars.DataFrame
        As `compare` returns it.
    """

    verdict: str
    reasons: tuple[str, ...]
    fit: Fit
    interval: tuple[float, float]
    k_interval: tuple[int, int]
    drift: float
    decades: float
    alternatives: pl.DataFrame

    @property
    def identified(self) -> bool:
        """Whether the index may be quoted."""
        return self.verdict == IDENTIFIED


def assess(
    duration: np.ndarray,
    event: np.ndarray,
    *,
    seed: int,
    entry: np.ndarray | None = None,
    cluster: np.ndarray | None = None,
    k: int | None = None,
    draws: int = 40,
) -> Assessment:
    """Fit the tail, and say whether this window identifies it.

    Parameters
    ----------
    duration, event, entry : array, shape (n,)
        Spells in whole blocks.
    seed : int
        Seed of the bootstrap.
    cluster : array, shape (n,), optional
        What the bootstrap resamples and the errors are robust to; single spells if not given.
    k : int, optional
        Number of exceedances; chosen by `choose_threshold` if not given.
    draws : int
        Bootstrap draws.

    Raises
    ------
    InputError
        If there is no tail to fit: too few spells or events, or malformed ones.
    """
    duration, event, entry = check_spells(duration, event, entry)
    if event.sum() < 20:
        raise InputError(f"{int(event.sum())} events are too few to look at a tail; at least 20 are needed")
    groups = np.arange(len(duration)) if cluster is None else np.asarray(cluster)

    def one(rows: np.ndarray) -> Fit:
        t, d, e = duration[rows], event[rows], entry[rows]
        u = choose_threshold(t, d, e) if k is None else threshold_of(t, min(k, len(t) - 1))
        return discrete(t, d, u, entry=e, cluster=groups[rows])

    fit = one(np.arange(len(duration)))
    fits = [
        found
        for found in (_try(one, rows) for rows in cluster_samples(groups, draws, seed))
        if found is not None
    ]
    if len(fits) >= draws / 2:
        # The percentile interval of the draws, widened by the fit's own error where that is larger.
        ends = np.quantile([found.alpha for found in fits], [0.025, 0.975])
        own = fit.interval()
        interval = (float(min(ends[0], own[0])), float(max(ends[1], own[1])))
        k_low, k_high = np.quantile([found.exceedances for found in fits], [0.025, 0.975]).astype(int)
        k_interval = (int(k_low), int(k_high))
    else:
        interval, k_interval = (0.0, float("inf")), (0, len(duration))
    around = (
        int(np.clip(fit.exceedances * factor, 10, len(duration) - 1)) for factor in (0.5, 0.7, 1, 1.4, 2)
    )
    thresholds = {fit.threshold, *(threshold_of(duration, count) for count in around)}
    nearby = [
        discrete(duration, event, u, entry=entry).alpha
        for u in sorted(thresholds)
        if u > 0 and event[duration > u].any()
    ]
    drift = max(nearby) / min(nearby)
    decades = float(np.log10(duration[event].max() / fit.threshold))
    alternatives = compare(duration, event, fit.threshold, entry=entry, cluster=cluster)
    reasons = []
    if fit.events < MIN_EVENTS:
        reasons.append(f"only {fit.events} events lie beyond the threshold, at least {MIN_EVENTS} are needed")
    if fit.event_share < MIN_EVENT_SHARE:
        reasons.append(f"only {fit.event_share:.0%} of the exceedances end with an event: censoring decides")
    if decades < MIN_DECADES:
        reasons.append(f"the data reach {decades:.2f} decades beyond the threshold, a power law needs one")
    if drift > MAX_DRIFT:
        reasons.append(f"the index changes by a factor {drift:.1f} within a fourfold range of k")
    beaten = alternatives.filter(pl.col("favours") == "alternative")["alternative"].to_list()
    if beaten:
        reasons.append(f"the data prefer another tail: {', '.join(beaten)}")
    verdict = UNIDENTIFIED if reasons else IDENTIFIED
    return Assessment(verdict, tuple(reasons), fit, interval, k_interval, drift, decades, alternatives)


def _try(one: Callable[[np.ndarray], Fit], rows: np.ndarray) -> Fit | None:
    """Return the fit of one bootstrap sample, or None where that sample has no tail."""
    try:
        return one(rows)
    except InputError:
        return None
