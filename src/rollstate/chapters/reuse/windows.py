"""What the chapter ``reuse`` computes of windows over months, from profiles alone."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import polars as pl

from rollstate.chapters.reuse.parameters import Reuse
from rollstate.chapters.reuse.study import Answer, load
from rollstate.errors import InputError
from rollstate.estimate import Estimate
from rollstate.horizons import few, groups, judging, lengths, rules
from rollstate.horizons.rules import CLASSES, HINDSIGHT, MONTH, QUARTER, RETUNED, SLOTS, TUNED, Chain
from rollstate.profile import Profile, comparison
from rollstate.traces import datasets

FROM_DAYS = 1.0
"""Penalties in RAM-days from which on the worst case of a rule is recorded."""
TO_HINDSIGHT, TO_SIMPLE = 1.05, 1.02
"""The goal of the robust rules: cost over the best window in hindsight, and over the cheapest simple rule."""
INTERVALS = {"covers_percentile": few.percentile, "covers_bca": few.bca, "covers_t": few.bootstrap_t}
COVERED = 400
"""Samples that the coverage of an interval is measured on."""


def chains(p: Reuse) -> dict[str, Chain]:
    """Return the long traces by name.

    Raises
    ------
    InputError
        If one did not observe every block, or its clock is unknown.
    """
    made = {name: rules.read(load(name)) for name in p.long}
    for name, chain in made.items():
        if chain.profile.plan.block_s is None:
            raise InputError(
                f"{name}: windows in days need the seconds per block; make its profile with --block-s"
            )
    return made


def months(of: dict[str, Chain], p: Reuse) -> pl.DataFrame:
    """Return every rule, set on the first half of each trace and judged on the second; times in days.

    Returns
    -------
    polars.DataFrame
        ``trace``, the columns of `rollstate.horizons.judging.judge`, and those of
        `rollstate.horizons.groups.over_hindsight`.
    """
    parts = []
    for name, one in of.items():
        judged = judging.second_half(one, _blocks(one, p))
        drawn = groups.over_hindsight(one, judging.border_at(one, 0.5), judged)
        parts.append(_in_days(name, one, drawn))
    return pl.concat(parts)


def folds(of: dict[str, Chain], p: Reuse) -> pl.DataFrame:
    """Return the same on each eighth of each trace with all before it known: with ``fold`` and ``start`` (day).

    Intervals over groups are those of the largest penalty, which `drift` shows.
    """
    parts = []
    for name, one in of.items():
        judged = judging.rolling(one, _blocks(one, p))
        late = judged.filter(pl.col("penalty") == pl.col("penalty").max())
        cell = ["fold", "penalty", "policy"]
        ends = groups.over_hindsight_on_eighths(one, late).select(*cell, "low", "high")
        parts.append(_in_days(name, one, judged.join(ends, on=cell, how="left", maintain_order="left")))
    return pl.concat(parts)


def month_numbers(table: pl.DataFrame) -> Answer:
    """Return how far each rule is from the best window in hindsight at its worst, and where the goal is met."""
    long = table.filter(pl.col("penalty") >= FROM_DAYS)
    if long.is_empty():
        names = (
            "worst_month", "worst_quarter", "worst_tuned", "worst_retuned", "worst_slots", "best_classes",
            "worst_classes", "classes_better", "classes_worse", "goal_retuned", "goal_slots", "goal_cells", "retuned_over_simple",
        )  # fmt: skip
        return Answer(missing=names, why="No penalty is of a RAM-day or more.")

    def of(policy: str) -> pl.DataFrame:
        return long.filter(policy=policy)

    met = (pl.col("to_hindsight") <= TO_HINDSIGHT) & (pl.col("to_simple") <= TO_SIMPLE)
    worst = {
        "worst_month": MONTH, "worst_quarter": QUARTER, "worst_tuned": TUNED, "worst_retuned": RETUNED,
        "worst_slots": SLOTS, "worst_classes": CLASSES,
    }  # fmt: skip
    classes = of(CLASSES)
    drawn = bool(classes["low"].count())
    numbers = {
        **{name: _estimate(of(policy), pl.col("to_hindsight").max()) for name, policy in worst.items()},
        "best_classes": _estimate(classes, pl.col("to_hindsight").min()),
        "classes_better": classes.filter(pl.col("high") < 1).height if drawn else None,
        "classes_worse": classes.filter(pl.col("low") > 1).height if drawn else None,
        "retuned_over_simple": of(RETUNED)["to_simple"].max(),
        "goal_retuned": of(RETUNED).filter(met).height,
        "goal_slots": of(SLOTS).filter(met).height if of(SLOTS).height else None,
        "goal_cells": of(RETUNED).height,
    }
    return _answer(numbers, "The traces are too short for this rule, or their profiles without its classes.")


def drift(table: pl.DataFrame) -> tuple[pl.DataFrame, Answer]:
    """Return all eighths at the largest penalty, and the numbers of the one where the tuned window loses most."""
    late = table.filter(pl.col("penalty") == pl.col("penalty").max())
    at = late.filter(policy=TUNED).sort("to_hindsight").row(-1, named=True)
    cell = late.filter(trace=at["trace"], fold=at["fold"])
    numbers = {
        "drift_trace": at["trace"],
        "drift_day": at["start"],
        "drift_tuned": _estimate(cell.filter(policy=TUNED)),
        "drift_quarter": _estimate(cell.filter(policy=QUARTER)),
        "drift_retuned": _estimate(cell.filter(policy=RETUNED)),
    }
    return late, _answer(numbers, "The trace is shorter than this window.")


def left_out(table: pl.DataFrame, p: Reuse) -> pl.DataFrame:
    """Return what rules cost over hindsight on all eighths, without each, and what to expect of one more.

    Returns
    -------
    polars.DataFrame
        ``trace``, ``policy``, ``windows`` (eighths), ``effective`` (of equal weight), ``ratio`` (of the costs of
        all of them), ``low``, ``high`` (BCa over eighths), ``least_without``, ``most_without`` (one eighth left out), ``next_low``,
        ``next_high`` (prediction interval of one more eighth). At the penalty nearest to `p.penalty`.
    """
    near = _at(table, p.penalty)
    rows = []
    for (trace, policy), part in near.filter(
        pl.col("policy").is_in([MONTH, QUARTER, TUNED, CLASSES, RETUNED, SLOTS])
    ).group_by("trace", "policy", maintain_order=True):
        over, under = _costs(near, part)
        if len(over) < 3:
            continue
        ratio = few.bca(over, under, draws=p.draws, seed=p.seed)
        without, following = few.leave_one_out(over, under), few.prediction(over / under)
        rows.append(
            (
                trace,
                policy,
                len(over),
                few.effective(under),
                *ratio,
                without.min(),
                without.max(),
                following.low,
                following.high,
            )
        )
    numbers = ("effective", "ratio", "low", "high", "least_without", "most_without", "next_low", "next_high")
    schema = {"trace": pl.String, "policy": pl.String, "windows": pl.Int64} | dict.fromkeys(
        numbers, pl.Float64
    )
    return pl.DataFrame(rows, schema=schema, orient="row")


def next_numbers(table: pl.DataFrame, p: Reuse) -> Answer:
    """Return what one more eighth of such a trace will cost, and what intervals over seven eighths cover."""
    near = _at(table, p.penalty)
    found: dict[str, Any] = {}
    if near.filter(policy=TUNED).height < 3:
        names = ("next_tuned", "next_retuned", "eighths", *INTERVALS)
        return Answer(missing=names, why="Fewer than three eighths were judged at this penalty.")
    for name, policy in (("next_tuned", TUNED), ("next_retuned", RETUNED)):
        over, under = _costs(near, near.filter(policy=policy))
        found[name] = few.prediction(over / under)
    found["eighths"] = len(over)
    spread = float(np.log(over / under).std(ddof=1))

    def draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        under = rng.lognormal(0, 0.5, 7)
        return under * rng.lognormal(0, spread, 7), under

    for name, interval in INTERVALS.items():
        found[name] = few.coverage(
            functools.partial(interval, draws=p.draws, seed=p.seed), draw, float(np.exp(spread**2 / 2)),
            samples=COVERED, seed=p.seed,
        )  # fmt: skip
    return Answer(found)


def by_length(of: dict[str, Chain], p: Reuse) -> pl.DataFrame:
    """Return what windows cost that were tuned on the last hour, day, week, month: ``trace``, ``length`` (days), ...

    The other columns are those of `rollstate.horizons.lengths.by_length`, times in days. Spans without a completed gap
    set no window and are left out.
    """
    parts = [
        _in_days(name, one, lengths.by_length(one, _blocks(one, p)))
        .with_columns(length=pl.col("blocks") / one.day)
        .filter(pl.col("gaps") > 0)
        for name, one in of.items()
    ]
    return pl.concat(parts)


def length_numbers(table: pl.DataFrame) -> Answer:
    """Return the loss of an hour and of a week, and of what the rule of enough length accepts and refuses."""
    found: dict[str, Any] = {}
    hour = table.filter(pl.col("span") == "hour", pl.col("penalty") >= 30)
    week = table.filter(pl.col("span") == "week")
    for name, rows in (("hour", hour), ("week_90", _at(week, 90)), ("week_365", _at(week, 365))):
        if rows.height:
            found |= {f"{name}_least": rows["to_hindsight"].min(), f"{name}_most": rows["to_hindsight"].max()}
    for name, rows in (("accepted", table.filter("enough")), ("refused", table.filter(~pl.col("enough")))):
        if rows.height:
            found |= {f"{name}_most": rows["to_hindsight"].max(), f"{name}_spans": rows.height}
    names = (
        "hour_least", "hour_most", "week_90_least", "week_90_most", "week_365_least", "week_365_most", "accepted_most",
        "accepted_spans", "refused_most", "refused_spans",
    )  # fmt: skip
    missing = tuple(name for name in names if name not in found)
    return Answer(found, missing, "No long trace holds such a span before its middle.")


def source_table(of: dict[str, Profile], long: dict[str, Chain]) -> pl.DataFrame:
    """Return the table of the source's evaluation for every trace, of which some are read already.

    Returns
    -------
    polars.DataFrame
        ``trace``, ``penalty`` (slot-blocks: a tenth of the window), ``policy``, ``ram_ratio``, ``hit_coverage``,
        ``misses``, ``miss_penalty`` (paid for misses), ``cost``, ``to_hindsight``, ``why_not`` (null, or why the
        trace cannot give it). Rules are set on the first half and judged on the second.
    """
    parts = []
    for name, one in of.items():
        penalty = one.plan.n_blocks / 10
        try:
            judged = judging.second_half(long.get(name) or rules.read(one), [penalty]).with_columns(
                why_not=pl.lit(None, pl.String)
            )
        except InputError as error:
            judged = pl.DataFrame({"penalty": [penalty], "why_not": [str(error)]})
        parts.append(judged.with_columns(trace=pl.lit(datasets.label(name))))
    columns = (
        "trace", "penalty", "policy", "ram_ratio", "hit_coverage", "misses", "miss_penalty", "cost", "to_hindsight",
        "why_not",
    )  # fmt: skip
    whole = pl.concat([pl.DataFrame(schema=judging.SCHEMA), *parts], how="diagonal")
    return whole.with_columns(miss_penalty=pl.col("misses") * pl.col("penalty")).select(columns)


def beside(one: Profile, other: Profile) -> pl.DataFrame:
    """Return two chains side by side where both profiles can say: ``quantity``, ``mainnet``, ``linea``."""
    both = comparison.compare(one, other).drop_nulls(["a", "b"])
    return both.select("quantity", mainnet="a", linea="b")


def _answer(numbers: dict[str, Any], why: str) -> Answer:
    """Return the numbers that are known, and the names of those that are None."""
    missing = tuple(name for name, value in numbers.items() if value is None)
    return Answer({name: value for name, value in numbers.items() if value is not None}, missing, why)


def _estimate(rows: pl.DataFrame, value: pl.Expr | None = None) -> Estimate | None:
    """Return the cost over hindsight of the first row, or of that which has a value, with its interval; None of none."""
    if value is not None:
        rows = rows.filter(pl.col("to_hindsight") == value)
    return None if rows.is_empty() else Estimate(*rows.select("to_hindsight", "low", "high").row(0))


def _costs(table: pl.DataFrame, part: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the cost of a rule and of the best window in hindsight on each eighth of each trace."""
    best = table.filter(policy=HINDSIGHT).select("trace", "fold", best="cost")
    both = part.join(best, on=["trace", "fold"], how="left", maintain_order="left").filter(pl.col("best") > 0)
    return both["cost"].to_numpy(), both["best"].to_numpy()


def _at(table: pl.DataFrame, penalty: float) -> pl.DataFrame:
    """Return the rows at the penalty nearest to one, in days; none if that is not within a fifth of it."""
    if table.is_empty():
        return table
    near = min(table["penalty"].unique().to_list(), key=lambda one: abs(np.log(one / penalty)))
    return table.filter((pl.col("penalty") == near) & (abs(np.log(near / penalty)) < 0.2))


def _blocks(one: Chain, p: Reuse) -> list[float]:
    return [days * one.day for days in p.penalties]


def _in_days(name: str, one: Chain, table: pl.DataFrame) -> pl.DataFrame:
    """Return a table with times in days, and the name of the trace."""
    day, begin = one.day, one.profile.plan.start
    # Penalties are given in days: what comes back from blocks must be the same number for every trace.
    table = table.with_columns(
        penalty=(pl.col("penalty") / day).round_sig_figs(9),
        window=pl.col("window") / day,
        trace=pl.lit(datasets.label(name)),
    )
    if "start" in table.columns:
        table = table.with_columns(start=(pl.col("start") - begin) / day)
    return table.select("trace", pl.exclude("trace"))
