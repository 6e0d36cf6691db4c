"""Two EVMs run the same blocks alike, and py-evm runs what revm cannot be told."""

import dataclasses
import json

import pytest

from rollstate.errors import InputError
from rollstate.execution import block_inputs, block_reads, replay, replay_tables
from rollstate.execution.block_inputs import Account
from rollstate.traces import datasets

ALICE, BOB, CAROL = ("0x" + name * 20 for name in ("a1", "b0", "ca"))
MINER, CONTRACT, CALLER = ("0x" + name * 20 for name in ("99", "c0", "fa"))
NUMBER, PRICE, BASE = 13_000_000, 20, 7
PARENT, EARLIER = bytes([5] * 32), bytes([6] * 32)
# Store in slot 1: BASEFEE; BLOCKHASH of the parent; BLOCKHASH of the block seven before; the caller's balance.
BASE_FEE = bytes.fromhex("4860015500")
PARENT_HASH = bytes.fromhex("600143034060015500")
EARLIER_HASH = bytes.fromhex("600743034060015500")
OWN_BALANCE = bytes.fromhex("333160015500")
COUNT = bytes.fromhex("60005460010160005500")
FAIL = bytes.fromhex("60055460006000fd")
# Calls CONTRACT and stores whether it succeeded in slot 0.
CALL = bytes.fromhex("6000600060006000600073" + "c0" * 20 + "5af160005500")
# Copies and returns the code after it, COUNT.
CREATE = "0x600a600c600039600a6000f3" + COUNT.hex()


def transaction(sender, to, *, nonce=0, value=0, data="0x", gas=200_000, **more):
    return {
        "from": sender, "to": to, "nonce": hex(nonce), "value": hex(value), "input": data, "gas": hex(gas),
        "gasPrice": hex(PRICE), **more,
    }  # fmt: skip


def block(*transactions, **more):
    return {
        "number": hex(NUMBER), "timestamp": hex(1_630_000_000), "miner": MINER, "difficulty": "0x1",
        "mixHash": "0x" + "00" * 32, "gasLimit": hex(30_000_000), "gasUsed": "0x0", "baseFeePerGas": hex(BASE),
        "parentHash": "0x" + PARENT.hex(), "transactions": list(transactions), **more,
    }  # fmt: skip


def state(code=COUNT, *others):
    rich = {name: Account(10**18) for name in (ALICE, BOB)}
    return rich | {CONTRACT: Account(0, 1, code, {0: 41}), CALLER: Account(0, 1, CALL)} | dict(others)


@pytest.mark.parametrize("opcodes", [False, True], ids=["plain", "opcodes"])
@pytest.mark.parametrize("fork", ["LONDON", "CANCUN"])
def test_both_evms_do_the_same(fork, opcodes):
    listed = [{"address": CONTRACT, "storageKeys": ["0x0", "0x7"]}]
    one = block(
        transaction(ALICE, CAROL, value=5),
        transaction(BOB, CONTRACT),
        transaction(ALICE, CALLER, nonce=1),
        transaction(ALICE, CONTRACT, nonce=2, accessList=listed),
        transaction(BOB, None, nonce=1, data=CREATE),
        transaction(BOB, "0x" + "fe" * 20, nonce=2),
        excessBlobGas="0x0",
    )
    held = state(COUNT, ("0x" + "fe" * 20, Account(0, 1, FAIL)))
    revm, py_evm = (
        replay.replay(one, held, fork=fork, executor=name, with_opcodes=opcodes)
        for name in ("revm", "py-evm")
    )
    assert revm == py_evm
    assert [tx.success for tx in revm.transactions] == [True] * 5 + [False]
    # A creation pays its fee once, and its code has no zeros behind it.
    made = revm.transactions[4]
    assert made.balances[BOB][0] - made.balances[BOB][1] == made.gas_used * PRICE
    assert made.codes == {made.to: COUNT}
    assert (revm.by_py_evm, py_evm.by_py_evm) == ((), tuple(range(6)))


@pytest.mark.parametrize(
    ("code", "stored"),
    [
        (BASE_FEE, BASE),
        (PARENT_HASH, int.from_bytes(PARENT, "big")),
        (EARLIER_HASH, int.from_bytes(EARLIER, "big")),
        (OWN_BALANCE, 10**18 - 200_000 * PRICE),
    ],
    ids=["base fee", "parent", "earlier", "sender"],
)
def test_py_evm_runs_what_looks_at_its_block(code, stored):
    one = block(transaction(BOB, CAROL, value=1), transaction(ALICE, CONTRACT))
    found = replay.replay(one, state(code), {NUMBER - 7: EARLIER})
    assert found.by_py_evm == (1,)
    assert found.unknown_hashes == ()
    assert found.transactions[1].writes == {(CONTRACT, 1): (0, stored)}
    # What comes after in revm sees it.
    again = replay.replay(
        block(*one["transactions"], transaction(BOB, CONTRACT, nonce=1)), state(code), {NUMBER - 7: EARLIER}
    )
    assert again.transactions[2].gas_used < found.transactions[1].gas_used


def test_a_call_of_code_that_looks_runs_in_py_evm_and_others_do_not():
    one = block(
        transaction(ALICE, CALLER), transaction(BOB, CAROL), transaction(BOB, CALLER, nonce=1, gas=23_000)
    )
    found = replay.replay(one, state(BASE_FEE))
    # The last one runs out of gas before it calls: it fails, and what fails is run again.
    assert found.by_py_evm == (0, 2)
    assert [tx.success for tx in found.transactions] == [True, True, False]
    assert not replay.replay(block(transaction(ALICE, CALLER)), state(COUNT)).by_py_evm


def test_a_hash_that_nobody_gave_is_reported():
    found = replay.replay(block(transaction(ALICE, CONTRACT)), state(EARLIER_HASH))
    assert found.unknown_hashes == (NUMBER - 7,)
    assert not found.transactions[0].writes, "it got zero, which was there before"
    far = dataclasses.replace(found, header_gas=2 * found.gas_used)
    assert f"blocks {NUMBER - 7}, which" in replay_tables.verdict(far)
    assert "state may lack" in replay_tables.verdict(dataclasses.replace(far, unknown_hashes=()))


def test_code_is_reached_through_jump_targets_alone():
    assert not block_reads.asks(COUNT)
    # Behind PUSH, and behind STOP without a jump target: no code that runs.
    assert not block_reads.asks(bytes.fromhex("6048" + "7f" + "40" * 32 + "00" + "4840"))
    assert block_reads.asks(bytes.fromhex("00" + "48" + "5b" + "48"))
    assert block_reads.blind(BASE_FEE) == bytes.fromhex("fe60015500")
    assert block_reads.blind(COUNT) == COUNT


def test_unknown_names_are_refused():
    one = block(transaction(ALICE, CAROL))
    with pytest.raises(InputError, match="executor 'geth'"):
        replay.replay(one, state(), executor="geth")
    with pytest.raises(InputError, match="py-evm has no rules 'FRONTIER'"):
        replay.replay(one, state(), fork="FRONTIER", executor="py-evm")


@pytest.mark.parametrize("executor", ["revm", "py-evm"])
def test_a_sender_that_cannot_pay_is_named(executor):
    poor = transaction(CAROL, ALICE, value=1)
    with pytest.raises(InputError, match="transaction 0 could not run"):
        replay.replay(block(poor), state(), executor=executor)


def test_hashes_come_from_the_folder(tmp_path):
    (tmp_path / "block.json").write_text(json.dumps(block()))
    (tmp_path / "pre_state.json").write_text("{}")
    name = tmp_path / "block_hashes.json"
    name.write_text(json.dumps({"12999993": "0x" + EARLIER.hex()}))
    assert block_inputs.read_folder(tmp_path)[2] == {12_999_993: EARLIER}
    name.write_text(json.dumps({"0x1": "0x" + EARLIER.hex()}))
    with pytest.raises(InputError, match="in digits"):
        block_inputs.read_folder(tmp_path)


@pytest.mark.real_data
def test_both_evms_agree_on_a_published_block(data_dir):
    inputs = block_inputs.read_folder(datasets.locate("pevm-blocks") / "18426253")
    revm, py_evm = (
        replay.replay(*inputs, executor=name, with_balance_reads=False) for name in ("auto", "py-evm")
    )
    assert revm.deviation == py_evm.deviation == 0
    pairs = zip(revm.transactions, py_evm.transactions, strict=True)
    assert all(dataclasses.replace(a, balance_reads=b.balance_reads) == b for a, b in pairs)
