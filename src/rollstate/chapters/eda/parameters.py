"""Parameters of the chapter ``eda``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rollstate.compendium.parameters import Parameters, parameter


@dataclass(frozen=True)
class Eda(Parameters):
    """How often slots are touched, how long the gaps are, and what a window can tell of both."""

    takes_profile: ClassVar[bool] = True

    trace: str = parameter("mainnet-bal", doc="data set by name, or path of your own trace or profile")
    window_start: int | None = parameter(
        None, unit="block", low=0, doc="first block of the window; all if not given"
    )
    window_stop: int | None = parameter(
        None, unit="block", low=1, doc="block behind the window; all if not given"
    )
    strata: str = parameter(
        "activity",
        choices=("activity", "contract_type", "slot_type"),
        doc="what the survival curves are split by",
    )
    k_rule: int | None = parameter(
        None,
        low=10,
        unit="spells",
        doc="exceedances of the tail fit; chosen by distance to the data if not given",
    )
    lags: tuple[int, ...] = parameter(
        (1, 5, 10, 25), unit="blocks", low=1, doc="how far back the working set is seen"
    )
    min_active: int = parameter(
        5, unit="blocks", low=2, doc="blocks in which a contract must be active to judge its pairs of slots"
    )
    max_lag: int = parameter(12, unit="blocks", low=1, doc="lags of the autocorrelation")
    min_visits: int = parameter(30, unit="visits", low=5, doc="visits of a contract for its autocorrelation")
    peer: str = parameter(
        "zksp", doc="trace on which the peer's interval rule is compared; creations must be known"
    )
    peer_history: float = parameter(0.2, low=0, high=0.9, doc="share of that trace that is history")
    draws: int = parameter(200, low=20, high=10_000, doc="draws of every bootstrap")
    permutations: int = parameter(
        4_000, low=100, high=100_000, doc="shuffles behind each p-value; many contracts need many"
    )
    seed: int = parameter(20_261_120, low=0, doc="seed of every bootstrap and permutation")

    def data_sets(self) -> tuple[str, ...]:
        """Return the two traces that the chapter reads."""
        return (self.trace, self.peer)
