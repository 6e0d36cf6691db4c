"""Competing models under one interface: spells in, the probability of an access of idle slots out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

from rollstate.errors import InputError
from rollstate.survival import cox, hazards, landmarks, parametric
from rollstate.survival.spells import Spells, from_frame, matrix, stratum_labels

Forecast = Callable[[pl.DataFrame, float], np.ndarray]
"""Rows of `landmarks.landmark` and a horizon in blocks to probabilities, shape (n,)."""

KAPLAN_MEIER = "Kaplan-Meier"
"""The bar to beat: one curve for all slots, given how long each has been idle."""
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
PIECES = 10
"""Pieces of gap time of the hazard models, by events."""


def varying(frame: pl.DataFrame, covariates: Sequence[str], strata: Sequence[str] = ()) -> list[str]:
    """Return those covariates that are not constant, or not constant within every stratum.

    A window may be too short for some to vary; and a covariate that a stratum decides has no effect of its own there.
    """
    if not strata:
        return [name for name in covariates if frame[name].cast(pl.Float64).n_unique() > 1]
    counts = frame.group_by(list(strata)).agg(pl.col(list(covariates)).n_unique())
    return [name for name in covariates if counts[name].max() > 1]


def fit_all(
    spells: pl.DataFrame,
    covariates: Sequence[str],
    *,
    strata: Sequence[str] = (),
    seed: int,
    iterations: int = 100,
    models: Sequence[str] | None = None,
) -> tuple[dict[str, Forecast], dict[str, str]]:
    """Fit every model on the same spells.

    Parameters
    ----------
    spells : polars.DataFrame
        As known by the last block of training (`landmarks.as_of`), with covariates.
    covariates : sequence of str
        Columns all models but Kaplan-Meier use; constant ones are left out.
    strata : sequence of str
        Strata of the Cox model.
    seed, iterations : int
        Of the boosted trees.
    models : sequence of str, optional
        Those to fit, all if not given; Kaplan-Meier is always among them.

    Returns
    -------
    fitted : dict
        `Forecast` by name, Kaplan-Meier first.
    failed : dict
        What the fit of a model said that did not converge, by name: it has no forecast.

    Raises
    ------
    InputError
        If the spells cannot carry a model.
    """
    covariates = varying(spells, covariates)
    plain = from_frame(spells, covariates)
    if int(plain.event.sum()) < 10 * max(len(covariates), 1):
        raise InputError(
            f"{int(plain.event.sum())} accesses are too few for {len(covariates)} covariates; use a longer window"
        )
    cuts = hazards.event_cuts(plain, PIECES)
    curve = cox.fit(_without_covariates(plain))

    def by_curve(rows: pl.DataFrame, horizon: float) -> np.ndarray:
        return curve.access_probability(_idle(rows), horizon, np.zeros((len(rows), 0)), beyond="tail")

    def fit_cox() -> Forecast:
        used = varying(spells, covariates, strata)
        model = cox.fit(from_frame(spells, used, strata=strata), ridge=1e-3)

        def by_cox(rows: pl.DataFrame, horizon: float) -> np.ndarray:
            labels, x = stratum_labels(rows, strata), matrix(rows, used)
            return model.access_probability(_idle(rows), horizon, x, labels, beyond="tail")

        return by_cox

    def by(model: Any) -> Forecast:
        return lambda rows, horizon: model.access_probability(_idle(rows), horizon, matrix(rows, covariates))

    fits = {
        "Cox, stratified": fit_cox,
        "discrete hazard": lambda: by(hazards.fit_discrete(plain, cuts)),
        "Weibull": lambda: by(parametric.fit(plain, "weibull")),
        "log-normal": lambda: by(parametric.fit(plain, "lognormal")),
        "cure mixture": lambda: by(parametric.fit(plain, "lognormal", cure=True)),
        "boosted trees": lambda: by(hazards.fit_boosted(plain, cuts, seed=seed, iterations=iterations)),
    }
    unknown = sorted(set(models or ()) - {KAPLAN_MEIER, *fits})
    if unknown:
        raise InputError(f"unknown models {unknown}; there are {[KAPLAN_MEIER, *fits]}")
    fitted: dict[str, Forecast] = {KAPLAN_MEIER: by_curve}
    failed = {}
    for name in fits if models is None else [name for name in fits if name in models]:
        try:
            fitted[name] = fits[name]()
        except cox.ConvergenceError as error:
            failed[name] = str(error)
    return fitted, failed


def fit_landmark_logistic(rows: pl.DataFrame, covariates: Sequence[str]) -> Forecast:
    """Fit a logistic regression on an earlier landmark, with what the slot and its contract did lately.

    Parameters
    ----------
    rows : polars.DataFrame
        A landmark whose answers were known by the last block of training, with `landmarks.add_recent`.
    covariates : sequence of str
        Columns to use; constant ones are left out.

    Returns
    -------
    Forecast
        For the horizon of `rows` alone.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    used = varying(rows, covariates)
    answers = landmarks.answers(rows)
    if len(np.unique(answers)) < 2:
        raise InputError("the landmark's answers are all alike; take another block or horizon")
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=2_000)).fit(
        matrix(rows, used), answers
    )
    return lambda later, horizon: model.predict_proba(matrix(later, used))[:, 1]


def _idle(rows: pl.DataFrame) -> np.ndarray:
    return rows["idle"].to_numpy().astype(float)


def _without_covariates(spells: Spells) -> Spells:
    return dataclasses.replace(spells, x=np.zeros((len(spells), 0)), names=())
