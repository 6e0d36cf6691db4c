"""Measured runs are read as they are; what differs is kept apart, what is bad is named."""

import pandas as pd
import pytest

from rollstate.errors import InputError
from rollstate.proving import runs

ROW = {
    "block_number": 1, "stage": "proving", "hardware": "8x5090", "el": "reth-v1", "zkvm": "zisk-v1",
    "block_gas_used": 2e7, "status": "success", "proving_time_ms": 1e4, "total_num_cycles": None,
}  # fmt: skip


def written(tmp_path, *rows):
    path = tmp_path / "runs.csv"
    pd.DataFrame([ROW | row for row in rows]).to_csv(path, index=False)
    return [path]


@pytest.mark.parametrize("field", ["hardware", "el", "zkvm"])
def test_what_differs_is_another_run(tmp_path, field):
    found = runs.read(written(tmp_path, {}, {field: "other-v2"}))
    assert found["run"].nunique() == 2


def test_commit_tells_apart_what_nothing_else_does(tmp_path):
    found = runs.read(written(tmp_path, {"commit": "aa"}, {"commit": "bb"}))
    assert found["run"].tolist() == ["reth-v1 on zisk-v1, 8x5090 at aa", "reth-v1 on zisk-v1, 8x5090 at bb"]


def test_block_twice_in_one_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="8x5090: block 1 is there twice"):
        runs.read(written(tmp_path, {}, {}))


def test_cycles_come_from_the_same_client(tmp_path):
    execution = {"stage": "executions", "proving_time_ms": None, "hardware": "cpu"}
    found = runs.read(
        written(
            tmp_path,
            {},
            execution | {"el": "reth", "zkvm": "zisk-v0", "total_num_cycles": 7e8},
            execution | {"el": "reth", "zkvm": "risc0-v3", "total_num_cycles": 9e9},
            execution | {"el": "ethrex", "zkvm": "zisk-v0", "total_num_cycles": 5e8},
        )
    )
    assert found["cycles"].tolist() == [7e8]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"block_gas_used": -1}, "block_gas_used holds"),
        ({"proving_time_ms": "fast"}, "proving_time_ms holds 'fast'"),
        ({"total_num_cycles": -5}, "total_num_cycles holds"),
        ({"hardware": None}, "hardware is empty"),
        ({"proving_time_ms": None}, "finished without a proving time"),
        ({"stage": "executions"}, "no row is a proof"),
    ],
)
def test_bad_values_are_named(tmp_path, row, said):
    with pytest.raises(InputError, match=said):
        runs.read(written(tmp_path, row))


def test_missing_file_and_column_are_named(tmp_path):
    with pytest.raises(InputError, match="zkevm_mainnet_500"):
        runs.load(tmp_path)
    (tmp_path / "a.csv").write_text("block_number\n1\n")
    with pytest.raises(InputError, match="no column hardware"):
        runs.read([tmp_path / "a.csv"])
