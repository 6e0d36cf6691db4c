r"""Accelerated failure time models and cure mixtures of whole-block gaps, with delayed entry, fitted by lifelines.

With :math:`z(t) = (\log t - x^\top\beta) / \sigma` and a standard survival function :math:`S_0(z)`, a share
:math:`\pi(x) = 1 / (1 + e^{-x^\top\gamma})` of the accesses is the last one of its slot (the cure mixture; zero in the
plain model):

.. math:: S(t \mid x) = \pi(x) + (1 - \pi(x)) S_0(z(t)).

A gap of t blocks is an event in the block t, not at the instant t: it is interval-censored in (t - 1, t] and
contributes :math:`S(t-1) - S(t)`, a censored one :math:`S(t)`, both given :math:`S(\text{entry})`. Gaps of one block
are common, and a density at 1 would be far off. Spells that are alike in everything are one row with a weight.

Sources: Kalbfleisch and Prentice (2002), https://doi.org/10.1002/9781118032985, ch. 2 and 3; cure: Farewell (1982),
https://doi.org/10.2307/2529885; lifelines: Davidson-Pilon (2019), https://doi.org/10.21105/joss.01317.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import polars as pl
from scipy import special

from rollstate.errors import InputError
from rollstate.survival.cox import ConvergenceError
from rollstate.survival.spells import Spells, check_finite, standardised

Family = Literal["weibull", "lognormal", "loglogistic"]

FAMILIES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "weibull": lambda z: -np.exp(np.minimum(z, 700)),
    "lognormal": lambda z: special.log_ndtr(-z),
    "loglogistic": lambda z: special.log_expit(-z),
}
"""Logarithm of the standard survival function by family."""
SOON = 1e-100
"""Blocks that stand for the instant of an access, whose logarithm is not finite."""
NEVER = 1e24
"""Blocks beyond which lifelines means infinity: it reads 1e25 where an upper bound is infinite."""
OPTIMISER = {"maxiter": 2_000, "ftol": 1e-12, "gtol": 1e-8, "maxcor": 20}
"""Of L-BFGS-B, for the mixture."""


@dataclass(frozen=True)
class ParametricModel:
    r"""A fitted parametric model of the gap, as lifelines found it.

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
        At the estimate, without the penalty.
    n_spells, n_events : int
        Size of the data.
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

    def predict_cumulative_hazard(self, times: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return the cumulative hazard of each row at its own gap time, shape (n,)."""
        x = np.atleast_2d(np.asarray(x, float))
        check_finite(x, self.names)
        design = np.c_[np.ones(len(x)), (x - self.center) / self.spread]
        times = np.maximum(np.broadcast_to(np.asarray(times, float), len(x)), SOON)
        z = (np.log(times) - design @ self.location) / np.exp(self.log_scale)
        log_survival = FAMILIES[self.family](z)
        if self.cure is not None:
            logit = design @ self.cure
            waiting = special.log_expit(-logit) + log_survival
            log_survival = np.logaddexp(special.log_expit(logit), waiting)
        return -log_survival


def fit(
    spells: Spells, family: Family = "weibull", *, cure: bool = False, ridge: float = 1e-6
) -> ParametricModel:
    """Fit an accelerated failure time model or a cure mixture by maximum likelihood.

    Parameters
    ----------
    spells : Spells
        Whole-block gaps; strata are not used.
    family : {"weibull", "lognormal", "loglogistic"}
        Distribution of the gaps.
    cure : bool
        Add the share of accesses that are the last one.
    ridge : float
        Penalty per spell on half the squared effects of standardised covariates, intercepts left out.

    Raises
    ------
    InputError
        If the family is unknown, gaps are not whole blocks, there are not more events than parameters, or covariates
        are constant.
    ConvergenceError
        If lifelines reaches no maximum.
    """
    if family not in FAMILIES:
        raise InputError(f"family {family!r} is not one of {tuple(FAMILIES)}")
    if not np.array_equal(spells.duration, np.round(spells.duration)):
        raise InputError("parametric models are of gaps in whole blocks; round durations up first")
    p = spells.x.shape[1]
    size = (p + 1) * (1 + cure) + 1
    n_events = int(spells.event.sum())
    if n_events <= size:
        raise InputError(f"{n_events} events cannot determine {size} parameters; use fewer covariates")
    z, center, spread = standardised(spells)
    # In units of the typical gap: lifelines' optimisers are not indifferent to the clock.
    typical = float(np.mean(np.log(spells.duration)))
    table = cells(spells, z, np.exp(typical))
    if cure:
        spread_of_logs = max(np.std(np.log(spells.duration)), 0.1)
        share = special.logit(np.clip(0.5 * (1 - spells.event.mean()), 0.02, 0.9))
        begin = np.r_[0.0, np.zeros(p), np.log(spread_of_logs), share, np.zeros(p)]
        found = _fitted_mixture(family, table, ridge, begin).params_.to_numpy()
        location, log_scale, cured = found[: p + 1], float(found[p + 1]), found[p + 2 :]
    else:
        fitter = _fitted(family, table.drop(columns="entry"), ridge)
        if table["entry"].any():
            # From its own start lifelines does not converge under delayed entry.
            begin = fitter.params_.to_numpy()
            fitter = _fitted(family, table, ridge, initial_point=begin, entry_col="entry")
        (location, log_scale), cured = _location(family, fitter), None
    location = location + np.r_[typical, np.zeros(p)]
    model = ParametricModel(
        family, spells.names, location, log_scale, cured, center, spread, np.nan, len(spells), n_events
    )
    return dataclasses.replace(model, log_likelihood=_log_likelihood(model, spells))


def _log_likelihood(model: ParametricModel, spells: Spells) -> float:
    before, at, entered = (
        model.predict_cumulative_hazard(times, spells.x)
        for times in (spells.duration - spells.event, spells.duration, spells.entry)
    )
    with np.errstate(divide="ignore"):
        within = np.where(spells.event, np.log(-np.expm1(before - at)), 0.0)
    return float((within - before + entered).sum())


def cells(spells: Spells, x: np.ndarray, unit: float = 1.0) -> pd.DataFrame:
    """Return spells as lifelines reads interval-censored data, those alike in everything as one row.

    Parameters
    ----------
    spells : Spells
        Whole-block gaps.
    x : array, shape (n, p)
        Covariates.
    unit : float
        Blocks that times are counted in.

    Returns
    -------
    pandas.DataFrame
        ``lower`` and ``upper`` (infinite if censored), ``entry``, ``weight`` and ``x0``, ``x1``, ...
    """
    frame = pl.DataFrame(x, schema=[f"x{j}" for j in range(x.shape[1])]).with_columns(
        lower=np.maximum(spells.duration - spells.event, SOON) / unit,
        upper=np.where(spells.event, spells.duration, np.inf) / unit,
        entry=spells.entry / unit,
    )
    counted = frame.group_by(frame.columns, maintain_order=True).len("weight")
    return counted.to_pandas()


def _fitted(family: str, table: pd.DataFrame, ridge: float, **options: Any) -> Any:
    """Return lifelines' own fitter of a family, fitted."""
    import lifelines

    fitters = {
        "weibull": lifelines.WeibullAFTFitter,
        "lognormal": lifelines.LogNormalAFTFitter,
        "loglogistic": lifelines.LogLogisticAFTFitter,
    }
    return _converged(family, fitters[family](penalizer=ridge), table, **options)


def _location(family: str, fitter: Any) -> tuple[np.ndarray, float]:
    """Return intercept and effects on log time, and log scale, of one of lifelines' fitters."""
    own = fitter.params_.loc[fitter._primary_parameter_name]
    other = float(fitter.params_.loc[fitter._ancillary_parameter_name].iloc[0])
    effects = [own[f"x{j}"] for j in range(len(own) - 1)]
    return np.r_[own["Intercept"], effects], other if family == "lognormal" else -other


def _fitted_mixture(family: str, table: pd.DataFrame, ridge: float, start: np.ndarray) -> Any:
    """Return a cure mixture in lifelines' frame for regressions of one's own, fitted."""
    import autograd.numpy as anp
    from autograd.scipy.stats import norm
    from lifelines.fitters import ParametricRegressionFitter

    log_survival = {
        "weibull": lambda z: -anp.exp(anp.minimum(z, 700.0)),
        "lognormal": lambda z: norm.logcdf(-z),
        "loglogistic": lambda z: -anp.logaddexp(0.0, z),
    }[family]

    class CureMixture(ParametricRegressionFitter):
        """Location and cured share depend on covariates, the scale does not."""

        _fitted_parameter_names = ("location_", "scale_", "share_")
        _scipy_fit_method, _scipy_fit_options = "L-BFGS-B", OPTIMISER

        def _create_initial_point(
            self, Ts: Any, E: Any, entries: Any, weights: Any, Xs: Any
        ) -> dict[str, Any]:
            columns = Xs.columns.get_level_values(0)
            return {name: np.zeros((columns == name).sum()) for name in self._fitted_parameter_names}

        def _cumulative_hazard(self, params: Any, T: Any, Xs: Any) -> Any:
            location, logit = (Xs[name] @ params[name] for name in ("location_", "share_"))
            scale = anp.exp(Xs["scale_"] @ params["scale_"])
            seen = T < NEVER
            z = (anp.log(np.where(seen, T, 1.0)) - location) / scale
            waiting = -anp.logaddexp(0.0, logit) + log_survival(z)
            hazard = -anp.logaddexp(-anp.logaddexp(0.0, -logit), waiting)
            # A censored gap is one in (t, infinity) to lifelines: at infinity nothing may be left, cured or not.
            return anp.where(seen, hazard, 700.0)

    names = [name for name in table.columns if name.startswith("x")]
    effects = " + ".join(["1", *names])
    regressors = {"location_": effects, "scale_": "1", "share_": effects}
    options = {"entry_col": "entry"} if table["entry"].any() else {}
    return _converged(
        f"{family} cure mixture",
        CureMixture(penalizer=ridge),
        table if options else table.drop(columns="entry"),
        initial_point=start,
        regressors=regressors,
        **options,
    )


def _converged(what: str, fitter: Any, table: pd.DataFrame, **options: Any) -> Any:
    from lifelines.exceptions import ConvergenceError as NoMaximum

    with warnings.catch_warnings():
        # lifelines warns of what it looks for itself: approximate variances, which are not used here.
        warnings.simplefilter("ignore")
        try:
            fitter.fit_interval_censoring(
                table, lower_bound_col="lower", upper_bound_col="upper", weights_col="weight", **options
            )
        except (NoMaximum, np.linalg.LinAlgError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ConvergenceError(
                f"{what}: lifelines found no maximum ({reason}); use fewer covariates"
            ) from error
    return fitter
