"""The sparse Merkle tree of `rollstate.dispute.commitment` in arrays: millions of leaves, batches of updates.

Every level is an array of node hashes with the positions of their children one level below; a batch of updates
rehashes each touched node once.
"""

from __future__ import annotations

import numpy as np

from rollstate.compiled import compiled
from rollstate.dispute.keccak import hash_pair
from rollstate.errors import InputError


@compiled
def _hash_leaves(keys, values, out):
    left, right, lanes = np.zeros(4, np.uint64), np.zeros(4, np.uint64), np.empty(25, np.uint64)
    for i in range(keys.size):
        if values[i]:
            left[3], right[3] = keys[i], values[i]
            hash_pair(left, right, out[i], lanes)
        else:
            out[i] = 0


@compiled
def _hash_level(rows, left, right, below, out):
    zero, lanes = np.zeros(4, np.uint64), np.empty(25, np.uint64)
    for row in rows:
        a = below[left[row]] if left[row] >= 0 else zero
        b = below[right[row]] if right[row] >= 0 else zero
        hash_pair(a, b, out[row], lanes)


class PackedTree:
    """A tree over a fixed set of keys whose values may change, also to 0 and back.

    Parameters
    ----------
    keys : uint64[n]
        Sorted, distinct.
    values : uint64[n]
        Their values; 0 is absence.
    depth : int
        Levels, at most 64.

    Raises
    ------
    InputError
        If the keys are not sorted and distinct, or do not fit the depth.
    """

    def __init__(self, keys: np.ndarray, values: np.ndarray, depth: int = 32) -> None:
        if not 1 <= depth <= 64:
            raise InputError(f"a packed tree has 1 to 64 levels, not {depth}; see SparseMerkleTree for more")
        if keys.size == 0 or not np.all(keys[1:] > keys[:-1]) or int(keys[-1]) >> depth:
            raise InputError(f"keys must be sorted, distinct, at least one, and below 2**{depth}")
        self.keys, self.depth = keys, depth
        leaves = np.empty((keys.size, 4), np.uint64)
        _hash_leaves(keys.byteswap(), values.astype(np.uint64).byteswap(), leaves)
        self._nodes = [leaves]
        self._left: list[np.ndarray] = []
        self._right: list[np.ndarray] = []
        self._parent: list[np.ndarray] = []
        prefixes = keys
        for _ in range(depth):
            side = (prefixes & np.uint64(1)).astype(bool)
            above = prefixes >> np.uint64(1)
            first = np.concatenate([[True], above[1:] != above[:-1]])
            parent = (np.cumsum(first) - 1).astype(np.int32)
            prefixes = above[first]
            rows = np.arange(side.size, dtype=np.int32)
            left, right = (np.full(prefixes.size, -1, np.int32) for _ in range(2))
            left[parent[~side]] = rows[~side]
            right[parent[side]] = rows[side]
            nodes = np.empty((prefixes.size, 4), np.uint64)
            _hash_level(np.arange(prefixes.size, dtype=np.int32), left, right, self._nodes[-1], nodes)
            self._nodes.append(nodes)
            self._left.append(left)
            self._right.append(right)
            self._parent.append(parent)

    @property
    def root(self) -> bytes:
        """Root hash of the tree as it stands."""
        return self._nodes[-1][0].tobytes()

    def update(self, keys: np.ndarray, values: np.ndarray) -> bytes:
        """Write values of known keys, the last one of a repeated key; return the new root.

        Raises
        ------
        InputError
            For a key the tree was not built with.
        """
        # The last of equal keys wins: look at the batch from its end.
        keys, last = np.unique(keys[::-1], return_index=True)
        values = values[::-1][last].astype(np.uint64)
        rows = np.searchsorted(self.keys, keys).astype(np.int32)
        known = (rows < self.keys.size) & (self.keys[np.minimum(rows, self.keys.size - 1)] == keys)
        if not known.all():
            raise InputError(f"key {int(keys[~known][0]):#x} is not in the tree; build it with all keys")
        fresh = np.empty((rows.size, 4), np.uint64)
        _hash_leaves(keys.byteswap(), values.byteswap(), fresh)
        self._nodes[0][rows] = fresh
        for level in range(self.depth):
            rows = self._parent[level][rows]
            # Rows are sorted, hence so are their parents: equal ones are neighbours.
            rows = rows[np.concatenate([[True], rows[1:] != rows[:-1]])]
            _hash_level(
                rows, self._left[level], self._right[level], self._nodes[level], self._nodes[level + 1]
            )
        return self.root
