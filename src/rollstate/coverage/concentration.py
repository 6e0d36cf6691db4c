"""How unequal units are: concentration of events on slots and contracts, and how often slots are written.

Slots of one contract are not independent, so intervals resample whole contracts.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
from scipy import sparse

from rollstate.bootstrap import cluster_weights


def concentration_curve(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the whole concentration curve, busiest units first.

    Parameters
    ----------
    counts : (n,) array
        Events per unit (slot or contract).

    Returns
    -------
    units, share : (n + 1,) float64 arrays
        Share of the units, and the share of events that fall on them; from 0 to 1.

    Examples
    --------
    >>> units, share = concentration_curve(np.array([1, 3]))
    >>> share.tolist()
    [0.0, 0.75, 1.0]
    """
    mass = np.cumsum(np.sort(np.asarray(counts, dtype=np.float64))[::-1])
    return np.linspace(0.0, 1.0, len(mass) + 1), np.concatenate([[0.0], mass / mass[-1]])


def gini(units: np.ndarray, share: np.ndarray) -> float:
    """Return the Gini coefficient of a `concentration_curve`: 0 for equal units, towards 1 for one busy unit.

    Source: Gini (1914) by way of twice the area between curve and diagonal.

    >>> gini(*concentration_curve(np.array([5, 5])))
    0.0
    """
    return float(2.0 * np.trapezoid(share, units) - 1.0)


def concentration(
    counts: np.ndarray,
    clusters: np.ndarray,
    top: tuple[float, ...],
    *,
    units: np.ndarray | None = None,
    replicates: int,
    seed: int,
    level: float = 0.95,
) -> pl.DataFrame:
    """Return the Gini coefficient and the share of events on the busiest units, with intervals.

    Parameters
    ----------
    counts : (n,) array
        Events per unit.
    clusters : (n,) array
        Cluster of each unit; clusters are resampled whole (percentile bootstrap).
    top : tuple of float
        Shares of units, busiest first.
    units : (n,) array, optional
        How many units of a cluster have this count; one each if not given.
    replicates, seed
        Number of bootstrap replicates, and their seed.
    level : float
        Coverage asked of the intervals.

    Returns
    -------
    polars.DataFrame
        One row per element of `top` and a last one with ``top`` null, the Gini coefficient: ``top``, ``value``,
        ``low``, ``high``; the ends are null for a single cluster, which says nothing about others.
    """
    # Units with the same count are one straight piece of the curve: it needs how many there are of each.
    size, code = np.unique(np.asarray(counts), return_inverse=True)

    def measures(often: np.ndarray) -> np.ndarray:
        units, mass = np.cumsum(often[::-1]), np.cumsum((often * size)[::-1])
        units, share = np.r_[0.0, units / units[-1]], np.r_[0.0, mass / mass[-1]]
        return np.append(np.interp(top, units, share), gini(units, share))

    often = np.ones(len(code)) if units is None else units
    value, low, high = _ends(measures, often, code, clusters, replicates, seed, level)
    return pl.DataFrame({"top": [*top, None], "value": value, "low": low, "high": high})


def _ends(
    measures: Callable[[np.ndarray], np.ndarray],
    counts: np.ndarray,
    code: np.ndarray,
    clusters: np.ndarray,
    replicates: int,
    seed: int,
    level: float,
) -> tuple[np.ndarray, pl.Series, pl.Series]:
    """Return measures of counts that add up over units, and the ends of percentile intervals over resampled clusters.

    The ends are null for a single cluster. A measure may be nan in a replicate that lacks its units; such a replicate
    says nothing about it.

    Parameters
    ----------
    measures : callable
        Of the sum of `counts` at each code, shape (k,).
    counts, code, clusters : array, shape (n,)
        What each unit counts, where, and in which cluster.
    """
    cluster = np.unique(clusters, return_inverse=True)[1]
    table = sparse.coo_array((np.asarray(counts, float), (code, cluster))).tocsr()
    value = measures(table @ np.ones(table.shape[1]))
    if table.shape[1] < 2:
        nothing = pl.Series([None] * len(value), dtype=pl.Float64)
        return value, nothing, nothing
    weights = cluster_weights(table.shape[1], replicates, seed)
    draws = np.stack([measures(table @ drawn.astype(float)) for drawn in weights])
    low, high = np.nanquantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return value, pl.Series(low), pl.Series(high)


def write_share(
    slots: pl.DataFrame,
    *,
    bounds: tuple[int, ...] | None = None,
    replicates: int,
    seed: int,
    level: float = 0.95,
) -> pl.DataFrame:
    """Return how often events write, by how many blocks touch the slot.

    Parameters
    ----------
    slots : polars.DataFrame
        Of `rollstate.coverage.Counts`.
    bounds : tuple of int, optional
        Most blocks of each class, ascending; what is beyond makes a last class. 1, 2, 4, 8, ... if not given.
    replicates, seed, level
        As in `concentration`; contracts are resampled whole.

    Returns
    -------
    polars.DataFrame
        One row per class that has slots: ``fewest`` and ``most`` blocks, ``slots``, ``events``, ``share`` of events
        that write, ``low``, ``high``; the ends are null where all slots belong to one contract.
    """
    blocks, often, written = (slots[name].to_numpy() for name in ("blocks", "slots", "written"))
    touches = blocks * often
    busiest = int(blocks.max())
    ends = np.array(bounds or [2**power for power in range(busiest.bit_length() + 1)])
    group = np.searchsorted(ends, blocks)
    classes, place = np.unique(group, return_inverse=True)

    def shares(sums: np.ndarray) -> np.ndarray:
        wrote, touched = np.split(sums, 2)
        with np.errstate(invalid="ignore"):
            return wrote / touched

    both, contract = np.r_[place, place + len(classes)], np.tile(slots["contract_id"].to_numpy(), 2)
    share, low, high = _ends(shares, np.r_[written, touches], both, contract, replicates, seed, level)
    return pl.DataFrame(
        {
            "fewest": np.append(0, ends)[classes] + 1,
            "most": np.minimum(np.append(ends, busiest)[classes], busiest),
            "slots": np.bincount(group, often)[classes].astype(np.int64),
            "events": np.bincount(group, touches)[classes].astype(np.int64),
            "share": share,
            "low": low,
            "high": high,
        }
    )
