"""Intervals over independent replications cover, for means and for tails."""

import numpy as np
import pytest

from rollstate.errors import InputError
from rollstate.proving import replications
from rollstate.proving.replications import Traffic, replicate, stages
from rollstate.proving.simulation import Pipeline, draw, simulate

WORK = np.random.default_rng(1).lognormal(np.log(115), 0.3, 250)
PIPELINE = Pipeline(max_tx=10**9, speeds=(1.0,) * 14, group=4)


@pytest.mark.thorough
def test_intervals_cover():
    # Few transactions to a batch, so that paths of 2,000 batches are cheap.
    long = replicate(PIPELINE, Traffic(0.5, 600_000, failure=0.02), WORK, replications=40, seed=1)
    truth = {"mean": long.final.mean().value, "p99": long.final.quantile(0.99).value}
    inside = {"mean": 0, "p99": 0}
    for seed in range(200):
        found = replicate(
            PIPELINE, Traffic(0.5, 12_000, failure=0.02), WORK, replications=40, seed=100 + seed
        )
        for name, one in (("mean", found.final.mean()), ("p99", found.final.quantile(0.99))):
            inside[name] += one.low <= truth[name] <= one.high
    # 93 to 97 %, and twice the error of a share of 200.
    for name, count in inside.items():
        assert 180 <= count <= 198, name


def test_throughput_of_a_stable_pipeline_is_what_arrives():
    found = replicate(PIPELINE, Traffic(2.0, 20_000), WORK, replications=10, seed=3)
    one = replications.mean(found.per_path["batches_per_h"])
    # A batch closes 10 s after its first transaction, and the next opens with the next one.
    assert one.value == pytest.approx(3600 / 10.5, rel=0.02)
    assert one.low < one.value < one.high


def test_binned_quantiles_are_those_of_the_delays():
    found = replicate(PIPELINE, Traffic(2.0, 5_000), WORK, replications=2, seed=4)
    delays = []
    for seed in replications.seeds(4, 2):
        path, draws = replications.path(PIPELINE, Traffic(2.0, 5_000), WORK, seed)
        delays.append((path.final_s - draws.arrival_s)[1_000:])
    together = np.concatenate(delays)
    for level in (0.05, 0.5, 0.99):
        assert found.final.quantile(level).value == pytest.approx(np.quantile(together, level), abs=0.1)
    assert found.final.mean().value == pytest.approx(np.mean([one.mean() for one in delays]))


def test_stages_add_up_to_the_delay():
    draws = draw(tx_per_s=20, n=5_000, work_s=WORK, seed=2)
    path = simulate(Pipeline(), draws)
    table = stages(path, draws)
    assert table.sum(axis=1).to_numpy() == pytest.approx(path.final_s - draws.arrival_s)
    assert (table >= -1e-9).all().all()


def test_bad_input_is_named():
    with pytest.raises(InputError, match="replications=1"):
        replications.seeds(1, 1)
    found = replicate(PIPELINE, Traffic(2.0, 1_000), WORK, replications=2, seed=4)
    with pytest.raises(InputError, match="level=1"):
        found.final.quantile(1)
