"""Flat and Merkle Patricia execution agree; counts of the trie's shape equal py-trie's; proofs of real chains."""

import copy
import json
import random

import numpy as np
import pytest
import rlp
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.needs import examples
from trie import HexaryTrie

from rollstate.dispute import patricia
from rollstate.dispute.commitment import SparseMerkleTree, difference
from rollstate.dispute.executors import FlatState, TrieState, load, run_batch
from rollstate.dispute.keccak import keccak256
from rollstate.dispute.matches import random_transactions
from rollstate.dispute.packed_tree import PackedTree
from rollstate.dispute.stores import CountingStore, Counts, open_store
from rollstate.dispute.transition import execute
from rollstate.dispute.trie_shape import TrieShape, difference_hashes, merged, random_keys, runs
from rollstate.errors import InputError

DEPTH = 16


@pytest.mark.parametrize("kind", ["dict", "lmdb", "rocksdict"])
@pytest.mark.parametrize("form", [FlatState, TrieState])
def test_every_executor_ends_in_the_same_states_and_differences(tmp_path, kind, form):
    rng = random.Random(3)
    keys = rng.sample(range(1 << DEPTH), 8)
    genesis = {key: rng.randint(1, 20) for key in keys[:6]}
    store = open_store(kind, tmp_path)
    state = form(store)
    load(state, genesis)
    expected = dict(genesis)
    for batch in random_transactions(rng, keys, 12, 6):
        before = expected
        expected = execute(before, batch, DEPTH)
        assert run_batch(state, batch, DEPTH) == difference(before, expected)
        assert dict(state) == expected
        if kind != "dict":
            store.commit()
    if form is TrieState:
        again = TrieState({})
        load(again, expected)
        assert state.trie.root_hash == again.trie.root_hash
    if kind != "dict":
        store.close()


@pytest.mark.parametrize("kind", ["lmdb", "rocksdict"])
def test_a_store_keeps_what_it_was_told_and_refuses_what_it_lacks(tmp_path, kind):
    store = open_store(kind, tmp_path)
    store[b"a"], store[b"b"] = b"1", b"2"
    del store[b"a"]
    store.commit()
    store.close()
    store = open_store(kind, tmp_path)
    assert dict(store) == {b"b": b"2"}
    assert len(store) == 1
    with pytest.raises(KeyError):
        store[b"a"]
    with pytest.raises(KeyError):
        del store[b"a"]
    store.close()


def test_an_unknown_store_is_refused(tmp_path):
    with pytest.raises(InputError, match="unknown store 'leveldb'"):
        open_store("leveldb", tmp_path)


class Sizes(dict):
    """A store that remembers the size of every value written."""

    def __init__(self):
        super().__init__()
        self.written = []

    def __setitem__(self, key, value):
        self.written.append(len(value))
        super().__setitem__(key, value)

    def permutations(self):
        """Keccak absorbs 136 bytes at a time; a message that fills its last block is padded by another one."""
        return sum(size // 136 + 1 for size in self.written)


@pytest.mark.parametrize("count", [2, 50, 1000, 5000])
def test_counts_from_the_shape_equal_those_of_py_trie(count):
    rng = np.random.default_rng(count)
    whole = sorted(rng.bytes(32) for _ in range(count))
    shape = TrieShape(np.array([int.from_bytes(key[:8], "big") for key in whole], np.uint64))
    db = CountingStore(Sizes())
    trie = HexaryTrie(db)
    with trie.squash_changes() as batch:
        for key in whole:
            batch[key] = rng.bytes(77)
    rows = rng.integers(0, count, 200)
    db.counts, db.inner.written = Counts(), []
    for row in rows:
        trie[whole[row]] = rng.bytes(77)
    touched = shape.root_per_update(rows)
    assert db.counts.reads == db.counts.writes == touched.nodes
    assert db.counts.bytes_written == touched.node_bytes + 32 * touched.nodes
    assert db.inner.permutations() == touched.permutations
    db.counts, db.inner.written = Counts(), []
    with trie.squash_changes() as batch:
        for row in rows:
            batch[whole[row]] = rng.bytes(77)
    touched = shape.root_per_batch(rows)
    # py-trie stores the root once more when it leaves the batch.
    assert db.counts.writes == touched.nodes + 1
    assert db.inner.permutations() == touched.permutations + len(db[trie.root_hash]) // 136 + 1
    root = len(db[trie.root_hash]) + 32
    assert db.counts.bytes_written == touched.node_bytes + 32 * touched.nodes + root


def test_extensions_are_counted():
    rng = np.random.default_rng(0)
    whole = sorted(b"\x12\x34" + bytes([i * 16, 5, i]) + rng.bytes(27) for i in range(4))
    whole += sorted(b"\x12\x34\xf0\x77\x77" + bytes([i]) + rng.bytes(26) for i in (1, 2))
    shape = TrieShape(np.array([int.from_bytes(key[:8], "big") for key in whole], np.uint64))
    db = CountingStore({})
    trie = HexaryTrie(db)
    for key in whole:
        trie[key] = rng.bytes(77)
    db.counts = Counts()
    for key in whole:
        trie[key] = rng.bytes(77)
    touched = shape.root_per_update(np.arange(6))
    assert (db.counts.writes, db.counts.bytes_written) == (
        touched.nodes,
        touched.node_bytes + 32 * touched.nodes,
    )


@pytest.mark.parametrize("keys", [[3, 1], [1, 1], [1]])
def test_a_shape_of_unsorted_or_too_few_keys_is_refused(keys):
    with pytest.raises(InputError, match="sorted and distinct"):
        TrieShape(np.array(keys, np.uint64))


def test_values_that_may_be_embedded_are_refused():
    with pytest.raises(InputError, match="embed"):
        TrieShape(random_keys(10, np.random.default_rng(0)), value_bytes=31)


def test_hashes_of_a_difference_are_counted_as_the_tree_makes_them():
    rng = np.random.default_rng(4)
    keys = np.unique(np.random.default_rng(4).integers(0, 1 << 16, 50))
    tree = SparseMerkleTree(16)
    tree.build({int(key): 1 for key in keys})
    nodes = {}
    for level in range(1, 17):
        nodes[level] = np.unique(keys >> level).size
    assert difference_hashes(50, 16, rng) == keys.size + sum(nodes.values())


def test_merging_blocks_counts_shared_nodes_once():
    one = np.array([0x1234 << 48, 0x1235 << 48], np.uint64)
    two = np.array([0x1234 << 48], np.uint64)
    apart = merged([one], 4), merged([two], 4)
    together = merged([one, two], 4)
    assert (apart[0].nodes, apart[1].nodes) == (6, 5)
    assert (together.leaves, together.nodes) == (2, 6)


def test_runs_add_up_and_leave_a_rest_out():
    rng = np.random.default_rng(3)
    blocks = [random_keys(20, rng) for _ in range(5)]
    apart, together = runs(blocks, 2)
    assert apart.tolist() == [
        [sum(merged([b]).leaves for b in part), sum(merged([b]).nodes for b in part)]
        for part in (blocks[:2], blocks[2:4])
    ]
    assert together.tolist() == [
        [merged(part).leaves, merged(part).nodes] for part in (blocks[:2], blocks[2:4])
    ]
    assert (together <= apart).all()
    with pytest.raises(InputError, match="a run of 6 blocks"):
        runs(blocks, 6)


@given(st.dictionaries(st.integers(0, 2**12 - 1), st.integers(0, 2**64 - 1), min_size=1), st.randoms())
@settings(max_examples=examples(40))
def test_the_packed_tree_has_the_root_of_the_plain_one(state, rng):
    keys = np.array(sorted(state), np.uint64)
    values = np.array([state[int(key)] for key in keys], np.uint64)
    packed, plain = PackedTree(keys, values, 12), SparseMerkleTree(12)
    root = plain.build(state)
    assert packed.root == root
    changes = [(rng.choice(list(state)), rng.choice((0, 1, 7))) for _ in range(10)]
    changed = packed.update(
        np.array([key for key, _ in changes], np.uint64), np.array([value for _, value in changes], np.uint64)
    )
    assert changed == plain.update(root, changes)


def test_the_packed_tree_refuses_what_it_cannot_hold():
    two = np.array([1, 5], np.uint64)
    with pytest.raises(InputError, match="not in the tree"):
        PackedTree(two, two, 8).update(np.array([2], np.uint64), np.array([1], np.uint64))
    with pytest.raises(InputError, match="below"):
        PackedTree(two, two, 2)
    with pytest.raises(InputError, match="1 to 64 levels"):
        PackedTree(two, two, 65)


def hashed_nodes(proof):
    """Drop embedded nodes, which py-trie lists too: a strict reader takes those from their parents."""
    encoded = [rlp.encode(node) for node in proof]
    return [node for i, node in enumerate(encoded) if i == 0 or len(node) >= 32]


def as_bytes(text):
    return bytes.fromhex(text[2:]) if text.startswith("0x") else text.encode()


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["trietest", "trieanyorder"])
def test_public_trie_vectors(data_dir, name):
    vectors = json.loads((data_dir / "ethtests" / f"{name}.json").read_text())
    assert vectors
    for vector in vectors.values():
        pairs = vector["in"].items() if isinstance(vector["in"], dict) else vector["in"]
        trie, held = HexaryTrie({}), {}
        for key, value in pairs:
            if value is None:
                del trie[as_bytes(key)]
                held.pop(as_bytes(key), None)
            else:
                trie[as_bytes(key)] = held[as_bytes(key)] = as_bytes(value)
        assert trie.root_hash.hex() == vector["root"][2:]
        # Our strict reader finds every value under the published root, and nothing under absent keys.
        for key in [*held, b"absent", b"do", b"dog", b"dogglesworth"]:
            assert patricia.proven_value(trie.root_hash, key, hashed_nodes(trie.get_proof(key))) == held.get(
                key, b""
            )


def from_json(item):
    if isinstance(item, list):
        return [from_json(part) for part in item]
    if isinstance(item, int):
        return item
    return int(item[1:]) if item.startswith("#") else item.encode()


@pytest.mark.real_data
def test_public_rlp_vectors(data_dir):
    vectors = json.loads((data_dir / "ethtests" / "rlptest.json").read_text())
    assert len(vectors) == 28
    for vector in vectors.values():
        assert rlp.encode(from_json(vector["in"])).hex() == vector["out"][2:]


def test_an_absent_account_holds_nothing():
    """No transaction, no balance, an empty trie and no code, whose hashes every client knows."""
    empty_trie, no_code = keccak256(rlp.encode(b"")), keccak256(b"")
    assert patricia.ABSENT.encode() == rlp.encode([b"", b"", empty_trie, no_code])


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["test_21", "test_22"])
def test_real_account_proofs_hold_and_break_with_any_node(data_dir, name):
    answer = json.loads((data_dir / "proofs" / f"{name}.json").read_text())[0]["response"]["result"]
    root = keccak256(bytes.fromhex(answer["accountProof"][0][2:]))
    account = patricia.verify_account(answer, root)
    assert account.balance == int(answer["balance"], 16)
    assert (account == patricia.ABSENT) == (answer["nonce"] == answer["balance"] == "0x0")
    # py-trie reads the same leaf.
    nodes = [rlp.decode(bytes.fromhex(node[2:])) for node in answer["accountProof"]]
    key = keccak256(bytes.fromhex(answer["address"][2:]))
    leaf = HexaryTrie.get_from_proof(root, key, nodes)
    assert leaf == (b"" if account == patricia.ABSENT else account.encode())
    for level in range(len(nodes)):
        broken = copy.deepcopy(answer)
        broken["accountProof"][level] = broken["accountProof"][level][:-2] + "00"
        with pytest.raises(InputError, match="hashes to"):
            patricia.verify_account(broken, root)
    short, long, lying = (copy.deepcopy(answer) for _ in range(3))
    short["accountProof"].pop()
    long["accountProof"].append("0xc0")
    lying["balance"] = hex(int(answer["balance"], 16) + 1)
    for bad, reason in ((short, "ends before"), (long, "more than it needs"), (lying, "the answer")):
        with pytest.raises(InputError, match=reason):
            patricia.verify_account(bad, root)


def test_a_storage_proof_holds_and_its_value_is_checked():
    slots = {i: i * 1000 + 1 for i in range(40)}
    storage, state = HexaryTrie({}), HexaryTrie({})
    for slot, value in slots.items():
        storage[keccak256(slot.to_bytes(32, "big"))] = rlp.encode(value)
    account = patricia.Account(3, 10**18, storage.root_hash, patricia.EMPTY_CODE)
    address = b"\x11" * 20
    for other in range(30):
        state[keccak256(bytes([other]) * 20)] = patricia.ABSENT.encode()
    state[keccak256(address)] = account.encode()

    def hexed(trie, key):
        return ["0x" + rlp.encode(node).hex() for node in trie.get_proof(keccak256(key))]

    answer = {
        "address": "0x" + address.hex(),
        "nonce": "0x3",
        "balance": hex(10**18),
        "storageHash": "0x" + storage.root_hash.hex(),
        "codeHash": "0x" + patricia.EMPTY_CODE.hex(),
        "accountProof": hexed(state, address),
        "storageProof": [
            {
                "key": hex(slot),
                "value": hex(slots.get(slot, 0)),
                "proof": hexed(storage, slot.to_bytes(32, "big")),
            }
            for slot in (0, 7, 39, 999)
        ],
    }
    assert patricia.verify_account(answer, state.root_hash) == account
    answer["storageProof"][1]["value"] = "0x1"
    with pytest.raises(InputError, match="slot 0x7"):
        patricia.verify_account(answer, state.root_hash)


@given(
    st.dictionaries(st.binary(min_size=1, max_size=4), st.binary(min_size=1, max_size=40)),
    st.binary(max_size=4),
)
def test_strict_proofs_agree_with_py_trie_on_any_trie(held, key):
    trie = HexaryTrie({})
    for name, value in held.items():
        trie[name] = value
    for asked in [*held, key or b"\0"]:
        proof = trie.get_proof(asked)
        found = patricia.proven_value(trie.root_hash, asked, hashed_nodes(proof))
        assert found == held.get(asked, b"") == HexaryTrie.get_from_proof(trie.root_hash, asked, proof)


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        ([b"", b"", b""], "neither 2 nor 17"),
        ([b"\x40", b"x" * 40], "no hex-prefix"),
        ([b"\x05", b"x" * 40], "pads"),
        ([[b"\x36"], b"x" * 40], "list where its path"),
        ([b"\x20k", [b"x" * 40]], "list where its value"),
        ([b"\x00", b"x" * 32], "has no path"),
        ([b"\x16", b""], "leads nowhere"),
        ([b"\x16", b"x" * 31], "no reference"),
        ([b"\x16", [b"\x20", b"x" * 40]], "as long as its hash"),
        ([b"\x16", [b"\x3b", b"x" * 29]], "as long as its hash"),
        ([[b"", b"x"]] * 17, "no hex-prefix"),
    ],
)
def test_malformed_nodes_are_refused(node, reason):
    encoded = rlp.encode(node)
    with pytest.raises(InputError, match=reason):
        patricia.proven_value(keccak256(encoded), b"k", [encoded])


items = st.recursive(
    st.binary(max_size=33),
    lambda inner: st.lists(inner, max_size=3) | st.lists(inner, min_size=17, max_size=17),
)


@given(items, st.binary(max_size=2))
def test_any_node_gives_bytes_or_an_input_error(node, key):
    encoded = rlp.encode(node)
    try:
        found = patricia.proven_value(keccak256(encoded), key, [encoded])
    except InputError:
        return
    assert isinstance(found, bytes)


def test_an_absent_account_has_no_storage():
    state = HexaryTrie({})
    state[keccak256(b"\1" * 20)] = patricia.ABSENT.encode()
    address = b"\2" * 20
    nodes = ["0x" + rlp.encode(node).hex() for node in state.get_proof(keccak256(address))]
    answer = {
        "address": "0x" + address.hex(), "nonce": "0x0", "balance": "0x0", "storageHash": "0x" + "00" * 32,
        "codeHash": "0x" + "00" * 32, "accountProof": nodes,
        "storageProof": [{"key": "0x0", "value": "0x0", "proof": []}],
    }  # fmt: skip
    assert patricia.verify_account(answer, state.root_hash) == patricia.ABSENT
    for value, proof, reason in (("0xdeadbeef", [], "slot 0x0"), ("0x0", ["0xc0"], "empty trie")):
        answer["storageProof"] = [{"key": "0x0", "value": value, "proof": proof}]
        with pytest.raises(InputError, match=reason):
            patricia.verify_account(answer, state.root_hash)


def test_a_storage_leaf_that_is_no_number_is_refused():
    storage, state, address = HexaryTrie({}), HexaryTrie({}), b"\3" * 20
    storage[keccak256(bytes(32))] = rlp.encode([b"a"])
    account = patricia.Account(1, 1, storage.root_hash, patricia.EMPTY_CODE)
    state[keccak256(address)] = account.encode()

    def nodes(trie, key):
        return ["0x" + rlp.encode(node).hex() for node in trie.get_proof(keccak256(key))]

    answer = {
        "address": "0x" + address.hex(), "nonce": "0x1", "balance": "0x1",
        "storageHash": "0x" + storage.root_hash.hex(), "codeHash": "0x" + patricia.EMPTY_CODE.hex(),
        "accountProof": nodes(state, address),
        "storageProof": [{"key": "0x0", "value": "0x1", "proof": nodes(storage, bytes(32))}],
    }  # fmt: skip
    with pytest.raises(InputError, match="no RLP number"):
        patricia.verify_account(answer, state.root_hash)


def test_bytes_that_are_not_rlp_are_refused():
    with pytest.raises(InputError, match="not RLP"):
        patricia.proven_value(keccak256(b"\xff"), b"k", [b"\xff"])


def test_an_empty_child_proves_absence_and_a_branch_may_hold_a_value_itself():
    """A branch with one leaf under nibble 6: any other nibble leads nowhere, and nothing more may be given."""
    leaf = rlp.encode([b"\x3b", b"x" * 40])
    branch = rlp.encode([b"", b"", b"", b"", b"", b"", keccak256(leaf), *[b""] * 9, b"own"])
    root = keccak256(branch)
    assert patricia.proven_value(root, b"\x6b", [branch, leaf]) == b"x" * 40
    for absent in (b"\x0b", b"\x5b", b"\x7b", b"\xfb"):
        assert patricia.proven_value(root, absent, [branch]) == b""
        with pytest.raises(InputError, match="1 nodes more"):
            patricia.proven_value(root, absent, [branch, leaf])
    assert patricia.proven_value(root, b"", [branch]) == b"own"
    with pytest.raises(InputError, match="the proof ends before"):
        patricia.proven_value(root, b"\x6b", [branch])


@pytest.mark.parametrize("kind", ["lmdb", "rocksdict"])
def test_a_store_can_be_written_after_a_commit(tmp_path, kind):
    store = open_store(kind, tmp_path)
    store[b"a"] = b"1"
    store.commit()
    store[b"b"] = b"2"
    assert dict(store) == {b"a": b"1", b"b": b"2"}
    store.commit()
    del store[b"a"]
    store.close()
    store = open_store(kind, tmp_path)
    assert dict(store) == {b"b": b"2"}
    store.close()


def test_a_store_is_asked_and_counted_by_number_and_by_bytes():
    store = CountingStore({})
    store[b"ab"] = b"xyz"
    store[b"c"] = b""
    assert (store[b"ab"], b"d" in store) == (b"xyz", False)
    assert store.counts == Counts(reads=1, writes=2, bytes_read=5, bytes_written=6)
    del store[b"c"]
    assert (list(store), len(store)) == ([b"ab"], 1)


def test_a_node_of_31_bytes_is_embedded():
    encoded = rlp.encode([b"\x16", [b"\x3b", b"x" * 28]])
    assert patricia.proven_value(keccak256(encoded), b"k", [encoded]) == b"x" * 28
