r"""Spells by gap time and cluster: all that a product-limit curve, a power law and their bootstraps need.

A spell enters at ``entry`` and leaves at ``duration``, with an event or without. A Kaplan-Meier curve, a Nelson-Aalen
curve and the likelihood of a power law depend on the spells through three counts by gap time alone: events, censored
spells, and entries. Counted by cluster too, they make a bootstrap over clusters a product of a sparse matrix and the
clusters' weights: no row is copied or sorted again. lifelines fits each sample from its rows;
``benchmarks/product_limit.py`` shows what that costs at 10^6 spells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from rollstate.bootstrap import cluster_weights
from rollstate.compiled import compiled
from rollstate.errors import InputError


def check_spells(
    duration: np.ndarray, event: np.ndarray, entry: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the spells as arrays, or say which rule they break."""
    duration = np.asarray(duration, float)
    event = np.asarray(event, bool)
    entry = np.zeros_like(duration) if entry is None else np.asarray(entry, float)
    if not duration.shape == event.shape == entry.shape or duration.ndim != 1:
        raise InputError(
            f"spells: duration {duration.shape}, event {event.shape} and entry {entry.shape} must have the same length"
        )
    if not len(duration):
        raise InputError("spells: there are none; widen the window or the selection")
    bad = ~(np.isfinite(duration) & (entry >= 0) & (duration > entry))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise InputError(
            f"spells: 0 <= entry < duration must hold; row {row} has entry {entry[row]:g}, duration {duration[row]:g}"
        )
    return duration, event, entry


@dataclass(frozen=True)
class RiskTable:
    """Counts of spells by gap time.

    Attributes
    ----------
    time : array of float64, shape (m,)
        Distinct gap times at which a spell enters or leaves, ascending.
    events, censored, entered : array of float64, shape (m,)
        Spells that leave with an event, leave without one, and enter; weights where clusters were resampled.
    """

    time: np.ndarray
    events: np.ndarray
    censored: np.ndarray
    entered: np.ndarray

    @property
    def at_risk(self) -> np.ndarray:
        """Spells at risk at each time: those with ``entry`` < time <= ``duration``."""
        return _at_risk(self.events, self.censored, self.entered)

    @property
    def beyond(self) -> np.ndarray:
        """Spells that last longer than each time, whether they have entered by then or not."""
        leaving = self.events + self.censored
        return np.cumsum(leaving[::-1])[::-1] - leaving

    @property
    def spells(self) -> float:
        """Number of spells that the table counts."""
        return float((self.events + self.censored).sum())


@dataclass(frozen=True)
class ClusteredRiskTable:
    """A `RiskTable` for each cluster.

    Attributes
    ----------
    time : array of float64, shape (m,)
        As in `RiskTable`.
    events, censored, entered : scipy.sparse.csr_array, shape (m, g)
        Counts by time and cluster.
    """

    time: np.ndarray
    events: sparse.csr_array
    censored: sparse.csr_array
    entered: sparse.csr_array

    @classmethod
    def of(
        cls,
        duration: np.ndarray,
        event: np.ndarray,
        entry: np.ndarray | None = None,
        cluster: np.ndarray | None = None,
        count: np.ndarray | None = None,
    ) -> ClusteredRiskTable:
        """Count spells by gap time and contract.

        Parameters
        ----------
        duration, event, entry : array, shape (n,)
            Spells, as `rollstate.intervals.build` gives them; ``entry`` is zero if not given.
        cluster : array, shape (n,), optional
            What depends on each other; each spell is a cluster of its own if not given.
        count : array, shape (n,), optional
            How many spells are like this one; one if not given.

        Raises
        ------
        InputError
            If the spells are empty or malformed.
        """
        duration, event, entry = check_spells(duration, event, entry)
        time, code = _coded(np.concatenate([duration, entry]))
        leaves, enters = code[: len(duration)], code[len(duration) :]
        groups = np.arange(len(duration)) if cluster is None else _coded(np.asarray(cluster))[1]
        number = np.ones(len(duration)) if count is None else np.asarray(count, float)
        shape = (len(time), int(groups.max()) + 1)

        def counts(rows: np.ndarray, chosen: np.ndarray) -> sparse.csr_array:
            return sparse.coo_array((number[chosen], (rows[chosen], groups[chosen])), shape=shape).tocsr()

        return cls(
            time, counts(leaves, event), counts(leaves, ~event), counts(enters, np.ones(len(entry), bool))
        )

    @property
    def clusters(self) -> int:
        """Number of clusters that the table keeps apart."""
        return self.events.shape[1]

    @cached_property
    def whole(self) -> RiskTable:
        """The table over all clusters, each once."""
        return self.weighted(np.ones(self.clusters))

    def weighted(self, weights: np.ndarray) -> RiskTable:
        """Return the table over all clusters, each as often as `weights` (g,) says."""
        w = weights.astype(float)
        return RiskTable(self.time, self.events @ w, self.censored @ w, self.entered @ w)

    def by_cluster(self, of_event: np.ndarray, of_censored: np.ndarray, of_entry: np.ndarray) -> np.ndarray:
        """Return each cluster's sum, shape (g,), of what an event, a censored spell and an entry count at each time."""
        return self.events.T @ of_event + self.censored.T @ of_censored + self.entered.T @ of_entry

    def draws(self, number: int, seed: int) -> Iterator[RiskTable]:
        """Yield the table of `number` samples of as many clusters as there are, with replacement."""
        for weights in cluster_weights(self.clusters, number, seed):
            yield self.weighted(weights)


def _coded(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return distinct values and which of them each one is, as `numpy.unique`; small whole numbers without sorting."""
    largest = values.max()
    whole = values.astype(np.int64)
    if values.min() < 0 or largest > 4 * len(values) + 1_000_000 or (whole != values).any():
        return np.unique(values, return_inverse=True)
    present = np.zeros(int(largest) + 1, bool)
    present[whole] = True
    return np.flatnonzero(present).astype(values.dtype), (np.cumsum(present) - 1)[whole]


@compiled
def _at_risk(events: np.ndarray, censored: np.ndarray, entered: np.ndarray) -> np.ndarray:
    """Return how many leave from each time on, less those that enter from there on, in one pass from the end."""
    out, risk = np.empty(len(events)), 0.0
    for at in range(len(events) - 1, -1, -1):
        risk += events[at] + censored[at] - entered[at]
        out[at] = risk
    return out
