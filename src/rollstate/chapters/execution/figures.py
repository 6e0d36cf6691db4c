"""Figures of the chapter ``execution``."""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from rollstate.compendium import style


def speedup(table: pl.DataFrame, limit: float) -> Figure:
    """Draw speed-up against threads; ``engine``, ``threads``, ``speedup``, ``low``, ``high``."""
    figure, ax = style.subplots(width="page", height=3.0)
    for number, ((engine,), part) in enumerate(table.group_by("engine", maintain_order=True)):
        ax.plot(
            part["threads"],
            part["speedup"],
            color=style.COLOURS[number],
            linestyle=style.LINES[number % 4],
            marker=style.MARKERS[number],
            label=engine,
        )
        style.band(ax, part["threads"], part["low"], part["high"])
    ax.axhline(limit, color="black", linewidth=0.8, linestyle=":")
    ax.annotate("critical path", (table["threads"].max(), limit), ha="right", va="bottom", fontsize=7.5)
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda threads, _: f"{threads:g}"))
    ax.set_xlabel("threads")
    ax.set_ylabel("speed-up over one thread")
    ax.set_ylim(bottom=0)
    ax.legend()
    return figure


def blocks(table: pl.DataFrame) -> Figure:
    """Draw critical path and independent share of each block; ``transactions``, ``path``, ``independent``."""
    figure, (left, right) = style.subplots(1, 2, width="page", height=2.4)
    top = max(table["path"].max() * 1.3, 2)
    left.scatter(table["transactions"], table["path"], s=12, color=style.COLOURS[1])
    left.plot([0, top], [0, top], color="#777777", linestyle=":", linewidth=0.9, label="all dependent")
    left.set_xlabel("transactions of the block")
    left.set_ylabel("critical path (transactions)")
    left.set_ylim(0, top)
    left.set_xlim(left=0)
    left.legend(loc="upper right")
    right.scatter(table["transactions"], table["independent"], s=12, color=style.COLOURS[0], marker="s")
    right.set_xlabel("transactions of the block")
    right.set_ylabel("independent of all others")
    right.set_ylim(0, 1.02)
    right.set_xlim(left=0)
    right.yaxis.set_major_formatter(PercentFormatter(1))
    return figure


def kept(table: pl.DataFrame) -> Figure:
    """Draw the share of written keys left to commit, by interval; ``interval``, ``share``, ``low``, ``high``."""
    figure, ax = style.subplots(height=2.5)
    share, low, high = (table[name].to_numpy() for name in ("share", "low", "high"))
    spread = [(share - low).clip(0), (high - share).clip(0)]
    ax.errorbar(table["interval"], share, yerr=spread, marker="o", capsize=2, color=style.COLOURS[0])
    ax.set_ylim(0, 1.05)
    ax.set_xlim(left=0)
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.set_xlabel("blocks per commitment")
    ax.set_ylabel("keys left to commit")
    return figure
