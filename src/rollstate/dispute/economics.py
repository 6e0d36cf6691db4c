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


GROTH16_PAIRINGS = 4
"""Pairings of one Groth16 check, https://eprint.iacr.org/2016/260."""


def groth16_gas(inputs: int) -> int:
    """Return the gas of a transaction that checks one Groth16 proof over BN254 with some public inputs.

    Raises
    ------
    InputError
        If there is no public input.

    Notes
    -----
    EIP-1108: ``45,000 + 34,000 k`` for `k` pairings, 6,000 for a multiplication and 150 for an addition, one of each
    for an input. The transaction itself takes 21,000, and 16 for each byte of calldata: 8 words of proof, and inputs.
    """
    if inputs < 1:
        raise InputError(f"{inputs} public inputs: a proof about nothing; give at least 1")
    pairing = 45_000 + 34_000 * GROTH16_PAIRINGS
    return 21_000 + pairing + inputs * (6_000 + 150) + 16 * 32 * (8 + inputs)


@dataclass(frozen=True)
class Campaign:
    """What an adversary does with a budget, and what it costs the honest side.

    Attributes
    ----------
    attack : str
        What the adversary repeats.
    times : int
        How often its budget lets it.
    seconds : float
        Delay of finality beyond the window, in seconds, in all.
    honest_gas_eth : float
        Gas that the honest side pays, in ETH.
    honest_income_eth : float
        What the rules pay the honest side out of lost bonds, in ETH.
    honest_capital_eth : float
        Bonds that the honest side has locked at once, in ETH.
    """

    attack: str
    times: int
    seconds: float
    honest_gas_eth: float
    honest_income_eth: float
    honest_capital_eth: float


def campaigns(
    rules: Rules, budget: float, *, sequencer_gas: int, challenger_gas: int, gwei: float
) -> list[Campaign]:
    """Return what a budget buys an adversary under `rules`, for each way to delay finality.

    Parameters
    ----------
    rules : Rules
        Constants of the contract.
    budget : float
        What the adversary burns or loses, in ETH.
    sequencer_gas, challenger_gas : int
        Gas of a side's messages in one game.
    gwei : float
        Price of gas.

    Raises
    ------
    InputError
        If the budget or the price of gas is not positive.

    Notes
    -----
    Puppets' games run beside each other: their delay is that of one. A sequencer that loses on purpose accuses itself
    first, so that half its bond comes back; each time all claims wait for another window.
    """
    if not budget > 0 or not gwei > 0:
        raise InputError(f"budget={budget} ETH and gwei={gwei} must be positive")
    puppet, loss = delays(rules)
    answer, accuse = gas_cost(sequencer_gas, gwei), gas_cost(challenger_gas, gwei)
    bond, stake = rules.challenger_bond / WEI, rules.sequencer_bond / WEI
    games = int(budget / (bond + accuse))
    losses = int(budget / (loss.eth + answer + accuse))
    return [
        Campaign(
            puppet.attack, games, puppet.seconds if games else 0.0, games * answer, games * bond / 2, stake
        ),
        Campaign(loss.attack, losses, losses * loss.seconds, 0.0, 0.0, stake),
    ]


def gas_cost(gas: int, gwei: float) -> float:
    """Return the price of some gas, in ETH."""
    return gas * gwei * 1e-9
