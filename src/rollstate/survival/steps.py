r"""Cumulative hazards as right-continuous steps, one per stratum, and what lies beyond the last event.

A step function knows nothing beyond its last event: the default is to refuse. The alternative is a fitted tail. Gap
times of state are close to Pareto, so beyond the last event :math:`t_K` the hazard is taken as :math:`\alpha / t`,

.. math:: H(t) = H(t_K) + \alpha \log(t / t_K), \qquad
          \hat\alpha = \frac{H(t_K) - H(t_j)}{\log t_K - \log t_j},

with :math:`t_j` the last event time that leaves a share `TAIL_SHARE` of all events beyond it: an occurrence/exposure
rate in log time (Aalen, Borgan, Gjessing (2008), Survival and Event History Analysis, 5.1,
https://doi.org/10.1007/978-0-387-68560-1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from rollstate.errors import InputError

TAIL_SHARE = 0.1
"""Share of the events, the latest ones, that the tail is fitted on."""

Beyond = Literal["raise", "tail", "flat"]


@dataclass(frozen=True)
class StepHazard:
    """A cumulative hazard: `value` from `time` on, zero before the first, with the index of its tail.

    Attributes
    ----------
    time, value : array of float64, shape (k,)
        Event times, strictly ascending, and the cumulative hazard from each on.
    tail_index : float
        Hazard times gap time beyond the last event; NaN if the events are too few to fit it.
    """

    time: np.ndarray
    value: np.ndarray
    tail_index: float

    @property
    def last(self) -> float:
        """The last event time, 0 if there is none."""
        return float(self.time[-1]) if len(self.time) else 0.0

    def at(self, times: np.ndarray, beyond: Beyond = "raise") -> np.ndarray:
        """Return the cumulative hazard at gap times, shape (m,).

        Parameters
        ----------
        times : array, shape (m,)
        beyond : {"raise", "tail", "flat"}
            What to do beyond the last event: refuse, follow the fitted tail, or assume no hazard at all.
        """
        times = np.asarray(times, float)
        values = np.r_[0.0, self.value][np.searchsorted(self.time, times, "right")]
        if beyond == "flat":
            return values
        late = times > self.last
        if not late.any():
            return values
        if beyond == "raise":
            raise InputError(
                f"gap time {times.max():g} lies beyond the last event at {self.last:g}, where the data say nothing "
                'about the hazard; ask for less, or say beyond="tail" for a fitted tail'
            )
        if not np.isfinite(self.tail_index):
            raise InputError(
                f"events at {len(self.time)} gap time{'s' * (len(self.time) != 1)} are too few to fit a tail beyond "
                f"gap time {self.last:g}; take a longer window, or merge strata"
            )
        values[late] += self.tail_index * np.log(times[late] / self.last)
        return values


def step_hazard(time: np.ndarray, value: np.ndarray, counts: np.ndarray) -> StepHazard:
    """Make a step hazard and fit its tail; `counts` (k,) are the events at each time."""
    time, value = np.asarray(time, float), np.asarray(value, float)
    tail_index = np.nan
    if len(time) > 1 and time[0] > 0:
        beyond = np.cumsum(counts[::-1])[::-1] - counts
        # The steps, not the gaps between them, are averaged: the last step is part of the tail, its first is not.
        j = min(int(np.flatnonzero(beyond <= TAIL_SHARE * counts.sum())[0]), len(time) - 2)
        tail_index = float((value[-1] - value[j]) / np.log(time[-1] / time[j]))
    return StepHazard(time, value, tail_index)


class HazardModel(Protocol):
    """What every fitted model of the next access offers; `access_probability` needs no more."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the covariates, in the order of the coefficients."""

    @property
    def predict_cumulative_hazard(self) -> Callable[..., np.ndarray]:
        """Method that takes gap times (n,), covariates (n, p), options; returns cumulative hazards (n,)."""


CumulativeHazard = Callable[[np.ndarray], np.ndarray]
"""Cumulative hazard of rows, each at its own gap time, shape (n,) to shape (n,)."""


def access_within(hazard: CumulativeHazard, idle: np.ndarray) -> Callable[[np.ndarray | float], np.ndarray]:
    """Return `access_probability` as a function of the horizon; what does not depend on it is worked out once."""
    now = hazard(idle)
    return lambda horizon: -np.expm1(now - hazard(idle + horizon))


def access_probability(
    model: HazardModel, idle: np.ndarray, horizon: np.ndarray | float, x: np.ndarray, **options: Any
) -> np.ndarray:
    r"""Return the probability of an access within a horizon, given the idle time so far.

    With the cumulative hazard H of a slot's spell this is :math:`1 - e^{-(H(u + \tau) - H(u))}`.

    Parameters
    ----------
    model : HazardModel
        A fitted model.
    idle : array, shape (n,)
        Idle time of each slot so far, u, in blocks.
    horizon : array, shape (n,), or float
        :math:`\tau`, in blocks.
    x : array, shape (n, p)
        Covariates, known at the start of the spell.
    **options
        What the model wants to know besides: ``stratum`` and ``beyond`` of a Cox model.

    Returns
    -------
    array of float64, shape (n,)
    """
    idle = np.broadcast_to(np.asarray(idle, float), len(x))
    return access_within(lambda times: model.predict_cumulative_hazard(times, x, **options), idle)(horizon)
