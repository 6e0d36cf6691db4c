"""The machine again, slowly: one instruction from its fields as text, memory as a mapping of bytes.

Written from the manual's tables and apart from `interpreter`, to compare the two.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping

from rollstate.riscv.machine import (
    DATA_OUTSIDE,
    DATA_UNALIGNED,
    FETCH_OUTSIDE,
    FETCH_UNALIGNED,
    HALTED,
    ILLEGAL,
    MEMORY_BYTES,
)

Memory = MutableMapping[int, int]


class Trap(Exception):
    """An instruction that cannot be executed; holds the status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def signed(bits: str) -> int:
    """Return the number that a string of bits means in two's complement.

    >>> signed("110")
    -2
    """
    return int(bits, 2) - (2 ** len(bits) if bits[0] == "1" else 0)


def text(value: int, size: int = 32) -> str:
    """Return the lowest bits of a number as text."""
    return format(value % 2**size, f"0{size}b")


def _divide(a: int, b: int) -> int:
    if b == 0:
        return -1
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def _remainder(a: int, b: int) -> int:
    return a if b == 0 else a - b * _divide(a, b)


def _s(value: int) -> int:
    return signed(text(value))


OPERATIONS: dict[tuple[str, str], Callable[[int, int], int]] = {
    ("0000000", "000"): lambda a, b: a + b,
    ("0100000", "000"): lambda a, b: a - b,
    ("0000000", "001"): lambda a, b: a * 2 ** (b % 32),
    ("0000000", "010"): lambda a, b: int(_s(a) < _s(b)),
    ("0000000", "011"): lambda a, b: int(a < b),
    ("0000000", "100"): lambda a, b: a ^ b,
    ("0000000", "101"): lambda a, b: a // 2 ** (b % 32),
    ("0100000", "101"): lambda a, b: _s(a) // 2 ** (b % 32),
    ("0000000", "110"): lambda a, b: a | b,
    ("0000000", "111"): lambda a, b: a & b,
    ("0000001", "000"): lambda a, b: a * b,
    ("0000001", "001"): lambda a, b: _s(a) * _s(b) // 2**32,
    ("0000001", "010"): lambda a, b: _s(a) * b // 2**32,
    ("0000001", "011"): lambda a, b: a * b // 2**32,
    ("0000001", "100"): lambda a, b: _divide(_s(a), _s(b)),
    ("0000001", "101"): lambda a, b: a // b if b else -1,
    ("0000001", "110"): lambda a, b: _remainder(_s(a), _s(b)),
    ("0000001", "111"): lambda a, b: a % b if b else a,
}
BRANCHES: dict[str, Callable[[int, int], bool]] = {
    "000": lambda a, b: a == b,
    "001": lambda a, b: a != b,
    "100": lambda a, b: _s(a) < _s(b),
    "101": lambda a, b: _s(a) >= _s(b),
    "110": lambda a, b: a < b,
    "111": lambda a, b: a >= b,
}
LOADS = {"000": (1, True), "001": (2, True), "010": (4, True), "100": (1, False), "101": (2, False)}
STORES = {"000": 1, "001": 2, "010": 4}


def _place(address: int, size: int) -> int:
    if address % size:
        raise Trap(DATA_UNALIGNED)
    if address >= MEMORY_BYTES:
        raise Trap(DATA_OUTSIDE)
    return address


def step(pc: int, registers: list[int], memory: Memory) -> tuple[int, int]:
    """Execute one instruction in place; return the next pc and the status, 0 while it runs on."""
    if pc % 4:
        return pc, FETCH_UNALIGNED
    if pc >= MEMORY_BYTES:
        return pc, FETCH_OUTSIDE
    bits = "".join(text(memory[pc + i], 8) for i in (3, 2, 1, 0))
    try:
        following, rd, value = _execute(bits, pc, registers, memory)
    except Trap as trap:
        return pc, trap.status
    if rd:
        registers[rd] = value % 2**32
    return following % 2**32, 0


def _execute(bits: str, pc: int, x: list[int], memory: Memory) -> tuple[int, int, int]:
    """Return the next pc, the register to write (0 for none), and its value."""
    f7, second, first, f3, target, code = (
        bits[:7],
        bits[7:12],
        bits[12:17],
        bits[17:20],
        bits[20:25],
        bits[25:],
    )
    a, b, rd = x[int(first, 2)], x[int(second, 2)], int(target, 2)
    if code == "0110011" and (f7, f3) in OPERATIONS:
        return pc + 4, rd, OPERATIONS[f7, f3](a, b)
    if code == "0010011":
        shift = f3 in ("001", "101")
        if not shift:
            return pc + 4, rd, OPERATIONS["0000000", f3](a, signed(bits[:12]) % 2**32)
        if f7 != "0000001" and (f7, f3) in OPERATIONS:
            return pc + 4, rd, OPERATIONS[f7, f3](a, int(second, 2))
    if code == "0000011" and f3 in LOADS:
        size, extends = LOADS[f3]
        address = _place((a + signed(bits[:12])) % 2**32, size)
        held = "".join(text(memory[address + i], 8) for i in reversed(range(size)))
        return pc + 4, rd, signed(held) if extends else int(held, 2)
    if code == "0100011" and f3 in STORES:
        size = STORES[f3]
        address = _place((a + signed(f7 + target)) % 2**32, size)
        for i in range(size):
            memory[address + i] = b // 256**i % 256
        return pc + 4, 0, 0
    if code == "1100011" and f3 in BRANCHES:
        offset = signed(bits[0] + bits[24] + bits[1:7] + bits[20:24] + "0")
        return pc + (offset if BRANCHES[f3](a, b) else 4), 0, 0
    if code == "0110111":
        return pc + 4, rd, int(bits[:20] + "0" * 12, 2)
    if code == "0010111":
        return pc + 4, rd, pc + int(bits[:20] + "0" * 12, 2)
    if code == "1101111":
        return pc + signed(bits[0] + bits[12:20] + bits[11] + bits[1:11] + "0"), rd, pc + 4
    if code == "1100111" and f3 == "000":
        return (a + signed(bits[:12])) % 2**32 // 2 * 2, rd, pc + 4
    if code == "0001111" and f3 == "000":
        return pc + 4, 0, 0
    if bits == text(0x73):
        raise Trap(HALTED)
    raise Trap(ILLEGAL)
