"""Vectorised pieces of the pipeline: batches, first-come first-served provers, L1 slots, groups in order."""

from __future__ import annotations

import numpy as np

from rollstate.compiled import compiled


@compiled
def close_batches(
    arrival_s: np.ndarray, gas: np.ndarray, max_tx: int, max_gas: float, timeout_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Put transactions into batches that close when full, out of gas, or too old.

    Parameters
    ----------
    arrival_s : array of float64, shape (n,)
        Arrival times, ascending.
    gas : array of float64, shape (n,)
        Gas of each transaction. One that does not fit closes the batch and starts the next.
    max_tx, max_gas, timeout_s
        A batch closes with its last transaction when it has `max_tx`, at the arrival of one that would exceed
        `max_gas`, or `timeout_s` after its first.

    Returns
    -------
    batch : array of int64, shape (n,)
        Number of the batch of each transaction.
    close_s : array of float64, shape (m,)
        When each batch closes, ascending. The last batch closes by its timer.
    """
    n = len(arrival_s)
    batch = np.empty(n, np.int64)
    close_s = np.empty(n, np.float64)
    number, count, used, first = -1, 0, 0.0, 0.0
    is_open = False
    for i in range(n):
        if is_open and arrival_s[i] >= first + timeout_s:
            close_s[number] = first + timeout_s
            is_open = False
        if is_open and used + gas[i] > max_gas:
            close_s[number] = arrival_s[i]
            is_open = False
        if not is_open:
            number, count, used, first, is_open = number + 1, 0, 0.0, arrival_s[i], True
        batch[i] = number
        count += 1
        used += gas[i]
        if count == max_tx:
            close_s[number] = arrival_s[i]
            is_open = False
    if is_open:
        close_s[number] = first + timeout_s
    return batch, close_s[: number + 1]


@compiled
def prove(ready_s: np.ndarray, work_s: np.ndarray, speed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Serve jobs in order of arrival by provers of given speeds.

    A job goes to the idle prover with the lowest number, or to the first that becomes idle (Kiefer and Wolfowitz 1955,
    https://doi.org/10.1090/S0002-9947-1955-0066587-3).

    Parameters
    ----------
    ready_s : array, shape (m,)
        When jobs arrive, ascending.
    work_s : array, shape (m,)
        Proving time of each at speed one, retries included.
    speed : array, shape (c,)
        Speed of each prover.

    Returns
    -------
    start_s, done_s : array of float64, shape (m,)
    """
    free = np.zeros(len(speed))
    start_s = np.empty(len(ready_s))
    done_s = np.empty(len(ready_s))
    for j in range(len(ready_s)):
        chosen = -1
        for i in range(len(free)):
            if free[i] <= ready_s[j]:
                chosen = i
                break
            if chosen < 0 or free[i] < free[chosen]:
                chosen = i
        start_s[j] = max(ready_s[j], free[chosen])
        done_s[j] = start_s[j] + work_s[j] / speed[chosen]
        free[chosen] = done_s[j]
    return start_s, done_s


def wait_constant_service(ready_s: np.ndarray, service_s: float, servers: int) -> np.ndarray:
    """Return waits in G/D/c: with one service time, job k always follows job k - c (Lindley's recursion, c times)."""
    waits = np.empty(len(ready_s))
    for line in range(servers):
        own = ready_s[line::servers]
        slack = own - np.arange(len(own)) * service_s
        waits[line::servers] = np.maximum.accumulate(slack) - slack
    return waits


@compiled
def next_slot(time_s: np.ndarray, block_s: float, usable: np.ndarray) -> np.ndarray:
    """Return when what is ready at `time_s` is included: the first usable slot at or after it.

    Slots are at ``k * block_s``; ``usable[k]`` is false for a missed slot and for one that a reorganisation undoes.
    Beyond the array all slots are usable.
    """
    out = np.empty(len(time_s))
    for i in range(len(time_s)):
        k = int(np.ceil(time_s[i] / block_s - 1e-9))
        while k < len(usable) and not usable[k]:
            k += 1
        out[i] = k * block_s
    return out


def in_groups(done_s: np.ndarray, group: int) -> np.ndarray:
    """Return when each group of consecutive batches is complete, in order; the last group may be smaller."""
    in_order = np.maximum.accumulate(done_s)
    last = np.minimum(np.arange(group - 1, len(done_s) + group - 1, group), len(done_s) - 1)
    return in_order[last]
