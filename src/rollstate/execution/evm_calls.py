"""What executors of the EVM take and give: a block's header, a call, and what the call did before it was undone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol

import pyrevm
from eth_hash.auto import keccak

from rollstate.traces.json_values import octets, quantity

EMPTY_CODE = keccak(b"").hex()
# EIP-4844: gas of a blob, and how fast its price rises.
BLOB_GAS, BLOB_FRACTION = 2**17, 3_338_477
_SHANGHAI = ("SHANGHAI", "CANCUN")


@dataclass(frozen=True)
class Header:
    """What code can ask of its block; ``hashes`` are those of earlier blocks, by number."""

    number: int
    recipient: str
    timestamp: int
    difficulty: int
    mix_hash: bytes
    base_fee: int
    gas_limit: int
    excess_blob_gas: int | None
    hashes: dict[int, bytes]


def header(block: dict[str, Any], hashes: dict[int, bytes]) -> Header:
    """Read the header of a block, whose parent's hash it has itself."""
    number = quantity(block.get("number"), "block, number")
    known = dict(hashes)
    if block.get("parentHash") is not None:
        known[number - 1] = octets(block["parentHash"], "block, parentHash", 32)
    return Header(
        number=number,
        recipient="0x" + octets(block.get("miner"), "block, miner", 20).hex(),
        timestamp=quantity(block.get("timestamp"), "block, timestamp"),
        difficulty=quantity(block.get("difficulty"), "block, difficulty", 256),
        mix_hash=octets(block.get("mixHash"), "block, mixHash", 32),
        base_fee=quantity(block["baseFeePerGas"], "block, baseFeePerGas", 256)
        if "baseFeePerGas" in block
        else 0,
        gas_limit=quantity(block.get("gasLimit"), "block, gasLimit"),
        excess_blob_gas=quantity(block["excessBlobGas"], "block, excessBlobGas")
        if "excessBlobGas" in block
        else None,
        hashes=known,
    )


@dataclass(frozen=True)
class Call:
    """A transaction, read; ``price`` is what it pays for a unit of gas, the base fee included."""

    where: str
    sender: str
    to: str
    create: bool
    nonce: int
    data: bytes
    value: int
    gas: int
    price: int
    listed: list[tuple[str, list[int]]]
    blobs: list[bytes]
    blob_price: int | None


@dataclass(frozen=True)
class Found:
    """An account that a call loaded, as it is afterwards, its fee not yet paid."""

    balance: int
    nonce: int
    code_hash: str
    storage: dict[int, int]
    destroyed: bool


@dataclass(frozen=True)
class Run:
    """What a call did before it was undone; ``trace`` has its opcodes (EIP-3155) where they were asked for."""

    success: bool
    gas_used: int
    refund: int
    journal: dict[str, Found]
    codes: dict[str, bytes]
    trace: str


class Executor(Protocol):
    """Something that runs calls on the present state and undoes them."""

    def execute(self, call: Call, more: Collection[str] = ()) -> Run:
        """Run a call, with one wei more in the accounts ``more``, take down what it did, and undo it."""


class CodeHashes(dict[bytes, str]):
    """Hash of each code in hexadecimal, computed once."""

    def __missing__(self, code: bytes) -> str:
        self[code] = found = keccak(code).hex()
        return found


def intrinsic_gas(call: Call, fork: str) -> int:
    """Return what a transaction pays before its first opcode (EIP-2028, 2930, 3860)."""
    zeros = call.data.count(0)
    gas = 21_000 + 4 * zeros + 16 * (len(call.data) - zeros)
    gas += sum(2_400 + 1_900 * len(keys) for _, keys in call.listed)
    if call.create:
        gas += 32_000 + (2 * ((len(call.data) + 31) // 32) if fork in _SHANGHAI else 0)
    return gas


def blob_fee(call: Call, block: Header) -> int:
    """Return what a transaction pays for its blobs (EIP-4844), in wei."""
    return len(call.blobs) * BLOB_GAS * pyrevm.fake_exponential(1, block.excess_blob_gas or 0, BLOB_FRACTION)
