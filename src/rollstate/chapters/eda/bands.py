"""Bootstrap bands of the chapter ``eda``: whole contracts are drawn, and a single contract gives none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from rollstate.estimate import Estimate
from rollstate.product_limit import cluster_band
from rollstate.risk_table import ClusteredRiskTable

MIN_AT_RISK = 30
"""Spells at risk from which on a curve under delayed entry is drawn."""


def ends(
    drawn: Iterator[np.ndarray], clusters: int, shape: tuple[int, ...] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of 95 % percentile intervals; nan, in the given shape, for a single cluster."""
    if clusters < 2:
        nothing = np.full(next(drawn).shape if shape is None else shape, np.nan)
        return nothing, nothing
    low, high = np.quantile(list(drawn), [0.025, 0.975], axis=0)
    return low, high


def survival(
    duration: np.ndarray,
    event: np.ndarray,
    entry: np.ndarray,
    cluster: np.ndarray,
    at: np.ndarray,
    *,
    draws: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the band of a survival curve at gap times; nan for a single cluster."""
    if (cluster == cluster[0]).all():
        return np.full(len(at), np.nan), np.full(len(at), np.nan)
    least = MIN_AT_RISK if entry.any() else 1
    return cluster_band(duration, event, entry, cluster, at, seed=seed, draws=draws, min_at_risk=least)


def begun(
    duration: np.ndarray, event: np.ndarray, entry: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the spells given survival to the time at which `MIN_AT_RISK` of them are first at risk.

    Under delayed entry a curve can fall to zero early on a handful of spells. Without it all are at risk from the start.
    """
    if not entry.any():
        return duration, event, entry
    table = ClusteredRiskTable.of(duration, event, entry, np.zeros(len(duration))).whole
    enough = np.flatnonzero(table.at_risk >= MIN_AT_RISK)
    first = table.time[enough[0] - 1] if len(enough) else 0
    kept = duration > first
    return duration[kept], event[kept], np.maximum(entry[kept], first)


def frame(columns: dict[str, Any]) -> pl.DataFrame:
    """Return a frame in which what is not a number is null."""
    return pl.DataFrame(columns, nan_to_null=True)


def estimate(value: float, low: float | None, high: float | None) -> Estimate:
    """Return an estimate, without an interval where there is none."""
    if low is None or high is None or not np.isfinite([low, high]).all():
        return Estimate(float(value))
    return Estimate(float(value), float(low), float(high))
