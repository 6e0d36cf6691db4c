"""The same blocks on a flat world and on a trie world of the same size: counts, which repeat, and times.

The state is what the blocks touch, first values first, and random keys up to a given number: a quarter of them
accounts, the rest slots of the contracts that the blocks touch, in proportion to the slots that they touch there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import asdict

import numpy as np
import polars as pl
import rlp

from rollstate.dispute.keccak import keccak256
from rollstate.errors import InputError
from rollstate.execution.block_inputs import Account, State
from rollstate.flat_evm import hexary, worlds
from rollstate.flat_evm.blocks import ExecutedBlock, one_changed
from rollstate.flat_evm.worlds import BlockStore, FlatWorld, TrieWorld, World

ACCOUNT_SHARE = 0.25
"""Share of the random keys that are accounts."""
WORLDS = ("flat", "trie")
_SLOT_VALUE_BYTES = 16
# Different values of random keys; what they are does not matter, their keys differ.
_POOL = 256


def first_values(blocks: Sequence[ExecutedBlock]) -> State:
    """Return every account and slot that the blocks touch, with the value that the first of them found."""
    state: State = {}
    for block in blocks:
        for address, one in block.before.items():
            if one is None:
                continue
            held = state.setdefault(address, Account(one.balance, one.nonce, one.code))
            held.storage = {slot: v for slot, v in one.storage.items() if v} | held.storage
    return state


def load(
    blocks: Sequence[ExecutedBlock],
    keys: int,
    flat: MutableMapping[bytes, bytes],
    nodes: MutableMapping[bytes, bytes],
    rng: np.random.Generator,
) -> bytes:
    """Fill both stores with the same state of `keys` accounts and slots; return the trie's root.

    Raises
    ------
    InputError
        If the blocks touch more than that.
    """
    state = first_values(blocks)
    own = len(state) + sum(len(one.storage) for one in state.values())
    if own > keys:
        raise InputError(f"the blocks touch {own} keys, more than the {keys} of the state")
    more = keys - own
    contracts = [address for address, one in state.items() if one.storage]
    accounts = round(ACCOUNT_SHARE * more) if contracts else more
    weights = np.array([len(state[address].storage) for address in contracts], float)
    slots = list(rng.multinomial(more - accounts, weights / weights.sum())) if contracts else []
    extra = dict(zip(contracts, slots, strict=True))
    leaves = []
    for address, one in state.items():
        root = _storage(address, one.storage, int(extra.get(address, 0)), flat, nodes, rng)
        code_hash = keccak256(one.code) if one.code else worlds.EMPTY_CODE
        for store in (flat, nodes) if one.code else ():
            store[worlds.code_key(code_hash)] = one.code
        flat[worlds.address_key(address)] = rlp.encode([one.nonce, one.balance, code_hash])
        leaf = rlp.encode([one.nonce, one.balance, root, code_hash])
        leaves.append((keccak256(bytes.fromhex(address[2:])), leaf))
    names, hashed = _random_rows(accounts, 20, rng), _random_rows(accounts, 32, rng)
    pool = [_random_account(rng) for _ in range(_POOL)]
    for row, (name, key) in enumerate(zip(names, hashed, strict=True)):
        flat[b"a" + name], leaf = pool[row % _POOL]
        leaves.append((key, leaf))
    return _trie(leaves, nodes)


def _random_rows(count: int, size: int, rng: np.random.Generator) -> list[bytes]:
    """Return random byte strings of one size."""
    drawn = rng.bytes(count * size)
    return [drawn[at : at + size] for at in range(0, count * size, size)]


def _random_account(rng: np.random.Generator) -> tuple[bytes, bytes]:
    """Return an account without code, as the flat store holds it and as the trie does."""
    nonce, balance = int(rng.integers(1, 1000)), int(rng.integers(1, 2**62))
    leaf = rlp.encode([nonce, balance, hexary.EMPTY_ROOT, worlds.EMPTY_CODE])
    return rlp.encode([nonce, balance, worlds.EMPTY_CODE]), leaf


def _storage(
    address: str,
    storage: dict[int, int],
    extra: int,
    flat: MutableMapping[bytes, bytes],
    nodes: MutableMapping[bytes, bytes],
    rng: np.random.Generator,
) -> bytes:
    """Fill both stores with a contract's storage, random slots among it; return its root."""
    leaves = []
    for slot, value in storage.items():
        flat[worlds.slot_key(address, slot)] = value.to_bytes((value.bit_length() + 7) // 8, "big")
        leaves.append((keccak256(slot.to_bytes(32, "big")), rlp.encode(value)))
    head = b"s" + bytes.fromhex(address[2:])
    names, hashed = _random_rows(extra, 32, rng), _random_rows(extra, 32, rng)
    pool = [b"\1" + rng.bytes(_SLOT_VALUE_BYTES - 1) for _ in range(_POOL)]
    encoded = [rlp.encode(value) for value in pool]
    for row, (name, key) in enumerate(zip(names, hashed, strict=True)):
        flat[head + name] = pool[row % _POOL]
        leaves.append((key, encoded[row % _POOL]))
    return _trie(leaves, nodes)


def _trie(leaves: list[tuple[bytes, bytes]], nodes: MutableMapping[bytes, bytes]) -> bytes:
    """Put the nodes of a trie into a store; return its root."""
    built = hexary.of_leaves(leaves)
    for name, node in built.items():
        nodes[name] = node
    return built.root


def measure(
    blocks: Sequence[ExecutedBlock],
    flat: MutableMapping[bytes, bytes],
    nodes: MutableMapping[bytes, bytes],
    root: bytes,
    clock: Callable[[], float] = time.thread_time,
) -> tuple[pl.DataFrame, dict[str, World]]:
    """Run blocks on both worlds.

    Where consecutive blocks of the list are not neighbours in their chain, what differs is written before, uncounted.

    Parameters
    ----------
    blocks : sequence of ExecutedBlock
        What to run.
    flat, nodes : MutableMapping
        Databases that `load` has filled.
    root : bytes
        The trie's root.
    clock : callable
        What time is, see `worlds.BlockStore`.

    Returns
    -------
    frame : polars.DataFrame
        One row for each block and world: ``world``, ``block``, ``transactions``, ``gas``, ``read_keys``,
        ``written_keys``, the fields of `worlds.Tally`, ``state_seconds`` (all reading and writing, the bookkeeping of
        Python included), ``evm_seconds``.
    held : dict of str to World
        The worlds after the last block.

    Raises
    ------
    InputError
        If a world gives other values than those that the block was executed on.
    """
    held: dict[str, World] = {
        "flat": FlatWorld(BlockStore(flat, clock)),
        "trie": TrieWorld(BlockStore(nodes, clock), root),
    }
    rows = []
    for block in blocks:
        for name, world in held.items():
            _prepare(world, block)
            world.store.tally = worlds.Tally()
            started = clock()
            found = world.read(block.before)
            reading = clock() - started
            worlds.check_same(found, block.before, block.number)
            started = clock()
            world.write(found, block.after)
            writing = clock() - started
            rows.append(
                {
                    "world": name, "block": block.number, "transactions": block.transactions, "gas": block.gas,
                    "read_keys": block.read_keys, "written_keys": block.written_keys, **asdict(world.store.tally),
                    "state_seconds": reading + writing, "evm_seconds": block.evm_seconds,
                }
            )  # fmt: skip
    return pl.DataFrame(rows), held


def _prepare(world: World, block: ExecutedBlock) -> None:
    """Make a world hold what a block was executed on."""
    found = world.read(block.before)
    changes: State = {}
    for address, one in block.before.items():
        held, wanted = found[address], one or Account()
        known = held.storage if held else {}
        slots = {slot: value for slot, value in wanted.storage.items() if known.get(slot, 0) != value}
        if slots or one_changed(held, wanted):
            changes[address] = Account(wanted.balance, wanted.nonce, wanted.code, slots)
    world.store.forget()
    if changes:
        world.write(found, changes)
