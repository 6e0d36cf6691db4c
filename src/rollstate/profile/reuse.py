r"""Reuse by lag: the chance that a slot touched in block b is touched in block b + L.

.. math::

   R(L) = \frac{\sum_b |A_b \cap A_{b+L}|}{\sum_b |A_b|},

over blocks b of which both b and b + L were observed, :math:`A_b` being the slots touched in b. Pooled over the lags of
a bin, it is pairs over chances. Blocks of one day depend on each other, so intervals resample whole periods of the
profile (days, where its clock allows). At lags so long that fewer than `LEAST_PERIODS` of them have a chance, they
resample the random groups of contracts or slots instead, which cover the slots' spread, not the days'. Being a share of
pairs of observed blocks, R(L) is not biased by blocks that were not observed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from rollstate.errors import InputError
from rollstate.estimate import Estimate
from rollstate.profile.classes import access_bounds
from rollstate.profile.grid import LAGS
from rollstate.profile.plan import GROUPS
from rollstate.profile.resampling import estimate
from rollstate.profile.tables import Profile

LEAST_PERIODS = 8
"""With fewer periods than this a bootstrap over them says little."""


def by_lag(
    profile: Profile, *, where: pl.Expr | None = None, draws: int = 400, seed: int, level: float = 0.95
) -> pl.DataFrame:
    """Return R(L) over the grid of lags.

    Parameters
    ----------
    profile : Profile
    where : polars.Expr, optional
        Which visits, by ``period`` and ``accesses`` (class of the slot's touches in all, see `classes`).
    draws, seed, level
        Of the bootstrap over periods.

    Returns
    -------
    polars.DataFrame
        ``lag_low``, ``lag_high`` (blocks), ``lag_s`` (seconds of the middle; null where the clock is unknown),
        ``pairs``, ``chances``, ``reuse``, ``low``, ``high``, ``interval_over`` (``periods`` or ``groups``). The
        interval is null where there are too few periods and groups cannot take their place, as in a selection.
    """
    table = profile.pairs if where is None else profile.pairs.filter(where)
    if table.is_empty():
        raise InputError("reuse by lag: no visit is left in the selection; widen it")
    periods = len(profile.plan.periods) - 1
    lags = np.unique(table["lag"].to_numpy())
    at = np.searchsorted(lags, table["lag"].to_numpy()) * periods + table["period"].to_numpy()
    pairs, chances = (
        np.bincount(at, table[f"sum_{name}"].to_numpy(), lags.size * periods).reshape(lags.size, periods)
        for name in ("pairs", "chances")
    )
    found = [
        _interval(profile, int(lag), pairs[i], chances[i], where is None, draws, seed, level)
        for i, lag in enumerate(lags)
    ]
    block_s = profile.plan.block_s
    middle = LAGS.middle(lags)
    return pl.DataFrame(
        {
            "lag_low": LAGS.low(lags),
            "lag_high": LAGS.high(lags),
            "lag_s": pl.Series(
                values=[None] * lags.size if block_s is None else middle * block_s, dtype=pl.Float64
            ),
            "pairs": pairs.sum(axis=1).astype(np.int64),
            "chances": chances.sum(axis=1).astype(np.int64),
            "reuse": pairs.sum(axis=1) / chances.sum(axis=1),
            "low": pl.Series([one.low for one, _ in found], dtype=pl.Float64),
            "high": pl.Series([one.high for one, _ in found], dtype=pl.Float64),
            "interval_over": pl.Series([over for _, over in found], dtype=pl.String),
        }
    )


def by_class(profile: Profile, *, draws: int = 400, seed: int, level: float = 0.95) -> pl.DataFrame:
    """Return `by_lag` for slots by how often they are touched in all, with ``touches_low`` and ``touches_high``.

    The class is that of the whole trace, so it looks ahead: it says where reuse is, and is no rule for a cache.

    Raises
    ------
    InputError
        If the profile was saved without the classes, to stay small.
    """
    profile.require("pairs", "accesses")
    frames = []
    for code in profile.pairs["accesses"].unique().sort().to_list():
        touches_low, touches_high = access_bounds(np.array([code]))
        frame = by_lag(profile, where=pl.col("accesses") == code, draws=draws, seed=seed, level=level)
        frames.append(
            frame.select(
                pl.lit(int(touches_low[0])).alias("touches_low"),
                pl.lit(int(touches_high[0])).alias("touches_high"),
                pl.all(),
            )
        )
    return pl.concat(frames)


def at(
    profile: Profile,
    lag: float,
    *,
    where: pl.Expr | None = None,
    draws: int = 400,
    seed: int,
    level: float = 0.95,
) -> Estimate:
    """Return R at the bin of one lag, in blocks, with its interval over periods.

    Raises
    ------
    InputError
        If the lag does not lie in the window.
    """
    if not 1 <= round(lag) < profile.plan.n_blocks:
        raise InputError(f"lag {lag:g} must lie between 1 and {profile.plan.n_blocks - 1} blocks")
    code = int(LAGS.index(np.array([round(lag)]))[0])
    table = profile.pairs.filter(pl.col("lag") == code)
    table = table if where is None else table.filter(where)
    if table.is_empty():
        raise InputError(f"no two observed blocks lie {lag:g} blocks apart; choose another lag")
    periods = len(profile.plan.periods) - 1
    pairs, chances = (
        np.bincount(table["period"].to_numpy(), table[f"sum_{name}"].to_numpy(), periods)
        for name in ("pairs", "chances")
    )
    return _interval(profile, code, pairs, chances, where is None, draws, seed, level)[0]


def _interval(
    profile: Profile,
    code: int,
    pairs: np.ndarray,
    chances: np.ndarray,
    whole: bool,
    draws: int,
    seed: int,
    level: float,
) -> tuple[Estimate, str | None]:
    """Return R of a bin of lags, and what its interval was taken over."""
    if (chances > 0).sum() >= LEAST_PERIODS:
        return estimate(_ratio(pairs, chances), chances > 0, draws=draws, seed=seed, level=level), "periods"
    if whole:
        lag = int(LAGS.low(np.array([code]))[0])
        return over_groups(profile, lag, draws=draws, seed=seed, level=level), "groups"
    return Estimate(float(pairs.sum() / chances.sum())), None


def over_groups(
    profile: Profile, lag: float, *, draws: int = 400, seed: int, level: float = 0.95
) -> Estimate:
    """Return R at the bin of one lag with its interval over random groups of contracts, or of slots."""
    code = int(LAGS.index(np.array([round(lag)]))[0])
    table = profile.pairs_by_group.filter(pl.col("lag") == code)
    pairs, chances = (
        np.bincount(table["group"].to_numpy(), table[f"sum_{name}"].to_numpy(), GROUPS)
        for name in ("pairs", "chances")
    )
    return estimate(_ratio(pairs, chances), chances > 0, draws=draws, seed=seed, level=level)


def _ratio(pairs: np.ndarray, chances: np.ndarray) -> Callable[[np.ndarray], float]:
    """Return the statistic of `resampling`: pairs over chances, both weighted; 0 of 0 is no chance and counts as 0."""

    def ratio(weights: np.ndarray) -> float:
        total = weights @ chances
        return float(weights @ pairs / total) if total > 0 else 0.0

    return ratio
