"""Figures of the chapter ``caching``."""

from __future__ import annotations

import polars as pl
import seaborn as sns
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from rollstate.compendium import style
from rollstate.compendium.policy_looks import COLOUR, MARKER
from rollstate.compendium.style import Drawing

_PANELS = {
    "classical policies": ("LRU", "LFU", "ARC", "LIRS", "SIEVE", "S3-FIFO", "W-TinyLFU", "GDSF"),
    "learned, clients, and the bound": (
        "LRU",
        "LHD",
        "Cacheus",
        "fills up",
        "conditional hazard",
        "posterior rate",
        "Belady",
        "wiped at its cap",
    ),
}

_CLASSICAL = (*_PANELS["classical policies"], "LHD", "Cacheus")
_SHOWN = ("LRU", "S3-FIFO", "W-TinyLFU", "LHD", "conditional hazard", "Belady")


def hits(frame: pl.DataFrame, *, quote: float) -> Drawing:
    """Draw hit ratios by memory: ``policy``, ``share``, ``room``, ``hits``, ``hits_low``, ``hits_high``."""
    figure, axes = style.subplots(1, 2, width="page", height=3.9, sharey=True)
    shares = frame["share"].unique().sort().to_list()
    for ax, (panel, names) in zip(axes, _PANELS.items(), strict=True):
        part = frame.filter(pl.col("policy").is_in(names))
        sns.lineplot(
            part.to_pandas(), x="share", y="hits", hue="policy", hue_order=names, style="policy", style_order=names,
            palette=COLOUR, markers=MARKER, dashes=False, markersize=4.5, ax=ax,
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
        ax.legend(handles, labels, loc="upper left", fontsize=7)
    at = dict(frame.filter(pl.col("share") == quote).select("policy", "hits").iter_rows())
    best = max(_CLASSICAL, key=lambda name: at[name])
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


def everywhere(frame: pl.DataFrame, *, quote: float) -> Drawing:
    """Draw miss ratios by memory on every trace: ``trace``, ``policy``, ``share``, ``hits`` with its interval."""
    traces = frame["trace"].unique(maintain_order=True).to_list()
    columns = min(3, len(traces))
    rows = -(-len(traces) // columns)
    figure, axes = style.subplots(
        rows, columns, width="page", height=1.75 * rows + 0.9, squeeze=False, sharex=True, sharey=True
    )
    frame = frame.with_columns(
        misses=1 - pl.col("hits"), low=1 - pl.col("hits_high"), high=1 - pl.col("hits_low")
    )
    for ax, trace in zip(axes.flat, traces, strict=False):
        part = frame.filter(pl.col("trace") == trace, pl.col("policy").is_in(_SHOWN)).sort("share")
        sns.lineplot(
            part.to_pandas(), x="share", y="misses", hue="policy", hue_order=_SHOWN, style="policy",
            style_order=_SHOWN, palette=COLOUR, markers=MARKER, dashes=False, markersize=4.5, ax=ax,
        )  # fmt: skip
        handles, labels = ax.get_legend_handles_labels()
        ax.get_legend().remove()
        for name in ("LRU", "W-TinyLFU"):
            one = part.filter(pl.col("policy") == name).drop_nulls("low")
            style.band(ax, one["share"], one["low"], one["high"], color=COLOUR[name])
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(FixedLocator(frame["share"].unique().sort().to_list()))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}"))
        ax.set_ylim(0, 1)
        style.percent(ax, "y")
        ax.set(title=trace, xlabel="memory, % of the bytes of all slots", ylabel="miss ratio")
        ax.label_outer()
    for ax in axes.flat[len(traces) :]:
        ax.set_axis_off()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    at = frame.filter(pl.col("share") == quote)
    best, said = {}, []
    for trace in traces:
        here = dict(at.filter(pl.col("trace") == trace).select("policy", "misses").iter_rows())
        best[trace] = min(_CLASSICAL, key=lambda name: here[name])
        said.append(
            f"{trace}: {best[trace]} {style.share(here[best[trace]])}, LRU {style.share(here['LRU'])}, "
            f"bound {style.share(here['Belady'])}"
        )
    kinds = list(dict.fromkeys(best.values()))
    finding = (
        f"{', '.join(kinds[:-1])} or {kinds[-1]} misses least among the classical policies, depending on the trace"
        if len(kinds) > 1
        else f"{kinds[0]} misses least among the classical policies on every trace"
    )
    style.title(figure, f"With {style.share(quote)} of the memory {finding}")
    return Drawing(
        figure,
        caption="Miss ratio among repeated accesses by memory on every trace, for some of the policies; the table has all. Bands "
        "of LRU and W-TinyLFU: 95 %, over contracts, or over groups of slots where there are few contracts. "
        f"Miss ratios at {style.share(quote)}: {'; '.join(said)}.",
        alt=f"{len(traces)} panels of falling lines by memory. At {style.share(quote)}: {'; '.join(said)}.",
    )


def gaps(frame: pl.DataFrame) -> Drawing:
    """Draw the share of the gap to Belady that survival policies close: ``policy``, ``share``, ``best``, ``closed``."""
    figure, ax = style.subplots(height=2.9)
    names = frame["policy"].unique(maintain_order=True).to_list()
    known = frame.drop_nulls("closed")
    sns.lineplot(
        known.to_pandas(), x="share", y="closed", hue="policy", hue_order=names, style="policy", style_order=names,
        palette=COLOUR, markers=MARKER, dashes=False, markersize=5, ax=ax,
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
