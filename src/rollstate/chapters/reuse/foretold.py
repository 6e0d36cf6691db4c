"""What the chapter ``reuse`` computes of forecasts: each scored on the last third of a trace, by what it foretells."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import polars as pl

from rollstate.chapters.reuse.parameters import Reuse
from rollstate.chapters.reuse.study import Answer
from rollstate.errors import InputError
from rollstate.estimate import Estimate
from rollstate.horizons import foresight, renewal
from rollstate.horizons.foresight import BY_VISITS, CARRIED, Foresight
from rollstate.profile.plan import seconds_per_block
from rollstate.profile.resampling import estimate
from rollstate.traces import datasets
from rollstate.traces.schema import Trace

JUDGED = 1 / 3
"""Share of the trace that forecasts are judged on: the last ten days of thirty."""
RUNS = 1
"""Runs of each model: half a million visits in one leave no noise that matters beside that of ten days."""
CAME = "what came"
TASKS = ("reuse", "coverage", "hot")


def month(p: Reuse) -> Trace:
    """Return the trace that forecasts are judged on."""
    return datasets.load_trace(p.month)


def foresee(trace: Trace, p: Reuse) -> Foresight | str:
    """Return what every forecast says of the last third of a trace and what came, or why the trace cannot say."""
    observed = trace.blocks.sort("block_number")["observed"].to_numpy()
    start = round((1 - JUDGED) * len(observed))
    try:
        return foresight.foresee(
            renewal.visits(trace), observed, start=start, hot=p.hot, runs=RUNS, seed=p.seed
        )
    except InputError as error:
        return f"This trace carries no forecast: {error}."


def _scores(of: Foresight, p: Reuse, name: str, against: str | None = None) -> dict[str, Estimate]:
    """Return errors and share served of a forecast, or their paired differences to another one, over periods."""
    one = of.said[name]
    other = None if against is None else of.said[against]

    def difference(task: str, weights: np.ndarray) -> float:
        if task == "hot":
            served = one.served if other is None else one.served - other.served
            return float(served @ weights / (of.came.visits @ weights))
        came = getattr(of.came, task)(weights)
        off = [float(np.abs(getattr(said, task) - came).mean()) for said in (one, other) if said is not None]
        return off[0] if other is None else off[0] - off[1]

    present = of.came.visits > 0
    return {
        task: estimate(functools.partial(difference, task), present, draws=p.draws, seed=p.seed)
        for task in TASKS
    }


def scores(of: Foresight, p: Reuse) -> pl.DataFrame:
    """Return a row for each forecast.

    Returns
    -------
    polars.DataFrame
        ``forecast``; ``reuse``, ``coverage`` (mean absolute error over lags and windows), ``hot`` (share served), each
        with ``_low``, ``_high`` and the ends ``_below``, ``_above`` of its paired difference to the baseline (null for
        the baseline itself); ``expected`` (share that the forecast says is served), ``visits`` (that it says there are,
        over those that came).
    """
    rows: list[dict[str, Any]] = []
    for name, one in of.said.items():
        row: dict[str, Any] = {"forecast": name}
        apart = {} if name == CARRIED else _scores(of, p, name, CARRIED)
        for task, score in _scores(of, p, name).items():
            gain = apart.get(task)
            row |= {task: score.value, f"{task}_low": score.low, f"{task}_high": score.high}
            row |= {f"{task}_below": gain and gain.low, f"{task}_above": gain and gain.high}
        rows.append(row | {"expected": one.expected, "visits": one.visits / of.came.visits.sum()})
    return pl.DataFrame(rows, schema_overrides={name: pl.Float64 for name in rows[0] if name != "forecast"})


def numbers(table: pl.DataFrame) -> dict[str, Any]:
    """Return what the chapter records of `scores`."""
    models = table.filter(pl.col("forecast") != CARRIED)
    found: dict[str, Any] = {
        "foretold_models": models.height,
        "foretold_visits": models.filter(forecast=BY_VISITS)["visits"].item(),
    }
    for task in TASKS:
        best = models.sort(task, descending=task == "hot", maintain_order=True).row(0, named=True)
        base = table.filter(forecast=CARRIED).row(0, named=True)
        below, above = (pl.col(f"{task}_{end}") for end in ("below", "above"))
        lower, higher = models.filter(above < 0).height, models.filter(below > 0).height
        better, worse = (higher, lower) if task == "hot" else (lower, higher)
        found |= {
            f"foretold_{task}_carried": _estimate(base, task),
            f"foretold_{task}_best": _estimate(best, task),
            f"foretold_{task}_model": best["forecast"],
            f"foretold_{task}_better": better,
            f"foretold_{task}_worse": worse,
        }
    return found


def answer(table: pl.DataFrame | None, why: str = "") -> Answer:
    """Return the numbers of a table, or the names of those that the trace cannot give."""
    if table is not None and (table["forecast"] == BY_VISITS).any():
        return Answer(numbers(table))
    parts = ("carried", "best", "model", "better", "worse")
    names = (f"foretold_{task}_{part}" for task in TASKS for part in parts)
    return Answer(
        missing=("foretold_models", "foretold_visits", *names), why=why or "No model could be fitted on it."
    )


def _estimate(row: dict[str, Any], task: str) -> Estimate:
    return Estimate(row[task], row[f"{task}_low"], row[f"{task}_high"])


def _came(of: Foresight, task: str, i: int, weights: np.ndarray) -> float:
    return float(getattr(of.came, task)(weights)[i])


def shown(of: Foresight, trace: Trace, p: Reuse) -> tuple[pl.DataFrame, str]:
    """Return what is drawn, and the unit of lags and windows.

    Returns
    -------
    frame : polars.DataFrame
        ``panel`` ("reuse", "coverage", "hot"), ``series``, ``at`` (lag or window; null for hot sets), ``value``, ``low``,
        ``high``; the interval is that of what came, or of the share that a forecast's hot set served.
    unit : {"seconds", "blocks"}
    """
    block_s = seconds_per_block(trace.capability, trace.blocks)
    scale = 1.0 if block_s is None else block_s
    present = of.came.visits > 0
    rows: list[tuple[str, str, float | None, float, float | None, float | None]] = []
    for task, ticks in (("reuse", of.lags), ("coverage", of.windows)):
        for i, at in enumerate(ticks):
            one = estimate(functools.partial(_came, of, task, i), present, draws=p.draws, seed=p.seed)
            rows.append((task, CAME, at * scale, one.value, one.low, one.high))
        for name, said in of.said.items():
            rows += [
                (task, name, at * scale, float(value), None, None)
                for at, value in zip(ticks, getattr(said, task), strict=True)
            ]
    best = float(of.best.sum() / of.came.visits.sum())
    rows.append(("hot", CAME, None, best, None, None))
    for name in of.said:
        one = _scores(of, p, name)["hot"]
        rows.append(("hot", name, None, one.value, one.low, one.high))
    schema = {"panel": pl.String, "series": pl.String, "at": pl.Float64}
    schema |= dict.fromkeys(("value", "low", "high"), pl.Float64)
    return pl.DataFrame(rows, schema=schema, orient="row"), "blocks" if block_s is None else "seconds"
