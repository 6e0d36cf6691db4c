"""What the shipped profile of four years says of drift and of short traces."""

import polars as pl
import pytest

from rollstate.horizons import judging, lengths, rules
from rollstate.profile import load


@pytest.fixture(scope="module")
def punks():
    return rules.read(load("cryptopunks"))


def test_the_boom_of_2021_costs_a_window_tuned_before_it_about_a_quarter(punks):
    last = judging.rolling(punks, [365 * punks.day]).filter(pl.col("fold") == 7)
    cost = dict(last.select("policy", "to_hindsight").rows())
    assert cost[rules.TUNED] == pytest.approx(1.23, abs=0.03)
    assert cost[rules.QUARTER] < cost[rules.TUNED]
    assert cost[rules.RETUNED] < cost[rules.QUARTER]


def test_a_week_is_not_enough_for_a_year(punks):
    spans = lengths.by_length(punks, [365 * punks.day])
    cost = dict(spans.select("span", "to_hindsight").rows())
    assert 1.2 < cost["week"] < 1.5
    assert cost[lengths.ALL] < cost["week"]
    assert not spans.filter(span="week")["enough"][0]
