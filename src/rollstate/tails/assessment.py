"""The choice of a threshold, its uncertainty, and the verdict: is this a tail that the window identifies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from rollstate.errors import InputError
from rollstate.risk_table import ClusteredRiskTable, RiskTable
from rollstate.tails.alternatives import compare_of
from rollstate.tails.estimators import Fit, TailSums, discrete_of, threshold_for
from rollstate.threads import one_thread

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

COMPARED = 10_000
"""Most times at which a fitted tail is compared with the product-limit estimate."""


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
    return choose_threshold_of(ClusteredRiskTable.of(duration, event, entry, np.zeros(len(duration))).whole)


def choose_threshold_of(table: RiskTable, sums: TailSums | None = None) -> float:
    """Choose the threshold as `choose_threshold` does, from counted spells; `sums` are the table's."""
    candidates = table.time[table.events > 0]
    if len(candidates) > 40:
        candidates = np.unique(candidates[np.geomspace(1, len(candidates), 40).astype(int) - 1])
    sums = sums or TailSums.of(table)
    n, later_events = table.at_risk, np.cumsum(table.events[::-1])[::-1] - table.events
    falls = np.flatnonzero(table.events > 0)
    kept, time = 1 - table.events[falls] / n[falls], table.time[falls]
    enough = np.flatnonzero(n >= 10)
    best, chosen = np.inf, None
    for u in candidates:
        first = int(np.searchsorted(table.time, u, "right"))
        if u <= 0 or later_events[first - 1] < 10:
            continue
        try:
            alpha = sums.index(u)
        except InputError:
            continue
        # The curve given survival to the threshold; as long as fewer than ten spells are at risk it is not judged.
        begin = int(np.searchsorted(enough, first))
        if begin == len(enough) or enough[begin] > falls[-1]:
            continue
        begin = int(np.searchsorted(falls, enough[begin]))
        survival = np.cumprod(kept[begin:])
        # Both curves fall from time to time by as little as the times are many: every so many of them are enough.
        step = -(-len(survival) // COMPARED)
        fitted = (time[begin::step] / u) ** -alpha
        distance = np.abs(survival[::step] - fitted).max() / (1 - survival[-1])
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
    return assess_of(ClusteredRiskTable.of(duration, event, entry, cluster), seed=seed, k=k, draws=draws)


@one_thread()
def assess_of(spells: ClusteredRiskTable, *, seed: int, k: int | None = None, draws: int = 40) -> Assessment:
    """Return what `assess` says, of counted spells."""
    table = spells.whole
    if table.events.sum() < 20:
        raise InputError(
            f"{int(table.events.sum())} events are too few to look at a tail; at least 20 are needed"
        )

    def threshold(of: RiskTable, sums: TailSums) -> float:
        return choose_threshold_of(of, sums) if k is None else threshold_for(of, min(k, int(of.spells) - 1))

    sums = TailSums.of(table)
    fit = discrete_of(spells, threshold(table, sums), sums)
    fits = [one for one in (_try(threshold, drawn) for drawn in spells.draws(draws, seed)) if one is not None]
    if len(fits) >= draws / 2:
        # The percentile interval of the draws, widened by the fit's own error where that is larger.
        ends = np.quantile([index for index, _ in fits], [0.025, 0.975])
        own = fit.interval()
        interval = (float(min(ends[0], own[0])), float(max(ends[1], own[1])))
        k_low, k_high = np.quantile([count for _, count in fits], [0.025, 0.975]).astype(int)
        k_interval = (int(k_low), int(k_high))
    else:
        interval, k_interval = (0.0, float("inf")), (0, int(table.spells))
    around = (
        int(np.clip(fit.exceedances * factor, 10, table.spells - 1)) for factor in (0.5, 0.7, 1, 1.4, 2)
    )
    thresholds = {fit.threshold, *(threshold_for(table, count) for count in around)}
    longest = table.time[table.events > 0][-1]
    nearby = [sums.index(u) for u in sorted(thresholds) if 0 < u < longest]
    drift = max(nearby) / min(nearby)
    decades = float(np.log10(longest / fit.threshold))
    alternatives = compare_of(spells, fit.threshold)
    reasons = []
    if fit.events < MIN_EVENTS:
        reasons.append(f"only {fit.events} events lie beyond the threshold, at least {MIN_EVENTS} are needed")
    if fit.event_share < MIN_EVENT_SHARE:
        reasons.append(
            f"only {100 * fit.event_share:.0f} % of the exceedances end with an event: censoring decides"
        )
    if decades < MIN_DECADES:
        reasons.append(f"the data reach {decades:.2f} decades beyond the threshold, a power law needs one")
    if drift > MAX_DRIFT:
        reasons.append(f"the index changes by a factor {drift:.1f} within a fourfold range of k")
    beaten = alternatives.filter(pl.col("favours") == "alternative")["alternative"].to_list()
    if beaten:
        reasons.append(f"the data prefer another tail: {', '.join(beaten)}")
    verdict = UNIDENTIFIED if reasons else IDENTIFIED
    return Assessment(verdict, tuple(reasons), fit, interval, k_interval, drift, decades, alternatives)


def _try(threshold: Callable[[RiskTable, TailSums], float], drawn: RiskTable) -> tuple[float, float] | None:
    """Return index and exceedances of one bootstrap sample, or None where that sample has no tail."""
    sums = TailSums.of(drawn)
    try:
        u = threshold(drawn, sums)
        index = sums.index(u)
    except InputError:
        return None
    beyond = drawn.time > u
    return index, float((drawn.events + drawn.censored)[beyond].sum())
