"""Bootstrap bands of the chapter ``eda``: whole contracts are drawn, and a single contract gives none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from rollstate.estimate import Estimate
from rollstate.product_limit import survival_of
from rollstate.risk_table import ClusteredRiskTable

MIN_AT_RISK = 30
"""Spells at risk from which on a curve under delayed entry is drawn."""


@dataclass(frozen=True)
class Spells:
    """Spells of one kind, each `count` times; arrays of shape (n,)."""

    duration: np.ndarray
    event: np.ndarray
    entry: np.ndarray
    contract: np.ndarray
    count: np.ndarray

    @classmethod
    def of(cls, frame: pl.DataFrame) -> Spells:
        """Take the columns of a frame; without ``count`` each row is one spell."""
        names = ("duration", "event", "entry", "contract_id")
        count = frame["count"].to_numpy() if "count" in frame.columns else np.ones(frame.height, np.int64)
        duration, event, entry, contract = (frame[name].to_numpy() for name in names)
        return cls(duration, event, entry, contract, count)

    @cached_property
    def table(self) -> ClusteredRiskTable:
        """The spells counted by gap time and contract."""
        return ClusteredRiskTable.of(self.duration, self.event, self.entry, self.contract, self.count)

    @property
    def rows(self) -> dict[str, np.ndarray]:
        """The arguments of lifelines' fitters: spells alike in all but their contract are one row."""
        rows = pl.DataFrame(
            {
                "durations": self.duration,
                "event_observed": self.event,
                "entry": self.entry,
                "weights": self.count,
            }
        )
        alike = rows.group_by("durations", "event_observed", "entry", maintain_order=True)
        return {column.name: column.to_numpy() for column in alike.agg(pl.col("weights").sum())}


def ends(
    drawn: Iterator[np.ndarray], clusters: int, shape: tuple[int, ...] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of 95 % percentile intervals; nan, in the given shape, for a single cluster."""
    if clusters < 2:
        nothing = np.full(next(drawn).shape if shape is None else shape, np.nan)
        return nothing, nothing
    low, high = np.quantile(list(drawn), [0.025, 0.975], axis=0)
    return low, high


def survival(spells: Spells, at: np.ndarray, *, draws: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the band of a survival curve at gap times; nan for a single contract."""
    least = MIN_AT_RISK if spells.entry.any() else 1
    drawn = (survival_of(table, at, min_at_risk=least) for table in spells.table.draws(draws, seed))
    return ends(drawn, spells.table.clusters, at.shape)


def begun(spells: Spells) -> Spells:
    """Return the spells given survival to the time at which `MIN_AT_RISK` of them are first at risk.

    Under delayed entry a curve can fall to zero early on a handful of spells. Without it all are at risk from the start.
    """
    if not spells.entry.any():
        return spells
    table = spells.table.whole
    enough = np.flatnonzero(table.at_risk >= MIN_AT_RISK)
    first = table.time[enough[0] - 1] if len(enough) else 0
    kept = spells.duration > first
    return Spells(
        spells.duration[kept], spells.event[kept], np.maximum(spells.entry[kept], first), spells.contract[kept],
        spells.count[kept],
    )  # fmt: skip


def frame(columns: dict[str, Any]) -> pl.DataFrame:
    """Return a frame in which what is not a number is null."""
    return pl.DataFrame(columns, nan_to_null=True)


def estimate(value: float, low: float | None, high: float | None) -> Estimate:
    """Return an estimate, without an interval where there is none."""
    if low is None or high is None or not np.isfinite([low, high]).all():
        return Estimate(float(value))
    return Estimate(float(value), float(low), float(high))
