"""Figures of the chapter ``eda``."""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from rollstate.compendium import style


def frequency(ccdf: pl.DataFrame) -> Figure:
    """Draw the share of slots with at least so many visits; ``visits``, ``share``, ``low``, ``high``."""
    figure, ax = style.subplots()
    ax.plot(ccdf["visits"], ccdf["share"], marker="o", markersize=2.5, color=style.COLOURS[0])
    style.band(ax, ccdf["visits"], ccdf["low"], ccdf["high"])
    style.log_axis(ax, "x", "y")
    ax.set_xlabel("blocks that touch the slot, at least")
    ax.set_ylabel("slots (share)")
    return figure


def gaps(curves: pl.DataFrame) -> Figure:
    """Draw survival of the gap by stratum with bands, and what completed gaps alone would say.

    Columns ``stratum``, ``gap``, ``survival``, ``low``, ``high``; the stratum ``"completed gaps alone"`` has no band.
    """
    figure, ax = style.subplots(height=2.7)
    for number, ((name,), part) in enumerate(curves.group_by("stratum", maintain_order=True)):
        naive = part["low"].is_null().all()
        ax.plot(
            part["gap"],
            part["survival"],
            drawstyle="steps-post",
            color="#777777" if naive else style.COLOURS[number],
            linestyle=":" if naive else style.LINES[number % 3],
            label=name,
        )
        if not naive:
            style.band(ax, part["gap"], part["low"], part["high"], step="post")
    ax.set_ylim(0, 1)
    ax.set_xlim(left=0)
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.set_xlabel("blocks since the last access")
    ax.set_ylabel("not accessed again (share)")
    ax.legend(ncols=2, loc="lower left", bbox_to_anchor=(-0.02, 1.0), handlelength=1.8, columnspacing=1)
    return figure


def hill(plot: pl.DataFrame, chosen_k: int, k_interval: tuple[int, int]) -> Figure:
    """Draw the Hill plot, the alternative Hill plot and the share of events, with the chosen k and its interval."""
    figure, axes = style.subplots(1, 3, width="page", height=2.3)
    panels = ((axes[0], "k", "exceedances k"), (axes[1], "theta", "log k / log n"))
    for ax, column, label in panels:
        ax.plot(plot[column], plot["alpha"], color=style.COLOURS[0], marker="o", markersize=2)
        style.band(ax, plot[column], plot["low"], plot["high"])
        ax.set_xlabel(label)
        ax.set_ylabel("tail index of the gap")
        style.log_axis(ax, "y")
    style.log_axis(axes[0], "x")
    axes[0].axvspan(*k_interval, color="#999999", alpha=0.25, linewidth=0)
    axes[0].axvline(chosen_k, color="#333333", linestyle="--", linewidth=0.9)
    axes[0].set_title("Hill")
    axes[1].set_title("Alternative Hill")
    axes[2].plot(plot["k"], plot["event_share"], color=style.COLOURS[1], marker="s", markersize=2)
    axes[2].axhline(0.5, color="#333333", linestyle=":", linewidth=0.9)
    style.log_axis(axes[2], "x")
    axes[2].set_ylim(0, 1)
    axes[2].yaxis.set_major_formatter(PercentFormatter(1))
    axes[2].set_xlabel("exceedances k")
    axes[2].set_ylabel("that end with an event")
    axes[2].set_title("What censoring leaves")
    return figure


def reuse(shares: pl.DataFrame) -> Figure:
    """Draw the share of a block's slots seen before, by lag; columns as `working_set.reuse_share` plus ``touches``."""
    figure, ax = style.subplots()
    for number, ((name,), part) in enumerate(shares.group_by("touches", maintain_order=True)):
        ax.errorbar(
            part["lag"],
            part["share"],
            yerr=[part["share"] - part["low"], part["high"] - part["share"]],
            color=style.COLOURS[number],
            marker=style.MARKERS[number],
            linestyle=style.LINES[number],
            capsize=2,
            label=name,
        )
    ax.set_xlabel("blocks looked back")
    ax.set_ylabel("slots seen before (share)")
    ax.set_ylim(0, 1)
    ax.set_xlim(left=0)
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.legend()
    return figure


def co_access(table: pl.DataFrame) -> Figure:
    """Draw observed against expected pairs by contract; columns as `dependence.co_access` returns them."""
    figure, ax = style.subplots(height=2.7)
    clear = table["p_adjusted"] < 0.05
    for mask, colour, marker, label in (
        (~clear, "#888888", "o", "as independence expects"),
        (clear, style.COLOURS[1], "^", "more (5 %, adjusted)"),
    ):
        part = table.filter(mask)
        ax.scatter(
            part["expected"],
            part["observed"] + 0.5,
            s=6,
            alpha=0.55,
            color=colour,
            marker=marker,
            label=label,
            lw=0,
        )
    ends = [table["expected"].min(), table["expected"].max()]
    ax.plot(ends, ends, color="#333333", linewidth=0.8, linestyle=":")
    style.log_axis(ax, "x", "y")
    ax.set_xlabel("pairs expected under independence")
    ax.set_ylabel("pairs observed + 0.5")
    ax.legend(loc="upper left")
    return figure


def autocorrelation(by_lag: pl.DataFrame) -> Figure:
    """Draw the mean autocorrelation by lag with the band of shuffled time."""
    figure, ax = style.subplots()
    ax.fill_between(
        by_lag["lag"], by_lag["low"], by_lag["high"], color="#999999", alpha=0.35, lw=0, label="shuffled"
    )
    ax.plot(by_lag["lag"], by_lag["mean"], marker="o", color=style.COLOURS[0], label="mean over contracts")
    ax.axhline(0, color="#333333", linewidth=0.7)
    ax.set_xlabel("lag (blocks)")
    ax.set_ylabel("autocorrelation")
    ax.legend(ncols=2, loc="lower left", bbox_to_anchor=(-0.02, 1.0))
    return figure


def peer_rule(curves: pl.DataFrame) -> Figure:
    """Draw the two survival curves of the peer's trace; ``rule``, ``gap``, ``survival``, ``low``, ``high``."""
    figure, ax = style.subplots()
    for number, ((name,), part) in enumerate(curves.group_by("rule", maintain_order=True)):
        ax.plot(
            part["gap"],
            part["survival"],
            color=style.COLOURS[number],
            linestyle=style.LINES[number],
            label=name,
        )
        style.band(ax, part["gap"], part["low"], part["high"])
    ax.set_ylim(0, 1)
    ax.set_xlim(left=0)
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.set_xlabel("blocks since the last access (thousands)")
    ax.set_ylabel("not accessed again (share)")
    ax.legend()
    return figure
