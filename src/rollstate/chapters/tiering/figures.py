"""Figures of the chapter ``tiering``."""

from __future__ import annotations

import numpy as np
import polars as pl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from rollstate.caching import curves
from rollstate.compendium import style
from rollstate.compendium.policy_looks import COLOUR, MARKER, listed
from rollstate.compendium.style import Drawing
from rollstate.scalars import real
from rollstate.tiering import policies

PENALTY = "cost of a miss (slot-blocks in RAM)"
LOW, HIGH = 0.25, 4.0
"""Ratios that the figures show; what lies beyond is marked at the edge."""


def _ratio_axis(ax: Axes) -> None:
    ax.set_yscale("log", base=2)
    ax.set_ylim(LOW * 0.85, HIGH * 1.2)
    ax.yaxis.set_major_locator(FixedLocator([0.25, 0.5, 1, 2, 4]))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def published(frame: pl.DataFrame) -> Drawing:
    """Draw cost over the clairvoyant's by penalty on the published gaps: ``policy``, ``miss``, ``ratio``."""
    names = frame["policy"].unique(maintain_order=True).to_list()
    shown = frame.filter(pl.col("ratio") < 200)
    figure, ax = style.subplots(width="page", height=3.2)
    sns.lineplot(
        shown.to_pandas(), x="miss", y="ratio", hue="policy", hue_order=names, style="policy", style_order=names,
        palette=COLOUR, markers=MARKER, dashes=False, markersize=5, ax=ax,
    )  # fmt: skip
    style.log_axis(ax, "x", "y")
    ax.set(xlabel=PENALTY, ylabel="cost / clairvoyant's cost")
    ax.legend(title=None, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    wide = frame.pivot("policy", index="miss", values="ratio", aggregate_function="first")
    alone = names[0] if names[0] in wide.columns and len(names) > 4 else None
    if alone:
        lower = wide.filter(pl.col(names[1]) < pl.col(alone) * (1 - 1e-9)).height
        style.title(
            figure,
            f"One fixed window is cheaper than the published policy at {lower} of {wide.height} penalties",
        )
        numbers = f"The fixed window lies below the published policy at {lower} of {wide.height} penalties."
    else:
        style.title(figure, "Simple rules over the clairvoyant's cost")
        numbers = f"{wide.height} penalties."
    return Drawing(
        figure,
        caption="Cost over the clairvoyant's by the cost of a miss, on the gaps of the published Scroll run. The best fixed "
        "window is tuned on the same gaps, as a bound of what one window can do; windows of 30 and 90 days exceed the data "
        "and never demote. Ratios of 200 and more are left out of the figure and are in its data.",
        alt=f"Lines over two logarithmic axes, one for each of {len(names)} policies. {numbers}",
    )


def ratios(frame: pl.DataFrame, *, where: str, proposed: str) -> Drawing:
    """Draw cost over the cheapest simple rule's: ``policy``, ``miss``, ``told``, ``ratio`` with its interval."""
    return _ratios(frame, where, proposed)


def ratios_synthetic(frame: pl.DataFrame, *, where: str, proposed: str) -> Drawing:
    """Draw the same for the published synthetic chain."""
    return _ratios(frame, where, proposed)


def _ratios(frame: pl.DataFrame, where: str, proposed: str) -> Drawing:
    frame = frame.filter(pl.col("policy") != policies.CLAIRVOYANT)
    names = listed(frame["policy"])
    columns = len(policies.SIMPLE)
    rows = -(-len(names) // columns)
    figure, axes = style.subplots(
        rows, columns, width="page", height=1.25 * rows + 0.8, squeeze=False, sharex=True, sharey=True
    )
    grey = _told_until(frame)
    for ax, name in zip(axes.flat, names, strict=False):
        part = frame.filter(pl.col("policy") == name).sort("miss")
        colour = COLOUR[name]
        inside = part["ratio"].clip(LOW, HIGH)
        if grey is not None:
            ax.axvspan(grey, frame["miss"].max(), color="#EEEEEE", zorder=0)
        ax.axhline(1, color="black", linewidth=0.8)
        sns.lineplot(
            x=part["miss"].to_numpy(), y=inside.to_numpy(), color=colour, marker="o", markersize=3.5, ax=ax
        )
        ends = (part[f"ratio_{end}"].cast(pl.Float64) for end in ("low", "high"))
        low, high = (end.fill_null(part["ratio"]).clip(LOW, HIGH) for end in ends)
        ax.fill_between(part["miss"], low, high, color=colour, alpha=style.BAND_ALPHA, linewidth=0)
        for beyond, at, marker in ((pl.col("ratio") > HIGH, HIGH, "^"), (pl.col("ratio") < LOW, LOW, "v")):
            off = part.filter(beyond)
            ax.plot(off["miss"], np.full(off.height, at), marker, color=colour, markersize=5)
        ax.set_title(name, fontweight="bold" if name == proposed else "normal", fontsize=8)
        ax.set(xlabel="", ylabel="", xscale="log")
        _ratio_axis(ax)
    for ax in axes.flat[len(names) :]:
        ax.set_axis_off()
    # The panels above an empty place have the ticks that nothing below them shows.
    for ax in axes.flat[max(0, len(names) - columns) : len(names)]:
        ax.tick_params(labelbottom=True)
    figure.supxlabel(PENALTY, fontsize=8)
    figure.supylabel("cost / cheapest simple rule's cost", fontsize=8)
    own = frame.filter(pl.col("policy") == proposed, "told")["ratio"]
    finding = "these blocks cannot judge the proposed policy"
    if len(own):
        least, most = real(own.min()), real(own.max())
        finding = (
            f"the proposed policy costs {least:.2f} to {most:.2f} times as much as the cheapest simple rule"
        )
    style.title(figure, f"{where}: {finding}")
    numbers = ", ".join(
        f"{row['ratio']:.2f} at {style.plain(row['miss'])}"
        for row in frame.filter(pl.col("policy") == proposed).sort("miss").iter_rows(named=True)
    )
    return Drawing(
        figure,
        caption="Cost over that of the cheapest of the four simple rules (the first row) by the cost of a miss, on later blocks, "
        f"{where}. Below one is cheaper. Bands: 95 % of the paired ratio, bootstrap over contracts; triangles mark values beyond "
        "the axis. On grey, a miss costs more than holding a slot through all judged blocks: these blocks cannot tell whether "
        "to demote, and the title leaves them out.",
        alt=f"{len(names)} small panels of the ratio against the cost of a miss. {proposed}: {numbers}.",
    )


def _told_until(frame: pl.DataFrame) -> float | None:
    """Return where the penalties begin at which the blocks cannot judge, halfway from the last at which they can."""
    told = frame.filter("told")["miss"].max()
    beyond = frame.filter(~pl.col("told"))["miss"].min()
    if beyond is None:
        return None
    return real(frame["miss"].min()) if told is None else float(np.sqrt(real(told) * real(beyond)))


METRICS = {
    "ram_ratio": "slot-blocks in RAM",
    "hit_coverage": "hit ratio",
    "competitive_ratio": "cost / clairvoyant's (log)",
}


def metrics(frame: pl.DataFrame, *, quote: float, proposed: str) -> Drawing:
    """Draw what policies did, sorted by cost: ``policy``, ``metric``, ``value``, ``low``, ``high``."""
    factor = frame.filter(pl.col("metric") == "competitive_ratio").sort("value", maintain_order=True)
    rows = factor["policy"].to_list()
    figure, axes = style.subplots(1, len(METRICS), width="page", height=0.22 * len(rows) + 0.9, sharey=True)
    for (name, label), ax in zip(METRICS.items(), axes, strict=True):
        part = frame.filter(pl.col("metric") == name).with_columns(
            pl.coalesce(pl.col(end).cast(pl.Float64), "value").alias(end) for end in ("low", "high")
        )
        style.ranges(part.to_pandas(), ax, value="value", low="low", high="high", row="policy", rows=rows)
        ax.set_xlabel(label)
        if name == "competitive_ratio":
            style.log_axis(ax, "x")
        else:
            ax.set_xlim(-0.03, 1.03)
            ax.xaxis.set_major_locator(FixedLocator([0, 0.5, 1]))
            style.percent(ax, "x")
    for ax in axes[1:]:
        ax.tick_params(labelleft=False)
    for text in axes[0].get_yticklabels():
        if text.get_text() == proposed:
            text.set_fontweight("bold")
    at = {
        row["metric"]: row["value"]
        for row in frame.filter(pl.col("policy") == proposed).iter_rows(named=True)
    }
    kept, hits = style.share(at["ram_ratio"], 1), style.share(at["hit_coverage"])
    style.title(figure, f"The proposed policy keeps {kept} of slot-blocks in RAM and hits {hits} of accesses")
    return Drawing(
        figure,
        caption=f"What policies keep in RAM, hit there and pay at a miss cost of {quote:g} slot-blocks, on later blocks, sorted by "
        "cost; 95 % intervals over contracts. Policies whose rows agree set the same windows. The data has misses, moves and "
        "regret as well.",
        alt=f"Three panels of dots with intervals for {len(rows)} policies. {proposed}: {kept} in RAM, hit ratio {hits}, "
        f"{at['competitive_ratio']:.2f} times the clairvoyant's cost.",
    )


def horizon(frame: pl.DataFrame, *, quote: float, threshold: str, proposed: str) -> Drawing:
    """Draw the cost of the probability threshold by its horizon: ``policy``, ``tau``, ``ratio``."""
    figure, ax = style.subplots(height=2.6)
    for name, look in ((threshold, {"marker": "o"}), (proposed, {"linestyle": "--"})):
        part = frame.filter(pl.col("policy") == name).to_pandas()
        sns.lineplot(part, x="tau", y="ratio", color=COLOUR[name], ax=ax, **look)
    ax.axhline(1, color="black", linewidth=0.8)
    own = frame.filter(pl.col("policy") == threshold)
    exact = frame.filter(pl.col("policy") == proposed)["ratio"][0]
    style.log_axis(ax, "x")
    ax.set_ylim(0, max(1.1, 1.05 * real(frame["ratio"].max())))
    ax.annotate(
        proposed,
        (frame["tau"].min(), exact),
        xytext=(0, -10),
        textcoords="offset points",
        color=COLOUR[proposed],
        fontsize=7.5,
    )
    ax.annotate(
        threshold,
        (own["tau"][-1], own["ratio"][-1]),
        xytext=(0, 5),
        textcoords="offset points",
        ha="right",
        color=COLOUR[threshold],
        fontsize=7.5,
    )
    ax.set(xlabel="horizon of the threshold (blocks)", ylabel="cost / cheapest simple rule")
    least, most = real(own["ratio"].min()), real(own["ratio"].max())
    style.title(
        figure,
        f"The probability threshold costs {least:.2f} to {most:.2f} times the cheapest simple rule, by its horizon",
    )
    return Drawing(
        figure,
        caption=f"Cost of the probability threshold over that of the cheapest simple rule by its horizon, at a miss cost of "
        f"{quote:g} slot-blocks. Dashed: the window of least expected cost on the same curves, which has no horizon.",
        alt=f"A line between {least:.2f} and {most:.2f} over the horizon, and a level at {exact:.2f}.",
    )


def misjudged(frame: pl.DataFrame, *, quote: float) -> Drawing:
    """Draw the cost of a wrong penalty: ``policy``, ``factor``, ``ratio``."""
    figure, ax = style.subplots(height=2.7)
    names = listed(frame["policy"])
    sns.lineplot(
        frame.to_pandas(), x="factor", y="ratio", hue="policy", hue_order=names, style="policy", style_order=names,
        palette=COLOUR, markers=MARKER, dashes=False, markersize=5, ax=ax,
    )  # fmt: skip
    ax.axhline(1, color="black", linewidth=0.8)
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(FixedLocator([0.01, 0.1, 1, 10, 100]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.set_yscale("log", base=2)
    ax.yaxis.set_major_locator(FixedLocator([0.25, 0.5, 1, 2, 4, 8, 16]))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.annotate(
        "cost with the true penalty",
        (100, 1),
        xytext=(0, -9),
        textcoords="offset points",
        ha="right",
        fontsize=7,
    )
    ax.set(xlabel="assumed penalty / true penalty", ylabel="cost / cost when right")
    ax.legend(title=None)
    tenfold = frame.filter(pl.col("factor").is_in([0.1, 10.0])).group_by("policy").agg(pl.col("ratio").max())
    worst = tenfold.sort("ratio").row(-1, named=True)
    style.title(
        figure,
        f"A tenfold error costs up to {worst['ratio']:.1f} times as much as no error ({worst['policy']})",
    )
    numbers = ", ".join(
        f"{row['policy']} {row['ratio']:.2f}" for row in tenfold.sort("policy").iter_rows(named=True)
    )
    return Drawing(
        figure,
        caption=f"What a wrong penalty costs: windows set for another penalty, replayed at the true one of {quote:g} slot-blocks. "
        "Ski rental may gain where it is told too low a penalty, where most spells stay open.",
        alt=f"Lines that equal one at the true penalty. Worse side of a tenfold error: {numbers}.",
    )


def tiers(frame: pl.DataFrame) -> Drawing:
    """Draw three tiers at several values of a second: ``usd_per_s``, ``policy``, ``ratio``."""
    names = frame["policy"].unique(maintain_order=True).to_list()
    values = frame["usd_per_s"].unique(maintain_order=True).to_list()
    figure, axes = style.subplots(1, len(values), width="page", height=2.3, sharey=True)
    for value, ax in zip(values, axes, strict=True):
        part = frame.filter(pl.col("usd_per_s") == value).to_pandas()
        sns.stripplot(part, x="ratio", y="policy", order=names, hue="policy", hue_order=names, legend=False,
                      palette=list(style.palette(names).values()), size=5, jitter=False, ax=ax)  # fmt: skip
        ax.axvline(1, color="black", linewidth=0.8)
        ax.set_xscale("log")
        style.log_axis(ax, "x")
        ax.xaxis.set_major_locator(LogLocator(numticks=4))
        ax.set(title=f"{style.plain(value)} $ per second", ylabel="", xlabel="cost / cheapest single tier")
    two = frame.filter(pl.col("policy") == names[0])["ratio"]
    style.title(
        figure,
        f"Two windows cost {real(two.min()):.2f} to {real(two.max()):.2f} times as much as the cheapest tier",
    )
    numbers = "; ".join(
        f"{row['policy']} at {style.plain(row['usd_per_s'])} $/s: {row['ratio']:.2f}"
        for row in frame.filter(pl.col("policy").is_in(names[:2])).iter_rows(named=True)
    )
    return Drawing(
        figure,
        caption="Cost over that of the cheapest single tier at three values of a second's delay, on later blocks: the two-window "
        "rule of least expected cost, the published placement (argmin of holding and expected miss over RAM, SSD and cold), "
        "and each tier alone.",
        alt=f"Dots in {len(values)} panels. {numbers}.",
    )


def capacity(frame: pl.DataFrame) -> Drawing:
    """Draw hits of repeated accesses by RAM size: ``policy``, ``share``, ``hits``, ``hits_low``, ``hits_high``."""
    figure, ax = style.subplots(height=3.3)
    names = frame["policy"].unique(maintain_order=True).to_list()
    # Beside each other, so that their bars can be told apart.
    place = pl.col("policy").replace_strict(
        {name: i for i, name in enumerate(names)}, return_dtype=pl.Float64
    )
    beside = frame.with_columns(at=pl.col("share") * 1.025 ** (place - (len(names) - 1) / 2))
    for (name,), rows in beside.drop_nulls("hits_low").group_by("policy", maintain_order=True):
        ax.vlines(rows["at"], rows["hits_low"], rows["hits_high"], color=COLOUR[str(name)], lw=1)
    sns.lineplot(
        beside.to_pandas(), x="at", y="hits", hue="policy", hue_order=names, style="policy", style_order=names,
        palette=COLOUR, markers=MARKER, dashes=False, markersize=5, ax=ax,
    )  # fmt: skip
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(FixedLocator(frame["share"].unique().sort().to_list()))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_ylim(0, 1)
    style.percent(ax, "x", "y")
    ax.set(xlabel="memory, share of the bytes of all slots", ylabel="hit ratio, repeated accesses")
    handles, labels = ax.get_legend_handles_labels()
    ax.get_legend().remove()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    middle = frame["share"].unique().sort().to_list()[frame["share"].n_unique() // 2]
    at = dict(frame.filter(pl.col("share") == middle).select("policy", "hits").iter_rows())
    numbers = ", ".join(f"{name} {style.share(value)}" for name, value in at.items())
    best = max((name for name in names if name != curves.BELADY), key=lambda name: at[name])
    style.title(
        figure,
        f"With memory for {style.share(middle)} of slots {best} hits {style.share(at[best])}, LRU {style.share(at[curves.LRU])}",
    )
    return Drawing(
        figure,
        caption="Hit ratio among repeated accesses by memory, metadata of each cache included; first accesses miss under every "
        "policy and are left out. Belady's rule knows the future. Bars: 95 % bootstrap over contracts, or over groups of "
        "slots where contracts are few; points at one size stand side by side.",
        alt=f"Rising lines. With RAM for {style.share(middle)} of the slots: {numbers}.",
    )
