"""Figures of the chapter ``observability``."""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from rollstate.compendium import style


def agreement(table: pl.DataFrame) -> Figure:
    """Draw recall and precision of each view; ``view``, ``what``, and mean, low, high of both."""
    figure, axes = style.subplots(1, 2, width="page", height=2.6, sharey=True)
    whats = table["what"].unique(maintain_order=True).to_list()
    for ax, measure in zip(axes, ("recall", "precision"), strict=True):
        for number, ((view,), part) in enumerate(table.group_by("view", maintain_order=True)):
            part = part.filter(pl.col(measure).is_not_null())
            at = [whats.index(what) + 0.22 * (number - 1) for what in part["what"]]
            mean, low, high = (part[f"{measure}{end}"] for end in ("", "_low", "_high"))
            spread = [(mean - low).clip(0), (high - mean).clip(0)]
            ax.errorbar(
                mean, at, xerr=spread, linestyle="none", marker=style.MARKERS[number], markersize=5,
                color=style.COLOURS[number], label=view, capsize=2,
            )  # fmt: skip
        ax.set_xlim(-0.04, 1.04)
        ax.xaxis.set_major_formatter(PercentFormatter(1))
        ax.set_xlabel({"recall": "seen of what there is", "precision": "there of what is claimed"}[measure])
    axes[0].set_yticks(range(len(whats)), whats)
    axes[0].set_ylim(len(whats) - 0.5, -0.5)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def downstream(table: pl.DataFrame) -> Figure:
    """Draw each number of a view over that of the truth; ``view``, ``number``, ``ratio``, ``low``, ``high``."""
    figure, ax = style.subplots(width="page", height=2.8)
    numbers = table["number"].unique(maintain_order=True).to_list()
    for place, ((view,), part) in enumerate(table.group_by("view", maintain_order=True)):
        at = [numbers.index(number) + 0.22 * (place - 1) for number in part["number"]]
        spread = [(part["ratio"] - part["low"]).clip(0), (part["high"] - part["ratio"]).clip(0)]
        ax.errorbar(
            part["ratio"], at, xerr=spread, linestyle="none", marker=style.MARKERS[place], markersize=5,
            color=style.COLOURS[place], label=view, capsize=2,
        )  # fmt: skip
    ax.axvline(1, color="black", linewidth=0.8, linestyle=":")
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(FixedLocator([0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1, 1.4, 2, 3, 5, 10]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.set_xlabel("value from the view over value from the truth")
    ax.set_yticks(range(len(numbers)), [name.replace("tau", "τ") for name in numbers])
    ax.set_ylim(len(numbers) - 0.5, -0.5)
    figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def curves(table: pl.DataFrame) -> Figure:
    """Draw Kaplan-Meier curves; ``view``, ``time``, ``survival``, ``low``, ``high``."""
    figure, ax = style.subplots(height=2.6)
    for number, ((view,), part) in enumerate(table.group_by("view", maintain_order=True)):
        ax.step(
            part["time"], part["survival"], where="post", color=style.COLOURS[number],
            linestyle=style.LINES[number % 4], label=view,
        )  # fmt: skip
        ax.fill_between(
            part["time"], part["low"], part["high"], step="post", color=style.COLOURS[number], alpha=0.15
        )
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.set_xlabel("blocks since the last access")
    ax.set_ylabel("share not accessed again")
    ax.set_ylim(0, 1)
    ax.legend()
    return figure
