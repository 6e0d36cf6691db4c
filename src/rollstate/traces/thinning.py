"""A trace as a source would have seen it that did not look at every block."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

import polars as pl

from rollstate.errors import InputError
from rollstate.traces.schema import Trace


def thin(trace: Trace, every: int, offset: int = 0) -> Trace:
    """Keep every `every`-th block of a trace, from block ``window_start + offset`` on; the clock stays.

    Frequencies, shares, hot sets and reuse by lag (`rollstate.profile`, at lags that are multiples of `every`) of what
    is left are unbiased; gaps, windows and coverage are not.

    Parameters
    ----------
    trace : Trace
        The full trace; its slots stay listed.
    every : int
        At least 1.
    offset : int
        First block kept, from 0 to ``every - 1``.

    Raises
    ------
    InputError
        If `every` or `offset` are out of range.
    """
    if every < 1 or not 0 <= offset < every:
        raise InputError(f"thin: every={every} must be at least 1 and offset={offset} from 0 to every - 1")
    first = trace.capability.window_start + offset
    numbers = trace.blocks["block_number"]
    return unobserve(trace, numbers.filter((numbers - first) % every != 0))


def unobserve(trace: Trace, blocks: pl.Series | Collection[int]) -> Trace:
    """Return a trace in which some blocks were not observed: their accesses are gone, stamp and blocks say so."""
    dark = pl.col("block_number").is_in(pl.Series(list(blocks), dtype=pl.Int64).implode())
    table = trace.blocks.with_columns(
        pl.when(~dark).then("gas_used"), pl.when(~dark).then("tx_count"), observed=pl.col("observed") & ~dark
    )
    stamp = dataclasses.replace(trace.capability, unobserved_blocks=int((~table["observed"]).sum()))
    return dataclasses.replace(
        trace,
        accesses=trace.accesses.filter(~dark),
        blocks=table,
        capability=stamp,
        accounts=trace.accounts.filter(~dark),
    )
