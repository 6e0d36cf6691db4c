r"""Intervals from few clusters: windows of time, of which a trace holds seven, or contracts, of which it may hold ten.

The percentile bootstrap is too short there. BCa corrects it for bias and skewness. The bootstrap-t covers more, but has
no useful end where one cluster outweighs the others (`effective`). It studentises the log of every draw, with the
linearised standard error of a ratio of sums :math:`r = \sum a_i / \sum b_i` over clusters,

.. math:: s^2 = \frac{n}{n - 1} \frac{\sum (a_i - r b_i)^2}{(\sum b_i)^2}, \qquad s_{\log r} = s / r.

`coverage` measures what an interval covers, by simulation.

Sources: Efron and Tibshirani (1993), An Introduction to the Bootstrap, 12.5 (bootstrap-t), 14.3 (BCa, as in
`scipy.stats.bootstrap`); Cochran (1977), Sampling Techniques, 6.4 (ratio); Geisser (1993), Predictive Inference (one
more value), https://doi.org/10.1201/9780203742310.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats

from rollstate.errors import InputError
from rollstate.estimate import Estimate

Interval = Callable[[np.ndarray, np.ndarray], Estimate]
"""Two arrays by cluster to the ratio of their sums with an interval."""


def percentile(
    over: np.ndarray, under: np.ndarray, *, draws: int, seed: int, level: float = 0.95
) -> Estimate:
    """Return a ratio of sums with its percentile interval, shape (n,) each."""
    value, _ = _ratio(*_checked(over, under))
    drawn, _ = _drawn(over, under, draws, seed)
    return Estimate(float(value), *_quantiles(drawn, level))


def bootstrap_t(
    over: np.ndarray, under: np.ndarray, *, draws: int, seed: int, level: float = 0.95
) -> Estimate:
    """Return a ratio of sums over clusters with its bootstrap-t interval.

    Parameters
    ----------
    over, under : array, shape (n,)
        Numerator and denominator of each cluster; denominators are above 0, numerators at least 0.
    draws, seed, level
        Of the bootstrap.

    Returns
    -------
    Estimate
        Without an interval where the clusters all have the same ratio.

    Raises
    ------
    InputError
        If there are fewer than three clusters, a denominator is not above 0, or no numerator is.
    """
    value, error = _ratio(*_checked(over, under))
    if not error > 0:
        return Estimate(float(value))
    drawn, errors = _drawn(over, under, draws, seed)
    # A draw of one cluster n times has no spread, and says nothing of how far the ratio lies off in spreads.
    spread = errors > 1e-9 * error
    drawn, errors = drawn[spread], errors[spread]
    low, high = _quantiles(np.log(drawn / value) * drawn / errors, level)
    ends = (value * np.exp(-end * error / value) for end in (high, low))
    return Estimate(float(value), *map(float, ends))


def bca(over: np.ndarray, under: np.ndarray, *, draws: int, seed: int, level: float = 0.95) -> Estimate:
    """Return a ratio of sums over clusters with its bias-corrected and accelerated interval; as in `bootstrap_t`."""
    over, under = _checked(over, under)
    value, error = _ratio(over, under)
    if not error > 0:
        return Estimate(float(value))
    found = stats.bootstrap(
        (over, under),
        lambda a, b, axis=-1: a.sum(axis=axis) / b.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=draws,
        confidence_level=level,
        method="BCa",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Estimate(float(value), float(found.low), float(found.high))


def prediction(ratios: np.ndarray, level: float = 0.95) -> Estimate:
    """Return the geometric mean of ratios and the interval in which that of one more window lies.

    Parameters
    ----------
    ratios : array, shape (n,)
        Ratios of costs, above 0, one for each window; their logs are taken as normal and independent.
    level : float
        Probability that the next one lies inside.

    Returns
    -------
    Estimate
        Without an interval for a single window.
    """
    ratios = np.asarray(ratios, float)
    if not len(ratios) or not np.isfinite(ratios).all() or (ratios <= 0).any():
        raise InputError(f"prediction needs finite ratios above 0, not {ratios.tolist()}")
    logs, n = np.log(ratios), len(ratios)
    if n < 2:
        return Estimate(float(ratios[0]))
    half = stats.t.ppf(0.5 + level / 2, n - 1) * logs.std(ddof=1) * np.sqrt(1 + 1 / n)
    return Estimate(*(float(np.exp(logs.mean() + side * half)) for side in (0, -1, 1)))


def effective(weights: np.ndarray) -> float:
    """Return how many clusters of equal weight carry as much, (sum w)^2 / sum w^2 (Kish 1965, Survey Sampling, 8.2)."""
    weights = np.asarray(weights, float)
    return float(weights.sum() ** 2 / (weights**2).sum())


def leave_one_out(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    """Return the ratio of sums without each cluster in turn, shape (n,)."""
    over, under = _checked(over, under)
    return (over.sum() - over) / (under.sum() - under)


def coverage(
    interval: Interval,
    draw: Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]],
    truth: float,
    *,
    samples: int,
    seed: int,
) -> Estimate:
    """Return how often an interval holds the truth, with the Wilson interval of that share.

    Parameters
    ----------
    interval : callable
        Of numerators and denominators by cluster.
    draw : callable
        A sample of clusters.
    truth : float
        The ratio of the expectations.
    samples, seed : int
        Of the simulation.
    """
    rng = np.random.default_rng(seed)
    found = [interval(*draw(rng)) for _ in range(samples)]
    held = sum(one.low is not None and one.high is not None and one.low <= truth <= one.high for one in found)
    ends = stats.binomtest(held, samples).proportion_ci(method="wilson")
    return Estimate(float(held / samples), float(ends.low), float(ends.high))


def _checked(over: np.ndarray, under: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    over, under = np.asarray(over, float), np.asarray(under, float)
    if over.shape != under.shape or over.ndim != 1 or len(over) < 3:
        raise InputError(
            f"a ratio over clusters needs at least 3 of them, numerators beside denominators, not {over.shape} and "
            f"{under.shape}; take a longer trace or more contracts"
        )
    known = np.isfinite(over).all() and np.isfinite(under).all()
    if not known or (under <= 0).any() or (over < 0).any() or not over.any():
        raise InputError(
            "a ratio over clusters needs finite numbers, denominators above 0, and numerators of at least 0, not all 0"
        )
    return over, under


def _ratio(over: np.ndarray, under: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ratios of sums over the last axis with their linearised standard errors."""
    n, total = over.shape[-1], under.sum(axis=-1)
    ratio = over.sum(axis=-1) / total
    rest = over - np.asarray(ratio)[..., None] * under
    return ratio, np.sqrt(n / (n - 1) * (rest**2).sum(axis=-1)) / total


def _drawn(over: np.ndarray, under: np.ndarray, draws: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    over, under = np.asarray(over, float), np.asarray(under, float)
    picked = np.random.default_rng(seed).integers(0, len(over), (draws, len(over)))
    return _ratio(over[picked], under[picked])


def _quantiles(values: np.ndarray, level: float) -> tuple[float, float]:
    tail = (1 - level) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
