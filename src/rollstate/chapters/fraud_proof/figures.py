"""Figures of the chapter ``fraud_proof``."""

from __future__ import annotations

import polars as pl
import seaborn as sns
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from rollstate.compendium import style
from rollstate.compendium.style import Drawing
from rollstate.scalars import real, whole

_STATUS = {
    "final": (style.QUIET, "final"),
    "checkpoint": (style.COLOURS[2], "finalised state hash h($S_r$)"),
    "right": (style.COLOURS[0], "claim h($Δ_n$), right"),
    "wrong": (style.COLOURS[1], "claim h($Δ_n$), wrong"),
}
_SIDES = {"challenger": style.COLOURS[1], "sequencer": style.COLOURS[0]}
_ORDER = ("openChallenge", "respondDisagree", "pick", "postTrace", "prove")
_PLAYS = ("many parties", "two parties")


def posted(frame: pl.DataFrame) -> Drawing:
    """Draw what is on chain for each batch: ``batch``, ``status`` (final, checkpoint, right, wrong)."""
    figure, ax = style.subplots(width="page", height=1.6)
    for status, (colour, label) in _STATUS.items():
        at = frame.filter(pl.col("status") == status)["batch"].to_numpy()
        hatch = "////" if status == "wrong" else ""
        ax.bar(at, [1] * len(at), 0.86, color=colour, hatch=hatch, edgecolor="white", label=label)
    ax.set(ylim=(0, 1.02), yticks=[], xlabel="batch")
    ax.grid(visible=False)
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(loc="outside lower center", ncols=4)
    wrong = frame.filter(pl.col("status") == "wrong")["batch"]
    root = frame.filter(pl.col("status") == "checkpoint")["batch"][0]
    style.title(figure, f"One lie makes {wrong.len()} claims wrong")
    return Drawing(
        figure,
        caption=f"What the contract holds in the walkthrough: the finalised state hash of batch {root}, and since then the "
        "transactions of each batch and a claim of the hash of its difference.",
        alt=f"A row of {frame.height} batches: the finalised state hash at {root}, right claims, and {wrong.len()} wrong "
        f"ones from batch {wrong[0] if wrong.len() else 'none'} on.",
    )


def scheme(frame: pl.DataFrame) -> Drawing:
    """Draw the game as boxes and arrows: ``box``, ``x``, ``y``, ``text``, ``side``, ``to``, ``label``."""
    figure, ax = style.subplots(width="page", height=2.9)
    ax.set_axis_off()
    ax.set(xlim=(-0.02, 1.02), ylim=(0, 1))
    texts = {}
    for box, x, y, text, side in frame.select("box", "x", "y", "text", "side").iter_rows():
        frame_of = {
            "boxstyle": "round,pad=0.5",
            "facecolor": "white",
            "edgecolor": _SIDES[side],
            "linewidth": 1.4,
        }
        texts[box] = ax.text(x, y, text, ha="center", va="center", fontsize=7.5, bbox=frame_of)
    place = {box: (x, y) for box, x, y in frame.select("box", "x", "y").iter_rows()}
    said = dict(frame.select("box", "label").iter_rows())
    for box, to in frame.select("box", "to").iter_rows():
        for target in to.split("|") if to else ():
            arrow = {
                "arrowstyle": "->", "color": "#444444", "linewidth": 0.9, "patchA": texts[box].get_bbox_patch(),
                "patchB": texts[target].get_bbox_patch(), "shrinkA": 2, "shrinkB": 2,
            }  # fmt: skip
            ax.annotate("", place[target], place[box], arrowprops=arrow)
            (x, y), (to_x, to_y) = place[box], place[target]
            ax.text(
                (x + to_x) / 2 + 0.015, (y + to_y) / 2 + 0.015, said[target] or "", fontsize=7.5, va="bottom"
            )
    handles = [
        Line2D([], [], color=colour, linewidth=2, label=f"{side} sends") for side, colour in _SIDES.items()
    ]
    ax.legend(handles=handles, loc="center left", bbox_to_anchor=(0, 0.5), fontsize=7.5)
    style.title(figure, "Each stage is one message of the sequencer and one of the challenger")
    return Drawing(
        figure,
        caption="The game. In Case A both sides agree on the state before batch n, and one message holds all states inside "
        "it. In Case B one message holds all roots since the finalised one, up to 64 apart; the challenger names "
        "the first that differs, and the game goes on inside that batch x.",
        alt="Flow from openChallenge to the sequencer's response. Case A goes by respondAgree to prove, three messages in "
        "all; Case B by respondDisagree, pick and postTrace to prove, 5 messages in all.",
    )


def gas(frame: pl.DataFrame) -> Drawing:
    """Draw the gas of whole games by message against n - r: ``gap``, ``message``, ``gas``."""
    figure, ax = style.subplots(width="page", height=2.9)
    order = [name for name in _ORDER if name in set(frame["message"])]
    table = frame.with_columns(gap=pl.col("gap").cast(pl.String), millions=pl.col("gas") / 1e6)
    gaps = frame["gap"].unique(maintain_order=True).cast(pl.String).to_list()
    sns.histplot(
        table.to_pandas(), x="gap", weights="millions", hue="message", hue_order=order[::-1], multiple="stack",
        discrete=True, shrink=0.7, alpha=1, linewidth=0, palette=style.palette(order), ax=ax,
    )  # fmt: skip
    totals = frame.group_by("gap", maintain_order=True).agg(pl.col("gas").sum(), messages=pl.len())
    for at, (total, messages) in enumerate(totals.select("gas", "messages").iter_rows()):
        ax.text(
            at, total / 1e6 + 0.01, f"{total:,}\n{messages} messages", ha="center", va="bottom", fontsize=6.8
        )
    ax.set(
        xlabel="n − r (batches)", ylabel="gas (millions)", ylim=(0, real(totals["gas"].max()) / 1e6 * 1.25)
    )
    ax.grid(axis="x", visible=False)
    sns.move_legend(ax, "center left", bbox_to_anchor=(1, 0.5), title=None)
    last = totals.row(-1, named=True)
    style.title(
        figure,
        f"A dispute over {last['gap']} batches costs {last['gas']:,} gas in {last['messages']} messages",
    )
    return Drawing(
        figure,
        caption="Gas of whole games of Case B by message, both sides together, played on the chain: 8 transactions per "
        "batch, a tree of depth 32, 64 accounts. Gas is deterministic.",
        alt=f"Stacked bars for n minus r of {', '.join(gaps)}. Total gas: "
        + "; ".join(f"{gap}: {total:,}" for gap, total in totals.select("gap", "gas").iter_rows())
        + ".",
    )


def kills(frame: pl.DataFrame) -> Drawing:
    """Draw how soon broken rules are found out: ``rule``, ``play``, ``plays``, ``found``."""
    figure, ax = style.subplots(width="page", height=3.1)
    table = frame.to_pandas()
    rules = frame["rule"].unique(maintain_order=True).to_list()
    shift = dict(zip(_PLAYS, (-0.13, 0.13), strict=True))
    table["row"] = [
        rules.index(rule) + shift[play] for rule, play in zip(table["rule"], table["play"], strict=True)
    ]
    for play, marker in zip(_PLAYS, style.MARKERS, strict=False):
        colour = style.palette(_PLAYS)[play]
        for found in (True, False):
            part = table[(table["play"] == play) & (table["found"] == found)]
            sns.scatterplot(
                part, x="plays", y="row", marker=marker, s=34, facecolor=colour if found else "white", edgecolor=colour,
                linewidth=1, zorder=3, ax=ax,
            )  # fmt: skip
    ax.set(
        yticks=range(len(rules)), yticklabels=rules, xlabel="random plays until it was found out", ylabel=""
    )
    ax.invert_yaxis()
    style.log_axis(ax, "x")
    most = whole(frame["plays"].max())
    ax.set_xlim(0.8, most * 1.5)
    ax.xaxis.set_major_locator(FixedLocator([1, 10, 100, 1_000, 10_000, 100_000]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    ax.set_xlim(0.8, most * 1.5)
    marks = [
        Line2D([], [], color=colour, marker=marker, linestyle="none", label=play)
        for play, colour, marker in zip(_PLAYS, style.COLOURS, style.MARKERS, strict=False)
    ]
    marks.append(
        Line2D(
            [], [], color="#444444", marker="o", markerfacecolor="white", linestyle="none", label="not found"
        )
    )
    ax.legend(handles=marks, loc="center left", bbox_to_anchor=(1, 0.5))
    many, two = (frame.filter((pl.col("play") == play) & pl.col("found")).height for play in _PLAYS)
    style.title(
        figure, f"Of {len(rules)} broken rules, play of many parties finds {many} and play of two {two}"
    )
    said = "; ".join(
        f"{rule}: {plays:,} plays of {play}{'' if found else ' without finding it'}"
        for rule, play, plays, found in frame.select("rule", "play", "plays", "found").iter_rows()
    )
    return Drawing(
        figure,
        caption="Each line is the set of rules with one of them broken on purpose. A filled mark stands at the number of "
        "random plays after which a promise was broken; an open one at the number of plays that all went well.",
        alt=f"Dot plot on a log scale. {said}.",
    )


def descent(frame: pl.DataFrame) -> Drawing:
    """Draw how far each message narrows a dispute: ``message``, ``contract``, ``in dispute``, ``instructions``, ``gas``."""
    figure, ax = style.subplots(width="page", height=3.6)
    shown = frame.with_columns(
        row=pl.int_range(pl.len()),
        name=pl.concat_str(pl.int_range(1, pl.len() + 1), pl.lit("  "), pl.col("message")),
    )
    contracts = frame["contract"].unique(maintain_order=True).to_list()
    table = shown.to_pandas()
    ax.plot(shown["instructions"], shown["row"], color=style.QUIET, linewidth=1, zorder=1)
    sns.scatterplot(
        table, x="instructions", y="row", hue="contract", hue_order=contracts, palette=style.palette(contracts),
        style="contract", style_order=contracts, markers=dict(zip(contracts, style.MARKERS, strict=False)), s=40,
        linewidth=0, zorder=3, ax=ax,
    )  # fmt: skip
    most = whole(frame["instructions"].max())
    for row, left, text in shown.select("row", "instructions", "in dispute").iter_rows():
        inside = left > most**0.5
        ax.annotate(
            text, (left, row), (-7 if inside else 7, 0), textcoords="offset points", fontsize=6.8, va="center",
            ha="right" if inside else "left", bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
        )  # fmt: skip
    style.log_axis(ax, "x")
    ax.set(
        xlabel="instructions in dispute after the message", ylabel="", yticks=range(shown.height),
        yticklabels=shown["name"].to_list(), xlim=(0.6, most * 3),
    )  # fmt: skip
    ax.xaxis.set_major_locator(FixedLocator([10**k for k in range(0, 9, 2) if 10**k <= most * 3]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    ax.set_xlim(0.6, most * 3)
    ax.invert_yaxis()
    sns.move_legend(ax, "upper left", bbox_to_anchor=(0.01, 0.99), title=None)
    style.title(figure, f"One false instruction among {most:,} is found in {frame.height} messages")
    total = whole(frame["gas"].sum())
    return Drawing(
        figure,
        caption=f"A game that ends in an instruction, played on the chain: {total:,} gas for these messages. Each mark "
        "stands at the number of instructions that are left in dispute, beside what they are.",
        alt="Instructions in dispute: "
        + "; ".join(
            f"after {message}: {text}, {left:,} left, {gas:,} gas"
            for message, text, left, gas in frame.select(
                "message", "in dispute", "instructions", "gas"
            ).iter_rows()
        )
        + ".",
    )


def instructions(frame: pl.DataFrame, *, limit: int) -> Drawing:
    """Draw what checking an instruction costs: ``kind``, ``gas``."""
    figure, ax = style.subplots(width="page", height=2.2)
    means = frame.group_by("kind").agg(pl.col("gas").mean(), n=pl.len()).sort("gas")
    order = means["kind"].to_list()
    shown = frame.with_columns(thousands=pl.col("gas") / 1e3).to_pandas()
    sns.stripplot(
        shown,
        x="thousands",
        y="kind",
        order=order,
        jitter=False,
        size=5,
        alpha=0.5,
        color=style.COLOURS[0],
        ax=ax,
    )
    most = whole(frame["gas"].max())
    ax.set(xlabel="gas of one step (thousands)", ylabel="", xlim=(0, most / 1e3 * 1.15))
    style.title(figure, f"Checking one instruction on chain costs {most:,} gas at most")
    return Drawing(
        figure,
        caption=f"Gas, by receipt, of checking {frame.height} instructions of a batch, drawn at random and the last one: the "
        "state, the instruction's path in the memory, and for a load or store the path of its data.",
        alt=" ".join(
            f"{kind}: {n} checked, mean {gas:,.0f} gas."
            for kind, gas, n in means.select("kind", "gas", "n").iter_rows()
        )
        + f" The most is {most:,} gas; the bound is {limit:,}.",
    )
