"""Figures of the chapter ``tiering``."""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from rollstate.compendium import style


def sweep(table: pl.DataFrame) -> Figure:
    """Draw total cost against the penalty, over that of the clairvoyant; ``policy``, ``miss``, ``ratio``."""
    figure, ax = style.subplots(width="page", height=3.2)
    for number, ((policy,), part) in enumerate(table.group_by("policy", maintain_order=True)):
        ax.plot(
            part["miss"], part["ratio"], label=policy, marker=style.MARKERS[number % 8],
            color=style.COLOURS[number % 7], linestyle=style.LINES[number % 4],
        )  # fmt: skip
    style.log_axis(ax, "x", "y")
    ax.set_xlabel("penalty of a miss (slot-blocks in RAM)")
    ax.set_ylabel("cost over clairvoyant cost")
    ax.legend(ncols=2)
    return figure


def ratios(table: pl.DataFrame) -> Figure:
    """Draw cost over that of the tuned window; ``policy``, ``miss``, ``ratio``, ``ratio_low``, ``ratio_high``."""
    groups = list(table.group_by("policy", maintain_order=True))
    columns = 3
    rows = -(-len(groups) // columns)
    figure, axes = style.subplots(
        rows, columns, width="page", height=1.6 * rows + 0.3, squeeze=False, sharex=True, sharey=True
    )
    for number, (((policy,), part), ax) in enumerate(zip(groups, axes.flat, strict=False)):
        ax.plot(part["miss"], part["ratio"], color=style.COLOURS[number % 7], marker="o")
        style.band(ax, part["miss"], part["ratio_low"], part["ratio_high"])
        ax.axhline(1, color="black", linewidth=0.8)
        ax.set_title(policy)
        ax.set_xscale("log")
        ax.set_ylim(0.4, 2.1)
    for ax in axes.flat[len(groups) :]:
        ax.set_axis_off()
    figure.supxlabel("penalty of a miss (slot-blocks in RAM)", fontsize=8)
    figure.supylabel("cost over that of the tuned window", fontsize=8)
    return figure


METRICS = {
    "ram_ratio": "slot-blocks in RAM",
    "hit_coverage": "accesses found in RAM",
    "competitive_ratio": "cost over clairvoyant",
}


def metrics(table: pl.DataFrame) -> Figure:
    """Draw what policies did; ``policy``, ``metric``, ``value``, ``low``, ``high``."""
    policies = table["policy"].unique(maintain_order=True).to_list()
    figure, axes = style.subplots(
        1, len(METRICS), width="page", height=0.22 * len(policies) + 0.8, sharey=True
    )
    for number, ((name, title), ax) in enumerate(zip(METRICS.items(), axes, strict=True)):
        part = table.filter(pl.col("metric") == name)
        ends = [part["value"] - part["low"], part["high"] - part["value"]]
        ax.errorbar(
            part["value"], range(len(policies)), xerr=ends, fmt=style.MARKERS[number],
            color=style.COLOURS[number], capsize=2,
        )  # fmt: skip
        ax.set_xlabel(title)
        if name == "competitive_ratio":
            style.log_axis(ax, "x")
        else:
            ax.xaxis.set_major_formatter(PercentFormatter(1))
    axes[0].set_yticks(range(len(policies)), policies)
    axes[0].invert_yaxis()
    return figure


def horizon(table: pl.DataFrame, exact: float) -> Figure:
    """Draw the cutoff's cost against its horizon, ``tau`` and ``ratio``, with the level of the exact rule."""
    figure, ax = style.subplots(height=2.5)
    ax.plot(table["tau"], table["ratio"], marker="o", color=style.COLOURS[0], label="cutoff")
    ax.axhline(exact, color=style.COLOURS[1], linestyle="--", label="exact")
    ax.axhline(1, color="black", linewidth=0.8)
    style.log_axis(ax, "x")
    ax.set_xlabel("horizon of the cutoff (blocks)")
    ax.set_ylabel("cost over that of the tuned window")
    ax.legend()
    return figure


def capacity(table: pl.DataFrame) -> Figure:
    """Draw hits of repeated accesses against RAM; ``policy``, ``share``, ``hits``."""
    figure, ax = style.subplots(height=3.2)
    for number, ((policy,), part) in enumerate(table.group_by("policy", maintain_order=True)):
        ax.plot(
            part["share"], part["hits"], label=policy, marker=style.MARKERS[number % 8],
            color=style.COLOURS[number % 7], linestyle=style.LINES[number % 4],
        )  # fmt: skip
    style.log_axis(ax, "x")
    ax.xaxis.set_major_formatter(PercentFormatter(1))
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.set_ylim(0, 1)
    ax.set_xlabel("RAM, share of all slots")
    ax.set_ylabel("hits among repeated accesses")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def misjudged(table: pl.DataFrame) -> Figure:
    """Draw the cost of a wrong penalty; ``policy``, ``factor``, ``ratio``."""
    figure, ax = style.subplots(height=2.5)
    for number, ((policy,), part) in enumerate(table.group_by("policy", maintain_order=True)):
        look = {
            "marker": style.MARKERS[number],
            "color": style.COLOURS[number],
            "linestyle": style.LINES[number % 4],
        }
        ax.plot(part["factor"], part["ratio"], label=policy, **look)
    style.log_axis(ax, "x")
    ax.axhline(1, color="black", linewidth=0.8)
    ax.set_xlabel("assumed penalty over the true one")
    ax.set_ylabel("cost over that with the true one")
    ax.legend()
    return figure
