r"""Landmarks: which slots, seen by a fixed block, are accessed within the horizon.

At block :math:`t_0` every slot seen by then has an idle age :math:`u = t_0 - s`, with s its last access, and the
question that tiering asks is whether it is accessed in :math:`(t_0, t_0 + \tau]`. If that lies in the trace, the answer
is known for every slot: no censoring, no weights, one row for each slot. Models are fitted on what was known at an
earlier block (`as_of`), calibrated at a second and judged at a third.

Source: van Houwelingen (2007), Dynamic prediction by landmarking in event history analysis,
https://doi.org/10.1111/j.1467-9469.2006.00529.x.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from rollstate.errors import InputError


def as_of(spells: pl.DataFrame, block: int) -> pl.DataFrame:
    """Return the spells as they were known in a block: later accesses are gone, open spells are censored there.

    Parameters
    ----------
    spells : polars.DataFrame
        As `rollstate.intervals.build` returns them.
    block : int
        The last block that is known.
    """
    age = pl.lit(block, pl.Int64) - pl.col("start")
    return spells.with_columns(
        event=pl.col("event") & (pl.col("duration") <= age),
        duration=pl.min_horizontal(pl.col("duration"), age),
    ).filter(pl.col("duration") > pl.col("entry"))


def landmark(spells: pl.DataFrame, block: int, horizon: int, last_block: int) -> pl.DataFrame:
    r"""Return one row for each slot seen by a block, with the answer.

    Parameters
    ----------
    spells : polars.DataFrame
        As `rollstate.intervals.build` returns them.
    block : int
        The landmark :math:`t_0`.
    horizon : int
        :math:`\tau`, in blocks.
    last_block : int
        Last block of the trace's window.

    Returns
    -------
    polars.DataFrame
        The columns of `spells` as known at the start of the slot's current spell, without ``duration``, ``event`` and
        ``entry``, plus ``idle`` (blocks since the last access), ``accessed`` (within the horizon) and ``wait`` (blocks
        until the next access; null if that lies beyond the horizon), in the order of `spells`.

    Raises
    ------
    InputError
        If the horizon does not end within the trace or no slot was seen by the landmark.
    """
    if horizon < 1 or block + horizon > last_block:
        raise InputError(
            f"landmark {block} with horizon {horizon} must end by the trace's last block {last_block}; "
            "beyond it the answer is not known"
        )
    current = spells.filter(is_current(block))
    if not len(current):
        raise InputError(f"landmark {block}: no slot had been seen by then; take a later block")
    wait = pl.col("start") + pl.col("duration") - block
    return current.with_columns(
        idle=pl.lit(block, pl.Int64) - pl.col("start"),
        accessed=pl.col("event") & (wait <= horizon),
        wait=pl.when(pl.col("event") & (wait <= horizon)).then(wait),
    ).drop("duration", "event", "entry")


def is_current(block: int) -> pl.Expr:
    """Return whether a spell is that of its slot at a landmark: begun by then, and not ended before it."""
    end = pl.col("start") + pl.col("duration")
    # A spell that entered late is observed from block start + entry + 1 on.
    begun = pl.col("start") + pl.col("entry") <= pl.lit(block, pl.Int64)
    return begun & pl.when(pl.col("event")).then(end > block).otherwise(end >= block)


def recent(spells: pl.DataFrame, block: int, window: int, key: str) -> pl.DataFrame:
    """Count accesses in a window of blocks that ends with a landmark, by slot or contract.

    Parameters
    ----------
    spells : polars.DataFrame
        As `rollstate.intervals.build` returns them; only accesses up to `block` are looked at.
    block, window : int
        The landmark, and how many blocks.
    key : {"slot_id", "contract_id"}

    Returns
    -------
    polars.DataFrame
        ``key`` and ``recent`` int64, of what was accessed.
    """
    inside = spells.filter(pl.col("start").is_between(block - window + 1, block))
    return inside.group_by(key).agg(pl.len().cast(pl.Int64).alias("recent"))


def add_recent(rows: pl.DataFrame, recents: Mapping[int, tuple[pl.DataFrame, pl.DataFrame]]) -> pl.DataFrame:
    """Add covariates re-evaluated at the landmark: what the slot and its contract did lately.

    Parameters
    ----------
    rows : polars.DataFrame
        Of `landmark`.
    recents : mapping of int to (DataFrame, DataFrame)
        `recent` at the same block by slot and by contract, by window.

    Returns
    -------
    polars.DataFrame
        `rows` with ``log_idle`` and, for each window w, ``slot_recent_w`` (log of one plus the slot's accesses) and
        ``contract_recent_w`` (the same of its contract, the slot's own left out).
    """
    out = rows.with_columns(log_idle=pl.col("idle").log1p())
    for window, (slots, contracts) in recents.items():
        for key, name, counts in (("slot_id", "_slot", slots), ("contract_id", "_contract", contracts)):
            out = out.join(counts.rename({"recent": name}), on=key, how="left", maintain_order="left")
        own, together = pl.col("_slot").fill_null(0), pl.col("_contract").fill_null(0)
        out = out.with_columns(
            own.log1p().alias(f"slot_recent_{window}"),
            (together - own).log1p().alias(f"contract_recent_{window}"),
        ).drop("_slot", "_contract")
    return out


def answers(rows: pl.DataFrame) -> np.ndarray:
    """Return ``accessed`` as floats, shape (n,)."""
    return rows["accessed"].to_numpy().astype(float)
