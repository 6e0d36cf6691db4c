"""What is left to commit when the state root is computed once in several blocks instead of in each.

A key that is written again within the interval is hashed once; so is an upper node that several keys share
(`rollstate.dispute.trie_shape.merged` counts those). The *kept share* is the number of distinct keys written per
interval over the sum of those written per block.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from eth_hash.auto import keccak

from rollstate.bootstrap import percentile_interval
from rollstate.errors import InputError
from rollstate.traces.schema import Trace


def slot_keys(trace: Trace) -> pl.DataFrame:
    """Return ``slot_id`` and ``key``: the first eight bytes of the slot's hash, uint64.

    A slot is hashed with its contract's address, so that all slots lie in one trie.
    """
    slots = trace.slots.select("slot_id", "address", "slot").sort("slot_id")
    hashed = [int.from_bytes(keccak(address + slot)[:8], "big") for _, address, slot in slots.iter_rows()]
    return pl.DataFrame({"slot_id": slots["slot_id"], "key": np.array(hashed, np.uint64)})


def written_keys(trace: Trace) -> list[np.ndarray]:
    """Return the `slot_keys` that each block with a write writes."""
    return list(written_by_block(trace).values())


def written_by_block(trace: Trace) -> dict[int, np.ndarray]:
    """Return the `slot_keys` that each block with a write writes, by number, ascending."""
    writes = trace.accesses.filter("is_write").select("block_number", "slot_id").unique()
    ordered = writes.join(slot_keys(trace), on="slot_id").sort("block_number", "slot_id")
    blocks = ordered.partition_by("block_number", maintain_order=True)
    return {int(part["block_number"][0]): part["key"].to_numpy() for part in blocks}


def kept_share(trace: Trace, interval: int) -> float:
    """Return the share of written keys that are left when `interval` blocks are committed together.

    Intervals are counted from the first block of the window; a shorter last one is left out.
    """
    distinct, written = _counts(trace, interval)
    return float(distinct.sum() / written.sum())


def kept_share_interval(trace: Trace, interval: int, *, seed: int, draws: int = 400) -> tuple[float, float]:
    """Return a 95 % bootstrap interval of `kept_share` that resamples whole intervals; needs at least two."""
    distinct, written = _counts(trace, interval)
    if len(distinct) < 2:
        raise InputError(f"interval={interval}: the window holds only one, there is nothing to resample")
    rows = np.random.default_rng(seed).integers(0, len(distinct), (draws, len(distinct)))
    return percentile_interval(distinct[rows].sum(1) / written[rows].sum(1))


def _counts(trace: Trace, interval: int) -> tuple[np.ndarray, np.ndarray]:
    """Return distinct keys and the sum of keys written, by interval."""
    n_blocks = trace.capability.n_blocks
    if not 1 <= interval <= n_blocks:
        raise InputError(f"interval={interval} must lie between 1 and the {n_blocks} blocks of the window")
    epoch = (pl.col("block_number") - trace.capability.window_start) // interval
    counts = (
        trace.accesses.filter("is_write")
        .select("slot_id", "block_number")
        .unique()
        .with_columns(epoch.alias("epoch"))
        .filter(pl.col("epoch") < n_blocks // interval)
        .group_by("epoch")
        .agg(pl.col("slot_id").n_unique().alias("distinct"), pl.len().alias("written"))
        .sort("epoch")
    )
    if counts.is_empty():
        raise InputError("the window holds no write")
    return counts["distinct"].to_numpy().astype(float), counts["written"].to_numpy().astype(float)
