"""Figures of the chapter ``flat_kv``."""

from __future__ import annotations

import polars as pl
import seaborn as sns

from rollstate.compendium import style
from rollstate.compendium.style import Drawing
from rollstate.scalars import real

_MODES = ("root per update", "root per batch", "root per checkpoint", "flat")


def counts(frame: pl.DataFrame, *, merged_batches: int) -> Drawing:
    """Draw reads per update by size of the state: ``mode``, ``keys``, ``reads``, ``fit``."""
    figure, ax = style.subplots(height=3.0)
    colours = style.palette(_MODES)
    sns.lineplot(
        frame.to_pandas(), x="keys", y="reads", hue="mode", hue_order=_MODES, palette=colours, style="mode",
        style_order=_MODES, markers=list(style.MARKERS[:4]), dashes=False, legend=False, ax=ax,
    )  # fmt: skip
    last = frame.filter(pl.col("keys") == frame["keys"].max())
    at = dict(last.select("mode", "reads").iter_rows())
    for mode, reads in at.items():
        ax.annotate(
            mode.replace("per ", "per\n"), (last["keys"][0], reads), xytext=(6, 0), textcoords="offset points", va="center",
            fontsize=7, color=colours[mode],
        )  # fmt: skip
    style.log_axis(ax, "x")
    ax.set(xlabel="keys in the state", ylabel="database reads (= writes) per update")
    ax.set_ylim(0, at["root per update"] * 1.15)
    first = frame.filter((pl.col("mode") == "root per batch") & (pl.col("keys") == frame["keys"].min()))[
        "reads"
    ][0]
    style.title(
        figure,
        f"A root per batch costs {first:.1f} reads per update in a small state, {at['root per batch']:.1f} in a large one",
    )
    return Drawing(
        figure,
        caption="Database reads per update, which equal writes, by size of the state, with a root after every update, per "
        f"batch, per checkpoint of {merged_batches} batches, and for a flat store. Exact counts over one draw of keys and updates.",
        alt="Reads per update against keys, at the largest state: "
        + "; ".join(f"{mode} {reads:.2f}" for mode, reads in at.items())
        + f". With a root per batch they begin at {first:.2f}.",
    )


def choices(frame: pl.DataFrame, *, keys: int, blocks: int) -> Drawing:
    """Draw reads per update by how keys are chosen: ``choice``, ``mode``, ``reads``."""
    figure, ax = style.subplots(height=2.8)
    names = frame["choice"].unique(maintain_order=True).to_list()
    modes = frame["mode"].unique(maintain_order=True).to_list()
    sns.stripplot(
        frame.to_pandas(), x="reads", y="choice", hue="mode", order=names, hue_order=modes, jitter=False, size=6,
        palette=style.palette(modes), ax=ax,
    )  # fmt: skip
    for choice, _, reads in frame.iter_rows():
        ax.annotate(
            f"{reads:.2f}",
            (reads, names.index(choice)),
            xytext=(0, 7),
            textcoords="offset points",
            ha="center",
            fontsize=7,
        )
    ax.set(xlabel="database reads per update", ylabel="", xlim=(0, real(frame["reads"].max()) * 1.12))
    ax.set_ylim(len(names) - 0.5, -0.6)
    sns.move_legend(ax, "upper center", bbox_to_anchor=(0.4, -0.22), ncols=1, title=None)
    block = frame.filter(pl.col("mode") == "root per block")
    at = dict(block.select("choice", "reads").iter_rows())
    style.title(figure, "Within a block, real writes cost nearly what uniformly chosen ones do")
    return Drawing(
        figure,
        caption=f"Reads per update on a state of {keys:,} keys over {blocks} blocks, by how the updated keys are chosen and how "
        "often the root is renewed.",
        alt="Reads per update with a root per block: "
        + "; ".join(f"{choice} {reads:.2f}" for choice, reads in at.items())
        + ". With one root for all blocks: "
        + "; ".join(
            f"{choice} {reads:.2f}"
            for choice, reads in frame.filter(pl.col("mode") == modes[-1])
            .select("choice", "reads")
            .iter_rows()
        )
        + ".",
    )


def hashing(frame: pl.DataFrame, *, batch: int, keys: int) -> Drawing:
    """Draw Keccak permutations per update: ``what``, ``permutations``, ``kind``."""
    figure, ax = style.subplots(height=2.9)
    kinds = frame["kind"].unique(maintain_order=True).to_list()
    sns.stripplot(
        frame.to_pandas(), x="permutations", y="what", hue="kind", hue_order=kinds, jitter=False, size=6,
        palette=style.palette(kinds), ax=ax,
    )  # fmt: skip
    for row, number in enumerate(frame["permutations"]):
        ax.annotate(
            f"{number:.1f}", (number, row), xytext=(6, 0), textcoords="offset points", va="center", fontsize=7
        )
    style.log_axis(ax, "x")
    ax.set(
        xlabel="Keccak permutations per update", ylabel="", xlim=(None, real(frame["permutations"].max()) * 6)
    )
    handles, labels = ax.get_legend_handles_labels()
    ax.get_legend().remove()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    at = dict(frame.select("what", "permutations").iter_rows())
    trie = at["root per batch"]
    trees = frame.filter(pl.col("kind") == kinds[-1])
    most = trees["permutations"].max()
    style.title(
        figure,
        f"A plain tree over the difference takes up to {most / trie:.0f} times the permutations of a root per batch, "
        f"a collapsed one {style.share(at['h(Δ), collapsed tree'] / trie)} of them",
    )
    return Drawing(
        figure,
        caption=f"Keccak permutations (136 bytes each) per update: the state trie of {keys:,} keys, and the difference of a "
        f"batch of {batch:,} updates as a sparse tree, a tree with collapsed paths, or a sorted list.",
        alt="Points on a log scale: "
        + "; ".join(f"{what} {number:.1f}" for what, number in at.items())
        + ".",
    )


def merging(frame: pl.DataFrame) -> Drawing:
    """Draw what hashing once per K blocks saves: ``blocks``, ``what``, ``ratio``, ``low``, ``high``."""
    figure, ax = style.subplots(height=2.7)
    kept = frame.with_columns(
        saved=1 - 1 / pl.col("ratio"), least=1 - 1 / pl.col("low"), most=1 - 1 / pl.col("high")
    )
    kinds = ("leaves", "nodes")
    colours = style.palette(kinds)
    sns.lineplot(
        kept.to_pandas(), x="blocks", y="saved", hue="what", hue_order=kinds, palette=colours, style="what",
        style_order=kinds, markers=list(style.MARKERS[:2]), dashes=False, legend=False, ax=ax,
    )  # fmt: skip
    last = kept.filter(pl.col("blocks") == kept["blocks"].max())
    for what in kinds:
        part = kept.filter(pl.col("what") == what)
        style.band(ax, part["blocks"], part["least"], part["most"], color=colours[what])
        ax.annotate(
            what, (part["blocks"][-1], part["saved"][-1]), xytext=(-4, 5), textcoords="offset points", ha="right",
            fontsize=7, color=colours[what],
        )  # fmt: skip
    style.percent(ax, "y")
    ax.set(xlabel="blocks per root, K", ylabel="share of rehashing saved", ylim=(0, None))
    nodes = dict(last.select("what", "saved").iter_rows())["nodes"]
    blocks = last["blocks"][0]
    style.title(
        figure,
        f"One root for {blocks} blocks saves {style.share(nodes)} of the nodes; the rest is only deferred",
    )
    return Drawing(
        figure,
        caption="Share of leaves and of nodes (down to 8 nibbles) that need not be rehashed when the root is renewed once per "
        "K blocks instead of after each. Mean over disjoint runs of K blocks; the band spans them.",
        alt="Two rising curves. "
        + " ".join(
            f"{what} at K = {k}: {style.share(saved)} saved."
            for k, what, saved in kept.filter(pl.col("blocks").is_in([10, blocks]))
            .select("blocks", "what", "saved")
            .iter_rows()
        ),
    )


def embedded(frame: pl.DataFrame, *, transactions: int) -> Drawing:
    """Draw database operations per touched key, blocks of the embedded chain: see `_operations`."""
    return _operations(
        frame, "The project's workload", f"{transactions} transactions of the embedded chain's workload"
    )


def mainnet(frame: pl.DataFrame, *, transactions: int) -> Drawing:
    """Draw database operations per touched key, mainnet blocks: see `_operations`."""
    return _operations(frame, "Mainnet transactions", f"{transactions} transactions of mainnet blocks")


def _operations(frame: pl.DataFrame, about: str, whose: str) -> Drawing:
    """Draw operations per key: ``world``, ``keys``, ``mean``, ``low``, ``high``."""
    figure, ax = style.subplots(height=2.8)
    worlds = ("trie", "flat")
    colours = style.palette(worlds)
    sns.lineplot(
        frame.to_pandas(), x="keys", y="mean", hue="world", hue_order=worlds, palette=colours, style="world",
        style_order=worlds, markers=list(style.MARKERS[:2]), dashes=False, legend=False, ax=ax,
    )  # fmt: skip
    for world in worlds:
        part = frame.filter(world=world).sort("keys")
        style.band(ax, part["keys"], part["low"], part["high"], color=colours[world])
        ax.annotate(
            world, (part["keys"][-1], part["mean"][-1]), xytext=(-4, 6), textcoords="offset points", ha="right",
            fontsize=7, color=colours[world],
        )  # fmt: skip
    style.log_axis(ax, "x")
    ax.set(xlabel="accounts and slots in the state", ylabel="database operations per key")
    ax.set_ylim(0, real(frame["high"].max()) * 1.15)
    at = {(world, keys): mean for world, keys, mean in frame.select("world", "keys", "mean").iter_rows()}
    small, large = frame["keys"].min(), frame["keys"].max()
    ratios = [at["trie", keys] / at["flat", keys] for keys in (small, large)]
    style.title(
        figure,
        f"{about}: a trie takes {ratios[0]:.1f} to {ratios[1]:.1f} times the operations of a flat store",
    )
    return Drawing(
        figure,
        caption=f"Database reads and writes per account or slot that a block reads or changes: {whose}, executed on a flat "
        "store and on a trie of tries in LMDB, root renewed once per block, each node or value fetched once per block. Mean over "
        "blocks; the band spans them. Exact counts.",
        alt="Operations per key against the size of the state. "
        + " ".join(
            f"{world} at {keys:,} keys: {mean:.2f} ({low:.2f} to {high:.2f})."
            for world, keys, mean, low, high in frame.select(
                "world", "keys", "mean", "low", "high"
            ).iter_rows()
        ),
    )


def times(frame: pl.DataFrame, *, machine: str) -> Drawing:
    """Draw ratios of time: ``keys``, ``what``, ``ratio``, ``low``, ``high``."""
    figure, ax = style.subplots(height=3.2)
    names = {
        "database": "inside the database",
        "compiled": "database, hashing, EVM",
        "whole": "with Python's bookkeeping",
    }
    shown = frame.with_columns(
        row=pl.col("what").replace(names),
        size=pl.col("keys").map_elements(lambda n: f"{n:,} keys", pl.String),
    )
    sizes = shown["size"].unique(maintain_order=True).to_list()
    style.ranges(
        shown.to_pandas(), ax, value="ratio", low="low", high="high", row="row", colour="size",
        rows=list(names.values()), colours=sizes,
    )  # fmt: skip
    style.log_axis(ax, "x")
    ax.axvline(2, color="0.5", linewidth=0.8, linestyle=":")
    ax.set_xlabel("time, trie over flat")
    style.key(figure, sizes, ncols=3)
    large = frame.filter(keys=frame["keys"].max())
    at = dict(large.select("what", "ratio").iter_rows())
    style.title(
        figure,
        f"The trie takes {at['database']:.1f} times as long as the flat store in the database, {at['compiled']:.1f} times end "
        "to end in compiled code",
    )
    return Drawing(
        figure,
        caption="CPU time per block, trie over flat, of the same mainnet transactions, reads included, at several sizes of "
        "the state, files in memory. Dots: ratio of means over blocks; lines: least and largest block. Dotted: the "
        f"source's two times. Recorded by the project's benchmark on {machine}.",
        alt=" ".join(
            f"{row['row']}, {row['size']}: {row['ratio']:.2f} ({row['low']:.2f} to {row['high']:.2f})."
            for row in shown.iter_rows(named=True)
        ),
    )
