"""The bookkeeping of one batch: what its storage accesses were, cost, and would undo.

Semantics are those of ``WorldDiff`` in https://github.com/matter-labs/vm2 (``crates/vm2/src/world_diff.rs`` at commit
9a378c1; outcomes of decommits are as in a later one, which keeps attempts that ran out of gas). State falls into groups
by what a failed frame and a failed transaction take back:

==================================  ==============  ====================================
state                               frame           transaction
==================================  ==============  ====================================
pending writes, events,             undone          undone
messages to L1, pubdata
transient storage                   undone          back to the last clearing or commit
flags, refunds, pubdata costs,      kept            undone
decommits
trace                               twins appended  cut back
initial values                      kept            kept
==================================  ==============  ====================================
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from rollstate.worlddiff.errors import FrameError, ModeError, TransactionError
from rollstate.worlddiff.ranges import integer, storage_slot
from rollstate.worlddiff.rollback import JournalLog, JournalMap, Snapshot
from rollstate.worlddiff.storage_queries import (
    Slot,
    StorageAccess,
    StorageQuery,
    accesses_from_maps,
    sort_storage_queries,
)
from rollstate.worlddiff.world import StorageSlot, World

READ, WRITTEN, PROTECTIVE_READ = 1, 2, 4
"""Flags of a slot: read, written, and read while no write was pending."""

COLD_READ, WARM_READ, COLD_WRITE, WARM_WRITE = 2_000, 30, 5_500, 60
REFUND_WARM_READ = COLD_READ - WARM_READ
REFUND_WARM_WRITE = COLD_WRITE - WARM_WRITE
REFUND_WRITE_AFTER_READ = COLD_READ
"""Gas given back on a read of a slot seen before, a write of one written before, a first write of one read before."""


class Mode(Enum):
    """Whether every access is recorded."""

    RECORDING = "recording"
    OPT_OUT = "opt-out"


class StorageWrite(NamedTuple):
    """A pending write: the value, and the pubdata bytes paid for it."""

    value: int
    paid: int


class StorageChange(NamedTuple):
    """A slot whose value differs from before; `is_initial` where it did not exist in the world."""

    address: int
    key: int
    before: int
    after: int
    is_initial: bool


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Token of an open frame: what the frame takes back if it fails."""

    writes: Snapshot = field(repr=False)
    transient: Snapshot = field(repr=False)
    events: Snapshot = field(repr=False)
    l1_logs: Snapshot = field(repr=False)
    twins: Snapshot = field(repr=False)
    pubdata: int


@dataclass(frozen=True, slots=True, eq=False)
class _Transaction:
    frame: Frame
    kept_by_frames: tuple[tuple[Any, Snapshot], ...]


class Reverted(Exception):
    """Raise it inside ``with world_diff.frame()`` to fail that frame and carry on behind it."""


class WorldDiff:
    """Storage bookkeeping of one batch.

    Parameters
    ----------
    world : World
        The state before the batch.
    mode : Mode
        Whether the trace of every access is kept. Fixed from the first access on.
    """

    def __init__(self, world: World, mode: Mode = Mode.RECORDING) -> None:
        self.world = world
        self._mode = mode
        self.storage_writes = JournalMap()
        self.transient_storage = JournalMap()
        self.events = JournalLog()
        self.l1_logs = JournalLog()
        self.pubdata = 0
        self.slot_flags = JournalMap()
        self.storage_refunds = JournalLog()
        self.pubdata_costs = JournalLog()
        self.decommitted_hashes = JournalMap()
        self.trace = JournalLog()
        self.pending_twins = JournalLog()
        self.initial_values: dict[Slot, StorageSlot] = {}
        self._frames: list[Frame] = []
        self._transaction: _Transaction | None = None

    # Mode

    @property
    def mode(self) -> Mode:
        """The mode in which accesses are recorded now."""
        return self._mode

    def set_mode(self, mode: Mode) -> None:
        """Change the mode; a `ModeError` if storage was accessed, as the trace would be partial."""
        if len(self.trace) or self.storage_writes.entries or self.slot_flags.entries or self.initial_values:
            raise ModeError(
                f"storage was accessed in mode {self._mode.value!r}; a partial trace answers nothing: "
                "give the mode to the constructor, or set it before the first access"
            )
        self._mode = mode

    # Accesses

    def read(self, address: int, key: int) -> tuple[int, int]:
        """Read a slot as SLOAD does; return its value and the gas refunded."""
        slot = storage_slot(address, key)
        value, first = self._read(slot)
        refund = REFUND_WARM_READ if not first or self.world.is_free(slot) else 0
        self.storage_refunds.append(refund)
        return value, refund

    def read_without_refund(self, address: int, key: int) -> int:
        """Read a slot as a far call looks up a code hash: traced and flagged, but not refunded."""
        return self._read(storage_slot(address, key))[0]

    def peek(self, address: int, key: int) -> int:
        """Return a slot's value and leave no mark."""
        slot = storage_slot(address, key)
        pending = self.storage_writes.get(slot)
        return self.world.read(slot).value if pending is None else pending.value

    def write(self, address: int, key: int, value: int) -> int:
        """Write a slot as SSTORE does; return the gas refunded."""
        slot = storage_slot(address, key)
        value = integer("value", value, 256)
        if self._mode is Mode.RECORDING:
            query = StorageQuery(*slot, self.peek(*slot), value, True, False)
            self.trace.append(query)
            self.pending_twins.append(query._replace(rollback=True))
        initial = self._initial(slot)
        if self.world.is_free(slot):
            self.storage_writes.update(slot, lambda entry: StorageWrite(value, entry.paid if entry else 0))
            refund, cost = REFUND_WARM_WRITE, 0
            self.slot_flags.add_flags(slot, WRITTEN)
            self.slot_flags.add_flags(slot, READ)
        else:
            paid = self.world.cost(initial, value)
            previous = self.storage_writes.insert(slot, StorageWrite(value, paid))
            cost = paid - (previous.paid if previous else 0)
            if not self.slot_flags.add_flags(slot, WRITTEN):
                refund = REFUND_WARM_WRITE
            else:
                refund = 0 if self.slot_flags.add_flags(slot, READ) else REFUND_WRITE_AFTER_READ
        self.pubdata += cost
        self.storage_refunds.append(refund)
        self.pubdata_costs.append(cost)
        return refund

    def read_transient(self, address: int, key: int) -> int:
        """Read a slot of transient storage, 0 if never set."""
        slot = storage_slot(address, key)
        self.pubdata_costs.append(0)
        return self.transient_storage.get(slot, 0)

    def write_transient(self, address: int, key: int, value: int) -> None:
        """Write a slot of transient storage."""
        slot = storage_slot(address, key)
        value = integer("value", value, 256)
        self.pubdata_costs.append(0)
        self.transient_storage.insert(slot, value)

    def clear_transient(self) -> None:
        """Empty transient storage between transactions; this cannot be undone, so no frame may be open."""
        if self._frames:
            raise FrameError(
                f"transient storage cannot be cleared inside {len(self._frames)} open frames; close them first"
            )
        self.transient_storage = JournalMap()

    def emit(self, event: Any) -> None:
        """Append an event to those of the block."""
        self.events.append(event)

    def send_to_l1(self, log: Any) -> None:
        """Append a log for L1."""
        self.l1_logs.append(log)

    def decommit(self, code_hash: int, *, paid: bool = True) -> bool:
        """Load code by its hash and return whether that is to be paid for: it is free once it has succeeded.

        A failed frame does not take it back. An attempt that runs out of gas (``paid=False``) stays visible in
        `decommitted_hashes` as False and does not make the next one free.

        Examples
        --------
        >>> from rollstate.worlddiff.world import FixedCostWorld
        >>> diff = WorldDiff(FixedCostWorld({}))
        >>> [diff.decommit(5, paid=False), diff.decommit(5), diff.decommit(5)]
        [True, True, False]
        """
        code_hash = integer("code hash", code_hash, 256)
        if self.decommitted_hashes.get(code_hash, False):
            return False
        self.decommitted_hashes.insert(code_hash, bool(paid))
        return True

    def _read(self, slot: Slot) -> tuple[int, bool]:
        first = self.slot_flags.add_flags(slot, READ)
        self.pubdata_costs.append(0)
        pending = self.storage_writes.get(slot)
        if self._mode is Mode.RECORDING:
            value = self.world.read(slot).value if pending is None else pending.value
            self.trace.append(StorageQuery(*slot, value, value, False, False))
            return value, first
        if pending is not None:
            return pending.value, first
        value = self._initial(slot).value
        self._mark_protective_read(slot)
        return value, first

    def _mark_protective_read(self, slot: Slot) -> None:
        self.slot_flags.add_flags(slot, PROTECTIVE_READ)

    def _initial(self, slot: Slot) -> StorageSlot:
        if slot not in self.initial_values:
            self.initial_values[slot] = self.world.read(slot)
        return self.initial_values[slot]

    # Frames

    def enter(self) -> Frame:
        """Open a frame (a near or far call)."""
        frame = self._mark()
        self._frames.append(frame)
        return frame

    def leave(self, frame: Frame) -> None:
        """Close the innermost frame, keeping what it did."""
        self._innermost(frame)
        self._frames.pop()

    def revert(self, frame: Frame) -> None:
        """Close the innermost frame and undo what it did; the trace gets a twin of every write undone."""
        self._innermost(frame)
        self._append_twins(frame)
        self._undo(frame)
        self._frames.pop()

    @contextmanager
    def frame(self) -> Iterator[Frame]:
        """Open a frame; an exception reverts it and passes on, unless it is `Reverted`."""
        frame = self.enter()
        try:
            yield frame
        except Reverted:
            self.revert(frame)
        except BaseException:
            self.revert(frame)
            raise
        else:
            self.leave(frame)

    def _mark(self) -> Frame:
        return Frame(
            self.storage_writes.snapshot(),
            self.transient_storage.snapshot(),
            self.events.snapshot(),
            self.l1_logs.snapshot(),
            self.pending_twins.snapshot(),
            self.pubdata,
        )

    def _innermost(self, frame: Frame) -> None:
        if not self._frames or self._frames[-1] is not frame:
            state = "is not open" if frame not in self._frames else "has open frames inside it"
            raise FrameError(
                f"the frame {state} ({len(self._frames)} are open); close frames innermost first"
            )

    def _append_twins(self, frame: Frame) -> None:
        # Newest first, so that nested frames unwind last in, first out.
        for twin in reversed(self.pending_twins.after(frame.twins)):
            self.trace.append(twin)
        self.pending_twins.rollback(frame.twins)

    def _undo(self, frame: Frame) -> None:
        self.storage_writes.rollback(frame.writes)
        self.transient_storage.rollback(frame.transient)
        self.events.rollback(frame.events)
        self.l1_logs.rollback(frame.l1_logs)
        self.pubdata = frame.pubdata

    # Transactions

    def begin(self) -> None:
        """Take the snapshot to which the transaction can be rolled back as a whole."""
        if self._transaction or self._frames:
            inside = "inside another" if self._transaction else f"inside {len(self._frames)} open frames"
            raise TransactionError(f"a transaction cannot begin {inside}; end that first")
        kept = (
            self.slot_flags,
            self.storage_refunds,
            self.pubdata_costs,
            self.decommitted_hashes,
            self.trace,
        )
        self._transaction = _Transaction(self._mark(), tuple((part, part.snapshot()) for part in kept))

    def commit(self) -> None:
        """End the transaction and keep it: nothing before can be undone any more."""
        self._ending("commit")
        self._transaction = None
        self._forget()

    def rollback(self) -> None:
        """End the transaction and undo all of it, flags and trace included; initial values stay cached."""
        transaction = self._ending("rollback")
        self._undo_kept(transaction)
        self.pending_twins.rollback(transaction.frame.twins)
        # Clearing transient storage cannot be undone, so it goes back to the last clearing or commit.
        self.transient_storage.rollback(self.transient_storage.start())
        self.storage_writes.rollback(transaction.frame.writes)
        self.events.rollback(transaction.frame.events)
        self.l1_logs.rollback(transaction.frame.l1_logs)
        self.pubdata = transaction.frame.pubdata
        self._transaction = None
        self._forget()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Begin a transaction; commit it at the end, or roll it back on an exception, which passes on."""
        self.begin()
        try:
            yield
        except BaseException:
            self.rollback()
            raise
        else:
            self.commit()

    def _ending(self, how: str) -> _Transaction:
        if self._transaction is None:
            raise TransactionError(f"{how}: no transaction is open; what was committed cannot be rolled back")
        if self._frames:
            raise TransactionError(f"{how}: {len(self._frames)} frames are still open; close them first")
        return self._transaction

    def _undo_kept(self, transaction: _Transaction) -> None:
        for part, snapshot in transaction.kept_by_frames:
            part.rollback(snapshot)

    def _forget(self) -> None:
        for part in (
            self.storage_writes,
            self.transient_storage,
            self.events,
            self.l1_logs,
            self.slot_flags,
            self.storage_refunds,
            self.pubdata_costs,
            self.decommitted_hashes,
            self.trace,
            self.pending_twins,
        ):
            part.commit()

    # Views

    def protective_reads(self) -> list[Slot]:
        """Return the slots read while they had no pending write, ascending; filled in opt-out mode only."""
        return sorted(slot for slot, flags in self.slot_flags.entries.items() if flags & PROTECTIVE_READ)

    def changes(self) -> list[StorageChange]:
        """Return the slots whose value differs from the world's, ascending."""
        found = []
        for slot in sorted(self.storage_writes.entries):
            initial, after = self._initial(slot), self.storage_writes.get(slot).value
            if initial.value != after:
                found.append(StorageChange(slot[0], slot[1], initial.value, after, initial.is_initial))
        return found

    def changes_after(self, frame: Frame) -> list[StorageChange]:
        """Return the slots written since `frame` was opened, ascending, also those set to what they were."""
        found = []
        for slot, (before, after) in self.storage_writes.changes_after(frame.writes).items():
            initial = self._initial(slot)
            value = initial.value if before is None else before.value
            found.append(StorageChange(slot[0], slot[1], value, after.value, initial.is_initial))
        return found

    def initial_storage_value(self, address: int, key: int) -> StorageSlot | None:
        """Return a slot as it was before the batch, None if it is not held.

        Held are the slots written, and in opt-out mode those read too; a rollback does not take them back.
        """
        return self.initial_values.get(storage_slot(address, key))

    def storage_accesses(self) -> list[StorageAccess]:
        """Return the deduplicated set, from the trace or from the maps as the mode demands."""
        if self._mode is Mode.RECORDING:
            return sort_storage_queries(self.trace.entries)
        return accesses_from_maps(
            {slot: entry.value for slot, entry in self.storage_writes.entries.items()},
            self.protective_reads(),
            {slot: initial.value for slot, initial in self.initial_values.items()},
        )
