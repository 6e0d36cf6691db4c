"""The sweep compares like with like, wherever it runs."""

from concurrent.futures import ProcessPoolExecutor

import numpy as np

from rollstate.proving.frontier import Point, Prices, sweep
from rollstate.proving.replications import Traffic
from rollstate.proving.simulation import Pipeline

WORK = np.random.default_rng(1).lognormal(np.log(115), 0.2, 200)
LOAD = Traffic(2.0, 4_000)


def table(points, **options):
    return sweep(points, LOAD, Prices(), WORK, Pipeline(), replications=5, seed=3, **options)


def test_processes_give_the_same_table():
    points = [Point(14, group, 10.0) for group in (2, 4)]
    with ProcessPoolExecutor(2) as pool:
        assert table(points, executor=pool).equals(table(points))


def test_larger_groups_cost_less_and_take_longer():
    found = table([Point(14, group, 10.0) for group in (2, 8, 24)])
    assert found["usd_per_tx"].is_monotonic_decreasing
    assert found["final_p99_s"].is_monotonic_increasing
    assert (found["final_p99_low_s"] < found["final_p99_high_s"]).all()


def test_points_that_cannot_keep_up_are_left_out():
    # Eight provers are too few, and one aggregator takes no single proofs.
    assert table([Point(8, 2, 10.0), Point(14, 1, 10.0), Point(14, 2, 10.0)])["provers"].tolist() == [14]
