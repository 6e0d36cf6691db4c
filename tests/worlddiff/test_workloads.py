"""Streams have the counts they were asked for, and say what of them is real."""

import numpy as np
import pandas as pd
import pytest

from rollstate.errors import InputError
from rollstate.worlddiff import layout, workloads
from rollstate.worlddiff.columnar import ColumnarWorldDiff
from rollstate.worlddiff.operations import CODES, Operations, slot_rows
from rollstate.worlddiff.workloads import Repeats, StreamShape, coverage, era_batches, from_touches, stream
from rollstate.worlddiff.world import FixedCostWorld

SHAPE = StreamShape(200, 30, 12, 40, 900, reverted=0.2)
WORLD = FixedCostWorld({})


def count(operations, name):
    return int(np.count_nonzero(operations.code == CODES[name]))


def test_stream_has_the_counts_of_its_shape():
    operations = stream(SHAPE, 3)
    found = {
        name: count(operations, name) for name in ("read", "write", "read_no_refund", "ext_commit", "tclear")
    }
    assert found == {"read": 6_000, "write": 2_400, "read_no_refund": 8_000, "ext_commit": 200, "tclear": 200}
    assert count(operations, "revert") + count(operations, "ok") == 200
    assert count(operations, "revert") == pytest.approx(40, abs=20)
    touched = np.unique(operations.slot[operations.code < 3])
    assert touched.tolist() == list(range(900))


def test_stream_depends_on_its_seed_alone():
    same, again, other = (stream(SHAPE, seed) for seed in (3, 3, 4))
    assert all(
        (getattr(same, name) == getattr(again, name)).all() for name in ("code", "slot", "value", "slots")
    )
    assert (same.slot != other.slot).any()


@pytest.mark.parametrize("slots", [900, 15_000])
def test_expected_coverage_is_that_of_streams(slots):
    shape = StreamShape(200, 30, 12, 40, slots, reverted=0)
    diff = ColumnarWorldDiff(WORLD)
    diff.run(stream(shape, 1))
    written = len(diff.storage_writes()) / slots
    expected = coverage(slots, shape.accesses, 200 * 12)
    assert written == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / slots))
    assert 0 < expected < 1


def test_counts_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="cannot touch"):
        StreamShape(1, 1, 1, 1, 4)
    with pytest.raises(InputError, match="a share in"):
        StreamShape(1, 1, 1, 1, 1, reverted=1.5)
    with pytest.raises(InputError, match="at most"):
        coverage(10, 5, 1)


SLOTS = slot_rows([(1, 0), (1, 1), (2, 0)])
TOUCHES = pd.DataFrame(
    {
        "block_number": [7, 7, 7, 8],
        "tx_index": pd.array([0, 2, None, None], dtype="Int32"),
        "slot_id": [0, 1, 2, 2],
        "is_write": [True, True, False, False],
    }
)


def test_touches_keep_their_slots_and_who_wrote_them():
    operations = from_touches(TOUCHES, SLOTS, Repeats(per_slot=1, reverted=0), 1)
    diff = ColumnarWorldDiff(WORLD)
    diff.run(operations)
    assert set(diff.storage_writes()) == {(1, 0), (1, 1)}
    assert [access[:3] for access in diff.accesses(diff.accesses_from_trace())] == [
        (1, 0, True),
        (1, 1, True),
        (2, 0, False),
    ]
    assert count(operations, "write") == 2
    assert count(operations, "read") == 2
    # Transactions 0 and 2 of block 7 wrote; the reads fall into transactions of their own block.
    assert 3 <= count(operations, "ext_commit") <= 4


def test_repeats_and_failures_are_as_many_as_asked_for():
    many = pd.concat([TOUCHES.assign(block_number=TOUCHES["block_number"] + 2 * i) for i in range(400)])
    operations = from_touches(many, SLOTS, Repeats(per_slot=4, reverted=0.25), 1)
    kept = count(operations, "ext_commit")
    assert count(operations, "revert") / kept == pytest.approx(0.25, abs=0.05)
    once = from_touches(many, SLOTS, Repeats(per_slot=4, reverted=0), 1)
    assert (count(once, "read") + count(once, "write")) / len(many) == pytest.approx(4, rel=0.1)
    assert count(once, "write") == 800


def test_touches_without_rows_columns_or_slots_are_refused():
    with pytest.raises(InputError, match="tx_index"):
        from_touches(TOUCHES.drop(columns="tx_index"), SLOTS, Repeats(), 1)
    with pytest.raises(InputError, match="no rows"):
        from_touches(TOUCHES[:0], SLOTS, Repeats(), 1)
    with pytest.raises(InputError, match="slot id 2 has no row"):
        from_touches(TOUCHES, SLOTS[:2], Repeats(), 1)
    with pytest.raises(InputError, match="per_slot"):
        Repeats(per_slot=0.5)


@pytest.mark.real_data
def test_era_batches_are_the_published_counts(data_dir):
    table = era_batches(data_dir / "worlddiff" / "era_batch_storage_counts.csv")
    large = table[table["batch"] > 500_000]
    trace = large["reads"] + large["writes"] + large["code_reads"]
    assert (len(table), len(large)) == (52, 49)
    assert (int(trace.median()), int(trace.max())) == (69_806, 124_298)
    assert (large["reads"] + large["writes"]).sum() == 1_686_621
    everything = trace + large["transient_reads"] + large["transient_writes"]
    assert everything.sum() == 3_705_189
    assert (large["slots"].min(), large["slots"].max()) == (1_803, 5_071)


def test_broken_batch_tables_are_refused(tmp_path):
    path = tmp_path / "counts.csv"
    header = (
        "batch_number,transaction_count,storage_read,storage_write,transient_storage_read,transient_storage_write,"
        "far_call,storage_key_count,merkle_leaf_count,state_diff_count\n"
    )
    path.write_text(header + "1,1,5,5,,,1,,3,-1\n")
    with pytest.raises(InputError, match=r"row 0, changed is .*-1"):
        era_batches(path)
    path.write_text(header + "1,1,5,5,,,1,,3,4\n")
    with pytest.raises(InputError, match="changed more slots"):
        era_batches(path)
    path.write_text(header.replace("far_call,", "") + "1,1,5,5,,,,3,4\n")
    with pytest.raises(InputError, match="far_call"):
        era_batches(path)


def test_operations_know_their_names_and_arity():
    operations = [("read", 1, 0), ("enter",), ("write", 1, 1, 5), ("revert",)]
    assert list(Operations.from_tuples(operations).tuples()) == operations


def test_invented_counts_are_counts_of_possible_batches():
    table = workloads.sampled_batches(20, 3)
    assert table.equals(workloads.sampled_batches(20, 3))
    for row in table.to_dict("records"):
        assert layout.counts_of(row).slots_written <= row["slots"] <= row["reads"]
