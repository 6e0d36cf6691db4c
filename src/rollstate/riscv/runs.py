"""Runs of the machine: the state after any number of steps, as one party has it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from rollstate.errors import InputError
from rollstate.riscv.interpreter import Machine
from rollstate.riscv.machine import MEMORY_BYTES, MerkleMemory, State
from rollstate.riscv.verifier import Witness, witness_of

MOST_STEPS = 1 << 24
"""Steps after which a run counts as one that does not halt, as the contract has it."""


@dataclass(frozen=True)
class FalseStep:
    """An instruction executed falsely: one bit is wrong after it, and all goes on from there.

    Attributes
    ----------
    step : int
        The instruction, by the steps before it.
    place : int
        Address of a byte in the memory, or number of a register.
    bit : int
        Which of its bits.
    in_register : bool
        Whether the place is a register.
    """

    step: int
    place: int
    bit: int
    in_register: bool = False

    def __post_init__(self) -> None:
        first, places, bits = (1, 32, 32) if self.in_register else (0, MEMORY_BYTES, 8)
        if self.step < 0 or not first <= self.place < places or not 0 <= self.bit < bits:
            what = "register" if self.in_register else "address"
            raise InputError(
                f"there is no bit {self.bit} of {what} {self.place} to be wrong after {self.step}"
            )

    def spoil(self, machine: Machine) -> None:
        """Make the bit wrong, in place."""
        (machine.registers if self.in_register else machine.memory)[self.place] ^= 1 << self.bit


class Run:
    """A run from a memory to its end.

    Parameters
    ----------
    memory : uint8[MEMORY_BYTES]
        Memory at the start.
    lie : FalseStep, optional
        What this party executes falsely.
    limit : int
        Steps within which it has to halt.

    Attributes
    ----------
    steps : int
        Steps until it halts.

    Raises
    ------
    InputError
        If it does not halt, or halts before the false instruction.
    """

    def __init__(self, memory: np.ndarray, lie: FalseStep | None = None, limit: int = MOST_STEPS) -> None:
        self._kept = [Machine.start(memory)]
        if lie is not None:
            wrong = _copy(self._kept[0]).run(lie.step + 1)
            if wrong.steps <= lie.step or wrong.status:
                raise InputError(
                    f"the run has {wrong.steps} steps; instruction {lie.step} cannot be false in it"
                )
            lie.spoil(wrong)
            self._kept.append(wrong)
        self._end = _copy(self._kept[-1]).finish(limit)
        self.steps = self._end.steps

    def at(self, step: int) -> Machine:
        """Return the machine after a number of steps; one that has ended stays as it is."""
        return _copy(next(one for one in reversed(self._kept) if one.steps <= step)).run(step)

    def hashes(self, steps: Iterable[int]) -> list[bytes]:
        """Return the hashes of the states after numbers of steps, given in order."""
        out, tree, machine = [], None, self._kept[0]
        for step in steps:
            first = next(one for one in reversed(self._kept) if one.steps <= step)
            if tree is None or machine.steps < first.steps:
                machine = _copy(first)
            machine.run(step)
            if tree is None:
                tree = MerkleMemory(machine.memory)
            else:
                tree.update(machine.memory)
            out.append(_state(machine, tree).hash())
        return out

    def end(self) -> tuple[State, MerkleMemory, np.ndarray]:
        """Return the state that it ends in, the memory's tree, and the memory."""
        return *self._end.state(), self._end.memory

    def witness(self, step: int) -> Witness:
        """Return what shows the step after a number of them."""
        return witness_of(*self.at(step).state())


def _state(machine: Machine, tree: MerkleMemory) -> State:
    return State(tree.root, machine.pc, machine.status, machine.steps, tuple(map(int, machine.registers)))


def _copy(machine: Machine) -> Machine:
    return Machine(machine.memory.copy(), machine.registers.copy(), machine.pc, machine.status, machine.steps)
