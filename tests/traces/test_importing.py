"""Files of every tool become the trace of what happened, or are refused with the reason."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.needs import examples
from tests.strategies import capability
from tests.traces import activity
from tests.traces.activity import FIRST, STEPS, hexed, word

from rollstate.compendium import cli
from rollstate.errors import InputError
from rollstate.execution import conflicts
from rollstate.traces import block_access_list as bal
from rollstate.traces import datasets, import_ranges, importing, store, stray_blocks
from rollstate.traces.formats import files
from rollstate.traces.formats.rows import ROWS_SCHEMA, Batch, Options

WINDOW = (FIRST, FIRST + activity.BLOCKS)
SEEN_WHOLE = {
    "cryo as text": lambda touches, folder: activity.cryo(touches, folder),
    "cryo as bytes": lambda touches, folder: activity.cryo(touches, folder, "parquet"),
    "xatu": activity.xatu,
    "tracer answers": activity.answers,
}
LISTED = {
    "draft": lambda touches, folder: activity.rlp(touches, folder, "draft"),
    "final": lambda touches, folder: activity.rlp(touches, folder, "final"),
    "execution APIs": lambda touches, folder: activity.list_json(touches, folder),
    "fixtures": lambda touches, folder: activity.list_json(touches, folder, "fixtures"),
}
BUSY = [
    (b, t, c, s, 0 if s == 3 else (b + t + c + s) % 3)
    for b in range(3)
    for t in range(3)
    for c in (1, 2)
    for s in range(4)
]
"""Three transactions a block touch four slots of two contracts; the last slot they only read."""


def read(write, steps, folder, **options):
    folder.mkdir(exist_ok=True)
    touches = activity.run(steps)
    return touches, importing.read(write(touches, folder), Options(blocks=WINDOW, **options))


@pytest.mark.parametrize("tool", SEEN_WHOLE)
@settings(max_examples=6)
@given(steps=STEPS)
def test_a_source_that_sees_all_gives_what_happened(tmp_path_factory, tool, steps):
    touches, trace = read(SEEN_WHOLE[tool], steps, tmp_path_factory.mktemp("tool"))
    assert activity.of_trace(trace).equals(activity.all_touches(touches))
    stamp = trace.capability
    assert (stamp.observes_reads, stamp.observes_all_writes, stamp.tx_level, stamp.key_form) == (
        True,
        True,
        "all",
        "slot",
    )


@pytest.mark.parametrize("tool", LISTED)
@settings(max_examples=6)
@given(steps=STEPS)
def test_a_list_gives_its_writes_and_its_reads_without_transaction(tmp_path_factory, tool, steps):
    layout = {"layout": tool} if tool in bal.LAYOUTS else {}
    touches, trace = read(LISTED[tool], steps, tmp_path_factory.mktemp("tool"), **layout)
    assert activity.of_trace(trace).equals(activity.listed_touches(touches))
    assert trace.capability.tx_level == "writes"


@settings(max_examples=6)
@given(steps=STEPS.filter(len))
def test_a_table_of_ones_own_gives_what_it_says(tmp_path_factory, steps):
    touches, trace = read(activity.table, steps, tmp_path_factory.mktemp("t"), columns={"block": "blk"})
    assert activity.of_trace(trace).equals(activity.all_touches(touches))
    assert not trace.capability.observes_all_writes


def test_the_same_blocks_give_equal_traces_whatever_tool_wrote_them(tmp_path):
    traces = {}
    for tool, write in (SEEN_WHOLE | LISTED).items():
        _, traces[tool] = read(write, BUSY, tmp_path / tool.replace(" ", "-"))
    whole = traces["cryo as bytes"]
    for tool in SEEN_WHOLE:
        assert traces[tool].accesses.equals(whole.accesses), tool
        assert traces[tool].slots.equals(whole.slots), tool
    for tool in LISTED:
        assert traces[tool].accesses.equals(traces["final"].accesses), tool
        assert traces[tool].slots.equals(whole.slots), tool
        assert traces[tool].accounts.equals(traces["final"].accounts), tool
    # Reads by transaction aside, lists tell the same writes.
    writes = whole.accesses.filter("is_write")
    assert traces["final"].accesses.filter("is_write").equals(writes)
    assert traces["tracer answers"].accounts.equals(traces["final"].accounts)


def test_engine_numbers_are_the_same_from_lists_and_from_their_trace(tmp_path):
    (tmp_path / "lists").mkdir()
    activity.rlp(activity.run(BUSY), tmp_path / "lists")
    importing.import_trace([str(tmp_path / "lists")], tmp_path / "trace")
    direct, stored = bal.read_folder(tmp_path / "lists"), datasets.load_trace(str(tmp_path / "trace"))
    rows = [conflicts.touches(trace) for trace in (direct, stored)]
    assert rows[0].equals(rows[1])
    # Transactions that touch no storage are there, and conflict by what they change.
    bare = conflicts.touches(dataclasses.replace(stored, accounts=stored.accounts.clear()))
    assert rows[0].height > bare.height


@pytest.mark.real_data
def test_mainnet_lists_keep_their_conflicts_on_the_way_into_a_trace(data_dir, tmp_path):
    folder = data_dir / "mainnet-bal"
    importing.import_trace([str(folder)], tmp_path / "trace", Options(chain_id=1))
    stored, direct = store.read_trace(tmp_path / "trace"), datasets.load_trace("mainnet-bal")
    assert stored.accesses.equals(direct.accesses)
    assert stored.accounts.equals(direct.accounts)
    assert stored.capability == direct.capability
    shares = [
        sum(conflicts.independent(block).mean() for block in conflicts.blocks(conflicts.touches(trace)))
        for trace in (stored, direct)
    ]
    assert shares[0] == shares[1]
    assert round(shares[0] / 50, 3) == 0.609


def test_from_equals_to_is_no_write_and_the_net_effect_of_a_transaction_counts(tmp_path):
    path = tmp_path / "net__storage_diffs__100_to_100.csv"
    header = "block_number,transaction_index,transaction_hash,address,slot,from_value,to_value,chain_id"
    address = hexed(b"\x11" * 20)
    rows = [
        (0, 1, 5, 5),  # Unchanged.
        (0, 2, 1, 2),
        (0, 2, 2, 1),  # Put back.
        (1, 2, 1, 2),
        (1, 2, 2, 3),  # Changed twice.
    ]
    lines = [
        f"100,{tx},{activity.HASH},{address},{hexed(word(slot))},{hexed(word(a))},{hexed(word(b))},10"
        for tx, slot, a, b in rows
    ]
    path.write_text("\n".join([header, *lines]) + "\n")
    trace = importing.read([str(path)])
    assert activity.of_trace(trace).rows() == [(100, 1, b"\x11" * 20, word(2), True)]
    assert trace.capability.chain == "OP Mainnet"
    assert not trace.capability.observes_reads


def test_a_missing_table_is_said_and_stamped(tmp_path):
    diffs, reads = activity.cryo(activity.run(BUSY), tmp_path)
    assert not importing.read([diffs]).capability.observes_reads
    alone = importing.import_trace([reads], tmp_path / "reads")
    assert not alone.capability.observes_all_writes
    assert any("no table of diffs" in note for note in alone.notes)


def test_tables_of_other_blocks_chains_or_tools_are_refused(tmp_path):
    diffs, reads = map(Path, activity.cryo(activity.run(BUSY), tmp_path))
    other = reads.with_name("net__storage_reads__100_to_103.csv")
    reads.rename(other)
    with pytest.raises(InputError, match=r"diffs cover blocks \[100, 103\), reads cover blocks \[100, 104\)"):
        importing.recognise([str(diffs), str(other)])
    gap = diffs.with_name("net__storage_diffs__110_to_112.csv")
    shutil.copy(diffs, gap)
    with pytest.raises(InputError, match="no file holds blocks 103 to 109"):
        importing.recognise([str(diffs), str(gap)])
    gap.unlink()
    text = diffs.read_text()
    diffs.write_text(text.rstrip("\n").rsplit(",", 1)[0] + ",10\n")
    with pytest.raises(InputError, match="several chains"):
        importing.recognise([str(diffs)])
    diffs.write_text(text.replace("\n100,", "\n77,", 1))
    with pytest.raises(InputError, match="block 77 is not one of"):
        importing.read([str(diffs)])
    diffs.write_text(text)
    with pytest.raises(InputError, match="cryo and of Xatu are mixed"):
        importing.recognise([str(diffs), *activity.xatu(activity.run(BUSY), tmp_path)])
    with pytest.raises(InputError, match="several formats at once"):
        importing.recognise([str(diffs), *activity.table(activity.run(BUSY), tmp_path)])


TABLE = "block_number,tx_index,address,slot,kind\n"
ADDRESS = "0x" + "ab" * 20


def saved(folder, text, name="mine.csv"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (f"100,0,{ADDRESS},,read", "slot must be.* line 3 has ''"),
        (f"100,0,{ADDRESS},0x,read", "slot must be.* line 3 has '0x'"),
        (f"100,0,{ADDRESS},17,read", "mixes numbers with and without 0x"),
        (f"100,0,{ADDRESS[:-2]},0x1,read", "address must be 20 bytes.* line 3"),
        (f",0,{ADDRESS},0x1,read", "block_number must hold integers, and none may be missing; line 3"),
        (f"-5,0,{ADDRESS},0x1,read", "block_number must not be negative; line 3"),
        (f"100,-1,{ADDRESS},0x1,read", "tx_index must not be negative; line 3 has -1"),
        (f"1e3,0,{ADDRESS},0x1,read", "block_number must hold integers.* line 3"),
        (f"100,{2**31},{ADDRESS},0x1,read", r"tx_index must hold integers \(Int32\); line 3"),
        (f"100,0,{ADDRESS},0x1,touch", "kind must be 'read' or 'write'.* line 3 has 'touch'"),
        (f"100,0,{ADDRESS},0x1", "cannot be read: line 3: "),
        (
            f"30000100,0,{ADDRESS},0x1,read",
            "1 of 51 blocks, 30000100 to 30000100, lie 29,999,951 blocks away",
        ),
    ],
)
def test_a_bad_row_is_named_as_the_file_numbers_it(tmp_path, row, said):
    good = [f"{100 + at},0,{ADDRESS},0x1,write" for at in range(50)]
    path = saved(tmp_path, TABLE + "\n".join([good[0], row, *good[1:]]) + "\n")
    with pytest.raises(InputError, match=said) as caught:
        importing.read([path])
    assert "mine.csv" in str(caught.value) or "away" in said


def test_a_block_beyond_all_that_can_be_counted_is_refused(tmp_path):
    path = saved(tmp_path, TABLE + f"{2**63 - 1},0,{ADDRESS},0x1,read\n")
    with pytest.raises(InputError, match=f"goes beyond block {2**63 - 2}, the last that can be counted"):
        importing.read([path])


def test_a_table_is_found_in_any_dress(tmp_path):
    rows = {
        "block_number": [100, 101],
        "address": [ADDRESS, ADDRESS],
        "slot": ["0x1", "0x2"],
        "is_write": [True, False],
    }
    frame = pl.DataFrame(rows)
    folder = tmp_path / "lake" / "chain=8453"
    folder.mkdir(parents=True)
    frame.write_parquet(folder / "a.parquet")
    frame.write_ipc(tmp_path / "a.arrow")
    frame.write_ipc_stream(tmp_path / "s.ipc")
    frame.write_ndjson(tmp_path / "a.ndjson")
    frame.with_columns(pl.col("address").cast(pl.Categorical)).write_parquet(tmp_path / "c.parquet")
    frame.write_csv(tmp_path / "a.csv", separator=";", include_bom=True)
    import zstandard

    (tmp_path / "a.csv.zst").write_bytes(zstandard.compress((tmp_path / "a.csv").read_bytes()))
    wanted = None
    for source in ("lake", "a.arrow", "s.ipc", "a.ndjson", "c.parquet", "a.csv", "a.csv.zst", "*.zst"):
        trace = importing.read([str(tmp_path / source)])
        wanted = wanted if wanted is not None else trace
        assert trace.accesses.equals(wanted.accesses), source
        assert trace.slots.equals(wanted.slots), source
    assert importing.read([f"file://{tmp_path}/a.csv"]).slots.equals(wanted.slots)
    # Doubled and unsorted rows are there once and in order.
    double = importing.read([str(tmp_path / "a.csv"), str(tmp_path / "a.arrow")])
    assert double.accesses.equals(wanted.accesses)


def test_columns_are_mapped_or_asked_for(tmp_path):
    path = saved(tmp_path, f"blk,a,key,storage_key,op\n7,{ADDRESS},1,2,r\n9,{ADDRESS},300,2,W\n")
    with pytest.raises(InputError, match=r"no column for address .*--map address=COLUMN; it has blk, a, key"):
        importing.read([path], Options(columns={"block": "blk", "slot": "key"}))
    with pytest.raises(InputError, match=r"key or storage_key\? say which with --map slot=COLUMN"):
        importing.read([path])
    with pytest.raises(InputError, match="no column blok; it has"):
        importing.read([path], Options(columns={"block": "blok"}))
    with pytest.raises(InputError, match="there is no gas"):
        importing.read([path], Options(columns={"gas": "blk"}))
    trace = importing.read([path], Options(columns={"block": "blk", "address": "a", "slot": "key"}))
    assert [int.from_bytes(slot) for slot in trace.slots["slot"]] == [1, 300]
    assert trace.blocks["block_number"].to_list() == [7, 8, 9]
    assert trace.capability.tx_level == "none"


def test_numbers_and_hexadecimal_text_are_not_mixed(tmp_path, monkeypatch):
    """Lines of JSON may write the same column in both ways, far apart."""
    monkeypatch.setattr(files, "LINES", 2)
    rows = [
        {"block": 7 + n, "address": ADDRESS, "slot": 16 if n < 4 else "0x10", "op": "r"} for n in range(6)
    ]
    path = saved(tmp_path, "".join(json.dumps(row) + "\n" for row in rows), "mixed.ndjson")
    with pytest.raises(InputError, match="mixes numbers with and without 0x"):
        importing.read([path])
    path = saved(tmp_path, "".join(json.dumps(row) + "\n" for row in rows[:4]), "numbers.ndjson")
    assert [int.from_bytes(slot) for slot in importing.read([path]).slots["slot"]] == [16]


def test_remote_files_are_read_by_fsspec(tmp_path):
    import fsspec

    touches = activity.run(BUSY)
    local = [*activity.cryo(touches, tmp_path, "parquet")]
    system = fsspec.filesystem("memory")
    for path in local:
        system.pipe(f"/lake/{Path(path).name}", Path(path).read_bytes())
    (packed,) = activity.table(touches, tmp_path)
    system.pipe("/mine.csv.gz", Path(packed).read_bytes())
    assert importing.read(["memory://lake"]).accesses.equals(importing.read(local).accesses)
    found = importing.read(["memory://lake/*diffs*"])
    assert found.accesses["is_write"].all()
    table = importing.read(["memory://mine.csv.gz"], Options(columns={"block": "blk"}))
    assert activity.of_trace(table).equals(activity.all_touches(touches))


def test_a_window_that_the_files_do_not_hold_is_refused(tmp_path):
    paths = activity.cryo(activity.run(BUSY), tmp_path)
    with pytest.raises(InputError, match=r"--blocks 90:102 is not a part of the blocks \[100, 103\)"):
        importing.read(paths, Options(blocks=(90, 102)))
    part = importing.read(paths, Options(blocks=(101, 102)))
    assert part.accesses["block_number"].unique().to_list() == [101]


def test_times_beside_block_numbers_are_said_not_to_be_read(tmp_path):
    text = f"block,time,address,slot,kind\n5,1700000000,{ADDRESS},0x1,w\n"
    path, plain = saved(tmp_path, text), saved(tmp_path, text.replace("time", "memo"), "plain.csv")
    said = importing.import_trace([path], tmp_path / "with").notes
    assert [note for note in said if "Times in time are not read" in note and "mine.csv.blocks.csv" in note]
    assert not [
        note for note in importing.import_trace([plain], tmp_path / "without").notes if "Times" in note
    ]
    # What the note asks for.
    (tmp_path / "mine.csv.blocks.csv").write_text("block_number,timestamp\n5,1700000000\n")
    assert importing.read([path]).blocks["timestamp"].to_list() == [1700000000]


def test_timestamps_become_steps_of_a_clock(tmp_path):
    text = f"time,address,slot,kind\n1700000000,{ADDRESS},0x1,w\n1700000061,{ADDRESS},0x1,r\n"
    trace = importing.read([saved(tmp_path, text)], Options(seconds=60))
    assert trace.blocks["timestamp"].to_list() == [1699999980, 1700000040]
    iso = text.replace("1700000000", "2023-11-14T22:13:20Z").replace("1700000061", "2023-11-14T22:14:21Z")
    again = importing.read([saved(tmp_path, iso, "iso.csv")], Options(seconds=60))
    assert again.accesses.equals(trace.accesses)
    assert again.blocks.equals(trace.blocks)
    with pytest.raises(InputError, match="or --seconds N"):
        importing.read([saved(tmp_path, text)])


@pytest.mark.parametrize("clock", ["1700000000123", "1700000000123456"])
def test_timestamps_finer_than_seconds_are_not_taken_for_seconds(tmp_path, clock):
    text = f"time,address,slot,kind\n{clock},{ADDRESS},0x1,w\n"
    with pytest.raises(InputError, match="time must hold seconds since 1970, not milliseconds"):
        importing.read([saved(tmp_path, text)], Options(seconds=60))


@pytest.mark.parametrize("bits", [128, 256])
def test_decimal_columns_are_numbers(tmp_path, bits):
    kind = pa.decimal128(38, 0) if bits == 128 else pa.decimal256(76, 0)
    slots = [1, (1 << 100) + 7]
    rows = {
        "block_number": pa.array([100, 101], kind),
        "address": [ADDRESS, ADDRESS],
        "slot": pa.array(slots, kind),
        "is_write": [True, False],
    }
    path = tmp_path / "mine.parquet"
    pq.write_table(pa.table(rows), path)
    trace = importing.read([str(path)])
    assert trace.accesses["block_number"].to_list() == [100, 101]
    assert [int.from_bytes(slot) for slot in trace.slots["slot"]] == slots


def test_logs_and_transfers_are_a_surrogate_and_say_so(tmp_path):
    a, b, zero = (hexed(bytes([n]) * 20) for n in (0x44, 0x55, 0))
    transfers = "token_address,from_address,to_address,value,transaction_hash,log_index,block_number\n"
    transfers += f"{ADDRESS},{zero},{a},{2**256 - 1},{activity.HASH},0,100\n"
    transfers += f"{ADDRESS},{a},{b},0,{activity.HASH},4,102\n"
    moved = importing.read([saved(tmp_path, transfers, "token_transfers.csv")])
    assert activity.of_trace(moved).rows() == [
        (100, None, b"\xab" * 20, b"\x44" * 20 if False else bytes(12) + b"\x44" * 20, True),
        (102, None, b"\xab" * 20, bytes(12) + b"\x44" * 20, True),
        (102, None, b"\xab" * 20, bytes(12) + b"\x55" * 20, True),
    ]
    stamp = moved.capability
    assert (stamp.key_form, stamp.observes_reads, stamp.observes_all_writes, stamp.tx_level) == (
        "holder",
        False,
        False,
        "none",
    )
    topic = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
    ends = ",".join("0x" + "00" * 12 + end[2:] for end in (a, b))
    logs = "log_index,transaction_hash,transaction_index,block_hash,block_number,address,data,topics\n"
    logs += f'0,{activity.HASH},3,{activity.HASH},100,{ADDRESS},{hexed(word(1))},"{topic},{ends}"\n'
    logs += f"1,{activity.HASH},3,{activity.HASH},100,{ADDRESS},0x,\n"
    found = importing.read([saved(tmp_path, logs, "logs.csv")])
    assert activity.of_trace(found)["tx_index"].to_list() == [3, 3]
    with pytest.raises(InputError, match="two accounts of the same transfers"):
        importing.recognise([str(tmp_path / "logs.csv"), str(tmp_path / "token_transfers.csv")])
    with pytest.raises(InputError, match=r"logs\.csv, line 2: data must be"):
        importing.read([saved(tmp_path, logs.replace(hexed(word(1)), "0x1"), "logs.csv")])


def test_a_list_that_has_not_the_hash_of_its_header_is_refused(tmp_path):
    activity.list_json(activity.run(BUSY), tmp_path, "fixtures")
    path = tmp_path / f"{FIRST}.json"
    found = json.loads(path.read_text())
    found["blockAccessList"][-1]["nonceChanges"][0]["postNonce"] = "0x9"
    path.write_text(json.dumps(found))
    with pytest.raises(InputError, match=rf"{FIRST}\.json: the list does not have the hash of its header"):
        importing.read([str(tmp_path)])


def test_blocks_of_lists_must_be_known_and_consecutive(tmp_path):
    activity.list_json(activity.run(BUSY), tmp_path)
    (tmp_path / "101.json").unlink()
    with pytest.raises(InputError, match="blocks 101 to 101 are missing"):
        importing.read([str(tmp_path)])
    assert importing.read([str(tmp_path)], Options(blocks=(102, 103))).blocks.height == 1
    for number, name in ((100, "a.json"), (102, "b.json")):
        (tmp_path / f"{number}.json").rename(tmp_path / name)
    with pytest.raises(InputError, match="do not say their block"):
        importing.read([str(tmp_path)])
    assert importing.read([str(tmp_path)], Options(blocks=(7, 9))).blocks["block_number"].to_list() == [7, 8]


def test_an_answer_that_is_missing_or_doubled_is_named(tmp_path):
    activity.answers(activity.run(BUSY), tmp_path)
    shutil.copy(tmp_path / "100_full.json", tmp_path / "100_again.json")
    with pytest.raises(InputError, match="are both the full answer for block 100"):
        importing.read([str(tmp_path)])
    (tmp_path / "100_again.json").unlink()
    (tmp_path / "101_diff.json.gz").unlink()
    with pytest.raises(InputError, match="block 101 has no answer with diffMode true"):
        importing.read([str(tmp_path)])


@pytest.mark.parametrize("write", [activity.answers, activity.list_json])
def test_a_block_in_which_nothing_happened_is_one_of_the_others(tmp_path, write):
    write(activity.run(BUSY), tmp_path)
    endings = ("_full.json", "_diff.json") if write is activity.answers else (".json",)
    for ending in endings:
        (tmp_path / f"{FIRST + activity.BLOCKS}{ending}").write_text('{"id": 1, "result": []}')
    trace = importing.read([str(tmp_path)])
    assert trace.blocks["block_number"].to_list() == [100, 101, 102, 103]
    assert trace.accesses["block_number"].max() == 102
    with pytest.raises(InputError, match="nothing tells what they are of"):
        importing.read([str(tmp_path / f"103{endings[0]}")])


def test_a_stamp_beside_a_table_is_the_stamp_of_the_trace(tmp_path):
    path = saved(tmp_path, f"{TABLE}101,0,{ADDRESS},0x1,write\n")
    Path(path + ".capability.json").write_text(capability(100, 103).to_json())
    Path(path + ".blocks.csv").write_text("block_number,gas_used\n100,5\n101,6\n102,7\n")
    trace = importing.read([path])
    assert trace.capability == capability(100, 103)
    assert trace.blocks["gas_used"].to_list() == [5, 6, 7]
    Path(path + ".capability.json").write_text(capability(100, 103, tx_level="none").to_json())
    with pytest.raises(
        InputError, match="tx_index must be null: tx_level is none, as the stamp has it; 1 rows do not"
    ):
        importing.read([path])
    Path(path + ".blocks.csv").write_text("block_number,observed\n100,false\n101,true\n102,false\n")
    Path(path + ".capability.json").write_text(capability(100, 103, unobserved_blocks=2).to_json())
    assert importing.read([path], Options(blocks=(101, 103))).capability.unobserved_blocks == 1
    Path(path + ".capability.json").write_text(capability(102, 103).to_json())
    with pytest.raises(InputError, match="block 101 is not one of"):
        importing.read([path])


def test_what_is_no_data_is_refused_with_what_is(tmp_path):
    for name, text in (("a.txt", "x"), ("a.json", '{"error": {"message": "m"}}'), ("b.json", "[1")):
        with pytest.raises(InputError, match=r"no format that can be imported|no JSON|endpoint's error"):
            importing.recognise([saved(tmp_path, text, name)])
    with pytest.raises(InputError, match="names no file"):
        importing.recognise([str(tmp_path / "nothing-*.csv")])
    for name, text in (("e.csv", ""), ("h.csv", TABLE)):
        with pytest.raises(InputError, match=r"empty|no rows"):
            importing.read([saved(tmp_path, text, name)])
    with pytest.raises(InputError, match="cannot be listed"):
        importing.recognise(["nosuch://bucket/x.csv"])


def many(folder, monkeypatch, rows=6_000):
    """A table that takes many batches, groups and ranges."""
    monkeypatch.setattr(files, "BATCH_ROWS", 500)
    monkeypatch.setattr(import_ranges, "GROUP_ROWS", 16)
    monkeypatch.setattr(import_ranges, "RANGE_ROWS", 300)
    frame = pl.DataFrame(
        {
            "block_number": [100 + (7 * at) % 900 for at in range(rows)],
            "tx_index": [at % 5 for at in range(rows)],
            "address": [hexed(bytes([(at * at) % 3]) * 20) for at in range(rows)],
            "slot": [hex((at * at * 31) % 997) for at in range(rows)],
            "kind": [("read", "write")[at % 3 == 0] for at in range(rows)],
        }
    )
    frame.write_parquet(folder / "many.parquet")
    return frame, str(folder / "many.parquet")


def test_ranges_give_the_trace_that_one_piece_gives(tmp_path, monkeypatch):
    from rollstate.traces.tables import read_table

    frame, path = many(tmp_path, monkeypatch)
    made = importing.import_trace([path], tmp_path / "trace")
    trace = store.read_trace(tmp_path / "trace")
    whole = read_table(Path(path), trace.capability)
    assert made.rows == frame.height
    assert trace.accesses.equals(whole.accesses)
    assert trace.slots.equals(whole.slots)
    assert made.slots == whole.slots.height


def runs_of(folder, rows, runs, monkeypatch, group):
    """Runs of repeated keys in any order, each of several groups."""
    monkeypatch.setattr(import_ranges, "GROUP_ROWS", group)
    found = import_ranges.Runs(folder, import_ranges.BY_SLOT)
    for run in range(runs):
        numbers = pl.Series([(7_919 * at + 31 * run) % 1_009 for at in range(rows)])
        key = numbers.cast(pl.String).cast(pl.Binary)
        frame = pl.DataFrame(
            {"block_number": numbers, "tx_index": 0, "address": key, "slot": key, "is_write": False},
            ROWS_SCHEMA,
        )
        # In two pieces, of which no group is one.
        found.keep(f"{run:03d}", Batch(pl.concat([frame[:45], frame[45:]], rechunk=False)))
    return found


def test_a_group_of_a_run_begins_with_its_key(tmp_path, monkeypatch):
    for run in runs_of(tmp_path, 333, 3, monkeypatch, 10).all():
        groups = [import_ranges._read_groups(run.path, range(at, at + 1)) for at in range(len(run.keys))]
        assert [group.select(import_ranges.BY_SLOT).row(0) for group in groups] == list(run.keys)
        assert [group.height for group in groups] == [10] * 33 + [3]


def test_a_range_reads_little_beside_its_rows(tmp_path, monkeypatch):
    runs = runs_of(tmp_path, 300, 20, monkeypatch, 10)
    monkeypatch.setattr(import_ranges, "RANGE_ROWS", 500)
    real, read = import_ranges._read_groups, []

    def reads(path, numbers):
        read.append(10 * len(numbers))
        return real(path, numbers)

    monkeypatch.setattr(import_ranges, "_read_groups", reads)
    total = 0
    for rows in runs.ranges():
        # Of each run a group at either end, which other ranges need too.
        assert sum(read) <= rows.height + 20 * 2 * 10
        assert rows.height <= 500 + 20 * 2 * 10
        total += rows.height
        read.clear()
    assert total == 6_000


def test_a_hundred_million_rows_make_ranges_of_bounded_size():
    runs = 10**8 // files.BATCH_ROWS
    beside = runs * 2 * import_ranges.GROUP_ROWS
    assert import_ranges.RANGE_ROWS + beside < 1_000_000


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.thorough
def test_an_import_cut_off_anywhere_goes_on_to_the_same_bytes(tmp_path, monkeypatch):
    _, path = many(tmp_path, monkeypatch)
    importing.import_trace([path], tmp_path / "whole")
    real = import_ranges.Runs.keep
    for at in (0, 3, 11):
        kept = []

        def keep(self, name, batch, kept=kept, at=at):
            if len(kept) == at:
                raise KeyboardInterrupt
            kept.append(name)
            real(self, name, batch)

        monkeypatch.setattr(import_ranges.Runs, "keep", keep)
        with pytest.raises(KeyboardInterrupt):
            importing.import_trace([path], tmp_path / f"cut-{at}")
        again = []
        monkeypatch.setattr(
            import_ranges.Runs,
            "keep",
            lambda self, name, batch, again=again: (again.append(name), real(self, name, batch)),
        )
        importing.import_trace([path], tmp_path / f"cut-{at}")
        assert len(again) == 12 - at
        assert contents(tmp_path / f"cut-{at}") == contents(tmp_path / "whole")
        assert not (tmp_path / f".cut-{at}.importing").exists()


@pytest.mark.thorough
def test_an_import_killed_goes_on_to_the_same_bytes(tmp_path):
    rows = 40_000
    lake = tmp_path / "lake"
    lake.mkdir()
    for part in range(12):
        pl.DataFrame(
            {
                "block_number": [100 + at % 900 for at in range(rows)],
                "address": [hexed(bytes([at % 7]) * 20) for at in range(rows)],
                "slot": [hex((at * at * 31 + part) % 9973) for at in range(rows)],
                "kind": ["write"] * rows,
            }
        ).write_parquet(lake / f"part-{part:02d}.parquet")
    code = "from rollstate.compendium.cli import main; main()"

    def start(name):
        command = [sys.executable, "-c", code, "import", str(lake), "--out", str(tmp_path / name)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ)

    process = start("killed")
    runs = tmp_path / ".killed.importing" / "runs"
    while process.poll() is None and len(list(runs.glob("*.json"))) < 4:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert len(list(runs.glob("*.json"))) >= 4
    for name in ("killed", "whole"):
        process = start(name)
        said = process.communicate()
        assert process.returncode == 0, said
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_an_unfinished_import_of_other_files_is_not_gone_on_with(tmp_path, monkeypatch):
    _, path = many(tmp_path, monkeypatch)
    with monkeypatch.context() as patched:
        patched.setattr(importing, "_write", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            importing.import_trace([path], tmp_path / "trace")
    for change in (Options(chain_id=5), Options(blocks=(1, 2))):
        with pytest.raises(InputError, match="other files, or with other options"):
            importing.import_trace([path], tmp_path / "trace", change)
    os.utime(path, (1, 1))
    with pytest.raises(InputError, match="other files"):
        importing.import_trace([path], tmp_path / "trace")


def test_the_command_says_what_was_made_and_what_was_not_seen(tmp_path):
    paths = activity.cryo(activity.run(BUSY), tmp_path)
    arguments = ["import", *paths, "--out", str(tmp_path / "trace")]
    done = CliRunner().invoke(cli.main, arguments)
    assert done.exit_code == 0, done.output
    assert "cryo: " in done.output
    assert "blocks [100, 103)" in done.output
    assert store.read_capability(tmp_path / "trace").chain_id == 1
    refused = CliRunner().invoke(cli.main, arguments)
    assert refused.exit_code == 1
    assert "--overwrite" in refused.output
    other = CliRunner().invoke(cli.main, [*arguments, "--overwrite", "--chain", "5"])
    assert "the files say chain 1, --chain says 5" in other.output


def test_a_file_of_a_tool_is_read_wherever_a_trace_is_asked_for(tmp_path):
    diffs, _ = activity.cryo(activity.run(BUSY), tmp_path)
    assert datasets.load_trace(diffs).capability.source == "cryo"
    (tmp_path / "answers").mkdir()
    activity.answers(activity.run(BUSY), tmp_path / "answers")
    assert datasets.load_trace(str(tmp_path / "answers")).capability.source == "prestate"


@pytest.mark.parametrize("few", [1, 2])
def test_far_blocks_are_told_from_a_sparse_clock(few):
    numbers = pl.Series(range(1000, 1100))
    assert stray_blocks.describe(numbers) is None
    assert stray_blocks.describe(pl.Series(range(1000, 100_000, 216))) is None
    stray = pl.Series([*range(1000, 1100), *range(31_000_000, 31_000_000 + few)])
    assert "blocks away" in stray_blocks.describe(stray)
    assert stray_blocks.describe(pl.Series([5, *range(30_000_000, 30_000_100)])).startswith(
        "1 of 101 blocks, 5 to 5"
    )


@settings(max_examples=examples(200))
@given(st.lists(st.binary(min_size=1, max_size=1), max_size=60), st.integers(1, 5))
def test_ranges_part_rows_whatever_the_keys(tmp_path_factory, keys, step):
    rows = pl.DataFrame({"address": keys, "slot": keys}, {"address": pl.Binary, "slot": pl.Binary})
    firsts = sorted(rows.rows())[::step]
    cuts = import_ranges._cuts(firsts)
    bounds = list(zip([None, *cuts], [*cuts, None], strict=True))
    parts = [rows.filter(import_ranges._within(import_ranges.BY_SLOT, a, b)) for a, b in bounds]
    assert sum(map(len, parts)) == rows.height
    assert sorted(row for part in parts for row in part.rows()) == sorted(rows.rows())
