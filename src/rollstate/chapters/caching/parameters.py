"""Parameters of the chapter ``caching``."""

from __future__ import annotations

from dataclasses import dataclass

from rollstate.compendium.parameters import Parameters, parameter


@dataclass(frozen=True)
class Caching(Parameters):
    """Which cache hits most in the same memory, and what survival analysis adds."""

    trace: str = parameter("mainnet-bal", doc="data set by name, or path of your own trace")
    rollup: str = parameter("linea_28279135", doc="blocks of a rollup")
    births: str = parameter(
        "cryptokitties", doc="a contract of which every slot is created once and then changed"
    )
    sales: str = parameter("cryptopunks", doc="a contract over years")
    market: str = parameter("foundation", doc="a market over months")
    month: str = parameter("mainnet_thinned_30d", doc="a month of mainnet; blocks may have been left out")
    few: tuple[float, ...] = parameter(
        (0.001, 0.01, 0.1, 0.3),
        low=1e-5,
        high=1,
        doc="memory as a share of the bytes of all slots where all traces are compared; `quote` is one of them",
    )
    most: int = parameter(
        65_000,
        unit="accesses",
        low=1_000,
        doc="accesses from which on a trace is replayed on a sample of its slots",
    )
    shares: tuple[float, ...] = parameter(
        (0.001, 0.003, 0.01, 0.03, 0.1, 0.3),
        low=1e-5,
        high=1,
        doc="memory as a share of the bytes of all slots",
    )
    quote: float = parameter(0.1, low=1e-5, high=1, doc="share that the text quotes; one of `shares`")
    slot_bytes: float = parameter(
        100.0, unit="bytes", low=1, high=1e6, doc="bytes of a slot, key and index included"
    )
    train: float = parameter(
        0.5, low=0.1, high=0.9, doc="share of the accesses that caches are warmed and trained on"
    )
    draws: int = parameter(300, low=20, high=10_000, doc="draws of every bootstrap")
    seed: int = parameter(20_261_127, low=0, doc="seed of bootstraps and of candidates for eviction")

    def data_sets(self) -> tuple[str, ...]:
        """Return the trace, and those that policies are compared on beside it."""
        return (self.trace, self.rollup, self.births, self.sales, self.market, self.month)
