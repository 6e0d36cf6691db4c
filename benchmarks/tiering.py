"""A sweep of policies beside a Python loop over spells; caches under a limit, accesses per second."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from kept import keep

from rollstate.tiering import capacity, windows
from rollstate.tiering.costs import Costs, two_tiers
from rollstate.tiering.replay import Gaps, replay

SPELLS = 10_000_000
LOOPED = 200_000
MISSES = np.geomspace(1, 1e6, 100)
ACCESSES, SLOTS = 5_000_000, 500_000


def timed(action: Callable[[], Any]) -> float:
    """Return the seconds some work takes."""
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def spells(n: int, seed: int) -> Gaps:
    """Return spells with a heavy tail, most of them ended by an access."""
    rng = np.random.default_rng(seed)
    gap, end = np.ceil(rng.pareto(0.7, n) * 3) + 1, rng.integers(10, 100_000, n).astype(float)
    return Gaps(np.zeros(n), np.minimum(gap, end), gap <= end)


def windows_of(train: windows.Profile, costs: Costs) -> list[float]:
    """Return the windows of eight policies that take the same one for every slot."""
    best = windows.tuned(train, costs)[0]
    ski = windows.ski_rental(costs)
    return [0.0, np.inf, 1_000.0, 10_000.0, best, ski, 2 * ski, ski / 2]


def sweep(seen: Gaps, train: Gaps) -> np.ndarray:
    """Return the cost of every policy at every penalty; spells are sorted once."""
    seen, train = windows.profile(seen), windows.profile(train)
    return np.stack(
        [windows.window_costs(seen, np.array(windows_of(train, c)), c) for c in map(two_tiers, MISSES)]
    )


def loop(seen: Gaps, window: float, costs: Costs) -> float:
    """Return the cost of one window, spell by spell in Python."""
    total = 0.0
    for duration, event in zip(seen.duration.tolist(), seen.event.tolist(), strict=True):
        total += costs.ram * min(duration, window)
        if event and duration > window:
            total += costs.penalty
    return total


def main() -> None:
    """Print both tables."""
    seen, train, few = spells(SPELLS, 1), spells(100_000, 2), spells(LOOPED, 3)
    costs = two_tiers(100.0)
    assert np.isclose(loop(few, 50.0, costs), replay(few, 50.0, costs).cost.sum())
    per_point = timed(lambda: loop(few, 50.0, costs)) * SPELLS / LOOPED
    points = len(MISSES) * 8
    took = timed(lambda: sweep(seen, train))
    print(f"{points} points over {SPELLS:,} spells: {took:.1f} s")
    print(f"a Python loop: {per_point * points:,.0f} s (extrapolated)")
    print(f"ratio {per_point * points / took:,.0f}")
    keep("sweep of windows", "a Python loop", per_point * points / took)
    own = timed(lambda: replay(seen, np.full(SPELLS, 50.0), costs))
    print(f"one window per slot, replayed: {own:.2f} s, ratio {per_point / own:.0f}")
    keep("replay of one window per slot", "a Python loop", per_point / own)

    rng = np.random.default_rng(4)
    slot = np.minimum(rng.zipf(1.2, ACCESSES) - 1, SLOTS - 1).astype(np.int32)
    slot = np.unique(slot, return_inverse=True)[1].astype(np.int32)
    accesses = capacity.Accesses(slot, np.arange(ACCESSES) // 500, int(slot.max()) + 1, ACCESSES // 500 + 1)
    small = capacity.Accesses(slot[:1_000], accesses.block[:1_000], accesses.slots, accesses.end)
    capacity.by_recency(small, capacity=10)
    room = accesses.slots // 20
    print(f"\n{ACCESSES:,} accesses, {accesses.slots:,} slots, RAM for {room:,}")
    for name, action in {
        "LRU": lambda: capacity.by_recency(accesses, capacity=room),
        "LRU with a window": lambda: capacity.by_recency(accesses, capacity=room, window=500),
    }.items():
        print(f"{name:20}{ACCESSES / timed(action) / 1e6:8.1f} million accesses/s")


if __name__ == "__main__":
    main()
