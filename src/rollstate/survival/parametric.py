r"""Accelerated failure time models and cure mixtures of whole-block gaps, with delayed entry.

With :math:`z(t) = (\log t - x^\top\beta) / \sigma` and a standard survival function :math:`S_0(z)`, a share
:math:`\pi(x) = 1 / (1 + e^{-x^\top\gamma})` of the accesses is the last one of its slot (the cure mixture; zero in the
plain model):

.. math:: S(t \mid x) = \pi(x) + (1 - \pi(x)) S_0(z(t)).

A gap of t blocks is an event in the block t, not at the instant t: it contributes :math:`S(t-1) - S(t)`, a censored
one :math:`S(t)`, both given :math:`S(\text{entry})`. Gaps of one block are common, and a density at 1 would be far off.

Sources: Kalbfleisch and Prentice (2002), https://doi.org/10.1002/9781118032985, ch. 2 and 3; cure: Farewell (1982),
https://doi.org/10.2307/2529885.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from scipy import optimize, special

from rollstate.errors import InputError
from rollstate.survival.cox import ConvergenceError
from rollstate.survival.spells import Spells, check_finite, standardised

Family = Literal["weibull", "lognormal", "loglogistic"]


def _weibull(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    hazard = np.exp(np.minimum(z, 700))
    survival = np.exp(-hazard)
    # Where survival has vanished, so has its slope.
    return survival, -np.where(survival > 0, hazard, 0) * survival


def _lognormal(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return special.ndtr(-z), -np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)


def _loglogistic(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    survival = special.expit(-z)
    return survival, -survival * (1 - survival)


FAMILIES: dict[str, Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]] = {
    "weibull": _weibull,
    "lognormal": _lognormal,
    "loglogistic": _loglogistic,
}
"""Standard survival functions, each with its derivative in z."""


@dataclass(frozen=True)
class ParametricModel:
    r"""A fitted model.

    Attributes
    ----------
    family : str
        One of `FAMILIES`.
    names : tuple of str
        Covariates.
    location : array of float64, shape (p + 1,)
        Intercept and effects on log time, of standardised covariates.
    log_scale : float
        :math:`\log\sigma`.
    cure : array of float64, shape (p + 1,), or None
        Intercept and effects on the logit of the cured share; None without one.
    center, spread : array of float64, shape (p,)
        Mean and standard deviation that covariates are standardised with.
    log_likelihood : float
    n_spells, n_events : int
    """

    family: Family
    names: tuple[str, ...]
    location: np.ndarray
    log_scale: float
    cure: np.ndarray | None
    center: np.ndarray
    spread: np.ndarray
    log_likelihood: float
    n_spells: int
    n_events: int

    @property
    def summary(self) -> pl.DataFrame:
        """Effects per unit of each covariate: ``parameter``, ``covariate``, ``coef``."""
        rows = []
        for parameter, b in (("log time", self.location), ("cured (logit)", self.cure)):
            if b is not None:
                effects = b[1:] / self.spread
                rows.append((parameter, "intercept", b[0] - effects @ self.center))
                rows += [(parameter, name, effect) for name, effect in zip(self.names, effects, strict=True)]
        rows.append(("log scale", "intercept", self.log_scale))
        return pl.DataFrame(rows, schema=["parameter", "covariate", "coef"], orient="row")

    def _design(self, x: np.ndarray) -> np.ndarray:
        x = np.atleast_2d(np.asarray(x, float))
        check_finite(x, self.names)
        return np.c_[np.ones(len(x)), (x - self.center) / self.spread]

    def cured_share(self, x: np.ndarray) -> np.ndarray:
        """Return the probability that no access follows, shape (n,)."""
        design = self._design(x)
        return np.zeros(len(design)) if self.cure is None else special.expit(design @ self.cure)

    def predict_survival(self, times: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return survival of each row at its own gap time, shape (n,)."""
        design = self._design(x)
        with np.errstate(divide="ignore"):
            log_time = np.log(np.broadcast_to(np.asarray(times, float), len(design)))
        cured = self.cured_share(x)
        z = (log_time - design @ self.location) / np.exp(self.log_scale)
        return cured + (1 - cured) * FAMILIES[self.family](z)[0]

    def access_probability(self, idle: np.ndarray, horizon: float, x: np.ndarray) -> np.ndarray:
        """Return the probability of an access within `horizon` blocks of slots idle for `idle` blocks, shape (n,)."""
        now = self.predict_survival(idle, x)
        then = self.predict_survival(np.asarray(idle, float) + horizon, x)
        return np.where(now > 0, 1 - then / np.where(now > 0, now, 1), 1.0)


def fit(
    spells: Spells, family: Family = "weibull", *, cure: bool = False, ridge: float = 1e-6
) -> ParametricModel:
    """Fit an accelerated failure time model or a cure mixture by maximum likelihood.

    Parameters
    ----------
    spells : Spells
        Whole-block gaps; strata are not used.
    family : {"weibull", "lognormal", "loglogistic"}
    cure : bool
        Add the share of accesses that are the last one.
    ridge : float
        Penalty per spell on the squared effects of standardised covariates, intercepts left out.

    Raises
    ------
    InputError
        If the family is unknown, gaps are not whole blocks, there are not more events than parameters, or covariates
        are constant.
    ConvergenceError
        If the optimiser does not reach a maximum.
    """
    if family not in FAMILIES:
        raise InputError(f"family {family!r} is not one of {tuple(FAMILIES)}")
    if not np.array_equal(spells.duration, np.round(spells.duration)):
        raise InputError("parametric models are of gaps in whole blocks; round durations up first")
    n, p = spells.x.shape
    size = (p + 1) * (1 + cure) + 1
    n_events = int(spells.event.sum())
    if n_events <= size:
        raise InputError(f"{n_events} events cannot determine {size} parameters; use fewer covariates")
    z, center, spread = standardised(spells)
    start = np.zeros(size)
    start[0] = np.mean(np.log(spells.duration))
    start[p + 1] = np.log(max(np.std(np.log(spells.duration)), 0.1))
    if cure:
        start[p + 2] = special.logit(np.clip(0.5 * (1 - spells.event.mean()), 0.02, 0.9))
    penalty = ridge * np.r_[0.0, np.ones(p), 0.0, np.r_[0.0, np.ones(p)] if cure else []]
    objective = _Likelihood(spells, np.c_[np.ones(n), z], family, cure)

    def penalised(theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = objective(theta)
        return -value / n + penalty @ theta**2 / 2, -gradient / n + penalty * theta

    options = {"maxiter": 2_000, "ftol": 1e-14, "gtol": 1e-8, "maxcor": 20}
    found = optimize.minimize(penalised, start, jac=True, method="L-BFGS-B", options=options)
    slope = np.abs(penalised(found.x)[1]).max()
    if not np.isfinite(found.fun) or slope > 1e-4:
        raise ConvergenceError(
            f"{family} model: no maximum found (slope {slope:.2g} per spell after {found.nit} steps: {found.message}); "
            "use fewer covariates or a larger ridge"
        )
    theta = found.x
    return ParametricModel(
        family=family,
        names=spells.names,
        location=theta[: p + 1],
        log_scale=float(theta[p + 1]),
        cure=theta[p + 2 :] if cure else None,
        center=center,
        spread=spread,
        log_likelihood=float(objective(theta)[0]),
        n_spells=n,
        n_events=n_events,
    )


class _Likelihood:
    """Log likelihood of spells and its gradient in (location, log scale, cure)."""

    def __init__(self, spells: Spells, design: np.ndarray, family: Family, cure: bool):
        self.design, self.cure, self.curve = design, cure, FAMILIES[family]
        self.event, self.late = np.flatnonzero(spells.event), np.flatnonzero(spells.entry > 0)
        # Survival enters just before the event or at censoring, at the event, and at entry.
        before = np.where(spells.event, spells.duration - 1, spells.duration)
        with np.errstate(divide="ignore"):
            self.times = (
                (np.arange(len(spells)), np.log(before)),
                (self.event, np.log(spells.duration[self.event])),
                (self.late, np.log(spells.entry[self.late])),
            )

    def _survival(self, rows, log_time, eta, sigma, cured) -> tuple[np.ndarray, ...]:
        """Survival and its derivatives in eta, log scale and the logit of the cured share."""
        z = (log_time - eta[rows]) / sigma
        survival, slope = self.curve(z)
        share = cured[rows]
        slope = (1 - share) * slope
        reach = np.where(np.isfinite(z), z, 0) * slope
        return share + (1 - share) * survival, -slope / sigma, -reach, share * (1 - share) * (1 - survival)

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        p = self.design.shape[1]
        eta, sigma = self.design @ theta[:p], np.exp(theta[p])
        cured = special.expit(self.design @ theta[p + 1 :]) if self.cure else np.zeros(len(eta))
        ends, events, entries = (self._survival(*time, eta, sigma, cured) for time in self.times)
        likelihood = ends[0].copy()
        likelihood[self.event] -= events[0]
        likelihood, entered = np.maximum(likelihood, 1e-300), np.maximum(entries[0], 1e-300)
        slopes = []
        for end, event, entry in zip(ends[1:], events[1:], entries[1:], strict=True):
            slope = end.copy()
            slope[self.event] -= event
            slope /= likelihood
            slope[self.late] -= entry / entered
            slopes.append(slope)
        gradient = np.r_[
            self.design.T @ slopes[0], slopes[1].sum(), self.design.T @ slopes[2] if self.cure else []
        ]
        return float(np.log(likelihood).sum() - np.log(entered).sum()), gradient
