"""Rows of bytes as dense integers: each distinct row is kept once and named by its order of arrival."""

from __future__ import annotations

import numpy as np

from rollstate.compiled import compiled
from rollstate.worlddiff.errors import KeyRangeError

EMPTY = 0xFFFF_FFFF


@compiled
def _place(row: np.ndarray, table: np.ndarray, index: np.ndarray) -> int:
    """Return the position of `row` in an open-addressed index, or of the empty place where it belongs."""
    mixed = np.uint64(0x9E3779B97F4A7C15)
    for i in range(0, len(row), 2):
        # Two words at once; an odd one is taken alone.
        word = np.uint64(row[i]) | (
            np.uint64(row[i + 1]) << np.uint64(32) if i + 1 < len(row) else np.uint64(0)
        )
        mixed = (mixed ^ word) * np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(29)
    # The upper half as a fraction of the index, whose length need not be a power of two.
    place = ((mixed >> np.uint64(32)) * np.uint64(len(index))) >> np.uint64(32)
    while index[place] != EMPTY:
        known = table[index[place]]
        same = True
        for i in range(len(row)):
            if known[i] != row[i]:
                same = False
                break
        if same:
            break
        place += np.uint64(1)
        if place == np.uint64(len(index)):
            place = np.uint64(0)
    return np.int64(place)  # type: ignore[return-value]


@compiled
def _intern(
    rows: np.ndarray, table: np.ndarray, index: np.ndarray, count: int, ids: np.ndarray, begin: int
) -> tuple[int, int]:
    """Name rows from `begin` on until the table is full; return how far that went, and the new count."""
    for i in range(begin, len(rows)):
        place = _place(rows[i], table, index)
        if index[place] == EMPTY:
            if count == len(table):
                return i, count
            table[count] = rows[i]
            index[place] = count
            count += 1
        ids[i] = index[place]
    return len(rows), count


@compiled
def _reindex(table: np.ndarray, count: int, index: np.ndarray) -> None:
    index[:] = EMPTY
    for i in range(count):
        index[_place(table[i], table, index)] = i


class Interner:
    """A table of distinct rows of `width` bytes.

    Parameters
    ----------
    width : int
        Bytes of a row.
    capacity : int
        Rows to make room for; the table grows by a quarter when full.

    Examples
    --------
    >>> names = Interner(2)
    >>> names.ids(np.array([[0, 1], [0, 0], [0, 1]], np.uint8)).tolist()
    [0, 1, 0]
    >>> names.rows().tolist()
    [[0, 1], [0, 0]]
    """

    def __init__(self, width: int, capacity: int = 1_024) -> None:
        if capacity < 1:
            raise KeyRangeError(f"a table of {capacity} rows cannot grow; reserve at least 1")
        self.width = width
        self.count = 0
        self._table = np.empty((capacity, -(-width // 4)), np.uint32)
        self._index = np.full(index_size(capacity), EMPTY, np.uint32)

    @property
    def capacity(self) -> int:
        """Rows there is room for."""
        return len(self._table)

    @property
    def nbytes(self) -> int:
        """Bytes of the table and its index."""
        return self._table.nbytes + self._index.nbytes

    def ids(self, rows: np.ndarray) -> np.ndarray:
        """Return the ids of rows (n, width) of uint8, adding those that are new; uint32, shape (n,)."""
        if rows.dtype != np.uint8 or rows.ndim != 2 or rows.shape[1] != self.width:
            raise KeyRangeError(
                f"rows of shape {rows.shape} and type {rows.dtype} given; (n, {self.width}) of uint8 wanted"
            )
        words = self._words(rows)
        ids = np.empty(len(rows), np.uint32)
        done = 0
        while True:
            done, self.count = _intern(words, self._table, self._index, self.count, ids, done)
            if done == len(rows):
                return ids
            self._grow()

    def rows(self, begin: int = 0) -> np.ndarray:
        """Return the distinct rows from id `begin` on, in order of id; uint8, shape (m, width)."""
        return self._bytes(self._table[begin : self.count])

    def take(self, ids: np.ndarray) -> np.ndarray:
        """Return the rows of ids; uint8, shape (n, width)."""
        return self._bytes(self._table[: self.count][ids])

    def _bytes(self, table: np.ndarray) -> np.ndarray:
        return table.astype(">u4").view(np.uint8).reshape(len(table), 4 * table.shape[1])[:, -self.width :]

    def order(self, ids: np.ndarray) -> np.ndarray:
        """Return `ids` in ascending order of their rows as big-endian numbers."""
        words = self._table[ids]
        return ids[np.lexsort(words.T[::-1])]

    def _words(self, rows: np.ndarray) -> np.ndarray:
        # Words are big-endian numbers, so that comparing them compares the rows.
        padding = self._table.shape[1] * 4 - self.width
        if padding:
            padded = np.zeros((len(rows), padding + self.width), np.uint8)
            padded[:, padding:] = rows
            rows = padded
        return np.ascontiguousarray(rows).view(">u4").astype(np.uint32)

    def _grow(self) -> None:
        table = np.empty((larger(len(self._table)), self._table.shape[1]), np.uint32)
        table[: self.count] = self._table
        self._table = table
        index = np.empty(index_size(len(table)), np.uint32)
        _reindex(table, self.count, index)
        self._index = index


def larger(capacity: int) -> int:
    """Return the rows of a full table when it grows: a quarter more.

    >>> larger(1_024), larger(1)
    (1280, 2)
    """
    return capacity + max(1, capacity // 4)


def grown(rows: float, first: int) -> int:
    """Return the rows of a table that began with `first` and has grown until `rows` fit."""
    capacity = first
    while capacity < rows:
        capacity = larger(capacity)
    return capacity


def index_size(capacity: int) -> int:
    """Return the places of the index: half as many again as rows, so that one in three stays empty."""
    return max(8, capacity + capacity // 2)
