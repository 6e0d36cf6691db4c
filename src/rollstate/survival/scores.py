r"""Proper scores of forecasts :math:`p_i` of :math:`y_i \in \{0, 1\}`, and which differences between them are real.

Rows of one slot at several landmarks, and slots of one contract, depend on each other. Every interval here resamples
whole clusters, and models are compared by paired differences on the same rows.

Sources: Brier score and logarithmic score: Gneiting and Raftery (2007), https://doi.org/10.1198/016214506000001437;
calibration slope: Cox (1958), https://doi.org/10.1093/biomet/45.3-4.562; CORP reliability and decomposition:
Dimitriadis, Gneiting, Jordan (2021), https://doi.org/10.1073/pnas.2016191118; censoring weights: Graf and others
(1999), https://doi.org/10.1002/(SICI)1097-0258(19990915/30)18:17/18<2529::AID-SIM274>3.0.CO;2-5.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from scipy import special, stats

from rollstate.bootstrap import Resampling
from rollstate.errors import InputError
from rollstate.product_limit import kaplan_meier, survival_at
from rollstate.survival.calibration import FLOOR, fit_isotonic, logistic_line, refit_isotonic
from rollstate.survival.spells import Spells


def check_forecast(p: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return forecasts and answers as floats, shape (n,), or say which rule they break."""
    p, y = np.asarray(p, float), np.asarray(y, float)
    if p.shape != y.shape or p.ndim != 1 or not len(p):
        raise InputError(
            f"forecasts {p.shape} and answers {y.shape} must be of the same length, and not empty"
        )
    if not (np.isfinite(p).all() and p.min() >= 0 and p.max() <= 1):
        raise InputError(f"forecasts must be probabilities, got values from {p.min()} to {p.max()}")
    if not np.isin(y, (0, 1)).all():
        raise InputError("answers must be 0 or 1")
    return p, y


def brier(p: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the squared error of each forecast, shape (n,).

    >>> brier(np.array([0.5, 1.0]), np.array([1, 1])).tolist()
    [0.25, 0.0]
    """
    p, y = check_forecast(p, y)
    return (p - y) ** 2


def log_score(p: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return minus the log of the probability given to what happened, shape (n,); none counts as less than `FLOOR`."""
    p, y = check_forecast(p, y)
    p = np.clip(p, FLOOR, 1 - FLOOR)
    return -np.where(y == 1, np.log(p), np.log1p(-p))


def auc(p: np.ndarray, y: np.ndarray) -> float:
    """Return the area under the ROC curve, ties counted half; NaN if one class is missing.

    >>> auc(np.array([0.1, 0.4, 0.4, 0.9]), np.array([0, 0, 1, 1]))
    0.875
    """
    p, y = check_forecast(p, y)
    rank = np.unique(p, return_inverse=True)[1]
    positive, negative = np.bincount(rank, y), np.bincount(rank, 1 - y)
    pairs = positive.sum() * negative.sum()
    return float(positive @ (np.cumsum(negative) - negative / 2) / pairs) if pairs else float("nan")


def calibration_line(p: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Return intercept and slope of the logistic regression of the answer on the logit of the forecast.

    (0, 1) is perfect calibration; a slope below one says that forecasts are too extreme. Forecasts are kept off zero
    and one by `rollstate.survival.calibration.FLOOR`.
    """
    p, y = check_forecast(p, y)
    return logistic_line(special.logit(np.clip(p, FLOOR, 1 - FLOOR)), y)


def decomposition(p: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Return the CORP decomposition of the mean Brier score: miscalibration - discrimination + uncertainty.

    Returns
    -------
    dict
        ``brier``, ``miscalibration``, ``discrimination``, ``uncertainty``.
    """
    p, y = check_forecast(p, y)
    recalibrated = fit_isotonic(p, y).predict(p)
    own, best, base = (((q - y) ** 2).mean() for q in (p, recalibrated, np.full(len(y), y.mean())))
    return {"brier": own, "miscalibration": own - best, "discrimination": base - best, "uncertainty": base}


def reliability(
    p: np.ndarray, y: np.ndarray, resampled: Resampling, *, at: np.ndarray, level: float = 0.95
) -> pl.DataFrame:
    """Return the CORP reliability curve at forecast values, shape (m,), with a band over samples of clusters.

    Returns
    -------
    polars.DataFrame
        ``forecast``, ``frequency``, ``low``, ``high``.
    """
    p, y = check_forecast(p, y)
    at = np.asarray(at, float)
    drawn = [one.predict(at) for one in refit_isotonic(p, y, resampled)]
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return pl.DataFrame(
        {"forecast": at, "frequency": fit_isotonic(p, y).predict(at), "low": low, "high": high}
    )


def compare(
    forecasts: Mapping[str, np.ndarray],
    y: np.ndarray,
    resampled: Resampling,
    *,
    reference: str,
    level: float = 0.95,
) -> pl.DataFrame:
    """Compare Brier scores of forecasts of the same answers, and their paired differences to a reference.

    Parameters
    ----------
    forecasts : mapping of str to array, shape (n,)
        Probabilities by model.
    y : array, shape (n,)
        Answers.
    resampled : Resampling
        Samples of whole clusters of the rows.
    reference : str
        The model that differences are taken to.
    level : float
        Level of the intervals.

    Returns
    -------
    polars.DataFrame
        For each model ``value``, ``low``, ``high`` of its Brier score, ``difference``, ``difference_low``,
        ``difference_high``, and ``verdict``: ``better``, ``worse`` or ``no difference`` by whether the interval of the
        difference excludes zero (null for the reference itself). One cluster gives no intervals and no verdict of
        better or worse.
    """
    if reference not in forecasts:
        raise InputError(f"reference {reference!r} is not among the forecasts {tuple(forecasts)}")
    losses = {name: brier(p, y) for name, p in forecasts.items()}
    others = [name for name in losses if name != reference]
    values = resampled.means_of(losses, level)
    gaps = resampled.means_of({name: losses[name] - losses[reference] for name in others}, level)
    rows = []
    for name, value in values.items():
        row = {"model": name, "value": value.value, "low": value.low, "high": value.high}
        if name != reference:
            gap = gaps[name]
            better, worse = gap.high is not None and gap.high < 0, gap.low is not None and gap.low > 0
            row |= {"difference": gap.value, "difference_low": gap.low, "difference_high": gap.high}
            row["verdict"] = "better" if better else "worse" if worse else "no difference"
        rows.append(row)
    return pl.DataFrame(rows, schema_overrides=COMPARED, infer_schema_length=None)


COMPARED = dict.fromkeys(
    ("value", "low", "high", "difference", "difference_low", "difference_high"), pl.Float64
) | {"verdict": pl.String}
"""Numbers and verdicts of `compare`, which may all be missing."""


def ipcw_brier(p: np.ndarray, spells: Spells, horizon: float) -> float:
    """Return the Brier score of P(T <= horizon) over spells from their start, censored ones weighted, not dropped.

    Parameters
    ----------
    p : array, shape (n,)
        Probability of an access within the horizon of the start of each spell.
    spells : Spells
        Spells that entered at zero.
    horizon : float
        Blocks.
    """
    if spells.entry.any():
        raise InputError(
            "the censoring-weighted Brier score needs spells seen from their start; leave late entries out"
        )
    accessed = spells.event & (spells.duration <= horizon)
    weight = censoring_weights(spells, horizon)
    return float((weight * (np.asarray(p, float) - accessed) ** 2).mean())


def censoring_weights(spells: Spells, horizon: float) -> np.ndarray:
    """Return one over the probability that the answer of each spell is known, zero where it is not, shape (n,)."""
    # In a block with an access and the window's end the access is seen: censoring comes just after it.
    ends = np.where(spells.event, spells.duration, spells.duration + 0.5)
    censoring = kaplan_meier(ends, ~spells.event)
    accessed = spells.event & (spells.duration <= horizon)
    idle = ends > horizon
    at_horizon = survival_at(censoring, np.array([horizon]))[0]
    if at_horizon <= 0:
        raise InputError(f"no spell is observed for {horizon:g} blocks; take a shorter horizon")
    weight = np.zeros(len(spells))
    weight[idle] = 1 / at_horizon
    weight[accessed] = 1 / survival_at(censoring, spells.duration[accessed])
    return weight


def d_calibration(
    survival: np.ndarray, event: np.ndarray, survival_at_entry: np.ndarray, bins: int = 10
) -> pl.DataFrame:
    r"""Test whether predicted survival at the event is uniform; censored and late spells are spread as they should be.

    With :math:`v = S(z) / S(e)`, an event counts in the bin of v; a spell censored at v is uniform on [0, v].

    Parameters
    ----------
    survival : array, shape (n,)
        Predicted survival at each spell's duration.
    event : array of bool, shape (n,)
    survival_at_entry : array, shape (n,)
        Predicted survival at each spell's entry, 1 for entry zero.
    bins : int

    Returns
    -------
    polars.DataFrame
        ``low``, ``high`` of each bin, ``share`` (1 / bins if calibrated) and the chi-squared ``p`` of the whole, which
        takes spells as independent.

    Notes
    -----
    Source: Haider, Hoehn, Davis, Greiner (2020), https://jmlr.org/papers/v21/18-772.html.
    """
    v = np.asarray(survival, float) / np.asarray(survival_at_entry, float)
    event = np.asarray(event, bool)
    edges = np.linspace(0, 1, bins + 1)
    counts = np.histogram(v[event], edges)[0].astype(float)
    censored = v[~event, None]
    overlap = np.clip(np.minimum(censored, edges[1:]) - edges[:-1], 0, None)
    counts += (overlap / np.maximum(censored, 1e-300)).sum(axis=0)
    statistic = ((counts - len(v) / bins) ** 2).sum() / (len(v) / bins)
    return pl.DataFrame({"low": edges[:-1], "high": edges[1:], "share": counts / len(v)}).with_columns(
        p=pl.lit(float(stats.chi2.sf(statistic, bins - 1)))
    )
