"""What a trace holds: a part of its window, counts by block and by slot, and checks of its quality."""

from __future__ import annotations

import dataclasses

import numpy as np
import polars as pl

from rollstate.errors import InputError
from rollstate.traces.schema import Trace
from rollstate.traces.store import assemble
from rollstate.traces.visits import events, run_starts


def restrict(trace: Trace, start: int | None = None, stop: int | None = None) -> Trace:
    """Return the part of a trace in ``[start, stop)``; None keeps that end.

    Raises
    ------
    InputError
        If the window is empty or not part of the trace's.
    """
    stamp = trace.capability
    a = stamp.window_start if start is None else start
    b = stamp.window_stop if stop is None else stop
    if (a, b) == (stamp.window_start, stamp.window_stop):
        return trace
    if not stamp.window_start <= a < b <= stamp.window_stop:
        raise InputError(
            f"window [{a}, {b}) must be a non-empty part of the trace's [{stamp.window_start}, {stamp.window_stop})"
        )
    inside = pl.col("block_number").is_between(a, b, closed="left")
    names = trace.slots.select("slot_id", "address", "slot")
    touches = trace.accesses.filter(inside).join(names, on="slot_id").drop("slot_id")
    known = trace.slots.drop("slot_id", "contract_id").filter(pl.col("created_block").fill_null(a) < b)
    # A slot of unknown age that this window does not touch may not exist yet: it is not carried over.
    touched = touches.select("address", "slot").unique()
    aged = known.filter(pl.col("created_block").is_not_null())
    unaged = known.filter(pl.col("created_block").is_null()).join(touched, on=["address", "slot"], how="semi")
    blocks = trace.blocks.filter(inside)
    unseen = int((~blocks["observed"]).sum())
    narrowed = dataclasses.replace(stamp, window_start=a, window_stop=b, unobserved_blocks=unseen)
    return assemble(
        touches,
        narrowed,
        slots=pl.concat([aged, unaged]),
        blocks=blocks,
        accounts=trace.accounts.filter(inside),
    )


def by_block(trace: Trace, rows: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return reads and writes of each block; `rows` are its `rollstate.traces.visits.events`, where they are known.

    Returns
    -------
    polars.DataFrame
        ``block_number``, ``written`` and ``read`` (slots written, slots only read), ``writes`` (touches by
        transactions that write, where the source counts them), ``contracts``; one row per block of the window.
    """
    rows = events(trace) if rows is None else rows
    stamp = trace.capability
    block = rows["block_number"].to_numpy() - stamp.window_start
    written, writes = (rows[name].to_numpy() for name in ("written", "writes"))
    pairs = np.sort(rows["contract_id"].to_numpy().astype(np.int64) * stamp.n_blocks + block)
    contracts = pairs[run_starts(pairs)]

    def count(at: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        return np.bincount(at, weights, stamp.n_blocks).astype(np.int64)

    return pl.DataFrame(
        {
            "block_number": np.arange(stamp.window_start, stamp.window_stop),
            "written": count(block[written]),
            "read": count(block[~written]),
            "writes": count(block, writes),
            "contracts": count(contracts % stamp.n_blocks),
        }
    )


def visits(trace: Trace) -> pl.DataFrame:
    """Return how many blocks touch each slot: ``slot_id``, ``contract_id``, ``visits`` (0 for an idle slot)."""
    counts = events(trace).group_by("slot_id").len("visits")
    return (
        trace.slots.select("slot_id", "contract_id")
        .join(counts, on="slot_id", how="left", maintain_order="left")
        .with_columns(pl.col("visits").fill_null(0).cast(pl.Int64))
    )


def quality(trace: Trace, counts: pl.DataFrame | None = None) -> pl.DataFrame:
    """Check what a valid trace can still lack; `counts` are those of `by_block`, where they are known.

    Returns
    -------
    polars.DataFrame
        ``check``, ``found`` ``of`` how many, and ``reading``, what it means for the results.
    """
    counts = by_block(trace) if counts is None else counts
    empty = (counts["written"] + counts["read"] == 0).sum()
    no_index = trace.accesses.filter(pl.col("tx_index").is_null()).group_by("is_write").len()
    unknown = dict(no_index.rows())
    rows = [
        ("blocks without any touch", empty, counts.height, "a gap of the source, or a chain at rest"),
        (
            "blocks without a timestamp",
            trace.blocks["timestamp"].null_count(),
            counts.height,
            "windows are in blocks, not in days",
        ),
        (
            "slots of unknown age",
            trace.slots["created_block"].null_count(),
            trace.slots.height,
            "their first spell has no known beginning and is left out",
        ),
        (
            "writes without a transaction",
            unknown.get(True, 0),
            trace.accesses["is_write"].sum(),
            "system writes, or a source that does not say",
        ),
        (
            "reads without a transaction",
            unknown.get(False, 0),
            (~trace.accesses["is_write"]).sum(),
            "conflicts of reads with writes within a block cannot be seen",
        ),
    ]
    schema = {"check": pl.String, "found": pl.Int64, "of": pl.Int64, "reading": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")
