"""A number with its interval, as the package's functions return it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from rollstate.errors import InputError


@dataclass(frozen=True)
class Estimate:
    """A value with the ends of its uncertainty interval.

    Attributes
    ----------
    value : float
        The estimate.
    low, high : float or None
        Ends of the interval; both None where the data carries no interval, for example with one cluster.

    Raises
    ------
    InputError
        If one end is missing, not finite, or the ends are swapped.

    Examples
    --------
    >>> Estimate(0.5, 0.4, 0.6).half_width
    0.09999999999999998
    >>> 1 - Estimate(0.5, 0.4, 0.6)
    Estimate(value=0.5, low=0.4, high=0.6)
    """

    value: float
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if (self.low is None) != (self.high is None):
            raise InputError(f"an interval has two ends, not {self.low} and {self.high}")
        if self.low is not None and self.high is not None:
            if not (math.isfinite(self.low) and math.isfinite(self.high)):
                raise InputError(f"the ends of an interval are finite, not {self.low} and {self.high}")
            if self.low > self.high:
                raise InputError(f"the interval ({self.low}, {self.high}) has its ends swapped")

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends, or None."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def half_width(self) -> float | None:
        """Half of the interval's width, or None."""
        return None if self.interval is None else (self.interval[1] - self.interval[0]) / 2

    def __rsub__(self, other: float) -> Estimate:
        """Return what is left of a constant: the ends change places."""
        if self.interval is None:
            return Estimate(other - self.value)
        return Estimate(other - self.value, other - self.interval[1], other - self.interval[0])

    def __iter__(self) -> Any:
        """Unpack as value, low, high."""
        return iter((self.value, self.low, self.high))
