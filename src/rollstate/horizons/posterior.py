r"""A window per slot from the posterior of its rate: gamma-Poisson, in closed form.

Each slot is accessed at a constant rate of its own, :math:`\lambda \sim \Gamma(a, b)` over slots. After :math:`n` gaps
in :math:`t` blocks the posterior is :math:`\Gamma(a + n, b + t)`, the wait is Lomax,
:math:`S(u) = \left(\frac{b + t}{b + t + u}\right)^{a + n}`, and its hazard :math:`(a + n) / (b + t + u)` falls. Holding
pays while the hazard is above :math:`c / \ell`, so that the window of least expected cost is

.. math:: T^* = \max\left(0, (a + n) \frac{\ell}{c} - (b + t)\right).

The prior is fitted by maximum likelihood to the spells before a border, with delayed entry and censoring.

Source: Greenwood and Yule (1920), https://doi.org/10.2307/2341080; the Lomax predictive: Lomax (1954),
https://doi.org/10.1080/01621459.1954.10501239.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import optimize

from rollstate.errors import InputError
from rollstate.profile.classes import access_bounds, octave_bounds
from rollstate.profile.grid import GAPS, LAGS


@dataclass(frozen=True)
class Prior:
    """The gamma law of rates over slots: ``shape`` a, and ``rate`` b in blocks."""

    shape: float
    rate: float

    def window(self, gaps: np.ndarray, time: np.ndarray, penalty: float) -> np.ndarray:
        """Return the window of least expected cost after some gaps in some blocks, shape (n,).

        Parameters
        ----------
        gaps, time : array, shape (n,)
            Completed gaps of the slot, and the blocks that they took.
        penalty : float
            Cost of a miss in slot-blocks of RAM.
        """
        return np.maximum(
            (self.shape + np.asarray(gaps, float)) * penalty - (self.rate + np.asarray(time, float)), 0.0
        )


def history(accesses: np.ndarray, pace: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the completed gaps and the blocks they took, from the classes of accesses and of the mean gap.

    Parameters
    ----------
    accesses, pace : array of int, shape (n,)
        Classes as in the ``pieces`` of a profile: the middle of each is taken, the geometric one of accesses.

    Returns
    -------
    gaps, time : array of float64, shape (n,)
    """
    low, high = access_bounds(accesses)
    gaps = np.maximum(np.sqrt(low * high) - 1, 0.0)
    low, high = octave_bounds(pace)
    return gaps, gaps * np.where(np.asarray(pace) > 0, (low + high) / 2, 0.0)


def fit(frame: pl.DataFrame) -> Prior:
    """Fit the prior to pieces of spells by maximum likelihood.

    Parameters
    ----------
    frame : polars.DataFrame
        Of `rollstate.horizons.tables.pieces`; idle times are put on the grid of lags first, eight bins per octave.

    Raises
    ------
    InputError
        If no piece ends with an access.
    """
    if not frame["event"].any():
        raise InputError("the posterior of a slot's rate needs spells that an access ended; there is none")
    coarse = frame.with_columns(
        **{name: pl.Series(LAGS.index(GAPS.low(frame[name].to_numpy()))) for name in ("duration", "entry")}
    )
    cells = (
        coarse.group_by("event", "accesses", "pace", "duration", "entry")
        .agg(pl.col("rows", "ends", "begins").sum())
        .sort("event", "accesses", "pace", "duration", "entry")
    )
    rows = cells["rows"].to_numpy()
    ends, begins = cells["ends"].to_numpy() / rows, cells["begins"].to_numpy() / rows
    gaps, time = history(cells["accesses"].to_numpy(), cells["pace"].to_numpy())
    ended = rows * cells["event"].to_numpy()

    def negative(theta: np.ndarray) -> tuple[float, np.ndarray]:
        a, b = np.exp(theta)
        late, early, shape = b + time + ends, b + time + begins, a + gaps
        crossed = np.log(late / early)
        value = ended @ np.log(shape / late) - rows @ (shape * crossed)
        by_a = (ended / shape).sum() - rows @ crossed
        by_b = -(ended / late).sum() - rows @ (shape * (1 / late - 1 / early))
        return -float(value), -np.array([a * by_a, b * by_b])

    start = [0.0, np.log(max(1.0, rows @ (ends - begins) / ended.sum()))]
    bounds = [(np.log(1e-6), np.log(1e6)), (np.log(1e-3), np.log(1e15))]
    scale = float(rows.sum())
    found = optimize.minimize(
        lambda theta: tuple(part / scale for part in negative(theta)), start, jac=True, method="L-BFGS-B", bounds=bounds
    )  # fmt: skip
    return Prior(*(float(value) for value in np.exp(found.x)))
