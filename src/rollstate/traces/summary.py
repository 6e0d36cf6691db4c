"""A part of a trace's window."""

from __future__ import annotations

import dataclasses

import numpy as np
import polars as pl

from rollstate.errors import InputError
from rollstate.traces.schema import Trace


def narrowed(trace: Trace, start: int | None = None, stop: int | None = None) -> Trace:
    """Return what a trace, or a part of one, shows in ``[start, stop)``; None keeps that end.

    Slots and contracts keep their numbers, so that parts still fit together. A slot of unknown age that this window
    does not touch may not exist yet: it is left out.

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
    accesses, blocks = trace.accesses.filter(inside), trace.blocks.filter(inside)
    aged, touched = (
        pl.col("created_block") < b,
        pl.col("slot_id").is_in(accesses["slot_id"].unique().implode()),
    )
    unseen = int((~blocks["observed"]).sum())
    return Trace(
        accesses,
        # A creation after the window is none in it.
        trace.slots.filter(aged.fill_null(False) | touched).with_columns(pl.when(aged).then("created_block")),
        blocks,
        dataclasses.replace(stamp, window_start=a, window_stop=b, unobserved_blocks=unseen),
        trace.accounts.filter(inside),
    )


def restrict(trace: Trace, start: int | None = None, stop: int | None = None) -> Trace:
    """Return the part of a trace in ``[start, stop)`` as a trace of its own; None keeps that end.

    Raises
    ------
    InputError
        If the window is empty or not part of the trace's.
    """
    part = narrowed(trace, start, stop)
    return trace if part is trace else renumbered(part)


def renumbered(part: Trace) -> Trace:
    """Return a part of a trace with slots and contracts numbered from 0 on, in their order."""
    old = part.slots["slot_id"].to_numpy()
    new = np.zeros(old.max(initial=0) + 1, np.uint32)
    new[old] = np.arange(old.size)
    return dataclasses.replace(
        part,
        accesses=part.accesses.with_columns(slot_id=new[part.accesses["slot_id"].to_numpy()]),
        slots=part.slots.with_columns(
            slot_id=new[old], contract_id=(pl.col("contract_id").rank("dense") - 1).cast(pl.UInt32)
        ),
    )
