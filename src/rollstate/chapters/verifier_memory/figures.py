"""Figures of the chapter ``verifier_memory``."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rollstate.compendium import style


def timeline(table: pd.DataFrame) -> Figure:
    """Draw one slot through nested frames; ``step``, ``operation``, ``depth``, ``pending``, ``observed``, ``trace``."""
    figure, (top, bottom) = style.subplots(2, 1, width="page", height=3.0, sharex=True)
    top.step(table["step"], table["depth"], where="mid", color="#777777", label="open frames")
    top.step(
        table["step"],
        table["pending"],
        where="mid",
        color=style.COLOURS[0],
        linestyle="--",
        label="writes pending",
    )
    seen = table[table["observed"]]
    top.scatter(
        seen["step"],
        np.zeros(len(seen)),
        marker="^",
        s=24,
        color=style.COLOURS[1],
        label="protective read",
        zorder=3,
    )
    top.set_ylabel("count")
    top.legend(ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
    bottom.bar(table["step"], table["trace"], color=style.COLOURS[2], width=0.7)
    bottom.set_ylabel("trace entries")
    for ax in (top, bottom):
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    bottom.set_xticks(table["step"], table["operation"], rotation=35, ha="right")
    return figure


def growth(table: pd.DataFrame) -> Figure:
    """Draw bytes while a batch runs; ``version``, ``transactions``, ``mib``."""
    figure, ax = style.subplots(width="page", height=2.8)
    for number, (version, part) in enumerate(table.groupby("version", sort=False)):
        ax.plot(
            part["transactions"],
            part["mib"],
            color=style.COLOURS[number],
            linestyle=style.LINES[number % 4],
            label=version,
        )
    style.log_axis(ax, "y")
    ax.set_xlim(left=0)
    ax.set_xlabel("transactions run")
    ax.set_ylabel("bytes held (MiB)")
    ax.legend(ncols=2)
    return figure


def structures(table: pd.DataFrame) -> Figure:
    """Draw bytes by structure as stacked bars; ``version``, ``structure``, ``mib``."""
    figure, (left, right) = style.subplots(1, 2, width="page", height=3.2)
    versions = list(dict.fromkeys(table["version"]))
    names = list(dict.fromkeys(table["structure"]))
    hatches = ("", "//", "..", "xx", "\\\\", "++", "oo", "--")
    for ax, shown in ((left, versions), (right, [v for v in versions if not v.endswith("trace on")])):
        bottom = np.zeros(len(shown))
        for number, name in enumerate(names):
            part = table[table["structure"] == name].groupby("version")["mib"].sum()
            height = np.array([part.get(version, 0.0) for version in shown])
            if height.any():
                ax.bar(
                    range(len(shown)), height, bottom=bottom, width=0.7, label=name,
                    color=style.COLOURS[number % 8], hatch=hatches[number // 8 * 2 + number % 2],
                    edgecolor="white", linewidth=0.3,
                )  # fmt: skip
            bottom += height
        ax.set_xticks(range(len(shown)), shown, rotation=35, ha="right")
    left.set_ylabel("bytes held at the end (MiB)")
    right.set_title("without the original's trace, enlarged")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def savings(grid: pd.DataFrame, batches: pd.DataFrame) -> Figure:
    """Draw what dropping the trace saves over accesses and slots, with real batches on it.

    Parameters
    ----------
    grid : DataFrame
        ``accesses``, ``slots``, ``gate``, ``merging`` (MiB) on a full grid.
    batches : DataFrame
        ``accesses``, ``slots``, ``kind`` of real batches.
    """
    figure, ax = style.subplots(width="page", height=3.2)
    gate, merging = (
        grid.pivot_table(index="slots", columns="accesses", values=name) for name in ("gate", "merging")
    )
    lines = ax.contour(
        gate.columns,
        gate.index,
        gate.to_numpy(),
        levels=[1, 10, 100, 1000],
        colors=style.COLOURS[0],
        linewidths=1,
    )
    ax.clabel(lines, fmt=lambda level: f"{level:g} MiB", fontsize=7)
    equal = ax.contour(
        gate.columns,
        gate.index,
        (gate - merging).to_numpy(),
        levels=[0],
        colors=style.COLOURS[1],
        linestyles="--",
    )
    handles = [lines.legend_elements()[0][0], equal.legend_elements()[0][0]]
    labels = ["saved by dropping the trace", "merging maps saves as much"]
    for number, (kind, part) in enumerate(batches.groupby("kind", sort=False)):
        look = {
            "marker": style.MARKERS[number],
            "color": ("black", style.COLOURS[2])[number % 2],
            "zorder": 3,
        }
        handles.append(ax.scatter(part["accesses"], part["slots"], s=16, **look))
        labels.append(kind)
    style.log_axis(ax, "x", "y")
    ax.set_xlabel("storage accesses of the batch")
    ax.set_ylabel("distinct slots")
    ax.legend(handles, labels, loc="upper left", frameon=True)
    return figure


def comparisons(table: pd.DataFrame) -> Figure:
    """Draw comparisons per access of both derivations; ``accesses``, ``trace``, ``maps``."""
    figure, ax = style.subplots(height=2.5)
    for number, (name, label) in enumerate((("trace", "sort of the trace"), ("maps", "sort of the slots"))):
        look = {
            "marker": style.MARKERS[number],
            "color": style.COLOURS[number],
            "linestyle": style.LINES[number],
        }
        ax.plot(table["accesses"], table[name] / table["accesses"], label=label, **look)
    style.log_axis(ax, "x")
    ax.set_ylim(bottom=0)
    ax.set_xlabel("storage accesses of the batch")
    ax.set_ylabel("comparisons per access")
    ax.legend()
    return figure
