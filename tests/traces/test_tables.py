"""A reader's own table is taken as it is or refused with the reason."""

import json

import polars as pl
import pytest
from tests.strategies import capability

from rollstate.errors import InputError
from rollstate.traces import datasets
from rollstate.traces.tables import read_table

ADDRESS = "0x" + "ab" * 20
ROWS = {
    "block_number": [100, 101, 101],
    "tx_index": [0, None, 2],
    "address": [ADDRESS, ADDRESS.upper().replace("0X", "0x"), ADDRESS],
    "slot": ["0x0", "0x" + "0" * 64, "0x2"],
    "kind": ["write", "read", "write"],
}


def save(folder, ending="csv", stamp=True, **changes):
    path = folder / f"my.{ending}"
    frame = pl.DataFrame({**ROWS, **changes})
    frame.write_csv(path) if ending == "csv" else frame.write_parquet(path)
    if stamp:
        (folder / f"my.{ending}.capability.json").write_text(capability().to_json())
    return path


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_table_becomes_a_trace(tmp_path, kind):
    trace = datasets.load_trace(str(save(tmp_path, kind)))
    assert trace.slots.height == 2
    assert trace.accesses.rows() == [(100, 0, 0, True), (101, None, 0, False), (101, 2, 1, True)]
    assert trace.capability == capability()


def test_missing_stamp_shows_the_one_to_fill_in(tmp_path):
    path = save(tmp_path, stamp=False)
    with pytest.raises(InputError, match="observes_reads") as caught:
        read_table(path)
    template = str(caught.value).split("\n", 1)[1]
    (tmp_path / "my.csv.capability.json").write_text(template)
    assert read_table(path).capability.as_dict() == json.loads(template)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": ["write", "delete", "read"]}, "'read' or 'write'"),
        ({"address": [ADDRESS, "0xzz", ADDRESS]}, "hexadecimal"),
        ({"address": [ADDRESS, "0x" + "ab" * 21, ADDRESS]}, "20 bytes in hexadecimal; line 3"),
        ({"block_number": ["100", "x", "101"]}, "block_number must hold integers"),
        ({"block_number": [100, 99, 101]}, "window"),
        ({"tx_index": [2**31, None, 0]}, "tx_index must hold integers"),
        ({"address": [ADDRESS, "0xab", ADDRESS]}, "20 bytes in hexadecimal; line 3"),
        ({"slot": ["0x0", "0x" + "f" * 65, "0x1"]}, "slot"),
    ],
)
def test_bad_rows_are_named(tmp_path, changes, said):
    with pytest.raises(InputError, match=said) as caught:
        read_table(save(tmp_path, **changes))
    assert "my.csv" in str(caught.value)


def test_fractions_and_truth_values_are_no_integers(tmp_path):
    for numbers in ([100.0, 100.5, 101.0], [True, True, False]):
        with pytest.raises(InputError, match="block_number must hold integers, not"):
            read_table(save(tmp_path, "parquet", block_number=numbers))


def test_what_is_known_of_the_blocks_is_read_beside_the_table(tmp_path):
    path, blocks = save(tmp_path), tmp_path / "my.csv.blocks.csv"
    numbers = list(range(100, 130))
    pl.DataFrame({"block_number": numbers, "timestamp": [12 * n for n in numbers]}).write_csv(blocks)
    table = read_table(path).blocks
    assert table["timestamp"].to_list() == [12 * n for n in numbers]
    assert table["gas_used"].null_count() == 30
    pl.DataFrame({"block_number": numbers[1:]}).write_csv(blocks)
    with pytest.raises(InputError, match="one row for each of 30 blocks"):
        read_table(path)
    pl.DataFrame({"number": numbers}).write_csv(blocks)
    with pytest.raises(InputError, match="columns must be block_number"):
        read_table(path)


def test_missing_column_wrong_ending_and_empty_table_are_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("block_number,address,slot\n")
    with pytest.raises(InputError, match="no column kind"):
        read_table(path)
    path.write_text("block_number,address,slot,kind\n")
    with pytest.raises(InputError, match="no rows"):
        read_table(path)
    with pytest.raises(InputError, match=r"\.parquet or \.csv"):
        read_table(tmp_path / "a.xlsx")
    (tmp_path / "b.parquet").write_bytes(b"not parquet")
    with pytest.raises(InputError, match="cannot be read"):
        read_table(tmp_path / "b.parquet")
