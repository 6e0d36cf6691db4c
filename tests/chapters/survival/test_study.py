"""Frames of the chapter say what the models, the scores and the trace say."""

import dataclasses

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from rollstate.chapters.survival import figures, study
from rollstate.chapters.survival.parameters import Survival
from rollstate.survival import forecasts, kaplan_meier, landmarks, spell_sample
from rollstate.survival.forecasts import CURVE
from rollstate.survival.spells import from_frame
from rollstate.traces import parts, store

P = Survival(trace="sample", peer="sample", draws=30, trees=10)


@pytest.fixture(scope="module")
def found():
    return study.study(study.window(P), P)


@pytest.fixture(scope="module")
def compared(found):
    """A comparison of the curve and the Cox model alone: the others are tested where they are made."""
    fitted = {CURVE: forecasts.fit_curve(found.known)}
    fitted[forecasts.COX] = forecasts.fit_cox(found.known, ["log_accesses", "log_prev_gap"], ("stratum",))
    p = {name: one.access_probability(found.judge, found.horizon) for name, one in fitted.items()}
    tables = [
        study.scores.compare(p, found.answers, getattr(found, f"by_{way}"), reference=CURVE).with_columns(
            cluster=pl.lit(way)
        )
        for way in ("contract", "slot")
    ]
    return study.Compared(fitted, p, pl.concat(tables), forecasts.COX, {})


def test_training_calibration_and_judgement_follow_each_other(found):
    stamp = found.capability
    assert (found.known["start"] + found.known["duration"]).max() <= found.fit_block
    assert found.fit_block < found.judge_block
    assert found.judge_block + found.horizon == stamp.window_stop - 1
    assert (found.judge["start"] + found.judge["idle"] == found.judge_block).all()
    assert (found.calibrate["start"] + found.calibrate["idle"] == found.judge_block - found.horizon).all()


@pytest.mark.parametrize("column", ["contract_type", "slot_type"])
def test_strata_that_the_trace_does_not_carry_are_pooled(found, column):
    """Both choices of the parameter crashed on a trace whose reader knows no types."""
    bare = found.known.with_columns(pl.lit(None, pl.Categorical).alias(column))
    pooled = study.with_strata(bare, column)
    assert pooled["stratum"].unique().to_list() == [study.POOLED]
    model = forecasts.fit_cox(pooled, ["log_accesses"], ("stratum",))
    assert np.isfinite(
        model.access_probability(found.judge.with_columns(stratum=pl.lit(study.POOLED)), 10)
    ).all()
    named = study.with_strata(found.known, column)
    assert named["stratum"].n_unique() == found.known[column].n_unique()


def test_curves_begin_at_one_and_count_who_is_at_risk(found):
    frame = study.curves(found)
    for (name,), part in frame.group_by("stratum"):
        spells = from_frame(found.known.filter(pl.col("stratum") == name))
        assert part["time"][0] == 0
        assert part["survival"][0] == 1
        assert part["at_risk"][0] == (spells.entry == 0).sum()
        for time, count in part.select("time", "at_risk").tail(5).iter_rows():
            assert count == ((spells.duration >= time) & (spells.entry < time)).sum()


def test_strata_without_accesses_leave_one_curve_of_all_slots(found):
    thin = found.known.filter(pl.col("event")).head(3)
    frame = study.curves(dataclasses.replace(found, known=thin))
    assert frame["stratum"].unique().to_list() == [study.POOLED]


def test_slots_outside_the_training_range_are_scored_apart(found, compared):
    ranges = study.by_range(found, compared)
    longest = found.known.filter("event")["duration"].max()
    outside = (found.judge["idle"] + found.horizon > longest).to_numpy()
    numbers = study.range_numbers(ranges, compared.best)
    assert numbers["outside"] == pytest.approx(outside.mean())
    for name, rows in (("inside", ~outside), ("outside", outside)):
        loss = (compared.probabilities[CURVE] - found.answers) ** 2
        assert numbers[f"brier_km_{name}"].value == pytest.approx(loss[rows].mean())
    whole = sum(
        numbers[f"brier_km_{name}"].value * rows.mean()
        for name, rows in (("inside", ~outside), ("outside", outside))
    )
    assert whole == pytest.approx(compared.row(CURVE)["value"])


def test_a_range_without_slots_has_no_numbers(found, compared):
    everything = study.by_range(found, compared).filter(pl.col("range") == "inside")
    numbers = study.range_numbers(everything, compared.best)
    assert numbers["outside"] == 0
    assert "brier_km_outside" not in numbers
    assert "brier_km_inside" in numbers


def test_the_test_of_proportional_hazards_says_what_it_is_taken_over(found):
    fit = study.proportional(found)
    assert fit.clusters == "contracts"
    one = dataclasses.replace(found, known=found.known.with_columns(contract_id=pl.lit(0)))
    assert study.proportional(one).clusters == "slots"
    alone = one.known.with_columns(slot_id=pl.lit(0))
    assert study.proportional(dataclasses.replace(one, known=alone)).clusters.startswith("spells")
    along = study.effects(fit)
    swing = along.group_by("covariate", maintain_order=True).agg(
        pl.col("effect").max() - pl.col("effect").min()
    )
    assert swing["effect"].is_sorted(descending=True)


def test_bounds_by_stratum_have_a_level_for_each_slot(found, compared):
    bounds = study.bounds(found, compared)
    for kind in (study.MARGINAL, study.BY_STRATUM):
        part = bounds.coverage.filter(pl.col("bound") == kind)
        assert part["coverage"][0] > 0.8
        assert part["rows"][0] == found.judge.height
    assert 0 <= study.simultaneous_coverage(found, compared).value <= 1
    numbers = study.demotion(found, compared)
    assert numbers["missed"].value <= numbers["demoted"]


@pytest.mark.thorough
def test_calibration_and_reliability_are_of_the_picked_model(found, compared):
    calibrated = study.calibrate(found, compared)
    assert set(calibrated.versions) == {study.AS_FITTED, "isotonic", "logistic", "venn-abers"}
    frame = study.reliability(found, compared, calibrated)
    assert frame["model"].n_unique() == 3
    spread = frame.filter(pl.col("kind") == "slots").group_by("model").agg(pl.col("value").sum())
    assert spread["value"].to_list() == pytest.approx([1, 1, 1])


def test_the_curve_of_the_chapter_is_the_band_of_the_science(found):
    name = study.curves(found)["stratum"][0]
    part = from_frame(found.known.filter(pl.col("stratum") == name), cluster="contract_id")
    times = study.curves(found).filter(pl.col("stratum") == name)["time"].to_numpy()[1:]
    band = kaplan_meier.cluster_simultaneous_band(part, times, draws=P.draws, seed=P.seed)
    shown = study.curves(found).filter(pl.col("stratum") == name)["survival"][1:]
    assert shown.to_list() == pytest.approx(band["survival"].to_list())


def test_the_landmark_before_lies_in_the_training_blocks(found):
    assert found.earlier is not None
    assert (found.earlier["start"] <= found.fit_block - found.horizon).all()
    assert landmarks.answers(found.earlier).mean() > 0


@pytest.mark.parametrize(
    ("longest", "said"), [(1, "after 1 block:"), (4, "after 4 blocks:"), (30, "after ten blocks:")]
)
def test_curves_say_nothing_of_times_beyond_the_blocks(longest, said):
    times = range(longest + 1)
    row = {"low": 0.1, "high": 0.9, "at_risk": 5, "stratum": "all"}
    frame = pl.DataFrame([{"time": time, "survival": 1 - time / 60, **row} for time in times])
    assert said in figures.curves(frame, what="All.").alt


def test_a_trace_in_parts_gives_what_the_whole_one_gives(found, tmp_path, monkeypatch):
    """Where the sample is everything, every frame of the study is the same."""
    store.write_trace(found.seen, tmp_path / "three", parts=3)
    monkeypatch.setattr(parts, "IN_MEMORY", 1)
    p = dataclasses.replace(P, trace=str(tmp_path / "three"))
    seen = study.window(p)
    assert isinstance(seen, parts.Parts)
    drawn = study.study(seen, p)
    for name in ("known", "calibrate", "judge", "earlier"):
        assert_frame_equal(getattr(drawn, name), getattr(found, name), categorical_as_str=True)
    assert study.counts(drawn) == study.counts(found)
    assert "spells drawn at random" in drawn.capability.source
    assert "Forecasts are judged on all of its slots." in drawn.note
    assert found.note == ""
    assert_frame_equal(study.curves(drawn), study.curves(found))


def test_a_sample_is_judged_on_the_slots_that_it_drew(found, tmp_path, monkeypatch):
    store.write_trace(found.seen, tmp_path / "three", parts=3)
    monkeypatch.setattr(parts, "IN_MEMORY", 1)
    monkeypatch.setattr(spell_sample, "SPELLS", found.seen.accesses.height // 3)
    monkeypatch.setattr(spell_sample, "SLOTS", found.seen.slots.height // 2)
    p = dataclasses.replace(P, trace=str(tmp_path / "three"))
    drawn = study.study(study.window(p), p)
    assert 0.25 < drawn.known.height / found.known.height < 0.42
    assert 0.4 < drawn.judge.height / found.judge.height < 0.6
    same = found.judge.join(drawn.judge.select("slot_id"), on="slot_id", how="semi")
    learned = ("log_frailty",)
    assert_frame_equal(drawn.judge.drop(learned), same.drop(learned), categorical_as_str=True)
    assert drawn.training_range == found.training_range
    numbers = study.headline(drawn, study.compare(drawn))
    whole = study.headline(found, study.compare(found))
    low, high = numbers["brier_km"].low, numbers["brier_km"].high
    assert low < whole["brier_km"].value < high
