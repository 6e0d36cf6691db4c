"""How many slots are still to be discovered."""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy import special

from rollstate.bootstrap import percentile_interval
from rollstate.coverage.counts import Counts
from rollstate.estimate import Estimate


def discovery(counts: Counts, *, level: float = 0.95) -> pl.DataFrame:
    """Return how many distinct slots the first ``m`` observed blocks show, as they came and in random order.

    If blocks were exchangeable, the order they came in would look like a random one; slots that are hot for a while
    and then cold make it differ. The mean over all orders is exact (sample-based rarefaction, Colwell, Mao and Chang
    2004, https://doi.org/10.1890/03-0557); the interval is that of single random orders, those of the counts.

    Returns
    -------
    polars.DataFrame
        ``blocks`` 1..B, ``seen``, ``mean``, ``low``, ``high``; distinct slots. Of more blocks than
        `rollstate.coverage.orders.POINTS` about as many numbers are given, evenly spread, with the half and the last
        fifth among them. Blocks that were not observed are no blocks here: of a trace of every k-th block the curve is
        that of these alone, below that of all.
    """
    seen, *draws = map(counts.orders.curve, counts.first_seen)
    low, high = np.quantile(np.stack(draws), [(1 - level) / 2, (1 + level) / 2], axis=0)
    n_blocks, shown = counts.orders.n_blocks, counts.orders.shown
    of_count = np.bincount(counts.slots["blocks"], counts.slots["slots"], n_blocks + 1)
    return pl.DataFrame(
        {
            "blocks": shown,
            "seen": seen.astype(np.int64),
            "mean": _rarefaction(of_count, n_blocks, shown),
            "low": low,
            "high": high,
        }
    )


def _rarefaction(of_count: np.ndarray, n_blocks: int, at: np.ndarray) -> np.ndarray:
    """Return the expected distinct slots in m of the blocks drawn at random, for each m of `at`.

    Parameters
    ----------
    of_count : float array, shape (n_blocks + 1,)
        How many slots are touched in no block, in one, in two, ...
    """
    present = np.flatnonzero(of_count)
    out = np.empty(len(at))
    for place, m in enumerate(at):
        # P(a slot in k blocks is in none of m) = C(B-k, m) / C(B, m) = C(B-m, k) / C(B, k).
        left = n_blocks - m
        some = present[present <= left]
        logs = special.betaln(n_blocks - some + 1, some + 1) - special.betaln(left - some + 1, some + 1)
        logs += np.log1p(n_blocks) - np.log1p(left)
        absent = np.r_[np.exp(logs), np.zeros(len(present) - len(some))]
        out[place] = of_count[present] @ (1.0 - absent)
    return out


def unseen_share(counts: Counts, *, replicates: int, seed: int, level: float = 0.95) -> Estimate:
    """Return the share of a further block's events that would fall on slots never seen before.

    The Good-Turing estimate: the share of events on slots that occur in one block only, which is what each block
    holds that the others do not. It takes blocks to be exchangeable (Good 1953,
    https://doi.org/10.1093/biomet/40.3-4.237).

    Returns
    -------
    Estimate
        Ratio of sums, and its percentile bootstrap interval over blocks with events; none for a single one.
    """
    blocks = pl.DataFrame({"alone": counts.alone, "events": counts.events})
    # Blocks with the same counts need not be told apart: how many of them a sample has is multinomial.
    alike = blocks.filter(pl.col("events") > 0).group_by(pl.all()).len("often").sort(pl.all())
    alone, events, often = (alike[name].to_numpy().astype(np.int64) for name in alike.columns)
    value, n_blocks = float(often @ alone / (often @ events)), int(often.sum())
    if n_blocks < 2:
        return Estimate(value)
    drawn = np.random.default_rng(seed).multinomial(n_blocks, often / n_blocks, replicates)
    return Estimate(value, *percentile_interval(drawn @ alone / (drawn @ events), level))
