"""Parameters of the chapter ``reuse``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rollstate import profile
from rollstate.compendium.parameters import Parameters, parameter


@dataclass(frozen=True)
class Reuse(Parameters):
    """Whether a slot is touched again after seconds, days, weeks, and what decides it."""

    takes_profile: ClassVar[bool] = True

    trace: str = parameter(
        "mainnet_thinned_30d", doc="shipped profile or data set by name, or path of your own profile or trace"
    )
    short: str = parameter("mainnet-bal", doc="consecutive blocks of the same chain, for the shortest lags")
    others: tuple[str, ...] = parameter(
        ("mainnet-bal", "cryptokitties", "cryptopunks", "foundation", "linea_28279135"),
        empty=True,
        doc="what is held against it where tails and hot sets are compared",
    )
    long: tuple[str, ...] = parameter(
        ("cryptokitties", "cryptopunks", "foundation"),
        doc="traces of months, by shipped profile, data set or path, on which windows of days are judged",
    )
    penalties: tuple[float, ...] = parameter(
        (0.1, 0.3, 1, 3, 10, 30, 90, 180, 365),
        unit="RAM-days",
        low=1e-6,
        doc="costs of a miss, in days that a slot could stay in RAM for them",
    )
    penalty: float = parameter(
        30.0, unit="RAM-days", low=1e-6, doc="the penalty, of these, that windows of time are compared at"
    )
    month: str = parameter(
        "mainnet_thinned_30d", doc="trace, not a profile, whose last third models forecast from the rest"
    )
    hot: int = parameter(10_000, unit="slots", low=1, doc="slots in the hot set")
    min_events: int = parameter(
        100, unit="gaps", low=10, doc="completed gaps that an index of the gap rests on at least"
    )
    draws: int = parameter(400, low=20, high=10_000, doc="draws of every bootstrap")
    seed: int = parameter(20_261_127, low=0, doc="seed of every bootstrap")

    def data_sets(self) -> tuple[str, ...]:
        """Return what is read and does not come with the package; of the month it is the trace that is read."""
        read = dict.fromkeys((self.trace, self.short, *self.others, *self.long))
        return tuple(dict.fromkeys((*(name for name in read if name not in profile.shipped()), self.month)))
