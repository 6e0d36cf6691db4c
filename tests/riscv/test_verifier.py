"""The contract's step, the Python verifier's and the compiled machine's are one function, on good and on bad input."""

import os
import random
from dataclasses import replace

import numpy as np
import pytest
from eth_hash.auto import keccak
from eth_tester.exceptions import TransactionFailed
from tests.riscv.instructions import addi, assemble, i_type, random_registers, random_word, store
from web3.exceptions import ContractLogicError

from rollstate.errors import InputError
from rollstate.riscv import machine
from rollstate.riscv.interpreter import Machine
from rollstate.riscv.machine import DEPTH, MEMORY_BYTES, MerkleMemory
from rollstate.riscv.on_chain import StepContract
from rollstate.riscv.verifier import NO_LEAF, root_of, verified_step, witness_of

GAS_LIMIT = 500_000
CODE_LIMIT = 24_576

MANY = (
    pytest.mark.nightly,
    pytest.mark.skipif(
        not os.environ.get("ROLLSTATE_NIGHTLY"), reason="many instructions: set ROLLSTATE_NIGHTLY=1"
    ),
)


def random_machine(rng, memory):
    pc = rng.choice((rng.randrange(0, MEMORY_BYTES, 4),) * 8 + (rng.getrandbits(32),))
    if pc % 4 == 0 and pc < MEMORY_BYTES:
        memory[pc : pc + 4] = np.frombuffer(random_word(rng).to_bytes(4, "little"), np.uint8)
    return Machine(
        memory, np.array(random_registers(rng, MEMORY_BYTES), np.int64), pc, steps=rng.getrandbits(20)
    )


@pytest.mark.parametrize("count", [60, pytest.param(1_500, marks=MANY)])
def test_random_steps_are_the_same_on_chain_in_python_and_compiled(on_chain, count):
    rng = random.Random(7 + count)
    memory = np.zeros(MEMORY_BYTES, np.uint8)
    memory[:4096] = np.frombuffer(rng.randbytes(4096), np.uint8)
    statuses = set()
    for _ in range(count):
        one = random_machine(rng, memory)
        state, tree = one.state()
        witness = witness_of(state, tree)
        after = one.run(one.steps + 1).state()[0]
        assert verified_step(state.hash(), witness) == after
        assert on_chain.step(state.hash(), witness) == after.hash()
        statuses.add(after.status)
    assert {0, 2} <= statuses


def test_the_tree_is_the_plain_definition():
    rng = random.Random(5)
    memory = np.zeros(MEMORY_BYTES, np.uint8)
    memory[1000:1100] = np.frombuffer(rng.randbytes(100), np.uint8)
    memory[-3:] = 9
    tree = MerkleMemory(memory)
    level = [memory[at : at + 32].tobytes() for at in range(0, MEMORY_BYTES, 32)]
    for _ in range(DEPTH):
        pairs = zip(level[::2], level[1::2], strict=True)
        level = [bytes(32) if not any(a) and not any(b) else keccak(a + b) for a, b in pairs]
    assert level == [tree.root]
    for address in (0, 1050, MEMORY_BYTES - 1):
        leaf = NO_LEAF.__class__(tree.leaf(address), tree.path(address))
        assert root_of(address, leaf) == tree.root


def loading():
    one = Machine.start(machine.memory_of(assemble(i_type(0x03, 2, 5, 1, 0), 0x73), {4096: b"\1\2\3\4" * 8}))
    one.registers[1] = 4096
    return one.state()


def altered(leaf, row=3):
    return replace(
        leaf, siblings=(*leaf.siblings[:row], keccak(leaf.siblings[row]), *leaf.siblings[row + 1 :])
    )


BAD = {
    "state does not hash to its claim": lambda w: (w.state.hash(), replace(w, state=w.state.after(pc=4))),
    "instruction's path does not lead to the memory": lambda w: (
        w.state.hash(),
        replace(w, code=replace(w.code, content=bytes(32))),
    ),
    "data's path does not lead to the memory": lambda w: (w.state.hash(), replace(w, data=altered(w.data))),
    "malformed state": lambda w: (
        w.state.after(registers=(1, *w.state.registers[1:])).hash(),
        replace(w, state=w.state.after(registers=(1, *w.state.registers[1:]))),
    ),
}


@pytest.mark.parametrize("reason", BAD)
def test_a_witness_that_does_not_belong_is_refused_with_one_reason(on_chain, reason):
    before, witness = BAD[reason](witness_of(*loading()))
    with pytest.raises(InputError, match=reason):
        verified_step(before, witness)
    with pytest.raises((TransactionFailed, ContractLogicError), match=reason):
        on_chain.step(before, witness)


@pytest.mark.parametrize(
    "changes",
    [{"pc": 2**32}, {"status": 7}, {"registers": (0, 2**32, *(0,) * 30)}],
    ids=["pc", "status", "register"],
)
def test_numbers_that_do_not_fit_the_machine_are_malformed(on_chain, changes):
    state, tree = loading()
    witness = replace(witness_of(state, tree), state=state.after(**changes))
    with pytest.raises(InputError, match="malformed state"):
        verified_step(witness.state.hash(), witness)
    with pytest.raises((TransactionFailed, ContractLogicError), match="malformed state"):
        on_chain.step(witness.state.hash(), witness)


ENDS = {
    "illegal": (assemble(0), {}, machine.ILLEGAL),
    "halt": (assemble(0x73), {}, machine.HALTED),
    "odd pc": (b"", {"pc": 2}, machine.FETCH_UNALIGNED),
    "far pc": (b"", {"pc": MEMORY_BYTES}, machine.FETCH_OUTSIDE),
    "odd store": (assemble(store(1, 0, 0, 1)), {}, machine.DATA_UNALIGNED),
    "far load": (assemble(i_type(0x03, 0, 1, 0, -1)), {}, machine.DATA_OUTSIDE),
    "ended before": (assemble(addi(1, 0, 1)), {"status": machine.ILLEGAL}, machine.ILLEGAL),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_run_that_ends_does_so_with_the_same_status_everywhere(on_chain, end):
    program, changes, status = ENDS[end]
    one = Machine(machine.memory_of(program), np.zeros(32, np.int64), **changes)
    state, tree = one.state()
    witness = witness_of(state, tree)
    after = verified_step(state.hash(), witness)
    assert after.status == one.run(1).status == status
    assert on_chain.step(state.hash(), witness) == after.hash() == one.state()[0].hash()
    assert after.steps == (0 if changes.get("status") else 1)


def test_a_path_of_another_length_is_refused():
    witness = witness_of(*loading())
    short = replace(witness, data=replace(witness.data, siblings=witness.data.siblings[1:]))
    with pytest.raises(InputError, match=f"a path has {DEPTH} siblings"):
        verified_step(witness.state.hash(), short)


def test_the_costliest_step_stays_below_half_a_million_gas(on_chain):
    # A store needs two paths and a new root; on memory full of numbers no sibling is zero.
    rng = np.random.default_rng(1)
    memory = rng.integers(1, 256, MEMORY_BYTES, dtype=np.uint8)
    memory[:4] = np.frombuffer(assemble(store(2, 1, 2, 0)), np.uint8)
    one = Machine(memory, np.array([0, 4096, 0xFFFFFFFF, *[0xFFFFFFFF] * 29], np.int64))
    state, tree = one.state()
    assert on_chain.gas(state.hash(), witness_of(state, tree)) < GAS_LIMIT
    assert on_chain.code_bytes < CODE_LIMIT


def test_blocks_get_their_times_from_the_program_and_not_from_a_clock(node):
    # A time of the machine's clock would be carried by later messages, where its zero bytes change their gas.
    before = node.now()
    state, tree = loading()
    StepContract(node).gas(state.hash(), witness_of(state, tree))
    assert node.now() == before + 2
