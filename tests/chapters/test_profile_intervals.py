"""A chapter that is given the profile of a trace has the intervals that it has of the trace, not only the values."""

import dataclasses

import numpy as np
import polars as pl
import pytest

from rollstate import intervals, profile
from rollstate.chapters.eda import study as eda
from rollstate.chapters.eda.parameters import Eda
from rollstate.chapters.reuse import study as reuse
from rollstate.chapters.reuse import windows
from rollstate.chapters.reuse.parameters import Reuse
from rollstate.chapters.survival.profiles import border
from rollstate.policy import fit, profiles
from rollstate.profile.curves import band
from rollstate.survival import kaplan_meier, landmarks
from rollstate.survival.spells import from_frame
from rollstate.traces import store, synthetic

DRAWS = 300
FACTOR = 1.6
"""Contracts are drawn one by one of a trace, in 64 random groups of a profile: widths are alike within this factor."""


@pytest.fixture(scope="module")
def trace():
    made, _ = synthetic.generate(synthetic.SyntheticParameters(contracts=100, window_blocks=1_500))
    return dataclasses.replace(made, capability=dataclasses.replace(made.capability, chain_id=1))


@pytest.fixture(scope="module")
def reduced(trace):
    return profile.make(trace)


@pytest.fixture(scope="module")
def paths(trace, reduced, tmp_path_factory):
    """Return the trace and its profile as a reader has them on disk."""
    folder = tmp_path_factory.mktemp("chain")
    store.write_trace(trace, folder / "trace")
    return str(folder / "trace"), str(profile.save(reduced, folder / "chain.profile"))


def alike(mine, theirs):
    """Whether two intervals overlap and are of about the same width."""
    (low, high), (other_low, other_high) = mine, theirs
    return (
        max(low, other_low) <= min(high, other_high)
        and 1 / FACTOR < (high - low) / (other_high - other_low) < FACTOR
    )


def test_reuse_has_the_same_numbers_and_intervals_to_the_byte(paths):
    found = []
    for path in paths:
        p = Reuse(trace=path, short=path, others=(path,), long=(path,), penalties=(0.001, 0.01), draws=50)
        one = reuse.profiles(p)[path]
        numbers = reuse.at_lags(one, one, p).numbers | {"level": reuse.level(one, p)}
        numbers |= reuse.tail_numbers(one, reuse.tails({path: one}, p), p).numbers
        months = windows.months(windows.chains(p), p).drop("trace")
        found.append((numbers, reuse.by_class(one, p), months))
    (numbers, classes, months), theirs = found
    assert sum(getattr(one, "interval", None) is not None for one in numbers.values()) >= 4
    assert numbers == theirs[0]
    assert classes.equals(theirs[1])
    assert months["low"].count() >= 12
    assert months.equals(theirs[2])


def test_eda_has_intervals_of_the_same_width(paths):
    ends = {}
    for path in paths:
        p = Eda(trace=path, draws=DRAWS)
        seen = eda.window(p)
        numbers = eda.frequency(seen, p).numbers | eda.gaps(seen, p).numbers | eda.hazard(seen, p).numbers
        ends[path] = {name: one.interval for name, one in numbers.items() if getattr(one, "interval", None)}
    of_trace, of_profile = ends.values()
    assert len(of_trace) >= 3
    for name, theirs in of_trace.items():
        assert alike(of_profile[name], theirs), (name, of_profile[name], theirs)


def test_survival_has_bands_of_the_same_width(trace, reduced):
    last = border(reduced, 0.5)
    known = landmarks.as_of(intervals.build(trace), last - 1)
    times = np.array([1.0, 3.0, 7.0, 15.0])
    exact = kaplan_meier.cluster_simultaneous_band(
        from_frame(known, cluster="contract_id"), times, draws=DRAWS, seed=1
    )
    low, high = band(reduced, times, None, last, draws=DRAWS, seed=1)
    for at, *mine in zip(range(len(times)), low, high, strict=True):
        assert alike(mine, exact.select("low", "high").row(at)), times[at]


def test_a_policy_has_a_saving_of_the_same_width(trace, reduced):
    for penalty in (10.0, 100.0):
        theirs = fit.fit_trace(trace, penalty=penalty).saving
        mine = profiles.fit_profile(reduced, penalty=penalty).saving
        assert mine.value == pytest.approx(theirs.value, abs=0.01)
        assert alike((mine.low, mine.high), (theirs.low, theirs.high)), (mine, theirs)


def test_few_contracts_are_grouped_by_slot_and_say_so(trace):
    assert profile.make(trace).clusters == "the profile's random groups of contracts"
    few = trace.slots.filter(pl.col("contract_id") < 20)
    held = trace.accesses.filter(pl.col("slot_id").is_in(few["slot_id"].implode()))
    small = profile.make(dataclasses.replace(trace, slots=few, accesses=held))
    assert small.clusters == "the profile's random groups of slots"
