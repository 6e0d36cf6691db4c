"""Parameters of the chapter ``verifier_memory``."""

from __future__ import annotations

from dataclasses import dataclass

from rollstate.compendium.parameters import Parameters, parameter


@dataclass(frozen=True)
class VerifierMemory(Parameters):
    """What a verifier's bookkeeping of storage accesses holds, with and without the trace of every access."""

    counts: str = parameter("worlddiff", doc="data set of counts of real batches")
    trace: str = parameter("mainnet-bal", doc="data set or your own trace: whose slots the streams touch")
    refunds: int = parameter(563_747, low=1_000, high=10**8, doc="refunds of the claimed batch (published)")
    costs: int = parameter(
        1_246_151, low=1_000, high=10**8, doc="pubdata costs of the claimed batch (published)"
    )
    transient_share: float = parameter(
        0.032, low=0, high=0.5, doc="share of transient accesses among those costs"
    )
    write_share: float = parameter(0.27, low=0.01, high=1, doc="share of writes among the refunds")
    slots: int = parameter(
        10_729, low=100, high=10**8, doc="slots of the claimed batch (that of a neighbour)"
    )
    transactions: int = parameter(
        4_487, low=1, high=10**6, doc="transactions of the claimed batch (published)"
    )
    per_slot: float = parameter(5.0, low=1, high=100, doc="sampled accesses per touch of a slot in a block")
    reverted: float = parameter(0.05, low=0, high=1, doc="sampled share of transactions with a failed frame")
    sizes: tuple[int, ...] = parameter(
        (1_000, 10_000, 50_000),
        unit="accesses",
        low=100,
        high=1_000_000,
        doc="streams whose sorts are counted",
    )
    seed: int = parameter(1, low=0, doc="seed of what is sampled")

    def data_sets(self) -> tuple[str, ...]:
        """Return the counts and the trace."""
        return (self.counts, self.trace)
