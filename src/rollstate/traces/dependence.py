r"""Whether slots of a contract move together, and whether its activity repeats itself.

Co-access. The null shifts the history of each slot around the window by an offset of its own: what a slot does
by itself stays, what slots do together goes. A slot touched in :math:`n_i` of :math:`B` blocks then shares

.. math:: \mathrm{E} = \sum_{i<j} \frac{n_i n_j}{B}

blocks with the other slots of its contract, summed over pairs, exactly. The *lift* is the observed number of pairs over
the expected one; its p-value is that of the shifts.

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

DENSE_CELLS = 10_000_000
"""Contracts times blocks up to which pairs are counted in a table instead of by sorting."""


def co_access(trace: Trace, *, seed: int, draws: int = 1_000) -> pl.DataFrame:
    """Compare, by contract, how often two slots share a block with what independence expects.

    Parameters
    ----------
    trace : Trace
        The trace, of at least two blocks.
    seed, draws
        Seed and number of the random shifts.

    Returns
    -------
    polars.DataFrame
        ``contract_id``, ``slots``, ``observed`` and ``expected`` pairs, ``lift``, ``p_value`` (one-sided) and
        ``p_adjusted``; one row per contract with at least two touched slots, not all touched in every block.
    """
    n_blocks = trace.capability.n_blocks
    if n_blocks < 2:
        raise InputError("co-access needs at least two blocks")
    touched = (
        trace.accesses.select("slot_id", "block_number")
        .unique()
        .join(trace.slots.select("slot_id", "contract_id"), on="slot_id")
        .sort("contract_id", "slot_id", "block_number")
    )
    contracts, contract = np.unique(touched["contract_id"].to_numpy(), return_inverse=True)
    _, first, slot, visits = np.unique(
        touched["slot_id"].to_numpy(), return_index=True, return_inverse=True, return_counts=True
    )
    block = touched["block_number"].to_numpy() - trace.capability.window_start
    owner = contract[first]

    n_cells = len(contracts) * n_blocks

    def pairs(shift: np.ndarray | int) -> np.ndarray:
        cell = contract * n_blocks + (block + shift) % n_blocks
        if n_cells <= DENSE_CELLS:
            together = np.bincount(cell, minlength=n_cells).reshape(-1, n_blocks)
            return (together * (together - 1) // 2).sum(1)
        cell, together = np.unique(cell, return_counts=True)
        return np.bincount(cell // n_blocks, together * (together - 1) // 2, len(contracts)).astype(np.int64)

    observed = pairs(0)
    total, squares = np.bincount(owner, visits), np.bincount(owner, visits.astype(float) ** 2)
    expected = (total**2 - squares) / (2 * n_blocks)
    rng = np.random.default_rng(seed)
    at_least = np.ones(len(contracts))
    for _ in range(draws):
        at_least += pairs(rng.integers(0, n_blocks, len(visits))[slot]) >= observed
    slots = np.bincount(owner)
    # With one slot, or slots that are in every block, nothing could differ.
    varies = (slots >= 2) & (np.bincount(owner, visits < n_blocks) > 0)
    p_value = (at_least / (draws + 1))[varies]
    return pl.DataFrame(
        {
            "contract_id": contracts[varies],
            "slots": slots[varies],
            "observed": observed[varies],
            "expected": expected[varies],
            "lift": observed[varies] / expected[varies],
            "p_value": p_value,
            "p_adjusted": _adjust(p_value),
        }
    )


def activity(trace: Trace, min_visits: int = 30, width: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return the contracts with at least `min_visits` visits, and their visits in each run of `width` blocks.

    Blocks at the end that do not fill a run are left out.

    Returns
    -------
    contract_id : array of uint32, shape (c,)
    series : array of float64, shape (c, n_blocks // width)
    """
    runs = trace.capability.n_blocks // width
    run = ((pl.col("block_number").cast(pl.Int64) - trace.capability.window_start) // width).alias("run")
    visits = (
        trace.accesses.select("slot_id", "block_number")
        .unique()
        .select("slot_id", run)
        .filter(pl.col("run") < runs)
        .join(trace.slots.select("slot_id", "contract_id"), on="slot_id")
        .group_by("contract_id", "run")
        .len("visits")
    )
    busy = visits.group_by("contract_id").agg(pl.col("visits").sum()).filter(pl.col("visits") >= min_visits)
    ids = np.sort(busy["contract_id"].to_numpy())
    rows = visits.filter(pl.col("contract_id").is_in(ids.tolist()))
    series = np.zeros((len(ids), runs))
    series[np.searchsorted(ids, rows["contract_id"].to_numpy()), rows["run"].to_numpy()] = rows[
        "visits"
    ].to_numpy()
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
