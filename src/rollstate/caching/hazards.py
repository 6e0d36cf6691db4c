r"""Eviction by what survival analysis says: the conditional hazard, and the posterior rate.

State is bounded. Of `CANDIDATES` slots drawn at random, and the new one, that of least score leaves, as in LHD
(Beckmann, Chen and Cidon 2018, https://www.usenix.org/conference/nsdi18/presentation/beckmann). The score of a slot
idle for :math:`u` blocks is

* *hazard*: the chance of an access within the next :math:`\tau` blocks, given :math:`u` and the class of its count at
  the last access, from gaps of earlier accesses. Counts come from the sketch of W-TinyLFU, which ages and outlives the
  slot; :math:`\tau` is the time in which as many new slots come as there is room for;
* *posterior rate*: :math:`(k + n) / (k / \lambda + t)`, the mean of a gamma mixture after n accesses in t blocks since
  the slot came in.
"""

from __future__ import annotations

import numpy as np

from rollstate.compiled import compiled
from rollstate.errors import InputError

CANDIDATES = 32
CLASSES, BINS = 8, 40
"""Classes of count (1, 2, 3-4, ..., open) and bins of idle time, four per octave."""
PRIOR = 5.0
"""Accesses' worth of the pooled curve that each cell of the table starts from."""


@compiled
def class_of(n):
    """Return the class of a count: 0 for 1, 1 for 2, 2 for 3-4, ..."""
    rest, index = n - 1, 0
    while rest > 0 and index < CLASSES - 1:
        rest >>= 1
        index += 1
    return index


@compiled
def bin_of(idle):
    """Return the bin of an idle time in blocks: 0 to 3 alone, then four per octave."""
    if idle < 4:
        return max(0, idle)
    octave, rest = 0, idle
    while rest >= 8:
        rest >>= 1
        octave += 1
    return min(BINS - 1, 4 * octave + rest)


@compiled
def _tables(slot, block, counts, slots, end, horizon):
    """Count landmarks, one per bin of idle time and spell, and those with an access in time, by class and bin."""
    at_risk, events = np.zeros((CLASSES, BINS)), np.zeros((CLASSES, BINS))
    count, last = np.zeros(slots, np.int64), np.full(slots, -1, np.int64)
    starts = np.empty(BINS, np.int64)
    for b in range(BINS):
        starts[b] = b if b < 4 else (4 + b % 4) << (b // 4 - 1)
    for i in range(len(slot) + slots):
        s = slot[i] if i < len(slot) else i - len(slot)
        closed = i < len(slot)
        if last[s] >= 0:
            gap = (block[i] if closed else end) - last[s]
            k = class_of(count[s])
            for b in range(BINS):
                if starts[b] >= gap:
                    break
                # A landmark counts where its horizon was seen whole, or ended in an access.
                if closed and gap <= starts[b] + horizon:
                    at_risk[k, b] += 1
                    events[k, b] += 1
                elif gap > starts[b] + horizon or (not closed and gap == starts[b] + horizon):
                    at_risk[k, b] += 1
        if closed:
            last[s] = block[i]
            count[s] = counts[i]
    return at_risk, events


def hazard_table(
    slot: np.ndarray, block: np.ndarray, counts: np.ndarray, slots: int, horizon: int
) -> np.ndarray:
    """Return the chance of an access within a horizon by class of count and bin of idle time, shape (CLASSES, BINS).

    Cells are shrunk towards the pooled chance of their bin, and that towards the one before.

    Parameters
    ----------
    slot, block, counts : array, shape (n,)
        Accesses in order, and the count of the slot after each.
    slots, horizon : int
        Number of slots, and blocks.

    Raises
    ------
    InputError
        If there are no accesses or the horizon is below one block.
    """
    if not len(slot) or horizon < 1:
        raise InputError(
            f"hazards need accesses and a horizon of at least 1 block, not {len(slot)} and {horizon}"
        )
    at_risk, events = _tables(slot, block, counts, slots, int(block[-1]), horizon)
    pooled, chance = np.zeros(BINS), (events.sum() + 1) / (at_risk.sum() + 2)
    for b in range(BINS):
        chance = (events[:, b].sum() + PRIOR * chance) / (at_risk[:, b].sum() + PRIOR)
        pooled[b] = chance
    return (events + PRIOR * pooled) / (at_risk + PRIOR)


@compiled
def _sampled(slot, block, counts, slots, room, table, shape, rate, seed):
    by_rate = rate > 0
    hit = np.zeros(len(slot), np.bool_)
    held, place = np.empty(room, np.int32), np.full(slots, -1, np.int32)
    count, first, last = np.zeros(slots, np.int64), np.zeros(slots, np.int64), np.zeros(slots, np.int64)
    size, state = 0, np.uint64(seed)
    for i in range(len(slot)):
        s, now = slot[i], block[i]
        if place[s] >= 0:
            hit[i] = True
            count[s] = count[s] + 1 if by_rate else counts[i]
            last[s] = now
            continue
        at = np.int64(size)
        if size == room:
            worst = np.inf
            for _ in range(min(CANDIDATES, room)):
                state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
                j = np.int64((state >> np.uint64(33)) % np.uint64(room))
                o = held[j]
                if by_rate:
                    score = (shape + count[o]) / (shape / rate + (now - first[o] + 1))
                else:
                    score = table[class_of(count[o]), bin_of(now - last[o])]
                if score < worst or (score == worst and last[o] < last[held[at]]):
                    worst, at = score, j
            own = (shape + 1) / (shape / rate + 1) if by_rate else table[class_of(counts[i]), 0]
            if own < worst:
                continue
            place[held[at]] = -1
        else:
            size += 1
        held[at], place[s] = s, at
        count[s], first[s], last[s] = 1 if by_rate else counts[i], now, now
    return hit


def by_hazard(
    slot: np.ndarray,
    block: np.ndarray,
    counts: np.ndarray,
    slots: int,
    room: int,
    table: np.ndarray,
    *,
    seed: int,
) -> np.ndarray:
    """Evict by the least chance of an access; return hits, shape (n,)."""
    return _sampled(slot, block, counts, slots, room, table, 0.0, 0.0, seed)


def by_rate(
    slot: np.ndarray, block: np.ndarray, slots: int, room: int, *, shape: float, rate: float, seed: int
) -> np.ndarray:
    """Evict by the least posterior rate of a gamma mixture with this shape and mean rate; return hits, shape (n,)."""
    if not (shape > 0 and rate > 0):
        raise InputError(f"the mixture's shape and rate must be above 0, not {shape!r} and {rate!r}")
    none = np.zeros(len(slot), np.int64)
    return _sampled(slot, block, none, slots, room, np.zeros((1, 1)), shape, rate, seed)
