r"""Which accesses a cache answers, and what the others cost.

Of a least-recently-used cache of :math:`c` keys exactly those accesses are hits whose *stack distance*, the number of
distinct keys touched since the last access to the same key, that key included, is at most :math:`c`. One pass over a
trace so gives the hit ratio at every size (Mattson and others 1970, https://doi.org/10.1147/sj.92.0078).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rollstate.compiled import compiled
from rollstate.errors import InputError

NEVER = 0
"""Stack distance of a first access: no size makes it a hit."""


def stack_distances(keys: np.ndarray) -> np.ndarray:
    r"""Return the stack distance of each access, `NEVER` for first ones.

    Parameters
    ----------
    keys : int array, shape (n,)
        Keys in the order of access.

    Returns
    -------
    int64 array, shape (n,)
        1 for an immediate repetition. Time is :math:`O(n \log m)` with *m* distinct keys.

    Examples
    --------
    >>> stack_distances(np.array([7, 7, 8, 7])).tolist()
    [0, 1, 0, 2]
    """
    keys = np.asarray(keys)
    if keys.ndim != 1 or keys.dtype.kind not in "iu":
        raise InputError(f"keys must be one row of integers, not {keys.dtype} of shape {keys.shape}")
    if not keys.size:
        return np.empty(0, np.int64)
    low, high = int(keys.min()), int(keys.max())
    if low < 0 or high > 4 * keys.size + 1_000:
        names, keys = np.unique(keys, return_inverse=True)
        high = len(names) - 1
    return _distances(keys.astype(np.int64), high + 1)


@compiled
def _distances(keys: np.ndarray, n_keys: int) -> np.ndarray:
    """Count marks of last accesses in a Fenwick tree over time, renumbered whenever its places run out."""
    last = np.zeros(n_keys, np.int64)
    seen = 0
    places = 1 << 16
    tree = np.zeros(places + 1, np.int64)
    owner = np.full(places + 1, -1, np.int64)
    out = np.zeros(len(keys), np.int64)
    now = 0
    for i in range(len(keys)):
        key = keys[i]
        if now == places:
            # Only the last access of each key matters: squeeze them together, in order, and go on behind them.
            while places < 4 * seen:
                places *= 2
            squeezed = np.full(places + 1, -1, np.int64)
            now = 0
            for place in range(1, len(owner)):
                if owner[place] >= 0:
                    now += 1
                    squeezed[now] = owner[place]
                    last[owner[place]] = now
            owner = squeezed
            tree = np.zeros(places + 1, np.int64)
            for place in range(1, places + 1):
                if owner[place] >= 0:
                    tree[place] += 1
                above = place + (place & -place)
                if above <= places:
                    tree[above] += tree[place]
        before = last[key]
        if before:
            earlier, place = 0, before
            while place > 0:
                earlier += tree[place]
                place -= place & -place
            out[i] = seen - earlier + 1
            owner[before] = -1
            place = before
            while place <= places:
                tree[place] -= 1
                place += place & -place
        else:
            seen += 1
        now += 1
        last[key] = now
        owner[now] = key
        place = now
        while place <= places:
            tree[place] += 1
            place += place & -place
    return out


def hit_ratio(distances: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Return the share of all accesses that a least-recently-used cache answers, for each size in keys.

    >>> hit_ratio(stack_distances(np.array([7, 7, 8, 7])), [1, 2]).tolist()
    [0.25, 0.5]
    """
    if not len(distances):
        raise InputError("no access: a hit ratio needs at least one")
    counts = np.bincount(distances)
    counts[NEVER] = 0
    hits = np.cumsum(counts)
    return hits[np.clip(np.asarray(sizes, np.int64), 0, len(hits) - 1)] / len(distances)


def mean_access_s(hits: Sequence[float], latency_s: Sequence[float]) -> float:
    """Return the average memory access time of tiers that are looked into one after the other.

    Parameters
    ----------
    hits : sequence of float, length t
        Share of all accesses that each tier answers; they sum to one.
    latency_s : sequence of float, length t
        Seconds from the start to an answer of each tier.

    Examples
    --------
    >>> mean_access_s([0.75, 0.25], [0.0, 4.0])
    1.0
    """
    share = np.asarray(hits, float)
    if len(share) != len(latency_s) or (share < 0).any() or not np.isclose(share.sum(), 1):
        raise InputError(f"hits={list(hits)} must be shares that sum to one, one for each latency")
    return float(share @ np.asarray(latency_s, float))


def read_time_s(reads: float, latency_s: float, depth: float, max_per_s: float = np.inf) -> float:
    r"""Return the time of independent reads with `depth` of them under way.

    By Little's law (1961, https://doi.org/10.1287/opre.9.3.383) the rate is :math:`\min(depth / latency, max)`; no set
    of reads is faster than one.
    """
    if not (reads >= 0 and latency_s > 0 and depth >= 1 and max_per_s > 0):
        raise InputError(
            f"reads={reads}, latency_s={latency_s}, depth={depth}, max_per_s={max_per_s}: the first must not be "
            "negative, depth at least 1, the others positive"
        )
    if not reads:
        return 0.0
    return max(latency_s, reads / min(depth / latency_s, max_per_s))


def block_time_s(compute_s: float, threads: float, reads_s: float, *, overlapped: bool) -> float:
    """Return a block's time when computing is spread over threads and reading is not.

    With `overlapped`, reading and computing go on at once, and the slower one decides; else they follow each other.
    """
    if not (compute_s >= 0 and threads >= 1 and reads_s >= 0):
        raise InputError(f"compute_s={compute_s}, threads={threads}, reads_s={reads_s} are out of range")
    spread = compute_s / threads
    return max(spread, reads_s) if overlapped else spread + reads_s
