"""Explorable figures of the chapter ``survival``."""

from __future__ import annotations

import altair as alt
import polars as pl

from rollstate.compendium.explorable import Quantity, lines


def curves(frame: pl.DataFrame) -> alt.LayerChart:
    """Explore survival by stratum at any time since the last access."""
    return lines(
        frame,
        x=Quantity("time", "blocks since the last access"),
        y=Quantity("survival", "not accessed again", percent=True),
        series="stratum",
        at=10,
        interval=("low", "high"),
        step=True,
    )
