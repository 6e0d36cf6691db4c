"""The transition that the machine runs: its inputs, its outputs, and the same rules in Python.

``transition.c``, beside this file, moves a native coin and a token: a balance lies in the slot that Solidity gives
``mapping(address => uint256)`` number 0 or 1, keccak(account . number), and holds 64 bits. A transaction is refused,
and changes nothing, if its sender has no entry or less than the amount, or if the receiver's balance would overflow.

What of the EVM this covers: balances and the storage writes of an ERC-20 transfer. What it does not: signatures,
nonces, gas, code, logs. They need an EVM interpreter compiled for the same machine; the contract that checks a step,
the commitment and the dispute would stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np

from rollstate.dispute.keccak import keccak256
from rollstate.errors import InputError
from rollstate.riscv.machine import memory_of

INPUT, TABLE, DIFFERENCE, OUTPUT = 0x40000, 0x80000, 0xC0000, 0x100000
TRANSFER_BYTES = 49
ENTRIES, ENTRY_BYTES = 4096, 40
MOST_TRANSACTIONS = 4096
NATIVE, TOKEN = 0, 1

Balances = Mapping[tuple[bytes, int], int]
"""Balance by account and by `NATIVE` or `TOKEN`."""


@dataclass(frozen=True)
class Transfer:
    """One transaction: `kind` is `NATIVE` or `TOKEN`, accounts are 20 bytes, `amount` has 64 bits."""

    kind: int
    sender: bytes
    receiver: bytes
    amount: int

    def encode(self) -> bytes:
        """Return the 49 bytes that the program reads."""
        if len(self.sender) != 20 or len(self.receiver) != 20 or not 0 <= self.kind < 256:
            raise InputError("a transfer has a kind of one byte and two accounts of 20 bytes")
        if not 0 <= self.amount < 1 << 64:
            raise InputError(f"amount {self.amount} does not fit 64 bits")
        return bytes([self.kind]) + self.sender + self.receiver + self.amount.to_bytes(8, "little")


def slot(account: bytes, kind: int) -> bytes:
    """Return the storage slot of a balance."""
    return keccak256(bytes(12) + account + kind.to_bytes(32, "big"))


def program() -> bytes:
    """Return the compiled program."""
    return resources.files(__package__).joinpath("transition.bin").read_bytes()


def memory(balances: Balances, transactions: Sequence[Transfer]) -> np.ndarray:
    """Return the memory that the machine starts with.

    Raises
    ------
    InputError
        If there are more balances or transactions than the program has room for.
    """
    if len(balances) > ENTRIES or len(transactions) > MOST_TRANSACTIONS:
        raise InputError(
            f"the program holds {ENTRIES} balances and {MOST_TRANSACTIONS} transactions, "
            f"not {len(balances)} and {len(transactions)}"
        )
    given = len(transactions).to_bytes(2, "little") + b"".join(one.encode() for one in transactions)
    return memory_of(program(), {INPUT: given, TABLE: table(balances)})


def table(balances: Balances) -> bytes:
    """Return balances as the program stores them: open addressing, 40 bytes an entry."""
    out = bytearray(ENTRIES * ENTRY_BYTES)
    for (account, kind), value in balances.items():
        key = slot(account, kind)
        row = int.from_bytes(key[:4], "little") % ENTRIES
        while any(out[row * ENTRY_BYTES : row * ENTRY_BYTES + 32]):
            row = (row + 1) % ENTRIES
        out[row * ENTRY_BYTES : (row + 1) * ENTRY_BYTES] = key + value.to_bytes(8, "little")
    return bytes(out)


def storage(held: np.ndarray, at: int = TABLE) -> dict[bytes, int]:
    """Return the storage that a memory holds, value by slot; at `DIFFERENCE`, what was written of it."""
    return entries(held[at : at + ENTRIES * ENTRY_BYTES].tobytes())


def entries(text: bytes) -> dict[bytes, int]:
    """Return the entries of a table, value by slot."""
    held = (
        (key, text[row * ENTRY_BYTES + 32 : (row + 1) * ENTRY_BYTES]) for row, key in enumerate(rows(text))
    )
    return {key: int.from_bytes(value, "little") for key, value in held if any(key)}


def rows(text: bytes) -> list[bytes]:
    """Return the slots of a table by row; zero where a row is free."""
    return [text[at : at + 32] for at in range(0, ENTRIES * ENTRY_BYTES, ENTRY_BYTES)]


def outcomes(held: np.ndarray, count: int) -> list[bool]:
    """Return which transactions were applied."""
    return [bool(one) for one in held[OUTPUT : OUTPUT + 4 * count].view(np.uint32)]


def execute(balances: Balances, transactions: Sequence[Transfer]) -> tuple[dict[bytes, int], list[bool]]:
    """Return storage and outcomes by the same rules, in Python."""
    held, done = {slot(*key): value for key, value in balances.items()}, []
    for one in transactions:
        source, target = slot(one.sender, one.kind), slot(one.receiver, one.kind)
        good = one.kind in (NATIVE, TOKEN) and held.get(source, -1) >= one.amount
        if good and source != target:
            good = held.get(target, 0) + one.amount < 1 << 64
            if good:
                held[source] -= one.amount
                held[target] = held.get(target, 0) + one.amount
        done.append(good)
    return held, done
