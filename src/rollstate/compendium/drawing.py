"""A figure with what stands beside it: the caption, and the text for a reader who cannot see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Drawing:
    """What a figure function of a chapter returns.

    Attributes
    ----------
    figure : matplotlib.figure.Figure
        The figure; its title states the finding.
    caption : str
        What it shows, how it was made, what the uncertainty is.
    alt : str
        The same for a reader who cannot see it, with the numbers.
    """

    figure: Figure
    caption: str
    alt: str
