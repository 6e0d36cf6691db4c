"""Figures of the chapter ``survival``."""

from __future__ import annotations

import textwrap

import numpy as np
import polars as pl
import seaborn as sns
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from rollstate.compendium import style
from rollstate.compendium.style import Drawing
from rollstate.scalars import real, whole


def _ends(frame: pl.DataFrame, value: str, low: str, high: str) -> pl.DataFrame:
    """Return a frame whose intervals are drawn: an estimate without one, over a single cluster, is its own."""
    return frame.with_columns(
        pl.coalesce(pl.col(name).cast(pl.Float64), value).alias(name) for name in (low, high)
    )


RISK_TIMES = 6
"""Gap times at which the numbers at risk are written under the curves."""


def curves(
    frame: pl.DataFrame, *, what: str, bands: str = "simultaneous, bootstrap over contracts"
) -> Drawing:
    """Draw survival by stratum with numbers at risk: ``stratum``, ``time``, ``survival``, ``low``, ``high``, ``at_risk``."""
    names = frame["stratum"].unique(maintain_order=True).to_list()
    colours = style.palette(names)
    figure, (ax, risk) = style.subplots(
        2, 1, width="page", height=2.6 + 0.2 * len(names), sharex=True,
        gridspec_kw={"height_ratios": [2.4, 0.22 * len(names) + 0.05]},
    )  # fmt: skip
    sns.lineplot(
        frame.to_pandas(), x="time", y="survival", hue="stratum", hue_order=names, style="stratum", style_order=names,
        palette=colours, drawstyle="steps-post", errorbar=None, ax=ax,
    )  # fmt: skip
    longest = frame["time"].max()
    at = sorted({0, *(round(longest * share) for share in np.linspace(0, 1, RISK_TIMES))})
    for number, name in enumerate(names):
        part = frame.filter(pl.col("stratum") == name)
        band = part.with_columns(pl.col("low", "high").cast(pl.Float64)).drop_nulls(["low", "high"])
        ax.fill_between(
            band["time"],
            band["low"],
            band["high"],
            step="post",
            color=colours[name],
            alpha=style.BAND_ALPHA,
            linewidth=0,
        )
        for time in at:
            row = part.filter(pl.col("time") >= time)
            text = f"{row['at_risk'][0]:,}" if row.height else "0"
            risk.text(time, number, text, ha="center", va="center", fontsize=7, color=colours[name])
    risk.set_ylim(len(names) - 0.5, -0.5)
    risk.set_yticks(range(len(names)), names)
    risk.grid(False)
    risk.tick_params(length=0)
    for side in risk.spines.values():
        side.set_visible(False)
    risk.set_xlabel("blocks since the last access; below the curves: spells at risk")
    ax.set(ylim=(0, 1.02), xlabel="", ylabel="not accessed again")
    style.percent(ax, "y")
    ax.legend(title=None)
    # No later than the blocks show.
    time = min(10, whole(longest))
    after = "ten blocks" if time == 10 else _blocks(time)
    ten = {
        name: frame.filter(pl.col("stratum") == name, pl.col("time") <= time)["survival"][-1]
        for name in names
    }
    low, high = min(ten.values()), max(ten.values())
    finding = (
        f"After {after} {style.share(low)} to {style.share(high)} of slots have not been accessed again"
        if len(names) > 1
        else f"After {after} {style.share(low)} of slots have not been accessed again"
    )
    style.title(figure, finding)
    numbers = ", ".join(f"{name} {style.share(value)}" for name, value in ten.items())
    return Drawing(
        figure,
        caption=f"Kaplan-Meier curves of the training blocks: share of spells without another access. {what} Bands: 95 % "
        f"{bands}. The rows below count the spells at risk.",
        alt=f"Falling step curves with bands and numbers at risk. Not accessed again after {after}: {numbers}.",
    )


def by_kind(frame: pl.DataFrame) -> Drawing:
    """Draw `curves` by the kind of contract."""
    return curves(frame, what="By the kind of the slot's contract.")


def effects(frame: pl.DataFrame) -> Drawing:
    """Draw effects along the gap, those that change most first: ``covariate``, ``time``, ``effect``, its band, ``constant``."""
    names = frame["covariate"].unique(maintain_order=True).to_list()
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure, axes = style.subplots(
        rows, columns, width="page", height=1.5 * rows + 0.6, squeeze=False, sharex=True, sharey=True
    )
    for ax, name in zip(axes.flat, names, strict=False):
        part = frame.filter(pl.col("covariate") == name)
        sns.lineplot(part.to_pandas(), x="time", y="effect", color=style.COLOURS[0], ax=ax)
        style.band(ax, part["time"], part["low"], part["high"], color=style.COLOURS[0])
        ax.axhline(part["constant"][0], color=style.COLOURS[1], linestyle="--", linewidth=1)
        ax.set_title(textwrap.fill(name, 24), fontsize=7)
        ax.set(xlabel="", ylabel="")
    for ax in axes.flat[: len(names)]:
        style.log_axis(ax, "x")
    for ax in axes.flat[len(names) :]:
        ax.set_axis_off()
    figure.supxlabel("blocks since the last access", fontsize=8)
    figure.supylabel("log hazard ratio", fontsize=8)
    first = frame.filter(pl.col("covariate") == names[0])["effect"]
    fold = float(np.exp(real(first.max()) - real(first.min())))
    style.title(figure, f"The effect of “{names[0]}” changes {fold:.1f}-fold along the gap")
    return Drawing(
        figure,
        caption="Log hazard ratio of each covariate along the gap: natural cubic spline through the scaled Schoenfeld residuals, "
        "pointwise 95 % band. Dashed: the constant that a Cox model takes. The covariates that change most come first.",
        alt=f"{len(names)} small panels with a common axis. “{names[0]}” runs from {first[0]:.2f} to {first[-1]:.2f}.",
    )


def differences(frame: pl.DataFrame, *, reference: str, slots: int, horizon: int) -> Drawing:
    """Draw Brier scores less the reference's: ``model``, ``cluster``, ``difference`` with its interval, ``picked``."""
    frame = _ends(frame, "difference", "difference_low", "difference_high")
    models = frame["model"].unique(maintain_order=True).to_list()
    ways = frame["cluster"].unique(maintain_order=True).to_list()
    figure, ax = style.subplots(height=0.28 * len(models) + 1.3)
    style.ranges(
        frame.to_pandas(), ax, value="difference", low="difference_low", high="difference_high", row="model",
        colour="cluster", rows=models, colours=ways,
    )  # fmt: skip
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_xlabel(f"Brier score less that of {reference}")
    style.key(figure, ways)
    picked = frame.filter("picked")["model"][0]
    for text in ax.get_yticklabels():
        if text.get_text() == picked:
            text.set_fontweight("bold")
    contract = frame.filter(pl.col("cluster") == ways[0])
    better = contract.filter(pl.col("difference_high") < 0).height
    style.title(figure, f"{better} of {len(models)} models are clearly better than {reference}")
    numbers = ", ".join(f"{row['model']} {row['difference']:+.4f}" for row in contract.iter_rows(named=True))
    return Drawing(
        figure,
        caption=f"Brier score less that of {reference} on {slots:,} slots, horizon {_blocks(horizon)}, with 95 % intervals of the "
        "paired difference. Left of zero is better; an interval across zero is no difference. Bold: the model picked "
        "beforehand.",
        alt=f"Dots with intervals, two for each of {len(models)} models. Differences: {numbers}.",
    )


def ranges(frame: pl.DataFrame, *, reference: str) -> Drawing:
    """Draw paired differences inside and outside the training range: ``range``, ``model``, ``difference``, its interval."""
    frame = _ends(
        frame.filter(pl.col("model") != reference), "difference", "difference_low", "difference_high"
    )
    parts = frame["range"].unique(maintain_order=True).to_list()
    models = frame.filter(pl.col("range") == parts[0]).sort("difference")["model"].to_list()
    figure, ax = style.subplots(height=0.28 * len(models) + 1.3)
    style.ranges(
        frame.to_pandas(), ax, value="difference", low="difference_low", high="difference_high", row="model",
        colour="range", rows=models, colours=parts,
    )  # fmt: skip
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_xlabel(f"Brier score less that of {reference}")
    style.key(figure, parts)
    clear = {
        name: frame.filter(pl.col("range") == name, pl.col("difference_high") < 0).height for name in parts
    }
    found = ", ".join(f"{number} {name}" for name, number in clear.items())
    style.title(figure, f"Clearly better than {reference}: {found} the training range")
    slots = ", ".join(f"{frame.filter(pl.col('range') == name)['slots'][0]:,} {name}" for name in parts)
    return Drawing(
        figure,
        caption=f"Brier score less that of {reference}, apart for slots inside the range of gaps that training saw end and for "
        f"slots that need extrapolation ({slots}); 95 % intervals of the paired difference, bootstrap over contracts.",
        alt=f"Dots with intervals. Models clearly better: {found} the training range, of {len(models)}.",
    )


def reliability(frame: pl.DataFrame) -> Drawing:
    """Draw frequencies against forecasts, and how forecasts spread: ``model``, ``kind``, ``forecast``, ``value``, band."""
    names = frame["model"].unique(maintain_order=True).to_list()
    figure, axes = style.subplots(
        2, len(names), width="page", height=3.1, squeeze=False, sharex=True, sharey="row",
        gridspec_kw={"height_ratios": [3, 1]},
    )  # fmt: skip
    low, share = {}, {}
    for number, name in enumerate(names):
        upper, lower = axes[:, number]
        line = frame.filter(pl.col("model") == name, pl.col("kind") == "frequency")
        spread = frame.filter(pl.col("model") == name, pl.col("kind") == "slots")
        upper.plot([0, 1], [0, 1], color=style.QUIET, linestyle=":", linewidth=0.9)
        sns.lineplot(line.to_pandas(), x="forecast", y="value", color=style.COLOURS[0], ax=upper)
        upper.fill_between(
            line["forecast"],
            line["low"],
            line["high"],
            color=style.COLOURS[0],
            alpha=style.BAND_ALPHA,
            linewidth=0,
        )
        lower.bar(spread["forecast"], spread["value"].clip(1e-4), width=0.045, color=style.COLOURS[0])
        lower.set_yscale("log")
        lower.yaxis.set_major_locator(FixedLocator([1e-4, 1e-3, 1e-2, 1e-1, 1]))
        lower.yaxis.set_minor_locator(NullLocator())
        lower.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}\u202f%"))
        upper.set_title(name, fontsize=7.5)
        upper.set(xlim=(0, 1), ylim=(0, 1), xlabel="", ylabel="")
        lower.set_xlabel("forecast")
        style.percent(upper, "x", "y")
        low[name] = real(spread.filter(pl.col("forecast") < 0.3)["value"].sum())
        share[name] = real((line["value"] - line["forecast"]).abs().mean())
    axes[0, 0].set_ylabel("accessed")
    axes[1, 0].set_ylabel("slots")
    style.title(
        figure, f"{style.share(low[names[0]])} of the forecasts lie below 30 %: high ones rest on few slots"
    )
    return Drawing(
        figure,
        caption="Above: how often slots were accessed by how likely the forecast held it (CORP reliability, isotonic), 95 % band "
        "over contracts; on the dotted line forecasts are calibrated. Below: share of slots by forecast, on a log scale.",
        alt="Curves around the diagonal over histograms. Mean distance to the diagonal: "
        + ", ".join(f"{name} {style.share(value, 1)}" for name, value in share.items())
        + ".",
    )


def coverage(frame: pl.DataFrame, *, nominal: float) -> Drawing:
    """Draw coverage by stratum: ``bound``, ``stratum``, ``coverage``, ``low``, ``high``."""
    frame = _ends(frame, "coverage", "low", "high")
    strata = frame["stratum"].unique(maintain_order=True).to_list()
    strata = [*strata[1:], strata[0]]
    kinds = frame["bound"].unique(maintain_order=True).to_list()
    figure, ax = style.subplots(height=0.4 * len(strata) + 1.3)
    style.ranges(
        frame.to_pandas(), ax, value="coverage", low="low", high="high", row="stratum", colour="bound", rows=strata,
        colours=kinds,
    )  # fmt: skip
    ax.axvline(nominal, color="black", linestyle="--", linewidth=0.8)
    ax.set_xlabel("waits at least their bound")
    style.percent(ax, "x")
    style.key(figure, kinds)
    overall = frame.filter(pl.col("stratum") == strata[-1], pl.col("bound") == kinds[0])["coverage"][0]
    style.title(
        figure,
        f"{style.share(overall, 1)} of waits are at least their bound, {style.share(nominal)} were asked for",
    )
    numbers = ", ".join(
        f"{row['stratum']} {style.share(row['coverage'])}"
        for row in frame.filter(pl.col("bound") == kinds[0]).iter_rows(named=True)
    )
    return Drawing(
        figure,
        caption="Share of waits on later blocks that are at least their conformal bound, by stratum, with one level for all slots "
        "and with a level for each stratum; 95 % intervals over contracts.",
        alt=f"Dots with intervals around the dashed line at {style.share(nominal)}. One level for all: {numbers}.",
    )


def truth(frame: pl.DataFrame, *, reference: str) -> Drawing:
    """Draw the mean absolute error of forecasts, sorted: ``model``, ``error``, ``low``, ``high``."""
    figure, ax = style.subplots(height=0.25 * frame.height + 1.0)
    style.ranges(
        frame.to_pandas(),
        ax,
        value="error",
        low="low",
        high="high",
        row="model",
        rows=frame["model"].to_list(),
    )
    ax.set_xlim(left=0)
    ax.set_xlabel("mean absolute error of forecast")
    place = frame["model"].to_list().index(reference) + 1
    best, curve = frame["error"][0], frame.filter(pl.col("model") == reference)["error"][0]
    style.title(figure, f"Beside known truth, {reference} is number {place} of {frame.height}")
    return Drawing(
        figure,
        caption="Mean absolute error of forecasts against the true probabilities on the synthetic trace; 95 % intervals over "
        "contracts.",
        alt=f"Dots with intervals, sorted. Smallest: {frame['model'][0]} {best:.3f}; {reference}: {curve:.3f}.",
    )


def _blocks(number: int) -> str:
    return f"{number} block{'s' * (number != 1)}"
