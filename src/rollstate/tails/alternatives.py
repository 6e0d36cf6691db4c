"""The power law against other tails, by likelihood on the same spells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import optimize, stats

from rollstate.tails.estimators import discrete, tail_of


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
    t, d, low, groups = tail_of(duration, event, entry, cluster, threshold)
    # Identical spells count once, with their number: most gaps are tied.
    table, index, weight = _distinct(t, d, low)

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


def _distinct(t: np.ndarray, d: np.ndarray, low: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the distinct spells (u, 3), which of them each spell is (n,), and how many are like it (u,)."""
    (gaps, of_gap), (begins, of_begin) = (np.unique(x, return_inverse=True) for x in (t, low))
    code = (of_gap * 2 + d) * len(begins) + of_begin
    kept, index, weight = np.unique(code, return_inverse=True, return_counts=True)
    pair = kept // len(begins)
    return np.c_[gaps[pair // 2], pair % 2, begins[kept % len(begins)]], index, weight
