"""Hashes, trees and differences, against slow definitions."""

import pytest
from Crypto.Hash import keccak as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.needs import examples

from rollstate.dispute import commitment as c
from rollstate.dispute.keccak import keccak256
from rollstate.errors import InputError

states = st.dictionaries(st.integers(0, 255), st.integers(1, 2**128 - 1), max_size=12)


@given(st.binary(max_size=600))
def test_keccak_equals_an_independent_implementation(data):
    assert keccak256(data) == reference.new(digest_bits=256, data=data).digest()


def naive_root(state, depth, prefix=0):
    """Hash the whole tree by its definition."""
    if depth == 0:
        return c.leaf_hash(prefix, state.get(prefix, 0))
    left = naive_root(state, depth - 1, 2 * prefix)
    right = naive_root(state, depth - 1, 2 * prefix + 1)
    return c.ZERO if left == right == c.ZERO else keccak256(left + right)


@given(states)
@settings(max_examples=examples(25))
def test_root_is_that_of_the_whole_tree(state):
    assert c.SparseMerkleTree(8).build(state) == naive_root(state, 8)


@given(states, st.randoms())
def test_root_does_not_depend_on_order_or_history(state, rng):
    tree = c.SparseMerkleTree(8)
    items = list(state.items())
    rng.shuffle(items)
    detour = tree.update(c.ZERO, [(7, 3), (9, 4)])
    root = tree.update(detour, [(7, 0), (9, 0), *items])
    assert root == tree.build(state)


@given(states, st.integers(0, 255), st.integers(0, 2**128 - 1))
def test_a_path_proves_the_held_value_and_no_other(state, key, other):
    tree = c.SparseMerkleTree(8)
    root = tree.build(state)
    path = tree.prove(root, key)
    held = state.get(key, 0)
    assert c.path_root(key, c.leaf_hash(key, held), path, 8) == root
    if other != held:
        assert c.path_root(key, c.leaf_hash(key, other), path, 8) != root


@given(states, states)
def test_difference_and_its_application_are_inverse(before, after):
    delta = c.difference(before, after)
    assert c.apply_difference(before, delta) == after
    assert all(before.get(key, 0) != after.get(key, 0) for key in delta)
    tree = c.SparseMerkleTree(8)
    assert tree.build(delta) == tree.build(dict(reversed(delta.items())))


@given(states, states)
def test_differences_that_differ_hash_differently(one, two):
    tree = c.SparseMerkleTree(8)
    base = {1: 5}
    same = c.difference(base, one) == c.difference(base, two)
    assert (tree.build(c.difference(base, one)) == tree.build(c.difference(base, two))) == same


def test_a_deletion_is_a_tombstone_and_a_return_to_the_old_value_is_nothing():
    assert c.difference({1: 5, 2: 6}, {2: 6}) == {1: c.TOMBSTONE}
    assert c.difference({1: 5}, {1: 5}) == {}
    # A value of 0 or 1 cannot be confused with a tombstone or with no change.
    assert c.encode_change(0, 1) == 3


def test_the_list_hash_is_free_of_order_too():
    assert c.difference_list_hash({1: 2, 3: 4}) == c.difference_list_hash({3: 4, 1: 2})
    assert c.difference_list_hash({1: 2}) != c.difference_list_hash({1: 3})


@pytest.mark.parametrize("depth", [1, 32, 64, 256])
def test_trees_of_every_depth_prove_their_last_key(depth):
    tree, key = c.SparseMerkleTree(depth), (1 << depth) - 1
    root = tree.build({key: 1, 0: 2})
    assert c.path_root(key, c.leaf_hash(key, 1), tree.prove(root, key), depth) == root


@pytest.mark.parametrize("depth", [0, 257])
def test_an_impossible_depth_is_refused(depth):
    with pytest.raises(InputError, match=r"outside 1\.\.256"):
        c.SparseMerkleTree(depth)


def test_a_key_out_of_range_and_an_unknown_root_are_refused():
    tree = c.SparseMerkleTree(8)
    with pytest.raises(InputError, match="does not fit"):
        tree.build({256: 1})
    with pytest.raises(InputError, match="unknown root"):
        tree.prove(b"\1" * 32, 0)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (c.Path(1 << 8, (b"\1" * 32,)), "beyond"),
        (c.Path(3, (b"\1" * 32,)), "do not match"),
        (c.Path(1, (b"\1" * 32,) * 2), "more siblings"),
    ],
)
def test_a_malformed_path_is_refused(path, reason):
    with pytest.raises(InputError, match=reason):
        c.path_root(0, c.ZERO, path, 8)
