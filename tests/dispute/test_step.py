"""The contract's step and ours are the same function, bit for bit, on good and on bad witnesses."""

from dataclasses import replace

import pytest
from tests.needs import thorough_after

from rollstate.dispute.chain import ChainBoard
from rollstate.dispute.commitment import VALUE_LIMIT, SparseMerkleTree, vm_state
from rollstate.dispute.game import Rules
from rollstate.dispute.step import Refused, one_step
from rollstate.dispute.transition import Transfer
from rollstate.dispute.worlds import World

ROOT = b"\1" * 32


@pytest.mark.parametrize(
    ("depth", "worlds", "least"), thorough_after(1, [(32, 1, 8), (32, 4, 45), (64, 2, 15)])
)
def test_python_step_equals_the_contracts_step(make_world, make_board, depth, worlds, least):
    board = make_board(Rules(depth=depth), ROOT)
    compared = 0
    for seed in range(worlds):
        world = make_world(seed, depth)
        for n, batch in enumerate(world.batches, 1):
            for i in range(len(batch)):
                witness, pre = world.witness(n, i), world.roots[n - 1]
                assert (
                    board.step(witness, pre, i)
                    == one_step(witness, pre, i, depth)
                    == world.vm_state(n, i + 1)
                )
                compared += 1
    assert compared > least


EDGES = {
    "to oneself": (1, 1, 4),
    "to oneself, all": (1, 1, 10),
    "overdraft": (1, 2, 11),
    "overdraft of an absent key": (9, 2, 1),
    "zero amount": (1, 9, 0),
    "zero amount between absent keys": (8, 9, 0),
    "delete": (1, 2, 10),
    "delete and create": (1, 9, 10),
    "largest amount": (1, 2, 2**256 - 1),
    "source out of range": (1 + 2**32, 2, 1),
    "from an exit account": (7 << 29, 2, 0),
    "target out of range": (1, 2 + 2**255, 1),
}


@pytest.mark.parametrize("edge", EDGES)
def test_edge_cases_step_alike_and_end_as_executed(make_board, edge):
    depth = 32
    there_and_back = [Transfer(1, 2, 1).encode(), Transfer(2, 1, 1).encode()]
    transactions = [*there_and_back, Transfer(*EDGES[edge]).encode(), b"", bytes(96), *there_and_back]
    world = World({1: 10, 2: 5, 3: 7}, [transactions], SparseMerkleTree(depth))
    board = make_board(Rules(depth=depth), ROOT)
    # Coming back to the first value leaves no entry in the difference.
    assert world.trace(1)[2][1] == bytes(32)
    for i in range(len(transactions)):
        witness = world.witness(1, i)
        assert board.step(witness, world.roots[0], i) == one_step(witness, world.roots[0], i, depth)
        assert one_step(witness, world.roots[0], i, depth) == world.vm_state(1, i + 1)


def at_the_limit(target):
    """Return a transfer of 1 to a balance one below the limit, or to oneself, and the state it starts from.

    No true state reaches the limit, but a step must be defined on any state two liars agree on.
    """
    tree = SparseMerkleTree(32)
    world = World({1: 1}, [[Transfer(1, target, 1).encode()]], tree)
    pre = tree.build({1: 1, 2: VALUE_LIMIT - 1})
    debit, credit = world.witness(1, 0).accesses
    debit = replace(debit, pre=tree.prove(pre, 1), state=tree.prove(pre, 1))
    credit = replace(
        credit,
        before=1 if target == 1 else VALUE_LIMIT - 1,
        now=0 if target == 1 else VALUE_LIMIT - 1,
        pre=tree.prove(pre, target),
        state=tree.prove(tree.update(pre, [(1, 0)]), target),
    )
    # Under A the debit alone is entered: its value 1 is gone.
    entered = tree.update(bytes(32), [(1, 1)])
    credit = replace(credit, diff=tree.prove(entered, target))
    return replace(world.witness(1, 0), state_root=pre, accesses=(debit, credit)), pre


@pytest.mark.parametrize("target", [1, 2])
def test_a_balance_at_the_limit_steps_alike(make_board, target):
    witness, pre = at_the_limit(target)
    board = make_board(Rules(), ROOT)
    stepped = one_step(witness, pre, 0, 32)
    assert board.step(witness, pre, 0) == stepped
    # Either way nothing changes: the transfer is refused by the limit, or comes back to its source.
    assert stepped == vm_state(pre, bytes(32), 1)


@pytest.mark.thorough
def test_random_forgeries_are_refused_alike(make_world, make_board):
    board = make_board(Rules(), ROOT)
    refused = 0
    for seed in range(4):
        world = make_world(seed, 32)
        for n in (1, 2):
            witness, pre = world.witness(n, 0), world.roots[n - 1]
            for access in range(len(witness.accesses)):
                for name in ("before", "now", "pre", "state", "diff"):
                    for forged in forgeries(witness, access, name):
                        ours = None
                        try:
                            ours = one_step(forged, pre, 0, 32)
                        except Refused as error:
                            with pytest.raises(Refused, match=f"^{error}$"):
                                board.step(forged, pre, 0)
                            refused += 1
                        else:
                            assert board.step(forged, pre, 0) == ours
    assert refused > 20


def forgeries(witness, index, name):
    access = witness.accesses[index]
    held = getattr(access, name)
    if isinstance(held, int):
        changed = [held + 1, VALUE_LIMIT]
    else:
        changed = [replace(held, bitmap=held.bitmap ^ 1), replace(held, siblings=(*held.siblings, bytes(32)))]
    for value in changed:
        accesses = list(witness.accesses)
        accesses[index] = replace(access, **{name: value})
        yield replace(witness, accesses=tuple(accesses))


@pytest.mark.thorough
def test_the_deepest_tree_steps_alike(make_world, py_evm):
    depth = 256
    board = ChainBoard(py_evm, Rules(depth=depth), ROOT)
    world = make_world(3, depth)
    for i in range(len(world.batches[0])):
        witness = world.witness(1, i)
        assert board.step(witness, world.roots[0], i) == one_step(witness, world.roots[0], i, depth)
