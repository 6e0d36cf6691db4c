"""A world diff on columns: every access kept, at 4 bytes instead of 128, and the maps beside them.

A slot's 52 bytes and a value's 32 are kept once and named by 4-byte ids. The log has one 4-byte entry per access: what
it was, which refund it got, and its slot. A write keeps besides what it wrote and what it cost. Everything else that
the original writes down follows by replaying the log: the value before an entry is the slot's value then, the value of
a read is the slot's current one, a twin undoes the newest pending write, only writes cost pubdata. A digest of the
values that were really read and written is kept while recording, and compared when the log is unfolded.

The trace serves a circuit's storage argument, the maps serve a verifier, and both give the same deduplicated set.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from rollstate.worlddiff import columnar_kernel as kernel
from rollstate.worlddiff.chunks import Chunks, roomier
from rollstate.worlddiff.columnar_kernel import NONE
from rollstate.worlddiff.errors import FrameError, KeyRangeError, TraceError, TransactionError
from rollstate.worlddiff.interning import Interner
from rollstate.worlddiff.operations import NAMES, TOUCHING, Operations, slots_of
from rollstate.worlddiff.pricing import prices
from rollstate.worlddiff.storage_queries import StorageAccess, StorageQuery
from rollstate.worlddiff.world import World, check_world, checked_read
from rollstate.worlddiff.world_diff import PROTECTIVE_READ, StorageWrite

SLOT_BYTES, VALUE_BYTES = 52, 32
SLICE = 2_048
"""Operations handed to the kernel at once; bounds what is held besides the state."""
SLICE_BYTES = 3 * SLOT_BYTES + 2 * VALUE_BYTES + 24
"""Bytes per operation of a slice: rows, those that touch a slot, their words, ids and prices."""

_FAULTS = {
    kernel.UNKNOWN: (TraceError, "is unknown; the codes are those of operations.NAMES"),
    kernel.NO_FRAME: (FrameError, "closes a frame, but none is open"),
    kernel.IN_FRAME: (FrameError, "may not run inside an open frame; close it first"),
    kernel.NESTED: (TransactionError, "begins a transaction inside another; end that first"),
    kernel.NO_TX: (TransactionError, "ends a transaction, but none is open; what was committed stays"),
}
_LOG, _WRITES = (np.uint32,), (np.uint32, np.int32)
_STATE = (np.uint8, np.uint8, np.uint32, np.uint32, np.uint32, np.uint32, np.uint32)
LOG_ENTRY_BYTES, WRITE_BYTES, STATE_BYTES = (
    sum(np.dtype(dtype).itemsize for dtype in dtypes) for dtypes in (_LOG, _WRITES, _STATE)
)
"""Bytes of an entry of the log, of what a write keeps besides, and of a slot besides its key."""
_FLAGS, _STATUS, _INITIAL, _CURRENT, _PAID = range(5)


class AccessColumns(NamedTuple):
    """The deduplicated set, ascending by slot: ids of slots and of values before and after the batch."""

    slot: np.ndarray
    before: np.ndarray
    after: np.ndarray


class ColumnarWorldDiff:
    """Bookkeeping of one batch on columns; the rules are those of `world_diff.WorldDiff`, in both modes at once.

    Parameters
    ----------
    world : World
        The state before the batch; see `pricing.prices` for how often it is asked.
    reserve_slots, reserve_values : int
        Distinct slots and values to make room for, known from a witness; more make the tables grow by a quarter.

    Raises
    ------
    WorldError
        If the world lacks a method; later, if it answers with something that cannot be kept.

    Examples
    --------
    >>> from rollstate.worlddiff.world import FixedCostWorld
    >>> diff = ColumnarWorldDiff(FixedCostWorld({}))
    >>> diff.run(Operations.from_tuples([("enter",), ("write", 1, 0, 7), ("revert",), ("read", 1, 0)]))
    >>> [chunk[0].tolist() for chunk in diff.trace_chunks()]
    [[1, 2, 0]]
    >>> diff.accesses(diff.accesses_from_trace())
    [StorageAccess(address=1, key=0, rw=False, read_value=0, written_value=0)]
    """

    def __init__(self, world: World, *, reserve_slots: int = 1_024, reserve_values: int = 1_024) -> None:
        check_world(world)
        self.world = world
        self._slots = Interner(SLOT_BYTES, reserve_slots)
        self._values = Interner(VALUE_BYTES, reserve_values)
        self._values.ids(np.zeros((1, VALUE_BYTES), np.uint8))
        self._counters = np.zeros(kernel.COUNTERS, np.int64)
        self._digests = np.zeros(2, np.uint64)
        self._log, self._writes = Chunks(*_LOG), Chunks(*_WRITES)
        self._state: tuple[Any, ...] = tuple(np.zeros(0, dtype) for dtype in _STATE)
        self._widen(self._slots.capacity)
        self._journals: tuple[np.ndarray, ...] = (
            np.empty((0, 3), np.uint32),
            np.empty((0, 2), np.uint32),
            np.empty(0, np.uint32),
            np.empty(0, np.uint8),
        )
        self._frames = np.empty((0, 3), np.int64)

    # Running

    def feed(
        self, code: np.ndarray, keys: np.ndarray, values: np.ndarray, *, returned: np.ndarray | None = None
    ) -> None:
        """Run operations; frames and transactions may span calls.

        Parameters
        ----------
        code : array of uint8, shape (n,)
            Index into `operations.NAMES`.
        keys : array of uint8, shape (n, 52)
            Address and key, big-endian; ignored where no slot is touched.
        values : array of uint8, shape (n, 32)
            Big-endian; ignored where nothing is written.
        returned : array of uint32, shape (n,), optional
            Receives the id of the value that each read returned (see `value`).

        Raises
        ------
        FrameError, TransactionError, TraceError, KeyRangeError
            For the first operation that cannot run, or arrays of wrong shape; nothing was run then.
        """
        self._check(code, keys, values, returned)
        for begin in range(0, len(code), SLICE):
            part = slice(begin, begin + SLICE)
            target = np.empty(0, np.uint32) if returned is None else returned[part]
            self._run(code[part], keys[part], values[part], target)

    def run(self, operations: Operations, *, returned: np.ndarray | None = None) -> None:
        """Run a stream slice by slice, so that its rows are never all unfolded at once."""
        self._check_order(operations.code)
        for begin in range(0, len(operations), SLICE):
            end = begin + SLICE
            target = np.empty(0, np.uint32) if returned is None else returned[begin:end]
            self._run(*operations.raw(begin, end), target)

    def _check(
        self, code: np.ndarray, keys: np.ndarray, values: np.ndarray, returned: np.ndarray | None
    ) -> None:
        wanted = [("keys", keys, (len(code), SLOT_BYTES)), ("values", values, (len(code), VALUE_BYTES))]
        for name, rows, shape in wanted:
            if rows.dtype != np.uint8 or rows.shape != shape:
                raise KeyRangeError(
                    f"{name} have shape {rows.shape} and type {rows.dtype}; {shape} of uint8 wanted"
                )
        if returned is not None and (returned.dtype != np.uint32 or returned.shape != code.shape):
            raise KeyRangeError(f"returned must be uint32 of shape {code.shape}, not {returned.shape}")
        self._check_order(code)

    def _check_order(self, code: np.ndarray) -> None:
        c = self._counters
        position, reason = kernel.first_fault(code, c[kernel.DEPTH], c[kernel.IN_TX])
        if reason != kernel.FINE:
            error, what = _FAULTS[reason]
            number = int(code[position])
            name = NAMES[number] if number < len(NAMES) else f"code {number}"
            raise error(f"operation {position} ({name}) {what}; nothing was run")

    def _run(self, code: np.ndarray, keys: np.ndarray, values: np.ndarray, returned: np.ndarray) -> None:
        slots, ids = np.zeros(len(code), np.uint32), np.zeros(len(code), np.uint32)
        touching, writing = code < TOUCHING, (code == 2) | (code == 4)
        slots[touching] = self._slots.ids(keys[touching])
        if self._slots.count > kernel.SLOT_MASK + 1:
            raise KeyRangeError(
                f"more than {kernel.SLOT_MASK + 1} distinct slots; a batch that large must be cut in two"
            )
        ids[writing] = self._values.ids(values[writing])
        self._load(slots[code <= 2])
        cost = self._prices(code, slots, ids)
        self._reserve_journals(code)
        returned[:] = NONE
        c, done = self._counters, 0
        while done < len(code):
            log, writes = self._log.at(c[kernel.LOG]), self._writes.at(c[kernel.STORED])
            done = kernel.run(
                code, slots, ids, cost, done, c, self._digests, *log, writes, self._state, self._journals,
                self._frames, returned,
            )  # fmt: skip

    def _load(self, slots: np.ndarray) -> None:
        """Ask the world for the slots that are used for the first time."""
        if self._slots.capacity > len(self._state[0]):
            self._widen(self._slots.capacity)
        status = self._state[_STATUS]
        new = np.unique(slots[status[slots] & kernel.LOADED == 0])
        if not len(new):
            return
        keys = slots_of(self._slots.take(new))
        found = [checked_read(self.world, slot) for slot in keys]
        free = np.array([bool(self.world.is_free(slot)) for slot in keys])
        values = b"".join(slot.value.to_bytes(VALUE_BYTES, "big") for slot in found)
        self._state[_INITIAL][new] = self._values.ids(
            np.frombuffer(values, np.uint8).reshape(-1, VALUE_BYTES)
        )
        exists = np.array([not slot.is_initial for slot in found])
        status[new] = kernel.LOADED | exists * kernel.EXISTS | free * kernel.FREE

    def _prices(self, code: np.ndarray, slots: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """Return what each write's value costs against the slot's initial one, 0 for other operations; int64."""
        found = np.zeros(len(code), np.int64)
        status, initial = self._state[_STATUS], self._state[_INITIAL]
        at = np.flatnonzero(code == 2)
        at = at[status[slots[at]] & kernel.FREE == 0]
        slot = slots[at]
        exists = status[slot] & kernel.EXISTS > 0
        found[at] = prices(self.world, initial[slot], exists, ids[at], self.value)
        return found

    def _widen(self, capacity: int) -> None:
        old = len(self._state[0])
        wider = tuple(np.zeros(capacity, column.dtype) for column in self._state)
        for new, column in zip(wider, self._state, strict=True):
            new[:old] = column
        wider[_CURRENT][old:] = NONE
        # Stamps of 0 would count as set before the first clearing.
        wider[-1][old:] = NONE
        self._state = wider

    def _reserve_journals(self, code: np.ndarray) -> None:
        c = self._counters
        touches = int(np.count_nonzero(code <= 2))
        needs = (
            c[kernel.WRITES] + np.count_nonzero(code == 2),
            c[kernel.TRANSIENTS] + np.count_nonzero(code == 4),
            c[kernel.FLAGS] + 2 * touches,
            c[kernel.FLAGS] + 2 * touches,
        )
        self._journals = tuple(map(roomier, self._journals, needs))
        self._frames = roomier(self._frames, c[kernel.DEPTH] + np.count_nonzero(code == 6))

    # Views

    @property
    def pubdata(self) -> int:
        """Pubdata bytes so far."""
        return int(self._counters[kernel.PUBDATA])

    @property
    def trace_length(self) -> int:
        """Entries of the trace."""
        return int(self._counters[kernel.TRACE])

    @property
    def nbytes(self) -> dict[str, int]:
        """Bytes held, by structure."""
        return {
            "log": self._log.nbytes,
            "written values and costs": self._writes.nbytes,
            "slot keys": self._slots.nbytes,
            "values": self._values.nbytes,
            "slot state": sum(column.nbytes for column in self._state),
            "journals": sum(column.nbytes for column in (*self._journals, self._frames)),
        }

    @property
    def counts(self) -> dict[str, int]:
        """Distinct slots and values, entries of the log, of the trace and of the lists."""
        c = self._counters
        twins = sum(int(np.count_nonzero(code == kernel.TWIN)) for code in self._codes())
        return {
            "slots": self._slots.count,
            "values": self._values.count,
            "log": int(c[kernel.LOG]),
            "trace": int(c[kernel.TRACE]),
            "writes": int(c[kernel.STORED]),
            "refunds": int(c[kernel.REFUNDS]),
            "pubdata costs": int(c[kernel.LOG]) - twins,
        }

    def value(self, ids: np.ndarray) -> list[int]:
        """Return the values of ids."""
        return [int.from_bytes(row.tobytes(), "big") for row in self._values.take(np.asarray(ids, np.int64))]

    def trace_chunks(self) -> Iterator[tuple[np.ndarray, ...]]:
        """Yield kind, slot id, value id before and after, a chunk of the log at a time; a prover reads it from here.

        Raises
        ------
        TraceError
            If the log contradicts itself, or does not give the values that were recorded.
        """
        yield from self._unfolded(self._fresh_replay())

    def _fresh_replay(self) -> tuple[np.ndarray, ...]:
        """Return initial and current value, pending writes and whether it was observed, of each slot."""
        n = self._slots.count
        return (
            self._state[_INITIAL][:n],
            np.full(n, NONE, np.uint32),
            np.zeros(n, np.uint32),
            np.zeros(n, np.bool_),
        )

    def _unfolded(self, state: tuple[np.ndarray, ...]) -> Iterator[tuple[np.ndarray, ...]]:
        written = int(self._counters[kernel.STORED])
        stack = (np.empty(written, np.uint32), np.empty(written, np.uint32), np.zeros(1, np.int64))
        digest, used, entries = np.uint64(0), 0, 0
        for (log,) in self._log.parts(self._counters[kernel.LOG]):
            writes = int(np.count_nonzero(_is_write(log >> kernel.SLOT_BITS)))
            values = self._writes.part(used, min(used + writes, written))[0]
            columns = tuple(
                np.empty(len(log), dtype) for dtype in (np.uint8, np.uint32, np.uint32, np.uint32)
            )
            if len(values) < writes:
                raise TraceError(
                    f"trace: more writes than the {written} that were recorded; the log was changed"
                )
            done, digest, wrong = kernel.unfold(log, values, state, stack, digest, *columns)
            if wrong >= 0:
                raise TraceError(
                    f"trace: query {entries + done} of {self._named(log[wrong])} contradicts those before: "
                    "a twin that does not undo the newest pending write, or an unknown slot"
                )
            yield tuple(column[:done] for column in columns)
            used, entries = used + writes, entries + done
            digest = np.uint64(digest)
        if digest != self._digests[0]:
            raise TraceError(
                "trace: its values are not those that were recorded; the columns were changed since"
            )

    def _named(self, entry: int) -> str:
        slot = int(entry) & kernel.SLOT_MASK
        if slot >= self._slots.count:
            return f"slot id {slot}"
        address, key = slots_of(self._slots.take(np.array([slot])))[0]
        return f"slot ({address:#x}, {key:#x})"

    def _codes(self) -> Iterator[np.ndarray]:
        for (log,) in self._log.parts(self._counters[kernel.LOG]):
            yield log >> kernel.SLOT_BITS

    def queries(self) -> list[StorageQuery]:
        """Return the trace as the reference algorithm takes it."""
        keys = slots_of(self._slots.rows())
        values = self.value(np.arange(self._values.count))
        return [
            StorageQuery(
                keys[s][0], keys[s][1], values[a], values[b], k != kernel.KIND_READ, k == kernel.KIND_TWIN
            )
            for chunk in self.trace_chunks()
            for k, s, a, b in zip(*(column.tolist() for column in chunk), strict=True)
        ]

    def refunds(self) -> np.ndarray:
        """Return the refund of each read and write, uint32."""
        table = np.array(kernel.REFUNDS_BY_CODE)
        found = [table[code] for code in self._codes()]
        return np.concatenate([np.empty(0, np.uint32), *(part[part >= 0] for part in found)]).astype(
            np.uint32
        )

    def pubdata_costs(self) -> np.ndarray:
        """Return the pubdata bytes of each access, transient ones too, int32."""
        kept = [code[code != kernel.TWIN] for code in self._codes()]
        codes = np.concatenate([np.empty(0, np.uint32), *kept])
        costs = np.zeros(len(codes), np.int32)
        costs[_is_write(codes)] = self._writes.part(0, int(self._counters[kernel.STORED]))[1]
        return costs

    def storage_writes(self) -> dict[tuple[int, int], StorageWrite]:
        """Return the pending writes by slot."""
        pending = np.flatnonzero(self._state[_CURRENT][: self._slots.count] != NONE)
        keys = slots_of(self._slots.take(pending))
        values = self.value(self._state[_CURRENT][pending])
        return {
            key: StorageWrite(value, int(self._state[_PAID][slot]))
            for key, slot, value in zip(keys, pending, values, strict=True)
        }

    def protective_reads(self) -> list[tuple[int, int]]:
        """Return the slots read while they had no pending write, ascending."""
        marked = np.flatnonzero(self._state[_FLAGS][: self._slots.count] & PROTECTIVE_READ)
        return slots_of(self._slots.take(self._slots.order(marked)))

    def accesses_from_maps(self) -> AccessColumns:
        """Return the deduplicated set from pending writes and protective reads."""
        n = self._slots.count
        current, initial = self._state[_CURRENT][:n], self._state[_INITIAL][:n]
        found = (current != NONE) | (self._state[_FLAGS][:n] & PROTECTIVE_READ > 0)
        slots = self._slots.order(np.flatnonzero(found))
        after = np.where(current[slots] == NONE, initial[slots], current[slots])
        return AccessColumns(slots, initial[slots], after)

    def accesses_from_trace(self) -> AccessColumns:
        """Return the deduplicated set from the log alone; one pass instead of a sort of all queries.

        Raises
        ------
        TraceError
            As `trace_chunks` does.
        """
        state = self._fresh_replay()
        for _ in self._unfolded(state):
            pass
        initial, current, depth, observed = state
        slots = self._slots.order(np.flatnonzero((depth > 0) | observed))
        after = np.where(current[slots] == NONE, initial[slots], current[slots])
        return AccessColumns(slots, initial[slots], after)

    def accesses(self, columns: AccessColumns) -> list[StorageAccess]:
        """Return a deduplicated set with ids replaced by what they name."""
        keys = slots_of(self._slots.take(columns.slot))
        before, after = self.value(columns.before), self.value(columns.after)
        return [StorageAccess(*key, a != b, a, b) for key, a, b in zip(keys, before, after, strict=True)]


def _is_write(codes: np.ndarray) -> np.ndarray:
    return (codes >= kernel.COLD_WRITE) & (codes <= kernel.WARM_WRITE)
