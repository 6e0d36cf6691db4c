"""Parameters of the chapter ``observability``."""

from __future__ import annotations

from dataclasses import dataclass

from rollstate.compendium.parameters import Parameters, parameter


@dataclass(frozen=True)
class Observability(Parameters):
    """What each way of reading a chain shows of it, and what its blindness does to every later number."""

    real: str = parameter("prestate", doc="data set of recorded prestate traces of real blocks")
    blocks: int = parameter(300, unit="blocks", low=60, high=10_000, doc="length of each chain")
    users: int = parameter(200, low=20, high=10_000, doc="users of each chain")
    replicates: int = parameter(4, low=2, high=100, doc="chains, each with its own seed")
    threshold: int = parameter(10, unit="blocks", low=1, doc="gap time beyond which the tail is fitted")
    horizon: int = parameter(20, unit="blocks", low=1, doc="horizon of the chance of another access")
    timeout: int = parameter(
        30, unit="blocks", low=1, doc="blocks without access after which a slot leaves memory"
    )
    penalty: float = parameter(
        50.0, unit="slot-blocks", low=0, high=1e9, doc="cost of an access to a slot outside of memory"
    )
    seed: int = parameter(20_261_121, low=0, doc="seed of the first chain")

    def data_sets(self) -> tuple[str, ...]:
        """Return the recorded traces."""
        return (self.real,)
