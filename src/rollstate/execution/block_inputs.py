"""A block and the state before it, as replay takes them: files, tracer answers, or an endpoint.

Three sources give the same two things, the block with its whole transactions and the accounts it touches:

- a folder with ``block.json``, ``pre_state.json`` and maybe ``block_hashes.json`` (or ``.json.gz``), the form of pevm's
  benchmark blocks;
- ``eth_getBlockByNumber`` with whole transactions, and ``debug_traceBlockByNumber`` with geth's prestateTracer.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rollstate.errors import InputError
from rollstate.traces.json_values import mapping, octets, quantity, sequence

FORKS = (
    ("LONDON", 12_965_000, None),
    ("MERGE", 15_537_394, None),
    ("SHANGHAI", None, 1_681_338_455),
    ("CANCUN", None, 1_710_338_135),
)
"""Rules of Ethereum mainnet by first block or first timestamp, https://github.com/ethereum/execution-specs."""


@dataclass
class Account:
    """One account's state; storage lists what is known of it, the rest is zero."""

    balance: int = 0
    nonce: int = 0
    code: bytes = b""
    storage: dict[int, int] = field(default_factory=dict)


State = dict[str, Account]


def fork_of(block: dict[str, Any]) -> str:
    """Return the rules under which a mainnet block ran.

    Raises
    ------
    InputError
        For a block before London: name its rules yourself.
    """
    number, time = (quantity(block.get(name), f"block, {name}") for name in ("number", "timestamp"))
    found = [
        name
        for name, first, since in FORKS
        if (first is not None and number >= first) or (since is not None and time >= since)
    ]
    if not found:
        raise InputError(f"block {number} is older than the London rules; give the fork by name")
    return found[-1]


def read_folder(folder: Path) -> tuple[dict[str, Any], State, dict[int, bytes]]:
    """Return block, state before it and hashes of earlier blocks from a folder, files gzipped or not.

    The folder has ``block.json``, ``pre_state.json`` and, where code asks for hashes beside the parent's,
    ``block_hashes.json``: hash by number.
    """
    return _json(folder, "block"), pre_state(_json(folder, "pre_state"), str(folder)), _hashes(folder)


def _hashes(folder: Path) -> dict[int, bytes]:
    name = "block_hashes"
    if not any((folder / f"{name}{ending}").is_file() for ending in (".json", ".json.gz")):
        return {}
    found = {}
    for number, value in _json(folder, name).items():
        where = f"{folder}, {name}, {number}"
        if not number.isdecimal():
            raise InputError(f"{where}: a block's number must be written in digits")
        found[int(number)] = octets(value, where, 32)
    return found


def _json(folder: Path, name: str) -> dict[str, Any]:
    for path in (folder / f"{name}.json", folder / f"{name}.json.gz"):
        if path.is_file():
            try:
                with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
                    return mapping(json.load(lines), str(path))
            except (OSError, ValueError) as error:
                raise InputError(f"{path} cannot be read as JSON: {error}") from error
    raise InputError(f"{folder} holds neither {name}.json nor {name}.json.gz")


def pre_state(accounts: object, where: str = "pre_state") -> State:
    """Return accounts in pevm's form: ``basic`` (balance, nonce), ``code``, ``storage`` by address."""
    state = {}
    for text, one in mapping(accounts, where).items():
        found = mapping(one, f"{where}, {text}")
        basic = mapping(found.get("basic") or {}, f"{where}, {text}, basic")
        state[text.lower()] = Account(
            _number(basic.get("balance", 0), f"{where}, {text}, balance"),
            _number(basic.get("nonce", 0), f"{where}, {text}, nonce"),
            _code(found.get("code"), f"{where}, {text}, code"),
            _storage(found.get("storage") or {}, f"{where}, {text}"),
        )
    return state


def _code(value: object, where: str) -> bytes:
    """Return code given as hexadecimal text, or as revm writes it: padded, beside its length and jump table."""
    if isinstance(value, dict):
        padded = octets(value.get("bytecode"), f"{where}, bytecode")
        length = value.get("original_len")
        if not isinstance(length, int) or not 0 <= length <= len(padded):
            raise InputError(f"{where}: original_len must be at most {len(padded)} bytes, not {length!r}")
        return padded[:length]
    return octets(value or "0x", where)


def from_tracer(answer: object, where: str = "prestate tracer") -> State:
    """Return the state before a block from ``debug_traceBlockByNumber`` with the prestateTracer, diffMode false.

    Each transaction's answer shows accounts as they were before it. What an earlier transaction showed is older, so the
    first value of each balance, nonce, code and slot is the one before the block.
    """
    state: State = {}
    for index, entry in enumerate(sequence(answer, where)):
        here = f"{where}, transaction {index}"
        for text, one in mapping(mapping(entry, here).get("result"), here).items():
            found = mapping(one, f"{here}, {text}")
            storage = _storage(found.get("storage") or {}, f"{here}, {text}")
            known = state.get(text.lower())
            if known is None:
                state[text.lower()] = Account(
                    _number(found.get("balance", 0), f"{here}, {text}, balance"),
                    _number(found.get("nonce", 0), f"{here}, {text}, nonce"),
                    octets(found.get("code") or "0x", f"{here}, {text}, code"),
                    storage,
                )
            else:
                known.storage = storage | known.storage
    return state


def _storage(listed: object, where: str) -> dict[int, int]:
    return {
        _number(slot, f"{where}, a slot"): _number(value, f"{where}, slot {slot}")
        for slot, value in mapping(listed, f"{where}, storage").items()
    }


def _number(value: object, where: str) -> int:
    """Return a number of up to 256 bits, which clients write in hexadecimal or, nonces above all, as it is."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    return quantity(value, where, 256)
