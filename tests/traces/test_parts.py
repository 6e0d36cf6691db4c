"""Windows of a stored trace, read part by part: what they hold, and samples of them."""

import dataclasses

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy import stats
from tests.chapters.edge_traces import busy

from rollstate.errors import InputError
from rollstate.traces import datasets, parts, store, summary
from rollstate.traces.parts import uniform
from rollstate.traces.schema import ACCOUNTS_SCHEMA


def test_hashes_are_uniform_and_differ_by_seed():
    at = uniform(np.arange(50_000), 3)
    assert at.min() >= 0
    assert at.max() < 1
    assert stats.kstest(at, "uniform").pvalue > 0.001
    assert abs(np.corrcoef(at, uniform(np.arange(50_000), 4))[0, 1]) < 0.02
    # SplitMix64 of a zero state is zero.
    assert uniform(np.zeros(1, int), 0)[0] == 0


@pytest.fixture(scope="module")
def whole():
    return datasets.load_trace("sample")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, whole):
    """The sample, stored in three parts."""
    at = tmp_path_factory.mktemp("traces") / "three"
    store.write_trace(whole, at, parts=3)
    return str(at)


def test_only_a_large_trace_in_parts_is_read_in_parts(folder, whole, monkeypatch, tmp_path):
    assert parts.in_parts(folder) is None
    assert_frame_equal(parts.load_window(folder).accesses, whole.accesses)
    monkeypatch.setattr(parts, "IN_MEMORY", 1_000)
    assert parts.in_parts("sample") is None
    store.write_trace(whole, tmp_path / "one", parts=1)
    assert parts.in_parts(str(tmp_path / "one")) is None
    found = parts.load_window(folder)
    assert isinstance(found, parts.Parts)
    assert found.capability == whole.capability
    assert found.accesses == whole.accesses.height
    assert_frame_equal(found.blocks, whole.blocks)
    assert sum(found.map(_rows)) == whole.accesses.height


def test_contracts_are_counted_until_they_are_enough(folder, whole, monkeypatch):
    monkeypatch.setattr(parts, "IN_MEMORY", 1)
    assert parts.in_parts(folder).count_contracts(10**6) == whole.slots["contract_id"].n_unique()
    start = whole.capability.window_start
    short = summary.restrict(whole, start, start + 20)
    assert (
        parts.in_parts(folder, start, start + 20).count_contracts(10**6)
        == short.slots["contract_id"].n_unique()
    )
    monkeypatch.setattr(store, "partitions", lambda _: iter([whole, None]))
    assert parts.in_parts(folder).count_contracts(5) >= 5


def _rows(part):
    return part.accesses.height


def test_a_short_window_of_a_large_trace_is_a_trace(folder, whole, monkeypatch):
    start, stop = whole.capability.window_start + 100, whole.capability.window_start + 180
    right = summary.restrict(whole, start, stop)
    monkeypatch.setattr(parts, "IN_MEMORY", right.accesses.height)
    found = parts.load_window(folder, start, stop)
    assert found.capability == right.capability
    for name in ("accesses", "slots", "blocks"):
        assert_frame_equal(getattr(found, name), getattr(right, name))
    assert (
        parts.load_window(folder, start, stop, keys=False).slots.columns == right.without_keys().slots.columns
    )
    monkeypatch.setattr(parts, "IN_MEMORY", right.accesses.height - 1)
    assert parts.load_window(folder, start, stop).accesses == right.accesses.height
    with pytest.raises(InputError, match="must be a non-empty part"):
        parts.load_window(folder, stop, start)


def test_a_sample_has_its_slots_whole_and_says_so(folder, whole, monkeypatch):
    monkeypatch.setattr(parts, "IN_MEMORY", 1)
    drawn = parts.in_parts(folder).sample_of_slots(whole.accesses.height // 3, seed=4)
    store.validate(drawn)
    share = (whole.accesses.height // 3) / whole.accesses.height
    kept = np.flatnonzero(uniform(np.arange(whole.slots.height), 4) < share)
    assert drawn.slots["slot"].to_list() == whole.slots["slot"].gather(kept).to_list()
    back = drawn.accesses.with_columns(
        slot_id=pl.Series(kept.astype(np.uint32)).gather(drawn.accesses["slot_id"])
    )
    assert_frame_equal(back, whole.accesses.filter(pl.col("slot_id").is_in(kept)))
    assert "accesses, by slots drawn at random" in drawn.capability.describe()
    with pytest.raises(InputError, match="draws none of the slots"):
        parts.in_parts(folder).sample_of_slots(0, seed=4)
    assert_frame_equal(parts.in_parts(folder).sample_of_slots(10**9, seed=4).accesses, whole.accesses)


@given(st.integers(1, 300), st.floats(0, 2, allow_nan=False), st.integers(1, 60), st.booleans())
def test_stretches_are_whole_apart_and_inside(blocks, share, length, together):
    at = parts.stretches(blocks, share, length, together=together)
    assert (np.diff(at) > 0).all()
    assert at[0] >= 0
    assert at[-1] < blocks
    length = min(length, blocks)
    assert len(at) % length == 0
    assert len(at) == length or abs(len(at) - share * blocks) <= length or blocks - len(at) < length
    runs = at if together else at.reshape(-1, length)
    assert (np.diff(runs) == 1).all()
    # As many blocks are left out before as after them, but for a block that cannot be parted.
    assert abs(at[0] - (blocks - 1 - at[-1])) <= 1 or not together


def test_some_blocks_have_all_their_accesses_and_say_so(folder, whole, monkeypatch):
    monkeypatch.setattr(parts, "IN_MEMORY", 1)
    window = parts.in_parts(folder)
    found = window.some_blocks(whole.accesses.height // 10, length=20)
    store.validate(found)
    seen = found.blocks.filter("observed")["block_number"]
    numbers = whole.blocks["block_number"].gather(parts.stretches(whole.blocks.height, 0.1, 20))
    assert seen.to_list() == numbers.to_list()
    right = whole.accesses.filter(pl.col("block_number").is_in(numbers.implode()))
    assert found.accesses.height == right.height
    named = ["block_number", "tx_index", "address", "slot", "is_write"]
    assert_frame_equal(
        found.accesses.join(found.slots, on="slot_id").select(named).sort(named),
        right.join(whole.slots, on="slot_id").select(named).sort(named),
    )
    assert found.slots.height == right["slot_id"].n_unique()
    stamp = found.capability
    assert f"{right.height:,} of {whole.accesses.height:,} accesses, in 180 of 1,800 blocks" in stamp.source
    assert stamp.unobserved_blocks == stamp.n_blocks - 180


def test_stretches_together_are_a_window(folder, whole, monkeypatch):
    monkeypatch.setattr(parts, "IN_MEMORY", 1)
    found = parts.in_parts(folder).some_blocks(whole.accesses.height // 10, length=20, together=True)
    stamp = found.capability
    assert (stamp.n_blocks, stamp.unobserved_blocks) == (180, 0)
    right = summary.restrict(whole, stamp.window_start, stamp.window_stop)
    assert_frame_equal(
        found.accesses.select("block_number", "is_write").sort(pl.all()),
        right.accesses.select("block_number", "is_write").sort(pl.all()),
    )
    assert_frame_equal(found.blocks, right.blocks)


def test_changes_of_accounts_go_with_their_blocks(tmp_path, monkeypatch):
    bare = busy(range(100, 120))
    paid = [(block, tx, bytes([tx]) * 20, "balance") for block in range(100, 120) for tx in range(3)]
    accounts = pl.DataFrame(paid, schema=ACCOUNTS_SCHEMA, orient="row")
    stamp = dataclasses.replace(bare.capability, account_changes=True)
    trace = dataclasses.replace(bare, accounts=accounts, capability=stamp)
    store.write_trace(trace, tmp_path / "three", parts=3)
    monkeypatch.setattr(parts, "IN_MEMORY", 1)
    window = parts.in_parts(str(tmp_path / "three"))
    assert_frame_equal(window.whole().accounts, trace.accounts)
    found = window.of_blocks(np.array([103, 104, 108]))
    assert found.capability.account_changes
    chosen = trace.accounts.filter(pl.col("block_number").is_in([103, 104, 108]))
    assert_frame_equal(found.accounts, chosen)
    store.validate(found)
