"""The search over all schedules: each rule is needed, and with all of them no attack is left in the model."""

import pytest

from rollstate.dispute.schedules import RULES, Model, Size, search
from rollstate.errors import InputError

SMALL = Size(batches=2, window=1, clock=2, patience=1, puppets=1, bonds=2)
HARM = {
    "games block finality": "a false claim becomes final",
    "a game holds all open claims": "a false claim becomes final",
    "a lost game finalises nothing": "a false claim becomes final",
    "a lost claim is withdrawn": "a false claim becomes final",
    "roots follow from T": "an honest sequencer loses its bond",
    "a challenge names its claim": "an honest challenger denies a true claim",
    "a claim names its batch": "an honest sequencer claims what is false",
    "the seat is taken by working": "the seat is squatted for the cost of gas",
    "void bonds wait for the truth": "a puppet that denied a true claim gets its bond back",
    "the first challenger is paid": "the first challenger is not paid, for a copy closed first",
}


@pytest.mark.parametrize("rule", RULES)
def test_without_a_rule_there_is_the_attack_that_it_stops(rule):
    found = search(SMALL, rule)
    assert found.harm == HARM[rule]
    assert found.attack


def test_with_all_rules_no_schedule_does_harm():
    found = search(SMALL)
    assert found.harm == ""
    # The whole space was walked: far more states than any attack needs.
    assert found.states > 30_000


def test_the_attack_is_the_shortest_and_its_messages_are_possible_in_turn():
    assert search(SMALL, "a lost game finalises nothing").attack == (
        "adversary claims 1 falsely",
        "puppet challenges 1",
        "puppet loses on 1",
    )


@pytest.mark.parametrize(
    ("rule", "into"),
    [("the seat is taken by working", "adversary registers"), (None, "adversary claims 1 truly")],
)
def test_a_seat_costs_one_bond_which_resigning_gives_back(rule, into):
    model = Model(SMALL, rule)
    clean = model.starts()[0]
    seated = {label: after for label, after, _ in model.moves(clean)}[into]
    assert seated.bonds == clean.bonds - 1
    # Only a sequencer without open claims may leave.
    moves = {label: after for label, after, _ in model.moves(seated)}
    assert ("adversary resigns" in moves) == (rule is not None)
    done = seated._replace(final=len(seated.claims))
    left = {label: after for label, after, _ in model.moves(done)}["adversary resigns"]
    assert (left.bonds, left.seat) == (clean.bonds, clean.seat)
    moves = {label: after for label, after, _ in model.moves(done._replace(bonds=0))}
    assert moves["adversary resigns"].bonds == 1
    broke = clean._replace(bonds=0)
    assert into not in {label for label, _, _ in model.moves(broke)}


def test_an_unknown_rule_and_too_large_a_model_are_refused():
    with pytest.raises(InputError, match="unknown rule 'luck'"):
        search(SMALL, "luck")
    with pytest.raises(InputError, match="more than 10 states"):
        search(SMALL, most=10)
    states = search(SMALL).states
    assert search(SMALL, most=states).states == states
    with pytest.raises(InputError, match=f"more than {states - 1} states"):
        search(SMALL, most=states - 1)
