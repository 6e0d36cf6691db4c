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

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Calls:
    """What touches add up to by contract; the counts of parts that share no slot add up with `join`.

    Attributes
    ----------
    stamp : Capability
        Of the window.
    touched : Counts
        Slots that each block touches of each contract; the key is the contract times the number of blocks, plus the
        block, from 0 on.
    slots : polars.DataFrame
        Slots of a contract that equally many blocks touch: ``contract_id``, ``blocks``, and how many ``slots``; sorted.
    """

    stamp: Capability
    touched: Counts
    slots: pl.DataFrame

    @classmethod
    def of(cls, part: Trace, *, rows: pl.DataFrame | None = None) -> Calls:
        """Count a trace, or a part of one; `rows` are its `rollstate.traces.visits.events`, where they are known."""
        stamp = part.capability
        rows = events(part) if rows is None else rows
        block = rows["block_number"].to_numpy() - stamp.window_start
        touched = Counts.collect([rows["contract_id"].to_numpy().astype(np.int64) * stamp.n_blocks + block])
        # As many pairs of contract and block as a long trace has should not take more bytes than they need.
        touched = Counts(touched.key, touched.rows.astype(np.uint32))
        return cls(stamp, touched, _alike(per_slot(rows).with_columns(slots=pl.lit(1, pl.Int64))))

    def join(self, other: Calls) -> Calls:
        """Add the counts of another part of the same trace."""
        slots = _alike(pl.concat([self.slots, other.slots]))
        return Calls(self.stamp, self.touched.join(other.touched), slots)

    def contracts(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the contracts that are touched, sorted, and the first row of each in `touched`."""
        ids = self.slots["contract_id"].unique().sort().to_numpy()
        return ids, np.searchsorted(self.touched.key, ids.astype(np.int64) * self.stamp.n_blocks)


def _alike(slots: pl.DataFrame) -> pl.DataFrame:
    """Count slots of one contract with the same number of blocks together."""
    key = ("contract_id", "blocks")
    return slots.group_by(key).agg(pl.col("slots").sum()).sort(key)


def co_access(calls: Calls, *, min_active: int = 2) -> pl.DataFrame:
    """Compare, by contract, how often two slots share a block with what independence given its calls expects.

    Parameters
    ----------
    calls : Calls
        Of the window.
    min_active : int
        Fewest blocks in which a contract must be active; a single one says nothing.

    Returns
    -------
    polars.DataFrame
        ``contract_id``, ``slots`` touched, ``active`` blocks, ``observed`` and ``expected`` pairs, ``lift``; one row
        per contract with at least two touched slots, enough active blocks, and some pair expected.
    """
    if min_active < 2:
        raise InputError(f"min_active={min_active} must be at least 2: one active block says nothing")
    ids, begins = calls.contracts()
    together = calls.touched.rows
    contracts = pl.DataFrame(
        {
            "contract_id": ids,
            "active": np.diff(begins, append=together.size),
            "observed": np.add.reduceat(np.multiply(together, together - 1, dtype=np.int64), begins) // 2,
        }
    ).filter(pl.col("active") >= min_active)
    alike = calls.slots.join(contracts.select("contract_id", "active"), on="contract_id").sort(
        "contract_id", "blocks"
    )
    code = np.searchsorted(contracts["contract_id"].to_numpy(), alike["contract_id"].to_numpy())
    share, count = (alike["blocks"] / alike["active"]).to_numpy(), alike["slots"].to_numpy()
    active = contracts["active"].to_numpy()
    slots, total, squares = (np.bincount(code, count * share**power, len(active)) for power in (0, 1, 2))
    expected = _seen(code, share, count, len(active)) * (total**2 - squares) / 2 * active
    table = contracts.with_columns(
        slots=pl.Series(slots.astype(np.int64)), expected=pl.Series(expected)
    ).filter((pl.col("slots") >= 2) & (pl.col("expected") > 1e-9))
    return table.select(
        "contract_id",
        "slots",
        "active",
        "observed",
        "expected",
        lift=pl.col("observed") / pl.col("expected"),
    )


def _seen(code: np.ndarray, share: np.ndarray, count: np.ndarray, contracts: int) -> np.ndarray:
    """Return the chance q that a call of each contract is seen, by bisection; 0 where no slots ever meet.

    Parameters
    ----------
    code : array of int, shape (n,)
        Contract of slots that are alike.
    share : array, shape (n,)
        Share of the contract's active blocks that touch such a slot.
    count : array of int, shape (n,)
        How many slots these are.
    contracts : int
        Number of contracts.
    """
    low, high = np.zeros(contracts), np.ones(contracts)
    for _ in range(50):
        q = (low + high) / 2
        # 1 - prod(1 - q share) is concave in q and 0 at 0: above q left of the root, below it right of it.
        above = -np.expm1(np.bincount(code, count * np.log1p(-q[code] * share), contracts)) > q
        low, high = np.where(above, q, low), np.where(above, high, q)
    return (low + high) / 2


def activity(calls: Calls, min_visits: int = 30, width: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return the contracts with at least `min_visits` visits, and their visits in each run of `width` blocks.

    Blocks at the end that do not fill a run are left out.

    Returns
    -------
    contract_id : array of uint32, shape (c,)
    series : array of float64, shape (c, n_blocks // width)
    """
    runs, touched = calls.stamp.n_blocks // width, calls.touched
    ids, begins = calls.contracts()
    ends = np.append(begins[1:], touched.key.size)
    maybe = np.flatnonzero(np.add.reduceat(touched.rows, begins, dtype=np.int64) >= min_visits)
    series = np.zeros((maybe.size, runs))
    # Contract by contract: the pairs of contracts and blocks may be nearly as many as the accesses.
    for row, at in enumerate(maybe):
        inside = slice(begins[at], ends[at])
        run = touched.key[inside] % calls.stamp.n_blocks // width
        series[row] = np.bincount(run, touched.rows[inside], runs)[:runs]
    busy = series.sum(1) >= min_visits
    return ids[maybe[busy]], series[busy]


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
