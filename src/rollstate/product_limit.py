r"""The product-limit estimate of a survival curve under right censoring and delayed entry.

With :math:`d_u` events and :math:`n_u` spells at risk (``entry`` < u <= ``duration``) at gap time :math:`u`

.. math::

   \hat S(u) = \prod_{v \le u} \Bigl(1 - \frac{d_v}{n_v}\Bigr), \qquad
   \widehat{\operatorname{Var}} \log \hat S(u) = \sum_{v \le u} \frac{d_v}{n_v (n_v - d_v)}.

Sources: Kaplan and Meier (1958), https://doi.org/10.1080/01621459.1958.10501452; Greenwood's variance and delayed
entry as in R's ``survfit``, https://cran.r-project.org/package=survival.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy import stats

from rollstate.compiled import compiled
from rollstate.risk_table import ClusteredRiskTable, RiskTable
from rollstate.risk_table import check_spells as check_spells


def kaplan_meier(
    duration: np.ndarray,
    event: np.ndarray,
    entry: np.ndarray | None = None,
    *,
    level: float = 0.95,
    min_at_risk: int = 1,
) -> pl.DataFrame:
    """Estimate the survival curve of gap times.

    Parameters
    ----------
    duration, event, entry : array, shape (n,)
        Spells, as `rollstate.intervals.build` gives them; ``entry`` is zero if not given.
    level : float
        Level of the pointwise interval, made on the log-log scale so that it stays between 0 and 1.
    min_at_risk : int
        Event times before the risk set first has this many spells are passed over. Under delayed entry the curve can
        fall to zero early on a handful of spells; then it is the curve given survival to the first time kept.

    Returns
    -------
    polars.DataFrame
        One row per distinct event time: ``time``, ``at_risk``, ``events``, ``survival``, ``low``, ``high``.

    Raises
    ------
    InputError
        If the spells are empty or malformed.

    Notes
    -----
    The interval takes spells as independent. Spells of a slot are not: see `cluster_band`. lifelines fits the same
    curve, and the tests hold the two equal; this one is here for `min_at_risk` and for the bootstrap.

    Examples
    --------
    >>> curve = kaplan_meier(np.array([1, 2, 3, 4]), np.array([True, False, True, True]))
    >>> curve["survival"].round(3).to_list()
    [0.75, 0.375, 0.0]
    """
    duration, event, entry = check_spells(duration, event, entry)
    times, d = np.unique(duration[event], return_counts=True)
    n = len(duration) - np.searchsorted(np.sort(duration), times, "left")
    n -= len(entry) - np.searchsorted(np.sort(entry), times, "left")
    return product_limit(times, d, n, level=level, min_at_risk=min_at_risk)


def product_limit(
    times: np.ndarray, d: np.ndarray, n: np.ndarray, *, level: float = 0.95, min_at_risk: int = 1
) -> pl.DataFrame:
    """Return the curve of `kaplan_meier` from counts that were taken before.

    Parameters
    ----------
    times, d, n : array, shape (m,)
        Distinct event times, ascending, with events and spells at risk.
    level, min_at_risk
        As in `kaplan_meier`.
    """
    kept = np.maximum.accumulate(n >= min_at_risk) if len(n) else np.zeros(0, bool)
    times, d, n = times[kept], d[kept], n[kept]
    with np.errstate(divide="ignore", invalid="ignore"):
        survival = np.cumprod(1 - d / n)
        variance = np.cumsum(d / (n * (n - d)))
        width = stats.norm.ppf(0.5 + level / 2) * np.sqrt(variance) / np.abs(np.log(survival))
        low, high = survival ** np.exp(width), survival ** np.exp(-width)
    # At zero survival the interval is not defined.
    gone = survival <= 0
    return pl.DataFrame(
        {
            "time": times,
            "at_risk": n,
            "events": d,
            "survival": survival,
            "low": np.where(gone, np.nan, low),
            "high": np.where(gone, np.nan, high),
        }
    )


def nelson_aalen(duration: np.ndarray, event: np.ndarray, entry: np.ndarray | None = None) -> pl.DataFrame:
    """Estimate the cumulative hazard of gap times by lifelines, events of a tie one after the other.

    Parameters
    ----------
    duration, event, entry : array, shape (n,)
        As in `kaplan_meier`.

    Returns
    -------
    polars.DataFrame
        One row per distinct event time: ``time``, ``events``, ``hazard``.

    Notes
    -----
    With d events among n at risk the step is 1/n + 1/(n - 1) + ... + 1/(n - d + 1): Fleming and Harrington (1984),
    https://doi.org/10.1080/03610928408828837. Spells alike in everything are one row with a weight.
    """
    from lifelines import NelsonAalenFitter

    duration, event, entry = check_spells(duration, event, entry)
    cells = pl.DataFrame({"duration": duration, "event": event, "entry": entry})
    cells = cells.group_by(cells.columns, maintain_order=True).len("weight")
    duration, event, entry, weight = (cells[name].to_numpy() for name in cells.columns)
    fitted = NelsonAalenFitter().fit(duration, event, entry=entry, weights=weight)
    table = fitted.event_table[fitted.event_table["observed"] > 0]
    return pl.DataFrame(
        {
            "time": table.index.to_numpy(),
            "events": table["observed"].to_numpy(),
            "hazard": fitted.cumulative_hazard_.loc[table.index].iloc[:, 0].to_numpy(),
        }
    )


def at_risk(duration: np.ndarray, entry: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return how many spells are at risk at gap times `at`, shape (m,): entered before and not ended before."""
    entered = np.searchsorted(np.sort(entry), at, "left")
    entered = np.where(np.asarray(at) == 0, np.sum(np.asarray(entry) == 0), entered)
    return entered - np.searchsorted(np.sort(duration), at, "left")


def survival_at(curve: pl.DataFrame, at: np.ndarray) -> np.ndarray:
    """Return the right-continuous step curve's survival at gap times `at`, shape (m,)."""
    steps = np.r_[1.0, curve["survival"].to_numpy()]
    return steps[np.searchsorted(curve["time"].to_numpy(), np.asarray(at, float), "right")]


def survival_of(table: RiskTable, at: np.ndarray, *, min_at_risk: int = 1) -> np.ndarray:
    """Return the product-limit curve of counted spells at gap times `at`; `min_at_risk` as in `kaplan_meier`."""
    steps = _survival_steps(table.events, table.at_risk, min_at_risk)
    return steps[np.searchsorted(table.time, np.asarray(at, float), "right")]


@compiled
def _survival_steps(events: np.ndarray, at_risk: np.ndarray, min_at_risk: int) -> np.ndarray:
    """Return the curve before the first time and after each; it falls from where `min_at_risk` are first at risk on."""
    steps, begun = np.ones(len(events) + 1), False
    for at in range(len(events)):
        begun = begun or at_risk[at] >= min_at_risk
        steps[at + 1] = steps[at]
        if begun and events[at] > 0:
            steps[at + 1] *= 1 - events[at] / at_risk[at]
    return steps


def cumulative_hazard(table: RiskTable, at: np.ndarray) -> np.ndarray:
    """Return the Nelson-Aalen estimate of counted spells at gap times `at`, shape (m,).

    Source: Aalen (1978), https://doi.org/10.1214/aos/1176344247. lifelines has it for rows; this one is bootstrapped.
    """
    steps = _hazard_steps(table.events, table.at_risk)
    return steps[np.searchsorted(table.time, np.asarray(at, float), "right")]


@compiled
def _hazard_steps(events: np.ndarray, at_risk: np.ndarray) -> np.ndarray:
    """Return the cumulative hazard before the first time and after each."""
    steps = np.zeros(len(events) + 1)
    for at in range(len(events)):
        steps[at + 1] = steps[at]
        if events[at] > 0:
            steps[at + 1] += events[at] / at_risk[at]
    return steps


def cluster_band(
    duration: np.ndarray,
    event: np.ndarray,
    entry: np.ndarray,
    cluster: np.ndarray,
    at: np.ndarray,
    *,
    seed: int,
    draws: int = 200,
    level: float = 0.95,
    min_at_risk: int = 1,
    count: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return a pointwise percentile band of the curve at gap times `at`, resampling whole clusters.

    Parameters
    ----------
    duration, event, entry : array, shape (n,)
        Spells.
    cluster : array of int, shape (n,)
        What is resampled, for example the contract: spells of one cluster depend on each other.
    at : array, shape (m,)
        Gap times.
    seed, draws, level
        Seed and number of bootstrap draws, level of the band.
    min_at_risk : int
        As in `kaplan_meier`.
    count : array, shape (n,), optional
        How many spells are like each one; one if not given.

    Returns
    -------
    low, high : array of float64, shape (m,)
    """
    table = ClusteredRiskTable.of(duration, event, entry, cluster, count)
    curves = [survival_of(drawn, at, min_at_risk=min_at_risk) for drawn in table.draws(draws, seed)]
    tail = (1 - level) / 2
    low, high = np.quantile(curves, [tail, 1 - tail], axis=0)
    return low, high
