"""Figures of the chapter ``eda``."""

from __future__ import annotations

import polars as pl
import seaborn as sns
from matplotlib.ticker import FuncFormatter, MaxNLocator

from rollstate.compendium import style
from rollstate.compendium.style import Drawing
from rollstate.scalars import real, whole

_COMPLETED, _ALL = "completed gaps alone", "all spells"


def _names(frame: pl.DataFrame, column: str) -> list[str]:
    return frame[column].unique(maintain_order=True).to_list()


def _ends(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with numbers as ends: a column without any is read from CSV as text."""
    return frame.with_columns(pl.col("low", "high").cast(pl.Float64))


def frequency(frame: pl.DataFrame, *, over: str = "contracts") -> Drawing:
    """Draw the share of slots with at least so many visits: ``visits``, ``share``, ``low``, ``high``."""
    frame = _ends(frame)
    figure, ax = style.subplots()
    sns.lineplot(frame.to_pandas(), x="visits", y="share", marker="o", markersize=3, errorbar=None, ax=ax)
    style.band(ax, frame["visits"], frame["low"], frame["high"])
    style.log_axis(ax, "x", "y")
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}\u202f%"))
    ax.set(xlabel="touched in at least so many blocks", ylabel="share of slots")
    at = {
        least: style.share(frame.filter(pl.col("visits") >= least)["share"].max() or 0, digits)  # type: ignore[arg-type]
        for least, digits in ((2, 0), (10, 1))
    }
    style.title(figure, f"{at[2]} of the slots are touched in more than one block")
    return Drawing(
        figure,
        caption=f"Share of the touched slots that at least k blocks touch. Band: 95 % bootstrap over {over}.",
        alt=f"A falling curve on logarithmic axes: {at[2]} of the slots are touched in two blocks or more, {at[10]} in "
        "ten or more.",
    )


def gaps(frame: pl.DataFrame, *, by: str, over: str = "contracts") -> Drawing:
    """Draw survival of the gap by stratum with spells at risk; columns as `rollstate.chapters.eda.study.gaps` has them."""
    frame = _ends(frame)
    figure, ax = style.subplots(width="page", height=3.6)
    names = _names(frame, "stratum")
    followed = [name for name in names if name != _COMPLETED]
    colours = {**style.palette(followed), _COMPLETED: "#555555"}
    dashes = {name: (1, 1) if name == _COMPLETED else "" for name in names}
    sns.lineplot(
        frame.to_pandas(), x="gap", y="survival", hue="stratum", hue_order=names, palette=colours, style="stratum",
        style_order=names, dashes=dashes, drawstyle="steps-post", errorbar=None, ax=ax,
    )  # fmt: skip
    for name in followed:
        part = frame.filter(pl.col("stratum") == name)
        style.band(ax, part["gap"], part["low"], part["high"], color=colours[name], step="post")
    ax.set(ylim=(0, 1.02), xlabel="blocks since the last access", ylabel="not accessed again")
    ax.set_xlim(left=0, right=frame["gap"].max())
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    style.percent(ax, "y")
    ax.legend(title=None)
    style.at_risk(ax, frame.filter(pl.col("stratum") != _COMPLETED).to_pandas(), time="gap", series="stratum")
    last = {name: style.share(frame.filter(pl.col("stratum") == name)["survival"][-1]) for name in names}
    said = "; ".join(f"{name} {last[name]}" for name in followed)
    style.title(figure, f"{last[followed[0]]} of the gaps after a {followed[0]} outlast the window")
    return Drawing(
        figure,
        caption=f"Kaplan-Meier curves: share of spells without another access, by {by} at the start of the spell, with the "
        f"spells still at risk below. Bands: 95 % bootstrap over {over}. Dotted: what completed gaps alone would say.",
        alt=f"Falling step curves, one for each stratum. At the end of the window they stand at: {said}. The dotted curve "
        "of completed gaps alone falls to zero.",
    )


def hazard(frame: pl.DataFrame, *, over: str = "contracts") -> Drawing:
    """Draw the chance of another access per block: ``stratum``, ``above``, ``to``, ``hazard``, ``low``, ``high``."""
    frame = _ends(frame).filter(pl.col("hazard") > 0)
    figure, ax = style.subplots(height=2.9)
    names = _names(frame, "stratum")
    colours = {name: "#000000" if name == _ALL else style.COLOURS[at - 1] for at, name in enumerate(names)}
    frame = frame.with_columns(middle=((pl.col("above") + 1) * pl.col("to")).sqrt())
    sns.lineplot(
        frame.to_pandas(), x="middle", y="hazard", hue="stratum", hue_order=names, palette=colours, style="stratum",
        style_order=names, markers=list(style.MARKERS[: len(names)]), dashes=False, errorbar=None, ax=ax,
    )  # fmt: skip
    for name in names:
        part = frame.filter(pl.col("stratum") == name)
        style.band(ax, part["middle"], part["low"], part["high"], color=colours[name])
    style.log_axis(ax, "x", "y")
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}\u202f%"))
    ax.set(xlabel="blocks since the last access", ylabel="accessed in the next block")
    ax.legend(title=None)
    ends = {
        name: (part["hazard"][0], part["hazard"][-1])
        for name in names
        for part in [frame.filter(pl.col("stratum") == name)]
    }
    style.title(figure, f"The chance of another access {_change(*ends[_ALL])} per block")
    said = "; ".join(
        f"{name} from {style.share(first, 1)} to {style.share(last, 1)}"
        for name, (first, last) in ends.items()
    )
    course = "that fall with" if all(last < first for first, last in ends.values()) else "over"
    return Drawing(
        figure,
        caption="Chance of an access per block, by the time since the last one: increments of the Nelson-Aalen estimate over "
        f"runs of gap times that double in length. Bands: 95 % bootstrap over {over}.",
        alt=f"Curves on logarithmic axes {course} the time since the last access: {said}.",
    )


def _change(first: float, last: float) -> str:
    """Say how a chance moves from its first value to its last, as far as their texts can tell."""
    begin, end = style.share(first, 1), style.share(last, 1)
    return (
        f"stays at {begin}"
        if begin == end
        else f"{'falls' if last < first else 'rises'} from {begin} to {end}"
    )


def hill(frame: pl.DataFrame, *, chosen_k: int, k_low: int, k_high: int, drift: float) -> Drawing:
    """Draw the Hill plot and the share of events; columns as `rollstate.tails.hill_plot` returns them."""
    figure, (left, right) = style.subplots(1, 2, width="page", height=2.6)
    data = frame.to_pandas()
    sns.lineplot(data, x="k", y="alpha", marker="o", markersize=3, errorbar=None, ax=left)
    style.band(left, frame["k"], frame["low"], frame["high"])
    left.axvspan(k_low, k_high, color="#999999", alpha=0.25, linewidth=0)
    left.axvline(chosen_k, color="#333333", linestyle="--", linewidth=0.9)
    sns.lineplot(
        data,
        x="k",
        y="event_share",
        color=style.COLOURS[1],
        marker="s",
        markersize=3,
        errorbar=None,
        ax=right,
    )
    right.axhline(0.5, color="#333333", linestyle=":", linewidth=0.9)
    style.log_axis(left, "x", "y")
    style.log_axis(right, "x")
    right.set_ylim(0, 1)
    style.percent(right, "y")
    left.set(xlabel="number k of longest gaps", ylabel="tail index of the gap")
    right.set(xlabel="number k of longest gaps", ylabel="gaps that end with an access")
    share = style.share(frame.sort((pl.col("k") - chosen_k).abs())["event_share"][0])
    low, high = real(frame["alpha"].min()), real(frame["alpha"].max())
    style.title(
        figure, f"The number of gaps used decides the tail index: anything from {low:.2g} to {high:.2g}"
    )
    return Drawing(
        figure,
        caption="Left: tail index by the number of longest gaps used. Right: share of those gaps that end with an access. "
        "Band: 95 %, robust to dependence within contracts. Dashed: the k chosen by distance to the data; grey: its 95 % "
        f"bootstrap interval; dotted: one half. Within a fourfold range of the chosen k of {chosen_k:,} the index changes "
        f"by a factor {drift:.1f}.",
        alt=f"Two panels. The index lies between {low:.2g} and {high:.2g}. At the chosen k of {chosen_k:,}, {share} of the "
        f"gaps end with an access; within a fourfold range of it the index changes by a factor {drift:.1f}.",
    )


def reuse(frame: pl.DataFrame) -> Drawing:
    """Draw the share of a block's slots seen before, by lag: ``touches``, ``lag``, ``share``, ``low``, ``high``."""
    figure, ax = style.subplots()
    names = _names(frame, "touches")
    colours = style.palette(names)
    sns.lineplot(
        frame.to_pandas(), x="lag", y="share", hue="touches", hue_order=names, palette=colours, style="touches",
        style_order=names, markers=list(style.MARKERS[: len(names)]), errorbar=None, ax=ax,
    )  # fmt: skip
    for name in names:
        part = frame.filter(pl.col("touches") == name)
        style.band(ax, part["lag"], part["low"], part["high"], color=colours[name])
    ax.set(xlabel="blocks looked back", ylabel="slots touched in these", ylim=(0, 1))
    ax.set_xlim(left=0)
    style.percent(ax, "y")
    ax.legend(title=None)
    lag = whole(frame["lag"].max())
    at = {
        name: style.share(share)
        for name, share in frame.filter(pl.col("lag") == lag).select("touches", "share").rows()
    }
    style.title(figure, f"The last {lag:,} blocks touched {at[names[0]]} of a block's slots")
    return Drawing(
        figure,
        caption="Share of a block's slots that the blocks before it touched. Bands: 95 % moving-block bootstrap over "
        "blocks.",
        alt=f"Rising lines. Looking back {lag:,} blocks they stand at: "
        + "; ".join(f"{name} {share}" for name, share in at.items())
        + ".",
    )


def co_access(frame: pl.DataFrame) -> Drawing:
    """Draw lifts by class of active blocks: ``active``, ``contracts``, ``quantile``, ``value``, ``low``, ``high``."""
    frame = frame.with_columns(row=pl.format("{}\n{} contracts", "active", "contracts"))
    rows, quantiles = _names(frame, "row"), ("median", "90th percentile")
    figure, ax = style.subplots(height=1.2 + 0.4 * len(rows))
    style.ranges(
        frame.to_pandas(), ax, value="value", low="low", high="high", row="row", colour="quantile", rows=rows,
        colours=quantiles,
    )  # fmt: skip
    ax.axvline(1, color="black", linewidth=0.8, linestyle=":")
    ax.set(xlabel="pairs of slots in a block, observed / expected", ylabel="active blocks")
    style.key(figure, quantiles)
    middle, upper = (frame.filter(pl.col("quantile") == name).row(-1, named=True) for name in quantiles)
    style.title(
        figure,
        f"Slots of the median contract meet {middle['value']:.2f} times as often as its calls explain",
    )
    return Drawing(
        figure,
        caption="Pairs of slots that a block touches together, over what the contract's calls alone would give if each call "
        "touched its slots independently; dotted: equal. Contracts by the number of blocks in which they are active. Lines: "
        "95 % bootstrap over contracts.",
        alt=f"Dots with intervals. Over all {middle['contracts']:,} contracts the median ratio is {middle['value']:.2f} and "
        f"the 90th percentile {upper['value']:.2f}.",
    )


def autocorrelation(frame: pl.DataFrame, *, width: int, contracts: int) -> Drawing:
    """Draw the mean autocorrelation by lag with the band of shuffled time: ``lag``, ``mean``, ``low``, ``high``."""
    figure, ax = style.subplots()
    ax.fill_between(frame["lag"], frame["low"], frame["high"], color="#999999", alpha=0.35, lw=0)
    ax.vlines(frame["lag"], 0, frame["mean"], color=style.COLOURS[0], linewidth=1.2)
    sns.scatterplot(frame.to_pandas(), x="lag", y="mean", color=style.COLOURS[0], s=18, linewidth=0, ax=ax)
    ax.axhline(0, color="#333333", linewidth=0.7)
    ax.set(xlabel="lag (blocks)", ylabel="mean autocorrelation")
    outside = frame.filter(~pl.col("mean").is_between(pl.col("low"), pl.col("high")))
    style.title(figure, f"Activity leaves the band of chance at {outside.height} of {frame.height} lags")
    furthest = frame.sort(pl.col("mean").abs()).row(-1, named=True)
    return Drawing(
        figure,
        caption=f"Autocorrelation of visits in {'each block' if width == 1 else f'runs of {width} blocks'} by lag, mean over "
        f"{contracts:,} busy contracts. Grey: 95 % of that mean in shuffled time.",
        alt=f"Stems by lag with a grey band. The mean is outside of the band at {outside.height} of {frame.height} lags; it "
        f"is largest at lag {furthest['lag']:,}, where it is {furthest['mean']:.3f}.",
    )


def peer_rule(frame: pl.DataFrame, *, half: int) -> Drawing:
    """Draw two survival curves and their difference: ``panel``, ``rule``, ``gap``, ``survival``, ``low``, ``high``."""
    frame = _ends(frame).with_columns(pl.col("gap") / 1_000)
    figure, (left, right) = style.subplots(1, 2, width="page", height=2.6)
    curves, difference = (frame.filter(pl.col("panel") == name) for name in ("share", "difference"))
    rules = _names(curves, "rule")
    sns.lineplot(
        curves.to_pandas(), x="gap", y="survival", hue="rule", hue_order=rules, palette=style.palette(rules),
        style="rule", style_order=rules, errorbar=None, ax=left,
    )  # fmt: skip
    left.legend(title=None)
    left.set(ylim=(0, 1.02), ylabel="not accessed again")
    sns.lineplot(
        difference.to_pandas(), x="gap", y="survival", color=style.COLOURS[2], errorbar=None, ax=right
    )
    style.band(right, difference["gap"], difference["low"], difference["high"], color=style.COLOURS[2])
    right.axhline(0, color="black", linewidth=0.8, linestyle=":")
    right.set(ylabel="difference of the two curves")
    for ax in (left, right):
        ax.set(xlabel="thousands of blocks since the last access")
        ax.set_xlim(left=0)
        ax.xaxis.set_major_locator(MaxNLocator(5))
        style.percent(ax, "y")
    at = {
        (row["panel"], row["rule"]): style.share(row["survival"], 1)
        for row in frame.filter(pl.col("gap") == half / 1_000).iter_rows(named=True)
    }
    off = at["difference", rules[0]]
    style.title(
        figure, f"Restarting the clock overstates the share of open gaps by {off} at half of the window"
    )
    return Drawing(
        figure,
        caption="Kaplan-Meier curves of the gap on the synthetic trace of zk-state-prune by two interval rules, and their "
        "difference. Band: 95 % paired bootstrap over contracts.",
        alt=f"Two panels. At half of the window the share of open gaps is {at['share', rules[0]]} with the clock restarted "
        f"and {at['share', rules[1]]} with delayed entry, a difference of {off} of all gaps.",
    )
