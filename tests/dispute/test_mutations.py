"""Wrong contracts are found: each assertion removed, and each of a list of edits to the logic."""

import random
import re

import pytest

from rollstate.dispute.chain import ChainBoard, Disagreement, source
from rollstate.dispute.game import Rules
from rollstate.dispute.scenarios import SCENARIOS, story
from rollstate.dispute.step import Refused, one_step
from rollstate.dispute.zoo import random_match

from . import test_exits, test_messages, test_step
from .test_messages import (
    DEPLOYMENT,
    FALSE,
    PROVOKED,
    RULES,
    VAULT,
    deployment_refused,
    genesis_root,
    provoke,
)
from .test_step import at_the_limit

ASSERTIONS = {
    re.search(r'"(.*)"', line)[1]: line
    for line in source().splitlines(keepends=True)
    if "    assert " in line
}
EDITS = {
    "challenger's win pays nothing": ("CHALLENGER_BOND + reward - reward // 2", "CHALLENGER_BOND"),
    "the opener is not paid": ("self.credit[opener] += reward // 2", "self.credit[opener] += 0"),
    "nothing is burned": ("self.burned += self.stake - reward", "self.burned += 0"),
    "claims survive a lost game": ("self.claimed = self.finalised\n", "self.claimed = self.claimed\n"),
    "a checkpoint survives a lost game": (
        "        self.pending = empty(Checkpoint)\n    log GameClosed", "    log GameClosed",
    ),
    "a withdrawn checkpoint is not due": ("self.due = self.pending.batch", "self.due = 0"),
    "a lost challenge is final": (
        "    # Nothing becomes final here: the challenger may have lost on purpose.\n",
        "    self.finalised = max(self.finalised, game.batch)\n",
    ),
    "a game holds its own batch only": (
        "self.batches[first].held_by += 1", "self.batches[n].held_by += 1",
    ),
    "a final difference binds the game": (
        "assert game.x <= self.finalised or delta ==", "assert delta ==",
    ),
    "a void bond comes back at once": (
        "(game.batch <= self.r) if game.on_checkpoint else (game.batch <= self.finalised)", "True",
    ),
    "a void bond always comes back": ("if truth != game.claim:", "if truth == truth:"),
    "an idle seat is never free": ("self.active_at + PATIENCE", "self.active_at + PATIENCE * 10**9"),
    "sitting keeps a seat": ("    self.active_at = block.timestamp\n", "    pass\n"),
    "the last second is cut off a claim": (
        "block.timestamp <= self.batches[first].posted_at + WINDOW",
        "block.timestamp < self.batches[first].posted_at + WINDOW",
    ),
    "the last second is cut off a checkpoint": (
        "block.timestamp <= self.pending.posted_at + WINDOW",
        "block.timestamp < self.pending.posted_at + WINDOW",
    ),
    "an end is not checked": ("self._check_end(game, index, count, low, low_proof)", "pass"),
    "the sections are shifted": ("moved.lo = game.lo + index * part", "moved.lo = game.lo + index * part + 1"),
    "the clock is not charged": ("moved.sequencer_clock -= spent", "moved.sequencer_clock -= 0"),
    "no extension": ("max(game.challenger_clock, EXTENSION)", "game.challenger_clock"),
    "the claimed difference is not bound": (
        "self._vm(post, game.claim, moved.hi)", "self._vm(post, empty(bytes32), moved.hi)",
    ),
    "a step proves the wrong side": ("delta_root, index, accesses) == high", "delta_root, index, accesses) != high"),
    "the step counts wrongly": ("return self._vm(a, b, executed + 1)", "return self._vm(a, b, executed)"),
    "a tombstone is absence": ("return TOMBSTONE", "return 0"),
    "a right child is hashed on the left": (
        "                a = keccak256(concat(sibling, a))", "                a = keccak256(concat(a, sibling))",
    ),
    "an absent sibling is skipped": (
        "            if a != empty(bytes32) or sibling != empty(bytes32):\n                a = keccak256(concat(a,",
        "            if a != empty(bytes32) and sibling != empty(bytes32):\n                a = keccak256(concat(a,",
    ),
    "the overflow check is off by one": (
        "there + amount >= VALUE_LIMIT", "there + amount > VALUE_LIMIT",
    ),
    "keys wrap": ("if (source | target) >> DEPTH != 0:", "if source >> DEPTH != 0:"),
    "exit accounts can be emptied": ("    if self._is_exit(source):", "    if False:"),
    "a stranger's pick moves the game": ("        self._save(self.game_count, moved)", "        self._save(id, moved)"),
    "a stranger's pick holds no claim": ("            self.batches[game.first].held_by += 1", "            pass"),
    "a stranger's pick holds no checkpoint": (
        "            self.pending.open_games += 1\n        else:", "            pass\n        else:",
    ),
    "a stranger picks in the challenger's name": ("        moved.challenger = msg.sender", "        pass"),
    "an exit is paid again": ("    self.exited[key] = held\n", ""),
    "the challenger's bond is kept": (
        "self.credit[self.sequencer] += CHALLENGER_BOND // 2", "self.credit[self.sequencer] += 0",
    ),
    "odd leaves are paired with themselves": ("else empty(bytes32)\n            nodes[i]",
                                               "else nodes[2 * i]\n            nodes[i]"),
}  # fmt: skip
HOLES = {
    "held_back": "a game holds its own batch only",
    "poisoned": "a final difference binds the game",
    "sybil": "a void bond always comes back",
    "front_run": "the opener is not paid",
    "squatter": "an idle seat is never free",
    "sock_puppet": "a lost challenge is final",
    "taken_up": "a stranger's pick holds no claim",
    "meddled": "a stranger's pick moves the game",
}
"""Story to the edit that opens its hole again."""


def removed(reason):
    line = ASSERTIONS[reason]
    return ((line, line[: len(line) - len(line.lstrip())] + "pass\n"),)


def survives(py_evm, reason):
    """Whether the test of `reason` would still pass with its assertion removed."""
    edits = removed(reason)
    if reason in DEPLOYMENT:
        rules, changes = Rules(), DEPLOYMENT[reason]
        for name, value in (changes or {}).items():
            object.__setattr__(rules, name, value)
        return deployment_refused(py_evm, rules, FALSE if changes else bytes(32), edits)
    board = ChainBoard(py_evm, RULES, genesis_root(), edits, vault=VAULT)
    try:
        return provoke(board, reason) == reason
    except Disagreement:
        return False


@pytest.mark.parametrize("reason", ["transaction is not in the batch"])
@pytest.mark.thorough
def test_a_removed_assertion_breaks_its_test(py_evm, reason):
    assert not survives(py_evm, reason)


@pytest.mark.slow
@pytest.mark.parametrize("reason", sorted(ASSERTIONS))
def test_any_removed_assertion_breaks_its_test(py_evm, reason):
    assert not survives(py_evm, reason)


def found_out(py_evm, edits):
    """Whether the stories, random games or messages to be refused tell a contract from the rules."""

    def make_board(rules, genesis):
        boards.append(ChainBoard(py_evm, rules, genesis, edits))
        return boards[-1]

    boards: list[ChainBoard] = []
    try:
        witness, pre = at_the_limit(2)
        if make_board(Rules(), FALSE).step(witness, pre, 0) != one_step(witness, pre, 0, 32):
            return True
        test_messages.test_a_claim_can_be_challenged_up_to_the_last_second_of_its_window(make_board)
        test_messages.test_a_lost_game_withdraws_a_pending_checkpoint_too(make_board)
        test_messages.test_a_pick_by_a_stranger_holds_the_checkpoint_too(make_board)
        for edge in ("from an exit account", "source out of range", "target out of range"):
            test_step.test_edge_cases_step_alike_and_end_as_executed(make_board, edge)
        test_exits.check_exit(lambda *args: ChainBoard(py_evm, *args, edits=edits, vault=150))
        for tell in SCENARIOS.values():
            told = story()
            tell(make_board(Rules(), told.truth.roots[0]), told)
            if boards[-1].differences():
                return True
        for seed in random.Random(0).sample(range(1000), 30):
            random_match(seed, make_board, depth=32)
            if boards[-1].differences():
                return True
        for reason in PROVOKED:
            board = ChainBoard(py_evm, RULES, genesis_root(), edits, vault=VAULT)
            if provoke(board, reason) != reason:
                return True
    except (Disagreement, Refused, AssertionError):
        return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize("story_name", HOLES)
def test_each_hole_is_open_without_its_rule(py_evm, story_name):
    """The Python rules have the rule and the contract has not: the story drives them apart."""
    told = story()
    board = ChainBoard(py_evm, Rules(), told.truth.roots[0], (EDITS[HOLES[story_name]],))
    with pytest.raises((Disagreement, AssertionError)):
        SCENARIOS[story_name](board, told)
        assert board.differences() == {}


@pytest.mark.slow
@pytest.mark.parametrize("edit", EDITS)
def test_every_wrong_rule_is_found_out(py_evm, edit):
    assert found_out(py_evm, (EDITS[edit],))
