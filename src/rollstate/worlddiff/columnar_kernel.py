"""The rules of `world_diff` on arrays of integers, for many operations in one call."""

from __future__ import annotations

import numba
import numpy as np

from rollstate.worlddiff.world_diff import (
    PROTECTIVE_READ,
    READ,
    REFUND_WARM_READ,
    REFUND_WARM_WRITE,
    REFUND_WRITE_AFTER_READ,
    WRITTEN,
)

NONE = 0xFFFF_FFFF
"""Value id of a slot that has no value of its kind."""
EXISTS, FREE, LOADED = 1, 2, 4
"""Bits of a slot's status."""
KIND_READ, KIND_WRITE, KIND_TWIN = 0, 1, 2
"""What an entry of the trace is; a twin undoes a write."""

# Counters of a run, in one array so that the kernel can be left and entered again.
TRACE, REFUNDS, COSTS, WRITES, TRANSIENT, FLAGS, DEPTH, PUBDATA, CLEARING = range(9)
IN_TX, TX_TRACE, TX_REFUNDS, TX_COSTS, TX_WRITES, TX_FLAGS, TX_PUBDATA = range(9, 16)
COUNTERS = 16

# Reasons for which `first_fault` stops.
FINE, UNKNOWN, NO_FRAME, IN_FRAME, NESTED, NO_TX = range(6)


@numba.njit(cache=True)
def first_fault(code: np.ndarray, depth: int, in_tx: int) -> tuple[int, int]:
    """Return position and reason of the first operation that cannot run, or (n, FINE)."""
    for i in range(len(code)):
        operation = code[i]
        if operation > 11:
            return i, UNKNOWN
        if operation == 6:
            depth += 1
        elif operation == 7 or operation == 8:
            if depth == 0:
                return i, NO_FRAME
            depth -= 1
        elif operation == 5 and depth:
            return i, IN_FRAME
        elif operation >= 9:
            if depth:
                return i, IN_FRAME
            if operation == 9 and in_tx:
                return i, NESTED
            if operation != 9 and not in_tx:
                return i, NO_TX
            in_tx = operation == 9
    return len(code), FINE


@numba.njit(cache=True)
def _add_flag(slot, bit, flags, journal_slot, journal_flags, c):
    if flags[slot] & bit:
        return False
    journal_slot[c[FLAGS]] = slot
    journal_flags[c[FLAGS]] = flags[slot]
    c[FLAGS] += 1
    flags[slot] |= bit
    return True


@numba.njit(cache=True)
def _undo_transient(length, transient, stamp, journal, c):
    while c[TRANSIENT] > length:
        c[TRANSIENT] -= 1
        slot = journal[c[TRANSIENT], 0]
        transient[slot] = journal[c[TRANSIENT], 1]
        stamp[slot] = c[CLEARING]


@numba.njit(cache=True)
def run(
    code,
    slots,
    values,
    begin,
    c,
    trace,
    refunds,
    costs,
    state,
    journals,
    frames,
    price,
    returned,
):
    """Run operations from `begin` on; return at the end, where a chunk is full, or behind a transaction's rollback.

    Parameters
    ----------
    code, slots, values : arrays of uint8, uint32, uint32, shape (n,)
        The operations; ids of slots and values.
    c : array of int64, shape (COUNTERS,)
        Counters, changed in place.
    trace : tuple of (kind uint8, slot uint32, before uint32, after uint32), each of one chunk's length
    refunds, costs : arrays of uint32 and int32
        The chunks that the counters point into.
    state : tuple of per-slot arrays
        flags uint8, status uint8, initial, current, paid, transient, stamp (all uint32).
    journals : tuple of (writes uint32 (m, 3), transient uint32 (m, 2), flag slots uint32, flag values uint8)
    frames : array of int64, shape (m, 3)
    price : tuple of two ints
        Pubdata bytes of changing a slot that did not exist, and one that did.
    returned : array of uint32, shape (n,) or (0,)
        Receives the id of what each read returned, NONE for other operations.
    """
    kind, trace_slot, before, after = trace
    flags, status, initial, current, paid, transient, stamp = state
    j_writes, j_transient, j_flag_slot, j_flag_value = journals
    size = len(kind)
    # A chunk is addressed relative to its beginning; the caller passes the one the counter is in.
    trace_base, refund_base, cost_base = (
        c[TRACE] // size * size,
        c[REFUNDS] // size * size,
        c[COSTS] // size * size,
    )
    for i in range(begin, len(code)):
        if c[TRACE] - trace_base >= size or c[REFUNDS] - refund_base >= size or c[COSTS] - cost_base >= size:
            return i
        operation, slot = code[i], slots[i]
        result = np.uint32(NONE)
        if operation <= 1:
            first = _add_flag(slot, READ, flags, j_flag_slot, j_flag_value, c)
            result = current[slot]
            if result == NONE:
                result = initial[slot]
                _add_flag(slot, PROTECTIVE_READ, flags, j_flag_slot, j_flag_value, c)
            at = c[TRACE] - trace_base
            kind[at], trace_slot[at], before[at], after[at] = KIND_READ, slot, result, result
            c[TRACE] += 1
            costs[c[COSTS] - cost_base] = 0
            c[COSTS] += 1
            if operation == 0:
                warm = not first or status[slot] & FREE
                refunds[c[REFUNDS] - refund_base] = REFUND_WARM_READ if warm else 0
                c[REFUNDS] += 1
        elif operation == 2:
            value, old = values[i], current[slot]
            at = c[TRACE] - trace_base
            kind[at], trace_slot[at], after[at] = KIND_WRITE, slot, value
            before[at] = initial[slot] if old == NONE else old
            c[TRACE] += 1
            row = c[WRITES]
            j_writes[row, 0], j_writes[row, 1], j_writes[row, 2] = slot, old, paid[slot]
            c[WRITES] += 1
            current[slot] = value
            newly_written = _add_flag(slot, WRITTEN, flags, j_flag_slot, j_flag_value, c)
            if status[slot] & FREE:
                _add_flag(slot, READ, flags, j_flag_slot, j_flag_value, c)
                refund, cost = REFUND_WARM_WRITE, 0
            else:
                cost = 0
                if value != initial[slot]:
                    cost = price[1] if status[slot] & EXISTS else price[0]
                prepaid = np.int64(paid[slot])
                paid[slot] = cost
                cost -= prepaid
                if not newly_written:
                    refund = REFUND_WARM_WRITE
                elif _add_flag(slot, READ, flags, j_flag_slot, j_flag_value, c):
                    refund = 0
                else:
                    refund = REFUND_WRITE_AFTER_READ
            c[PUBDATA] += cost
            refunds[c[REFUNDS] - refund_base] = refund
            c[REFUNDS] += 1
            costs[c[COSTS] - cost_base] = cost
            c[COSTS] += 1
        elif operation <= 4:
            costs[c[COSTS] - cost_base] = 0
            c[COSTS] += 1
            # Clearing moves a counter; what was stamped before it counts as absent.
            old = transient[slot] if stamp[slot] == c[CLEARING] else np.uint32(NONE)
            if operation == 3:
                result = np.uint32(0) if old == NONE else old
            else:
                j_transient[c[TRANSIENT], 0], j_transient[c[TRANSIENT], 1] = slot, old
                c[TRANSIENT] += 1
                transient[slot], stamp[slot] = values[i], c[CLEARING]
        elif operation == 5:
            c[CLEARING] += 1
            c[TRANSIENT] = 0
        elif operation == 6:
            depth = c[DEPTH]
            frames[depth, 0], frames[depth, 1], frames[depth, 2] = c[WRITES], c[TRANSIENT], c[PUBDATA]
            c[DEPTH] += 1
        elif operation == 7:
            c[DEPTH] -= 1
        elif operation == 8:
            depth = c[DEPTH] - 1
            while c[WRITES] > frames[depth, 0]:
                if c[TRACE] - trace_base >= size:
                    return i
                row = c[WRITES] - 1
                slot = j_writes[row, 0]
                at = c[TRACE] - trace_base
                # The journal knows what the twin says, so no list of pending twins is kept.
                kind[at], trace_slot[at], after[at] = KIND_TWIN, slot, current[slot]
                before[at] = initial[slot] if j_writes[row, 1] == NONE else j_writes[row, 1]
                current[slot], paid[slot] = j_writes[row, 1], j_writes[row, 2]
                c[TRACE] += 1
                c[WRITES] = row
            _undo_transient(frames[depth, 1], transient, stamp, j_transient, c)
            c[PUBDATA] = frames[depth, 2]
            c[DEPTH] = depth
        elif operation == 9:
            c[IN_TX], c[TX_TRACE], c[TX_REFUNDS], c[TX_COSTS] = 1, c[TRACE], c[REFUNDS], c[COSTS]
            c[TX_WRITES], c[TX_FLAGS], c[TX_PUBDATA] = c[WRITES], c[FLAGS], c[PUBDATA]
        elif operation == 10:
            c[IN_TX] = c[WRITES] = c[TRANSIENT] = c[FLAGS] = 0
        else:
            while c[WRITES] > c[TX_WRITES]:
                c[WRITES] -= 1
                slot = j_writes[c[WRITES], 0]
                current[slot], paid[slot] = j_writes[c[WRITES], 1], j_writes[c[WRITES], 2]
            while c[FLAGS] > c[TX_FLAGS]:
                c[FLAGS] -= 1
                flags[j_flag_slot[c[FLAGS]]] = j_flag_value[c[FLAGS]]
            _undo_transient(0, transient, stamp, j_transient, c)
            c[TRACE], c[REFUNDS], c[COSTS] = c[TX_TRACE], c[TX_REFUNDS], c[TX_COSTS]
            c[PUBDATA] = c[TX_PUBDATA]
            c[IN_TX] = c[WRITES] = c[TRANSIENT] = c[FLAGS] = 0
            return i + 1
        if len(returned):
            returned[i] = result
    return len(code)


@numba.njit(cache=True)
def net_accesses(
    kind: np.ndarray,
    slots: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    initial: np.ndarray,
    current: np.ndarray,
    top: np.ndarray,
    pool: np.ndarray,
    used: int,
    read_at_zero: np.ndarray,
) -> tuple[int, int]:
    """Replay one chunk of a trace, one stack per slot; return the first contradiction (or -1) and rows of `pool` used.

    Parameters
    ----------
    kind, slots, before, after : arrays, shape (n,)
        The chunk.
    initial, current, top : arrays of uint32, shape (s,)
        Per slot: first and present value (`NONE`: not seen yet), row + 1 of its newest pending write.
    pool : array of uint32, shape (w, 3)
        One row per write: the row + 1 below it, value before, value after.
    used : int
        Rows of `pool` in use.
    read_at_zero : array of bool, shape (s,)
        Set where a slot was read while no write was pending.
    """
    for i in range(len(kind)):
        slot = slots[i]
        if initial[slot] == NONE:
            initial[slot] = current[slot] = before[i]
        if kind[i] == KIND_TWIN:
            row = top[slot]
            if row == 0 or after[i] != current[slot]:
                return i, used
            if pool[row - 1, 1] != before[i] or pool[row - 1, 2] != after[i]:
                return i, used
            current[slot], top[slot] = before[i], pool[row - 1, 0]
            continue
        if before[i] != current[slot]:
            return i, used
        if kind[i] == KIND_WRITE:
            pool[used, 0], pool[used, 1], pool[used, 2] = top[slot], before[i], after[i]
            used += 1
            top[slot], current[slot] = used, after[i]
        elif top[slot] == 0:
            read_at_zero[slot] = True
    return -1, used
