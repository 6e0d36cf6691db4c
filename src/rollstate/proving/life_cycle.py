"""Recorded life cycles of an L2's batches, and how far a simulated pipeline is from them.

The pipeline's two delays have counterparts on chain. A batch is virtual when its order is on L1, which is its commit;
it is final when its proof is verified there. Execution, which chains delay on purpose, is in no model here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import optimize, stats

from rollstate.errors import InputError
from rollstate.proving.replications import FILL, Traffic, path, seeds
from rollstate.proving.simulation import Pipeline


@dataclass(frozen=True)
class Fit:
    """A pipeline with its traffic and proving times, as `simulated` takes them."""

    pipeline: Pipeline
    traffic: Traffic
    work_s: np.ndarray


STAGES = ("opened_s", "committed_s", "proven_s", "executed_s")
COLUMNS = ("batch", "opened_s", "transactions", "committed_s", "proven_s", "executed_s")
_PER_BATCH = 20
"""Transactions of a batch of the fitted pipeline: the first opens it, and what follows does not change its times."""
FEWEST = 20
"""Batches below which no comparison of distributions is made."""


def read(file: Path) -> pd.DataFrame:
    """Read the table that ``rollstate extract --view batches`` writes.

    Returns
    -------
    pandas.DataFrame
        ``batch`` (ascending), ``transactions``, and ``opened_s``, ``committed_s``, ``proven_s``, ``executed_s`` in Unix
        seconds, NaN where a stage is not reached.

    Raises
    ------
    InputError
        Naming the file and the column or batch at fault.
    """
    try:
        frame = pd.read_csv(file, float_precision="round_trip")
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read: {error}") from error
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise InputError(
            f"{file} has no column {', '.join(missing)}; rollstate extract --view batches writes them"
        )
    out = frame[list(COLUMNS)].copy()
    for name in COLUMNS:
        number = pd.to_numeric(out[name], errors="coerce")
        bad = out[name].notna() & ~(np.isfinite(number) & (number >= 0))
        if name not in STAGES[1:]:
            bad |= out[name].isna()
        if bad.any():
            row = int(np.argmax(bad))
            shown = frame[name].iloc[row]
            raise InputError(f"{file}, row {row + 2}: {name} is {shown!r}; it must be a number from 0 up")
        out[name] = number.astype(float)
    if (out["batch"].diff().iloc[1:] <= 0).any():
        row = int(np.argmax(out["batch"].diff() <= 0))
        raise InputError(f"{file}, row {row + 2}: batches must ascend, each once")
    for before, after in pairwise(STAGES):
        late = out[after].notna() & ~(out[after] >= out[before])
        if late.any():
            row = out[late].iloc[0]
            raise InputError(
                f"{file}, batch {row['batch']:.0f}: {after} is {row[after]}, but {before} is {row[before]}; a stage "
                "must not come before the one that it follows"
            )
    return out.reset_index(drop=True)


def delays(batches: pd.DataFrame) -> pd.DataFrame:
    """Return delays since the opening of each batch whose proof is verified: ``committed``, ``proven``, in seconds."""
    done = batches[batches["proven_s"].notna()]
    return pd.DataFrame({name: done[f"{name}_s"] - done["opened_s"] for name in ("committed", "proven")})


def simulated(
    pipeline: Pipeline, traffic: Traffic, work_s: np.ndarray, *, replications: int, seed: int
) -> pd.DataFrame:
    """Return the same delays of simulated batches: virtual for ``committed``, final for ``proven``."""
    parts = []
    for one in seeds(seed, replications):
        found, draws = path(pipeline, traffic, work_s, one)
        first = np.flatnonzero(np.diff(found.batch, prepend=-1))
        first = first[int(FILL * len(first)) :]
        opened = draws.arrival_s[first]
        parts.append(
            pd.DataFrame(
                {"committed": found.virtual_s[first] - opened, "proven": found.final_s[first] - opened}
            )
        )
    return pd.concat(parts, ignore_index=True)


def fitted(batches: pd.DataFrame, pipeline: Pipeline, traffic: Traffic, *, seed: int) -> Fit:
    """Return the pipeline whose simulated batches have the recorded distance, and mean and spread from commit to proof.

    Proving times are log-normal, with provers enough that no batch waits for one: how many a chain has is not on
    record. Proofs are verified in order, so that a slow one delays those behind it; the two parameters are those that
    give the recorded mean and standard deviation after that (simulated moments, McFadden 1989,
    https://doi.org/10.2307/1913621). Nothing is left for aggregation and failures, which those times contain.

    Raises
    ------
    InputError
        With fewer than `FEWEST` proven batches, or if all were opened at the same time.
    """
    done = batches[batches["proven_s"].notna()]
    if len(done) < FEWEST:
        raise InputError(f"{len(done)} proven batches are too few to fit a pipeline; {FEWEST} are needed")
    first, last = done.iloc[0], done.iloc[-1]
    spacing = (last["opened_s"] - first["opened_s"]) / (last["batch"] - first["batch"])
    if not spacing > 0:
        raise InputError("all batches were opened at the same time; their distance cannot be told")
    seen = (done["proven_s"] - done["committed_s"]).to_numpy()
    mean, spread = max(float(seen.mean()), 1e-3), float(seen.std())
    provers = int(np.ceil(10 * mean / spacing)) + 1
    close_s = spacing * _PER_BATCH / (_PER_BATCH + 1)
    changed = replace(
        pipeline, timeout_s=close_s, speeds=(1.0,) * provers, group=1, aggregate_s=0.0, prove_after="virtual"
    )
    load = replace(traffic, tx_per_s=_PER_BATCH / close_s, transactions=_PER_BATCH * 1_500, failure=0.0)
    standard = np.random.default_rng(seed).standard_normal(2_000)

    def work(parameters: np.ndarray) -> np.ndarray:
        return mean * np.exp(parameters[0] + np.clip(parameters[1], 0, 3) * standard)

    def misfit(parameters: np.ndarray) -> float:
        found, _ = path(changed, load, work(parameters), seed)
        begin = np.flatnonzero(np.diff(found.batch, prepend=-1))
        wait = (found.final_s - found.virtual_s)[begin[int(FILL * len(begin)) :]]
        return float((wait.mean() / mean - 1) ** 2 + ((wait.std() - spread) / mean) ** 2)

    best = optimize.minimize(
        misfit, [-0.1, 0.2], method="Nelder-Mead", options={"maxfev": 80, "xatol": 1e-3, "fatol": 1e-5}
    )
    return Fit(changed, load, work(best.x))


def distance(recorded: np.ndarray, model: np.ndarray) -> float:
    """Return the Kolmogorov-Smirnov distance of two samples: 0 for the same distribution, 1 for no overlap."""
    return float(stats.ks_2samp(recorded, model).statistic)


def compare(batches: pd.DataFrame, models: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return distances of models from recorded delays: ``stage``, ``model``, ``ks``, ``recorded_s``, ``model_s``."""
    seen = delays(batches)
    if len(seen) < FEWEST:
        raise InputError(f"{len(seen)} proven batches are too few to compare; {FEWEST} are needed")
    rows = [
        (
            stage,
            name,
            distance(seen[stage].to_numpy(), model[stage].to_numpy()),
            seen[stage].median(),
            model[stage].median(),
        )
        for stage in seen.columns
        for name, model in models.items()
    ]
    return pd.DataFrame(rows, columns=["stage", "model", "ks", "recorded_s", "model_s"])


def synthetic(seed: int, batches: int = 400) -> pd.DataFrame:
    """Return invented batches in the form of `read`; the last ones are not proven yet. For tests and for the sample."""
    rng = np.random.default_rng(seed)
    opened = 1.7e9 + np.cumsum(rng.gamma(20, 3.0, batches))
    committed = opened + rng.gamma(9, 30.0, batches)
    proven = np.maximum.accumulate(committed + rng.lognormal(np.log(3_000), 0.2, batches))
    now = opened[-1] + 600
    return pd.DataFrame(
        {
            "batch": np.arange(1_000, 1_000 + batches, dtype=float),
            "opened_s": opened,
            "transactions": rng.integers(50, 3_000, batches).astype(float),
            "committed_s": np.where(committed <= now, committed, np.nan),
            "proven_s": np.where(proven <= now, proven, np.nan),
            "executed_s": np.where(proven + 10_800 <= now, proven + 10_800, np.nan),
        }
    )
