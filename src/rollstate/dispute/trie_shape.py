"""How many nodes of a Merkle Patricia trie an update touches, exactly, from the keys alone.

The shape of the trie follows from the longest common prefixes of its sorted keys, so the counts for ten million
keys need no trie. Nodes and their sizes are those of Ethereum's trie (yellow paper, appendix D) with 32-byte keys
and values long enough that no node is embedded in its parent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rollstate.errors import InputError

PREFIX_NIBBLES = 16
"""Nibbles of a key that are looked at: enough to tell any two of 10**7 random keys apart."""
KEY_NIBBLES = 64
HASH_BYTES = 32


@dataclass(frozen=True)
class Touched:
    """Nodes on the paths of some keys.

    Attributes
    ----------
    nodes : int
        How many; each is read once and written once.
    node_bytes : int
        Sum of their RLP sizes: what is hashed and stored.
    permutations : int
        Keccak permutations that hashing them takes.
    """

    nodes: int
    node_bytes: int
    permutations: int

    def __add__(self, other: Touched) -> Touched:
        return Touched(
            self.nodes + other.nodes,
            self.node_bytes + other.node_bytes,
            self.permutations + other.permutations,
        )


def permutations(sizes: np.ndarray) -> np.ndarray:
    """Return the Keccak permutations that hash messages of some sizes in bytes."""
    return sizes // 136 + 1


def random_keys(count: int, rng: np.random.Generator) -> np.ndarray:
    """Return the first 16 nibbles of `count` distinct hashed keys, sorted, uint64."""
    keys = np.empty(0, np.uint64)
    while keys.size < count:
        more = rng.integers(0, 1 << 64, count - keys.size, dtype=np.uint64)
        keys = np.sort(np.concatenate([keys, more]))
        keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])]
    return keys


def zipf_rows(count: int, size: int, exponent: float, rng: np.random.Generator) -> np.ndarray:
    """Return `count` of the rows ``0..size - 1``, drawn with weights ``rank ** -exponent`` in random places."""
    weights = np.cumsum(np.arange(1, size + 1, dtype=np.float64) ** -exponent)
    ranks = np.searchsorted(weights, rng.random(count) * weights[-1])
    return rng.permutation(size)[ranks]


def _header(payload: np.ndarray) -> np.ndarray:
    """Return the bytes of the RLP header of a list, or of a string longer than one byte."""
    return 1 + (payload > 55) + (payload > 255)


class TrieShape:
    """The trie over a set of keys.

    Parameters
    ----------
    keys : uint64[n]
        First 16 nibbles of the keys, sorted, distinct.
    value_bytes : int
        Length of every value.

    Raises
    ------
    InputError
        If the keys are not sorted and distinct, or the values so short that nodes would be embedded.
    """

    def __init__(self, keys: np.ndarray, value_bytes: int = 77) -> None:
        if keys.dtype != np.uint64 or keys.size < 2 or not np.all(keys[1:] > keys[:-1]):
            raise InputError(
                "a trie's shape needs at least two uint64 keys, sorted and distinct in 16 nibbles"
            )
        if value_bytes < HASH_BYTES:
            raise InputError(f"values of {value_bytes} bytes may embed a leaf in its parent; use 32 or more")
        self.keys, self.value_bytes = keys, value_bytes

    def root_per_update(self, rows: np.ndarray) -> Touched:
        """Return the nodes on the path of every key, summed: the root is renewed after every update.

        Parameters
        ----------
        rows : int array
            Positions among the sorted keys, with repetition.
        """
        return self._count(rows, distinct=False)

    def root_per_batch(self, rows: np.ndarray) -> Touched:
        """Return the distinct nodes on the paths of some keys: the root is renewed once after all updates."""
        return self._count(np.unique(rows), distinct=True)

    def _children(self, keys: np.ndarray, level: int) -> np.ndarray:
        """Return how many ways the keys with the same first `level` nibbles part, for each key."""
        step = np.uint64(60 - 4 * level)
        low = keys >> step >> np.uint64(4) << np.uint64(4) << step
        starts = low[:, None] + (np.arange(16, dtype=np.uint64) << step)
        ends = starts + ((np.uint64(1) << step) - np.uint64(1))
        first = np.searchsorted(self.keys, starts, side="left")
        last = np.searchsorted(self.keys, ends, side="right")
        return (last > first).sum(axis=1)

    def _count(self, rows: np.ndarray, *, distinct: bool) -> Touched:
        keys = self.keys[rows]
        parent = np.full(keys.size, -1, np.int64)
        total = Touched(0, 0, 0)
        for level in range(PREFIX_NIBBLES):
            children = self._children(keys, level)
            at = np.flatnonzero(children > 1)
            children = children[children > 1]
            counted = np.arange(at.size)
            if distinct:
                prefix = keys[at] >> np.uint64(60 - 4 * level) >> np.uint64(4)
                counted = np.unique(prefix, return_index=True)[1]
            total += self._branches(children[counted])
            gap = level - parent[at[counted]] - 1
            total += self._extensions(gap[gap > 0])
            parent[at] = level
        return total + self._leaves(parent)

    @staticmethod
    def _branches(children: np.ndarray) -> Touched:
        payload = children * (HASH_BYTES + 1) + (16 - children) + 1
        return _sum(payload + _header(payload))

    @staticmethod
    def _extensions(nibbles: np.ndarray) -> Touched:
        path = nibbles // 2 + 1
        payload = path + (path > 1) + HASH_BYTES + 1
        return _sum(payload + _header(payload))

    def _leaves(self, deepest_branch: np.ndarray) -> Touched:
        path = (KEY_NIBBLES - deepest_branch - 1) // 2 + 1
        value = self.value_bytes + int(_header(np.array(self.value_bytes)))
        payload = path + (path > 1) + value
        return _sum(payload + _header(payload))


def _sum(sizes: np.ndarray) -> Touched:
    return Touched(sizes.size, int(sizes.sum()), int(permutations(sizes).sum()))


def difference_hashes(entries: int, depth: int, rng: np.random.Generator) -> int:
    """Return how many hashes ``h(Delta)`` takes over `entries` changes at random keys, all in memory.

    One per leaf and one per inner node on a path: about ``entries * (depth - log2(entries) + 2)``.
    """
    seen = min(depth, 62)
    keys = np.unique(rng.integers(0, 1 << seen, entries))
    inner = sum(np.unique(keys >> level).size for level in range(1, seen + 1))
    # Below 62 bits no two random keys meet: each has that part of its path to itself.
    return keys.size + inner + keys.size * (depth - seen)


@dataclass(frozen=True)
class Merged:
    """What several blocks' updates hash if the root is renewed once after them: leaves, and nodes with leaves."""

    leaves: int
    nodes: int


def merged(blocks: Sequence[np.ndarray], depth: int = 8) -> Merged:
    """Return the distinct leaves and nodes that several blocks' keys touch together.

    Parameters
    ----------
    blocks : sequence of uint64 arrays
        First 16 nibbles of the hashed keys each block wrote.
    depth : int
        Nibbles down to which the state's trie is full: every prefix up to that length is a node.
    """
    keys = np.unique(np.concatenate(blocks))
    prefixes = (np.unique(keys >> np.uint64(64 - 4 * level)).size for level in range(1, depth + 1))
    return Merged(keys.size, 1 + sum(prefixes))


def runs(blocks: Sequence[np.ndarray], length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what disjoint runs of blocks hash with a root per block, and with one root per run.

    Parameters
    ----------
    blocks : sequence of uint64 arrays
        As in `merged`.
    length : int
        Blocks of a run; blocks left over at the end are left out.

    Returns
    -------
    apart, together : int arrays, shape (runs, 2)
        Leaves and nodes of each run.

    Raises
    ------
    InputError
        If there are fewer blocks than a run has.
    """
    if not 1 <= length <= len(blocks):
        raise InputError(f"a run of {length} blocks does not fit into {len(blocks)} blocks")

    def counts(part: Sequence[np.ndarray]) -> tuple[int, int]:
        found = merged(part)
        return found.leaves, found.nodes

    starts = range(0, len(blocks) - length + 1, length)
    single = np.array([counts([block]) for block in blocks])
    apart = np.array([single[i : i + length].sum(axis=0) for i in starts])
    return apart, np.array([counts(blocks[i : i + length]) for i in starts])
