"""The trace and the maps give the same set; both are what copies of everything give, and what the original gave."""

import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.needs import examples
from tests.worlddiff.batches import (
    KINDS,
    MODES,
    SLOTS,
    VALUES,
    WORLD,
    balanced,
    batches,
    run,
    slots,
    told,
    values,
)
from tests.worlddiff.copying_oracle import CopyingDiff

from rollstate.worlddiff.errors import (
    FrameError,
    KeyRangeError,
    ModeError,
    StaleSnapshotError,
    TransactionError,
)
from rollstate.worlddiff.operations import replay
from rollstate.worlddiff.storage_queries import StorageAccess, sort_storage_queries
from rollstate.worlddiff.world import FixedCostWorld
from rollstate.worlddiff.world_diff import Mode, Reverted, WorldDiff

SETTINGS = settings(max_examples=examples(150), suppress_health_check=[HealthCheck.too_slow])


class Lockstep(RuleBasedStateMachine):
    """Both modes and the copying oracle, one operation at a time (theorems T1, T2 and T3)."""

    def __init__(self):
        super().__init__()
        self.diffs = [WorldDiff(WORLD, mode) for mode in MODES]
        self.oracle = CopyingDiff(WORLD)
        self.frames = [[] for _ in MODES]
        self.depth, self.inside = 0, False

    def do(self, name, *arguments):
        wanted = getattr(self.oracle, name)(*arguments)
        for diff, frames in zip(self.diffs, self.frames, strict=True):
            if name == "enter":
                frames.append(diff.enter())
            elif name in ("ok", "revert"):
                (diff.leave if name == "ok" else diff.revert)(frames.pop())
            else:
                assert replay(diff, [(name, *arguments)]) == [wanted], name

    @rule(slot=slots)
    def read(self, slot):
        self.do("read", *slot)

    @rule(slot=slots)
    def look_up_code(self, slot):
        self.do("read_no_refund", *slot)

    @rule(slot=slots, value=values)
    def write(self, slot, value):
        self.do("write", *slot, value)

    @rule(slot=slots, value=values)
    def write_twice(self, slot, value):
        self.do("write", *slot, value)
        self.do("write", *slot, WORLD.read(slot).value)

    @rule(slot=slots, value=values)
    def write_transient(self, slot, value):
        self.do("twrite", *slot, value)
        self.do("tread", *slot)

    @rule()
    def enter(self):
        self.do("enter")
        self.depth += 1

    @precondition(lambda self: self.depth)
    @rule()
    def ok(self):
        self.do("ok")
        self.depth -= 1

    @precondition(lambda self: self.depth)
    @rule()
    def revert(self):
        self.do("revert")
        self.depth -= 1

    @precondition(lambda self: not self.depth)
    @rule()
    def clear(self):
        self.do("tclear")

    @precondition(lambda self: not self.depth and not self.inside)
    @rule()
    def begin(self):
        self.do("ext_snapshot")
        self.inside = True

    @precondition(lambda self: not self.depth and self.inside)
    @rule(keep=st.booleans())
    def end(self, keep):
        self.do("ext_commit" if keep else "ext_rollback")
        self.inside = False

    @invariant()
    def all_tell_the_same(self):
        recording, opt_out = self.diffs
        for diff in self.diffs:
            assert {
                slot: entry.value for slot, entry in diff.storage_writes.entries.items()
            } == self.oracle.writes
            assert list(diff.storage_refunds) == self.oracle.refunds
            assert list(diff.pubdata_costs) == self.oracle.costs
            assert diff.storage_accesses() == self.oracle.accesses()
            assert diff.pubdata == sum(entry.paid for entry in diff.storage_writes.entries.values())
        assert recording.changes() == opt_out.changes()
        flags = opt_out.slot_flags.entries
        for slot, bits in flags.items():
            assert bits & 1, f"{slot} is written or observed, and not read"
        assert set(opt_out.storage_writes.entries) <= {slot for slot, bits in flags.items() if bits & 2}
        assert (
            set(opt_out.protective_reads()) | set(opt_out.storage_writes.entries)
            <= opt_out.initial_values.keys()
        )


TestLockstep = Lockstep.TestCase
TestLockstep.settings = settings(max_examples=examples(120), stateful_step_count=30)


@SETTINGS
@given(batches, batches, batches)
def test_a_rolled_back_transaction_leaves_no_trace_but_cached_values(before, failed, after):
    """Theorem T4: rolling a transaction back and running on is the same as never having begun it."""

    def without_transactions(operations):
        return [operation for operation in operations if not operation[0].startswith("ext_")]

    attempt = [("ext_snapshot",), *without_transactions(failed), ("ext_rollback",)]
    # A transaction begins with empty transient storage.
    before = [*before, ("tclear",)]
    for mode in MODES:
        clean, returned = run([*before, *after], mode)
        retried, more = run([*before, *attempt, *after], mode)
        tail = len(after)
        assert told(retried, more[len(more) - tail :])[1:] == told(clean, returned)[1:]
        assert more[: len(before)] + more[len(more) - tail :] == returned
        assert list(retried.trace) == list(clean.trace)
        common = retried.initial_values.items() & clean.initial_values.items()
        assert common == clean.initial_values.items()


@SETTINGS
@given(batches)
def test_modes_agree_on_everything(operations):
    assert told(*run(operations, Mode.RECORDING)) == told(*run(operations, Mode.OPT_OUT))


@pytest.mark.real_data
def test_every_vector_of_the_original_is_met_in_every_field(data_dir):
    lines = (data_dir / "worlddiff" / "vectors_200.jsonl").read_text().splitlines()
    assert len(lines) == 200
    for line in lines:
        vector = json.loads(line)
        world = FixedCostWorld({(a, k): v for a, k, v in vector["db"]}, frozenset({9}))
        recording, returned = run(vector["ops"], Mode.RECORDING, world=world)
        opt_out, again = run(vector["ops"], Mode.OPT_OUT, world=world)
        assert returned == again == vector["returns"]
        assert [list(query) for query in recording.trace] == vector["trace"]
        for diff in (recording, opt_out):
            assert [list(access) for access in diff.storage_accesses()] == vector["dedup"]
            writes = [[*slot, *entry] for slot, entry in sorted(diff.storage_writes.entries.items())]
            assert writes == vector["storage_writes"]
            assert [list(change) for change in diff.changes()] == vector["changes"]
            assert list(diff.storage_refunds) == vector["storage_refunds"]
            assert list(diff.pubdata_costs) == vector["pubdata_costs"]
            assert diff.pubdata == vector["pubdata"]
        assert [list(slot) for slot in opt_out.protective_reads()] == vector["protective_reads"]


READ, WRITE, BACK = ("read", 2, 0), ("write", 2, 0, 7), ("write", 2, 0, 0)
ENTER, OK, REVERT = ("enter",), ("ok",), ("revert",)
BEGIN, COMMIT, ROLLBACK = ("ext_snapshot",), ("ext_commit",), ("ext_rollback",)
OBSERVED, WRITTEN, NOTHING = [StorageAccess(2, 0, False, 0, 0)], [StorageAccess(2, 0, True, 0, 7)], []
CORNERS = {
    "read only": ([READ], OBSERVED),
    "write": ([WRITE], WRITTEN),
    "write of the current value": ([BACK], OBSERVED),
    "there and back": ([WRITE, BACK], OBSERVED),
    "write undone": ([ENTER, WRITE, REVERT], NOTHING),
    "read in a failed frame": ([ENTER, READ, REVERT], OBSERVED),
    "read, write, undone": ([ENTER, READ, WRITE, REVERT], OBSERVED),
    "read of a pending write, undone": ([ENTER, WRITE, READ, REVERT], NOTHING),
    "write undone, read": ([ENTER, WRITE, REVERT, READ], OBSERVED),
    "outer write, inner undone, read": ([WRITE, ENTER, BACK, REVERT, READ], WRITTEN),
    "inner kept, outer undone": ([ENTER, ENTER, WRITE, OK, REVERT], NOTHING),
    "nested, last in first out": ([ENTER, WRITE, ENTER, BACK, OK, ("write", 2, 0, 9), REVERT], NOTHING),
    "rolled back": ([BEGIN, READ, WRITE, ROLLBACK], NOTHING),
    "rolled back, then kept": ([BEGIN, READ, ROLLBACK, BEGIN, WRITE, COMMIT], WRITTEN),
    "code look-up": ([("read_no_refund", 2, 0)], OBSERVED),
    "free slot": ([("read", 9, 0), ("write", 9, 1, 5)], [
        StorageAccess(9, 0, False, 2, 2), StorageAccess(9, 1, True, 0, 5),
    ]),
}  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("corner", CORNERS)
def test_corner(corner, mode):
    operations, wanted = CORNERS[corner]
    assert run(operations, mode)[0].storage_accesses() == wanted


class _Mutant(WorldDiff):
    pass


class NoCacheOnRead(_Mutant):
    def _read(self, slot):
        known = set(self.initial_values)
        out = super()._read(slot)
        for extra in set(self.initial_values) - known:
            del self.initial_values[extra]
        return out


class OnlyNetChanges(_Mutant):
    def storage_accesses(self):
        kept = set(self.protective_reads())
        found = super().storage_accesses()
        return [a for a in found if a.rw or (a.address, a.key) in kept or self.mode is Mode.RECORDING]


class NoTwins(_Mutant):
    def _append_twins(self, frame):
        pass


class EveryTouchedSlot(_Mutant):
    def protective_reads(self):
        return sorted(self.slot_flags.entries)


class ObservedUndoneByFrames(_Mutant):
    def enter(self):
        frame = super().enter()
        self.kept = {**getattr(self, "kept", {}), id(frame): set(self.protective_reads())}
        return frame

    def revert(self, frame):
        super().revert(frame)
        for slot in set(self.protective_reads()) - self.kept[id(frame)]:
            self.slot_flags.entries[slot] &= ~4


class ObservedOnAnyRead(_Mutant):
    def _read(self, slot):
        out = super()._read(slot)
        self._initial(slot)
        self._mark_protective_read(slot)
        return out


class ObservedIfNeverWritten(_Mutant):
    def _mark_protective_read(self, slot):
        if not self.slot_flags.get(slot, 0) & 2:
            super()._mark_protective_read(slot)


class ObservedOnFirstTouch(_Mutant):
    def _read(self, slot):
        self.first = slot not in self.slot_flags.entries
        return super()._read(slot)

    def _mark_protective_read(self, slot):
        if self.first:
            super()._mark_protective_read(slot)


class FlagsSurviveRollback(_Mutant):
    def _undo_kept(self, transaction):
        for part, snapshot in transaction.kept_by_frames:
            if part is not self.slot_flags:
                part.rollback(snapshot)


WITNESSES = {
    NoCacheOnRead: [READ],
    OnlyNetChanges: [BACK],
    NoTwins: [ENTER, WRITE, REVERT],
    EveryTouchedSlot: [ENTER, WRITE, REVERT],
    ObservedUndoneByFrames: [ENTER, READ, REVERT],
    ObservedOnAnyRead: [ENTER, WRITE, READ, REVERT],
    ObservedIfNeverWritten: [ENTER, WRITE, REVERT, READ],
    ObservedOnFirstTouch: [ENTER, WRITE, REVERT, READ],
    FlagsSurviveRollback: [BEGIN, READ, ROLLBACK],
}


def is_caught(mutant, operations):
    """Return whether the two derivations or the oracle disagree on a batch, or a check fires."""
    oracle = CopyingDiff(WORLD)
    for name, *arguments in operations:
        getattr(oracle, name)(*arguments)
    try:
        return any(
            run(operations, mode, kind=mutant)[0].storage_accesses() != oracle.accesses() for mode in MODES
        )
    except ValueError:
        return True


@pytest.mark.parametrize("mutant", WITNESSES, ids=lambda mutant: mutant.__name__)
def test_each_mutant_is_caught_by_its_smallest_witness(mutant):
    assert is_caught(mutant, WITNESSES[mutant])
    assert not is_caught(WorldDiff, WITNESSES[mutant])


@pytest.mark.parametrize("mutant", WITNESSES, ids=lambda mutant: mutant.__name__)
def test_each_mutant_is_caught_by_random_batches(mutant):
    """The generator is biased enough that a few hundred random batches find every one of the nine."""
    rng = random.Random(1)
    drawn = (
        balanced([(rng.choice(KINDS), rng.choice(SLOTS), rng.choice(VALUES)) for _ in range(30)])
        for _ in range(1_000)
    )
    assert any(is_caught(mutant, operations) for operations in drawn)


def test_a_frame_undone_without_its_twins_is_noticed_in_the_trace():
    diff, _ = run([ENTER, WRITE, REVERT, READ], Mode.RECORDING, kind=NoTwins)
    with pytest.raises(ValueError, match="but the slot holds 0x7"):
        sort_storage_queries(diff.trace.entries)


def unchanged(diff, call, error, match):
    before = told(diff, [])
    with pytest.raises(error, match=match):
        call()
    assert told(diff, []) == before


@pytest.mark.parametrize("mode", MODES)
def test_bad_calls_are_named_and_change_nothing(mode):
    diff = WorldDiff(WORLD, mode)
    diff.write(1, 0, 5)
    outer = diff.enter()
    inner = diff.enter()
    unchanged(diff, lambda: diff.leave(outer), FrameError, "open frames inside it")
    unchanged(diff, lambda: diff.revert(outer), FrameError, "open frames inside it")
    unchanged(diff, diff.begin, TransactionError, "inside 2 open frames")
    unchanged(diff, diff.clear_transient, FrameError, "2 open frames")
    diff.leave(inner)
    unchanged(diff, lambda: diff.leave(inner), FrameError, "is not open")
    diff.revert(outer)
    unchanged(diff, diff.commit, TransactionError, "no transaction is open")
    diff.begin()
    unchanged(diff, diff.begin, TransactionError, "inside another")
    frame = diff.enter()
    unchanged(diff, diff.rollback, TransactionError, "frames are still open")
    diff.leave(frame)
    diff.commit()
    unchanged(diff, diff.rollback, TransactionError, "cannot be rolled back")
    unchanged(diff, lambda: diff.changes_after(frame), StaleSnapshotError, "a commit has begun epoch")
    for call in (
        lambda: diff.write(2**160, 0, 0), lambda: diff.write(0, 2**256, 0), lambda: diff.write(0, 0, -1),
        lambda: diff.read(0, True), lambda: diff.read("a", 0), lambda: diff.decommit(2**256),
        lambda: diff.write_transient(0, 0, 2**256),
    ):  # fmt: skip
        unchanged(diff, call, KeyRangeError, "is not an integer of")


@pytest.mark.parametrize("mode", MODES)
def test_the_mode_is_fixed_by_the_first_access(mode):
    other = Mode.OPT_OUT if mode is Mode.RECORDING else Mode.RECORDING
    fresh = WorldDiff(WORLD, mode)
    fresh.set_mode(other)
    assert fresh.mode is other
    for operations in ([READ], [WRITE], [ENTER, WRITE, REVERT]):
        diff, _ = run(operations, mode)
        unchanged(diff, lambda diff=diff: diff.set_mode(other), ModeError, "was accessed")


def test_context_managers_undo_what_fails():
    diff = WorldDiff(WORLD)
    with diff.transaction():
        diff.write(2, 0, 1)
        with diff.frame():
            diff.write(2, 0, 2)
            raise Reverted
        assert diff.peek(2, 0) == 1
        with pytest.raises(ZeroDivisionError), diff.frame():
            diff.write(2, 0, 3)
            raise ZeroDivisionError
    assert diff.peek(2, 0) == 1
    with pytest.raises(ZeroDivisionError), diff.transaction():
        diff.write(2, 0, 4)
        raise ZeroDivisionError
    assert diff.peek(2, 0) == 1


def test_what_frames_keep_and_undo():
    diff = WorldDiff(WORLD)
    diff.begin()
    frame = diff.enter()
    diff.emit("event")
    assert diff.decommit(5)
    diff.revert(frame)
    assert list(diff.events) == []
    assert not diff.decommit(5), "a code hash stays loaded when its frame fails"
    diff.rollback()
    assert diff.decommit(5), "and is forgotten when the transaction is rolled back"


def test_changes_since_a_frame_list_what_was_set_back():
    diff = WorldDiff(WORLD)
    frame = diff.enter()
    diff.write(2, 0, 0)
    assert [tuple(change)[:4] for change in diff.changes_after(frame)] == [(2, 0, 0, 0)]
    assert diff.changes() == []
