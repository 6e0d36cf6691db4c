"""Transactions and gas per second of measured blocks, and how far each is from being one number.

A good measure of throughput says the same of every block: its coefficient of variation over blocks is small.
"""

from __future__ import annotations

import polars as pl

MEASURES = {"transactions per second": "transactions", "gas per second": "gas"}


def rates(times: pl.DataFrame) -> pl.DataFrame:
    """Return ``block``, ``measure``, ``value`` and ``ratio`` to the mean of the measure.

    Parameters
    ----------
    times : polars.DataFrame
        ``block``, ``transactions``, ``gas`` and ``sequential_ms``, the time of the block on one thread in ms.
    """
    seconds = times["sequential_ms"] / 1e3
    rows = pl.concat(
        pl.DataFrame({"block": times["block"], "measure": name, "value": times[column] / seconds})
        for name, column in MEASURES.items()
    )
    return rows.with_columns(ratio=pl.col("value") / pl.col("value").mean().over("measure"))


def variation(frame: pl.DataFrame, measure: str) -> float:
    """Return the coefficient of variation over blocks of one measure of `rates`."""
    value = frame.filter(measure=measure)["value"]
    return float(value.std() / value.mean())  # type: ignore[operator, arg-type]
