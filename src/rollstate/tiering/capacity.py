"""RAM with a limit: slots compete for room, so accesses are replayed one by one, in order of time.

Two kernels serve all policies. In the first the slot idle for longest goes first, when room is needed (LRU) or when its
window ends; without a limit it is `rollstate.tiering.replay` access by access, and the tests hold the two together. In
the second the slot with the least priority goes first: LFU, GDSF (Cao and Irani 1997; with equal sizes and costs it is
LFU with aging), TinyLFU admission (Einziger, Friedman and Manes 2017, https://doi.org/10.1145/3149371), benefit density
from an estimated rate, and Belady's clairvoyant optimum (1966, https://doi.org/10.1147/sj.52.0078).
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


def by_priority(
    seen: Accesses, priority: np.ndarray, *, capacity: float, aging: bool = False, admission: bool = False
) -> Result:
    """Replay a cache in which the slot of least priority leaves when room is needed.

    Parameters
    ----------
    seen : Accesses
    priority : array of float64, shape (n,)
        Priority of a slot from each access on; `frequency` gives LFU.
    capacity : float
        Slots that RAM holds.
    aging : bool
        Add the priority of the last slot that left, as GDSF does.
    admission : bool
        Let a slot in only if its priority is at least that of the one that would leave, as TinyLFU does.
    """
    if len(priority) != len(seen.slot) or not np.isfinite(priority).all():
        raise InputError(f"priority needs a finite number for each of {len(seen.slot)} accesses")
    room = int(min(check_capacity(capacity), seen.slots))
    out = _priority(seen.slot, seen.block, seen.slots, seen.end, room, priority, aging, admission)
    return Result(*map(int, out))


def frequency(seen: Accesses) -> np.ndarray:
    """Return how often each access's slot has been accessed so far, itself included, shape (n,)."""
    order = np.argsort(seen.slot, kind="stable")
    begins = np.r_[True, np.diff(seen.slot[order]) != 0]
    running = np.arange(len(order))
    count = np.empty(len(order))
    count[order] = running - np.maximum.accumulate(np.where(begins, running, 0)) + 1
    return count


def first_access(seen: Accesses) -> np.ndarray:
    """Return the block in which each access's slot was accessed first, shape (n,)."""
    # Accesses are in order of time: the first of a slot that `unique` finds is its earliest.
    _, first, slot = np.unique(seen.slot, return_index=True, return_inverse=True)
    return seen.block[first][slot]


def next_use(seen: Accesses) -> np.ndarray:
    """Return minus the position of the next access of each access's slot, shape (n,): Belady's priority."""
    order = np.argsort(seen.slot, kind="stable")
    following = np.full(len(order), 2.0 * len(order))
    same = np.diff(seen.slot[order]) == 0
    following[order[:-1][same]] = order[1:][same]
    return -following


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


@compiled
def _less(key, a, b):
    return key[a] < key[b] or (key[a] == key[b] and a < b)


@compiled
def _up(heap, place, key, i):
    while i > 0:
        parent = (i - 1) >> 1
        if not _less(key, heap[i], heap[parent]):
            break
        heap[i], heap[parent] = heap[parent], heap[i]
        place[heap[i]], place[heap[parent]] = i, parent
        i = parent
    return i


@compiled
def _down(heap, place, key, size, i):
    while True:
        child = 2 * i + 1
        if child >= size:
            return
        if child + 1 < size and _less(key, heap[child + 1], heap[child]):
            child += 1
        if not _less(key, heap[child], heap[i]):
            return
        heap[i], heap[child] = heap[child], heap[i]
        place[heap[i]], place[heap[child]] = i, child
        i = child


@compiled
def _priority(slot, block, slots, end, room, priority, aging, admission):
    heap, place = np.empty(room, np.int32), np.full(slots, -1, np.int32)
    key, last = np.zeros(slots), np.full(slots, -1, np.int64)
    seen_before = np.zeros(slots, np.bool_)
    size, age = 0, 0.0
    misses, held, first = 0, 0, 0
    for i in range(len(slot)):
        s, now = slot[i], block[i]
        value = priority[i] + age
        if place[s] >= 0:
            held += now - last[s]
            last[s] = now
            key[s] = value
            at = _up(heap, place, key, place[s])
            _down(heap, place, key, size, at)
            continue
        if seen_before[s]:
            misses += 1
        else:
            first += 1
            seen_before[s] = True
        if size == room:
            gone = heap[0]
            if admission and value < key[gone]:
                continue
            held += now - last[gone]
            if aging:
                age = key[gone]
                value = priority[i] + age
            place[gone] = -1
            size -= 1
            if size:
                heap[0] = heap[size]
                place[heap[0]] = 0
                _down(heap, place, key, size, 0)
        key[s], last[s] = value, now
        heap[size], place[s] = s, size
        size += 1
        _up(heap, place, key, size - 1)
    for i in range(size):
        held += end - last[heap[i]]
    return misses, held, first
