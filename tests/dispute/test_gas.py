"""Gas of every message, recorded: a change of the contract that costs more shows here."""

import json
import random
from pathlib import Path

import pytest

from rollstate.dispute import adversaries
from rollstate.dispute.agents import Challenger
from rollstate.dispute.chain import MESSAGES, ChainBoard
from rollstate.dispute.commitment import SparseMerkleTree
from rollstate.dispute.game import Outcome, Rules
from rollstate.dispute.matches import challenge, post_all, settle
from rollstate.dispute.scenarios import SCENARIOS, story
from rollstate.dispute.transition import EXIT, Transfer
from rollstate.dispute.worlds import Fault, World

from .test_exits import exit_once

RECORD = Path(__file__).with_name("gas.json")
TOLERANCE = 0.01


def game_of(py_evm, accounts, batches, size):
    """Play Case B over all batches, with the fraud in the third part; return messages and the game."""
    rng = random.Random(7)
    keys = rng.sample(range(EXIT << 29), accounts)
    genesis = {key: rng.randint(10**6, 2 * 10**6) for key in keys}
    hot = keys[0]

    def transfer():
        return Transfer(rng.choice(keys), rng.choice(keys), 1).encode()

    posted = [
        [Transfer(hot, keys[1], 1).encode(), *(transfer() for _ in range(size - 1))] for _ in range(batches)
    ]
    tree = SparseMerkleTree(32)
    truth = World(genesis, posted, tree)
    lie = World(genesis, posted, tree, Fault(max(1, batches // 3), size // 2, "mint", hot, 9))
    board = ChainBoard(py_evm, Rules(), truth.roots[0])
    liar, honest = adversaries.Liar(lie), Challenger(truth, last=True)
    post_all(board, liar, board.accounts[0])
    played = settle(board, challenge(board, honest, board.accounts[1]), liar, honest)
    assert played.outcome == Outcome.CHALLENGER
    return board, played


def messages_of_the_stories(py_evm):
    """Return the messages that the long game lacks."""
    messages = []
    for name in ("agreed_false_state", "front_run", "poisoned", "squatter", "collusive_loss"):
        told = story()
        board = ChainBoard(py_evm, Rules(), told.truth.roots[0])
        SCENARIOS[name](board, told)
        messages += [
            m for m in board.messages if m.name not in ("post_batch", "open_challenge", "prove", "pick")
        ]
    n, account = len(told.truth.batches), board.rollup.sequencer
    board.send("post_checkpoint", account, n, told.truth.roots[n])
    board.send("accept_checkpoint", account, wait=board.rules.window + 1)
    board.send("withdraw", board.accounts[1])
    board.send("resign", account)
    return messages + board.messages[-4:]


def messages_of_an_exit(py_evm):
    board, _ = exit_once(lambda *args: ChainBoard(py_evm, *args, vault=150))
    return [m for m in board.messages if "exit" in m.name]


def wide_range(py_evm):
    """Play over more batches than one message names: the sequencer posts roots twice."""
    genesis, batches = {1: 10**6, 2: 5}, [[Transfer(1, 2, 1).encode()]] * 70
    tree = SparseMerkleTree(32)
    truth, lie = World(genesis, batches, tree), World(genesis, batches, tree, Fault(30, 0, "mint", 1, 7))
    board = ChainBoard(py_evm, Rules(), truth.roots[0])
    liar, honest = adversaries.Liar(lie), Challenger(truth, last=True)
    post_all(board, liar, board.accounts[0])
    settle(board, challenge(board, honest, board.accounts[1]), liar, honest)
    return [m for m in board.messages if m.name == "post_roots"]


@pytest.mark.thorough
def test_gas_of_the_longest_game_and_of_every_message(py_evm):
    board, played = game_of(py_evm, 64, 64, 8)
    game = board.messages[played.first : played.last]
    assert (played.case, played.rounds_one, played.rounds_two) == ("B", 1, 1)
    total = sum(message.gas for message in game)
    assert (len(game), total) <= (5, 650_000)
    found = {"deploy": board.deploy_gas, "case B, n - r = 64, m = 8": total}
    rest = [*messages_of_the_stories(py_evm), *messages_of_an_exit(py_evm), *wide_range(py_evm)]
    for message in [*board.messages[2:], *rest]:
        found[message.name] = max(found.get(message.name, 0), message.gas)
    recorded = json.loads(RECORD.read_text())
    assert found.keys() - {"deploy", "case B, n - r = 64, m = 8"} == set(MESSAGES)
    assert found == pytest.approx(recorded, rel=TOLERANCE), json.dumps(found, indent=2)


@pytest.mark.thorough
def test_the_last_step_over_forty_thousand_accounts_stays_below_its_bound(py_evm):
    board, _ = game_of(py_evm, 40_000, 2, 8)
    assert board.messages[-1].name == "prove"
    assert board.messages[-1].gas <= 280_000
