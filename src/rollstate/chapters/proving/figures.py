"""Figures of the chapter ``proving``."""

from __future__ import annotations

import polars as pl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from rollstate.compendium import style
from rollstate.compendium.style import Drawing
from rollstate.scalars import real


def _lines(ax: Axes, frame: pl.DataFrame, *, x: str, y: str, hue: str, markers: bool = False) -> None:
    """Draw a line for each series, told apart by colour and dash."""
    names = frame[hue].unique(maintain_order=True).to_list()
    sns.lineplot(
        frame.to_pandas(), x=x, y=y, hue=hue, hue_order=names, palette=style.palette(names), style=hue,
        style_order=names, markers=markers, errorbar=None, ax=ax,
    )  # fmt: skip
    ax.legend(title=None)


def _bars(ax: Axes, frame: pl.DataFrame, *, x: str, value: str, low: str, high: str, hue: str) -> None:
    """Add intervals to `_lines`."""
    for number, part in enumerate(frame.partition_by(hue, maintain_order=True)):
        ax.vlines(part[x], part[low], part[high], color=style.COLOURS[number], linewidth=1.2)


def formulas(frame: pl.DataFrame) -> Drawing:
    """Draw delays with regular times: ``panel``, ``series``, ``x``, ``delay_s``."""
    figure, axes = style.subplots(1, 2, width="page", height=3.3)
    for ax, panel, label in zip(axes, ("by batch", "by provers"), ("batch", "provers"), strict=True):
        _lines(ax, frame.filter(pl.col("panel") == panel), x="x", y="delay_s", hue="series")
        ax.set(xlabel=label, ylabel="delay of the first transaction (s)")
        style.log_axis(ax, "y")
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2 if panel == "by batch" else 1)
    one = frame.filter((pl.col("panel") == "by batch") & (pl.col("series") == "1 prover"))["delay_s"]
    style.title(
        figure,
        f"With one prover the delay grows from {one[0]:.0f} s to {one[-1]:,.0f} s in {len(one)} batches",
    )
    return Drawing(
        figure,
        caption=f"Left: delay by batch; with one prover the first has {one[0]:.0f} s, number {len(one)} has {one[-1]:,.0f} s. "
        "Right: the article's delay, with groups as large as the number of provers, beside groups of two. Regular times.",
        alt=f"Two panels of lines. One prover: from {one[0]:.0f} to {one[-1]:,.0f} seconds. Groups of two: one level line.",
    )


def factory(frame: pl.DataFrame) -> Drawing:
    """Draw the rate of toy lines against items in them: ``line``, ``wip``, ``rate``."""
    figure, ax = style.subplots(height=2.6)
    _lines(ax, frame, x="wip", y="rate", hue="line", markers=True)
    ax.set(xlabel="items in the line", ylabel="items per hour")
    best = frame.group_by("line", maintain_order=True).agg(pl.col("rate").max())
    said = ", ".join(f"{line}: {rate:.2f}" for line, rate in best.iter_rows())
    style.title(figure, "A line is fast only with enough items in it")
    return Drawing(figure, caption=f"Rate against items in the line, by the factory law. Highest rates per hour: {said}.",
                   alt=f"Three lines that rise and level off. Highest rates: {said}.")  # fmt: skip


def queueing(frame: pl.DataFrame) -> Drawing:
    """Draw mean waits: ``provers``, ``how``, ``wait_s``, ``low_s``, ``high_s``."""
    figure, ax = style.subplots(height=2.8)
    _lines(ax, frame, x="provers", y="wait_s", hue="how")
    part = frame.filter(pl.col("how") == "simulated")
    _bars(ax, part, x="provers", value="wait_s", low="low_s", high="high_s", hue="how")
    style.log_axis(ax, "y")
    ax.set(xlabel="provers", ylabel="mean wait for a prover (s)")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    first, last = part.row(0, named=True), part.row(-1, named=True)
    style.title(figure, f"{first['provers']} provers leave a mean wait of {first['wait_s']:.0f} s")
    said = f"{first['wait_s']:.1f} s with {first['provers']} provers, {last['wait_s']:.2f} s with {last['provers']}"
    return Drawing(figure, caption=f"Mean wait with Poisson batches and a fixed proving time: simulated, with 95 % intervals "
                   f"over independent replications, and three approximations. Simulated: {said}.",
                   alt=f"Falling lines; simulation and Cosmetatos coincide. {said}.")  # fmt: skip


def throughput(frame: pl.DataFrame) -> Drawing:
    """Draw batches per hour against provers: ``provers``, ``how``, ``per_h``."""
    figure, ax = style.subplots(height=2.6)
    _lines(ax, frame, x="provers", y="per_h", hue="how")
    ax.set(xlabel="provers", ylabel="batches proved per hour", ylim=(0, None))
    one, most = frame["per_h"][0], real(frame["per_h"].max())
    style.title(figure, f"Throughput rises from {one:.0f} to {most:.0f} batches per hour, then stays")
    return Drawing(figure, caption=f"Throughput: {one:.0f} batches per hour with one prover, at most {most:.0f}, which is how "
                   "fast batches close. Failures ask for one prover more.",
                   alt=f"Lines that rise from {one:.0f} and level off at {most:.0f} batches per hour.")  # fmt: skip


def calibration(frame: pl.DataFrame, *, run: str) -> Drawing:
    """Draw proving times against gas and cycles with bands: ``panel``, ``kind``, ``size``, ``prove_s``, ``low_s``, ``high_s``."""
    figure, axes = style.subplots(1, 2, width="page", height=2.9, sharey=True)
    labels = {"gas": "gas of the block (million)", "cycles": "cycles of the block (hundred million)"}
    widths = {}
    for ax, (panel, label) in zip(axes, labels.items(), strict=True):
        part = frame.filter(pl.col("panel") == panel)
        blocks, fit = part.filter(pl.col("kind") != "fit"), part.filter(pl.col("kind") == "fit")
        sns.scatterplot(
            blocks.to_pandas(), x="size", y="prove_s", hue="kind", style="kind", hue_order=["finished", "crashed"],
            style_order=["finished", "crashed"], markers=["o", "X"], palette=["#0072B2", "#000000"], s=14, ax=ax,
        )  # fmt: skip
        ax.plot(fit["size"], fit["prove_s"], color=style.COLOURS[1])
        style.band(ax, fit["size"], fit["low_s"], fit["high_s"])
        ax.set(xlabel=label, ylabel="proving time (s)")
        ax.legend(title=None, loc="lower right")
        widths[panel] = real((fit["high_s"] - fit["low_s"]).mean())
    style.title(
        figure,
        f"The band from cycles is {widths['gas'] / widths['cycles']:.1f} times narrower than that from gas",
    )
    said = f"{widths['gas']:.0f} s wide on average from gas, {widths['cycles']:.0f} s from cycles"
    return Drawing(figure, caption=f"Proving times of {run} with fitted line and 95 % prediction band, {said}. Crashed runs have "
                   "no time: their crosses stand above the others.",
                   alt=f"Two scatter plots with bands, {said}.")  # fmt: skip


def coverage(frame: pl.DataFrame, *, train: int) -> Drawing:
    """Draw coverage by decile of size: ``covariate``, ``decile`` (0 for all), ``share``, ``low``, ``high``."""
    figure, ax = style.subplots(width="page", height=2.6)
    part = frame.filter(pl.col("decile") > 0)
    _lines(ax, part, x="decile", y="share", hue="covariate", markers=True)
    _bars(ax, part, x="decile", value="share", low="low", high="high", hue="covariate")
    ax.axhline(0.95, color="black", linewidth=0.8, linestyle=":")
    ax.set(xlabel="decile of the block's size", ylabel="blocks inside the 95 % band")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    style.percent(ax, "y")
    by = {row["covariate"]: row["share"] for row in frame.filter(pl.col("decile") == 0).iter_rows(named=True)}
    top = {
        row["covariate"]: row["share"] for row in frame.filter(pl.col("decile") == 10).iter_rows(named=True)
    }
    style.title(
        figure,
        f"On later blocks the band from cycles covers {style.share(by['cycles'])}, that from gas {style.share(by['gas'])}",
    )
    said = ", ".join(
        f"{name}: {style.share(by[name])} in all, {style.share(top[name])} in the top decile" for name in by
    )
    return Drawing(figure, caption=f"Coverage of 95 % bands fitted on the first {train} blocks of each run and judged on the "
                   f"others, with exact 95 % intervals. {said}.", alt=f"Two lines over ten deciles. {said}.")  # fmt: skip


def real_time(frame: pl.DataFrame, *, slot: float) -> Drawing:
    """Draw the share of blocks proved within a time: ``run``, ``time_s``."""
    figure, ax = style.subplots(width="page", height=3.0)
    names = frame["run"].unique(maintain_order=True).to_list()
    sns.ecdfplot(
        frame.to_pandas(), x="time_s", hue="run", hue_order=names, palette=style.palette(names), ax=ax
    )
    for number, line in enumerate(reversed(ax.get_lines())):
        line.set_linestyle(style.LINES[number % 4])
    for handle, number in zip(ax.get_legend().get_lines(), range(len(names)), strict=True):
        handle.set_linestyle(style.LINES[number % 4])
    ax.axvline(slot, color="black", linewidth=0.8, linestyle=":")
    ax.annotate("one slot", (slot, 0.97), xytext=(3, 0), textcoords="offset points", fontsize=7)
    style.log_axis(ax, "x")
    style.percent(ax, "y")
    ax.set(xlabel="proving time (s)", ylabel="finished blocks proved by then")
    sns.move_legend(ax, "upper left", bbox_to_anchor=(1, 1), title=None)
    shares = frame.group_by("run", maintain_order=True).agg((pl.col("time_s") <= slot).mean().alias("share"))
    best, share = shares.sort("share").row(-1)
    style.title(figure, f"The fastest run proves {style.share(share)} of its blocks within a slot")
    return Drawing(figure, caption=f"Share of finished blocks proved within a time, one prover. {best}: {style.share(share)} within "
                   f"{slot:g} s. Crashed runs are left out.",
                   alt=f"Rising curves by run. Within a slot of {slot:g} s: at most {style.share(share)}.")  # fmt: skip


def groups(frame: pl.DataFrame) -> Drawing:
    """Draw mean delay against the size of the group: ``group``, ``how``, ``mean_s``, ``low_s``, ``high_s``."""
    figure, ax = style.subplots(height=2.7)
    _lines(ax, frame, x="group", y="mean_s", hue="how", markers=True)
    part = frame.filter(pl.col("how") == "simulated")
    _bars(ax, part, x="group", value="mean_s", low="low_s", high="high_s", hue="how")
    ax.set(xlabel="batches per aggregate", ylabel="mean delay to finality (s)")
    best, two = part.sort("mean_s").row(0, named=True), part.row(0, named=True)
    style.title(figure, f"With random times groups of {best['group']} have the least delay")
    said = f"{two['mean_s']:.0f} s for groups of {two['group']}, {best['mean_s']:.0f} s for groups of {best['group']}"
    return Drawing(figure, caption=f"Mean delay by closed form with regular times and simulated, with 95 % intervals: {said}.",
                   alt=f"A rising line of the closed form, and a simulated one with a minimum: {said}.")  # fmt: skip


def failures(frame: pl.DataFrame) -> Drawing:
    """Draw the tail against failures: ``failure``, ``provers``, ``p99_s``, ``low_s``, ``high_s``."""
    figure, ax = style.subplots(height=2.7)
    _lines(ax, frame, x="failure", y="p99_s", hue="provers", markers=True)
    _bars(ax, frame, x="failure", value="p99_s", low="low_s", high="high_s", hue="provers")
    style.percent(ax, "x")
    ax.set(xlabel="proofs that fail", ylabel="99th percentile of the delay (s)")
    part = frame.filter(pl.col("provers") == frame["provers"][0])
    said = ", ".join(
        f"{p99:.0f} s at {style.share(failure)}"
        for failure, p99 in part.select("failure", "p99_s").iter_rows()
    )
    style.title(figure, "Failures set the tail; more provers hardly change it")
    return Drawing(figure, caption=f"99th percentile of the delay to finality, with 95 % intervals: {said} of failures.",
                   alt=f"Two rising lines close together: {said}.")  # fmt: skip


def timeline(frame: pl.DataFrame) -> Drawing:
    """Draw the stages of a transaction's way: ``stage``, ``mean_s``, ``p05_s``, ``p95_s``."""
    figure, ax = style.subplots(width="page", height=2.1)
    style.ranges(frame.to_pandas(), ax, value="mean_s", low="p05_s", high="p95_s", row="stage")
    ax.set(xlabel="time in the stage (s): mean, 5th to 95th percentile", xlim=(0, None))
    longest = frame.sort("mean_s").row(-1, named=True)
    said = ", ".join(f"{row['stage']} {row['mean_s']:.0f} s" for row in frame.iter_rows(named=True))
    style.title(
        figure,
        f"The longest stage, \u201c{longest['stage']}\u201d, takes {longest['mean_s']:.0f} s of {frame['mean_s'].sum():.0f} s",
    )
    return Drawing(
        figure,
        caption=f"Stages on a transaction's way to finality. Means: {said}.",
        alt=f"Dots with ranges: {said}.",
    )


def frontier(frame: pl.DataFrame) -> Drawing:
    """Draw cost against the tail of the delay along the group: ``close_s``, ``group``, ``final_p99_*_s``, ``usd_per_tx``."""
    figure, ax = style.subplots(width="page", height=3.0)
    named = frame.with_columns(closes=pl.format("batches close after {} s", pl.col("close_s").cast(pl.Int64)))
    _lines(ax, named, x="final_p99_s", y="usd_per_tx", hue="closes", markers=True)
    for number, part in enumerate(named.partition_by("closes", maintain_order=True)):
        ax.hlines(
            part["usd_per_tx"], part["final_p99_low_s"], part["final_p99_high_s"], color=style.COLOURS[number]
        )
        for row in part.iter_rows(named=True):
            ax.annotate(f"{row['group']}", (row["final_p99_s"], row["usd_per_tx"]), xytext=(3, 3),
                        textcoords="offset points", fontsize=7)  # fmt: skip
    style.log_axis(ax, "x", "y")
    ax.set(xlabel="99th percentile of the delay to finality (s)", ylabel="cost per transaction ($)")
    first, last = frame.row(0, named=True), frame.sort("usd_per_tx").row(0, named=True)
    style.title(
        figure,
        f"Cost falls from \\${first['usd_per_tx']:.3f} to \\${last['usd_per_tx']:.3f} as the tail grows to {last['final_p99_s']:.0f} s",
    )
    said = f"${first['usd_per_tx']:.4f} at {first['final_p99_s']:.0f} s, ${last['usd_per_tx']:.4f} at {last['final_p99_s']:.0f} s"
    return Drawing(figure, caption=f"Cost per transaction against the tail of the delay; numbers are batches per aggregate, bars 95 % "
                   f"intervals over independent replications. From {said}.", alt=f"Two falling lines, from {said}.")  # fmt: skip


def cost(frame: pl.DataFrame, *, best: float) -> Drawing:
    """Draw cost per transaction by cause against the group: ``group``, ``cause``, ``usd``."""
    figure, ax = style.subplots(width="page", height=3.0)
    _lines(ax, frame, x="group", y="usd", hue="cause")
    ax.axvline(best, color="black", linewidth=0.8, linestyle=":")
    ax.annotate(
        "least total", (best, frame["usd"].max()), xytext=(3, -8), textcoords="offset points", fontsize=7
    )
    style.log_axis(ax, "x", "y")
    ax.set(xlabel="batches per aggregate", ylabel="cost per transaction (\\$)")
    sns.move_legend(ax, "upper left", bbox_to_anchor=(1, 1), title=None)
    least = real(frame.filter(pl.col("cause") == "total")["usd"].min())
    naive = real(frame.filter(pl.col("cause") == "total, no aggregation")["usd"].min())
    style.title(figure, f"Aggregation lowers the cost from \\${naive:.3f} to \\${least:.4f} per transaction")
    return Drawing(figure, caption=f"Cost per transaction by cause, closed form. Least total ${least:.4f} near {best:.0f} batches. "
                   f"Without aggregation every proof is verified by itself: at least ${naive:.3f}.",
                   alt=f"Lines: verification falls, waiting rises; the total is least, ${least:.4f}, near {best:.0f}.")  # fmt: skip


def growth(frame: pl.DataFrame, *, serial: float) -> Drawing:
    """Draw the GPUs of the cheapest plans: ``gas_growth``, ``serial``, ``target``, ``met``, ``gpus``."""
    figure, axes = style.subplots(1, 2, width="page", height=2.8, sharey=True)
    met = frame.filter(pl.col("met")).with_columns(pl.col("gpus").cast(pl.Float64))
    panels = (
        ("gas_growth", "gas over today's", met.filter(pl.col("serial") == serial)),
        ("serial", "share of a proof that GPUs do not shorten", met.filter(pl.col("gas_growth") == 1)),
    )
    for ax, (x, label, part) in zip(axes, panels, strict=True):
        if not part.is_empty():
            _lines(ax, part.sort("target", x), x=x, y="gpus", hue="target", markers=True)
        ax.set(xlabel=label, ylabel="GPUs of the cheapest plan")
        low, high = real(frame[x].min()), real(frame[x].max())
        room = 0.04 * (high - low or 1.0)
        ax.set_xlim(low - room, high + room)
        ax.xaxis.set_major_locator(MaxNLocator(5))
        style.log_axis(ax, "y")
    if axes[0].get_legend() and axes[1].get_legend():
        axes[1].get_legend().remove()
    style.percent(axes[1], "x")
    reached = [part.filter(pl.col("target") == "performance")[x].drop_nulls() for x, _, part in panels]
    title = "No plan that was tried reaches the class \u201cperformance\u201d"
    if all(len(part) for part in reached):
        most, serial_most = (real(part.max()) for part in reached)
        title = (
            f"Plans reach the class \u201cperformance\u201d up to {most:g} times today's gas, or with up to "
            f"{style.share(serial_most)} of a proof that GPUs do not shorten"
        )
    by_gas = _plans(frame.filter(pl.col("serial") == serial), "gas_growth")
    by_serial = _plans(frame.filter(pl.col("gas_growth") == 1), "serial")
    style.title(figure, title)
    return Drawing(
        figure,
        caption=f"Cheapest plans that prove every block at some time (live) and of the class performance. Left: by gas as a "
        f"multiple of today's, {style.share(serial)} of a proof not shortened by more GPUs: {by_gas}. Right: by that share, "
        f"which is assumed, at today's gas: {by_serial}.",
        alt=f"Two panels of lines by target. By gas: {by_gas}. By the share that more GPUs do not shorten: {by_serial}.",
    )


def _plans(frame: pl.DataFrame, by: str) -> str:
    """Return the GPUs of each target's plans in words."""
    shown = style.share if by == "serial" else style.plain
    said = []
    for (target,), part in frame.sort("target", by).group_by("target", maintain_order=True):
        plans = ", ".join(
            (f"{row['gpus']:.0f} GPUs" if row["met"] else "no plan") + f" at {shown(row[by])}"
            for row in part.iter_rows(named=True)
        )
        said.append(f"{target}, {plans}")
    return "; ".join(said)


def auction(frame: pl.DataFrame) -> Drawing:
    """Draw price, cost and expected loss of a block in a reverse auction: ``teams``, ``cost_usd``, ``slashed_usd``, ``price_usd``."""
    figure, ax = style.subplots(height=2.7)
    names = {"price_usd": "least price", "cost_usd": "cost", "slashed_usd": "stake lost, expected"}
    long = frame.unpivot(list(names), index="teams", variable_name="what", value_name="usd")
    _lines(ax, long.with_columns(pl.col("what").replace(names)), x="teams", y="usd", hue="what", markers=True)
    ax.set(xlabel="teams of the prover", ylabel="$ per block", ylim=(0, None))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    best = frame.sort("price_usd").row(0, named=True)
    teams = "one team" if best["teams"] == 1 else f"{best['teams']} teams"
    style.title(
        figure, f"The least price is \\${best['price_usd']:.3f} a block, asked by a prover with {teams}"
    )
    said = (
        f"least price ${best['price_usd']:.3f} with {teams}, of which ${best['cost_usd']:.3f} are cost; "
        f"{style.share(best['miss'], 1)} of the blocks come late"
    )
    return Drawing(figure, caption=f"What a prover must ask for a block in a reverse auction with a deadline and a stake: {said}.",
                   alt=f"Three lines over the number of teams: {said}.")  # fmt: skip


def life_cycle(frame: pl.DataFrame) -> Drawing:
    """Draw recorded and simulated delays of batches: ``stage``, ``source``, ``level``, ``delay_s``."""
    figure, axes = style.subplots(1, 2, width="page", height=2.8, sharey=True)
    for ax, stage in zip(axes, ("committed", "proven"), strict=True):
        _lines(ax, frame.filter(pl.col("stage") == stage), x="delay_s", y="level", hue="source")
        style.log_axis(ax, "x")
        style.percent(ax, "y")
        ax.set(xlabel=f"time until {stage} (s)", ylabel="batches by then")
    axes[0].get_legend().remove()
    middle = frame.filter((pl.col("stage") == "proven") & ((pl.col("level") - 0.5).abs() < 1e-6))
    said = ", ".join(
        f"{name} {delay:,.0f} s" for name, delay in middle.select("source", "delay_s").iter_rows()
    )
    style.title(figure, f"Half of the recorded batches are proven within {middle['delay_s'][0]:,.0f} s")
    return Drawing(figure, caption=f"Delays since the opening of a batch, recorded and simulated. Medians until the proof is verified: {said}.",
                   alt=f"Two panels of rising curves. Medians until proven: {said}.")  # fmt: skip
