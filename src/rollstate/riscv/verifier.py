"""One step from a witness alone, as ``contracts/step.vy`` checks it, with the same reasons of refusal.

The instruction itself is executed by `reference` on the bytes of the witness; what is not in the witness is not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import Any

from rollstate.dispute.keccak import keccak256
from rollstate.errors import InputError
from rollstate.riscv import reference
from rollstate.riscv.machine import (
    DATA_OUTSIDE,
    DEPTH,
    LEAF_BYTES,
    MASK,
    MEMORY_BYTES,
    RUNNING,
    MerkleMemory,
    State,
)

ZERO = bytes(32)


@dataclass(frozen=True)
class Leaf:
    """32 bytes of memory and the siblings on their way to the root, lowest first."""

    content: bytes
    siblings: tuple[bytes, ...]


NO_LEAF = Leaf(ZERO, (ZERO,) * DEPTH)


@dataclass(frozen=True)
class Witness:
    """What a step needs: the state, the leaf of its instruction, the leaf that it loads or stores."""

    state: State
    code: Leaf = NO_LEAF
    data: Leaf = NO_LEAF

    def as_arguments(self) -> tuple:
        """Return the contract's arguments."""
        leaves = [(leaf.content, list(leaf.siblings)) for leaf in (self.code, self.data)]
        return (self.state.as_tuple(), *leaves)


def root_of(address: int, leaf: Leaf) -> bytes:
    """Return the root that a leaf leads to."""
    node, row = leaf.content, address // LEAF_BYTES
    for sibling in leaf.siblings:
        left, right = (sibling, node) if row & 1 else (node, sibling)
        node = ZERO if left == right == ZERO else keccak256(left + right)
        row >>= 1
    return node


class _Bytes(dict[int, int]):
    """The bytes of two leaves; asking for the second checks its path."""

    def __init__(self, witness: Witness) -> None:
        super().__init__()
        self.witness = witness
        self.data_row: int | None = None
        self._show(witness.state.pc, witness.code, "instruction")

    def _show(self, address: int, leaf: Leaf, whose: str) -> None:
        if root_of(address, leaf) != self.witness.state.memory_root:
            raise InputError(f"{whose}'s path does not lead to the memory")
        start = address - address % LEAF_BYTES
        self.update(zip(range(start, start + LEAF_BYTES), leaf.content, strict=True))

    def touch(self, address: int) -> None:
        """Check the path of the data once."""
        if self.data_row is None:
            self.data_row = address // LEAF_BYTES
            self._show(address, self.witness.data, "data")


class _Watched(_Bytes):
    """Bytes whose first four reads are the instruction, and all later ones the data."""

    def __init__(self, witness: Witness) -> None:
        super().__init__(witness)
        self.fetched = 0

    def __getitem__(self, address: int) -> int:
        if self.fetched < 4:
            self.fetched += 1
        else:
            self.touch(address)
        return super().__getitem__(address)

    def __setitem__(self, address: int, value: int) -> None:
        self.touch(address)
        super().__setitem__(address, value)


def verified_step(before: bytes, witness: Witness) -> State:
    """Return the only state that may follow.

    Parameters
    ----------
    before : bytes
        Hash of the state that both parties agree on.
    witness : Witness
        What it consists of.

    Raises
    ------
    InputError
        If the witness does not belong to it, with the contract's reason.
    """
    state = witness.state
    if any(len(leaf.siblings) != DEPTH for leaf in (witness.code, witness.data)):
        raise InputError(f"a path has {DEPTH} siblings")
    if state.hash() != before:
        raise InputError("state does not hash to its claim")
    fits = all(0 <= x <= MASK for x in (state.pc, *state.registers))
    if not fits or state.registers[0] or not 0 <= state.status <= DATA_OUTSIDE:
        raise InputError("malformed state")
    if state.status != RUNNING:
        return state
    registers = list(state.registers)
    fetches = state.pc % 4 == 0 and state.pc < MEMORY_BYTES
    held = _Watched(witness) if fetches else {}
    pc, status = reference.step(state.pc, registers, held)
    root = state.memory_root
    if isinstance(held, _Watched) and held.data_row is not None:
        start = held.data_row * LEAF_BYTES
        content = bytes(dict.__getitem__(held, start + i) for i in range(LEAF_BYTES))
        root = root_of(start, Leaf(content, witness.data.siblings))
    return State(root, pc, status, state.steps + 1, tuple(registers))


def data_address(state: State, memory: MerkleMemory) -> int | None:
    """Return the address that the next instruction loads or stores, if it does and is in the memory."""
    if state.status != RUNNING or state.pc % 4 or state.pc >= MEMORY_BYTES:
        return None
    at = state.pc % LEAF_BYTES
    word = int.from_bytes(memory.leaf(state.pc)[at : at + 4], "little")
    code = word & 127
    if code not in (0x03, 0x23):
        return None
    immediate = word >> 20 if code == 0x03 else word >> 25 << 5 | word >> 7 & 31
    address = (state.registers[word >> 15 & 31] + immediate - (immediate >> 11 << 12)) & MASK
    return address if address < MEMORY_BYTES else None


def witness_of(state: State, memory: MerkleMemory) -> Witness:
    """Return what shows the step from a state."""
    fetches = state.pc < MEMORY_BYTES
    code = Leaf(memory.leaf(state.pc), memory.path(state.pc)) if fetches else NO_LEAF
    address = data_address(state, memory)
    data = NO_LEAF if address is None else Leaf(memory.leaf(address), memory.path(address))
    return Witness(state, code, data)


def part(name: str) -> str:
    """Return the text of one of this package's contracts, or of a part of one."""
    return resources.files(__package__).joinpath("contracts", name).read_text(encoding="utf-8")


def source() -> str:
    """Return the source of the contract that checks a step."""
    return part("step.vy")


def arguments(before: bytes, witness: Witness) -> tuple[Any, ...]:
    """Return the contract's arguments."""
    return (before, *witness.as_arguments())
