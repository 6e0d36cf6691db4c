"""The same caches on every trace: the tables say what the curves say."""

import dataclasses

import numpy as np
import polars as pl
import pytest

from rollstate.caching import curves, streams
from rollstate.chapters.caching import figures, places
from rollstate.chapters.caching.parameters import Caching
from rollstate.chapters.caching.results import CachingResults
from rollstate.traces import datasets

NAMES = dict.fromkeys(("trace", "rollup", "births", "sales", "market", "month"), "sample")
P = Caching(**NAMES, draws=30, few=(0.01, 0.1), most=2_000)


@pytest.fixture(scope="module")
def trace():
    return datasets.load_trace("sample")


@pytest.fixture(scope="module")
def found(trace):
    """The sample on a part of its slots, and whole under another name."""
    whole = places.place("whole", trace, dataclasses.replace(P, most=10**9))
    return [*places.places(trace, P), whole]


@pytest.fixture(scope="module")
def frame(found):
    return places.ratios(found, P)


def test_a_trace_is_taken_once_and_long_ones_are_sampled(found):
    assert [one.name for one in found] == ["sample", "whole"]
    part, whole = found
    assert part.rate == pytest.approx(2_000 / len(whole.seen.slot))
    assert part.seen.slots < part.whole.slots
    assert whole.rate == 1
    assert places.stamp(found).describe().endswith("accesses of sample, whole")


def test_standings_name_the_best_and_its_equals(found, frame):
    table = places.standings(frame)
    assert table.height == 4
    for row in table.iter_rows(named=True):
        here = frame.filter(pl.col("trace") == row["trace"], pl.col("share") == row["share"])
        at = {one["policy"]: one for one in here.iter_rows(named=True)}
        assert row["hits"] == max(at[name]["hits"] for name in curves.CLASSICAL)
        assert at[row["best"]]["behind"] == 0
        assert row["gap"] == pytest.approx(at[curves.BELADY]["hits"] - row["hits"])
        for name in curves.CLASSICAL:
            assert at[name]["behind"] == pytest.approx(row["hits"] - at[name]["hits"])
            if name != row["best"]:
                assert (name in row["equals"].split(", ")) == (at[name]["behind_low"] <= 0)
    got = places.headline(found, frame, P)
    quoted = table.filter(pl.col("share") == P.quote)
    assert (got["places_gap_low"], got["places_gap_high"]) == (quoted["gap"].min(), quoted["gap"].max())
    assert got["places_hazard"] == (table["hazard"] > table["hits"]).sum()
    worst = {
        name: frame.filter(pl.col("policy") == name, pl.col("share") == P.quote)["behind"].max()
        for name in curves.CLASSICAL
    }
    assert got["places_safest_behind"] == min(worst.values()) == worst[got["places_safest"]]
    recorded = set(got) | {"sampling_error", "order_largest"}
    assert recorded <= set(CachingResults.declared())
    assert places.shown_standings(found, frame, P).height == 4
    assert places.shown_all(frame, P).columns == ["policy", "sample", "whole"]


def test_the_error_of_sampling_is_that_to_the_whole_trace(found):
    hits = []
    for seen in (found[0].whole, found[0].seen):
        got = curves.hit_ratios(
            seen, curves.FIXED, [P.quote], border=round(P.train * len(seen.slot)), slot_bytes=P.slot_bytes, draws=20,
            seed=P.seed,
        )  # fmt: skip
        hits.append(got["hits"].to_numpy())
    assert places.sampling_error(found, P) == np.abs(hits[0] - hits[1]).max() > 0
    assert places.sampling_error(found[1:], P) == 0


def test_the_order_inside_a_block_is_compared_where_it_is_known(found, trace):
    table = places.orders(found, P)
    assert table.height == 2 * len(curves.FIXED)
    own = table.filter(pl.col("trace") == "whole", pl.col("policy") == curves.LRU).row(0, named=True)
    seen = streams.accesses(trace, streams.BY_SLOT)
    hits = curves.hit_ratios(
        seen, {curves.LRU: curves.FIXED[curves.LRU]}, [P.quote], border=round(P.train * len(seen.slot)),
        slot_bytes=P.slot_bytes, draws=20, seed=P.seed,
    )["hits"][0]  # fmt: skip
    assert own["by slot"] == round(100 * hits, 2)
    assert own["change"] == pytest.approx(own["by slot"] - own["by transaction"])
    unknown = [dataclasses.replace(one, whole=dataclasses.replace(one.whole, ordered=0.0)) for one in found]
    assert places.orders(unknown, P).height == 0


def test_the_figure_has_a_panel_for_each_trace(frame):
    drawn = figures.everywhere(frame, quote=P.quote)
    assert "sample: " in drawn.alt
    assert "whole: " in drawn.alt
    assert len([ax for ax in drawn.figure.axes if ax.axison]) == 2
