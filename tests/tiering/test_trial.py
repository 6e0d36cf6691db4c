"""Trials use what was known, and compare what they say they compare."""

import numpy as np
import polars as pl
import pytest

from rollstate import intervals
from rollstate.errors import InputError
from rollstate.tiering import trial
from rollstate.tiering import windows as w
from rollstate.tiering.costs import two_tiers
from rollstate.tiering.replay import replay
from rollstate.traces import datasets

BORDER = 2_000
PENALTIES = (3.0, 100.0, 3_000.0)


@pytest.fixture(scope="module")
def spells():
    return intervals.build(datasets.load_trace("sample"))


@pytest.fixture(scope="module")
def tried(spells):
    return trial.prepare(spells, BORDER, seed=1)


def test_an_altered_future_changes_no_window(spells, tried):
    """Of spells that begin alike, whatever happens after the border."""
    altered = spells.with_columns(
        event=pl.when(pl.col("start") + pl.col("duration") > BORDER)
        .then(~pl.col("event"))
        .otherwise(pl.col("event")),
        duration=pl.when(pl.col("start") + pl.col("duration") > BORDER)
        .then(pl.col("duration") + 11)
        .otherwise(pl.col("duration")),
    )
    other = trial.prepare(altered, BORDER, seed=1)
    keys = ["slot_id", "start"]
    assert tried.future.select(keys).equals(other.future.select(keys))
    assert not tried.future["event"].equals(other.future["event"])
    for penalty in PENALTIES:
        costs = two_tiers(penalty)
        before, after = trial.policies(tried, 1), trial.policies(other, 1)
        assert before.keys() == after.keys()
        for name in before:
            assert np.array_equal(before[name](costs), after[name](costs)), name


def test_the_earlier_trial_lies_within_the_known_blocks(tried):
    earlier = tried.earlier
    assert earlier.border < tried.border
    assert (earlier.future["start"] + earlier.future["duration"]).max() <= tried.border


def test_judging_is_replaying_each_policy(tried):
    cluster = {"contract": tried.future["contract_id"].to_numpy()}
    table = trial.judge(tried, PENALTIES, cluster, draws=20, seed=1)
    assert set(table["miss"]) == set(PENALTIES)
    costs = two_tiers(100.0)
    row = table.row(by_predicate=(pl.col("miss") == 100) & (pl.col("policy") == trial.OURS), named=True)
    ours = replay(tried.test, w.exact(tried.curves[trial.COX], tried.grid, costs), costs).cost.sum()
    bar = replay(tried.test, w.tuned(tried.train, costs)[0], costs).cost.sum()
    assert row["total"] == pytest.approx(ours)
    assert row["ratio"] == pytest.approx(ours / bar)
    assert row["factor"] >= 1
    assert row["differs"]
    tuned = table.filter(pl.col("policy") == trial.TUNED)
    assert not tuned["differs"].any()


def test_the_chosen_policy_was_the_cheapest_before(tried):
    costs = two_tiers(100.0)
    before = trial.policies(tried.earlier, 1)
    paid = {
        name: replay(tried.earlier.test, policy(costs), costs).cost.sum() for name, policy in before.items()
    }
    cheapest = min(paid, key=paid.get)
    now = trial.policies(tried, 1)
    assert np.array_equal(now[trial.CHOSEN](costs), now[cheapest](costs))


def test_conformal_bounds_hold_for_their_share_of_later_spells(tried):
    whole = tried.test.entry == 0
    kept = ~tried.test.event | (tried.test.duration >= tried.bound)
    assert kept[whole].mean() > 0.88
    assert np.median(tried.bound) > 1


def test_windows_by_bounds_wait_no_longer_than_a_miss_is_worth():
    assert w.conformal(np.array([5.0, 20.0, 50.0]), two_tiers(20.0)).tolist() == [20, 0, 0]


@pytest.mark.parametrize("border", [0, 10**9])
def test_a_border_outside_the_trace_is_named(spells, border):
    with pytest.raises(InputError, match=f"border {border}"):
        trial.prepare(spells, border, seed=1)
