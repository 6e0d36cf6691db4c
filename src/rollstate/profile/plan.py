"""Where a profile cuts time, and by what it groups slots: decided once for a chain, the same for all of its parts."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from rollstate.errors import InputError
from rollstate.traces.schema import Capability

GROUPS = 64
FEW_CONTRACTS = 30
"""With fewer contracts than this slots are grouped, not contracts: so few clusters do not carry an interval."""

BORDERS = (1 / 8, 1 / 4, 3 / 8, 1 / 2, 5 / 8, 2 / 3, 3 / 4, 7 / 8)
"""The eight borders in time, as shares of the window."""

MAIN_BORDER = 3
"""Index of the border at one half: what lies before it is also cut an hour, a day, a week and 30 days before it."""

SPANS_S = {"hour": 3600, "day": 86_400, "week": 7 * 86_400, "month": 30 * 86_400}
DAYS = (4, 48)
"""A period is a day where the window has at least and at most this many; else it is a 32nd of the window."""

PERIODS = 32
BINS = 512
"""Largest number of bins of rows over time."""

CHAIN_SECONDS = {1: 12.0}
"""Seconds per block where blocks carry no timestamp; mainnet since the merge (https://ethereum.org/roadmap/merge)."""


@dataclass(frozen=True)
class Plan:
    """How time is cut and slots are grouped.

    Attributes
    ----------
    start, stop : int
        Window of the trace.
    cuts : tuple of int
        First block of every fold, ascending; the last one is `stop`. Spells are cut at each.
    borders : tuple of int
        The cuts that are borders: the eight of `BORDERS`, as far as they differ.
    history : dict of str to int
        Cut a span before the border at one half, by the name of the span, where the window is long enough.
    periods : tuple of int
        First block of every period (a day where the clock allows), and `stop`.
    bin_blocks : int
        Blocks in a bin of rows over time.
    hot_blocks : int
        Blocks in a week, or in a quarter of a window shorter than four weeks: what hot sets count over.
    block_s : float or None
        Seconds per block.
    group_by : {"contract", "slot"}
        What belongs to one of the `GROUPS` as a whole.
    """

    start: int
    stop: int
    cuts: tuple[int, ...]
    borders: tuple[int, ...]
    history: dict[str, int]
    periods: tuple[int, ...]
    bin_blocks: int
    hot_blocks: int
    block_s: float | None
    group_by: str

    @property
    def n_blocks(self) -> int:
        """Blocks of the window."""
        return self.stop - self.start

    @property
    def spans(self) -> tuple[int, ...]:
        """First block, borders and `stop`: between two of them ends of spells are counted by class and group."""
        return (*sorted({self.start, *self.borders}), self.stop)

    def fold_from(self, block: int) -> int:
        """Return the first fold that begins at a cut, which `block` must be."""
        try:
            return self.cuts.index(block)
        except ValueError:
            raise InputError(f"profile: block {block} is no cut; choose one of {self.cuts}") from None

    def blocks_of(self, seconds: float, what: str) -> float:
        """Return a time in blocks; an `InputError` where the clock is unknown."""
        if self.block_s is None:
            raise InputError(
                f"{what}: this profile does not know how long a block takes; make it with block_s"
            )
        return seconds / self.block_s

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as plain JSON types."""
        return {key: list(v) if isinstance(v, tuple) else v for key, v in dataclasses.asdict(self).items()}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Plan:
        """Read what `as_dict` gave."""
        fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in data.items()}
        return cls(**fields)


def seconds_per_block(stamp: Capability, blocks: pl.DataFrame) -> float | None:
    """Return the mean seconds per block of the trace's clock: from its timestamps, else from the chain, else None."""
    known = blocks.filter(pl.col("timestamp").is_not_null())
    if known.height >= 2:
        first, last = known.row(0, named=True), known.row(-1, named=True)
        seconds = last["timestamp"] - first["timestamp"]
        if seconds > 0:
            return seconds / (last["block_number"] - first["block_number"])
    seconds = CHAIN_SECONDS.get(stamp.chain_id or 0)
    return None if seconds is None else seconds * stamp.observed_every


def plan(stamp: Capability, blocks: pl.DataFrame, n_contracts: int, block_s: float | None = None) -> Plan:
    """Decide where to cut.

    Parameters
    ----------
    stamp, blocks
        Of the whole trace.
    n_contracts : int
        Contracts of the whole trace.
    block_s : float, optional
        Seconds per block, where the trace does not know them.
    """
    a, b, n = stamp.window_start, stamp.window_stop, stamp.n_blocks
    block_s = seconds_per_block(stamp, blocks) if block_s is None else block_s
    if block_s is not None and not 0 < block_s < np.inf:
        raise InputError(f"profile: block_s must be above 0 seconds, not {block_s}")
    borders = tuple(sorted({a + round(share * n) for share in BORDERS} - {a, b}))
    middle = a + round(BORDERS[MAIN_BORDER] * n)
    history = {}
    if block_s is not None:
        spans = {name: round(seconds / block_s) for name, seconds in SPANS_S.items()}
        history = {name: middle - span for name, span in spans.items() if 1 <= span < middle - a}
    week = n if block_s is None else max(1, round(SPANS_S["week"] / block_s))
    return Plan(
        start=a,
        stop=b,
        cuts=(*sorted({a, *borders, *history.values()}), b),
        borders=borders,
        history=history,
        periods=_periods(a, b, block_s),
        bin_blocks=-(-n // BINS),
        hot_blocks=max(1, min(week, n // 4)),
        block_s=block_s,
        group_by="contract" if n_contracts >= FEW_CONTRACTS else "slot",
    )


def _periods(a: int, b: int, block_s: float | None) -> tuple[int, ...]:
    n = b - a
    day = None if block_s is None else 86_400 / block_s
    if day is not None and DAYS[0] <= n / day <= DAYS[1]:
        edges = a + np.round(np.arange(0, np.floor(n / day) + 1) * day).astype(np.int64)
        # A rest of less than half a day belongs to the last one.
        edges = edges[: -1 if n / day % 1 < 0.5 else None]
    else:
        edges = a + np.arange(min(PERIODS, n), dtype=np.int64) * n // min(PERIODS, n)
    return (*(int(edge) for edge in edges), b)
