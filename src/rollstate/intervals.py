r"""From touches to spells: gap times with right censoring and delayed entry.

A slot's history is its access blocks :math:`t_1 < t_2 < \dots` (several touches in one block are one access; a known
creation inside the trace counts as the first). A *spell* runs from one of them to the next, on the gap clock
:math:`u = t - s` that starts at zero in the block ``start`` :math:`= s`. In an analysis window :math:`[a, b)`

* an access at :math:`t < b` ends the spell with an event at :math:`u = t - s`;
* without one the spell is right-censored at :math:`u = b - 1 - s`: block :math:`b - 1` is the last one seen;
* a spell that began before the window is at risk in it only from block :math:`a` on: it enters late, at
  ``entry`` :math:`= a - 1 - s`, having waited that long unobserved (left truncation).

A spell is at risk at gap times :math:`u` with ``entry`` < u <= ``duration``, which is the convention of R's
``Surv(entry, duration, event)``; a spell without such a time is no row. A slot that was there before the trace and
whose last access is unknown contributes nothing until its first access: taking it as freshly accessed at the start of
the window would be wrong, and `build_peer` shows by how much.

Sources: Andersen, Borgan, Gill and Keiding (1993), Statistical Models Based on Counting Processes, III.3 (left
truncation), https://doi.org/10.1007/978-1-4612-4348-9; Prentice, Williams and Peterson (1981), Biometrika 68:373
(gap times of recurrent events), https://doi.org/10.1093/biomet/68.2.373.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from rollstate.errors import InputError
from rollstate.traces import store
from rollstate.traces.schema import Capability, Trace

ACTIVITY = ("first", "few", "many")
"""Activity classes at the start of a spell: one access so far, two to four, five or more."""


@dataclass(frozen=True)
class Context:
    """What a spell's covariates need from slots other than its own; the same for every part of a trace.

    Attributes
    ----------
    contract_blocks : polars.DataFrame
        ``contract_id``, ``block_number``, ``touched``: slots of the contract that the block touches.
    transactions : polars.DataFrame
        ``block_number``, ``tx_index``, ``touched``: slots that the transaction touches.
    contract_first : polars.DataFrame
        ``contract_id``, ``first``: block of the first access or creation within the contract.
    """

    contract_blocks: pl.DataFrame
    transactions: pl.DataFrame
    contract_first: pl.DataFrame


def context(parts: Iterable[Trace]) -> Context:
    """Collect the `Context` of a trace in one pass over its parts.

    Parameters
    ----------
    parts : iterable of Trace
        Parts that share no slot, as `rollstate.traces.store.partitions` yields them, or one whole trace.
    """
    by_contract, by_transaction, firsts = [], [], []
    for part in parts:
        touches = part.accesses.join(part.slots.select("slot_id", "contract_id"), on="slot_id")
        visits = touches.select("contract_id", "block_number", "slot_id").unique()
        by_contract.append(visits.group_by("contract_id", "block_number").len("touched"))
        known = touches.filter(pl.col("tx_index").is_not_null())
        pairs = known.select("block_number", "tx_index", "slot_id").unique()
        by_transaction.append(pairs.group_by("block_number", "tx_index").len("touched"))
        born = _births(part).join(part.slots.select("slot_id", "contract_id"), on="slot_id")
        firsts += [frame.select("contract_id", "block_number") for frame in (visits, born)]
    total = pl.col("touched").sum().cast(pl.Int64)
    return Context(
        contract_blocks=pl.concat(by_contract).group_by("contract_id", "block_number").agg(total),
        transactions=pl.concat(by_transaction).group_by("block_number", "tx_index").agg(total),
        contract_first=pl.concat(firsts)
        .group_by("contract_id")
        .agg(pl.col("block_number").min().alias("first")),
    )


def build(
    trace: Trace, *, window: tuple[int, int] | None = None, shared: Context | None = None
) -> pl.DataFrame:
    """Build the spells of a trace, or of one part of it.

    Parameters
    ----------
    trace : Trace
        A trace, or a part of one that has all rows of its slots.
    window : tuple of int, optional
        Analysis window ``[a, b)`` inside the trace; what lies before it is history, which gives true delayed entry
        and earlier accesses as covariates. The whole trace if not given: then no slot has a history.
    shared : Context, optional
        `context` of the whole trace; needed when `trace` is a part of it.

    Returns
    -------
    polars.DataFrame
        One row per spell, sorted by slot and start:

        ``slot_id``, ``contract_id`` uint32
        ``start`` int64
            Block of the previous access, or of the slot's creation.
        ``entry``, ``duration`` int64
            Gap times in blocks between which the spell is at risk, ``entry`` < ``duration``.
        ``event`` bool
            Whether an access ended the spell.
        ``n_accesses`` int64
            Blocks with an access so far, that of ``start`` included.
        ``prev_gap`` int64
            Blocks between the two last accesses; null for the first.
        ``rate`` float64
            Accesses per block since the slot was first seen.
        ``slot_age``, ``contract_age`` int64
            Blocks since the first access or creation that the trace knows of.
        ``co_contract`` int64
            Other slots of the contract touched in the block of ``start``.
        ``co_tx`` int64
            Other slots touched by the transaction at ``start`` (the largest, if several); null if unknown.
        ``wrote`` bool
            Whether the access at ``start`` wrote.
        ``activity`` string
            Class of ``n_accesses``, one of `ACTIVITY`.
        ``contract_type``, ``slot_type`` string
            As the trace states them; null if unknown.

        All of them are known in the block ``start``: no change of the trace after it changes them.

    Raises
    ------
    InputError
        If the window is empty or does not lie in the trace.
    """
    a, b = check_window(trace.capability, window)
    shared = shared or context([trace])
    visits = _visits(trace, b, shared)
    slot, block = visits["slot_id"].to_numpy(), visits["block_number"].to_numpy()
    begins = _begins(slot)
    # Index of the slot's first visit, for every visit.
    first = np.maximum.accumulate(np.where(begins, np.arange(len(slot)), 0))
    accesses = np.cumsum(visits["is_access"].to_numpy())
    ends = np.roll(begins, -1)
    duration = np.where(ends, b - 1, np.roll(block, -1)) - block
    entry = np.maximum(0, a - 1 - block)
    spells = visits.select(
        "slot_id",
        pl.col("block_number").alias("start"),
        pl.lit(pl.Series(entry)).alias("entry"),
        pl.lit(pl.Series(duration)).alias("duration"),
        pl.lit(pl.Series(~ends)).alias("event"),
        pl.lit(pl.Series(accesses - (accesses - visits["is_access"].to_numpy())[first])).alias("n_accesses"),
        pl.when(pl.lit(pl.Series(~begins))).then(pl.col("block_number").diff()).alias("prev_gap"),
        pl.lit(pl.Series(block - block[first])).alias("slot_age"),
        "is_access",
        "wrote",
        "co_tx",
    ).filter(pl.lit(pl.Series(duration > entry)))
    return _with_context(spells, trace, shared)


def build_partitioned(folder: Path, *, window: tuple[int, int] | None = None) -> Iterator[pl.DataFrame]:
    """Yield `build` of a stored trace part by part: the same spells, in memory bounded by the largest part."""
    shared = context(store.partitions(folder))
    for part in store.partitions(folder):
        yield build(part, window=window, shared=shared)


def check_window(stamp: Capability, window: tuple[int, int] | None) -> tuple[int, int]:
    """Return the analysis window, which must lie in that of the trace."""
    a, b = window or (stamp.window_start, stamp.window_stop)
    if not stamp.window_start <= a < b <= stamp.window_stop:
        raise InputError(
            f"window [{a}, {b}) must be a non-empty part of the trace's [{stamp.window_start}, {stamp.window_stop})"
        )
    return a, b


def _births(trace: Trace) -> pl.DataFrame:
    """Return ``slot_id`` and ``block_number`` of the creations that lie inside the trace."""
    return trace.slots.select("slot_id", pl.col("created_block").alias("block_number")).filter(
        pl.col("block_number") >= trace.capability.window_start
    )


def _begins(*columns: np.ndarray) -> np.ndarray:
    """Mark the rows that differ from the row above in any of the columns; the first row does."""
    out = np.zeros(len(columns[0]), dtype=bool)
    out[:1] = True
    for column in columns:
        out[1:] |= column[1:] != column[:-1]
    return out


def _visits(trace: Trace, stop: int, shared: Context) -> pl.DataFrame:
    """Return one row per slot and block before `stop`, sorted: accesses, and creations that precede them.

    ``is_access`` is false for a bare creation; ``co_tx`` counts the other slots of the largest transaction.
    """
    rows = trace.accesses.filter(pl.col("block_number") < stop)
    others = pl.col("touched") - 1
    if shared.transactions.height:
        rows = rows.join(
            shared.transactions, on=["block_number", "tx_index"], how="left", maintain_order="left"
        ).with_columns(others.fill_null(-1).alias("co_tx"))
    else:
        rows = rows.with_columns(pl.lit(-1, pl.Int64).alias("co_tx"))
    rows = rows.select("slot_id", "block_number", pl.lit(True).alias("is_access"), "is_write", "co_tx")
    # A creation stated after the first access is a mistake of the source: the access is the evidence.
    first = rows.group_by("slot_id").agg(pl.col("block_number").min().alias("first"))
    births = (
        _births(trace)
        .join(first, on="slot_id", how="left")
        .filter(pl.col("block_number") < pl.col("first").fill_null(stop))
        .select(
            "slot_id",
            "block_number",
            pl.lit(False).alias("is_access"),
            pl.lit(False).alias("is_write"),
            pl.lit(-1, pl.Int64).alias("co_tx"),
        )
    )
    if births.height:
        rows = pl.concat([rows, births]).sort("slot_id", "block_number", maintain_order=True)
    slot, block = rows["slot_id"].to_numpy(), rows["block_number"].to_numpy()
    at = np.flatnonzero(_begins(slot, block))

    def over(reduce: Callable, name: str) -> np.ndarray:
        values = rows[name].to_numpy()
        return reduce.reduceat(values, at) if len(at) else values

    return pl.DataFrame(
        {
            "slot_id": slot[at],
            "block_number": block[at],
            "is_access": over(np.logical_or, "is_access"),
            "wrote": over(np.logical_or, "is_write"),
            "co_tx": over(np.maximum, "co_tx"),
        }
    )


def _with_context(spells: pl.DataFrame, trace: Trace, shared: Context) -> pl.DataFrame:
    """Add what depends on other slots and on the slot's labels, and put the columns in order."""
    labels = trace.slots.select("slot_id", "contract_id", "contract_type", "slot_type")
    frame = spells.join(labels, on="slot_id", how="left", maintain_order="left")
    frame = frame.join(shared.contract_first, on="contract_id", how="left", maintain_order="left").join(
        shared.contract_blocks,
        left_on=["contract_id", "start"],
        right_on=["contract_id", "block_number"],
        how="left",
        maintain_order="left",
    )
    n = pl.col("n_accesses")
    return frame.select(
        "slot_id",
        "contract_id",
        "start",
        "entry",
        "duration",
        "event",
        "n_accesses",
        "prev_gap",
        (n / (pl.col("slot_age") + 1)).alias("rate"),
        "slot_age",
        (pl.col("start") - pl.col("first")).alias("contract_age"),
        (pl.col("touched").fill_null(0) - pl.col("is_access").cast(pl.Int64)).alias("co_contract"),
        pl.when(pl.col("co_tx") >= 0).then("co_tx").alias("co_tx"),
        "wrote",
        pl.when(n >= 5)
        .then(pl.lit(ACTIVITY[2]))
        .when(n >= 2)
        .then(pl.lit(ACTIVITY[1]))
        .otherwise(pl.lit(ACTIVITY[0]))
        .alias("activity"),
        "contract_type",
        "slot_type",
    )


def build_peer(trace: Trace, *, window: tuple[int, int] | None = None) -> pl.DataFrame:
    """Build intervals as zk-state-prune does, to reproduce its published numbers; wrong under left truncation.

    Every slot created before the window's end restarts, as if just accessed, at the later of its creation and the
    window's start; durations run to the window's end :math:`b` instead of its last block; nothing enters late.

    Parameters
    ----------
    trace : Trace
        A trace whose slots all have ``created_block``.
    window : tuple of int, optional
        Analysis window ``[a, b)``; the whole trace if not given.

    Returns
    -------
    polars.DataFrame
        ``slot_id``, ``start``, ``entry`` (always 0), ``duration``, ``event``, ``n_accesses`` (in the window, before
        the interval), ``slot_age``, ``left_truncated``.

    Raises
    ------
    InputError
        If a creation is unknown, or the window is not part of the trace.

    References
    ----------
    https://github.com/egpivo/zk-state-prune at a93c774, ``internal/analysis/intervals.go``.
    """
    a, b = check_window(trace.capability, window)
    if trace.slots["created_block"].null_count():
        raise InputError("the peer's rule needs created_block for every slot; this trace does not know it")
    slots = trace.slots.filter(pl.col("created_block") < b).select(
        "slot_id",
        pl.max_horizontal(pl.col("created_block"), pl.lit(a)).alias("origin"),
        "created_block",
    )
    visits = (
        trace.accesses.select("slot_id", "block_number")
        .unique()
        .join(slots, on="slot_id")
        .filter(pl.col("block_number").is_between(pl.col("origin"), b, closed="left"))
    )
    starts = pl.concat(
        [
            visits.select("slot_id", "block_number"),
            slots.select("slot_id", pl.col("origin").alias("block_number")),
        ]
    ).unique()
    touched = visits.select("slot_id", "block_number", pl.lit(1).alias("touched"))
    following = pl.col("block_number").shift(-1).over("slot_id")
    return (
        starts.join(touched, on=["slot_id", "block_number"], how="left")
        .join(slots, on="slot_id")
        .sort("slot_id", "block_number")
        .select(
            "slot_id",
            pl.col("block_number").alias("start"),
            pl.lit(0, pl.Int64).alias("entry"),
            (following.fill_null(b) - pl.col("block_number")).alias("duration"),
            following.is_not_null().alias("event"),
            pl.col("touched").fill_null(0).cum_sum().over("slot_id").cast(pl.Int64).alias("n_accesses"),
            (pl.col("block_number") - pl.col("created_block")).alias("slot_age"),
            (pl.col("created_block") < a).alias("left_truncated"),
        )
    )
