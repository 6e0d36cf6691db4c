"""Numbers of a simulated pipeline with intervals that cover: independent replications, quantiles by the jackknife.

Delays within one path depend on each other for as long as a queue lasts, and one failed proof delays all that follow in
its group: an interval from parts of a single path is too narrow. Independent paths have no such fault. A quantile is
estimated from all paths together, whose bias falls with their total length, and its interval from what leaving out one
path at a time changes (Efron and Stein 1981, https://doi.org/10.1214/aos/1176345462). The spread of the paths' own
quantiles gives intervals that cover too rarely: a path's quantile is skewed and biased.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from rollstate.errors import InputError
from rollstate.estimate import Estimate
from rollstate.proving.simulation import Draws, Path, Pipeline, draw, simulate

STAGES = ("batch open", "wait for a prover", "prove", "group, aggregate, L1 slot")
FILL = 0.2
"""Share of a path that fills the pipeline and is left out."""
_BIN_S = 0.05
"""Delays are counted in bins this wide: far below every other time, so that many paths fit in memory."""


@dataclass(frozen=True)
class Traffic:
    """What goes through the pipeline.

    Attributes
    ----------
    tx_per_s : float
        Arrival rate of transactions.
    transactions : int
        Transactions of one path.
    failure, miss : float
        Probability that a proof fails and is tried again, and that an L1 slot is missed.
    """

    tx_per_s: float = 20.0
    transactions: int = 250_000
    failure: float = 0.0
    miss: float = 0.01


def seeds(seed: int, replications: int) -> list[int]:
    """Return one seed for each replication."""
    if replications < 2:
        raise InputError(f"replications={replications} must be at least 2: an interval needs a spread")
    return [int(one) for one in np.random.SeedSequence(seed).generate_state(replications, np.uint64) >> 1]


def path(pipeline: Pipeline, traffic: Traffic, work_s: np.ndarray, seed: int) -> tuple[Path, Draws]:
    """Simulate one path of the pipeline on random numbers of its own."""
    # A batch closes by its timer, full, or out of gas; the first two bound their number closely.
    n = traffic.transactions
    span = n / traffic.tx_per_s + 10 * n**0.5 / traffic.tx_per_s
    batches = int(min(n, span / pipeline.timeout_s + n / pipeline.max_tx + 100))
    draws = draw(
        tx_per_s=traffic.tx_per_s,
        n=n,
        work_s=work_s,
        seed=seed,
        failure=traffic.failure,
        miss=traffic.miss,
        block_s=pipeline.block_s,
        batches=batches,
    )
    return simulate(pipeline, draws), draws


def stages(path: Path, draws: Draws) -> pd.DataFrame:
    """Return how long each transaction spends in each of `STAGES`, in seconds; rows sum to its delay."""
    ends = (path.close_s[path.batch], path.start_s[path.batch], path.proved_s[path.batch], path.final_s)
    begins = (draws.arrival_s, *ends[:3])
    return pd.DataFrame({name: end - begin for name, begin, end in zip(STAGES, begins, ends, strict=True)})


@dataclass(frozen=True)
class Delays:
    """Delays of independent paths, as counts.

    Attributes
    ----------
    counts : array of int64, shape (replications, bins)
        Transactions of each path by delay, in bins of 0.05 s.
    means : array of float64, shape (replications,)
        Mean delay of each path in seconds.
    """

    counts: np.ndarray
    means: np.ndarray

    def mean(self) -> Estimate:
        """Return the mean delay with its 95 % interval."""
        return mean(self.means)

    def quantile(self, level: float) -> Estimate:
        """Return a quantile of the delay with its 95 % interval, by the jackknife over paths."""
        if not 0 < level < 1:
            raise InputError(f"level={level!r} must lie between 0 and 1")
        total = self.counts.sum(0)
        whole = _quantile(total, level)
        without = np.array([_quantile(total - one, level) for one in self.counts])
        paths = len(without)
        error = np.sqrt((paths - 1) / paths * ((without - without.mean()) ** 2).sum())
        half = float(stats.t.ppf(0.975, paths - 1) * error)
        return Estimate(whole, whole - half, whole + half)


@dataclass(frozen=True)
class Replicated:
    """What was found on independent paths: delays to virtual and final, and rates of each path."""

    virtual: Delays
    final: Delays
    per_path: pd.DataFrame


def replicate(
    pipeline: Pipeline, traffic: Traffic, work_s: np.ndarray, *, replications: int, seed: int
) -> Replicated:
    """Simulate independent paths of a pipeline and count their delays.

    The same seed gives every pipeline the same arrivals and the same luck, so that differences between pipelines are
    not noise.
    """
    counts: dict[str, list[np.ndarray]] = {"virtual": [], "final": []}
    means: dict[str, list[float]] = {"virtual": [], "final": []}
    rows = []
    for one in seeds(seed, replications):
        found, draws = path(pipeline, traffic, work_s, one)
        begin = int(FILL * traffic.transactions)
        for name, at in (("virtual", found.virtual_s), ("final", found.final_s)):
            delay = (at - draws.arrival_s)[begin:]
            counts[name].append(np.bincount((delay / _BIN_S).astype(np.int64)))
            means[name].append(float(delay.mean()))
        batches = len(found.close_s)
        late = found.final_s[begin:]
        passed = found.batch[-1] - found.batch[begin]
        rows.append(
            {
                "batches_per_h": float(passed / max(late[-1] - late[0], 1e-9) * 3600),
                "batch_tx": traffic.transactions / batches,
                "seconds_per_batch": float(found.close_s[-1] / batches),
            }
        )
    delays = {name: Delays(_stack(counts[name]), np.array(means[name])) for name in counts}
    return Replicated(delays["virtual"], delays["final"], pd.DataFrame(rows))


def mean(values: Sequence[float] | np.ndarray) -> Estimate:
    """Return the mean of independent replications with its 95 % interval by Student's t."""
    values = np.asarray(values, float)
    half = _half_width(values)
    return Estimate(float(values.mean()), float(values.mean() - half), float(values.mean() + half))


def paired(found: Mapping[int, Replicated], one: int, other: int) -> Estimate:
    """Return the difference of mean final delays, `one` less `other`, paired by path."""
    return mean(found[one].final.means - found[other].final.means)


def _half_width(values: np.ndarray) -> float:
    if len(values) < 2:
        raise InputError("an interval needs at least two replications")
    return float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))


def _stack(counts: Sequence[np.ndarray]) -> np.ndarray:
    out = np.zeros((len(counts), max(map(len, counts))), np.int64)
    for row, one in zip(out, counts, strict=True):
        row[: len(one)] = one
    return out


def _quantile(counts: np.ndarray, level: float) -> float:
    """Return a quantile of binned delays, linear within its bin."""
    total = np.cumsum(counts)
    wanted = level * total[-1]
    at = int(np.searchsorted(total, wanted))
    before = total[at - 1] if at else 0
    return float((at + (wanted - before) / counts[at]) * _BIN_S)
