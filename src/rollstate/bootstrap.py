"""Resampling whole clusters: spells of one contract, or blocks of one epoch, depend on each other.

Source: Davison and Hinkley (1997), Bootstrap Methods and their Application, 3.8,
https://doi.org/10.1017/CBO9780511802843.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rollstate.errors import InputError
from rollstate.estimate import Estimate


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


RUN = 8_192
"""Clusters that are added up at once: few enough for the processor's cache, and for BLAS to stay on one thread, so that
sums do not depend on the number of processors."""


@dataclass(frozen=True)
class Resampling:
    """Samples of whole clusters with replacement, as how often each cluster is drawn; `resampling` makes one.

    Sums over rows need the sum of each cluster only, so no row is copied, and every statistic that is computed from the
    same object is paired: it has seen the same samples.

    Attributes
    ----------
    code : array of int64, shape (n,)
        Cluster of each row, numbered from 0.
    counts : array of uint8, shape (draws, clusters)
        How often each cluster is drawn.
    """

    code: np.ndarray
    counts: np.ndarray

    @property
    def clusters(self) -> int:
        """Number of clusters that a draw resamples."""
        return self.counts.shape[1]

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Return the sum of values, shape (n,), in each sample, shape (draws,)."""
        return self.sums_of({"": values})[""]

    def sums_of(self, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return `sums` of many columns by name, in one pass over the samples."""
        by_cluster = [
            np.bincount(self.code, np.asarray(one, float), self.clusters) for one in values.values()
        ]
        drawn = np.zeros((len(by_cluster), len(self.counts)))
        for begin in range(0, self.clusters, RUN):
            parts = [column[begin : begin + RUN] for column in by_cluster]
            for place, counts in enumerate(self.counts[:, begin : begin + RUN]):
                often = counts.astype(float)
                drawn[:, place] += [often @ part for part in parts]
        return dict(zip(values, drawn, strict=True))

    def means(self, values: np.ndarray) -> np.ndarray:
        """Return the mean of values, shape (n,), in each sample, shape (draws,)."""
        return self.sums(values) / self._rows

    @cached_property
    def _rows(self) -> np.ndarray:
        """Number of rows of each sample, shape (draws,)."""
        return self.sums(np.ones(len(self.code)))

    def means_of(self, values: Mapping[str, np.ndarray], level: float = 0.95) -> dict[str, Estimate]:
        """Return `mean` of many columns by name, in one pass over the samples."""
        values = {name: np.asarray(one, float) for name, one in values.items()}
        sums = self.sums_of(values)
        return {
            name: self.estimate(one.mean(), sums[name] / self._rows, level) for name, one in values.items()
        }

    def mean(self, values: np.ndarray, level: float = 0.95) -> Estimate:
        """Return the mean of values, shape (n,), with its percentile interval; without one for a single cluster."""
        values = np.asarray(values, float)
        return self.estimate(values.mean(), self.means(values), level)

    def estimate(self, value: float, draws: np.ndarray, level: float = 0.95) -> Estimate:
        """Return a value with the percentile interval of its bootstrap values.

        There is none for a single cluster, nor for a ratio that so many samples leave undefined that an end is not
        finite: too few clusters then have what it divides by.
        """
        if self.clusters < 2 or np.isnan(draws).all():
            return Estimate(float(value))
        low, high = percentile_interval(draws, level)
        return Estimate(float(value), low, high) if np.isfinite([low, high]).all() else Estimate(float(value))


def resampling(cluster: np.ndarray, draws: int, seed: int) -> Resampling:
    """Draw as many clusters as there are, with replacement.

    Parameters
    ----------
    cluster : array, shape (n,)
        Which cluster each row belongs to.
    draws : int
        Number of samples.
    seed : int
        Seed; samples follow the order of the clusters' values alone.
    """
    code = np.unique(cluster, return_inverse=True)[1]
    if not len(code):
        raise InputError("there is nothing to resample")
    n = int(code.max()) + 1
    counts = np.empty((draws, n), np.uint8)
    for row, drawn in zip(counts, cluster_weights(n, draws, seed), strict=True):
        row[:] = drawn
    return Resampling(code, counts)


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
    """Return the percentile interval of bootstrap values, shape (draws,).

    >>> percentile_interval(np.arange(101), level=0.5)
    (25.0, 75.0)
    """
    tail = (1 - level) / 2
    low, high = np.nanquantile(np.asarray(values, float), [tail, 1 - tail])
    return float(low), float(high)
