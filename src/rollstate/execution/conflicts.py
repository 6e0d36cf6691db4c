r"""Which transactions of a block depend on each other, by the keys they touch.

Transaction :math:`j` depends on an earlier :math:`i` if both touch a key and at least one of them writes it. A source
that gives an index to writes alone shows write-write conflicts only: what is computed from it bounds true conflicts
from below, and speed-ups from above.

The critical path is the longest chain of dependent transactions: no schedule, on any number of threads, is shorter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from rollstate.errors import InputError
from rollstate.traces.schema import Trace


@dataclass(frozen=True)
class Block:
    """Transactions of one block in order, with the keys they touch.

    Attributes
    ----------
    number : int
        Block number.
    keys : tuple of array of int64
        Keys of each transaction, ascending and unique.
    writes : tuple of array of bool
        Whether each of those keys is written.
    """

    number: int
    keys: tuple[np.ndarray, ...]
    writes: tuple[np.ndarray, ...]

    def __len__(self) -> int:
        return len(self.keys)


def trace_changes(trace: Trace) -> pl.DataFrame:
    """Return the changes of accounts by transactions: ``block_number``, ``index``, ``address``, ``kind``."""
    return trace.accounts.filter(pl.col("tx_index").is_not_null()).rename({"tx_index": "index"})


def touches(trace: Trace, changes: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return what transactions touch: storage, and balances, nonces and code where the trace has them.

    `changes` takes the place of the trace's accounts: ``block_number``, ``index``, ``address``, ``kind``.

    The balance of the block's fee recipient, the account whose balance most transactions change, is left out: every
    transaction pays it, and engines credit it once at the end of the block. Touches without a transaction are left out.

    Returns
    -------
    polars.DataFrame
        ``block_number``, ``tx`` int32, ``key`` uint32 (equal for equal keys of the whole trace), ``is_write``.
    """
    changes = trace_changes(trace) if changes is None else changes
    storage = trace.accesses.filter(pl.col("tx_index").is_not_null()).select(
        "block_number",
        pl.col("tx_index").alias("tx"),
        pl.format("s{}", "slot_id").alias("name"),
        "is_write",
    )
    paid = changes.filter(pl.col("kind") == "balance").group_by("block_number", "address").len("payers")
    # Ties go to the lower address, so that the choice does not depend on the order of rows.
    recipient = paid.sort("payers", "address", descending=[True, False]).group_by("block_number").first()
    others = changes.join(
        recipient.select("block_number", "address", pl.lit("balance").alias("kind")),
        on=["block_number", "address", "kind"],
        how="anti",
    ).select(
        "block_number",
        pl.col("index").alias("tx"),
        pl.concat_str("kind", pl.col("address").bin.encode("hex")).alias("name"),
        pl.lit(True).alias("is_write"),
    )
    rows = pl.concat([storage, others]).group_by("block_number", "tx", "name").agg(pl.col("is_write").any())
    return rows.select(
        "block_number", "tx", (pl.col("name").rank("dense") - 1).cast(pl.UInt32).alias("key"), "is_write"
    ).sort("block_number", "tx", "key")


def blocks(rows: pl.DataFrame) -> Iterator[Block]:
    """Yield the blocks of `touches`, by number; transactions that touch nothing are not there."""
    for (number,), part in rows.group_by("block_number", maintain_order=True):
        tx = part["tx"].to_numpy()
        at = np.flatnonzero(np.r_[True, tx[1:] != tx[:-1]])[1:]
        yield Block(
            int(number),
            tuple(np.split(part["key"].to_numpy().astype(np.int64), at)),
            tuple(np.split(part["is_write"].to_numpy(), at)),
        )


def predecessors(block: Block) -> list[list[int]]:
    """Return for each transaction the earlier ones it must wait for.

    For each key these are the last writer, and for a write also those that have read since: chains through them imply
    all other conflicts.
    """
    writer: dict[int, int] = {}
    readers: dict[int, list[int]] = {}
    out = []
    for i in range(len(block)):
        found: set[int] = set()
        for key, is_write in zip(block.keys[i].tolist(), block.writes[i].tolist(), strict=True):
            if key in writer:
                found.add(writer[key])
            if is_write:
                found.update(readers.pop(key, ()))
                writer[key] = i
            else:
                readers.setdefault(key, []).append(i)
        out.append(sorted(found - {i}))
    return out


def critical_path(before: list[list[int]], cost: np.ndarray) -> float:
    """Return the cost of the dearest chain of dependent transactions."""
    if len(before) != len(cost):
        raise InputError(f"{len(cost)} costs for {len(before)} transactions")
    finish = np.zeros(len(before))
    for i, earlier in enumerate(before):
        finish[i] = cost[i] + max((finish[j] for j in earlier), default=0.0)
    return float(finish.max(initial=0.0))


def independent(block: Block) -> np.ndarray:
    """Mark the transactions that conflict with no other of the block, earlier or later."""
    keys = np.concatenate(block.keys) if len(block) else np.empty(0, np.int64)
    writes = np.concatenate(block.writes) if len(block) else np.empty(0, bool)
    names, code, touched = np.unique(keys, return_inverse=True, return_counts=True)
    contested = (touched > 1) & (np.bincount(code, writes, len(names)) > 0)
    owner = np.repeat(np.arange(len(block)), [len(own) for own in block.keys])
    return np.bincount(owner, contested[code], len(block)) == 0


def access_gas(block: Block) -> np.ndarray:
    """Return gas that each transaction pays for itself and its known touches: a lower bound of what it uses.

    21,000 for the transaction, 2,100 for each key touched first, 2,900 more for one that is changed (EIP-2929,
    https://eips.ethereum.org/EIPS/eip-2929). Computing, calldata and logs are not in it.
    """
    touched = np.array([len(own) for own in block.keys], float)
    changed = np.array([written.sum() for written in block.writes], float)
    return 21_000 + 2_100 * touched + 2_900 * changed
