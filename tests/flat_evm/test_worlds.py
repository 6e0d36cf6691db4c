"""Both worlds hold what the EVM left, the trie's root is the one of the state built anew, and what is counted is so."""

from itertools import pairwise

import numpy as np
import pytest
import rlp
from trie import HexaryTrie

from rollstate.dispute.keccak import keccak256
from rollstate.dispute.stores import LmdbStore
from rollstate.errors import InputError
from rollstate.execution import block_inputs
from rollstate.execution.block_inputs import Account
from rollstate.flat_evm import blocks, comparison, rebuild, worlds
from rollstate.flat_evm.worlds import BlockStore
from rollstate.traces import datasets
from rollstate.traces.live.workload import Workload

LOAD = Workload(blocks=4, users=12, rate=12.0, burst=12.0)


@pytest.fixture(scope="module")
def embedded():
    return blocks.embedded(LOAD)


def root_of(state):
    """Return the state root, key by key, from nothing but the definition."""
    trie = HexaryTrie({})
    for address, one in state.items():
        below = HexaryTrie({})
        for slot, value in one.storage.items():
            below[keccak256(slot.to_bytes(32, "big"))] = rlp.encode(value)
        leaf = [one.nonce, one.balance, below.root_hash, keccak256(one.code)]
        trie[keccak256(bytes.fromhex(address[2:]))] = rlp.encode(leaf)
    return trie.root_hash


def replayed(listed):
    state = comparison.first_values(listed)
    for block in listed:
        blocks.advance(state, block.after)
    return state


def own_keys(listed):
    state = comparison.first_values(listed)
    return len(state) + sum(len(one.storage) for one in state.values())


@pytest.mark.parametrize("stored", ["dict", "lmdb"])
def test_after_the_blocks_the_root_is_that_of_the_final_state_and_both_worlds_hold_it(
    embedded, tmp_path, stored
):
    (tmp_path / "flat").mkdir(), (tmp_path / "trie").mkdir()
    flat, nodes = ({}, {}) if stored == "dict" else map(LmdbStore, (tmp_path / "flat", tmp_path / "trie"))
    root = comparison.load(embedded, own_keys(embedded), flat, nodes, np.random.default_rng(1))
    assert root == root_of(comparison.first_values(embedded))
    _, held = comparison.measure(embedded, flat, nodes, root)
    final = replayed(embedded)
    assert held["trie"].root == root_of(final)
    every = {a: Account(storage=dict(one.storage)) for a, one in final.items()}
    assert held["flat"].read(every) == held["trie"].read(every) == final
    # Whoever keeps the flat state alone can make the root when it is asked for.
    assert rebuild.state_root((key, flat[key]) for key in sorted(flat)) == held["trie"].root
    if stored == "lmdb":
        flat.close(), nodes.close()


def test_neighbouring_blocks_need_nothing_written_between_them(embedded):
    state = comparison.first_values(embedded[:1])
    for earlier, later in pairwise(embedded):
        blocks.advance(state, earlier.after)
        for address, one in later.before.items():
            if one is not None and address in state:
                assert (one.balance, one.nonce) == (state[address].balance, state[address].nonce)


def test_the_workload_moves_tokens_and_pays_fees(embedded):
    assert sum(block.transactions for block in embedded) > 20
    assert all(block.gas > 21_000 * block.transactions for block in embedded)
    assert any(one.storage for block in embedded for one in block.after.values())
    paid = sum((block.before[blocks._MINER] or Account()).balance for block in embedded[-1:])
    assert paid > 0


def test_a_flat_world_reads_each_key_once_and_a_trie_a_path_of_each(embedded):
    flat, nodes = {}, {}
    root = comparison.load(embedded, 4_000, flat, nodes, np.random.default_rng(1))
    assert len([key for key in flat if key[:1] != b"c"]) == 4_000
    frame, _ = comparison.measure(embedded, flat, nodes, root)
    codes = [len({one.code for one in b.before.values() if one and one.code}) for b in embedded]
    flat_rows, trie_rows = (frame.filter(world=name) for name in comparison.WORLDS)
    assert flat_rows["reads"].to_list() == [
        block.read_keys + code for block, code in zip(embedded, codes, strict=True)
    ]
    for block, writes in zip(embedded, flat_rows["writes"], strict=True):
        created = {one.code for a, one in block.after.items() if one.code and not block.before[a]}
        assert writes == block.written_keys + len(created)
    assert (trie_rows["reads"] > flat_rows["reads"]).all()
    assert (trie_rows["permutations"] > 4 * flat_rows["permutations"]).all()


def test_blocks_hold_their_keys_in_one_order(embedded):
    for block in embedded:
        for state in (block.before, block.after):
            assert list(state) == sorted(state)
            assert all(list(one.storage) == sorted(one.storage) for one in state.values() if one)


def test_counts_repeat(embedded):
    frames = []
    for _ in range(2):
        flat, nodes = {}, {}
        root = comparison.load(embedded, 2_000, flat, nodes, np.random.default_rng(3))
        frame, _ = comparison.measure(embedded, flat, nodes, root)
        frames.append(frame.select(counts_of(frame)))
    assert frames[0].equals(frames[1])


def counts_of(frame):
    return [name for name in frame.columns if not name.endswith("seconds")]


def test_an_account_that_is_emptied_leaves_both_worlds():
    gone, rich, slots = "0x" + "aa" * 20, "0x" + "bb" * 20, "0x" + "cc" * 20
    before = {gone: Account(5, 1), rich: Account(9, 2), slots: Account(0, 1, b"\1", {3: 4, 5: 6, 7: 0})}
    after = {gone: Account(), slots: Account(0, 1, b"\1", {3: 0, 7: 8})}
    block = blocks.ExecutedBlock(1, 1, 21_000, before, after, 0.0)
    flat, nodes = {}, {}
    root = comparison.load([block], 5, flat, nodes, np.random.default_rng(1))
    _, held = comparison.measure([block], flat, nodes, root)
    left = {rich: Account(9, 2), slots: Account(0, 1, b"\1", {5: 6, 7: 8})}
    assert held["trie"].root == root_of(left)
    assert worlds.address_key(gone) not in flat
    assert worlds.slot_key(slots, 3) not in flat
    assert held["flat"].read({gone: None}) == held["trie"].read({gone: None}) == {gone: None}


def test_a_world_that_holds_something_else_stops_the_run():
    with pytest.raises(InputError, match="before block 7, account 0xa"):
        worlds.check_same({"0xa": Account(1)}, {"0xa": Account(2)}, 7)


def test_a_state_smaller_than_what_blocks_touch_is_refused(embedded):
    with pytest.raises(InputError, match="more than the 10 of the state"):
        comparison.load(embedded, 10, {}, {}, np.random.default_rng(1))


def test_a_store_asks_once_in_a_block_and_forgets_at_its_end():
    store = BlockStore({b"a": b"1"})
    assert store[b"a"] == b"1"
    assert store.get(b"a") == b"1"
    assert store.get(b"absent") is None
    assert (store.tally.reads, store.tally.bytes_read) == (2, 1 + 1 + 6)
    store[b"b"], store[b"c"] = b"22", b"3"
    del store[b"a"], store[b"c"]
    assert store.flush() == {b"b": b"22"}
    assert store.inner == {b"b": b"22"}
    assert (store.tally.writes, store.tally.bytes_written) == (3, 1 + 3 + 1)
    assert store.get(b"a") is None
    assert store.tally.reads == 3


def test_a_folder_without_blocks_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no block"):
        blocks.published(tmp_path)


@pytest.mark.real_data
def test_published_blocks_end_in_the_root_of_their_final_state(data_dir):
    folder = datasets.locate("pevm-blocks")
    listed = [blocks.execute(*block_inputs.read_folder(folder / name)) for name in ("19426587", "19923400")]
    flat, nodes = {}, {}
    root = comparison.load(listed, own_keys(listed), flat, nodes, np.random.default_rng(1))
    _, held = comparison.measure(listed, flat, nodes, root)
    final = comparison.first_values(listed)
    blocks.advance(final, listed[0].after)
    for address, one in listed[1].before.items():
        wanted = one or Account()
        blocks.advance(final, {address: wanted})
    blocks.advance(final, listed[1].after)
    assert held["trie"].root == root_of(final)
