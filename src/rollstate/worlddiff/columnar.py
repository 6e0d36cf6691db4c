"""A world diff on columns: every access kept, at 13 bytes instead of 128, and the maps beside them.

A slot's 52 bytes and a value's 32 are kept once and named by 4-byte ids. An entry of the trace is then kind (1 byte),
slot, value before and value after (4 bytes each), in chunks that never move. Twins of pending writes are not stored:
the journal of pending writes holds the same facts. The trace serves a circuit's storage argument, the maps serve a
verifier, and both give the same deduplicated set.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from rollstate.worlddiff import columnar_kernel as kernel
from rollstate.worlddiff.columnar_kernel import NONE
from rollstate.worlddiff.errors import FrameError, KeyRangeError, TraceError, TransactionError
from rollstate.worlddiff.interning import Interner
from rollstate.worlddiff.operations import NAMES, TOUCHING, Operations, slot_of
from rollstate.worlddiff.storage_queries import StorageAccess, StorageQuery
from rollstate.worlddiff.world import FixedCostWorld
from rollstate.worlddiff.world_diff import PROTECTIVE_READ, StorageWrite

SLOT_BYTES, VALUE_BYTES = 52, 32
CHUNK = 16_384
"""Entries of a chunk of the trace and of the lists."""
SLICE = 4_096
"""Operations handed to the kernel at once; bounds what is held besides the state."""
SLICE_BYTES = 2 * SLOT_BYTES + VALUE_BYTES + 2 * 56 + 8
"""Bytes per operation of a slice: rows, those that touch a slot, their words before and after swapping, ids."""

_FAULTS = {
    kernel.UNKNOWN: (TraceError, "is unknown; the codes are those of operations.NAMES"),
    kernel.NO_FRAME: (FrameError, "closes a frame, but none is open"),
    kernel.IN_FRAME: (FrameError, "may not run inside an open frame; close it first"),
    kernel.NESTED: (TransactionError, "begins a transaction inside another; end that first"),
    kernel.NO_TX: (TransactionError, "ends a transaction, but none is open; what was committed stays"),
}
_TRACE = (np.uint8, np.uint32, np.uint32, np.uint32)
_STATE = (np.uint8, np.uint8, np.uint32, np.uint32, np.uint32, np.uint32, np.uint32)
TRACE_ENTRY_BYTES = sum(np.dtype(dtype).itemsize for dtype in _TRACE)
STATE_BYTES = sum(np.dtype(dtype).itemsize for dtype in _STATE)
"""Bytes of an entry of the trace, and of a slot besides its key."""
_FLAGS, _STATUS, _INITIAL, _CURRENT, _PAID = range(5)


class AccessColumns(NamedTuple):
    """The deduplicated set, ascending by slot: ids of slots and of values before and after the batch."""

    slot: np.ndarray
    before: np.ndarray
    after: np.ndarray


class _Chunks:
    """Columns that grow by whole chunks, so that nothing is ever copied to grow."""

    def __init__(self, *dtypes: type) -> None:
        self._dtypes = dtypes
        self._chunks: list[tuple[np.ndarray, ...]] = []

    def at(self, length: int) -> tuple[np.ndarray, ...]:
        """Return the chunk that entry `length` falls into, and drop those behind it."""
        number = length // CHUNK
        del self._chunks[number + 1 :]
        if number == len(self._chunks):
            self._chunks.append(tuple(np.empty(CHUNK, dtype) for dtype in self._dtypes))
        return self._chunks[number]

    def parts(self, length: int) -> Iterator[tuple[np.ndarray, ...]]:
        """Yield the filled part of each chunk, of `length` entries in all."""
        for number, chunk in enumerate(self._chunks):
            size = min(CHUNK, length - number * CHUNK)
            if size > 0:
                yield tuple(column[:size] for column in chunk)

    @property
    def nbytes(self) -> int:
        return sum(column.nbytes for chunk in self._chunks for column in chunk)


class ColumnarWorldDiff:
    """Bookkeeping of one batch on columns; the rules are those of `world_diff.WorldDiff`, in both modes at once.

    Parameters
    ----------
    world : FixedCostWorld
        The state before the batch.
    reserve_slots, reserve_values : int
        Distinct slots and values to make room for, known from a witness; more make the tables double.
    """

    def __init__(
        self, world: FixedCostWorld, *, reserve_slots: int = 1_024, reserve_values: int = 1_024
    ) -> None:
        self.world = world
        self._slots = Interner(SLOT_BYTES, reserve_slots)
        self._values = Interner(VALUE_BYTES, reserve_values)
        self._values.ids(np.zeros((1, VALUE_BYTES), np.uint8))
        self._counters = np.zeros(kernel.COUNTERS, np.int64)
        self._trace, self._refunds, self._costs = _Chunks(*_TRACE), _Chunks(np.uint32), _Chunks(np.int32)
        self._state = tuple(np.zeros(0, dtype) for dtype in _STATE)
        self._widen(self._slots.capacity)
        self._journals = (
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
        touching, writing = code < TOUCHING, np.isin(code, (2, 4))
        slots[touching] = self._slots.ids(keys[touching])
        ids[writing] = self._values.ids(values[writing])
        self._load(slots[code <= 2])
        self._reserve_journals(code)
        returned[:] = NONE
        c, done = self._counters, 0
        while done < len(code):
            done = kernel.run(
                code,
                slots,
                ids,
                done,
                c,
                self._trace.at(c[kernel.TRACE]),
                *self._refunds.at(c[kernel.REFUNDS]),
                *self._costs.at(c[kernel.COSTS]),
                self._state,
                self._journals,
                self._frames,
                (self.world.cost_absent, self.world.cost_existing),
                returned,
            )

    def _load(self, slots: np.ndarray) -> None:
        """Ask the world for the slots that are used for the first time."""
        if self._slots.capacity > len(self._state[0]):
            self._widen(self._slots.capacity)
        status = self._state[_STATUS]
        new = np.unique(slots[status[slots] & kernel.LOADED == 0])
        if not len(new):
            return
        rows = self._slots.rows(int(new[0]))[new - new[0]]
        found = [self.world.read(slot_of(row)) for row in rows]
        free = [self.world.is_free(slot_of(row)) for row in rows]
        values = b"".join(slot.value.to_bytes(VALUE_BYTES, "big") for slot in found)
        self._state[_INITIAL][new] = self._values.ids(
            np.frombuffer(values, np.uint8).reshape(-1, VALUE_BYTES)
        )
        exists = np.array([not slot.is_initial for slot in found])
        status[new] = kernel.LOADED | exists * kernel.EXISTS | np.array(free) * kernel.FREE

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
            c[kernel.TRANSIENT] + np.count_nonzero(code == 4),
            c[kernel.FLAGS] + 2 * touches,
            c[kernel.FLAGS] + 2 * touches,
        )
        self._journals = tuple(map(_grown, self._journals, needs))
        self._frames = _grown(self._frames, c[kernel.DEPTH] + np.count_nonzero(code == 6))

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
            "trace": self._trace.nbytes,
            "refunds": self._refunds.nbytes,
            "pubdata costs": self._costs.nbytes,
            "slot keys": self._slots.nbytes,
            "values": self._values.nbytes,
            "slot state": sum(column.nbytes for column in self._state),
            "journals": sum(column.nbytes for column in (*self._journals, self._frames)),
        }

    @property
    def counts(self) -> dict[str, int]:
        """Distinct slots and values, entries of trace and lists."""
        c = self._counters
        return {
            "slots": self._slots.count,
            "values": self._values.count,
            "trace": int(c[kernel.TRACE]),
            "refunds": int(c[kernel.REFUNDS]),
            "pubdata costs": int(c[kernel.COSTS]),
        }

    def value(self, ids: np.ndarray) -> list[int]:
        """Return the values of ids."""
        rows = self._values.rows()
        return [int.from_bytes(rows[i].tobytes(), "big") for i in ids]

    def trace_chunks(self) -> Iterator[tuple[np.ndarray, ...]]:
        """Yield kind, slot id, value id before and after, chunk by chunk; a prover reads the trace from here."""
        yield from self._trace.parts(self.trace_length)

    def queries(self) -> list[StorageQuery]:
        """Return the trace as the reference algorithm takes it."""
        keys = [slot_of(row) for row in self._slots.rows()]
        values = self.value(range(self._values.count))
        return [
            StorageQuery(*keys[s], values[a], values[b], k != kernel.KIND_READ, k == kernel.KIND_TWIN)
            for chunk in self.trace_chunks()
            for k, s, a, b in zip(*(column.tolist() for column in chunk), strict=True)
        ]

    def refunds(self) -> np.ndarray:
        """Return the refund of each read and write, uint32."""
        return _joined(self._refunds.parts(int(self._counters[kernel.REFUNDS])), np.uint32)

    def pubdata_costs(self) -> np.ndarray:
        """Return the pubdata bytes of each access, int32."""
        return _joined(self._costs.parts(int(self._counters[kernel.COSTS])), np.int32)

    def storage_writes(self) -> dict[tuple[int, int], StorageWrite]:
        """Return the pending writes by slot."""
        pending = np.flatnonzero(self._state[_CURRENT][: self._slots.count] != NONE)
        rows = self._slots.rows()
        values = self.value(self._state[_CURRENT][pending])
        return {
            slot_of(rows[slot]): StorageWrite(value, int(self._state[_PAID][slot]))
            for slot, value in zip(pending, values, strict=True)
        }

    def accesses_from_maps(self) -> AccessColumns:
        """Return the deduplicated set from pending writes and protective reads."""
        n = self._slots.count
        current, initial = self._state[_CURRENT][:n], self._state[_INITIAL][:n]
        found = (current != NONE) | (self._state[_FLAGS][:n] & PROTECTIVE_READ > 0)
        slots = self._slots.order(np.flatnonzero(found))
        after = np.where(current[slots] == NONE, initial[slots], current[slots])
        return AccessColumns(slots, initial[slots], after)

    def accesses_from_trace(self) -> AccessColumns:
        """Return the deduplicated set from the trace, checking it; one pass instead of a sort of all queries.

        Raises
        ------
        TraceError
            If the trace contradicts itself, as in `storage_queries.sort_storage_queries`.
        """
        n = self._slots.count
        initial, current = np.full(n, NONE, np.uint32), np.full(n, NONE, np.uint32)
        top, read_at_zero = np.zeros(n, np.uint32), np.zeros(n, np.bool_)
        writes = sum(np.count_nonzero(chunk[0] == kernel.KIND_WRITE) for chunk in self.trace_chunks())
        pool, used = np.empty((writes, 3), np.uint32), 0
        for number, chunk in enumerate(self.trace_chunks()):
            wrong, used = kernel.net_accesses(*chunk, initial, current, top, pool, used, read_at_zero)
            if wrong >= 0:
                address, key = slot_of(self._slots.rows()[chunk[1][wrong]])
                raise TraceError(
                    f"trace: query {number * CHUNK + wrong} of slot ({address:#x}, {key:#x}) contradicts those before"
                )
        slots = self._slots.order(np.flatnonzero((top > 0) | read_at_zero))
        return AccessColumns(slots, initial[slots], current[slots])

    def accesses(self, columns: AccessColumns) -> list[StorageAccess]:
        """Return a deduplicated set with ids replaced by what they name."""
        rows = self._slots.rows()[columns.slot]
        before, after = self.value(columns.before), self.value(columns.after)
        return [
            StorageAccess(*slot_of(row), a != b, a, b) for row, a, b in zip(rows, before, after, strict=True)
        ]


def _grown(array: np.ndarray, need: int) -> np.ndarray:
    if need <= len(array):
        return array
    grown = np.empty((max(int(need), 2 * len(array)), *array.shape[1:]), array.dtype)
    grown[: len(array)] = array
    return grown


def _joined(parts: Iterator[tuple[np.ndarray, ...]], dtype: type) -> np.ndarray:
    return np.concatenate([np.empty(0, dtype), *(part[0] for part in parts)])
