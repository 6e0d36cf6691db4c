"""The same transition over a flat store and over a Merkle Patricia trie."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence

from trie import HexaryTrie

from rollstate.dispute.commitment import State, encode_change, word
from rollstate.dispute.keccak import keccak256
from rollstate.dispute.transition import apply_transaction


class FlatState(MutableMapping[int, int]):
    """A state whose values lie in a store under their own keys."""

    def __init__(self, store: MutableMapping[bytes, bytes]) -> None:
        self.store = store

    def __getitem__(self, key: int) -> int:
        return int.from_bytes(self.store[word(key)], "big")

    def __setitem__(self, key: int, value: int) -> None:
        self.store[word(key)] = word(value)

    def __delitem__(self, key: int) -> None:
        del self.store[word(key)]

    def __iter__(self) -> Iterator[int]:
        return (int.from_bytes(key, "big") for key in self.store)

    def __len__(self) -> int:
        return len(self.store)


class TrieState(MutableMapping[int, int]):
    """A state in a Merkle Patricia trie with hashed keys, as Ethereum's; its nodes lie in a store."""

    def __init__(self, store: MutableMapping[bytes, bytes]) -> None:
        self.trie = HexaryTrie(store, prune=True)
        self._keys: dict[bytes, int] = {}

    def __getitem__(self, key: int) -> int:
        value = self.trie[keccak256(word(key))]
        if not value:
            raise KeyError(key)
        return int.from_bytes(value, "big")

    def __setitem__(self, key: int, value: int) -> None:
        hashed = keccak256(word(key))
        self._keys[hashed] = key
        self.trie[hashed] = word(value)

    def __delitem__(self, key: int) -> None:
        hashed = keccak256(word(key))
        del self._keys[hashed]
        del self.trie[hashed]

    def __iter__(self) -> Iterator[int]:
        return iter(self._keys.values())

    def __len__(self) -> int:
        return len(self._keys)


def run_batch(state: MutableMapping[int, int], transactions: Sequence[bytes], depth: int) -> dict[int, int]:
    """Execute a batch in place; return ``Delta``, read off the writes alone, without a look at the whole state."""
    before: dict[int, int] = {}
    after: dict[int, int] = {}
    for transaction in transactions:
        effect = apply_transaction(state, transaction, depth)
        if effect.applied:
            for key, now, then in effect.writes:
                before.setdefault(key, now)
                after[key] = then
    changes = {key: encode_change(before[key], after[key]) for key in sorted(after)}
    return {key: change for key, change in changes.items() if change}


def load(state: MutableMapping[int, int], genesis: State) -> None:
    """Write a genesis state."""
    for key, value in genesis.items():
        state[key] = value
