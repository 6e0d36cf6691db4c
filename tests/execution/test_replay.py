"""Replay does what the chain does: hand-made blocks with known effects, mainnet blocks whose header says the gas."""

import json

import polars as pl
import pytest

from rollstate.errors import InputError
from rollstate.execution import block_inputs, conflicts, replay
from rollstate.execution.block_inputs import Account
from rollstate.traces import datasets

ALICE, BOB, CAROL = ("0x" + name * 20 for name in ("a1", "b0", "ca"))
MINER, COUNTER, VAULT, WITNESS = ("0x" + name * 20 for name in ("99", "c0", "fa", "77"))
# Slot 0 grows by one: PUSH0's older form, so that it runs under London too.
COUNT = bytes.fromhex("600054600101600055" + "00")
# Stores its own balance in slot 1.
LOOK = bytes.fromhex("47600155" + "00")
# Loads slot 5 and gives up.
FAIL = bytes.fromhex("600554" + "60006000fd")
PRICE, BASE = 20, 7


def transaction(sender, to, *, nonce=0, value=0, data="0x", gas=200_000, **more):
    return {
        "from": sender, "to": to, "nonce": hex(nonce), "value": hex(value), "input": data, "gas": hex(gas),
        "gasPrice": hex(PRICE), **more,
    }  # fmt: skip


def block(*transactions, gas_used=0):
    return {
        "number": hex(13_000_000), "timestamp": hex(1_630_000_000), "miner": MINER, "difficulty": "0x1",
        "mixHash": "0x" + "00" * 32, "gasLimit": hex(30_000_000), "gasUsed": hex(gas_used),
        "baseFeePerGas": hex(BASE), "transactions": list(transactions),
    }  # fmt: skip


@pytest.fixture
def state():
    rich = {name: Account(10**18) for name in (ALICE, BOB)}
    code = {COUNTER: COUNT, VAULT: LOOK, WITNESS: FAIL}
    return rich | {
        name: Account(0, 1, text, {0: 41} if name == COUNTER else {}) for name, text in code.items()
    }


def test_a_transfer_moves_value_fee_and_nonce(state):
    (one,) = replay.replay(block(transaction(ALICE, CAROL, value=5)), state).transactions
    assert one.success
    assert one.plain
    assert one.gas_used == one.intrinsic_gas == 21_000
    assert one.balances[CAROL] == (0, 5)
    assert one.balances[ALICE] == (10**18, 10**18 - 5 - 21_000 * PRICE)
    assert one.balances[MINER] == (0, 21_000 * (PRICE - BASE)) == (0, one.fee)
    assert one.nonces == {ALICE: (0, 1)}
    assert not one.reads
    assert not one.writes
    assert not one.balance_reads


def test_state_passes_from_one_transaction_to_the_next_and_is_cold_again(state):
    found = replay.replay(block(*(transaction(who, COUNTER) for who in (ALICE, BOB))), state)
    first, second = found.transactions
    assert first.writes == {(COUNTER, 0): (41, 42)}
    assert second.writes == {(COUNTER, 0): (42, 43)}
    # Both pay for a cold slot: 21,000, three pushes and an addition, 2,100 to load, 2,900 to change.
    assert first.gas_used == second.gas_used == 21_000 + 4 * 3 + 2_100 + 2_900
    assert state[COUNTER].storage == {0: 41}, "the given state must stay as it is"
    difference = found.state_difference()
    slots = difference.filter(kind="storage")
    assert slots["before"].to_list() == [f"0x{41:064x}"]
    assert slots["after"].to_list() == [f"0x{43:064x}"]
    assert difference.filter(kind="nonce", address=ALICE).height == 1


def test_a_balance_that_code_looks_at_is_a_read_and_another_one_is_not(state):
    credit = transaction(ALICE, VAULT, value=9)
    look = transaction(BOB, VAULT)
    count = transaction(BOB, COUNTER, nonce=1)
    found = replay.replay(block(credit, look, count), state)
    assert [one.balance_reads for one in found.transactions] == [{VAULT}, {VAULT}, frozenset()]
    assert found.transactions[1].writes == {}, "the balance stored is the one that was stored before"


def test_a_failed_transaction_pays_and_changes_nothing_else(state):
    (one,) = replay.replay(block(transaction(ALICE, WITNESS, value=3)), state).transactions
    assert not one.success
    assert not one.writes
    assert set(one.balances) == {ALICE, MINER}
    assert one.nonces == {ALICE: (0, 1)}


def test_opcodes_add_up_to_the_gas_and_show_what_a_failed_call_read(state):
    calls = [transaction(ALICE, COUNTER), transaction(BOB, WITNESS)]
    found = replay.replay(block(*calls), state, with_opcodes=True)
    for one in found.transactions:
        assert one.intrinsic_gas + sum(one.gas_by_class.values()) - one.refund == one.gas_used
    good, failed = found.transactions
    assert good.gas_by_class["storage"] == 2_100 + 2_900
    assert good.operations["storage"] == 2
    assert failed.reads == {(WITNESS, 5)}
    plain = replay.replay(block(*calls), state)
    assert [one.gas_used for one in plain.transactions] == [one.gas_used for one in found.transactions]


def test_a_created_contract_has_its_address_and_its_code(state):
    # Returns one byte, a STOP, as the contract's code.
    made = transaction(ALICE, None, data="0x60016000f3")
    (one,) = replay.replay(block(made), state).transactions
    assert one.success
    assert not one.plain
    # First contract of a new account: keccak of RLP [sender, 0].
    assert one.codes.keys() == {one.to}
    assert one.nonces == {ALICE: (0, 1), one.to: (0, 1)}


def test_an_access_list_is_paid_and_is_no_touch(state):
    listed = [{"address": COUNTER, "storageKeys": ["0x0", "0x7"]}]
    (one,) = replay.replay(block(transaction(ALICE, COUNTER, accessList=listed)), state).transactions
    assert one.intrinsic_gas == 21_000 + 2_400 + 2 * 1_900
    assert one.writes == {(COUNTER, 0): (41, 42)}
    assert not one.reads


def test_acceptance_is_a_comparison_with_the_header(state):
    assert replay.replay(block(transaction(ALICE, CAROL), gas_used=21_010), state).accepted
    off = replay.replay(block(transaction(ALICE, CAROL), gas_used=21_100), state)
    assert not off.accepted
    assert off.deviation == pytest.approx(21_000 / 21_100 - 1)


def test_touches_leave_out_the_fee_and_follow_the_rules(state):
    found = replay.replay(block(transaction(ALICE, CAROL, value=1), transaction(BOB, CAROL, value=2)), state)
    rows = replay.touches(found)
    assert not rows["name"].str.contains(MINER).any()
    paths = {
        rule: conflicts.predecessors(next(conflicts.blocks(conflicts.by_rule(rows, rule))))
        for rule in conflicts.RULES
    }
    assert paths == {"strict": [[], [0]], "lazy": [[], []], "listed": [[], []]}


def test_inputs_come_in_three_forms(tmp_path, state):
    (tmp_path / "block.json").write_text(json.dumps(block(transaction(ALICE, CAROL))))
    padded = {"bytecode": "0x" + COUNT.hex() + "00" * 33, "original_len": len(COUNT), "jump_table": {}}
    accounts = {
        ALICE: {"basic": {"balance": "0x5", "nonce": 1}, "code": None, "storage": {}},
        COUNTER: {"basic": {"balance": "0x0", "nonce": 1}, "code": padded, "storage": {"0x0": "0x29"}},
    }
    (tmp_path / "pre_state.json").write_text(json.dumps(accounts))
    _, read, hashes = block_inputs.read_folder(tmp_path)
    assert hashes == {}
    assert read == {ALICE: Account(5, 1), COUNTER: Account(0, 1, COUNT, {0: 41})}
    before = {"balance": "0x0", "nonce": 1, "code": "0x" + COUNT.hex(), "storage": {"0x0": "0x29"}}
    # A later transaction sees later values, which are not those before the block.
    after = {"balance": "0x0", "nonce": 1, "storage": {"0x0": "0x2a", "0x1": "0x7"}}
    answers = [
        {"result": {ALICE: {"balance": "0x5", "nonce": 1}, COUNTER: before}},
        {"result": {ALICE: {"balance": "0x1", "nonce": 2}, COUNTER: after}},
    ]
    assert block_inputs.from_tracer(answers) == {
        ALICE: Account(5, 1),
        COUNTER: Account(0, 1, COUNT, {0: 41, 1: 7}),
    }


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda b: b["transactions"][0].pop("from"), "transaction 0, from"),
        (lambda b: b["transactions"][0].update(value=hex(10**30)), "transaction 0 could not run"),
        (lambda b: b.update(number=hex(12_000_000)), "older than the London rules"),
        (lambda b: b.pop("miner"), "block, miner"),
    ],
)
def test_bad_input_is_named(broken, said, state):
    one = block(transaction(ALICE, CAROL))
    broken(one)
    with pytest.raises(InputError, match=said):
        replay.replay(one, state)


@pytest.mark.real_data
def test_measured_blocks_replay(data_dir):
    folder = datasets.locate("pevm-blocks")
    times = pl.read_csv(folder / "measured.csv")
    found = {
        number: replay.replay(*block_inputs.read_folder(folder / str(number))) for number in times["block"]
    }
    for number, one in found.items():
        assert one.gas_used == one.header_gas, (number, one.deviation)
        assert not one.unknown_hashes
        assert one.header_gas == times.filter(block=number)["gas"][0]
