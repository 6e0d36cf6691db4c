"""A world's roots, differences and traces against plain execution; wrong worlds are wrong where they say."""

import pytest

from rollstate.dispute.commitment import SparseMerkleTree, apply_difference, difference
from rollstate.dispute.step import one_step
from rollstate.dispute.transition import Transfer, execute
from rollstate.dispute.worlds import FAULTS, Fault, World
from rollstate.errors import InputError


@pytest.mark.parametrize("depth", [8, 32, 64, 256])
@pytest.mark.parametrize("seed", range(5))
def test_one_trace_ends_in_both_commitments(make_world, seed, depth):
    world = make_world(seed, depth)
    state = dict(world.genesis)
    for n, batch in enumerate(world.batches, 1):
        after = execute(state, batch, depth)
        delta = difference(state, after)
        assert world.delta(n) == delta
        assert apply_difference(state, delta) == after
        assert world.trace(n)[-1] == (world.tree.build(after), world.tree.build(delta))
        assert world.trace(n)[-1] == (world.roots[n], world.deltas[n])
        state = after
    assert world.final_state == state


@pytest.mark.parametrize("depth", [8, 32, 64, 256])
def test_every_step_is_proven_from_roots_alone(make_world, depth):
    for seed in range(6):
        world = make_world(seed, depth)
        for n, batch in enumerate(world.batches, 1):
            for i in range(len(batch)):
                found = one_step(world.witness(n, i), world.roots[n - 1], i, depth)
                assert found == world.vm_state(n, i + 1)


def honest_and(kind, key=3, transaction=0):
    genesis = {1: 10, 2: 5, 3: 7}
    pairs = ((1, 2, 4), (2, 3, 5), (3, 1, 1), (2, 1, 3), (1, 2, 1))
    batches = [[Transfer(*pair).encode() for pair in pairs]] * 2
    tree = SparseMerkleTree(16)
    fault = Fault(2, transaction, kind, key, 4)
    return World(genesis, batches, tree), World(genesis, batches, tree, fault)


@pytest.mark.parametrize(
    ("kind", "root_wrong", "delta_wrong"),
    [
        ("mint", True, True),
        ("drop", True, True),
        ("reorder", True, True),
        ("wrong_root", True, False),
        ("wrong_delta", False, True),
        ("no_op_entry", False, True),
    ],
)
def test_each_fault_touches_what_it_says(kind, root_wrong, delta_wrong):
    key = 9 if kind in ("wrong_root", "wrong_delta", "no_op_entry") else 3
    truth, lie = honest_and(kind, key)
    assert lie.roots[1] == truth.roots[1]
    assert lie.deltas[1] == truth.deltas[1]
    assert (lie.roots[2] != truth.roots[2]) == root_wrong
    assert (lie.deltas[2] != truth.deltas[2]) == delta_wrong


def test_an_omitted_tombstone_is_missing_from_the_difference_alone():
    genesis, batch = {1: 10}, [Transfer(1, 2, 10).encode()]
    tree = SparseMerkleTree(16)
    truth = World(genesis, [batch], tree)
    lie = World(genesis, [batch], tree, Fault(1, 0, "omit_tombstone"))
    assert truth.delta(1) == {1: 1, 2: 12}
    assert lie.delta(1) == {2: 12}
    assert lie.roots == truth.roots


@pytest.mark.parametrize("kind", FAULTS)
def test_a_wrong_world_is_consistent_with_itself(kind):
    _, lie = honest_and(kind)
    for n in (1, 2):
        assert lie.trace(n)[-1] == (lie.roots[n], lie.deltas[n])


def test_an_unknown_fault_is_refused():
    with pytest.raises(InputError, match="unknown kind of fault 'steal'"):
        Fault(1, 0, "steal")
