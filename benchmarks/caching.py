"""Ten policies at eight sizes over 10^6 accesses, beside LRU and SIEVE in plain Python."""

from __future__ import annotations

import time
from collections import OrderedDict

import numpy as np
from kept import keep

from rollstate.caching import curves

ACCESSES, SLOTS, LOOPED = 1_000_000, 200_000, 100_000
SHARES = (0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3)


def plain(slots: list[int], room: int) -> int:
    """Return the hits of LRU in an ordered dictionary."""
    cache, hits = OrderedDict(), 0
    for s in slots:
        if s in cache:
            hits += 1
            cache.move_to_end(s)
        else:
            if len(cache) == room:
                cache.popitem(last=False)
            cache[s] = True
    return hits


def main() -> None:
    """Print the table."""
    rng = np.random.default_rng(1)
    slot = np.minimum(rng.zipf(1.1, ACCESSES) - 1, SLOTS - 1).astype(np.int32)
    slot[::3] = rng.integers(0, SLOTS, len(slot[::3]))
    names = [*curves.CLASSICAL, curves.WIPED, curves.BELADY]
    for name in names:
        curves.FIXED[name].run(slot[:1_000], SLOTS, 100)
    total = 0.0
    for name in names:
        begin = time.perf_counter()
        for share in SHARES:
            curves.FIXED[name].run(slot, SLOTS, curves.FIXED[name].room(share, SLOTS, 100))
        took = time.perf_counter() - begin
        total += took
        print(f"{name:18}{len(SHARES) * ACCESSES / took / 1e6:8.1f} million accesses/s")
    print(f"{len(names)} policies at {len(SHARES)} sizes over {ACCESSES:,} accesses: {total:.1f} s")
    begin = time.perf_counter()
    hits = plain(slot[:LOOPED].tolist(), 2_000)
    looped = time.perf_counter() - begin
    assert hits == curves.FIXED[curves.LRU].run(slot[:LOOPED], SLOTS, 2_000).sum()
    begin = time.perf_counter()
    curves.FIXED[curves.LRU].run(slot, SLOTS, 2_000)
    own = time.perf_counter() - begin
    ratio = looped / LOOPED * ACCESSES / own
    print(f"LRU in plain Python: ratio {ratio:.0f}")
    keep("LRU", "plain Python", ratio)


if __name__ == "__main__":
    main()
