"""The power law against other tails, by likelihood on the same spells."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import optimize, stats

from rollstate.risk_table import ClusteredRiskTable
from rollstate.tails.estimators import index_of

CELLS = 2_000
"""Most different times that the search for a rival's parameters looks at; see `Sample.pooled`."""


@dataclass(frozen=True)
class Sample:
    """Gaps beyond a threshold.

    Attributes
    ----------
    threshold : float
        In blocks; times are above it.
    time : array, shape (m,)
        Distinct times in blocks, ascending.
    events, censored, entered : array, shape (m,)
        How many gaps end with an access at each time, end without one, and are seen from there on.
    """

    threshold: float
    time: np.ndarray
    events: np.ndarray
    censored: np.ndarray
    entered: np.ndarray

    @property
    def count(self) -> np.ndarray:
        """How many gaps end at each time."""
        return self.events + self.censored

    @property
    def mean(self) -> float:
        """Mean gap, each length weighed by its count."""
        return float(np.average(self.time, weights=self.count))

    @property
    def log_mean(self) -> float:
        """Mean of the logarithm."""
        return float(np.average(np.log(self.time), weights=self.count))

    @property
    def log_spread(self) -> float:
        """Standard deviation of the logarithm."""
        return float(np.sqrt(np.average((np.log(self.time) - self.log_mean) ** 2, weights=self.count)))

    def log_likelihood(self, log_survival: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Return what an event, a censored gap and an entry count at each time, shape (3, m)."""
        start, at = log_survival(np.array([self.threshold]))[0], log_survival(self.time)
        before = log_survival(np.maximum(self.time - 1, self.threshold))
        with np.errstate(divide="ignore", invalid="ignore"):
            inside = before + np.log(-np.expm1(np.minimum(at - before, -1e-300)))
        return np.stack([inside - start, at - start, start - at])

    def total(self, terms: np.ndarray) -> float:
        """Return the sum of `log_likelihood` over all gaps."""
        counts = (self.events, self.censored, self.entered)
        # A kind of gap that does not occur at a time counts nothing there, however unlikely it is.
        return float(sum(n[n > 0] @ row[n > 0] for n, row in zip(counts, terms, strict=True)))

    def pooled(self) -> Sample:
        """Return the sample with neighbouring times taken together, if there are more than `CELLS`.

        Cells have the same width in the logarithm, and a cell's time is the mean of its gaps. The likelihood differs
        by the square of that width, some hundred-thousandths, so that the parameters that maximise it are the same.
        """
        if len(self.time) <= CELLS:
            return self
        edges = np.geomspace(self.threshold, self.time[-1], CELLS + 1)
        cell = np.unique(np.searchsorted(edges, self.time), return_inverse=True)[1]
        weight = self.events + self.censored + self.entered
        events, censored, entered = (
            np.bincount(cell, part) for part in (self.events, self.censored, self.entered)
        )
        time = np.bincount(cell, weight * self.time) / np.bincount(cell, weight)
        return Sample(self.threshold, time, events, censored, entered)


@dataclass(frozen=True)
class Alternative:
    """A rival tail: log survival beyond the threshold, and where to start looking for its parameters."""

    name: str
    log_survival: Callable[[np.ndarray, np.ndarray], np.ndarray]
    start: Callable[[Sample, float], np.ndarray]


ALTERNATIVES = (
    Alternative(
        "lognormal",
        lambda t, p: stats.norm.logsf((np.log(t) - p[0]) / np.exp(p[1])),
        lambda gaps, alpha: np.array([gaps.log_mean, np.log(gaps.log_spread + 0.1)]),
    ),
    Alternative(
        "Weibull",
        lambda t, p: -np.exp(np.exp(p[1]) * (np.log(t) - p[0])),
        lambda gaps, alpha: np.array([np.log(gaps.mean), np.log(0.5)]),
    ),
    Alternative(
        "truncated power law",
        lambda t, p: -np.exp(p[0]) * np.log(t) - np.exp(p[1]) * t,
        lambda gaps, alpha: np.array([np.log(alpha), -np.log(10 * gaps.time[-1])]),
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
    return compare_of(ClusteredRiskTable.of(duration, event, entry, cluster), threshold, rivals=rivals)


def compare_of(
    spells: ClusteredRiskTable, threshold: float, *, rivals: tuple[Alternative, ...] = ALTERNATIVES
) -> pl.DataFrame:
    """Return `compare` of counted spells."""
    whole = spells.whole
    alpha = index_of(whole, threshold)
    beyond = spells.time > threshold
    counts = (part[beyond] for part in (whole.events, whole.censored, whole.entered))
    gaps = Sample(threshold, spells.time[beyond], *counts)
    searched = gaps.pooled()
    own = gaps.log_likelihood(lambda x: -alpha * np.log(x))
    out = []
    for rival in rivals:

        def loss(p: np.ndarray, rival: Alternative = rival) -> float:
            value = -searched.total(searched.log_likelihood(lambda x: rival.log_survival(x, p)))
            return value if np.isfinite(value) else 1e300

        # Sums over many gaps are exact to so much only.
        begin = rival.start(searched, alpha)
        rounding = max(1e-8, 1e-12 * loss(begin))
        best = optimize.minimize(
            loss, begin, method="Nelder-Mead", options={"maxiter": 4000, "fatol": rounding}
        )
        difference = own - gaps.log_likelihood(
            functools.partial(lambda r, p, x: r.log_survival(x, p), rival, best.x)
        )
        ratio = gaps.total(difference)
        if rival.name == "truncated power law":
            statistic = max(0.0, -2 * ratio)
            p_value = 0.5 * stats.chi2.sf(statistic, 1) if statistic > 0 else 1.0
            favours = "alternative" if p_value < 0.05 else "neither"
        else:
            full = np.zeros((3, len(spells.time)))
            full[:, beyond] = np.where(np.isfinite(difference), difference, 0)
            by_cluster = spells.by_cluster(*full)
            by_cluster = by_cluster[spells.by_cluster(*_ones(beyond)) > 0]
            statistic = ratio / np.sqrt(len(by_cluster) * by_cluster.var()) if by_cluster.var() > 0 else 0.0
            p_value = 2 * stats.norm.sf(abs(statistic))
            favours = "neither" if p_value >= 0.05 else ("power law" if statistic > 0 else "alternative")
        out.append((rival.name, ratio, float(statistic), float(p_value), favours))
    return pl.DataFrame(
        out, schema=["alternative", "log_ratio", "statistic", "p_value", "favours"], orient="row"
    )


def _ones(beyond: np.ndarray) -> np.ndarray:
    """Return what counts the spells of each cluster that last beyond the threshold."""
    return np.stack([beyond, beyond, np.zeros(len(beyond))]).astype(float)
