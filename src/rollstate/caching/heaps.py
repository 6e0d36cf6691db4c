"""Caches that evict the slot of least priority: LFU whose counters go with the slot, GDSF, and Belady's optimum.

Sources: GDSF, Cherkasova 1998 (https://www.hpl.hp.com/techreports/98/HPL-98-69R1.pdf); Belady 1966
(https://doi.org/10.1147/sj.52.0078).
"""

from __future__ import annotations

import numpy as np

from rollstate.compiled import compiled


@compiled
def _less(key, when, a, b):
    return key[a] < key[b] or (key[a] == key[b] and when[a] < when[b])


@compiled
def _swap(heap, place, i, j):
    heap[i], heap[j] = heap[j], heap[i]
    place[heap[i]], place[heap[j]] = i, j


@compiled
def _settle(heap, place, key, when, size, i):
    while i > 0 and _less(key, when, heap[i], heap[(i - 1) >> 1]):
        _swap(heap, place, i, (i - 1) >> 1)
        i = (i - 1) >> 1
    while True:
        child = 2 * i + 1
        if child >= size:
            return
        if child + 1 < size and _less(key, when, heap[child + 1], heap[child]):
            child += 1
        if not _less(key, when, heap[child], heap[i]):
            return
        _swap(heap, place, i, child)
        i = child


@compiled
def _take(heap, place, key, when, size, i):
    gone = heap[i]
    place[gone] = -1
    size -= 1
    if i < size:
        heap[i] = heap[size]
        place[heap[i]] = i
        _settle(heap, place, key, when, size, i)
    return gone


@compiled
def _counted(slot, slots, room, aging):
    hit = np.zeros(len(slot), np.bool_)
    heap, place = np.empty(room, np.int32), np.full(slots, -1, np.int32)
    key, count, when = np.zeros(slots), np.zeros(slots, np.int64), np.zeros(slots, np.int64)
    size, age = 0, 0.0
    for i in range(len(slot)):
        s = slot[i]
        if place[s] >= 0:
            hit[i] = True
            count[s] += 1
        else:
            if size == room:
                gone = _take(heap, place, key, when, size, 0)
                size -= 1
                if aging:
                    age = key[gone]
            count[s] = 1
            heap[size], place[s] = s, size
            size += 1
        key[s], when[s] = age + count[s], i
        _settle(heap, place, key, when, size, place[s])
    return hit


@compiled
def lfu(slot, slots, room):
    """Evict the slot with the fewest accesses since it came in, of equals the least recent."""
    return _counted(slot, slots, room, False)


@compiled
def gdsf(slot, slots, room):
    """GDSF with equal sizes and costs: LFU, where accesses are added to the priority of the last slot that left."""
    return _counted(slot, slots, room, True)


@compiled
def belady(slot, slots, room):
    """Evict the slot whose next access is the latest, the new one included: no policy hits more."""
    n = len(slot)
    hit = np.zeros(n, np.bool_)
    following, last = np.empty(n, np.int64), np.full(slots, n, np.int64)
    for i in range(n - 1, -1, -1):
        following[i] = last[slot[i]]
        last[slot[i]] = i
    heap, place = np.empty(room, np.int32), np.full(slots, -1, np.int32)
    key, when = np.zeros(slots), np.zeros(slots, np.int64)
    size = 0
    for i in range(n):
        s = slot[i]
        if place[s] >= 0:
            hit[i] = True
        elif size == room:
            if -following[i] <= key[heap[0]]:
                continue
            _take(heap, place, key, when, size, 0)
            heap[size - 1], place[s] = s, size - 1
        else:
            heap[size], place[s] = s, size
            size += 1
        key[s] = -following[i]
        _settle(heap, place, key, when, size, place[s])
    return hit
