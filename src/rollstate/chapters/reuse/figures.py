"""Figures of the chapter ``reuse``."""

from __future__ import annotations

from typing import Any

import polars as pl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from rollstate.compendium import style
from rollstate.compendium.policy_looks import COLOUR, MARKER, listed
from rollstate.compendium.style import Drawing
from rollstate.horizons import rules
from rollstate.scalars import real

_TIMES = {
    1: "1 s", 12: "12 s", 60: "1 min", 600: "10 min", 3_600: "1 h", 21_600: "6 h", 86_400: "1 day",
    7 * 86_400: "7 days", 29 * 86_400: "29 days", 365 * 86_400: "1 year",
}  # fmt: skip
_CHOICES = {"best": "best in hindsight", "frequent": "most frequent", "recent": "touched last"}


def _shared_legend(figure: Figure, ax: Axes, **options: Any) -> None:
    """Move the legend of one panel below all of them."""
    handles, labels = ax.get_legend_handles_labels()
    if (own := ax.get_legend()) is not None:
        own.remove()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, **options)


def _numbers(frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """Return the frame with numbers in these columns: one without any is read from CSV as text."""
    return frame.with_columns(pl.col(*columns).cast(pl.Float64))


def _time_axis(ax: Axes, unit: str) -> None:
    """Label a logarithmic axis of lags, in seconds or blocks."""
    if unit == "blocks":
        style.log_axis(ax, "x")
        ax.set_xlabel("lag (blocks)")
        return
    ax.set_xscale("log")
    low, high = ax.get_xlim()
    ax.xaxis.set_major_locator(FixedLocator([at for at in _TIMES if low <= at <= high]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _TIMES.get(round(value), "")))
    ax.set_xlabel("lag L")


def _said(lag: float, unit: str) -> str:
    """Return a lag in words."""
    if unit == "blocks":
        return f"{lag:,.0f} blocks"
    for seconds, name in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if lag >= 2 * seconds:
            return f"{lag / seconds:.3g} {name}"
    return f"{lag:.3g} seconds"


def by_lag(frame: pl.DataFrame, *, unit: str, level: float) -> Drawing:
    """Draw R(L): ``series``, ``lag``, ``reuse``, ``low``, ``high``; `level` is what chance alone would give."""
    frame = _numbers(frame, "low", "high")
    figure, ax = style.subplots(width="page", height=3.0)
    names = frame["series"].unique(maintain_order=True).to_list()
    colours = style.palette(names)
    sns.lineplot(
        frame.to_pandas(), x="lag", y="reuse", hue="series", hue_order=names, palette=colours, style="series",
        style_order=names, markers=list(style.MARKERS[: len(names)]), dashes=False, errorbar=None, ax=ax,
    )  # fmt: skip
    for name in names:
        part = frame.filter(pl.col("series") == name)
        style.band(ax, part["lag"], part["low"], part["high"], color=colours[name])
    ax.axhline(level, color="black", linestyle=":", linewidth=0.9)
    ax.annotate(
        "touches at random times", (0.32, level), (0, -3), xycoords=("axes fraction", "data"),
        textcoords="offset points", ha="left", va="top",
    )  # fmt: skip
    _time_axis(ax, unit)
    ax.set_ylim(bottom=0)
    ax.set_ylabel("touched again exactly L later")
    style.percent(ax, "y")
    ax.legend(title=None, loc="lower left")
    mine = frame.filter(pl.col("series") == names[0]).sort("lag")
    first, last = mine.row(0, named=True), mine.row(-1, named=True)
    ends = {
        at: (style.share(row["reuse"], 1), _said(row["lag"], unit))
        for at, row in (("first", first), ("last", last))
    }
    style.title(
        figure,
        f"Of a block's slots {ends['first'][0]} are touched {ends['first'][1]} later, and still {ends['last'][0]} "
        f"{ends['last'][1]} later",
    )
    return Drawing(
        figure,
        caption="Reuse by lag: share of the slots of a block that the block at distance L touches. Bands: 95 % bootstrap over "
        f"days, or equal parts of a shorter window, and over groups of contracts or slots at the longest lags, where fewer than eight of "
        f"them hold a pair. Dotted: {style.share(level, 1)}, if each slot kept its number of touches "
        "and they fell on the blocks at random.",
        alt=f"Slowly falling curves on a logarithmic time axis: {ends['first'][0]} at {ends['first'][1]}, {ends['last'][0]} "
        f"at {ends['last'][1]}; a dotted line at {style.share(level, 1)}.",
    )


def by_class(frame: pl.DataFrame, *, unit: str) -> Drawing:
    """Draw R(L) by how often a slot is touched: ``touches``, ``least``, ``lag``, ``reuse``, ``low``, ``high``."""
    frame = _numbers(frame, "low", "high").sort("least", "lag")
    every = frame["touches"].unique(maintain_order=True).to_list()
    names = every[:: max(1, -(-len(every) // 6))][::-1]
    if every[-1] not in names:
        names = [every[-1], *names]
    figure, ax = style.subplots(width="page", height=3.2)
    colours = dict(zip(names, style.sequence(len(names)), strict=True))
    shown = frame.filter(pl.col("touches").is_in(names), pl.col("reuse") > 0)
    sns.lineplot(
        shown.to_pandas(), x="lag", y="reuse", hue="touches", hue_order=names, palette=colours, style="touches",
        style_order=names, markers=list(style.MARKERS[: len(names)]), dashes=False, errorbar=None, ax=ax,
    )  # fmt: skip
    for name in names:
        part = shown.filter(pl.col("touches") == name)
        style.band(ax, part["lag"], part["low"].clip(1e-9), part["high"], color=colours[name])
    _time_axis(ax, unit)
    style.log_axis(ax, "y")
    ax.set_ylim(bottom=real(shown["reuse"].min()) / 2)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}\u202f%"))
    ax.set_ylabel("touched again exactly L later")
    ax.legend(title="touches in the window", loc="center left", bbox_to_anchor=(1.0, 0.5))
    ends = {
        name: [style.share(part["reuse"][at], 2 if part["reuse"][at] < 0.01 else 0) for at in (0, -1)]
        for name in names
        for part in [shown.filter(pl.col("touches") == name)]
        if part.height
    }
    drawn = list(ends)
    (top, (before, after)), (bottom, (early, late)) = ((name, ends[name]) for name in (drawn[0], drawn[-1]))
    style.title(
        figure,
        f"From the shortest lag to the longest reuse goes from {before} to {after} for slots with {top}, from {early} to "
        f"{late} for those with {bottom}",
    )
    said = "; ".join(f"{name} from {first} to {last}" for name, (first, last) in ends.items())
    return Drawing(
        figure,
        caption="Reuse by lag for slots by the number of blocks of the window that touch them. Bands: 95 % bootstrap over days, "
        "or equal parts of a shorter window, where at least eight of them hold a pair. The classes look ahead, over the whole window: they say where reuse is, and are "
        "no rule for a cache.",
        alt=f"One curve for each class of slots, on logarithmic axes, from the shortest lag to the longest: {said}.",
    )


def hot_set(frame: pl.DataFrame, *, size: int, span: str) -> Drawing:
    """Draw what a hot set serves by its size: ``slots``, ``choice``, ``share``, ``low``, ``high``."""
    frame = frame.with_columns(pl.col("choice").replace_strict(_CHOICES))
    names = list(_CHOICES.values())
    figure, ax = style.subplots(height=2.8)
    colours = dict(zip(names, ("#000000", *style.COLOURS[:2]), strict=True))
    sns.lineplot(
        frame.to_pandas(), x="slots", y="share", hue="choice", hue_order=names, palette=colours, style="choice",
        style_order=names, errorbar=None, ax=ax,
    )  # fmt: skip
    for name in names:
        part = frame.filter(pl.col("choice") == name)
        style.band(ax, part["slots"], part["low"], part["high"], color=colours[name])
    style.log_axis(ax, "x")
    ax.axvline(size, color="#555555", linewidth=0.8, linestyle=":")
    ax.set(xlabel="slots in the set", ylabel="touches served", ylim=(0, 1))
    style.percent(ax, "y")
    ax.legend(title=None)
    near = frame.filter((pl.col("slots") - size).abs() == (pl.col("slots") - size).abs().min())
    at = {row["choice"]: style.share(row["share"]) for row in near.iter_rows(named=True)}
    held = f"{near['slots'][0]:,} slots"
    style.title(
        figure,
        f"The {held} touched most often serve {at[names[1]]} of the next touches, those touched last {at[names[2]]}",
    )
    return Drawing(
        figure,
        caption=f"Share of the touches in a span of {span} that fall on a set of slots chosen before it: those touched most "
        "often in the span before, those touched last, and the best set in hindsight. Mean and range over the moments of "
        f"choice; dotted: {size:,} slots.",
        alt=f"Three rising curves. With {held} the best set serves {at[names[0]]}, the most frequent ones {at[names[1]]}, those "
        f"touched last {at[names[2]]}.",
    )


def tails(frame: pl.DataFrame) -> Drawing:
    """Draw indices by how much of the tail is used: ``panel``, ``trace``, ``used``, ``index``."""
    figure, axes = style.subplots(1, 3, width="page", height=2.8, sharey=True)
    names = frame["trace"].unique(maintain_order=True).to_list()
    labels = {
        "slots": ("touches of a slot", "busiest share of slots"),
        "contracts": ("touches of a contract", "busiest share of contracts"),
        "gaps": ("gap between touches", "threshold / window"),
    }
    look = {"hue_order": names, "palette": style.palette(names), "style_order": names}
    for ax, (panel, (title, label)) in zip(axes, labels.items(), strict=True):
        part = frame.filter(pl.col("panel") == panel)
        if part.height:
            sns.lineplot(
                part.to_pandas(), x="used", y="index", hue="trace", style="trace", errorbar=None, legend=False, ax=ax,
                **look,
            )  # fmt: skip
        style.log_axis(ax, "x", "y")
        ax.set(title=title, xlabel=label, ylabel="Hill index" if panel == "slots" else "")
    style.lines_key(figure, names)
    spread = {
        panel: [real(part["index"].min()), real(part["index"].max())]
        for panel in labels
        for part in [frame.filter(pl.col("panel") == panel, pl.col("trace") == names[0])]
        if part.height
    }
    gaps = frame.filter(pl.col("panel") == "gaps")["index"]
    style.title(
        figure,
        f"The index of the gap is anything from {real(gaps.min()):.2g} to {real(gaps.max()):.2g}"
        if len(gaps)
        else "No completed gap lies beyond a threshold",
    )
    said = "; ".join(f"{labels[panel][0]} {low:.2g} to {high:.2g}" for panel, (low, high) in spread.items())
    return Drawing(
        figure,
        caption="Hill index of the touches of a slot and of a contract by the share of the busiest units used, and of the gap "
        "between touches, with censoring and delayed entry, by the threshold as a share of the window. A power law shows as "
        "a level line.",
        alt=f"Three panels with one line for each trace. On {names[0]} the index ranges over: {said}. Over all traces that of "
        f"the gap lies between {real(gaps.min()):.2g} and {real(gaps.max()):.2g}."
        if len(gaps)
        else f"Three panels with one line for each trace. On {names[0]} the index ranges over: {said}.",
    )


_TOP, NEAR = 12.0, 1.35
"""Costs over hindsight above this are drawn at the edge, in all and near one: by how much a rule is hopeless is in the
table."""


def _panels(
    traces: list[str], height: float, rows: int = 1, **options: object
) -> tuple[Figure, list[list[Axes]]]:
    figure, axes = style.subplots(
        rows, len(traces), width="page", height=height, sharey="row", squeeze=False, **options
    )
    return figure, [list(row) for row in axes]


def over_months(frame: pl.DataFrame) -> Drawing:
    """Draw what rules cost on the second half: ``trace``, ``penalty`` (days), ``policy``, ``to_hindsight``, ``low``, ``high``."""
    shown = _numbers(frame, "low", "high").filter(pl.col("policy").is_in(list(rules.RULES)))
    traces = shown["trace"].unique(maintain_order=True).to_list()
    names = listed(shown["policy"])
    figure, (near, all_) = _panels(traces, 4.6, 2, sharex="col")
    for axes, top in ((near, NEAR), (all_, _TOP)):
        for ax, trace in zip(axes, traces, strict=True):
            part = shown.filter(trace=trace).with_columns(
                pl.col("to_hindsight", "low", "high").clip(upper_bound=top)
            )
            sns.lineplot(
                part.to_pandas(), x="penalty", y="to_hindsight", hue="policy", hue_order=names, palette=COLOUR,
                style="policy", style_order=names, markers=MARKER, dashes=False, markersize=4.5,
                errorbar=None, legend=ax is all_[-1], ax=ax,
            )  # fmt: skip
            _bands(ax, part, "penalty")
            style.log_axis(ax, "x", *("y" if axes is all_ else ""))
            ax.set_ylim(0.8, top)
            ax.set(title=trace if axes is near else "", xlabel="cost of a miss (RAM-days)", ylabel="")
            ax.axhline(1, color="black", linewidth=0.8, linestyle=":")
    figure.supylabel("cost / best fixed window in hindsight", fontsize=8)
    axes = all_
    _shared_legend(figure, axes[-1])
    day = frame.filter(pl.col("penalty") >= 1)
    worst = {name: real(day.filter(policy=name)["to_hindsight"].max()) for name in names}
    said = "; ".join(f"{name} {value:.3g}" for name, value in worst.items())
    style.title(
        figure,
        f"From a RAM-day on, re-tuning on change costs at most {worst[rules.RETUNED]:.2f} times as much as the best window, the "
        f"tuned window {worst[rules.TUNED]:.2f} times",
    )
    return Drawing(
        figure,
        caption="Cost on the second half of each trace over that of the fixed window that was best there, by the cost of a "
        f"miss; rules were set on the first half. Above, what is near one; values above {NEAR:g} and {_TOP:g} are drawn at "
        "the upper edges. Bands, mostly narrower than a line, are 95 % intervals over groups of slots or contracts. Largest ratio from one "
        f"RAM-day on: {said}.",
        alt=f"{2 * len(traces)} panels, two for each trace, with a line for each rule. Largest ratio from one RAM-day on: {said}.",
    )


def _bands(ax: Axes, part: pl.DataFrame, x: str) -> None:
    """Draw the intervals of each rule where it has some."""
    for (name,), drawn in part.drop_nulls("low").group_by("policy", maintain_order=True):
        ax.fill_between(
            drawn[x], drawn["low"], drawn["high"], color=COLOUR[str(name)], alpha=0.25, linewidth=0
        )


def drift(frame: pl.DataFrame) -> Drawing:
    """Draw rules on each eighth: ``trace``, ``start`` (day), ``policy``, ``to_hindsight``, ``low``, ``high``, ``penalty``."""
    names = listed((rules.QUARTER, rules.TUNED, rules.CLASSES, rules.RETUNED))
    frame = _numbers(frame, "low", "high").filter(pl.col("policy").is_in(names))
    traces = frame["trace"].unique(maintain_order=True).to_list()
    figure, [axes] = _panels(traces, 2.9)
    for ax, trace in zip(axes, traces, strict=True):
        part = frame.filter(trace=trace).with_columns(
            pl.col("to_hindsight", "low", "high").clip(upper_bound=NEAR)
        )
        _bands(ax, part, "start")
        sns.lineplot(
            part.to_pandas(), x="start", y="to_hindsight", hue="policy", hue_order=names, palette=COLOUR, style="policy",
            style_order=names, errorbar=None, legend=ax is axes[-1], markers=MARKER, dashes=False, markersize=5, ax=ax,
        )  # fmt: skip
        ax.axhline(1, color="black", linewidth=0.8, linestyle=":")
        ax.set(
            title=trace, xlabel="day at which the eighth begins", ylabel="cost / best window of the eighth"
        )
    _shared_legend(figure, axes[-1])
    penalty = real(frame["penalty"].max())
    top = frame.filter(policy=rules.TUNED).sort("to_hindsight").row(-1, named=True)
    cell = frame.filter(trace=top["trace"], start=top["start"])
    at = dict(cell.select("policy", "to_hindsight").rows())
    said = ", ".join(f"{name} {value:.2f}" for name, value in at.items())
    style.title(
        figure,
        f"On {top['trace']} from day {top['start']:,.0f} on the tuned window costs {at[rules.TUNED]:.2f} times as much as the "
        f"best, re-tuned on change {at[rules.RETUNED]:.2f} times",
    )
    return Drawing(
        figure,
        caption=f"Cost on each eighth of a trace, with all before it known, over that of the fixed window that was best on this "
        f"eighth; a miss costs {penalty:g} RAM-days. Bands are 95 % intervals over groups of slots or contracts. Values above {NEAR:g} are drawn there. Where the tuned window loses most: {said}.",
        alt=f"{len(traces)} panels with four lines over time. On {top['trace']} from day {top['start']:,.0f} on: {said}.",
    )


def trace_length(frame: pl.DataFrame) -> Drawing:
    """Draw what windows tuned on short spans cost: ``trace``, ``span``, ``penalty``, ``to_hindsight``, ``enough``."""
    traces = frame["trace"].unique(maintain_order=True).to_list()
    names = [name for name in ("hour", "day", "week", "month", "all before") if name in set(frame["span"])]
    figure, [axes] = _panels(traces, 2.9)
    colours = dict(zip(names, style.sequence(len(names))[::-1], strict=True))
    for ax, trace in zip(axes, traces, strict=True):
        part = frame.filter(trace=trace)
        sns.lineplot(
            part.to_pandas(), x="penalty", y="to_hindsight", hue="span", hue_order=names, palette=colours, style="span",
            style_order=names, markers=list(style.MARKERS[: len(names)]), dashes=False, errorbar=None,
            legend=ax is axes[-1], ax=ax,
        )  # fmt: skip
        short = part.filter(~pl.col("enough")).to_pandas()
        sns.scatterplot(
            short, x="penalty", y="to_hindsight", marker="o", s=70, facecolor="none", edgecolor="#D55E00",
            linewidth=0.9, legend=False, ax=ax,
        )  # fmt: skip
        style.log_axis(ax, "x", "y")
        ax.set(title=trace, xlabel="cost of a miss (RAM-days)", ylabel="cost / best window in hindsight")
    _shared_legend(figure, axes[-1], title="tuned on the last", title_fontsize=8)
    enough, refused = (
        frame.filter(pl.col("enough") == it)["to_hindsight"].drop_nulls() for it in (True, False)
    )
    title = "Windows tuned on spans before the middle of a trace"
    if len(enough) and len(refused):
        title = (
            f"A span long enough for its window loses at most {style.share(real(enough.max()) - 1)}; one too short costs up "
            f"to {real(refused.max()):.1f} times the best"
        )
    style.title(figure, title)
    worst = "; ".join(f"{name} {real(frame.filter(span=name)['to_hindsight'].max()):.2f}" for name in names)
    return Drawing(
        figure,
        caption="Cost on the second half of each trace of the fixed window tuned on the last hour, day, week or month before it, "
        "over that of the best window in hindsight. Circles: the span is too short, as its window takes more than half of it "
        f"or it holds fewer than 200 completed gaps. Largest ratio: {worst}.",
        alt=f"{len(traces)} panels on logarithmic axes with a line for each span. Largest ratio by span: {worst}.",
    )


def foretold(frame: pl.DataFrame, *, unit: str, hot: int) -> Drawing:
    """Draw what forecasts say beside what came: ``panel``, ``series``, ``at``, ``value``, ``low``, ``high``."""
    frame = _numbers(frame, "at", "low", "high")
    names = frame["series"].unique(maintain_order=True).to_list()
    came, forecasts = names[0], names[1:]
    colours = dict(zip(forecasts, (*style.COLOURS[:6], style.COLOURS[7], style.QUIET), strict=False)) | {
        came: "#000000"
    }
    figure, axes = style.subplots(1, 3, width="page", height=3.8)
    for ax, (panel, label) in zip(
        axes, {"reuse": "touched again exactly L later", "coverage": "visits covered"}.items(), strict=False
    ):
        part = frame.filter(pl.col("panel") == panel)
        sns.lineplot(
            part.to_pandas(), x="at", y="value", hue="series", hue_order=names, palette=colours, style="series",
            style_order=names, errorbar=None, legend=panel == "reuse", ax=ax,
        )  # fmt: skip
        band = part.filter(pl.col("series") == came)
        style.band(ax, band["at"], band["low"], band["high"], color="#000000")
        _time_axis(ax, unit)
        ax.tick_params(axis="x", rotation=45)
        ax.set_ylim(bottom=0)
        ax.set_ylabel(label)
        style.percent(ax, "y")
    axes[1].set_xlabel("window" if unit == "seconds" else "window (blocks)")
    sets = frame.filter(pl.col("panel") == "hot")
    bound = real(sets.filter(pl.col("series") == came)["value"].item())
    chosen = sets.filter(pl.col("series") != came)
    for row in chosen.iter_rows(named=True):
        y = forecasts.index(row["series"])
        axes[2].plot([row["low"], row["high"]], [y, y], color=colours[row["series"]])
        axes[2].plot(row["value"], y, "o", color=colours[row["series"]], markersize=4.5)
        axes[2].annotate(
            row["series"],
            (0.02, y),
            (0, 4),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            fontsize=6.5,
        )
    axes[2].axvline(bound, color="black", linestyle=":", linewidth=0.9)
    axes[2].set(xlabel="visits served", ylim=(len(forecasts) - 0.5, -0.5), yticks=range(len(forecasts)))
    axes[2].set_yticklabels(["" for _ in forecasts])
    style.percent(axes[2], "x")
    handles, labels = axes[0].get_legend_handles_labels()
    axes[0].get_legend().remove()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    off = {
        name: real((part["value"] - frame.filter(pl.col("panel") == "reuse", pl.col("series") == came)["value"]).abs().mean())
        for name in forecasts
        for part in [frame.filter(pl.col("panel") == "reuse", pl.col("series") == name)]
    }  # fmt: skip
    served = {row["series"]: row["value"] for row in chosen.iter_rows(named=True)}
    nearest, first = min(off, key=lambda name: off[name]), max(served, key=lambda name: served[name])
    style.title(
        figure,
        f"Nearest to the reuse that came: {nearest} ({style.share(off[nearest], 1)} off); best hot set: {first} "
        f"({style.share(served[first], 1)} served)",
    )
    said = "; ".join(
        f"{name} {style.share(off[name], 1)} off, {style.share(served[name], 1)} served" for name in forecasts
    )
    return Drawing(
        figure,
        caption="The last third of the trace, forecast from what lies before. Left: reuse by lag. Middle: share of visits whose "
        f"slot was visited at most a window before. Right: share of visits on the {hot:,} slots that each forecast ranks first; "
        f"dotted: {style.share(bound, 1)}, the best set in hindsight. Bands and bars: 95 % bootstrap over tenths of the judged "
        f"blocks. Mean distance to the reuse that came, and share served: {said}.",
        alt=f"Two panels of rising or falling curves, one for each forecast and a black one for what came, and a panel of dots. "
        f"{said}.",
    )
