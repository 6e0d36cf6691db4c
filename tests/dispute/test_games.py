"""The honest party wins: random games, exhaustive small games, stories; on the rules and on the chain."""

import random

import pytest
from tests.needs import thorough_after

from rollstate.dispute import adversaries
from rollstate.dispute.agents import Challenger, Sequencer
from rollstate.dispute.chain import NAIVE, ChainBoard, LocalBoard
from rollstate.dispute.commitment import SparseMerkleTree
from rollstate.dispute.game import Outcome, Rules
from rollstate.dispute.matches import challenge, post_all, settle
from rollstate.dispute.scenarios import SCENARIOS, story
from rollstate.dispute.transition import Transfer
from rollstate.dispute.worlds import FAULTS, Fault, World
from rollstate.dispute.zoo import (
    CHALLENGERS,
    SEQUENCERS,
    Broken,
    Verdict,
    check,
    invariants,
    random_match,
    random_matches,
)


def test_the_honest_party_wins_random_games():
    verdicts = random_matches(range(800))
    assert all(verdict.honest_won for verdict in verdicts)
    # Nothing below is vacuous: every adversary, fault, case and ending occurred.
    assert {v.adversary for v in verdicts} == set(SEQUENCERS) | set(CHALLENGERS)
    assert {v.fault for v in verdicts if v.honest == Outcome.CHALLENGER} == set(FAULTS)
    assert {v.played.case for v in verdicts} == {"A", "B", "-", "checkpoint"}
    assert {v.played.timed_out for v in verdicts} == {True, False}
    assert max(v.played.rounds_one for v in verdicts) == 1
    assert max(v.played.rounds_two for v in verdicts) == 1


def test_ranges_wider_than_a_message_take_two_picks():
    genesis, count = {1: 10**6, 2: 5}, 70
    batches = [[Transfer(1, 2, 1).encode()]] * count
    tree = SparseMerkleTree(8)
    for at in (1, 2, 37, 68):
        truth = World(genesis, batches, tree)
        lie = World(genesis, batches, tree, Fault(at, 0, "mint", 1, 7))
        verdict = play(adversaries.Liar(lie), Challenger(truth, last=True), truth, Outcome.CHALLENGER)
        assert (verdict.played.x, verdict.played.rounds_one) == (at, 2 if at < 69 else 1)


@pytest.mark.slow
def test_the_honest_party_wins_a_hundred_thousand_random_games():
    assert all(verdict.honest_won for verdict in random_matches(range(10_000, 110_000)))


@pytest.mark.thorough
def test_contract_and_rules_agree_message_by_message_on_random_games(node):
    played = []

    def make_board(rules, genesis):
        played.append(ChainBoard(node, rules, genesis))
        return played[-1]

    for seed in range(3):
        random_match(seed, make_board, depth=32)
        assert played[-1].differences() == {}


@pytest.mark.slow
def test_contract_and_rules_agree_message_by_message_on_hundreds_of_random_games(py_evm):
    played = []

    def make_board(rules, genesis):
        played.append(ChainBoard(py_evm, rules, genesis))
        return played[-1]

    for seed in range(1000, 1300):
        random_match(seed, make_board, depth=32)
        assert played.pop().differences() == {}


def test_the_check_can_fail():
    """A challenger that does not play its own world loses, and is found out."""
    told = story()
    board = LocalBoard(Rules(), told.truth.roots[0])
    liar = adversaries.Liar(told.lie)
    post_all(board, liar, board.accounts[0])
    fool = adversaries.PicksAlways(told.truth, 4, agree=True)
    played = settle(board, challenge(board, fool, board.accounts[1]), liar, fool)
    with pytest.raises(Broken, match="honest party lost"):
        check(board, told.truth, Verdict(Outcome.CHALLENGER, "-", "mint", played))


def worlds(n, m, fault=None):
    """Return worlds whose every transaction touches the minted account, so a lie shows in every later batch."""
    genesis = {1: 500, 2: 500, 3: 1}
    batches = [[Transfer(1 + i % 2, 2 - i % 2, 3 + k + i).encode() for i in range(m)] for k in range(n)]
    tree = SparseMerkleTree(8)
    return World(genesis, batches, tree), World(genesis, batches, tree, fault)


def play(sequencer, challenger, truth, honest):
    board = LocalBoard(Rules(depth=8), truth.roots[0])
    post_all(board, sequencer, board.accounts[0])
    game_id = challenge(board, challenger, board.accounts[1])
    watch = invariants(truth, challenger_honest=honest == Outcome.CHALLENGER)
    return check(
        board, truth, Verdict(honest, "-", "-", settle(board, game_id, sequencer, challenger, watch))
    )


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_every_fraud_position_is_caught_on_both_ways(m):
    """Exhaustive over N <= 8, every batch and transaction, with each of four faults, in Case A and Case B."""
    cases = set()
    for n in range(1, 9):
        for batch in range(1, n + 1):
            for transaction in range(m):
                for kind, key in (("mint", 1), ("wrong_delta", 1), ("no_op_entry", 3), ("drop", 1)):
                    truth, lie = worlds(n, m, Fault(batch, transaction, kind, key, 7))
                    for last in (False, True):
                        liar = adversaries.Liar(lie)
                        if lie.deltas == truth.deltas:
                            continue  # a drop that a later overwrite hides from the difference
                        verdict = play(liar, Challenger(truth, last=last), truth, Outcome.CHALLENGER)
                        cases.add(verdict.played.case)
                        if kind == "wrong_delta" or (kind == "mint" and not last):
                            assert verdict.played.x == batch
    assert cases == {"A", "B"}


@pytest.mark.parametrize("silent", ["sequencer", "challenger"])
def test_silence_at_every_message_ends_by_the_clock(silent):
    """Whoever stops, at any of its messages, in either case: the other side wins within the clocks."""
    ended_by_clock = 0
    for n in (1, 2, 3, 5, 8):
        for m in (1, 2, 3, 4):
            for batch in range(1, n + 1):
                truth, lie = worlds(n, m, Fault(batch, m - 1, "mint", 1, 7))
                for at in range(8):
                    if silent == "sequencer":
                        for last in (False, True):
                            honest = Challenger(truth, last=last)
                            verdict = play(adversaries.Silent(lie, at), honest, truth, Outcome.CHALLENGER)
                            ended_by_clock += verdict.played.timed_out
                    else:
                        accuser = adversaries.Throws(lie, n, random.Random(at), at)
                        verdict = play(Sequencer(truth), accuser, truth, Outcome.SEQUENCER)
                        ended_by_clock += verdict.played.timed_out
    assert ended_by_clock > 100


@pytest.mark.parametrize("adversary", thorough_after(3, [*SEQUENCERS, *CHALLENGERS]))
def test_each_adversary_loses_on_the_chain(make_board, adversary):
    told, rng = story(), random.Random(1)
    board = make_board(Rules(), told.truth.roots[0])
    account, other = board.accounts[:2]
    if adversary in SEQUENCERS:
        sequencer = SEQUENCERS[adversary](told.lie, told.truth, rng)
        challenger, honest = Challenger(told.truth, last=True), Outcome.CHALLENGER
    else:
        sequencer, honest = Sequencer(told.truth), Outcome.SEQUENCER
        challenger = CHALLENGERS[adversary](told.lie, told.truth, rng, 4)
    post_all(board, sequencer, account)
    played = settle(board, challenge(board, challenger, other), sequencer, challenger)
    check(board, told.truth, Verdict(honest, adversary, "mint", played))
    assert board.differences() == {}


@pytest.mark.parametrize("name", thorough_after(3, SCENARIOS))
def test_each_story_ends_well_on_the_chain(make_board, name):
    told = story()
    board = make_board(Rules(), told.truth.roots[0])
    finding = SCENARIOS[name](board, told)
    assert finding.safe, finding
    assert board.differences() == {}


@pytest.mark.thorough
def test_a_puppet_makes_a_fraud_final_on_the_naive_contract_only(py_evm):
    told = story()
    for edits, final in ((NAIVE, 4), ((), 0)):
        board = ChainBoard(py_evm, Rules(), told.truth.roots[0], edits)
        liar, puppet, watcher = board.accounts[:3]
        sequencer = adversaries.Liar(told.lie)
        post_all(board, sequencer, liar)
        thrower = adversaries.Throws(told.lie, 4, random.Random(0))
        settle(board, challenge(board, thrower, puppet), sequencer, thrower)
        # Time has not even passed: the fraud of batch 2 is final or not because of the lost game alone.
        assert board.contract.functions.finalised().call() == final
        pre = told.truth.roots[1]
        bond = board.rules.challenger_bond
        serial = board.rollup.batches[2].serial
        reason = board.reason("open_challenge", watcher, 2, serial, 1, pre, value=bond)
        assert reason == ("batch is final" if final else None)


def test_paying_out_empties_the_contract_but_for_what_was_burned(make_board):
    told = story()
    board = make_board(Rules(), told.truth.roots[0])
    liar, watcher = adversaries.Liar(told.lie), Challenger(told.truth)
    post_all(board, liar, board.accounts[0])
    settle(board, challenge(board, watcher, board.accounts[1]), liar, watcher)
    before = board.w3.eth.get_balance(board.contract.address)
    paid = board.send("withdraw", board.accounts[1])
    rules = board.rules
    assert paid == rules.challenger_bond + rules.sequencer_bond // 2
    left = board.w3.eth.get_balance(board.contract.address)
    assert before - left == paid
    assert left == board.rollup.burned == rules.sequencer_bond // 2
