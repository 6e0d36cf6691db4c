"""What the chapter on reuse says of forecasts: counted by hand, and on traces that carry none."""

import numpy as np
import polars as pl
import pytest
from tests.strategies import make_trace

from rollstate.chapters.reuse import figures, foretold
from rollstate.chapters.reuse.parameters import Reuse
from rollstate.chapters.reuse.results import ReuseResults
from rollstate.compendium import bundles
from rollstate.horizons.foresight import BY_VISITS, CARRIED, POOLED, RATES
from rollstate.traces import datasets

P = Reuse(draws=30, hot=50)
NAMES = {name for name in ReuseResults.declared() if name.startswith("foretold_")}


@pytest.fixture(scope="module")
def trace():
    rng = np.random.default_rng(1)
    chance = rng.beta(0.3, 3, 1_500)
    touches = [
        (100 + int(block), 0, 1 + slot % 20, slot, True)
        for slot in range(1_500)
        for block in np.flatnonzero(rng.random(90) < chance[slot])
    ]
    return make_trace(touches, stop=190, chain_id=1)


@pytest.fixture(scope="module")
def found(trace):
    return foretold.foresee(trace, P)


def test_models_are_counted_by_their_paired_difference():
    def row(name, reuse, below, above, hot, hot_below, hot_above):
        ends = {f"{task}{end}": 0.0 for task in ("reuse", "hot") for end in ("_low", "_high")}
        said = {"forecast": name, "reuse": reuse, "reuse_below": below, "reuse_above": above, "hot": hot}
        same = {f"coverage{end}": 0.1 for end in ("", "_low", "_high")}
        none = {"coverage_below": -0.1, "coverage_above": 0.1, "expected": 0.3, "visits": 1.2}
        return {**said, "hot_below": hot_below, "hot_above": hot_above, **ends, **same, **none}

    table = pl.DataFrame(
        [
            row(CARRIED, 0.02, None, None, 0.3, None, None),
            row(BY_VISITS, 0.05, 0.01, 0.04, 0.4, 0.05, 0.15),
            row(POOLED, 0.01, -0.02, -0.005, 0.2, -0.2, -0.05),
            row(RATES, 0.03, -0.01, 0.03, 0.35, -0.01, 0.1),
        ],
        infer_schema_length=None,
    )
    numbers = foretold.answer(table).numbers
    assert set(numbers) == NAMES
    assert (numbers["foretold_models"], numbers["foretold_visits"]) == (3, 1.2)
    assert (numbers["foretold_reuse_model"], numbers["foretold_reuse_best"].value) == (POOLED, 0.01)
    assert (numbers["foretold_reuse_better"], numbers["foretold_reuse_worse"]) == (1, 1)
    assert (numbers["foretold_hot_model"], numbers["foretold_hot_best"].value) == (BY_VISITS, 0.4)
    assert (numbers["foretold_hot_better"], numbers["foretold_hot_worse"]) == (1, 1)
    assert (numbers["foretold_coverage_better"], numbers["foretold_coverage_worse"]) == (0, 0)


def test_scores_are_distances_to_what_came(found):
    table = foretold.scores(found, P)
    weights = np.ones(len(found.came.visits))
    for row in table.iter_rows(named=True):
        said = found.said[row["forecast"]]
        assert row["reuse"] == pytest.approx(np.abs(said.reuse - found.came.reuse(weights)).mean())
        assert row["hot"] == pytest.approx(said.served.sum() / found.came.visits.sum())
        assert row["reuse_low"] <= row["reuse_high"]
        assert (row["reuse_below"] is None) == (row["forecast"] == CARRIED)


def test_figure_is_drawn_from_its_file(found, trace):
    frame, unit = foretold.shown(found, trace, P)
    assert unit == "seconds"
    drawn = figures.foretold(bundles.from_csv(bundles.to_csv(frame)), unit=unit, hot=P.hot)
    assert f"{P.hot:,} slots" in drawn.caption
    assert CARRIED in drawn.alt


def test_a_short_trace_says_why_it_carries_none():
    short = make_trace([(block, 0, 1, 1, True) for block in range(20)], start=0, stop=20)
    why = foretold.foresee(short, P)
    assert "judged blocks" in why
    assert set(foretold.answer(None, why).missing) == NAMES


def test_the_sample_carries_it_or_says_why():
    trace = datasets.load_trace(datasets.SAMPLE)
    found = foretold.foresee(trace, P)
    assert isinstance(found, str) or foretold.answer(foretold.scores(found, P)).numbers.keys() == NAMES
