"""What the chapter computes on traces that cannot carry all of it."""

import pytest
from polars.testing import assert_frame_equal
from tests.chapters.edge_traces import EDGE, busy

from rollstate.chapters.execution_state import study
from rollstate.chapters.execution_state.parameters import ExecutionState
from rollstate.errors import InputError
from rollstate.execution import conflicts
from rollstate.traces import datasets, parts, store, summary


@pytest.mark.parametrize(
    ("make", "half"), [(EDGE["one contract"], "first"), (lambda: busy(range(100, 101)), "first")]
)
def test_shards_need_transactions_to_place(tmp_path, make, half):
    store.write_trace(make(), tmp_path / "trace")
    seen = study.load(ExecutionState(trace=str(tmp_path / "trace")))
    with pytest.raises(InputError, match=f"no transaction of the {half} half of the window writes"):
        study.sharded(seen)


def test_of_a_large_trace_in_parts_a_stretch_is_taken(tmp_path, monkeypatch):
    whole = datasets.load_trace("sample")
    store.write_trace(whole, tmp_path / "three", parts=3)
    p = ExecutionState(trace=str(tmp_path / "three"))
    alone = study.load(p)
    assert alone.window is None
    assert study.notes(alone) == conflicts.unseen(whole)
    monkeypatch.setattr(parts, "IN_MEMORY", 1_000)
    monkeypatch.setattr(study, "TAKEN", 4_000)
    found = study.load(p)
    stamp = found.trace.capability
    right = study.Seen(summary.restrict(whole, stamp.window_start, stamp.window_stop), {}, p)
    assert (
        f"{stamp.n_blocks:,} of its 1,800 blocks with {found.trace.accesses.height:,} of"
        in study.notes(found)[0]
    )
    assert_frame_equal(study.cache(found), study.cache(right))
    assert_frame_equal(study.expired(found), study.expired(right))
    assert_frame_equal(study.sharded(found), study.sharded(right))
    for kind, kb in study.witnesses(found).items():
        assert kb.tolist() == study.witnesses(right)[kind].tolist()
    assert study.limit(found, "unit") == study.limit(right, "unit")
    assert study.merged(found) == study.merged(right)
