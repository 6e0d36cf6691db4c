"""Caches made of lists: every policy marks each access as a hit or a miss, with room for a fixed number of slots.

Sources: ARC, Megiddo and Modha 2003 (https://www.usenix.org/conference/fast-03/arc-self-tuning-low-overhead-replacement-cache);
LIRS, Jiang and Zhang 2002 (https://doi.org/10.1145/511399.511340); SIEVE, Zhang et al. 2024
(https://www.usenix.org/conference/nsdi24/presentation/zhang-yazhuo); S3-FIFO, Yang et al. 2023
(https://doi.org/10.1145/3600006.3613147); W-TinyLFU, Einziger, Friedman and Manes 2017
(https://doi.org/10.1145/3149371). The tests hold each to a plain Python version of its paper.

A list is circular: node ``slots + q`` is the head of list q, the newest follows it, the oldest precedes it.
"""

from __future__ import annotations

import numpy as np

from rollstate.compiled import compiled

SMALL, MOVE, CAP = 0.1, 2, 3
"""S3-FIFO: share of the small queue, accesses there that move a slot to the main one, largest count."""
LIRS_HIR = 0.01
"""LIRS: share of the room for slots of long recency."""
WINDOW, PROTECTED = 0.01, 0.8
"""W-TinyLFU: share of the window, and of the protected segment in the rest."""
SAMPLE, SKETCH_WIDTH, SKETCH_MAX = 10, 16, 15
"""W-TinyLFU: accesses per slot of room until counters are halved, counters per slot of room, largest counter."""


@compiled
def _lists(slots, count):
    after, before = np.empty(slots + count, np.int32), np.empty(slots + count, np.int32)
    for q in range(count):
        after[slots + q] = before[slots + q] = slots + q
    return after, before


@compiled
def _push(after, before, head, s):
    newest = after[head]
    after[s], before[s] = newest, head
    before[newest] = s
    after[head] = s


@compiled
def _unlink(after, before, s):
    after[before[s]] = after[s]
    before[after[s]] = before[s]


@compiled
def lru(slot, slots, room):
    """Evict the slot that was accessed least recently."""
    hit, inside, size = np.zeros(len(slot), np.bool_), np.zeros(slots, np.bool_), 0
    after, before = _lists(slots, 1)
    for i in range(len(slot)):
        s = slot[i]
        if inside[s]:
            hit[i] = True
            _unlink(after, before, s)
        else:
            if size == room:
                gone = before[slots]
                _unlink(after, before, gone)
                inside[gone] = False
                size -= 1
            inside[s] = True
            size += 1
        _push(after, before, slots, s)
    return hit


@compiled
def filled(slot, slots, room):
    """Keep the first slots for good: a cache without eviction that fills up."""
    hit, inside, size = np.zeros(len(slot), np.bool_), np.zeros(slots, np.bool_), 0
    for i in range(len(slot)):
        s = slot[i]
        if inside[s]:
            hit[i] = True
        elif size < room:
            inside[s] = True
            size += 1
    return hit


@compiled
def wiped(slot, slots, room):
    """Forget everything when there is no room for the next slot."""
    hit, epoch, now, size = np.zeros(len(slot), np.bool_), np.zeros(slots, np.int64), 1, 0
    for i in range(len(slot)):
        s = slot[i]
        if epoch[s] == now:
            hit[i] = True
            continue
        if size == room:
            now += 1
            size = 0
        epoch[s] = now
        size += 1
    return hit


@compiled
def sieve(slot, slots, room):
    """SIEVE: a hand moves from the oldest to the newest slot and evicts the first that was not visited since."""
    hit, inside, visited = np.zeros(len(slot), np.bool_), np.zeros(slots, np.bool_), np.zeros(slots, np.bool_)
    after, before = _lists(slots, 1)
    hand, size = slots, 0
    for i in range(len(slot)):
        s = slot[i]
        if inside[s]:
            hit[i] = True
            visited[s] = True
            continue
        if size == room:
            if hand == slots:
                hand = before[slots]
            while visited[hand]:
                visited[hand] = False
                hand = before[hand]
                if hand == slots:
                    hand = before[slots]
            gone = hand
            hand = before[gone]
            _unlink(after, before, gone)
            inside[gone] = False
            size -= 1
        inside[s], visited[s] = True, False
        size += 1
        _push(after, before, slots, s)
    return hit


@compiled
def s3fifo(slot, slots, room):
    """S3-FIFO: a small queue, a main one with reinsertion, and ghosts of as many slots as the main one holds."""
    hit, place, count = np.zeros(len(slot), np.bool_), np.zeros(slots, np.int8), np.zeros(slots, np.int8)
    after, before = _lists(slots, 3)
    small, main, ghost = slots, slots + 1, slots + 2
    room_small = max(1, int(room * SMALL))
    room_main = room - room_small
    sizes = np.zeros(4, np.int64)
    for i in range(len(slot)):
        s = slot[i]
        if place[s] == 1 or place[s] == 2:
            hit[i] = True
            count[s] = min(count[s] + 1, CAP)
            continue
        known = place[s] == 3
        if known:
            _unlink(after, before, s)
            sizes[3] -= 1
            place[s] = 0
        while sizes[1] + sizes[2] >= room:
            if sizes[1] > 0 and (sizes[1] >= room_small or sizes[2] == 0):
                gone = before[small]
                _unlink(after, before, gone)
                sizes[1] -= 1
                if count[gone] >= MOVE and room_main > 0:
                    place[gone], count[gone] = 2, 0
                    _push(after, before, main, gone)
                    sizes[2] += 1
                    continue
                place[gone] = 3
                _push(after, before, ghost, gone)
                sizes[3] += 1
                if sizes[3] > room_main:
                    old = before[ghost]
                    _unlink(after, before, old)
                    place[old] = 0
                    sizes[3] -= 1
            else:
                gone = before[main]
                _unlink(after, before, gone)
                if count[gone] > 0:
                    count[gone] -= 1
                    _push(after, before, main, gone)
                else:
                    place[gone] = 0
                    sizes[2] -= 1
        count[s] = 0
        if known and room_main > 0:
            place[s] = 2
            _push(after, before, main, s)
            sizes[2] += 1
        else:
            place[s] = 1
            _push(after, before, small, s)
            sizes[1] += 1
    return hit


@compiled
def arc(slot, slots, room):
    """ARC: recent and frequent slots, with as many ghosts, whose hits move the border between the two."""
    hit, place = np.zeros(len(slot), np.bool_), np.zeros(slots, np.int8)
    after, before = _lists(slots, 5)
    n, p = np.zeros(5, np.int64), 0.0
    for i in range(len(slot)):
        s = slot[i]
        was = place[s]
        if was == 1 or was == 2:
            hit[i] = True
            _unlink(after, before, s)
            n[was] -= 1
        else:
            evict = was >= 3
            if was == 3:
                p = min(room, p + max(1.0, n[4] / n[3]))
            elif was == 4:
                p = max(0.0, p - max(1.0, n[3] / n[4]))
            elif n[1] + n[3] >= room:
                if n[1] < room:
                    old = before[slots + 3]
                    _unlink(after, before, old)
                    place[old] = 0
                    n[3] -= 1
                    evict = True
                else:
                    old = before[slots + 1]
                    _unlink(after, before, old)
                    place[old] = 0
                    n[1] -= 1
            elif n[1] + n[2] + n[3] + n[4] >= room:
                if n[1] + n[2] + n[3] + n[4] >= 2 * room:
                    old = before[slots + 4]
                    _unlink(after, before, old)
                    place[old] = 0
                    n[4] -= 1
                evict = True
            if evict and n[1] + n[2] >= room:
                if n[1] > 0 and (n[1] > p or (was == 4 and n[1] == p) or n[2] == 0):
                    gone, ghost = before[slots + 1], 3
                    n[1] -= 1
                else:
                    gone, ghost = before[slots + 2], 4
                    n[2] -= 1
                _unlink(after, before, gone)
                place[gone] = ghost
                _push(after, before, slots + ghost, gone)
                n[ghost] += 1
            if was >= 3:
                _unlink(after, before, s)
                n[was] -= 1
        to = 1 if was == 0 else 2
        place[s] = to
        _push(after, before, slots + to, s)
        n[to] += 1
    return hit


@compiled
def lirs(slot, slots, room):
    """LIRS: slots of short reuse distance stay, the others pass a small queue; as many ghosts as slots of room."""
    hit = np.zeros(len(slot), np.bool_)
    # 0 unknown, 1 LIR, 2 resident HIR, 3 ghost
    state, stacked = np.zeros(slots, np.int8), np.zeros(slots, np.bool_)
    up, down = _lists(slots, 1)
    after, before = _lists(slots, 2)
    queue, ghosts = slots, slots + 1
    room_hir = max(1, int(room * LIRS_HIR))
    room_lir = max(0, room - room_hir)
    lir, hir, gone_count = 0, 0, 0
    for i in range(len(slot)):
        s = slot[i]
        was = state[s]
        hit[i] = was == 1 or was == 2
        if was == 1:
            _unlink(up, down, s)
            _push(up, down, slots, s)
        elif was != 2 and lir < room_lir:
            # The room for short distances is not full yet.
            if was == 3:
                _unlink(after, before, s)
                _unlink(up, down, s)
                gone_count -= 1
            state[s], stacked[s] = 1, True
            _push(up, down, slots, s)
            lir += 1
            continue
        else:
            if was == 2:
                _unlink(after, before, s)
                hir -= 1
            else:
                if hir >= room_hir:
                    out = before[queue]
                    _unlink(after, before, out)
                    hir -= 1
                    if stacked[out]:
                        state[out] = 3
                        _push(after, before, ghosts, out)
                        gone_count += 1
                        if gone_count > room:
                            old = before[ghosts]
                            _unlink(after, before, old)
                            _unlink(up, down, old)
                            state[old], stacked[old] = 0, False
                            gone_count -= 1
                    else:
                        state[out] = 0
                if state[s] == 3:
                    _unlink(after, before, s)
                    gone_count -= 1
            if stacked[s] and room_lir > 0:
                _unlink(up, down, s)
                _push(up, down, slots, s)
                state[s] = 1
                lir += 1
                if lir > room_lir:
                    bottom = down[slots]
                    _unlink(up, down, bottom)
                    stacked[bottom] = False
                    state[bottom] = 2
                    lir -= 1
                    _push(after, before, queue, bottom)
                    hir += 1
            else:
                if stacked[s]:
                    _unlink(up, down, s)
                stacked[s] = True
                _push(up, down, slots, s)
                state[s] = 2
                _push(after, before, queue, s)
                hir += 1
        # Prune: the bottom of the stack is a slot of short distance.
        bottom = down[slots]
        while bottom != slots and state[bottom] != 1:
            _unlink(up, down, bottom)
            stacked[bottom] = False
            if state[bottom] == 3:
                _unlink(after, before, bottom)
                state[bottom] = 0
                gone_count -= 1
            bottom = down[slots]
    return hit


@compiled
def _hash(s, row, mask):
    x = (np.uint64(s) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(row) * np.uint64(
        0xC2B2AE3D27D4EB4F
    )
    x ^= x >> np.uint64(32)
    x *= np.uint64(0xD6E8FEB86659FD93)
    x ^= x >> np.uint64(29)
    return np.int64(x & np.uint64(mask))


@compiled
def _estimate(sketch, mask, s):
    least = SKETCH_MAX
    for row in range(4):
        least = min(least, sketch[row, _hash(s, row, mask)])
    return least


@compiled
def _width(room):
    width = 1
    while width * 4 < room * SKETCH_WIDTH:
        width *= 2
    return width


@compiled
def _count(sketch, mask, s, added, room):
    """Count an access in a sketch, which ages; return the accesses counted since it aged."""
    least = _estimate(sketch, mask, s)
    if least < SKETCH_MAX:
        for row in range(4):
            at = _hash(s, row, mask)
            if sketch[row, at] == least:
                sketch[row, at] += 1
    added += 1
    if added >= SAMPLE * room:
        for row in range(4):
            for at in range(mask + 1):
                sketch[row, at] //= 2
        added //= 2
    return added


@compiled
def sketch_counts(slot, room):
    """Return what the sketch of W-TinyLFU counts of each access's slot, itself included, int64, shape (n,)."""
    mask = _width(room) - 1
    sketch, added = np.zeros((4, mask + 1), np.uint8), 0
    out = np.empty(len(slot), np.int64)
    for i in range(len(slot)):
        added = _count(sketch, mask, slot[i], added, room)
        out[i] = max(1, _estimate(sketch, mask, slot[i]))
    return out


@compiled
def wtinylfu(slot, slots, room):
    """W-TinyLFU: a window, then a segmented LRU that admits by counters of a sketch that ages."""
    hit, place = np.zeros(len(slot), np.bool_), np.zeros(slots, np.int8)
    after, before = _lists(slots, 4)
    room_window = max(1, int(room * WINDOW))
    room_main = room - room_window
    room_protected = int(room_main * PROTECTED)
    mask = _width(room) - 1
    sketch, added = np.zeros((4, mask + 1), np.uint8), 0
    n = np.zeros(4, np.int64)
    for i in range(len(slot)):
        s = slot[i]
        added = _count(sketch, mask, s, added, room)
        was = place[s]
        if was > 0:
            hit[i] = True
            _unlink(after, before, s)
            n[was] -= 1
            to = 1 if was == 1 else 3
            if to == 3 and room_protected == 0:
                to = 2
            place[s] = to
            _push(after, before, slots + to, s)
            n[to] += 1
            if n[3] > room_protected:
                old = before[slots + 3]
                _unlink(after, before, old)
                n[3] -= 1
                place[old] = 2
                _push(after, before, slots + 2, old)
                n[2] += 1
            continue
        place[s] = 1
        _push(after, before, slots + 1, s)
        n[1] += 1
        if n[1] > room_window:
            candidate = before[slots + 1]
            _unlink(after, before, candidate)
            n[1] -= 1
            place[candidate] = 0
            if n[2] + n[3] >= room_main:
                if room_main == 0:
                    continue
                segment = 2 if n[2] > 0 else 3
                victim = before[slots + segment]
                if _estimate(sketch, mask, candidate) <= _estimate(sketch, mask, victim):
                    continue
                _unlink(after, before, victim)
                place[victim] = 0
                n[segment] -= 1
            place[candidate] = 2
            _push(after, before, slots + 2, candidate)
            n[2] += 1
    return hit
