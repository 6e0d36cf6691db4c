r"""How many transactions need more than one shard.

If the :math:`k` accounts of a transaction fall on :math:`S` shards at random, it stays within one with probability
:math:`S^{-(k-1)}`. A partition that follows who changes together does better on the blocks it was made from; what
counts is how it does on later ones.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import combinations

import numpy as np
import polars as pl

from rollstate.errors import InputError
from rollstate.execution.conflicts import trace_changes
from rollstate.traces.schema import Trace


def changed_accounts(trace: Trace) -> pl.DataFrame:
    """Return which accounts each transaction changes: written storage, and what else the trace's accounts list.

    The account that most transactions of a block change, nearly always its fee recipient, is left out.

    Returns
    -------
    polars.DataFrame
        ``block_number``, ``tx`` int32, ``address`` binary; sorted, unique.
    """
    changes = trace_changes(trace)
    storage = (
        trace.accesses.filter(pl.col("is_write") & pl.col("tx_index").is_not_null())
        .join(trace.slots.select("slot_id", "address"), on="slot_id")
        .select("block_number", pl.col("tx_index").alias("tx"), "address")
    )
    rows = pl.concat(
        [storage, changes.select("block_number", pl.col("index").alias("tx").cast(pl.Int32), "address")]
    ).unique()
    busiest = (
        rows.group_by("block_number", "address")
        .len()
        .sort("len", "address", descending=[True, False])
        .group_by("block_number", maintain_order=True)
        .first()
    )
    return rows.join(busiest, on=["block_number", "address"], how="anti").sort(
        "block_number", "tx", "address"
    )


def cross_share(accounts: float | np.ndarray, shards: int) -> float | np.ndarray:
    r"""Return the share of transactions with so many accounts that cross shards, :math:`1 - S^{-(k-1)}`."""
    if shards < 1 or np.min(accounts) < 1:
        raise InputError(f"shards={shards} and accounts={accounts} must be at least 1")
    return 1.0 - float(shards) ** (1.0 - np.asarray(accounts, float))


def hashed(rows: pl.DataFrame, shards: int) -> pl.DataFrame:
    """Return ``address``, ``shard`` by the last eight bytes of the address, which are as good as random."""
    _check(shards)
    names = rows["address"].unique().sort()
    shard = [int.from_bytes(name[-8:], "big") % shards for name in names]
    return pl.DataFrame({"address": names, "shard": pl.Series(shard, dtype=pl.Int64)})


def measured_cross(rows: pl.DataFrame, placed: pl.DataFrame) -> pl.DataFrame:
    """Return for each transaction how many ``accounts`` it changes and whether it is ``crossing``."""
    return (
        rows.join(placed, on="address", how="left", validate="m:1")
        .group_by("block_number", "tx")
        .agg(accounts=pl.len(), crossing=pl.col("shard").n_unique() > 1)
        .sort("block_number", "tx")
    )


def partitioned(rows: pl.DataFrame, shards: int, slack: float = 0.1) -> pl.DataFrame:
    """Return ``address``, ``shard`` of a greedy balanced partition of the graph of accounts that change together.

    Accounts are placed busiest first, where most of their neighbours' weight lies, discounted by how full that shard is
    (linear deterministic greedy, Stanton and Kliot 2012, https://doi.org/10.1145/2339530.2339722). Load is changes;
    no shard takes more than its part times ``1 + slack`` unless one account alone does.
    """
    _check(shards)
    if slack < 0:
        raise InputError(f"slack={slack} must not be negative")
    near: dict[bytes, Counter[bytes]] = defaultdict(Counter)
    load: Counter[bytes] = Counter()
    for (own,) in (
        rows.group_by("block_number", "tx", maintain_order=True).agg("address").select("address").rows()
    ):
        load.update(own)
        for left, right in combinations(own, 2):
            near[left][right] += 1
            near[right][left] += 1
    room = max(load.total() / shards * (1 + slack), max(load.values(), default=0))
    full = [0] * shards
    shard: dict[bytes, int] = {}
    for name in sorted(load, key=lambda name: (-load[name], name)):
        pull = [0.0] * shards
        for other, weight in near[name].items():
            if other in shard:
                pull[shard[other]] += weight
        fits = [s for s in range(shards) if full[s] + load[name] <= room] or [int(np.argmin(full))]
        best = max(fits, key=lambda s: (pull[s] * (1 - full[s] / room), -full[s], -s))
        shard[name] = best
        full[best] += load[name]
    return pl.DataFrame(
        {"address": list(shard), "shard": list(shard.values())},
        schema={"address": pl.Binary, "shard": pl.Int64},
    )


def _check(shards: int) -> None:
    if shards < 1:
        raise InputError(f"shards={shards} must be at least 1")
