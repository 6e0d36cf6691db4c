"""Many parties at once: no promise is broken by the rules, and broken rules are found out."""

import pytest

from rollstate.dispute.crowds import MUTANTS, Crowd, killed, killed_by_pairs
from rollstate.dispute.economics import Delay, delays
from rollstate.dispute.game import Outcome, Rules


def test_no_promise_is_broken_and_everything_happens():
    seen, final, checkpoints, poisoned = set(), 0, 0, 0
    for seed in range(400):
        crowd = Crowd(seed)
        crowd.play()
        seen |= set(crowd.rollup.outcomes.values())
        final += crowd.rollup.finalised
        checkpoints += crowd.rollup.r > 0
        poisoned += crowd.poisoned > 0
    assert seen == set(Outcome)
    assert final > 800
    assert checkpoints > 30
    assert poisoned > 60


FOUND = (
    "finalise ignores games", "claims survive a lost game", "a lost challenge is final", "void bonds always come back",
    "withdrawn claims stand", "final differences bind", "a seat is never free", "a checkpoint survives a lost game",
)  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
def test_a_crowd_finds_a_broken_rule(name):
    assert killed(MUTANTS[name], 600) is not None


def test_two_parties_do_not_find_what_a_crowd_finds():
    missed = [name for name in FOUND if killed_by_pairs(MUTANTS[name], 100) is None]
    assert "finalise ignores games" in missed
    assert "void bonds always come back" in missed


def test_delays_cost_what_the_rules_say():
    rules = Rules(window=1000, clock=300, extension=50, sequencer_bond=4 * 10**18, challenger_bond=10**18)
    assert delays(rules) == [
        Delay("a puppet loses a game", 800.0, 1.0, repeats=False),
        Delay("a sequencer loses on purpose", 1000.0, 2.0, repeats=True),
    ]
    assert delays(rules)[1].seconds_per_eth == 500


def test_an_honest_sequencer_answers_until_it_is_not_its_turn():
    """After disagreeing in a short game it is its turn again; a play in which it then sleeps proves nothing."""
    Crowd(10_000_678).play()
