"""What once was read as something else: each is taken as what it is, or refused."""

import json

import polars as pl
import pytest
from tests.strategies import capability

from rollstate.errors import InputError
from rollstate.traces import block_access_list as bal
from rollstate.traces import rlp_items
from rollstate.traces.block_access_list import AccountAccess, SlotChanges
from rollstate.traces.formats import columns
from rollstate.traces.formats.columns import Place
from rollstate.traces.schema import Capability
from rollstate.traces.tables import read_table

ADDRESS = "0x" + "11" * 20


def word(n):
    return n.to_bytes(32, "big")


def table(folder, slots, rows=None):
    path = folder / "my.csv"
    lines = [f"{100 + at},{at},{ADDRESS},{slot},read" for at, slot in enumerate(slots)]
    path.write_text("\n".join(["block_number,tx_index,address,slot,kind", *(rows or lines)]) + "\n")
    (folder / "my.csv.capability.json").write_text(capability().to_json())
    return path


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("observes_reads", "false"),
        ("observes_reads", 0),
        ("observes_all_writes", "no"),
        ("observes_all_writes", None),
        ("chain_id", "8453"),
        ("chain_id", 1.0),
        ("chain_id", True),
        ("window_start", 100.0),
        ("window_stop", "130"),
        ("window_start", False),
        ("source", None),
        ("extractor_version", 1),
        ("account_changes", "yes"),
        ("tx_level", ["all"]),
    ],
)
def test_a_stamp_of_other_types_is_refused_by_name(tmp_path, field, value):
    stamp = {**capability().as_dict(), field: value}
    with pytest.raises(InputError, match=field):
        Capability.from_dict(stamp)
    path = table(tmp_path, ["0x1"])
    path.with_name("my.csv.capability.json").write_text(json.dumps(stamp))
    with pytest.raises(InputError, match=field):
        read_table(path)


@pytest.mark.parametrize("stamp", ["[]", "3", "null", '"x"', "{", "{}"])
def test_a_stamp_that_is_no_object_is_refused(tmp_path, stamp):
    path = table(tmp_path, ["0x1"])
    path.with_name("my.csv.capability.json").write_text(stamp)
    with pytest.raises(InputError, match="capability"):
        read_table(path)


def test_a_stamp_of_an_earlier_version_is_read():
    old = capability().as_dict()
    del old["account_changes"]
    assert Capability.from_dict(old) == capability()


@pytest.mark.parametrize("missing", ['""', "", "0x"])
def test_a_missing_slot_is_no_slot_zero(tmp_path, missing):
    with pytest.raises(InputError, match=r"slot must be.* line 3 has"):
        read_table(table(tmp_path, ["0x1", missing]))


@pytest.mark.parametrize(
    ("slots", "found"),
    [
        (["10", "16"], [10, 16]),
        (["0x10", "0x16"], [16, 22]),
        (["10", "1a"], [16, 26]),
        ([f"{16:064x}", f"{17:064x}"], [16, 17]),
        ([str(2**256 - 1), "0"], [0, 2**256 - 1]),
    ],
)
def test_the_base_of_slots_is_told_by_the_whole_column(tmp_path, slots, found):
    assert read_table(table(tmp_path, slots)).slots["slot"].to_list() == [word(n) for n in sorted(found)]


@pytest.mark.parametrize("slots", [["10", "0x10"], ["0x10", "1a"], ["0x10", "7", "0x8"]])
def test_a_column_with_and_without_prefix_is_refused(tmp_path, slots):
    with pytest.raises(InputError, match="mixes numbers with and without 0x"):
        read_table(table(tmp_path, slots))


def test_a_number_that_is_no_slot_is_refused(tmp_path):
    for bad in (str(2**256), "-1", "1.5", " 1"):
        with pytest.raises(InputError, match="slot must be"):
            read_table(table(tmp_path, ["1", bad]))


def test_rows_are_numbered_as_the_file_numbers_them(tmp_path):
    path = table(tmp_path, (), [f"100,0,{ADDRESS},0x1,read", "", f"101,0,{ADDRESS},0xzz,read"])
    with pytest.raises(InputError, match="line 4"):
        read_table(path)
    assert Place("x.parquet", 70).row(2) == "row 72"
    assert Place("gone.csv", 70, lines=True).row(2) == "line 74"


def test_map_of_columns():
    assert columns.names("block=blk, slot=key") == {"block": "blk", "slot": "key"}
    for bad in ("", "block", "=x", "block="):
        with pytest.raises(InputError, match="--map"):
            columns.names(bad)


LIST = (
    AccountAccess(
        b"\x01" * 20,
        (SlotChanges(word(5), ((0, word(9)), (1, word(8)), (3, word(7)), (4, word(0)))),),
        (word(0),),
        ((2, 10), (4, 11)),
        ((1, 1), (2, 2), (3, 3)),
        (),
    ),
)


def test_the_final_layout_is_recognised_and_only_transactions_are_transactions(tmp_path):
    (tmp_path / "10.rlp").write_bytes(bal.encode(LIST, "final"))
    (tmp_path / "11.rlp").write_bytes(bal.encode((), "final"))
    trace = bal.read_folder(tmp_path)
    # Index 0 is before the first of three transactions, index 4 behind the last.
    assert trace.accesses.filter("is_write")["tx_index"].to_list() == [None, 0, 2]
    assert trace.accounts.filter(kind="balance")["tx_index"].to_list() == [None, 1]
    assert trace.blocks["tx_count"].to_list() == [3, None]
    assert bal.find_layout([tmp_path / "10.rlp", tmp_path / "11.rlp"]) == "final"


def test_nothing_says_that_a_folder_of_lists_is_of_mainnet(tmp_path):
    (tmp_path / "10.rlp").write_bytes(bal.encode(LIST))
    assert bal.read_folder(tmp_path).capability.chain_id is None
    assert bal.read_folder(tmp_path, chain_id=10).capability.chain == "OP Mainnet"


def test_lists_of_two_layouts_or_of_either_are_named(tmp_path):
    (tmp_path / "10.rlp").write_bytes(bal.encode(LIST, "final"))
    (tmp_path / "11.rlp").write_bytes(bal.encode(LIST, "draft"))
    with pytest.raises(InputError, match=r"11\.rlp is in the draft layout and .*10\.rlp in the final"):
        bal.read_folder(tmp_path)
    full = b"\xff" * 32
    either = (AccountAccess(b"\x01" * 20, (SlotChanges(full, ((1, full),)),), (), (), ((1, 1),), ()),)
    for number in (10, 11):
        (tmp_path / f"{number}.rlp").write_bytes(bal.encode(either))
    with pytest.raises(InputError, match=r"11\.rlp fits the draft layout and the final one"):
        bal.read_folder(tmp_path)
    assert bal.read_folder(tmp_path, "draft").accesses["tx_index"].to_list() == [1, 1]
    assert bal.read_folder(tmp_path, "final").accesses["tx_index"].to_list() == [0, 0]


def test_a_folder_that_is_malformed_in_either_layout_says_so(tmp_path):
    (tmp_path / "10.rlp").write_bytes(rlp_items.encode([[b"\x01" * 20, [], [b"\x01" * 33], [], [], []]]))
    with pytest.raises(rlp_items.MalformedError, match="at most 32 bytes, not 33"):
        bal.read_folder(tmp_path)


def test_what_a_list_sees_of_accounts_stays_in_its_trace(tmp_path):
    from rollstate.traces import store, summary

    (tmp_path / "10.rlp").write_bytes(bal.encode(LIST))
    (tmp_path / "11.rlp").write_bytes(bal.encode(LIST))
    trace = bal.read_folder(tmp_path)
    assert trace.capability.account_changes
    store.write_trace(trace, tmp_path / "trace")
    again = store.read_trace(tmp_path / "trace")
    assert again.accounts.equals(trace.accounts)
    assert not again.accounts.is_empty()
    assert summary.restrict(again, 11, 12).accounts["block_number"].unique().to_list() == [11]
    with pytest.raises(InputError, match="accounts: there must be none"):
        store.assemble(
            pl.DataFrame(schema={**store.ACCESSES_SCHEMA, "address": pl.Binary, "slot": pl.Binary}).drop(
                "slot_id"
            ),
            capability(),
            accounts=trace.accounts,
        )


def test_a_part_of_a_window_counts_its_own_unobserved_blocks():
    from rollstate.traces import datasets, summary, thinning

    trace = thinning.unobserve(datasets.load_trace("sample"), [1005, 1100, 1101])
    assert summary.restrict(trace, 1000, 1050).capability.unobserved_blocks == 1
    assert summary.restrict(trace, 1050, 1150).capability.unobserved_blocks == 2
