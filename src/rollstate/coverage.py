"""How much of the state a window covers: concentration, reads against writes, and slots still to be discovered.

The unit is the *event*: a (block, slot) pair, however many transactions of the block touched the slot. An event is
*written* if any of its touches writes, else it is *read only*. On mainnet blocks 20615532 to 20615581 this rule
gives the published counts: 22,243 written and 37,936 read-only events, together 60,179.

Slots of one contract are not independent, so intervals resample whole contracts.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
from scipy import sparse, special

from rollstate.bootstrap import cluster_weights, percentile_interval
from rollstate.errors import InputError
from rollstate.estimate import Estimate
from rollstate.traces import visits
from rollstate.traces.schema import Trace


def events(trace: Trace) -> pl.DataFrame:
    """Return one row per (block, slot).

    Returns
    -------
    polars.DataFrame
        Of `rollstate.traces.visits.events`.

    Raises
    ------
    InputError
        If the trace holds no access.
    """
    if trace.accesses.is_empty():
        stamp = trace.capability
        raise InputError(
            f"blocks [{stamp.window_start}, {stamp.window_stop}) hold no access; choose a wider window"
        )
    return visits.events(trace)


def per_slot(trace: Trace, rows: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return one row per touched slot; `rows` are its `events`, where they are known.

    Returns
    -------
    polars.DataFrame
        ``slot_id``, ``contract_id``, and uint32 ``blocks`` (in which it is touched) and ``written`` (of these, in
        which it is written); sorted by slot.
    """
    rows = events(trace) if rows is None else rows
    counts = rows.group_by("slot_id", "contract_id").agg(blocks=pl.len(), written=pl.col("written").sum())
    return counts.sort("slot_id")


def concentration_curve(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the whole concentration curve, busiest units first.

    Parameters
    ----------
    counts : (n,) array
        Events per unit (slot or contract).

    Returns
    -------
    units, share : (n + 1,) float64 arrays
        Share of the units, and the share of events that fall on them; from 0 to 1.

    Examples
    --------
    >>> units, share = concentration_curve(np.array([1, 3]))
    >>> share.tolist()
    [0.0, 0.75, 1.0]
    """
    mass = np.cumsum(np.sort(np.asarray(counts, dtype=np.float64))[::-1])
    return np.linspace(0.0, 1.0, len(mass) + 1), np.concatenate([[0.0], mass / mass[-1]])


def gini(units: np.ndarray, share: np.ndarray) -> float:
    """Return the Gini coefficient of a `concentration_curve`: 0 for equal units, towards 1 for one busy unit.

    Source: Gini (1914) by way of twice the area between curve and diagonal.

    >>> gini(*concentration_curve(np.array([5, 5])))
    0.0
    """
    return float(2.0 * np.trapezoid(share, units) - 1.0)


def concentration(
    counts: np.ndarray,
    clusters: np.ndarray,
    top: tuple[float, ...],
    *,
    replicates: int,
    seed: int,
    level: float = 0.95,
) -> pl.DataFrame:
    """Return the Gini coefficient and the share of events on the busiest units, with intervals.

    Parameters
    ----------
    counts : (n,) array
        Events per unit.
    clusters : (n,) array
        Cluster of each unit; clusters are resampled whole (percentile bootstrap).
    top : tuple of float
        Shares of units, busiest first.
    replicates, seed
        Number of bootstrap replicates, and their seed.
    level : float
        Coverage asked of the intervals.

    Returns
    -------
    polars.DataFrame
        One row per element of `top` and a last one with ``top`` null, the Gini coefficient: ``top``, ``value``,
        ``low``, ``high``; the ends are null for a single cluster, which says nothing about others.
    """
    # Units with the same count are one straight piece of the curve: it needs how many there are of each.
    size, code = np.unique(np.asarray(counts), return_inverse=True)

    def measures(often: np.ndarray) -> np.ndarray:
        units, mass = np.cumsum(often[::-1]), np.cumsum((often * size)[::-1])
        units, share = np.r_[0.0, units / units[-1]], np.r_[0.0, mass / mass[-1]]
        return np.append(np.interp(top, units, share), gini(units, share))

    value, low, high = _ends(measures, np.ones(len(code)), code, clusters, replicates, seed, level)
    return pl.DataFrame({"top": [*top, None], "value": value, "low": low, "high": high})


def _ends(
    measures: Callable[[np.ndarray], np.ndarray],
    counts: np.ndarray,
    code: np.ndarray,
    clusters: np.ndarray,
    replicates: int,
    seed: int,
    level: float,
) -> tuple[np.ndarray, pl.Series, pl.Series]:
    """Return measures of counts that add up over units, and the ends of percentile intervals over resampled clusters.

    The ends are null for a single cluster. A measure may be nan in a replicate that lacks its units; such a replicate
    says nothing about it.

    Parameters
    ----------
    measures : callable
        Of the sum of `counts` at each code, shape (k,).
    counts, code, clusters : array, shape (n,)
        What each unit counts, where, and in which cluster.
    """
    cluster = np.unique(clusters, return_inverse=True)[1]
    table = sparse.coo_array((np.asarray(counts, float), (code, cluster))).tocsr()
    value = measures(table @ np.ones(table.shape[1]))
    if table.shape[1] < 2:
        nothing = pl.Series([None] * len(value), dtype=pl.Float64)
        return value, nothing, nothing
    weights = cluster_weights(table.shape[1], replicates, seed)
    draws = np.stack([measures(table @ drawn.astype(float)) for drawn in weights])
    low, high = np.nanquantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return value, pl.Series(low), pl.Series(high)


def write_share(
    slots: pl.DataFrame,
    *,
    bounds: tuple[int, ...] | None = None,
    replicates: int,
    seed: int,
    level: float = 0.95,
) -> pl.DataFrame:
    """Return how often events write, by how many blocks touch the slot.

    Parameters
    ----------
    slots : polars.DataFrame
        Of `per_slot`.
    bounds : tuple of int, optional
        Most blocks of each class, ascending; what is beyond makes a last class. 1, 2, 4, 8, ... if not given.
    replicates, seed, level
        As in `concentration`; contracts are resampled whole.

    Returns
    -------
    polars.DataFrame
        One row per class that has slots: ``fewest`` and ``most`` blocks, ``slots``, ``events``, ``share`` of events
        that write, ``low``, ``high``; the ends are null where all slots belong to one contract.
    """
    blocks = slots["blocks"].to_numpy().astype(np.int64)
    written = slots["written"].to_numpy().astype(np.int64)
    busiest = int(blocks.max())
    ends = np.array(bounds or [2**power for power in range(busiest.bit_length() + 1)])
    group = np.searchsorted(ends, blocks)
    classes, place = np.unique(group, return_inverse=True)

    def shares(sums: np.ndarray) -> np.ndarray:
        wrote, touched = np.split(sums, 2)
        with np.errstate(invalid="ignore"):
            return wrote / touched

    both, contract = np.r_[place, place + len(classes)], np.tile(slots["contract_id"].to_numpy(), 2)
    share, low, high = _ends(shares, np.r_[written, blocks], both, contract, replicates, seed, level)
    return pl.DataFrame(
        {
            "fewest": np.append(0, ends)[classes] + 1,
            "most": np.minimum(np.append(ends, busiest)[classes], busiest),
            "slots": np.bincount(group)[classes],
            "events": np.bincount(group, blocks)[classes].astype(np.int64),
            "share": share,
            "low": low,
            "high": high,
        }
    )


def discovery(
    trace: Trace, rows: pl.DataFrame | None = None, *, orders: int, seed: int, level: float = 0.95
) -> pl.DataFrame:
    """Return how many distinct slots the first ``m`` observed blocks show, as they came and in random order.

    If blocks were exchangeable, the order they came in would look like a random one; slots that are hot for a while
    and then cold make it differ. The mean over all orders is exact (sample-based rarefaction, Colwell, Mao and Chang
    2004, https://doi.org/10.1890/03-0557); the interval is that of single random orders. `rows` are the trace's
    `events`, where they are known.

    Returns
    -------
    polars.DataFrame
        ``blocks`` 1..B, ``seen``, ``mean``, ``low``, ``high``; distinct slots. Of more than `POINTS` blocks about as
        many numbers are given, evenly spread, with the half and the last fifth among them. Blocks that were not
        observed are no blocks here: of a trace of every k-th block the curve is that of these alone, below that of all.
    """
    rows = events(trace) if rows is None else rows
    observed = trace.blocks["observed"].to_numpy()
    n_blocks = int(observed.sum())
    ordinal = np.cumsum(observed) - 1
    block = ordinal[(rows["block_number"] - trace.capability.window_start).to_numpy()]
    first_row = np.flatnonzero(np.diff(rows["slot_id"].to_numpy(), prepend=np.iinfo(np.uint32).max))

    shown = np.unique(np.linspace(1, n_blocks, min(n_blocks, POINTS)).astype(int))
    shown = np.union1d(shown, [max(1, n_blocks // 2), max(1, n_blocks - max(1, n_blocks // 5))])
    touched = np.flatnonzero(np.bincount(block, minlength=n_blocks))
    place = np.zeros(n_blocks, np.int32)
    place[touched] = np.arange(len(touched))
    block = place[block]

    def seen(come: np.ndarray, until: np.ndarray) -> np.ndarray:
        """Return the slots seen, from the group of each touched block and the blocks up to each group's end."""
        new = np.bincount(np.minimum.reduceat(come[block], first_row), minlength=len(until))
        return np.interp(shown, np.append(0, until), np.append(0, np.cumsum(new)))

    rng = np.random.default_rng(seed)

    def in_random_order() -> np.ndarray:
        if n_blocks <= ORDERED:
            come = np.searchsorted(shown, rng.permutation(n_blocks) + 1)
            return seen(come.astype(np.uint16)[touched], shown)
        # Each block falls into a group by itself, which is faster than to order all: the first groups together are as
        # many blocks as they happen to be, in random order, and the curve lies between their ends.
        come = rng.integers(0, GROUPS, len(touched), dtype=np.uint16)
        others = rng.multinomial(n_blocks - len(touched), np.full(GROUPS, 1 / GROUPS))
        return seen(come, np.cumsum(np.bincount(come, minlength=GROUPS) + others))

    draws = np.stack([in_random_order() for _ in range(orders)])
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return pl.DataFrame(
        {
            "blocks": shown,
            "seen": seen(np.searchsorted(shown, touched + 1), shown).astype(np.int64),
            "mean": _rarefaction(np.diff(np.append(first_row, len(block))), n_blocks, shown),
            "low": low,
            "high": high,
        }
    )


POINTS = 2_000
"""Numbers of blocks at which `discovery` is given, where there are more blocks."""
ORDERED, GROUPS = 50_000, 8_192
"""Most blocks that `discovery` puts into a random order one by one, and the groups that more of them fall into."""


def _rarefaction(blocks_of_slot: np.ndarray, n_blocks: int, at: np.ndarray) -> np.ndarray:
    """Return the expected distinct slots in m of the blocks drawn at random, for each m of `at`."""
    of_count = np.bincount(blocks_of_slot, minlength=n_blocks + 1).astype(np.float64)
    present = np.flatnonzero(of_count)
    out = np.empty(len(at))
    for place, m in enumerate(at):
        # P(a slot in k blocks is in none of m) = C(B-k, m) / C(B, m) = C(B-m, k) / C(B, k).
        left = n_blocks - m
        some = present[present <= left]
        logs = special.betaln(n_blocks - some + 1, some + 1) - special.betaln(left - some + 1, some + 1)
        logs += np.log1p(n_blocks) - np.log1p(left)
        absent = np.r_[np.exp(logs), np.zeros(len(present) - len(some))]
        out[place] = of_count[present] @ (1.0 - absent)
    return out


def unseen_share(trace: Trace, *, replicates: int, seed: int, level: float = 0.95) -> Estimate:
    """Return the share of a further block's events that would fall on slots never seen before.

    The Good-Turing estimate: the share of events on slots that occur in one block only, which is what each block
    holds that the others do not. It takes blocks to be exchangeable (Good 1953,
    https://doi.org/10.1093/biomet/40.3-4.237).

    Returns
    -------
    Estimate
        Ratio of sums, and its percentile bootstrap interval over blocks; none for a single block.
    """
    alone = pl.len().over("slot_id") == 1
    counts = (
        events(trace)
        .with_columns(alone=alone)
        .group_by("block_number")
        .agg(pl.len().alias("events"), pl.col("alone").sum())
        .sort("block_number")
    )
    n_events, n_alone = (counts[name].to_numpy().astype(np.float64) for name in ("events", "alone"))
    value = float(n_alone.sum() / n_events.sum())
    if len(n_events) < 2:
        return Estimate(value)
    drawn = np.random.default_rng(seed).integers(0, len(n_events), (replicates, len(n_events)))
    ratios = n_alone[drawn].sum(axis=1) / n_events[drawn].sum(axis=1)
    return Estimate(value, *percentile_interval(ratios, level))
