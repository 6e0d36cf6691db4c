"""Totals with intervals, paired differences, and sweeps over the miss penalty."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl

from rollstate.bootstrap import Resampling
from rollstate.errors import InputError
from rollstate.executors import mapped
from rollstate.tiering.costs import Costs, two_tiers
from rollstate.tiering.replay import Gaps, Outcome, clairvoyant, replay

Policy = Callable[[Costs], np.ndarray | float]
"""Costs to windows of the spells judged; it may have seen earlier spells only."""


def totals(
    costs_by_policy: Mapping[str, np.ndarray],
    resampled: Resampling,
    *,
    references: Sequence[str],
    level: float = 0.95,
) -> pl.DataFrame:
    """Add up costs, and compare them, pair by pair, with the cheapest of some references.

    Which reference is the cheapest is looked up in every bootstrap sample, so its choice is part of the uncertainty.

    Parameters
    ----------
    costs_by_policy : mapping of str to array, shape (n,)
        Cost of each spell.
    resampled : Resampling
        Samples of whole clusters of the spells: contracts, or runs of blocks.
    references : sequence of str
        Policies that the others are compared with.
    level : float
        Level of the intervals.

    Returns
    -------
    polars.DataFrame
        ``policy``, ``total``, ``ratio`` (to the cheapest reference), ``ratio_low``, ``ratio_high`` and ``verdict``:
        ``cheaper``, ``more expensive`` or ``no difference``; one cluster gives no interval and no difference.
    """
    missing = [name for name in references if name not in costs_by_policy]
    if missing or not references:
        raise InputError(f"references {missing or references} are not among {tuple(costs_by_policy)}")
    total = {name: float(cost.sum()) for name, cost in costs_by_policy.items()}
    drawn = resampled.sums_of(costs_by_policy)
    least = min(total[name] for name in references)
    least_drawn = np.min([drawn[name] for name in references], axis=0)
    rows = []
    for name in costs_by_policy:
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = resampled.estimate(np.divide(total[name], least), drawn[name] / least_drawn, level)
        cheaper, more_expensive = (
            ratio.high is not None and ratio.high < 1,
            ratio.low is not None and ratio.low > 1,
        )
        verdict = "cheaper" if cheaper else "more expensive" if more_expensive else "no difference"
        rows.append((name, total[name], *ratio, verdict))
    numbers = dict.fromkeys(("total", "ratio", "ratio_low", "ratio_high"), pl.Float64)
    return pl.DataFrame(rows, schema={"policy": pl.String, **numbers, "verdict": pl.String}, orient="row")


def metrics(seen: Gaps, outcome: Outcome, costs: Costs) -> dict[str, float]:
    """Return what a policy did: shares of slot-blocks by tier, hits, misses, moves, cost, and regret."""
    sums = {name: values.sum() for name, values in _counted(seen, outcome, costs).items()}
    return {name: float(value) for name, value in _measures(sums).items()}


def metrics_with_intervals(
    seen: Gaps,
    outcomes: Mapping[str, Outcome],
    costs: Costs,
    resampled: Resampling,
    *,
    level: float = 0.95,
) -> pl.DataFrame:
    """Return `metrics` of several policies with bootstrap intervals over clusters.

    Parameters
    ----------
    seen : Gaps
        Spells judged.
    outcomes : mapping of str to Outcome
        What each policy did on them.
    costs : Costs
        What that cost.
    resampled : Resampling
        Samples of whole clusters of the spells: contracts, or runs of blocks.
    level : float
        Level of the intervals.

    Returns
    -------
    polars.DataFrame
        ``policy``, ``metric``, ``value``, ``low``, ``high`` (null for a single cluster).
    """
    rows = []
    for policy, outcome in outcomes.items():
        counted = _counted(seen, outcome, costs)
        values = _measures({name: part.sum() for name, part in counted.items()})
        drawn = _measures(resampled.sums_of(counted))
        rows += [
            (policy, name, *resampled.estimate(float(value), drawn[name], level))
            for name, value in values.items()
        ]
    numbers = dict.fromkeys(("value", "low", "high"), pl.Float64)
    return pl.DataFrame(rows, schema={"policy": pl.String, "metric": pl.String, **numbers}, orient="row")


def _counted(seen: Gaps, outcome: Outcome, costs: Costs) -> dict[str, np.ndarray]:
    """Return what is added up over spells, shape (n,) each."""
    return {
        "exposure": seen.duration - seen.entry,
        "events": seen.event,
        "ram": outcome.ram,
        "ssd": outcome.ssd,
        "missed": outcome.miss_ssd | outcome.miss_cold,
        "moves": outcome.moves,
        "total": outcome.cost,
        "bound": clairvoyant(seen, costs),
    }


def _measures(sums: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the metrics of sums over spells; sums may be arrays of samples."""
    total, bound, events = sums["total"], sums["bound"], sums["events"]
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "ram_ratio": np.divide(sums["ram"], sums["exposure"]),
            "ssd_share": np.divide(sums["ssd"], sums["exposure"]),
            "hit_coverage": np.where(events > 0, 1 - np.divide(sums["missed"], events), 1.0),
            "misses": sums["missed"],
            "moves": sums["moves"],
            "total": total,
            "regret": total - bound,
            "competitive_ratio": np.where(bound > 0, np.divide(total, bound), np.inf),
        }


def sweep(
    seen: Gaps,
    policies: Mapping[str, Policy],
    misses: Sequence[float],
    *,
    ram: float = 1.0,
    scheduler: str | None = None,
) -> pl.DataFrame:
    """Replay policies at many miss penalties; each point is a pure function.

    Parameters
    ----------
    seen : Gaps
        Spells judged.
    policies : mapping
        `Policy` by name; with a scheduler they must be picklable.
    misses : sequence of float
        Penalties.
    ram : float
        Cost of a slot-block in RAM.
    scheduler : str, optional
        Address of a Dask scheduler, as in `rollstate.executors.mapped`.

    Returns
    -------
    polars.DataFrame
        ``miss``, ``policy`` and the columns of `metrics`, ``clairvoyant`` among the policies.
    """
    at_each = functools.partial(_point, seen=seen, policies=dict(policies), ram=ram)
    return pl.concat(mapped(at_each, list(misses), scheduler))


def _point(miss: float, seen: Gaps, policies: Mapping[str, Policy], ram: float) -> pl.DataFrame:
    costs = two_tiers(miss, ram)
    rows = [
        {"miss": float(miss), "policy": name, **metrics(seen, replay(seen, policy(costs), costs), costs)}
        for name, policy in policies.items()
    ]
    bound = float(clairvoyant(seen, costs).sum())
    kept = costs.ram * (seen.duration - seen.entry) <= costs.penalty
    hot = float((seen.duration - seen.entry)[seen.event & kept].sum())
    missed = int((seen.event & ~kept).sum())
    events = int(seen.event.sum())
    rows.append(
        {
            "miss": float(miss), "policy": "clairvoyant", "ram_ratio": hot / seen.exposure, "ssd_share": 0.0,
            "hit_coverage": 1 - missed / events if events else 1.0, "misses": missed, "moves": 0, "total": bound,
            "regret": 0.0, "competitive_ratio": 1.0,
        }
    )  # fmt: skip
    return pl.DataFrame(rows)
