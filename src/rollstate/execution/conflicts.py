r"""Which transactions of a block depend on each other, by the keys they touch, under three rules.

Transaction :math:`j` depends on an earlier :math:`i` if both touch a key and at least one of them writes it. What
counts as a key and a write is a matter of the engine, so each limit belongs to a rule:

``strict``
    Storage, balances, nonces and code. An engine that locks whole accounts.
``lazy``
    Plain credits and debits commute: they are added up when somebody looks. A balance that code reads waits for them.
    Storage, code, and the nonces of a sender keep their order. Engines with lazy balances, such as pevm.
``listed``
    No dependency at all: a block access list gives the values that earlier transactions leave (EIP-7928).

The critical path is the longest chain of dependent transactions: under its rule no schedule, on any number of
threads, is shorter. A source that gives an index to writes alone shows write-write conflicts only; its paths are bounds
from below.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from rollstate.errors import InputError
from rollstate.traces.schema import Trace

RULES = ("strict", "lazy", "listed")
MODES = ("locks", "versions")


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
    adds : tuple of array of bool
        Whether a write only adds to what is there, so that its order does not matter; none if not given.
    """

    number: int
    keys: tuple[np.ndarray, ...]
    writes: tuple[np.ndarray, ...]
    adds: tuple[np.ndarray, ...] = ()

    def __len__(self) -> int:
        return len(self.keys)


def trace_changes(trace: Trace) -> pl.DataFrame:
    """Return the changes of accounts by transactions: ``block_number``, ``index``, ``address``, ``kind``."""
    return trace.accounts.filter(pl.col("tx_index").is_not_null()).rename({"tx_index": "index"})


def unseen(trace: Trace) -> list[str]:
    """Say in sentences which conflicts the source of a trace cannot show; empty if it shows all."""
    found = []
    if not trace.capability.account_changes:
        found.append(
            "This trace holds storage alone, without changes of balances, nonces and code: transactions that touch no "
            "storage and accounts that change in nothing else are missing, and conflicts over accounts do not count, "
            "so that limits lie above the true ones."
        )
    if trace.capability.tx_level != "all":
        found.append(
            "Reads carry no transaction in this trace, so that conflicts between a read and a write do not count and "
            "limits lie above the true ones."
        )
    return found


def touches(trace: Trace, *, rule: str = "strict") -> pl.DataFrame:
    """Return what transactions touch: storage, and balances, nonces and code where the trace has them.

    The balance of the block's fee recipient, the account whose balance most transactions change, is left out: every
    transaction pays it, and engines credit it once at the end of the block. Touches without a transaction are left out.

    Parameters
    ----------
    trace : Trace
        Storage accesses, and changes of accounts where its source sees them. Only changes of balances are known, so
        that under ``lazy`` no balance is read.
    rule : {"strict", "lazy", "listed"}
        See the module. ``listed`` keeps the touches, for their number, under names of their own.

    Returns
    -------
    polars.DataFrame
        ``block_number``, ``tx`` int32, ``key`` uint32 (equal for equal keys of the trace), ``is_write``, ``adds``.
    """
    changes = trace_changes(trace)
    storage = trace.accesses.filter(pl.col("tx_index").is_not_null()).select(
        "block_number",
        pl.col("tx_index").alias("tx"),
        pl.lit("storage").alias("kind"),
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
        "kind",
        pl.concat_str("kind", pl.col("address").bin.encode("hex")).alias("name"),
        pl.lit(True).alias("is_write"),
    )
    return by_rule(pl.concat([storage, others]), rule)


def by_rule(rows: pl.DataFrame, rule: str) -> pl.DataFrame:
    """Return touches with numbered keys under a rule.

    Parameters
    ----------
    rows : polars.DataFrame
        ``block_number``, ``tx``, ``kind`` ("storage", "balance", "nonce", "code"), ``name`` of the key, ``is_write``.
    rule : {"strict", "lazy", "listed"}
        See the module.
    """
    if rule not in RULES:
        raise InputError(f"rule {rule!r} is not one of {RULES}")
    adds = pl.lit(rule == "lazy") & (pl.col("kind") == "balance") & pl.col("is_write")
    name = pl.format("{}/{}", "name", "tx") if rule == "listed" else pl.col("name")
    seen = (
        rows.with_columns(name=name, adds=adds)
        .group_by("block_number", "tx", "name")
        # A balance that a transaction both reads and adds to is an ordinary write of it.
        .agg(pl.col("is_write").any(), adds=pl.col("adds").all())
    )
    return seen.select(
        "block_number",
        "tx",
        (pl.col("name").rank("dense") - 1).cast(pl.UInt32).alias("key"),
        "is_write",
        "adds",
    ).sort("block_number", "tx", "key")


def blocks(rows: pl.DataFrame) -> Iterator[Block]:
    """Yield the blocks of `touches`, by number; transactions that touch nothing are not there."""
    for (number,), part in rows.group_by("block_number", maintain_order=True):
        tx = part["tx"].to_numpy()
        at = np.flatnonzero(np.r_[True, tx[1:] != tx[:-1]])[1:]
        columns = (
            part["key"].to_numpy().astype(np.int64),
            part["is_write"].to_numpy(),
            part["adds"].to_numpy(),
        )
        keys, writes, adds = (tuple(np.split(column, at)) for column in columns)
        yield Block(int(number), keys, writes, adds)


def predecessors(block: Block, *, mode: str = "locks") -> list[list[int]]:
    """Return for each transaction the earlier ones it must wait for.

    For each key these are the last writer, and for a write also those that have read since: chains through them imply
    all other conflicts. Writes that only add do not wait for each other; who reads waits for all of them.

    Parameters
    ----------
    block : Block
        Transactions.
    mode : {"locks", "versions"}
        With locks a write waits for earlier reads. An engine that keeps several versions of a value does not: there a
        transaction waits for earlier writes alone (in the EVM each write reads first, so writes wait for writes).
    """
    if mode not in MODES:
        raise InputError(f"mode {mode!r} is not one of {MODES}")
    locked = mode == "locks"
    writer: dict[int, int] = {}
    adders: dict[int, list[int]] = {}
    readers: dict[int, list[int]] = {}
    out = []
    for i in range(len(block)):
        found: set[int] = set()
        adds = block.adds[i].tolist() if block.adds else [False] * len(block.keys[i])
        for key, is_write, is_add in zip(block.keys[i].tolist(), block.writes[i].tolist(), adds, strict=True):
            if is_add:
                adders.setdefault(key, []).append(i)
                if locked:
                    found.update(readers.get(key, ()))
                    found.update([writer[key]] if key in writer else ())
                continue
            found.update(adders.get(key, ()))
            if key in writer:
                found.add(writer[key])
            if is_write:
                adders.pop(key, None)
                earlier = readers.pop(key, ())
                found.update(earlier if locked else ())
                writer[key] = i
            elif locked:
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
