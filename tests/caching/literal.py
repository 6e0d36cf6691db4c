"""Plain Python versions of the policies, as their papers put them: slow, and nothing shared with the package."""

from collections import OrderedDict

import numpy as np


def lru(slots, room):
    cache, hits = OrderedDict(), []
    for s in slots:
        hits.append(s in cache)
        if s in cache:
            cache.move_to_end(s)
        else:
            if len(cache) == room:
                cache.popitem(last=False)
            cache[s] = True
    return hits


def filled(slots, room):
    cache, hits = set(), []
    for s in slots:
        hits.append(s in cache)
        if len(cache) < room:
            cache.add(s)
    return hits


def wiped(slots, room):
    cache, hits = set(), []
    for s in slots:
        hits.append(s in cache)
        if s not in cache and len(cache) == room:
            cache = set()
        cache.add(s)
    return hits


def counted(slots, room, aging):
    cache, hits, age = {}, [], 0
    for i, s in enumerate(slots):
        hits.append(s in cache)
        n = cache[s][2] + 1 if s in cache else 1
        if s not in cache and len(cache) == room:
            gone = min(cache, key=lambda k: cache[k][:2])
            age = cache[gone][0] if aging else 0
            del cache[gone]
        cache[s] = (age + n, i, n)
    return hits


def lfu(slots, room):
    return counted(slots, room, False)


def gdsf(slots, room):
    return counted(slots, room, True)


def belady(slots, room):
    def following(s, i):
        return next((j for j in range(i + 1, len(slots)) if slots[j] == s), len(slots))

    cache, hits = set(), []
    for i, s in enumerate(slots):
        hits.append(s in cache)
        cache.add(s)
        if len(cache) > room:
            cache.remove(max(cache, key=lambda k: (following(k, i), k == s)))
    return hits


def sieve(slots, room):
    queue, visited, hand, hits = [], {}, None, []  # newest first
    for s in slots:
        hits.append(s in visited)
        if s in visited:
            visited[s] = True
            continue
        if len(queue) == room:
            at = len(queue) - 1 if hand is None else queue.index(hand)
            while visited[queue[at]]:
                visited[queue[at]] = False
                at = at - 1 if at > 0 else len(queue) - 1
            hand = queue[at - 1] if at > 0 else None
            del visited[queue.pop(at)]
        queue.insert(0, s)
        visited[s] = False
    return hits


def s3fifo(slots, room):
    small, main, ghost, freq, hits = [], [], [], {}, []  # newest first
    target = max(1, int(room * 0.1))

    def evict_main():
        while main:
            t = main.pop()
            if freq[t] > 0:
                freq[t] -= 1
                main.insert(0, t)
            else:
                return

    for s in slots:
        inside = s in small or s in main
        hits.append(inside)
        if inside:
            freq[s] = min(freq[s] + 1, 3)
            continue
        known = s in ghost
        if known:
            ghost.remove(s)
        while len(small) + len(main) >= room:
            if small and (len(small) >= target or not main):
                t = small.pop()
                if freq[t] > 1 and room > target:
                    freq[t] = 0
                    main.insert(0, t)
                else:
                    ghost.insert(0, t)
                    del ghost[room - target :]
            else:
                evict_main()
        freq[s] = 0
        (main if known and room > target else small).insert(0, s)
    return hits


def arc(slots, c):
    t1, t2, b1, b2, p, hits = [], [], [], [], 0.0, []  # newest first

    def replace(x_in_b2):
        if t1 and (len(t1) > p or (x_in_b2 and len(t1) == p) or not t2):
            b1.insert(0, t1.pop())
        else:
            b2.insert(0, t2.pop())

    for x in slots:
        hits.append(x in t1 or x in t2)
        if x in t1 or x in t2:
            (t1 if x in t1 else t2).remove(x)
            t2.insert(0, x)
        elif x in b1:
            p = min(c, p + max(1, len(b2) / len(b1)))
            replace(False)
            b1.remove(x)
            t2.insert(0, x)
        elif x in b2:
            p = max(0, p - max(1, len(b1) / len(b2)))
            replace(True)
            b2.remove(x)
            t2.insert(0, x)
        else:
            if len(t1) + len(b1) == c:
                if len(t1) < c:
                    b1.pop()
                    replace(False)
                else:
                    t1.pop()
            elif len(t1) + len(t2) + len(b1) + len(b2) >= c:
                if len(t1) + len(t2) + len(b1) + len(b2) == 2 * c:
                    b2.pop()
                replace(False)
            t1.insert(0, x)
    return hits


def lirs(slots, room):
    stack, queue, ghosts, lir, hits = [], [], [], set(), []  # newest last
    room_hir = max(1, int(room * 0.01))
    room_lir = max(0, room - room_hir)

    def prune():
        while stack and stack[0] not in lir:
            gone = stack.pop(0)
            if gone in ghosts:
                ghosts.remove(gone)

    for s in slots:
        hits.append(s in lir or s in queue)
        if s in lir:
            stack.remove(s)
            stack.append(s)
        elif s not in queue and len(lir) < room_lir:
            if s in ghosts:
                ghosts.remove(s)
                stack.remove(s)
            lir.add(s)
            stack.append(s)
        else:
            if s in queue:
                queue.remove(s)
            elif len(queue) >= room_hir:
                out = queue.pop(0)
                if out in stack:
                    ghosts.append(out)
                    if len(ghosts) > room:
                        stack.remove(ghosts.pop(0))
            if s in ghosts:
                ghosts.remove(s)
            if s in stack and room_lir:
                stack.remove(s)
                stack.append(s)
                lir.add(s)
                if len(lir) > room_lir:
                    bottom = stack.pop(0)
                    lir.remove(bottom)
                    queue.append(bottom)
            else:
                if s in stack:
                    stack.remove(s)
                stack.append(s)
                queue.append(s)
        prune()
    return hits


def wtinylfu(slots, room, estimate):
    """`estimate` gives the sketch's count of every slot at each access."""
    window, probation, protected, hits = [], [], [], []  # newest first
    room_window = max(1, int(room * 0.01))
    room_main = room - room_window
    room_protected = int(room_main * 0.8)
    for i, s in enumerate(slots):
        hits.append(s in window or s in probation or s in protected)
        if s in window:
            window.remove(s)
            window.insert(0, s)
        elif hits[-1]:
            (probation if s in probation else protected).remove(s)
            (protected if room_protected else probation).insert(0, s)
            if len(protected) > room_protected:
                probation.insert(0, protected.pop())
        else:
            window.insert(0, s)
            if len(window) > room_window:
                candidate = window.pop()
                if len(probation) + len(protected) >= room_main:
                    if not room_main:
                        continue
                    segment = probation or protected
                    if estimate(candidate, i) <= estimate(segment[-1], i):
                        continue
                    segment.pop()
                probation.insert(0, candidate)
    return hits


def lhd(slots, room):
    """Hit densities by their definition; the same stream of random numbers as the package's."""
    ages, classes, state = 256, 16, 1
    width, period, budget = max(1, room * 8 // ages), max(1024, 4 * room), max(1, int(room * 0.01))
    cache, order, hits = {}, [], []  # slot: [time, last age, the age before, explorer]
    hit, gone = np.zeros((classes, ages)), np.zeros((classes, ages))
    density = np.array([[(c + 1) / (a + 1) for a in range(ages)] for c in range(classes)])

    def draw(n):
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (state >> 33) % n

    def kind(entry):
        both = entry[1] + entry[2]
        return classes - 1 if both == 0 else sum(both * 2**i < ages for i in range(classes - 1))

    for i, s in enumerate(slots):
        hits.append(s in cache)
        if s in cache:
            entry = cache[s]
            age = min(ages - 1, (i - entry[0]) // width)
            hit[kind(entry), age] += 1
            entry[1:3] = age, entry[1]
            budget += entry[3]
        else:
            if len(order) == room:
                ranked = []
                for _ in range(min(32, room)):
                    at = draw(room)
                    entry = cache[order[at]]
                    age = (i - entry[0]) // width
                    ranked.append(
                        (-1.0 if age >= ages else density[kind(entry), age] + entry[3], entry[0], at)
                    )
                at = min(ranked)[2]
                entry = cache.pop(order[at])
                gone[kind(entry), min(ages - 1, (i - entry[0]) // width)] += 1
                budget += entry[3]
                order[at] = s
            else:
                order.append(s)
            entry = cache[s] = [i, 0, ages, False]
        chosen = draw(32) == 0
        entry[0], entry[3] = i, budget > 0 and chosen
        budget -= entry[3]
        if (i + 1) % period == 0:
            events = np.cumsum((hit + gone)[:, ::-1], axis=1)
            waited, found = np.cumsum(events, axis=1), np.cumsum(hit[:, ::-1], axis=1)
            density = np.where(events > 1e-5, found / np.maximum(waited, 1e-300), 0)[:, ::-1]
            hit, gone = hit * 0.9, gone * 0.9
    return hits


def cacheus(slots, room):
    """Cacheus in words of its paper, on lists; the same stream of random numbers as the package's."""
    staying, falling, by_recency, by_frequency = [], [], [], []  # oldest first
    count, when, fell, fresh, hits = {}, {}, set(), set(), []
    for_new = max(1, int(0.01 * room + 0.5))
    weight, rates, ratios, patience, state = 0.5, [0.0, min(1.0, (2 * np.log(2) / room) ** 0.5)], [0.0], 10, 1

    def draw():
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (state >> 11) / 2**53

    def learn():
        nonlocal patience
        ratios.append(sum(hits[-room:]) / room)
        rate, moved, gained = rates[-1], round(rates[-1], 3) - round(rates[-2], 3), ratios[-1] - ratios[-2]
        if moved:
            patience = 10
            rate = min(1, max(1e-3, rate + np.sign(gained / moved or -1) * abs(rate * moved)))
        else:
            patience -= ratios[-1] == 0 or gained <= 0
            if patience == 0:
                patience, rate = 10, 1e-3 + (1 - 1e-3) * draw()
        rates.append(rate)

    def room_for_new(more):
        nonlocal for_new
        new = len(fresh & set(by_recency))
        if more:
            for_new = min(room - 1, for_new + max(1, int(len(fell) / max(1, new) + 0.5)))
        else:
            for_new = max(1, for_new - max(1, int(new / len(fell) + 0.5)))

    def regret(recency):
        nonlocal weight
        loss = np.exp(-rates[-1])
        one, other = (weight * loss, 1 - weight) if recency else (weight, (1 - weight) * loss)
        weight = min(0.99, max(0.01, one / (one + other)))

    def make_place():
        oldest = falling[0]
        rarest = min(staying + falling, key=lambda s: (count[s], -when[s]))
        recency = draw() < weight
        gone = oldest if recency else rarest
        (staying if gone in staying else falling).remove(gone)
        fell.discard(gone)
        memory = by_recency if recency else by_frequency
        if oldest != rarest and room // 2:
            if len(memory) == room // 2:
                memory.pop(0)
            memory.append(gone)

    for i, s in enumerate(slots):
        if i and i % room == 0:
            learn()
        hits.append(s in staying or s in falling)
        full = len(staying) + len(falling) == room
        target = staying
        if hits[-1]:
            if s in fell:
                room_for_new(more=False)
                fell.remove(s)
            fresh.discard(s)
            (staying if s in staying else falling).remove(s)
        elif s in by_recency or s in by_frequency:
            memory = by_recency if s in by_recency else by_frequency
            memory.remove(s)
            if memory is by_recency and s in fresh:
                room_for_new(more=True)
            fresh.discard(s)
            regret(memory is by_recency)
        else:
            count[s] = 0
            (fresh.add if full else fresh.discard)(s)
            target = falling if falling or len(staying) >= room - for_new else staying
        if not hits[-1] and full:
            make_place()
        count[s], when[s] = count[s] + 1, i
        target.append(s)
        while len(staying) > room - for_new:
            fell.add(staying[0])
            falling.append(staying.pop(0))
    return hits
