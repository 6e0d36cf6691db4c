"""What the model of schedules allows in a state, message by message, as the rules in words say."""

import pytest

from rollstate.dispute.schedules import (
    ADVERSARY,
    FALSE,
    HONEST,
    NOBODY,
    RULES,
    TRUE,
    Claim,
    Model,
    Play,
    Size,
)

SIZE = Size(batches=3, window=2, clock=2, patience=2, puppets=2, bonds=2)
OPEN, LAST, OVER = 0, 2, 3
"""Ages of a claim: just made, in the last tick of its window, and beyond it."""
CLEAN = Model(SIZE, None).starts()[0]
SQUATTED = "the seat is squatted for the cost of gas"
FINAL_FALSE = "a false claim becomes final"
NOT_PAID = "the first challenger is not paid, for a copy closed first"


def state(*claims, **changes):
    """Return the clean state with claims of (truth, age) or (truth, age, opener), and other changes."""
    made = tuple(Claim(*one, *[NOBODY][len(one) - 2 :]) for one in claims)
    return CLEAN._replace(claims=made, **changes)


def game(batch, side, denied, *, hold=None, clock=2, standing=True, paid=False):
    """Return a game, which holds the batch that it denies alone unless told otherwise."""
    return Play(batch, hold or batch, side, denied, clock, standing, paid)


def moves(at, without=None):
    """Return the state after each message and the harm it does, by what the message is."""
    found = {}
    for label, after, harm in Model(SIZE, without).moves(at):
        assert label not in found
        found[label] = after, harm
    return found


def labels(at, word, without=None):
    """Return the messages with a word in them."""
    return sorted(label for label in moves(at, without) if word in label)


def test_sizes_unless_told_otherwise():
    assert Size() == Size(batches=3, window=2, clock=2, patience=2, puppets=2, bonds=2)
    # Patience, a window and two clocks, each with the tick in which it is seen to be over.
    assert Size(window=5, clock=3, patience=4).wait == 4 + 5 + 2 * 3 + 2
    assert len({NOBODY, HONEST, ADVERSARY}) == 3
    assert len({TRUE, FALSE}) == 2


def test_a_search_starts_clean_or_with_a_false_first_batch_that_is_final():
    clean, poisoned = Model(SIZE, None).starts()
    assert (clean.claims, clean.final, clean.seat, clean.bonds, clean.games) == ((), 0, NOBODY, 2, ())
    assert (clean.idle, clean.starved, clean.mail) == (0, 0, None)
    assert clean.may_drop
    assert clean.may_miss
    assert not clean.poisoned
    assert poisoned == clean._replace(claims=(Claim(FALSE, OVER, NOBODY),), final=1, poisoned=True)


def test_in_the_beginning_anyone_may_claim_or_time_may_pass():
    found = moves(CLEAN)
    claimed = CLEAN._replace(seat=ADVERSARY, bonds=1)
    assert found == {
        "adversary claims 1 truly": (claimed._replace(claims=(Claim(TRUE, 0, NOBODY),)), ""),
        "adversary claims 1 falsely": (claimed._replace(claims=(Claim(FALSE, 0, NOBODY),)), ""),
        "honest claim of 1 is sent": (CLEAN._replace(mail=("claim", 1, False)), ""),
        "a tick passes": (CLEAN._replace(idle=1), ""),
    }


# --- time -------------------------------------------------------------------------------------------------------------


def test_a_tick_ages_claims_and_runs_the_clocks_of_standing_games():
    games = (game(2, HONEST, TRUE, clock=1), game(3, HONEST, TRUE, standing=False, clock=0))
    at = state((TRUE, OPEN), (TRUE, LAST), (TRUE, OVER), games=games, seat=HONEST, idle=1)
    after, harm = moves(at)["a tick passes"]
    assert [claim.age for claim in after.claims] == [1, OVER, OVER]
    assert [one.clock for one in after.games] == [0, 0]
    assert (after.idle, after.starved, harm) == (2, 0, "")
    # The standing game has no time left: it is closed before more time passes.
    assert "a tick passes" not in moves(after)
    # Idle ticks are counted to one beyond the patience.
    late = moves(at._replace(idle=3))["a tick passes"][0]
    assert late.idle == 3


def test_no_tick_passes_before_what_honest_parties_send_and_what_is_under_way():
    false = state((FALSE, OPEN), seat=ADVERSARY)
    assert "a tick passes" not in moves(false)
    assert "a tick passes" not in moves(state((TRUE, OPEN), seat=ADVERSARY, mail=("claim", 2, False)))
    # A claim may wait, a challenge may not.
    assert {"honest claim of 1 is sent", "a tick passes"} <= set(moves(CLEAN))


@pytest.mark.parametrize(("starved", "after", "harm"), [(3, 4, ""), (9, 10, ""), (10, 11, SQUATTED)])
def test_a_seat_kept_without_claims_for_too_long_is_squatted(starved, after, harm):
    held = game(1, ADVERSARY, TRUE)
    at = state((TRUE, OPEN), seat=ADVERSARY, starved=starved, games=(held,))
    found, said = moves(at)["a tick passes"]
    assert (found.starved, said) == (after, harm)
    # It is no squatting where all batches are claimed, nor on another's seat.
    full = at._replace(claims=at.claims * 3)
    assert moves(full)["a tick passes"] == (moves(full)["a tick passes"][0]._replace(starved=0), "")
    assert moves(at._replace(seat=HONEST))["a tick passes"][0].starved == 0
    most = moves(at._replace(starved=11))["a tick passes"][0]
    assert most.starved == 11


def test_honest_parties_finalise_or_take_the_seat_before_a_squatter_gains_time():
    done = state((TRUE, OVER), seat=ADVERSARY)
    assert "a tick passes" not in moves(done)
    held = done._replace(games=(game(1, ADVERSARY, TRUE),))
    assert "a tick passes" in moves(held)
    idle = done._replace(final=1, idle=3)
    assert "a tick passes" not in moves(idle)
    assert "a tick passes" in moves(idle._replace(idle=2))
    # A false claim is nothing that they would finalise.
    assert "a tick passes" in moves(state((FALSE, OVER), seat=ADVERSARY))


# --- the seat ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seat", "idle", "final", "free"),
    [(NOBODY, 0, 1, True), (HONEST, 3, 1, True), (HONEST, 2, 1, False), (HONEST, 3, 0, False)],
)
def test_the_adversary_takes_a_vacant_or_idle_seat_for_a_bond(seat, idle, final, free):
    at = state((TRUE, OVER), final=final, seat=seat, idle=idle)
    found = moves(at)
    assert ("adversary claims 2 truly" in found) == free
    if free:
        after = found["adversary claims 2 falsely"][0]
        assert after.claims == (*at.claims, Claim(FALSE, 0, NOBODY))
        assert (after.seat, after.bonds, after.idle, after.starved) == (ADVERSARY, 1, 0, 0)
    assert not labels(at._replace(bonds=0), "adversary claims")
    # Without the rule an idle seat stays taken, and a vacant one is registered for.
    assert labels(at, "adversary", "the seat is taken by working") == (
        ["adversary registers"] if seat == NOBODY else []
    )


def test_who_has_the_seat_claims_on_for_no_further_bond_until_all_batches_are_claimed():
    at = state((TRUE, OPEN), (TRUE, OPEN), seat=ADVERSARY, bonds=0)
    assert moves(at)["adversary claims 3 truly"][0].bonds == 0
    full = state((TRUE, OPEN), (TRUE, OPEN), (TRUE, OPEN), seat=ADVERSARY, bonds=1)
    assert not labels(full, "adversary claims")
    assert not labels(full._replace(seat=HONEST), "honest claim")
    own = at._replace(seat=HONEST)
    assert moves(own)["honest claim of 3 is sent"] == (own._replace(mail=("claim", 3, False)), "")


def test_registering_takes_the_last_bond_too():
    at = CLEAN._replace(bonds=1)
    found = moves(at, "the seat is taken by working")
    assert found["adversary registers"] == (at._replace(seat=ADVERSARY, bonds=0), "")
    # Who has registered claims.
    seated = found["adversary registers"][0]
    assert "adversary claims 1 falsely" in moves(seated, "the seat is taken by working")
    assert "adversary claims 1 falsely" not in moves(at, "the seat is taken by working")


# --- messages of honest parties ---------------------------------------------------------------------------------------


def test_honest_parties_deny_each_false_claim_in_its_window_while_they_have_no_game():
    at = state((FALSE, OPEN), (FALSE, LAST), (FALSE, OVER), seat=ADVERSARY)
    assert labels(at, "!honest") == ["!honest challenge of 1 is sent", "!honest challenge of 2 is sent"]
    assert moves(at)["!honest challenge of 2 is sent"] == (at._replace(mail=("deny", 2, False)), "")
    assert labels(at._replace(final=1), "!honest") == ["!honest challenge of 2 is sent"]
    busy, void = (game(1, HONEST, FALSE, standing=standing) for standing in (True, False))
    assert not labels(at._replace(games=(busy,)), "!honest")
    assert len(labels(at._replace(games=(void,)), "!honest")) == 2
    puppet = game(1, ADVERSARY, FALSE)
    assert len(labels(at._replace(games=(puppet,)), "!honest")) == 2
    assert not labels(state((TRUE, OPEN), seat=ADVERSARY), "!honest")


def test_one_honest_message_is_under_way_at_a_time():
    at = state((FALSE, OPEN), seat=ADVERSARY, mail=("deny", 1, False))
    assert labels(at, "is sent") == []
    assert "adversary claims 2 truly" in moves(at)


def test_an_honest_claim_arrives_or_the_next_one_overtakes_it():
    at = CLEAN._replace(mail=("claim", 1, False), idle=2, starved=2)
    found = moves(at)
    claimed = at._replace(claims=(Claim(TRUE, 0, NOBODY),), seat=HONEST, idle=0, starved=0, mail=None)
    assert found["honest claim of 1"] == (claimed, "")
    dropped = "honest claim of 1 is dropped, that of 2 is not"
    assert found[dropped] == (at._replace(mail=("claim", 2, False), may_drop=False), "")
    assert not labels(at._replace(may_drop=False), "dropped")
    assert not labels(at._replace(mail=("claim", 3, False)), "dropped")
    assert not labels(at._replace(mail=("deny", 1, False)), "dropped")
    # The claim of the last batch but one may be dropped, too.
    assert labels(at._replace(mail=("claim", 2, False)), "dropped")


def test_a_claim_that_names_another_batch_is_refused_and_without_the_rule_it_lands_on_it():
    at = CLEAN._replace(mail=("claim", 2, False))
    assert moves(at)["honest claim of 2 is refused"] == (at._replace(mail=None), "")
    found = moves(at, "a claim names its batch")
    assert found["honest claim of 2 lands on 1"][1] == "an honest sequencer claims what is false"
    refused = "honest claim of 1 is refused"
    assert refused in moves(state((TRUE, OPEN), seat=HONEST, mail=("claim", 1, False)))
    # Nor is one taken on another's seat, or beyond the last batch.
    assert refused in moves(CLEAN._replace(mail=("claim", 1, False), seat=ADVERSARY))
    full = state((TRUE, OPEN), (TRUE, OPEN), (TRUE, OPEN), seat=HONEST, mail=("claim", 3, False))
    assert "honest claim of 3 is refused" in moves(full)
    assert "honest claim of 3 is refused" in moves(full, "a claim names its batch")
    last = state((TRUE, OPEN), (TRUE, OPEN), seat=HONEST, mail=("claim", 3, False))
    assert "honest claim of 3" in moves(last)


@pytest.mark.parametrize(
    ("age", "final", "n", "stale", "taken"),
    [
        (OPEN, 0, 1, False, True),
        (LAST, 0, 1, False, True),
        (OVER, 0, 1, False, False),
        (OPEN, 1, 1, False, False),
        (OPEN, 0, 2, False, False),
        (OPEN, 0, 1, True, False),
    ],
)
def test_a_challenge_is_taken_in_the_window_of_the_claim_that_it_names(age, final, n, stale, taken):
    at = state((FALSE, age), final=final, seat=ADVERSARY, mail=("deny", n, stale))
    found = moves(at)
    assert (f"honest challenge of {n}" in found) == taken
    assert (f"honest challenge of {n} is refused" in found) != taken
    if taken:
        after = at._replace(claims=(Claim(FALSE, age, HONEST),), games=(game(1, HONEST, FALSE),), mail=None)
        assert found["honest challenge of 1"] == (after, "")
    else:
        assert found[f"honest challenge of {n} is refused"] == (at._replace(mail=None), "")


def test_without_its_name_a_challenge_hits_the_claim_that_has_taken_the_place():
    at = state((TRUE, OPEN), seat=ADVERSARY, mail=("deny", 1, True))
    found = moves(at, "a challenge names its claim")
    assert found["honest challenge of 1"][1] == "an honest challenger denies a true claim"
    false = state((FALSE, OPEN), seat=ADVERSARY, mail=("deny", 1, True))
    after, harm = moves(false, "a challenge names its claim")["honest challenge of 1"]
    assert (after.games, harm) == ((game(1, HONEST, FALSE),), "")


# --- games ------------------------------------------------------------------------------------------------------------


def test_a_game_holds_every_claim_from_the_first_open_one_on():
    claims = (TRUE, OVER), (TRUE, LAST), (FALSE, OPEN, ADVERSARY)
    other = game(2, ADVERSARY, TRUE)
    at = state(*claims, seat=ADVERSARY, mail=("deny", 3, False), games=(other,))
    after = moves(at)["honest challenge of 3"][0]
    # Who opened the first game on the claim stays known.
    assert after.claims == at.claims
    assert after.games == (other, game(3, HONEST, FALSE, hold=2))
    alone = moves(at, "a game holds all open claims")["honest challenge of 3"][0]
    assert alone.games == (other, game(3, HONEST, FALSE, hold=3))
    # Of final ones none is held.
    late = state((TRUE, OPEN), (TRUE, OPEN), (FALSE, OPEN), final=1, seat=ADVERSARY, mail=("deny", 3, False))
    assert moves(late)["honest challenge of 3"][0].games == (game(3, HONEST, FALSE, hold=2),)


def test_puppets_challenge_any_open_claim_as_many_at_a_time_as_there_are():
    at = state((TRUE, OPEN), (FALSE, LAST), (TRUE, OVER), seat=HONEST)
    assert labels(at, "puppet challenges") == ["puppet challenges 1", "puppet challenges 2"]
    after, harm = moves(at)["puppet challenges 2"]
    assert (after.games, harm) == ((game(2, ADVERSARY, FALSE, hold=1),), "")
    assert [one.opener for one in after.claims] == [NOBODY, ADVERSARY, NOBODY]
    assert labels(at._replace(final=1), "puppet challenges") == ["puppet challenges 2"]
    one, two = game(1, ADVERSARY, TRUE), game(1, ADVERSARY, TRUE, standing=False)
    assert labels(at._replace(games=(one,)), "puppet challenges")
    assert not labels(at._replace(games=(one, two)), "puppet challenges")
    honest = game(2, HONEST, FALSE)
    assert labels(at._replace(games=(one, honest)), "puppet challenges")


def test_the_adversary_decides_its_puppets_games_on_its_own_claims():
    puppet = game(1, ADVERSARY, TRUE)
    at = state((TRUE, OPEN), seat=ADVERSARY, games=(puppet,))
    found = moves(at)
    assert found["puppet loses on 1"] == (at._replace(games=()), "")
    assert found["puppet wins on 1"] == (at._replace(games=(), claims=(), seat=NOBODY), "")
    # Against an honest sequencer a puppet loses, or an answer was missed, which happens once.
    own = at._replace(seat=HONEST)
    assert labels(own, "puppet wins") == ["an answer to 1 is missed, puppet wins"]
    after, harm = moves(own)["an answer to 1 is missed, puppet wins"]
    assert (after, harm) == (own._replace(games=(), claims=(), seat=NOBODY, may_miss=False), "")
    assert labels(own._replace(may_miss=False), " on 1") == ["puppet loses on 1"]


def test_a_false_final_difference_costs_an_honest_bond_only_where_roots_do_not_follow_from_it():
    poisoned = Model(SIZE, None).starts()[1]
    at = poisoned._replace(
        claims=(*poisoned.claims, Claim(TRUE, OPEN, ADVERSARY)),
        seat=HONEST,
        games=(game(2, ADVERSARY, TRUE),),
    )
    assert labels(at, "puppet wins") == ["an answer to 2 is missed, puppet wins"]
    assert moves(at, "roots follow from T")["puppet wins on 2"][1] == "an honest sequencer loses its bond"
    # The first batch has no difference before it.
    first = state((TRUE, OPEN), seat=HONEST, poisoned=True, games=(game(1, ADVERSARY, TRUE),))
    assert labels(first, "puppet wins", "roots follow from T") == ["an answer to 1 is missed, puppet wins"]
    clean = at._replace(poisoned=False)
    assert "puppet wins on 2" not in moves(clean, "roots follow from T")


def test_a_lost_game_finalises_nothing_and_without_the_rule_all_up_to_its_batch():
    puppet = game(2, ADVERSARY, FALSE)
    at = state((TRUE, OPEN), (FALSE, OPEN), seat=ADVERSARY, games=(puppet,))
    rule = "a lost game finalises nothing"
    assert moves(at)["puppet loses on 2"] == (at._replace(games=()), "")
    assert moves(at, rule)["puppet loses on 2"] == (at._replace(games=(), final=2), FINAL_FALSE)
    true = state((TRUE, OPEN), (TRUE, OPEN), seat=ADVERSARY, games=(game(1, ADVERSARY, TRUE),), final=1)
    assert moves(true, rule)["puppet loses on 1"] == (true._replace(games=()), "")
    # What has been final before is no new harm.
    known = state((FALSE, OVER), (TRUE, OPEN), final=1, seat=ADVERSARY, games=(game(2, ADVERSARY, TRUE),))
    assert moves(known, rule)["puppet loses on 2"] == (known._replace(games=(), final=2), "")


def test_a_won_game_withdraws_what_is_not_final_and_voids_the_other_games():
    own, copy = game(2, HONEST, FALSE), game(2, ADVERSARY, FALSE)
    others = (game(3, HONEST, TRUE, clock=1), game(3, ADVERSARY, TRUE, standing=False, clock=0))
    claims = (TRUE, OVER), (FALSE, OPEN, HONEST), (TRUE, OPEN, HONEST)
    at = state(*claims, final=1, seat=ADVERSARY, idle=2, games=tuple(sorted((own, copy, *others))))
    after, harm = moves(at)["honest challenger wins on 2"]
    assert (after.claims, after.final, harm) == (at.claims[:1], 1, "")
    assert (after.seat, after.idle, after.bonds) == (NOBODY, 0, 2)
    # The bond of a puppet that was not the first on the claim owes the first nothing more.
    assert set(after.games) == {
        copy._replace(standing=False, clock=0, paid=True),
        others[0]._replace(standing=False, clock=0),
        others[1],
    }
    # The copy closes first: the first challenger of the same batch is paid out of it, its other game is not.
    after, harm = moves(at)["puppet wins on 2"]
    assert set(after.games) == {
        own._replace(standing=False, clock=0, paid=True),
        others[0]._replace(standing=False, clock=0),
        others[1],
    }
    unpaid = moves(at, "the first challenger is paid")["puppet wins on 2"][0]
    assert own._replace(standing=False, clock=0) in unpaid.games
    assert after.games == tuple(sorted(after.games))


def test_a_true_claim_that_was_lost_pays_no_challenger():
    own, puppet = game(1, HONEST, TRUE), game(1, ADVERSARY, TRUE)
    at = state((TRUE, OPEN, HONEST), seat=ADVERSARY, games=(own, puppet))
    after = moves(at)["puppet wins on 1"][0]
    assert after.games == (own._replace(standing=False, clock=0),)


def test_without_withdrawal_the_claim_and_its_other_games_stand():
    games = (game(1, HONEST, FALSE), game(1, ADVERSARY, FALSE))
    at = state((FALSE, OPEN, HONEST), seat=ADVERSARY, games=games, mail=("deny", 1, False))
    after = moves(at, "a lost claim is withdrawn")["honest challenger wins on 1"][0]
    assert (after.claims, after.games, after.seat) == (at.claims, games[1:], NOBODY)
    assert after.mail == ("deny", 1, False)


@pytest.mark.parametrize(
    ("mail", "after"),
    [
        (("deny", 2, False), ("deny", 2, True)),
        (("deny", 1, False), ("deny", 1, False)),
        (("claim", 2, False), ("claim", 2, False)),
        (None, None),
    ],
)
def test_a_challenge_under_way_names_a_claim_that_is_gone(mail, after):
    at = state(
        (TRUE, OVER), (FALSE, OPEN), final=1, seat=ADVERSARY, games=(game(2, ADVERSARY, FALSE),), mail=mail
    )
    assert moves(at)["puppet wins on 2"][0].mail == after


def test_games_that_are_alike_are_closed_once_and_each_leaves_the_others():
    twice = (game(1, ADVERSARY, TRUE), game(1, ADVERSARY, TRUE), game(2, ADVERSARY, TRUE))
    at = state((TRUE, OPEN), (TRUE, OPEN), seat=ADVERSARY, games=twice)
    found = moves(at)
    assert found["puppet loses on 1"][0].games == twice[1:]
    assert found["puppet loses on 2"][0].games == twice[:2]


@pytest.mark.parametrize(("final", "paid", "harm"), [(1, True, ""), (1, False, NOT_PAID), (0, True, None)])
def test_the_bond_of_a_void_game_waits_until_the_claim_is_known(final, paid, harm):
    void = game(1, HONEST, FALSE, standing=False, clock=0, paid=paid)
    at = state((TRUE, OVER), final=final, seat=HONEST, games=(void,))
    label = "honest challenger gets its bond on 1 back"
    found = moves(at)
    if harm is None:
        assert label not in found
        assert moves(at, "void bonds wait for the truth")[label] == (at._replace(games=()), "")
    else:
        assert found[label] == (at._replace(games=()), harm)


def test_a_puppets_bond_is_given_back_for_a_denied_truth_only_without_the_rule():
    for denied, harm in ((TRUE, "a puppet that denied a true claim gets its bond back"), (FALSE, "")):
        void = game(1, ADVERSARY, denied, standing=False, clock=0)
        at = state((TRUE, OVER), seat=HONEST, games=(void,))
        closed = at._replace(games=())
        assert labels(at, "void") == labels(at, "puppet gets") == []
        assert moves(at, "void bonds wait for the truth")["puppet gets its bond on 1 back"] == (closed, harm)
        known = at._replace(final=1)
        assert moves(known)["void game on 1 is closed"] == (known._replace(games=()), "")


# --- finality ---------------------------------------------------------------------------------------------------------


def test_claims_become_final_in_order_when_their_windows_are_over():
    at = state((TRUE, OVER), (FALSE, OVER), (TRUE, LAST), seat=ADVERSARY)
    found = moves(at)
    assert labels(at, "finalised") == ["batches up to 1 are finalised", "batches up to 2 are finalised"]
    assert found["batches up to 1 are finalised"] == (at._replace(final=1), "")
    assert found["batches up to 2 are finalised"] == (at._replace(final=2), FINAL_FALSE)
    assert labels(at._replace(final=1), "finalised") == ["batches up to 2 are finalised"]
    known = state((FALSE, OVER), (TRUE, OVER), final=1)
    assert moves(known)["batches up to 2 are finalised"] == (known._replace(final=2), "")
    waiting = state((TRUE, LAST), (TRUE, OVER))
    assert not labels(waiting, "finalised")
    everything = state((TRUE, OVER), (TRUE, OVER), (TRUE, OVER))
    assert len(labels(everything, "finalised")) == 3


@pytest.mark.parametrize(
    ("hold", "standing", "upto"), [(1, True, 0), (2, True, 1), (3, True, 2), (1, False, 3)]
)
def test_a_standing_game_blocks_what_it_holds(hold, standing, upto):
    at = state((TRUE, OVER), (TRUE, OVER), (TRUE, OVER), seat=HONEST)
    at = at._replace(games=(game(3, ADVERSARY, TRUE, hold=hold, standing=standing),))
    assert len(labels(at, "finalised")) == upto
    assert len(labels(at, "finalised", "games block finality")) == 3


def test_each_rule_is_in_force_until_it_is_removed():
    for name in RULES:
        assert Model(SIZE, None).rule(name)
        assert not Model(SIZE, name).rule(name)
        assert all(Model(SIZE, name).rule(other) for other in RULES if other != name)
