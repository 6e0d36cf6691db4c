"""Figures of the chapter ``verifier_memory``."""

from __future__ import annotations

import polars as pl
import seaborn as sns
from matplotlib.colors import LogNorm
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from rollstate.compendium import style
from rollstate.compendium.style import Drawing


def timeline(frame: pl.DataFrame) -> Drawing:
    """Draw one slot through nested frames: ``step``, ``operation``, ``series``, ``value``."""
    figure, (top, low) = style.subplots(2, 1, width="page", height=3.2, sharex=True, height_ratios=(3, 2))
    names = ("open frames", "pending writes")
    stepped = {"drawstyle": "steps-mid", "errorbar": None, "legend": False, "x": "step", "y": "value"}
    colours = style.palette((*names, "protective read", "length of the trace"))
    table = frame.to_pandas()
    for name, dashes in zip(names, ("-", "--"), strict=True):
        sns.lineplot(
            table[table["series"] == name],
            color=colours[name],
            linestyle=dashes,
            label=name,
            ax=top,
            **stepped,
        )
    seen = table[table["series"] == "protective read"]
    sns.scatterplot(
        seen, x="step", y="value", marker="^", s=45, color=colours["protective read"], zorder=3, ax=top,
        label="protective read", legend=False,
    )  # fmt: skip
    trace = table[table["series"] == "length of the trace"]
    sns.lineplot(trace, color=colours["length of the trace"], ax=low, **stepped)
    top.legend(ncols=3, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0)
    top.set_ylabel("count")
    low.set(ylabel="entries of\nthe trace", xlabel="operation, in order")
    for ax in (top, low):
        ax.yaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=3))
        ax.set_ylim(bottom=-0.2)
    low.set_xticks(trace["step"], trace["operation"], rotation=35, ha="right")
    reads = frame.filter(pl.col("operation") == "read")["step"].n_unique()
    protective, entries = seen.shape[0], int(trace["value"].max())
    style.title(figure, f"{protective} of {reads} reads are protective: those with no write pending")
    return Drawing(
        figure,
        caption="One slot through nested frames that fail. Above: open frames, pending writes, and the reads that are "
        f"protective because no write is pending, {protective} of {reads}. Below: entries of the trace, {entries} in the "
        "end; a failing frame adds a twin for each write it undoes, and never shortens the trace.",
        alt=f"Two stacked panels over {trace.shape[0]} operations. Triangles mark {protective} of {reads} reads, all where "
        f"the line of pending writes is at zero. The trace grows to {entries} entries and never shrinks.",
    )


def growth(frame: pl.DataFrame) -> Drawing:
    """Draw bytes held while a batch runs: ``version``, ``transactions``, ``mib``."""
    figure, ax = style.subplots(width="page", height=3.1)
    versions = frame["version"].unique(maintain_order=True).to_list()
    colours = style.palette(versions)
    sns.lineplot(
        frame.to_pandas(), x="transactions", y="mib", hue="version", hue_order=versions, palette=colours,
        style="version", style_order=versions, errorbar=None, ax=ax,
    )  # fmt: skip
    sns.move_legend(ax, "lower center", bbox_to_anchor=(0.5, 1), ncols=2, title=None)
    style.log_axis(ax, "y")
    ax.set_xlim(left=0)
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.set(xlabel="transactions run", ylabel="bytes held (MiB)")
    end = {name: frame.filter(pl.col("version") == name).sort("transactions")["mib"][-1] for name in versions}
    first, last = versions[0], versions[-1]
    style.title(
        figure,
        f"With the trace the batch ends at {end[first]:.0f} MiB, in columns with it at {end[last]:.0f} MiB",
    )
    listed = "; ".join(f"{name}: {mib:.1f} MiB" for name, mib in end.items())
    return Drawing(
        figure,
        caption="Bytes held while the published batch runs, by the layout model (log scale). Steps are lists that double; at "
        f"each step half as much again is held for a moment, which is not drawn. At the end: {listed}.",
        alt=f"{len(versions)} lines that rise in steps on a log scale. At the end {listed}.",
    )


def structures(frame: pl.DataFrame, *, accesses: int) -> Drawing:
    """Draw a table of bytes by structure and version, and per access in all: ``version``, ``structure``, ``mib``."""
    versions = frame["version"].unique(maintain_order=True).to_list()
    names = frame["structure"].unique(maintain_order=True).to_list()
    totals = frame.group_by("version", maintain_order=True).agg(pl.col("mib").sum())
    rows = pl.concat([frame, totals.select("version", pl.lit("all").alias("structure"), "mib")])
    table = rows.to_pandas().pivot(index="structure", columns="version", values="mib")
    table = table.loc[[*names, "all"], versions]
    figure, ax = style.subplots(width="page", height=3.5)
    sns.heatmap(
        table, annot=True, fmt=".1f", norm=LogNorm(0.5, 1_000), cmap="Blues", cbar=False, linewidths=1.5, ax=ax,
        annot_kws={"fontsize": 8},
    )  # fmt: skip
    ax.axhline(len(names), color="black", linewidth=0.8)
    ax.set(xlabel="", ylabel="")
    ax.tick_params(length=0, rotation=0)
    ax.xaxis.tick_top()
    ax.grid(False)
    total = dict(totals.iter_rows())
    each = {name: mib * 2**20 / accesses for name, mib in total.items()}
    ax.set_ylim(len(names) + 1.8, 0)
    ax.set_yticks([*ax.get_yticks(), len(names) + 1.4], [*names, "all", "bytes per access, all"])
    for number, name in enumerate(versions):
        ax.annotate(
            f"{each[name]:.1f}", (number + 0.5, len(names) + 1.4), ha="center", va="center", fontsize=8
        )
    trace = frame.filter(pl.col("version") == versions[0], pl.col("structure") == names[0])["mib"][0]
    style.title(
        figure,
        f"The trace is {trace:.0f} of {total[versions[0]]:.0f} MiB; per access {each[versions[0]]:.0f} bytes are held, in "
        f"columns {each[versions[-1]]:.1f}",
    )
    listed = "; ".join(f"{name.replace(chr(10), ' ')}: {mib:.1f}" for name, mib in total.items())
    return Drawing(
        figure,
        caption="Bytes held at the end of the published batch in MiB, by structure and version, by the layout model; an empty "
        "cell means that the version has no such structure. The columns' log holds the refunds too, and every written value "
        f"is taken to be distinct. In all (MiB): {listed}. Last line: the same in bytes for each of {accesses:,} accesses.",
        alt=f"A table of MiB by structure and version, shaded by size. The trace takes {trace:.0f} MiB where it is kept. "
        f"In all: {listed}. Per access, {each[versions[0]]:.0f} bytes before the change and {each[versions[-1]]:.1f} in "
        "columns.",
    )


def savings(frame: pl.DataFrame, *, kind: str) -> Drawing:
    """Draw what dropping the trace saves as a multiple of merging maps: ``series``, ``per_slot``, ``ratio``."""
    figure, ax = style.subplots(width="page", height=3.0)
    model, real, published = (
        frame.filter(pl.col("series") == name) for name in ("model", "batches", "published batch")
    )
    sns.lineplot(
        model.to_pandas(), x="per_slot", y="ratio", estimator="median", errorbar=("pi", 100), ax=ax,
        color=style.COLOURS[0], err_kws={"alpha": style.BAND_ALPHA, "linewidth": 0},
    )  # fmt: skip
    sns.scatterplot(
        real.to_pandas(), x="per_slot", y="ratio", color=style.COLOURS[1], s=14, linewidth=0, alpha=0.8, ax=ax
    )
    sns.scatterplot(
        published.to_pandas(), x="per_slot", y="ratio", color="black", marker="D", s=30, zorder=3, ax=ax
    )
    ax.axhline(1, color="black", linestyle=":", linewidth=0.8)
    style.log_axis(ax, "x", "y")
    ax.set(
        xlabel="accesses per distinct slot",
        ylabel="saving of dropping the trace\n/ saving of merging the maps",
    )
    ax.annotate(
        "both save the same", (model["per_slot"].max(), 1), (0, 3), textcoords="offset points", ha="right"
    )
    at = published.row(0, named=True)
    ax.annotate(
        "published batch,\nslots of a neighbour", (at["per_slot"], at["ratio"]), (8, -16),
        textcoords="offset points",
    )  # fmt: skip
    middle = real.sort("per_slot").row(real.height // 2, named=True)
    ax.annotate(
        f"{real.height} {kind}", (middle["per_slot"], middle["ratio"]), (-8, 22), textcoords="offset points",
        ha="right", color=style.COLOURS[1],
    )  # fmt: skip
    end = model.filter(pl.col("per_slot") == pl.col("per_slot").max())["ratio"].median()
    ax.annotate(
        "layout model, 10⁵ to 10⁷ accesses", (model["per_slot"].max(), end), (-48, 2),
        textcoords="offset points", ha="right", color=style.COLOURS[0],
    )  # fmt: skip
    low, median, high = (real["ratio"].quantile(share) or 0.0 for share in (0.0, 0.5, 1.0))
    style.title(
        figure, f"Dropping the trace saves {median:,.0f} times what merging the maps saves (median batch)"
    )
    return Drawing(
        figure,
        caption="What dropping the trace saves as a multiple of what merging the maps saves besides, by accesses per slot. "
        f"Dots: {real.height} {kind}, from {low:,.0f} to {high:,.0f} times, median {median:,.0f}. Diamond: the published "
        f"batch, {at['ratio']:,.0f} times. Line and band: median and range of the layout model over batches of 10⁵ to 10⁷ "
        "accesses that write every slot; real batches write fewer, so that merging saves them less. The band comes from "
        "lists whose room doubles.",
        alt=f"Log-log plot of a ratio that rises with accesses per slot. {real.height} dots lie between {low:,.0f} and "
        f"{high:,.0f}, median {median:,.0f}; the published batch at {at['ratio']:,.0f}; the line of equal savings, 1, is far "
        "below all of them.",
    )


def comparisons(frame: pl.DataFrame) -> Drawing:
    """Draw comparisons per access: ``accesses``, ``sort of``, ``comparisons``."""
    figure, ax = style.subplots(height=2.7)
    table = frame.with_columns(each=pl.col("comparisons") / pl.col("accesses"))
    names = table["sort of"].unique(maintain_order=True).to_list()
    sns.lineplot(
        table.to_pandas(), x="accesses", y="each", hue="sort of", hue_order=names, palette=style.palette(names),
        style="sort of", style_order=names, markers=list(style.MARKERS[: len(names)]), errorbar=None, ax=ax,
    )  # fmt: skip
    style.log_axis(ax, "x", "y")
    sns.move_legend(ax, "center right", bbox_to_anchor=(1, 0.42), title=None)
    ax.set(xlabel="storage accesses of the batch", ylabel="comparisons per access\nto sort")
    most = table.filter(pl.col("accesses") == pl.col("accesses").max())
    trace, slots = most["each"]
    style.title(
        figure,
        f"Sorting the slots takes {trace / slots:,.0f} times fewer comparisons than sorting all accesses",
    )
    return Drawing(
        figure,
        caption="Comparisons of keys per access to derive the set (log scales): a stable sort of every query, and a sort of "
        f"the distinct slots. At {most['accesses'][0]:,} accesses {trace:.1f} against {slots:.3f}.",
        alt=f"Two lines on log scales. At {most['accesses'][0]:,} accesses the sort of every query takes {trace:.1f} "
        f"comparisons per access, the sort of the slots {slots:.3f}.",
    )
