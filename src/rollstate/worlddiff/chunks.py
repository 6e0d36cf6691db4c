"""Columns in chunks of equal length, which never move; and arrays that grow by a quarter."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

CHUNK = 16_384
"""Entries of a chunk."""


class Chunks:
    """Columns that grow by whole chunks, so that nothing is ever copied to grow.

    Parameters
    ----------
    *dtypes : type
        NumPy types of the columns.

    Examples
    --------
    >>> column = Chunks(np.uint8)
    >>> column.at(0)[0][:3] = 7, 8, 9
    >>> column.part(1, 3)[0].tolist()
    [8, 9]
    """

    def __init__(self, *dtypes: type) -> None:
        self._dtypes = dtypes
        self._chunks: list[tuple[np.ndarray, ...]] = []
        self._size = CHUNK

    def at(self, length: int) -> tuple[np.ndarray, ...]:
        """Return the chunk that entry `length` falls into, and drop those behind it."""
        number = int(length) // self._size
        del self._chunks[number + 1 :]
        if number == len(self._chunks):
            self._chunks.append(tuple(np.empty(self._size, dtype) for dtype in self._dtypes))
        return self._chunks[number]

    def parts(self, length: int) -> Iterator[tuple[np.ndarray, ...]]:
        """Yield the filled part of each chunk, of `length` entries in all."""
        for number, chunk in enumerate(self._chunks):
            size = min(self._size, int(length) - number * self._size)
            if size > 0:
                yield tuple(column[:size] for column in chunk)

    def part(self, begin: int, end: int) -> tuple[np.ndarray, ...]:
        """Return entries `begin` to `end`, copied together."""
        found: list[tuple[np.ndarray, ...]] = [tuple(np.empty(0, dtype) for dtype in self._dtypes)]
        for number in range(begin // self._size, -(-end // self._size)):
            base = number * self._size
            found.append(tuple(c[max(0, begin - base) : end - base] for c in self._chunks[number]))
        return tuple(np.concatenate(columns) for columns in zip(*found, strict=True))

    @property
    def nbytes(self) -> int:
        """Bytes that the chunks hold."""
        return sum(column.nbytes for chunk in self._chunks for column in chunk)


def roomier(array: np.ndarray, need: int) -> np.ndarray:
    """Return `array`, or a copy with room for `need` rows and at least a quarter more than before."""
    if need <= len(array):
        return array
    grown = np.empty((max(int(need), len(array) + len(array) // 4), *array.shape[1:]), array.dtype)
    grown[: len(array)] = array
    return grown
