"""Parameters of the chapter ``execution``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rollstate.compendium.parameters import Parameters, parameter


@dataclass(frozen=True)
class Execution(Parameters):
    """What conflicts leave of parallel execution, and what committing less often saves."""

    needs: ClassVar[tuple[str, ...]] = ("tx_of_writes",)

    trace: str = parameter("mainnet-bal", doc="data set by name, or path of your own trace")
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
    draws: int = parameter(400, low=50, high=20_000, doc="bootstrap draws over blocks")
    seed: int = parameter(20_261_120, low=0, doc="seed of the bootstrap")
