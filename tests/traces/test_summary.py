"""Summaries count what is there, and nulls are what chance does."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import TOUCHES, make_trace

from rollstate.errors import InputError
from rollstate.traces import datasets, dependence, store, summary, synthetic, working_set


@given(TOUCHES)
def test_counts_by_block_add_up_to_the_visits(touches):
    trace = make_trace(touches)
    counts = summary.by_block(trace)
    assert counts.height == trace.capability.n_blocks
    total = trace.accesses.select("slot_id", "block_number").unique().height
    assert (counts["written"] + counts["read"]).sum() == total == summary.visits(trace)["visits"].sum()
    assert counts["writes"].sum() == trace.accesses["is_write"].sum()


@given(TOUCHES, st.integers(100, 129), st.integers(1, 30))
def test_restricted_trace_holds_the_touches_of_its_window(touches, start, length):
    trace = make_trace(touches)
    stop = min(start + length, 130)
    part = summary.restrict(trace, start, stop)
    store.validate(part)
    inside = trace.accesses.filter(pl.col("block_number").is_between(start, stop - 1))
    assert part.accesses.height == inside.height
    assert (part.capability.window_start, part.capability.window_stop) == (start, stop)
    assert summary.restrict(trace) is trace
    with pytest.raises(InputError, match="window"):
        summary.restrict(trace, 90, 110)


def test_quality_finds_what_is_missing():
    trace = make_trace([(100, None, 1, 1, True), (101, 2, 1, 1, False)], [(1, 1, None)])
    found = dict(summary.quality(trace).select("check", "found").rows())
    assert found == {
        "blocks without any touch": 28,
        "blocks without a timestamp": 30,
        "slots of unknown age": 1,
        "writes without a transaction": 1,
        "reads without a transaction": 0,
    }


@given(TOUCHES, st.integers(1, 29))
def test_reuse_is_that_of_a_walk_block_by_block(touches, lag):
    trace = make_trace(touches)
    by_block = {}
    for block, slot in trace.accesses.select("block_number", "slot_id").unique().rows():
        by_block.setdefault(block, set()).add(slot)
    expected = []
    for block in sorted(by_block):
        if block >= 100 + lag:
            before = set().union(*(by_block.get(b, set()) for b in range(block - lag, block)))
            expected.append((lag, block, len(by_block[block]), len(by_block[block] & before)))
    assert working_set.reuse(trace, [lag]).rows() == expected


@pytest.mark.real_data
def test_mainnet_reuse_is_the_reference(data_dir):
    trace = datasets.load_trace("mainnet-bal")
    counts = working_set.reuse(trace, (1, 5, 10, 25, 49))
    # The reference averages the shares of blocks; the book quotes ratios of sums.
    mean = counts.group_by("lag", maintain_order=True).agg(
        (pl.col("seen") / pl.col("slots")).mean().alias("share")
    )
    assert [round(share, 3) for share in mean["share"]] == [0.110, 0.285, 0.376, 0.525, 0.669]
    shares = working_set.reuse_share(counts, seed=1)
    inside = (shares["low"] <= shares["share"]) & (shares["share"] <= shares["high"])
    assert inside.all()


def test_lag_beyond_the_window_is_refused():
    trace = make_trace([(100, 0, 1, 1, True)])
    for lag in (0, 30):
        with pytest.raises(InputError, match="lag"):
            working_set.reuse(trace, [lag])


def independent(seed, slots=30, blocks=200):
    """Return a trace whose slots are touched in independent random blocks."""
    rng = np.random.default_rng(seed)
    rows = []
    for slot in range(slots):
        touched = rng.choice(blocks, rng.integers(5, 60), replace=False)
        rows += [(100 + int(block), None, 1 + slot % 5, slot, True) for block in touched]
    return make_trace(rows, stop=100 + blocks)


def test_co_access_under_independence_is_what_the_null_says():
    tables = [dependence.co_access(independent(seed), seed=seed, draws=200) for seed in range(40)]
    p = np.concatenate([table["p_value"].to_numpy() for table in tables])
    # 200 p-values: the share below 5 %, and the mean, within four standard errors of a uniform's.
    assert abs((p < 0.05).mean() - 0.05) < 4 * np.sqrt(0.05 * 0.95 / len(p))
    assert abs(p.mean() - 0.5) < 4 / np.sqrt(12 * len(p))
    observed, expected = (sum(table[name].sum() for table in tables) for name in ("observed", "expected"))
    assert observed == pytest.approx(expected, rel=0.03)


def test_wide_traces_are_counted_by_sorting_with_the_same_result(monkeypatch):
    trace = independent(1)
    table = dependence.co_access(trace, seed=1, draws=20)
    monkeypatch.setattr(dependence, "DENSE_CELLS", 0)
    assert dependence.co_access(trace, seed=1, draws=20).equals(table)


def test_one_chance_meeting_is_no_evidence():
    # Two slots touched once each, in the same of 30 blocks: probability 1/30, whatever a normal tail would say.
    table = dependence.co_access(make_trace([(105, 0, 1, 1, True), (105, 0, 1, 2, True)]), seed=1)
    assert table["expected"][0] == pytest.approx(1 / 30)
    assert table["p_value"][0] == pytest.approx(1 / 30, abs=0.02)


def test_bundles_are_found_as_co_access():
    bundled = synthetic.SyntheticParameters(seed=2, contracts=20, bundled_share=1.0, base_rate=2e-3)
    table = dependence.co_access(synthetic.generate(bundled)[0], seed=1, draws=200).filter(
        pl.col("slots") > 5
    )
    assert (table["p_adjusted"] < 0.05).mean() > 0.9
    assert table["lift"].median() > 2


def test_autocorrelation_of_a_known_series():
    series = np.array([[1.0, -1, 1, -1, 1, -1], [2, 2, 2, 2, 2, 2]])
    found = dependence.autocorrelation(series, 2)
    assert found[0] == pytest.approx([-5 / 6, 4 / 6])
    assert found[1] == pytest.approx([0, 0])
    with pytest.raises(InputError, match="max_lag"):
        dependence.autocorrelation(series, 6)


def test_noise_is_not_called_periodic_and_a_wave_is():
    rng = np.random.default_rng(4)
    noise = rng.poisson(5, (60, 100)).astype(float)
    wave = rng.poisson(5 + 4 * np.sin(np.arange(100) * 2 * np.pi / 8), (20, 100)).astype(float)
    p, by_lag = dependence.autocorrelation_test(np.r_[noise, wave], 12, seed=1)
    assert (p[:60] < 0.05).mean() < 0.1
    assert (p[60:] < 0.05).mean() > 0.9
    assert by_lag.filter(pl.col("lag") == 8)["mean"][0] > by_lag.filter(pl.col("lag") == 8)["high"][0]


def test_activity_has_a_row_per_busy_contract():
    trace = make_trace([(100, 0, 1, s, True) for s in range(4)] + [(101, 0, 2, 0, True)])
    ids, series = dependence.activity(trace, min_visits=2)
    assert ids.tolist() == [0]
    assert series.sum() == 4
    assert series.shape == (1, 30)
    _, runs = dependence.activity(trace, min_visits=2, width=7)
    assert runs.tolist() == [[4, 0, 0, 0]]
    trace = make_trace([(100 + block, 0, 1, 0, True) for block in range(30)])
    assert dependence.activity(trace, min_visits=2, width=7)[1].tolist() == [[7, 7, 7, 7]]
