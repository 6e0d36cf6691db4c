r"""How heavy the tail of gap times is, and whether this window can tell.

A tail beyond a threshold :math:`u` is Pareto with index :math:`\alpha` if :math:`S(t)/S(u) = (t/u)^{-\alpha}`. Gap
times are whole blocks, end with the window (right censoring) and may enter late, at an age :math:`e`. With gap
:math:`t`, event flag :math:`d` and :math:`\ell = \max(u, e)`, the likelihood of a spell beyond :math:`u` is

.. math::

   \Bigl[\frac{(t-1)^{-\alpha} - t^{-\alpha}}{\ell^{-\alpha}}\Bigr]^{d}
   \Bigl[\frac{t^{-\alpha}}{\ell^{-\alpha}}\Bigr]^{1-d},

the exact one on integers (`discrete`). Its continuous version is solved in closed form (`hill`),

.. math:: \hat\xi = \frac1{\hat\alpha} = \frac{\sum_{t>u} \log(t / \ell)}{\sum_{t>u} d},

which is Hill (1975, https://doi.org/10.1214/aos/1176343247) without censoring and entry, and its adaptation to
censoring by Einmahl, Fils-Villetard and Guillou (2008, https://doi.org/10.3150/07-BEJ104) without entry.

An index is a number only where the window identifies one: `assess` chooses the threshold, carries the uncertainty of
that choice, compares with other tails and says "not a tail this window can identify" where that is the truth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import optimize, stats

from rollstate.bootstrap import cluster_samples
from rollstate.errors import InputError
from rollstate.product_limit import check_spells, kaplan_meier

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


@dataclass(frozen=True)
class Fit:
    """One tail fit.

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
    t, d, low, groups = _tail(duration, event, entry, cluster, threshold)
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
    t, d, low, groups = _tail(duration, event, entry, cluster, threshold)
    if (t % 1).any():
        raise InputError("gap times must be whole blocks; use hill for continuous ones")
    log_low, log_t, log_before = np.log(low), np.log(t), np.log(np.maximum(t - 1, 1))

    def score(alpha: float) -> np.ndarray:
        # d/d alpha of log((t-1)^-a - t^-a): with q = (1 - 1/t)^a it is -log(t-1) + q log(t/(t-1)) / (1 - q), t > 1.
        ratio = log_t - log_before
        q = np.exp(-alpha * ratio)
        inner = -log_before - ratio * q / np.expm1(-alpha * ratio)
        inner = np.where(t == 1, 0.0, inner)
        return np.where(d, inner, -log_t) + log_low

    try:
        alpha = optimize.brentq(lambda a: score(a).sum(), 1e-4, 1e3, xtol=1e-12, rtol=1e-12)
    except ValueError as error:
        raise InputError(
            f"threshold {threshold:g}: the likelihood has no maximum (the gaps beyond it are all alike)"
        ) from error
    step = 1e-5 * alpha
    information = -(score(alpha + step).sum() - score(alpha - step).sum()) / (2 * step)
    return _with_error(alpha, score(alpha), information, groups, threshold, d)


def _tail(
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
    duration, event, entry = check_spells(duration, event, entry)
    n = len(duration)
    if n < 30:
        raise InputError(f"{n} spells are too few to plot an index against k; at least 30 are needed")
    rows: dict[float, dict] = {}
    for k in np.unique(np.geomspace(10, n - 1, points).astype(int)):
        u = threshold_of(duration, int(k))
        if u in rows or u <= 0:
            continue
        try:
            fit = discrete(duration, event, u, entry=entry, cluster=cluster)
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
class Alternative:
    """A rival tail: log survival beyond the threshold, and where to start looking for its parameters."""

    name: str
    log_survival: Callable[[np.ndarray, np.ndarray], np.ndarray]
    start: Callable[[np.ndarray, float], np.ndarray]


ALTERNATIVES = (
    Alternative(
        "lognormal",
        lambda t, p: stats.norm.logsf((np.log(t) - p[0]) / np.exp(p[1])),
        lambda t, alpha: np.array([np.log(t).mean(), np.log(np.log(t).std() + 0.1)]),
    ),
    Alternative(
        "Weibull",
        lambda t, p: -np.exp(np.exp(p[1]) * (np.log(t) - p[0])),
        lambda t, alpha: np.array([np.log(t.mean()), np.log(0.5)]),
    ),
    Alternative(
        "truncated power law",
        lambda t, p: -np.exp(p[0]) * np.log(t) - np.exp(p[1]) * t,
        lambda t, alpha: np.array([np.log(alpha), -np.log(10 * t.max())]),
    ),
)


def compare(
    duration: np.ndarray,
    event: np.ndarray,
    threshold: float,
    *,
    entry: np.ndarray | None = None,
    cluster: np.ndarray | None = None,
    rivals: tuple[Alternative, ...] = ALTERNATIVES,
) -> pl.DataFrame:
    """Compare the power law beyond a threshold with other tails by likelihood ratio.

    All are fitted to the same spells by the likelihood on whole blocks with censoring and delayed entry. Rivals that
    do not contain the power law are judged by Vuong's test (1989, https://doi.org/10.2307/1912557) on log-likelihood
    differences summed by cluster; the truncated power law contains it, so that twice the ratio is an even mixture of
    zero and chi-square with one degree of freedom (the truncation rate lies on its boundary).

    Returns
    -------
    polars.DataFrame
        ``alternative``, ``log_ratio`` (power law minus alternative), ``statistic``, ``p_value`` (two-sided for Vuong),
        ``favours`` one of ``"power law"``, ``"alternative"``, ``"neither"`` (at 5 %).
    """
    fit = discrete(duration, event, threshold, entry=entry, cluster=cluster)
    t, d, low, groups = _tail(duration, event, entry, cluster, threshold)
    # Identical spells of a cluster count once, with their number: most gaps are tied.
    table, weight = np.unique(np.c_[t, d, low], axis=0, return_counts=True)
    rows = {tuple(row): i for i, row in enumerate(table)}
    index = np.array([rows[tuple(row)] for row in np.c_[t, d, low]])

    def log_likelihood(log_survival: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        gap, died, begin = table.T
        at = log_survival(gap)
        before = log_survival(np.maximum(gap - 1, threshold))
        with np.errstate(divide="ignore", invalid="ignore"):
            inside = before + np.log(-np.expm1(np.minimum(at - before, -1e-300)))
        return np.where(died > 0, inside, at) - log_survival(begin)

    own = log_likelihood(lambda x: -fit.alpha * np.log(x))
    _, code = np.unique(groups, return_inverse=True)
    out = []
    for rival in rivals:

        def loss(p: np.ndarray, rival: Alternative = rival) -> float:
            value = -(weight * log_likelihood(lambda x: rival.log_survival(x, p))).sum()
            return value if np.isfinite(value) else 1e300

        best = optimize.minimize(
            loss, rival.start(t, fit.alpha), method="Nelder-Mead", options={"maxiter": 4000, "fatol": 1e-8}
        )
        difference = (own - log_likelihood(lambda x, r=rival, p=best.x: r.log_survival(x, p)))[index]
        total = float(difference.sum())
        if rival.name == "truncated power law":
            statistic = max(0.0, -2 * total)
            p_value = 0.5 * stats.chi2.sf(statistic, 1) if statistic > 0 else 1.0
            favours = "alternative" if p_value < 0.05 else "neither"
        else:
            by_cluster = np.bincount(code, difference)
            statistic = total / np.sqrt(len(by_cluster) * by_cluster.var()) if by_cluster.var() > 0 else 0.0
            p_value = 2 * stats.norm.sf(abs(statistic))
            favours = "neither" if p_value >= 0.05 else ("power law" if statistic > 0 else "alternative")
        out.append((rival.name, total, float(statistic), float(p_value), favours))
    return pl.DataFrame(
        out, schema=["alternative", "log_ratio", "statistic", "p_value", "favours"], orient="row"
    )


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
