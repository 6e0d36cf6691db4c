"""Coverage counts what the window holds and says how sure it is."""

import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollstate import coverage
from rollstate.bootstrap import cluster_samples
from rollstate.errors import InputError
from rollstate.traces import block_access_list, summary
from tests.needs import examples
from tests.strategies import TOUCHES, make_trace

TINY = [(100, 0, 1, 1, True), (100, 1, 1, 1, True), (101, None, 1, 1, False), (101, 0, 2, 0, True)]


def test_an_event_is_a_slot_in_a_block_and_is_written_if_any_touch_writes():
    rows = coverage.events(make_trace([*TINY, (101, 2, 2, 0, False)]))
    assert rows.select("block_number", "contract_id", "written", "writes").rows() == [
        (100, 0, True, 2),
        (101, 0, False, 0),
        (101, 1, True, 1),
    ]


def test_a_window_without_accesses_is_refused():
    with pytest.raises(InputError, match=r"\[110, 120\) hold no access"):
        coverage.per_slot(summary.restrict(make_trace(TINY), 110, 120))


@given(TOUCHES)
@settings(max_examples=examples(40))
def test_events_per_slot_add_up(touches):
    trace = make_trace(touches)
    rows, slots = coverage.events(trace), coverage.per_slot(trace)
    assert rows.height == slots["blocks"].sum()
    assert rows["written"].sum() == slots["written"].sum()
    assert rows["writes"].sum() == trace.accesses["is_write"].sum()


@pytest.mark.real_data
def test_published_counts_follow_from_the_event_rule(data_dir):
    trace = block_access_list.read_folder(data_dir / "mainnet-bal")
    rows, slots = coverage.events(trace), coverage.per_slot(trace)
    assert (rows["written"].sum(), (~rows["written"]).sum(), rows["writes"].sum()) == (22243, 37936, 25303)
    assert rows.height == 60179
    assert slots.height == 33645
    assert round((slots["blocks"] == 1).mean(), 3) == 0.731


@given(st.lists(st.integers(1, 50), min_size=1, max_size=40), st.integers(1, 9))
def test_concentration_does_not_depend_on_scale_order_or_copies(counts, factor):
    def value(of):
        return coverage.gini(*coverage.concentration_curve(np.array(of)))

    def mean_difference(of):
        return np.abs(np.subtract.outer(of, of)).mean() / (2 * np.mean(of))

    base = value(counts)
    assert base == pytest.approx(mean_difference(counts), abs=1e-12)
    assert value([factor * c for c in counts]) == pytest.approx(base, abs=1e-12)
    assert value(counts[::-1]) == pytest.approx(base, abs=1e-12)
    assert value(np.repeat(counts, factor)) == pytest.approx(base, abs=1e-12)


def test_equal_units_have_no_concentration_and_the_curve_is_the_diagonal():
    units, share = coverage.concentration_curve(np.full(10, 7))
    np.testing.assert_allclose(units, share, atol=1e-12)
    assert coverage.gini(units, share) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.thorough
def test_intervals_that_resample_whole_contracts_cover_the_truth_and_others_do_not():
    # Every slot of a contract is as busy as the contract; exponential activity has a Gini coefficient of 1/2.
    rng = np.random.default_rng(5)
    contracts = np.repeat(np.arange(150), 8)
    runs = 120
    covered = {"contract": 0, "slot": 0}
    for run in range(runs):
        counts = rng.exponential(size=150)[contracts]
        for name, clusters in (("contract", contracts), ("slot", np.arange(len(contracts)))):
            gini = coverage.concentration(counts, clusters, (0.1,), replicates=120, seed=run).row(
                -1, named=True
            )
            covered[name] += gini["low"] <= 0.5 <= gini["high"]
    # Binomial spread at 120 runs is 0.02; the percentile bootstrap itself falls a little short of 95 %.
    assert covered["contract"] / runs >= 0.87
    assert covered["slot"] / runs <= 0.65


def test_write_share_is_the_ratio_of_sums_in_each_class():
    touches = [(100, 0, 1, 0, True)]
    touches += [(block, 0, 1, 1, block == 100) for block in (100, 101)]
    touches += [(block, 0, 2, 2, block < 103) for block in (100, 101, 102, 103, 104)]
    table = coverage.write_share(coverage.per_slot(make_trace(touches)), replicates=50, seed=1)
    assert table.select("fewest", "most", "slots", "events", "share").rows() == [
        (1, 1, 1, 1, 1.0),
        (2, 2, 1, 2, 0.5),
        (5, 5, 1, 5, 0.6),
    ]
    assert ((table["low"] <= table["share"]) & (table["share"] <= table["high"])).all()
    two = coverage.write_share(coverage.per_slot(make_trace(touches)), bounds=(1,), replicates=50, seed=1)
    assert two.select("fewest", "most", "slots", "events", "share").rows() == [
        (1, 1, 1, 1, 1.0),
        (2, 5, 2, 7, pytest.approx(4 / 7)),
    ]


@given(TOUCHES.map(lambda rows: [(100 + row[0] % 5, *row[1:]) for row in rows]))
@settings(max_examples=examples(25))
def test_expected_discovery_is_the_mean_over_all_orders_of_the_blocks(touches):
    trace = make_trace(touches, stop=105)
    sets = [
        set(trace.accesses.filter(pl.col("block_number") == block)["slot_id"]) for block in range(100, 105)
    ]
    for m, mean in enumerate(coverage.discovery(trace, orders=2, seed=0)["mean"], start=1):
        sizes = [len(set().union(*chosen)) for chosen in itertools.combinations(sets, m)]
        assert mean == pytest.approx(np.mean(sizes))


def test_discovery_as_observed_counts_distinct_slots_block_by_block():
    table = coverage.discovery(make_trace(TINY, stop=103), orders=20, seed=0)
    assert table["seen"].to_list() == [1, 2, 2]
    assert table["mean"][-1] == 2
    assert (table["low"] <= table["high"]).all()


def test_a_long_window_shows_some_of_the_points_of_the_whole_curve(monkeypatch):
    rng = np.random.default_rng(3)
    touches = [(100 + int(b), None, 1, int(s), False) for b, s in rng.integers(0, (400, 90), (600, 2))]
    trace = make_trace(touches, stop=500)
    whole = coverage.discovery(trace, orders=9, seed=2)
    monkeypatch.setattr(coverage, "POINTS", 12)
    some = coverage.discovery(trace, orders=9, seed=2)
    assert 12 <= some.height <= 14
    assert {1, 200, 320, 400} <= set(some["blocks"])
    assert some.equals(whole.join(some.select("blocks"), on="blocks", how="semi"))


def test_blocks_in_groups_come_in_as_random_an_order_as_one_by_one(monkeypatch):
    rng = np.random.default_rng(5)
    block, slot = rng.integers(0, 900, 2_000), rng.zipf(1.5, 2_000) % 300
    touches = [(100 + int(b) // 2 * 2, None, 1, int(s), False) for b, s in zip(block, slot, strict=True)]
    trace = make_trace(touches, stop=1_000)
    ordered = coverage.discovery(trace, orders=600, seed=2)
    monkeypatch.setattr(coverage, "ORDERED", 0)
    grouped = coverage.discovery(trace, orders=600, seed=3)
    assert grouped.select("blocks", "seen", "mean").equals(ordered.select("blocks", "seen", "mean"))
    for end in ("low", "high"):
        differs = np.abs((grouped[end] - ordered[end]).to_numpy())
        assert differs.max() < 8, end
        assert differs.mean() < 1.5, end
    assert ((grouped["low"] <= grouped["mean"] + 1) & (grouped["mean"] <= grouped["high"] + 1)).all()


def test_intervals_from_sums_are_those_of_the_copied_units():
    rng = np.random.default_rng(4)
    counts, clusters = rng.geometric(0.3, 200), rng.integers(0, 25, 200)
    found = coverage.concentration(counts, clusters, (0.01, 0.1), replicates=50, seed=7)
    drawn = []
    for rows in cluster_samples(clusters, 50, 7):
        curve = coverage.concentration_curve(counts[rows])
        drawn.append([*np.interp((0.01, 0.1), *curve), coverage.gini(*curve)])
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    assert found["low"].to_numpy() == pytest.approx(low)
    assert found["high"].to_numpy() == pytest.approx(high)
    curve = coverage.concentration_curve(counts)
    assert found["value"][-1] == pytest.approx(coverage.gini(*curve))


def test_unseen_share_predicts_the_next_block_where_blocks_are_exchangeable():
    # Slots drawn from a Zipf law: what a fresh block finds new is known by simulation of the same law.
    rng = np.random.default_rng(11)
    weights = 1.0 / np.arange(1, 3001)
    weights /= weights.sum()
    blocks = [np.unique(rng.choice(3000, 60, p=weights)) for _ in range(330)]
    touches = [(100 + i, None, 1, int(slot), False) for i, block in enumerate(blocks[:30]) for slot in block]
    value, low, high = coverage.unseen_share(make_trace(touches), replicates=300, seed=1)
    known = set(np.concatenate(blocks[:30]).tolist())
    fresh = np.concatenate(blocks[30:])
    actual = np.mean([slot not in known for slot in fresh.tolist()])
    assert low <= value <= high
    assert actual == pytest.approx(value, abs=0.03)
