"""Figures of the chapter ``execution``."""

from __future__ import annotations

import polars as pl
import seaborn as sns
from matplotlib.ticker import FuncFormatter

from rollstate.compendium import style
from rollstate.compendium.style import Drawing
from rollstate.scalars import real, whole

_RULES = ("strict", "lazy balances", "with a block access list")
_ENGINES = ("locks", "optimistic, validated", "optimistic rounds", "two phases")


def _limit(frame: pl.DataFrame, rule: str, cost: str) -> float:
    return frame.filter(rule=rule, cost=cost, average="ratio of sums")["limit"][0]


def limits(frame: pl.DataFrame) -> Drawing:
    """Draw each rule's limit: ``rule``, ``cost``, ``average``, ``limit``, ``low``, ``high``."""
    figure, axes = style.subplots(1, 2, width="page", height=2.6, sharey=True)
    averages = ("ratio of sums", "mean of ratios")
    for ax, cost in zip(axes, ("unit", "access gas"), strict=True):
        part = frame.filter(cost=cost).to_pandas()
        style.ranges(
            part,
            ax,
            value="limit",
            low="low",
            high="high",
            row="rule",
            colour="average",
            rows=_RULES,
            colours=averages,
        )
        ax.set_xlim(1, 300)
        style.log_axis(ax, "x")
        ax.set_xlabel("speed-up, " + {"unit": "one per transaction", "access gas": "access gas"}[cost])
    style.key(figure, averages)
    strict, lazy = _limit(frame, _RULES[0], "unit"), _limit(frame, _RULES[1], "unit")
    listed = _limit(frame, _RULES[2], "access gas")
    style.title(
        figure, f"The limit is {strict:.1f} if balances conflict, and {lazy:.1f} if they are added up lazily"
    )
    return Drawing(
        figure,
        caption="Speed-up of unlimited threads under three conflict rules, by cost of a transaction and by kind of average; "
        "95 % bootstrap over blocks of this sample.",
        alt=f"Dot plots. Ratio of sums with unit costs: strict {strict:.1f}, lazy balances {lazy:.1f}. With a block access "
        f"list and access gas {listed:.0f}.",
    )


def blocks(frame: pl.DataFrame) -> Drawing:
    """Draw critical path and independent share of each block; ``transactions``, ``path``, ``independent``."""
    figure, (left, right) = style.subplots(1, 2, width="page", height=2.5)
    data = frame.to_pandas()
    sns.scatterplot(data, x="transactions", y="path", s=16, color=style.COLOURS[1], ax=left)
    sns.scatterplot(
        data, x="transactions", y="independent", s=16, color=style.COLOURS[0], marker="s", ax=right
    )
    left.set(
        xlabel="transactions of the block",
        ylabel="critical path (transactions)",
        xlim=(0, None),
        ylim=(0, None),
    )
    right.set(
        xlabel="transactions of the block", ylabel="independent transactions", xlim=(0, None), ylim=(0, 1.02)
    )
    style.percent(right, "y")
    mean, low, high = (
        real(frame["independent"].mean()),
        real(frame["independent"].min()),
        real(frame["independent"].max()),
    )
    style.title(figure, f"{style.share(mean)} of transactions depend on no other, but each block has a chain")
    return Drawing(
        figure,
        caption="Longest chain of dependent transactions (left) and share of transactions that conflict with no other "
        "(right), by block, strict rule. Where the source gives reads no transaction, conflicts between writes alone.",
        alt=f"Two scatter plots of {frame.height} blocks: chains between {real(frame['path'].min()):.0f} and "
        f"{real(frame['path'].max()):.0f} transactions, independent shares between {style.share(low)} and {style.share(high)}.",
    )


def speedup(frame: pl.DataFrame, *, limit: float, quote: int) -> Drawing:
    """Draw speed-up against threads; ``engine``, ``threads``, ``speedup``, ``low``, ``high``."""
    figure, ax = style.subplots(width="page", height=3.0)
    sns.lineplot(
        frame.to_pandas(), x="threads", y="speedup", hue="engine", style="engine", hue_order=_ENGINES,
        style_order=_ENGINES, palette=style.palette(_ENGINES), markers=list(style.MARKERS[:4]), errorbar=None, ax=ax,
    )  # fmt: skip
    at = frame.filter(threads=quote)
    colours = style.palette(_ENGINES)
    for offset, row in enumerate(at.rows(named=True)):
        x = quote * (1 + 0.05 * (offset - 1.5))
        ax.plot([x, x], [row["low"], row["high"]], color=colours[row["engine"]], linewidth=1.2)
    ax.axhline(limit, color="black", linewidth=0.8, linestyle=":")
    ax.annotate(f"critical path: {limit:.1f}", (1, limit), ha="left", va="bottom", fontsize=7.5)
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda threads, _: f"{threads:g}"))
    ax.set(xlabel="threads", ylabel="speed-up over one thread", ylim=(0, None))
    ax.legend(title=None)
    best = {row["engine"]: row["speedup"] for row in at.rows(named=True)}
    style.title(
        figure,
        f"{quote} threads with locks are {best['locks']:.1f} times as fast as one, with optimistic rounds "
        f"{best['optimistic rounds']:.1f} times",
    )
    said = ", ".join(f"{name} {value:.2f}" for name, value in best.items())
    return Drawing(
        figure,
        caption=f"Speed-up by engine and threads, strict rule, unit costs, ratio of sums over blocks. Bars at {quote} threads: "
        "95 % bootstrap over blocks. Dotted: the limit of the strict rule.",
        alt=f"Four rising lines that level off below {limit:.1f}. At {quote} threads: {said}.",
    )


def listed(frame: pl.DataFrame, *, quote: int) -> Drawing:
    """Draw speed-up with and without a list; ``schedule``, ``threads``, ``speedup``, ``low``, ``high``."""
    figure, ax = style.subplots(width="page", height=3.0)
    order = frame["schedule"].unique(maintain_order=True).to_list()
    sns.lineplot(
        frame.to_pandas(), x="threads", y="speedup", hue="schedule", style="schedule", hue_order=order,
        style_order=order, palette=style.palette(order), markers=list(style.MARKERS[: len(order)]), errorbar=None, ax=ax,
    )  # fmt: skip
    for name, colour in style.palette(order).items():
        part = frame.filter(schedule=name)
        style.band(ax, part["threads"], part["low"], part["high"], color=colour)
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda threads, _: f"{threads:g}"))
    ax.set(xlabel="threads", ylabel="speed-up over one thread", ylim=(0, None))
    ax.legend(title=None)
    at = dict(frame.filter(threads=quote).select("schedule", "speedup").iter_rows())
    free, least = at[order[2]], at[order[3]]
    style.title(
        figure,
        f"{quote} threads with a list are {free:.1f} times as fast as one on these blocks, on any full block at least "
        f"{least:.1f} times",
    )
    said = ", ".join(f"{name} {value:.2f}" for name, value in at.items())
    return Drawing(
        figure,
        caption="Speed-up by threads, access gas, ratio of sums over blocks; bands: 95 % bootstrap over blocks. With a list "
        "nothing waits. The last line holds for every full block: no transaction is above the cap of 2^24 gas.",
        alt=f"Four rising lines. At {quote} threads: {said}.",
    )


def prefetch(frame: pl.DataFrame, *, depth: int) -> Drawing:
    """Draw a block's modelled time by reads under way; ``engine``, ``depth``, ``ms``, ``low``, ``high``."""
    figure, ax = style.subplots(width="page", height=3.0)
    order = frame["engine"].unique(maintain_order=True).to_list()
    sns.lineplot(
        frame.to_pandas(), x="depth", y="ms", hue="engine", style="engine", hue_order=order, style_order=order,
        palette=style.palette(order), markers=list(style.MARKERS[: len(order)]), errorbar=None, ax=ax,
    )  # fmt: skip
    for name, colour in style.palette(order).items():
        part = frame.filter(engine=name)
        style.band(ax, part["depth"], part["low"], part["high"], color=colour)
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda reads, _: f"{reads:g}"))
    ax.set(xlabel="reads under way at once", ylabel="time of a block (ms)", ylim=(0, None))
    ax.legend(title=None)
    at = dict(frame.filter(depth=depth).select("engine", "ms").iter_rows())
    waits, swaps, first = (at[name] for name in order)
    style.title(
        figure, f"Prefetching listed reads brings a block from {waits:.0f} to {first:.0f} ms in this model"
    )
    return Drawing(
        figure,
        caption="Model: mean time of a block against the reads that storage answers at once; latency, computing time and "
        "threads are parameters, keys and dependencies are the trace's. Threads that wait have one read each under way, so that their "
        "line begins there. Bands: 95 % bootstrap over blocks.",
        alt=f"Three lines. At {depth} reads: waiting {waits:.1f} ms, another transaction {swaps:.1f} ms, listed reads first "
        f"{first:.1f} ms.",
    )


def measured(frame: pl.DataFrame) -> Drawing:
    """Draw each rule's limit against the measured speed-up: ``block``, ``rule``, ``limit``, ``measured``."""
    figure, ax = style.subplots(width="page", height=3.0)
    shown = frame.filter(pl.col("rule") != _RULES[2])
    sns.scatterplot(
        shown.to_pandas(), x="measured", y="limit", hue="rule", style="rule", hue_order=_RULES[:2],
        style_order=_RULES[:2], palette=style.palette(_RULES[:2]), markers=list(style.MARKERS[:2]), s=28, ax=ax,
    )  # fmt: skip
    top = real(frame["measured"].max()) * 1.15
    ax.plot([0.9, top], [0.9, top], color="black", linewidth=0.8, linestyle=":")
    ax.set(xlim=(0.9, top), ylim=(0.9, real(shown["limit"].max()) * 1.3))
    style.log_axis(ax, "y")
    ax.set(xlabel="measured speed-up", ylabel="limit of the rule")
    ax.legend(title=None)
    beaten = {
        rule: frame.filter((pl.col("rule") == rule) & (pl.col("limit") < pl.col("measured"))).height
        for rule in _RULES
    }
    count = frame["block"].n_unique()
    style.title(
        figure,
        f"Measurements beat the strict limit on {beaten['strict']} of {count} blocks, the lazy one on {beaten[_RULES[1]]}",
    )
    return Drawing(
        figure,
        caption="Limit of unlimited threads, unit costs, with reads by transaction from replay, against the speed-up that "
        "pevm's authors measured on the same blocks. Dotted: equal.",
        alt=f"Scatter plot of {count} blocks. Below the diagonal: {beaten['strict']} points of the strict rule, "
        f"{beaten[_RULES[1]]} of lazy balances.",
    )


def predicted(frame: pl.DataFrame, *, correlation: float, error: float) -> Drawing:
    """Draw out-of-sample predictions against measured speed-ups: ``block``, ``half``, ``measured``, ``predicted``.

    ``correlation`` and ``error`` are means over all ways to halve the blocks.
    """
    figure, ax = style.subplots(height=3.0)
    data = frame.with_columns(fitted=pl.format("fitted on half {}", 2 - pl.col("half"))).to_pandas()
    order = sorted(set(data["fitted"]))
    sns.scatterplot(
        data, x="measured", y="predicted", hue="fitted", style="fitted", hue_order=order, style_order=order,
        palette=style.palette(order), markers=list(style.MARKERS[: len(order)]), s=28, ax=ax,
    )  # fmt: skip
    top = max(real(frame["measured"].max()), real(frame["predicted"].max())) * 1.1
    ax.plot([0.8, top], [0.8, top], color="black", linewidth=0.8, linestyle=":")
    ax.set(xlabel="measured speed-up", ylabel="predicted speed-up", xlim=(0.8, top), ylim=(0.8, top))
    ax.legend(title=None, loc="lower right")
    style.title(figure, f"Predicted and measured speed-ups have a mean rank correlation of {correlation:.2f}")
    return Drawing(
        figure,
        caption="Speed-up predicted for each half of the blocks by a model fitted on the other half, against the measured "
        f"one; blocks are dealt to halves in turn. Over all ways to halve them the mean rank correlation is "
        f"{correlation:.2f} and the mean absolute log error {error:.2f}. Dotted: equal.",
        alt=f"Scatter plot of predicted against measured speed-up of {frame.height} blocks around the diagonal; over all "
        f"ways to halve them the mean rank correlation is {correlation:.2f}.",
    )


def throughput(frame: pl.DataFrame) -> Drawing:
    """Draw both measures of throughput, each over its mean: ``block``, ``measure``, ``ratio``."""
    figure, ax = style.subplots(width="page", height=2.2)
    sns.stripplot(
        frame.to_pandas(),
        x="ratio",
        y="measure",
        jitter=False,
        size=6,
        alpha=0.7,
        color=style.COLOURS[0],
        ax=ax,
    )
    style.log_axis(ax, "x")
    ax.set(xlabel="value of a block over the mean of all blocks", ylabel="")
    spread = {
        name: real(part["ratio"].max()) / real(part["ratio"].min())
        for (name,), part in frame.group_by("measure", maintain_order=True)
    }
    tps, gas = spread["transactions per second"], spread["gas per second"]
    style.title(
        figure,
        f"Blocks differ {tps:.0f}-fold in transactions per second and {gas:.0f}-fold in gas per second",
    )
    return Drawing(
        figure,
        caption="Sequential execution of the measured blocks on one machine, in transactions and in gas per second; each dot "
        "is a block.",
        alt=f"Two rows of dots. Largest over smallest: {tps:.0f} in transactions per second, {gas:.0f} in gas per second.",
    )


def remedies(frame: pl.DataFrame) -> Drawing:
    """Draw what each remedy makes of the limit: ``sample``, ``remedy``, ``limit``, ``low``, ``high``."""
    figure, ax = style.subplots(width="page", height=3.4)
    samples = frame["sample"].unique(maintain_order=True).to_list()
    style.ranges(
        frame.to_pandas(),
        ax,
        value="limit",
        low="low",
        high="high",
        row="remedy",
        colour="sample",
        colours=samples,
    )
    ax.set_xlim(1, real(frame["high"].max()) * 1.3)
    style.log_axis(ax, "x")
    ax.set_xlabel("speed-up, one per transaction")
    style.key(figure, samples)
    first = frame.filter(sample=samples[0])
    rough, fine = (
        first.filter(pl.col("remedy").str.starts_with(name))["limit"][0] for name in ("contracts", "slots")
    )
    style.title(
        figure, f"Declaring slots instead of contracts raises the limit from {rough:.1f} to {fine:.1f}"
    )
    return Drawing(
        figure,
        caption="Limit of speed-up under each remedy, by sample; unit costs, ratio of sums, 95 % bootstrap over the blocks of "
        "each sample. All samples: their mean, bootstrap over samples and then over blocks. Sources of storage alone have the "
        "remedies of storage.",
        alt=f"Dot plot by remedy. On {samples[0]}: contracts declared {rough:.1f}, slots declared {fine:.1f}.",
    )


def kept(frame: pl.DataFrame) -> Drawing:
    """Draw what is left to commit by interval: ``interval``, ``what``, ``share``, ``low``, ``high``."""
    figure, ax = style.subplots(height=2.7)
    order = ["keys", "nodes"]
    sns.lineplot(
        frame.to_pandas(), x="interval", y="share", hue="what", style="what", hue_order=order, style_order=order,
        palette=style.palette(order), markers=list(style.MARKERS[:2]), errorbar=None, ax=ax,
    )  # fmt: skip
    for what, colour in style.palette(order).items():
        part = frame.filter(what=what)
        style.band(ax, part["interval"], part["low"], part["high"], color=colour)
    ax.set(xlabel="blocks per commitment", ylabel="still hashed", xlim=(0, None), ylim=(0, 1.05))
    style.percent(ax, "y")
    ax.legend(title=None)
    last = {what: frame.filter(what=what)["share"][-1] for what in order}
    longest = whole(frame["interval"].max())
    style.title(
        figure,
        f"One commitment for {longest} blocks hashes {style.share(last['nodes'])} of the nodes that one for each block does",
    )
    return Drawing(
        figure,
        caption="Keys and tree nodes hashed when several blocks are committed together, over those hashed block by block. "
        "Bands: 95 % bootstrap over intervals, of which long ones leave few.",
        alt=f"Two falling lines; at {longest} blocks keys {style.share(last['keys'])}, nodes {style.share(last['nodes'])}.",
    )
