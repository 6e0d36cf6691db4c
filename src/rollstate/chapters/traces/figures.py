"""Figures of the chapter on traces; each takes the tidy frame that goes beside it."""

import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from rollstate.compendium import style

_BARS_UP_TO = 120


def _thousands(value: float, _: int) -> str:
    return f"{value:,.0f}"


def blocks(frame: pl.DataFrame) -> Figure:
    """Draw what each block touches: columns ``block_number``, ``written``, ``read``, ``contracts``.

    Long windows are drawn as lines; bars of thousands of blocks would be a grey surface.
    """
    fig, (top, low) = style.subplots(2, 1, width="page", height=3.6, sharex=True, height_ratios=(2, 1))
    x = frame["block_number"].to_numpy()
    first = int(x[0])
    x = x - first
    written, read = frame["written"].to_numpy(), frame["read"].to_numpy()
    if len(x) <= _BARS_UP_TO:
        top.bar(
            x, written, color=style.COLOURS[1], width=0.85, hatch="////", edgecolor="white", label="written"
        )
        top.bar(x, read, bottom=written, color=style.COLOURS[4], width=0.85, label="read only")
        low.bar(x, frame["contracts"].to_numpy(), color=style.COLOURS[2], width=0.85)
    else:
        top.plot(x, written, color=style.COLOURS[1], linestyle=style.LINES[0], linewidth=0.8, label="written")
        top.plot(x, read, color=style.COLOURS[0], linestyle=style.LINES[1], linewidth=0.8, label="read only")
        low.plot(x, frame["contracts"].to_numpy(), color=style.COLOURS[2], linewidth=0.8)
    top.set_ylabel("slots per block")
    top.yaxis.set_major_formatter(_thousands)
    top.legend(ncols=2, loc="upper left")
    top.margins(y=0.16)
    low.set_ylabel("contracts\nper block")
    low.set_xlabel(f"block − {first}")
    low.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    for ax in (top, low):
        ax.grid(axis="x", visible=False)
        ax.margins(x=0.01)
    return fig


def write_share(frame: pl.DataFrame) -> Figure:
    """Draw how often events write by how many blocks touch the slot; columns of `coverage.write_share`."""
    fig, ax = style.subplots(width="column", height=2.6)
    x = range(frame.height)
    value, low, high = (frame[name].to_numpy() for name in ("share", "low", "high"))
    ax.errorbar(
        x,
        value,
        [value - low, high - value],
        fmt=style.MARKERS[0],
        color=style.COLOURS[1],
        capsize=2.5,
        linewidth=1.2,
    )
    labels = [
        f"{fewest}" if fewest == most else f"{fewest}–{most}"
        for fewest, most in frame.select("fewest", "most").iter_rows()
    ]
    ax.set_xticks(x, labels)
    for at, events in enumerate(frame["events"]):
        ax.annotate(
            f"{events:,}",
            (at, 0.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            fontsize=5.5,
            textcoords="offset points",
            ha="center",
            va="bottom",
        )
    ax.set_ylim(-0.09, 1.03)
    ax.set_xlim(-0.6, frame.height - 0.4)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.set_xlabel("blocks that touch the slot (number of events above)")
    ax.set_ylabel("events that write")
    ax.grid(axis="x", visible=False)
    return fig


def concentration(frame: pl.DataFrame) -> Figure:
    """Draw concentration curves; columns ``unit``, ``units``, ``share``, ``low``, ``high``."""
    fig, ax = style.subplots(width="column", height=2.7)
    for at, (unit,) in enumerate(frame.select("unit").unique(maintain_order=True).iter_rows()):
        part = frame.filter(pl.col("unit") == unit)
        x = part["units"].to_numpy()
        ax.plot(x, part["share"], color=style.COLOURS[at], linestyle=style.LINES[at], label=unit)
        style.band(ax, x, part["low"], part["high"])
    x = frame["units"].unique().sort()
    ax.plot(x, x, color="black", linestyle=":", linewidth=0.8, label="equal use")
    ax.set_xscale("log")
    ax.set_xlim(float(x[0]), 1.0)
    ax.set_ylim(0, 1.02)
    ax.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.set_xlabel("busiest share of units")
    ax.set_ylabel("share of events")
    ax.legend(loc="upper left")
    return fig


def discovery(frame: pl.DataFrame) -> Figure:
    """Draw distinct slots against blocks seen; columns of `coverage.discovery`."""
    fig, ax = style.subplots(width="column", height=2.6)
    x = frame["blocks"].to_numpy()
    ax.plot(x, frame["mean"], color=style.COLOURS[0], linestyle="--", label="random order, 95 % band")
    style.band(ax, x, frame["low"], frame["high"])
    ax.plot(x, frame["seen"], color=style.COLOURS[1], label="as the blocks came")
    ax.set_xlim(0, x[-1] * 1.01)
    ax.set_ylim(0, None)
    ax.yaxis.set_major_formatter(_thousands)
    ax.set_xlabel("blocks seen")
    ax.set_ylabel("distinct slots")
    ax.legend(loc="lower right")
    return fig
