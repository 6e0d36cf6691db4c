"""What a budget buys, and what one proof costs, on numbers that can be done by hand."""

from dataclasses import replace

import pytest

from rollstate.dispute.economics import campaigns, delays, groth16_gas, op_bond
from rollstate.dispute.game import Rules
from rollstate.errors import InputError

RULES = Rules(window=1000, clock=300, extension=50, sequencer_bond=4 * 10**18, challenger_bond=10**18)


def test_a_budget_buys_games_side_by_side_and_losses_one_after_the_other():
    # Gas of 0.5 ETH for the challenger and 0.25 for the sequencer.
    more = {"sequencer_gas": 250_000, "challenger_gas": 500_000, "gwei": 1000.0}
    games, losses = campaigns(RULES, 30.0, **more)
    assert (games.times, games.seconds) == (20, 800)
    assert (games.honest_gas_eth, games.honest_income_eth, games.honest_capital_eth) == (5.0, 10.0, 4.0)
    # Half the bond of 4 ETH and both sides' gas: 2.75 ETH each time.
    assert (losses.times, losses.seconds) == (10, 10_000)
    twice = campaigns(RULES, 60.0, **more)
    assert twice[0].seconds == games.seconds
    assert twice[1].seconds > 2 * losses.seconds


def test_a_budget_below_one_bond_buys_nothing():
    for found in campaigns(RULES, 0.5, sequencer_gas=1, challenger_gas=1, gwei=1.0):
        assert (found.times, found.seconds) == (0, 0)
    for bad in ({"budget": 0, "gwei": 1.0}, {"budget": 1, "gwei": 0.0}):
        with pytest.raises(InputError, match="must be positive"):
            campaigns(RULES, sequencer_gas=1, challenger_gas=1, **bad)


def test_a_groth16_check_costs_what_the_schedule_says():
    # 21,000 + (45,000 + 4 * 34,000) + 6,150 + 16 * 32 * 9, by hand.
    assert groth16_gas(1) == 212_758
    assert groth16_gas(2) - groth16_gas(1) == 6_662
    with pytest.raises(InputError, match="0 public inputs"):
        groth16_gas(0)


def test_a_puppet_delays_by_both_clocks_and_a_sequencer_by_a_window():
    puppet, loss = delays(RULES)
    # Two clocks of 300 s, each extended twice by 50 s; the challenger's bond is lost.
    assert (puppet.seconds, puppet.eth, puppet.seconds_per_eth, puppet.repeats) == (800, 1, 800, False)
    # Of the sequencer's 4 ETH half comes back; of an odd number of wei the smaller half.
    assert (loss.seconds, loss.eth, loss.seconds_per_eth, loss.repeats) == (1000, 2, 500, True)
    few = replace(RULES, sequencer_bond=3 * 10**18 + 1)
    assert delays(few)[1].eth * 10**18 == pytest.approx(1.5 * 10**18, rel=1e-12)


def test_the_bond_of_the_op_stack_is_that_of_its_table():
    assert op_bond(0) == pytest.approx(0.08, rel=1e-12)
    assert op_bond(1) == pytest.approx(0.08 * 1.09493, rel=1e-12)
    assert op_bond(73) == pytest.approx(60, rel=0.01)
    for depth in (-1, 74):
        with pytest.raises(InputError, match=r"outside 0\.\.73"):
            op_bond(depth)


def test_a_budget_of_exactly_one_game_buys_it():
    games, losses = campaigns(RULES, 1.5, sequencer_gas=250_000, challenger_gas=500_000, gwei=1000.0)
    assert (games.times, games.seconds, games.honest_gas_eth, games.honest_income_eth) == (1, 800, 0.25, 0.5)
    assert (losses.times, losses.seconds, losses.honest_gas_eth, losses.honest_income_eth) == (0, 0, 0, 0)
    assert losses.honest_capital_eth == 4
