r"""Bounds whose coverage needs no model: lower bounds on the time to the next access, and control of the miss rate.

A model gives :math:`F(w \mid u, x)`, the probability that a slot idle for :math:`u` blocks is accessed within the next
:math:`w`. On held-out rows with wait :math:`W_i` the score is :math:`V_i = F(W_i \mid u_i, x_i)`. With
:math:`q` the :math:`\lfloor \alpha (n + 1) \rfloor`-th smallest of n scores, the bound

.. math:: L(u, x) = \min\{w : F(w \mid u, x) \ge q\}

satisfies :math:`P(W \ge L) \ge 1 - \alpha` if the new row is exchangeable with the held-out ones, however wrong F is.
A wait that is censored at :math:`c` takes the score :math:`F(c)`, which is at most its true one: q, and with it L, can
only become smaller, so the guarantee stays (bounds of Candès, Lei and Ren, https://arxiv.org/abs/2103.09763, for a
censoring time common to all rows, which landmarks have; in general this is their conservative case).

*Simultaneous* bounds hold at all points of a grid of idle times at once: the score of a spell is the smallest over the
grid. `risk_controlled` chooses the largest threshold on p such that demoting below it misses at most a share
:math:`\alpha` of slots in expectation (Angelopoulos, Bates, Fisch, Lei and Schuster, https://arxiv.org/abs/2208.02814,
theorem 1, loss at most 1 and monotone).

Rows of one contract are dependent, and later blocks are not exchangeable with earlier ones: the guarantee is nominal,
and what it is worth is the coverage on later blocks, which `coverage` reports by stratum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl

from rollstate.bootstrap import resampling
from rollstate.errors import InputError

ALL = "all slots"
"""What `coverage` calls all strata together."""
Within = Callable[[np.ndarray], np.ndarray]
"""Probability of an access within w blocks for each row, given w, shape (n,) to shape (n,)."""


def check_level(alpha: float) -> float:
    """Return the level, which must lie strictly between 0 and 1."""
    if not 0 < alpha < 1:
        raise InputError(f"alpha must lie between 0 and 1, not {alpha!r}")
    return float(alpha)


def score_quantile(scores: np.ndarray, alpha: float) -> float:
    r"""Return q, the :math:`\lfloor \alpha (n + 1) \rfloor`-th smallest score; 0 if n is too small for any bound.

    Parameters
    ----------
    scores : array, shape (n,)
        Of held-out rows.
    alpha : float
        Share of waits that may be shorter than their bound.

    Examples
    --------
    >>> score_quantile(np.array([0.4, 0.1, 0.2, 0.3]), alpha=0.5)
    0.2
    """
    scores = np.asarray(scores, float)
    if scores.ndim != 1 or not scores.size or not np.isfinite(scores).all():
        raise InputError(f"conformal scores of shape {scores.shape} must be finite and not empty")
    rank = int(np.floor(check_level(alpha) * (len(scores) + 1)))
    return float(np.sort(scores)[rank - 1]) if rank else 0.0


def lower_bounds(within: Within, q: np.ndarray | float, rows: int, longest: int) -> np.ndarray:
    """Return the least w with F(w) >= q for each row, in blocks, at most `longest`; shape (rows,).

    Parameters
    ----------
    within : callable
        F of every row; must not fall in w.
    q : array, shape (rows,), or float
        Of `score_quantile`, one for all rows or one for each.
    rows, longest : int
        Number of rows, and the bound where q is not reached: no wait was seen longer than this.
    """
    if longest < 1:
        raise InputError(f"longest must be at least 1 block, not {longest}")
    low, high = np.zeros(rows), np.full(rows, float(longest))
    # Bisection over whole blocks: F(low) < q <= F(high), where q is reached at all.
    while (high - low).max(initial=0) > 1:
        middle = np.floor((low + high) / 2)
        reached = within(middle) >= q
        open_ = high - low > 1
        high = np.where(open_ & reached, middle, high)
        low = np.where(open_ & ~reached, middle, low)
    return high


def simultaneous_scores(
    within: Callable[[float, np.ndarray], np.ndarray], grid: np.ndarray, duration: np.ndarray
) -> np.ndarray:
    """Return the smallest score of each spell over a grid of idle times; shape (n,).

    Parameters
    ----------
    within : callable
        ``within(idle, w)``: F of every row at one idle time, for its own wait w.
    grid : array, shape (g,)
        Idle times in blocks.
    duration : array, shape (n,)
        Gap times, censored ones at the time of censoring. Idle times beyond a spell's gap do not count for it.
    """
    duration = np.asarray(duration, float)
    smallest = np.ones(len(duration))
    for idle in np.asarray(grid, float):
        alive = duration > idle
        score = within(idle, np.maximum(duration - idle, 1))
        smallest = np.where(alive, np.minimum(smallest, score), smallest)
    return smallest


def risk_controlled(p: np.ndarray, accessed: np.ndarray, alpha: float) -> float:
    r"""Return the largest threshold t such that demoting slots with p < t misses at most alpha in expectation.

    Parameters
    ----------
    p : array, shape (n,)
        Probability of an access within the horizon, of held-out rows.
    accessed : array of bool, shape (n,)
        Whether there was one.
    alpha : float
        Share of all slots that may be demoted and then accessed.

    Returns
    -------
    float
        0 (demote nothing) if even that cannot be promised: n is too small.

    Notes
    -----
    With :math:`\hat R(t)` the held-out share, t is the largest value with
    :math:`(n \hat R(t) + 1) / (n + 1) \le \alpha`.
    """
    p, accessed = np.asarray(p, float), np.asarray(accessed, bool)
    if p.shape != accessed.shape or p.ndim != 1 or not len(p):
        raise InputError(
            f"risk control: p {p.shape} and answers {accessed.shape} must be of one length, not empty"
        )
    allowed = check_level(alpha) * (len(p) + 1) - 1
    if allowed < 0:
        return 0.0
    missed = np.sort(p[accessed])
    # Demoting below t misses the accessed rows with p < t: the next one's p is the first t that is too large.
    index = int(np.floor(allowed))
    return float(missed[index]) if index < len(missed) else np.inf


def coverage(
    bounds: Mapping[str, np.ndarray],
    wait: np.ndarray,
    stratum: np.ndarray,
    cluster: np.ndarray,
    *,
    draws: int,
    seed: int,
) -> pl.DataFrame:
    """Report how often waits are at least their bounds, overall and by stratum, with intervals over clusters.

    Parameters
    ----------
    bounds : mapping of str to array, shape (n,)
        Bounds by the way they were set; all ways see the same samples.
    wait : array, shape (n,)
        Waits, infinite where no access followed.
    stratum, cluster : array, shape (n,)
        Labels of the rows' strata and clusters.
    draws, seed : int
        Of the bootstrap over clusters.

    Returns
    -------
    polars.DataFrame
        ``stratum`` (`ALL` first), ``rows``, ``coverage``, ``low``, ``high`` (null for a single cluster), ``bound``.
    """
    wait, stratum, cluster = np.asarray(wait), np.asarray(stratum), np.asarray(cluster)
    parts = {ALL: np.ones(len(wait), bool), **{str(name): stratum == name for name in np.unique(stratum)}}
    found = {}
    for name, rows in parts.items():
        held = {way: wait[rows] >= np.asarray(bound)[rows] for way, bound in bounds.items()}
        found[name] = resampling(cluster[rows], draws, seed).means_of(held)
    table = [
        (name, int(rows.sum()), *found[name][way], way) for way in bounds for name, rows in parts.items()
    ]
    schema = {
        "stratum": pl.String,
        "rows": pl.Int64,
        **dict.fromkeys(("coverage", "low", "high"), pl.Float64),
        "bound": pl.String,
    }
    return pl.DataFrame(table, schema=schema, orient="row")
