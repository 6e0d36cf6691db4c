"""RAM with a limit, idle windows, or both: accesses are replayed one by one, in order of time.

The slot idle for longest goes first, when room is needed (LRU) or when its window ends; without a limit it is
`rollstate.tiering.replay` access by access, and the tests hold the two together. Other caches: `rollstate.caching`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from rollstate.compiled import compiled
from rollstate.errors import InputError


@dataclass(frozen=True)
class Accesses:
    """Distinct accesses in order of time, slots numbered from 0.

    Attributes
    ----------
    slot : array of int32, shape (n,)
    block : array of int64, shape (n,)
        Ascending.
    slots : int
        Number of slots.
    end : int
        Last block seen.
    """

    slot: np.ndarray
    block: np.ndarray
    slots: int
    end: int


def accesses(frame: pl.DataFrame, end: int) -> Accesses:
    """Return one access per slot and block of a trace's ``accesses``, by block, then slot."""
    if not len(frame):
        raise InputError("the trace has no accesses to replay")
    rows = frame.select("block_number", "slot_id").unique().sort("block_number", "slot_id")
    slot = np.unique(rows["slot_id"].to_numpy(), return_inverse=True)[1].astype(np.int32)
    return Accesses(slot, rows["block_number"].to_numpy(), int(slot.max()) + 1, end)


@dataclass(frozen=True)
class Result:
    """``misses`` of slots seen before, first accesses apart, and ``held``: slot-blocks in RAM until the end."""

    misses: int
    held: int
    first: int


def check_capacity(capacity: float) -> float:
    """Return the number of slots that RAM holds, at least one."""
    if np.isnan(capacity) or capacity < 1:
        raise InputError(f"capacity must be at least 1 slot, not {capacity!r}")
    return float(capacity)


def by_recency(seen: Accesses, *, capacity: float = np.inf, window: float = np.inf) -> Result:
    """Replay LRU with a limit, idle windows, or both.

    Parameters
    ----------
    seen : Accesses
    capacity : float
        Slots that RAM holds.
    window : float
        Idle blocks after which a slot leaves.
    """
    check_capacity(capacity)
    if np.isnan(window) or window < 0:
        raise InputError(f"window must be at least 0 idle blocks, not {window!r}")
    return Result(*map(int, _recency(seen.slot, seen.block, seen.slots, seen.end, capacity, window)))


@compiled
def _recency(slot, block, slots, end, capacity, window):
    previous, following = np.full(slots, -1, np.int32), np.full(slots, -1, np.int32)
    last = np.full(slots, -1, np.int64)
    inside, seen_before = np.zeros(slots, np.bool_), np.zeros(slots, np.bool_)
    oldest, newest, count = -1, -1, 0
    misses, held, first = 0, 0, 0
    for i in range(len(slot)):
        s, now = slot[i], block[i]
        while oldest >= 0 and now - last[oldest] > window:
            gone = oldest
            held += int(window)
            oldest = following[gone]
            if oldest >= 0:
                previous[oldest] = -1
            else:
                newest = -1
            inside[gone] = False
            count -= 1
        if inside[s]:
            held += now - last[s]
            before, behind = previous[s], following[s]
            if before >= 0:
                following[before] = behind
            else:
                oldest = behind
            if behind >= 0:
                previous[behind] = before
            else:
                newest = before
        else:
            if seen_before[s]:
                misses += 1
            else:
                first += 1
                seen_before[s] = True
            if count >= capacity:
                gone = oldest
                held += now - last[gone]
                oldest = following[gone]
                if oldest >= 0:
                    previous[oldest] = -1
                else:
                    newest = -1
                inside[gone] = False
                count -= 1
            inside[s] = True
            count += 1
        previous[s], following[s] = newest, -1
        if newest >= 0:
            following[newest] = s
        newest = s
        if oldest < 0:
            oldest = s
        last[s] = now
    s = oldest
    while s >= 0:
        held += int(min(window, end - last[s])) if window < end else end - last[s]
        s = following[s]
    return misses, held, first
