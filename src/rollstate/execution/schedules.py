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

TRANSACTION_GAS = 2**24
"""Most gas that a transaction may use since EIP-7825, https://eips.ethereum.org/EIPS/eip-7825."""


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


def revalidated(
    before: list[list[int]], cost: np.ndarray, workers: int, *, retry: float = 1.0
) -> tuple[float, int]:
    """Return makespan and aborts of optimistic execution, event by event, with validation when a transaction ends.

    A free thread takes the first transaction that is not running or done. When it ends, it is valid if all it depends
    on had ended before it began; else it aborts and is taken again, first come by order, once those have ended (their
    writes mark it, so that it is not run in vain twice for the same reason).

    Parameters
    ----------
    before : list of list of int
        `conflicts.predecessors`.
    cost : array, shape (n,)
        Cost of the first run of each transaction.
    workers : int
        Threads.
    retry : float
        Cost of each later run over that of the first: below one where a first run leaves what it read in a cache.
    """
    _check(workers)
    n = len(before)
    if len(cost) != n:
        raise InputError(f"{len(cost)} costs for {n} transactions")
    if not retry > 0:
        raise InputError(f"retry={retry} must be positive")
    ended = np.full(n, np.inf)
    tries = np.zeros(n, int)
    ready = list(range(n))
    blocked: dict[int, set[int]] = {}
    waiters: dict[int, list[int]] = {}
    running: list[tuple[float, int, float]] = []
    now, free, aborts, makespan = 0.0, workers, 0, 0.0
    while ready or running:
        while ready and free:
            i = heapq.heappop(ready)
            heapq.heappush(running, (now + cost[i] * (retry if tries[i] else 1.0), i, now))
            tries[i] += 1
            free -= 1
        now, i, begun = heapq.heappop(running)
        free += 1
        late = {j for j in before[i] if ended[j] > begun}
        if not late:
            ended[i] = makespan = now
            for j in waiters.pop(i, ()):
                blocked[j].discard(i)
                if not blocked[j]:
                    del blocked[j]
                    heapq.heappush(ready, j)
            continue
        aborts += 1
        unfinished = {j for j in late if ended[j] > now}
        if unfinished:
            blocked[i] = unfinished
            for j in unfinished:
                waiters.setdefault(j, []).append(i)
        else:
            heapq.heappush(ready, i)
    return makespan, aborts


def with_reads(
    before: list[list[int]],
    compute: np.ndarray,
    read: np.ndarray,
    workers: int,
    depth: int,
    *,
    held: bool = False,
    prefetched: bool = False,
) -> float:
    """Return the makespan when transactions first wait for storage, and then compute.

    Parameters
    ----------
    before : list of list of int
        `conflicts.predecessors`.
    compute, read : array, shape (n,)
        Time that each transaction computes, and that storage takes for its reads one after the other.
    workers, depth : int
        Threads, and transactions whose reads can be under way at once.
    held : bool
        Whether a transaction keeps its thread while it waits; else the thread takes another one.
    prefetched : bool
        Whether reads are known beforehand and do not wait for earlier transactions, as with a block access list.
    """
    _check(workers)
    _check(depth)
    n = len(before)
    if len(compute) != n or len(read) != n:
        raise InputError(f"{len(compute)} and {len(read)} times for {n} transactions")
    if held:
        return list_schedule(before, np.asarray(compute, float) + read, workers)
    waiting = np.array([len(earlier) for earlier in before])
    after: list[list[int]] = [[] for _ in range(n)]
    for i, earlier in enumerate(before):
        for j in earlier:
            after[j].append(i)
    to_read = [i for i in range(n) if prefetched or not waiting[i]]
    fetched = np.zeros(n, bool)
    to_compute: list[int] = []
    under_way: list[tuple[float, int, bool]] = []
    now, threads, reads = 0.0, workers, depth
    while to_read or to_compute or under_way:
        while to_read and reads:
            i = heapq.heappop(to_read)
            heapq.heappush(under_way, (now + read[i], i, False))
            reads -= 1
        while to_compute and threads:
            i = heapq.heappop(to_compute)
            heapq.heappush(under_way, (now + compute[i], i, True))
            threads -= 1
        now, i, computed = heapq.heappop(under_way)
        if not computed:
            reads += 1
            fetched[i] = True
            if not waiting[i]:
                heapq.heappush(to_compute, i)
            continue
        threads += 1
        for j in after[i]:
            waiting[j] -= 1
            if not waiting[j] and fetched[j]:
                heapq.heappush(to_compute, j)
            elif not waiting[j] and not prefetched:
                heapq.heappush(to_read, j)
    return now


def guaranteed(gas: float, workers: int, most: float = TRANSACTION_GAS) -> float:
    r"""Return the speed-up that independent transactions have at least, whatever they are.

    Greedy scheduling takes at most :math:`N/p + (1 - 1/p) \max c` (Graham 1969), and no cost is above the cap.

    Parameters
    ----------
    gas : float
        Gas of the whole block, :math:`N`.
    workers : int
        Threads, :math:`p`.
    most : float
        Most gas of one transaction.
    """
    _check(workers)
    if not gas > 0 or not most > 0:
        raise InputError(f"gas={gas} of the block and most={most} of a transaction must be positive")
    return gas / (gas / workers + (1 - 1 / workers) * min(most, gas))


def two_phase(independent_share: float, workers: float) -> float:
    """Return the speed-up of running all at once and conflicting ones again one by one.

    Saraph and Herlihy (2019), https://arxiv.org/abs/1901.01376: :math:`1 / (q/p + 1 - q)`.

    >>> two_phase(independent_share=0.5, workers=2)
    1.3333333333333333
    """
    if not 0 <= independent_share <= 1 or not workers >= 1:
        raise InputError(
            f"independent_share={independent_share} must be a share, workers={workers} at least 1"
        )
    return 1 / (independent_share / workers + 1 - independent_share)


def amdahl(share: float, speedup: float) -> float:
    """Return the overall speed-up when `share` of the time is `speedup` times faster; infinite speed-ups allowed.

    >>> amdahl(0.5, float("inf"))
    2.0
    """
    if not 0 <= share <= 1 or not speedup > 0:
        raise InputError(f"share={share} must lie in [0, 1], speedup={speedup} must be positive")
    rest = 1 - share + share / speedup
    return float("inf") if rest == 0 else 1 / rest
