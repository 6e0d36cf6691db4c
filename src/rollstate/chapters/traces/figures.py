"""Figures of the chapter ``traces``."""

from __future__ import annotations

import polars as pl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from rollstate.compendium import style
from rollstate.compendium.style import Drawing

_BARS_UP_TO = 120
_KINDS = ("written", "read only")


def blocks(
    frame: pl.DataFrame,
    *,
    blocks: int,
    run: int,
    median: float,
    mean: float,
    least: int,
    most: int,
    contracts: float,
    read: float,
) -> Drawing:
    """Draw what blocks touch: ``block_number``, ``written``, ``read``, ``contracts``, and what is said of single blocks.

    Long windows are drawn as lines; bars of thousands of blocks would be a grey surface.
    """
    figure, (top, low) = style.subplots(2, 1, width="page", height=3.6, sharex=True, height_ratios=(2, 1))
    first = int(frame["block_number"][0])
    wide = frame.with_columns(block=pl.col("block_number") - first).rename({"read": "read only"})
    long = wide.unpivot(_KINDS, index="block", variable_name="kind", value_name="slots").to_pandas()
    look = {"hue_order": _KINDS, "palette": style.palette(_KINDS)}
    if frame.height <= _BARS_UP_TO:
        sns.histplot(
            long, x="block", weights="slots", hue="kind", multiple="stack", discrete=True, shrink=0.85,
            alpha=1, linewidth=0, ax=top, **look,
        )  # fmt: skip
        sns.histplot(
            wide.to_pandas(), x="block", weights="contracts", discrete=True, shrink=0.85, alpha=1, linewidth=0,
            color=style.COLOURS[2], ax=low,
        )  # fmt: skip
    else:
        sns.lineplot(
            long, x="block", y="slots", hue="kind", style="kind", style_order=_KINDS, linewidth=0.8,
            errorbar=None, ax=top, **look,
        )  # fmt: skip
        sns.lineplot(
            wide.to_pandas(), x="block", y="contracts", color=style.COLOURS[2], linewidth=0.8, errorbar=None,
            ax=low,
        )  # fmt: skip
    sns.move_legend(top, "lower right", bbox_to_anchor=(1, 1), ncols=2, title=None, borderaxespad=0.2)
    top.set_ylabel("slots per block")
    low.set(ylabel="contracts\nper block", xlabel=f"blocks after {first:,}")
    low.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    for ax in (top, low):
        _thousands(ax, "x", "y")
        ax.grid(axis="x", visible=False)
        ax.margins(x=0.01)
    # Where most blocks touch nothing their median says nothing.
    usual = f"{median:,.0f} slots in the median" if median >= 1 else f"{mean:.2g} slots on average"
    style.title(
        figure,
        f"A block touches {usual} and only reads {style.share(read)} of them",
    )
    if least == most:
        range_of_slots = f"Every block touches {least:,} slots"
    else:
        differ = "differ widely:" if most > 2 * least else "touch"
        range_of_slots = f"Blocks {differ} from {least:,} to {most:,} slots, median {median:,.0f}"
    each = f" Each point is the mean of {run:,} blocks." if run > 1 else ""
    return Drawing(
        figure,
        caption="Slots that each block writes or only reads, and contracts whose storage it touches. "
        f"{range_of_slots}.{each}",
        alt=f"Counts per block over {blocks:,} blocks: slots written and slots only read, between {least:,} and "
        f"{most:,} in total, {style.share(read)} of them only read; below, contracts per block, median "
        f"{contracts:,.0f}.{each}",
    )


def write_share(frame: pl.DataFrame) -> Drawing:
    """Draw how often accesses write by how many blocks touch the slot; columns of `rollstate.coverage.write_share`."""
    rows = frame.with_columns(
        pl.col("low", "high").cast(pl.Float64),
        row=pl.Series(
            [
                f"{_between(fewest, most)}\n{events:,} accesses"
                for fewest, most, events in frame.select("fewest", "most", "events").iter_rows()
            ]
        ),
    )
    figure, ax = style.subplots(height=0.9 + 0.36 * frame.height)
    style.ranges(rows.to_pandas(), ax, value="share", low="low", high="high", row="row")
    ax.set(xlabel="share of accesses that write", ylabel="blocks that touch the slot")
    style.percent(ax, "x")
    least, most = (rows.sort("share").row(at, named=True) for at in (0, -1))
    lowest, highest = style.share(least["share"]), style.share(most["share"])
    few, many = (f"touched in {_between(one['fewest'], one['most'])}" for one in (least, most))
    if lowest == highest:
        title = f"Slots of every class are written in {highest} of their accesses"
        found = f"is {highest} in every class of slots"
    else:
        title = f"Slots {many} are written in {highest} of their accesses, those {few} in {lowest}"
        found = f"is least with {lowest} on slots {few}, and largest with {highest} on slots {many}"
    style.title(figure, title)
    return Drawing(
        figure,
        caption="Share of accesses that write, by the number of blocks that touch the slot. Lines: 95 % bootstrap over "
        f"contracts. The share {found}.",
        alt=f"Dots with intervals for {frame.height} class{'es' * (frame.height != 1)} of slots. The share of accesses that "
        f"write {found}.",
    )


def concentration(frame: pl.DataFrame) -> Drawing:
    """Draw concentration curves: ``unit``, ``top``, ``value``, ``low``, ``high``; lines without ``top`` are left out."""
    curves = frame.drop_nulls("top").with_columns(pl.col("low", "high").cast(pl.Float64))
    figure, ax = style.subplots(height=2.7)
    units = ("contracts", "slots")
    colours = style.palette(units)
    sns.lineplot(
        curves.to_pandas(), x="top", y="value", hue="unit", hue_order=units, palette=colours, style="unit",
        style_order=units, errorbar=None, legend=False, ax=ax,
    )  # fmt: skip
    for unit in units:
        part = curves.filter(pl.col("unit") == unit)
        style.band(ax, part["top"], part["low"], part["high"], color=colours[unit])
        middle = part.row(part.height // 2, named=True)
        ax.annotate(
            unit,
            (middle["top"], middle["value"]),
            (-4, 5),
            textcoords="offset points",
            ha="right",
            color=colours[unit],
        )
    equal = curves["top"].unique().sort()
    ax.plot(equal, equal, color="black", linestyle=":", linewidth=0.8)
    ax.annotate("equal use", (0.15, 0.15), (2, -2), textcoords="offset points", va="top", ha="left")
    ax.set_xscale("log")
    ax.set(xlim=(equal[0], 1), ylim=(0, 1.02), xlabel="busiest share of units", ylabel="share of accesses")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}\u202f%"))
    style.percent(ax, "y")
    of = {(unit, top): style.share(_at(curves, unit, top)) for unit in units for top in (0.01, 0.1)}
    style.title(figure, f"1\u202f% of the contracts receive {of['contracts', 0.01]} of the accesses")
    return Drawing(
        figure,
        caption="Share of accesses on the busiest slots and contracts (log scale), with 95 % bootstrap bands over contracts. "
        f"The busiest tenth receives {of['slots', 0.1]} for slots and {of['contracts', 0.1]} for contracts. Only units "
        "that the window touches count.",
        alt=f"Two rising curves, contracts above slots. At a hundredth of the units they stand at "
        f"{of['contracts', 0.01]} and {of['slots', 0.01]}, at a tenth at {of['contracts', 0.1]} and {of['slots', 0.1]}.",
    )


def discovery(frame: pl.DataFrame, *, orders: int) -> Drawing:
    """Draw distinct slots against blocks seen; columns of `rollstate.coverage.discovery`."""
    figure, ax = style.subplots(height=2.6)
    names = {"seen": "as the blocks came", "mean": "in random order"}
    long = frame.rename(names).unpivot(
        list(names.values()), index="blocks", variable_name="order", value_name="slots"
    )
    colours = dict(zip(names.values(), ("#000000", style.COLOURS[0]), strict=True))
    sns.lineplot(
        long.to_pandas(),
        x="blocks",
        y="slots",
        hue="order",
        palette=colours,
        style="order",
        errorbar=None,
        ax=ax,
    )
    style.band(ax, frame["blocks"], frame["low"], frame["high"], color=style.COLOURS[0])
    ax.legend(title=None, loc="lower right")
    ax.set(xlim=(0, frame["blocks"][-1] * 1.01), xlabel="blocks seen", ylabel="distinct slots")
    ax.set_ylim(bottom=0)
    _thousands(ax, "x", "y")
    last = frame.row(-1, named=True)
    half = frame.row(by_predicate=pl.col("blocks") == max(last["blocks"] // 2, 1), named=True)
    seen, mean = (style.share(half[name] / last["seen"]) for name in ("seen", "mean"))
    style.title(figure, f"Half of the blocks show {seen} of the slots")
    return Drawing(
        figure,
        caption="Distinct slots seen against blocks seen: as the blocks came, and in random order (exact mean; band: "
        f"central 95 % of {orders} orders). Half of the blocks show {seen} of the slots, the mean of random orders {mean}.",
        alt=f"Curves of distinct slots rising to {last['seen']:,} over {last['blocks']:,} blocks. After half of the blocks "
        f"the observed order stands at {seen} and the mean of random orders at {mean}.",
    )


def _between(fewest: int, most: int) -> str:
    """Return a class of block counts in words."""
    if fewest == most:
        return f"{fewest:,} block" + ("s" if fewest > 1 else "")
    return f"{fewest:,} to {most:,} blocks"


def _at(curves: pl.DataFrame, unit: str, top: float) -> float:
    """Return a curve's share at one share of its units, which is a line of its own."""
    return curves.filter(pl.col("unit") == unit, (pl.col("top") - top).abs() < 1e-9)["value"][0]


def _thousands(ax: Axes, *axes: str) -> None:
    for name in axes:
        getattr(ax, f"{name}axis").set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
