"""The columns tell what the reference tells, however the stream is cut, at the bytes that the layout says."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.worlddiff.batches import WORLD, batches, run

from rollstate.worlddiff import columnar, layout
from rollstate.worlddiff.columnar import ColumnarWorldDiff
from rollstate.worlddiff.columnar_kernel import KIND_TWIN
from rollstate.worlddiff.errors import FrameError, KeyRangeError, TraceError, TransactionError
from rollstate.worlddiff.interning import Interner
from rollstate.worlddiff.operations import CODES, Operations
from rollstate.worlddiff.workloads import StreamShape, stream
from rollstate.worlddiff.world import FixedCostWorld
from rollstate.worlddiff.world_diff import Mode

EMPTY_WORLD = FixedCostWorld({})


def everything(diff):
    """Return all that a columnar diff tells."""
    return (
        diff.queries(),
        diff.accesses(diff.accesses_from_maps()),
        diff.storage_writes(),
        diff.refunds().tolist(),
        diff.pubdata_costs().tolist(),
        diff.pubdata,
    )


@settings(max_examples=120)
@given(batches, st.integers(1, 9), st.integers(1, 9))
def test_any_chunk_and_slice_gives_the_reference(operations, chunk, piece):
    reference, _ = run(operations, Mode.RECORDING)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columnar, "CHUNK", chunk)
        patch.setattr(columnar, "SLICE", piece)
        diff = ColumnarWorldDiff(WORLD, reserve_slots=1, reserve_values=1)
        diff.run(Operations.from_tuples(operations))
        assert everything(diff) == (
            list(reference.trace),
            reference.storage_accesses(),
            dict(reference.storage_writes.entries),
            list(reference.storage_refunds),
            list(reference.pubdata_costs),
            reference.pubdata,
        )
        assert diff.accesses(diff.accesses_from_trace()) == reference.storage_accesses()


def test_a_large_stream_gives_the_reference():
    operations = stream(StreamShape(40, 60, 40, 60, 300, reverted=0.3), 5)
    reference, _ = run(operations.tuples(), Mode.RECORDING, world=EMPTY_WORLD)
    diff = ColumnarWorldDiff(EMPTY_WORLD)
    diff.run(operations)
    assert diff.queries() == list(reference.trace)
    assert diff.accesses(diff.accesses_from_trace()) == reference.storage_accesses()


def codes(*names):
    return np.array([CODES[name] for name in names], np.uint8)


def rows(n):
    return np.zeros((n, 52), np.uint8), np.zeros((n, 32), np.uint8)


BAD = {
    "revert": (FrameError, "operation 1 (revert) closes a frame", codes("write", "revert")),
    "clear in frame": (FrameError, "operation 1 (tclear) may not run inside", codes("enter", "tclear")),
    "begin in frame": (FrameError, "(ext_snapshot) may not run inside", codes("enter", "ext_snapshot")),
    "commit in frame": (FrameError, "inside", codes("ext_snapshot", "enter", "ext_commit")),
    "nested": (TransactionError, "inside another", codes("ext_snapshot", "ext_snapshot")),
    "past a commit": (TransactionError, "stays", codes("ext_snapshot", "ext_commit", "ext_rollback")),
    "unknown": (TraceError, "operation 0 (code 200) is unknown", np.array([200], np.uint8)),
}


@pytest.mark.parametrize(("error", "message", "code"), BAD.values(), ids=BAD)
def test_bad_order_is_refused_before_anything_runs(error, message, code):
    diff = ColumnarWorldDiff(WORLD)
    diff.run(Operations.from_tuples([("write", 1, 0, 2)]))
    before = everything(diff)
    with pytest.raises(error) as raised:
        diff.feed(code, *rows(len(code)))
    assert message in str(raised.value)
    assert everything(diff) == before


def test_frames_may_span_calls():
    diff = ColumnarWorldDiff(WORLD)
    for name in ("enter", "write", "revert"):
        diff.feed(codes(name), *rows(1))
    kinds = np.concatenate([chunk[0] for chunk in diff.trace_chunks()])
    assert kinds[-1] == KIND_TWIN
    with pytest.raises(FrameError):
        diff.feed(codes("ok"), *rows(1))


@pytest.mark.parametrize(
    ("keys", "values", "returned"),
    [
        (np.zeros((2, 52), np.uint8), np.zeros((1, 32), np.uint8), None),
        (np.zeros((1, 52), np.uint8), np.zeros((1, 33), np.uint8), None),
        (np.zeros((1, 52), np.int64), np.zeros((1, 32), np.uint8), None),
        (np.zeros((1, 52), np.uint8), np.zeros((1, 32), np.uint8), np.zeros(1, np.int64)),
    ],
)
def test_arrays_of_wrong_shape_are_refused(keys, values, returned):
    diff = ColumnarWorldDiff(WORLD)
    with pytest.raises(KeyRangeError):
        diff.feed(codes("write"), keys, values, returned=returned)
    assert diff.trace_length == 0


@pytest.mark.parametrize(
    "operation", [("write", 2**160, 0, 0), ("read", 0, -1), ("write", 0, 0, 2**256), ("read", 0, "a")]
)
def test_operations_out_of_range_do_not_become_arrays(operation):
    with pytest.raises(KeyRangeError):
        Operations.from_tuples([operation])


def test_damaged_columns_are_noticed():
    diff = ColumnarWorldDiff(WORLD)
    diff.run(Operations.from_tuples([("write", 1, 0, 2), ("read", 1, 0)]))
    next(diff.trace_chunks())[2][1] = 0
    with pytest.raises(TraceError, match=r"query 1 of slot \(0x1, 0x0\) contradicts"):
        diff.accesses_from_trace()


def test_damaged_twin_is_noticed():
    diff = ColumnarWorldDiff(WORLD)
    diff.run(Operations.from_tuples([("enter",), ("write", 1, 0, 2), ("write", 1, 0, 0), ("revert",)]))
    next(diff.trace_chunks())[2][2] = 0
    with pytest.raises(TraceError, match="query 2"):
        diff.accesses_from_trace()


@given(st.lists(st.binary(min_size=9, max_size=9), max_size=60), st.integers(1, 5))
def test_interning_names_distinct_rows_in_order_of_arrival(items, capacity):
    interner = Interner(9, capacity)
    given_rows = np.frombuffer(b"".join(items), np.uint8).reshape(-1, 9)
    distinct = list(dict.fromkeys(items))
    half = len(items) // 2
    ids = np.concatenate([interner.ids(given_rows[:half]), interner.ids(given_rows[half:])])
    assert ids.tolist() == [distinct.index(item) for item in items]
    assert [row.tobytes() for row in interner.rows()] == distinct
    order = interner.order(np.arange(len(distinct)))
    assert [distinct[i] for i in order] == sorted(distinct)


@pytest.mark.parametrize("reserve", [True, False])
@pytest.mark.parametrize(
    "shape",
    [StreamShape(1_000, 92, 34, 143, 2_400), StreamShape(300, 92, 34, 143, 70_000)],
    ids=["hot", "wide"],
)
def test_peak_bytes_are_those_of_the_layout(shape, reserve):
    operations = stream(shape, 1)
    ColumnarWorldDiff(EMPTY_WORLD).run(
        stream(StreamShape(1, 1, 1, 1, 1), 1)
    )  # compiles outside of what is measured
    room = {"reserve_slots": shape.slots, "reserve_values": len(operations.values)} if reserve else {}
    tracemalloc.start()
    try:
        diff = ColumnarWorldDiff(EMPTY_WORLD, **room)
        diff.run(operations)
        measured = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    n = diff.counts
    counts = layout.BatchCounts(
        reads=shape.transactions * shape.reads,
        writes=shape.transactions * shape.writes,
        code_reads=shape.transactions * shape.code_reads,
        transients=0,
        undone=n["trace"] - shape.accesses,
        slots=n["slots"],
        slots_written=0,
    )
    model = layout.columns(counts, n["values"], reserve=reserve)
    assert layout.peak(model) == pytest.approx(measured, rel=0.10)
    # Journals are the only thing held that the layout leaves out.
    held = sum(diff.nbytes.values()) - diff.nbytes["journals"]
    assert layout.live([item for item in model if item.name != "slice"]) == held


def test_an_access_takes_thirteen_bytes():
    diff = ColumnarWorldDiff(EMPTY_WORLD)
    diff.run(stream(StreamShape(1_000, 20, 10, 20, 50), 1))
    per_entry = diff.nbytes["trace"] / diff.trace_length
    assert columnar.TRACE_ENTRY_BYTES == 13
    assert 13 <= per_entry < 13 * (1 + columnar.CHUNK / diff.trace_length)
