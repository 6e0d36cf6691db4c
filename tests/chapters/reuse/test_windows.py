"""Windows over months in the chapter: numbers by hand, figures from their files, traces that hold nearly nothing."""

import numpy as np
import polars as pl
import pytest
from tests.horizons.made import alike, drifting, made

from rollstate.chapters.reuse import figures, windows
from rollstate.chapters.reuse.parameters import Reuse
from rollstate.compendium import bundles
from rollstate.errors import InputError
from rollstate.horizons import rules
from rollstate.horizons.rules import CLASSES, HINDSIGHT, MONTH, QUARTER, RETUNED, SLOTS, TUNED

P = Reuse(draws=50, penalties=(0.5, 3.0, 20.0, 90.0), penalty=20.0, long=("steady", "changed"))


@pytest.fixture(scope="module")
def of():
    """Two traces of days: one without drift, one with a change."""
    return {
        "steady": rules.read(made(alike(800), 800)),
        "changed": rules.read(made(drifting(1600, 100), 1600)),
    }


@pytest.fixture(scope="module")
def eighths(of):
    return windows.folds(of, P)


def judged(rows):
    """Return a table of (trace, penalty, policy, to_hindsight, to_simple), with intervals a tenth to each side."""
    names = ["trace", "penalty", "policy", "to_hindsight", "to_simple"]
    table = pl.DataFrame(rows, schema=names, orient="row")
    return table.with_columns(low=pl.col("to_hindsight") * 0.9, high=pl.col("to_hindsight") * 1.1)


def test_the_worst_case_and_the_goal_are_counted_by_hand():
    rows = [("x", 1.0, policy, 1.5, 1.2) for policy in (MONTH, QUARTER, TUNED)]
    rows += [("x", 1.0, CLASSES, 0.9, 0.9), ("x", 9.0, CLASSES, 1.3, 1.0), ("x", 0.1, CLASSES, 7.0, 7.0)]
    rows += [("x", 1.0, RETUNED, 1.05, 1.02), ("x", 9.0, RETUNED, 1.0, 1.03), ("y", 1.0, RETUNED, 1.06, 1.0)]
    rows += [("x", 1.0, SLOTS, 1.01, 1.0), ("x", 0.5, RETUNED, 1.0, 1.0)]
    numbers = windows.month_numbers(judged(rows)).numbers
    assert (numbers["goal_retuned"], numbers["goal_slots"], numbers["goal_cells"]) == (1, 1, 3)
    assert (numbers["best_classes"].value, numbers["worst_classes"].value) == (0.9, 1.3)
    assert numbers["best_classes"].interval == pytest.approx((0.81, 0.99))
    assert (numbers["classes_better"], numbers["classes_worse"]) == (1, 1)
    assert (numbers["worst_retuned"].value, numbers["retuned_over_simple"]) == (1.06, 1.03)
    assert numbers["worst_retuned"].interval == pytest.approx((0.954, 1.166))
    assert windows.month_numbers(judged([("x", 0.5, TUNED, 1.0, 1.0)])).missing
    few = judged([row for row in rows if row[2] in (TUNED, RETUNED)])
    lacking = {"worst_month", "worst_quarter", "worst_slots", "worst_classes", "best_classes", "goal_slots"}
    lacking |= {"classes_better", "classes_worse"}
    assert set(windows.month_numbers(few).missing) == lacking


def test_times_are_days_and_ratios_those_of_the_costs(of):
    table = windows.months(of, P)
    assert table["penalty"].unique().sort().to_list() == list(P.penalties)
    cell = table.filter(trace="steady", penalty=20.0)
    cost = dict(cell.select("policy", "cost").rows())
    assert dict(cell.select("policy", "to_hindsight").rows())[TUNED] == pytest.approx(
        cost[TUNED] / cost[HINDSIGHT]
    )
    assert dict(cell.select("policy", "window").rows())[MONTH] == 30
    drawn = cell.filter(pl.col("policy").is_in([CLASSES, RETUNED, SLOTS]))
    assert (drawn["low"] < drawn["to_hindsight"]).all()
    assert (drawn["to_hindsight"] < drawn["high"]).all()
    assert cell.filter(policy=HINDSIGHT)["low"].null_count() == 1


def test_drift_is_the_eighth_where_the_tuned_window_loses_most(eighths):
    late, found = windows.drift(eighths.filter(pl.col("penalty") <= 20))
    assert set(late["penalty"]) == {20.0}
    tuned = late.filter(policy=TUNED)
    assert found.numbers["drift_tuned"].value == tuned["to_hindsight"].max()
    assert found.numbers["drift_trace"] == "changed"
    # The change lies at five eighths: the eighth that begins there is the sixth.
    assert found.numbers["drift_day"] == 1000
    # The border at two thirds lies in this eighth: there the change is noticed.
    assert 1 < found.numbers["drift_retuned"].value < 0.9 * found.numbers["drift_tuned"].value
    assert windows.drift(eighths)[1].numbers["drift_tuned"].interval is not None


def test_windows_left_out_and_one_more(eighths):
    table = windows.left_out(eighths, P)
    row = table.filter(trace="steady", policy=TUNED).row(0, named=True)
    near = eighths.filter(trace="steady", penalty=20.0)
    cost = {name: near.filter(policy=name)["cost"].to_numpy() for name in (TUNED, HINDSIGHT)}
    assert row["ratio"] == pytest.approx(cost[TUNED].sum() / cost[HINDSIGHT].sum())
    without = [
        np.delete(cost[TUNED], i).sum() / np.delete(cost[HINDSIGHT], i).sum() for i in range(row["windows"])
    ]
    assert (row["least_without"], row["most_without"]) == pytest.approx((min(without), max(without)))
    assert row["next_low"] < 1.2
    assert 1 < row["effective"] <= row["windows"]
    numbers = windows.next_numbers(eighths, P).numbers
    assert numbers["eighths"] == 14
    assert numbers["covers_percentile"].value < numbers["covers_t"].value
    assert windows.next_numbers(eighths.filter(pl.col("fold") < 2), P).missing
    assert windows.left_out(eighths.filter(pl.col("fold") < 3), P).is_empty()


def test_lengths_are_summed_up_by_hand(of):
    spans = ["hour", "hour", "week", "week", "month"]
    table = pl.DataFrame(
        {
            "span": spans,
            "penalty": [30.0, 90.0, 90.0, 365.0, 365.0],
            "to_hindsight": [2.0, 7.0, 1.1, 1.3, 1.2],
            "enough": [False, False, True, False, True],
        }
    )
    found = windows.length_numbers(table)
    assert found.numbers == {
        "hour_least": 2.0, "hour_most": 7.0, "week_90_least": 1.1, "week_90_most": 1.1, "week_365_least": 1.3,
        "week_365_most": 1.3, "accepted_most": 1.2, "accepted_spans": 2, "refused_most": 7.0, "refused_spans": 3,
    }  # fmt: skip
    assert not found.missing
    assert "hour_least" in windows.length_numbers(windows.by_length(of, P)).missing


def test_the_sources_table_has_every_trace_or_says_why_not(of):
    profiles = {name: one.profile for name, one in of.items()}
    thin = profiles["steady"]
    stamp = type(thin.capability).from_dict(thin.capability.as_dict() | {"observed_every": 3})
    profiles["thinned"] = type(thin)(
        **{name: getattr(thin, name) for name in thin.__dataclass_fields__} | {"capability": stamp}
    )
    table = windows.source_table(profiles, {})
    assert table["trace"].unique(maintain_order=True).to_list() == ["steady", "changed", "thinned"]
    why = table.filter(trace="thinned")
    assert why.height == 1
    assert "every" in why["why_not"][0]
    told = table.filter(pl.col("ram_ratio").is_not_null())
    assert (told["miss_penalty"] <= told["cost"] * (1 + 1e-9)).all()
    never = told.filter(policy=rules.NEVER)
    assert never["hit_coverage"].to_list() == [1.0, 1.0]
    assert never["ram_ratio"].to_list() == [1.0, 1.0]


def test_figures_are_drawn_from_their_files(of, eighths):
    late, _ = windows.drift(eighths)
    for draw, frame in (
        (figures.over_months, windows.months(of, P)),
        (figures.drift, late),
        (figures.trace_length, windows.by_length(of, P)),
    ):
        drawing = draw(bundles.from_csv(bundles.to_csv(frame)))
        assert len(bundles.render(drawing.figure, "svg")) > 1_000
        assert "steady" in drawing.caption + drawing.alt + drawing.figure.get_axes()[0].get_title(loc="left")


def test_a_trace_without_a_clock_is_refused_by_name(monkeypatch):
    timeless = made(alike(200), 200, block_s=None)
    monkeypatch.setattr(windows, "load", lambda name: timeless)
    with pytest.raises(InputError, match="steady: windows in days need"):
        windows.chains(P)
