"""State of the machine, its Merkle memory, and what both commit to.

Memory is an array of bytes in leaves of 32; a tree of fixed depth stands over them, with zero as the empty subtree. A
state is its hash: ``keccak(memory root, pc, status, steps, registers)``, 36 words of 32 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rollstate.compiled import compiled
from rollstate.dispute.keccak import hash_pair, keccak256
from rollstate.errors import InputError

DEPTH = 16
"""Levels of the memory's tree, as the contract has them."""
LEAF_BYTES = 32
MEMORY_BYTES = LEAF_BYTES << DEPTH
"""Size of the memory: addresses begin at 0 and end below it."""
REGIONS = 8
"""Equal parts of the memory whose roots are spoken of."""
MASK = 0xFFFF_FFFF

RUNNING, HALTED, ILLEGAL, FETCH_UNALIGNED, FETCH_OUTSIDE, DATA_UNALIGNED, DATA_OUTSIDE = range(7)
REASONS = (
    "running",
    "halted by ecall",
    "instruction outside RV32IM",
    "instruction address not a multiple of 4",
    "instruction address outside the memory",
    "data address not a multiple of its size",
    "data address outside the memory",
)
"""What each status means. A step that traps changes status and count of steps alone; after it nothing changes."""


@dataclass(frozen=True)
class State:
    """All of the machine but its memory's contents.

    Attributes
    ----------
    memory_root : bytes
        Root of the memory.
    pc, status, steps : int
        Address of the next instruction, one of the statuses above, steps so far.
    registers : tuple of int
        32 numbers of 32 bits; the first is 0.
    """

    memory_root: bytes
    pc: int
    status: int
    steps: int
    registers: tuple[int, ...]

    def hash(self) -> bytes:
        """Return what commits to the state."""
        numbers = (self.pc, self.status, self.steps, *self.registers)
        return keccak256(self.memory_root + b"".join(n.to_bytes(32, "big") for n in numbers))

    def as_tuple(self) -> tuple:
        """Return the state as the contract takes it."""
        return (self.memory_root, self.pc, self.status, self.steps, list(self.registers))

    def after(self, **changes: object) -> State:
        """Return the state with some fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]


@compiled
def _levels(leaves, nodes):
    """Hash all levels above the leaves into one array, the lowest first."""
    lanes = np.empty(25, np.uint64)
    below, start, width = leaves, 0, len(leaves) // 2
    while width:
        for row in range(width):
            hash_pair(below[2 * row], below[2 * row + 1], nodes[start + row], lanes)
        below = nodes[start : start + width]
        start += width
        width //= 2


@compiled
def _refresh(fresh, leaves, nodes, stale):
    """Take over new leaves and hash anew what lies above those that changed; `stale` is scratch, one a leaf."""
    lanes = np.empty(25, np.uint64)
    for row in range(len(leaves)):
        stale[row] = False
        for i in range(4):
            if leaves[row, i] != fresh[row, i]:
                leaves[row, i] = fresh[row, i]
                stale[row] = True
    below, start, width = leaves, 0, len(leaves) // 2
    while width:
        for row in range(width):
            stale[row] = stale[2 * row] or stale[2 * row + 1]
            if stale[row]:
                hash_pair(below[2 * row], below[2 * row + 1], nodes[start + row], lanes)
        below = nodes[start : start + width]
        start += width
        width //= 2


class MerkleMemory:
    """Bytes under a tree.

    Parameters
    ----------
    data : uint8[MEMORY_BYTES]
        The bytes; a copy is kept.

    Raises
    ------
    InputError
        If it has another size.
    """

    def __init__(self, data: np.ndarray) -> None:
        self._leaves = _words(data).copy()
        self._nodes = np.zeros((len(self._leaves) - 1, 4), np.uint64)
        _levels(self._leaves, self._nodes)

    def update(self, data: np.ndarray) -> None:
        """Take over other bytes; only the paths of leaves that changed are hashed."""
        _refresh(_words(data), self._leaves, self._nodes, np.empty(len(self._leaves), np.bool_))

    @property
    def root(self) -> bytes:
        """Root of the tree."""
        return self._nodes[-1].tobytes()

    @property
    def regions(self) -> tuple[bytes, ...]:
        """Roots of the eight equal parts of the memory, in order."""
        return tuple(node.tobytes() for node in self._nodes[-2 * REGIONS + 1 : 1 - REGIONS])

    def leaf(self, address: int) -> bytes:
        """Return the 32 bytes around an address."""
        return self._leaves[self._row(address)].tobytes()

    def path(self, address: int) -> tuple[bytes, ...]:
        """Return the siblings of a leaf, lowest first."""
        row, level, start, out = self._row(address), self._leaves, 0, []
        for _ in range(DEPTH):
            out.append(level[row ^ 1].tobytes())
            row //= 2
            width = len(level) // 2
            level = self._nodes[start : start + width]
            start += width
        return tuple(out)

    def _row(self, address: int) -> int:
        if not 0 <= address < MEMORY_BYTES:
            raise InputError(f"address {address:#x} is outside 0..{MEMORY_BYTES:#x}")
        return address // LEAF_BYTES


def _words(data: np.ndarray) -> np.ndarray:
    if data.dtype != np.uint8 or data.shape != (MEMORY_BYTES,):
        raise InputError(f"a memory is {MEMORY_BYTES} bytes, not {data.shape} of {data.dtype}")
    return np.ascontiguousarray(data).view(np.uint64).reshape(-1, 4)


def memory_of(program: bytes, parts: dict[int, bytes] | None = None) -> np.ndarray:
    """Return a memory with a program at address 0 and other bytes at theirs.

    Raises
    ------
    InputError
        If something does not fit.
    """
    data = np.zeros(MEMORY_BYTES, np.uint8)
    for address, text in {0: program, **(parts or {})}.items():
        if not 0 <= address <= MEMORY_BYTES - len(text):
            raise InputError(
                f"{len(text)} bytes at {address:#x} do not fit {MEMORY_BYTES:#x} bytes of memory"
            )
        data[address : address + len(text)] = np.frombuffer(text, np.uint8)
    return data
