"""Windows hit and hold what a walk finds, and rent is a window."""

import csv
import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollstate.errors import InputError
from rollstate.execution import expiry

EVENTS = st.sets(st.tuples(st.integers(0, 5), st.integers(100, 119)), min_size=1)


@given(EVENTS, st.sampled_from([(1,), (3, 5), (2, 9)]))
def test_window_curve_is_that_of_a_walk(events, windows):
    first = 100 + max(windows)
    judged = [(slot, block) for slot, block in events if block >= first]
    frame = pl.DataFrame(sorted(events), schema=["slot_id", "block_number"], orient="row")
    if not judged:
        with pytest.raises(InputError, match="no access"):
            expiry.window_curve(frame, windows, 100, 120)
        return
    for window, hits, kept in expiry.window_curve(frame, windows, 100, 120).rows():

        def held(slot, block, window=window):
            return any((slot, earlier) in events for earlier in range(block - window, block))

        assert hits == pytest.approx(sum(held(*event) for event in judged) / len(judged))
        sizes = [sum(held(slot, block) for slot in range(6)) for block in range(first, 120)]
        assert kept == pytest.approx(sum(sizes) / len(sizes))


def test_rent_is_a_window_and_keeping_pays_above_its_break_even():
    assert expiry.rent_window(100, 4) == 25
    assert expiry.worth_keeping(0.011, 1, 100)
    assert not expiry.worth_keeping(0.009, 1, 100)


def test_power_law_is_continued():
    assert expiry.power_extrapolation([1, 7], [2, 14], 30) == pytest.approx(60)


@pytest.mark.real_data
def test_power_law_of_published_windows_misses_the_month(data_dir):
    with (data_dir / "published" / "state_access_aggregates.csv").open() as lines:
        share = {
            (row["metric"], int(row["window_days"])): float(row["value"])
            for row in csv.DictReader(lines)
            if row["table"] == "warmth_slots_pct_of_1552604459"
        }
    miss = {}
    for kind in ("W", "R", "RuW"):
        day, week, month = (share[kind, days] for days in (1, 7, 30))
        said = expiry.power_extrapolation([1, 7], [day, week], 30)
        assert said == pytest.approx(day * (week / day) ** (math.log(30) / math.log(7)))
        miss[kind] = said / month - 1
    assert miss["W"] < -0.1
    assert abs(miss["R"]) < 0.03


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: expiry.rent_window(1, 0), "rent_per_block=0"),
        (lambda: expiry.worth_keeping(2, 0, 1), "hazard_per_block=2"),
        (lambda: expiry.power_extrapolation([1], [1], 2), "power law"),
        (lambda: expiry.window_curve(pl.DataFrame(), [20], 100, 120), "windows="),
        (lambda: expiry.window_curve(pl.DataFrame(), [], 100, 120), "windows="),
    ],
)
def test_bad_input_is_named(call, said):
    with pytest.raises(InputError, match=said):
        call()


def test_bounds_belong_to_what_is_allowed():
    """No deposit lasts no block, a share may be 0 or 1, costs may be nothing; at its break-even nothing pays."""
    assert expiry.rent_window(0, 2) == 0
    assert expiry.rent_window(0.5, 0.25) == 2
    assert expiry.power_extrapolation([0.25, 0.5], [0.1, 0.2], 0.75) == pytest.approx(0.3)
    assert not expiry.worth_keeping(0.01, 1, 100)
    assert expiry.worth_keeping(1, 0, 1)
    assert not expiry.worth_keeping(0, 0, 0)
    frame = pl.DataFrame({"slot_id": [1, 1], "block_number": [100, 119]})
    # From 100 to 119 are twenty blocks: the widest window leaves one of them to judge.
    assert expiry.window_curve(frame, [1, 19], 100, 120)["hits"].to_list() == [0, 1]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: expiry.rent_window(-1, 1), "deposit=-1"),
        (lambda: expiry.rent_window(1, -1), "rent_per_block=-1"),
        (lambda: expiry.worth_keeping(-0.1, 1, 1), "hazard_per_block=-0.1"),
        (lambda: expiry.worth_keeping(0.1, -1, 1), "rent_per_block=-1"),
        (lambda: expiry.worth_keeping(0.1, 1, -1), "revive=-1"),
        (lambda: expiry.window_curve(pl.DataFrame(), [0, 3], 100, 120), "between 1 and 19"),
        (lambda: expiry.window_curve(pl.DataFrame(), [], 100, 120), "windows="),
        (lambda: expiry.power_extrapolation([0, 1], [1, 2], 2), "power law"),
        (lambda: expiry.power_extrapolation([1, 2], [0, 2], 2), "power law"),
        (lambda: expiry.power_extrapolation([1, 2], [1, 2], 0), "power law"),
        (lambda: expiry.power_extrapolation([1, 2], [1, 2, 3], 2), "power law"),
    ],
)
def test_what_lies_beyond_a_bound_is_named(call, said):
    with pytest.raises(InputError, match=said):
        call()
