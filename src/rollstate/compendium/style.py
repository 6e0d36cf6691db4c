"""The one look of every figure: paper widths, embedded fonts, colours safe for colour-blind readers."""

from __future__ import annotations

import math
from typing import Any

import matplotlib
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

WIDTHS_IN = {"column": 3.5, "page": 7.0}
"""Figure widths in inches: one column (89 mm) and a full page (178 mm) of a paper."""

# Okabe and Ito (2008), https://jfly.uni-koeln.de/color/ ; yellow last: it is weak on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#F0E442")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES = ("-", "--", "-.", ":")
BAND_ALPHA = 0.22

RC = {
    "figure.constrained_layout.use": True,
    "figure.dpi": 110,
    "savefig.dpi": 300,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#D9D9D9",
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=COLOURS),
    "lines.linewidth": 1.4,
    "lines.markersize": 3.5,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    # Ids in SVG files are salted hashes: a fixed salt makes the bytes reproducible.
    "svg.hashsalt": "rollstate",
}
matplotlib.rcParams.update(RC)


def subplots(
    nrows: int = 1, ncols: int = 1, *, width: str = "column", height: float | None = None, **options: Any
) -> tuple[Figure, Any]:
    """Return a figure and its axes in the house style, without pyplot's global state.

    Parameters
    ----------
    nrows, ncols : int
        Grid of axes, as in `matplotlib.pyplot.subplots`.
    width : {"column", "page"}
        Width of the figure on paper.
    height : float, optional
        Height in inches; 0.68 of one panel's width times the rows if not given.
    **options
        Passed to `matplotlib.figure.Figure.subplots`.
    """
    inches = WIDTHS_IN[width]
    figure = Figure(figsize=(inches, height or 0.68 * inches / ncols * nrows))
    return figure, figure.subplots(nrows, ncols, **options)


def log_axis(ax: Axes, *axes: str) -> None:
    """Make axes ("x", "y") logarithmic, with plain labels at 1, 2 and 5 only where a decade alone would be too few."""
    for name in axes:
        getattr(ax, f"set_{name}scale")("log")
        axis = getattr(ax, f"{name}axis")
        low, high = sorted(axis.get_view_interval())
        many = low > 0 and high / low > 50
        axis.set_major_locator(LogLocator(subs=(1.0,) if many else (1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(_plain))
        axis.set_minor_formatter(NullFormatter())


def _plain(value: float, _: int) -> str:
    """Return a tick label without an exponent where that stays short."""
    if 1e-3 <= abs(value) < 1e5:
        return f"{value:,.6g}"
    return f"$10^{{{round(math.log10(abs(value)))}}}$" if value else "0"


def band(ax: Axes, x: Any, low: Any, high: Any, **options: Any) -> None:
    """Draw an uncertainty band in the colour of the last line."""
    colour = options.pop("color", ax.lines[-1].get_color() if ax.lines else COLOURS[0])
    ax.fill_between(x, low, high, color=colour, alpha=BAND_ALPHA, linewidth=0, **options)
