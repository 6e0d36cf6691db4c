"""The frames of the chapter on traces, counted by hand on a trace of six touches."""

import polars as pl
import pytest
from tests.strategies import make_trace

from rollstate import coverage
from rollstate.chapters.traces import figures, study
from rollstate.chapters.traces.parameters import Traces
from rollstate.compendium import bundles
from rollstate.estimate import Estimate
from rollstate.traces.thinning import unobserve

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
    return coverage.count([coverage.Counts.of(make_trace(touches, stop=stop), orders=5, seed=1)])


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
    assert study.unseen_late(seen, coverage.discovery(seen)) == 0.5


def test_late_discoveries_of_blocks_without_events_are_none():
    seen = window(stop=130)
    assert study.unseen_late(seen, coverage.discovery(seen)) == 0.0


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
    assert coverage.unseen_share(seen, replicates=20, seed=1) == Estimate(1.0)
    shares = study.write_shares(seen, P)
    assert set(shares) == {"write_share_once"}
    assert shares["write_share_once"].interval is None
    found = coverage.discovery(seen)
    for draw, frame, facts in (
        (figures.blocks, study.blocks(seen), study.per_block(seen)),
        (figures.write_share, coverage.write_share(seen.slots, replicates=20, seed=1), {}),
        (figures.concentration, curves, {}),
        (figures.discovery, found, {"orders": 5}),
    ):
        drawing = draw(bundles.from_csv(bundles.to_csv(frame)), **facts)
        assert len(bundles.render(drawing.figure, "svg")) > 1_000
        assert drawing.caption
        assert drawing.alt


def test_a_very_long_window_is_drawn_as_means_of_runs_of_blocks():
    # Block 100 + n touches n % 3 + 1 slots of one contract, every second block one more of another.
    many = [(100 + n, 0, 1, s, s == 0) for n in range(2_502) for s in range(n % 3 + 1)]
    many += [(100 + n, 0, 2, 0, False) for n in range(0, 2_502, 2)]
    seen = window(many, stop=2_602)
    frame, facts = study.blocks(seen), study.per_block(seen)
    assert frame.height == 834
    assert frame["block_number"].to_list()[:3] == [100, 103, 106]
    first = frame.row(0, named=True)
    assert (first["written"], first["read"], first["contracts"]) == pytest.approx((1, 5 / 3, 5 / 3))
    total = 2_502 * 2 + 1_251
    assert facts == {
        "blocks": 2_502, "run": 3, "median": 2.5, "mean": total / 2_502, "least": 1, "most": 4, "contracts": 1.5,
        "read": pytest.approx((total - 2_502) / total),
    }  # fmt: skip
    drawing = figures.blocks(bundles.from_csv(bundles.to_csv(frame)), **facts)
    assert "Each point is the mean of 3 blocks." in drawing.caption


def test_blocks_that_mostly_touch_nothing_are_told_by_their_mean():
    seen = window([(100 + n, 0, 1, 1, n % 3 == 0) for n in range(0, 6_000, 3)], stop=6_100)
    figure = figures.blocks(study.blocks(seen), **study.per_block(seen)).figure
    assert "touches 0.33 slots on average" in figure.get_suptitle() + "".join(
        t.get_text() for t in figure.texts
    )
    figure.canvas.draw()
    labels = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert len(set(labels)) == len(labels)
    assert "2,000" in [tick.get_text() for tick in figure.axes[1].get_xticklabels()]


def test_blocks_that_were_not_observed_are_not_drawn():
    seen = coverage.count(
        [coverage.Counts.of(unobserve(make_trace(TOUCHES, stop=105), [102]), orders=5, seed=1)]
    )
    assert study.blocks(seen)["block_number"].to_list() == [100, 101, 103, 104]
    assert study.per_block(seen)["least"] == 1


def test_long_windows_are_drawn_as_lines():
    many = [(100 + n % 300, 0, n % 4, n, True) for n in range(900)]
    seen = window(many, stop=400)
    assert figures.blocks(study.blocks(seen), **study.per_block(seen)).figure.axes[0].lines


def test_figures_do_not_compare_what_is_alike():
    """A process that touches every slot in every tenth block, and only writes."""
    touches = [
        (block, 0, 1 + slot % 2, slot, True) for slot in range(20) for block in range(slot % 10, 100, 10)
    ]
    seen = coverage.count(
        [coverage.Counts.of(make_trace(touches, window_start=0, window_stop=100), orders=5, seed=1)]
    )
    drawn = figures.blocks(study.blocks(seen), **study.per_block(seen))
    assert "Every block touches 2 slots." in drawn.caption
    shares = figures.write_share(coverage.write_share(seen.slots, replicates=20, seed=1))
    assert "is 100\u202f% in every class of slots" in shares.alt
    assert "1 class of slots" in shares.alt
