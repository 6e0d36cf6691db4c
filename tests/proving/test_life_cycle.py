"""Recorded life cycles: what is read, what is refused, and a model that is as near as its process is right."""

import numpy as np
import pytest

from rollstate.errors import InputError
from rollstate.proving import life_cycle
from rollstate.proving.replications import Traffic
from rollstate.proving.simulation import Pipeline

BATCHES = life_cycle.synthetic(1)


def test_table_is_read(tmp_path):
    file = tmp_path / "batches.csv"
    BATCHES.to_csv(file, index=False)
    found = life_cycle.read(file)
    assert found.equals(BATCHES)
    proven = found["proven_s"].notna().sum()
    assert 0 < proven < len(found)
    assert len(life_cycle.delays(found)) == proven


@pytest.mark.parametrize(
    ("column", "row", "value", "said"),
    [
        ("opened_s", 3, "soon", "row 5: opened_s is 'soon'"),
        ("opened_s", 3, None, "row 5: opened_s"),
        ("committed_s", 3, 1.0, "batch 1003: committed_s is 1.0, but opened_s"),
        ("committed_s", 3, None, "batch 1003: proven_s .* but committed_s is nan"),
        ("batch", 3, 1002, "row 5: batches must ascend"),
        ("transactions", 3, -1, "row 5: transactions is"),
    ],
)
def test_bad_input_is_named(tmp_path, column, row, value, said):
    bad = BATCHES.astype(object).copy()
    bad.loc[row, column] = value
    bad.to_csv(tmp_path / "bad.csv", index=False)
    with pytest.raises(InputError, match=said):
        life_cycle.read(tmp_path / "bad.csv")


def test_missing_files_and_columns_are_named(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        life_cycle.read(tmp_path / "none.csv")
    BATCHES.drop(columns="proven_s").to_csv(tmp_path / "short.csv", index=False)
    with pytest.raises(InputError, match="no column proven_s; rollstate extract --view batches"):
        life_cycle.read(tmp_path / "short.csv")


def test_distance_is_that_of_the_definition():
    assert life_cycle.distance(np.arange(10.0), np.arange(10.0)) == 0
    assert life_cycle.distance(np.arange(10.0), np.arange(10.0) + 100) == 1
    assert life_cycle.distance(np.array([1.0, 2, 3, 4]), np.array([3.0, 4, 5, 6])) == 0.5


def test_fitted_pipeline_is_nearer_than_another():
    # Batches of a known pipeline: provers enough, 3,000 s from commit to proof.
    work = 3_000 * np.random.default_rng(2).lognormal(0, 0.2, 500)
    truth = Pipeline(
        max_tx=10**9, timeout_s=60.0, speeds=(1.0,) * 200, group=1, aggregate_s=0.0, prove_after="virtual"
    )
    traffic = Traffic(tx_per_s=1.0, transactions=50_000)
    seen = life_cycle.simulated(truth, traffic, work, replications=2, seed=3).iloc[:400]
    opened = 1.7e9 + 61.0 * np.arange(len(seen))
    batches = BATCHES.iloc[: len(seen)].assign(
        opened_s=opened,
        committed_s=opened + seen["committed"].to_numpy(),
        proven_s=opened + seen["proven"].to_numpy(),
    )
    made = life_cycle.fitted(batches.iloc[:200], Pipeline(), Traffic(), seed=4)
    fit = life_cycle.simulated(made.pipeline, made.traffic, made.work_s, replications=4, seed=5)
    other = life_cycle.simulated(Pipeline(max_tx=10**9), traffic, np.array([120.0]), replications=2, seed=5)
    table = life_cycle.compare(batches.iloc[200:], {"fit": fit, "other": other})
    ks = table[table["stage"] == "proven"].set_index("model")["ks"]
    assert ks["other"] == 1
    # Delays in order depend on each other: 200 of them are worth some 20 independent ones, 1.36 / sqrt(20) = 0.3.
    assert ks["fit"] < 0.3


def test_too_few_batches_are_said():
    with pytest.raises(InputError, match="too few to fit"):
        life_cycle.fitted(BATCHES.iloc[:5], Pipeline(), Traffic(), seed=1)
    with pytest.raises(InputError, match="too few to compare"):
        life_cycle.compare(BATCHES.iloc[:5], {})
