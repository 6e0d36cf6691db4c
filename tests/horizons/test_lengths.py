"""What a span of a trace can set a window by."""

import dataclasses

import numpy as np
import polars as pl
import pytest

from rollstate import intervals
from rollstate.horizons import lengths, rules
from rollstate.tiering import windows
from rollstate.tiering.costs import two_tiers
from rollstate.tiering.replay import after, gaps
from tests.horizons.made import alike, made, trace

BLOCKS = 2400
PENALTIES = (5.0, 40.0, 200.0)


@pytest.fixture(scope="module")
def touches():
    return alike(BLOCKS, 120)


@pytest.fixture(scope="module")
def chain(touches):
    # Of two hours each: a day is twelve blocks, a week 84, a month 360.
    return rules.read(made(touches, BLOCKS, block_s=7200.0))


def test_a_span_is_seen_as_a_trace_of_its_blocks_alone(touches, chain):
    border = BLOCKS // 2
    found = lengths.by_length(chain, PENALTIES)
    assert found["span"].unique(maintain_order=True).to_list() == ["day", "week", "month", lengths.ALL]
    later = gaps(after(intervals.build(trace(touches, BLOCKS)), border - 1))
    for row in found.iter_rows(named=True):
        start, costs = border - row["blocks"], two_tiers(row["penalty"])
        whole = trace(touches, BLOCKS)
        alone = dataclasses.replace(
            whole, accesses=whole.accesses.filter(pl.col("block_number").is_between(start, border - 1))
        )
        spells = intervals.build(alone, window=(start, border)).filter(pl.col("start") >= start)
        assert row["gaps"] == spells["event"].sum()
        window, _ = windows.tuned(gaps(spells), costs)
        assert row["window"] == pytest.approx(window, rel=0.1)
        ratio = (
            windows.window_costs(later, np.array([row["window"]]), costs)[0] / windows.tuned(later, costs)[1]
        )
        assert row["to_hindsight"] == pytest.approx(ratio, rel=0.02)


def test_a_longer_span_never_knows_less_of_long_windows(chain):
    found = lengths.by_length(chain, [200.0])
    assert (found["window"].diff().drop_nulls() >= 0).all()
    day, *_, last = found.iter_rows(named=True)
    assert day["window"] <= 12
    assert day["to_hindsight"] > last["to_hindsight"] >= 1


def test_enough_needs_gaps_and_twice_the_window():
    assert lengths.is_enough(100, 200, 50.0)
    assert not lengths.is_enough(100, 199, 50.0)
    assert not lengths.is_enough(100, 10_000, 50.5)
    assert not lengths.is_enough(100, 10_000, np.inf)
