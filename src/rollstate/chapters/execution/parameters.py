"""Parameters of the chapter ``execution``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rollstate.compendium.parameters import Parameters, parameter


@dataclass(frozen=True)
class Execution(Parameters):
    """What conflicts leave of parallel execution under each rule, held against measured engines."""

    needs: ClassVar[tuple[str, ...]] = ("tx_of_writes",)

    trace: str = parameter("mainnet-bal", doc="data set by name, or path of your own trace")
    measured: str = parameter("pevm-blocks", doc="data set of blocks with pre-state and measured times")
    rollup: str = parameter("linea_28279135", doc="data set of a rollup's trace")
    month: str = parameter("mainnet_thinned_30d", doc="data set of a longer trace, storage alone")
    window_start: int | None = parameter(
        None, unit="block", low=0, doc="first block of the window; all if not given"
    )
    window_stop: int | None = parameter(
        None, unit="block", low=1, doc="block behind the window; all if not given"
    )
    threads: tuple[int, ...] = parameter((1, 2, 4, 8, 16, 32), low=1, high=1_024, doc="numbers of threads")
    intervals: tuple[int, ...] = parameter(
        (1, 2, 5, 10, 25), unit="blocks", low=1, doc="blocks per commitment"
    )
    quote: int = parameter(8, unit="threads", low=1, high=1_024, doc="number of threads that the text quotes")
    engine_threads: int = parameter(
        12, unit="threads", low=1, high=1_024, doc="threads of the measured engine (pevm's README, ARM)"
    )
    sequential_gas: float = parameter(
        4e6,
        unit="gas",
        low=0,
        high=1e9,
        doc="gas below which the measured engine ran every published block on one thread",
    )
    block_gas: float = parameter(60e6, unit="gas", low=1e6, high=1e10, doc="gas limit of a full block")
    disk_s: float = parameter(
        100e-6, unit="s", low=1e-7, high=1, doc="latency of a solid state disk, for reads of storage"
    )
    compute_s: float = parameter(
        0.1,
        unit="s",
        low=1e-6,
        high=100,
        doc="computing time of a block on one thread, with every read answered",
    )
    read_depth: int = parameter(
        32, unit="reads", low=1, high=4_096, doc="reads under way at once that the text quotes"
    )
    hot_keys: int = parameter(5, low=1, high=1_000, doc="hottest keys of a block that are priced or sharded")
    slots: int = parameter(1_287_949_062, low=1, high=10**13, doc="storage slots of the whole state")
    draws: int = parameter(400, low=50, high=20_000, doc="bootstrap draws over blocks")
    seed: int = parameter(20_261_120, low=0, doc="seed of the bootstrap")

    def data_sets(self) -> tuple[str, ...]:
        """Return the trace, the measured blocks, the rollup's and the longer trace."""
        return (self.trace, self.measured, self.rollup, self.month)
