"""Parameters of the chapter ``proving``."""

from __future__ import annotations

from dataclasses import dataclass

from rollstate.compendium.parameters import Parameters, parameter


@dataclass(frozen=True)
class Proving(Parameters):
    """Delay and throughput of close, prove, aggregate, verify."""

    close_s: float = parameter(10.0, unit="s", low=0.5, high=3_600, doc="time to close a batch (article)")
    prove_s: float = parameter(120.0, unit="s", low=1, high=36_000, doc="time to prove a batch (article)")
    aggregate_s: float = parameter(
        12.0, unit="s", low=0.1, high=3_600, doc="time to aggregate proofs (article)"
    )
    article_block_s: float = parameter(15.0, unit="s", low=1, high=60, doc="L1 block time the article takes")
    slot_s: float = parameter(12.0, unit="s", low=1, high=60, doc="L1 slot time of the simulations")
    tx_per_s: float = parameter(20.0, unit="tx/s", low=0.1, high=2_000, doc="arrival rate of transactions")
    miss: float = parameter(0.01, low=0, high=0.5, doc="share of L1 slots that are missed")
    failure: float = parameter(
        0.02,
        low=0,
        high=0.2,
        doc="probability that a proof fails and is tried again; lies between measured runs",
    )
    group: int = parameter(4, low=1, high=100, doc="batches per aggregate of the example")
    runs: str = parameter("proving", doc="data set of measured proving runs")
    run: str = parameter(
        "reth-v1.11.0 on zisk-v0.16.1, 8x5090", doc="measured run that stands for real-time proving"
    )
    life_cycle: str | None = parameter(
        None, doc="CSV file of rollstate extract --view batches, to compare with the model; none by default"
    )
    gas_growth: tuple[float, ...] = parameter(
        (1.0, 1.5, 2.0, 3.0), low=0.01, high=1_000, doc="gas of future blocks over that of the measured ones"
    )
    serial: tuple[float, ...] = parameter(
        (0.0, 0.05, 0.1, 0.2),
        low=0,
        high=1,
        doc="share of a proof that more GPUs do not shorten: an assumption, no public run varies the GPUs",
    )
    stake_usd: float = parameter(
        10.0, unit="$", low=0, high=1e6, doc="what a prover loses for a block that it does not prove in time"
    )
    max_wait_s: float = parameter(
        1.0, unit="s", low=0.01, high=600, doc="wait for a prover that 99 % must not exceed"
    )
    verify_gas: float = parameter(350_000.0, unit="gas", low=0, high=1e8, doc="L1 gas to verify an aggregate")
    gwei: float = parameter(20.0, unit="gwei", low=0.01, high=10_000, doc="L1 gas price")
    eth_usd: float = parameter(3_000.0, unit="$", low=1, high=1e6, doc="price of ether")
    prover_usd_per_h: float = parameter(4.0, unit="$/h", low=0, high=1e4, doc="price of one prover")
    delay_usd: float = parameter(
        1e-5, unit="$/tx/s", low=1e-9, high=1, doc="what a second of delay costs a transaction"
    )
    transactions: int = parameter(
        500_000, unit="tx", low=50_000, high=10_000_000, doc="transactions of one replication"
    )
    replications: int = parameter(40, low=10, high=1_000, doc="independent replications of a simulation")
    train: int = parameter(150, unit="blocks", low=50, high=100_000, doc="blocks a model is fitted on")
    draws: int = parameter(200, low=20, high=10_000, doc="bootstrap draws")
    seed: int = parameter(20_261_120, low=0, doc="seed of every simulation and bootstrap")

    def data_sets(self) -> tuple[str, ...]:
        """Return the measured runs, and the recorded batches where they are given."""
        return (self.runs,) if self.life_cycle is None else (self.runs, self.life_cycle)
