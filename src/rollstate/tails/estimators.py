"""Hill's estimate under censoring and delayed entry, for continuous and for whole gap times; see `rollstate.tails`."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import optimize, stats

from rollstate.errors import InputError
from rollstate.risk_table import ClusteredRiskTable, RiskTable, check_spells
from rollstate.threads import one_thread


@dataclass(frozen=True)
class Fit:
    """The estimate of a tail index by one estimator.

    Attributes
    ----------
    alpha, se : float
        Tail index and its standard error, robust to dependence within clusters where they were given.
    threshold : float
        :math:`u`, in blocks.
    exceedances, events : int
        Spells beyond the threshold, and how many of them end with an event.
    """

    alpha: float
    se: float
    threshold: float
    exceedances: int
    events: int

    @property
    def event_share(self) -> float:
        """Share of the exceedances that end with an event."""
        return self.events / self.exceedances

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the interval on the log scale, which keeps it positive."""
        width = stats.norm.ppf(0.5 + level / 2) * self.se / self.alpha
        return self.alpha * np.exp(-width), self.alpha * np.exp(width)


def threshold_of(duration: np.ndarray, k: int) -> float:
    """Return the threshold that leaves the `k` longest spells beyond it, ties on the threshold excluded.

    Raises
    ------
    InputError
        If `k` is not between 1 and n - 1.
    """
    if not 1 <= k < len(duration):
        raise InputError(
            f"k={k} must lie between 1 and {len(duration) - 1}, one less than the number of spells"
        )
    return float(np.partition(np.asarray(duration, float), len(duration) - k - 1)[len(duration) - k - 1])


def threshold_for(table: RiskTable, k: int, beyond: np.ndarray | None = None) -> float:
    """Return `threshold_of` for counted spells: the least gap time that at most `k` spells exceed."""
    exceed = table.beyond if beyond is None else beyond
    return float(table.time[np.argmax(exceed <= k)])


def hill(
    duration: np.ndarray,
    event: np.ndarray,
    threshold: float,
    *,
    entry: np.ndarray | None = None,
    cluster: np.ndarray | None = None,
) -> Fit:
    """Estimate the index beyond a threshold in closed form, for continuous gap times.

    Parameters
    ----------
    duration, event, entry : array, shape (n,)
        Spells; ``entry`` is zero if not given.
    threshold : float
        :math:`u`, positive.
    cluster : array, shape (n,), optional
        Spells with the same value may depend on each other; the standard error allows for it.

    Raises
    ------
    InputError
        If no event lies beyond the threshold, or the spells are malformed.
    """
    t, d, low, groups = tail_of(duration, event, entry, cluster, threshold)
    log_time = np.log(t / low)
    alpha = d.sum() / log_time.sum()
    # Score of one spell: d / alpha - log_time; information: events / alpha^2.
    return _with_error(alpha, d / alpha - log_time, d.sum() / alpha**2, groups, threshold, d)


def discrete(
    duration: np.ndarray,
    event: np.ndarray,
    threshold: float,
    *,
    entry: np.ndarray | None = None,
    cluster: np.ndarray | None = None,
) -> Fit:
    """Estimate the index beyond a threshold exactly for gap times in whole blocks; parameters as in `hill`.

    Raises
    ------
    InputError
        As `hill`, or if durations are not whole numbers.
    """
    return discrete_of(ClusteredRiskTable.of(duration, event, entry, cluster), threshold)


def discrete_of(spells: ClusteredRiskTable, threshold: float, sums: TailSums | None = None) -> Fit:
    """Estimate the index as `discrete` does, from counted spells; the error is robust to dependence within clusters.

    `sums` are those of the whole table, where more than one threshold is tried.
    """
    table = spells.whole
    index = (sums or TailSums.of(table)).index(threshold)
    beyond = spells.time > threshold
    score_of = _scores(spells.time[beyond], threshold)
    step = 1e-5 * index
    slope = (score_of(index + step)[0] - score_of(index - step)[0]) / (2 * step)
    information = -float(table.events[beyond] @ slope)
    events = table.events[beyond].sum()
    exceedances = events + table.censored[beyond].sum()
    variance = 1 / information
    if spells.clusters < table.spells:
        # The sandwich of clustered scores, Lin and Wei (1989).
        full = np.zeros((3, len(spells.time)))
        full[:, beyond] = score_of(index)
        variance = float((spells.by_cluster(*full) ** 2).sum()) / information**2
    return Fit(index, float(np.sqrt(variance)), float(threshold), int(exceedances), int(events))


def index_of(table: RiskTable, threshold: float) -> float:
    """Return the index of `discrete` alone, from counted spells.

    Raises
    ------
    InputError
        As `discrete`.
    """
    return TailSums.of(table).index(threshold)


NEAR = 0.05
"""Index times log step up to which the score of an event is a series; its first term left out is below 1e-20."""
SERIES = np.array([1.0, -1 / 2, 1 / 12, -1 / 720, 1 / 30_240, -1 / 1_209_600])
"""Of x / (e^x - 1): the coefficients of x to the powers 0, 1, 2, 4, 6 and 8."""
DEGREE = np.array([-1.0, 0, 1, 3, 5, 7])
"""Powers of the index that go with them."""


@dataclass(frozen=True)
class TailSums:
    """Counted spells, added up from each gap time on: the index beyond any threshold takes no pass over the rest.

    An event at gap t scores r / (e^(a r) - 1) - log((t-1)/u) at the index a, with r = log(t / (t-1)). At long gaps r is
    short, and the first part is (1 - a r / 2 + (a r)^2 / 12 - ...) / a: sums of the powers of r answer for any index.
    Gaps too short for that are summed one by one.

    Attributes
    ----------
    time, events : array of float64, shape (m,)
        As in `RiskTable`.
    steps : array of float64, shape (6, m + 1)
        Sums of the events times r to the powers 0, 1, 2, 4, 6 and 8, from each time on.
    before : array of float64, shape (m + 1,)
        Sums of the events times log(t - 1).
    levels, logs : array of float64, shape (3, m + 1)
        Sums of events, censored spells and entries, and the same times log t.
    broken : int
        Place behind the last gap time that is not a whole number.
    """

    time: np.ndarray
    events: np.ndarray
    steps: np.ndarray
    before: np.ndarray
    levels: np.ndarray
    logs: np.ndarray
    broken: int

    @classmethod
    def of(cls, table: RiskTable) -> TailSums:
        """Add up the counts of a table."""
        time, events = table.time, table.events
        positive = np.maximum(time, 1)
        ratio = -np.log1p(-1 / np.maximum(time, 2))
        counts = np.stack([events, table.censored, table.entered])
        square = ratio * ratio
        even = [events * square, square, square, square]
        powers = [events, events * ratio, *itertools.accumulate(even, np.multiply)]
        broken = np.flatnonzero(time % 1)
        return cls(
            time=time,
            events=events,
            steps=_from_each_on(np.stack(powers)),
            before=_from_each_on(events * np.log(np.maximum(time - 1, 1))),
            levels=_from_each_on(counts),
            logs=_from_each_on(counts * np.log(positive)),
            broken=int(broken[-1]) + 1 if len(broken) else 0,
        )

    def index(self, threshold: float) -> float:
        """Return `index_of`."""
        if not threshold > 0:
            raise InputError(f"threshold {threshold:g} must be positive")
        first = int(np.searchsorted(self.time, threshold, "right"))
        if not self.levels[0, first] > 0:
            raise InputError(
                f"no event lies beyond the threshold {threshold:g}; lower it, or widen the window"
            )
        if self.broken > first:
            raise InputError("gap times must be whole blocks; use hill for continuous ones")
        beyond = self.logs[:, first] - np.log(threshold) * self.levels[:, first]
        fixed = beyond[2] - beyond[1]
        # Handed over as arguments: the optimiser keeps the function until garbage is collected, and what it holds.
        of = (self, first, threshold, fixed)
        # The continuous estimate is near, and the score falls: widen a bracket about it.
        start = self.levels[0, first] / (beyond[0] - fixed)
        low, high = max(1e-4, start / 2), min(1e3, start * 2)
        while _score(low, *of) < 0 and low > 1e-4:
            low = max(1e-4, low / 4)
        while _score(high, *of) > 0 and high < 1e3:
            high = min(1e3, high * 4)
        try:
            return float(optimize.brentq(_score, low, high, args=of, xtol=1e-12, rtol=1e-12))
        except ValueError as error:
            raise InputError(
                f"threshold {threshold:g}: the likelihood has no maximum (the gaps beyond it are all alike)"
            ) from error


def _score(alpha: float, sums: TailSums, first: int, threshold: float, fixed: float) -> float:
    """Return the score at an index: `first` is the first time beyond the threshold, `fixed` what no index changes."""
    # A gap of one block has no step.
    near = int(np.searchsorted(sums.time, max(1.0, 1 + alpha / NEAR), "right"))
    split = max(first, near)
    short = _scores(sums.time[first:split], threshold)(alpha)[0]
    rest = (SERIES * alpha**DEGREE) @ sums.steps[:, split]
    rest -= sums.before[split] - np.log(threshold) * sums.levels[0, split]
    return float(sums.events[first:split] @ short + rest + fixed)


def _from_each_on(values: np.ndarray) -> np.ndarray:
    """Return the sums of the last axis from each place on, and a zero behind its end."""
    sums = np.zeros((*values.shape[:-1], values.shape[-1] + 1))
    sums[..., :-1] = np.cumsum(values[..., ::-1], axis=-1)[..., ::-1]
    return sums


def _scores(
    time: np.ndarray, threshold: float
) -> Callable[[float], tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return the derivatives of the log-likelihood for an event, a censored spell and an entry at gap times.

    That of a spell with an event is d/d alpha of log((t-1)^-a - t^-a) + a log u, whose first part is
    -log(t-1) + r / (exp(a r) - 1) with r = log(t / (t-1)) for t > 1, and 0 for t = 1. The others do not depend on the
    index. A spell that enters beyond the threshold u is likely given survival to its entry, which adds log(entry / u).
    """
    first = time == 1
    log_time, log_before = np.log(time / threshold), np.log(np.maximum(time - 1, 1) / threshold)
    ratio = np.where(first, 1.0, log_time - log_before)

    def at(alpha: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        inside = np.where(first, -log_before, ratio / np.expm1(alpha * ratio) - log_before)
        return inside, -log_time, log_time

    return at


def tail_of(
    duration: np.ndarray, event: np.ndarray, entry: np.ndarray | None, cluster: np.ndarray | None, u: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return gap, event, lower end and cluster of the spells beyond the threshold."""
    duration, event, entry = check_spells(duration, event, entry)
    if not u > 0:
        raise InputError(f"threshold {u:g} must be positive")
    beyond = duration > u
    if not event[beyond].any():
        raise InputError(f"no event lies beyond the threshold {u:g}; lower it, or widen the window")
    groups = np.arange(len(duration)) if cluster is None else np.asarray(cluster)
    return duration[beyond], event[beyond], np.maximum(u, entry[beyond]), groups[beyond]


def _with_error(
    alpha: float, score: np.ndarray, information: float, groups: np.ndarray, u: float, d: np.ndarray
) -> Fit:
    """Return the fit with the sandwich error of clustered scores (Lin and Wei 1989)."""
    _, code = np.unique(groups, return_inverse=True)
    clustered = len(np.unique(groups)) < len(groups)
    variance = (np.bincount(code, score) ** 2).sum() / information**2 if clustered else 1 / information
    return Fit(float(alpha), float(np.sqrt(variance)), float(u), len(d), int(d.sum()))


def completed_hill(gaps: np.ndarray, k: int) -> float:
    """Return Hill's estimate from the `k` longest completed gaps, as if nothing were censored.

    What a reader gets who drops the open spells: it measures the window, and is here to be compared with `discrete`.
    """
    u = threshold_of(gaps, k)
    ordered = np.sort(np.asarray(gaps, float))
    if not u > 0 or ordered[-1] <= u:
        raise InputError(f"k={k}: the longest gaps must be positive and exceed the threshold {u:g}")
    return float(k / np.log(ordered[-k:] / u).sum())


def peer_hill(gaps: np.ndarray) -> float:
    """Return the index by zk-state-prune's rule: the upper half of the completed gaps, censoring ignored.

    Kept to reproduce its published numbers. Short windows cut long gaps off, which this rule takes for a light tail.
    """
    ordered = np.sort(np.asarray(gaps, float))
    k = len(ordered) - len(ordered) // 2
    if len(ordered) < 10 or ordered[-k] <= 0:
        raise InputError("the peer's rule needs at least ten positive gaps")
    return float(k / np.log(ordered[-k:] / ordered[-k]).sum())


def hill_plot(
    duration: np.ndarray,
    event: np.ndarray,
    *,
    entry: np.ndarray | None = None,
    cluster: np.ndarray | None = None,
    points: int = 60,
) -> pl.DataFrame:
    """Return the index against the number of exceedances, for a Hill and an alternative Hill plot.

    Returns
    -------
    polars.DataFrame
        One row per distinct threshold tried: ``k`` exceedances, ``theta`` = log k / log n (the axis of the alternative
        plot, Drees, de Haan and Resnick 2000, https://doi.org/10.1214/aos/1016120372), ``threshold``, ``events``,
        ``event_share``, ``alpha``, ``low``, ``high`` (95 %), by the exact discrete likelihood.
    """
    return hill_plot_of(ClusteredRiskTable.of(duration, event, entry, cluster), points=points)


@one_thread()
def hill_plot_of(spells: ClusteredRiskTable, *, points: int = 60) -> pl.DataFrame:
    """Return `hill_plot` of counted spells."""
    table = spells.whole
    n, beyond = int(table.spells), table.beyond
    if n < 30:
        raise InputError(f"{n} spells are too few to plot an index against k; at least 30 are needed")
    sums, rows = TailSums.of(table), dict[float, dict[str, float]]()
    for k in np.unique(np.geomspace(10, n - 1, points).astype(int)):
        u = threshold_for(table, int(k), beyond)
        if u in rows or u <= 0:
            continue
        try:
            fit = discrete_of(spells, u, sums)
        except InputError:
            continue
        low, high = fit.interval()
        rows[u] = {
            "k": fit.exceedances,
            "theta": np.log(fit.exceedances) / np.log(n),
            "threshold": u,
            "events": fit.events,
            "event_share": fit.event_share,
            "alpha": fit.alpha,
            "low": low,
            "high": high,
        }
    if not rows:
        raise InputError("no threshold leaves an event beyond it; widen the window")
    return pl.DataFrame(list(rows.values())).sort("k")
