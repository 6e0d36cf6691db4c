"""Tries built at once have the nodes that py-trie makes key by key."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trie import HexaryTrie

from rollstate.errors import InputError
from rollstate.flat_evm import hexary


def as_rows(keys):
    return np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 32)


def compare(held):
    keys = sorted(held)
    nodes = hexary.build(as_rows(keys), [held[key] for key in keys])
    db = {}
    trie = HexaryTrie(db, prune=True)
    for key in keys:
        trie[key] = held[key]
    assert nodes.root == trie.root_hash
    listed = list(nodes.items())
    found = dict(listed)
    assert found == {name: node for name, node in db.items() if node != b"\x80"}
    # Equal leaves in two places are one node of the database.
    assert [name[:8] for name, _ in listed] == sorted(name[:8] for name, _ in listed)


# Few heads and tails: shared paths, extensions, and nodes short enough to stand in their parents.
@given(
    st.dictionaries(
        st.tuples(
            st.lists(st.sampled_from([0, 1, 0x10, 0xFF]), min_size=4, max_size=4),
            st.sampled_from([0, 7]),
            st.lists(st.sampled_from([0, 1, 0x20]), min_size=2, max_size=2),
        ).map(lambda t: bytes(t[0]) + bytes([t[1]]) * 26 + bytes(t[2])),
        st.binary(min_size=1, max_size=3) | st.binary(min_size=30, max_size=200),
        min_size=1,
        max_size=20,
    )
)
def test_any_trie_has_the_nodes_of_py_trie(held):
    compare(held)


def test_a_trie_of_random_keys_has_the_nodes_of_py_trie():
    rng = np.random.default_rng(1)
    compare({rng.bytes(32): rng.bytes(int(rng.integers(1, 110))) for _ in range(800)})


def test_an_empty_trie_has_the_empty_root():
    nodes = hexary.build(np.empty((0, 32), np.uint8), [])
    assert nodes.root == HexaryTrie({}).root_hash
    assert not list(nodes.items())


@pytest.mark.parametrize(
    ("keys", "values", "reason"),
    [
        ([b"\2" * 32, b"\1" * 32], [b"a", b"b"], "sorted"),
        ([b"\1" * 32, b"\1" * 32], [b"a", b"b"], "distinct"),
        ([b"\1" * 32], [b""], "1 to 200"),
        ([b"\1" * 32], [b"a" * 201], "1 to 200"),
        ([b"\1" * 32], [], "n values"),
    ],
)
def test_what_is_no_trie_is_refused(keys, values, reason):
    with pytest.raises(InputError, match=reason):
        hexary.build(as_rows(keys), values)
