"""Wrong contracts are found: each assertion removed, and each of a list of edits to the logic."""

import random
import re

import pytest

from rollstate.dispute.chain import ChainBoard, Disagreement, source
from rollstate.dispute.game import Rules
from rollstate.dispute.scenarios import SCENARIOS, story
from rollstate.dispute.step import Refused, one_step
from rollstate.dispute.zoo import random_match

from .test_messages import PROVOKED, RULES, Table, provoke
from .test_step import at_the_limit

ASSERTIONS = {
    re.search(r'"(.*)"', line)[1]: line
    for line in source().splitlines(keepends=True)
    if "    assert " in line
}
QUICK = ("transaction is not in the batch", "clock still runs")
EDITS = {
    "challenger's win pays nothing": ("CHALLENGER_BOND + self.stake // 2", "CHALLENGER_BOND"),
    "nothing is burned": ("self.burned += self.stake - self.stake // 2", "self.burned += 0"),
    "claims survive a lost game": ("self.claimed = self.finalised\n", "self.claimed = self.claimed\n"),
    "a lost challenge is final": (
        "    # Nothing becomes final here: the challenger may have lost on purpose.\n",
        "    self.finalised = max(self.finalised, game.batch)\n",
    ),
    "the middle is rounded up": (
        "mid: uint256 = (game.lo + game.hi) // 2", "mid: uint256 = (game.lo + game.hi + 1) // 2",
    ),
    "picks are swapped": ("    if agree:\n", "    if not agree:\n"),
    "the clock is not charged": ("moved.sequencer_clock -= spent", "moved.sequencer_clock -= 0"),
    "no extension": ("max(game.challenger_clock, EXTENSION)", "game.challenger_clock"),
    "the claimed difference is not bound": (
        "self._vm(post, self.batches[x].delta, size)", "self._vm(post, empty(bytes32), size)",
    ),
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
    "the challenger's bond is kept": (
        "self.credit[self.sequencer] += CHALLENGER_BOND // 2", "self.credit[self.sequencer] += 0",
    ),
    "odd transactions are paired with themselves": ("else empty(bytes32)\n            nodes[i]",
                                                     "else nodes[2 * i]\n            nodes[i]"),
}  # fmt: skip


def removed(reason):
    line = ASSERTIONS[reason]
    return ((line, line[: len(line) - len(line.lstrip())] + "pass\n"),)


def survives(py_evm, reason):
    """Whether the test of `reason` would still pass with its assertion removed."""
    board = ChainBoard(py_evm, RULES, genesis_root(), removed(reason))
    try:
        return provoke(board, reason) == reason
    except Disagreement:
        return False


def genesis_root():
    bare = type("Bare", (), {"rules": RULES, "accounts": ["", "", ""]})
    return Table(bare).world.roots[0]


@pytest.mark.parametrize("reason", QUICK)
def test_a_removed_assertion_breaks_its_test(py_evm, reason):
    assert not survives(py_evm, reason)


@pytest.mark.slow
@pytest.mark.parametrize("reason", sorted(set(PROVOKED) - set(QUICK)))
def test_any_removed_assertion_breaks_its_test(py_evm, reason):
    assert not survives(py_evm, reason)


def found_out(py_evm, edits):
    """Whether the stories or random games tell a contract from the rules."""

    def make_board(rules, genesis):
        boards.append(ChainBoard(py_evm, rules, genesis, edits))
        return boards[-1]

    boards: list[ChainBoard] = []
    try:
        witness, pre = at_the_limit(2)
        if make_board(Rules(), bytes(32)).step(witness, pre, 0) != one_step(witness, pre, 0, 32):
            return True
        for tell in SCENARIOS.values():
            told = story()
            tell(make_board(Rules(), told.truth.roots[0]), told)
            if boards[-1].differences():
                return True
        for seed in random.Random(0).sample(range(1000), 30):
            random_match(seed, make_board, depth=32)
            if boards[-1].differences():
                return True
    except (Disagreement, Refused):
        return True
    return False


def test_a_wrong_rule_is_found_out(py_evm):
    assert found_out(py_evm, (EDITS["the claimed difference is not bound"],))


@pytest.mark.slow
@pytest.mark.parametrize("edit", EDITS)
def test_every_wrong_rule_is_found_out(py_evm, edit):
    assert found_out(py_evm, (EDITS[edit],))
