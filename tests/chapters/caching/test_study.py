"""The chapter's numbers are those of the curves, and its figures hold them."""

import dataclasses

import polars as pl
import pytest

from rollstate.caching import curves
from rollstate.chapters.caching import figures, study
from rollstate.chapters.caching.parameters import Caching
from rollstate.chapters.caching.results import CachingResults
from rollstate.errors import InputError

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
