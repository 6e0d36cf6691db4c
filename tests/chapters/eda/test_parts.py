"""A stored trace that is read part by part gives what the whole trace and its profile give."""

import dataclasses

import pytest
from polars.testing import assert_frame_equal
from tests.chapters.eda.test_study import EDGES, P
from tests.strategies import make_trace

from rollstate import profile
from rollstate.chapters.eda import study
from rollstate.chapters.eda.sums import Sums
from rollstate.traces import datasets, parts, store, summary, thinning

COUNTED = (study.frequency, study.gaps, study.hazard, lambda seen, p: study.tail(seen, p)[0])
"""Sections that count slots one by one."""
TOGETHER = (study.reuse, study.co_access, study.autocorrelation)
"""Sections that need the accesses themselves."""


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """Return the parameters that name a trace, stored in three parts that are read one by one."""
    monkeypatch.setattr(parts, "IN_MEMORY", 0)

    def store_it(trace):
        store.write_trace(trace, tmp_path / "three", parts=3)
        return dataclasses.replace(P, trace=str(tmp_path / "three"))

    return store_it


def assert_same(found, expected):
    """Hold two answers equal: numbers to the last bit, frames row by row."""
    rest = [
        dataclasses.replace(one, frame=None, facts={key: str(value) for key, value in one.facts.items()})
        for one in (found, expected)
    ]
    assert rest[0] == rest[1]
    assert (found.frame is None) == (expected.frame is None)
    if expected.frame is not None:
        assert_frame_equal(found.frame, expected.frame, check_exact=True)


@pytest.mark.parametrize("inside", [(None, None), (1_050, 1_210)])
def test_the_parts_of_the_sample_give_what_the_whole_gives(stored, inside):
    sample = datasets.load_trace("sample")
    start, stop = inside
    p = dataclasses.replace(stored(sample), window_start=start, window_stop=stop)
    seen, right = study.window(p), summary.restrict(sample, start, stop)
    assert isinstance(seen.accesses, parts.Parts)
    assert seen.capability == right.capability
    for section in TOGETHER:
        found = section(seen, p)
        assert found.frame is not None
        assert_same(found, section(study.Window.of(right), p))
    for section in COUNTED:
        assert_same(section(seen, p), section(study.Window.of_profile(profile.make(right)), p))
    assert "random groups of" in seen.clusters


@pytest.mark.parametrize("name", EDGES)
def test_edges_give_the_same_in_parts(stored, name):
    touches = EDGES[name]
    trace = make_trace(touches, stop=max(block for block, *_ in touches) + 1)
    p = stored(trace)
    seen, whole = study.window(p), study.Window.of(trace)
    for section in TOGETHER:
        assert_same(section(seen, p), section(whole, p))
    counts = study.Window.of_profile(profile.make(trace))
    for section in COUNTED:
        assert_same(section(seen, p), section(counts, p))


def test_parts_of_a_thinned_trace_say_what_they_cannot_tell(stored):
    trace = thinning.thin(datasets.load_trace("sample"), 5)
    p = stored(trace)
    seen, whole = study.window(p), study.Window.of(trace)
    for section in TOGETHER:
        assert_same(section(seen, p), section(whole, p))
    assert study.frequency(seen, p).numbers
    assert "did not observe every block" in study.gaps(seen, p).why


def test_the_parts_are_read_once_for_all_sections(stored, monkeypatch):
    p = stored(datasets.load_trace("sample"))
    seen, read = study.window(p), []
    of = Sums.of
    monkeypatch.setattr(Sums, "of", lambda part, lags: read.append(lags) or of(part, lags))
    for section in TOGETHER:
        section(seen, p)
    assert len(read) == 3


def test_a_profile_file_still_needs_its_trace(stored, tmp_path):
    seen = study.window(stored(datasets.load_trace("sample")))
    path = profile.save(seen.data, tmp_path / "chain.profile")
    of_file = study.window(dataclasses.replace(P, trace=str(path)))
    assert of_file.accesses is None
    for section in TOGETHER:
        assert "take the trace" in section(of_file, P).why
