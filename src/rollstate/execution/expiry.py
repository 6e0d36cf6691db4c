r"""State that expires by time, or when its deposit is used up.

A key under rent :math:`r` per block with deposit :math:`D`, filled up at each touch, expires :math:`D / r` blocks after
its last touch: rent is expiry by time with that window, unless somebody pays for a key without touching it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from rollstate.errors import InputError


def rent_window(deposit: float, rent_per_block: float) -> float:
    """Return the blocks that a deposit lasts.

    >>> rent_window(deposit=100, rent_per_block=0.5)
    200.0
    """
    if not (deposit >= 0 and rent_per_block > 0):
        raise InputError(f"deposit={deposit} must not be negative, rent_per_block={rent_per_block} positive")
    return deposit / rent_per_block


def worth_keeping(hazard_per_block: float, rent_per_block: float, revive: float) -> bool:
    """Return whether paying rent for one more block costs less than the expected cost of reviving the key."""
    if not (0 <= hazard_per_block <= 1 and rent_per_block >= 0 and revive >= 0):
        raise InputError(
            f"hazard_per_block={hazard_per_block} must be a share, rent_per_block={rent_per_block} and "
            f"revive={revive} not negative"
        )
    return hazard_per_block * revive > rent_per_block


def window_curve(events: pl.DataFrame, windows: Sequence[int], start: int, stop: int) -> pl.DataFrame:
    """Return hits and size of keeping each key for a number of blocks after its last touch.

    Every window is judged on the same blocks, those with as much history as the widest needs.

    Parameters
    ----------
    events : polars.DataFrame
        ``block_number``, ``slot_id``, one row per key and block, as by `coverage.events`.
    windows : sequence of int
        Blocks that a key is kept after its last touch.
    start, stop : int
        The blocks observed, ``[start, stop)``.

    Returns
    -------
    polars.DataFrame
        ``window``, ``hits`` (share of judged events), ``kept`` (keys held at a block's start, mean).
    """
    widest = max(windows, default=0)
    if min(windows, default=0) < 1 or start + widest >= stop:
        raise InputError(
            f"windows={list(windows)} must lie between 1 and {stop - start - 1}, the blocks observed less one"
        )
    touched = events.select("slot_id", "block_number").sort("slot_id", "block_number")
    slot, block = touched["slot_id"].to_numpy(), touched["block_number"].to_numpy()
    gap = np.full(len(block), np.iinfo(np.int64).max)
    again = np.flatnonzero(slot[1:] == slot[:-1]) + 1
    gap[again] = block[again] - block[again - 1]
    judged = block >= start + widest
    if not judged.any():
        raise InputError(f"no access in blocks [{start + widest}, {stop})")
    # A touch keeps its key for the blocks until the window ends, or the next touch takes over.
    until_next = np.append(np.where(slot[1:] == slot[:-1], block[1:], stop - 1), stop - 1)
    rows = []
    for window in windows:
        last = np.minimum(np.minimum(block + window, until_next), stop - 1)
        held = np.maximum(last - np.maximum(block, start + widest - 1), 0).sum()
        rows.append((window, float((gap[judged] <= window).mean()), held / (stop - start - widest)))
    return pl.DataFrame(rows, schema=["window", "hits", "kept"], orient="row")


def power_extrapolation(window: np.ndarray, size: np.ndarray, target: float) -> float:
    r"""Return the size at `target` of the power law through sizes at windows, by least squares of logarithms.

    To be tested against what is known before it is believed.

    >>> round(power_extrapolation(np.array([1, 4]), np.array([10, 20]), 16), 6)
    40.0
    """
    window, size = np.asarray(window, float), np.asarray(size, float)
    if len(window) < 2 or len(window) != len(size) or (window <= 0).any() or (size <= 0).any() or target <= 0:
        raise InputError("a power law needs two or more positive windows and as many positive sizes")
    slope, level = np.polyfit(np.log(window), np.log(size), 1)
    return float(np.exp(level + slope * np.log(target)))
