"""The columns tell what the reference tells, however the stream is cut, at the bytes that the layout says."""

import tracemalloc
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.needs import examples
from tests.worlddiff.batches import WORLD, batches, run

from rollstate.worlddiff import chunks, columnar, layout
from rollstate.worlddiff import columnar_kernel as kernel
from rollstate.worlddiff.columnar import ColumnarWorldDiff
from rollstate.worlddiff.columnar_kernel import KIND_TWIN
from rollstate.worlddiff.errors import FrameError, KeyRangeError, TraceError, TransactionError, WorldError
from rollstate.worlddiff.interning import Interner
from rollstate.worlddiff.operations import CODES, Operations
from rollstate.worlddiff.workloads import StreamShape, stream
from rollstate.worlddiff.world import CompressedCostWorld, FixedCostWorld, StorageSlot, compressed_bytes
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


@settings(max_examples=examples(120))
@given(batches, st.integers(1, 9), st.integers(1, 9))
def test_any_chunk_and_slice_gives_the_reference(operations, chunk, piece):
    reference, _ = run(operations, Mode.RECORDING)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "CHUNK", chunk)
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


def damaged(operations, column, row, value):
    """Return a diff in whose columns one number was changed behind its back."""
    diff = ColumnarWorldDiff(WORLD)
    diff.run(Operations.from_tuples(operations))
    chunk = {"log": diff._log, "written": diff._writes}[column].at(0)
    chunk[0][row] = value
    return diff


def test_a_changed_value_is_noticed_though_the_log_alone_is_consistent():
    diff = damaged([("write", 1, 0, 2), ("read", 1, 0)], "written", 0, 0)
    with pytest.raises(TraceError, match="not those that were recorded"):
        diff.accesses_from_trace()


def test_a_changed_refund_is_noticed():
    diff = damaged([("read", 1, 0), ("read", 1, 0)], "log", 1, kernel.CODE_READ << kernel.SLOT_BITS)
    with pytest.raises(TraceError, match="not those that were recorded"):
        list(diff.trace_chunks())


def test_a_twin_of_another_slot_is_noticed_where_it_stands():
    operations = [("read", 2, 0), ("enter",), ("write", 1, 0, 2), ("write", 1, 0, 0), ("revert",)]
    diff = damaged(operations, "log", 3, kernel.TWIN << kernel.SLOT_BITS)
    with pytest.raises(TraceError, match=r"query 3 of slot \(0x2, 0x0\) contradicts"):
        diff.accesses_from_trace()


@pytest.mark.parametrize("entry", [kernel.COLD_WRITE << kernel.SLOT_BITS, kernel.SLOT_MASK])
def test_writes_and_slots_that_were_never_recorded_are_noticed(entry):
    diff = damaged([("read", 1, 0)], "log", 0, entry)
    with pytest.raises(TraceError, match=r"more writes than|slot id"):
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
    kept = held(diff) - diff.nbytes["journals"]
    assert layout.live([item for item in model if item.name != "slice"]) == kept


def held(diff):
    """Return all bytes held."""
    return sum(diff.nbytes.values())


@pytest.mark.parametrize(
    "shape",
    [StreamShape(3_718, 92, 34, 143, 11_000), StreamShape(3_718, 92, 34, 143, 45_000)],
    ids=["slots of the published batch", "22 accesses per slot"],
)
def test_everything_held_takes_at_most_sixteen_bytes_per_access(shape):
    """A million accesses, every written value distinct; nothing is reserved, so the tables have grown."""
    diff = ColumnarWorldDiff(EMPTY_WORLD)
    diff.run(stream(shape, 2))
    assert shape.accesses > 1_000_000
    assert held(diff) <= 16 * shape.accesses
    assert diff.nbytes["log"] == pytest.approx(4 * diff.trace_length, rel=0.02)


def test_transient_accesses_take_no_more_than_an_entry_of_the_log():
    one = Operations.from_tuples([("twrite", 1, 0, 5), ("tread", 1, 0)] * 100_000)
    diff = ColumnarWorldDiff(EMPTY_WORLD)
    diff.run(one)
    before = held(diff) - diff.nbytes["journals"]
    assert diff.pubdata_costs().tolist() == [0] * 200_000
    assert before <= 4 * 200_000 + 2 * 2**17 + 200_000


@dataclass(frozen=True)
class OddWorld:
    """A reader's own world: nothing of `FixedCostWorld` in it; costs depend on the value."""

    def read(self, slot):
        return StorageSlot(slot[1] % 2, slot[0] == 2)

    def cost(self, initial, value):
        return 0 if value == initial.value else 10 * initial.is_initial + value + 1

    def is_free(self, slot):
        return slot[0] == 9


@settings(max_examples=examples(80))
@given(batches, st.sampled_from([OddWorld(), CompressedCostWorld(WORLD.values, WORLD.free_addresses)]))
def test_any_world_is_priced_as_on_the_dictionary_path(operations, world):
    reference, _ = run(operations, Mode.RECORDING, world=world)
    diff = ColumnarWorldDiff(world)
    diff.run(Operations.from_tuples(operations))
    assert everything(diff) == (
        list(reference.trace),
        reference.storage_accesses(),
        dict(reference.storage_writes.entries),
        list(reference.storage_refunds),
        list(reference.pubdata_costs),
        reference.pubdata,
    )


@pytest.mark.parametrize(
    ("name", "answer", "message"),
    [
        ("read", lambda self, slot: (2**256, False), "read"),
        ("read", lambda self, slot: 5, "read"),
        ("cost", lambda self, initial, value: -1, "cost"),
        ("cost", lambda self, initial, value: 0.5, "cost"),
    ],
)
def test_what_a_world_may_not_answer_is_named(name, answer, message):
    world = type("World", (OddWorld,), {name: answer})()
    with pytest.raises(WorldError, match=rf"the world's {message}\("):
        ColumnarWorldDiff(world).run(Operations.from_tuples([("write", 1, 0, 5)]))


def test_what_is_no_world_is_refused_at_once():
    with pytest.raises(WorldError, match="it lacks cost, is_free"):
        ColumnarWorldDiff(type("Half", (), {"read": OddWorld.read})())


@given(st.integers(0, 2**256 - 1), st.integers(0, 2**256 - 1))
def test_compressed_differences_can_be_undone_in_as_many_bytes_as_they_say(before, after):
    """Each way of compressing gives the value back; the size is that of the shortest of at most 30 bytes."""
    size = compressed_bytes(before, after) - 1
    fits = [
        n
        for n in range(31)
        if after < 256**n or min((after - before) % 2**256, (before - after) % 2**256) < 256**n
    ]
    assert size == (fits[0] if fits else 32)


def test_a_batch_of_too_many_slots_is_refused(monkeypatch):
    monkeypatch.setattr(kernel, "SLOT_MASK", 1)
    with pytest.raises(KeyRangeError, match="more than 2 distinct slots"):
        ColumnarWorldDiff(EMPTY_WORLD).run(Operations.from_tuples([("read", 1, key) for key in range(3)]))
