r"""Real hexary witnesses: the nodes of a block's tries, walked from the state root.

A witness is a JSON file with ``pre_state_root``, ``states`` (RLP of trie nodes, in hex) and ``codes``; any node is
found by its hash. What is not there was not touched.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from eth_hash.auto import keccak
from scipy.optimize import brentq

from rollstate.errors import InputError
from rollstate.execution.state_trees import witness_hexary_bytes
from rollstate.traces import rlp_items


@dataclass(frozen=True)
class Part:
    """What a witness shows of one trie.

    Attributes
    ----------
    nodes, node_bytes : int
        Nodes shown, and their bytes.
    depths : array of int
        Nibbles above each leaf that is shown.
    """

    nodes: int
    node_bytes: int
    depths: np.ndarray

    def estimated_keys(self) -> float:
        r"""Return how many random keys give leaves this mean depth; at least as many as are shown.

        A leaf hangs below the nibbles it shares with its nearest other key, and one: :math:`n` keys give the mean depth
        :math:`\sum_l 1 - (1 - 16^{-l})^{n - 1}`.
        """
        shown = len(self.depths)
        target = float(self.depths.mean())
        levels = 16.0 ** -np.arange(60)

        def surplus(log_keys: float) -> float:
            return float(-np.expm1((np.exp(log_keys) - 1) * np.log1p(-levels[1:])).sum() + 1 - target)

        if target <= 1 or surplus(np.log(max(shown, 2))) >= 0:
            return float(shown)
        return float(np.exp(brentq(surplus, np.log(max(shown, 2)), 60)))


@dataclass(frozen=True)
class BlockWitness:
    """Tries of a block: the state's own, those of contracts' storage; bytes of code, and of nodes no walk reaches."""

    state: Part
    storage: tuple[Part, ...]
    code_bytes: int
    unreached_bytes: int

    @property
    def node_bytes(self) -> int:
        """Bytes of the nodes that a walk reaches."""
        return self.state.node_bytes + sum(part.node_bytes for part in self.storage)

    @property
    def leaves(self) -> int:
        """Accounts and slots shown."""
        return len(self.state.depths) + sum(len(part.depths) for part in self.storage)

    def formula_bytes(self) -> float:
        """Return what `state_trees.witness_hexary_bytes` says, trie by trie, for tries of estimated sizes."""
        parts = [part for part in (self.state, *self.storage) if len(part.depths)]
        return sum(witness_hexary_bytes(len(part.depths), part.estimated_keys()) for part in parts)


def read(path: Path) -> BlockWitness:
    """Return the witness in a (gzipped) JSON file."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
            found = json.load(lines)
        nodes = [bytes.fromhex(node[2:]) for node in found["states"]]
        root = bytes.fromhex(found["pre_state_root"][2:])
        codes = [len(code) // 2 - 1 for code in found["codes"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is no block witness with pre_state_root, states and codes: {error}"
        ) from error
    by_hash = {keccak(node): node for node in nodes}
    if root not in by_hash:
        raise InputError(f"{path}: no node hashes to pre_state_root 0x{root.hex()}")
    reached: set[bytes] = set()
    state, leaves = _walk(root, by_hash, reached, str(path))
    storage = []
    for leaf in leaves:
        storage_root = _bytes(_items(rlp_items.decode(leaf, str(path)), str(path))[2], str(path))
        if storage_root in by_hash and storage_root not in reached:
            storage.append(_walk(storage_root, by_hash, reached, str(path))[0])
    unreached = sum(len(node) for name, node in by_hash.items() if name not in reached)
    return BlockWitness(state, tuple(storage), sum(codes), unreached)


def _walk(
    root: bytes, by_hash: dict[bytes, bytes], reached: set[bytes], where: str
) -> tuple[Part, list[bytes]]:
    """Return what is shown of the trie below a root, and its leaves' values."""
    todo = [(rlp_items.decode(by_hash[root], where), 0)]
    reached.add(root)
    nodes, size = 1, len(by_hash[root])
    depths: list[int] = []
    values: list[bytes] = []
    while todo:
        node, depth = todo.pop()
        items = _items(node, where)
        children: list[tuple[rlp_items.Item, int]] = []
        if len(items) == 17:
            children = [(child, depth + 1) for child in items[:16]]
        else:
            path = _bytes(items[0], where)
            if path[0] & 0x20:
                depths.append(depth)
                values.append(_bytes(items[1], where))
            else:
                children = [(items[1], depth + 2 * len(path) - 2 + (path[0] >> 4 & 1))]
        for child, below in children:
            if isinstance(child.value, bytes):
                if child.value in by_hash:
                    reached.add(child.value)
                    nodes += 1
                    size += len(by_hash[child.value])
                    todo.append((rlp_items.decode(by_hash[child.value], where), below))
            else:
                # A node shorter than a hash stands in its parent.
                todo.append((child, below))
    return Part(nodes, size, np.array(depths, np.int64)), values


def _items(item: rlp_items.Item, where: str) -> list[rlp_items.Item]:
    if isinstance(item.value, bytes):
        raise InputError(f"{where}: a byte string stands where a node or an account should be")
    return item.value


def _bytes(item: rlp_items.Item, where: str) -> bytes:
    if not isinstance(item.value, bytes):
        raise InputError(f"{where}: a list stands where a path, a hash or a value should be")
    return item.value
