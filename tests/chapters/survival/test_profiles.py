"""A profile gives the curves of the training blocks that its trace gives, within the grid."""

import dataclasses
import os

import polars as pl
import pytest

from rollstate import intervals, product_limit, profile
from rollstate.chapters.survival import profiles, study
from rollstate.chapters.survival.parameters import Survival
from rollstate.chapters.survival.results import SurvivalResults
from rollstate.errors import InputError
from rollstate.survival import landmarks
from rollstate.traces import datasets, thinning

P = Survival(trace="sample", peer="sample", draws=20)


@pytest.fixture(scope="module")
def trace():
    return datasets.load_trace("sample")


@pytest.fixture(scope="module")
def reduced(trace):
    return profile.make(trace, block_s=12.0)


@pytest.fixture(scope="module")
def known(trace, reduced):
    return landmarks.as_of(intervals.build(trace), profiles.border(reduced, P.train) - 1)


def test_spells_known_at_the_border_are_counted(reduced, known):
    assert profiles.numbers(reduced, P)["spells"] == known.height


def test_curves_by_activity_are_those_of_the_spells(reduced, known):
    frame = study.shown_curves(None, reduced, P)
    for name, label in (("first", "1st access"), ("many", "5th access and later")):
        part = known.filter(pl.col("activity").cast(pl.String) == name)
        exact = product_limit.kaplan_meier(*(part[c].to_numpy() for c in ("duration", "event", "entry")))
        shown = frame.filter(pl.col("stratum") == label)
        expected = product_limit.survival_at(exact, shown["time"].to_numpy())
        assert shown["survival"].to_list() == pytest.approx(expected.tolist(), abs=0.02)
        assert shown["at_risk"][1] == part.height
        inner = shown.filter(pl.col("time") > 0)
        assert (inner["low"] <= inner["high"]).all()


def test_a_profile_says_what_it_cannot_carry(trace, reduced, tmp_path):
    with pytest.raises(InputError, match="take the trace"):
        study.study(reduced, P)
    path = profile.save(reduced, tmp_path / "chain.profile")
    with pytest.raises(InputError, match="leave window_start"):
        study.window(dataclasses.replace(P, trace=str(path), window_stop=10))
    assert study.window(dataclasses.replace(P, trace=str(path))).equals(reduced)
    thin = profile.make(thinning.thin(trace, 5))
    with pytest.raises(InputError, match="every block"):
        profiles.numbers(thin, P)


def test_a_window_of_blocks_is_one(trace):
    stamp = trace.capability
    middle = stamp.window_start + stamp.n_blocks // 2
    seen = study.window(dataclasses.replace(P, window_stop=middle))
    assert seen.capability.window_stop == middle
    assert seen.accesses["block_number"].max() < middle


@pytest.mark.nightly
@pytest.mark.skipif(
    not os.environ.get("ROLLSTATE_NIGHTLY"), reason="a whole chapter: set ROLLSTATE_NIGHTLY=1"
)
@pytest.mark.parametrize("name", ["mainnet-bal", "mainnet_thinned_30d"])
def test_the_whole_chapter_runs_on_a_shipped_profile(name, root, tmp_path, monkeypatch):
    """Every result is recorded or said to be absent, on a profile with every block and on one without."""
    from rollstate.compendium import results, runner

    # The part on known truth needs no trace and takes a minute: a small one stands for it.
    values = {"trace": str(profile.shipped()[name].path), "peer": "sample", "draws": 20, "trees": 10}
    work = runner.plan("survival", values, root, out=tmp_path)
    runner.run_all([work], root, jobs=1, say=lambda line: None)
    registry = results.load(tmp_path / "results.json")
    assert set(registry) == {f"survival.{one}" for one in SurvivalResults.declared()}
    every = name == "mainnet-bal"
    assert (registry["survival.spells"].value is not None) == every
    assert (tmp_path / "figures" / "curves").exists() == every
    assert "take the trace" in registry["survival.brier_km"].absent
