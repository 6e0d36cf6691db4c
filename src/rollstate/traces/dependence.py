r"""Whether slots of a contract move together, and whether its activity repeats itself.

Co-access. Were each slot touched in :math:`n_i` blocks chosen at random out of :math:`B`, independently of the others,
the number of pairs of a contract's slots that share a block would have, exactly,

.. math::

   \mathrm{E} = \sum_{i<j} \frac{n_i n_j}{B}, \qquad
   \mathrm{Var} = \sum_{i<j} \frac{n_i (B - n_i)\, n_j (B - n_j)}{B^2 (B - 1)}

(overlaps are hypergeometric, and pairwise uncorrelated). The *lift* is the observed number over the expected one.

Autocorrelation. The null is exchangeability in time: blocks of a contract's series are shuffled, and the largest
absolute autocorrelation over all lags is compared, so that many lags cost no significance.

In both, contracts are many: p-values are adjusted by Benjamini and Hochberg
(1995, https://doi.org/10.1111/j.2517-6161.1995.tb02031.x).
"""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy import stats

from rollstate.errors import InputError
from rollstate.traces.schema import Trace


def co_access(trace: Trace) -> pl.DataFrame:
    """Compare, by contract, how often two slots share a block with what independence expects.

    Returns
    -------
    polars.DataFrame
        ``contract_id``, ``slots``, ``observed`` and ``expected`` pairs, ``lift``, ``z``, ``p_adjusted`` (one-sided);
        one row per contract with at least two touched slots and a variance under the null.
    """
    n_blocks = trace.capability.n_blocks
    if n_blocks < 2:
        raise InputError("co-access needs at least two blocks")
    touched = (
        trace.accesses.select("slot_id", "block_number")
        .unique()
        .join(trace.slots.select("slot_id", "contract_id"), on="slot_id")
    )
    pairs = (
        touched.group_by("contract_id", "block_number")
        .agg(pl.len().cast(pl.Int64).alias("m"))
        .group_by("contract_id")
        .agg((pl.col("m") * (pl.col("m") - 1) // 2).sum().alias("observed"))
    )
    n = pl.col("n").cast(pl.Float64)
    spread = n * (n_blocks - n)
    null = (
        touched.group_by("contract_id", "slot_id")
        .agg(pl.len().alias("n"))
        .group_by("contract_id")
        .agg(
            pl.len().cast(pl.Int64).alias("slots"),
            ((n.sum() ** 2 - (n**2).sum()) / (2 * n_blocks)).alias("expected"),
            ((spread.sum() ** 2 - (spread**2).sum()) / (2 * n_blocks**2 * (n_blocks - 1))).alias("variance"),
        )
        .filter((pl.col("slots") >= 2) & (pl.col("variance") > 1e-12))
    )
    table = null.join(pairs, on="contract_id").sort("contract_id")
    z = (table["observed"] - table["expected"]) / table["variance"].sqrt()
    return table.select("contract_id", "slots", "observed", "expected").with_columns(
        (pl.col("observed") / pl.col("expected")).alias("lift"),
        z.alias("z"),
        pl.Series("p_adjusted", _adjust(stats.norm.sf(z.to_numpy()))),
    )


def activity(trace: Trace, min_visits: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Return the contracts with at least `min_visits` visits, and their visits in each block.

    Returns
    -------
    contract_id : array of uint32, shape (c,)
    series : array of float64, shape (c, n_blocks)
    """
    visits = (
        trace.accesses.select("slot_id", "block_number")
        .unique()
        .join(trace.slots.select("slot_id", "contract_id"), on="slot_id")
        .group_by("contract_id", "block_number")
        .len("visits")
    )
    busy = visits.group_by("contract_id").agg(pl.col("visits").sum()).filter(pl.col("visits") >= min_visits)
    ids = np.sort(busy["contract_id"].to_numpy())
    rows = visits.filter(pl.col("contract_id").is_in(ids.tolist()))
    series = np.zeros((len(ids), trace.capability.n_blocks))
    at = rows["block_number"].to_numpy() - trace.capability.window_start
    series[np.searchsorted(ids, rows["contract_id"].to_numpy()), at] = rows["visits"].to_numpy()
    return ids, series


def autocorrelation(series: np.ndarray, max_lag: int) -> np.ndarray:
    """Return the autocorrelation of each row at lags 1 to `max_lag`, shape (c, max_lag); 0 for a constant row."""
    if not 1 <= max_lag < series.shape[-1]:
        raise InputError(f"max_lag={max_lag} must lie between 1 and {series.shape[-1] - 1}")
    centred = series - series.mean(-1, keepdims=True)
    variance = (centred**2).sum(-1, keepdims=True)
    products = np.stack(
        [(centred[..., lag:] * centred[..., :-lag]).sum(-1) for lag in range(1, max_lag + 1)], axis=-1
    )
    return np.divide(products, variance, out=np.zeros_like(products), where=variance > 0)


def autocorrelation_test(
    series: np.ndarray, max_lag: int, *, seed: int, draws: int = 200
) -> tuple[np.ndarray, pl.DataFrame]:
    """Test each contract's series against shuffled time.

    Returns
    -------
    p_adjusted : array, shape (c,)
        Adjusted p-values of the largest absolute autocorrelation over the lags.
    by_lag : polars.DataFrame
        ``lag``, ``mean`` autocorrelation over contracts, ``low`` and ``high`` of that mean under the null (95 %).
    """
    observed = autocorrelation(series, max_lag)
    rng = np.random.default_rng(seed)
    exceed = np.ones(len(series))
    means = np.empty((draws, max_lag))
    for draw in range(draws):
        shuffled = autocorrelation(rng.permuted(series, axis=1), max_lag)
        exceed += np.abs(shuffled).max(1) >= np.abs(observed).max(1)
        means[draw] = shuffled.mean(0)
    low, high = np.quantile(means, [0.025, 0.975], axis=0)
    lags = np.arange(1, max_lag + 1)
    by_lag = pl.DataFrame({"lag": lags, "mean": observed.mean(0), "low": low, "high": high})
    return _adjust(exceed / (draws + 1)), by_lag


def _adjust(p: np.ndarray) -> np.ndarray:
    """Return p-values adjusted by Benjamini and Hochberg; an empty array stays empty."""
    return stats.false_discovery_control(p) if len(p) else p
