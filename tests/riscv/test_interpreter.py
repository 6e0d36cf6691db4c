"""The compiled machine and the one written apart from the manual do the same, instruction by instruction."""

import os
import random

import numpy as np
import pytest
from tests.riscv.instructions import (
    addi,
    assemble,
    branch,
    i_type,
    r_type,
    random_registers,
    random_word,
    store,
)

from rollstate.errors import InputError
from rollstate.riscv import interpreter, machine, reference
from rollstate.riscv.interpreter import Machine
from rollstate.riscv.machine import MEMORY_BYTES

MANY = (
    pytest.mark.nightly,
    pytest.mark.skipif(
        not os.environ.get("ROLLSTATE_NIGHTLY"), reason="many instructions: set ROLLSTATE_NIGHTLY=1"
    ),
)


@pytest.mark.parametrize("count", [4_000, pytest.param(100_000, marks=MANY)])
def test_random_instructions_do_the_same_in_both(count):
    rng = random.Random(count)
    fast = np.frombuffer(rng.randbytes(MEMORY_BYTES), np.uint8).copy()
    slow = bytearray(fast.tobytes())
    seen = set()
    for _ in range(count):
        pc = rng.choice(
            (rng.randrange(0, MEMORY_BYTES, 4), rng.randrange(0, MEMORY_BYTES, 4), rng.getrandbits(32))
        )
        word = random_word(rng)
        if pc % 4 == 0 and pc < MEMORY_BYTES:
            fast[pc : pc + 4] = np.frombuffer(word.to_bytes(4, "little"), np.uint8)
            slow[pc : pc + 4] = word.to_bytes(4, "little")
        registers = random_registers(rng, MEMORY_BYTES)
        one = Machine(fast, np.array(registers, np.int64), pc).run(1)
        following, status = reference.step(pc, registers, slow)
        assert (one.pc, one.status, one.registers.tolist()) == (following, status, registers), hex(word)
        assert one.steps == 1
        seen.add((word & 127, status) if word & 127 in (0x13, 0x33, 0x03, 0x23, 0x63) else status)
    assert fast.tobytes() == bytes(slow)
    # Every status came up, and each kind of instruction both ran and was refused.
    assert {entry for entry in seen if isinstance(entry, int)} >= {0, 1, 2, 3, 4}
    assert {(0x13, 0), (0x33, 0), (0x33, 2), (0x03, 0), (0x23, 0), (0x23, 5), (0x03, 6), (0x63, 2)} <= seen


ENDS = {
    "illegal word": (assemble(0), machine.ILLEGAL),
    "ebreak": (assemble(0x0010_0073), machine.ILLEGAL),
    "read of a counter": (assemble(0xC000_2573), machine.ILLEGAL),
    "jump to an odd word": (assemble(addi(1, 0, 6), i_type(0x67, 0, 0, 1, 0)), machine.FETCH_UNALIGNED),
    "jump beyond the memory": (assemble(addi(1, 0, -4), i_type(0x67, 0, 0, 1, 0)), machine.FETCH_OUTSIDE),
    "unaligned load": (assemble(addi(1, 0, 6), i_type(0x03, 2, 2, 1, 0)), machine.DATA_UNALIGNED),
    "store beyond the memory": (assemble(addi(1, 0, -8), store(2, 1, 0, 0)), machine.DATA_OUTSIDE),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_program_that_ends_badly_says_how(end):
    program, status = ENDS[end]
    with pytest.raises(InputError, match=machine.REASONS[status]):
        Machine.start(machine.memory_of(program)).finish(100)


def test_a_program_that_does_not_halt_is_stopped():
    with pytest.raises(InputError, match="does not halt within 1000 steps"):
        Machine.start(machine.memory_of(assemble(branch(0, 0, 0, 0)))).finish(1_000)


def test_a_machine_that_has_ended_stays_as_it_is():
    one = Machine.start(machine.memory_of(assemble(addi(1, 0, 5), 0x73))).finish(10)
    assert (one.steps, one.registers[1], one.pc) == (2, 5, 4)
    before = one.state()[0]
    assert one.run(50).state()[0] == before


@pytest.mark.parametrize(
    ("f3", "a", "b", "expected"),
    [
        (4, 7, 0, 0xFFFFFFFF), (5, 7, 0, 0xFFFFFFFF), (6, 7, 0, 7), (7, 7, 0, 7),
        (4, 0x80000000, 0xFFFFFFFF, 0x80000000), (6, 0x80000000, 0xFFFFFFFF, 0),
        (4, 0xFFFFFFF9, 2, 0xFFFFFFFD), (6, 0xFFFFFFF9, 2, 0xFFFFFFFF),
        (1, 0x80000000, 0x80000000, 0x40000000), (2, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
        (3, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFE), (0, 0xFFFFFFFF, 0xFFFFFFFF, 1),
    ],
)  # fmt: skip
def test_the_manuals_corner_cases_of_multiplication_and_division(f3, a, b, expected):
    one = Machine.start(machine.memory_of(assemble(r_type(1, f3, 3, 1, 2))))
    one.registers[1:3] = a, b
    assert one.run(1).registers[3] == expected


@pytest.mark.parametrize("bad", [np.zeros(32, np.uint8), np.zeros(MEMORY_BYTES, np.int64)])
def test_a_memory_of_another_size_is_refused(bad):
    with pytest.raises(InputError, match="bytes, not"):
        interpreter.Machine.start(bad)
    with pytest.raises(InputError, match="bytes, not"):
        machine.MerkleMemory(bad)
    with pytest.raises(InputError, match="do not fit"):
        machine.memory_of(b"", {MEMORY_BYTES - 1: b"ab"})
    with pytest.raises(InputError, match="outside"):
        machine.MerkleMemory(np.zeros(MEMORY_BYTES, np.uint8)).leaf(MEMORY_BYTES)
