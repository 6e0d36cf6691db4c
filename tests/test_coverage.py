"""Coverage counts what the window holds and says how sure it is."""

import dataclasses
import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollstate import coverage
from rollstate.bootstrap import cluster_samples
from rollstate.coverage import Counts, orders
from rollstate.errors import InputError
from rollstate.traces import block_access_list, datasets, store, summary
from tests.needs import examples
from tests.strategies import TOUCHES, make_trace

TINY = [(100, 0, 1, 1, True), (100, 1, 1, 1, True), (101, None, 1, 1, False), (101, 0, 2, 0, True)]


def counts(touches, slots=None, *, orders=5, seed=0, **window):
    """Count a trace that has the given touches."""
    return coverage.count([Counts.of(make_trace(touches, slots, **window), orders=orders, seed=seed)])


def test_an_event_is_a_slot_in_a_block_and_is_written_if_any_touch_writes():
    rows = coverage.events(make_trace([*TINY, (101, 2, 2, 0, False)]))
    assert rows.select("block_number", "contract_id", "written", "writes").rows() == [
        (100, 0, True, 2),
        (101, 0, False, 0),
        (101, 1, True, 1),
    ]


def test_a_window_without_accesses_is_refused():
    with pytest.raises(InputError, match=r"\[110, 120\) hold no access"):
        coverage.events(summary.restrict(make_trace(TINY), 110, 120))
    with pytest.raises(InputError, match=r"\[110, 120\) hold no access"):
        coverage.count([Counts.of(summary.restrict(make_trace(TINY), 110, 120), orders=1, seed=0)])


@given(TOUCHES)
@settings(max_examples=examples(40))
def test_events_per_slot_add_up(touches):
    trace = make_trace(touches)
    rows = coverage.events(trace)
    slots = coverage.per_slot(rows)
    assert rows.height == slots["blocks"].sum()
    assert rows["written"].sum() == slots["written"].sum()
    assert rows["writes"].sum() == trace.accesses["is_write"].sum()


@given(TOUCHES)
@settings(max_examples=examples(40))
def test_counts_by_block_add_up_to_the_visits(touches):
    trace, found = make_trace(touches), counts(touches)
    visits = trace.accesses.select("slot_id", "block_number").unique()
    assert found.by_block.height == trace.capability.n_blocks
    assert (found.by_block["written"] + found.by_block["read"]).sum() == visits.height
    assert found.by_block["writes"].sum() == trace.accesses["is_write"].sum()
    pairs = visits.join(trace.slots, on="slot_id").select("contract_id", "block_number").unique()
    assert dict(pairs.group_by("block_number").len().rows()) == dict(
        found.by_block.filter(pl.col("contracts") > 0).select("block_number", "contracts").rows()
    )
    assert found.alone.sum() == found.slots.filter(pl.col("blocks") == 1)["slots"].sum()
    assert found.contracts["blocks"].sum() == visits.height


def test_counts_say_what_is_missing():
    found = counts([(100, None, 1, 1, True), (101, 2, 1, 1, False)], [(1, 1, None)]).quality()
    assert found.select("check", "found", "of").rows() == [
        ("blocks without any touch", 28, 30),
        ("blocks without a timestamp", 30, 30),
        ("slots of unknown age", 1, 1),
        ("writes without a transaction", 1, 1),
        ("reads without a transaction", 0, 1),
    ]


def same(one, other):
    """Compare counts, field by field."""
    frames, arrays = ("blocks", "slots", "missing"), ("written", "read", "writes", "alone", "pairs")
    for name in frames:
        assert getattr(one, name).equals(getattr(other, name)), name
    for name in arrays:
        assert (getattr(one, name) == getattr(other, name)).all(), name
    assert one.stamp == other.stamp
    for a, b in zip(one.first_seen, other.first_seen, strict=True):
        assert (a.until == b.until).all()
        assert (a.slots == b.slots).all()


@given(TOUCHES, st.integers(2, 6), st.integers(0, 28), st.integers(1, 30))
@settings(max_examples=examples(40), deadline=None)
def test_parts_of_a_window_add_up_to_the_whole(tmp_path_factory, touches, parts, start, length):
    folder = tmp_path_factory.mktemp("traces") / "trace"
    trace = make_trace(touches, [(1, 9, 95), (1, 8, None), (2, 0, None), (3, 1, 110)])
    store.write_trace(trace, folder, parts=parts)
    window = (100 + start, min(100 + start + length, 130))
    whole = Counts.of(summary.restrict(trace, *window), orders=4, seed=3)

    def of_part(part):
        return Counts.of(part, orders=4, seed=3)

    # The window's own slots and contracts are numbered anew, in the same order; parts keep the numbers of the whole.
    found = list(datasets.over_parts(of_part, str(folder), *window))
    assert len(found) == parts
    if whole.slots.is_empty():
        with pytest.raises(InputError, match="hold no access"):
            coverage.count(found)
        return
    added = coverage.count(found)
    used = summary.narrowed(trace, *window).slots["contract_id"].unique().sort()
    own = whole.slots.with_columns(contract_id=used.gather(whole.slots["contract_id"]))
    block, contract = np.divmod(whole.pairs, coverage.counts.CONTRACTS)
    pairs = block * coverage.counts.CONTRACTS + used.to_numpy()[contract]
    same(added, dataclasses.replace(whole, slots=own, pairs=pairs))


def test_an_access_outside_of_the_window_is_refused():
    trace = make_trace(TINY)
    stamp = dataclasses.replace(trace.capability, window_start=101)
    cut = dataclasses.replace(trace, capability=stamp, blocks=trace.blocks.tail(29))
    with pytest.raises(
        InputError, match=r"an access lies in block 100, outside of the stamp's window \[101, 130\)"
    ):
        Counts.of(cut, orders=1, seed=0)


@pytest.mark.real_data
def test_published_counts_follow_from_the_event_rule(data_dir):
    trace = block_access_list.read_folder(data_dir / "mainnet-bal")
    rows = coverage.events(trace)
    slots = coverage.per_slot(rows)
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
    table = coverage.write_share(counts(touches).slots, replicates=50, seed=1)
    assert table.select("fewest", "most", "slots", "events", "share").rows() == [
        (1, 1, 1, 1, 1.0),
        (2, 2, 1, 2, 0.5),
        (5, 5, 1, 5, 0.6),
    ]
    assert ((table["low"] <= table["share"]) & (table["share"] <= table["high"])).all()
    two = coverage.write_share(counts(touches).slots, bounds=(1,), replicates=50, seed=1)
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
    for m, mean in enumerate(coverage.discovery(counts(touches, stop=105))["mean"], start=1):
        sizes = [len(set().union(*chosen)) for chosen in itertools.combinations(sets, m)]
        assert mean == pytest.approx(np.mean(sizes))


def test_discovery_as_observed_counts_distinct_slots_block_by_block():
    table = coverage.discovery(counts(TINY, stop=103, orders=20))
    assert table["seen"].to_list() == [1, 2, 2]
    assert table["mean"][-1] == 2
    assert (table["low"] <= table["high"]).all()


def test_a_long_window_shows_some_of_the_points_of_the_whole_curve(monkeypatch):
    rng = np.random.default_rng(3)
    touches = [(100 + int(b), None, 1, int(s), False) for b, s in rng.integers(0, (400, 90), (600, 2))]
    whole = coverage.discovery(counts(touches, stop=500, orders=9, seed=2))
    monkeypatch.setattr(orders, "POINTS", 12)
    some = coverage.discovery(counts(touches, stop=500, orders=9, seed=2))
    assert 12 <= some.height <= 14
    assert {1, 200, 320, 400} <= set(some["blocks"])
    assert some.equals(whole.join(some.select("blocks"), on="blocks", how="semi"))


def test_blocks_in_groups_come_in_as_random_an_order_as_one_by_one(monkeypatch):
    rng = np.random.default_rng(5)
    block, slot = rng.integers(0, 900, 2_000), rng.zipf(1.5, 2_000) % 300
    touches = [(100 + int(b) // 2 * 2, None, 1, int(s), False) for b, s in zip(block, slot, strict=True)]
    ordered = coverage.discovery(counts(touches, stop=1_000, orders=600, seed=2))
    monkeypatch.setattr(orders, "ORDERED", 0)
    grouped = coverage.discovery(counts(touches, stop=1_000, orders=600, seed=3))
    assert grouped.select("blocks", "seen", "mean").equals(ordered.select("blocks", "seen", "mean"))
    for end in ("low", "high"):
        differs = np.abs((grouped[end] - ordered[end]).to_numpy())
        assert differs.max() < 8, end
        assert differs.mean() < 1.5, end
    assert ((grouped["low"] <= grouped["mean"] + 1) & (grouped["mean"] <= grouped["high"] + 1)).all()


def test_intervals_from_sums_are_those_of_the_copied_units():
    rng = np.random.default_rng(4)
    sizes, clusters = rng.geometric(0.3, 200), rng.integers(0, 25, 200)
    found = coverage.concentration(sizes, clusters, (0.01, 0.1), replicates=50, seed=7)
    drawn = []
    for rows in cluster_samples(clusters, 50, 7):
        curve = coverage.concentration_curve(sizes[rows])
        drawn.append([*np.interp((0.01, 0.1), *curve), coverage.gini(*curve)])
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    assert found["low"].to_numpy() == pytest.approx(low)
    assert found["high"].to_numpy() == pytest.approx(high)
    curve = coverage.concentration_curve(sizes)
    assert found["value"][-1] == pytest.approx(coverage.gini(*curve))


def test_unseen_share_predicts_the_next_block_where_blocks_are_exchangeable():
    # Slots drawn from a Zipf law: what a fresh block finds new is known by simulation of the same law.
    rng = np.random.default_rng(11)
    weights = 1.0 / np.arange(1, 3001)
    weights /= weights.sum()
    blocks = [np.unique(rng.choice(3000, 60, p=weights)) for _ in range(330)]
    touches = [(100 + i, None, 1, int(slot), False) for i, block in enumerate(blocks[:30]) for slot in block]
    value, low, high = coverage.unseen_share(counts(touches), replicates=300, seed=1)
    known = set(np.concatenate(blocks[:30]).tolist())
    fresh = np.concatenate(blocks[30:])
    actual = np.mean([slot not in known for slot in fresh.tolist()])
    assert low <= value <= high
    assert actual == pytest.approx(value, abs=0.03)


def test_blocks_that_are_alike_are_resampled_as_if_one_by_one():
    rng = np.random.default_rng(2)
    touches = [
        (int(b), None, 1, int(s), False)
        for b, s in zip(rng.integers(100, 160, 500), rng.zipf(1.4, 500) % 400, strict=True)
    ]
    found = counts(touches, stop=160)
    events = found.written + found.read
    alone, events = found.alone[events > 0], events[events > 0]
    picked = np.random.default_rng(8).integers(0, len(events), (4_000, len(events)))
    ratios = alone[picked].sum(axis=1) / events[picked].sum(axis=1)
    value, *interval = coverage.unseen_share(found, replicates=4_000, seed=1)
    assert value == pytest.approx(alone.sum() / events.sum())
    # 4,000 replicates know an end of the interval to about a thirtieth of its width.
    assert interval == pytest.approx(np.quantile(ratios, [0.025, 0.975]), abs=0.08 * np.ptp(interval))
