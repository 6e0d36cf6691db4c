"""Explorable figures of the chapter ``execution``."""

from __future__ import annotations

import altair as alt
import polars as pl

from rollstate.compendium.explorable import Quantity, lines


def speedup(frame: pl.DataFrame, *, limit: float, quote: int) -> alt.LayerChart:
    """Explore speed-up against threads, below the limit of the strict rule."""
    return lines(
        frame,
        x=Quantity("threads", "threads", log=True),
        y=Quantity("speedup", "speed-up over one thread"),
        series="engine",
        at=quote,
        interval=("low", "high"),
        level=limit,
    )


def listed(frame: pl.DataFrame, *, quote: int) -> alt.LayerChart:
    """Explore speed-up of schedules with and without block access lists against threads."""
    return lines(
        frame,
        x=Quantity("threads", "threads", log=True),
        y=Quantity("speedup", "speed-up over one thread"),
        series="schedule",
        at=quote,
        interval=("low", "high"),
    )
