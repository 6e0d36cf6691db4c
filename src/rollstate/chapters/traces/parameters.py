"""Parameters of the chapter ``traces``."""

from __future__ import annotations

from dataclasses import dataclass

from rollstate.compendium.parameters import Parameters, parameter


@dataclass(frozen=True)
class Traces(Parameters):
    """What the data is: coverage, reads and writes, concentration, quality."""

    trace: str = parameter("mainnet-bal", doc="data set name, or path of your own trace")
    window_start: int | None = parameter(None, unit="block", low=0, doc="first block, or the trace's own")
    window_stop: int | None = parameter(
        None, unit="block", low=1, doc="block after the last, or the trace's own"
    )
    draws: int = parameter(400, low=20, high=10_000, doc="bootstrap samples, and random orders of the blocks")
    seed: int = parameter(1, low=0, doc="seed of the resampling")
