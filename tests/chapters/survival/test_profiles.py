"""A profile gives the curves of the training blocks that its trace gives, within the grid."""

import dataclasses

import polars as pl
import pytest

from rollstate import intervals, product_limit, profile
from rollstate.chapters.survival import profiles, study
from rollstate.chapters.survival.parameters import Survival
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
