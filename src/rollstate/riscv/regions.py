"""What a batch's state is to the machine: two regions of the memory that a transaction starts with and ends with.

The memory has eight regions: the program, its input, the table of balances, the difference (what was written in this
batch), one for outcomes, two that are empty, and the stack. A transaction starts with all but the first four empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from rollstate.riscv.guest import DIFFERENCE, INPUT, TABLE, TRANSFER_BYTES
from rollstate.riscv.machine import DEPTH, MEMORY_BYTES, REGIONS, RUNNING, MerkleMemory, State, memory_of
from rollstate.riscv.verifier import ZERO, Leaf, root_of

REGION_BYTES = MEMORY_BYTES // REGIONS
_REGION_DEPTH = DEPTH - REGIONS.bit_length() + 1


@cache
def code(program: bytes) -> bytes:
    """Return the root of the region that holds a program."""
    return MerkleMemory(memory_of(program)).regions[0]


def given(transaction: bytes) -> bytes:
    """Return what the program gets as input: one transaction, or none where the bytes have another length."""
    return b"\1\0" + transaction if len(transaction) == TRANSFER_BYTES else b""


def _pair(left: bytes, right: bytes) -> bytes:
    return root_of(0, Leaf(left, (right,)))


def input_root(transaction: bytes) -> bytes:
    """Return the root of the region that holds the input."""
    text = given(transaction).ljust(64, b"\0")
    return root_of(0, Leaf(text[:32], (text[32:], *(ZERO,) * (_REGION_DEPTH - 1))))


def memory_root(left: bytes, table: bytes, difference: bytes, right: bytes) -> bytes:
    """Return the root of a memory from those of regions 0 and 1, of 2, of 3, and of 4 to 7."""
    return _pair(_pair(left, _pair(table, difference)), right)


def start_hash(program: bytes, transaction: bytes, table: bytes, difference: bytes) -> bytes:
    """Return the hash of the state that a transaction starts with."""
    root = memory_root(_pair(code(program), input_root(transaction)), table, difference, ZERO)
    return State(root, 0, RUNNING, 0, (0,) * 32).hash()


def start_memory(program: bytes, transaction: bytes, table: bytes, difference: bytes) -> np.ndarray:
    """Return the memory that a transaction starts with, from the two regions' bytes."""
    return memory_of(program, {INPUT: given(transaction), TABLE: table, DIFFERENCE: difference})


@dataclass(frozen=True)
class End:
    """The state that a run ends in, and what its memory's root is made of."""

    state: State
    left: bytes
    table: bytes
    difference: bytes
    right: bytes

    def as_arguments(self) -> tuple:
        """Return the contract's arguments."""
        return (self.state.as_tuple(), self.left, self.table, self.difference, self.right)

    @property
    def memory_root(self) -> bytes:
        """Root of a memory of these parts."""
        return memory_root(self.left, self.table, self.difference, self.right)


def end_of(state: State, tree: MerkleMemory) -> End:
    """Return the end of a run, opened."""
    parts = tree.regions
    right = _pair(_pair(parts[4], parts[5]), _pair(parts[6], parts[7]))
    return End(state, _pair(parts[0], parts[1]), parts[2], parts[3], right)


def table_root(table: bytes) -> bytes:
    """Return the root of a region that holds a table."""
    return MerkleMemory(memory_of(b"", {TABLE: table})).regions[TABLE // REGION_BYTES]


def region(memory: np.ndarray, address: int) -> bytes:
    """Return the bytes of the region that begins at an address."""
    return memory[address : address + REGION_BYTES].tobytes()
