"""Counts from the shape of small tries are those of py-trie's nodes, at every size that changes an RLP header."""

import numpy as np
import pytest
import rlp
from scipy import stats
from trie import HexaryTrie

from rollstate.dispute.keccak import keccak256
from rollstate.dispute.trie_shape import (
    Touched,
    TrieShape,
    difference_hashes,
    merged,
    permutations,
    random_keys,
    runs,
    zipf_rows,
)
from rollstate.errors import InputError


def nodes_on(trie, key):
    """Return the nodes on the path of a key, in RLP; none of them is embedded in its parent."""
    return [rlp.encode(node) for node in trie.get_proof(key)]


@pytest.mark.parametrize("value_bytes", [32, 55, 56, 255, 256, 400])
@pytest.mark.parametrize("count", [2, 17, 300])
def test_nodes_on_the_paths_are_those_of_py_trie(count, value_bytes):
    rng = np.random.default_rng(count)
    whole = sorted(rng.bytes(32) for _ in range(count))
    if count == 17:
        # Keys with the first four nibbles in common, all sixteen ways apart behind: an extension and a full branch.
        whole = [b"\x12\x34" + bytes([16 * i]) + rng.bytes(29) for i in range(16)] + [b"\x20" * 32]
    shape = TrieShape(np.array([int.from_bytes(key[:8], "big") for key in whole], np.uint64), value_bytes)
    trie = HexaryTrie({}, prune=False)
    for key in whole:
        trie[key] = rng.bytes(value_bytes)
    rows = rng.integers(0, count, 12)
    each = [node for row in rows for node in nodes_on(trie, whole[row])]
    for touched, nodes in (
        (shape.root_per_update(rows), each),
        (shape.root_per_batch(rows), list(set(each))),
    ):
        assert touched.nodes == len(nodes)
        assert touched.node_bytes == sum(map(len, nodes))
        assert touched.permutations == sum(len(node) // 136 + 1 for node in nodes)


def test_keys_that_part_at_the_last_nibble_that_is_looked_at_have_the_longest_extension():
    """Fifteen nibbles in common: eight bytes of path, one branch, and two leaves below it."""
    whole = [(0x0123456789ABCDE0 + i).to_bytes(8, "big") + bytes([i] * 24) for i in range(2)]
    trie = HexaryTrie({})
    for key in whole:
        trie[key] = key + b"\x09" * 45
    shape = TrieShape(np.array([0x0123456789ABCDE0, 0x0123456789ABCDE1], np.uint64))
    nodes = set(nodes_on(trie, whole[0])) | set(nodes_on(trie, whole[1]))
    touched = shape.root_per_batch(np.array([1, 0, 1]))
    assert touched.nodes == len(nodes) == 4
    assert touched.node_bytes == sum(map(len, nodes))


@pytest.mark.parametrize(("size", "wanted"), [(0, 1), (135, 1), (136, 2), (271, 2), (272, 3)])
def test_a_message_that_fills_its_last_block_is_padded_by_another(size, wanted):
    assert permutations(np.array([size])).tolist() == [wanted]
    assert len(keccak256(bytes(size))) == 32


def test_counts_add_up_kind_by_kind():
    assert Touched(1, 20, 300) + Touched(4, 50, 600) == Touched(5, 70, 900)


def test_random_keys_are_sorted_distinct_and_as_many_as_asked_for():
    keys = random_keys(500, np.random.default_rng(1))
    assert (keys.size, keys.dtype) == (500, np.uint64)
    assert (keys[1:] > keys[:-1]).all()
    # They fill the whole range evenly.
    assert stats.kstest(keys / 2.0**64, "uniform").pvalue > 1e-3


def test_values_of_32_bytes_are_long_enough():
    keys = random_keys(10, np.random.default_rng(0))
    assert TrieShape(keys, value_bytes=32).value_bytes == 32
    with pytest.raises(InputError, match="values of 31 bytes"):
        TrieShape(keys, value_bytes=31)
    # Two keys are enough for a trie: its root, and a leaf for each.
    assert TrieShape(np.array([1 << 60, 2 << 60], np.uint64)).root_per_batch(np.arange(2)).nodes == 3


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.5])
def test_rows_are_drawn_by_the_power_of_their_rank(exponent):
    """The commonest row comes as often as rank one should, and so on down; which row it is is left to chance."""
    rows = zipf_rows(40_000, 5, exponent, np.random.default_rng(2))
    counts = np.sort(np.bincount(rows, minlength=5))[::-1]
    weights = np.arange(1, 6) ** -exponent
    assert counts.size == 5
    assert stats.chisquare(counts, 40_000 * weights / weights.sum()).pvalue > 1e-4
    first = {int(np.bincount(zipf_rows(99, 5, 2.5, np.random.default_rng(i))).argmax()) for i in range(40)}
    assert first == {0, 1, 2, 3, 4}
    # Of one row there is no other.
    assert zipf_rows(3, 1, exponent, np.random.default_rng(1)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("depth", [1, 5, 62, 63, 70])
def test_hashes_of_a_difference_are_one_per_leaf_and_inner_node(depth):
    seen = min(depth, 62)
    keys = {int(key) for key in np.random.default_rng(7).integers(0, 1 << seen, 6)}
    nodes = sum(len({key >> level for key in keys}) for level in range(1, seen + 1))
    # Deeper than 62 bits each key has the rest of its path to itself.
    wanted = len(keys) + nodes + len(keys) * (depth - seen)
    assert difference_hashes(6, depth, np.random.default_rng(7)) == wanted


def test_merged_blocks_hash_the_union_of_their_paths():
    rng = np.random.default_rng(3)
    blocks = [random_keys(30, rng) for _ in range(3)]
    blocks[1][:10] = blocks[0][:10]
    texts = {f"{int(key):016x}" for block in blocks for key in block}
    for depth in (1, 3, 8):
        found = merged([*blocks], depth)
        assert found.leaves == len(texts)
        assert found.nodes == len({text[:level] for text in texts for level in range(depth + 1)})
    assert merged(blocks) == merged(blocks, 8)


@pytest.mark.parametrize(("length", "starts"), [(1, [0, 1, 2, 3, 4]), (2, [0, 2]), (4, [0]), (5, [0])])
def test_runs_are_disjoint_and_a_rest_is_left_out(length, starts):
    rng = np.random.default_rng(4)
    blocks = [random_keys(20, rng) for _ in range(5)]
    apart, together = runs(blocks, length)
    single = [[merged([block]).leaves, merged([block]).nodes] for block in blocks]
    assert apart.tolist() == [np.sum(single[i : i + length], axis=0).tolist() for i in starts]
    whole = [merged(blocks[i : i + length]) for i in starts]
    assert together.tolist() == [[one.leaves, one.nodes] for one in whole]
    for wrong in (0, 6):
        with pytest.raises(InputError, match=f"a run of {wrong} blocks does not fit into 5"):
            runs(blocks, wrong)
