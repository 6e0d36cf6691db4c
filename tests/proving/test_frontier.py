"""The sweep compares like with like, wherever it runs."""

from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from rollstate.proving.frontier import Point, Workload, stages, sweep
from rollstate.proving.simulation import Pipeline, draw, simulate

WORK = np.random.default_rng(1).lognormal(np.log(115), 0.2, 200)
LOAD = Workload(n=20_000)


def test_stages_add_up_to_the_delay():
    draws = draw(tx_per_s=20, n=5_000, work_s=WORK, seed=2)
    path = simulate(Pipeline(), draws)
    table = stages(path, draws)
    assert table.sum(axis=1).to_numpy() == pytest.approx(path.final_s - draws.arrival_s)
    assert (table >= -1e-9).all().all()


def test_processes_give_the_same_table():
    points = [Point(14, group, 10.0) for group in (1, 4)]
    here = sweep(points, LOAD, WORK, Pipeline(), seed=3)
    with ProcessPoolExecutor(2) as pool:
        assert sweep(points, LOAD, WORK, Pipeline(), seed=3, executor=pool).equals(here)


def test_larger_groups_cost_less_and_take_longer():
    table = sweep([Point(14, group, 10.0) for group in (2, 8, 24)], LOAD, WORK, Pipeline(), seed=4)
    assert table["usd_per_tx"].is_monotonic_decreasing
    assert table["final_p99_s"].is_monotonic_increasing


def test_too_few_provers_show_as_growth():
    long = Workload(n=100_000)
    table = sweep([Point(8, 2, 10.0), Point(16, 2, 10.0)], long, WORK, Pipeline(), seed=5)
    assert table["growth"][0] > 0.3
    assert abs(table["growth"][1]) < 0.1
