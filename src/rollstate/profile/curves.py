"""Survival of gap times from a profile, with bands over its groups."""

from __future__ import annotations

import numpy as np
import polars as pl

from rollstate.product_limit import product_limit
from rollstate.profile import classes
from rollstate.profile.grid import CLASSES
from rollstate.profile.plan import GROUPS
from rollstate.profile.resampling import bootstrap
from rollstate.profile.rows import between, ended, risk, upper
from rollstate.profile.tables import Profile


def kaplan_meier(
    profile: Profile,
    start: int | None = None,
    stop: int | None = None,
    *,
    inside: bool = False,
    where: pl.Expr | None = None,
    level: float = 0.95,
    min_at_risk: int = 1,
) -> pl.DataFrame:
    """Estimate the survival curve of gap times, as `rollstate.product_limit.kaplan_meier` does from spells.

    Parameters
    ----------
    profile, start, stop, inside, where
        Which pieces: see `rollstate.profile.rows.between`.
    level, min_at_risk
        As in `rollstate.product_limit.kaplan_meier`.

    Returns
    -------
    polars.DataFrame
        ``time``, ``at_risk``, ``events``, ``survival``, ``low``, ``high``, a row per bin with an event. ``time`` is the
        bin's greatest gap: below 64 blocks the curve is that of the spells, above it is in that point, but for spells
        censored within the bin.
    """
    events, at_risk = risk(between(profile, start, stop, inside=inside, where=where))
    used = np.flatnonzero(events[0])
    times = upper(events.shape[1])[used].astype(float)
    return product_limit(times, events[0][used], at_risk[0][used], level=level, min_at_risk=min_at_risk)


def band(
    profile: Profile,
    at: np.ndarray,
    start: int | None = None,
    stop: int | None = None,
    *,
    activity: int | None = None,
    draws: int = 200,
    seed: int,
    level: float = 0.95,
) -> tuple[np.ndarray, np.ndarray]:
    """Return a pointwise percentile band of the curve at gap times `at`, resampling groups.

    Parameters
    ----------
    at : array, shape (m,)
        Gap times in blocks.
    activity : int, optional
        0 first, 1 few, 2 many accesses so far; all if not given.
    draws, seed, level
        Of the bootstrap.

    Returns
    -------
    low, high : array of float64, shape (m,)
        Of the curve on the coarser grid of ``pieces_by_group``, or of ``ends_by_class`` where a file to stay small no
        longer has the former by activity: the width is that of the estimate.
    """
    if activity is not None and not profile.tells("pieces_by_group", "activity"):
        profile.require("ends_by_class", "accesses")
        events, at_risk, ends = _risk_of_ends(ended(profile, start, stop), activity)
    else:
        where = None if activity is None else pl.col("activity") == activity
        rows = between(profile, start, stop, table="pieces_by_group", where=where)
        events, at_risk = risk(rows, "group", GROUPS)
        ends = upper(events.shape[1], coarse=True)
    step = np.searchsorted(ends, np.asarray(at, float), "right")

    def curve(weights: np.ndarray) -> np.ndarray:
        n, d = weights @ at_risk, weights @ events
        share = np.divide(d, n, out=np.zeros_like(n), where=n > 0)
        return np.r_[1.0, np.cumprod(1 - np.minimum(share, 1))][step]

    return bootstrap(curve, at_risk.sum(axis=1) > 0, draws=draws, seed=seed, level=level)


def _risk_of_ends(rows: pl.DataFrame, activity: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return events and spells at risk by group and bin of ends of spells of an activity; greatest gap of each bin."""
    rows = rows.filter(classes.activity(pl.col("accesses")) == activity)
    at, n, event = (rows[name].to_numpy() for name in ("duration", "rows", "event"))
    bins = int(at.max(initial=0)) + 2
    flat = rows["group"].to_numpy().astype(np.int64) * bins + at
    events, left = (
        np.bincount(flat, weight, GROUPS * bins).reshape(GROUPS, bins) for weight in (n * event, n)
    )
    # At risk in a bin: began or entered in an earlier one, not ended in an earlier one.
    return (
        events,
        left.sum(axis=1, keepdims=True) - np.cumsum(left, axis=1) + left,
        CLASSES.high(np.arange(bins)),
    )
