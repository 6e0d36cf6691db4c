"""What batching saves is repeated writes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import TOUCHES, make_trace

from rollstate.errors import InputError
from rollstate.execution import commitment_cost
from rollstate.traces import datasets

WRITES = TOUCHES.filter(lambda rows: any(row[4] and row[0] < 120 for row in rows))


@given(WRITES, st.sampled_from([1, 2, 3, 5, 10]))
def test_kept_share_is_that_of_a_walk(touches, interval):
    trace = make_trace(touches)
    by_block, by_epoch = set(), set()
    for block, _, contract, slot, is_write in touches:
        epoch = (block - 100) // interval
        if is_write and epoch < 30 // interval:
            by_block.add((block, contract, slot))
            by_epoch.add((epoch, contract, slot))
    assert commitment_cost.kept_share(trace, interval) == pytest.approx(len(by_epoch) / len(by_block))


@pytest.mark.real_data
def test_mainnet_shares_are_the_reference(data_dir):
    trace = datasets.load_trace("mainnet-bal")
    found = [commitment_cost.kept_share(trace, k) for k in (1, 2, 5, 10, 25, 50)]
    assert [round(share, 3) for share in found] == [1, 0.964, 0.886, 0.816, 0.722, 0.647]
    low, high = commitment_cost.kept_share_interval(trace, 5, seed=1)
    assert low < 0.886 < high


def test_bad_interval_is_named():
    trace = make_trace([(100, 0, 1, 1, True)])
    for interval in (0, 31):
        with pytest.raises(InputError, match="interval="):
            commitment_cost.kept_share(trace, interval)
    with pytest.raises(InputError, match="only one"):
        commitment_cost.kept_share_interval(trace, 30, seed=1)
    with pytest.raises(InputError, match="no write"):
        commitment_cost.kept_share(make_trace([(100, 0, 1, 1, False)]), 1)
