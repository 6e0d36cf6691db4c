"""Delay, throughput and cost over the choices an operator has: provers, proofs per aggregate, closing time."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from rollstate.proving.closed_form import capacity, cost_per_tx
from rollstate.proving.replications import Traffic, replicate
from rollstate.proving.simulation import Pipeline


@dataclass(frozen=True)
class Prices:
    """What verification, posting and provers cost, in gas and US dollars."""

    verify_gas: float = 350_000.0
    batch_gas: float = 20_000.0
    usd_per_gas: float = 6e-5
    prover_usd_per_s: float = 0.01


@dataclass(frozen=True)
class Point:
    """One choice: provers, proofs per aggregate, seconds until a batch closes."""

    provers: int
    group: int
    close_s: float


def keeps_up(point: Point, pipeline: Pipeline, traffic: Traffic, work_s: np.ndarray) -> bool:
    """Say whether provers and the aggregator finish batches as fast as they close, by their mean times."""
    p = replace(pipeline, group=point.group)
    rate = capacity(
        point.close_s,
        float(np.mean(work_s)),
        p.group_s,
        provers=point.provers,
        group=point.group,
        failure=traffic.failure,
    )
    return rate * point.close_s >= 1 - 1e-9


def evaluate(
    point: Point,
    traffic: Traffic,
    prices: Prices,
    work_s: np.ndarray,
    pipeline: Pipeline,
    *,
    replications: int,
    seed: int,
) -> dict[str, float]:
    """Simulate one point on independent paths and return its delays with their 95 % intervals, and its cost."""
    p = replace(pipeline, speeds=(1.0,) * point.provers, group=point.group, timeout_s=point.close_s)
    found = replicate(p, traffic, work_s, replications=replications, seed=seed)
    late = found.final.quantile(0.99)
    mean = found.final.mean()
    paths = found.per_path.mean()
    # A prover is paid whether it works or not.
    cost = cost_per_tx(
        batch_tx=float(paths["batch_tx"]),
        group=point.group,
        verify_gas=prices.verify_gas,
        batch_gas=prices.batch_gas,
        usd_per_gas=prices.usd_per_gas,
        prover_usd_per_s=prices.prover_usd_per_s * point.provers,
        prove_s=float(paths["seconds_per_batch"]),
    )
    return {
        **asdict(point),
        **dict(zip(("final_mean_s", "final_mean_low_s", "final_mean_high_s"), mean, strict=True)),
        **dict(zip(("final_p99_s", "final_p99_low_s", "final_p99_high_s"), late, strict=True)),
        "usd_per_tx": sum(cost.values()),
        **{f"usd_{name}": value for name, value in cost.items()},
    }


def sweep(
    points: Iterable[Point],
    traffic: Traffic,
    prices: Prices,
    work_s: np.ndarray,
    pipeline: Pipeline,
    *,
    replications: int,
    seed: int,
    executor: Executor | None = None,
) -> pd.DataFrame:
    """Evaluate the points that keep up, in order; an executor changes where they run and nothing else."""
    stable = [point for point in points if keeps_up(point, pipeline, traffic, work_s)]
    one = partial(
        evaluate,
        traffic=traffic,
        prices=prices,
        work_s=work_s,
        pipeline=pipeline,
        replications=replications,
        seed=seed,
    )
    rows = executor.map(one, stable) if executor else map(one, stable)
    return pd.DataFrame(list(rows))
