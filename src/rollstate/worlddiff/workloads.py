"""Streams of operations: from counts of a batch, and from the slots that blocks touched.

Public counts of real batches say how many accesses there were and how many slots, not which slot was touched when.
What a stream adds to the counts (order, repeats, failed frames) is sampled from a seed and is synthetic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from rollstate.errors import InputError
from rollstate.worlddiff.operations import CODES, Operations

_ERA_COLUMNS = {
    "batch_number": "batch",
    "transaction_count": "transactions",
    "storage_read": "reads",
    "storage_write": "writes",
    "transient_storage_read": "transient_reads",
    "transient_storage_write": "transient_writes",
    "far_call": "code_reads",
    "storage_key_count": "keys",
    "merkle_leaf_count": "slots",
    "state_diff_count": "changed",
}


def era_batches(path: Path) -> pd.DataFrame:
    """Read the counts of real Era batches.

    Parameters
    ----------
    path : Path
        CSV with one row per batch (``era_batch_storage_counts.csv``).

    Returns
    -------
    DataFrame
        ``batch``, ``transactions``, ``reads`` (SLOAD), ``writes`` (SSTORE), ``transient_reads``,
        ``transient_writes`` (0 where not counted), ``code_reads`` (one per far call), ``keys`` (touched keys; the
        slots where not counted), ``slots`` (deduplicated accesses), ``changed`` (net writes); all int64.

    Raises
    ------
    InputError
        If a column is missing, a count is negative or not whole, or more slots changed than were accessed.
    """
    table = pd.read_csv(path)
    missing = sorted(set(_ERA_COLUMNS) - set(table.columns))
    if missing:
        raise InputError(f"{path}: columns {missing} are missing; the file is not a table of batch counts")
    table = table[list(_ERA_COLUMNS)].rename(columns=_ERA_COLUMNS)
    table["keys"] = table["keys"].fillna(table["slots"])
    table = table.fillna({"transient_reads": 0, "transient_writes": 0})
    bad = table.isna() | (table < 0) | (table % 1 != 0)
    if bad.any(axis=None):
        row, column = np.argwhere(bad.to_numpy())[0]
        found = table.iloc[row, column]
        raise InputError(f"{path}: row {row}, {table.columns[column]} is {found!r}, not a count")
    table = table.astype("int64")
    if (table["changed"] > table["slots"]).any():
        raise InputError(f"{path}: a batch changed more slots than it accessed; the columns are mixed up")
    return table


@dataclass(frozen=True)
class StreamShape:
    """How a stream is made.

    Attributes
    ----------
    transactions : int
        Each runs in one frame inside one transaction.
    reads, writes, code_reads : int
        SLOAD, SSTORE and code-hash reads per transaction.
    slots : int
        Distinct slots; all are touched.
    reverted : float
        Share of transactions whose frame fails.
    """

    transactions: int
    reads: int
    writes: int
    code_reads: int
    slots: int
    reverted: float = 0.05

    def __post_init__(self) -> None:
        counts = (self.transactions, self.reads, self.writes, self.code_reads, self.slots)
        if min(counts) < 0 or self.transactions < 1 or self.slots < 1 or not 0 <= self.reverted <= 1:
            raise InputError(
                f"stream: {self} needs counts of at least 0 (transactions, slots: 1), a share in [0, 1]"
            )
        if self.accesses < self.slots:
            raise InputError(
                f"stream: {self.accesses} accesses cannot touch {self.slots} slots; lower the slots"
            )

    @property
    def accesses(self) -> int:
        """Storage accesses of the batch."""
        return self.transactions * (self.reads + self.writes + self.code_reads)


def coverage(slots: int, accesses: float, hits: float) -> float:
    """Return the expected share of slots with at least one of `hits` accesses, in the stream of `stream`.

    One access per slot in turn, the others log-uniform in the slot's rank r: P(r) = ln(1 + 1/r) / ln(S + 1).

    Parameters
    ----------
    slots : int
        Distinct slots S.
    accesses : float
        All accesses of the batch.
    hits : float
        Those of the kind in question, spread evenly over the accesses.
    """
    if not 0 <= hits <= accesses or slots > accesses:
        raise InputError(f"coverage: needs slots {slots} and hits {hits} of at most {accesses} accesses")
    log = np.log1p(1 / np.arange(1, slots + 1)) / math.log(slots + 1)
    expected = hits * (1 - slots / accesses) * log
    return float(1 - (1 - hits / accesses) * np.exp(-expected).mean())


def stream(shape: StreamShape, seed: int) -> Operations:
    """Return a batch of the given shape: one sweep over the slots, log-uniform repeats, shuffled kinds.

    Values of writes are distinct, so that the table of values is as large as it can be.
    """
    rng = np.random.default_rng(seed)
    per_tx = shape.reads + shape.writes + shape.code_reads
    kinds = np.repeat(
        np.array([CODES["read"], CODES["write"], CODES["read_no_refund"]], np.uint8),
        [shape.reads, shape.writes, shape.code_reads],
    )
    kinds = rng.permuted(np.tile(kinds, (shape.transactions, 1)), axis=1)
    slot = (np.exp(rng.random(shape.accesses) * math.log(shape.slots + 1)) - 1).astype(np.uint32)
    # Rounding may touch the upper end.
    np.minimum(slot, shape.slots - 1, out=slot)
    slot[np.arange(shape.slots) * shape.accesses // shape.slots] = np.arange(shape.slots)
    failed = rng.random(shape.transactions) < shape.reverted
    return _assemble(kinds, slot.reshape(-1, per_tx), failed, _slot_table(shape.slots, rng))


def _slot_table(slots: int, rng: np.random.Generator) -> np.ndarray:
    table = np.zeros((slots, 52), np.uint8)
    table[:, 8:20] = rng.integers(0, 256, (slots, 12), np.uint8)
    table[:, 20:] = rng.integers(0, 256, (slots, 32), np.uint8)
    return table


def _assemble(kinds: np.ndarray, slot: np.ndarray, failed: np.ndarray, table: np.ndarray) -> Operations:
    """Bracket rows of accesses (transactions, accesses each) as transactions with one frame each."""
    n, per_tx = kinds.shape
    code = np.empty((n, per_tx + 5), np.uint8)
    slots, value = np.zeros(code.shape, np.uint32), np.zeros(code.shape, np.uint32)
    code[:, 0], code[:, 1] = CODES["ext_snapshot"], CODES["enter"]
    code[:, 2:-3], slots[:, 2:-3] = kinds, slot
    code[:, -3] = np.where(failed, CODES["revert"], CODES["ok"])
    code[:, -2], code[:, -1] = CODES["ext_commit"], CODES["tclear"]
    writes = code == CODES["write"]
    value[writes] = np.arange(1, np.count_nonzero(writes) + 1)
    return Operations(
        code.ravel(), slots.ravel(), value.ravel(), table, _distinct_values(int(value.max()) + 1)
    )


def _distinct_values(count: int) -> np.ndarray:
    values = np.zeros((count, 32), np.uint8)
    values[:, 24:] = np.arange(count, dtype=">u8").view(np.uint8).reshape(-1, 8)
    return values


@dataclass(frozen=True)
class Repeats:
    """What a list of touched slots does not say, and is sampled.

    Attributes
    ----------
    per_slot : float
        Mean accesses per touch of a slot, at least 1 (geometric).
    reverted : float
        Share of transactions that are preceded by a failed copy of themselves.
    """

    per_slot: float = 5.0
    reverted: float = 0.05

    def __post_init__(self) -> None:
        if self.per_slot < 1 or not 0 <= self.reverted <= 1:
            raise InputError(f"repeats: {self} needs per_slot of at least 1 and a share in [0, 1]")


def from_touches(touches: pd.DataFrame, slots: np.ndarray, repeats: Repeats, seed: int) -> Operations:
    """Return the operations of one batch whose slots are those that blocks touched.

    The slots, and which transaction wrote which, are the frame's. Synthetic are: the transaction of a read (block
    access lists do not know it; one of the block's is drawn), repeated accesses, their order, the values, and failed
    frames.

    Parameters
    ----------
    touches : DataFrame
        ``block_number`` int64, ``tx_index`` (null where unknown), ``slot_id`` (row of `slots`), ``is_write`` bool;
        one row per touch.
    slots : array of uint8, shape (s, 52)
        Address and key, big-endian.
    repeats : Repeats
        The law of what is sampled.
    seed : int
        Seed of the sampling.

    Raises
    ------
    InputError
        If a column is missing, the frame is empty, or a slot id has no row in `slots`.
    """
    missing = sorted({"block_number", "tx_index", "slot_id", "is_write"} - set(touches.columns))
    if missing or touches.empty:
        raise InputError(f"touches: {'columns ' + str(missing) + ' are missing' if missing else 'no rows'}")
    if touches["slot_id"].max() >= len(slots):
        raise InputError(
            f"touches: slot id {touches['slot_id'].max()} has no row in a table of {len(slots)} slots"
        )
    rng = np.random.default_rng(seed)
    block = touches["block_number"].to_numpy()
    transactions = touches.groupby("block_number")["tx_index"].max().fillna(0).astype("int64") + 1
    drawn = (rng.random(len(touches)) * transactions.loc[block].to_numpy()).astype("int64")
    tx = touches["tx_index"].astype("Float64").to_numpy(float, na_value=np.nan)
    tx = np.where(np.isnan(tx), drawn, tx).astype("int64")
    extra = rng.geometric(1 / repeats.per_slot, len(touches)) - 1
    rows = np.repeat(np.arange(len(touches)), extra + 1)
    first = np.r_[True, rows[1:] != rows[:-1]]
    # A touch is a write once; what repeats it reads the slot again.
    kinds = np.where(first & touches["is_write"].to_numpy()[rows], CODES["write"], CODES["read"])
    order = np.lexsort((rng.random(len(rows)), tx[rows], block[rows]))
    rows, kinds = rows[order], kinds[order].astype(np.uint8)
    begins = np.flatnonzero(
        np.r_[True, (tx[rows][1:] != tx[rows][:-1]) | (block[rows][1:] != block[rows][:-1])]
    )
    slot = touches["slot_id"].to_numpy()[rows].astype(np.uint32)
    return _bracket(kinds, slot, begins, rng.random(len(begins)) < repeats.reverted, slots)


def _bracket(
    kinds: np.ndarray, slot: np.ndarray, begins: np.ndarray, failed: np.ndarray, table: np.ndarray
) -> Operations:
    """Bracket runs of accesses as transactions; a failed one runs first in a frame of its own that reverts."""
    opening = np.array([CODES["ext_snapshot"], CODES["enter"]], np.uint8)
    retry = np.array([CODES["revert"], CODES["enter"]], np.uint8)
    closing = np.array([CODES["ok"], CODES["ext_commit"], CODES["tclear"]], np.uint8)
    codes, slots = [], []
    for begin, end, again in zip(begins, np.r_[begins[1:], len(kinds)], failed, strict=True):
        accesses, touched = kinds[begin:end], slot[begin:end]
        attempts = [(opening, accesses)] + ([(retry, accesses)] if again else [])
        for mark, part in attempts:
            codes += [mark, part]
            slots += [np.zeros(len(mark), np.uint32), touched]
        codes.append(closing)
        slots.append(np.zeros(len(closing), np.uint32))
    code = np.concatenate(codes)
    value = np.zeros(len(code), np.uint32)
    writes = code == CODES["write"]
    value[writes] = np.arange(1, np.count_nonzero(writes) + 1)
    return Operations(code, np.concatenate(slots), value, table, _distinct_values(int(value.max()) + 1))


def sampled_batches(batches: int, seed: int) -> pd.DataFrame:
    """Return invented counts with the columns of `era_batches`, for where the real ones cannot be had.

    Reads are log-normal around 20,000, the other counts binomial shares of them; nothing is fitted to a chain.
    """
    rng = np.random.default_rng(seed)
    reads = rng.lognormal(np.log(20_000), 0.5, batches).astype("int64")
    slots = rng.binomial(reads, 0.1)
    return pd.DataFrame(
        {
            "batch": np.arange(batches),
            "transactions": rng.binomial(reads, 0.01) + 1,
            "reads": reads,
            "writes": rng.binomial(reads, 0.35),
            "transient_reads": rng.binomial(reads, 0.03),
            "transient_writes": rng.binomial(reads, 0.02),
            "code_reads": rng.binomial(reads, 0.8),
            "keys": slots,
            "slots": slots,
            "changed": rng.binomial(slots, 0.4),
        }
    )
