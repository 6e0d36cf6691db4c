"""Figures of the chapter on the fraud proof; each takes the tidy frame that goes beside it."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from rollstate.compendium import style


def posted(frame: pl.DataFrame) -> Figure:
    """Draw what is on chain for each batch: columns ``batch``, ``status`` (checkpoint, right, wrong)."""
    fig, ax = style.subplots(width="page", height=1.7)
    looks = {
        "checkpoint": (style.COLOURS[2], "", "h(S_r), the finalised state hash"),
        "final": ("#BBBBBB", "", "final batches"),
        "right": (style.COLOURS[0], "", "(T_n, h(Δ_n)), right"),
        "wrong": (style.COLOURS[1], "////", "(T_n, h(Δ_n)), wrong"),
    }
    for status, (colour, hatch, label) in looks.items():
        at = frame.filter(pl.col("status") == status)["batch"].to_numpy()
        ax.bar(at, [1] * len(at), 0.86, color=colour, hatch=hatch, edgecolor="white", label=label)
    ax.set_ylim(0, 1.02)
    ax.set_yticks([])
    ax.grid(visible=False)
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("batch")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4)
    return fig


def _box(ax: Axes, x: float, y: float, text: str, colour: str, width: float = 0.27) -> None:
    ax.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - 0.075), width, 0.15, boxstyle="round,pad=0.008",
            facecolor="white", edgecolor=colour, linewidth=1.3,
        )
    )  # fmt: skip
    ax.text(x, y, text, ha="center", va="center", fontsize=6.8)


def scheme(frame: pl.DataFrame) -> Figure:
    """Draw the game as boxes and arrows: columns ``box``, ``x``, ``y``, ``text``, ``side``, ``to``, ``label``."""
    fig, ax = style.subplots(width="page", height=3.1)
    ax.set_axis_off()
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    sides = {"challenger": style.COLOURS[1], "sequencer": style.COLOURS[0], "contract": "#444444"}
    at = {box: (x, y) for box, x, y in frame.select("box", "x", "y").iter_rows()}
    half_width, half_height = 0.15, 0.085
    for x, y, to, label in frame.select("x", "y", "to", "label").iter_rows():
        for target in to.split("|") if to else []:
            u, v = at[target]
            if u == x:
                ends = (u, v + half_height), (x, y - half_height)
                ax.text(x + 0.012, (y + v) / 2, label, fontsize=6.8, va="center")
            elif v == y:
                side = half_width if u > x else -half_width
                ends = (u - side, v), (x + side, y)
            else:
                ends = (u, v + half_height), (x + half_width, y)
            ax.annotate(
                "", *ends, arrowprops={"arrowstyle": "->", "color": "#444444", "linewidth": 0.9}
            )  # fmt: skip
    for x, y, text, side in frame.select("x", "y", "text", "side").unique(maintain_order=True).iter_rows():
        _box(ax, x, y, text, sides[side])
    for i, (side, colour) in enumerate(sides.items()):
        ax.text(0.02, 0.62 - 0.06 * i, f"framed so: the {side} acts", color=colour, fontsize=6.8)
    return fig


def bisection(frame: pl.DataFrame) -> Figure:
    """Draw how the disputed range shrinks: columns ``stage``, ``message``, ``lo``, ``hi``, ``mid`` (or null)."""
    fig, axes = style.subplots(1, 2, width="page", height=2.5)
    names = {"one": "stage one: batches", "two": "stage two: transactions executed"}
    for ax, (stage, title) in zip(axes, names.items(), strict=True):
        rows = frame.filter(pl.col("stage") == stage)
        at = range(rows.height)
        ax.vlines(at, rows["lo"], rows["hi"], color="#BBBBBB", linewidth=5)
        ax.plot(at, rows["lo"], style.MARKERS[2], linestyle="none", color=style.COLOURS[2], label="agreed")
        ax.plot(at, rows["hi"], style.MARKERS[4], linestyle="none", color=style.COLOURS[1], label="disputed")
        mids = rows.with_row_index("at").filter(pl.col("mid").is_not_null())
        ax.plot(
            mids["at"], mids["mid"], style.MARKERS[0], linestyle="none", color=style.COLOURS[0],
            markerfacecolor="white", label="middle asked for",
        )  # fmt: skip
        ax.set_title(title)
        ax.set_xlabel("round")
        ax.set_ylabel("batch" if stage == "one" else "transactions")
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.margins(x=0.12, y=0.16)
    axes[0].legend(loc="best", fontsize=6.5)
    return fig


def gas(frame: pl.DataFrame, curves: pl.DataFrame) -> Figure:
    """Draw gas and rounds against n - r: ``gap``, ``gas``, ``rounds``, ``bound``; curves ``name``, ``gap``, ``gas``."""
    fig, (left, right) = style.subplots(1, 2, width="page", height=2.9, width_ratios=(3, 2))
    left.plot(
        frame["gap"], frame["gas"], marker=style.MARKERS[0], color=style.COLOURS[0],
        label="two stages, played",
    )  # fmt: skip
    for i, (name,) in enumerate(curves.select("name").unique(maintain_order=True).iter_rows(), 1):
        rows = curves.filter(pl.col("name") == name)
        left.plot(
            rows["gap"],
            rows["gas"],
            linestyle=style.LINES[i % 4],
            color=style.COLOURS[i],
            linewidth=1.1,
            label=name,
        )
    left.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v / 1e6:.1f}"))
    left.set_ylabel("gas (millions)")
    left.set_ylim(0, max(frame["gas"].max(), curves["gas"].max()) * 1.45)
    left.legend(loc="upper left", fontsize=6.5)
    right.plot(
        frame["gap"], frame["bound"], linestyle="none", marker="_", markersize=14, color=style.COLOURS[1],
        label="bound ⌈log₂(n−1−r)⌉",
    )  # fmt: skip
    right.plot(
        frame["gap"], frame["rounds"], linestyle="none", marker=style.MARKERS[0], color=style.COLOURS[0],
        label="played",
    )  # fmt: skip
    right.set_ylabel("rounds of stage one")
    right.set_ylim(-0.4, frame["bound"].max() * 1.45 + 1)
    right.yaxis.set_major_locator(MaxNLocator(integer=True))
    right.legend(loc="upper left", fontsize=6.5)
    for ax in (left, right):
        ax.set_xscale("log", base=2)
        ax.set_xticks(frame["gap"], [str(gap) for gap in frame["gap"]])
        ax.minorticks_off()
        ax.set_xlabel("n − r (batches)")
    return fig


def matrix(frame: pl.DataFrame) -> Figure:
    """Draw games won by the honest party: columns ``adversary``, ``fault``, ``played``, ``won``."""
    faults = frame["fault"].unique(maintain_order=True).to_list()
    names = frame["adversary"].unique(maintain_order=True).to_list()
    fig, ax = style.subplots(width="page", height=0.24 * len(names) + 1.0)
    for adversary, fault, played, won in frame.select("adversary", "fault", "played", "won").iter_rows():
        x, y = faults.index(fault), names.index(adversary)
        lost = played - won
        ax.text(
            x, y, f"{won}" if not lost else f"{won} of {played}", ha="center", va="center", fontsize=6.5,
            color="black", fontweight="bold" if lost else "normal",
            bbox={"facecolor": style.COLOURS[1] if lost else "#CFE8DF", "edgecolor": "none", "pad": 2.5},
        )  # fmt: skip
    ax.set_xlim(-0.5, len(faults) - 0.5)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xticks(range(len(faults)), [fault.replace("_", "\n", 1).replace("_", " ") for fault in faults])
    ax.set_yticks(range(len(names)), names)
    ax.set_xlabel("what is wrong in the adversary's world")
    ax.grid(visible=False)
    return fig
