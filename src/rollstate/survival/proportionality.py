r"""Is the hazard ratio constant? Score test, scaled Schoenfeld residuals, and effects that vary along the spell.

The test adds :math:`\theta_j x_j g(u)` to the log hazard and takes the score for :math:`\theta` at zero, with
:math:`\beta` at its estimate. With Schoenfeld residuals :math:`r_i`, risk-set covariances :math:`V_i` and
:math:`g_i = g(u_i) - \bar g` at the events,

.. math:: U = \sum_i g_i r_i, \quad
          \chi^2 = U^\top \bigl(\textstyle\sum g_i^2 V_i - \sum g_i V_i (\sum V_i)^{-1} \sum g_i V_i\bigr)^{-1} U .

This is R's ``cox.zph`` since survival 3.0. With clusters the middle matrix is the sum over clusters of squared
efficient scores instead; without them the test treats the spells of one slot as independent.

Sources: Grambsch and Therneau (1994), https://doi.org/10.1093/biomet/81.3.515; R's ``survival``, ``noweb/zph.Rnw``,
https://github.com/therneau/survival.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import polars as pl
from scipy import stats

from rollstate.errors import InputError
from rollstate.product_limit import kaplan_meier, survival_at
from rollstate.survival.cox import CoxModel, engine
from rollstate.survival.spells import Spells
from rollstate.threads import one_thread

Transform = Literal["km", "rank", "log", "identity"]
TRANSFORMS: tuple[Transform, ...] = ("km", "rank", "log", "identity")


def transform_times(spells: Spells, transform: Transform) -> np.ndarray:
    """Return g of every spell's duration, shape (n,), as R's ``cox.zph`` defines its transforms.

    ``km`` is one minus the pooled product-limit curve just before the time; ``rank`` ranks all durations, not only
    those of events.
    """
    if transform == "identity":
        return spells.duration.copy()
    if transform == "log":
        return np.log(spells.duration)
    if transform == "rank":
        return stats.rankdata(spells.duration)
    if transform == "km":
        curve = kaplan_meier(spells.duration, spells.event, spells.entry)
        return 1 - survival_at(curve, np.nextafter(spells.duration, -np.inf))
    raise InputError(f"transform {transform!r} is not one of {TRANSFORMS}")


FEWEST_CLUSTERS = 30
"""Clusters below which a robust variance is not taken over them: with as many clusters as covariates the global
statistic equals the number of clusters whatever the data, and a little above that it is far too regular."""


def clusters_that_suffice(frame: pl.DataFrame, ways: Sequence[str]) -> str | None:
    """Return the first column that has at least `FEWEST_CLUSTERS` clusters; None for the model-based test.

    Parameters
    ----------
    frame : polars.DataFrame
        Spells.
    ways : sequence of str
        Columns of clusters, the widest first.
    """
    return next((way for way in ways if frame[way].n_unique() >= FEWEST_CLUSTERS), None)


@one_thread()
def score_test(
    model: CoxModel, spells: Spells, transform: Transform = "km", *, cluster: np.ndarray | None = None
) -> pl.DataFrame:
    """Test proportional hazards, covariate by covariate and globally.

    Parameters
    ----------
    model : CoxModel
        Fitted without ridge on `spells`.
    spells : Spells
        The data of the fit.
    transform : {"km", "rank", "log", "identity"}
        Function of time the effects may depend on.
    cluster : array, shape (n,), optional
        Clusters of a robust test; without them the test is R's.

    Returns
    -------
    polars.DataFrame
        ``term`` (covariates, then ``GLOBAL``), ``chisq``, ``df``, ``p``.
    """
    x = spells.x - model.center
    p = x.shape[1]
    if not p:
        raise InputError("proportional hazards: the model has no covariates to test")
    if cluster is not None and len(np.unique(cluster)) < FEWEST_CLUSTERS:
        raise InputError(
            f"proportional hazards: {len(np.unique(cluster))} clusters are too few for a robust test; cluster by what "
            f"has at least {FEWEST_CLUSTERS} of them, or take the model-based test"
        )
    eta = model.predict_log_partial_hazard(spells.x)
    sums = engine(spells, model.ties)
    g = transform_times(spells, transform)
    g = g - g[spells.event].mean()
    score = g[spells.event] @ sums.schoenfeld_residuals(eta, x)[spells.event]
    events = g[spells.event]
    blocks = _moments(sums, eta, x, spells.event, (np.ones_like(events), events, events**2))
    plain, crossed, squared = blocks
    projection = np.linalg.solve(plain, crossed)
    if cluster is None:
        variance = squared - crossed @ projection
    else:
        u = weighted_score_residuals(model, spells, g) - sums.score_residuals(eta, x) @ projection
        code = np.unique(cluster, return_inverse=True)[1]
        by_cluster = np.stack([np.bincount(code, column) for column in u.T], axis=1)
        variance = by_cluster.T @ by_cluster
    single = score**2 / np.diag(variance)
    chisq = np.r_[single, score @ np.linalg.solve(variance, score)]
    df = np.r_[np.ones(p, int), p]
    return pl.DataFrame(
        {"term": [*model.names, "GLOBAL"], "chisq": chisq, "df": df, "p": stats.chi2.sf(chisq, df)}
    )


def _moments(
    sums: Any, eta: np.ndarray, x: np.ndarray, event: np.ndarray, weights: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Sum risk-set covariance matrices over events with several weights; off-diagonals by polarisation."""
    p = x.shape[1]
    out = [np.zeros((p, p)) for _ in weights]
    own = sums.risk_set_variance(eta, x)[event]
    for j in range(p):
        for k in range(j + 1):
            if j == k:
                pair = own[:, j]
            else:
                both = sums.risk_set_variance(eta, x[:, j] + x[:, k])[event]
                pair = (both - own[:, j] - own[:, k]) / 2
            for matrix, weight in zip(out, weights, strict=True):
                matrix[j, k] = matrix[k, j] = weight @ pair
    return out


def weighted_score_residuals(model: CoxModel, spells: Spells, g: np.ndarray) -> np.ndarray:
    r"""Return each spell's contribution to the score of :math:`x g(u)`, shape (n, p).

    The integral of :math:`g(u) (x_i - \bar x(u))` over the spell's martingale, with Efron's weights at ties. With
    g = 1 these are the score residuals of the model.

    Parameters
    ----------
    model : CoxModel
    spells : Spells
        The data of the fit.
    g : array, shape (n,)
        The function of time at each spell's duration; spells that end together have one value.
    """
    x = spells.x - model.center
    risk = np.exp(model.predict_log_partial_hazard(spells.x))
    out = np.zeros_like(x)
    for code in range(len(spells.strata)):
        rows = np.flatnonzero(spells.stratum == code)
        entry, stop, event = spells.entry[rows], spells.duration[rows], spells.event[rows]
        if not event.any():
            continue
        times, position = np.unique(stop[event], return_inverse=True)
        deaths = np.bincount(position)
        weights = risk[rows, None] * np.c_[np.ones(len(rows)), x[rows]]

        # Columns: sum of risks, sums of risk times covariates; at risk, and among those that die at the time.
        def later(at: np.ndarray, weights: np.ndarray = weights, times: np.ndarray = times) -> np.ndarray:
            order = np.argsort(at)
            total = np.r_[np.zeros((1, weights.shape[1])), np.cumsum(weights[order][::-1], axis=0)]
            return total[len(at) - np.searchsorted(at[order], times, "left")]

        at_risk = later(stop) - later(entry)
        dying = np.stack([np.bincount(position, column) for column in weights[event].T], axis=1)
        group = np.repeat(np.arange(len(times)), deaths)
        rank = np.arange(len(group)) - np.repeat(np.cumsum(deaths) - deaths, deaths)
        share = (rank / deaths[group])[:, None] if model.ties == "efron" else np.zeros((len(group), 1))
        sums = at_risk[group] - share * dying[group]
        mean = sums[:, 1:] / sums[:, :1]
        # First column dH, the others mean dH; `own` is what the dying are spared of it.
        steps = np.c_[np.ones(len(group)), mean] / sums[:, :1]
        total = np.stack([np.bincount(group, column) for column in steps.T], axis=1)
        own = np.stack([np.bincount(group, column) for column in (share * steps).T], axis=1)
        mean_at = np.stack([np.bincount(group, column) for column in mean.T], axis=1) / deaths[:, None]
        g_at = np.zeros(len(times))
        g_at[position] = g[rows][event]
        path = np.r_[np.zeros((1, total.shape[1])), np.cumsum(g_at[:, None] * total, axis=0)]
        passed = path[np.searchsorted(times, stop, "right")] - path[np.searchsorted(times, entry, "right")]
        part = -risk[rows, None] * (x[rows] * passed[:, :1] - passed[:, 1:])
        spared = g_at[position, None] * own[position]
        part[event] += risk[rows][event, None] * (x[rows][event] * spared[:, :1] - spared[:, 1:])
        part[event] += g_at[position, None] * (x[rows][event] - mean_at[position])
        out[rows] = part
    return out


def scaled_schoenfeld(model: CoxModel, spells: Spells) -> pl.DataFrame:
    """Return the scaled Schoenfeld residuals around the coefficient: one noisy view of beta(u) per event.

    Returns
    -------
    polars.DataFrame
        ``row`` (of `spells`), ``time``, and one column for each covariate, sorted by time.
    """
    eta = model.predict_log_partial_hazard(spells.x)
    rows = np.flatnonzero(spells.event)
    rows = rows[np.argsort(spells.duration[rows], kind="stable")]
    raw = engine(spells, model.ties).schoenfeld_residuals(eta, spells.x - model.center)[rows]
    scaled = raw @ model.covariance * len(rows) + model.coefficients
    return pl.DataFrame({"row": rows, "time": spells.duration[rows]}).hstack(
        pl.DataFrame(scaled, schema=list(model.names))
    )


@one_thread("statsmodels.regression.linear_model")
def effect_over_time(
    model: CoxModel,
    spells: Spells,
    *,
    at: np.ndarray,
    df: int = 4,
    level: float = 0.95,
    cluster: np.ndarray | None = None,
) -> pl.DataFrame:
    """Smooth the scaled Schoenfeld residuals by a natural cubic spline in log time, with a pointwise band.

    Least squares and the sandwich variance are statsmodels', the spline is patsy's. The smooth of lifelines' plot is a
    lowess curve, which has no band.

    Parameters
    ----------
    model, spells
        Fit and its data.
    at : array, shape (m,)
        Gap times in blocks, above zero.
    df : int
        Columns of the spline, at least 2.
    level : float
        Level of the band.
    cluster : array, shape (n,), optional
        Clusters of the band's sandwich variance; without them every event counts as independent.

    Returns
    -------
    polars.DataFrame
        ``covariate``, ``time``, ``effect`` (log hazard ratio), ``low``, ``high``, ``constant`` (the Cox coefficient).
    """
    from statsmodels.regression.linear_model import OLS

    residuals = scaled_schoenfeld(model, spells)
    time = np.log(residuals["time"].to_numpy())
    basis = natural_spline(time, np.unique(np.quantile(time, np.linspace(0, 1, df))))
    group = np.arange(len(time)) if cluster is None else np.asarray(cluster)[residuals["row"].to_numpy()]
    robust = {"groups": np.unique(group, return_inverse=True)[1], "use_correction": False}
    grid, frames = basis(np.log(np.asarray(at, float))), []
    for name, constant in zip(model.names, model.coefficients, strict=True):
        fit = OLS(residuals[name].to_numpy(), basis(time)).fit(cov_type="cluster", cov_kwds=robust)
        effect = fit.get_prediction(grid).summary_frame(alpha=1 - level)
        frames.append(
            pl.DataFrame(
                {
                    "time": at,
                    "effect": effect["mean"].to_numpy(),
                    "low": effect["mean_ci_lower"].to_numpy(),
                    "high": effect["mean_ci_upper"].to_numpy(),
                }
            ).with_columns(covariate=pl.lit(name), constant=pl.lit(constant))
        )
    return pl.concat(frames).select("covariate", "time", "effect", "low", "high", "constant")


def natural_spline(x: np.ndarray, knots: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return the natural cubic spline with these knots as a function of points that gives its basis, by patsy.

    With fewer than three knots it is a straight line.

    Parameters
    ----------
    x : array
        Points that lie between the first and the last knot.
    knots : array, ascending
        The outer ones bound the spline, which is linear beyond them.
    """
    import patsy

    if len(knots) < 3:
        return lambda points: np.c_[np.ones(len(points)), points]
    formula = "cr(points, knots=inner, lower_bound=low, upper_bound=high) - 1"
    where = {"inner": knots[1:-1], "low": knots[0], "high": knots[-1]}
    design = patsy.dmatrix(formula, {"points": x, **where}).design_info
    return lambda points: np.asarray(patsy.build_design_matrices([design], {"points": points, **where})[0])
