"""Summaries count what is there, and nulls are what chance does."""

import dataclasses
import functools
import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from polars.testing import assert_frame_equal
from scipy import stats
from statsmodels.tsa.stattools import acf
from tests.needs import examples
from tests.strategies import TOUCHES, make_trace

from rollstate.errors import InputError
from rollstate.traces import datasets, dependence, store, summary, working_set
from rollstate.traces.dependence import Calls
from rollstate.traces.working_set import Seen


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
    assert working_set.reuse(Seen.of(trace, [lag])).rows() == expected


@pytest.mark.real_data
def test_mainnet_reuse_is_the_reference(data_dir):
    trace = datasets.load_trace("mainnet-bal")
    counts = working_set.reuse(Seen.of(trace, (1, 5, 10, 25, 49)))
    # The reference averages the shares of blocks; the book quotes ratios of sums.
    mean = counts.group_by("lag", maintain_order=True).agg(
        (pl.col("seen") / pl.col("slots")).mean().alias("share")
    )
    assert [round(share, 3) for share in mean["share"]] == [0.110, 0.285, 0.376, 0.525, 0.669]
    shares = working_set.reuse_share(counts, seed=1)
    inside = (shares["low"] <= shares["share"]) & (shares["share"] <= shares["high"])
    assert inside.all()


@pytest.mark.parametrize(("blocks", "length"), [(23, 5), (3, 3), (1_331, 11)])
def test_runs_of_blocks_are_resampled_whole_and_the_last_one_is_cut(blocks, length):
    """Against rows that are copied; runs are as long as the cube root of a long window."""
    rng = np.random.default_rng(7)
    slots = rng.integers(1, 40, blocks)
    counts = pl.DataFrame({"lag": 1, "slots": slots, "seen": rng.integers(0, slots + 1)})
    begins = np.random.default_rng(5).integers(0, blocks - length + 1, (50, -(-blocks // length)))
    picked = (begins[:, :, None] + np.arange(length)).reshape(50, -1)[:, :blocks]
    drawn = counts["seen"].to_numpy()[picked].sum(1) / slots[picked].sum(1)
    found = working_set.reuse_share(counts, seed=5, draws=50).row(0, named=True)
    assert [found["low"], found["high"]] == pytest.approx(np.quantile(drawn, [0.025, 0.975]))


def in_three(trace):
    """Return the trace in three parts, by slot."""
    part = pl.col("slot_id") % 3
    return [
        dataclasses.replace(
            trace, accesses=trace.accesses.filter(part == n), slots=trace.slots.filter(part == n)
        )
        for n in range(3)
    ]


@given(TOUCHES, st.booleans())
def test_counts_of_parts_add_up_to_those_of_the_whole(touches, writes_only):
    trace = make_trace(touches)
    lags = (1, 4, 29)
    seen = functools.reduce(
        Seen.join, [Seen.of(one, lags, writes_only=writes_only) for one in in_three(trace)]
    )
    right = Seen.of(trace, lags, writes_only=writes_only)
    assert_frame_equal(working_set.reuse(seen), working_set.reuse(right))
    calls = functools.reduce(Calls.join, [Calls.of(one) for one in in_three(trace)])
    right = Calls.of(trace)
    assert_frame_equal(calls.slots, right.slots)
    for name in ("key", "rows"):
        assert getattr(calls.touched, name).tolist() == getattr(right.touched, name).tolist()
        assert getattr(calls.touched, name).dtype == getattr(right.touched, name).dtype
    assert_frame_equal(dependence.co_access(calls), dependence.co_access(right), check_exact=True)
    for width in (1, 7):
        for mine, whole in zip(
            dependence.activity(calls, 3, width), dependence.activity(right, 3, width), strict=True
        ):
            np.testing.assert_array_equal(mine, whole)


@given(TOUCHES)
def test_pairs_and_visits_are_those_of_a_walk_through_the_blocks(touches):
    trace = make_trace(touches)
    rows = trace.accesses.join(trace.slots.select("slot_id", "contract_id"), on="slot_id")
    met, blocks = {}, {}
    for contract, block, slot in (
        rows.select("contract_id", "block_number", "slot_id").unique().sort(pl.all()).rows()
    ):
        met[contract, block] = met.get((contract, block), 0) + 1
        blocks.setdefault(contract, {}).setdefault(slot, set()).add(block)
    calls = Calls.of(trace)
    for row in dependence.co_access(calls).iter_rows(named=True):
        own = [n for (contract, _), n in met.items() if contract == row["contract_id"]]
        assert row["active"] == len(own)
        assert row["observed"] == sum(n * (n - 1) // 2 for n in own)
        assert row["slots"] == len(blocks[row["contract_id"]])
    ids, series = dependence.activity(calls, 1, 7)
    for contract, visits in zip(ids.tolist(), series, strict=True):
        # The last two of thirty blocks fill no run of seven.
        expected = [sum(met.get((contract, 100 + 7 * run + at), 0) for at in range(7)) for run in range(4)]
        assert visits.tolist() == expected
    assert sum(series.sum(1)) == sum(n for (_, block), n in met.items() if block < 128)


def test_lag_beyond_the_window_is_refused():
    trace = make_trace([(100, 0, 1, 1, True)])
    for lag in (0, 30):
        with pytest.raises(InputError, match="lag"):
            Seen.of(trace, [lag])


def called(seed, contracts=60, blocks=400, together=False):
    """Return a trace of contracts of 6 slots that are called in some blocks; a call touches each slot by itself.

    With `together` a call touches all six or a single one instead.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for contract in range(1, contracts + 1):
        calls = np.flatnonzero(rng.random(blocks) < rng.uniform(0.05, 0.3))
        chance = rng.uniform(0.02, 0.5, 6)
        for block in calls:
            touched = np.flatnonzero(rng.random(6) < chance)
            if together:
                touched = np.arange(6) if rng.random() < 0.2 else [rng.integers(6)]
            rows += [(100 + int(block), None, contract, int(slot), True) for slot in touched]
    return make_trace(rows, stop=100 + blocks)


def test_co_access_of_slots_that_are_independent_given_the_calls_has_lift_one():
    # Calls that touch nothing are not in the trace: a rule that forgets them expects too many pairs.
    lifts = np.concatenate(
        [dependence.co_access(Calls.of(called(seed)))["lift"].to_numpy() for seed in range(5)]
    )
    assert len(lifts) > 250
    assert abs(lifts.mean() - 1) < 4 * lifts.std() / np.sqrt(len(lifts))
    assert np.median(lifts) == pytest.approx(1, abs=0.05)


def test_slots_that_calls_bundle_have_a_lift_above_one():
    table = dependence.co_access(Calls.of(called(3, together=True)))
    assert (table["lift"] > 1.3).mean() > 0.95


def test_co_access_of_a_contract_that_is_active_once_says_nothing():
    # Five slots of one contract, all in one block of thirty: over all blocks their lift would be thirty.
    once = [(105, 0, 1, slot, True) for slot in range(5)]
    assert dependence.co_access(Calls.of(make_trace(once))).is_empty()
    with pytest.raises(InputError, match="one active block"):
        dependence.co_access(Calls.of(make_trace(once)), min_active=1)


def test_co_access_does_not_depend_on_blocks_in_which_the_contract_rests():
    rows = [(100 + block, 0, 1, slot, True) for block in range(4) for slot in range(3) if block != slot]
    short, long = (dependence.co_access(Calls.of(make_trace(rows, stop=stop))) for stop in (104, 4_000))
    assert short.equals(long)
    # Each slot in 3 of 4 blocks: with x = 3q/4, q = 1 - (1 - x)^3 is x^2 - 3x + 5/3 = 0; times 3 pairs of 9/4.
    expected = (3 - np.sqrt(9 - 20 / 3)) / 2 * 4 / 3 * 3 * 9 / 4
    assert short.row(0, named=True) == {
        "contract_id": 0,
        "slots": 3,
        "active": 4,
        "observed": 6,
        "expected": pytest.approx(expected),
        "lift": pytest.approx(6 / expected),
    }


def test_autocorrelation_equals_that_of_statsmodels():
    rng = np.random.default_rng(1)
    series = rng.poisson(3, (5, 40)).astype(float)
    for row, found in zip(series, dependence.autocorrelation(series, 9), strict=True):
        assert found == pytest.approx(acf(row, nlags=9, fft=False)[1:])


def test_autocorrelation_of_a_known_series():
    series = np.array([[1.0, -1, 1, -1, 1, -1], [2, 2, 2, 2, 2, 2]])
    found = dependence.autocorrelation(series, 2)
    assert found[0] == pytest.approx([-5 / 6, 4 / 6])
    assert found[1] == pytest.approx([0, 0])
    with pytest.raises(InputError, match="max_lag"):
        dependence.autocorrelation(series, 6)


@pytest.mark.parametrize("enough", [1, 100_000])
def test_noise_is_not_called_periodic_and_a_wave_is(enough, monkeypatch):
    """With few first shuffles, as of many series, and with many."""
    monkeypatch.setattr(dependence, "ENOUGH", enough)
    rng = np.random.default_rng(4)
    noise = rng.poisson(5, (60, 100)).astype(float)
    wave = rng.poisson(5 + 4 * np.sin(np.arange(100) * 2 * np.pi / 8), (20, 100)).astype(float)
    p, by_lag = dependence.autocorrelation_test(np.r_[noise, wave], 12, seed=1)
    assert (p[:60] < 0.05).mean() < 0.1
    assert (p[60:] < 0.05).mean() > 0.9
    assert by_lag.filter(pl.col("lag") == 8)["mean"][0] > by_lag.filter(pl.col("lag") == 8)["high"][0]


def test_a_few_shuffles_already_tell_when_all_is_periodic():
    wave = 5 + 4 * np.sin(np.arange(96) * 2 * np.pi / 8)
    series = np.random.default_rng(2).poisson(wave, (50, 96)).astype(float)
    p, _ = dependence.autocorrelation_test(series, 12, seed=1, draws=100_000)
    assert (p < 0.05).all()


def test_band_holds_the_mean_of_shuffled_series():
    rng = np.random.default_rng(6)
    series = rng.gamma(0.3, 1, (40, 60))
    _, by_lag = dependence.autocorrelation_test(series, 5, seed=1, draws=100)
    means = np.array(
        [dependence.autocorrelation(rng.permuted(series, axis=1), 5).mean(0) for _ in range(2_000)]
    )
    middle, half = (
        (by_lag["low"] + by_lag["high"]).to_numpy() / 2,
        (by_lag["high"] - by_lag["low"]).to_numpy() / 2,
    )
    assert middle == pytest.approx(means.mean(0), abs=4 * means.std() / np.sqrt(2_000))
    assert half == pytest.approx(1.96 * means.std(0), rel=0.15)


@settings(max_examples=examples(60), deadline=None)
@given(
    series=arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(4, 30)), elements=st.integers(0, 3)),
    seed=st.integers(0, 99),
)
def test_compiled_shuffles_have_the_autocorrelation_of_a_shuffled_series(series, seed):
    """The compiled function is asked for each row by itself; a second generator repeats the order that it draws."""
    for row in series:
        found = dependence.shuffled_autocorrelation(np.random.default_rng(seed), row[None], 3)
        rng, place, order = np.random.default_rng(seed), np.arange(len(row)), np.zeros(len(row))
        for taken, visits in enumerate(row[row != 0]):
            other = taken + int(rng.random() * (len(row) - taken))
            place[[taken, other]] = place[[other, taken]]
            order[place[taken]] = visits
        assert sorted(order) == sorted(row)
        assert found == pytest.approx(dependence.autocorrelation(order[None], 3), abs=1e-12)


def test_every_order_of_a_series_is_as_likely():
    """Two equal values and one other among four blocks have twelve orders."""
    rng, row = np.random.default_rng(3), np.array([[1.0, 0, 1, 2]])
    drawn = [dependence.shuffled_autocorrelation(rng, row, 3)[0] for _ in range(6_000)]
    orders = [np.array([order], float) for order in set(itertools.permutations([1.0, 0, 1, 2]))]
    expected = np.mean([dependence.autocorrelation(order, 3)[0] for order in orders], axis=0)
    spread = np.std([dependence.autocorrelation(order, 3)[0] for order in orders], axis=0)
    assert np.mean(drawn, axis=0) == pytest.approx(expected, abs=4 * spread.max() / np.sqrt(6_000))
    kinds, counts = np.unique(np.round(drawn, 9), axis=0, return_counts=True)
    of_kind = np.unique(
        np.round([dependence.autocorrelation(o, 3)[0] for o in orders], 9), axis=0, return_counts=True
    )
    np.testing.assert_allclose(kinds, of_kind[0], atol=1e-9)
    assert stats.chisquare(counts, 6_000 * of_kind[1] / 12).pvalue > 1e-3


def test_nothing_to_test_is_no_error():
    p, by_lag = dependence.autocorrelation_test(np.ones((1, 20)), 3, seed=1, draws=50)
    assert p.tolist() == [1.0]
    assert by_lag["mean"].to_list() == [0, 0, 0]


def test_activity_has_a_row_per_busy_contract():
    trace = make_trace([(100, 0, 1, s, True) for s in range(4)] + [(101, 0, 2, 0, True)])
    ids, series = dependence.activity(Calls.of(trace), min_visits=2)
    assert ids.tolist() == [0]
    assert series.sum() == 4
    assert series.shape == (1, 30)
    _, runs = dependence.activity(Calls.of(trace), min_visits=2, width=7)
    assert runs.tolist() == [[4, 0, 0, 0]]
    trace = make_trace([(100 + block, 0, 1, 0, True) for block in range(30)])
    assert dependence.activity(Calls.of(trace), min_visits=2, width=7)[1].tolist() == [[7, 7, 7, 7]]
