r"""The Cox model with delayed entry, strata, ties, ridge and cluster-robust standard errors.

The hazard of a spell in stratum :math:`g` is :math:`\lambda_g(u) e^{x^\top \beta}`. With :math:`R(u)` the spells of the
stratum with ``entry`` < u <= ``duration``, :math:`\beta` maximises Efron's (or Breslow's) partial likelihood, less
:math:`\tfrac12 \rho \sum_j (\sigma_j \beta_j)^2` under a ridge. The sums over risk sets are those of `coxdev`; Newton
steps, checks, variances and predictions are here.

lifelines fits the same model, and the tests hold the two equal on small data. With delayed entry and strata it takes
hundreds of times as long (`benchmarks/survival.py`), and its baseline, concordance and robust errors leave entries out.

Sources: Cox (1972), https://doi.org/10.1111/j.2517-6161.1972.tb00899.x; Efron (1977),
https://doi.org/10.1080/01621459.1977.10480613; cluster-robust variance: Lin and Wei (1989),
https://doi.org/10.1080/01621459.1989.10478874; engine: https://pypi.org/project/coxdev/.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from coxdev import CoxDeviance
from scipy import linalg, stats

from rollstate.errors import InputError, RollstateError
from rollstate.survival.spells import Spells, check_finite, standardised
from rollstate.survival.steps import Beyond, CumulativeHazard, StepHazard, step_hazard
from rollstate.threads import one_thread

Ties = Literal["efron", "breslow"]

RATIO_STEP = 1e-3
"""Log hazard ratios that agree to this count as one where curves are shared: a tenth of a per cent of the hazard."""
MAX_STEPS = 40
TOLERANCE = 1e-9
"""Newton stops when no coefficient, per standard deviation of its covariate, moves by more than this."""


class ConvergenceError(RollstateError):
    """The likelihood has no maximum at a finite coefficient, or Newton did not reach it; nothing was fitted."""


@dataclass(frozen=True)
class CoxModel:
    """A fitted Cox model.

    Attributes
    ----------
    names : tuple of str
        Covariates.
    coefficients : array of float64, shape (p,)
        Log hazard ratios.
    covariance : array of float64, shape (p, p)
        Inverse information (of the penalised likelihood under a ridge).
    robust_covariance : array of float64, shape (p, p), or None
        Sandwich over the clusters of the spells, if they have any.
    log_likelihood, null_log_likelihood : float
        Log partial likelihood at the estimate and at zero, without the penalty.
    center : array of float64, shape (p,)
        Covariates the baseline refers to: their means over spells.
    strata : tuple of str
        Labels of the strata.
    baseline : tuple of StepHazard
        Cumulative hazard of each stratum at `center`.
    n_spells, n_events : int
        Size of the data.
    ties : {"efron", "breslow"}
        How ties were treated.
    ridge : float
        The penalty.
    """

    names: tuple[str, ...]
    coefficients: np.ndarray
    covariance: np.ndarray
    robust_covariance: np.ndarray | None
    log_likelihood: float
    null_log_likelihood: float
    center: np.ndarray
    strata: tuple[str, ...]
    baseline: tuple[StepHazard, ...]
    n_spells: int
    n_events: int
    ties: Ties
    ridge: float

    @property
    def summary(self) -> pl.DataFrame:
        """One row per covariate; tests and intervals use the robust standard error where there is one."""
        model = np.sqrt(np.diag(self.covariance))
        used = model if self.robust_covariance is None else np.sqrt(np.diag(self.robust_covariance))
        z = self.coefficients / used
        return pl.DataFrame(
            {
                "covariate": list(self.names),
                "coef": self.coefficients,
                "exp(coef)": np.exp(self.coefficients),
                "se(coef)": model,
                "robust se": None if self.robust_covariance is None else used,
                "coef lower 95%": self.coefficients - stats.norm.ppf(0.975) * used,
                "coef upper 95%": self.coefficients + stats.norm.ppf(0.975) * used,
                "z": z,
                "p": 2 * stats.norm.sf(np.abs(z)),
            }
        )

    def print_summary(self) -> None:
        """Print the size of the data, the likelihood and `summary`."""
        print(
            f"Cox model, {self.ties} ties: {self.n_spells} spells, {self.n_events} events, {len(self.strata)} strata, "
            f"log partial likelihood {self.log_likelihood:.2f} (null {self.null_log_likelihood:.2f})"
        )
        print(self.summary)

    def predict_log_partial_hazard(self, x: np.ndarray) -> np.ndarray:
        """Return the log hazard ratio to `center` of covariates, shape (n, p)."""
        x = np.atleast_2d(np.asarray(x, float))
        if x.shape[1] != len(self.names):
            raise InputError(f"prediction: {x.shape[1]} covariates, the model has {self.names}")
        check_finite(x, self.names)
        return (x - self.center) @ self.coefficients

    def predict_cumulative_hazard(
        self,
        times: np.ndarray,
        x: np.ndarray,
        stratum: np.ndarray | None = None,
        beyond: Beyond = "raise",
    ) -> np.ndarray:
        """Return the cumulative hazard of each row at its own gap time.

        Parameters
        ----------
        times : array, shape (n,) or scalar
            Gap times in blocks.
        x : array, shape (n, p)
            Covariates.
        stratum : array of str, shape (n,), optional
            Labels; may be left out if the model has one stratum.
        beyond : {"raise", "tail", "flat"}
            What to do beyond the last event of a stratum, see `rollstate.survival.steps`.

        Raises
        ------
        InputError
            If a stratum is unknown, a covariate is not finite, or a time lies beyond the last event.
        """
        hazard = self.hazard_of(x, stratum, beyond)
        return hazard(np.broadcast_to(np.asarray(times, float), len(np.atleast_2d(x))))

    def hazard_of(
        self, x: np.ndarray, stratum: np.ndarray | None = None, beyond: Beyond = "raise"
    ) -> CumulativeHazard:
        """Return `predict_cumulative_hazard` of rows as a function of their gap times, shape (n,)."""
        ratio = np.exp(self.predict_log_partial_hazard(x))
        codes = self._codes(stratum, len(ratio))
        parts = [(int(code), np.flatnonzero(codes == code)) for code in np.unique(codes)]

        def hazard(times: np.ndarray) -> np.ndarray:
            base = np.empty(len(ratio))
            for code, rows in parts:
                base[rows] = self._baseline_at(code, times[rows], beyond)
            return base * ratio

        return hazard

    def predict_survival_function(
        self, times: np.ndarray, x: np.ndarray, stratum: np.ndarray | None = None, beyond: Beyond = "raise"
    ) -> np.ndarray:
        """Return survival at common gap times, shape (m,), of each row of `x`: shape (n, m)."""
        ratio = np.exp(self.predict_log_partial_hazard(x))
        codes = self._codes(stratum, len(ratio))
        hazard = np.full((len(self.strata), len(np.atleast_1d(times))), np.nan)
        for code in np.unique(codes):
            hazard[code] = self._baseline_at(code, np.atleast_1d(times), beyond)
        return np.exp(-ratio[:, None] * hazard[codes])

    def profiles(
        self, times: np.ndarray, x: np.ndarray, stratum: np.ndarray | None = None, beyond: Beyond = "raise"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the different survival curves of many rows, and which of them each row has.

        Rows of a stratum whose log hazard ratios agree to `RATIO_STEP` share a curve, that of the rounded ratio.

        Parameters
        ----------
        times : array, shape (m,)
            Common gap times in blocks.
        x, stratum, beyond
            As in `predict_cumulative_hazard`.

        Returns
        -------
        curves : array of float64, shape (k, m)
            Survival at `times`.
        row : array of int64, shape (n,)
            Index of each row's curve.
        """
        steps = np.round(self.predict_log_partial_hazard(x) / RATIO_STEP).astype(np.int64)
        codes = self._codes(stratum, len(steps))
        low = int(steps.min(initial=0))
        span = int(steps.max(initial=0)) - low + 1
        key, row = np.unique(codes * span + (steps - low), return_inverse=True)
        code, ratio = key // span, np.exp((key % span + low) * RATIO_STEP)
        hazard = np.full((len(self.strata), len(times)), np.nan)
        for one in np.unique(code):
            hazard[one] = self._baseline_at(one, times, beyond)
        return np.exp(-ratio[:, None] * hazard[code]), row

    def _baseline_at(self, code: int, times: np.ndarray, beyond: Beyond) -> np.ndarray:
        try:
            return self.baseline[code].at(times, beyond)
        except InputError as error:
            raise InputError(f"stratum {self.strata[code]!r}: {error}") from None

    def _codes(self, stratum: np.ndarray | None, n: int) -> np.ndarray:
        if stratum is None:
            if len(self.strata) > 1:
                raise InputError(f"prediction: the model has strata {self.strata}; name one for each row")
            return np.zeros(n, np.int64)
        given = np.broadcast_to(np.asarray(stratum), (n,))
        # Sorting text is slow for many rows; Polars looks it up instead.
        labels = pl.Series(given if given.dtype == object else given.astype(str), dtype=pl.String)
        unknown = sorted(set(labels.unique()) - set(self.strata))
        if unknown:
            raise InputError(f"prediction: strata {unknown} were not in the data; known are {self.strata}")
        return labels.cast(pl.Enum(self.strata)).to_physical().to_numpy().astype(np.int64)


def engine(spells: Spells, ties: Ties = "efron") -> CoxDeviance:
    """Return `coxdev`'s sums over the risk sets of `spells`."""
    if ties not in ("efron", "breslow"):
        raise InputError(f"ties {ties!r} must be 'efron' or 'breslow'")
    return CoxDeviance(
        event=spells.duration,
        status=spells.event.astype(np.int32),
        start=spells.entry if spells.entry.any() else None,
        strata=spells.stratum if len(spells.strata) > 1 else None,
        tie_breaking=ties,
    )


@one_thread()
def fit(
    spells: Spells, *, ties: Ties = "efron", ridge: float = 0.0, offset: np.ndarray | None = None
) -> CoxModel:
    """Fit a Cox model.

    Parameters
    ----------
    spells : Spells
        Data; their clusters, if any, give robust standard errors.
    ties : {"efron", "breslow"}
        Treatment of ties.
    ridge : float
        Penalty on squared coefficients per standard deviation of their covariate.
    offset : array, shape (n,), optional
        Known part of the log hazard, for example a log frailty. Predictions leave it out.

    Raises
    ------
    InputError
        If there are no events, not more events than covariates, or covariates are constant or collinear within
        the risk sets.
    ConvergenceError
        If a covariate separates the data, or Newton does not converge.
    """
    _check_events(spells, ridge)
    n, p = spells.x.shape
    z, center, scale = standardised(spells)
    sums = engine(spells, ties)
    fixed = np.zeros(n) if offset is None else np.asarray(offset, float) - np.mean(offset)

    def objective(b: np.ndarray) -> tuple[float, np.ndarray, float]:
        result = sums(z @ b + fixed)
        likelihood = result.loglik_sat - result.deviance / 2
        return likelihood - ridge / 2 * b @ b, -(z.T @ result.gradient) / 2 - ridge * b, likelihood

    def information(b: np.ndarray) -> np.ndarray:
        operator = sums.information(z @ b + fixed)
        matrix = np.stack([z.T @ operator.matvec(z[:, j]) for j in range(p)]) if p else np.zeros((0, 0))
        return (matrix + matrix.T) / 2 + ridge * np.eye(p)

    b = np.zeros(p)
    value, score, null_likelihood = objective(b)
    likelihood = null_likelihood
    info = information(b)
    if p:
        _check_rank(info, spells)
    for _ in range(MAX_STEPS if p else 0):
        step = linalg.solve(info, score, assume_a="pos")
        if np.abs(step).max() > 4:
            step *= 4 / np.abs(step).max()
        new_value, new_score, new_likelihood = objective(b + step)
        while not new_value >= value - 1e-9 * abs(value):
            step /= 2
            if np.abs(step).max() < TOLERANCE:
                raise ConvergenceError(
                    f"Newton found no ascent at coefficients {b / scale}; rescale or add a ridge"
                )
            new_value, new_score, new_likelihood = objective(b + step)
        b, value, score, likelihood = b + step, new_value, new_score, new_likelihood
        info = information(b)
        if np.abs(step).max() < TOLERANCE:
            break
        _check_separation(info, b, spells.names)
    else:
        if p:
            raise ConvergenceError(
                f"Newton did not converge in {MAX_STEPS} steps; last step {step / scale} at {b / scale}; add a ridge"
            )
    eta = z @ b + fixed
    covariance = np.linalg.inv(info)
    robust = None
    if spells.cluster is not None and p:
        residuals = sums.score_residuals(eta, z)
        robust = _sandwich(covariance, residuals, spells.cluster) / np.outer(scale, scale)
    return CoxModel(
        names=spells.names,
        coefficients=b / scale,
        covariance=covariance / np.outer(scale, scale),
        robust_covariance=robust,
        log_likelihood=float(likelihood),
        null_log_likelihood=float(null_likelihood),
        center=center,
        strata=spells.strata,
        baseline=_baseline(sums, eta, spells),
        n_spells=n,
        n_events=int(spells.event.sum()),
        ties=ties,
        ridge=float(ridge),
    )


def robust_covariance(model: CoxModel, spells: Spells, cluster: np.ndarray) -> np.ndarray:
    """Return the sandwich covariance, shape (p, p), of a model fitted on `spells`, for any clusters, shape (n,)."""
    eta = model.predict_log_partial_hazard(spells.x)
    residuals = engine(spells, model.ties).score_residuals(eta, spells.x - model.center)
    return _sandwich(model.covariance, residuals, np.unique(cluster, return_inverse=True)[1])


def concordance(model: CoxModel, spells: Spells) -> float:
    """Return Harrell's concordance of the linear predictor with delayed entry, within strata."""
    # Spells with the same covariates tie; a matrix product may round them apart.
    return float(engine(spells, model.ties).c_index(model.predict_log_partial_hazard(spells.x).round(10)))


def martingale_residuals(model: CoxModel, spells: Spells) -> np.ndarray:
    """Return events less expected events of each spell, shape (n,)."""
    eta = model.predict_log_partial_hazard(spells.x)
    return spells.event - engine(spells, model.ties).expected_events(eta)


def _sandwich(covariance: np.ndarray, residuals: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    sums = np.stack([np.bincount(cluster, column) for column in residuals.T], axis=1)
    return covariance @ (sums.T @ sums) @ covariance


def _baseline(sums: CoxDeviance, eta: np.ndarray, spells: Spells) -> tuple[StepHazard, ...]:
    hazard = sums.baseline_hazard(eta)
    out = []
    for code in range(len(spells.strata)):
        rows = hazard.stratum == code
        events = spells.duration[spells.event & (spells.stratum == code)]
        counts = np.unique(events, return_counts=True)[1]
        out.append(step_hazard(hazard.time[rows], hazard.cumulative_hazard[rows], counts))
    return tuple(out)


def _pick(names: tuple[str, ...], mask: np.ndarray) -> list[str]:
    return [name for name, chosen in zip(names, mask, strict=True) if chosen]


def _check_events(spells: Spells, ridge: float) -> None:
    events = int(spells.event.sum())
    if not events:
        raise InputError(f"Cox model: none of {len(spells)} spells ended with an event; observe for longer")
    if events <= spells.x.shape[1] and not ridge:
        raise InputError(
            f"Cox model: {events} events cannot determine {spells.x.shape[1]} coefficients; use fewer covariates"
        )
    if not 0 <= ridge < np.inf:
        raise InputError(f"Cox model: ridge {ridge} must be at least 0")


def _check_rank(information: np.ndarray, spells: Spells) -> None:
    """Say which covariates are constant or collinear where it counts: within the risk sets of the strata."""
    diagonal = np.diag(information)
    # Per event, a standardised covariate has variance near 1 in a risk set.
    flat = diagonal < 1e-10 * spells.event.sum()
    if flat.any():
        raise InputError(
            f"covariates {_pick(spells.names, flat)} are constant within the risk sets of every stratum; drop them"
        )
    values, vectors = np.linalg.eigh(information / np.sqrt(np.outer(diagonal, diagonal)))
    if values[0] < 1e-10:
        involved = np.abs(vectors[:, 0]) > 1e-3
        raise InputError(f"covariates {_pick(spells.names, involved)} are collinear; drop one or add a ridge")


def _check_separation(information: np.ndarray, b: np.ndarray, names: tuple[str, ...]) -> None:
    """Information that dies away while its coefficient grows means that the likelihood has no maximum."""
    gone = (np.diag(information) < 1e-7) & (np.abs(b) > 3)
    if gone.any():
        raise ConvergenceError(
            f"covariates {_pick(names, gone)} separate the data: the likelihood rises for ever with their "
            "coefficient; merge categories, drop them or add a ridge"
        )
