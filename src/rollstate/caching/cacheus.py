r"""Cacheus: two policies propose a slot to evict, and regret decides which of them is followed.

Source: Rodriguez et al. 2021 (https://www.usenix.org/conference/fast21/presentation/rodriguez). The proposals are of

- a scan-resistant LRU: new slots enter list Q, a slot that is accessed there moves to list S, and what S has no room
  for falls back into Q. Q grows when a slot is missed that left before its second access, S grows when an access finds
  a slot that fell out of S;
- a churn-resistant LFU: the slot with the fewest accesses, of equals the *most* recent.

Slots that left are remembered, half as many by each policy as there is room. A miss of a remembered slot multiplies
the weight of the policy that gave it up by :math:`e^{-\lambda}`; a policy is followed with a chance equal to its
weight. The rate :math:`\lambda` is learned too: every ``room`` accesses it moves on in its last direction if the hit
ratio rose with it, and otherwise back; after `PATIENCE` periods without a move or a gain it is drawn anew.
"""

from __future__ import annotations

import numpy as np

from rollstate.caching.heaps import _settle, _take
from rollstate.caching.lists import _lists, _push, _unlink
from rollstate.compiled import compiled

NEW = 0.01
"""Share of the room for slots that were accessed once, at first."""
LEAST_WEIGHT, LEAST_RATE, PATIENCE = 0.01, 1e-3, 10
HISTORY = 0.5
"""Slots that each policy remembers after they left, per slot of room."""
_NOWHERE, _STAYING, _FALLING, _BY_RECENCY, _BY_FREQUENCY = 0, 1, 2, 3, 4


@compiled
def _drawn(state):
    return state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)


@compiled
def _chance(state):
    return (state >> np.uint64(11)) / 9007199254740992.0


@compiled
def next_rate(rate, before, hits, hits_before, patience, state):
    """Return the next learning rate, what is left of the patience, and the state of the generator."""
    moved, gained = round(rate, 3) - round(before, 3), hits - hits_before
    if moved != 0:
        step = abs(rate * moved)
        return min(1.0, max(LEAST_RATE, rate + (step if gained / moved > 0 else -step))), PATIENCE, state
    if hits == 0 or gained <= 0:
        patience -= 1
    if patience == 0:
        state = _drawn(state)
        return LEAST_RATE + (1 - LEAST_RATE) * _chance(state), PATIENCE, state
    return rate, patience, state


@compiled
def cacheus(slot, slots, room):
    """Evict what the scan-resistant LRU or the churn-resistant LFU proposes, by weights that regret moves."""
    hit = np.zeros(len(slot), np.bool_)
    after, before = _lists(slots, 5)
    where, fell, fresh = np.zeros(slots, np.int8), np.zeros(slots, np.bool_), np.zeros(slots, np.bool_)
    heap, place = np.empty(room, np.int32), np.full(slots, -1, np.int32)
    key, when = np.zeros(slots), np.zeros(slots, np.int64)
    held = np.zeros(5, np.int64)
    remembered = int(room * HISTORY)
    for_staying = room - max(1, int(NEW * room + 0.5))
    falls = news = 0
    weight, rate, rate_before = 0.5, min(1.0, np.sqrt(2 * np.log(2) / room)), 0.0
    hits = hits_before = 0.0
    patience, state = PATIENCE, np.uint64(1)
    for i in range(len(slot)):
        s = slot[i]
        if i and i % room == 0:
            hits /= room
            following, patience, state = next_rate(rate, rate_before, hits, hits_before, patience, state)
            rate, rate_before, hits_before, hits = following, rate, hits, 0.0
        found = where[s]
        full = held[_STAYING] + held[_FALLING] == room
        entering = _STAYING
        if found in (_STAYING, _FALLING):
            hit[i] = True
            hits += 1
            fresh[s] = False
            if fell[s]:
                for_staying = min(room - 1, for_staying + max(1, int(news / falls + 0.5)))
                falls -= 1
                fell[s] = False
        elif found == _NOWHERE:
            key[s] = 0
            fresh[s] = full
            if held[_STAYING] >= for_staying or held[_FALLING]:
                entering = _FALLING
        else:
            if found == _BY_RECENCY and fresh[s]:
                news -= 1
                for_staying = max(1, for_staying - max(1, int(falls / max(1, news) + 0.5)))
            fresh[s] = False
            loss = np.exp(-rate)
            kept, other = (
                (weight * loss, 1 - weight) if found == _BY_RECENCY else (weight, (1 - weight) * loss)
            )
            weight = min(1 - LEAST_WEIGHT, max(LEAST_WEIGHT, kept / (kept + other)))
        if found != _NOWHERE:
            _unlink(after, before, s)
            held[found] -= 1
        if not hit[i] and full:
            oldest, rarest = before[slots + _FALLING], heap[0]
            state = _drawn(state)
            gone, by = (oldest, _BY_RECENCY) if _chance(state) < weight else (rarest, _BY_FREQUENCY)
            _unlink(after, before, gone)
            held[where[gone]] -= 1
            _take(heap, place, key, when, room, place[gone])
            if fell[gone]:
                falls -= 1
                fell[gone] = False
            where[gone] = _NOWHERE
            if oldest != rarest and remembered:
                if held[by] == remembered:
                    forgotten = before[slots + by]
                    _unlink(after, before, forgotten)
                    held[by] -= 1
                    where[forgotten] = _NOWHERE
                    if by == _BY_RECENCY and fresh[forgotten]:
                        news -= 1
                _push(after, before, slots + by, gone)
                held[by] += 1
                where[gone] = by
                if by == _BY_RECENCY and fresh[gone]:
                    news += 1
        if not hit[i]:
            at = held[_STAYING] + held[_FALLING]
            heap[at], place[s] = s, at
        key[s] += 1
        when[s] = -i
        _push(after, before, slots + entering, s)
        held[entering] += 1
        where[s] = entering
        _settle(heap, place, key, when, held[_STAYING] + held[_FALLING], place[s])
        while held[_STAYING] > for_staying:
            falling = before[slots + _STAYING]
            _unlink(after, before, falling)
            _push(after, before, slots + _FALLING, falling)
            held[_STAYING] -= 1
            held[_FALLING] += 1
            where[falling] = _FALLING
            fell[falling] = True
            falls += 1
    return hit
