"""Classes of what is known of a slot when a spell starts: few enough to count, fine enough to decide by."""

from __future__ import annotations

import numpy as np
import polars as pl

from rollstate.compiled import compiled

ACCESS_CLASSES = (
    "0",
    "1",
    "2",
    "3-4",
    "5-8",
    "9-16",
    "17-32",
    "33-64",
    "65-128",
    "129-256",
    "257-512",
    "513-1024",
)
"""Labels of the first classes of accesses so far: none (a creation), one, two, then doubling."""


def access_bounds(index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and the greatest number of accesses of each class, int64."""
    index = np.asarray(index, np.int64)
    high = np.where(index == 0, 0, 1 << np.maximum(index - 1, 0))
    low = np.where(index <= 1, index, (1 << np.maximum(index - 2, 0)) + 1)
    return low, high


def octave_bounds(index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and the greatest gap in blocks of each class of `octave_class`; -1 for class 0, unknown."""
    index = np.asarray(index, np.int64)
    known = index > 0
    low = np.where(known, 1 << np.maximum(index - 1, 0), -1)
    return low, np.where(known, 2 * low - 1, -1)


def activity(accesses: pl.Expr) -> pl.Expr:
    """Return the activity class of `rollstate.intervals` (0 first, 1 few, 2 many) of a class of accesses."""
    return pl.when(accesses < 2).then(0).when(accesses < 4).then(1).otherwise(2)


@compiled
def access_class(n: int) -> int:
    """Return the class of a number of accesses: 0, 1, 2, 3-4, 5-8, ..."""
    if n <= 1:
        return n
    rest, index = n - 1, 1
    while rest > 0:
        rest >>= 1
        index += 1
    return index


@compiled
def octave_class(gap: int) -> int:
    """Return the class of a gap: 0 if there is none (-1 or 0), then 1, 2-3, 4-7, ..."""
    index = 0
    while gap > 0:
        gap >>= 1
        index += 1
    return index
