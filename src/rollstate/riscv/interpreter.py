"""The machine, compiled: tens of millions of instructions a second."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rollstate.compiled import compiled
from rollstate.errors import InputError
from rollstate.riscv import machine
from rollstate.riscv.machine import (
    DATA_OUTSIDE,
    DATA_UNALIGNED,
    FETCH_OUTSIDE,
    FETCH_UNALIGNED,
    HALTED,
    ILLEGAL,
    MASK,
    MEMORY_BYTES,
    RUNNING,
    MerkleMemory,
    State,
)


@compiled
def _signed(value):
    return value - ((value >> 31) << 32)


@compiled
def _base(f3, f7, a, b):
    """Return the result of an integer operation; `f7` is 32 for subtraction and arithmetic shift."""
    if f3 == 0:
        return a - b if f7 == 32 else a + b
    if f3 == 1:
        return a << (b & 31)
    if f3 == 2:
        return np.int64(_signed(a) < _signed(b))
    if f3 == 3:
        return np.int64(a < b)
    if f3 == 4:
        return a ^ b
    if f3 == 5:
        return _signed(a) >> (b & 31) if f7 == 32 else a >> (b & 31)
    if f3 == 6:
        return a | b
    return a & b


@compiled
def _multiply(f3, a, b):
    """Return the result of an operation of the M extension."""
    if f3 == 0:
        return ((a & 0xFFFF) * b + (((a >> 16) * b & 0xFFFF) << 16)) & MASK
    if f3 == 1:
        return (_signed(a) * _signed(b)) >> 32
    if f3 == 2:
        return (_signed(a) * b) >> 32
    if f3 == 3:
        return np.int64((np.uint64(a) * np.uint64(b)) >> np.uint64(32))
    if b == 0:
        return np.int64(MASK) if f3 < 6 else a
    if f3 == 5:
        return a // b
    if f3 == 7:
        return a % b
    x, y = _signed(a), _signed(b)
    quotient = abs(x) // abs(y)
    if (x < 0) != (y < 0):
        quotient = -quotient
    return quotient if f3 == 4 else x - quotient * y


@compiled
def _run(memory, x, at, limit):
    """Run until the status changes or `limit` steps are done; `at` holds pc, status, steps."""
    pc, status, steps = at[0], at[1], at[2]
    words = memory.view(np.uint32)
    size = memory.size
    while steps < limit and status == RUNNING:
        steps += 1
        if pc & 3:
            status = FETCH_UNALIGNED
            break
        if pc >= size:
            status = FETCH_OUTSIDE
            break
        word = np.int64(words[pc >> 2])
        code, rd, f3, f7 = word & 127, (word >> 7) & 31, (word >> 12) & 7, word >> 25
        a, b = x[(word >> 15) & 31], x[(word >> 20) & 31]
        immediate = _signed(word) >> 20
        following, result = (pc + 4) & MASK, np.int64(-1)
        if code == 0x13:
            if (f3 == 1 and f7 != 0) or (f3 == 5 and f7 != 0 and f7 != 32):
                status = ILLEGAL
                break
            result = _base(f3, f7 if f3 == 5 else 0, a, immediate & MASK) & MASK
        elif code == 0x33:
            if f7 == 1:
                result = _multiply(f3, a, b) & MASK
            elif f7 == 0 or (f7 == 32 and (f3 == 0 or f3 == 5)):
                result = _base(f3, f7, a, b) & MASK
            else:
                status = ILLEGAL
                break
        elif code == 0x03 or code == 0x23:
            if f3 & 3 == 3 or f3 == 6 or (code == 0x23 and f3 > 2):
                status = ILLEGAL
                break
            if code == 0x23:
                immediate = ((_signed(word) >> 25) << 5) | rd
            address, width = (a + immediate) & MASK, 1 << (f3 & 3)
            if address & (width - 1):
                status = DATA_UNALIGNED
                break
            if address >= size:
                status = DATA_OUTSIDE
                break
            if code == 0x23:
                for i in range(width):
                    memory[address + i] = (b >> (8 * i)) & 255
            else:
                result = np.int64(0)
                for i in range(width):
                    result |= np.int64(memory[address + i]) << (8 * i)
                if f3 < 2 and result >> (8 * width - 1):
                    result = (result - (1 << (8 * width))) & MASK
        elif code == 0x63:
            if f3 == 2 or f3 == 3:
                status = ILLEGAL
                break
            if f3 < 2:
                taken = a == b
            elif f3 < 6:
                taken = _signed(a) < _signed(b)
            else:
                taken = a < b
            if taken != (f3 & 1 == 1):
                offset = ((word >> 8) & 15) << 1 | ((word >> 25) & 63) << 5 | ((word >> 7) & 1) << 11
                following = (pc + offset - ((word >> 31) << 12)) & MASK
        elif code == 0x37:
            result = word & 0xFFFFF000
        elif code == 0x17:
            result = (pc + (word & 0xFFFFF000)) & MASK
        elif code == 0x6F:
            result = following
            offset = ((word >> 21) & 1023) << 1 | ((word >> 20) & 1) << 11 | ((word >> 12) & 255) << 12
            following = (pc + offset - ((word >> 31) << 20)) & MASK
        elif code == 0x67 and f3 == 0:
            result = following
            following = (a + immediate) & (MASK - 1)
        elif code == 0x0F and f3 == 0:
            pass
        elif word == 0x73:
            status = HALTED
            break
        else:
            status = ILLEGAL
            break
        if result >= 0 and rd:
            x[rd] = result
        pc = following
    at[0], at[1], at[2] = pc, status, steps


@dataclass
class Machine:
    """A machine that runs.

    Attributes
    ----------
    memory : uint8[MEMORY_BYTES]
        Its memory, changed in place.
    registers : int64[32]
        Its registers.
    pc, status, steps : int
        As in `machine.State`.
    """

    memory: np.ndarray
    registers: np.ndarray
    pc: int = 0
    status: int = RUNNING
    steps: int = 0

    @classmethod
    def start(cls, memory: np.ndarray) -> Machine:
        """Return a machine at address 0 with registers of zero, on a copy of a memory."""
        if memory.dtype != np.uint8 or memory.shape != (MEMORY_BYTES,):
            raise InputError(f"a memory is {MEMORY_BYTES} bytes, not {memory.shape} of {memory.dtype}")
        return cls(memory.copy(), np.zeros(32, np.int64))

    def run(self, until: int) -> Machine:
        """Run until that many steps are done in all, or it ends; return itself."""
        at = np.array([self.pc, self.status, self.steps], np.int64)
        _run(self.memory, self.registers, at, until)
        self.pc, self.status, self.steps = map(int, at)
        return self

    def finish(self, limit: int) -> Machine:
        """Run to the end; return itself.

        Raises
        ------
        InputError
            If it does not halt within `limit` steps, or ends otherwise than by ``ecall``, with the reason.
        """
        self.run(limit)
        if self.status == RUNNING:
            raise InputError(f"the program does not halt within {limit} steps; it is at {self.pc:#x}")
        if self.status != HALTED:
            raise InputError(
                f"the program ends after {self.steps} steps at {self.pc:#x}: {machine.REASONS[self.status]}"
            )
        return self

    def state(self) -> tuple[State, MerkleMemory]:
        """Return the state and its memory's tree."""
        tree = MerkleMemory(self.memory)
        registers = tuple(map(int, self.registers))
        return State(tree.root, self.pc, self.status, self.steps, registers), tree
