"""What the chapter ``reuse`` computes, from profiles alone: reuse by lag and class, hot sets, indices of tails."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from rollstate import executors, profile
from rollstate.chapters.reuse.parameters import Reuse
from rollstate.errors import InputError
from rollstate.estimate import Estimate
from rollstate.profile import Profile, counts, reuse
from rollstate.profile.plan import GROUPS
from rollstate.profile.resampling import estimate
from rollstate.traces import datasets

DAY_S = 86_400
LAGS_S = {
    "reuse_43_min": 43.2 * 60,
    "reuse_1_day": DAY_S,
    "reuse_7_days": 7 * DAY_S,
    "reuse_29_days": 29 * DAY_S,
}
SHORT_LAGS = {"short_lag_1": 1, "short_lag_10": 10, "short_lag_40": 40}
UNITS = {"slots": (300, 60, 30), "contracts": (100, 25, 10)}
"""The busiest 1/n of the units that an index is taken from: at least, in the middle, at most."""


@dataclass(frozen=True)
class Answer:
    """Results by name, and those that this trace cannot give, with the reason in a sentence."""

    numbers: dict[str, Any] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    why: str = ""


def load(name: str) -> Profile:
    """Return the profile of what a name means; a stored trace in parts is reduced on the cluster that is named."""
    return profile.load(name, scheduler=executors.scheduler())


def profiles(p: Reuse) -> dict[str, Profile]:
    """Return the profiles by name: the trace first, then the others.

    Raises
    ------
    InputError
        If the trace is a single block.
    """
    of = {name: load(name) for name in dict.fromkeys((p.trace, *p.others))}
    if of[p.trace].plan.n_blocks < 2:
        raise InputError(f"{p.trace} holds a single block; reuse needs two")
    return of


def at_lags(one: Profile, short: Profile, p: Reuse) -> Answer:
    """Return the reuse at the lags that the chapter records, in time for the trace and in blocks for the short one."""
    found: dict[str, Any] = {}
    block_s = one.plan.block_s
    wanted = {name: s / block_s for name, s in LAGS_S.items()} if block_s is not None else {}
    for of, lags in ((one, wanted), (short, dict(SHORT_LAGS))):
        for name, lag in lags.items():
            try:
                found[name] = reuse.at(of, lag, draws=p.draws, seed=p.seed)
            except InputError:
                continue
    missing = tuple(name for name in (*LAGS_S, *SHORT_LAGS) if name not in found)
    days: tuple[str, ...] = ()
    if block_s is None:
        days = ("days",)
    else:
        found["days"] = one.plan.n_blocks * block_s / DAY_S
    why = "The window does not hold two observed blocks that far apart, or its clock is unknown."
    return Answer(found, (*missing, *days), why)


def by_lag(one: Profile, short: Profile, p: Reuse) -> tuple[pl.DataFrame, str]:
    """Return R(L) of both traces, and the unit of the lag.

    Returns
    -------
    frame : polars.DataFrame
        ``series``, ``lag``, ``reuse``, ``low``, ``high``. In blocks, and of the trace alone, where its clock is unknown.
    unit : {"seconds", "blocks"}
    """
    timed = one.plan.block_s is not None
    series = (
        {"the trace": one} if one is short or not timed else {"the trace": one, "consecutive blocks": short}
    )
    parts = []
    for name, of in series.items():
        table = reuse.by_lag(of, draws=p.draws, seed=p.seed)
        lag = pl.col("lag_s") if timed else (pl.col("lag_low") + pl.col("lag_high")) / 2
        parts.append(table.select(pl.lit(name).alias("series"), lag.alias("lag"), "reuse", "low", "high"))
    return pl.concat(parts).drop_nulls("lag"), "seconds" if timed else "blocks"


def level(one: Profile, p: Reuse) -> Estimate:
    """Return the reuse at any lag if every slot's touches fell on the blocks of the window at random.

    A slot touched in n of N blocks is then touched in a given other one with probability (n - 1) / (N - 1). What R(L)
    has above that is due to when a slot was touched, the rest to which slot it is.
    """
    slots = one.slots.filter(pl.col("touches") > 0)
    n, rows = slots["touches"].to_numpy().astype(float), slots["rows"].to_numpy()
    group = slots["group"].to_numpy()
    again, touches = (np.bincount(group, rows * x, GROUPS) for x in (n * (n - 1), n))
    others = max(1, one.plan.n_blocks - one.capability.unobserved_blocks - 1)
    return estimate(
        lambda weights: float(weights @ again / (weights @ touches)) / others,
        touches > 0,
        draws=p.draws,
        seed=p.seed,
    )


def by_class(one: Profile, p: Reuse) -> pl.DataFrame:
    """Return R(L) by how often a slot is touched in all: ``touches`` in words, ``least``, ``lag``, ``reuse``, ends.

    Without a row where the profile was saved without the classes, to stay small.
    """
    if not one.tells("pairs", "accesses"):
        return pl.DataFrame(schema={"touches": pl.String, "least": pl.Int64, "lag": pl.Float64})
    table = reuse.by_class(one, draws=p.draws, seed=p.seed).filter(pl.col("touches_low") > 1)
    timed = one.plan.block_s is not None
    words = pl.when(pl.col("touches_low") == pl.col("touches_high")).then(
        pl.format("{} touches", "touches_low")
    )
    return table.select(
        touches=words.otherwise(pl.format("{} to {}", "touches_low", "touches_high")),
        least="touches_low",
        lag=pl.col("lag_s") if timed else (pl.col("lag_low") + pl.col("lag_high")) / 2,
        reuse="reuse",
        low="low",
        high="high",
    )


def factors(lags: pl.DataFrame, classes: pl.DataFrame, unit: str) -> Answer:
    """Return by what factor reuse changes over the lags, and over the classes of slots after a day or in the middle."""
    curve = lags.filter(pl.col("series") == "the trace").sort("lag")
    first, last = curve.row(0, named=True), curve.row(-1, named=True)
    found: dict[str, Any] = {"lag_span": last["lag"] / first["lag"]}
    if last["reuse"] > 0:
        found["lag_factor"] = first["reuse"] / last["reuse"]
    wanted = DAY_S if unit == "seconds" else np.sqrt(first["lag"] * last["lag"])
    if classes.height and classes["lag"].max() >= wanted:  # type: ignore[operator]
        near = classes.filter((pl.col("lag") - wanted).abs() == (pl.col("lag") - wanted).abs().min()).sort(
            "least"
        )
        if near.height > 1 and near["reuse"][0] > 0:
            found["class_factor"] = near["reuse"][-1] / near["reuse"][0]
    missing = tuple({"lag_factor", "class_factor"} - set(found))
    return Answer(
        found,
        missing,
        "The window is too short, or the profile too coarse, for slots to be told apart by how often they are touched.",
    )


def hot_sets(of: dict[str, Profile], p: Reuse) -> pl.DataFrame:
    """Return what a hot set of `p.hot` slots, chosen before a moment, serves after it, on each trace.

    Returns
    -------
    polars.DataFrame
        ``trace``, ``span`` (days, null where the clock is unknown), ``choice`` ("frequent", "recent", "best"),
        ``share``, ``low``, ``high``: mean and range over the moments that have whole spans on both sides.
    """
    parts = [_hot(datasets.label(name), one, p.hot) for name, one in of.items()]
    return pl.concat(parts).rename({"slots": "hot"}).select(pl.exclude("hot"))


def hot_curve(one: Profile, p: Reuse) -> pl.DataFrame:
    """Return the same as `hot_sets` for one trace by the number of ``slots`` in the set, `p.hot` among them."""
    sizes = np.unique(np.append(np.geomspace(10, max(10, one.n_touched), 30).astype(int), p.hot))
    return pl.concat([_hot("the trace", one, int(k)) for k in sizes])


def _hot(name: str, one: Profile, k: int) -> pl.DataFrame:
    table = counts.hot_set(one, k)
    block_s = one.plan.block_s
    span = None if block_s is None else one.plan.hot_blocks * block_s / DAY_S
    long = table.unpivot(["frequent", "recent", "best"], variable_name="choice", value_name="share")
    share = pl.col("share")
    return long.group_by("choice", maintain_order=True).agg(
        pl.lit(name).alias("trace").first(),
        pl.lit(k).alias("slots").first(),
        pl.lit(span, pl.Float64).alias("span").first(),
        share.mean().alias("mean"),
        share.min().alias("low"),
        share.max().alias("high"),
    ).select("trace", "slots", "span", "choice", share="mean", low="low", high="high")  # fmt: skip


def hot_numbers(table: pl.DataFrame, trace: str) -> Answer:
    """Return the shares of one trace in `hot_sets`."""
    mine = table.filter(pl.col("trace") == datasets.label(trace))
    names = ("hot_frequent", "hot_recent", "hot_best")
    if mine.is_empty():
        return Answer(
            missing=(*names, "hot_span"),
            why="The window holds no moment with touches on both sides of it.",
        )
    found: dict[str, Any] = {
        f"hot_{row['choice']}": Estimate(row["share"], row["low"], row["high"])
        for row in mine.iter_rows(named=True)
    }
    if mine["span"][0] is None:
        return Answer(found, ("hot_span",), "The clock of the trace is unknown.")
    return Answer({**found, "hot_span": mine["span"][0]})


def index_of_touches(one: Profile, unit: str) -> Callable[[int, np.ndarray], float]:
    r"""Return Hill's index of the k busiest units as a function of k and of weights of the groups, shape (groups,).

    :math:`k / \sum_{i \le k} \ln (x_i / x_{k+1})`, each unit as often as its group's weight says; nan where there are no
    k + 1 units or they are all alike.
    """
    table = (
        one.table(unit).filter(pl.col("touches") > 0).group_by("touches", "group").agg(pl.col("rows").sum())
    )
    table = table.sort("touches", "group", descending=True)
    x, rows, group = (table[name].to_numpy() for name in ("touches", "rows", "group"))

    def index(k: int, weights: np.ndarray) -> float:
        many = rows * weights[group]
        until = np.cumsum(many)
        at = int(np.searchsorted(until, k, "right"))
        if at >= len(x):
            return np.nan
        taken = np.clip(k - (until - many), 0, many)
        total = float(taken @ np.log(np.maximum(x / x[at], 1)))
        return k / total if total > 0 else np.nan

    return index


def tails(of: dict[str, Profile], p: Reuse) -> pl.DataFrame:
    """Return indices of the touches of slots and contracts by how many are used, and of gaps by threshold.

    Returns
    -------
    polars.DataFrame
        ``panel`` ("slots", "contracts", "gaps"), ``trace``, ``used`` (share of the units, or threshold as a share of
        the window), ``index``.
    """
    rows: list[tuple[str, str, float, float]] = []
    for name, one in of.items():
        everyone = np.ones(GROUPS)
        for unit in ("slots", "contracts"):
            units = int(one.table(unit).filter(pl.col("touches") > 0)["rows"].sum())
            sizes = np.unique(np.geomspace(20, max(20, units // 5), 25 if units >= 200 else 0).astype(int))
            index = index_of_touches(one, unit)
            rows += [(unit, datasets.label(name), k / units, index(int(k), everyone)) for k in sizes]
        blocks = one.plan.n_blocks
        for threshold in np.unique(np.geomspace(1, max(1, 0.7 * blocks), 25).astype(int)):
            try:
                alpha, events = counts.hill_of_gaps(one, int(threshold))
            except InputError:
                continue
            if events >= p.min_events:
                rows.append(("gaps", datasets.label(name), threshold / blocks, alpha))
    table = pl.DataFrame(rows, schema=["panel", "trace", "used", "index"], orient="row")
    return table.filter(pl.col("index").is_not_nan())


def tail_numbers(one: Profile, table: pl.DataFrame, p: Reuse) -> Answer:
    """Return the indices of the trace in the middle of their range, and by how much each drifts over it."""
    found: dict[str, Any] = {}
    for unit, name in (("slots", "frequency"), ("contracts", "contracts")):
        touched = one.table(unit).filter(pl.col("touches") > 0)
        units = int(touched["rows"].sum())
        least, middle, most = (units // part for part in UNITS[unit])
        if least < 20:
            continue
        present = np.bincount(touched["group"].to_numpy(), minlength=GROUPS) > 0
        index = index_of_touches(one, unit)
        found[f"{name}_index"] = estimate(
            functools.partial(index, middle), present, draws=p.draws, seed=p.seed
        )
        sizes = np.unique(np.geomspace(least, most, 10).astype(int))
        indices = [index(int(k), np.ones(GROUPS)) for k in sizes]
        found[f"{name}_drift"] = max(indices) / min(indices)
    gaps = table.filter(pl.col("panel") == "gaps")["index"]
    if len(gaps) > 1:
        found |= {"gaps_low": gaps.min(), "gaps_high": gaps.max(), "gaps_drift": gaps.max() / gaps.min()}  # type: ignore[operator]
    names = (
        "frequency_index", "frequency_drift", "contracts_index", "contracts_drift", "gaps_low", "gaps_high",
        "gaps_drift",
    )  # fmt: skip
    missing = tuple(name for name in names if name not in found)
    return Answer(found, missing, "The trace holds too few slots, contracts or completed gaps for an index.")
