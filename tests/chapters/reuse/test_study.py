"""The frames of the chapter on reuse: by brute force, by hand, and on traces that hold nearly nothing."""

import numpy as np
import polars as pl
import pytest
from tests.strategies import make_trace

from rollstate import executors, profile
from rollstate.chapters.reuse import figures, study
from rollstate.chapters.reuse.parameters import Reuse
from rollstate.compendium import bundles
from rollstate.errors import InputError
from rollstate.profile import counts, reduction
from rollstate.profile.plan import GROUPS
from rollstate.traces import store

P = Reuse(draws=30, hot=5, min_events=20)


def random_trace(seed=1, slots=200, blocks=60, contracts=20, **stamp):
    """Return a trace whose slots are touched at random times, some often and some rarely."""
    rng = np.random.default_rng(seed)
    chance = rng.beta(0.3, 3, slots)
    touches = [
        (100 + int(block), 0, 1 + slot % contracts, slot, True)
        for slot in range(slots)
        for block in np.flatnonzero(rng.random(blocks) < chance[slot])
    ]
    return make_trace(touches, stop=100 + blocks, **stamp)


@pytest.fixture(scope="module")
def trace():
    return random_trace(chain_id=1)


@pytest.fixture(scope="module")
def one(trace):
    return profile.make(trace)


def test_level_is_the_reuse_of_shuffled_blocks(trace, one):
    # Over all orders of the blocks, a lag joins each ordered pair of blocks equally often.
    sets = [
        set(part["slot_id"])
        for block in range(100, 160)
        for part in [trace.accesses.filter(pl.col("block_number") == block)]
    ]
    pairs = sum(len(a & b) for i, a in enumerate(sets) for j, b in enumerate(sets) if i != j)
    found = study.level(one, P)
    assert found.value == pytest.approx(pairs / (59 * sum(map(len, sets))))
    assert found.low < found.value < found.high


def test_factors_compare_lags_and_classes():
    lags = pl.DataFrame(
        {
            "series": ["the trace"] * 3 + ["consecutive blocks"],
            "lag": [60.0, 86_400, 600_000, 1],
            "reuse": [0.3, 0.2, 0.1, 0.9],
        }
    )  # fmt: skip
    classes = pl.DataFrame(
        {"least": [2, 2, 9, 9], "lag": [60.0, 90_000, 60, 90_000], "reuse": [0.5, 0.01, 0.5, 0.25]}
    )
    found = study.factors(lags, classes, "seconds")
    assert found.numbers == {"lag_span": 10_000, "lag_factor": pytest.approx(3), "class_factor": 25}
    assert not found.missing
    assert study.factors(lags, classes.clear(), "seconds").missing == ("class_factor",)


def test_lags_in_time_are_those_in_blocks(one):
    found = study.at_lags(one, one, P)
    # Sixty blocks of twelve seconds: 43 minutes are 216 of them.
    assert set(found.numbers) == {"short_lag_1", "short_lag_10", "short_lag_40", "days"}
    assert found.numbers["days"] == pytest.approx(60 * 12 / 86_400)
    long = profile.make(random_trace(2, slots=30, blocks=300, chain_id=1))
    found = study.at_lags(long, one, P)
    assert found.numbers["reuse_43_min"] == profile.reuse.at(long, 216, draws=30, seed=P.seed)


def test_hot_sets_are_averaged_over_their_borders(one):
    table = study.hot_sets({"mine": one}, P)
    by_border = counts.hot_set(one, 5)
    assert by_border.height > 1
    frequent = table.filter(pl.col("choice") == "frequent").row(0, named=True)
    assert frequent["share"] == pytest.approx(by_border["frequent"].mean())
    assert (frequent["low"], frequent["high"]) == (by_border["frequent"].min(), by_border["frequent"].max())
    found = study.hot_numbers(table, "mine")
    assert found.numbers["hot_frequent"].value == frequent["share"]
    assert found.numbers["hot_best"].value >= frequent["share"]
    assert study.hot_numbers(table, "another").missing


def test_index_of_touches_is_hills(one):
    index, everyone = study.index_of_touches(one, "slots"), np.ones(GROUPS)
    for k in (5, 20, 60):
        assert index(k, everyone) == pytest.approx(counts.hill_of_touches(one, k))
        # With every slot twice, the 2k busiest are the k busiest twice.
        assert index(2 * k, 2 * everyone) == pytest.approx(index(k, everyone))
    assert np.isnan(index(10_000, everyone))


def gaps(seed, draw, slots=150, blocks=4_000):
    """Return the profile of slots whose gaps are drawn one after the other."""
    rng = np.random.default_rng(seed)
    touches = []
    for slot in range(slots):
        at = np.cumsum(np.ceil(draw(rng, 4_000)))
        touches += [(100 + int(block), 0, slot % 20, slot, True) for block in at[at < blocks]]
    return profile.make(make_trace(touches, stop=100 + blocks))


def test_index_of_gaps_drifts_where_there_is_no_power_law():
    alike = gaps(1, lambda rng, n: rng.pareto(0.8, n) + 1)
    fast = gaps(2, lambda rng, n: rng.exponential(60, n))
    drifts = []
    for of in (alike, fast):
        numbers = study.tail_numbers(of, study.tails({"mine": of}, P), P).numbers
        drifts.append(numbers["gaps_drift"])
        assert numbers["gaps_drift"] == pytest.approx(numbers["gaps_high"] / numbers["gaps_low"])
    assert drifts[0] < 2 < 10 < drifts[1]


EDGES = {
    "two blocks, one slot": ([(100, 0, 1, 0, True), (101, 0, 1, 0, False)], 102, {}),
    "no slot twice": ([(100 + n, 0, n % 3 + 1, n, True) for n in range(40)], 140, {"chain_id": 1}),
    "no clock": ([(100 + n % 30, 0, n % 4 + 1, n % 7, True) for n in range(300)], 130, {}),
}


@pytest.mark.parametrize("name", EDGES)
def test_each_section_answers_or_says_why_not(name, one):
    touches, stop, stamp = EDGES[name]
    mine = profile.make(make_trace(touches, stop=stop, **stamp))
    found = study.at_lags(mine, one, P)
    assert set(found.numbers) | set(found.missing) == {*study.LAGS_S, *study.SHORT_LAGS, "days"}
    lags, unit = study.by_lag(mine, one, P)
    level, classes = study.level(mine, P), study.by_class(mine, P)
    drawn = [
        (figures.by_lag, lags, {"unit": unit, "level": level.value}),
        (figures.by_class, classes, {"unit": unit}),
    ]
    found = study.factors(lags, classes, unit)
    assert set(found.numbers) | set(found.missing) >= {"lag_span", "lag_factor", "class_factor"}
    served, curve = study.hot_sets({"mine": mine}, P), study.hot_curve(mine, P)
    assert study.hot_numbers(served, "mine").numbers or study.hot_numbers(served, "mine").missing
    indices = study.tails({"mine": mine}, P)
    assert study.tail_numbers(mine, indices, P).missing
    drawn += [(figures.hot_set, curve, {"size": 5, "span": "equal length"}), (figures.tails, indices, {})]
    for draw, frame, facts in drawn:
        if frame.height:
            drawing = draw(bundles.from_csv(bundles.to_csv(frame)), **facts)
            assert len(bundles.render(drawing.figure, "svg")) > 1_000


def test_a_trace_of_one_block_is_refused(monkeypatch):
    single = profile.make(make_trace([(100, 0, 1, n, True) for n in range(5)], stop=101))
    monkeypatch.setattr(profile, "load", lambda name, **how: single)
    with pytest.raises(InputError, match="single block"):
        study.profiles(P)


def test_what_comes_with_the_package_is_no_data_set_but_the_month_is_read_as_a_trace():
    assert Reuse().data_sets() == ("mainnet_thinned_30d",)
    assert Reuse(trace="my-trace", month="sample").data_sets() == ("my-trace", "sample")


def test_hot_sets_of_a_trace_that_falls_silent_leave_those_of_others(one):
    burst = make_trace([(100 + n % 3, 0, 1, n, True) for n in range(9)], stop=200)
    both = study.hot_sets({"silent": profile.make(burst), "mine": one}, P)
    assert both["trace"].unique().to_list() == ["mine"]


def test_a_stored_trace_is_reduced_on_the_cluster_that_is_named(trace, one, tmp_path, monkeypatch):
    store.write_trace(trace, tmp_path / "three", parts=3)
    asked = []

    def mapped(function, items, scheduler=None):
        asked.append((scheduler, len(items)))
        return map(function, items)

    monkeypatch.setattr(reduction, "mapped", mapped)
    monkeypatch.setenv(executors.SCHEDULER, "tcp://127.0.0.1:8786")
    ref = str(tmp_path / "three")
    found = study.profiles(Reuse(trace=ref, others=()))[ref]
    assert asked == [("tcp://127.0.0.1:8786", 3)]
    assert found.slots.equals(one.slots)
