"""Which step of a run two parties differ in: an interval, its start agreed and its end not, is halved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rollstate.errors import InputError
from rollstate.riscv.interpreter import Machine
from rollstate.riscv.verifier import Witness, verified_step, witness_of

Claims = Callable[[int], bytes]
"""Hash of the state after a number of steps, as a party claims it."""


@dataclass(frozen=True)
class Disagreement:
    """The step that settles a dispute.

    Attributes
    ----------
    step : int
        Both agree on the state after this many steps, and differ on the next.
    agreed, claimed : bytes
        That state, and what the accused says follows.
    rounds : int
        Messages of the accused beside the claim itself.
    """

    step: int
    agreed: bytes
    claimed: bytes
    rounds: int


def first_disagreement(own: Claims, accused: Claims, steps: int) -> Disagreement:
    """Return where two claims part.

    Parameters
    ----------
    own, accused : callable
        The two parties' states by number of steps.
    steps : int
        Steps of the run; both agree on the state before it, and differ after it.

    Raises
    ------
    InputError
        If they differ before the run, or agree after it.
    """
    if steps < 1 or own(0) != accused(0):
        raise InputError("the parties agree on no state before the run")
    if own(steps) == accused(steps):
        raise InputError("the parties agree on the state after the run; there is nothing to dispute")
    low, high, rounds = 0, steps, 0
    while high - low > 1:
        middle = (low + high) // 2
        rounds += 1
        if own(middle) == accused(middle):
            low = middle
        else:
            high = middle
    return Disagreement(low, accused(low), accused(high), rounds)


class Run:
    """States of a run by number of steps; snapshots keep each question short.

    Parameters
    ----------
    memory : uint8[MEMORY_BYTES]
        Memory at the start.
    steps : int
        Steps to have snapshots for.
    every : int
        Steps between snapshots.
    """

    def __init__(self, memory: np.ndarray, steps: int, every: int = 1 << 20) -> None:
        machine = Machine.start(memory)
        self._kept = [_copy(machine)]
        self._every = every
        for _ in range(steps // every):
            machine.run(len(self._kept) * every)
            self._kept.append(_copy(machine))

    def at(self, step: int) -> Machine:
        """Return the machine after a number of steps; one that has ended stays as it is."""
        row = min(step // self._every, len(self._kept) - 1)
        return _copy(self._kept[row]).run(step)

    def claim(self, step: int) -> bytes:
        """Return the hash of the state after a number of steps."""
        return self.at(step).state()[0].hash()

    def witness(self, step: int) -> Witness:
        """Return what shows the step after a number of them."""
        return witness_of(*self.at(step).state())


class FalseRun:
    """A party that executes one instruction falsely: a bit of a register is wrong after it, and all goes on from there.

    Parameters
    ----------
    run : Run
        The true run.
    step : int
        The instruction, by the steps before it.
    register, bit : int
        What is wrong after it.
    """

    def __init__(self, run: Run, step: int, register: int = 2, bit: int = 4) -> None:
        if not 1 <= register < 32 or not 0 <= bit < 32:
            raise InputError(f"there is no bit {bit} of register {register} to be wrong")
        self._run, self._step = run, step
        self._machine = run.at(step + 1)
        self._machine.registers[register] ^= 1 << bit

    def claim(self, step: int) -> bytes:
        """Return the hash of the state after a number of steps, as this party has it."""
        if step <= self._step:
            return self._run.claim(step)
        return _copy(self._machine).run(step).state()[0].hash()


def _copy(machine: Machine) -> Machine:
    return Machine(machine.memory.copy(), machine.registers.copy(), machine.pc, machine.status, machine.steps)


def is_refuted(found: Disagreement, witness: Witness) -> bool:
    """Say whether the step that parties differ in leads elsewhere than the accused claims."""
    return verified_step(found.agreed, witness).hash() != found.claimed
