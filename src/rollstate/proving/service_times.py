"""Proving times from measured runs: gas as covariate, crashes as informative censoring, provers for real time.

A run that crashes has no proving time. Were crashes chance, leaving them out would do no harm; but larger blocks crash
more often and take longer to prove, so what is left is too fast. Two corrections bound the damage: weighting the
finished runs by the inverse probability to finish given gas (Robins and Rotnitzky 1992,
https://doi.org/10.1007/978-1-4757-1229-2_14), and giving each crashed run the time that the regression on gas expects.
Neither sees what made a block crash other than its gas.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.api as sm

from rollstate.errors import InputError
from rollstate.proving import kernels

_FILES = ("zkevm_mainnet_500.csv", "zkevm_mainnet_history.csv")
_COLUMNS = ["block_number", "hardware", "el", "zkvm", "block_gas_used", "status", "proving_time_ms"]


def load(folder: Path) -> pd.DataFrame:
    """Read the measured proving runs.

    Returns
    -------
    pandas.DataFrame
        One row per block and run: ``run`` (client and zkVM), ``block``, ``gas``, ``prove_s`` (NaN for a crash),
        ``crashed``; sorted by run and block.

    Raises
    ------
    InputError
        Naming the file and the column that is missing, or a run that finished without a proving time.
    """
    frames = []
    for name in _FILES:
        path = folder / name
        try:
            frame = pd.read_csv(path)
        except (OSError, ValueError) as error:
            raise InputError(f"{path} cannot be read: {error}") from error
        missing = [column for column in _COLUMNS if column not in frame.columns]
        if missing:
            raise InputError(f"{path} has no column {', '.join(missing)}")
        if "stage" in frame.columns:
            frame = frame[frame["stage"] == "proving"]
        frames.append(frame[_COLUMNS])
    runs = pd.concat(frames, ignore_index=True)
    out = pd.DataFrame(
        {
            "run": runs["el"].str.split("-").str[0] + " on " + runs["zkvm"],
            "block": runs["block_number"].astype(int),
            "gas": runs["block_gas_used"].astype(float),
            "prove_s": runs["proving_time_ms"].astype(float) / 1e3,
            "crashed": runs["status"] != "success",
        }
    )
    lost = out["prove_s"].isna() & ~out["crashed"]
    if lost.any():
        raise InputError(f"block {out.loc[lost, 'block'].iloc[0]} finished without a proving time")
    out.loc[out["crashed"], "prove_s"] = np.nan
    return out.sort_values(["run", "block"], ignore_index=True)


def synthetic(seed: int, blocks: int = 250) -> pd.DataFrame:
    """Return invented runs of two provers in the form of `load`, one of which crashes on large blocks.

    For tests, and for a book built where the measured runs cannot be had.
    """
    rng = np.random.default_rng(seed)
    gas = rng.uniform(5e6, 45e6, blocks)
    frames = []
    for name, slope, crashes in (
        ("synthetic prover", 0.5, False),
        ("synthetic prover that crashes", 4.0, True),
    ):
        prove = (4 + slope * gas / 1e6) * rng.lognormal(0, 0.08, blocks)
        crashed = crashes & (rng.random(blocks) < 1 / (1 + np.exp(4 - gas / 1e7)))
        frame = {"run": name, "block": np.arange(blocks), "gas": gas, "prove_s": prove, "crashed": crashed}
        frames.append(pd.DataFrame(frame).assign(prove_s=lambda rows: rows["prove_s"].mask(rows["crashed"])))
    return pd.concat(frames, ignore_index=True)


@dataclass(frozen=True)
class GasFit:
    """Proving time as a line in gas.

    Attributes
    ----------
    intercept_s, slope_s_per_mgas : float
        The line.
    slope_interval : tuple of float
        95 % interval of the slope, robust to autocorrelation of neighbouring blocks (Newey and West 1987).
    r2, residual_sd_s : float
        Share of variance explained, and what is left.
    """

    intercept_s: float
    slope_s_per_mgas: float
    slope_interval: tuple[float, float]
    r2: float
    residual_sd_s: float

    def predict(self, gas: np.ndarray) -> np.ndarray:
        """Return the expected proving time in seconds."""
        return self.intercept_s + self.slope_s_per_mgas * np.asarray(gas, float) / 1e6


def fit_gas(gas: np.ndarray, prove_s: np.ndarray) -> GasFit:
    """Fit proving time on gas by least squares, over the runs that finished, in the order of blocks."""
    done = np.isfinite(prove_s)
    if done.sum() < 10:
        raise InputError(f"{int(done.sum())} finished runs are too few to fit proving time on gas")
    x = sm.add_constant(np.asarray(gas, float)[done] / 1e6)
    model = sm.OLS(np.asarray(prove_s, float)[done], x).fit(cov_type="HAC", cov_kwds={"maxlags": 5})
    low, high = model.conf_int()[1]
    return GasFit(
        float(model.params[0]),
        float(model.params[1]),
        (float(low), float(high)),
        float(model.rsquared),
        float(np.sqrt(model.scale)),
    )


def finish_weights(gas: np.ndarray, crashed: np.ndarray) -> np.ndarray:
    """Return for each run one over its probability to finish given gas (logistic regression); 0 for a crash."""
    crashed = np.asarray(crashed, bool)
    if not crashed.any():
        return np.ones(len(crashed))
    if crashed.all():
        raise InputError("every run crashed: there is no proving time to weight")
    x = sm.add_constant(np.asarray(gas, float) / 1e6)
    model = sm.Logit((~crashed).astype(float), x).fit(disp=False)
    return np.where(crashed, 0.0, 1 / model.predict(x))


def mean_times(runs: pd.DataFrame) -> dict[str, float]:
    """Return the mean proving time of one run three ways: crashes left out, weighted, and filled in.

    Parameters
    ----------
    runs : pandas.DataFrame
        Rows of one ``run`` of `load`.
    """
    gas, prove, crashed = (runs[name].to_numpy() for name in ("gas", "prove_s", "crashed"))
    weight = finish_weights(gas, crashed)
    line = fit_gas(gas, prove)
    return {
        "left out": float(np.nanmean(prove)),
        "weighted": float(np.average(np.where(crashed, 0, np.nan_to_num(prove)), weights=weight)),
        "filled in": float(np.where(crashed, line.predict(gas), prove).mean()),
    }


def crash_effect(gas: np.ndarray, crashed: np.ndarray) -> tuple[float, float, float]:
    """Return the odds ratio of a crash per million gas, with its 95 % interval."""
    model = sm.Logit(np.asarray(crashed, float), sm.add_constant(np.asarray(gas, float) / 1e6)).fit(
        disp=False
    )
    low, high = np.exp(model.conf_int()[1])
    return float(np.exp(model.params[1])), float(low), float(high)


def provers_needed(
    work_s: np.ndarray,
    slot_s: float,
    *,
    max_wait_s: float,
    quantile: float = 0.99,
    jobs: int = 20_000,
    seed: int,
    most: int = 64,
) -> int:
    """Return the fewest provers that keep the wait of a block, at the given quantile, within a bound.

    One block arrives per slot; proving times are resampled from `work_s`. More provers shorten the wait for a prover
    and never the proof itself.

    Raises
    ------
    InputError
        If not even `most` provers do.
    """
    work = np.asarray(work_s, float)
    rng = np.random.default_rng(seed)
    drawn = work[rng.integers(0, len(work), jobs)]
    ready = np.arange(jobs) * slot_s
    for count in range(int(work.mean() / slot_s) + 1, most + 1):
        start, _ = kernels.prove(ready, drawn, np.ones(count))
        if np.quantile(start - ready, quantile) <= max_wait_s:
            return count
    raise InputError(f"not even {most} provers keep the wait within {max_wait_s:g} s at {slot_s:g} s slots")


def provers_confidence(
    work_s: np.ndarray, slot_s: float, *, max_wait_s: float, draws: int, seed: int, jobs: int = 5_000
) -> np.ndarray:
    """Return `provers_needed` for bootstrap samples of the measured blocks, shape (draws,).

    Neighbouring blocks depend through the base fee, negatively: single blocks are resampled, which is cautious.
    """
    work = np.asarray(work_s, float)
    streams = np.random.SeedSequence(seed).spawn(draws)
    out = np.empty(draws, int)
    for i, stream in enumerate(streams):
        rng = np.random.default_rng(stream)
        sample = work[rng.integers(0, len(work), len(work))]
        out[i] = provers_needed(
            sample, slot_s, max_wait_s=max_wait_s, jobs=jobs, seed=int(rng.integers(2**31))
        )
    return out
