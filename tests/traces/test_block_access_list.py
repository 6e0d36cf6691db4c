"""Block access lists are read whole and exactly, or not at all."""

import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.needs import examples

from rollstate.errors import InputError
from rollstate.traces import block_access_list as bal
from rollstate.traces import datasets, rlp_items
from rollstate.traces.block_access_list import AccountAccess, SlotChanges
from rollstate.traces.rlp_items import MalformedError

WORDS = st.integers(0, 2**256 - 1).map(lambda n: n.to_bytes(32, "big"))


def indexed(values):
    return st.dictionaries(st.integers(0, 300), values, max_size=3).map(lambda d: tuple(sorted(d.items())))


@st.composite
def accounts(draw):
    slots = sorted(draw(st.sets(WORDS, max_size=5)))
    written = [slot for slot in slots if draw(st.booleans())]
    return AccountAccess(
        address=draw(st.binary(min_size=20, max_size=20)),
        storage_changes=tuple(SlotChanges(slot, draw(indexed(WORDS).filter(len))) for slot in written),
        storage_reads=tuple(slot for slot in slots if slot not in written),
        balance_changes=draw(indexed(st.integers(0, 2**200))),
        nonce_changes=draw(indexed(st.integers(0, 2**63))),
        code_changes=draw(indexed(st.binary(max_size=80))),
    )


LISTS = st.lists(accounts(), max_size=4, unique_by=lambda a: a.address).map(
    lambda found: tuple(sorted(found, key=lambda a: a.address))
)


@given(LISTS, st.sampled_from(bal.LAYOUTS))
def test_decode_is_the_inverse_of_encode(found, layout):
    assert bal.decode(bal.encode(found, layout), layout) == found


@settings(max_examples=examples(200))
@given(LISTS, st.data())
def test_a_mutated_list_is_another_valid_list_or_a_named_error(found, data):
    encoded = bytearray(bal.encode(found))
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] ^= data.draw(st.integers(1, 255))
    try:
        other = bal.decode(bytes(encoded), where="block 7")
    except MalformedError as error:
        assert "block 7: byte" in str(error)
        assert 0 <= error.offset <= len(encoded)
    else:
        assert bal.encode(other) == bytes(encoded)


@given(LISTS.filter(len), st.data())
def test_every_truncation_is_a_named_error(found, data):
    encoded = bal.encode(found)
    with pytest.raises(MalformedError):
        bal.decode(encoded[: data.draw(st.integers(0, len(encoded) - 1))])


def word(n):
    return n.to_bytes(32, "big")


def raw(address=b"\x01" * 20, writes=(), reads=(), balances=(), nonces=(), codes=()):
    return [address, [list(w) for w in writes], list(reads), list(balances), list(nonces), list(codes)]


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ([raw(b"\x02" * 20), raw(b"\x01" * 20)], "accounts must be in ascending order"),
        ([raw(), raw()], "accounts must be unique"),
        ([raw(b"\x01" * 19)], "an address must have 20 bytes, not 19"),
        ([raw()[:5]], "an account must have 6 items, not 5"),
        ([b"\x01" * 20], "an account must be a list"),
        ([raw(reads=[word(2), word(1)])], "read slots must be in ascending order"),
        ([raw(reads=[word(1)[1:]])], "a read slot must have 32 bytes, not 31"),
        ([raw(writes=[(word(1), [])])], "at least one change"),
        ([raw(writes=[(word(1), [[b"", word(0)]])], reads=[word(1)])], "must not be listed as read too"),
        ([raw(writes=[(word(1), [[b"\x02", word(0)], [b"\x01", word(0)]])])], "indices of storage changes"),
        ([raw(writes=[(word(1), [[b"\x00", word(0)]])])], "without leading zeros"),
        ([raw(balances=[[b"\x01", b"\x01" * 33]])], "a balance must have at most 32 bytes"),
        ([raw(nonces=[[b"\x01"]])], "a nonce change must have 2 items"),
        (b"", "the list must be a list"),
        ([raw(nonces=[[b"\xff" * 4, b"\x01"]])], "an index must be at most 2147483647"),
    ],
)
def test_each_broken_rule_is_named(value, rule):
    with pytest.raises(MalformedError, match=rule):
        bal.decode(rlp_items.encode(value), where="file")


@pytest.mark.parametrize(
    ("data", "rule", "offset"),
    [
        (b"", "ends here", 0),
        (b"\xc1\x81\x05", "beyond its container", 1),
        (b"\xc2\x81\x05", "must stand for itself", 1),
        (b"\xc0\x00", "1 bytes follow", 1),
        (b"\xf8\x01\x80", "must be in the first byte", 0),
        (b"\xf9\x00\x38" + b"\x80" * 56, "must not begin with a zero byte", 0),
        (b"\xc3\x80", "2 bytes beyond", 0),
        (b"\xf9\x01", "cut off", 0),
    ],
)
def test_rlp_must_be_canonical_and_the_offset_is_named(data, rule, offset):
    with pytest.raises(MalformedError, match=rule) as caught:
        bal.decode(data, where="file")
    assert caught.value.offset == offset


def test_nesting_without_end_is_a_named_error():
    data = b"\xc0"
    for _ in range(5000):
        data = rlp_items._prefix(0xC0, len(data)) + data
    with pytest.raises(MalformedError, match="nested deeper than 32"):
        bal.decode(data)


@pytest.mark.real_data
def test_published_counts_of_fifty_mainnet_blocks(data_dir):
    trace = datasets.load_trace("mainnet-bal")
    accesses = trace.accesses
    per_slot = accesses.select("block_number", "slot_id").unique().group_by("slot_id").len()["len"]
    assert trace.capability.window_start == 20_615_532
    assert trace.capability.window_stop == 20_615_582
    assert per_slot.sum() == 60_179
    assert trace.slots.height == 33_645
    assert accesses["is_write"].sum() == 25_303
    assert (~accesses["is_write"]).sum() == 37_936
    assert round(100 * (per_slot == 1).mean(), 1) == 73.1
    assert accesses.filter(~pl.col("is_write"))["tx_index"].is_null().all()


@pytest.mark.real_data
def test_mainnet_lists_survive_a_round_trip(data_dir):
    folder = data_dir / "mainnet-bal"
    for path in sorted(folder.glob("*.rlp"))[:5]:
        assert bal.encode(bal.read_file(path)) == path.read_bytes()


@pytest.mark.real_data
def test_final_layout_hashes_to_the_header(data_dir):
    vectors = json.loads((datasets.locate("bal-final-vectors") / "final_format_vectors.json").read_text())
    assert len(vectors) == 2
    for vector in vectors:
        found = bal.decode(bytes.fromhex(vector["rlp"][2:]), "final", vector["name"])
        assert bal.list_hash(found).hex() == vector["blockAccessListHash"][2:]
        assert [a.address.hex() for a in found] == [a["address"][2:] for a in vector["blockAccessList"]]
        reads = [[int.from_bytes(slot) for slot in a.storage_reads] for a in found]
        assert reads == [[int(s, 16) for s in a["storageReads"]] for a in vector["blockAccessList"]]


def write_block(folder, number, found):
    (folder / f"{number}_with_reads.rlp").write_bytes(bal.encode(found))


ONE = (
    AccountAccess(
        b"\x01" * 20,
        (SlotChanges(word(1), ((0, word(9)), (3, word(8)))),),
        (word(2),),
        ((1, 5),),
        (),
        ((2, b"x"),),
    ),
)


def test_trace_has_one_row_per_write_and_per_read_slot(tmp_path):
    write_block(tmp_path, 10, ONE)
    write_block(tmp_path, 11, ())
    trace = bal.read_folder(tmp_path)
    assert trace.accesses.select("block_number", "tx_index", "slot_id", "is_write").rows() == [
        (10, 0, 0, True),
        (10, 3, 0, True),
        (10, None, 1, False),
    ]
    assert trace.blocks["block_number"].to_list() == [10, 11]


def test_changes_outside_of_storage_are_a_frame_of_their_own(tmp_path):
    write_block(tmp_path, 10, ONE)
    accounts = bal.read_folder(tmp_path).accounts
    assert accounts.select("block_number", "tx_index", "kind").rows() == [(10, 1, "balance"), (10, 2, "code")]


def test_missing_or_doubled_block_is_an_error(tmp_path):
    write_block(tmp_path, 10, ONE)
    write_block(tmp_path, 12, ONE)
    with pytest.raises(InputError, match="blocks 11 to 11 are missing"):
        bal.read_folder(tmp_path)
    (tmp_path / "11.rlp").write_bytes(bal.encode(ONE))
    (tmp_path / "12.rlp").write_bytes(bal.encode(ONE))
    with pytest.raises(InputError, match="same block"):
        bal.read_folder(tmp_path)


def test_malformed_block_names_its_file(tmp_path):
    write_block(tmp_path, 10, ONE)
    (tmp_path / "11_with_reads.rlp").write_bytes(b"\xc3\x80")
    with pytest.raises(MalformedError, match=r"11_with_reads\.rlp: byte 0"):
        bal.read_folder(tmp_path)


def test_unknown_layout_is_refused():
    with pytest.raises(InputError, match="layout 'newest'"):
        bal.decode(b"\xc0", "newest")
