r"""Survival curves by stratum: bands, restricted means and the log-rank test, all with delayed entry.

The curve itself is `rollstate.product_limit.kaplan_meier`. Its pointwise interval takes spells as independent; they
are not when several belong to one slot, so the bands here resample whole clusters. The log-rank test is own code
because lifelines' has neither delayed entry, nor strata, nor clusters; without them the two agree.

Sources: equal-precision band: Nair (1984), https://doi.org/10.1080/00401706.1984.10487964, critical value of Miller and
Siegmund (1982), https://doi.org/10.2307/2529883; restricted mean: Irwin (1949), https://doi.org/10.1017/S0022172400014443;
log-rank: Mantel (1966), with delayed entry as in Klein and Moeschberger (2003), Survival Analysis, 7.3,
https://doi.org/10.1007/b97377.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import optimize, sparse, stats

from rollstate.bootstrap import resampling
from rollstate.errors import InputError
from rollstate.product_limit import kaplan_meier
from rollstate.survival.cox import engine
from rollstate.survival.spells import Spells


def survival_curves(spells: Spells, *, level: float = 0.95, min_at_risk: int = 1) -> pl.DataFrame:
    """Estimate the survival curve of every stratum.

    Parameters
    ----------
    spells : Spells
        Data; covariates are not used.
    level : float
        Level of both bands.
    min_at_risk : int
        As in `rollstate.product_limit.kaplan_meier`; under delayed entry take about 30.

    Returns
    -------
    polars.DataFrame
        ``stratum``, ``time``, ``at_risk``, ``events``, ``survival``, ``se`` (Greenwood), ``low``, ``high`` (pointwise),
        ``band_low``, ``band_high`` (equal-precision simultaneous band; null where the curve has no variance).

    Raises
    ------
    InputError
        If a stratum has no event.
    """
    curves = []
    for code in np.unique(spells.stratum):
        label, part = spells.strata[code], spells.take(spells.stratum == code)
        curve = kaplan_meier(part.duration, part.event, part.entry, level=level, min_at_risk=min_at_risk)
        if not len(curve):
            raise InputError(
                f"stratum {label!r} has no event among {len(part)} spells; merge it with another"
            )
        n, d, survival = (curve[name].to_numpy() for name in ("at_risk", "events", "survival"))
        variance = _greenwood(n, d)
        low, high = equal_precision_band(survival, variance, len(part), level)
        curves.append(
            curve.with_columns(
                stratum=pl.lit(label),
                se=pl.Series(survival * np.sqrt(variance)),
                band_low=pl.Series(low, nan_to_null=True),
                band_high=pl.Series(high, nan_to_null=True),
            ).select(
                "stratum",
                "time",
                "at_risk",
                "events",
                "survival",
                "se",
                "low",
                "high",
                "band_low",
                "band_high",
            )
        )
    return pl.concat(curves)


def _greenwood(at_risk: np.ndarray, events: np.ndarray) -> np.ndarray:
    """Return the variance of log survival; NaN from where the curve is zero on."""
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.cumsum(events / (at_risk * (at_risk - events)))
    return np.where(np.isfinite(variance), variance, np.nan)


def equal_precision_band(
    survival: np.ndarray, variance: np.ndarray, n: int, level: float = 0.95, trim: float = 0.05
) -> tuple[np.ndarray, np.ndarray]:
    """Return Nair's simultaneous band on the log-log scale where it is defined, NaN elsewhere.

    Parameters
    ----------
    survival, variance : array, shape (k,)
        Curve and variance of its logarithm.
    n : int
        Number of spells.
    level : float
        Probability that the band contains the whole curve.
    trim : float
        The band covers times at which the transformed variance n v / (1 + n v) lies in [trim, 1 - trim].
    """
    a = n * variance / (1 + n * variance)
    kept = (a >= trim) & (a <= 1 - trim) & (survival > 0) & (survival < 1)
    low = np.full(len(a), np.nan)
    high = low.copy()
    if not kept.any():
        return low, high
    first, last = a[kept].min(), a[kept].max()
    c = equal_precision_value(first, last, level)
    width = c * np.sqrt(variance[kept]) / np.abs(np.log(survival[kept]))
    low[kept], high[kept] = survival[kept] ** np.exp(width), survival[kept] ** np.exp(-width)
    return low, high


def equal_precision_value(first: float, last: float, level: float = 0.95) -> float:
    """Return the critical value of the supremum of a standardised Brownian bridge on [first, last]."""
    spread = np.log(last * (1 - first) / (first * (1 - last)))

    def excess(c: float) -> float:
        return stats.norm.pdf(c) * (4 / c + (c - 1 / c) * spread) - (1 - level)

    # Without spread it is a pointwise value; the approximation holds in the far tail only.
    pointwise = float(stats.norm.ppf(0.5 + level / 2))
    return max(pointwise, float(optimize.brentq(excess, 1.5, 10))) if excess(1.5) > 0 else pointwise


def cluster_simultaneous_band(
    spells: Spells, at: np.ndarray, *, seed: int, draws: int = 400, level: float = 0.95
) -> pl.DataFrame:
    """Return the pooled curve at gap times with pointwise and simultaneous bands that resample whole clusters.

    Parameters
    ----------
    spells : Spells
        Data with clusters; strata are not used.
    at : array, shape (m,)
        Gap times in blocks.
    seed, draws, level
        Of the bootstrap.

    Returns
    -------
    polars.DataFrame
        ``time``, ``survival``, ``low``, ``high`` (pointwise), ``band_low``, ``band_high`` (all times at once, from the
        bootstrap distribution of the largest standardised deviation of log(-log S)).
    """
    if spells.cluster is None:
        raise InputError("a cluster band needs spells with clusters; pass cluster= when making them")
    if len(np.unique(spells.cluster)) < 2:
        raise InputError("a cluster band needs at least two clusters; resample something narrower")
    at = np.asarray(at, float)
    samples = resampling(spells.cluster, draws, seed)
    once = np.ones((1, samples.clusters), np.uint8)
    logs = log_survival_by_sample(spells, samples.code, np.concatenate([once, samples.counts]), at)
    with np.errstate(divide="ignore"):
        center, *values = np.log(-logs)
    values = np.stack(values)
    inside = np.isfinite(center) & np.isfinite(values).all(axis=0)
    if not inside.any():
        raise InputError(
            "survival is 0 or 1 at every requested time; ask for times between the first and last event"
        )
    se = values[:, inside].std(axis=0, ddof=1)
    c = np.quantile((np.abs(values[:, inside] - center[inside]) / se).max(axis=1), level)
    frame = {"time": at, "survival": np.exp(-np.exp(center))}
    for prefix, value in (("", stats.norm.ppf(0.5 + level / 2)), ("band_", c)):
        for side, sign in (("low", 1), ("high", -1)):
            column = np.full(len(at), np.nan)
            column[inside] = np.exp(-np.exp(center[inside] + sign * value * se))
            frame[prefix + side] = column
    return pl.DataFrame(frame, nan_to_null=True)


CELLS = 4_000_000
"""Numbers held at once by `log_survival_by_sample`."""


def log_survival_by_sample(
    spells: Spells, code: np.ndarray, counts: np.ndarray, at: np.ndarray
) -> np.ndarray:
    """Return the logarithm of the product-limit curve of samples of clusters, shape (samples, m).

    Events and numbers at risk add up over clusters: those of a sample are a product of counts by time and cluster, of
    which most are zero, and of how often each cluster is drawn. No spell is copied. lifelines would fit every sample
    anew: `benchmarks/survival.py` measures both.

    Parameters
    ----------
    spells : Spells
        Data.
    code : array of int, shape (n,)
        Cluster of each spell.
    counts : array, shape (samples, clusters)
        How often each cluster is in each sample.
    at : array, shape (m,)
        Gap times.
    """
    times = np.unique(spells.duration[spells.event])
    shape = (len(times) + 1, counts.shape[1])
    enters = np.searchsorted(times, spells.entry, "right")
    leaves = np.searchsorted(times, spells.duration, "right")

    def counted(index: np.ndarray, cluster: np.ndarray) -> sparse.csr_array:
        return sparse.coo_array((np.ones(len(index)), (index, cluster)), shape).tocsr()

    changes = (counted(enters, code) - counted(leaves, code)).tocsr()
    deaths = counted(leaves[spells.event] - 1, code[spells.event])
    often = np.ascontiguousarray(counts.T, float)
    position = np.searchsorted(times, at, "right")
    out = np.zeros((len(at), len(counts)))
    at_risk, logs = np.zeros(len(counts)), np.zeros(len(counts))
    step = max(1, CELLS // len(counts))
    for begin in range(0, len(times), step):
        end = min(begin + step, len(times))
        n, falls = changes[begin:end] @ often, deaths[begin:end] @ often
        # What went before is the first term of each sum, so that sums do not depend on where they are cut.
        n[0] += at_risk
        n = np.cumsum(n, axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            falls = np.log1p(-np.where(n > 0, falls / n, 0.0))
        falls[0] += logs
        falls = np.cumsum(falls, axis=0)
        here = (position > begin) & (position <= end)
        out[here] = falls[position[here] - begin - 1]
        at_risk, logs = n[-1], falls[-1]
    return out.T


def restricted_mean(spells: Spells, horizon: float) -> pl.DataFrame:
    """Return the mean gap within `horizon` blocks, the area under each stratum's curve.

    Returns
    -------
    polars.DataFrame
        ``stratum``, ``mean``, ``se``: blocks until the next access or the horizon, and the standard error that takes
        spells as independent.

    Raises
    ------
    InputError
        If the horizon lies beyond the follow-up of a stratum.
    """
    rows = []
    for code in np.unique(spells.stratum):
        label, part = spells.strata[code], spells.take(spells.stratum == code)
        if horizon > part.duration.max():
            raise InputError(
                f"restricted mean: horizon {horizon:g} lies beyond the follow-up {part.duration.max():g} of "
                f"stratum {label!r}"
            )
        curve = kaplan_meier(part.duration, part.event, part.entry).filter(pl.col("time") <= horizon)
        time, n, d, survival = (curve[name].to_numpy() for name in ("time", "at_risk", "events", "survival"))
        area = np.r_[1.0, survival] * np.diff(np.r_[0.0, time, horizon])
        beyond = np.cumsum(area[::-1])[::-1][1:]
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(beyond > 0, beyond**2 * d / (n * (n - d)), 0.0)
        rows.append((label, float(area.sum()), float(np.sqrt(terms.sum()))))
    return pl.DataFrame(rows, schema=["stratum", "mean", "se"], orient="row")


@dataclass(frozen=True)
class TestResult:
    """A chi-squared test: `statistic`, degrees of freedom `df` and `p`."""

    statistic: float
    df: int
    p: float


def log_rank(spells: Spells, group: np.ndarray, *, robust: bool = False) -> TestResult:
    """Test whether groups have the same survival curve within every stratum.

    Parameters
    ----------
    spells : Spells
        Data; covariates are not used.
    group : array, shape (n,)
        Labels of the groups to compare.
    robust : bool
        Take the variance from sums over the clusters of the spells instead of the hypergeometric one. Spells of one
        slot depend on each other, and then the classical test rejects far too often.

    Raises
    ------
    InputError
        If there are fewer than two groups, no events, or no clusters for the robust test.
    """
    labels, code = np.unique(np.asarray(group), return_inverse=True)
    if len(labels) < 2:
        raise InputError(f"log-rank: {len(labels)} group, at least two are needed")
    if not spells.event.any():
        raise InputError("log-rank: there are no events to compare")
    member = (code[:, None] == np.arange(len(labels) - 1)).astype(float)
    if robust:
        if spells.cluster is None:
            raise InputError("log-rank: the robust test needs spells with clusters")
        residuals = engine(spells, "breslow").score_residuals(np.zeros(len(spells)), member)
        score = residuals.sum(axis=0)
        sums = np.stack([np.bincount(spells.cluster, column) for column in residuals.T], axis=1)
        return chi_squared(score, sums.T @ sums)
    k = len(labels)
    score, variance = np.zeros(k), np.zeros((k, k))
    for s in range(len(spells.strata)):
        part = spells.stratum == s
        times, d = np.unique(spells.duration[part & spells.event], return_counts=True)
        counts = np.stack([_at_risk(spells, part & (code == g), times) for g in range(k)], axis=1)
        died = np.stack(
            [
                np.bincount(
                    np.searchsorted(times, spells.duration[part & spells.event & (code == g)]),
                    minlength=len(times),
                )
                for g in range(k)
            ],
            axis=1,
        )
        n = counts.sum(axis=1)
        share = counts / n[:, None]
        score += (died - d[:, None] * share).sum(axis=0)
        weight = d * (n - d) / np.maximum(n - 1, 1)
        variance += np.diag((weight[:, None] * share).sum(axis=0)) - (weight[:, None] * share).T @ share
    return chi_squared(score[:-1], variance[:-1, :-1])


def chi_squared(score: np.ndarray, variance: np.ndarray) -> TestResult:
    """Return the quadratic form of a score, shape (k,), in the inverse of its variance, and its p-value."""
    statistic = float(score @ np.linalg.solve(variance, score))
    return TestResult(statistic, len(score), float(stats.chi2.sf(statistic, len(score))))


def _at_risk(spells: Spells, rows: np.ndarray, times: np.ndarray) -> np.ndarray:
    entered = np.searchsorted(np.sort(spells.entry[rows]), times, "left")
    return entered - np.searchsorted(np.sort(spells.duration[rows]), times, "left")
