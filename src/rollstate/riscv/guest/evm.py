"""The EVM interpreter that the machine runs, ``evm.c`` beside this file: its inputs, its outcome, and what is outside.

The table holds all that one transaction reads: its record, and accounts, slots and code as they are before it. What is
not there is asked for: the program ends with the status ``no account`` or ``no slot``, nothing is changed, and
`answered` runs it again with what was missing. So an answer never rests on a slot that somebody left out.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources

import numpy as np

from rollstate.dispute.keccak import keccak256
from rollstate.errors import InputError
from rollstate.execution.block_inputs import Account, State
from rollstate.execution.evm_calls import Call, Header
from rollstate.riscv.guest import DIFFERENCE, INPUT, TABLE, TRANSFER_BYTES
from rollstate.riscv.interpreter import Machine
from rollstate.riscv.machine import HALTED, memory_of

DONE, NO_ACCOUNT, NO_SLOT = 1, 7, 8
STATUSES = (
    "not run", "executed", "record is not the one that was named", "invalid transaction", "creation", "opcode",
    "precompile", "no account", "no slot", "room",
)  # fmt: skip
"""What the program's status means; all but "executed" leave the state as it was."""
TABLE_BYTES = DIFFERENCE - TABLE
FORKS = {"LONDON": 0, "MERGE": 1, "SHANGHAI": 2, "CANCUN": 3}
MOST_STEPS = 1 << 28
ACCOUNT_BYTES = 128
"""Bytes of an account in the table: its address, its balance, and other words."""
_HEADER, _SLOT = 32, 104


def program() -> bytes:
    """Return the compiled interpreter."""
    return resources.files(__package__).joinpath("evm.bin").read_bytes()


@dataclass(frozen=True)
class Outcome:
    """What the program says of a transaction.

    Attributes
    ----------
    status : str
        One of `STATUSES`, or "too large" where the table has no room and "unsupported" for kinds of transactions that
        the record cannot express; "executed" alone means that the other fields hold an answer.
    success : bool
        Whether it was not reverted.
    gas, logs, steps : int
        Gas used, logs written, instructions of the machine.
    storage : dict of (address, slot) to int
        Slots that have another value afterwards.
    accounts : dict of address to (balance, nonce)
        Accounts whose balance or nonce is another afterwards.
    missing : tuple
        What the table did not hold, address and maybe slot.
    """

    status: str
    success: bool = False
    gas: int = 0
    logs: int = 0
    steps: int = 0
    storage: dict[tuple[str, int], int] | None = None
    accounts: dict[str, tuple[int, int]] | None = None
    missing: tuple[str | int, ...] = ()


@dataclass(frozen=True)
class Block:
    """What a block gives its transactions beside `Header`: rules and the number of the chain."""

    header: Header
    fork: str
    chain: int = 1


def record(call: Call, block: Block) -> bytes:
    """Return a transaction with its block's environment, as the program reads it.

    Raises
    ------
    InputError
        If the transaction is of a kind that has no record: a creation, one with an access list or with blobs, or rules
        before London or after Cancun.
    """
    if call.create or call.listed or call.blobs or block.fork not in FORKS:
        raise InputError(
            f"{call.where}: no record for creations, access lists, blobs or the rules {block.fork}"
        )
    head = block.header
    numbers = (
        FORKS[block.fork], len(call.data), call.gas, call.nonce, int(call.sender, 16), int(call.to, 16), call.value,
        call.price, head.base_fee, int(head.recipient, 16), head.number, head.timestamp, head.gas_limit,
        randomness(block), block.chain,
    )  # fmt: skip
    return b"".join(_word(one) for one in numbers) + call.data


def randomness(block: Block) -> int:
    """Return what opcode 0x44 gives: difficulty before the merge, the beacon's number after it."""
    head = block.header
    return head.difficulty if block.fork == "LONDON" else int.from_bytes(head.mix_hash, "big")


def table(text: bytes, state: State, keys: Iterable[tuple[str, Iterable[int]]]) -> bytes:
    """Return the table: a record, and accounts with some slots, absent ones as zero.

    Raises
    ------
    InputError
        If the region has no room for it.
    """
    listed = [(address, state.get(address, Account()), sorted(slots)) for address, slots in keys]
    accounts_at = TABLE + _HEADER + -(-len(text) // 4) * 4
    slots_at = accounts_at + ACCOUNT_BYTES * len(listed)
    count = sum(len(slots) for _, _, slots in listed)
    code_at = slots_at + _SLOT * count
    accounts, values, code = b"", b"", b""
    for index, (address, one, slots) in enumerate(listed):
        at = code_at + len(code)
        before = (one.nonce, at, len(one.code), 0)
        accounts += _word(int(address, 16)) + _word(one.balance) + struct.pack("<4I", *before)
        accounts += _word(one.balance) + struct.pack("<4I", one.nonce, 0, 0, 0)
        code += one.code
        for slot in slots:
            value = _word(one.storage.get(slot, 0))
            values += struct.pack("<2I", index, 0) + _word(slot) + value + value
    head = struct.pack("<8I", len(text), accounts_at, len(listed), slots_at, count, 0, 0, 0)
    out = head + text.ljust(accounts_at - TABLE - _HEADER, b"\0") + accounts + values + code
    if len(out) > TABLE_BYTES:
        raise InputError(f"the table has room for {TABLE_BYTES} bytes, not {len(out)}")
    return out


def named(text: bytes) -> bytes:
    """Return the 49 bytes that name a record: its hash, and zeros."""
    return keccak256(text).ljust(TRANSFER_BYTES, b"\0")


def memory(text: bytes, held: bytes) -> np.ndarray:
    """Return the memory that the machine starts with, for a record and its table."""
    return memory_of(program(), {INPUT: b"\1\0" + named(text), TABLE: held})


def outcome(held: np.ndarray, steps: int) -> Outcome:
    """Return what a memory says after the run."""
    words = held[DIFFERENCE : DIFFERENCE + TABLE_BYTES].view(np.uint32)
    status, success, gas, logs, slots, accounts = map(int, words[:6])
    if status != DONE:
        missing: tuple[str | int, ...] = ()
        if status in (NO_ACCOUNT, NO_SLOT):
            missing = (_address(words[8:16]), *([_number(words[16:24])] if status == NO_SLOT else []))
        return Outcome(STATUSES[status], steps=steps, missing=missing)
    rows = words[24 : 24 + 24 * (slots + accounts)].reshape(-1, 3, 8)
    storage = {(_address(row[0]), _number(row[1])): _number(row[2]) for row in rows[:slots]}
    changed = {_address(row[0]): (_number(row[1]), int(row[2, 0])) for row in rows[slots:]}
    return Outcome(STATUSES[status], bool(success), gas, logs, steps, storage, changed)


def answered(call: Call, block: Block, state: State, keys: dict[str, set[int]]) -> tuple[Outcome, np.ndarray]:
    """Run a transaction until the table holds all that it reads.

    Parameters
    ----------
    call, block : Call, Block
        The transaction and its block.
    state : dict of str to Account
        The state before it; what is not there is empty.
    keys : dict of str to set of int
        A first guess of what it reads; what is missing is added, in place.

    Returns
    -------
    Outcome
        What it comes to.
    uint8[MEMORY_BYTES]
        The memory that the last run started with; empty where there was no run.
    """
    none = np.zeros(0, np.uint8)
    try:
        text = record(call, block)
    except InputError:
        return Outcome("unsupported"), none
    while True:
        for address in (call.sender, call.to, block.header.recipient):
            keys.setdefault(address, set())
        try:
            start = memory(text, table(text, state, sorted(keys.items())))
        except InputError:
            return Outcome("too large"), none
        done = Machine.start(start).run(MOST_STEPS)
        if done.status != HALTED:
            raise InputError(f"{call.where}: after {done.steps} steps the interpreter is at {done.pc:#x}")
        found = outcome(done.memory, done.steps)
        if not found.missing:
            return found, start
        where, *slots = found.missing
        keys.setdefault(str(where), set()).update(int(one) for one in slots)


def _word(number: int) -> bytes:
    return number.to_bytes(32, "little")


def _number(limbs: np.ndarray) -> int:
    return int.from_bytes(limbs.tobytes(), "little")


def _address(limbs: np.ndarray) -> str:
    return f"0x{_number(limbs):040x}"
