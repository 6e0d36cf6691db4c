"""Witness sizes are the published ones, and the expected shape is that of drawn keys."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollstate.errors import InputError
from rollstate.execution import state_trees as trees


def test_witness_of_a_block_is_the_published_one():
    assert round(trees.witness_hexary_bytes(952, 2**28)) == 2_312_849


@pytest.mark.parametrize(("width", "level", "keys"), [(16, 3, 900), (2, 10, 700), (256, 1, 300)])
def test_expected_nodes_are_those_of_drawn_keys(width, level, keys):
    draws = np.random.default_rng(1).integers(0, width**level, (400, keys))
    drawn = [len(np.unique(row)) for row in draws]
    expected = trees.distinct_nodes(keys, width, level)
    assert np.mean(drawn) == pytest.approx(expected, abs=4 * np.std(drawn) / 20)


def test_one_update_walks_one_path():
    cost = trees.update_cost(trees.HEXARY, 2**32)
    assert (cost.depth, cost.reads, cost.hashes, cost.hashed_bytes) == pytest.approx((8, 8, 9, 8 * 512 + 32))
    cost = trees.update_cost(trees.BINARY, 2**32)
    assert (cost.depth, cost.reads, cost.hashes, cost.hashed_bytes) == pytest.approx(
        (32, 32, 33, 32 * 64 + 32)
    )
    assert trees.update_cost(trees.PAGED, 2**32).reads == pytest.approx(6)


@given(st.sampled_from([trees.HEXARY, trees.BINARY, trees.PAGED]), st.integers(1, 1_000), st.integers(2, 100))
def test_larger_batches_cost_less_for_each_key(layout, batch, times):
    state = 10**6
    one, more = trees.update_cost(layout, state, batch), trees.update_cost(layout, state, batch * times)
    assert more.reads <= one.reads * (1 + 1e-9)
    assert more.hashed_bytes <= one.hashed_bytes * (1 + 1e-9)


def test_depth_and_reads_of_indices():
    assert trees.depth(288_871_029, 16) == pytest.approx(7.03, abs=5e-3)
    assert trees.b_tree_reads(10**9, 1_000) == 3
    assert trees.b_tree_reads(10**9, 1_000, cached_levels=5) == 1
    assert trees.lsm_reads(7, 0.01) == pytest.approx(1.06)


def test_smaller_trees_leave_smaller_witnesses():
    sizes = [f(952, 2**28) for f in (trees.witness_binary_bytes, trees.witness_hexary_bytes)]
    assert trees.witness_verkle_bytes(952, 0, 0, 2**28) < sizes[0] < sizes[1]


def test_verkle_witness_counts_stems_values_and_code():
    # One account in a tree of one level: no inner commitment, a stem, two values, the opening.
    one = trees.witness_verkle_bytes(1, 0, 0, 200)
    assert one == 96 + 2 * 33 + 576
    assert trees.witness_verkle_bytes(1, 1, 0, 200) == one + 96 + 33
    assert trees.witness_verkle_bytes(1, 1, 2, 200) == one + 96 + 33 + 2 * 32
    assert trees.witness_verkle_bytes(1, 0, 0, 200, chunks=3) == one + 96 + 3 * 33
    # About 200 bytes for each account of a real state, as the EIP's text says; not less.
    per_account = trees.witness_verkle_bytes(1_000, 0, 1_000, 2**28) / 1_000
    assert 150 < per_account < 350
    assert trees.witness_verkle_bytes(1_904, 0, 0, 2**28) > 1.5 * trees.witness_verkle_bytes(952, 0, 0, 2**28)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: trees.Layout(1), "width=1"),
        (lambda: trees.depth(0, 2), "keys=0"),
        (lambda: trees.update_cost(trees.BINARY, 5, 6), "batch=6"),
        (lambda: trees.b_tree_reads(5, 2, -1), "cached_levels=-1"),
        (lambda: trees.lsm_reads(0, 0.1), "levels=0"),
        (lambda: trees.witness_hexary_bytes(5, 4), "touched=5"),
    ],
)
def test_bad_input_is_named(call, said):
    with pytest.raises(InputError, match=said):
        call()
