"""Recipes turn raw files into traces: tiny files by hand, with every rule of the conversion in them."""

import gzip
import json
import struct

import polars as pl
import pytest

from rollstate.errors import InputError
from rollstate.traces import store
from rollstate.traces.recipes import NAMES, convert, cryptokitties, mainnet_thinned_30d
from rollstate.traces.recipes.storage_layout import array_slot, mapping_slot, word


def _rows(trace):
    """Return block, transaction, slot and whether it wrote of every access."""
    table = trace.accesses.join(trace.slots, on="slot_id")
    return sorted(
        table.select("block_number", "tx_index", "address", "slot", "is_write").rows(),
        key=lambda row: (row[0], row[2], row[3], -1 if row[1] is None else row[1]),
    )


def test_storage_slots_are_those_of_the_compiler():
    # https://docs.soliditylang.org: keccak256(h(k) . p), and keccak256(p) for an array's elements.
    assert (
        mapping_slot(word(0), 0).hex() == "ad3228b676f7d3cd4284a5443f17f1962b36e491b30a40b2405849e597ba5fb5"
    )
    assert array_slot(0, 0, 1).hex() == "290decd9548b62a8d60345a988386fc84ba6bc95484008f6362f93160ef3e563"
    first = int.from_bytes(array_slot(0, 6, 2), "big")
    assert int.from_bytes(array_slot(3, 6, 2, 1), "big") == first + 7
    offset = int.from_bytes(mapping_slot(word(5), 12, 2), "big") - int.from_bytes(
        mapping_slot(word(5), 12), "big"
    )
    assert offset == 2


def test_cryptokitties(tmp_path):
    (tmp_path / "1-9").mkdir()
    (tmp_path / "1-9" / "000.csv").write_text(
        "id,gen,matron_id,sire_id,birthdate,genes,name\n"
        "1,0,,,2017-11-23 06:19:59,x,\n"
        "2,0,,,2017-11-23 06:19:59,x,a, cat\n"
        "3,1,1,2,2017-11-23 06:20:40,x,\n"
    )
    trace = convert("cryptokitties", tmp_path)
    store.validate(trace)
    word_of = [array_slot(cat, 6, 2, 1) for cat in range(4)]
    rows = [(block, slot) for block, _, address, slot, write in _rows(trace) if write]
    # Births in bins of 15 s from 06:19:45 on; the mother's word is written too, the father's is not.
    assert sorted(rows) == sorted([(0, word_of[1]), (0, word_of[2]), (3, word_of[3]), (3, word_of[1])])
    assert trace.slots["address"].unique().to_list() == [cryptokitties.CONTRACT]
    born = dict(trace.slots.select("slot", "created_block").rows())
    assert born == {word_of[1]: 0, word_of[2]: 0, word_of[3]: 3}
    assert trace.blocks["timestamp"].to_list() == [1511417985 + 15 * k for k in range(4)]
    (tmp_path / "1-9" / "001.csv").write_text("id,gen,matron_id,sire_id,birthdate\n4,0,,,yesterday\n")
    with pytest.raises(InputError, match=r"001\.csv: row 2 has no id or no birth date"):
        convert("cryptokitties", tmp_path)


_PUNKS = "timestamp, id, price (in eth), price (in wei), from, to, block, tx\n"
_A, _B, _NOBODY = "0x" + "aa" * 20, "0x" + "Bb" * 20, "0x" + "00" * 20


def _punks(tmp_path, name, *rows):
    folder = tmp_path / "sales" / "2017" / "06"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(_PUNKS + "\n".join(rows) + "\n")


def test_cryptopunks(tmp_path):
    _punks(
        tmp_path,
        "2017-06-23_(2).csv",
        f"2017-06-23 21:05:06 UTC, 7, 1, 1, {_A}, {_B}, 100, 0x1",
        f"2017-06-23 21:06:06 UTC, 8, 1, -, {_A}, {_NOBODY}, 103, 0x2",
    )
    trace = convert("cryptopunks", tmp_path)
    store.validate(trace)
    kinds = dict(trace.slots.select("slot", "slot_type").rows())
    seller, buyer = (bytes.fromhex(x[2:].lower()).rjust(32, b"\0") for x in (_A, _B))
    found = {(block, slot) for block, _, _, slot, _ in _rows(trace)}
    sold = {mapping_slot(word(7), 10), mapping_slot(word(7), 12), mapping_slot(word(7), 12, 2)}
    parties = {mapping_slot(seller, 11), mapping_slot(seller, 14)}
    accepted = {mapping_slot(word(8), 10), mapping_slot(word(8), 12, 2)}
    assert found == {(100, s) for s in sold | parties | {mapping_slot(buyer, 11)}} | {
        (103, s) for s in accepted | parties
    }
    assert kinds[mapping_slot(word(7), 12)] == "offer.isForSale"
    assert trace.slots.height == 2 * 10_000 + 4
    assert (trace.capability.window_start, trace.capability.window_stop) == (100, 104)
    assert trace.blocks["timestamp"].to_list() == [1498251906, None, None, 1498251966]


def test_cryptopunks_names_what_does_not_fit(tmp_path):
    row = f"2017-06-23 21:05:06 UTC, 7, 1, 1, {_A}, {_B}, 100, 0x1"
    _punks(tmp_path, "2017-06-23_(2).csv", row)
    with pytest.raises(InputError, match="has 1 sales, not the number"):
        convert("cryptopunks", tmp_path)
    path = tmp_path / "sales" / "2017" / "06" / "2017-06-23_(2).csv"
    path.rename(path.with_name("2017-06-23_(1).csv"))
    _punks(tmp_path, "2017-06-23_(1).csv", row.rsplit(",", 1)[0])
    with pytest.raises(InputError, match="line 2 has 7 fields"):
        convert("cryptopunks", tmp_path)
    path.with_name("2017-06-23_(1).csv").write_text("a,b\n")
    with pytest.raises(InputError, match="columns are a, b"):
        convert("cryptopunks", tmp_path)


def test_foundation(tmp_path):
    (tmp_path / "data").mkdir()
    for name, column, rows in (
        ("mint", "mint_date", ["5.0,1611176950", "6.0,1611177010.0"]),
        ("list", "listing_date", ["5.0,1611177070"]),
        ("bid", "bid_date", ["5.0,1611177075", "6.0,"]),
    ):
        text = "\n".join([f"x,token_id,{column}", *(f"0,{row}" for row in rows)])
        (tmp_path / "data" / f"{name}_data.csv").write_text(text + "\n")
    trace = convert("foundation", tmp_path)
    store.validate(trace)
    # Listing and bid of token 5 fall into one minute.
    assert [(block, slot) for block, _, _, slot, _ in _rows(trace)] == [
        (0, word(5)),
        (1, word(6)),
        (2, word(5)),
    ]
    assert dict(trace.slots.select("slot", "created_block").rows()) == {word(5): 0, word(6): 1}
    assert trace.capability.key_form == "holder"
    (tmp_path / "data" / "bid_data.csv").unlink()
    with pytest.raises(InputError, match=r"bid_data\.csv"):
        convert("foundation", tmp_path)


def _replay(path, value):
    address = "0x" + "11" * 20
    cell = lambda key, content: {"address": address, "key": key, "value": content}  # noqa: E731
    txs = [
        {"outcome": {"gasUsed": 5, "storage": [cell("0x1", "0x5"), cell("0x2", "0x0")]}},
        {"outcome": {"gasUsed": 5, "storage": [cell("0x1", value)]}},
        {"outcome": {"gasUsed": 5, "storage": None}},
    ]
    header = {"number": "0x64", "timestamp": 7, "gasUsed": "0xf"}
    replay = {"storage": [cell("0x1", "0x5")], "blocks": [{"header": header, "txs": txs}]}
    path.write_bytes(gzip.compress(json.dumps(replay).encode()))


def test_linea(tmp_path):
    _replay(tmp_path / "r.json.gz", "0x6")
    trace = convert("linea_28279135", tmp_path)
    store.validate(trace)
    address = b"\x11" * 20
    # Unchanged, empty as before, and changed.
    assert _rows(trace) == [
        (100, 0, address, word(1), False),
        (100, 1, address, word(1), True),
        (100, 0, address, word(2), False),
    ]
    assert trace.blocks.row(0) == (100, 7, 15, 3, True)
    (tmp_path / "r.json.gz").write_bytes(b"no")
    with pytest.raises(InputError, match="not a replay"):
        convert("linea_28279135", tmp_path)


def _list(elements):
    """Encode an SSZ list of elements of variable size."""
    at, offsets = 4 * len(elements), []
    for element in elements:
        offsets.append(at)
        at += len(element)
    return struct.pack(f"<{len(offsets)}I", *offsets) + b"".join(elements)


def _container(head, body):
    return head + struct.pack("<I", len(head) + 4) + body


def _access_list(accounts, balances):
    """Encode {address: {slot: [transactions]}} and {address: [transactions]}."""
    slots = [
        _container(
            address,
            _list(
                [
                    _container(s, b"".join(struct.pack("<H", t) + bytes(32) for t in txs))
                    for s, txs in of.items()
                ]
            ),
        )
        for address, of in accounts.items()
    ]
    changes = [
        _container(address, b"".join(struct.pack("<H", t) + bytes(12) for t in txs))
        for address, txs in balances.items()
    ]
    parts = [_list(slots), _list(changes), b"", b""]
    at, offsets = 16, []
    for part in parts:
        offsets.append(at)
        at += len(part)
    return struct.pack("<4I", *offsets) + b"".join(parts)


def test_mainnet_thinned(tmp_path):
    (tmp_path / "bal_raw").mkdir()

    def put(k, data):
        name = f"{22_400_032 + 216 * k}_block_access_list.txt"
        (tmp_path / "bal_raw" / name).write_text(data.hex() if isinstance(data, bytes) else data)

    a, b = b"\x0a" * 20, b"\x0b" * 20
    put(0, _access_list({a: {word(1): [0, 3], word(2): []}, b: {word(1): [3]}}, {a: [0, 1, 3], b: [3]}))
    put(1, _access_list({}, {}))
    put(2, "zz")
    put(4, _access_list({b: {word(9): []}}, {b: [0]}))
    trace = convert("mainnet_thinned_30d", tmp_path)
    store.validate(trace)
    assert _rows(trace) == [
        (0, 0, a, word(1), True),
        (0, 3, a, word(1), True),
        (0, None, a, word(2), False),
        (0, 3, b, word(1), True),
        (4, None, b, word(9), False),
    ]
    assert trace.blocks["observed"].to_list() == [True, False, False, False, True]
    assert trace.blocks["tx_count"].to_list() == [3, None, None, None, 1]
    assert (trace.capability.observed_every, trace.capability.unobserved_blocks) == (216, 3)
    (tmp_path / "bal_raw" / "22400033_block_access_list.txt").write_text("")
    with pytest.raises(InputError, match=r"22400032 \+ 216 k"):
        convert("mainnet_thinned_30d", tmp_path)


@pytest.mark.parametrize("data", [b"", bytes(16), struct.pack("<4I", 16, 20, 20, 20) + struct.pack("<I", 4)])
def test_what_is_no_list_is_refused(data):
    with pytest.raises((ValueError, struct.error)):
        mainnet_thinned_30d.decode(data)


@pytest.mark.parametrize("name", NAMES)
def test_no_raw_files(name, tmp_path):
    with pytest.raises(InputError):
        convert(name, tmp_path)


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["linea_28279135", "mainnet_thinned_30d", "cryptokitties", "cryptopunks"])
def test_pieces_of_the_raw_files_give_the_trace(data_dir, tmp_path, name):
    """The raw files at hand, converted anew, against the trace that is in use."""
    from rollstate.traces import datasets

    raw, targets = data_dir / "raw-samples", {
        "linea_28279135": ("*.json.gz", ""),
        "mainnet_thinned_30d": ("bal_thinned/*.txt", "bal_raw"),
        "cryptokitties": ("cryptokitties*.csv", "1-99_999"),
        "cryptopunks": ("cryptopunks*.csv", "sales/2017/06"),
    }  # fmt: skip
    pattern, below = targets[name]
    (tmp_path / below).mkdir(parents=True, exist_ok=True)
    for path in raw.glob(pattern):
        (tmp_path / below / path.name.removeprefix("cryptopunks-")).write_bytes(path.read_bytes())
    made, used = convert(name, tmp_path), datasets.load_trace(name)
    if name == "linea_28279135":
        assert store.content_digest(made) == store.content_digest(used)
    last = made.capability.window_stop - 2 if name == "cryptokitties" else made.capability.window_stop - 1
    seen = made.blocks.filter(pl.col("observed") & (pl.col("block_number") <= last))["block_number"]
    keep = pl.col("block_number").is_in(seen.implode())
    columns = ["block_number", "tx_index", "address", "slot", "is_write"]
    found, want = (
        trace.accesses.filter(keep).join(trace.slots, on="slot_id").select(columns).sort(columns)
        for trace in (made, used)
    )
    assert found.equals(want)
    assert found.height > 100
