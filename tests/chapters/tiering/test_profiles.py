"""A profile gives what simple rules cost on later blocks, as its trace does within the grid."""

import dataclasses

import numpy as np
import pytest

from rollstate import intervals, profile
from rollstate.chapters.tiering import profiles, study
from rollstate.chapters.tiering.parameters import Tiering
from rollstate.errors import InputError
from rollstate.survival import landmarks
from rollstate.tiering import costs, replay, windows
from rollstate.traces import datasets

P = Tiering(trace="sample", peer="sample", misses=(3.0, 30.0, 300.0), draws=30, quote=30.0)


@pytest.fixture(scope="module")
def trace():
    return datasets.load_trace("sample")


@pytest.fixture(scope="module")
def reduced(trace):
    return profile.make(trace, block_s=12.0)


def test_simple_rules_cost_what_they_cost_on_the_spells(trace, reduced):
    numbers = profiles.numbers(reduced, P)
    border = trace.capability.window_start + numbers["train_blocks"] - 1
    spells = intervals.build(trace)
    test = replay.gaps(replay.after(spells, border))
    known = windows.profile(replay.gaps(landmarks.as_of(spells, border)))

    def ratio(miss):
        at = costs.two_tiers(miss)
        return replay.paid(test, miss, at).sum() / replay.clairvoyant(test, at).sum()

    assert numbers["competitive_ski"] == pytest.approx(max(map(ratio, P.misses)), rel=0.02)
    at = costs.two_tiers(P.quote)
    own = {f: windows.tuned(known, costs.two_tiers(P.quote * f), open_end=True)[0] for f in (0.1, 1.0, 10.0)}
    paid = {f: replay.paid(test, window, at).sum() for f, window in own.items()}
    assert numbers["tenfold_tuned"] == pytest.approx(max(paid[0.1], paid[10.0]) / paid[1.0], rel=0.03)
    ski = {f: replay.paid(test, P.quote * f, at).sum() for f in (0.1, 1.0, 10.0)}
    assert numbers["tenfold_ski"] == pytest.approx(max(ski[0.1], ski[10.0]) / ski[1.0], rel=0.02)
    assert np.isfinite(list(numbers.values())).all()


def test_a_profile_says_what_it_cannot_carry(reduced, tmp_path):
    with pytest.raises(InputError, match="take the trace"):
        study.study(reduced, P)
    path = profile.save(reduced, tmp_path / "chain.profile")
    with pytest.raises(InputError, match="leave window_start"):
        study.window(dataclasses.replace(P, trace=str(path), window_start=10))
