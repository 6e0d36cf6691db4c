r"""Visits: one row per slot and block, in the order of slots, with what each shares with other slots.

Several touches of a slot in one block are one visit. A creation inside the trace is the slot's first visit if no access
precedes it (a creation stated after the first access is a mistake of the source: the access is the evidence), and so is
a last access that is known from before the trace.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from rollstate.errors import InputError
from rollstate.scalars import whole
from rollstate.traces.schema import Capability, Trace

KEY_BITS = 63
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Counts:
    """How many rows have each key: ``key`` sorted int64, ``rows`` integers of the same shape."""

    key: np.ndarray
    rows: np.ndarray

    @classmethod
    def collect(cls, keys: Iterable[np.ndarray]) -> Counts:
        """Count the keys of several arrays together."""
        every = pl.Series(np.concatenate([np.empty(0, np.int64), *keys])).sort().to_numpy()
        at = np.flatnonzero(run_starts(every))
        return cls(every[at], np.diff(at, append=every.size))

    def join(self, other: Counts) -> Counts:
        """Add the counts of other rows, without another sort."""
        known, at = self.of(other.key) > 0, np.searchsorted(self.key, other.key)
        rows = self.rows.copy()
        rows[at[known]] += other.rows[known]
        return Counts(
            np.insert(self.key, at[~known], other.key[~known]),
            np.insert(rows, at[~known], other.rows[~known]),
        )

    def of(self, key: np.ndarray) -> np.ndarray:
        """Return the counts of the given keys, 0 for one that was never seen."""
        if not self.key.size:
            return np.zeros(key.size, np.int64)
        at = np.minimum(np.searchsorted(self.key, key), self.key.size - 1)
        return np.where(self.key[at] == key, self.rows[at], 0)


@dataclass(frozen=True)
class Visits:
    """Visits of the slots of a trace, or of one part of it, sorted by slot and block.

    Attributes
    ----------
    slots : polars.DataFrame
        Those slots of the trace of which an access or their creation is known, sorted, without their keys and with
        ``born``: creation, or the first access known if that is earlier or alone.
    index : array of int64, shape (n,)
        Row in `slots` of each visit.
    block : array of int64, shape (n,)
    begins : array of bool, shape (n,)
        Whether the visit is its slot's first.
    is_access, wrote : array of bool, shape (n,)
        Whether the trace shows an access, and one that writes; a bare creation or last access is neither.
    contract_key : array of int64, shape (n,)
        Names contract and block; the same in all parts of a trace.
    tx_key : array of int64, shape (m,)
        Names block and transaction, one row per slot and transaction in the order of visits; -1 if unknown.
    tx_at : array of int64, shape (n,)
        First row of each visit in `tx_key`.
    """

    slots: pl.DataFrame
    index: np.ndarray
    block: np.ndarray
    begins: np.ndarray
    is_access: np.ndarray
    wrote: np.ndarray
    contract_key: np.ndarray
    tx_key: np.ndarray
    tx_at: np.ndarray

    def largest_transaction(self, table: Counts | None) -> np.ndarray:
        """Count the other slots that the largest transaction of each visit touches; -1 if none is known."""
        known = self.tx_key >= 0
        if known.all():
            slots = shared_counts(self.tx_key, None, table)
        else:
            slots = np.zeros(known.size, np.int64)
            slots[known] = shared_counts(self.tx_key[known], None, table)
        return largest_others(slots, self.tx_at)


def largest_others(slots: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the largest number of other slots in the transactions of each visit, -1 if none is known, shape of `at`.

    Parameters
    ----------
    slots : array of int64, shape (m,)
        Slots that each transaction touches, 0 where it is unknown; one row per visit and transaction.
    at : array of int64, shape (n,)
        First of these rows of each visit.
    """
    return np.maximum.reduceat(slots, at) - 1 if slots.size else slots


def visits(trace: Trace, stop: int, history: pl.DataFrame | None = None) -> Visits:
    """Reduce the touches before block `stop` to visits.

    Parameters
    ----------
    trace : Trace
        Rows in any order.
    stop : int
        End of the window.
    history : polars.DataFrame, optional
        ``slot_id``, ``last_access`` before the trace (null if unknown).

    Raises
    ------
    InputError
        If an access lies outside of the window of the stamp or names a slot that ``slots`` lacks, if the history is
        not one, or if the trace is too wide for its accesses to be named by 63 bits.
    """
    stamp, accesses = trace.capability, trace.accesses
    check_inside(stamp, accesses["block_number"].to_numpy())
    if stop < stamp.window_stop:
        accesses = accesses.filter(pl.col("block_number") < stop)
    known_last = _last_accesses(history, trace.slots, stamp.window_start)
    slots = _slots_with_a_past(trace.slots, accesses, known_last)
    index = _index(slots, accesses["slot_id"])
    blocks = accesses["block_number"].to_numpy()
    first = np.full(slots.height, NEVER)
    np.minimum.at(first, index, blocks)
    last = np.full(slots.height, NEVER)
    last[_index(slots, known_last["slot_id"])] = known_last["last_access"].to_numpy()
    created = slots["created_block"].fill_null(NEVER).to_numpy()
    bare = (created >= stamp.window_start) & (created < np.minimum(first, stop)) & (last == NEVER)
    born = np.minimum(np.minimum(first, created), last)
    extra = np.concatenate([np.flatnonzero(bare), np.flatnonzero(last != NEVER)])
    extra_block = np.concatenate([created[bare], last[last != NEVER]])

    origin = min(stamp.window_start, int(last.min(initial=NEVER)))
    tx = accesses["tx_index"].fill_null(-1).to_numpy()
    tx_bits, block_bits = int(tx.max(initial=-1) + 1).bit_length(), (stop - origin).bit_length()
    if 1 + tx_bits + block_bits + slots.height.bit_length() > KEY_BITS:
        raise InputError(
            f"trace: {slots.height} slots x {stop - origin} blocks x {tx.max() + 1} transactions cannot be named by "
            f"{KEY_BITS} bits; build it in parts, or in narrower windows with `history`"
        )
    key = _packed(
        index,
        blocks - origin,
        tx,
        accesses["is_write"].to_numpy(),
        extra,
        extra_block - origin,
        tx_bits,
        block_bits,
    )
    visit_key = key >> (1 + tx_bits)
    at = np.flatnonzero(run_starts(visit_key))
    wrote = np.bitwise_or.reduceat(key & 1, at) == 1 if at.size else np.zeros(0, bool)
    touch_key = key >> 1
    touch_at = np.flatnonzero(run_starts(touch_key))
    tx_of = touch_key[touch_at]
    del key, touch_key
    tx_at = np.flatnonzero(run_starts(tx_of >> tx_bits))
    tx_block = ((tx_of >> tx_bits) & ((1 << block_bits) - 1)) + (origin - stamp.window_start)
    tx_of &= (1 << tx_bits) - 1
    span = stamp.n_blocks.bit_length()
    tx_key = np.where(tx_of > 0, ((tx_of - 1) << span) | tx_block, -1)

    visit_key = visit_key[at]
    index = visit_key >> block_bits
    visit_key &= (1 << block_bits) - 1
    visit_key += origin
    begins = run_starts(index)
    contract_key = slots["contract_id"].to_numpy().astype(np.int64)[index] << span
    contract_key |= visit_key - stamp.window_start
    added = np.zeros(slots.height, bool)
    added[extra] = True
    return Visits(
        slots=slots.with_columns(born=pl.Series(born).replace(NEVER, None)),
        index=index,
        block=visit_key,
        begins=begins,
        is_access=~(begins & added[index]),
        wrote=wrote,
        contract_key=contract_key,
        tx_key=tx_key,
        tx_at=tx_at,
    )


def shared_counts(key: np.ndarray, counted: np.ndarray | None, table: Counts | None) -> np.ndarray:
    """Return, for each row, how many rows share its key.

    Parameters
    ----------
    key : array of int64, shape (n,)
    counted : array of bool, shape (n,), optional
        Which rows count; all if not given.
    table : Counts, optional
        Counts of a whole of which these rows are a part; without it, they are all there is.
    """
    ordered, row = _ordered(key)
    at = np.flatnonzero(run_starts(ordered))
    size = np.diff(at, append=key.size)
    if table is not None:
        total = table.of(ordered[at])
    elif counted is None or counted.all() or not at.size:
        total = size
    else:
        total = np.add.reduceat(counted[row].astype(np.int64), at)
    out = np.empty(key.size, np.int64)
    out[row] = np.repeat(total, size)
    return out


def _ordered(key: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sorted keys and the row of each: one sort of (key, row) in one integer, if that fits."""
    row_bits = key.size.bit_length()
    if int(key.max(initial=0)).bit_length() + row_bits > KEY_BITS:
        row = np.argsort(key)
        return key[row], row
    packed = key << row_bits
    packed |= np.arange(key.size)
    packed = pl.Series(packed).sort().to_numpy(writable=True)
    ordered = packed >> row_bits
    packed &= (1 << row_bits) - 1
    return ordered, packed


def events(trace: Trace) -> pl.DataFrame:
    """Return one row for each block and slot that is touched there.

    Parameters
    ----------
    trace : Trace
        A trace, or a part of one; rows in any order, those of a valid trace need no sort.

    Returns
    -------
    polars.DataFrame
        ``slot_id`` uint32, ``block_number`` int64, ``contract_id`` uint32, ``written`` bool, ``writes`` uint32
        (touches that write); sorted by slot and block.

    Raises
    ------
    InputError
        If an access names a slot that ``slots`` lacks.
    """
    rows = in_slot_order(trace.accesses)
    slot, block = rows["slot_id"].to_numpy(), rows["block_number"].to_numpy()
    at = np.flatnonzero(run_starts(slot) | run_starts(block))
    write = rows["is_write"].to_numpy().astype(np.uint32)
    writes = np.add.reduceat(write, at) if at.size else write
    slots = trace.slots.select("slot_id", "contract_id").sort("slot_id")
    slot = slot[at]
    return pl.DataFrame(
        {
            "slot_id": slot,
            "block_number": block[at],
            "contract_id": slots["contract_id"].to_numpy()[_index(slots, pl.Series(slot))],
            "written": writes > 0,
            "writes": writes,
        }
    )


def check_inside(stamp: Capability, block: np.ndarray, what: str = "trace") -> None:
    """Refuse accesses of blocks that are not of the stamp's window; `what` is at fault."""
    outside = (block < stamp.window_start) | (block >= stamp.window_stop)
    if outside.any():
        raise InputError(
            f"{what}: an access lies in block {block[outside][0]}, outside of the stamp's window "
            f"[{stamp.window_start}, {stamp.window_stop}); correct the stamp or drop the row"
        )


def per_slot(rows: pl.DataFrame) -> pl.DataFrame:
    """Return one row per touched slot, from `events`.

    Returns
    -------
    polars.DataFrame
        ``slot_id``, ``contract_id``, and int64 ``blocks`` (in which it is touched) and ``written`` (of these, in
        which it is written); sorted by slot.
    """
    begins = np.flatnonzero(run_starts(rows["slot_id"].to_numpy()))
    written = rows["written"].to_numpy().astype(np.int64)
    return pl.DataFrame(
        {
            "slot_id": rows["slot_id"].to_numpy()[begins],
            "contract_id": rows["contract_id"].to_numpy()[begins],
            "blocks": np.diff(begins, append=rows.height),
            "written": np.add.reduceat(written, begins) if begins.size else written,
        }
    )


def in_slot_order(accesses: pl.DataFrame) -> pl.DataFrame:
    """Return slot, block and kind of accesses by slot and block; those of a valid trace already are."""
    rows = accesses.select("slot_id", "block_number", "is_write")
    slot, block = rows["slot_id"].to_numpy(), rows["block_number"].to_numpy()
    ascending = (slot[1:] > slot[:-1]) | ((slot[1:] == slot[:-1]) & (block[1:] >= block[:-1]))
    return rows if ascending.all() else rows.sort("slot_id", "block_number")


def run_starts(values: np.ndarray) -> np.ndarray:
    """Mark the first element of each run of equal values."""
    flags = np.ones(values.size, bool)
    np.not_equal(values[1:], values[:-1], out=flags[1:])
    return flags


def _packed(
    index: np.ndarray,
    offset: np.ndarray,
    tx: np.ndarray,
    write: np.ndarray,
    extra: np.ndarray,
    extra_offset: np.ndarray,
    tx_bits: int,
    block_bits: int,
) -> np.ndarray:
    """Return the sorted keys (slot, block, transaction + 1, write) of accesses, and of extra visits without either.

    Built in place: ten million accesses would else pass through a dozen temporary arrays of their size.
    """
    key = np.empty(index.size + extra.size, np.int64)
    part = key[: index.size]
    part[:] = index
    part <<= block_bits
    part += offset
    part <<= tx_bits
    part += tx
    part += 1
    part <<= 1
    part |= write
    key[index.size :] = ((extra << block_bits) | extra_offset) << (1 + tx_bits)
    return pl.Series(key).sort().to_numpy()


def _index(slots: pl.DataFrame, wanted: pl.Series) -> np.ndarray:
    """Return the rows of `slots`, which is sorted, that hold the wanted slot ids."""
    ids, sought = slots["slot_id"].to_numpy(), wanted.to_numpy()
    row_of = np.full(max(ids.max(initial=0), sought.max(initial=0)) + 1, -1, np.int32)
    row_of[ids] = np.arange(ids.size)
    index = row_of[sought]
    missing = index < 0
    if missing.any():
        raise InputError(
            f"trace: slot {sought[missing][0]} is accessed, but `slots` does not describe it; add its row"
        )
    return index


def _slots_with_a_past(slots: pl.DataFrame, accesses: pl.DataFrame, known_last: pl.DataFrame) -> pl.DataFrame:
    """Return the slots of which an access or their creation is known, sorted; the others say nothing of any visit."""
    accessed = pl.concat([accesses["slot_id"], known_last["slot_id"]]).unique()
    return (
        slots.select("slot_id", "contract_id", "created_block", "contract_type", "slot_type")
        .filter(pl.col("created_block").is_not_null() | pl.col("slot_id").is_in(accessed.implode()))
        .sort("slot_id")
    )


def _last_accesses(history: pl.DataFrame | None, slots: pl.DataFrame, seen_from: int) -> pl.DataFrame:
    """Return ``slot_id`` and ``last_access``, before the trace, of the slots where it is known."""
    if history is None:
        return pl.DataFrame(schema={"slot_id": pl.UInt32, "last_access": pl.Int64})
    missing = {"slot_id", "last_access"} - set(history.columns)
    if missing:
        raise InputError(f"history: columns {sorted(missing)} are missing")
    known = history.filter(pl.col("last_access").is_not_null()).join(
        slots.select("slot_id"), on="slot_id", how="semi"
    )
    if known["slot_id"].is_duplicated().any():
        raise InputError("history: a slot is listed twice; keep its last access only")
    latest = whole(known["last_access"].max()) if known.height else None
    if latest is not None and latest >= seen_from:
        raise InputError(
            f"history: a last access in block {latest} does not lie before the trace, "
            f"which starts at {seen_from}"
        )
    return known
