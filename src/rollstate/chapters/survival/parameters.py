"""Parameters of the chapter ``survival``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rollstate.compendium.parameters import Parameters, parameter
from rollstate.errors import InputError


@dataclass(frozen=True)
class Survival(Parameters):
    """Which state will be used again: models, their calibration, and bounds that need none."""

    takes_profile: ClassVar[bool] = True

    trace: str = parameter("mainnet-bal", doc="data set by name, or path of your own trace or profile")
    window_start: int | None = parameter(
        None, unit="block", low=0, doc="first block of the window; all if not given"
    )
    window_stop: int | None = parameter(
        None, unit="block", low=1, doc="block behind the window; all if not given"
    )
    peer: str = parameter("zksp", doc="trace on which the peer's calibration is reproduced")
    codes: str = parameter(
        "pevm-blocks", doc="blocks with the state before them, whose code tells kinds of contracts"
    )
    train: float = parameter(0.5, low=0.1, high=0.8, doc="share of the window that models are fitted on")
    horizon: float = parameter(
        0.16, low=0.01, high=0.3, doc="horizon of the forecasts as a share of the window"
    )
    strata: str = parameter(
        "activity", choices=("activity", "contract_type", "slot_type"), doc="strata of curves and Cox model"
    )
    alpha: float = parameter(
        0.1, low=0.01, high=0.5, doc="share of waits that may be shorter than their bound"
    )
    trees: int = parameter(100, low=10, high=1_000, doc="boosted trees")
    draws: int = parameter(300, low=20, high=10_000, doc="draws of every bootstrap")
    seed: int = parameter(20_261_121, low=0, doc="seed of trees and bootstraps")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.train + 2 * self.horizon > 0.99:
            raise InputError(
                f"train {self.train} and two horizons of {self.horizon} must fit into the window: calibration and "
                "judgement each need one"
            )

    def data_sets(self) -> tuple[str, ...]:
        """Return the two traces that the chapter reads, and the blocks with code."""
        return (self.trace, self.peer, self.codes)
