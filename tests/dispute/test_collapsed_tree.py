"""The collapsed tree is what its definition says, proves presence and absence, and nothing else."""

from dataclasses import replace

import pytest
from eth_hash.auto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.needs import examples

from rollstate.dispute.collapsed_tree import (
    BITS,
    CollapsedPath,
    CollapsedTree,
    branch_hash,
    proven,
    root_after,
)
from rollstate.dispute.commitment import ZERO, leaf_hash
from rollstate.errors import InputError

# Keys that share long prefixes, long suffixes, or nothing.
KEYS = st.one_of(
    st.integers(0, 7),
    st.integers(0, 7).map(lambda n: n << (BITS - 3)),
    st.integers(0, 3).map(lambda n: (1 << 200) | n << 100),
    st.integers(0, 2**BITS - 1),
)
VALUES = st.one_of(st.integers(1, 3), st.integers(1, 2**BITS - 1))
STATES = st.dictionaries(KEYS, VALUES, max_size=12)


def definition(state, bit=0):
    """Return the root bit by bit: a level at which all keys go one way is not there."""
    if not state:
        return bytes(32)
    if len(state) == 1:
        ((key, value),) = state.items()
        return keccak(key.to_bytes(32, "big") + value.to_bytes(32, "big"))
    text = {key: f"{key:0256b}" for key in state}
    left = {key: value for key, value in state.items() if text[key][bit] == "0"}
    right = {key: value for key, value in state.items() if text[key][bit] == "1"}
    if not left or not right:
        return definition(state, bit + 1)
    return keccak(bit.to_bytes(32, "big") + definition(left, bit + 1) + definition(right, bit + 1))


@given(STATES)
def test_the_root_is_that_of_the_definition_at_two_hashes_an_entry(state):
    tree = CollapsedTree()
    assert tree.build(state) == definition(state)
    assert tree.hashes == max(2 * len(state) - 1, 0)


@given(STATES, st.lists(st.tuples(KEYS, st.just(0) | VALUES), max_size=8))
@settings(max_examples=examples(60))
def test_every_way_of_writing_leads_to_the_root_of_the_state(state, changes):
    tree = CollapsedTree()
    root, held = tree.build(state), dict(state)
    for key, value in changes:
        from_path = root_after(root, key, value, tree.prove(root, key))
        root = tree.update(root, [(key, value)])
        held[key] = value
        held = {one: kept for one, kept in held.items() if kept}
        assert root == from_path == definition(held)
        assert proven(root, key, tree.prove(root, key)) == value


@given(STATES, KEYS)
def test_presence_and_absence_are_proven(state, key):
    tree = CollapsedTree()
    root = tree.build(state)
    for asked in (*state, key):
        assert proven(root, asked, tree.prove(root, asked)) == state.get(asked, 0)


@given(STATES.filter(lambda state: len(state) > 1), KEYS, st.data())
def test_a_path_that_is_altered_proves_nothing(state, key, data):
    tree = CollapsedTree()
    root = tree.build(state)
    path = tree.prove(root, key)
    row = data.draw(st.integers(0, len(path.bits) - 1)) if path.bits else 0
    held, value = path.leaf
    other = data.draw(st.sampled_from(sorted(state)))
    bad = [
        replace(path, leaf=(held, value + 1 if value + 1 < 2**BITS else value - 1)),
        replace(path, leaf=None),
    ]
    if other != held:
        bad.append(replace(path, leaf=(other, state[other])))
    if path.bits:
        bad += [
            replace(path, bits=path.bits[:-1], siblings=path.siblings[:-1]),
            replace(path, bits=path.bits[:-1]),
            replace(
                path, siblings=(*path.siblings[:row], keccak(path.siblings[row]), *path.siblings[row + 1 :])
            ),
            replace(path, bits=(*path.bits[:row], path.bits[row] ^ 1, *path.bits[row + 1 :])),
        ]
    for one in bad:
        if one.leaf and not 0 < one.leaf[1] < 2**BITS:
            continue
        with pytest.raises(InputError):
            proven(root, key, one)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (CollapsedPath((1, 1), (3, 3), (b"\1" * 32,) * 2), "do not ascend"),
        (CollapsedPath((1, 1), (256,), (b"\1" * 32,)), "outside 0..255"),
        (CollapsedPath((1, 1), (3,), ()), "1 branches have 0 siblings"),
        (CollapsedPath((1, 1), (3,), (ZERO,)), "empty or no hash"),
        (CollapsedPath((1, 0), (), ()), "no value"),
        (CollapsedPath((1 << 255, 1), (0,), (b"\1" * 32,)), "another way"),
        (CollapsedPath((1, 1), (), ()), "does not lead"),
        (CollapsedPath(None, (), ()), "without a leaf"),
    ],
)
def test_a_malformed_path_is_refused_with_its_reason(path, reason):
    with pytest.raises(InputError, match=reason):
        proven(leaf_hash(1, 2), 1, path)


def test_a_badly_formed_tree_still_shows_one_value_of_a_key():
    # Key 1 on both sides of bit 0: its bits lead to the left one only.
    twice = branch_hash(0, leaf_hash(1, 5), leaf_hash(1, 6))
    right = CollapsedPath((1, 5), (0,), (leaf_hash(1, 6),))
    wrong = CollapsedPath((1, 6), (0,), (leaf_hash(1, 5),))
    assert proven(twice, 1, right) == 5
    with pytest.raises(InputError, match="does not lead"):
        proven(twice, 1, wrong)


@pytest.mark.parametrize("key", [-1, 2**BITS])
def test_keys_outside_the_tree_are_refused(key):
    tree = CollapsedTree()
    with pytest.raises(InputError, match="outside"):
        tree.build({key: 1})
    with pytest.raises(InputError, match="outside"):
        tree.prove(ZERO, key)
    with pytest.raises(InputError, match="outside"):
        tree.update(ZERO, [(1, 2**BITS)])
    with pytest.raises(InputError, match="unknown root"):
        tree.prove(b"\1" * 32, 1)
