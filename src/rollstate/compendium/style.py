"""The one look of every figure: paper widths, embedded fonts, colours safe for colour-blind readers."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
import seaborn.objects as so
from cycler import cycler
from fontTools import subset
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from rollstate.compendium.drawing import Drawing as Drawing

WIDTHS_IN = {"column": 3.5, "page": 7.0}
"""Figure widths in inches: one column (89 mm) and a full page (178 mm) of a paper."""

# After Okabe and Ito (2008), https://jfly.uni-koeln.de/color/ , whose pink, sky blue, orange and yellow are too weak on
# white (WCAG 2.2, 1.4.11). No two share a hue: where a dark page inverts the lightness, none takes another's place.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#C8649F", "#4B1D8F", "#3A5813", "#000000", "#9B844B")
QUIET = "#8C8C8C"
"""Grey of what is there for comparison alone."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES = ("-", "--", "-.", ":")
BAND_ALPHA = 0.22
_SEQUENCE = ("#440154", "#2A6C8E", "#1C9A80")

RC: dict[Any, Any] = {
    "figure.constrained_layout.use": True,
    "figure.dpi": 110,
    "savefig.dpi": 300,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8,
    "axes.linewidth": 0.8,
    "xtick.major.width": 0.8,
    "ytick.major.width": 0.8,
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
# Tables for setting text, which matplotlib has set when it embeds a font: to cut them to the letters of a figure takes
# half of the time of a PDF.
subset.Options._drop_tables_default = [*subset.Options._drop_tables_default, "GDEF", "GPOS", "GSUB"]
# A user's matplotlibrc has no say in a figure whose bytes are compared.
matplotlib.rcdefaults()
sns.set_theme(context="paper", style="ticks", palette=COLOURS)
matplotlib.rcParams.update(RC)


def palette(names: Sequence[str]) -> dict[str, str]:
    """Return a colour for each name, in order, for seaborn's ``palette=``."""
    return {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(names)}


def sequence(count: int) -> list[Any]:
    """Return colours for ordered categories, from dark to light; the lightest still stands out from white."""
    return sns.color_palette(LinearSegmentedColormap.from_list("", _SEQUENCE)(np.linspace(0, 1, count)))


def title(figure: Figure, text: str) -> None:
    """State the finding above a figure, in bold, broken to its width."""
    characters = int(figure.get_size_inches()[0] * 12.5)
    figure.suptitle(textwrap.fill(text, characters), x=0.01, ha="left", fontsize=9, fontweight="bold")


def share(value: float, decimals: int = 0) -> str:
    """Return a share as captions and titles write it, in per cent with a space before the sign."""
    return f"{100 * value:.{decimals}f}\u202f%"


def plain(value: float) -> str:
    """Return a number as text writes it: thousands with commas, a small power of ten as a power, no exponent.

    >>> plain(1_000_000.0), plain(0.25), plain(1e-8)
    ('1,000,000', '0.25', '10⁻⁸')
    """
    power = round(math.log10(value)) if value > 0 else 0
    if power < -3 and math.isclose(value, 10.0**power):
        return "10" + f"{power:d}".translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{value:,.10f}".rstrip("0").rstrip(".")


def percent(ax: Axes, *axes: str) -> None:
    """Label axes ("x", "y") that hold shares in per cent, with a space before the sign and no needless decimals."""
    for name in axes:
        getattr(ax, f"{name}axis").set_major_formatter(
            FuncFormatter(lambda value, _: f"{round(100 * value, 6):g}\u202f%".replace("-", "\u2212"))
        )


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
    """Make axes ("x", "y") logarithmic, with plain labels: decades, or 1, 2, 5 if fewer than three show."""
    for name in axes:
        getattr(ax, f"set_{name}scale")("log")
        axis = getattr(ax, f"{name}axis")
        low, high = sorted(axis.get_view_interval())
        decades = np.floor(np.log10(high)) - np.ceil(np.log10(low)) + 1 if low > 0 else 0
        axis.set_major_locator(LogLocator(subs=(1.0,) if decades >= 3 else (1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(_plain(axis)))
        axis.set_minor_formatter(NullFormatter())


def _plain(axis: Axis) -> Callable[[float, int], str]:
    """Return a format of ticks: numbers without an exponent, or powers of ten on all of an axis that needs one."""

    def label(value: float, _: int) -> str:
        low, high = sorted(axis.get_view_interval())
        exponent = math.log10(abs(value)) if value else 0.0
        if (high < 1e5 and low >= 1e-3) or not math.isclose(exponent, round(exponent), abs_tol=1e-9):
            return f"{value:,.6g}"
        return f"$10^{{{round(exponent)}}}$"

    return label


def band(ax: Axes, x: Any, low: Any, high: Any, **options: Any) -> None:
    """Draw an uncertainty band in the colour of the last line."""
    colour = options.pop("color", ax.lines[-1].get_color() if ax.lines else COLOURS[0])
    ax.fill_between(x, low, high, color=colour, alpha=BAND_ALPHA, linewidth=0, **options)


def at_risk(ax: Axes, frame: pd.DataFrame, *, time: str, series: str) -> None:
    """Write the numbers at risk below a survival plot, by lifelines, at the ticks of its time axis.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        The plot, with its limits and ticks set.
    frame : pandas.DataFrame
        ``time`` and ``series`` name columns; ``at_risk`` are the spells left after that time, ``events`` and
        ``censored`` those gone up to it.
    """
    # lifelines takes a third of a second, which chapters without curves do not pay.
    from lifelines.plotting import add_at_risk_counts

    fitters = []
    for name, part in frame.groupby(series, sort=False):
        counts = part.set_index(time)
        table = counts.assign(
            removed=0, observed=counts["events"].diff().fillna(counts["events"]),
            censored=counts["censored"].diff().fillna(counts["censored"]),
        )  # fmt: skip
        # What lifelines wants of a fitter is its event table and its label.
        fitters.append(SimpleNamespace(event_table=table, _label=name))
    add_at_risk_counts(*fitters, ax=ax, fig=ax.get_figure(), rows_to_show=["At risk"], fontsize=7)


def ranges(
    frame: pd.DataFrame,
    axes: Axes,
    *,
    value: str,
    low: str,
    high: str,
    row: str,
    colour: str | None = None,
    rows: Sequence[str] = (),
    colours: Sequence[str] = (),
) -> None:
    """Draw estimates as dots with their intervals, one row for each category, series side by side in it.

    Parameters
    ----------
    frame : pandas.DataFrame
        One line for each dot.
    axes : matplotlib.axes.Axes
        Where to draw.
    value, low, high : str
        Columns of the estimate and of the ends of its interval.
    row, colour : str
        Columns of the category and of the series.
    rows, colours : sequence of str
        Categories from top to bottom and series in order; as they come if not given.
    """
    rows = list(rows) or list(dict.fromkeys(frame[row]))
    plot = so.Plot(frame, x=value, y=row, xmin=low, xmax=high).scale(y=so.Nominal(order=rows))
    if colour is None:
        plot = plot.add(so.Range(color=COLOURS[0])).add(so.Dot(color=COLOURS[0], pointsize=4.5))
    else:
        names = list(colours) or list(dict.fromkeys(frame[colour]))
        dodge = so.Dodge(by=["color"], gap=0.25)
        plot = plot.add(so.Range(), dodge, color=colour, legend=False)
        plot = plot.add(so.Dot(pointsize=4.5), dodge, color=colour, marker=colour, legend=False)
        plot = plot.scale(
            color=so.Nominal(list(COLOURS[: len(names)]), order=names),
            marker=so.Nominal(list(MARKERS[: len(names)]), order=names),
        )
    plot.on(axes).plot()
    axes.set(xlabel="", ylabel="")


def key(figure: Figure, names: Sequence[str], *, ncols: int | None = None) -> None:
    """Name the series of `ranges` below the title, each with its colour and marker."""
    # A column is as wide as its longest name; a row must fit the figure.
    column = 0.45 + max(map(len, names)) * 0.062
    fitting = max(1, int(figure.get_size_inches()[0] / column))
    handles = [
        Line2D([], [], linestyle="none", color=COLOURS[i], marker=MARKERS[i], markersize=4.5, label=name)
        for i, name in enumerate(names)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(ncols or len(names), fitting))


def lines_key(
    figure: Figure,
    names: Sequence[str],
    *,
    ncols: int | None = None,
    colours: Mapping[str, str] | None = None,
) -> None:
    """Name the lines of several panels below them, each with seaborn's colour and dashes for its place."""
    dashes = sns._base.unique_dashes(len(names))
    handles = [
        Line2D([], [], color=(colours or palette(names))[name], dashes=dashes[i] or (1, 0), label=name)
        for i, name in enumerate(names)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=ncols or min(3, len(names)))
