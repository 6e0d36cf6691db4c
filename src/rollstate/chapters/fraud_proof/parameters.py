"""The two-stage fraud proof over state differences, played on a chain."""

from dataclasses import dataclass

from rollstate.compendium.parameters import Parameters, parameter
from rollstate.dispute.game import Rules
from rollstate.dispute.worlds import FAULTS
from rollstate.dispute.zoo import SEQUENCERS
from rollstate.errors import InputError


@dataclass(frozen=True)
class FraudProof(Parameters):
    """Case A and Case B message by message, the adversaries, gas and rounds."""

    chain: str = parameter("py-evm", choices=("py-evm", "anvil"), doc="where the contract runs")
    n: int = parameter(12, unit="batches", low=3, high=200, doc="batches posted in the walkthrough, n")
    r: int = parameter(2, unit="batches", low=0, high=190, doc="batches below the finalised state hash, r")
    m: int = parameter(8, unit="transactions", low=2, high=64, doc="transactions per batch, m")
    depth: int = parameter(32, unit="levels", low=8, high=256, doc="depth of the state tree")
    accounts: int = parameter(64, low=8, high=40_000, doc="accounts in the genesis state")
    fault_batch: int = parameter(6, low=1, high=200, doc="batch in which the sequencer first lies, x")
    fault_transaction: int = parameter(5, low=0, high=63, doc="transaction at which it lies")
    fault: str = parameter("mint", choices=FAULTS, doc="what is wrong")
    sequencer: str = parameter("follows its lie", choices=tuple(SEQUENCERS), doc="how the liar plays")
    window: int = parameter(
        1200, unit="s", low=60, high=10**7, doc="window in which a claim may be challenged"
    )
    clock: int = parameter(600, unit="s", low=60, high=10**7, doc="thinking time of each side")
    extension: int = parameter(60, unit="s", low=0, high=10**7, doc="least time on entering a stage")
    patience: int = parameter(
        3600,
        unit="s",
        low=60,
        high=10**8,
        doc="after which an idle sequencer's seat is free; at least the window",
    )
    sequencer_bond: float = parameter(1.0, unit="ETH", low=0.001, high=10_000, doc="bond of the sequencer")
    challenger_bond: float = parameter(0.1, unit="ETH", low=0.001, high=10_000, doc="bond of a challenger")
    budget: float = parameter(
        1000.0, unit="ETH", low=1, high=1e7, doc="what an adversary spends in the comparison"
    )
    gas_price: float = parameter(20.0, unit="gwei", low=0.01, high=10_000, doc="price of gas in it")
    gaps: tuple[int, ...] = parameter(
        (2, 4, 8, 16, 32, 64), unit="batches", low=2, high=512, doc="n - r of the games whose gas is drawn"
    )
    random_games: int = parameter(1_000, low=10, high=1_000_000, doc="random games of two parties")
    crowd_plays: int = parameter(1_000, low=10, high=1_000_000, doc="random plays of many parties at once")
    model_batches: int = parameter(3, unit="batches", low=2, high=4, doc="batches of the timed model")
    program_batches: int = parameter(
        4, unit="batches", low=3, high=32, doc="batches of the game that ends in an instruction"
    )
    instructions: int = parameter(40, low=5, high=10_000, doc="instructions whose check on chain is measured")
    seed: int = parameter(1, low=0, doc="seed of transactions and of the random games")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.r < self.fault_batch < self.n:
            raise InputError(
                f"fault_batch {self.fault_batch} must lie above r = {self.r} and below n = {self.n}: Case B "
                "looks for it between them"
            )
        if self.patience < self.window:
            raise InputError(f"patience {self.patience} s must be at least the window, {self.window} s")
        if self.fault_transaction >= self.m:
            raise InputError(
                f"fault_transaction {self.fault_transaction} is not among m = {self.m} transactions"
            )

    def rules(self) -> Rules:
        """Return the contract's constants."""
        wei = 10**18
        return Rules(
            self.depth,
            self.window,
            self.clock,
            self.extension,
            int(self.sequencer_bond * wei),
            int(self.challenger_bond * wei),
            patience=self.patience,
        )
