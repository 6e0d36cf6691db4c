r"""Grids of whole numbers: exact below a power of two, a fixed number of bins per octave above.

With :math:`s` bins per octave, :math:`s` a power of two, a number :math:`v < 2 s` is its own bin. Above, a bin
covers :math:`v / s` to :math:`2 v / s` numbers, so its middle is within :math:`1 / (2 s)` of any of them: 1.6 % for
the 32 of gap times, of which those below 64 are exact. As in HdrHistogram (https://hdrhistogram.github.io).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rollstate.compiled import compiled


@dataclass(frozen=True)
class Grid:
    """A grid with ``2 ** bits`` bins per octave.

    Examples
    --------
    >>> GAPS.index(np.array([3, 63, 64, 65, 66]))
    array([ 3, 63, 64, 64, 65])
    >>> GAPS.low(np.array([64, 65])), GAPS.high(np.array([64, 65]))
    (array([64, 66]), array([65, 67]))
    """

    bits: int

    def index(self, values: np.ndarray) -> np.ndarray:
        """Return the bin of each whole number of at least 0, int64."""
        return _index(np.ascontiguousarray(values, np.int64), self.bits)

    def low(self, index: np.ndarray) -> np.ndarray:
        """Return the least number of each bin, int64."""
        index = np.asarray(index, np.int64)
        octave = np.maximum((index >> self.bits) - 1, 0)
        return np.where(octave == 0, index, ((1 << self.bits) + (index & ((1 << self.bits) - 1))) << octave)

    def high(self, index: np.ndarray) -> np.ndarray:
        """Return the greatest number of each bin, int64."""
        return self.low(np.asarray(index, np.int64) + 1) - 1

    def middle(self, index: np.ndarray) -> np.ndarray:
        """Return the middle of each bin, float64."""
        return (self.low(index) + self.high(index)) / 2


@compiled
def bin_of(value: int, bits: int) -> int:
    """Return the bin of one whole number of at least 0."""
    top = value >> bits
    shift = 0
    while top > 1:
        top >>= 1
        shift += 1
    return (shift << bits) + (value >> shift)


@compiled
def _index(values: np.ndarray, bits: int) -> np.ndarray:
    out = np.empty(values.size, np.int64)
    for i in range(values.size):
        out[i] = bin_of(values[i], bits)
    return out


GAPS = Grid(5)
"""Gap times in blocks: exact below 64, within 1.6 % above."""

LAGS = Grid(3)
"""Lags of reuse: exact below 16, eight bins per octave above."""

CLASSES = Grid(2)
"""Gap times of classes within groups: exact below 8, four bins per octave above."""

TOUCHES = Grid(2)
"""Touches of a slot on each side of a border: exact below 8, four bins per octave above."""
