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
)


def test_a_fit_finds_the_engine_that_made_the_measurements():
    truth = engines.Engine(cost="unit", overhead=0.5, serial=0.3)
    measured = [truth.speedup(load) for load in LOADS]
    assert engines.fit(LOADS, measured, engines.Engine(), GRID) == truth
    halves = engines.two_halves(LOADS, measured, engines.Engine(), GRID)
    assert halves["predicted"].to_list() == pytest.approx(measured)
    assert halves["half"].to_list() == [0, 1, 0, 1, 0, 1]


def test_a_half_does_not_see_its_own_measurements():
    measured = [engines.Engine(cost="unit").speedup(load) for load in LOADS]
    other = [value * (3 if i % 2 else 1) for i, value in enumerate(measured)]
    first, second = (engines.two_halves(LOADS, m, engines.Engine(), GRID) for m in (measured, other))
    # Measurements of the odd blocks changed: their own predictions stay.
    assert first.filter(half=1)["predicted"].to_list() == second.filter(half=1)["predicted"].to_list()


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
