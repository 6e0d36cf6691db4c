"""Competing models under one interface: spells in, the probability of an access of idle slots out.

A `Forecaster` is a frozen object of plain numbers: it answers on rows of `rollstate.survival.landmarks.landmark`, and
`rollstate.survival.model_file` writes it down and reads it back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import polars as pl
from scipy import special

from rollstate.errors import InputError
from rollstate.product_limit import nelson_aalen
from rollstate.scalars import whole
from rollstate.survival import cox, hazards, landmarks, parametric
from rollstate.survival.hazards import PiecewiseHazard
from rollstate.survival.parametric import ParametricModel
from rollstate.survival.spells import from_frame, matrix, stratum_labels
from rollstate.survival.steps import StepHazard, access_within, step_hazard
from rollstate.threads import one_thread

Within = Callable[[np.ndarray | float], np.ndarray]
"""Probability of an access of rows within a horizon in blocks, one number for all rows or one for each, shape (n,)."""


class Forecaster(Protocol):
    """A fitted model of the next access."""

    def access_probability(self, rows: pl.DataFrame, horizon: np.ndarray | float) -> np.ndarray:
        """Return the probability of an access within a horizon in blocks, shape (n,).

        Parameters
        ----------
        rows : polars.DataFrame
            Of `rollstate.survival.landmarks.landmark`: ``idle`` and the model's covariates.
        horizon : array, shape (n,), or float
            Blocks, one number for all rows or one for each.
        """

    def within(self, rows: pl.DataFrame) -> Within:
        """Return `access_probability` of the rows as a function of the horizon: for many horizons of the same rows."""


class _ByRows:
    """What forecasters share: one horizon is a use of `within`."""

    def within(self, rows: pl.DataFrame) -> Within:
        """See `Forecaster.within`."""
        raise NotImplementedError

    def access_probability(self, rows: pl.DataFrame, horizon: np.ndarray | float) -> np.ndarray:
        """See `Forecaster.access_probability`."""
        return self.within(rows)(horizon)


CURVE = "idle time alone"
"""The reference: one Nelson-Aalen curve for all slots, given how long each has been idle, with a Pareto tail."""
COX, DISCRETE, WEIBULL, LOGNORMAL, LOGLOGISTIC, CURE, TREES = (
    "Cox, stratified",
    "discrete hazard",
    "Weibull",
    "log-normal",
    "log-logistic",
    "cure mixture",
    "boosted trees",
)
LANDMARK = "landmark logistic"
MODELS = (COX, DISCRETE, WEIBULL, LOGNORMAL, LOGLOGISTIC, CURE, TREES)
"""Models with covariates of the last access, in the order in which tables and figures list them."""
COVARIATES = (
    "log_accesses",
    "log_prev_gap",
    "first_gap",
    "log_frailty",
    "log_contract_age",
    "log_co_contract",
    "log_co_tx",
    "wrote_start",
)
"""What models know of a slot at an access, by `spells.add_covariates` and `frailty.add_frailty`."""
EVENTS_PER_COVARIATE = 10
"""Fewest accesses for each covariate of a model."""
PIECES = 10
"""Pieces of gap time of the hazard models, by events."""


@dataclass(frozen=True)
class CurveForecast(_ByRows):
    """One curve for all slots, given how long each has been idle.

    Attributes
    ----------
    hazard : StepHazard
        The Nelson-Aalen estimate; beyond its last event the fitted tail goes on.
    """

    hazard: StepHazard

    def within(self, rows: pl.DataFrame) -> Within:
        """See `Forecaster.within`."""
        return access_within(lambda times: self.hazard.at(times, "tail"), idle_times(rows))

    def survival(self, grid: np.ndarray) -> np.ndarray:
        """Return survival from the last access on at gap times, shape (g,)."""
        return np.exp(-self.hazard.at(grid, "tail"))


@dataclass(frozen=True)
class CoxForecast(_ByRows):
    """A Cox model on covariates of the last access, with the fitted tail of its stratum beyond the last event.

    Attributes
    ----------
    model : CoxModel
        The fit.
    strata : tuple of str
        Columns whose combinations are its strata.
    commonest : str
        The stratum with the most events.
    """

    model: cox.CoxModel
    strata: tuple[str, ...] = ()
    commonest: str = ""

    def within(self, rows: pl.DataFrame) -> Within:
        """See `Forecaster.within`."""
        hazard = self.model.hazard_of(matrix(rows, self.model.names), self._labels(rows), "tail")
        return access_within(hazard, idle_times(rows))

    def curves(self, rows: pl.DataFrame, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the different survival curves from the last access on, and which of them each row has.

        See `rollstate.survival.cox.CoxModel.profiles`.
        """
        return self.model.profiles(grid, matrix(rows, self.model.names), self._labels(rows), "tail")

    def _labels(self, rows: pl.DataFrame) -> np.ndarray | None:
        """Return the stratum of each row; one that the fit has not seen takes the curve of the commonest."""
        if not self.strata:
            return None
        labels = pl.Series(stratum_labels(rows, self.strata), dtype=pl.String)
        return (
            labels.to_frame("label")
            .select(
                pl.when(pl.col("label").is_in(self.model.strata))
                .then("label")
                .otherwise(pl.lit(self.commonest))
            )
            .to_series()
            .to_numpy()
        )


@dataclass(frozen=True)
class SpellForecast(_ByRows):
    """A parametric or piecewise model on covariates of the last access.

    Attributes
    ----------
    model : HazardModel
        The fit.
    """

    model: PiecewiseHazard | ParametricModel

    def within(self, rows: pl.DataFrame) -> Within:
        """See `Forecaster.within`."""
        return access_within(self.model.hazard_of(matrix(rows, self.model.names)), idle_times(rows))


@dataclass(frozen=True)
class LandmarkForecast(_ByRows):
    """A logistic regression on covariates taken at the landmark, for the one horizon it was fitted for.

    Attributes
    ----------
    names : tuple of str
        Covariates.
    intercept : float
    coefficients : array of float64, shape (p,)
        Of the covariates as they are.
    horizon : float
        Blocks.
    """

    names: tuple[str, ...]
    intercept: float
    coefficients: np.ndarray
    horizon: float

    def within(self, rows: pl.DataFrame) -> Within:
        """See `Forecaster.within`; an `InputError` for another horizon than that of the fit."""
        p = special.expit(self.intercept + matrix(rows, self.names) @ self.coefficients)

        def at(horizon: np.ndarray | float) -> np.ndarray:
            if not np.all(np.asarray(horizon) == self.horizon):
                raise InputError(
                    f"the landmark model is for a horizon of {self.horizon:g} blocks, not {horizon}"
                )
            return p

        return at


def varying(frame: pl.DataFrame, covariates: Sequence[str], strata: Sequence[str] = ()) -> list[str]:
    """Return those covariates that are not constant, or not constant within every stratum.

    A window may be too short for some to vary; and a covariate that a stratum decides has no effect of its own there.
    """
    if not strata:
        return [name for name in covariates if frame[name].cast(pl.Float64).n_unique() > 1]
    counts = frame.group_by(list(strata)).agg(pl.col(list(covariates)).n_unique())
    return [name for name in covariates if whole(counts[name].max()) > 1]


def fit_curve(spells: pl.DataFrame) -> CurveForecast:
    """Fit the curve of all spells: the Nelson-Aalen estimate, and the tail on its latest events."""
    curve = nelson_aalen(*(spells[name].to_numpy() for name in ("duration", "event", "entry")))
    return CurveForecast(step_hazard(*(curve[name].to_numpy() for name in ("time", "hazard", "events"))))


def fit_cox(spells: pl.DataFrame, covariates: Sequence[str], strata: Sequence[str] = ()) -> CoxForecast:
    """Fit a stratified Cox model with a small ridge on the covariates that vary within strata.

    Strata are pooled where one of them has too few events for a tail of its own.
    """
    used = varying(spells, covariates, strata)
    data = from_frame(spells, used, strata=strata)
    model = cox.fit(data, ridge=1e-3)
    if strata and not all(np.isfinite(one.tail_index) for one in model.baseline):
        return fit_cox(spells, covariates)
    events = np.bincount(data.stratum, data.event, len(data.strata))
    return CoxForecast(model, tuple(strata), model.strata[int(events.argmax())])


MOST_SPELLS = 40_000
"""Spells that models with covariates are fitted on; of more, whole slots are sampled."""


def sample_slots(spells: pl.DataFrame, seed: int, most: int = MOST_SPELLS) -> pl.DataFrame:
    """Return all spells of a random sample of slots with about `most` spells; everything if there are not more.

    Coefficients then vary by a further ``sqrt(1 / sampled - 1 / all)`` of what they would vary by on one spell: with
    40,000 spells by less than the standard error that the model itself reports. Sums and curves are never taken from
    samples.
    """
    if spells.height <= most:
        return spells
    slots = spells["slot_id"].unique().sort()
    picked = slots.sample(max(1, round(len(slots) * most / spells.height)), seed=seed)
    return spells.filter(pl.col("slot_id").is_in(picked.implode()))


def affordable(spells: pl.DataFrame, covariates: Sequence[str]) -> list[str]:
    """Return as many of the covariates that vary, in order, as there are tens of accesses to fit them on."""
    return varying(spells, covariates)[: int(spells["event"].sum()) // EVENTS_PER_COVARIATE]


def fit_all(
    spells: pl.DataFrame,
    covariates: Sequence[str],
    *,
    strata: Sequence[str] = (),
    seed: int,
    iterations: int = 100,
    models: Sequence[str] = MODELS,
) -> tuple[dict[str, Forecaster], dict[str, str]]:
    """Fit every model on the same spells.

    Parameters
    ----------
    spells : polars.DataFrame
        As known by the last block of training (`landmarks.as_of`), with covariates.
    covariates : sequence of str
        Columns that all models but `CURVE` use; constant ones are left out.
    strata : sequence of str
        Strata of the Cox model.
    seed, iterations : int
        Of the boosted trees.
    models : sequence of str
        Those to fit beside `CURVE`, of `MODELS`.

    Returns
    -------
    fitted : dict
        `Forecaster` by name, `CURVE` first.
    failed : dict
        What the fit of a model reported that did not converge, by name: it has no forecast.

    Raises
    ------
    InputError
        If the spells cannot carry a model.
    """
    unknown = sorted({*models} - {CURVE, *MODELS})
    if unknown:
        raise InputError(f"unknown models {unknown}; there are {[CURVE, *MODELS]}")
    covariates = varying(spells, covariates)
    plain = from_frame(spells, covariates)
    if int(plain.event.sum()) < EVENTS_PER_COVARIATE * max(len(covariates), 1):
        raise InputError(
            f"{int(plain.event.sum())} accesses are too few for {len(covariates)} covariates; use a longer window"
        )
    cuts = hazards.event_cuts(plain, PIECES)
    fits: dict[str, Callable[[], Forecaster]] = {
        COX: lambda: fit_cox(spells, covariates, strata),
        DISCRETE: lambda: SpellForecast(hazards.fit_discrete(plain, cuts)),
        WEIBULL: lambda: SpellForecast(parametric.fit(plain, "weibull")),
        LOGNORMAL: lambda: SpellForecast(parametric.fit(plain, "lognormal")),
        LOGLOGISTIC: lambda: SpellForecast(parametric.fit(plain, "loglogistic")),
        CURE: lambda: SpellForecast(parametric.fit(plain, "lognormal", cure=True)),
        TREES: lambda: SpellForecast(hazards.fit_boosted(plain, cuts, seed=seed, iterations=iterations)),
    }
    fitted: dict[str, Forecaster] = {CURVE: fit_curve(spells)}
    failed = {}
    for name in (name for name in MODELS if name in models):
        try:
            fitted[name] = fits[name]()
        except cox.ConvergenceError as error:
            failed[name] = str(error)
    return fitted, failed


@one_thread("sklearn.linear_model")
def fit_landmark_logistic(rows: pl.DataFrame, covariates: Sequence[str], horizon: float) -> LandmarkForecast:
    """Fit a logistic regression on an earlier landmark, with what the slot and its contract did lately.

    scikit-learn's, with its ridge: without one, a covariate that separates a short trace's answers has no estimate.

    Parameters
    ----------
    rows : polars.DataFrame
        A landmark whose answers were known by the last block of training, with `landmarks.add_recent`.
    covariates : sequence of str
        Columns to use; constant ones are left out.
    horizon : float
        Blocks within which the answers lie.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    used = varying(rows, covariates)
    answers = landmarks.answers(rows)
    if len(np.unique(answers)) < 2:
        raise InputError("the landmark's answers are all alike; take another block or horizon")
    scale = StandardScaler().fit(matrix(rows, used))
    model = LogisticRegression(C=1.0, max_iter=2_000).fit(scale.transform(matrix(rows, used)), answers)
    coefficients = model.coef_[0] / scale.scale_
    intercept = float(model.intercept_[0] - coefficients @ scale.mean_)
    return LandmarkForecast(tuple(used), intercept, coefficients, float(horizon))


def idle_times(rows: pl.DataFrame) -> np.ndarray:
    """Return ``idle`` as floats, shape (n,)."""
    return rows["idle"].to_numpy().astype(float)
