"""Totals with intervals, paired differences, and sweeps over the miss penalty."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl

from rollstate.errors import InputError
from rollstate.executors import mapped
from rollstate.tiering.costs import Costs, two_tiers
from rollstate.tiering.replay import Gaps, Outcome, clairvoyant, replay

Policy = Callable[[Costs], np.ndarray | float]
"""Costs to windows of the spells judged; it may have seen earlier spells only."""


def cluster_weights(clusters: int, draws: int, seed: int) -> np.ndarray:
    """Return how often each cluster is drawn in samples with replacement, shape (draws, clusters)."""
    rng = np.random.default_rng(seed)
    return np.stack(
        [np.bincount(rng.integers(0, clusters, clusters), minlength=clusters) for _ in range(draws)]
    )


def totals(
    costs_by_policy: Mapping[str, np.ndarray],
    cluster: np.ndarray,
    *,
    reference: str,
    draws: int,
    seed: int,
    level: float = 0.95,
) -> pl.DataFrame:
    """Add up costs, and compare them with those of a reference, pair by pair.

    Parameters
    ----------
    costs_by_policy : mapping of str to array, shape (n,)
        Cost of each spell.
    cluster : array, shape (n,)
        What is resampled whole: contracts, or runs of blocks.
    reference : str
        The policy that differences are taken to.
    draws, seed, level
        Of the bootstrap.

    Returns
    -------
    polars.DataFrame
        ``policy``, ``total``, ``low``, ``high``, ``ratio`` (to the reference), ``ratio_low``, ``ratio_high`` and
        ``verdict``: ``cheaper``, ``dearer`` or ``no difference``; null for the reference.
    """
    if reference not in costs_by_policy:
        raise InputError(f"reference {reference!r} is not among {tuple(costs_by_policy)}")
    code = np.unique(cluster, return_inverse=True)[1]
    n = int(code.max()) + 1
    weight = cluster_weights(n, draws, seed)
    sums = {name: np.bincount(code, cost, n) for name, cost in costs_by_policy.items()}
    drawn = {name: weight @ by_cluster for name, by_cluster in sums.items()}
    tails = [(1 - level) / 2, (1 + level) / 2]
    rows = []
    for name, by_cluster in sums.items():
        low, high = np.quantile(drawn[name], tails)
        row = {"policy": name, "total": by_cluster.sum(), "low": low, "high": high}
        if name != reference:
            with np.errstate(divide="ignore", invalid="ignore"):
                ratios = drawn[name] / drawn[reference]
                row["ratio"] = row["total"] / sums[reference].sum()
            lower, upper = np.nanquantile(ratios, tails)
            verdict = "cheaper" if upper < 1 else "dearer" if lower > 1 else "no difference"
            row |= {"ratio_low": lower, "ratio_high": upper, "verdict": verdict}
        rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None)


def metrics(seen: Gaps, outcome: Outcome, costs: Costs) -> dict[str, float]:
    """Return what a policy did: shares of slot-blocks by tier, hits, misses, moves, cost, and regret."""
    sums = {name: values.sum() for name, values in _counted(seen, outcome, costs).items()}
    return {name: float(value) for name, value in _measures(sums).items()}


def metrics_with_intervals(
    seen: Gaps,
    outcomes: Mapping[str, Outcome],
    costs: Costs,
    cluster: np.ndarray,
    *,
    draws: int,
    seed: int,
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
    cluster : array, shape (n,)
        What is resampled whole: contracts, or runs of blocks.
    draws, seed, level
        Of the bootstrap.

    Returns
    -------
    polars.DataFrame
        ``policy``, ``metric``, ``value``, ``low``, ``high``.
    """
    code = np.unique(cluster, return_inverse=True)[1]
    n = int(code.max()) + 1
    weight = cluster_weights(n, draws, seed)
    tails = [(1 - level) / 2, (1 + level) / 2]
    rows = []
    for policy, outcome in outcomes.items():
        counted = _counted(seen, outcome, costs)
        values = _measures({name: part.sum() for name, part in counted.items()})
        drawn = _measures(
            {name: weight @ np.bincount(code, part.astype(float), n) for name, part in counted.items()}
        )
        rows += [
            (policy, name, float(value), *map(float, np.nanquantile(drawn[name], tails)))
            for name, value in values.items()
        ]
    return pl.DataFrame(rows, schema=["policy", "metric", "value", "low", "high"], orient="row")


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
    work = functools.partial(_point, seen=seen, policies=dict(policies), ram=ram)
    return pl.concat(mapped(work, list(misses), scheduler))


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
