"""Delay, throughput and cost over the choices an operator has: provers, proofs per aggregate, closing time."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from rollstate.proving.closed_form import cost_per_tx
from rollstate.proving.simulation import Draws, Path, Pipeline, draw, simulate

STAGES = ("batch open", "wait for a prover", "prove", "group, aggregate, L1 slot")


@dataclass(frozen=True)
class Workload:
    """What comes in, at what cost; rates per second, money in US dollars."""

    tx_per_s: float = 20.0
    n: int = 100_000
    failure: float = 0.0
    miss: float = 0.01
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


def stages(path: Path, draws: Draws) -> pd.DataFrame:
    """Return how long each transaction spends in each of `STAGES`, in seconds; rows sum to its delay."""
    ends = (path.close_s[path.batch], path.start_s[path.batch], path.proved_s[path.batch], path.final_s)
    begins = (draws.arrival_s, *ends[:3])
    return pd.DataFrame({name: end - begin for name, begin, end in zip(STAGES, begins, ends, strict=True)})


def evaluate(
    point: Point, workload: Workload, work_s: np.ndarray, pipeline: Pipeline, seed: int
) -> dict[str, float]:
    """Simulate one point and return its delays, throughput and cost.

    The same seed gives all points the same arrivals and the same luck, so that their differences are not noise. The
    first fifth of the transactions fills the pipeline and is left out.
    """
    p = replace(pipeline, speeds=(1.0,) * point.provers, group=point.group, timeout_s=point.close_s)
    draws = draw(
        tx_per_s=workload.tx_per_s,
        n=workload.n,
        work_s=work_s,
        seed=seed,
        failure=workload.failure,
        miss=workload.miss,
        block_s=p.block_s,
    )
    path = simulate(p, draws)
    steady = slice(workload.n // 5, None)
    final = (path.final_s - draws.arrival_s)[steady]
    virtual = (path.virtual_s - draws.arrival_s)[steady]
    # A prover is paid whether it works or not.
    cost = cost_per_tx(
        batch_tx=workload.n / len(path.close_s),
        group=point.group,
        verify_gas=workload.verify_gas,
        batch_gas=workload.batch_gas,
        usd_per_gas=workload.usd_per_gas,
        prover_usd_per_s=workload.prover_usd_per_s * point.provers,
        prove_s=path.close_s[-1] / len(path.close_s),
    )
    half = len(final) // 2
    return {
        **asdict(point),
        "virtual_mean_s": float(virtual.mean()),
        "final_mean_s": float(final.mean()),
        "final_p50_s": float(np.quantile(final, 0.5)),
        "final_p99_s": float(np.quantile(final, 0.99)),
        # Of a queue that grows for ever the second half waits longer than the first, by far more than by chance.
        "growth": float(final[half:].mean() / final[:half].mean() - 1),
        "usd_per_tx": sum(cost.values()),
        **{f"usd_{name}": value for name, value in cost.items()},
    }


def sweep(
    points: Iterable[Point],
    workload: Workload,
    work_s: np.ndarray,
    pipeline: Pipeline,
    *,
    seed: int,
    executor: Executor | None = None,
) -> pd.DataFrame:
    """Evaluate many points, in order; an executor changes where they run and nothing else."""
    one = partial(evaluate, workload=workload, work_s=work_s, pipeline=pipeline, seed=seed)
    rows = executor.map(one, points) if executor else map(one, points)
    return pd.DataFrame(list(rows))
