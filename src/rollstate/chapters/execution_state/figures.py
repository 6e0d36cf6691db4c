"""Figures of the chapter ``execution_state``."""

from __future__ import annotations

import polars as pl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator

from rollstate.caching.curves import LRU
from rollstate.compendium import style
from rollstate.compendium.policy_looks import COLOUR
from rollstate.compendium.style import Drawing
from rollstate.scalars import real, whole
from rollstate.tiering.names import FIXED


def _lines(ax: Axes, frame: pl.DataFrame, group: str, x: str, y: str, *, legend: bool = True) -> None:
    """Draw one line for each group, with bands where the frame has them."""
    names = frame[group].unique(maintain_order=True).to_list()
    colours = style.palette(names) | {name: COLOUR[name] for name in names if name in COLOUR}
    sns.lineplot(
        frame.to_pandas(), x=x, y=y, hue=group, style=group, hue_order=names, style_order=names,
        palette=colours, markers=list(style.MARKERS[: len(names)]), errorbar=None, ax=ax, legend=legend,
    )  # fmt: skip
    if {"low", "high"} <= set(frame.columns):
        for name, colour in colours.items():
            part = frame.filter(pl.col(group) == name)
            style.band(ax, part[x], part["low"], part["high"], color=colour)
    if legend:
        ax.legend(title=None)


def _powers(ax: Axes) -> None:
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def trees(frame: pl.DataFrame) -> Drawing:
    """Draw cost for each key against batch; ``tree``, ``batch``, ``reads``, ``hashed_bytes``."""
    figure, axes = style.subplots(1, 2, width="page", height=2.7)
    for ax, column, label in zip(
        axes, ("reads", "hashed_bytes"), ("pages read for each key", "bytes hashed for each key"), strict=True
    ):
        _lines(ax, frame, "tree", "batch", column, legend=column == "reads")
        style.log_axis(ax, "x")
        ax.set(xlabel="keys per commitment", ylabel=label, ylim=(0, None))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    at = {row["tree"]: row for row in frame.filter(batch=1).rows(named=True)}
    fewer = at["hexary"]["hashed_bytes"] / at["binary"]["hashed_bytes"]
    more = at["binary"]["reads"] / at["hexary"]["reads"]
    style.title(
        figure,
        f"Model: a binary tree hashes {fewer:.1f} times fewer bytes than a hexary one and reads {more:.1f} times as many pages",
    )
    return Drawing(
        figure,
        caption="Model: pages read and bytes hashed for each updated key when the root is renewed once per batch. Expected values "
        "over random keys.",
        alt=f"Falling lines. At one key the binary tree hashes {fewer:.2f} times fewer bytes and reads {more:.2f} times as many pages.",
    )


def witnesses(frame: pl.DataFrame) -> Drawing:
    """Draw a block's witness by kind of tree: ``kind``, ``kb``, ``low``, ``high``."""
    figure, ax = style.subplots(height=1.9)
    style.ranges(frame.to_pandas(), ax, value="kb", low="low", high="high", row="kind")
    ax.set(xlabel="witness of a block (kB)", xlim=(0, None))
    said = ", ".join(f"{kind} {kb:,.0f} kB" for kind, kb in frame.select("kind", "kb").iter_rows())
    mean = dict(frame.select("kind", "kb").iter_rows())
    times = mean["hexary"] / mean["Verkle"]
    style.title(figure, f"Model: a block's Verkle witness is {times:.1f} times smaller than its hexary one")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda kb, _: f"{kb:,.0f}"))
    return Drawing(
        figure,
        caption="Model: witness of a block by kind of tree, mean over blocks, 95 % bootstrap over blocks. Code is in the Verkle "
        "witness alone, by an assumed number of pieces.",
        alt=f"Dot plot: {said}.",
    )


def formula(frame: pl.DataFrame) -> Drawing:
    """Draw the hexary formula against real trie nodes: ``real_kb``, ``formula_kb``."""
    figure, ax = style.subplots(height=2.6)
    sns.scatterplot(frame.to_pandas(), x="real_kb", y="formula_kb", s=22, color=style.COLOURS[1], ax=ax)
    top = 1.1 * max(real(frame["real_kb"].max()), real(frame["formula_kb"].max()))
    ax.plot([0, top], [0, top], color="black", linewidth=0.8, linestyle=":")
    ax.set(xlabel="real trie nodes (kB)", ylabel="formula (kB)", xlim=(0, top), ylim=(0, top))
    off = real((frame["formula_kb"] / frame["real_kb"] - 1).abs().max())
    style.title(figure, f"The formula is off by at most {style.share(off)}")
    return Drawing(
        figure,
        caption="Real trie nodes of blocks on another chain, and the hexary formula trie by trie, for tree sizes estimated from "
        "the depths of leaves. Dotted: equal.",
        alt=f"{frame.height} points near the diagonal, off by at most {style.share(off)}.",
    )


def cache(frame: pl.DataFrame) -> Drawing:
    """Draw the hit ratio against size: ``size``, ``hits``, ``low``, ``high``."""
    figure, ax = style.subplots(height=2.5)
    sns.lineplot(
        frame.to_pandas(), x="size", y="hits", marker="o", color=style.COLOURS[0], errorbar=None, ax=ax
    )
    style.band(ax, frame["size"], frame["low"], frame["high"], color=style.COLOURS[0])
    style.log_axis(ax, "x")
    # Sizes have long labels: two in a decade have room.
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    style.percent(ax, "y")
    ax.set(xlabel="cache size (slots)", ylabel="hit ratio", ylim=(0, 1))
    best = style.share(frame["hits"][-1])
    style.title(figure, f"No cache answers more than {best} of the accesses")
    return Drawing(
        figure,
        caption="Accesses, one for each slot and block, that an LRU cache answers. Band: 95 % bootstrap over blocks. "
        "The window starts with an empty cache.",
        alt=f"A rising line that levels off at {best}.",
    )


def reading(frame: pl.DataFrame, *, compute_ms: float) -> Drawing:
    """Draw a block's modelled time against reads under way: ``engine``, ``depth``, ``ms``, ``low``, ``high``."""
    figure, ax = style.subplots(width="page", height=2.8)
    _lines(ax, frame, "engine", "depth", "ms")
    _powers(ax)
    ax.set(xlabel="reads under way at once", ylabel="time of a block (ms)", ylim=(0, None))
    first, last = whole(frame["depth"].min()), whole(frame["depth"].max())
    slow, fast = (real(frame.filter(pl.col("depth") == depth)["ms"].min()) for depth in (first, last))
    style.title(figure, f"Model: with reads one by one no engine takes less than {slow:.0f} ms")
    return Drawing(
        figure,
        caption="Model: time of a block whose slots are all read from disk, against reads under way; computing takes "
        f"{compute_ms:g} ms on one thread. One thread with reads at once is Reth's design. Bands: 95 % bootstrap over blocks.",
        alt=f"Falling lines. The fastest engine takes {slow:.0f} ms with one read under way and {fast:.0f} ms with {last}.",
    )


def expiry(frame: pl.DataFrame) -> Drawing:
    """Draw hits against slots kept: ``policy``, ``kept``, ``hits``, ``low``, ``high``."""
    figure, ax = style.subplots(height=2.7)
    _lines(ax, frame, "policy", "kept", "hits")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda kept, _: f"{kept / 1e3:g}"))
    ax.set(
        xlabel="slots kept (thousands, mean over blocks)",
        ylabel="accesses to kept slots",
        xlim=(0, None),
        ylim=(0, 1),
    )
    style.percent(ax, "y")
    at = {policy: frame.filter(policy=policy)["hits"][-1] for policy in (FIXED, LRU)}
    style.title(figure, "A fixed window and an LRU cache of its size keep nearly the same slots")
    said = ", ".join(f"{policy} {style.share(hits)}" for policy, hits in at.items())
    return Drawing(
        figure,
        caption="Accesses to kept slots against slots kept, for fixed windows and for an LRU cache of the same mean size, on "
        "the same blocks. Bands: 95 % bootstrap over blocks.",
        alt=f"Two rising lines that nearly coincide; at the largest size {said}.",
    )


def shards(frame: pl.DataFrame) -> Drawing:
    """Draw the cross-shard share: ``placement``, ``shards``, ``share``, ``low``, ``high``."""
    figure, ax = style.subplots(width="page", height=2.9)
    _lines(ax, frame, "placement", "shards", "share")
    _powers(ax)
    style.percent(ax, "y")
    ax.set(xlabel="shards", ylabel="transactions that cross shards", ylim=(0, 1.02))
    few = whole(frame["shards"].min())
    at = {row["placement"]: row["share"] for row in frame.filter(pl.col("shards") == few).rows(named=True)}
    style.title(figure, f"Placed by hash, {style.share(at['hash'])} of transactions cross {few} shards")
    said = ", ".join(f"{name} {style.share(value)}" for name, value in at.items())
    return Drawing(
        figure,
        caption="Transactions that change accounts of more than one shard, the busiest account of each block left out. Bands: 95 % "
        "bootstrap over blocks.",
        alt=f"Rising lines. With {few} shards: {said}.",
    )
