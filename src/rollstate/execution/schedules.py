r"""How long a block takes on :math:`p` threads under different engines.

With :math:`N` the total cost and :math:`CP` the critical path, any schedule takes at least
:math:`\max(CP, N/p)`, and greedy list scheduling at most :math:`CP + N/p`
(Graham 1969, https://doi.org/10.1137/0117039).
"""

from __future__ import annotations

import heapq

import numpy as np

from rollstate.errors import InputError
from rollstate.execution.conflicts import Block


def _check(workers: int) -> None:
    if workers < 1:
        raise InputError(f"workers={workers} must be at least 1")


def list_schedule(before: list[list[int]], cost: np.ndarray, workers: int) -> float:
    """Return the makespan with known dependencies (locks, as in Sealevel): a free thread takes the first ready one.

    Parameters
    ----------
    before : list of list of int
        `conflicts.predecessors`.
    cost : array, shape (n,)
        Cost of each transaction.
    workers : int
        Threads.
    """
    _check(workers)
    n = len(before)
    if len(cost) != n:
        raise InputError(f"{len(cost)} costs for {n} transactions")
    waiting = np.array([len(earlier) for earlier in before])
    after: list[list[int]] = [[] for _ in range(n)]
    for i, earlier in enumerate(before):
        for j in earlier:
            after[j].append(i)
    ready = [i for i in range(n) if not waiting[i]]
    running: list[tuple[float, int]] = []
    now, free = 0.0, workers
    while ready or running:
        while ready and free:
            i = heapq.heappop(ready)
            heapq.heappush(running, (now + cost[i], i))
            free -= 1
        now, _ = running[0]
        # All that ends now frees its thread and its followers before the next choice.
        while running and running[0][0] == now:
            _, i = heapq.heappop(running)
            free += 1
            for j in after[i]:
                waiting[j] -= 1
                if not waiting[j]:
                    heapq.heappush(ready, j)
    return now


def optimistic_rounds(block: Block, workers: int) -> tuple[int, int]:
    """Return rounds and aborts of optimistic execution in lockstep.

    Each round runs the first `workers` pending transactions; one aborts, and stays pending, if an earlier one of the
    round touches a key of its own and one of them writes it. A simple picture of Block-STM (Gelashvili and others 2022,
    https://arxiv.org/abs/2203.06871) with unit costs.
    """
    _check(workers)
    pending = list(range(len(block)))
    rounds = aborts = 0
    while pending:
        rounds += 1
        seen: dict[int, bool] = {}
        failed = []
        for i in pending[:workers]:
            pairs = list(zip(block.keys[i].tolist(), block.writes[i].tolist(), strict=True))
            if any(key in seen and (seen[key] or is_write) for key, is_write in pairs):
                failed.append(i)
            for key, is_write in pairs:
                seen[key] = seen.get(key, False) or is_write
        aborts += len(failed)
        pending = failed + pending[workers:]
    return rounds, aborts


def revalidated(before: list[list[int]], cost: np.ndarray, workers: int) -> tuple[float, int]:
    """Return makespan and aborts of optimistic execution, event by event, with validation when a transaction ends.

    A free thread takes the first transaction that is not running or done. When it ends, it is valid if all it depends
    on had ended before it began; else it aborts and is taken again, first come by order, once those have ended (their
    writes mark it, so that it is not run in vain twice for the same reason).
    """
    _check(workers)
    n = len(before)
    if len(cost) != n:
        raise InputError(f"{len(cost)} costs for {n} transactions")
    ended = np.full(n, np.inf)
    ready = list(range(n))
    blocked: dict[int, set[int]] = {}
    running: list[tuple[float, int, float]] = []
    now, free, aborts, makespan = 0.0, workers, 0, 0.0
    while ready or running:
        while ready and free:
            i = heapq.heappop(ready)
            heapq.heappush(running, (now + cost[i], i, now))
            free -= 1
        now, i, begun = heapq.heappop(running)
        free += 1
        late = {j for j in before[i] if ended[j] > begun}
        if not late:
            ended[i] = makespan = now
            for j in [j for j, reasons in blocked.items() if i in reasons]:
                blocked[j].discard(i)
                if not blocked[j]:
                    del blocked[j]
                    heapq.heappush(ready, j)
            continue
        aborts += 1
        unfinished = {j for j in late if ended[j] > now}
        if unfinished:
            blocked[i] = unfinished
        else:
            heapq.heappush(ready, i)
    return makespan, aborts


def two_phase(independent_share: float, workers: float) -> float:
    """Return the speed-up of running all at once and conflicting ones again one by one.

    Saraph and Herlihy (2019), https://arxiv.org/abs/1901.01376: :math:`1 / (q/p + 1 - q)`.
    """
    if not 0 <= independent_share <= 1 or not workers >= 1:
        raise InputError(
            f"independent_share={independent_share} must be a share, workers={workers} at least 1"
        )
    return 1 / (independent_share / workers + 1 - independent_share)


def amdahl(share: float, speedup: float) -> float:
    """Return the overall speed-up when `share` of the time is `speedup` times faster; infinite speed-ups allowed."""
    if not 0 <= share <= 1 or not speedup > 0:
        raise InputError(f"share={share} must lie in [0, 1], speedup={speedup} must be positive")
    rest = 1 - share + share / speedup
    return float("inf") if rest == 0 else 1 / rest
