"""Figures of the chapter ``survival``."""

from __future__ import annotations

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from rollstate.compendium import style


def curves(table: pl.DataFrame) -> Figure:
    """Draw survival by stratum; ``stratum``, ``time``, ``survival``, ``low``, ``high``."""
    figure, ax = style.subplots(height=2.7)
    for number, ((stratum,), part) in enumerate(table.group_by("stratum", maintain_order=True)):
        ax.step(
            part["time"], part["survival"], where="post", label=stratum,
            color=style.COLOURS[number % 8], linestyle=style.LINES[number % 4],
        )  # fmt: skip
        style.band(ax, part["time"], part["low"], part["high"], step="post")
    ax.set_ylim(0, 1)
    ax.set_xlim(left=0)
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.set_xlabel("blocks since the last access")
    ax.set_ylabel("not accessed again")
    ax.legend()
    return figure


def effects(table: pl.DataFrame) -> Figure:
    """Draw effects along the gap; ``covariate``, ``time``, ``effect``, ``low``, ``high``, ``constant``."""
    names = table["covariate"].unique(maintain_order=True).to_list()
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure, axes = style.subplots(
        rows, columns, width="page", height=1.6 * rows + 0.3, squeeze=False, sharex=True
    )
    for ax, name in zip(axes.flat, names, strict=False):
        part = table.filter(pl.col("covariate") == name)
        ax.plot(part["time"], part["effect"], color=style.COLOURS[0])
        style.band(ax, part["time"], part["low"], part["high"])
        ax.axhline(part["constant"][0], color=style.COLOURS[1], linestyle="--", linewidth=1)
        ax.set_title(name)
        style.log_axis(ax, "x")
    for ax in axes.flat[len(names) :]:
        ax.set_axis_off()
    figure.supxlabel("blocks since the last access", fontsize=8)
    figure.supylabel("log hazard ratio", fontsize=8)
    return figure


def differences(table: pl.DataFrame, reference: str) -> Figure:
    """Draw Brier scores less that of the reference; ``model``, ``cluster``, ``difference`` and its interval."""
    figure, ax = style.subplots(height=2.9)
    models = table["model"].unique(maintain_order=True).to_list()
    for number, ((cluster,), part) in enumerate(table.group_by("cluster", maintain_order=True)):
        at = np.array([models.index(model) for model in part["model"]]) + 0.16 * (2 * number - 1)
        middle = part["difference"].to_numpy()
        spread = [middle - part["difference_low"].to_numpy(), part["difference_high"].to_numpy() - middle]
        ax.errorbar(
            middle, at, xerr=np.clip(spread, 0, None), fmt=style.MARKERS[number], capsize=2,
            color=style.COLOURS[number], label=f"clustered by {cluster}",
        )  # fmt: skip
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_yticks(range(len(models)), models)
    ax.invert_yaxis()
    ax.set_xlabel(f"Brier score less that of {reference}")
    ax.legend()
    return figure


def reliability(table: pl.DataFrame) -> Figure:
    """Draw frequencies against forecasts; ``model``, ``forecast``, ``frequency``, ``low``, ``high``."""
    groups = list(table.group_by("model", maintain_order=True))
    figure, axes = style.subplots(1, len(groups), width="page", height=2.4, squeeze=False, sharey=True)
    for number, (((model,), part), ax) in enumerate(zip(groups, axes.flat, strict=True)):
        ax.plot([0, 1], [0, 1], color="#777777", linestyle=":", linewidth=0.9)
        ax.plot(part["forecast"], part["frequency"], color=style.COLOURS[number % 8])
        style.band(ax, part["forecast"], part["low"], part["high"])
        ax.set_title(model)
        ax.set_xlim(0, 1)
        ax.set_ylim(0, 1)
        ax.xaxis.set_major_formatter(PercentFormatter(1))
        ax.yaxis.set_major_formatter(PercentFormatter(1))
        ax.set_xlabel("forecast")
    axes.flat[0].set_ylabel("accessed")
    return figure


def coverage(table: pl.DataFrame, nominal: float) -> Figure:
    """Draw coverage by stratum; ``bound``, ``stratum``, ``coverage``, ``low``, ``high``."""
    figure, ax = style.subplots(height=2.5)
    strata = table["stratum"].unique(maintain_order=True).to_list()
    for number, ((bound,), part) in enumerate(table.group_by("bound", maintain_order=True)):
        at = np.array([strata.index(name) for name in part["stratum"]]) + 0.14 * (2 * number - 1)
        middle = part["coverage"].to_numpy()
        spread = np.clip([middle - part["low"].to_numpy(), part["high"].to_numpy() - middle], 0, None)
        ax.errorbar(
            at,
            middle,
            yerr=spread,
            fmt=style.MARKERS[number],
            capsize=2,
            color=style.COLOURS[number],
            label=bound,
        )
    ax.axhline(nominal, color="black", linestyle="--", linewidth=0.8)
    ax.annotate("nominal", (len(strata) - 0.55, nominal), va="bottom", ha="right", fontsize=7.5)
    ax.set_xticks(range(len(strata)), strata)
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.set_ylabel("waits at least their bound")
    ax.legend(loc="lower left")
    return figure


def truth(table: pl.DataFrame) -> Figure:
    """Draw the distance of forecasts to known probabilities; ``model``, ``error``, ``low``, ``high``."""
    figure, ax = style.subplots(height=2.5)
    at = np.arange(len(table))
    middle = table["error"].to_numpy()
    spread = np.clip([middle - table["low"].to_numpy(), table["high"].to_numpy() - middle], 0, None)
    ax.errorbar(middle, at, xerr=spread, fmt="o", capsize=2, color=style.COLOURS[0])
    ax.set_yticks(at, table["model"].to_list())
    ax.invert_yaxis()
    ax.set_xlim(left=0)
    ax.set_xlabel("mean distance to the true probability")
    return figure
