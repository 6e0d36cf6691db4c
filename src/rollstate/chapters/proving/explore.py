"""Explorable figures of the chapter ``proving``."""

from __future__ import annotations

import altair as alt
import polars as pl

from rollstate.compendium.explorable import Quantity, lines

_GROUP = Quantity("group", "batches per aggregate", log=True)


def frontier(frame: pl.DataFrame) -> alt.LayerChart:
    """Explore cost against the tail of the delay along the group."""
    closes = pl.format("batches close after {} s", pl.col("close_s").cast(pl.Int64))
    return lines(
        frame.with_columns(closes=closes),
        x=Quantity("final_p99_s", "99th percentile of the delay to finality (s)", log=True),
        y=Quantity("usd_per_tx", "cost per transaction ($)", log=True),
        series="closes",
        slider=_GROUP,
    )


def cost(frame: pl.DataFrame, *, best: float) -> alt.LayerChart:
    """Explore cost per transaction by cause against the group."""
    return lines(
        frame, x=_GROUP, y=Quantity("usd", "cost per transaction ($)", log=True), series="cause", at=best
    )


def throughput(frame: pl.DataFrame) -> alt.LayerChart:
    """Explore batches per hour against provers."""
    return lines(
        frame, x=Quantity("provers", "provers"), y=Quantity("per_h", "batches proved per hour"), series="how"
    )
