"""Reads and writes from the two modes of the prestate tracer."""

import copy
import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.needs import examples

from rollstate.errors import InputError
from rollstate.traces import prestate, store
from rollstate.traces.json_values import ResponseError
from rollstate.traces.schema import Capability

A, B = "0x" + "aa" * 20, "0x" + "bb" * 20
HASH = "0x" + "11" * 32


def slot(number: int) -> str:
    return f"0x{number:064x}"


def account(**values: int) -> dict:
    """Storage of an account: s1=5 is slot 1 with value 5."""
    return {"balance": "0x1", "storage": {slot(int(name[1:])): slot(value) for name, value in values.items()}}


def block(*results: object) -> list:
    return [{"txHash": HASH, "result": result} for result in results]


def touches(full: list, diff: list) -> set:
    frame = prestate.block_touches(7, full, diff)
    return {
        (tx, "0x" + address.hex(), int.from_bytes(key, "big"), "write" if is_write else "read")
        for _, tx, address, key, is_write in frame.iter_rows()
    }


def test_first_set_cleared_and_changed_slots_are_writes_and_the_rest_reads() -> None:
    full = block({A: account(s1=0, s2=2, s3=3, s4=4)})
    diff = block({"pre": {A: account(s2=2, s3=3)}, "post": {A: account(s1=9, s3=8)}})
    assert touches(full, diff) == {
        (0, A, 1, "write"),
        (0, A, 2, "write"),
        (0, A, 3, "write"),
        (0, A, 4, "read"),
    }


def test_a_created_contract_is_in_the_diff_alone() -> None:
    diff = block({"pre": {}, "post": {B: account(s5=1)}})
    assert touches(block({A: account(s1=1)}), diff) == {(0, A, 1, "read"), (0, B, 5, "write")}


def test_slots_a_self_destruct_only_read_stay_reads() -> None:
    """Of a destroyed account `pre` keeps all it touched, zeros too: a zero that stays zero did not change."""
    full = block({A: account(s1=0, s2=5)})
    diff = block({"pre": {A: account(s1=0, s2=5)}, "post": {}})
    assert touches(full, diff) == {(0, A, 1, "read"), (0, A, 2, "write")}


def test_transactions_keep_their_index_and_an_account_without_storage_has_no_touch() -> None:
    full = block({A: {"balance": "0x0"}}, {A: account(s1=1)}, {B: account(s1=1)})
    diff = block({"pre": {}, "post": {}}, {"pre": {}, "post": {A: account(s1=2)}}, {"pre": {}, "post": {}})
    assert touches(full, diff) == {(1, A, 1, "write"), (2, B, 1, "read")}


def test_mixed_case_and_short_slots_are_the_same_key() -> None:
    full = block({"0x" + "AA" * 20: {"storage": {"0xaB": "0x0"}}})
    diff = block({"pre": {}, "post": {A: {"storage": {slot(0xAB): "0x1"}}}})
    assert touches(full, diff) == {(0, A, 0xAB, "write")}


def test_an_empty_block_is_an_empty_frame_of_the_same_form() -> None:
    frame = prestate.block_touches(7, [], [])
    assert frame.is_empty()
    assert frame.schema == prestate.TOUCHES_SCHEMA


@pytest.mark.parametrize(
    ("full", "diff", "said"),
    [
        (None, [], "must be an array"),
        ({}, [], "must be an array"),
        (block({}), [], "1 transactions with diffMode false but 0"),
        (block({}), block({A: account()}), "pre and post"),
        (block({}), block({"pre": {}}), "pre and post"),
        (block({}), block({"pre": {}, "post": None}), "must be an object"),
        (block(None), block({"pre": {}, "post": {}}), "must be an object"),
        (
            [{"txHash": HASH, "error": "execution timeout"}],
            block({"pre": {}, "post": {}}),
            "execution timeout",
        ),
        ([{"txHash": HASH}], block({"pre": {}, "post": {}}), "no result"),
        (
            [{"txHash": "0x" + "22" * 32, "result": {}}],
            block({"pre": {}, "post": {}}),
            "different transactions",
        ),
        ([{"txHash": "0x1", "result": {}}], block({"pre": {}, "post": {}}), "32 bytes"),
        (block({A: {"storage": None}}), block({"pre": {}, "post": {}}), "storage must be an object"),
        (block({A: {"storage": {slot(1): None}}}), block({"pre": {}, "post": {}}), "the value of slot"),
        (block({A: {"storage": {"0x" + "1" * 65: "0x0"}}}), block({"pre": {}, "post": {}}), "a slot"),
        (block({A: {"storage": {"0x1": "0x0", slot(1): "0x0"}}}), block({"pre": {}, "post": {}}), "twice"),
        (block({"0x" + "\u0661" * 40: account()}), block({"pre": {}, "post": {}}), "an address"),
        (block({"0xaa": account()}), block({"pre": {}, "post": {}}), "20 bytes"),
    ],
)
def test_a_malformed_answer_is_refused_by_name(full: object, diff: object, said: str) -> None:
    with pytest.raises(ResponseError, match=said):
        prestate.block_touches(7, full, diff)


def test_a_bad_block_number_is_refused() -> None:
    with pytest.raises(InputError, match="block_number"):
        prestate.block_touches(-1, [], [])


values = st.dictionaries(st.integers(0, 5), st.integers(0, 2), max_size=6)


@given(st.lists(st.tuples(values, values, st.sets(st.integers(0, 5))), max_size=4))
def test_answers_made_by_the_tracers_rules_give_back_every_touch(cases: list) -> None:
    """Inverse of geth's rules: changed slots in pre and post without zeros, touched ones in the full answer."""
    full, diff, expected = [], [], set()
    for index, (before, after, read) in enumerate(cases):
        keys = before.keys() | after.keys() | read
        changed = {key for key in keys if before.get(key, 0) != after.get(key, 0)}
        sides = [
            {A: account(**{f"s{k}": side[k] for k in changed if side.get(k)})} for side in (before, after)
        ]
        full += block({A: account(**{f"s{key}": before.get(key, 0) for key in keys})})
        diff += block({"pre": sides[0], "post": sides[1]})
        expected |= {(index, A, key, "write" if key in changed else "read") for key in keys}
    assert touches(full, diff) == expected


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([A, slot(1)]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=examples(300))
@given(st.data())
def test_one_hostile_value_anywhere_is_a_named_error_or_a_frame(data: st.DataObject) -> None:
    answers = copy.deepcopy(
        [block({A: account(s1=1, s2=0)}), block({"pre": {A: account(s1=1)}, "post": {A: account(s2=1)}})]
    )
    parent, key, node = None, None, answers
    while isinstance(node, (dict, list)) and node and (parent is None or data.draw(st.booleans())):
        key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        parent, node = node, node[key]
    parent[key] = data.draw(json_values)
    if isinstance(parent, dict) and data.draw(st.booleans()):
        parent[data.draw(st.text(max_size=4))] = parent.pop(key)
    try:
        frame = prestate.block_touches(7, *answers)
    except ResponseError:
        return
    assert frame.schema == prestate.TOUCHES_SCHEMA


def answer(data_dir, number: int) -> list:
    with gzip.open(data_dir / "prestate" / f"test_{number}.json.gz") as file:
        return json.load(file)[0]["response"]["result"]


# Counted from the JSON alone: distinct (transaction, address, slot) in pre or post, and entries of the full answer.
@pytest.mark.parametrize(
    ("number", "diff", "full", "transactions", "writes", "touched"),
    [(17073191, 32, 35, 119, 356, 1183), (17073192, 33, 36, 162, 473, 1356)],
)
def test_real_blocks_give_the_counts_of_their_json(
    data_dir, number: int, diff: int, full: int, transactions: int, writes: int, touched: int
) -> None:
    changed, seen = answer(data_dir, diff), answer(data_dir, full)
    listed = [
        (index, address, key)
        for index, entry in enumerate(seen)
        for address, one in entry["result"].items()
        for key in one.get("storage", {})
    ]
    differing = {
        (index, address, key)
        for index, entry in enumerate(changed)
        for side in ("pre", "post")
        for address, one in entry["result"][side].items()
        for key in one.get("storage", {})
    }
    assert (len(changed), len(differing), len(listed)) == (transactions, writes, touched)
    frame = prestate.block_touches(number, seen, changed)
    found = [
        (tx, "0x" + address.hex(), "0x" + key.hex(), is_write)
        for _, tx, address, key, is_write in frame.rows()
    ]
    assert {row[:3] for row in found if row[3]} == differing
    assert sorted(row[:3] for row in found) == sorted(listed)


def test_real_blocks_make_a_valid_trace(data_dir) -> None:
    stamp = Capability("prestate", True, True, "all", "slot", 17073191, 17073192, 1, "test")
    frame = prestate.block_touches(17073191, answer(data_dir, 35), answer(data_dir, 32))
    assert store.assemble(frame, stamp).accesses.height == 1183
