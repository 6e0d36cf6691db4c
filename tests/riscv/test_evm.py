"""The machine's EVM does what revm and py-evm do, or says that it does not; a false instruction in it is found."""

import random
import shutil
import subprocess

import numpy as np
import polars as pl
import pytest

from rollstate.chapters.fraud_proof import evm as evm_study
from rollstate.dispute.game import Outcome, Rules
from rollstate.execution import block_inputs
from rollstate.execution.block_inputs import Account
from rollstate.execution.evm_calls import Call
from rollstate.riscv import evm_blocks
from rollstate.riscv.guest import DIFFERENCE, INPUT, TABLE, evm
from rollstate.riscv.guest.evm import Block
from rollstate.riscv.interpreter import Machine
from rollstate.riscv.parties import play
from rollstate.riscv.rollup import LocalProgramBoard, ProgramBoard
from rollstate.riscv.runs import MOST_STEPS
from rollstate.traces import datasets
from rollstate.traces.live.workload import Workload

HEADER = {
    "number": "0x10", "timestamp": "0x65f1b057", "miner": "0x" + "99" * 20, "difficulty": "0x0",
    "mixHash": "0x" + "07" * 32, "gasLimit": hex(30_000_000), "gasUsed": "0x0", "baseFeePerGas": "0x7",
    "excessBlobGas": "0x0",
}  # fmt: skip
SENDER, CALLED, OTHER = ("0x" + text * 20 for text in ("a1", "c0", "c1"))
WORD = 2**256


def push(number):
    return b"\x7f" + (number % WORD).to_bytes(32, "big")


def stored(slot):
    """SSTORE of the topmost word."""
    return push(slot) + b"\x55"


def compared(code, *, data=b"", value=0, gas=1_000_000, other=b"", fork="CANCUN", storage=None):
    """Run code by both; return what they say."""
    transaction = {
        "from": SENDER, "to": CALLED, "nonce": "0x0", "value": hex(value), "input": "0x" + data.hex(), "gas": hex(gas),
        "gasPrice": hex(20),
    }  # fmt: skip
    state = {
        SENDER: Account(10**18),
        CALLED: Account(5, 1, code, dict(storage or {})),
        OTHER: Account(0, 1, other),
    }
    (one,) = evm_blocks.compare({**HEADER, "transactions": [transaction]}, state, fork=fork)
    return one


def check_same(one, *, success=True):
    assert one.found.status == "executed", one.found
    assert one.differences == (), (one.differences, one.found, one.expected)
    assert one.found.success == success


@pytest.fixture(scope="module")
def sampled():
    return evm_blocks.embedded(Workload(blocks=6, users=40), 16, seed=3)


def test_a_sample_of_the_embedded_workload_is_executed_exactly(sampled):
    for one in sampled:
        check_same(one, success=one.expected.success)
    assert {one.expected.success for one in sampled} == {True, False}
    assert any(one.found.storage for one in sampled)


EDGES = [
    0,
    1,
    2,
    3,
    31,
    32,
    255,
    256,
    2**32 - 1,
    2**32,
    2**64 - 1,
    2**128,
    2**255,
    2**255 - 1,
    WORD - 1,
    WORD - 2,
]


@pytest.mark.parametrize("seed", range(4))
def test_arithmetic_on_edges_and_random_words(seed):
    rng = random.Random(seed)

    def drawn():
        return rng.choice(EDGES) if rng.random() < 0.5 else rng.getrandbits(rng.choice((8, 33, 64, 160, 256)))

    code = b""
    for slot in range(90):
        op = rng.choice([*range(0x01, 0x0C), *range(0x10, 0x1E)])
        code += push(drawn()) + push(drawn()) + push(drawn()) + bytes([op]) + stored(slot)
    check_same(compared(code, gas=5_000_000))


def test_division_where_the_first_guess_of_a_digit_is_too_large():
    code, slot = b"", 0
    for a, b in ((2**255 + 2**128, 2**159 + 2**127 + 1), (2**192 * 0x7FFFFFFF + 1, 2**96 * 0x80000000 + 2**64 - 1),
                 ((2**32 - 1) * 2**224, (2**32 - 1) * 2**64 + 2**64 - 1), (WORD - 1, 2**128 - 1)):  # fmt: skip
        for op in (4, 6):
            code += push(b) + push(a) + bytes([op]) + stored(slot)
            slot += 1
        for op in (8, 9):
            code += push(b) + push(WORD - 1) + push(a) + bytes([op]) + stored(slot)
            slot += 1
    check_same(compared(code, gas=5_000_000))


@pytest.mark.parametrize("fork", ["LONDON", "MERGE", "SHANGHAI", "CANCUN"])
def test_memory_environment_and_rules_of_each_fork(fork):
    reads = [
        0x30,
        0x32,
        0x33,
        0x34,
        0x36,
        0x38,
        0x3A,
        0x3D,
        0x41,
        0x42,
        0x43,
        0x44,
        0x45,
        0x46,
        0x47,
        0x48,
        0x58,
        0x59,
        0x5A,
    ]
    code = b"".join(bytes([op]) + stored(n) for n, op in enumerate(reads))
    # MSTORE, MSTORE8 and MLOAD at odd places, CALLDATACOPY beyond its end, CODECOPY, KECCAK256, LOG2.
    code += (
        push(2**200 + 5)
        + push(3)
        + b"\x52"
        + push(0xAB)
        + push(70)
        + b"\x53"
        + push(1)
        + b"\x51"
        + stored(40)
    )
    code += push(50) + push(2) + push(33) + b"\x37" + push(90) + push(7) + push(5) + b"\x39"
    code += push(150) + push(1) + b"\x20" + stored(41) + push(1) * 2 + push(9) + push(2) + b"\xa2"
    code += push(3) + b"\x35" + stored(42) + push(int(OTHER, 16)) + b"\x31" + stored(43)
    code += push(int(OTHER, 16)) + b"\x3f" + stored(44) + push(int(OTHER, 16)) + b"\x3b" + stored(45)
    check_same(compared(code, data=bytes(range(40)), value=9, other=b"\x01\x02", fork=fork, gas=3_000_000))
    check_same(compared(b"\x5f\x5f\x55", fork=fork), success=fork in ("SHANGHAI", "CANCUN"))
    moved = push(2**250 + 77) + push(0) + b"\x52" + push(40) + push(5) + push(9) + b"\x5e"
    transient = push(7) + push(1) + b"\x5d" + push(1) + b"\x5c" + stored(1)
    check_same(
        compared(moved + push(10) + b"\x51" + stored(0) + transient, fork=fork), success=fork == "CANCUN"
    )


@pytest.mark.parametrize(
    "values", [(0, 1), (1, 1), (1, 0), (1, 2), (2, 0, 2), (0, 3, 0), (5, 0, 6), (5, 6, 5)]
)
def test_gas_and_refunds_of_storage(values):
    first, *rest = values
    check_same(compared(b"".join(push(one) + stored(4) for one in rest), storage={4: first} if first else {}))


CALLEES = {
    "returns": push(1) + stored(1) + push(0xBEEF) + push(0) + b"\x52" + push(32) + push(0) + b"\xf3",
    "reverts": push(1) + stored(1) + push(0xDEAD) + push(0) + b"\x52" + push(32) + push(0) + b"\xfd",
    "halts": push(1) + stored(1) + b"\xfe",
    "looks": b"\x33" + push(0) + b"\x52" + b"\x34" + push(32) + b"\x52" + push(64) + push(0) + b"\xf3",
    "calls back": push(0) * 5 + push(int(CALLED, 16)) + push(3000) + b"\xf1" + push(0) + b"\x52" + push(32) + push(0)
    + b"\xf3",
}  # fmt: skip


@pytest.mark.parametrize("callee", CALLEES)
@pytest.mark.parametrize(("op", "value"), [(0xF1, 0), (0xF1, 3), (0xF1, 10**6), (0xF4, 0), (0xFA, 0)])
def test_calls_of_every_kind(callee, op, value):
    with_value = push(value) if op == 0xF1 else b""
    code = (
        push(64) + push(0) + push(0) + push(0) + with_value + push(int(OTHER, 16)) + push(60_000) + bytes([op])
        + stored(8) + b"\x3d" + stored(9) + push(0) + b"\x51" + stored(10)
    )  # fmt: skip
    check_same(compared(code, other=CALLEES[callee]))


FAILING = {
    "too few words": b"\x01",
    "no jump destination": push(1) + b"\x56",
    "jump into data": push(2) + b"\x56" + b"\x60\x5b",
    "no such opcode": b"\x0c",
    "revert": push(0) + push(0) + b"\xfd",
    "gas": b"\x5b" + push(0) + b"\x56",
    "far memory": push(2**40) + b"\x51",
    "returned data": push(1) + push(0) + push(0) + b"\x3e",
}


@pytest.mark.parametrize("name", FAILING)
def test_what_fails_pays_alike(name):
    check_same(compared(FAILING[name], gas=60_000, value=1), success=False)


def test_a_stack_holds_1024_words():
    check_same(compared(b"\x30" * 1024 + b"\x00"))
    check_same(compared(b"\x30" * 1025 + b"\x00"), success=False)


OUTSIDE = {
    "creation": push(0) * 3 + b"\xf0",
    "destruction": push(0) + b"\xff",
    "call code": push(0) * 7 + b"\xf2",
    "block hash": push(1) + b"\x40",
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_what_is_outside_says_so_and_changes_nothing(name):
    one = compared(push(1) + stored(1) + OUTSIDE[name])
    assert one.found.status == "opcode"
    after = Machine.start(one.start).run(evm.MOST_STEPS).memory
    assert (after[TABLE:DIFFERENCE] == one.start[TABLE:DIFFERENCE]).all()


def test_precompiles_but_identity_are_outside():
    def code(address):
        return push(32) + push(0) + push(40) + push(0) + push(address) + push(9000) + b"\xfa" + stored(1)

    check_same(compared(code(4)))
    assert compared(code(2)).found.status == "precompile"


def test_what_a_record_cannot_express_and_what_finds_no_room():
    one = compared(b"\x00")
    call, block = one.call, Block(evm_blocks.replay.calls({**HEADER, "transactions": []})[0], "CANCUN")
    state = {SENDER: Account(10**18), CALLED: Account(0, 1, b"\0" * 2**18)}
    assert evm.answered(call, block, state, {})[0].status == "too large"
    made = Call(**{**call.__dict__, "create": True})
    assert evm.answered(made, block, state, {})[0].status == "unsupported"
    poor = {SENDER: Account(1), CALLED: Account(0, 1, b"\0")}
    assert evm.answered(call, block, poor, {})[0].status == "invalid transaction"


def test_a_record_that_is_not_the_named_one_is_refused():
    start = compared(push(1) + stored(1)).start.copy()
    start[INPUT + 2] ^= 1
    assert evm.outcome(Machine.start(start).run(evm.MOST_STEPS).memory, 0).status == evm.STATUSES[2]


def test_slots_and_accounts_that_were_left_out_are_asked_for():
    code = push(int(OTHER, 16)) + b"\x31" + stored(0) + push(77) + b"\x54" + stored(1)
    one = compared(code, storage={77: 5})
    block = Block(evm_blocks.replay.calls({**HEADER, "transactions": []})[0], "CANCUN")
    state = {SENDER: Account(10**18), CALLED: Account(5, 1, code, {77: 5}), OTHER: Account(0, 1)}
    found, _ = evm.answered(one.call, block, state, {})
    assert (found.status, found.storage, found.gas) == ("executed", one.found.storage, one.found.gas)


@pytest.mark.skipif(
    not shutil.which("riscv64-unknown-elf-gcc"), reason="needs Debian's gcc-riscv64-unknown-elf"
)
def test_the_shipped_interpreter_is_what_its_source_gives(root, tmp_path):
    script = root / "src" / "rollstate" / "riscv" / "guest" / "build.sh"
    subprocess.run(["sh", script, "evm", tmp_path / "again.bin"], check=True)
    assert (tmp_path / "again.bin").read_bytes() == evm.program()


@pytest.mark.thorough
def test_a_false_instruction_inside_an_evm_transaction_is_found(sampled, py_evm_node):
    one = next(one for one in sampled if one.found.storage)
    assert one.found.steps < MOST_STEPS
    rng = np.random.default_rng(5)
    for board_on in (LocalProgramBoard, lambda *given, **more: ProgramBoard(py_evm_node, *given, **more)):
        step = int(rng.integers(one.found.steps - 1))
        truth, lie = evm_blocks.world(one), evm_blocks.world(one, evm_blocks.false_balance(one, step))
        board = board_on(Rules(), truth.roots[0], program=evm.program())
        played = play(board, lie, truth, 1)
        assert (played.outcome, played.timed_out, played.refused) == (Outcome.CHALLENGER, False, ())
        assert (played.x, played.transaction, played.step) == (1, 0, step)
    assert board.differences() == {}
    assert max(m.gas for m in board.messages[played.first : played.last]) < 1_500_000


def test_the_stage_of_another_program_does_not_take_this_one(sampled):
    one = sampled[0]
    truth, lie = evm_blocks.world(one), evm_blocks.world(one, evm_blocks.false_balance(one, 0))
    board = LocalProgramBoard(
        Rules(), truth.roots[0]
    )  # bound to the program of transfers: another first state
    assert play(board, truth, lie, 1).refused
    board = LocalProgramBoard(Rules(), truth.roots[0], program=evm.program())
    assert not play(board, truth, lie, 1).refused


@pytest.fixture(scope="module")
def of_mainnet():
    block, state, hashes = block_inputs.read_folder(datasets.locate("pevm-blocks") / "19426587")
    return list(evm_blocks.compare(block, state, hashes))


@pytest.mark.real_data
def test_transactions_of_mainnet_blocks_are_executed_exactly_or_not_at_all(of_mainnet):
    assert [one.differences for one in of_mainnet if one.differences] == []
    table = evm_blocks.frame(of_mainnet)
    assert table["exact"].mean() > 0.5
    # The chapter's table of all ten blocks has these rows.
    held = evm_study.recorded().filter(pl.col("block") == 19426587)
    assert held.drop("count").equals(evm_study.counted(table).drop("count"))
    assert held["count"].sum() == len(table)


@pytest.mark.real_data
def test_a_false_instruction_inside_a_mainnet_transaction_is_found(of_mainnet, node):
    """Of a call that writes storage, drawn at random as the instruction is, on py-evm and on anvil."""
    rng = np.random.default_rng(19426587)
    fit = [one for one in of_mainnet if one.found.storage and one.found.steps < MOST_STEPS]
    one = fit[rng.integers(len(fit))]
    step = int(rng.integers(one.found.steps - 1))
    truth, lie = evm_blocks.world(one), evm_blocks.world(one, evm_blocks.false_balance(one, step))
    board = ProgramBoard(node, Rules(), truth.roots[0], program=evm.program())
    played = play(board, lie, truth, 1)
    assert (played.outcome, played.timed_out, played.refused) == (Outcome.CHALLENGER, False, ())
    assert (played.x, played.transaction, played.step) == (1, 0, step)
    assert board.differences() == {}
