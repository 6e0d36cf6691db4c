"""A check finds every defect, names it as the file numbers it, and says nothing of a good trace."""

import dataclasses
import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from tests.strategies import capability
from tests.traces import activity
from tests.traces.test_importing import BUSY, saved

from rollstate.compendium import cli, trace_costs
from rollstate.traces import check, datasets, importing, store

ADDRESS = "0x" + "ab" * 20
TABLE = "block_number,tx_index,address,slot,kind\n"


def errors(report):
    return check.levels(report).get("error", [])


def warnings(report):
    return check.levels(report).get("warning", [])


@pytest.fixture
def stored(tmp_path):
    """A good trace of a list, in two parts."""
    lists = tmp_path / "lists"
    lists.mkdir()
    activity.rlp(activity.run(BUSY), lists)
    trace = importing.read([str(lists)])
    store.write_trace(trace, tmp_path / "trace", parts=2)
    return tmp_path / "trace"


def change(path, **columns):
    pl.read_parquet(path).with_columns(**columns).write_parquet(path)


def test_a_good_trace_and_good_files_have_no_errors(stored, tmp_path):
    for source in (stored, tmp_path / "lists", datasets.data_folder() / "sample"):
        report = check.check([str(source)])
        assert report.usable
        assert warnings(report) == []
        assert report.counts["rows"] > 0
    assert report.format == "trace"
    trace = store.read_trace(stored)
    counts = check.check([str(stored)]).counts
    assert counts["slots"] == trace.slots.height
    assert counts["writes"] == trace.accesses["is_write"].sum()


def at(row, value, name):
    return pl.when(pl.int_range(pl.len()) == row).then(value).otherwise(pl.col(name)).cast(pl.Int64)


@pytest.mark.parametrize(
    ("file", "columns", "said"),
    [
        (
            "accesses/part-00001.parquet",
            {"block_number": at(2, 99, "block_number")},
            "part-00001.parquet: block_number must lie in the .*1 rows do not, the first is row 2",
        ),
        (
            "accesses/part-00000.parquet",
            {"slot_id": pl.col("slot_id").reverse()},
            "part-00000.parquet: rows must be unique and sorted",
        ),
        ("accesses/part-00000.parquet", {"tx_index": pl.lit(-1, pl.Int32)}, "tx_index must not be negative"),
        ("accesses/part-00000.parquet", {"is_write": pl.lit("x")}, "part-00000.parquet: columns are"),
        (
            "blocks.parquet",
            {"timestamp": pl.int_range(9, 9 - pl.len(), -1, dtype=pl.Int64)},
            "blocks.parquet: timestamp must not go back",
        ),
        ("blocks.parquet", {"observed": pl.lit(False)}, "3 are not observed, the stamp says 0"),
        (
            "slots.parquet",
            {"slot": pl.lit(b"x")},
            "slots.parquet: slot must have 32 bytes; 8 rows do not, the first is row 0",
        ),
        ("accounts.parquet", {"kind": pl.lit("gas")}, "accounts.parquet: kind must be one of"),
    ],
)
def test_each_defect_of_a_trace_is_named_with_its_file_and_row(stored, file, columns, said):
    change(stored / file, **columns)
    report = check.check([str(stored)])
    assert not report.usable
    found = [text for text in errors(report) if pl.Series([text]).str.contains(said)[0]]
    assert found, errors(report)


def test_all_defects_of_a_trace_are_found_at_once(stored):
    change(stored / "accesses" / "part-00000.parquet", tx_index=pl.lit(-1, pl.Int32))
    change(stored / "slots.parquet", slot=pl.lit(b"x"))
    (stored / "blocks.parquet").write_bytes(b"no parquet")
    assert len(errors(check.check([str(stored)]))) >= 4


def test_a_folder_without_a_stamp_or_with_a_bad_one_is_named(stored):
    stamp = json.loads((stored / "capability.json").read_text())
    (stored / "capability.json").write_text(json.dumps(stamp | {"observes_reads": "false"}))
    assert "observes_reads must be true or false" in errors(check.check([str(stored)]))[0]
    (stored / "capability.json").unlink()
    assert "capability.json is missing" in errors(check.check([str(stored)]))[0]


def test_every_bad_row_of_a_file_is_numbered_as_the_file_numbers_it(tmp_path):
    rows = [f"{100 + n},0,{ADDRESS},{hex(n)},read" for n in range(40)]
    rows[3] = f"103,0,{ADDRESS},,read"
    rows[17] = f"117,0,{ADDRESS},0x1,touch"
    rows[18] = f"118,0,{ADDRESS[:-1]},0x1,read"
    rows[39] = f"x,0,{ADDRESS},0x1,read"
    report = check.check([saved(tmp_path, TABLE + "\n".join(rows) + "\n")])
    assert sorted(int(text.split("line ")[1].split()[0]) for text in errors(report)) == [5, 19, 20, 41]
    assert report.counts["rows"] == 36


def test_a_file_full_of_defects_is_given_up_after_some(tmp_path):
    rows = [f"{100 + n},0,{ADDRESS},,read" for n in range(90)]
    found = errors(check.check([saved(tmp_path, TABLE + "\n".join(rows) + "\n")]))
    assert len(found) <= check.MOST + 2
    assert any(f"more than {check.MOST} defects" in text for text in found)


def test_a_bad_block_of_many_files_is_named_and_the_others_are_read(tmp_path):
    activity.rlp(activity.run(BUSY), tmp_path)
    bad = tmp_path / "101.rlp"
    bad.write_bytes(bad.read_bytes()[:-1])
    report = check.check([str(tmp_path)])
    assert len(errors(report)) == 1
    assert "101.rlp: byte" in errors(report)[0]


@pytest.mark.parametrize(
    ("stamp", "level", "said"),
    [
        ({"tx_level": "all"}, "warning", r"tx_level all, 1 rows \(50.0%\) have no transaction index"),
        ({"tx_level": "none"}, "error", "tx_level none, 1 rows have a transaction index"),
        ({"observes_reads": False}, "error", "sees no reads, there are 1"),
        (
            {"window_stop": 101},
            "error",
            r"1 blocks with touches, the first is 101, lie outside of the window",
        ),
    ],
)
def test_contradictions_of_stamp_and_content_are_named(tmp_path, stamp, level, said):
    path = saved(tmp_path, f"{TABLE}100,0,{ADDRESS},0x1,write\n101,,{ADDRESS},0x1,read\n")
    Path(path + ".capability.json").write_text(dataclasses.replace(capability(), **stamp).to_json())
    found = check.levels(check.check([path]))[level]
    assert any(pl.Series([text]).str.contains(said)[0] for text in found), found


def test_a_stray_block_is_told(tmp_path):
    rows = [f"{100 + n},0,{ADDRESS},{hex(n)},read" for n in range(60)]
    rows.append(f"30000100,0,{ADDRESS},0x1,read")
    report = check.check([saved(tmp_path, TABLE + "\n".join(rows) + "\n")])
    assert any("1 of 61 blocks, 30000100" in text for text in errors(report))


def test_keys_that_look_like_holders_are_doubted(tmp_path):
    rows = [f"{100 + n},0,{ADDRESS},{'0x' + f'{n + 1:02x}' * 20},write" for n in range(20)]
    importing.import_trace([saved(tmp_path, TABLE + "\n".join(rows) + "\n")], tmp_path / "trace")
    assert any(
        "100% of the keys look like addresses" in text
        for text in warnings(check.check([str(tmp_path / "trace")]))
    )


def test_the_command_says_what_a_trace_can_carry_and_ends_with_its_state(stored, tmp_path):
    done = CliRunner().invoke(cli.main, ["check", str(stored)])
    assert done.exit_code == 0, done.output
    assert "chapters that it can carry: " in done.output
    assert "rows were read and cut into intervals" in done.output
    blind = saved(tmp_path, f"{TABLE}100,,{ADDRESS},0x1,read\n", "blind.csv")
    done = CliRunner().invoke(cli.main, ["check", blind])
    assert "execution: not, it does not say which transaction wrote" in done.output
    shutil.rmtree(stored / "accesses")
    done = CliRunner().invoke(cli.main, ["check", str(stored)])
    assert done.exit_code == 1
    assert "holds no part" in done.output


def test_costs_are_measured_on_whole_slots_and_multiplied_up(tmp_path, monkeypatch):
    monkeypatch.setattr(trace_costs, "MEASURED_ROWS", 2_000)
    folder = datasets.data_folder() / "sample"
    rows = store.read_trace(folder).accesses.height
    cost = trace_costs.measure(folder, rows)
    assert 200 < cost.measured < rows
    assert f"{cost.measured:,} of {rows:,} rows" in cost.describe()
    assert cost.size > 20 * cost.measured
