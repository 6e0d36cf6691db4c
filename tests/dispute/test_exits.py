"""A withdrawal is proven in the final h(Delta_n): one window after posting, once, and from the difference alone."""

import pytest

from rollstate.dispute.chain import ChainBoard
from rollstate.dispute.commitment import SparseMerkleTree
from rollstate.dispute.game import Rules
from rollstate.dispute.scenarios import exit_after_one_window
from rollstate.dispute.step import Refused
from rollstate.dispute.transition import Transfer, exit_key
from rollstate.dispute.worlds import World

KEY = exit_key(32, 0)


def exit_once(make_board):
    """Leave with 30 of 100 after batch 2; return the board and the world."""
    batches = [[Transfer(1, 2, 5).encode()], [Transfer(1, KEY, 30).encode()], [Transfer(2, KEY, 4).encode()]]
    world = World({1: 100, 2: 50}, batches, SparseMerkleTree(32))
    board = make_board(Rules(), world.roots[0])
    exit_after_one_window(board, world, 2, KEY, 30)
    return board, world


def test_an_exit_takes_one_window_and_is_paid_once(node):
    check_exit(lambda *args: ChainBoard(node, *args, vault=150))


def check_exit(make_board):
    board, world = exit_once(make_board)
    user = board.accounts[1]
    posted = next(m.now for m in board.messages if m.name == "post_batch" and m.now > 0)
    assert board.now - posted <= board.rules.window + 10
    assert board.rollup.credit[user] == 30
    assert board.rollup.r == 0
    path = world.tree.prove(world.deltas[2], KEY)
    with pytest.raises(Refused, match="nothing new to exit"):
        board.send("exit", user, 2, KEY, 30, path)
    # A later batch shows the sum; only what is new is paid.
    board.send("exit", user, 3, KEY, 34, world.tree.prove(world.deltas[3], KEY))
    assert board.rollup.credit[user] == 34
    assert board.rollup.vault == 150 - 34
    assert board.differences() == {}
    assert board.send("withdraw", user) == 34
