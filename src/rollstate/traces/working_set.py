r"""How much of a block's working set the blocks before it have already touched.

The reuse of block :math:`t` at lag :math:`L` is the share of its slots that were touched in
:math:`[t - L, t)`: the hit rate of a cache that keeps what the last :math:`L` blocks touched. Only blocks with
:math:`L` blocks of the window before them count, and shares are ratios of sums over blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from rollstate.errors import InputError
from rollstate.traces.parts import Parts
from rollstate.traces.schema import Capability, Trace
from rollstate.traces.visits import events, run_starts

SHARES_SCHEMA = pl.Schema(
    {"lag": pl.Int64, "share": pl.Float64, "low": pl.Float64, "high": pl.Float64, "blocks": pl.Int64}
)


@dataclass(frozen=True)
class Seen:
    """Slots that each block touches, and those that blocks before it touched; parts that share no slot `join`.

    Attributes
    ----------
    stamp : Capability
        Of the window.
    observed : bool array, shape (blocks of the window,)
        Whether the source looked at the block.
    lags : tuple of int
        How many blocks back.
    slots : uint32 array, shape (blocks of the window,)
        Slots that the block touches.
    seen : uint32 array, shape (lags, blocks of the window)
        Of these, the slots that the last `lags` blocks touched.
    """

    stamp: Capability
    observed: np.ndarray
    lags: tuple[int, ...]
    slots: np.ndarray
    seen: np.ndarray

    @classmethod
    def of(
        cls, part: Trace, lags: Sequence[int], *, writes_only: bool = False, rows: pl.DataFrame | None = None
    ) -> Seen:
        """Count a trace, or a part of one.

        Parameters
        ----------
        part : Trace
            Some slots, all of their rows, and all blocks.
        lags : sequence of int
            How many blocks back, each at least 1 and below the length of the window.
        writes_only : bool
            Count written slots alone, and touches that write.
        rows : polars.DataFrame, optional
            The part's `rollstate.traces.visits.events`, where they are known.

        Raises
        ------
        InputError
            If a lag does not lie in the window, or the source looked at every k-th block alone, so that no block has
            observed blocks before it.
        """
        stamp, n_blocks = part.capability, part.capability.n_blocks
        if lags and stamp.observed_every > 1:
            stamp.require("every_block", "what the last blocks hold of a block's slots")
        for lag in lags:
            if not 1 <= lag < n_blocks:
                raise InputError(
                    f"lag {lag} must lie between 1 and {n_blocks - 1}, one less than the window's blocks"
                )
        rows = events(part) if rows is None else rows
        touched = rows.filter("written") if writes_only else rows
        block = touched["block_number"].to_numpy() - stamp.window_start
        first = run_starts(touched["slot_id"].to_numpy())
        gap = np.where(first, n_blocks, np.diff(block, prepend=0))

        def of_blocks(at: np.ndarray) -> np.ndarray:
            return np.bincount(at, minlength=n_blocks).astype(np.uint32)

        seen = [of_blocks(block[gap <= lag]) for lag in lags]
        return cls(
            stamp=stamp,
            observed=part.blocks["observed"].to_numpy(),
            lags=tuple(lags),
            slots=of_blocks(block),
            seen=np.array(seen, np.uint32).reshape(len(lags), n_blocks),
        )

    def join(self, other: Seen) -> Seen:
        """Add the counts of another part of the same trace."""
        return replace(self, slots=self.slots + other.slots, seen=self.seen + other.seen)


def usable_lags(trace: Trace | Parts, lags: Sequence[int]) -> list[int]:
    """Return those lags for which some block of the window has as many observed blocks before it, as `reuse` needs."""
    if trace.capability.observed_every > 1:
        return []
    observed = trace.blocks["observed"].to_numpy()
    # Runs of observed blocks with a block behind them: the longest bounds the lag.
    ends = np.flatnonzero(np.diff(np.r_[False, observed[:-1], False].astype(np.int8)))
    longest = int(np.diff(ends)[::2].max(initial=0))
    return [lag for lag in lags if 1 <= lag <= longest]


def reuse(counted: Seen) -> pl.DataFrame:
    """Return, by block, how many of its slots were touched in the last blocks before it.

    Returns
    -------
    polars.DataFrame
        ``lag``, ``block_number``, ``slots`` and ``seen``: slots of the block, and those touched before. Of a trace with
        unobserved blocks, those blocks whose last `lag` blocks were all observed.

    Raises
    ------
    InputError
        If no block has that many observed blocks before it.
    """
    observed = np.append(0, np.cumsum(counted.observed))
    parts = []
    for lag, seen in zip(counted.lags, counted.seen, strict=True):
        # Blocks all of whose last `lag` blocks were observed.
        whole = observed[lag:-1] - observed[: -1 - lag] == lag
        if not whole.any():
            raise InputError(f"no block has {lag} observed blocks before it; choose a shorter lag")
        inside = np.flatnonzero((counted.slots[lag:] > 0) & whole) + lag
        counts = {
            "block_number": inside + counted.stamp.window_start,
            "slots": counted.slots[inside],
            "seen": seen[inside],
        }
        parts.append(pl.DataFrame(counts).select(pl.lit(lag, pl.Int64).alias("lag"), pl.all()))
    return pl.concat(parts)


def reuse_share(
    counts: pl.DataFrame, *, seed: int, draws: int = 400, block_length: int | None = None
) -> pl.DataFrame:
    """Summarise `reuse` by lag, with a moving-block bootstrap interval over blocks.

    Neighbouring blocks are alike, so runs of blocks are resampled (Künsch 1989,
    https://doi.org/10.1214/aos/1176347265). Unless `block_length` says how long, they have five blocks, and more in a
    long window: the cube root of its length, the rate at which the interval's error is least (Hall, Horowitz and Jing
    1995, https://doi.org/10.1093/biomet/82.3.561).

    Returns
    -------
    polars.DataFrame
        ``lag``, ``share``, ``low``, ``high`` (95 %), ``blocks``.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for lag in counts["lag"].unique(maintain_order=True):
        part = counts.filter(pl.col("lag") == lag)
        slots, seen = part["slots"].to_numpy(), part["seen"].to_numpy()
        n = len(slots)
        length = min(block_length or max(5, round(n ** (1 / 3))), n)
        begins = rng.integers(0, n - length + 1, (draws, -(-n // length)))
        reused, touched = (_of_runs(np.append(0, np.cumsum(one)), begins, length, n) for one in (seen, slots))
        low, high = np.quantile(reused / touched, [0.025, 0.975])
        rows.append((lag, seen.sum() / slots.sum(), float(low), float(high), n))
    return pl.DataFrame(rows, schema=SHARES_SCHEMA, orient="row")


def _of_runs(until: np.ndarray, begins: np.ndarray, length: int, n: int) -> np.ndarray:
    """Return the sum over `n` resampled blocks, the last run cut to fit, from sums up to each block, for each draw."""
    last, rest = begins[:, -1], n - (begins.shape[1] - 1) * length
    whole = until[begins[:, :-1] + length] - until[begins[:, :-1]]
    return whole.sum(1) + until[last + rest] - until[last]
