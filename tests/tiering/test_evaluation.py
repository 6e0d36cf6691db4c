"""Totals, intervals and sweeps say what the replay says."""

import functools

import numpy as np
import polars as pl
import pytest

from rollstate.bootstrap import resampling
from rollstate.errors import InputError
from rollstate.tiering import costs as c
from rollstate.tiering import evaluation as ev
from rollstate.tiering import replay as r
from rollstate.tiering import windows as w


def sample(seed, n=4_000):
    rng = np.random.default_rng(seed)
    gap = np.ceil(rng.pareto(0.8, n) * 5)
    end = rng.integers(50, 400, n)
    return r.Gaps(np.zeros(n), np.maximum(np.minimum(gap, end), 1).astype(float), gap <= end), rng.integers(
        0, 80, n
    )


def always(costs):
    return 0.0


def tuned_on(costs, train):
    return w.tuned(train, costs)[0]


def test_totals_are_sums_and_differences_are_paired():
    seen, cluster = sample(1)
    costs = c.two_tiers(40.0)
    paid = {"a": r.replay(seen, 10.0, costs).cost, "b": r.replay(seen, 40.0, costs).cost}
    paid["c"] = paid["a"] * 0.9
    table = ev.totals(paid, resampling(cluster, 300, 1), references=["a"])
    found = {row["policy"]: row for row in table.iter_rows(named=True)}
    assert found["a"]["total"] == pytest.approx(paid["a"].sum())
    assert found["c"]["ratio_low"] == pytest.approx(0.9)
    assert found["c"]["ratio_high"] == pytest.approx(0.9)
    assert found["c"]["verdict"] == "cheaper"
    assert found["a"]["ratio"] == 1
    assert found["a"]["verdict"] == "no difference"
    with pytest.raises(InputError, match="not among"):
        ev.totals(paid, resampling(cluster, 10, 1), references=["d"])


def test_the_cheapest_reference_is_looked_up_in_every_sample():
    """Two references that are cheap on different clusters: the ratio is to the cheaper one, sample by sample."""
    cluster = np.repeat([0, 1], 50)
    paid = {"left": 1.0 + 9 * (cluster == 1), "right": 1.0 + 8 * (cluster == 0), "own": np.full(100, 2.0)}
    samples = resampling(cluster, 200, 1)
    row = ev.totals(paid, samples, references=["left", "right"]).row(2, named=True)
    assert row["ratio"] == pytest.approx(200 / 500)
    # A sample of one cluster alone has a reference that costs 100.
    assert row["ratio_high"] == pytest.approx(2.0)


def test_the_interval_of_a_ratio_covers_the_truth():
    """Policies that cost the same in expectation: the interval of the ratio excludes one as rarely as it says."""
    rng, outside = np.random.default_rng(2), 0
    for seed in range(200):
        cluster = np.repeat(np.arange(50), 10)
        shared = rng.gamma(1, 1, 50)[cluster]
        paid = {"a": shared * rng.gamma(2, 1, 500), "b": shared * rng.gamma(2, 1, 500)}
        row = ev.totals(paid, resampling(cluster, 200, seed), references=["a"]).row(1, named=True)
        outside += row["verdict"] != "no difference"
    assert outside / 200 < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 200)


def test_a_sweep_is_the_replay_at_each_point():
    seen, _ = sample(3)
    train, _ = sample(4)
    policies = {"always": always, "tuned": functools.partial(tuned_on, train=train), "ski": w.ski_rental}
    table = ev.sweep(seen, policies, [1.0, 30.0, 900.0])
    assert len(table) == 12
    for row in table.iter_rows(named=True):
        costs = c.two_tiers(row["miss"])
        if row["policy"] == "clairvoyant":
            assert row["total"] == pytest.approx(r.clairvoyant(seen, costs).sum())
            continue
        wanted = r.replay(seen, policies[row["policy"]](costs), costs)
        assert row["total"] == pytest.approx(wanted.cost.sum())
        assert row["misses"] == wanted.miss_cold.sum()
        assert row["competitive_ratio"] >= 1 - 1e-12
        assert row["total"] == pytest.approx(row["ram_ratio"] * seen.exposure + row["miss"] * row["misses"])


def test_metrics_of_three_tiers_share_the_exposure():
    seen, _ = sample(5)
    costs = c.Costs(3.0, 1.0, 0.1, 5.0, 50.0)
    found = ev.metrics(seen, r.replay(seen, 5.0, costs, 50.0), costs)
    assert 0 < found["ram_ratio"] < found["ram_ratio"] + found["ssd_share"] < 1
    assert found["regret"] >= 0


def test_every_metric_has_an_interval_about_its_value():
    seen, cluster = sample(6)
    costs = c.two_tiers(40.0)
    outcomes = {"short": r.replay(seen, 3.0, costs), "long": r.replay(seen, 60.0, costs)}
    table = ev.metrics_with_intervals(seen, outcomes, costs, resampling(cluster, 200, 1))
    for policy, outcome in outcomes.items():
        plain = ev.metrics(seen, outcome, costs)
        found = {row["metric"]: row for row in table.filter(pl.col("policy") == policy).iter_rows(named=True)}
        assert found.keys() == plain.keys()
        for name, value in plain.items():
            assert found[name]["value"] == pytest.approx(value)
            assert found[name]["low"] <= value <= found[name]["high"]
    short = table.row(
        by_predicate=(pl.col("policy") == "short") & (pl.col("metric") == "ram_ratio"), named=True
    )
    assert short["low"] < short["value"] < short["high"]
    one = ev.metrics_with_intervals(seen, outcomes, costs, resampling(np.zeros(len(seen)), 10, 1))
    assert one["low"].null_count() == one.height


def test_shares_are_of_what_was_seen_of_spells_that_were_seen_late():
    """Kept for ever all that was seen is in RAM, whatever the idle time at which each spell came into view."""
    seen = r.Gaps(np.array([0.0, 30, 10]), np.array([20.0, 50, 110]), np.array([True, True, False]))
    costs = c.Costs(3.0, 1.0, 0.1, 5.0, 50.0)
    ram = ev.metrics(seen, r.replay(seen, np.inf, costs), costs)
    ssd = ev.metrics(seen, r.replay(seen, 0.0, costs, np.inf), costs)
    assert (ram["ram_ratio"], ram["ssd_share"], ram["hit_coverage"]) == (1, 0, 1)
    assert (ssd["ram_ratio"], ssd["ssd_share"], ssd["hit_coverage"]) == (0, 1, 0)
    one = ev.metrics_with_intervals(
        seen, {"kept": r.replay(seen, 40.0, costs)}, costs, resampling([1, 2, 3], 9, 1)
    )
    assert one["value"][0] == pytest.approx((20 + 10 + 30) / 140)


def test_who_knows_the_future_keeps_what_costs_no_more_than_a_miss():
    """The row of the clairvoyant in a sweep, by hand: what is seen of the spells is 20, 20 and 100 blocks long."""
    seen = r.Gaps(np.array([0.0, 30, 10]), np.array([20.0, 50, 110]), np.array([True, True, False]))
    found = ev.sweep(seen, {}, [19.0, 20.0, 21.0])
    assert found["policy"].to_list() == ["clairvoyant"] * 3
    assert found["ram_ratio"].to_list() == pytest.approx([0, 40 / 140, 40 / 140])
    assert found["misses"].to_list() == [2, 0, 0]
    assert found["hit_coverage"].to_list() == [0, 1, 1]
    assert found["total"].to_list() == [38, 40, 40]
    for name, value in {"ssd_share": 0, "moves": 0, "regret": 0, "competitive_ratio": 1}.items():
        assert (found[name] == value).all(), name
    dear = ev.sweep(seen, {}, [20.0], ram=2.0)
    assert dear["misses"].item() == 2
    open_ones = r.Gaps(np.zeros(2), np.array([3.0, 4.0]), np.zeros(2, bool))
    assert ev.sweep(open_ones, {"kept": forever}, [5.0])["hit_coverage"].to_list() == [1, 1]


def forever(costs):
    return np.inf


def test_what_costs_nothing_at_best_has_no_finite_ratio():
    seen = r.Gaps(np.zeros(2), np.array([3.0, 4.0]), np.zeros(2, bool))
    costs = c.two_tiers(5.0)
    found = ev.metrics(seen, r.replay(seen, 2.0, costs), costs)
    assert found["total"] == found["regret"] == 4
    assert found["competitive_ratio"] == np.inf


def test_a_policy_that_pays_more_on_every_spell_is_more_expensive_and_a_mixed_one_is_neither():
    cluster = np.arange(40)
    paid = {"own": np.ones(40), "more": np.full(40, 1.5), "mixed": np.where(cluster % 2, 0.5, 1.5)}
    table = ev.totals(paid, resampling(cluster, 200, 1), references=["own"])
    assert table["verdict"].to_list() == ["no difference", "more expensive", "no difference"]
    wide = ev.totals(paid, resampling(cluster, 200, 1), references=["own"], level=0.99).row(2, named=True)
    mixed = table.row(2, named=True)
    assert wide["ratio_high"] - wide["ratio_low"] > mixed["ratio_high"] - mixed["ratio_low"]


def test_regret_and_ratio_are_to_who_knows_the_future_however_little_is_paid():
    """One access after 3 blocks, a miss for a quarter of a block: to keep the slot costs 3, who knows pays 0.25."""
    seen, costs = r.Gaps(np.zeros(1), np.array([3.0]), np.ones(1, bool)), c.two_tiers(0.25)
    kept, gone = (ev.metrics(seen, r.replay(seen, window, costs), costs) for window in (np.inf, 0.0))
    assert (kept["regret"], kept["competitive_ratio"], kept["hit_coverage"]) == (2.75, 12, 1)
    assert (gone["regret"], gone["competitive_ratio"], gone["hit_coverage"]) == (0, 1, 0)
