"""Figures of the chapter ``observability``."""

from __future__ import annotations

import math

import polars as pl
import seaborn as sns
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from rollstate.compendium import style
from rollstate.compendium.style import Drawing

_VIEWS = ("prestate, both modes", "prestate, difference", "transfer logs")
_WHATS = ("slots", "touches", "reads", "stores", "changes")


def _cell(frame: pl.DataFrame, **where: str) -> float:
    """Return the value of the one line that has these values."""
    return frame.filter(*(pl.col(name) == value for name, value in where.items()))["value"][0]


def agreement(frame: pl.DataFrame, *, replicates: int) -> Drawing:
    """Draw recall and precision of each view: ``measure``, ``view``, ``what``, ``value``, ``low``, ``high``."""
    figure, axes = style.subplots(1, 2, width="page", height=2.9, sharey=True)
    for ax, measure in zip(axes, ("recall", "precision"), strict=True):
        part = frame.filter(pl.col("measure") == measure).to_pandas()
        style.ranges(
            part, ax, value="value", low="low", high="high", row="what", colour="view",
            rows=_WHATS, colours=_VIEWS,
        )  # fmt: skip
        # Precision is high throughout: its axis begins below the least of it, not at zero, and says so.
        least = 0.0 if measure == "recall" else math.floor(20 * part["low"].fillna(part["value"]).min()) / 20
        room = 0.04 * (1 - least)
        ax.set(
            xlim=(least - room, 1 + room),
            xlabel=f"{measure} (axis from {style.share(least)})" if least else measure,
        )
        ax.xaxis.set_major_locator(MaxNLocator(5))
        style.percent(ax, "x")
    style.key(figure, _VIEWS)
    both, diff, logs = (_cell(frame, measure="recall", view=view, what="touches") for view in _VIEWS)
    style.title(
        figure,
        f"Transfer logs show {style.share(logs)} of the touches, the difference mode {style.share(diff)}",
    )
    return Drawing(
        figure,
        caption="Recall and precision of three views against the opcodes: distinct slots, touches of a slot by a "
        "transaction, reads (touches that leave the value as it was), stores (every SSTORE) and changes (another value "
        f"afterwards). Mean and range over {replicates} simulated chains. A view without reads has no precision for them.",
        alt=f"Dot plots. Recall of touches: both modes {style.share(both)}, "
        f"difference mode {style.share(diff)}, transfer logs {style.share(logs)}. Precision is near one for all views.",
    )


def downstream(
    frame: pl.DataFrame, *, replicates: int, threshold: int, horizon: int, timeout: int
) -> Drawing:
    """Draw each number of a view over that of the truth: ``view``, ``number``, ``value``, ``low``, ``high``."""
    figure, ax = style.subplots(width="page", height=3.0)
    names = {
        "p(tau)": f"chance of another access\nwithin {horizon} blocks",
        "memory ratio": "share of slot-blocks\nin memory",
        "misses": "accesses that miss",
    }
    style.ranges(
        frame.with_columns(pl.col("number").replace(names)).to_pandas(),
        ax,
        value="value",
        low="low",
        high="high",
        row="number",
        colour="view",
        colours=_VIEWS,
    )
    ax.axvline(1, color="black", linewidth=0.8, linestyle=":")
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(FixedLocator([0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.4, 2, 3, 5, 10]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.set_xlabel("ratio to the true value")
    style.key(figure, _VIEWS)
    cost, tail = (_cell(frame, view=_VIEWS[2], number=number) for number in ("total cost", "tail index"))
    style.title(figure, f"From transfer logs the total cost comes out {cost:.2f} times the true one")
    return Drawing(
        figure,
        caption=f"Numbers computed from each view, as ratios to those from the truth: tail index beyond {threshold} blocks, "
        f"median gap, probability of another access within {horizon} blocks, share of slot-blocks kept in memory with a "
        f"timeout of {timeout} blocks, accesses that miss memory, and total cost. Mean and range over {replicates} chains.",
        alt=f"Dot plot on a log scale. Both modes lie at one throughout. Transfer logs: tail index {tail:.2f}, total cost "
        f"{cost:.2f}. Difference mode: total cost {_cell(frame, view=_VIEWS[1], number='total cost'):.2f}.",
    )


def curves(frame: pl.DataFrame) -> Drawing:
    """Draw Kaplan-Meier curves from time 0: ``view``, ``time``, ``survival``, ``low``, ``high``."""
    figure, ax = style.subplots(height=2.8)
    views = frame["view"].unique(maintain_order=True).to_list()
    colours = style.palette(views)
    sns.lineplot(
        frame.to_pandas(), x="time", y="survival", hue="view", hue_order=views, palette=colours, style="view",
        style_order=views, drawstyle="steps-post", errorbar=None, ax=ax,
    )  # fmt: skip
    for view in views:
        part = frame.filter(pl.col("view") == view)
        ax.fill_between(
            part["time"],
            part["low"],
            part["high"],
            step="post",
            color=colours[view],
            alpha=style.BAND_ALPHA,
            linewidth=0,
        )
    ax.set_xscale("symlog", linthresh=1)
    ax.xaxis.set_major_locator(FixedLocator([0, 1, 10, 100, 1000]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    ax.set(xlabel="blocks since the last access", ylabel="share not accessed again", ylim=(0, 1.02))
    style.percent(ax, "y")
    ax.legend(title=None)
    at = {
        view: frame.filter((pl.col("view") == view) & (pl.col("time") <= 10))["survival"][-1]
        for view in views
    }
    style.title(figure, "Slots seen in logs are accessed again sooner than others")
    said = ", ".join(f"{view} {style.share(left)}" for view, left in at.items())
    return Drawing(
        figure,
        caption="Kaplan-Meier curves of the gaps between accesses on the first chain, from the truth and from two views, "
        "with pointwise 95 % bands that take gaps as independent. The curve of both modes follows that of the truth and is "
        "left out.",
        alt=f"Three falling curves. Share not accessed again after ten blocks: {said}.",
    )
