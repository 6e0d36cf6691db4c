"""Accesses of a trace in the order in which a cache sees them, and their export for other simulators."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from rollstate.errors import InputError
from rollstate.traces.schema import Trace

BY_TRANSACTION, BY_SLOT = "transaction", "slot"
ORACLE_GENERAL = np.dtype([("time", "<u4"), ("id", "<u8"), ("size", "<u4"), ("next", "<i8")])
"""A request of libCacheSim's format oracleGeneral: seconds, object, bytes, position of the next request, -1 if none."""


@dataclass(frozen=True)
class Accesses:
    """One access per slot and block, in order.

    Attributes
    ----------
    slot : array of int32, shape (n,)
        Numbered from 0.
    block : array of int64, shape (n,)
        Ascending.
    contract : array of int32, shape (slots,)
        Contract of each slot, numbered from 0.
    ordered : float
        Share of the accesses whose transaction is known: the others come last in their block, by slot.
    """

    slot: np.ndarray
    block: np.ndarray
    contract: np.ndarray
    ordered: float

    @property
    def slots(self) -> int:
        """Number of slots: the footprint."""
        return len(self.contract)


def accesses(trace: Trace, order: str = BY_TRANSACTION, *, thinned: bool = False) -> Accesses:
    """Return the accesses of a trace, inside a block by first transaction where it is known, or by slot.

    Parameters
    ----------
    trace : Trace
    order : {"transaction", "slot"}
    thinned : bool
        Take observed blocks as if they followed each other where the source left blocks out. What a cache hits there
        compares policies on such a stream, and is not the hit ratio of the chain.

    Raises
    ------
    InputError
        If the trace has no accesses, or left blocks out and `thinned` is not set: reuse between them would be missing.
    """
    if order not in (BY_TRANSACTION, BY_SLOT):
        raise InputError(f"order {order!r} is not one of {BY_TRANSACTION!r}, {BY_SLOT!r}")
    if not thinned:
        trace.capability.require("every_block", "a cache's hit ratio")
    if not trace.accesses.height:
        raise InputError("the trace has no accesses; take a longer one")
    rows = trace.accesses.group_by("block_number", "slot_id").agg(pl.col("tx_index").min())
    ordered = 1 - rows["tx_index"].null_count() / rows.height
    by = ["block_number", "tx_index", "slot_id"] if order == BY_TRANSACTION else ["block_number", "slot_id"]
    rows = rows.sort(by, nulls_last=True)
    ids, slot = np.unique(rows["slot_id"].to_numpy(), return_inverse=True)
    owners = pl.DataFrame({"slot_id": ids}).join(
        trace.slots.select("slot_id", "contract_id"), on="slot_id", how="left", maintain_order="left"
    )
    contract = np.unique(owners["contract_id"].to_numpy(), return_inverse=True)[1]
    return Accesses(
        slot.astype(np.int32), rows["block_number"].to_numpy(), contract.astype(np.int32), ordered
    )


def by_slot(seen: Accesses) -> Accesses:
    """Return the same accesses with those of a block in the order of their slots."""
    order = np.lexsort((seen.slot, seen.block))
    return dataclasses.replace(seen, slot=seen.slot[order], block=seen.block[order], ordered=0.0)


def next_use(slot: np.ndarray) -> np.ndarray:
    """Return the position of the next access of each access's slot, -1 if there is none, int64, shape (n,)."""
    order = np.argsort(slot, kind="stable")
    following = np.full(len(order), -1, np.int64)
    same = np.diff(slot[order]) == 0
    following[order[:-1][same]] = order[1:][same]
    return following


def export(seen: Accesses, path: Path, *, block_s: float = 1.0, size: int = 1) -> Path:
    """Write accesses in libCacheSim's binary format oracleGeneral; slots are numbered from 1.

    Parameters
    ----------
    seen : Accesses
    path : Path
    block_s : float
        Seconds per block, for the clock of the requests, which begins at 0.
    size : int
        Bytes of every object.
    """
    if size < 1 or not block_s > 0:
        raise InputError(f"export: size and seconds per block must be above 0, not {size} and {block_s}")
    rows = np.empty(len(seen.slot), ORACLE_GENERAL)
    rows["time"] = np.round((seen.block - seen.block[0]) * block_s)
    rows["id"] = seen.slot.astype(np.uint64) + 1
    rows["size"] = size
    rows["next"] = next_use(seen.slot)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows.tofile(path)
    return path
