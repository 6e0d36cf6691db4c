r"""LHD: evict the slot of least hit density, the chance of a hit per access for which it would stay.

Source: Beckmann, Chen and Cidon 2018 (https://www.usenix.org/conference/nsdi18/presentation/beckmann), for equal
sizes:

.. math:: d(a, c) = \frac{\sum_{x \ge a} h(x, c)}{\sum_{x \ge a} (x - a + 1)\,(h(x, c) + e(x, c))}

over hits h and evictions e by age x, in accesses since the last one, and by class c of the last two ages at a hit. Of
`CANDIDATES` slots drawn at random that of least density leaves. Densities are learned anew every `PERIOD` accesses per
slot of room, and what was counted before fades by `FADE`; some slots, at most `EXPLORED` of the room, stay to show what
older ages hold. The paper's constants, but for ages and periods: those follow the room, as its caches are far larger.
"""

from __future__ import annotations

import numpy as np

from rollstate.compiled import compiled

CANDIDATES, CLASSES, AGES = 32, 16, 256
REACH = 8
"""Accesses per slot of room at which the last age begins; older slots leave first."""
PERIOD, FADE = 4, 0.9
EXPLORED, ONE_IN = 0.01, 32
"""Share of the room for slots that stay to be learned from, and one in how many accesses makes one."""


@compiled
def class_of(ages):
    """Return the class of the sum of the last two ages at a hit: 0 for `AGES` and more, one more for each halving."""
    if ages == 0:
        return CLASSES - 1
    index = 0
    while ages < AGES and index < CLASSES - 1:
        ages *= 2
        index += 1
    return index


@compiled
def densities(hits, evictions):
    """Return the hit density at each age from hits and evictions at it, shape (CLASSES, AGES) each."""
    out = np.zeros(hits.shape)
    for c in range(hits.shape[0]):
        hit = event = waited = 0.0
        for a in range(hits.shape[1] - 1, -1, -1):
            hit += hits[c, a]
            event += hits[c, a] + evictions[c, a]
            waited += event
            if event > 1e-5:
                out[c, a] = hit / waited
    return out


@compiled
def lhd(slot, slots, room):
    """Evict the slot of least hit density."""
    hit = np.zeros(len(slot), np.bool_)
    held, place = np.empty(room, np.int32), np.full(slots, -1, np.int32)
    when, kind = np.zeros(slots, np.int64), np.zeros(slots, np.int8)
    last, before, explorer = np.zeros(slots, np.int32), np.zeros(slots, np.int32), np.zeros(slots, np.bool_)
    hits, evictions = np.zeros((CLASSES, AGES)), np.zeros((CLASSES, AGES))
    density = np.empty((CLASSES, AGES))
    for c in range(CLASSES):
        for a in range(AGES):
            density[c, a] = (c + 1) / (a + 1)
    width, budget = max(1, room * REACH // AGES), max(1, int(room * EXPLORED))
    size, state, period = 0, np.uint64(1), max(1024, PERIOD * room)
    for i in range(len(slot)):
        s = slot[i]
        if place[s] >= 0:
            hit[i] = True
            age = min(AGES - 1, (i - when[s]) // width)
            hits[kind[s], age] += 1
            if explorer[s]:
                budget += 1
            before[s], last[s] = last[s], age
        else:
            at = np.int64(size)
            if size == room:
                worst = np.inf
                for _ in range(min(CANDIDATES, room)):
                    state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
                    j = np.int64((state >> np.uint64(33)) % np.uint64(room))
                    o = held[j]
                    age = (i - when[o]) // width
                    rank = -1.0 if age >= AGES else density[kind[o], age] + explorer[o]
                    if rank < worst or (rank == worst and when[o] < when[held[at]]):
                        worst, at = rank, j
                gone = held[at]
                evictions[kind[gone], min(AGES - 1, (i - when[gone]) // width)] += 1
                if explorer[gone]:
                    budget += 1
                place[gone] = -1
            else:
                size += 1
            held[at], place[s] = s, at
            before[s], last[s] = AGES, 0
        state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
        explorer[s] = budget > 0 and (state >> np.uint64(33)) % np.uint64(ONE_IN) == 0
        if explorer[s]:
            budget -= 1
        when[s], kind[s] = i, class_of(before[s] + last[s])
        if (i + 1) % period == 0:
            density = densities(hits, evictions)
            hits *= FADE
            evictions *= FADE
    return hit
