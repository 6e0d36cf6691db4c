"""Figures of the chapter on flat key-value execution; each takes the tidy frame that goes beside it."""

import polars as pl
from matplotlib.figure import Figure

from rollstate.compendium import style


def counts(frame: pl.DataFrame) -> Figure:
    """Draw reads per update by size of the state: columns ``mode``, ``keys``, ``reads``, ``fit`` (null if none)."""
    fig, ax = style.subplots(width="column", height=2.9)
    for i, (mode,) in enumerate(frame.select("mode").unique(maintain_order=True).iter_rows()):
        rows = frame.filter(pl.col("mode") == mode)
        colour = style.COLOURS[i]
        ax.plot(
            rows["keys"], rows["reads"], style.MARKERS[i], linestyle="none" if rows["fit"][0] else style.LINES[i % 4],
            color=colour, label=mode,
        )  # fmt: skip
        if rows["fit"][0] is not None:
            ax.plot(rows["keys"], rows["fit"], color=colour, linewidth=1)
    ax.set_xscale("log")
    ax.set_ylim(0, frame["reads"].max() * 1.42)
    ax.set_xlabel("keys in the state")
    ax.set_ylabel("database reads (= writes) per update")
    ax.legend(loc="upper left", ncols=1, fontsize=6.8)
    return fig


def choices(frame: pl.DataFrame) -> Figure:
    """Draw reads per update by how keys are chosen: columns ``choice``, ``mode``, ``reads``."""
    fig, ax = style.subplots(width="column", height=2.4)
    names = frame["choice"].unique(maintain_order=True).to_list()
    modes = frame["mode"].unique(maintain_order=True).to_list()
    width = 0.8 / len(modes)
    for i, mode in enumerate(modes):
        rows = frame.filter(pl.col("mode") == mode)
        at = [names.index(name) + (i - (len(modes) - 1) / 2) * width for name in rows["choice"]]
        bars = ax.bar(
            at, rows["reads"], width * 0.92, color=style.COLOURS[i], label=mode,
            hatch=("", "////", "....")[i % 3], edgecolor="white",
        )  # fmt: skip
        ax.bar_label(bars, fmt="%.2f", fontsize=6)
    ax.set_xticks(range(len(names)), names)
    ax.set_ylabel("database reads per update")
    ax.set_ylim(0, frame["reads"].max() * 1.35)
    ax.grid(axis="x", visible=False)
    ax.legend(loc="upper center", ncols=len(modes), fontsize=6.8)
    return fig


def hashing(frame: pl.DataFrame) -> Figure:
    """Draw Keccak permutations per update: columns ``what``, ``permutations``, ``kind``."""
    fig, ax = style.subplots(width="column", height=2.7)
    kinds = frame["kind"].unique(maintain_order=True).to_list()
    for i, kind in enumerate(kinds):
        rows = frame.with_row_index("at").filter(pl.col("kind") == kind)
        ax.plot(
            rows["permutations"], rows["at"], style.MARKERS[i], linestyle="none", markersize=6,
            color=style.COLOURS[i], label=kind,
        )  # fmt: skip
        for at, number in rows.select("at", "permutations").iter_rows():
            ax.annotate(
                f"{number:.1f}",
                (number, at),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                fontsize=6.5,
            )
    ax.set_yticks(range(frame.height), frame["what"].to_list())
    ax.invert_yaxis()
    ax.set_xscale("log")
    ax.set_xlim(right=frame["permutations"].max() * 4)
    ax.set_xlabel("Keccak permutations per update")
    ax.legend(loc="lower right", fontsize=6.8)
    return fig


def merging(frame: pl.DataFrame) -> Figure:
    """Draw what hashing once per K blocks saves: columns ``blocks``, ``what``, ``ratio``, ``low``, ``high``."""
    fig, ax = style.subplots(width="column", height=2.4)
    for i, (what,) in enumerate(frame.select("what").unique(maintain_order=True).iter_rows()):
        rows = frame.filter(pl.col("what") == what)
        ax.plot(
            rows["blocks"], rows["ratio"], marker=style.MARKERS[i], linestyle=style.LINES[i],
            color=style.COLOURS[i], label=what,
        )  # fmt: skip
        style.band(ax, rows["blocks"], rows["low"], rows["high"])
    ax.axhline(1, color="#555555", linewidth=0.8, linestyle=":")
    ax.set_xlabel("blocks per checkpoint, K")
    ax.set_ylabel("updates without merging\n/ with merging")
    ax.legend(loc="upper left")
    return fig
