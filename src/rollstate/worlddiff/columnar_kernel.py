"""The rules of `world_diff` on arrays of integers, for many operations in one call."""

from __future__ import annotations

import numpy as np

from rollstate.compiled import compiled
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

COLD_READ, WARM_READ, CODE_READ, COLD_WRITE, WRITE_AFTER_READ, WARM_WRITE, TWIN, TRANSIENT = range(8)
"""What an entry of the log is: kind of access and refund in one code, the upper three bits of the entry."""
SLOT_BITS = 29
SLOT_MASK = (1 << SLOT_BITS) - 1
REFUNDS_BY_CODE = (0, REFUND_WARM_READ, -1, 0, REFUND_WRITE_AFTER_READ, REFUND_WARM_WRITE, -1, -1)
"""Gas given back by each code of the log, -1 where the list of refunds has no entry."""

# Counters of a run, in one array so that the kernel can be left and entered again.
LOG, TRACE, REFUNDS, STORED, WRITES, TRANSIENTS, FLAGS, DEPTH, PUBDATA, CLEARING = range(10)
IN_TX, TX_LOG, TX_TRACE, TX_REFUNDS, TX_STORED, TX_WRITES, TX_FLAGS, TX_PUBDATA = range(10, 18)
COUNTERS = 18

# Reasons for which `first_fault` stops.
FINE, UNKNOWN, NO_FRAME, IN_FRAME, NESTED, NO_TX = range(6)


@compiled
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


@compiled
def _add_flag(slot, bit, flags, journal_slot, journal_flags, c):
    if flags[slot] & bit:
        return False
    journal_slot[c[FLAGS]] = slot
    journal_flags[c[FLAGS]] = flags[slot]
    c[FLAGS] += 1
    flags[slot] |= bit
    return True


@compiled
def _undo_transient(length, transient, stamp, journal, c):
    while c[TRANSIENTS] > length:
        c[TRANSIENTS] -= 1
        slot = journal[c[TRANSIENTS], 0]
        transient[slot] = journal[c[TRANSIENTS], 1]
        stamp[slot] = c[CLEARING]


@compiled
def _mixed(digest, entry, before, after):
    """Return a digest of the log so far and one more entry with its values."""
    digest = (digest ^ np.uint64(entry)) * np.uint64(0x9E3779B97F4A7C15)
    digest = (digest ^ (np.uint64(before) << np.uint64(32) | np.uint64(after))) * np.uint64(
        0xBF58476D1CE4E5B9
    )
    return digest ^ (digest >> np.uint64(29))


@compiled
def run(code, slots, values, prices, begin, c, digests, log, writes, state, journals, frames, returned):
    """Run operations from `begin` on; return at the end, where a chunk is full, or behind a transaction's rollback.

    Parameters
    ----------
    code, slots, values : arrays of uint8, uint32, uint32, shape (n,)
        The operations; ids of slots and values.
    prices : array of int64, shape (n,)
        Pubdata bytes that the slot's new value costs against its initial one, where a write is not free.
    c : array of int64, shape (COUNTERS,)
        Counters, changed in place.
    digests : array of uint64, shape (2,)
        Digest of the log now, and at the begin of the transaction.
    log : array of uint32
        The chunk of the log that its counter points into.
    writes : tuple of (value ids uint32, costs int32)
        The chunk of the written values and their pubdata costs that their counter points into.
    state : tuple of per-slot arrays
        flags uint8, status uint8, initial, current, paid, transient, stamp (all uint32).
    journals : tuple of (writes uint32 (m, 3), transient uint32 (m, 2), flag slots uint32, flag values uint8)
    frames : array of int64, shape (m, 3)
    returned : array of uint32, shape (n,) or (0,)
        Receives the id of what each read returned, NONE for other operations.
    """
    written, costs = writes
    flags, status, initial, current, paid, transient, stamp = state
    j_writes, j_transient, j_flag_slot, j_flag_value = journals
    # A chunk is addressed relative to its beginning; the caller passes the one the counter is in.
    log_base, write_base = c[LOG] // len(log) * len(log), c[STORED] // len(written) * len(written)
    for i in range(begin, len(code)):
        if c[LOG] - log_base >= len(log) or c[STORED] - write_base >= len(written):
            return i
        operation, slot = code[i], slots[i]
        result = np.uint32(NONE)
        if operation <= 1:
            first = _add_flag(slot, READ, flags, j_flag_slot, j_flag_value, c)
            result = current[slot]
            if result == NONE:
                result = initial[slot]
                _add_flag(slot, PROTECTIVE_READ, flags, j_flag_slot, j_flag_value, c)
            entry = CODE_READ
            if operation == 0:
                entry = COLD_READ if first and not status[slot] & FREE else WARM_READ
                c[REFUNDS] += 1
            entry = entry << SLOT_BITS | slot
            log[c[LOG] - log_base] = entry
            digests[0] = _mixed(digests[0], entry, result, result)
            c[LOG] += 1
            c[TRACE] += 1
        elif operation == 2:
            value, old = values[i], current[slot]
            row = c[WRITES]
            j_writes[row, 0], j_writes[row, 1], j_writes[row, 2] = slot, old, paid[slot]
            c[WRITES] += 1
            current[slot] = value
            newly_written = _add_flag(slot, WRITTEN, flags, j_flag_slot, j_flag_value, c)
            cost = np.int64(0)
            if status[slot] & FREE:
                _add_flag(slot, READ, flags, j_flag_slot, j_flag_value, c)
                entry = WARM_WRITE
            else:
                cost = prices[i] - np.int64(paid[slot])
                paid[slot] = prices[i]
                if not newly_written:
                    entry = WARM_WRITE
                elif _add_flag(slot, READ, flags, j_flag_slot, j_flag_value, c):
                    entry = COLD_WRITE
                else:
                    entry = WRITE_AFTER_READ
            entry = entry << SLOT_BITS | slot
            log[c[LOG] - log_base] = entry
            digests[0] = _mixed(digests[0], entry, initial[slot] if old == NONE else old, value)
            written[c[STORED] - write_base], costs[c[STORED] - write_base] = value, cost
            c[LOG] += 1
            c[TRACE] += 1
            c[REFUNDS] += 1
            c[STORED] += 1
            c[PUBDATA] += cost
        elif operation <= 4:
            log[c[LOG] - log_base] = TRANSIENT << SLOT_BITS
            c[LOG] += 1
            # Clearing moves a counter; what was stamped before it counts as absent.
            old = transient[slot] if stamp[slot] == c[CLEARING] else np.uint32(NONE)
            if operation == 3:
                result = np.uint32(0) if old == NONE else old
            else:
                j_transient[c[TRANSIENTS], 0], j_transient[c[TRANSIENTS], 1] = slot, old
                c[TRANSIENTS] += 1
                transient[slot], stamp[slot] = values[i], c[CLEARING]
        elif operation == 5:
            c[CLEARING] += 1
            c[TRANSIENTS] = 0
        elif operation == 6:
            depth = c[DEPTH]
            frames[depth, 0], frames[depth, 1], frames[depth, 2] = c[WRITES], c[TRANSIENTS], c[PUBDATA]
            c[DEPTH] += 1
        elif operation == 7:
            c[DEPTH] -= 1
        elif operation == 8:
            depth = c[DEPTH] - 1
            while c[WRITES] > frames[depth, 0]:
                if c[LOG] - log_base >= len(log):
                    return i
                row = c[WRITES] - 1
                slot = j_writes[row, 0]
                # The journal knows what the twin says, so no list of pending twins is kept.
                entry = TWIN << SLOT_BITS | slot
                log[c[LOG] - log_base] = entry
                before = initial[slot] if j_writes[row, 1] == NONE else j_writes[row, 1]
                digests[0] = _mixed(digests[0], entry, before, current[slot])
                current[slot], paid[slot] = j_writes[row, 1], j_writes[row, 2]
                c[LOG] += 1
                c[TRACE] += 1
                c[WRITES] = row
            _undo_transient(frames[depth, 1], transient, stamp, j_transient, c)
            c[PUBDATA] = frames[depth, 2]
            c[DEPTH] = depth
        elif operation == 9:
            c[IN_TX], c[TX_LOG], c[TX_TRACE], c[TX_REFUNDS] = 1, c[LOG], c[TRACE], c[REFUNDS]
            c[TX_STORED], c[TX_WRITES], c[TX_FLAGS], c[TX_PUBDATA] = (
                c[STORED],
                c[WRITES],
                c[FLAGS],
                c[PUBDATA],
            )
            digests[1] = digests[0]
        elif operation == 10:
            c[IN_TX] = c[WRITES] = c[TRANSIENTS] = c[FLAGS] = 0
        else:
            while c[WRITES] > c[TX_WRITES]:
                c[WRITES] -= 1
                slot = j_writes[c[WRITES], 0]
                current[slot], paid[slot] = j_writes[c[WRITES], 1], j_writes[c[WRITES], 2]
            while c[FLAGS] > c[TX_FLAGS]:
                c[FLAGS] -= 1
                flags[j_flag_slot[c[FLAGS]]] = j_flag_value[c[FLAGS]]
            _undo_transient(0, transient, stamp, j_transient, c)
            c[LOG], c[TRACE], c[REFUNDS], c[STORED] = c[TX_LOG], c[TX_TRACE], c[TX_REFUNDS], c[TX_STORED]
            c[PUBDATA] = c[TX_PUBDATA]
            digests[0] = digests[1]
            c[IN_TX] = c[WRITES] = c[TRANSIENTS] = c[FLAGS] = 0
            return i + 1
        if len(returned):
            returned[i] = result
    return len(code)


@compiled
def unfold(log, values, state, stack, digest, kind, slots, before, after):
    """Replay a part of the log and write out its trace; return its length, the digest, and the first contradiction.

    Parameters
    ----------
    log : array of uint32, shape (n,)
        The part.
    values : array of uint32, shape (w,)
        Ids of what its writes wrote.
    state : tuple of per-slot arrays
        initial, current (`NONE`: as initial), depth (writes pending), all uint32, and whether the slot was read while
        none was, bool; all but the first are changed in place.
    stack : tuple of (uint32 (m,), uint32 (m,), int64 (1,))
        Slot and earlier value of each pending write, and how many there are.
    digest : uint64
        Of what came before.
    kind, slots, before, after : arrays of uint8, uint32, uint32, uint32, shape (n,)
        Receive the trace.

    Returns
    -------
    tuple of (int, uint64, int)
        The contradiction's position in the part, -1 if there is none.
    """
    initial, current, depth, observed = state
    stack_slot, stack_before, top = stack
    done, used = 0, 0
    for i in range(len(log)):
        code, slot = log[i] >> np.uint32(SLOT_BITS), log[i] & np.uint32(SLOT_MASK)
        if code == TRANSIENT:
            continue
        if slot >= len(initial):
            return done, digest, i
        held = initial[slot] if current[slot] == NONE else current[slot]
        before[done] = after[done] = held
        if code == TWIN:
            row = top[0] - 1
            if row < 0 or stack_slot[row] != slot:
                return done, digest, i
            current[slot] = stack_before[row]
            before[done] = initial[slot] if current[slot] == NONE else current[slot]
            depth[slot] -= 1
            top[0] = row
            kind[done] = KIND_TWIN
        elif code >= COLD_WRITE:
            row = top[0]
            stack_slot[row], stack_before[row] = slot, current[slot]
            top[0] = row + 1
            current[slot] = after[done] = values[used]
            depth[slot] += 1
            used += 1
            kind[done] = KIND_WRITE
        else:
            observed[slot] |= depth[slot] == 0
            kind[done] = KIND_READ
        slots[done] = slot
        digest = _mixed(digest, log[i], before[done], after[done])
        done += 1
    return done, digest, -1
