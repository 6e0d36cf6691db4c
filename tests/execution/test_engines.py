"""A fit finds the parameters that made the numbers, and each half is judged by the other half's engine."""

import numpy as np
import pytest

from rollstate.errors import InputError
from rollstate.execution import engines

RNG = np.random.default_rng(4)
LOADS = [
    engines.Workload(number, one.blocks, one.costs, one.gas)
    for number, one in enumerate(
        engines.random_transfers(120, accounts, RNG) for accounts in (4, 12, 40, 120, 400, 1000)
    )
]
GRID = engines.Grid(
    rules=("lazy",),
    costs=("unit",),
    overheads=(0.0, 0.5, 1.0),
    locks=(0.0,),
    serials=(0.0, 0.3),
    retries=(1.0,),
    fixed=(0.0, 20.0),
)


def test_a_fit_finds_the_engine_that_made_the_measurements():
    truth = engines.Engine(cost="unit", overhead=0.5, serial=0.3, fixed=20.0)
    measured = [truth.speedup(load) for load in LOADS]
    found = engines.fits(LOADS, measured, engines.Engine(), GRID)
    everything = np.arange(len(LOADS))
    assert found.chosen(everything) > 1
    assert found.best(everything) == truth
    halves = engines.two_halves(found, LOADS)
    assert halves["predicted"].to_list() == pytest.approx(measured)
    assert halves["half"].to_list() == [0, 1, 0, 1, 0, 1]
    judged = engines.every_half(found)
    assert judged.height == 10
    assert judged["log_error"].max() == pytest.approx(0, abs=1e-9)


def test_a_half_does_not_see_its_own_measurements():
    measured = [engines.Engine(cost="unit").speedup(load) for load in LOADS]
    other = [value * (3 if i % 2 else 1) for i, value in enumerate(measured)]
    first, second = (
        engines.two_halves(engines.fits(LOADS, m, engines.Engine(), GRID), LOADS) for m in (measured, other)
    )
    # Measurements of the odd blocks changed: their own predictions stay, and so does the trust in the others.
    own = ("predicted", "power")
    assert first.filter(half=1).select(own).equals(second.filter(half=1).select(own))


def test_an_average_is_over_all_engines_and_counts_good_ones_most():
    truth = engines.Engine(cost="unit", overhead=0.5)
    found = engines.fits(LOADS, [truth.speedup(load) for load in LOADS], engines.Engine(), GRID)
    training, judged = np.arange(4), np.array([4, 5])
    assert found.predicted(0, training, judged) == pytest.approx(found.logs[:, judged].mean(0))
    for power in engines.POWERS[1:]:
        weights = found.weights(power, training)
        assert weights.sum() == pytest.approx(1)
        assert (weights > 0).all()
        assert found.engines[int(weights.argmax())] == found.best(training) == truth
        predicted = found.predicted(power, training, judged)
        assert (found.logs[:, judged].min(0) < predicted).all()
        assert (predicted < found.logs[:, judged].max(0)).all()


def test_blocks_that_say_nothing_of_the_engine_are_not_trusted():
    """Measurements dealt at random over blocks: the flat average is nearer to each one left out than any fit."""
    truth = engines.Engine(cost="unit", overhead=0.5)
    exact = np.array([truth.speedup(load) for load in LOADS])
    rng = np.random.default_rng(7)
    powers = []
    for _ in range(40):
        found = engines.fits(LOADS, exact * np.exp(rng.normal(0, 1, len(LOADS))), engines.Engine(), GRID)
        powers.append(found.chosen(np.arange(len(LOADS))))
    assert np.median(powers) <= 2


def test_a_table_of_engines_says_what_each_engine_says():
    found = engines.fits(LOADS, [2.0] * len(LOADS), engines.Engine(sequential_below=1.0), GRID)
    for engine, logs in zip(found.engines, found.logs, strict=True):
        assert np.exp(logs) == pytest.approx([engine.speedup(load) for load in LOADS])


def test_blocks_that_cannot_be_halved_are_named():
    with pytest.raises(InputError, match="3 blocks cannot be halved"):
        engines.every_half(engines.fits(LOADS[:3], [2.0] * 3, engines.Engine(), GRID))
    assert engines.every_half(engines.fits(LOADS[:5], [2.0] * 5, engines.Engine(), GRID)).height == 10


def test_small_blocks_run_on_one_thread():
    load = LOADS[0]
    small = engines.Workload(1, load.blocks, load.costs, 1e6)
    assert engines.Engine(sequential_below=4e6).run(small) == (1.0, 0.0)


def test_judging_is_rank_and_log_error():
    judged = engines.judge([1.0, 2.0, 4.0], [2.0, 4.0, 8.0])
    assert judged.rank_correlation == pytest.approx(1)
    assert judged.log_error == pytest.approx(np.log(2))
    with pytest.raises(InputError, match="at least three"):
        engines.judge([1.0], [1.0])
