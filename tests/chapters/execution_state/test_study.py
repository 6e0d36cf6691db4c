"""What the chapter computes on traces that cannot carry all of it."""

import pytest
from tests.chapters.edge_traces import EDGE, busy

from rollstate.chapters.execution_state import study
from rollstate.chapters.execution_state.parameters import ExecutionState
from rollstate.errors import InputError
from rollstate.traces import store


@pytest.mark.parametrize(
    ("make", "half"), [(EDGE["one contract"], "first"), (lambda: busy(range(100, 101)), "first")]
)
def test_shards_need_transactions_to_place(tmp_path, make, half):
    store.write_trace(make(), tmp_path / "trace")
    seen = study.load(ExecutionState(trace=str(tmp_path / "trace")))
    with pytest.raises(InputError, match=f"no transaction of the {half} half of the window writes"):
        study.sharded(seen)
