"""A state of accounts, storage and code: in a flat store, and in a Merkle Patricia trie of tries, in the same store.

Both read a block's keys, and write what differs after it; a node or value is fetched once for each block and then kept
in memory until the block ends, as every client does. The trie's root is renewed once for each block, and nodes that
no longer belong to it stay where they are: neither deleting nor reference counts are charged to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Protocol

import rlp
from trie import HexaryTrie

from rollstate.dispute.keccak import RATE, keccak256
from rollstate.errors import InputError
from rollstate.execution.block_inputs import Account, State
from rollstate.flat_evm.blocks import one_changed
from rollstate.flat_evm.hexary import EMPTY_ROOT

EMPTY_CODE = keccak256(b"")


@dataclass
class Tally:
    """What was asked of a store, and how long it took.

    Attributes
    ----------
    reads, writes : int
        Keys fetched, present or not, and keys written.
    bytes_read, bytes_written : int
        Their bytes, key and value.
    permutations : int
        Keccak permutations: hashed keys, written nodes, or the list of what differs.
    read_seconds, write_seconds, hash_seconds : float
        Time inside the database, commit included, and of those hashes, compiled.
    """

    reads: int = 0
    writes: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    permutations: int = 0
    read_seconds: float = 0.0
    write_seconds: float = 0.0
    hash_seconds: float = 0.0


class BlockStore(MutableMapping[bytes, bytes]):
    """A store with a memory that lasts for one block: `flush` writes what is new, and forgets.

    Parameters
    ----------
    inner : MutableMapping
        The database; its ``commit`` is called if it has one.
    clock : callable
        What time is: that of the processor, which other work on the machine does not stretch, or that of the wall.
    """

    def __init__(
        self, inner: MutableMapping[bytes, bytes], clock: Callable[[], float] = time.thread_time
    ) -> None:
        self.inner, self.tally, self.clock = inner, Tally(), clock
        self._held: dict[bytes, bytes | None] = {}
        self._new: set[bytes] = set()

    def __getitem__(self, key: bytes) -> bytes:
        if key not in self._held:
            started = self.clock()
            value = self.inner.get(key)
            self.tally.read_seconds += self.clock() - started
            self.tally.reads += 1
            self.tally.bytes_read += len(key) + len(value or b"")
            self._held[key] = value
        value = self._held[key]
        if value is None:
            raise KeyError(key)
        return value

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._held[key] = value
        self._new.add(key)

    def __delitem__(self, key: bytes) -> None:
        self._held[key] = None
        self._new.add(key)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.inner)

    def __len__(self) -> int:
        return len(self.inner)

    def flush(self) -> dict[bytes, bytes]:
        """Write what is new in the order of the keys, commit, forget; return the new values."""
        values = {}
        started = self.clock()
        for key in sorted(self._new):
            value = self._held[key]
            if value is None:
                self.inner.pop(key, None)
            else:
                self.inner[key] = value
                values[key] = value
            self.tally.bytes_written += len(key) + len(value or b"")
        if commit := getattr(self.inner, "commit", None):
            commit()
        self.tally.write_seconds += self.clock() - started
        self.tally.writes += len(self._new)
        self.forget()
        return values

    def forget(self) -> None:
        """Drop the memory of this block, and what was not written."""
        self._held.clear()
        self._new.clear()

    def hash(self, texts: Iterable[bytes]) -> list[bytes]:
        """Return Keccak hashes, counted and timed."""
        started = self.clock()
        out = []
        for text in texts:
            self.tally.permutations += len(text) // RATE + 1
            out.append(keccak256(text))
        self.tally.hash_seconds += self.clock() - started
        return out


class World(Protocol):
    """A state that a block is executed on."""

    store: BlockStore

    def read(self, keys: Mapping[str, Account | None]) -> dict[str, Account | None]:
        """Return accounts with the same slots as those given; None for one that is not there."""

    def write(self, before: Mapping[str, Account | None], after: State) -> None:
        """Write the accounts and slots that differ after a block, and commit to them."""


def address_key(address: str) -> bytes:
    """Return the flat key of an account."""
    return b"a" + bytes.fromhex(address[2:])


def slot_key(address: str, slot: int) -> bytes:
    """Return the flat key of a slot."""
    return b"s" + bytes.fromhex(address[2:]) + slot.to_bytes(32, "big")


def code_key(code_hash: bytes) -> bytes:
    """Return the key of a contract's code, in both worlds."""
    return b"c" + code_hash


def _code(store: BlockStore, code_hash: bytes) -> bytes:
    return b"" if code_hash == EMPTY_CODE else store[code_key(code_hash)]


def _put_code(store: BlockStore, known: Account | None, code: bytes) -> bytes:
    """Store code that is new; return its hash."""
    code_hash = keccak256(code) if code else EMPTY_CODE
    if code and (known is None or known.code != code):
        store.hash([code])
        store[code_key(code_hash)] = code
    return code_hash


def _number(value: bytes) -> int:
    return int.from_bytes(value, "big")


def _bytes(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


class FlatWorld:
    """One key for each account and for each slot; a block's difference is hashed as a sorted list."""

    def __init__(self, store: BlockStore) -> None:
        self.store = store

    def read(self, keys: Mapping[str, Account | None]) -> dict[str, Account | None]:
        """Return accounts with the same slots as those given; None for one that is not there."""
        return {address: self._account(address, one) for address, one in keys.items()}

    def _account(self, address: str, like: Account | None) -> Account | None:
        encoded = self.store.get(address_key(address))
        if encoded is None:
            return None
        nonce, balance, code_hash = rlp.decode(encoded)
        slots = like.storage if like else {}
        storage = {slot: _number(self.store.get(slot_key(address, slot), b"")) for slot in slots}
        return Account(_number(balance), _number(nonce), _code(self.store, code_hash), storage)

    def write(self, before: Mapping[str, Account | None], after: State) -> None:
        """Write the accounts and slots that differ after a block, and hash the list of them."""
        entries: list[tuple[bytes, bytes]] = []
        for address, one in after.items():
            known = before.get(address)
            if one_changed(known, one):
                code_hash = _put_code(self.store, known, one.code)
                there = one.balance or one.nonce or one.code
                entries.append(
                    (address_key(address), rlp.encode([one.nonce, one.balance, code_hash]) if there else b"")
                )
            entries += [(slot_key(address, slot), _bytes(value)) for slot, value in one.storage.items()]
        for key, value in entries:
            if value:
                self.store[key] = value
            else:
                del self.store[key]
        self.store.flush()
        self.store.hash([b"".join(key + value for key, value in sorted(entries))])


class TrieWorld:
    """Ethereum's trie of accounts, with a trie of storage in each; nodes by their hash, keys hashed.

    Parameters
    ----------
    store : BlockStore
        Where the nodes lie.
    root : bytes
        Root hash of the trie of accounts.
    """

    def __init__(self, store: BlockStore, root: bytes) -> None:
        self.store, self.root = store, root

    def read(self, keys: Mapping[str, Account | None]) -> dict[str, Account | None]:
        """Return accounts with the same slots as those given; None for one that is not there."""
        trie = HexaryTrie(self.store, self.root)
        return {address: self._account(trie, address, one) for address, one in keys.items()}

    def _account(self, trie: HexaryTrie, address: str, like: Account | None) -> Account | None:
        (key,) = self.store.hash([bytes.fromhex(address[2:])])
        encoded = trie[key]
        if not encoded:
            return None
        nonce, balance, storage_root, code_hash = rlp.decode(encoded)
        below = HexaryTrie(self.store, storage_root)
        slots = list(like.storage) if like else []
        hashed = self.store.hash(slot.to_bytes(32, "big") for slot in slots)
        storage = {slot: _slot_value(below[key]) for slot, key in zip(slots, hashed, strict=True)}
        return Account(_number(balance), _number(nonce), _code(self.store, code_hash), storage)

    def write(self, before: Mapping[str, Account | None], after: State) -> None:
        """Write the accounts and slots that differ after a block, and renew the root once.

        Their keys were hashed when they were read, and are not charged again.
        """
        trie = HexaryTrie(self.store, self.root)
        leaves = {}
        for address, one in after.items():
            key = keccak256(bytes.fromhex(address[2:]))
            held = trie[key]
            storage_root = self._storage(rlp.decode(held)[2] if held else EMPTY_ROOT, one.storage)
            code_hash = _put_code(self.store, before.get(address), one.code)
            there = one.balance or one.nonce or one.code
            leaves[key] = rlp.encode([one.nonce, one.balance, storage_root, code_hash]) if there else b""
        self.root = _update(trie, leaves)
        self.store.hash(node for key, node in self.store.flush().items() if len(key) == len(self.root))

    def _storage(self, root: bytes, slots: Mapping[int, int]) -> bytes:
        """Return a contract's storage root after its slots were written."""
        changes = {
            keccak256(slot.to_bytes(32, "big")): rlp.encode(value) if value else b""
            for slot, value in slots.items()
        }
        return _update(HexaryTrie(self.store, root), changes) if changes else root


def _slot_value(encoded: bytes) -> int:
    return _number(rlp.decode(encoded)) if encoded else 0


def _update(trie: HexaryTrie, changes: Mapping[bytes, bytes]) -> bytes:
    """Write a trie's changes at once, an empty value removes; return the new root."""
    with trie.squash_changes() as batch:
        for key, value in changes.items():
            if value:
                batch[key] = value
            else:
                del batch[key]
    return trie.root_hash


def check_same(
    found: Mapping[str, Account | None], expected: Mapping[str, Account | None], number: int
) -> None:
    """Refuse to go on where a world does not hold what a block was executed on."""
    for address, one in expected.items():
        if found.get(address) != one:
            raise InputError(f"before block {number}, account {address} is {found.get(address)}, not {one}")
