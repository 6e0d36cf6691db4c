"""Hill's estimate under censoring and delayed entry, for continuous and for whole gap times; see `rollstate.tails`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import optimize, stats

from rollstate.errors import InputError
from rollstate.product_limit import check_spells


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
    t, d, low, groups = tail_of(duration, event, entry, cluster, threshold)
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
