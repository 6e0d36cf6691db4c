"""A block that was not observed is not an idle one."""

import json

import polars as pl
import pytest
from tests.strategies import capability, make_trace

from rollstate import coverage
from rollstate.errors import InputError
from rollstate.traces import store, tables, working_set
from rollstate.traces.schema import Capability
from rollstate.traces.thinning import thin, unobserve
from rollstate.traces.working_set import Seen

TOUCHES = [(100, 0, 1, 0, True), (104, 1, 1, 0, False), (105, 0, 2, 1, True)]


def test_thinned_trace_says_what_it_did_not_see():
    thinned = thin(make_trace(TOUCHES), 5)
    store.validate(thinned)
    assert thinned.accesses["block_number"].to_list() == [100, 105]
    assert thinned.capability.unobserved_blocks == 24
    assert not thinned.capability.sees_every_block
    assert thinned.capability.lacks(["every_block"]) == ["it did not observe every block"]
    with pytest.raises(InputError, match=r"coverage cannot be had .* did not observe every block"):
        thinned.capability.require("every_block", "coverage")


def test_offset_and_bounds():
    assert thin(make_trace(TOUCHES), 5, 4).accesses["block_number"].to_list() == [104]
    for every, offset in ((0, 0), (5, 5), (5, -1)):
        with pytest.raises(InputError, match="thin"):
            thin(make_trace(TOUCHES), every, offset)


def test_accesses_in_an_unobserved_block_are_refused():
    trace = make_trace(TOUCHES)
    dark = unobserve(trace, [104])
    with pytest.raises(InputError, match="not observed"):
        store.validate(type(trace)(trace.accesses, dark.slots, dark.blocks, dark.capability))
    with pytest.raises(InputError, match="the stamp says 0"):
        store.validate(type(trace)(dark.accesses, dark.slots, dark.blocks, trace.capability))


def test_round_trip_and_traces_of_earlier_versions(tmp_path):
    dark = unobserve(make_trace(TOUCHES), [104])
    store.write_trace(dark, tmp_path / "t")
    assert store.read_trace(tmp_path / "t").blocks.equals(dark.blocks)
    store.write_trace(make_trace(TOUCHES), tmp_path / "old")
    path = tmp_path / "old" / "blocks.parquet"
    pl.read_parquet(path).drop("observed").write_parquet(path)
    stamp = json.loads((tmp_path / "old" / "capability.json").read_text())
    del stamp["observed_every"], stamp["unobserved_blocks"]
    (tmp_path / "old" / "capability.json").write_text(json.dumps(stamp))
    old = store.read_trace(tmp_path / "old")
    assert old.blocks["observed"].all()
    assert old.capability.sees_every_block


@pytest.mark.parametrize(
    "changes", [{"observed_every": 0}, {"unobserved_blocks": -1}, {"unobserved_blocks": 30}]
)
def test_stamp_bounds(changes):
    with pytest.raises(InputError, match=next(iter(changes))):
        capability(**changes)


def test_every_kth_block_is_described():
    stamp = capability(observed_every=216, unobserved_blocks=1)
    assert "one of every 216 blocks, 1 of them not observed" in stamp.describe()
    assert Capability.from_dict(stamp.as_dict()) == stamp


def test_table_of_blocks_of_ones_own(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(f"block_number,address,slot,kind\n100,0x{'11' * 20},0x1,write\n")
    stamp = capability(100, 102, tx_level="none", unobserved_blocks=1)
    blocks = tmp_path / "t.csv.blocks.csv"
    blocks.write_text("block_number,observed\n100,true\n101,False\n")
    assert tables.read_table(path, stamp).blocks["observed"].to_list() == [True, False]
    blocks.write_text("block_number,observed\n100,yes\n101,False\n")
    with pytest.raises(InputError, match="true or false"):
        tables.read_table(path, stamp)


def test_discovery_counts_observed_blocks_alone():
    dark = unobserve(make_trace(TOUCHES), [101, 104])
    curve = coverage.discovery(coverage.Counts.of(dark, orders=5, seed=1))
    assert curve["blocks"].to_list() == list(range(1, 29))
    assert curve["seen"].to_list() == [1, 1, 1] + [2] * 25


def test_reuse_of_a_working_set_needs_whole_windows_before_it():
    touches = [(block, 0, 1, 0, True) for block in range(100, 110)]
    full = working_set.reuse(Seen.of(make_trace(touches), [2]))
    assert full["block_number"].to_list() == list(range(102, 110))
    dark = working_set.reuse(Seen.of(unobserve(make_trace(touches), [104]), [2]))
    # Blocks 105 and 106 look back on a block that was not observed.
    assert dark["block_number"].to_list() == [102, 103, 107, 108, 109]
    assert (dark["seen"] == 1).all()
    with pytest.raises(InputError, match="no block has 5 observed blocks before it"):
        working_set.reuse(Seen.of(thin(make_trace(touches), 5), [5]))
    every = make_trace(touches, observed_every=216)
    with pytest.raises(InputError, match="did not observe every block"):
        Seen.of(every, [2])


def test_lags_that_a_window_can_tell():
    touches = [(block, 0, 1, 0, True) for block in range(100, 110)]
    trace = make_trace(touches, start=100, stop=110)
    assert working_set.usable_lags(trace, [0, 1, 9, 10]) == [1, 9]
    # Of 100 to 103 and 105 to 109, the last has nothing behind it.
    dark = unobserve(trace, [104])
    assert working_set.usable_lags(dark, [1, 4, 5]) == [1, 4]
    for lag in (4, 5):
        if lag in working_set.usable_lags(dark, [lag]):
            assert working_set.reuse(Seen.of(dark, [lag])).height
        else:
            with pytest.raises(InputError):
                working_set.reuse(Seen.of(dark, [lag]))
    assert not working_set.usable_lags(make_trace(touches, observed_every=216), [1])
