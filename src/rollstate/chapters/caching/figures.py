"""Figures of the chapter ``caching``."""

from __future__ import annotations

import polars as pl
import seaborn as sns
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from rollstate.compendium import style
from rollstate.compendium.style import Drawing

_PANELS = {
    "classical policies": ("LRU", "LFU", "ARC", "LIRS", "SIEVE", "S3-FIFO", "W-TinyLFU", "GDSF"),
    "clients, survival, and the bound": (
        "LRU",
        "fills up",
        "wiped at its cap",
        "conditional hazard",
        "posterior rate",
        "Belady",
    ),
}


def hits(frame: pl.DataFrame, *, quote: float) -> Drawing:
    """Draw hit ratios by memory: ``policy``, ``share``, ``room``, ``hits``, ``hits_low``, ``hits_high``."""
    figure, axes = style.subplots(1, 2, width="page", height=3.9, sharey=True)
    shares = frame["share"].unique().sort().to_list()
    for ax, (panel, names) in zip(axes, _PANELS.items(), strict=True):
        part = frame.filter(pl.col("policy").is_in(names))
        sns.lineplot(
            part.to_pandas(), x="share", y="hits", hue="policy", hue_order=names, style="policy", style_order=names,
            palette=style.palette(names), markers=list(style.MARKERS[: len(names)]), markersize=4, ax=ax,
        )  # fmt: skip
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(FixedLocator(shares))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}"))
        ax.set_ylim(0, 1)
        style.percent(ax, "y")
        ax.set(
            title=panel, xlabel="memory, % of the bytes of all slots", ylabel="hit ratio, repeated accesses"
        )
        handles, labels = ax.get_legend_handles_labels()
        ax.legend(handles, labels, loc="upper left", fontsize="x-small", frameon=False)
    at = dict(frame.filter(pl.col("share") == quote).select("policy", "hits").iter_rows())
    best = max(_PANELS["classical policies"], key=lambda name: at[name])
    numbers = ", ".join(f"{name} {style.share(value)}" for name, value in at.items())
    style.title(
        figure,
        f"With memory for {style.share(quote)} of the slots {best} hits {style.share(at[best])}, LRU {style.share(at['LRU'])}, "
        f"the bound is {style.share(at['Belady'])}",
    )
    return Drawing(
        figure,
        caption="Hit ratio among repeated accesses by memory, every policy with the same bytes: its slots, what it keeps beside "
        f"them, and what it remembers of slots that left. At {style.share(quote)}: {numbers}. Intervals over contracts are in "
        "the figure's data.",
        alt=f"Two panels of rising lines by memory. At {style.share(quote)}: {numbers}.",
    )


def gaps(frame: pl.DataFrame) -> Drawing:
    """Draw the share of the gap to Belady that survival policies close: ``policy``, ``share``, ``best``, ``closed``."""
    figure, ax = style.subplots(height=2.9)
    names = frame["policy"].unique(maintain_order=True).to_list()
    known = frame.drop_nulls("closed")
    sns.lineplot(
        known.to_pandas(), x="share", y="closed", hue="policy", hue_order=names, style="policy", style_order=names,
        palette=style.palette(names), markers=list(style.MARKERS[: len(names)]), markersize=5, ax=ax,
    )  # fmt: skip
    ax.axhline(0, color="black", linewidth=0.8, linestyle=":")
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(FixedLocator(frame["share"].unique().sort().to_list()))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}"))
    style.percent(ax, "y")
    ax.set(xlabel="memory, % of the bytes of all slots", ylabel="share of the gap closed")
    handles, labels = ax.get_legend_handles_labels()
    ax.get_legend().remove()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    wins = {name: known.filter((pl.col("policy") == name) & (pl.col("closed") > 0)).height for name in names}
    sizes = frame["share"].n_unique()
    style.title(
        figure,
        f"{names[0].capitalize()} beats the best classical policy at {wins[names[0]]} of {sizes} sizes, "
        f"{names[1]} at {wins[names[1]]}",
    )
    numbers = "; ".join(
        f"{row['policy']} in {style.share(row['share'], 1)}: {style.share(row['closed'])} of the gap from {row['best']}"
        for row in known.iter_rows(named=True)
    )
    return Drawing(
        figure,
        caption="Share of the gap from the best classical policy to Belady's bound that eviction by the conditional hazard and by "
        "the posterior rate closes, by memory; below zero it hits less. Learned on earlier accesses.",
        alt=f"Two lines around zero. {numbers}.",
    )
