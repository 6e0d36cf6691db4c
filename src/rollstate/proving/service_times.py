"""Proving times from measured runs: gas or cycles as covariate, errors that grow with size, provers for real time.

A run that crashes has no proving time. Were crashes chance, leaving them out would do no harm; but larger blocks crash
more often and take longer to prove, so what is left is too fast. Two corrections bound the damage: weighting the
finished runs by the inverse probability to finish given gas (Robins and Rotnitzky 1992,
https://doi.org/10.1007/978-1-4757-1229-2_14), and giving each crashed run the time that the regression on gas expects.
Neither sees what made a block crash other than its gas.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import statsmodels.api as sm

from rollstate.errors import InputError
from rollstate.proving import kernels

UNITS = {"gas": 1e6, "cycles": 1e8}
"""Step of each covariate in which the slope of a `TimeFit` counts: a million gas, a hundred million cycles."""
_FEWEST = 10


@dataclass(frozen=True)
class TimeFit:
    """Proving time as a line in a covariate, with a standard deviation proportional to the expected time.

    Attributes
    ----------
    covariate : {"gas", "cycles"}
        What the time is a line in.
    intercept_s, slope_s : float
        The line; the slope is per step of `UNITS`.
    slope_interval : tuple of float
        95 % interval of the slope, robust to autocorrelation of neighbouring blocks (Newey and West 1987).
    r2, residual_sd_s : float
        Share of the variance of the times explained, and the standard deviation of what is left.
    floor_s : float
        Least expected time that the line may give, a fiftieth of the mean: a line is no model of an empty block.
    relative : array of float64
        Relative errors of the fitted blocks, ascending, each from the line without that block.
    """

    covariate: str
    intercept_s: float
    slope_s: float
    slope_interval: tuple[float, float]
    r2: float
    residual_sd_s: float
    floor_s: float
    relative: np.ndarray

    def predict(self, size: np.ndarray) -> np.ndarray:
        """Return the expected proving time in seconds for values of the covariate."""
        line = self.intercept_s + self.slope_s * np.asarray(size, float) / UNITS[self.covariate]
        return np.maximum(line, self.floor_s)

    def band(self, size: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """Return the ends of a prediction interval for one new block of each size.

        The ends are order statistics of the relative errors (jackknife, Barber and others 2021,
        https://doi.org/10.1214/20-AOS1965), so that no shape of the errors is assumed.
        """
        if not 0 < level < 1:
            raise InputError(f"level={level!r} must lie between 0 and 1")
        n = len(self.relative)
        rank = min(n, int(np.ceil((1 + level) / 2 * (n + 1))))
        expected = self.predict(size)
        low, high = self.relative[n - rank], self.relative[rank - 1]
        return np.maximum(0.0, expected * (1 + low)), expected * (1 + high)


def fit(size: np.ndarray, prove_s: np.ndarray, covariate: str = "gas") -> TimeFit:
    """Fit proving time on gas or cycles by weighted least squares, over the runs that finished, in the order of blocks.

    Parameters
    ----------
    size, prove_s : array, shape (n,)
        Covariate and proving time in seconds of each block; NaN where there is none.
    covariate : {"gas", "cycles"}
        What `size` is.
    """
    if covariate not in UNITS:
        raise InputError(f"covariate {covariate!r} is not one of {', '.join(UNITS)}")
    x, y = np.asarray(size, float), np.asarray(prove_s, float)
    done = np.isfinite(y) & np.isfinite(x)
    if done.sum() < _FEWEST:
        raise InputError(f"{int(done.sum())} finished runs are too few to fit proving time on {covariate}")
    if np.ptp(x[done]) == 0:
        raise InputError(
            f"every finished run has {covariate} {x[done][0]:g}: a line needs blocks of several sizes"
        )
    y = y[done]
    design = sm.add_constant(x[done] / UNITS[covariate])
    floor = float(y.mean() / 50)
    weight = np.ones(len(y))
    # Weights by the expected time, which the weighted line gives: a few rounds settle.
    for _ in range(8):
        model = sm.WLS(y, design, weights=weight).fit()
        expected = np.maximum(design @ model.params, floor)
        weight = expected**-2.0
    robust = model.get_robustcov_results("HAC", maxlags=5)
    low, high = robust.conf_int()[1]
    error = y - design @ model.params
    scaled = design * np.sqrt(weight)[:, None]
    leverage = np.einsum("ij,jk,ik->i", scaled, np.linalg.inv(scaled.T @ scaled), scaled)
    return TimeFit(
        covariate=covariate,
        intercept_s=float(model.params[0]),
        slope_s=float(model.params[1]),
        slope_interval=(float(low), float(high)),
        r2=float(1 - (error**2).sum() / ((y - y.mean()) ** 2).sum()),
        residual_sd_s=float(np.sqrt((error**2).sum() / (len(y) - 2))),
        floor_s=floor,
        relative=np.sort(error / (1 - leverage) / expected),
    )


def judged(run: pd.DataFrame, covariate: str, train: int) -> pd.DataFrame:
    """Fit on the first blocks of a run and judge on the others.

    Parameters
    ----------
    run : pandas.DataFrame
        Rows of one run of `rollstate.proving.runs.read`, in the order of blocks.
    covariate : {"gas", "cycles"}
        What the time is a line in.
    train : int
        Number of blocks to fit on.

    Returns
    -------
    pandas.DataFrame
        Per judged block that finished: ``decile`` (1 to 10 of the covariate), ``prove_s``, ``expected_s``, ``low_s``,
        ``high_s``, ``inside``.
    """
    if not _FEWEST <= train < len(run):
        raise InputError(
            f"train={train} must be at least {_FEWEST} and below the {len(run)} blocks of the run"
        )
    first, rest = run.iloc[:train], run.iloc[train:]
    line = fit(first[covariate].to_numpy(), first["prove_s"].to_numpy(), covariate)
    rest = rest[~rest["crashed"] & rest[covariate].notna()]
    size = rest[covariate].to_numpy()
    low, high = line.band(size)
    prove = rest["prove_s"].to_numpy()
    rank = np.argsort(np.argsort(size, kind="stable"), kind="stable")
    return pd.DataFrame(
        {
            "decile": rank * 10 // max(len(size), 1) + 1,
            "prove_s": prove,
            "expected_s": line.predict(size),
            "low_s": low,
            "high_s": high,
            "inside": (prove >= low) & (prove <= high),
        }
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
        Rows of one ``run`` of `rollstate.proving.runs.read`.
    """
    gas, prove, crashed = (runs[name].to_numpy() for name in ("gas", "prove_s", "crashed"))
    weight = finish_weights(gas, crashed)
    line = fit(gas, prove)
    return {
        "left out": float(np.nanmean(prove)),
        "weighted": float(np.average(np.where(crashed, 0, np.nan_to_num(prove)), weights=weight)),
        "filled in": float(np.where(crashed, line.predict(gas), prove).mean()),
    }


def provers_needed(
    work_s: np.ndarray,
    slot_s: float,
    *,
    max_wait_s: float,
    quantile: float = 0.99,
    jobs: int = 20_000,
    seed: int,
    most: int = 64,
) -> int | None:
    """Return the fewest provers that keep the wait of a block, at the given quantile, within a bound.

    One block arrives per slot; proving times are resampled from `work_s`. More provers shorten the wait for a prover
    and never the proof itself. None if not even `most` provers do: such a run cannot keep up.
    """
    work = np.asarray(work_s, float)
    if not len(work) or not (np.isfinite(work) & (work > 0)).all():
        raise InputError("work_s must hold positive, finite proving times: leave crashed runs out")
    rng = np.random.default_rng(seed)
    drawn = work[rng.integers(0, len(work), jobs)]
    ready = np.arange(jobs) * slot_s
    for count in range(int(work.mean() / slot_s) + 1, most + 1):
        start, _ = kernels.prove(ready, drawn, np.ones(count))
        if np.quantile(start - ready, quantile) <= max_wait_s:
            return count
    return None


def provers_confidence(
    work_s: np.ndarray,
    slot_s: float,
    *,
    max_wait_s: float,
    draws: int,
    seed: int,
    jobs: int = 5_000,
    most: int = 64,
) -> np.ndarray:
    """Return `provers_needed` for bootstrap samples of the measured blocks, shape (draws,); inf beyond `most`.

    Neighbouring blocks depend through the base fee, negatively: single blocks are resampled, which is cautious.
    """
    work = np.asarray(work_s, float)
    streams = np.random.SeedSequence(seed).spawn(draws)
    out = np.empty(draws)
    for i, stream in enumerate(streams):
        rng = np.random.default_rng(stream)
        sample = work[rng.integers(0, len(work), len(work))]
        needed = provers_needed(
            sample, slot_s, max_wait_s=max_wait_s, jobs=jobs, seed=int(rng.integers(2**31)), most=most
        )
        out[i] = np.inf if needed is None else needed
    return out
