r"""Frailty: what makes one slot busier than its covariates say, and how much of it a slot's own history reveals.

With :math:`n_i` accesses in :math:`E_i` blocks at risk and a gamma frailty of mean one,

.. math:: n_i \mid z_i \sim \text{Poisson}(\lambda E_i z_i), \quad z_i \sim \Gamma(k, k),

:math:`n_i` is negative binomial, and the slot's rate given its history is
:math:`(n_i + k) / (E_i + k / \lambda)`: its own rate, shrunk towards :math:`\lambda`. Taken at the start of a
spell from what lies before, it is a covariate; a Cox model without it takes the mixture of busy and quiet slots for a
hazard that falls with idle time.

Source: Greenwood and Yule (1920), https://doi.org/10.2307/2341080; Robbins (1956), An empirical Bayes approach to
statistics; in survival: Clayton (1978), https://doi.org/10.1093/biomet/65.1.141.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import optimize, special, stats

from rollstate.errors import InputError
from rollstate.survival.cox import ConvergenceError

LARGEST_SHAPE = 1e6
"""A gamma this narrow is no frailty at all."""


@dataclass(frozen=True)
class GammaFrailty:
    """A gamma mixture of Poisson rates.

    Attributes
    ----------
    rate : float
        Accesses per block of the mean slot.
    shape : float
        k; the variance of the frailty is 1 / k.
    log_likelihood, poisson_log_likelihood : float
        Of the mixture and of one rate for all.
    """

    rate: float
    shape: float
    log_likelihood: float
    poisson_log_likelihood: float

    @property
    def variance(self) -> float:
        """Variance of the frailty; 0 if all slots are alike."""
        return 1 / self.shape

    @property
    def p(self) -> float:
        """P-value of no frailty: half a chi-squared with one degree, as the variance cannot be negative."""
        return float(stats.chi2.sf(max(2 * (self.log_likelihood - self.poisson_log_likelihood), 0), 1) / 2)

    def posterior_rate(self, events: np.ndarray, exposure: np.ndarray) -> np.ndarray:
        """Return each slot's rate given its history, accesses per block, shape (n,)."""
        return (np.asarray(events, float) + self.shape) / (
            np.asarray(exposure, float) + self.shape / self.rate
        )


def fit(events: np.ndarray, exposure: np.ndarray, count: np.ndarray | None = None) -> GammaFrailty:
    """Fit rate and shape by maximum likelihood.

    Parameters
    ----------
    events : array of int, shape (n,)
        Accesses of each slot.
    exposure : array, shape (n,)
        Blocks in which it was at risk, above zero.
    count : array, shape (n,), optional
        How many slots are like this one; one if not given.

    Raises
    ------
    InputError
        If there is no event, or an exposure is not positive.
    ConvergenceError
        If no maximum is found.
    """
    events, exposure = np.asarray(events, float), np.asarray(exposure, float)
    if not len(events):
        raise InputError("no slot is seen for a block or more, so there is no rate to learn")
    if events.shape != exposure.shape or (exposure <= 0).any() or (events < 0).any():
        raise InputError(
            "the mixture of rates needs 0 or more accesses of each slot in more than 0 blocks at risk"
        )
    if not events.any():
        raise InputError("no slot is accessed again in the known blocks, so there is no rate to learn")
    count = np.ones(len(events)) if count is None else np.asarray(count, float)
    mean = (events @ count) / (exposure @ count)
    # Numbers of accesses are few: a logarithm of the gamma function for each of them serves all slots.
    numbers, number = np.unique(events, return_inverse=True)
    log_factorial = special.gammaln(numbers + 1)[number]

    def poisson(rate: float) -> float:
        terms = special.xlogy(events, rate * exposure) - rate * exposure - log_factorial
        return float((terms * count).sum())

    def negative(theta: np.ndarray) -> float:
        rate, k = np.exp(theta)
        mu = rate * exposure
        terms = special.gammaln(numbers + k)[number] - special.gammaln(k) - log_factorial
        terms += special.xlogy(events, mu) - events * np.log(k + mu) - k * np.log1p(mu / k)
        return -float((terms * count).sum())

    bounds = [(np.log(mean) - 10, np.log(mean) + 10), (np.log(1e-4), np.log(LARGEST_SHAPE))]
    found = optimize.minimize(negative, np.log([mean, 1.0]), method="L-BFGS-B", bounds=bounds)
    if not np.isfinite(found.fun):
        raise ConvergenceError(f"frailty: no maximum found ({found.message})")
    rate, shape = np.exp(found.x)
    return GammaFrailty(float(rate), float(shape), -float(found.fun), poisson(mean))


def fit_spells(spells: pl.DataFrame) -> GammaFrailty:
    """Fit the mixture to the accesses and exposures of each slot in a frame of `rollstate.intervals.build`."""
    slots = spells.group_by("slot_id").agg(
        pl.col("event").sum(), exposure=(pl.col("duration") - pl.col("entry")).sum(), count=pl.lit(1)
    )
    return fit_histories(alike([slots]))


def alike(histories: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Add up slots with the same history: most are touched once or twice, and many are alike.

    Parameters
    ----------
    histories : iterable of DataFrame
        ``event`` (accesses), ``exposure`` (blocks at risk) and ``count`` (slots).
    """
    slots = pl.concat([one.select(pl.col("event", "exposure", "count").cast(pl.Int64)) for one in histories])
    return slots.group_by("event", "exposure").agg(pl.col("count").sum()).sort("event", "exposure")


def fit_histories(histories: pl.DataFrame) -> GammaFrailty:
    """Fit the mixture to `alike` histories."""
    return fit(*(histories[name].to_numpy() for name in ("event", "exposure", "count")))


def add_frailty(spells: pl.DataFrame, frailty: GammaFrailty) -> pl.DataFrame:
    """Add ``log_frailty``, the log of each spell's posterior rate over the mean, from what precedes its start.

    Parameters
    ----------
    spells : polars.DataFrame
        Of `rollstate.intervals.build`: before a spell there were ``n_accesses`` - 1 gaps in ``n_accesses`` / ``rate``
        blocks; a spell without accesses begins with the creation of its slot, in the only block known.
    frailty : GammaFrailty
        Fitted on earlier blocks.
    """
    n = spells["n_accesses"].to_numpy()
    exposure = np.where(n > 0, n / np.maximum(spells["rate"].to_numpy(), np.finfo(float).tiny), 1.0)
    return spells.with_columns(
        log_frailty=pl.Series(np.log(frailty.posterior_rate(np.maximum(n - 1, 0), exposure) / frailty.rate))
    )
