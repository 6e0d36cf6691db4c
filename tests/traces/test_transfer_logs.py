"""Transfers by standard, and the slots they are presumed to write."""

import json

import polars as pl
import pytest
from eth_hash.auto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.needs import examples

from rollstate.errors import InputError
from rollstate.traces import transfer_logs
from rollstate.traces.json_values import ResponseError
from rollstate.traces.transfer_logs import TRANSFER, TRANSFER_BATCH, TRANSFER_SINGLE, TokenLayout

TOKEN, ALICE, BOB, ZERO = b"\xcc" * 20, b"\xaa" * 20, b"\xbb" * 20, bytes(20)


def number(value: int) -> bytes:
    return value.to_bytes(32, "big")


def topic(address: bytes) -> bytes:
    return address.rjust(32, b"\0")


def entry(words: list[bytes], body: bytes = b"", index: int = 0, **changes: object) -> dict:
    return {
        "address": "0x" + TOKEN.hex(),
        "topics": ["0x" + one.hex() for one in words],
        "data": "0x" + body.hex(),
        "blockNumber": "0x5",
        "blockHash": "0x" + "11" * 32,
        "transactionIndex": "0x2",
        "logIndex": hex(index),
    } | changes


def parsed(*entries: dict) -> list:
    return transfer_logs.parse_logs(list(entries), 5, 6)


def keys(*entries: dict, layouts=None) -> set[bytes]:
    frame = transfer_logs.touches(transfer_logs.transfers(parsed(*entries)), layouts)
    assert frame["is_write"].all()
    return set(frame["slot"])


ERC20 = entry([TRANSFER, topic(ALICE), topic(BOB)], number(7))
ERC721 = entry([TRANSFER, topic(ALICE), topic(BOB), number(9)])
SINGLE = entry([TRANSFER_SINGLE, topic(ALICE), topic(ALICE), topic(BOB)], number(9) + number(1))
BATCH_DATA = b"".join(map(number, (64, 160, 2, 8, 9, 2, 1, 1)))
BATCH = entry([TRANSFER_BATCH, topic(ALICE), topic(ALICE), topic(BOB)], BATCH_DATA)
LEGACY = entry([TRANSFER], topic(ALICE) + topic(BOB) + number(7))


@pytest.mark.parametrize(
    ("log", "standard"),
    [
        (ERC20, "erc20"),
        (ERC721, "erc721"),
        (SINGLE, "erc1155"),
        (BATCH, "erc1155"),
        (LEGACY, "unindexed"),
        (entry([TRANSFER, topic(ALICE), topic(BOB)]), "irregular"),
        (entry([TRANSFER, topic(ALICE)], topic(BOB) + number(1)), "irregular"),
        (entry([TRANSFER, topic(ALICE), topic(BOB), number(1)], number(1)), "irregular"),
        (entry([TRANSFER, b"\xff" * 32, topic(BOB)], number(1)), "irregular"),
        (entry([TRANSFER_SINGLE], number(1) * 5), "irregular"),
        (entry([TRANSFER_BATCH, topic(ALICE), topic(ALICE), topic(BOB)], BATCH_DATA[:-32]), "irregular"),
        (entry([TRANSFER_BATCH, topic(ALICE), topic(ALICE), topic(BOB)], number(2**255) * 2), "irregular"),
        (entry([]), "other"),
        (entry([keccak(b"Approval(address,address,uint256)"), topic(ALICE), topic(BOB)], number(1)), "other"),
    ],
)
def test_standards_are_told_apart_by_signature_topics_and_data(log: dict, standard: str) -> None:
    assert transfer_logs.classify(parsed(log)[0]) == standard


def test_a_transfer_writes_both_balances_and_a_unique_token_its_owner_too() -> None:
    assert keys(ERC20) == {topic(ALICE), topic(BOB)}
    assert keys(ERC721) == {topic(ALICE), topic(BOB), keccak(b"owner" + number(9))}
    assert len(keys(SINGLE)) == 2
    assert len(keys(BATCH)) == 4
    assert keys(SINGLE) < keys(BATCH)


def test_minting_and_burning_touch_no_slot_of_the_zero_address() -> None:
    assert keys(entry([TRANSFER, topic(ZERO), topic(BOB)], number(1))) == {topic(BOB)}
    assert keys(entry([TRANSFER, topic(ALICE), topic(ZERO)], number(1))) == {topic(ALICE)}


def test_legacy_and_irregular_events_touch_nothing_and_are_counted() -> None:
    assert keys(LEGACY) == set()
    assert transfer_logs.transfers(parsed(LEGACY))["standard"].to_list() == ["unindexed"]


def test_one_transaction_touches_a_slot_once() -> None:
    again = entry([TRANSFER, topic(BOB), topic(ALICE)], number(1), 1)
    assert keys(ERC20, again) == {topic(ALICE), topic(BOB)}
    assert transfer_logs.touches(transfer_logs.transfers(parsed(ERC20, again))).height == 2


def test_known_layouts_give_storage_slots_and_other_contracts_are_left_out() -> None:
    # Solidity: keccak(key . slot), https://docs.soliditylang.org/en/latest/internals/layout_in_storage.html
    layout = {TOKEN: TokenLayout(balances=3, owners=2)}
    balances = {keccak(topic(who) + number(3)) for who in (ALICE, BOB)}
    assert keys(ERC20, layouts=layout) == balances
    assert keys(ERC721, layouts=layout) == balances | {keccak(number(9) + number(2))}
    nested = {keccak(topic(who) + keccak(number(9) + number(3))) for who in (ALICE, BOB)}
    assert keys(SINGLE, layouts=layout) == nested
    vyper = {TOKEN: TokenLayout(balances=3, compiler="vyper")}
    assert keys(ERC20, layouts=vyper) == {keccak(number(3) + topic(who)) for who in (ALICE, BOB)}
    assert keys(ERC20, layouts={ALICE: TokenLayout(0)}) == set()


def test_a_layout_must_be_whole() -> None:
    with pytest.raises(InputError, match="owners"):
        keys(ERC721, layouts={TOKEN: TokenLayout(balances=3)})
    with pytest.raises(InputError, match="compiler"):
        TokenLayout(0, compiler="huff")


def test_logs_come_back_in_order_and_once() -> None:
    second = entry([], index=1)
    assert [log.log_index for log in parsed(second, ERC20, second)] == [0, 1]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "must be an array"),
        ([None], "must be an object"),
        ([entry([], blockNumber="0x6")], "outside of"),
        ([entry([], blockNumber=5)], "blockNumber"),
        ([entry([], blockNumber="0x" + "f" * 17)], "below"),
        ([entry([], removed=True)], "reorganized"),
        ([entry([], removed=None)], "reorganized"),
        ([entry([], topics=None)], "topics"),
        ([entry([bytes(32)] * 5)], "at most 4"),
        ([entry([b"\1"])], "32 bytes"),
        ([entry([], data=None)], "data"),
        ([entry([], data="0x123")], "whole bytes"),
        ([entry([], address="0x\u0661")], "address"),
        ([entry([]), entry([bytes(32)])], "two different logs"),
        ([{}], "topics"),
    ],
)
def test_a_malformed_page_is_refused_by_name(answer: object, said: str) -> None:
    with pytest.raises(ResponseError, match=said):
        transfer_logs.parse_logs(answer, 5, 6)


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.just([]) | st.just({})
)


@settings(max_examples=examples(300))
@given(st.data())
def test_a_hostile_field_is_a_named_error_or_a_frame(data: st.DataObject) -> None:
    page = [dict(one) for one in (ERC20, entry([TRANSFER_BATCH] + [topic(BOB)] * 3, BATCH_DATA, 1))]
    target = data.draw(st.sampled_from(page))
    target[data.draw(st.sampled_from(sorted(target)))] = data.draw(scalars)
    try:
        logs = transfer_logs.parse_logs(page, 5, 6)
    except ResponseError:
        return
    assert transfer_logs.touches(transfer_logs.transfers(logs)).height <= 8


@given(st.binary(max_size=400), st.lists(st.binary(min_size=32, max_size=32), max_size=3))
def test_any_data_and_topics_have_a_standard(data: bytes, topics: list[bytes]) -> None:
    for signature in transfer_logs.SIGNATURES:
        log = parsed(entry([signature, *topics], data))
        assert transfer_logs.classify(log[0]) in {*transfer_logs.STANDARDS, "unindexed", "irregular"}
        transfer_logs.touches(transfer_logs.transfers(log))


# Counts by topic count and signature, taken from the JSON alone.
@pytest.mark.parametrize(
    ("page", "listed", "counts"),
    [
        (1, 1, {}),
        (4, 431, {"erc20": 325, "erc721": 106}),
        (5, 0, {}),
        (6, 75, {"erc20": 75}),
        (7, 641, {"erc20": 255, "erc721": 26, "erc1155": 8}),
        (8, 5, {}),
    ],
)
def test_recorded_pages_have_their_counts_by_topic(data_dir, page: int, listed: int, counts: dict) -> None:
    answer = json.loads((data_dir / "logs" / f"test_{page:02d}.json").read_text())[0]["response"]["result"]
    logs = transfer_logs.parse_logs(answer, 0, 1 << 40)
    assert len(logs) == listed
    moved = transfer_logs.transfers(logs)
    assert dict(moved.group_by("standard").len().iter_rows()) == counts
    expected = {
        (log["address"], account)
        for log in answer
        if log["topics"] and log["topics"][0] == "0x" + TRANSFER.hex()
        for account in log["topics"][1:3]
        if int(account, 16)
    }
    touched = transfer_logs.touches(moved.filter(pl.col("standard") != "erc1155"))
    owners = {keccak(b"owner" + token) for token in moved["token"].drop_nulls()}
    found = {
        ("0x" + row[2].hex(), "0x" + row[3].hex()) for row in touched.iter_rows() if row[3] not in owners
    }
    assert found == expected


OPERATOR = b"\xdd" * 20
WHOLE = b"\xff" * 32
"""A word that is no address."""


def test_accounts_are_those_that_the_standard_says_not_who_sent_the_call() -> None:
    """ERC-1155 indexes the operator first; ids and amounts are no accounts either."""
    single = entry([TRANSFER_SINGLE, topic(OPERATOR), topic(ALICE), topic(BOB)], number(9) + number(1))
    batch = entry([TRANSFER_BATCH, topic(OPERATOR), topic(ALICE), topic(BOB)], BATCH_DATA, 1)
    moved = transfer_logs.transfers(
        parsed(ERC20, {**ERC721, "logIndex": "0x2"}, batch, {**single, "logIndex": "0x3"})
    )
    assert set(moved["sender"]) == {ALICE}
    assert set(moved["recipient"]) == {BOB}
    assert moved["token"].to_list() == [None, number(8), number(9), number(9), number(9)]
    assert keys(single) == {keccak(b"balance" + number(9) + topic(who)) for who in (ALICE, BOB)}
    assert keys(batch) == {
        keccak(b"balance" + number(n) + topic(who)) for n in (8, 9) for who in (ALICE, BOB)
    }


@pytest.mark.parametrize(
    ("words", "body", "standard", "accounts"),
    [
        ([TRANSFER, topic(ALICE), topic(BOB)], number(7), "erc20", (1, 2)),
        ([TRANSFER, topic(ALICE), topic(BOB), WHOLE], b"", "erc721", (1, 2)),
        ([TRANSFER_SINGLE, WHOLE, topic(ALICE), topic(BOB)], WHOLE * 2, "erc1155", (2, 3)),
        ([TRANSFER_BATCH, WHOLE, topic(ALICE), topic(BOB)], BATCH_DATA, "erc1155", (2, 3)),
    ],
)
def test_a_word_that_is_no_address_is_refused_where_an_account_stands_and_nowhere_else(
    words: list[bytes], body: bytes, standard: str, accounts: tuple[int, int]
) -> None:
    assert transfer_logs.classify(parsed(entry(words, body))[0]) == standard
    for place in accounts:
        # The lowest bit above an address is enough.
        wrong = [*words[:place], b"\0" * 11 + b"\1" + bytes(20), *words[place + 1 :]]
        assert transfer_logs.classify(parsed(entry(wrong, body))[0]) == "irregular"


@pytest.mark.parametrize(
    ("words", "standard"),
    [
        ((64, 160, 2, 8, 9, 2, 1, 1), "erc1155"),
        ((64, 160, 2, 8, 9, 1, 1), "irregular"),  # two ids, one value
        ((64, 64, 1, 7), "erc1155"),  # both heads may name the same array
        ((64, 64, 2, 7), "irregular"),  # an array that goes on beyond the data
        ((96, 96, 0), "irregular"),  # an array that begins beyond the data
        ((65, 64, 1, 7), "irregular"),  # an array that begins inside a word
        ((0, 0), "erc1155"),  # no ids and no values
        ((0,), "irregular"),
    ],
)
def test_a_batch_is_two_arrays_of_the_same_length_inside_its_data(
    words: tuple[int, ...], standard: str
) -> None:
    body = b"".join(map(number, words))
    topics = [TRANSFER_BATCH, topic(ALICE), topic(ALICE), topic(BOB)]
    assert transfer_logs.classify(parsed(entry(topics, body))[0]) == standard
    assert transfer_logs.classify(parsed(entry(topics, body + b"\0"))[0]) == "irregular"


def test_the_last_storage_slot_is_one_and_the_next_is_none():
    assert transfer_logs.TokenLayout(balances=0, owners=2**256 - 1).owners == 2**256 - 1
    with pytest.raises(InputError, match="owners must be a storage slot"):
        transfer_logs.TokenLayout(balances=0, owners=2**256)
