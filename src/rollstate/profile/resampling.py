"""Intervals from groups: a statistic of weighted groups, jackknifed or resampled.

A statistic is a function of weights, shape (groups,), that adds groups up with them before anything nonlinear: the sum
of pairs over the sum of chances, or a product-limit of weighted counts. Groups are random and whole (contracts, or
slots where contracts are few), so they are exchangeable.

Sources: Efron and Tibshirani (1993), An Introduction to the Bootstrap, 11 and 13; delete-one-group jackknife as in
Kott (2001), https://www.scb.se/contentassets/ca21efb41fee47d293bbee5bf7be7fb3/the-delete-a-group-jackknife.pdf.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from scipy import stats

from rollstate.bootstrap import percentile_interval
from rollstate.errors import InputError
from rollstate.estimate import Estimate

Statistic = Callable[[np.ndarray], np.ndarray | float]


def jackknife(
    statistic: Statistic, present: np.ndarray, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Return value and half width of the interval of a statistic, leaving out one group at a time.

    Parameters
    ----------
    statistic : callable
        Of weights, shape (groups,); returns a number or an array.
    present : array of bool, shape (groups,)
        Which groups hold anything; there must be at least two.
    level : float
        Level of the interval, from Student's t with one degree of freedom less than there are groups.

    Returns
    -------
    value, half_width : array
    """
    used = _used(present)
    weights = present.astype(float)
    whole = np.asarray(statistic(weights), float)
    left_out = []
    for group in used:
        one = weights.copy()
        one[group] = 0
        left_out.append(statistic(one))
    n = len(used)
    spread = np.sqrt(
        (n - 1) / n * np.sum((np.asarray(left_out) - np.mean(np.asarray(left_out), axis=0)) ** 2, axis=0)
    )
    return whole, stats.t.ppf(0.5 + level / 2, n - 1) * spread


def ratio(over: np.ndarray, under: np.ndarray, level: float = 0.95) -> Estimate:
    r"""Return a ratio of sums over groups with its jackknife interval; the mean of several is geometric.

    The interval is that of the log, so that it stays above zero and swaps with the ratio.

    Parameters
    ----------
    over, under : array, shape (groups,) or (m, groups)
        Numerators and denominators, of one ratio or of the m that are averaged.
    level : float

    Returns
    -------
    Estimate
        Without an interval where fewer than two groups hold anything, or the others of one hold nothing.

    Raises
    ------
    InputError
        If a sum is not above zero.
    """
    over, under = np.atleast_2d(over), np.atleast_2d(under)
    if not ((over.sum(axis=1) > 0).all() and (under.sum(axis=1) > 0).all()):
        raise InputError(
            "a ratio needs costs above zero on both sides; widen the blocks or raise the penalty"
        )

    def logged(weights: np.ndarray) -> float:
        return float(np.mean(np.log(over @ weights) - np.log(under @ weights)))

    present = (over + under > 0).any(axis=0)
    value = float(np.exp(logged(present.astype(float))))
    without = np.minimum(*(paid.sum(axis=1, keepdims=True) - paid for paid in (over, under)))
    if present.sum() < 2 or not (without[:, present] > 0).all():
        return Estimate(value)
    middle, half = jackknife(logged, present, level)
    return Estimate(value, float(np.exp(middle - half)), float(np.exp(middle + half)))


def ratio_to_least(
    over: np.ndarray, under: np.ndarray, *, draws: int, seed: int, level: float = 0.95
) -> Estimate:
    """Return a sum over groups over the least of several others, with its percentile interval.

    Which of them is the least is looked up in every sample, so the ratio has kinks, on which the jackknife is of no use
    (Efron and Tibshirani 1993, 11.6).

    Parameters
    ----------
    over : array, shape (groups,)
    under : array, shape (m, groups)
    draws, seed, level
        Of the bootstrap.

    Returns
    -------
    Estimate
        Without an interval where fewer than two groups hold anything, or samples in which one of the others is nothing.

    Raises
    ------
    InputError
        If one of the others is not above zero.
    """
    if not (under.sum(axis=1) > 0).all():
        raise InputError(
            "a ratio needs costs above zero to compare with; widen the blocks or raise the penalty"
        )
    value = float(over.sum() / under.sum(axis=1).min())
    present = (over > 0) | (under > 0).any(axis=0)
    if present.sum() < 2:
        return Estimate(value)
    drawn = _drawn(int(present.sum()), draws, seed)
    least = (under[:, present] @ drawn.T).min(axis=0)
    if not (least > 0).all():
        return Estimate(value)
    return Estimate(value, *percentile_interval(over[present] @ drawn.T / least, level))


def bootstrap(
    statistic: Statistic, present: np.ndarray, *, draws: int, seed: int, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Return the percentile interval of a statistic, drawing as many groups as there are, with replacement.

    Returns
    -------
    low, high : array
    """
    used = _used(present)
    values = []
    for drawn in _drawn(len(used), draws, seed):
        weights = np.zeros(len(present))
        weights[used] = drawn
        values.append(statistic(weights))
    tail = (1 - level) / 2
    low, high = np.quantile(np.asarray(values, float), [tail, 1 - tail], axis=0)
    return low, high


def estimate(
    statistic: Statistic, present: np.ndarray, *, draws: int, seed: int, level: float = 0.95
) -> Estimate:
    """Return a number with its bootstrap interval; without one where there is a single group."""
    value = float(statistic(present.astype(float)))
    if present.sum() < 2:
        return Estimate(value)
    low, high = bootstrap(statistic, present, draws=draws, seed=seed, level=level)
    return Estimate(value, float(low), float(high))


@functools.lru_cache(maxsize=256)
def _drawn(groups: int, draws: int, seed: int) -> np.ndarray:
    """Return how often each group is drawn, shape (draws, groups); not to be written to."""
    return np.random.default_rng(seed).multinomial(groups, np.full(groups, 1 / groups), draws)


def _used(present: np.ndarray) -> np.ndarray:
    used = np.flatnonzero(present)
    if used.size < 2:
        raise InputError(
            f"resampling needs at least 2 groups with data, there are {used.size}; widen the selection"
        )
    return used
