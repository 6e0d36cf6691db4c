"""Frames of the chapter say what the trial, the replay and the published rows say."""

import dataclasses

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from rollstate.chapters.tiering import carried, study
from rollstate.chapters.tiering.parameters import Tiering
from rollstate.survival import spell_sample
from rollstate.survival.spell_sample import Whole
from rollstate.tiering import costs, policies, replay, windows
from rollstate.traces import datasets, parts, store

P = Tiering(trace="sample", peer="sample", misses=(1.0, 30.0, 1_000.0, 1e6), draws=30, quote=30.0)


@pytest.fixture(scope="module")
def found():
    return study.study(study.window(P), P)


def judged(rows):
    """Return a frame as `Study.judged` has it: policy, miss, told, ratio, verdict."""
    frame = pl.DataFrame(rows, schema=["policy", "miss", "told", "ratio", "verdict"], orient="row")
    return frame.with_columns(
        total=pl.col("ratio"),
        factor=2 * pl.col("ratio"),
        differs=pl.col("ratio") != 1,
        simple=pl.lit(policies.TUNED),
        ratio_low=pl.col("ratio") - 0.1,
        ratio_high=pl.col("ratio") + 0.1,
    )


def test_standings_count_penalties_at_which_the_blocks_can_tell():
    frame = judged(
        [
            (policies.NEVER, 1.0, True, 4.0, "more expensive"),
            (policies.NEVER, 100.0, False, 1.0, "no difference"),
            (policies.PROPOSED, 1.0, True, 0.5, "cheaper"),
            (policies.PROPOSED, 2.0, True, 0.8, "no difference"),
            (policies.PROPOSED, 100.0, False, 3.0, "more expensive"),
        ]
    )
    table = study.standings(frame)
    assert table["policy"].to_list() == [policies.PROPOSED, policies.NEVER]
    own = table.row(0, named=True)
    assert (own["differs"], own["below"], own["cheaper"], own["more_expensive"]) == (2, 2, 1, 0)
    assert own["mean_ratio"] == pytest.approx(np.sqrt(0.4))
    assert own["worst_ratio"] == 0.8
    assert study.never(study.winners(frame)) == 1


def test_the_headline_is_taken_where_the_blocks_can_tell_and_losses_are_counted_everywhere(found):
    frame = judged(
        [
            (policies.PROPOSED, 1.0, True, 0.9, "cheaper"),
            (policies.PROPOSED, 2.0, True, 0.95, "no difference"),
            (policies.PROPOSED, 100.0, False, 0.3, "cheaper"),
            (policies.PROPOSED, 200.0, False, 3.0, "more expensive"),
            (policies.REGRET, 1.0, True, 0.9, "no difference"),
        ]
    )
    made = dataclasses.replace(found, table=frame.with_columns(cluster=pl.lit("contract")))
    numbers = study.headline(made, "peer_")
    assert numbers["peer_best_ratio"].value == 0.9
    assert numbers["peer_best_at"] == 1.0
    assert numbers["peer_worst_ratio"].value == 0.95
    assert (numbers["peer_told"], numbers["peer_cheaper"], numbers["peer_more_expensive"]) == (2, 2, 1)
    untold = dataclasses.replace(found, table=made.table.with_columns(told=pl.lit(False)))
    assert "best_ratio" not in study.headline(untold)
    assert study.shown_standings(untold).height == 1


def test_published_points_are_counted_by_hand():
    own = pl.DataFrame({"miss": [1.0, 10.0, 100.0], "total": [5.0, 40.0, 300.0]})
    simple = pl.DataFrame(
        {
            "policy": [study.HINDSIGHT] * 3 + [policies.ALWAYS] * 3,
            "miss": [1.0, 10.0, 100.0] * 2,
            "total": [5.0, 30.0, 200.0, 5.2, 90.0, 900.0],
        }
    )
    stated = pl.DataFrame(
        {
            "policy": ["no_prune", "no_prune", "fixed_30d", "fixed_90d", "fixed_30d"],
            "miss": [1.0, 10.0, 1.0, 1.0, 10.0],
            "total": [7.0, 70.0, 7.0, 7.0, 69.0],
        }
    )
    assert study.published_counts(stated, own, simple) == {
        "published_points": 3,
        "published_beaten": 2,
        "published_always": 1,
        "months": 3,
        "months_same": 2,
    }


def test_the_right_penalty_costs_what_it_costs(found):
    frame = study.misjudged(found, P)
    assert (frame.filter(pl.col("factor") == 1)["ratio"] == 1).all()
    true, wrong = costs.two_tiers(P.quote), costs.two_tiers(P.quote / 10)
    right, off = (
        replay.replay(found.trial.test, windows.ski_rental(at), true).cost.sum() for at in (true, wrong)
    )
    row = frame.filter(pl.col("policy") == policies.SKI, pl.col("factor") == 0.1)
    assert row["ratio"][0] == pytest.approx(off / right)
    assert study.worst_tenfold(frame, policies.SKI) >= off / right


def test_folds_train_on_what_lies_before_them(found):
    frame = study.folds(found, P)
    assert 1 <= frame.height <= 4
    assert (frame["tuned over best window"] >= 1 - 1e-12).all()
    assert (frame["proposed over clairvoyant"] >= 1 - 1e-12).all()
    edge = frame["from block"][0] - 1
    altered = found.source.spells.with_columns(
        duration=pl.when(pl.col("start") + pl.col("duration") > edge)
        .then(pl.col("duration") + 3)
        .otherwise(pl.col("duration"))
    )
    other = study.folds(dataclasses.replace(found, source=Whole(altered, found.capability)), P)
    assert other["window tuned before"][0] == frame["window tuned before"][0]


def test_three_tiers_are_replayed_at_each_value_of_a_second(found):
    frame = study.three_tiers(found, P)
    assert set(frame["policy"]) == set(study.TIERS)
    for _, part in frame.group_by("usd_per_s"):
        alone = part.filter(pl.col("policy").is_in(study.TIERS[2:]))
        assert alone["ratio"].min() == pytest.approx(1)
    assert study.three(frame, P, "all in RAM", "ram") == pytest.approx(1)
    # A second that is worth nothing leaves nothing in RAM, one that is worth a fortune everything.
    two = frame.filter(pl.col("policy") == study.TIERS[0]).sort("usd_per_s")["ram"]
    assert two.is_sorted()


def test_prices_name_their_sources():
    table = study.prices(P)
    assert table["tier"].to_list() == ["ram", "ssd", "cold"]
    assert (table["source"].str.len_chars() > 10).all()


def test_caches_hit_no_more_than_one_that_knows_the_future(found):
    hits = study.cache_hits(found, P)
    for _, part in hits.group_by("share"):
        assert part["hits"].max() == part.filter(pl.col("policy") == study.BELADY)["hits"][0]
    quoted = study.quoted_hits(hits, P)
    assert quoted["lru"].value <= quoted["best_online_hits"].value <= quoted["belady"].value
    for name in ("lru", "best_online_hits", "belady"):
        assert 0 < quoted[name].low < quoted[name].value < quoted[name].high < 1


def test_a_horizon_changes_the_threshold_and_not_the_expected_cost(found):
    frame = study.horizons(found, P)
    own = frame.filter(pl.col("policy") == policies.PROPOSED)["ratio"]
    assert own.n_unique() == 1
    assert study.threshold_range(frame)["tau_worst"] >= study.threshold_range(frame)["tau_best"] > 0


@pytest.fixture
def in_three(found, tmp_path, monkeypatch):
    """Parameters of the same trace, stored in three parts that are read one by one."""
    store.write_trace(datasets.load_trace("sample"), tmp_path / "three", parts=3)
    monkeypatch.setattr(parts, "IN_MEMORY", 1)
    return dataclasses.replace(P, trace=str(tmp_path / "three"))


def test_a_trace_in_parts_gives_what_the_whole_one_gives(found, in_three, monkeypatch):
    """Where the sample is everything, but for the first known block: here the first of the window."""
    monkeypatch.setattr(Whole, "first", property(lambda self: self.capability.window_start))
    whole, drawn = study.study(study.window(P), P), study.study(study.window(in_three), in_three)
    assert isinstance(drawn.seen, parts.Parts)
    assert_frame_equal(drawn.table, whole.table)
    assert study.headline(drawn) == study.headline(whole)
    assert "Caches are replayed on slots drawn at random" in study.cache_note(drawn)
    assert study.cache_note(whole) == ""
    for frame in (
        study.measured,
        study.horizons,
        study.misjudged,
        study.folds,
        study.three_tiers,
        study.cache_hits,
        carried.against_cox,
    ):
        assert_frame_equal(frame(drawn, P), frame(whole, P))


def test_ratios_of_a_sample_hold_those_of_all_spells(found, in_three, monkeypatch):
    monkeypatch.setattr(spell_sample, "SPELLS", found.seen.accesses.height // 2)
    monkeypatch.setattr(spell_sample, "SLOTS", found.seen.slots.height // 2)
    drawn = study.study(study.window(in_three), in_three)
    assert 0.4 < len(drawn.trial.test) / len(found.trial.test) < 0.6
    assert "spells drawn at random" in drawn.capability.source
    rows = drawn.judged.join(found.judged.select("policy", "miss", whole="ratio"), on=["policy", "miss"])
    own = rows.filter(pl.col("policy").is_in([policies.PROPOSED, policies.NEVER, policies.SKI]))
    held = own["whole"].is_between(own["ratio_low"] - 1e-9, own["ratio_high"] + 1e-9)
    assert held.sum() >= own.height - 1
