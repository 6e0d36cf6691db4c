"""The frames of the chapter on traces, counted by hand on a trace of six touches."""

import polars as pl
import pytest
from tests.strategies import make_trace

from rollstate import coverage
from rollstate.chapters.traces import figures, study
from rollstate.chapters.traces.parameters import Traces
from rollstate.compendium import bundles
from rollstate.estimate import Estimate

P = Traces(draws=40)
# (block, transaction, contract, slot, write): slots 0 and 1 of contract 1, slots 0 and 1 of contract 2.
TOUCHES = [
    (100, 0, 1, 0, True),
    (101, 0, 1, 0, False),
    (101, 1, 1, 1, True),
    (103, 0, 2, 0, False),
    (104, 0, 2, 1, True),
    (104, 0, 1, 0, False),
]


def window(touches=TOUCHES, stop=105):
    return study.Window(make_trace(touches, stop=stop))


def test_counts_are_those_made_by_hand():
    counted = study.counts(window())
    assert {key: value for key, value in counted.items() if key != "chain"} == {
        "blocks": 5,
        "events": 6,
        "slots": 4,
        "contracts": 2,
        "written": 3,
        "read_only": 3,
        "writes": 3,
        "read_share": 0.5,
        "once": 0.75,
    }


def test_late_discoveries_are_counted_by_hand():
    seen = window()
    # The last fifth is block 104: two events, of which one is the first sighting of a slot.
    assert study.unseen_late(seen, coverage.discovery(seen.trace, orders=5, seed=1)) == 0.5


def test_late_discoveries_of_blocks_without_events_are_none():
    seen = window(stop=130)
    assert study.unseen_late(seen, coverage.discovery(seen.trace, orders=5, seed=1)) == 0.0


def test_write_shares_by_class_and_what_a_window_without_a_class_lacks():
    found = study.write_shares(window(), P)
    # Once: slots (1, 1) and (2, 1) write, (2, 0) does not. Again: slot (1, 0) writes in one of three events.
    assert found["write_share_once"].value == pytest.approx(2 / 3)
    assert found["write_share_again"].value == pytest.approx(1 / 3)
    assert found["write_share_verdict"] in {"overlap", "do not overlap"}
    assert set(study.write_shares(window(TOUCHES[2:5]), P)) == {"write_share_once"}


def test_concentration_holds_the_recorded_numbers_and_begins_at_ten_slots():
    many = [(100 + n % 5, 0, n % 40, n, True) for n in range(4_000)]
    curves = study.concentration(window(many), P)
    assert curves.filter(pl.col("unit") == "slots")["top"].min() == pytest.approx(10 / 4_000)
    found = study.concentrations(curves)
    assert set(found) == {"top_slots", "gini_slots", "top_contracts", "gini_contracts"}
    # Every slot has one event, every contract a hundred: no concentration at all.
    assert found["top_slots"].value == pytest.approx(0.01)
    assert found["gini_contracts"].value == pytest.approx(0, abs=1e-12)


def test_one_contract_or_one_block_has_no_interval_and_every_figure_is_drawn():
    seen = window([(100, 0, 1, 0, True), (100, 0, 1, 1, False)], stop=101)
    curves = study.concentration(seen, P)
    assert all(
        isinstance(one, Estimate) and one.interval is None for one in study.concentrations(curves).values()
    )
    assert coverage.unseen_share(seen.trace, replicates=20, seed=1) == Estimate(1.0)
    shares = study.write_shares(seen, P)
    assert set(shares) == {"write_share_once"}
    assert shares["write_share_once"].interval is None
    found = coverage.discovery(seen.trace, orders=5, seed=1)
    for draw, frame, facts in (
        (figures.blocks, seen.by_block, {}),
        (figures.write_share, coverage.write_share(seen.slots, replicates=20, seed=1), {}),
        (figures.concentration, curves, {}),
        (figures.discovery, found, {"orders": 5}),
    ):
        drawing = draw(bundles.from_csv(bundles.to_csv(frame)), **facts)
        assert len(bundles.render(drawing.figure, "svg")) > 1_000
        assert drawing.caption
        assert drawing.alt


def test_long_windows_are_drawn_as_lines():
    many = [(100 + n % 300, 0, n % 4, n, True) for n in range(900)]
    assert figures.blocks(window(many, stop=400).by_block).figure.axes[0].lines
