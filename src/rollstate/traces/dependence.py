r"""Whether slots of a contract are touched together, and whether its activity repeats itself.

Co-access. Slots of a contract share blocks because the contract is called in some blocks and not in others. What its
calls do beyond that is asked *given* that it is active: of its :math:`A` active blocks, in which at least one of its
slots is touched, slot :math:`i` is touched in :math:`n_i`. If slots were touched independently whenever the contract
is called, a call would touch slot i with some probability :math:`p_i`, and calls that touch none would not be seen.
With the chance :math:`q = 1 - \prod_i (1 - p_i)` of being seen, :math:`n_i` is :math:`A p_i / q` on average, so that
:math:`q` solves

.. math:: q = 1 - \prod_i (1 - q\, n_i / A), \qquad \mathrm{E} = q \sum_{i<j} \frac{n_i n_j}{A},

and E is the expected number of pairs of slots in a block, summed over blocks. The *lift* is the observed number over
E. Without the factor q, contracts whose slots are all touched rarely would seem to avoid each other: a block counts
as active only because one of them was touched. Over all blocks of the window instead of the active ones, a contract
that is called once would have a lift equal to the length of the window, by construction.

Autocorrelation. The null is exchangeability in time: blocks of a contract's series are shuffled, and the largest
absolute autocorrelation over all lags is compared, so that many lags cost no significance. Contracts are many:
p-values are adjusted by Benjamini and Hochberg (1995, https://doi.org/10.1111/j.2517-6161.1995.tb02031.x). The
autocorrelation is that of statsmodels, which takes one series at a time and does not shuffle;
``benchmarks/dependence.py`` shows what that would cost over thousands of shuffles, and the tests hold the two equal.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy import stats

from rollstate.compiled import compiled
from rollstate.errors import InputError
from rollstate.traces.schema import Capability, Trace
from rollstate.traces.visits import Counts, events, per_slot

FIRST_SHUFFLES = 100
"""Shuffles of every series; only those that few of them reach are shuffled further."""
ENOUGH, FEWEST_SHUFFLES = 100_000, 20
"""Shuffled series that the first shuffles need not exceed, and the fewest shuffles of each: of many series each is
shuffled less often at first, and the spread of their mean is still that of as many."""
TIE = 1e-9
"""Autocorrelations that differ by less are equal but for rounding, and a shuffle reaches what it ties with."""
FEW = 8
"""Shuffles that reach the observed value, above which a series is told from noise no more."""


def co_access(trace: Trace, *, min_active: int = 2, rows: pl.DataFrame | None = None) -> pl.DataFrame:
    """Compare, by contract, how often two slots share a block with what independence given its calls expects.

    Parameters
    ----------
    trace : Trace
        The trace.
    min_active : int
        Fewest blocks in which a contract must be active; a single one says nothing.
    rows : polars.DataFrame, optional
        The trace's `rollstate.traces.visits.events`, where they are known.

    Returns
    -------
    polars.DataFrame
        ``contract_id``, ``slots`` touched, ``active`` blocks, ``observed`` and ``expected`` pairs, ``lift``; one row
        per contract with at least two touched slots, enough active blocks, and some pair expected.
    """
    if min_active < 2:
        raise InputError(f"min_active={min_active} must be at least 2: one active block says nothing")
    touched = events(trace) if rows is None else rows
    together = pl.col("n")
    contracts = (
        _calls(touched, trace.capability)
        .group_by("contract_id")
        .agg(active=pl.len().cast(pl.Int64), observed=(together * (together - 1)).sum() // 2)
        .filter(pl.col("active") >= min_active)
        .sort("contract_id")
    )
    slots = (
        per_slot(touched)
        .select("contract_id", "slot_id", n="blocks")
        .join(contracts.select("contract_id", "active"), on="contract_id")
        .sort("contract_id", "slot_id")
    )
    code = np.searchsorted(contracts["contract_id"].to_numpy(), slots["contract_id"].to_numpy())
    share = slots["n"].to_numpy() / slots["active"].to_numpy()
    active = contracts["active"].to_numpy()
    total, squares = (np.bincount(code, share**power, len(active)) for power in (1, 2))
    expected = _seen(code, share, len(active)) * (total**2 - squares) / 2 * active
    table = contracts.with_columns(
        slots=pl.Series(np.bincount(code, minlength=len(active))), expected=pl.Series(expected)
    ).filter((pl.col("slots") >= 2) & (pl.col("expected") > 1e-9))
    return table.select(
        "contract_id",
        "slots",
        "active",
        "observed",
        "expected",
        lift=pl.col("observed") / pl.col("expected"),
    )


def _calls(touched: pl.DataFrame, stamp: Capability) -> pl.DataFrame:
    """Return ``contract_id`` and ``n``, the slots touched, of each contract and block."""
    block = touched["block_number"].to_numpy() - stamp.window_start
    calls = Counts.collect([touched["contract_id"].to_numpy().astype(np.int64) * stamp.n_blocks + block])
    return pl.DataFrame({"contract_id": (calls.key // stamp.n_blocks).astype(np.uint32), "n": calls.rows})


def _seen(code: np.ndarray, share: np.ndarray, contracts: int) -> np.ndarray:
    """Return the chance q that a call of each contract is seen, by bisection; 0 where no slots ever meet.

    Parameters
    ----------
    code : array of int, shape (n,)
        Contract of each slot.
    share : array, shape (n,)
        Share of the contract's active blocks that touch the slot.
    contracts : int
        Number of contracts.
    """
    low, high = np.zeros(contracts), np.ones(contracts)
    for _ in range(50):
        q = (low + high) / 2
        # 1 - prod(1 - q share) is concave in q and 0 at 0: above q left of the root, below it right of it.
        above = -np.expm1(np.bincount(code, np.log1p(-q[code] * share), contracts)) > q
        low, high = np.where(above, q, low), np.where(above, high, q)
    return (low + high) / 2


def activity(
    trace: Trace, min_visits: int = 30, width: int = 1, *, rows: pl.DataFrame | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the contracts with at least `min_visits` visits, and their visits in each run of `width` blocks.

    Blocks at the end that do not fill a run are left out. `rows` are the trace's `rollstate.traces.visits.events`,
    where they are known.

    Returns
    -------
    contract_id : array of uint32, shape (c,)
    series : array of float64, shape (c, n_blocks // width)
    """
    runs = trace.capability.n_blocks // width
    run = ((pl.col("block_number").cast(pl.Int64) - trace.capability.window_start) // width).alias("run")
    visits = (
        (events(trace) if rows is None else rows)
        .select("contract_id", run)
        .filter(pl.col("run") < runs)
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
    # Sums of products without the products in between: seven times as fast.
    variance = np.einsum("...t,...t->...", centred, centred)[..., None]
    products = np.stack(
        [
            np.einsum("...t,...t->...", centred[..., lag:], centred[..., :-lag])
            for lag in range(1, max_lag + 1)
        ],
        axis=-1,
    )
    return np.divide(products, variance, out=np.zeros_like(products), where=variance > 0)


@compiled
def shuffled_autocorrelation(rng: np.random.Generator, series: np.ndarray, max_lag: int) -> np.ndarray:
    """Return the `autocorrelation` of each row in an order of its own, drawn at random.

    Blocks without a visit count nothing in sums of products: only the others are given a place and multiplied.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the orders come from.
    series : array of float64, shape (c, t)
        Counts by block.
    max_lag : int
        Longest lag.
    """
    rows, length = series.shape
    out = np.zeros((rows, max_lag))
    place, value = np.arange(length), np.zeros(length + max_lag)
    products, at_ends = np.zeros(max_lag + 1), np.zeros(max_lag + 1)
    for row in range(rows):
        taken, total, squares = 0, 0.0, 0.0
        for visits in series[row]:
            if visits != 0:
                other = taken + int(rng.random() * (length - taken))
                place[taken], place[other] = place[other], place[taken]
                value[place[taken]] = visits
                taken += 1
                total += visits
                squares += visits * visits
        products[:] = 0
        for at in place[:taken]:
            for lag in range(1, max_lag + 1):
                products[lag] += value[at] * value[at + lag]
        for lag in range(1, max_lag + 1):
            at_ends[lag] = at_ends[lag - 1] + value[lag - 1] + value[length - lag]
        for at in place[:taken]:
            value[at] = 0
        mean = total / length
        variance = squares - mean * total
        if variance > TIE * squares:
            for lag in range(1, max_lag + 1):
                # The sum over pairs of (x - mean) (y - mean).
                about = products[lag] - mean * (2 * total - at_ends[lag]) + (length - lag) * mean * mean
                out[row, lag - 1] = about / variance
    return out


def autocorrelation_test(
    series: np.ndarray, max_lag: int, *, seed: int, draws: int = 4_000
) -> tuple[np.ndarray, pl.DataFrame]:
    """Test each contract's series against shuffled time.

    Every series is shuffled `FIRST_SHUFFLES` times, fewer where there are many (`ENOUGH`). Where more than `FEW`
    shuffles reach the observed value, the series is not told from noise at any useful level; the others are shuffled
    on, up to `draws` times or until all of them are clear of the 5 % level after adjustment by a factor of five.

    Returns
    -------
    p_adjusted : array, shape (c,)
        Adjusted p-values of the largest absolute autocorrelation over the lags.
    by_lag : polars.DataFrame
        ``lag``, ``mean`` autocorrelation over contracts, ``low`` and ``high``: 95 % of that mean in shuffled time. A
        series of T blocks has there -(T - k) / (T (T - 1)) on average at lag k; the spread is that of the first
        shuffles, each contract shuffled by itself.
    """
    series = np.ascontiguousarray(series, dtype=np.float64)
    observed = autocorrelation(series, max_lag)
    largest = np.abs(observed).max(1, initial=0) - TIE
    rng = np.random.default_rng(seed)
    many = max(FEWEST_SHUFFLES, ENOUGH // max(len(series), 1))
    first = min(FIRST_SHUFFLES, many, draws)
    reached, shuffles = np.zeros(len(series)), np.full(len(series), first)
    lags, blocks = np.arange(1, max_lag + 1), series.shape[1]
    varies = (series.std(axis=1) > 0)[:, None]
    expected = varies * (lags - blocks) / (blocks * (blocks - 1))
    squares = np.zeros(max_lag)
    for _ in range(first):
        shuffled = shuffled_autocorrelation(rng, series, max_lag)
        reached += np.abs(shuffled).max(1, initial=0) >= largest
        squares += ((shuffled - expected) ** 2).sum(0)
    open_, done = np.flatnonzero(reached <= FEW), first
    while len(open_) and done < draws:
        for _ in range(min(done, draws - done)):
            shuffled = shuffled_autocorrelation(rng, series[open_], max_lag)
            reached[open_] += np.abs(shuffled).max(1) >= largest[open_]
        done += min(done, draws - done)
        shuffles[open_] = done
        open_ = open_[reached[open_] <= FEW]
        p = (reached[open_] + 1) / (done + 1)
        if len(open_) and p.max() * len(series) / len(open_) < 0.01:
            break
    middle, spread = expected.mean(0), stats.norm.ppf(0.975) * np.sqrt(squares / first) / len(series)
    by_lag = pl.DataFrame(
        {"lag": lags, "mean": observed.mean(0), "low": middle - spread, "high": middle + spread}
    )
    return _adjust((reached + 1) / (shuffles + 1)), by_lag


def _adjust(p: np.ndarray) -> np.ndarray:
    """Return p-values adjusted by Benjamini and Hochberg; an empty array stays empty."""
    return stats.false_discovery_control(p) if len(p) else p
