"""Blocks far away from all others: a row of another chain, a time among numbers, a digit too many."""

from __future__ import annotations

import polars as pl

FAR = 1_000
"""A gap of so many times the usual distance of blocks is taken for a mistake, if few blocks lie behind it."""
FEW = 0.05
"""Share of the blocks that counts as few."""


def describe(numbers: pl.Series) -> str | None:
    """Say which few blocks lie far away from all others; None if none does.

    Parameters
    ----------
    numbers : Series
        Block numbers that have touches, ascending and unique.
    """
    if len(numbers) < 2:
        return None
    gaps = numbers.diff().fill_null(0)
    at = int(gaps.arg_max() or 0)
    low, high = numbers[:at], numbers[at:]
    few, many = (low, high) if len(low) < len(high) else (high, low)
    extent = int(many[-1]) - int(many[0]) + 1
    gap = int(gaps[at])
    if gap < max(extent, FAR * extent / len(many)) or len(few) > FEW * len(numbers):
        return None
    return (
        f"{len(few)} of {len(numbers)} blocks, {few[0]} to {few[-1]}, lie {gap:,} blocks away from the others, "
        f"{many[0]} to {many[-1]}"
    )
