"""The chapter's numbers are those of the curves, and its figures hold them."""

import dataclasses

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from rollstate.caching import curves
from rollstate.chapters.caching import figures, places, study
from rollstate.chapters.caching.parameters import Caching
from rollstate.chapters.caching.results import CachingResults
from rollstate.errors import InputError
from rollstate.traces import parts, store

P = Caching(trace="sample", draws=30, shares=(0.01, 0.1))


@pytest.fixture(scope="module")
def found():
    return study.study(P)


def test_the_headline_is_that_of_the_ratios(found):
    got = study.headline(found, P) | {"order_effect": study.order_effect(found, P)}
    elsewhere = {name for name in CachingResults.declared() if name.startswith("places")}
    assert set(got) == set(CachingResults.declared()) - elsewhere - {"sampling_error", "order_largest"}
    assert got["best_hits"].value == max(curves.row(found.ratios, n, 0.1).value for n in curves.CLASSICAL)
    assert got["lru"].value <= got["best_hits"].value <= got["belady"].value
    assert 0 <= got["order_effect"] < 1
    assert got["hazard_closed"] <= 1


def test_every_policy_is_listed_in_order(found):
    assert found.ratios["policy"].unique(maintain_order=True).to_list() == list(curves.ORDER)
    table = study.standings(found)
    assert table["policy"].to_list() == list(curves.ORDER)
    assert table["bytes beside a slot"].is_finite().all()


def test_figures_say_their_numbers(found):
    drawn = figures.hits(found.ratios, quote=P.quote)
    assert "Belady" in drawn.alt
    gaps = figures.gaps(study.gaps(found))
    assert "conditional hazard in 1.0\u202f%" in gaps.alt
    assert study.gaps(found).filter(pl.col("policy") == curves.RATE).height == 2


def test_a_quote_outside_of_the_shares_is_named():
    with pytest.raises(InputError, match="must be one of the shares"):
        study.study(dataclasses.replace(P, quote=0.2))


def test_without_a_gap_to_close_there_is_no_figure_of_it(found):
    alike = found.ratios.with_columns(hits=pl.lit(0.5))
    with pytest.raises(InputError, match="at no size of memory"):
        study.gaps(dataclasses.replace(found, ratios=alike))


@pytest.fixture
def stored(found, tmp_path, monkeypatch):
    """The sample, stored in three parts and too large for one process."""
    store.write_trace(found.trace, tmp_path / "three", parts=3)
    monkeypatch.setattr(parts, "IN_MEMORY", 1_000)
    return dataclasses.replace(P, trace=str(tmp_path / "three"))


def test_all_slots_of_a_trace_in_parts_hit_what_the_whole_trace_hits(found, stored):
    again = study.study(stored)
    assert_frame_equal(again.ratios, found.ratios)
    assert again.border == found.border
    assert again.taken == 1
    assert study.notes(found) == []


def test_a_large_trace_is_replayed_on_a_sample_of_its_slots_and_the_page_says_so(found, stored, monkeypatch):
    every = found.trace.accesses.height
    monkeypatch.setattr(study, "DRAWN", every // 2)
    part = study.study(stored)
    drawn = part.trace.accesses.height
    assert every // 4 < drawn < 3 * every // 4
    assert part.taken == every // 2 / every
    assert f"{drawn:,} of the {every:,} accesses" in study.notes(part)[0]
    assert places.place("own", part.trace, stored, part.taken).rate == part.taken
    # Half of what an interval is wide is missed by one policy in twenty, all of it hardly ever.
    both = part.ratios.join(found.ratios, on=["policy", "share"], suffix="_whole").filter(share=0.1)
    off = both["hits"] - both["hits_whole"]
    assert (off.abs() <= both["hits_high"] - both["hits_low"]).all(), both.with_columns(off=off)
    least = part.ratios["room"].min()
    assert study.notes(part)[1].endswith(f"the least room here is for {least:,}.")
    # The room is a share of what the sample's slots take.
    room = dict(part.ratios.filter(share=0.1).select("policy", "room").iter_rows())
    assert room[curves.BELADY] == int(0.1 * part.seen.slots)
