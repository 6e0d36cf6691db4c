"""Forecasts of blocks to come: against brute force, against lifelines, and where the true law is known."""

import numpy as np
import pytest

from rollstate.errors import InputError
from rollstate.horizons import foresight, renewal
from rollstate.horizons.foresight import BY_VISITS, CARRIED, POOLED, RATES, TABLE
from rollstate.survival import parametric
from rollstate.survival.spells import make_spells


def random_visits(seed=1, slots=40, blocks=60):
    rng = np.random.default_rng(seed)
    touched = rng.random((slots, blocks)) < rng.beta(0.4, 2, slots)[:, None]
    return renewal.in_order(*np.nonzero(touched))


def by_visits(chance, blocks=300, born=40, seed=3):
    """Return visits of slots touched with a chance that depends on how often they have been, block after block."""
    rng = np.random.default_rng(seed)
    number = np.zeros(0, np.int64)
    slots, when = [], []
    for block in range(blocks):
        hit = rng.random(len(number)) < np.asarray(chance)[np.minimum(number, len(chance)) - 1]
        number = np.append(number + hit, np.ones(born, np.int64))
        touched = np.flatnonzero(np.append(hit, np.ones(born, bool)))
        slots.append(touched)
        when.append(np.full(len(touched), block))
    return renewal.in_order(np.concatenate(slots), np.concatenate(when))


@pytest.fixture(scope="module")
def lawful():
    """What is foretold of slots whose chance of a touch is decided by one, two, or more visits so far."""
    of = by_visits((0.02, 0.05, 0.1))
    return foresight.foresee(of, np.ones(300, bool), start=200, hot=500, runs=2, seed=1)


def test_measures_by_brute_force():
    of, start = random_visits(), 40
    observed = np.ones(60, bool)
    observed[50] = False
    of = of.take(of.block != 50)
    lags, windows = np.array([1, 3, 9]), np.array([1, 4, 30])
    found = foresight.measure(of, start, observed, lags, windows, periods=4)
    touched = {(int(s), int(b)) for s, b in zip(of.slot, of.block, strict=True)}
    for period in range(4):
        inside = [one for one in touched if one[1] >= start and (one[1] - start) * 4 // 20 == period]
        assert found.visits[period] == len(inside)
        for i, lag in enumerate(lags):
            could = [one for one in inside if one[1] + lag < 60 and observed[one[1] + lag]]
            assert found.chances[i, period] == len(could)
            assert found.pairs[i, period] == sum((s, b + lag) in touched for s, b in could)
        for i, window in enumerate(windows):
            hits = sum(any((s, b - w) in touched for w in range(1, window + 1)) for s, b in inside)
            assert found.covered[i, period] == hits


def test_what_is_known_does_not_look_ahead():
    of = random_visits()
    found = renewal.known(of, 30, since=10)
    again = renewal.known(of.take(of.block < 30), 30, since=10)
    assert all(np.array_equal(getattr(found, name), getattr(again, name)) for name in vars(found))
    for row, slot in enumerate(found.slot):
        blocks = of.block[(of.slot == slot) & (of.block < 30)]
        assert found.visits[row] == len(blocks)
        assert (found.idle[row], found.seen[row]) == (29 - blocks[-1], 29 - blocks[0])
        assert found.last_gap[row] == (blocks[-1] - blocks[-2] if len(blocks) > 1 else 0)
    # Spells are at risk from block 10 on: each block of each slot between its first visit there and 29 once.
    risk = sum(29 - max(of.block[(of.slot == slot)][0], 9) for slot in found.slot)
    assert (found.duration - found.entry).sum() == risk
    assert found.event.sum() == ((of.block >= 10) & (of.block < 30) & (of.number > 1)).sum()


def test_ties_share_the_rest_of_a_hot_set():
    weight = foresight.first_ranked(np.array([1.0, 5.0, 1.0, 3.0, 0.0]), 3)
    assert weight.tolist() == [0.5, 1, 0.5, 1, 0]
    assert foresight.first_ranked(np.array([2.0, 2.0]), 5).tolist() == [1, 1]


def test_waits_follow_the_curve_given_the_idle_time():
    curve = np.array([[1, 0.9, 0.6, 0.5, 0.2, 0.1], [1, 0.5, 0.25, 0.2, 0.1, 0.0]])
    law = renewal.Curves(curve, np.array([[0], [1]]))
    n = 40_000
    draw = law.start(renewal.known(random_visits(), 30), 0, np.random.default_rng(1))
    for number, idle, row in ((1, 0, 0), (1, 2, 0), (5, 1, 1)):
        waits = draw(np.arange(n), np.full(n, number), np.zeros(n, np.int64), np.full(n, idle))
        for gap in range(idle, 6):
            assert (waits > gap).mean() == pytest.approx(curve[row, gap] / curve[row, idle], abs=0.01)
    # Idle for longer than the curve says anyone is: given up.
    assert np.isinf(draw(np.arange(3), np.full(3, 5), np.zeros(3, np.int64), np.full(3, 5))).all()


def test_the_true_law_foretells_reuse_and_coverage(lawful):
    w = np.ones(foresight.PERIODS)
    came = lawful.came
    for name in (BY_VISITS, TABLE):
        said = lawful.said[name]
        assert said.visits == pytest.approx(came.visits.sum(), rel=0.02)
        assert said.reuse == pytest.approx(came.reuse(w), rel=0.05)
        assert said.coverage == pytest.approx(came.coverage(w), rel=0.03)
        share = said.served.sum() / came.visits.sum()
        assert said.expected == pytest.approx(share, rel=0.05)
    # One curve for all forgets which slots are busy: after long it has too little reuse.
    assert lawful.said[POOLED].reuse[-1] < 0.8 * came.reuse(w)[-1]


def test_rates_foretell_slots_that_keep_theirs():
    rng = np.random.default_rng(2)
    chance = rng.gamma(0.5, 0.1, 4_000).clip(0, 0.9)
    of = renewal.in_order(*np.nonzero(rng.random((4_000, 300)) < chance[:, None]))
    found = foresight.foresee(of, np.ones(300, bool), start=200, hot=300, runs=2, seed=1)
    said, w = found.said[RATES], np.ones(foresight.PERIODS)
    assert said.reuse == pytest.approx(found.came.reuse(w), rel=0.15)
    assert said.expected == pytest.approx(said.served.sum() / found.came.visits.sum(), rel=0.1)
    assert said.served.sum() <= found.best.sum()


def test_what_is_carried_forward_is_measured_before_the_border():
    of = random_visits(slots=400, blocks=90)
    observed = np.ones(90, bool)
    said = foresight.foresee(of, observed, start=60, hot=10, runs=1, seed=1).said[CARRIED]
    changed = renewal.in_order(of.slot[of.block < 60], of.block[of.block < 60])
    lags = np.unique(np.geomspace(1, 15, 12).round().astype(int))
    one = foresight.measure(changed, 0, observed[:60], lags, np.array([1]), 1)
    assert said.reuse == pytest.approx(one.reuse(np.ones(1)))
    times = np.bincount(of.slot[of.block < 30])
    last = (of.block >= 30) & (of.block < 60)
    weight = foresight.first_ranked(times.astype(float), 10)
    expected = weight[of.slot[last][of.slot[last] < len(times)]].sum() / last.sum()
    assert said.expected == pytest.approx(expected)


@pytest.mark.parametrize("family", ["weibull", "lognormal", "loglogistic"])
def test_parametric_curves_are_those_of_lifelines(family):
    of = by_visits((0.1, 0.1), blocks=120, born=20)
    known = renewal.known(of, 120)
    curves = renewal.fit_parametric(known, 120, family)
    first = renewal.access_classes(known.number) == 0
    model = parametric.fit(make_spells(known.duration[first].astype(float), known.event[first]), family)
    times = np.arange(1, 100)
    theirs = np.exp(-model.predict_cumulative_hazard(times, np.zeros((99, 0))))
    assert curves.survival[0, 1:100] == pytest.approx(theirs, abs=1e-3)


def test_what_cannot_be_foretold_is_said():
    of = random_visits()
    with pytest.raises(InputError, match="at least 20 of them"):
        foresight.foresee(of, np.ones(60, bool), start=50, hot=5, runs=1, seed=1)
    with pytest.raises(InputError, match="nothing to learn from"):
        renewal.known(of.take(of.block > 30), 30)
    few = foresight.foresee(of, np.ones(60, bool), start=40, hot=5, runs=1, seed=1)
    assert "no curve can be fitted" in few.failed[BY_VISITS]
