"""Explorable figures of the chapter ``caching``."""

from __future__ import annotations

import altair as alt
import polars as pl

from rollstate.compendium.explorable import Quantity, lines
from rollstate.compendium.policy_looks import COLOUR, LOOKS


def hits(frame: pl.DataFrame, *, quote: float) -> alt.LayerChart:
    """Explore the hit ratio of each policy by memory."""
    return lines(
        frame,
        x=Quantity("share", "memory, share of the bytes of all slots", log=True, percent=True),
        y=Quantity("hits", "hit ratio, repeated accesses", percent=True),
        series="policy",
        at=quote,
        interval=("hits_low", "hits_high"),
        names=tuple(LOOKS),
        colours=COLOUR,
    )
