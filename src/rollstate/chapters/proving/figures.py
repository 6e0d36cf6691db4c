"""Figures of the chapter ``proving``."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from rollstate.compendium import style


def factory(gantt: pd.DataFrame, law: pd.DataFrame) -> Figure:
    """Draw the toy line as a Gantt chart (``car``, ``stage``, ``begin``, ``end``) and rate against work in progress."""
    figure, (left, right) = style.subplots(1, 2, width="page", height=2.3)
    for number, (stage, part) in enumerate(gantt.groupby("stage", sort=False)):
        left.barh(
            part["car"],
            part["end"] - part["begin"],
            left=part["begin"],
            height=0.7,
            color=style.COLOURS[number],
            edgecolor="white",
            hatch=("", "///", "...")[number],
            label=stage,
        )
    left.set_yticks(sorted(gantt["car"].unique()))
    left.invert_yaxis()
    left.set_xlabel("time (h)")
    left.set_ylabel("car")
    left.grid(axis="y", visible=False)
    left.legend(ncols=3, loc="lower left", bbox_to_anchor=(-0.02, 1.0))
    for number, (name, part) in enumerate(law.groupby("line", sort=False)):
        right.plot(
            part["wip"],
            part["rate"],
            marker=style.MARKERS[number],
            linestyle=style.LINES[number],
            color=style.COLOURS[number],
            label=name,
        )
    right.set_xlabel("cars in the line")
    right.set_ylabel("cars per hour")
    right.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.legend()
    return figure


def formulas(growth: pd.DataFrame, knee: pd.DataFrame) -> Figure:
    """Draw delay by batch for several provers, and the tied formula beside provers and group kept apart."""
    figure, (left, right) = style.subplots(1, 2, width="page", height=2.5)
    for number, (count, part) in enumerate(growth.groupby("provers")):
        left.plot(
            part["batch"],
            part["delay_s"],
            color=style.COLOURS[number],
            linestyle=style.LINES[number % 4],
            label=f"{count} provers" if count > 1 else "1 prover",
        )
    left.set_yscale("log")
    left.set_xlabel("batch")
    left.set_ylabel("delay of its first transaction (s)")
    left.legend()
    right.plot(
        knee["n"], knee["article_s"], color=style.COLOURS[1], linestyle="--", label="article: group = provers"
    )
    right.plot(knee["n"], knee["apart_s"], color=style.COLOURS[0], label="group of 2, provers apart")
    right.axvline(knee["knee"].iloc[0], color="#777777", linewidth=0.8, linestyle=":")
    right.set_xlabel("provers")
    right.set_ylabel("delay of the first transaction (s)")
    right.set_ylim(bottom=0)
    right.legend()
    return figure


def queueing(table: pd.DataFrame) -> Figure:
    """Draw simulated mean waits (``simulated_s``, ``error_s``) and three approximations against ``provers``."""
    figure, ax = style.subplots(height=2.7)
    names = {"cosmetatos_s": "Cosmetatos", "ac_s": "Allen, Cunneen", "mmc_s": "M/M/c (Erlang)"}
    for number, (column, label) in enumerate(names.items()):
        ax.plot(
            table["provers"],
            table[column],
            color=style.COLOURS[number],
            linestyle=style.LINES[number],
            label=label,
        )
    ax.errorbar(
        table["provers"],
        table["simulated_s"],
        yerr=1.96 * table["error_s"],
        fmt="ko",
        markersize=3,
        capsize=2,
        label="simulated, 95 %",
    )
    style.log_axis(ax, "y")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("provers")
    ax.set_ylabel("mean wait for a prover (s)")
    ax.legend()
    return figure


def calibration(points: pd.DataFrame, lines: pd.DataFrame) -> Figure:
    """Draw proving time against gas with the fitted line and band, crashes as a rug; one panel per run."""
    runs = list(points["run"].unique())
    figure, axes = style.subplots(1, len(runs), width="page", height=2.6, squeeze=False)
    for ax, run in zip(axes[0], runs, strict=True):
        part, line = points[points["run"] == run], lines[lines["run"] == run]
        done = part[~part["crashed"]]
        ax.scatter(
            done["gas"] / 1e6, done["prove_s"], s=5, alpha=0.5, color=style.COLOURS[0], lw=0, label="finished"
        )
        ax.plot(line["gas"] / 1e6, line["expected_s"], color=style.COLOURS[1])
        style.band(ax, line["gas"] / 1e6, line["low_s"], line["high_s"])
        crashed = part[part["crashed"]]["gas"] / 1e6
        top = part["prove_s"].max() * 1.06
        ax.scatter(
            crashed,
            np.full(len(crashed), top),
            marker="x",
            s=12,
            color="black",
            linewidth=0.8,
            label="crashed",
        )
        ax.set_title(run)
        ax.set_xlabel("gas of the block (million)")
        ax.set_ylabel("proving time (s)")
        ax.set_ylim(bottom=0)
        ax.legend(loc="lower right")
    return figure


def provers(table: pd.DataFrame) -> Figure:
    """Draw provers needed by run with bootstrap intervals; ``run``, ``needed``, ``low``, ``high``."""
    figure, ax = style.subplots(width="column", height=2.4)
    y = np.arange(len(table))
    needed, low, high = (table[name].to_numpy(float) for name in ("needed", "low", "high"))
    ax.errorbar(needed, y, xerr=[needed - low, high - needed], fmt="o", color=style.COLOURS[0], capsize=3)
    ax.set_yticks(y, table["run"])
    ax.invert_yaxis()
    ax.set_xlim(left=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("provers for one block per slot")
    return figure


def frontier(table: pd.DataFrame) -> Figure:
    """Draw the 99th percentile of delay against cost per transaction, by provers; unstable points are left out."""
    figure, ax = style.subplots(width="page", height=2.9)
    for number, (count, part) in enumerate(table.groupby("provers")):
        for close, line in part.groupby("close_s"):
            line = line.sort_values("group")
            last = close == part["close_s"].max()
            ax.plot(
                line["final_p99_s"],
                line["usd_per_tx"],
                color=style.COLOURS[number],
                marker=style.MARKERS[number],
                linestyle=style.LINES[list(table["close_s"].unique()).index(close)],
                linewidth=0.9,
                label=f"{count} provers" if last else None,
            )
    style.log_axis(ax, "x", "y")
    ax.set_xlabel("99th percentile of the delay to final (s)")
    ax.set_ylabel("cost per transaction ($)")
    ax.legend(ncols=2)
    return figure


def timeline(table: pd.DataFrame) -> Figure:
    """Draw the stages of a transaction's way to finality; ``stage``, ``mean_s``, ``p05_s``, ``p95_s``."""
    figure, ax = style.subplots(width="page", height=1.9)
    begin = 0.0
    for number, row in enumerate(table.itertuples()):
        ax.barh(0, row.mean_s, left=begin, height=0.5, color=style.COLOURS[number], edgecolor="white")
        ax.annotate(
            f"{row.stage}\n{row.mean_s:.0f} s ({row.p05_s:.0f} to {row.p95_s:.0f})",
            (begin + row.mean_s / 2, 0.27 if number % 2 == 0 else -0.27),
            ha="center",
            va="bottom" if number % 2 == 0 else "top",
            fontsize=7,
        )
        begin += row.mean_s
    ax.set_ylim(-0.75, 0.75)
    ax.set_yticks([])
    ax.set_xlabel("seconds since the transaction arrived (mean; 5th to 95th percentile of each stage)")
    ax.grid(axis="y", visible=False)
    return figure


def cost(table: pd.DataFrame, best: float) -> Figure:
    """Draw cost per transaction by cause against batches per aggregate; ``group``, ``verify``, ..., ``waiting``."""
    figure, ax = style.subplots(height=2.6)
    causes = [name for name in table.columns if name != "group"]
    ax.stackplot(
        table["group"],
        [table[name] for name in causes],
        labels=causes,
        colors=style.COLOURS,
        alpha=0.85,
    )
    ax.axvline(best, color="black", linestyle="--", linewidth=0.9, label="optimum")
    ax.set_xscale("log")
    ax.set_xlabel("batches per aggregate")
    ax.set_ylabel("cost per transaction ($)")
    ax.set_xlim(table["group"].min(), table["group"].max())
    ax.legend(loc="upper center")
    return figure


def real_time(table: pd.DataFrame, slot_s: float) -> Figure:
    """Draw the share of blocks proved within a time, by run; ``run``, ``time_s``, ``share``."""
    figure, ax = style.subplots(height=2.6)
    for number, (run, part) in enumerate(table.groupby("run", sort=False)):
        ax.plot(
            part["time_s"],
            part["share"],
            color=style.COLOURS[number],
            linestyle=style.LINES[number % 4],
            label=run,
        )
    ax.axvline(slot_s, color="black", linewidth=0.8, linestyle=":")
    style.log_axis(ax, "x")
    ax.set_ylim(0, 1)
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.set_xlabel("proving time (s)")
    ax.set_ylabel("blocks proved by then (share)")
    ax.legend(fontsize=6.5, ncols=2, loc="lower left", bbox_to_anchor=(-0.12, 1.0), columnspacing=1)
    return figure
