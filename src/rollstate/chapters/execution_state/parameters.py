"""Parameters of the chapter ``execution_state``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rollstate.compendium.parameters import Parameters, parameter


@dataclass(frozen=True)
class ExecutionState(Parameters):
    """What reading, proving, keeping and splitting state costs, and a ledger of the claims about it."""

    needs: ClassVar[tuple[str, ...]] = ("tx_of_writes",)

    trace: str = parameter("mainnet-bal", doc="data set by name, or path of your own trace")
    witnesses: str = parameter("scroll-witness", doc="data set of block witnesses")
    prestate: str = parameter(
        "prestate", doc="data set of prestate tracer answers, with reads by transaction"
    )
    published: str = parameter("published", doc="data set of published warm-set tables")
    measured: str = parameter("pevm-blocks", doc="data set of blocks with measured times")
    accounts: int = parameter(288_871_029, low=1, high=10**12, doc="accounts of the whole state")
    slots: int = parameter(1_287_949_062, low=1, high=10**13, doc="storage slots of the whole state")
    windows: tuple[int, ...] = parameter((1, 2, 5, 10, 25), unit="blocks", low=1, doc="expiry windows")
    shards: tuple[int, ...] = parameter((2, 4, 8, 16, 64), low=2, high=4_096, doc="numbers of shards")
    memory_s: float = parameter(100e-9, unit="s", low=1e-10, high=1e-3, doc="latency of memory")
    disk_s: float = parameter(100e-6, unit="s", low=1e-7, high=1, doc="latency of a solid state disk")
    register_s: float = parameter(0.1e-9, unit="s", low=1e-12, high=1e-6, doc="latency of a register")
    compute_s: float = parameter(
        0.1, unit="s", low=0, high=100, doc="computing time of a block on one thread"
    )
    threads: int = parameter(8, low=1, high=1_024, doc="threads that compute")
    depth: int = parameter(32, low=1, high=4_096, doc="reads under way at once that the text quotes")
    hot_keys: int = parameter(5, low=1, high=1_000, doc="hottest keys of a block that are priced or sharded")
    code_chunks: int = parameter(
        16,
        low=0,
        high=1_000,
        doc="31-byte pieces of code that a run reads of each account with storage: an assumption",
    )
    draws: int = parameter(400, low=50, high=20_000, doc="bootstrap draws over blocks")
    seed: int = parameter(20_261_120, low=0, doc="seed of the bootstrap")

    def data_sets(self) -> tuple[str, ...]:
        """Return the trace and the four references."""
        return (self.trace, self.witnesses, self.prestate, self.published, self.measured)
