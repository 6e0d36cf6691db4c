r"""Making forecasts mean what they say: isotonic with pooled ties, logistic, Venn-Abers intervals, whole curves.

A calibrator is fitted on landmarks later than the data of the model and judged on landmarks later still; it is kept
only where it helps (`worth_keeping`).

A placement rule reads a forecast at every idle time, so `fit_curve` calibrates the curve itself: if the cumulative
hazard :math:`\Lambda(u \mid x)` of a spell is right, its value at the end of the spell is a censored exponential
variable (Cox and Snell 1968, https://doi.org/10.1111/j.2517-6161.1968.tb00724.x). With :math:`\hat H_R` the
Nelson-Aalen estimate from those values on later spells, :math:`\hat H_R(\Lambda(u \mid x))` is the calibrated hazard,
and what follows for any idle time and horizon agrees with it.

Sources: isotonic: Zadrozny and Elkan (2002), https://doi.org/10.1145/775047.775151; logistic: Platt (1999), in Advances
in Large Margin Classifiers; Venn-Abers: Vovk, Petej, Fedorova (2015), algorithms 1 to 4,
https://arxiv.org/abs/1511.00213.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import optimize, sparse, special

from rollstate.bootstrap import Resampling
from rollstate.compiled import compiled
from rollstate.errors import InputError
from rollstate.product_limit import kaplan_meier
from rollstate.threads import one_thread

FLOOR = 1e-6
"""Logits and log scores read probabilities below this, or above one less this, as this: step hazards say zero."""


@dataclass(frozen=True)
class Isotonic:
    """A non-decreasing step: forecast values `x`, ascending, and the calibrated `value` from each on, shape (k,)."""

    x: np.ndarray
    value: np.ndarray

    def predict(self, p: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities; below the first forecast value its level holds."""
        position = np.searchsorted(self.x, np.asarray(p, float), "right") - 1
        return self.value[np.maximum(position, 0)]


@dataclass(frozen=True)
class Logistic:
    """Calibration by a line on the logit scale."""

    intercept: float
    slope: float

    def predict(self, p: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities for forecasts."""
        p = np.clip(np.asarray(p, float), FLOOR, 1 - FLOOR)
        return special.expit(self.intercept + self.slope * special.logit(p))


@dataclass(frozen=True)
class VennAbers:
    """Venn-Abers calibration: the isotonic level of a new forecast, were its answer 0 (`zero`) or 1 (`one`).

    `x` are the k forecast values seen, ascending; `zero` and `one` have k + 1 levels, for the places between them.
    """

    x: np.ndarray
    zero: np.ndarray
    one: np.ndarray

    def interval(self, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the two probabilities, lower and upper, shape (n,)."""
        p = np.asarray(p, float)
        return (
            self.zero[np.searchsorted(self.x, p, "right")],
            self.one[np.searchsorted(self.x, p, "left")],
        )

    def predict(self, p: np.ndarray) -> np.ndarray:
        """Return the probability that minimises the worst log loss of the two: p1 / (1 - p0 + p1)."""
        low, high = self.interval(p)
        return high / (1 - low + high)


Calibrator = Isotonic | Logistic | VennAbers


def fit_isotonic(p: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> Isotonic:
    """Fit a non-decreasing step; rows with the same forecast are pooled first, so their order cannot matter."""
    x, mean, total = _pooled(p, y, weight)
    return Isotonic(x, optimize.isotonic_regression(mean, weights=total).x)


def refit_isotonic(p: np.ndarray, y: np.ndarray, resampled: Resampling) -> Iterator[Isotonic]:
    """Yield `fit_isotonic` of each sample of whole clusters of the rows: they are sorted and counted once."""
    x, code = np.unique(np.asarray(p, float), return_inverse=True)
    shape = (len(x), resampled.clusters)
    rows, ones = (
        sparse.coo_array((value, (code, resampled.code)), shape).tocsr()
        for value in (np.ones(len(code)), np.asarray(y, float))
    )
    for drawn in resampled.counts:
        often = drawn.astype(float)
        total = rows @ often
        drawn_at = np.flatnonzero(total)
        weight = total[drawn_at]
        mean = (ones @ often)[drawn_at] / weight
        yield Isotonic(x[drawn_at], optimize.isotonic_regression(mean, weights=weight).x)


def fit_logistic(p: np.ndarray, y: np.ndarray) -> Logistic:
    """Fit a line on the logit scale by maximum likelihood."""
    p, y = _checked(p, y)
    return Logistic(*logistic_line(special.logit(np.clip(p, FLOOR, 1 - FLOOR)), y))


def fit_venn_abers(p: np.ndarray, y: np.ndarray) -> VennAbers:
    """Fit the Venn-Abers calibrator, in one pass over the sorted forecasts for each label."""
    x, mean, total = _pooled(p, y, None)
    one = _upper_levels(total, total * mean)
    # A further 0 at x is a further 1 at -x with all answers turned round.
    zero = 1 - _upper_levels(total[::-1], (total * (1 - mean))[::-1])[::-1]
    return VennAbers(x, zero, one)


FITS: dict[str, Callable[[np.ndarray, np.ndarray], Calibrator]] = {
    "isotonic": fit_isotonic,
    "logistic": fit_logistic,
    "venn_abers": fit_venn_abers,
}
"""Fits of all calibrators by name."""


def worth_keeping(difference_high: float) -> bool:
    """Say whether a calibrator is kept: the interval of its paired difference to none lies below zero."""
    return bool(difference_high < 0)


def _pooled(
    p: np.ndarray, y: np.ndarray, weight: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return distinct forecasts with the mean answer and the weight of each."""
    p, y = _checked(p, y)
    x, code = np.unique(p, return_inverse=True)
    weight = np.ones(len(p)) if weight is None else np.asarray(weight, float)
    total = np.bincount(code, weight)
    kept = total > 0
    return x[kept], np.bincount(code, weight * y)[kept] / total[kept], total[kept]


def _checked(p: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return forecasts and answers as numbers, or say what is wrong with them."""
    p, y = np.asarray(p, float), np.asarray(y, float)
    if p.shape != y.shape or p.ndim != 1 or not len(p):
        raise InputError(
            f"calibration: forecasts {p.shape} and answers {y.shape} must be of one length, not empty"
        )
    if not np.isfinite(p).all():
        raise InputError("calibration: forecasts are not finite")
    return p, y


LINE_STEPS = 100
"""Newton steps of a logistic line at most."""


@one_thread("statsmodels.discrete.discrete_model")
def logistic_line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Return intercept and slope of the logistic regression of answers on one covariate, by statsmodels.

    Parameters
    ----------
    x : array, shape (n,)
        The covariate. Where all its values are alike, intercept and slope share the level: of all lines that fit, the
        one with the least sum of squares of both is returned.
    y : array, shape (n,)
        Answers, 0 or 1.

    Raises
    ------
    InputError
        If no maximum of the likelihood exists: a value of `x` separates the answers (Albert and Anderson 1984,
        https://doi.org/10.1093/biomet/71.1.1), or the answers are all alike.
    """
    from statsmodels.discrete.discrete_model import Logit

    x, y = np.asarray(x, float), np.asarray(y, float)
    ones, zeros = x[y > 0], x[y < 1]
    apart, level = not len(ones) or not len(zeros), np.ptp(x) == 0
    if not apart and not level:
        apart = zeros.max() <= ones.min() or ones.max() <= zeros.min()
    if apart:
        raise InputError(
            "the logistic line does not exist: forecasts separate the answers, or the answers are all alike"
        )
    if level:
        design = np.array([1.0, x[0]])
        intercept, slope = special.logit(y.mean()) * design / (design @ design)
        return float(intercept), float(slope)
    model = Logit(y, np.column_stack([np.ones(len(x)), x]))
    fit = model.fit(disp=0, maxiter=LINE_STEPS, tol=1e-12, warn_convergence=False)
    if not fit.mle_retvals["converged"]:
        raise InputError(
            f"the logistic line was not found in {LINE_STEPS} steps; the forecasts are too extreme"
        )
    intercept, slope = fit.params
    return float(intercept), float(slope)


@compiled
def _turn(ax: float, ay: float, bx: float, by: float, cx: float, cy: float) -> float:
    """Return what is positive where the path a, b, c turns left."""
    return (bx - ax) * (cy - by) - (by - ay) * (cx - bx)


@compiled
def _upper_levels(total: np.ndarray, ones: np.ndarray) -> np.ndarray:
    """Return the isotonic level of a further answer 1, for each place before a value and after the last, shape (k+1,).

    The level is the slope of the greatest convex minorant of the cumulative sums over the added step. Going from one
    place to the next moves one point by (-1, -1); the corners right of it stay on a stack, the leftmost on top.
    """
    k = len(total)
    x, y = np.zeros(k + 1), np.zeros(k + 1)
    x[1:], y[1:] = np.cumsum(total), np.cumsum(ones)
    cx, cy = np.empty(k + 2), np.empty(k + 2)
    size = 0
    for i in range(k, -2, -1):
        px, py = (x[i], y[i]) if i >= 0 else (-1.0, -1.0)
        while size > 1 and _turn(px, py, cx[size - 1], cy[size - 1], cx[size - 2], cy[size - 2]) <= 0:
            size -= 1
        cx[size], cy[size] = px, py
        size += 1
    levels = np.ones(k + 1)
    for i in range(1, k + 1):
        top, following = size - 1, size - 2
        levels[i - 1] = (cy[following] - cy[top]) / (cx[following] - cx[top])
        qx, qy = x[i] - 1, y[i] - 1
        if _turn(cx[top], cy[top], qx, qy, cx[following], cy[following]) <= 0:
            continue
        size -= 1
        while size > 1 and _turn(qx, qy, cx[size - 1], cy[size - 1], cx[size - 2], cy[size - 2]) <= 0:
            size -= 1
        cx[size], cy[size] = qx, qy
        size += 1
    return levels


@dataclass(frozen=True)
class CurveCalibration:
    """A cumulative hazard as `forecast`, ascending from 0, and what it turned out to be: `found`, shape (k,)."""

    forecast: np.ndarray
    found: np.ndarray

    def predict(self, survival: np.ndarray) -> np.ndarray:
        """Return calibrated curves of any shape; beyond the largest hazard learned from they fall as forecast."""
        hazard = cumulative_hazard(survival)
        beyond = np.maximum(hazard - self.forecast[-1], 0)
        return np.exp(-np.interp(hazard, self.forecast, self.found) - beyond)


def cumulative_hazard(survival: np.ndarray) -> np.ndarray:
    """Return -log S, finite where S is zero."""
    return -np.log(np.maximum(np.asarray(survival, float), np.finfo(float).tiny))


def fit_curve(entry: np.ndarray, end: np.ndarray, event: np.ndarray) -> CurveCalibration:
    """Fit the cumulative hazard (Nelson-Aalen) of the forecast hazard that later spells had used up at their ends.

    Parameters
    ----------
    entry, end : array, shape (n,)
        Cumulative hazard as forecast at the idle times between which each spell was seen.
    event : array of bool, shape (n,)
        Whether an access ended it.

    Raises
    ------
    InputError
        If no spell ended in an access, or a hazard does not rise.
    """
    if not np.any(event):
        raise InputError("calibration of curves: no later spell ended in an access; use a longer window")
    curve = kaplan_meier(end, event, entry)
    found = np.cumsum(curve["events"].to_numpy() / curve["at_risk"].to_numpy())
    return CurveCalibration(np.r_[0.0, curve["time"].to_numpy()], np.r_[0.0, found])
