"""Parameters of the chapter ``tiering``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rollstate import profile
from rollstate.compendium.parameters import Parameters, parameter
from rollstate.errors import InputError


@dataclass(frozen=True)
class Tiering(Parameters):
    """Where state should live: policies judged out of time, beside honest baselines and the best possible."""

    takes_profile: ClassVar[bool] = True

    trace: str = parameter("mainnet-bal", doc="data set by name, or path of your own trace or profile")
    window_start: int | None = parameter(
        None, unit="block", low=0, doc="first block of the window; all if not given"
    )
    window_stop: int | None = parameter(
        None, unit="block", low=1, doc="block behind the window; all if not given"
    )
    peer: str = parameter("zksp", doc="published gaps, sweep and synthetic trace of the nearest work")
    train: float = parameter(0.5, low=0.1, high=0.9, doc="share of the window that policies are tuned on")
    misses: tuple[float, ...] = parameter(
        (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6),
        unit="slot-blocks in RAM", low=0.01, high=1e12, doc="penalties of a miss, as multiples of a slot-block",
    )  # fmt: skip
    quote: float = parameter(
        10.0, unit="slot-blocks in RAM", low=0.01, high=1e9, doc="penalty that tables are made for"
    )
    table_range: tuple[float, ...] = parameter(
        (3.0, 100.0), unit="slot-blocks in RAM", low=0.01, high=1e12,
        doc="lowest and highest of `misses` at which a table of windows is compared with the Cox model",
    )  # fmt: skip
    carried: tuple[str, ...] = parameter(
        ("mainnet-bal", "linea_28279135", "cryptokitties", "cryptopunks", "foundation"),
        doc="profiles between which policies are carried: shipped ones by name, or paths of your own",
    )
    carried_s: tuple[float, ...] = parameter(
        (36.0, 120.0, 3_600.0, 86_400.0),
        unit="s in RAM",
        low=1e-3,
        high=1e10,
        doc="penalties of a miss for policies that are carried, as seconds of holding a slot",
    )
    capacities: tuple[float, ...] = parameter(
        (0.01, 0.03, 0.1, 0.3), low=1e-4, high=1, doc="RAM as a share of the slots of the trace"
    )
    slot_bytes: float = parameter(
        100.0, unit="bytes", low=1, high=1e6, doc="bytes of a slot, key and index included"
    )
    block_s: float = parameter(12.0, unit="s", low=0.01, high=600, doc="seconds per block")
    usd_per_s: float = parameter(
        1e-4, unit="$/s", low=1e-9, high=1e6, doc="value of a second's delay of an access"
    )
    draws: int = parameter(300, low=20, high=10_000, doc="draws of every bootstrap")
    seed: int = parameter(20_261_121, low=0, doc="seed of bootstraps and of randomised policies")

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.table_range) != 2 or self.table_range[0] > self.table_range[1]:
            raise InputError(
                f"parameter tiering.table_range must be two penalties, the lower first, not {list(self.table_range)}"
            )

    def data_sets(self) -> tuple[str, ...]:
        """Return the trace, the published work, and what policies are carried between and does not come along."""
        others = (name for name in dict.fromkeys(self.carried) if name not in profile.shipped())
        return (self.trace, self.peer, *others)
