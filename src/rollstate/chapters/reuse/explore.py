"""Explorable figures of the chapter ``reuse``."""

from __future__ import annotations

import altair as alt
import polars as pl

from rollstate.chapters.reuse.figures import NEAR
from rollstate.compendium.explorable import Quantity, lines
from rollstate.compendium.policy_looks import COLOUR, LOOKS
from rollstate.horizons import rules


def by_lag(frame: pl.DataFrame, *, unit: str, level: float) -> alt.LayerChart:
    """Explore the share of a block's slots that is touched again, by the lag."""
    return lines(
        frame,
        x=Quantity("lag", f"lag ({unit})", log=True),
        y=Quantity("reuse", "touched again exactly one lag later", percent=True),
        series="series",
        interval=("low", "high"),
        level=level,
    )


def over_months(frame: pl.DataFrame) -> alt.LayerChart:
    """Explore what rules cost on the second half of each trace, by the cost of a miss."""
    return lines(
        frame.filter(~pl.col("policy").is_in([rules.HINDSIGHT, rules.CLAIRVOYANT])),
        x=Quantity("penalty", "cost of a miss (RAM-days)", log=True),
        y=Quantity("to_hindsight", "cost / best fixed window in hindsight", log=True, near=(0.8, NEAR)),
        series="policy",
        choose=("trace", "trace"),
        names=tuple(LOOKS),
        colours=COLOUR,
        level=1,
    )
