r"""A sparse Merkle tree whose paths are collapsed: a node for every bit at which keys part, none in between.

The plain tree of `rollstate.dispute.commitment` hashes a path of 256 nodes for each key of 256 bits. Here a tree of
:math:`n` keys has :math:`n` leaves and :math:`n - 1` branches, so its root takes :math:`2 n - 1` permutations, and a
path about :math:`\log_2 n`. The price is that a branch must bind the bit at which it parts, and that writing a new
key, or deleting one, changes where branches stand (Morrison's PATRICIA, https://doi.org/10.1145/321479.321481).

- empty tree: 32 zero bytes
- leaf: ``keccak(key, value)``, 64 bytes
- branch: ``keccak(bit, left, right)``, 96 bytes; ``bit`` counts from the most significant one, 0 to 255; keys with a
  zero there are on the left

A leaf and a branch are of different length, so neither passes for the other. From a root, the bits of a key lead to one
leaf at most: whoever committed to the root, even to a badly formed tree, cannot show two values of one key.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from rollstate.dispute.commitment import ZERO, State, leaf_hash, word
from rollstate.dispute.keccak import keccak256
from rollstate.errors import InputError

BITS = 256


@dataclass(frozen=True)
class CollapsedPath:
    """What is known of a key: the branches on its way, and the leaf at their end.

    Attributes
    ----------
    leaf : (int, int) or None
        Key and value of the leaf that the key's bits lead to, another key's where the key is absent; None in the empty
        tree.
    bits : tuple of int
        Bits at which the branches part, root first.
    siblings : tuple of bytes
        The other child of each.
    """

    leaf: tuple[int, int] | None
    bits: tuple[int, ...]
    siblings: tuple[bytes, ...]


def branch_hash(bit: int, left: bytes, right: bytes) -> bytes:
    """Return the hash of a branch."""
    return keccak256(word(bit) + left + right)


def side(key: int, bit: int) -> int:
    """Return a bit of a key, the most significant being 0."""
    return key >> (BITS - 1 - bit) & 1


def _check_key(key: int) -> int:
    if not 0 <= key < 1 << BITS:
        raise InputError(f"key {key:#x} is outside 0..2**{BITS} - 1")
    return key


def _parting(one: int, other: int) -> int:
    """Return the first bit in which two keys differ."""
    return BITS - (one ^ other).bit_length()


def _join(key: int, bit: int, node: bytes, sibling: bytes) -> bytes:
    """Return the branch of the node on a key's way and of its sibling."""
    return branch_hash(bit, sibling, node) if side(key, bit) else branch_hash(bit, node, sibling)


def _climb(key: int, node: bytes, path: CollapsedPath, bits: range) -> bytes:
    """Return the node that some of a path's branches, counted from the root, lead up to."""
    for row in reversed(bits):
        node = _join(key, path.bits[row], node, path.siblings[row])
    return node


def proven(root: bytes, key: int, path: CollapsedPath) -> int:
    """Return the value that a path proves for a key, 0 if it proves absence.

    Raises
    ------
    InputError
        If the path is malformed or does not lead to the root.
    """
    _check_key(key)
    if len(path.bits) != len(path.siblings):
        raise InputError(f"{len(path.bits)} branches have {len(path.siblings)} siblings")
    if any(not 0 <= bit < BITS for bit in path.bits):
        raise InputError(f"a branch parts at a bit outside 0..{BITS - 1}")
    if any(later <= earlier for earlier, later in pairwise(path.bits)):
        raise InputError("the bits of the branches do not ascend")
    if any(len(sibling) != len(ZERO) or sibling == ZERO for sibling in path.siblings):
        raise InputError("a sibling is empty or no hash")
    if path.leaf is None:
        if path.bits or root != ZERO:
            raise InputError("the path ends without a leaf, and the tree is not empty")
        return 0
    held, value = path.leaf
    if not 0 < value < 1 << BITS:
        raise InputError(f"a leaf holds {value}, which is no value")
    _check_key(held)
    if any(side(held, bit) != side(key, bit) for bit in path.bits):
        raise InputError("the leaf lies on another way than the key's")
    if _climb(key, leaf_hash(held, value), path, range(len(path.bits))) != root:
        raise InputError("the path does not lead to the root")
    return value if held == key else 0


def root_after(root: bytes, key: int, value: int, path: CollapsedPath) -> bytes:
    """Return the root after writing a key, from its path alone, as a contract would; value 0 deletes.

    Raises
    ------
    InputError
        As `proven`, or for a value of more than 256 bits.
    """
    if not 0 <= value < 1 << BITS:
        raise InputError(f"value {value:#x} is outside 0..2**{BITS} - 1")
    before, rows = proven(root, key, path), range(len(path.bits))
    if path.leaf is None or (before and not rows):
        return leaf_hash(key, value)
    if before and value:
        return _climb(key, leaf_hash(key, value), path, rows)
    if before:
        # The lowest branch goes, its other child takes its place.
        return _climb(key, path.siblings[-1], path, rows[:-1])
    if not value:
        return root
    held, kept = path.leaf
    bit = _parting(key, held)
    above = sum(one < bit for one in path.bits)
    beside = _climb(held, leaf_hash(held, kept), path, rows[above:])
    return _climb(key, _join(key, bit, leaf_hash(key, value), beside), path, rows[:above])


class CollapsedTree:
    """All versions of a collapsed tree, sharing nodes; a version is named by its root.

    Attributes
    ----------
    hashes : int
        Hashes computed so far, one permutation each.

    Examples
    --------
    >>> tree = CollapsedTree()
    >>> root = tree.build({1: 5, 2: 7, 2**255: 9})
    >>> tree.hashes
    5
    >>> proven(root, 2, tree.prove(root, 2)), proven(root, 3, tree.prove(root, 3))
    (7, 0)
    """

    def __init__(self) -> None:
        self.hashes = 0
        self._leaves: dict[bytes, tuple[int, int]] = {}
        self._branches: dict[bytes, tuple[int, bytes, bytes]] = {}

    def build(self, state: State) -> bytes:
        """Return the root of a state, each node hashed once; value 0 is absence."""
        listed = sorted((_check_key(key), value) for key, value in state.items() if value)
        if not listed:
            return ZERO
        # Branches that wait for their right child, on the way to the last key: (bit, left child).
        waiting: list[tuple[int, bytes]] = []
        node = self._leaf(*listed[0])
        for (before, _), (key, value) in pairwise(listed):
            bit = _parting(before, key)
            while waiting and waiting[-1][0] > bit:
                node = self._branch(*waiting.pop(), node)
            waiting.append((bit, node))
            node = self._leaf(key, value)
        while waiting:
            node = self._branch(*waiting.pop(), node)
        return node

    def prove(self, root: bytes, key: int) -> CollapsedPath:
        """Return the path of a key, present or not, under `root`."""
        _check_key(key)
        bits, siblings, node = [], [], root
        while node in self._branches:
            bit, left, right = self._branches[node]
            node, other = (right, left) if side(key, bit) else (left, right)
            bits.append(bit)
            siblings.append(other)
        if node != ZERO and node not in self._leaves:
            raise InputError(f"unknown root or node 0x{node.hex()}; build or update it first")
        return CollapsedPath(self._leaves.get(node), tuple(bits), tuple(siblings))

    def update(self, root: bytes, changes: Iterable[tuple[int, int]]) -> bytes:
        """Return the root after writing each ``(key, value)`` in turn; value 0 deletes."""
        for key, value in changes:
            root = self._write(root, key, value)
        return root

    def _write(self, root: bytes, key: int, value: int) -> bytes:
        path = self.prove(root, key)
        held = path.leaf[0] if path.leaf else None
        bits, siblings = list(path.bits), list(path.siblings)
        if not value:
            if held != key:
                return root
            if not bits:
                return ZERO
            bits.pop()
            node = siblings.pop()
        else:
            node = self._leaf(key, value)
            if held is not None and held != key:
                bit = _parting(key, held)
                above = sum(one < bit for one in bits)
                node = self._joined(key, bit, node, self._at(root, key, above))
                del bits[above:], siblings[above:]
        for bit, sibling in zip(reversed(bits), reversed(siblings), strict=True):
            node = self._joined(key, bit, node, sibling)
        return node

    def _at(self, root: bytes, key: int, steps: int) -> bytes:
        """Return the node that some steps down a key's way lead to."""
        for _ in range(steps):
            bit, left, right = self._branches[root]
            root = right if side(key, bit) else left
        return root

    def _leaf(self, key: int, value: int) -> bytes:
        if not 0 < value < 1 << BITS:
            raise InputError(f"value {value:#x} is outside 0..2**{BITS} - 1")
        node = leaf_hash(key, value)
        self.hashes += 1
        self._leaves[node] = (key, value)
        return node

    def _branch(self, bit: int, left: bytes, right: bytes) -> bytes:
        node = branch_hash(bit, left, right)
        self.hashes += 1
        self._branches[node] = (bit, left, right)
        return node

    def _joined(self, key: int, bit: int, node: bytes, sibling: bytes) -> bytes:
        return self._branch(bit, sibling, node) if side(key, bit) else self._branch(bit, node, sibling)
