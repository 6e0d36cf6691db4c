"""What delaying finality costs, and what an honest party pays: by the rules here, and as others publish it."""

from __future__ import annotations

from dataclasses import dataclass

from rollstate.dispute.game import Rules
from rollstate.errors import InputError

WEI = 10**18
OP_GAS, OP_GROWTH, OP_PRICE_GWEI = 400_000, 1.09493, 200
"""``getRequiredBond`` of OP Stack's FaultDisputeGame: base gas, growth for each level, assumed price."""


@dataclass(frozen=True)
class Delay:
    """A way to delay finality.

    Attributes
    ----------
    attack : str
        What the adversary does.
    seconds : float
        Delay beyond the window, in seconds: of one attack if `repeats`, of any number of them if not.
    eth : float
        What it burns or loses to others, in ETH.
    repeats : bool
        Whether it can be done again, for another such delay and another such sum.
    """

    attack: str
    seconds: float
    eth: float
    repeats: bool

    @property
    def seconds_per_eth(self) -> float:
        """Delay bought with one ETH."""
        return self.seconds / self.eth


def delays(rules: Rules) -> list[Delay]:
    """Return the ways to delay finality under `rules`, by what they cost.

    A puppet's false game, opened in the last second, runs for both sides' clocks, each extended at most twice. More
    games run beside it and add nothing. A sequencer that loses on purpose loses its bond, of which it gets at most
    half back as its own challenger; claims have to be made anew and wait for another window.
    """
    game = 2 * (rules.clock + 2 * rules.extension)
    return [
        Delay("a puppet loses a game", float(game), rules.challenger_bond / WEI, repeats=False),
        Delay(
            "a sequencer loses on purpose",
            float(rules.window),
            (rules.sequencer_bond - rules.sequencer_bond // 2) / WEI,
            repeats=True,
        ),
    ]


def op_bond(depth: int) -> float:
    """Return the bond that OP Stack's dispute game asks for at a depth, in ETH.

    Raises
    ------
    InputError
        If the depth is outside 0..73.

    Notes
    -----
    ``400,000 gas * 1.09493^depth * 200 gwei``, from ``FaultDisputeGame.getRequiredBond``,
    https://github.com/ethereum-optimism/optimism; 0.08 ETH at depth 0, 60 ETH at 73.
    """
    if not 0 <= depth <= 73:
        raise InputError(f"depth {depth} is outside 0..73, the game's depths")
    return OP_GAS * OP_GROWTH**depth * OP_PRICE_GWEI * 1e-9


def gas_cost(gas: int, gwei: float) -> float:
    """Return the price of some gas, in ETH."""
    return gas * gwei * 1e-9
