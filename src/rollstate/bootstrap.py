"""Resampling whole clusters: spells of one contract, or blocks of one epoch, depend on each other.

Source: Davison and Hinkley (1997), Bootstrap Methods and their Application, 3.8,
https://doi.org/10.1017/CBO9780511802843.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rollstate.errors import InputError


def cluster_samples(cluster: np.ndarray, draws: int, seed: int) -> Iterator[np.ndarray]:
    """Yield the rows of `draws` samples of as many clusters as there are, with replacement.

    Parameters
    ----------
    cluster : array, shape (n,)
        Which cluster each row belongs to.
    draws : int
        Number of samples.
    seed : int
        Seed; samples follow the order of the clusters' values alone.

    Yields
    ------
    array of int
        Row numbers; a cluster drawn twice has its rows twice.
    """
    _, code = np.unique(cluster, return_inverse=True)
    if not len(code):
        raise InputError("there is nothing to resample")
    n = int(code.max()) + 1
    order = np.argsort(code, kind="stable")
    begins = np.searchsorted(code[order], np.arange(n + 1))
    sizes = np.diff(begins)
    for picked in _picked(n, draws, seed):
        # Rows of the picked clusters without a Python loop: begin of each, repeated, plus a running count within it.
        inside = np.arange(sizes[picked].sum()) - np.repeat(
            np.cumsum(sizes[picked]) - sizes[picked], sizes[picked]
        )
        yield order[np.repeat(begins[picked], sizes[picked]) + inside]


def cluster_weights(clusters: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """Yield how often each cluster is drawn, for the samples of `cluster_samples` with the same seed.

    What is a sum over clusters is then a product with these weights, and no row is copied.

    Parameters
    ----------
    clusters : int
        Number of clusters.
    draws, seed : int
        As in `cluster_samples`.

    Yields
    ------
    array of int64, shape (clusters,)
    """
    if clusters < 1:
        raise InputError("there is nothing to resample")
    for picked in _picked(clusters, draws, seed):
        yield np.bincount(picked, minlength=clusters)


def _picked(clusters: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """Yield the clusters of each sample."""
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        yield rng.integers(0, clusters, clusters)


def percentile_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile interval of bootstrap values, shape (draws,)."""
    tail = (1 - level) / 2
    low, high = np.quantile(np.asarray(values, float), [tail, 1 - tail])
    return float(low), float(high)
