"""A batch as posted: at most 64 byte strings under a Merkle root that the contract computes itself."""

from __future__ import annotations

from collections.abc import Sequence

from rollstate.dispute.commitment import ZERO
from rollstate.dispute.keccak import keccak256
from rollstate.errors import InputError

MAX_TRANSACTIONS = 64
MAX_TRANSACTION_BYTES = 128


def check_batch(transactions: Sequence[bytes]) -> Sequence[bytes]:
    """Return a batch that the contract would take."""
    if not transactions:
        raise InputError("batch is empty")
    if len(transactions) > MAX_TRANSACTIONS:
        raise InputError("batch too large")
    if any(len(transaction) > MAX_TRANSACTION_BYTES for transaction in transactions):
        raise InputError("transaction too long")
    return transactions


def _pair(left: bytes, right: bytes) -> bytes:
    return ZERO if left == right == ZERO else keccak256(left + right)


def _levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        below = levels[-1] + [ZERO] * (len(levels[-1]) % 2)
        levels.append([_pair(below[i], below[i + 1]) for i in range(0, len(below), 2)])
    return levels


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Return the Merkle root of a list; an odd node is paired with zero, and no leaf has root zero."""
    return _levels(leaves)[-1][0] if leaves else ZERO


def merkle_proof(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Return the siblings of leaf `index`, leaf level first: ``ceil(log2 m)`` of them."""
    if not 0 <= index < len(leaves):
        raise InputError(f"leaf {index} is not in a list of {len(leaves)}")
    proof = []
    for level in _levels(leaves)[:-1]:
        sibling = index ^ 1
        proof.append(level[sibling] if sibling < len(level) else ZERO)
        index >>= 1
    return tuple(proof)


def proof_root(leaf: bytes, index: int, proof: Sequence[bytes]) -> bytes:
    """Return the root that a leaf and its proof lead to."""
    node = leaf
    for sibling in proof:
        node = _pair(sibling, node) if index & 1 else _pair(node, sibling)
        index >>= 1
    return node


def transactions_root(transactions: Sequence[bytes]) -> bytes:
    """Return the Merkle root of a batch."""
    return merkle_root([keccak256(transaction) for transaction in check_batch(transactions)])


def transaction_proof(transactions: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Return the siblings of transaction `index`."""
    return merkle_proof([keccak256(transaction) for transaction in transactions], index)
