"""The whole analysis of a block beside networkx on the same graph; stack distances beside a bare sort of the keys.

A list that is walked, the textbook way to stack distances, is shown on a short trace: it grows with the square.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import networkx as nx
import numpy as np
from kept import keep

from rollstate.execution import caches, conflicts, schedules

TRANSACTIONS = 500
ACCESSES = 10_000_000
KEYS = 1_500_000
SHORT = 20_000
REPEATS = 5
THREADS = (2, 4, 8, 16, 32)


def make_block(seed: int = 1) -> conflicts.Block:
    """Return a block of 500 transactions with eight keys each, some of them busy."""
    rng = np.random.default_rng(seed)
    keys = [np.unique((rng.pareto(0.4, 8) * 40).astype(np.int64) % 1_000_000) for _ in range(TRANSACTIONS)]
    return conflicts.Block(1, tuple(keys), tuple(rng.random(len(own)) < 0.4 for own in keys))


def analyse(block: conflicts.Block) -> float:
    """Return the critical path, having found conflicts, independent share and all schedules."""
    cost = np.ones(len(block))
    before = conflicts.predecessors(block)
    conflicts.independent(block)
    for threads in THREADS:
        schedules.list_schedule(before, cost, threads)
        schedules.revalidated(before, cost, threads)
        schedules.optimistic_rounds(block, threads)
    return conflicts.critical_path(before, cost)


def peer_path(block: conflicts.Block) -> float:
    """Return the critical path alone, of the graph of all conflicting pairs in networkx."""
    graph = nx.DiGraph()
    graph.add_nodes_from(range(len(block)))
    touched: dict[int, list[tuple[int, bool]]] = {}
    for i in range(len(block)):
        for key, is_write in zip(block.keys[i].tolist(), block.writes[i].tolist(), strict=True):
            own = touched.setdefault(key, [])
            graph.add_edges_from((j, i) for j, wrote in own if wrote or is_write)
            own.append((i, is_write))
    return nx.dag_longest_path_length(graph, default_weight=1) + 1.0


def walked(keys: np.ndarray) -> list[int]:
    """Return stack distances from a list kept in order of use."""
    stack: list[int] = []
    out = []
    for key in keys.tolist():
        at = stack.index(key) if key in stack else -1
        out.append(at + 1)
        if at >= 0:
            del stack[at]
        stack.insert(0, key)
    return out


def best(call: Callable[[], object], repeats: int = REPEATS) -> float:
    """Return the shortest time of some runs, in seconds."""
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return min(times)


def main() -> None:
    """Print times and ratios."""
    block = make_block()
    assert analyse(block) == peer_path(block), "both must find the same critical path"
    keys = np.random.default_rng(1).zipf(1.2, ACCESSES) % KEYS
    short = keys[:SHORT]
    assert caches.stack_distances(short).tolist() == walked(short), "both must find the same distances"
    rows = [
        (
            f"block of {TRANSACTIONS}, all schedules",
            best(lambda: analyse(block)),
            "networkx, critical path alone",
            best(lambda: peer_path(block)),
        ),
        (
            f"stack distances, {ACCESSES:,}",
            best(lambda: caches.stack_distances(keys), 3),
            "numpy stable sort",
            best(lambda: np.argsort(keys, kind="stable"), 3),
        ),
        (
            f"stack distances, {SHORT:,}",
            best(lambda: caches.stack_distances(short)),
            "list that is walked",
            best(lambda: walked(short), 1),
        ),
    ]
    print(f"{'what':34} {'ours s':>9} {'peer':32} {'peer s':>9} {'ours/peer':>10}")
    for what, ours, peer, theirs in rows:
        print(f"{what:34} {ours:9.4f} {peer:32} {theirs:9.4f} {ours / theirs:10.3f}")
        keep(what, peer, theirs / ours)


if __name__ == "__main__":
    main()
