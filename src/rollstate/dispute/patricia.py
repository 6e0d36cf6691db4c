"""Merkle Patricia proofs, checked strictly, and ``eth_getProof`` answers.

Source: Ethereum yellow paper, appendix D, https://ethereum.github.io/yellowpaper/paper.pdf; the answer's layout is
EIP-1186, https://eips.ethereum.org/EIPS/eip-1186.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import rlp

from rollstate.dispute.keccak import keccak256
from rollstate.errors import InputError

EMPTY_ROOT = keccak256(rlp.encode(b""))
EMPTY_CODE = keccak256(b"")


@dataclass(frozen=True)
class Account:
    """An account as the state trie holds it."""

    nonce: int
    balance: int
    storage_root: bytes
    code_hash: bytes

    def encode(self) -> bytes:
        """Return the leaf of the state trie."""
        return rlp.encode([self.nonce, self.balance, self.storage_root, self.code_hash])


ABSENT = Account(0, 0, EMPTY_ROOT, EMPTY_CODE)


def nibbles(data: bytes) -> list[int]:
    """Return the half bytes of a key, high half first."""
    return [half for byte in data for half in (byte >> 4, byte & 15)]


def _decode_path(compact: Any) -> tuple[list[int], bool]:
    """Return the nibbles of a hex-prefix encoded path and whether it ends in a leaf."""
    if not isinstance(compact, bytes):
        raise InputError("a node has a list where its path should be")
    if not compact or compact[0] >> 4 > 3:
        raise InputError(f"0x{compact.hex()} is no hex-prefix encoded path")
    halves = nibbles(compact)
    odd = halves[0] & 1
    if not odd and halves[1]:
        raise InputError(f"0x{compact.hex()} pads its path with something else than zero")
    return halves[1 if odd else 2 :], halves[0] >= 2


def proven_value(root: bytes, key: bytes, proof: Sequence[bytes]) -> bytes:
    """Return the value a proof shows for a key, empty if it shows absence.

    Strict: every node must be reached by its hash or embedded in its parent, and every given node must be used.

    Parameters
    ----------
    root : bytes
        Root hash of the trie.
    key : bytes
        The key as the trie holds it (hashed for state and storage tries).
    proof : sequence of bytes
        RLP nodes from the root down.

    Raises
    ------
    InputError
        If a node is missing, does not hash to its reference, is malformed, or is not needed.
    """
    path, remaining = nibbles(key), list(proof)
    if root == EMPTY_ROOT:
        if remaining not in ([], [rlp.encode(b"")]):
            raise InputError("the proof of an empty trie holds nodes")
        return b""
    reference: Any = root
    while True:
        if isinstance(reference, bytes):
            if len(reference) != 32:
                raise InputError(f"0x{reference.hex()} is no reference to a node")
            if not remaining:
                raise InputError(f"the proof ends before node 0x{reference.hex()}")
            encoded = remaining.pop(0)
            if keccak256(encoded) != reference:
                raise InputError(
                    f"a node hashes to 0x{keccak256(encoded).hex()}, expected 0x{reference.hex()}"
                )
            try:
                node = rlp.decode(encoded)
            except rlp.exceptions.RLPException as error:
                raise InputError(f"a node is not RLP: {error}") from error
        elif len(rlp.encode(reference)) < 32:
            node = reference
        else:
            raise InputError("an embedded node is as long as its hash or longer")
        reference, path, value = _descend(node, path)
        if reference is None:
            if remaining:
                raise InputError(f"the proof holds {len(remaining)} nodes more than it needs")
            return value


def _descend(node: Any, path: list[int]) -> tuple[Any, list[int], bytes]:
    """Return what to open next (None at the end), the rest of the path, and the value found."""
    if not isinstance(node, list) or len(node) not in (2, 17):
        raise InputError("a node has neither 2 nor 17 items")
    if len(node) == 17:
        if not path:
            return None, path, _value(node[16])
        child = node[path[0]]
        return (child or None), path[1:], b""
    part, is_leaf = _decode_path(node[0])
    if is_leaf:
        return None, path, _value(node[1]) if part == path else b""
    if not part:
        raise InputError("an extension node has no path")
    if path[: len(part)] != part:
        return None, path, b""
    if not node[1]:
        raise InputError("an extension node leads nowhere")
    return node[1], path[len(part) :], b""


def _value(item: Any) -> bytes:
    if not isinstance(item, bytes):
        raise InputError("a node has a list where its value should be")
    return item


def _bytes(text: str) -> bytes:
    digits = text.removeprefix("0x")
    return bytes.fromhex("0" * (len(digits) % 2) + digits)


def _number(encoded: bytes) -> int:
    """Return the number that a storage leaf holds."""
    try:
        number = rlp.decode(encoded)
    except rlp.exceptions.RLPException as error:
        raise InputError(f"0x{encoded.hex()} is no RLP number") from error
    if not isinstance(number, bytes) or number[:1] == b"\0":
        raise InputError(f"0x{encoded.hex()} is no RLP number")
    return int.from_bytes(number, "big")


def verify_account(answer: Mapping[str, Any], state_root: bytes) -> Account:
    """Check an ``eth_getProof`` answer, its account and its storage slots, against a state root.

    Parameters
    ----------
    answer : mapping
        The ``result`` of the call, as decoded from JSON.
    state_root : bytes
        Root of the block's state.

    Returns
    -------
    Account
        The proven account; `ABSENT` if the proof shows there is none.

    Raises
    ------
    InputError
        If a proof fails, or the answer says something else than its proof.
    """
    claimed = Account(
        int(answer["nonce"], 16),
        int(answer["balance"], 16),
        _bytes(answer["storageHash"]),
        _bytes(answer["codeHash"]),
    )
    proof = [_bytes(node) for node in answer["accountProof"]]
    leaf = proven_value(state_root, keccak256(_bytes(answer["address"])), proof)
    if not leaf:
        # Clients differ on the empty account's hashes: zero, or those of nothing.
        empty = Account(0, 0, bytes(32), bytes(32))
        if claimed not in (ABSENT, empty):
            raise InputError(f"the proof shows no account at {answer['address']}, the answer says {claimed}")
        claimed = ABSENT
    elif leaf != claimed.encode():
        raise InputError(f"the answer for {answer['address']} differs from the proven account")
    for slot in answer.get("storageProof", []):
        key = int(slot["key"], 16).to_bytes(32, "big")
        nodes = [_bytes(node) for node in slot["proof"]]
        value = proven_value(claimed.storage_root, keccak256(key), nodes)
        if (_number(value) if value else 0) != int(slot["value"], 16):
            raise InputError(f"slot {slot['key']} of {answer['address']} differs from its proven value")
    return claimed
