"""Explorable figures of the chapter ``tiering``."""

from __future__ import annotations

import altair as alt
import polars as pl

from rollstate.chapters.tiering.figures import HIGH, LOW, PENALTY
from rollstate.compendium.explorable import Quantity, lines
from rollstate.compendium.policy_looks import COLOUR, LOOKS

RATIO = "cost / cheapest simple rule's cost"


def ratios(frame: pl.DataFrame) -> alt.LayerChart:
    """Explore each policy's cost by the cost of a miss."""
    return lines(
        frame,
        x=Quantity("miss", PENALTY, log=True),
        y=Quantity("ratio", RATIO, log=True, near=(LOW, HIGH)),
        series="policy",
        interval=("ratio_low", "ratio_high"),
        names=tuple(LOOKS),
        colours=COLOUR,
        level=1,
    )


ratios_synthetic = ratios


def horizon(frame: pl.DataFrame) -> alt.LayerChart:
    """Explore the cost of the probability threshold by its horizon."""
    return lines(
        frame,
        x=Quantity("tau", "horizon of the threshold (blocks)", log=True),
        y=Quantity("ratio", RATIO),
        series="policy",
        colours=COLOUR,
        level=1,
    )


def published(frame: pl.DataFrame) -> alt.LayerChart:
    """Explore cost over the clairvoyant's by the cost of a miss, on the published gaps."""
    return lines(
        frame,
        x=Quantity("miss", PENALTY, log=True),
        y=Quantity("ratio", "cost / clairvoyant's cost", log=True),
        series="policy",
        names=tuple(LOOKS),
        colours=COLOUR,
    )
