"""What a budget buys, and what one proof costs, on numbers that can be done by hand."""

import pytest

from rollstate.dispute.economics import campaigns, groth16_gas
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
