"""Corners that comments of the original get wrong and its code gets right, and what is kept beside storage."""

import numpy as np
import pytest
from tests.worlddiff.batches import MODES, WORLD, run

from rollstate.worlddiff.errors import KeyRangeError, ModeError
from rollstate.worlddiff.rollback import JournalMap
from rollstate.worlddiff.world import FixedCostWorld, StorageSlot
from rollstate.worlddiff.world_diff import Mode, WorldDiff

BEGIN, COMMIT, ROLLBACK, CLEAR = ("ext_snapshot",), ("ext_commit",), ("ext_rollback",), ("tclear",)


@pytest.mark.parametrize(
    ("between", "left"),
    [([CLEAR], 0), ([BEGIN, COMMIT], 5), ([], 0)],
    ids=["last clearing", "last commit", "neither: the begin of the batch"],
)
def test_a_rollback_takes_transient_storage_to_the_last_clearing_or_commit(between, left):
    """Not to the begin of the transaction: a value set before it, and not committed, is gone too."""
    operations = [("twrite", 1, 0, 5), *between, BEGIN, ("twrite", 1, 0, 6), ROLLBACK, ("tread", 1, 0)]
    for mode in MODES:
        assert run(operations, mode)[1][-1] == [left]


def test_a_failed_frame_takes_back_neither_refunds_nor_costs():
    """The original's comments list both among what a revert undoes."""
    diff, _ = run([("enter",), ("read", 2, 0), ("write", 2, 0, 7), ("revert",)], Mode.RECORDING)
    assert list(diff.storage_refunds) == [0, 2_000]
    assert list(diff.pubdata_costs) == [0, 64]
    assert diff.pubdata == 0


def test_a_failed_frame_makes_the_trace_longer_and_a_failed_transaction_cuts_it():
    diff, _ = run([BEGIN, ("enter",), ("write", 2, 0, 7), ("revert",)], Mode.RECORDING)
    assert [query.rollback for query in diff.trace] == [False, True]
    diff.rollback()
    assert list(diff.trace) == []


def test_a_slot_stays_warm_when_the_frame_that_warmed_it_fails():
    _, returned = run([("enter",), ("write", 2, 0, 7), ("revert",), ("write", 2, 0, 7)], Mode.RECORDING)
    assert returned[-1] == [5_440]


def test_the_mode_may_change_after_an_undone_read_and_after_transient_accesses_not_after_an_undone_write():
    for operations in ([BEGIN, ("read", 2, 0), ROLLBACK], [("twrite", 1, 0, 5), ("tread", 1, 0)]):
        diff, _ = run(operations, Mode.RECORDING)
        diff.set_mode(Mode.OPT_OUT)
        assert diff.mode is Mode.OPT_OUT
    diff, _ = run([BEGIN, ("write", 2, 0, 7), ROLLBACK], Mode.RECORDING)
    with pytest.raises(ModeError):
        diff.set_mode(Mode.OPT_OUT)


def test_an_attempt_out_of_gas_does_not_make_the_next_decommit_free():
    diff = WorldDiff(WORLD)
    assert diff.decommit(5, paid=False)
    assert diff.decommitted_hashes.entries == {5: False}, "the attempt is seen"
    assert diff.decommit(5, paid=False), "and the next one is still to be paid for"
    assert diff.decommit(5)
    assert not diff.decommit(5)
    assert not diff.decommit(5, paid=False)
    assert diff.decommitted_hashes.entries == {5: True}, "a success stays one"


def test_frames_keep_decommits_and_their_outcome_and_transactions_take_them_back():
    diff = WorldDiff(WORLD)
    diff.begin()
    frame = diff.enter()
    diff.decommit(5, paid=False)
    diff.decommit(6)
    diff.revert(frame)
    assert diff.decommitted_hashes.entries == {5: False, 6: True}
    diff.rollback()
    assert diff.decommitted_hashes.entries == {}


def test_logs_to_l1_go_the_way_of_events():
    diff = WorldDiff(WORLD)
    diff.send_to_l1("kept")
    frame = diff.enter()
    diff.send_to_l1("undone")
    diff.revert(frame)
    assert list(diff.l1_logs) == ["kept"]
    diff.begin()
    diff.send_to_l1("rolled back")
    diff.rollback()
    assert list(diff.l1_logs) == ["kept"]


@pytest.mark.parametrize("mode", MODES)
def test_initial_values_are_held_for_what_was_written_and_in_opt_out_for_what_was_read(mode):
    diff, _ = run([BEGIN, ("read", 1, 0), ("write", 2, 0, 7), ROLLBACK], mode)
    assert diff.initial_storage_value(2, 0) == StorageSlot(0, True)
    assert diff.initial_storage_value(1, 0) == (None if mode is Mode.RECORDING else StorageSlot(1, False))
    assert diff.initial_storage_value(1, 1) is None


@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.uint64])
def test_integers_of_numpy_are_integers(kind):
    diff = WorldDiff(FixedCostWorld({}))
    diff.write(kind(1), kind(2), kind(3))
    assert diff.read(1, 2) == (3, 1_970)
    (slot,), (entry,) = diff.storage_writes.entries.keys(), diff.storage_writes.entries.values()
    assert [type(number) for number in (*slot, entry.value)] == [int, int, int]


@pytest.mark.parametrize("value", [True, np.bool_(True), 1.0, np.float64(1), "1", None, np.int64(-1), 2**256])
def test_what_is_no_integer_of_its_width_is_refused(value):
    with pytest.raises(KeyRangeError, match=r"key .* is not an integer of 256 bits"):
        WorldDiff(FixedCostWorld({})).read(0, value)


def test_a_stored_none_is_a_value():
    collection = JournalMap()
    collection.insert("key", None)
    before = collection.snapshot()
    assert collection.insert("key", 1, default="absent") is None
    collection.update("key", lambda value: (value, "again"))
    assert collection.changes_after(before, default="absent") == {"key": (None, (1, "again"))}
    collection.rollback(before)
    assert collection.entries == {"key": None}
    collection.insert("other", 2)
    assert collection.changes_after(before, default="absent") == {"other": ("absent", 2)}
