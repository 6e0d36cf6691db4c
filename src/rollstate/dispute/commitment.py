"""What a batch commits to: the state ``h(S)``, the net difference ``h(Delta)``, the state inside a batch.

A sparse Merkle tree of fixed depth with zero as the empty subtree, ``H(0, 0) = 0``; a leaf binds its whole key,
``keccak(key, value)``. The net difference of two states is a *map*, hence free of order, repetition and entries
that change nothing; a deletion is an explicit tombstone. ``h(Delta)`` is the root of the same kind of tree over
that map, so one execution step can be checked against it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from rollstate.dispute.keccak import climb, keccak256
from rollstate.errors import InputError

ZERO = bytes(32)
TOMBSTONE = 1
"""Encoded change of a deleted key; a value ``v`` is encoded as ``v + 2``, no change as absent."""
VALUE_LIMIT = 1 << 128
"""Values lie below this, so that neither a sum of two nor an encoded change overflows 256 bits."""

State = Mapping[int, int]
"""Key to value; value 0 is the same as absence."""


@dataclass(frozen=True)
class Path:
    """Sibling hashes from a leaf to the root: those that are not zero, and a bitmap of where they stand.

    Attributes
    ----------
    bitmap : int
        Bit ``i`` is set if the sibling at level ``i`` (leaf level is 0) is not zero.
    siblings : tuple of bytes
        The non-zero siblings, leaf level first.
    """

    bitmap: int
    siblings: tuple[bytes, ...]


def word(number: int) -> bytes:
    """Return a number as 32 bytes, big-endian."""
    return number.to_bytes(32, "big")


def leaf_hash(key: int, value: int) -> bytes:
    """Return the leaf of a key, zero if the value is 0."""
    return keccak256(word(key) + word(value)) if value else ZERO


def check_depth(depth: int) -> int:
    """Return `depth` if a tree may have it."""
    if not 1 <= depth <= 256:
        raise InputError(f"tree depth {depth} is outside 1..256")
    return depth


class SparseMerkleTree:
    """All versions of a sparse Merkle tree, sharing nodes; a version is named by its root.

    Parameters
    ----------
    depth : int
        Number of levels; keys have that many bits.

    Notes
    -----
    Nodes are kept by their hash and never forgotten. For millions of leaves see
    `rollstate.dispute.packed_tree`.
    """

    def __init__(self, depth: int) -> None:
        self.depth = check_depth(depth)
        self._children: dict[bytes, tuple[bytes, bytes]] = {}

    def build(self, state: State) -> bytes:
        """Return the root of a state."""
        return self.update(ZERO, state.items())

    def update(self, root: bytes, changes: Iterable[tuple[int, int]]) -> bytes:
        """Return the root after writing each ``(key, value)``; value 0 deletes."""
        for key, value in changes:
            root = self._write(root, key, value)
        return root

    def prove(self, root: bytes, key: int) -> Path:
        """Return the path of a key, present or not, under `root`."""
        siblings = self._siblings(root, key)
        bitmap = sum(1 << level for level, node in enumerate(siblings) if node != ZERO)
        return Path(bitmap, tuple(node for node in siblings if node != ZERO))

    def _bits(self, key: int) -> np.ndarray:
        if not 0 <= key < 1 << self.depth:
            raise InputError(f"key {key:#x} does not fit a tree of depth {self.depth}")
        packed = np.frombuffer(key.to_bytes(32, "little"), np.uint8)
        return np.unpackbits(packed, bitorder="little")[: self.depth]

    def _siblings(self, root: bytes, key: int) -> list[bytes]:
        node, siblings = root, [ZERO] * self.depth
        for level in range(self.depth - 1, -1, -1):
            if node == ZERO:
                break
            try:
                left, right = self._children[node]
            except KeyError:
                raise InputError(f"unknown root or node 0x{node.hex()}; build or update it first") from None
            node, siblings[level] = (right, left) if key >> level & 1 else (left, right)
        return siblings

    def _write(self, root: bytes, key: int, value: int) -> bytes:
        bits = self._bits(key)
        siblings = self._siblings(root, key)
        flat = np.frombuffer(b"".join(siblings), np.uint64).reshape(self.depth, 4)
        leaf = np.frombuffer(leaf_hash(key, value), np.uint64)
        whole = climb(bits, leaf, flat).tobytes()
        child = whole[:32]
        for level in range(self.depth):
            node = whole[32 * level + 32 : 32 * level + 64]
            if node != ZERO:
                sibling = siblings[level]
                self._children[node] = (sibling, child) if bits[level] else (child, sibling)
            child = node
        return child


def path_root(key: int, leaf: bytes, path: Path, depth: int) -> bytes:
    """Return the root that a leaf and its path lead to.

    Raises
    ------
    InputError
        If the bitmap and the siblings do not fit each other or the depth, with the contract's reason.
    """
    if path.bitmap >> depth:
        raise InputError("bitmap beyond the tree's depth")
    if path.bitmap.bit_count() > len(path.siblings):
        raise InputError("siblings do not match the bitmap")
    if path.bitmap.bit_count() < len(path.siblings):
        raise InputError("more siblings than the bitmap has")
    given = iter(path.siblings)
    ordered = b"".join(next(given) if path.bitmap >> level & 1 else ZERO for level in range(depth))
    bits = np.unpackbits(np.frombuffer(key.to_bytes(32, "little"), np.uint8), bitorder="little")[:depth]
    nodes = climb(bits, np.frombuffer(leaf, np.uint64), np.frombuffer(ordered, np.uint64).reshape(depth, 4))
    return nodes[-1].tobytes()


def encode_change(before: int, after: int) -> int:
    """Return the value under which a change enters ``Delta``: 0 for none, the tombstone, or ``after + 2``."""
    if before == after:
        return 0
    return after + 2 if after else TOMBSTONE


def difference(before: State, after: State) -> dict[int, int]:
    """Return ``Delta = after - before`` as a map from key to encoded change.

    >>> difference({1: 5, 2: 7}, {1: 5, 3: 9})
    {2: 1, 3: 11}
    """
    changes = {key: encode_change(before.get(key, 0), after.get(key, 0)) for key in {*before, *after}}
    return {key: change for key, change in sorted(changes.items()) if change}


def apply_difference(before: State, delta: Mapping[int, int]) -> dict[int, int]:
    """Return ``S + Delta``, the state after the changes."""
    after = dict(before)
    for key, change in delta.items():
        if change == TOMBSTONE:
            after.pop(key, None)
        else:
            after[key] = change - 2
    return after


def difference_list_hash(delta: Mapping[int, int]) -> bytes:
    """Return the hash of the sorted list of changes: cheaper than ``h(Delta)``, but no step can be checked on it."""
    return keccak256(b"".join(word(key) + word(change) for key, change in sorted(delta.items())))


def vm_state(state_root: bytes, delta_root: bytes, executed: int) -> bytes:
    """Return ``s_i = keccak(R_i, A_i, i)``: the state after `executed` transactions of a batch.

    ``A_i`` is the root of the difference to the state before the batch. At the end of the batch ``A_m`` is
    ``h(Delta_n)`` and ``R_m`` is ``h(S_n)``: one game settles both.
    """
    return keccak256(state_root + delta_root + word(executed))
