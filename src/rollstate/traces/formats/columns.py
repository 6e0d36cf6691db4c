"""Columns as files spell them, made what a trace holds: integers, addresses, slots, reads and writes.

A value is taken as what it must be, or refused with the file and the row, as the file numbers it: nothing missing
becomes zero, nothing written in one base is read in another.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TypeVar

import polars as pl

from rollstate.errors import InputError

_Read = TypeVar("_Read")
_HEX = r"^[0-9a-fA-F]+$"
_DIGITS = r"^[0-9]+$"
# More digits than any 256-bit number has.
_MOST_DIGITS = 78
READS = frozenset({"read", "r", "sload", "load", "get", "false", "0"})
WRITES = frozenset({"write", "w", "sstore", "store", "set", "true", "1"})


class BadRowError(InputError):
    """A row that cannot be taken; ``at`` is its position among the rows that were read together."""

    def __init__(self, said: str, at: int) -> None:
        super().__init__(said)
        self.at = at

    def __reduce__(self) -> tuple[type, tuple[str, int]]:
        return type(self), (str(self), self.at)


@dataclass(frozen=True)
class Place:
    """Where rows come from, for messages.

    Attributes
    ----------
    path : str
        The file.
    first : int
        Number of the first row, from 0.
    lines : bool
        Whether the file is text with a line per row: rows are then numbered as its lines.
    header : bool
        Whether the first of these lines is the header.
    dropped : tuple of int
        Positions, before any was, of rows that have been taken out.
    """

    path: str
    first: int = 0
    lines: bool = False
    header: bool = True
    dropped: tuple[int, ...] = ()

    def position(self, at: int) -> int:
        """Return the position of a row before others were taken out."""
        for gone in sorted(self.dropped):
            at += gone <= at
        return at

    def row(self, at: int) -> str:
        """Name the row at position `at` of these rows: its line in a text, else its number from 0."""
        number = self.first + self.position(at)
        return f"line {self._line(number)}" if self.lines else f"row {number}"

    def _line(self, number: int) -> int:
        """Return the last line of a data row; empty lines and line breaks in quotes shift it."""
        wanted = number + self.header
        try:
            with open(self.path, newline="", encoding="utf-8", errors="replace") as text:
                reader = csv.reader(text)
                seen = -1
                for row in reader:
                    seen += bool(row)
                    if seen == wanted:
                        return reader.line_num
        except (OSError, csv.Error):
            # Packed or remote: counted, not looked up.
            pass
        return wanted + 1

    def fail(self, name: str, rule: str, bad: pl.Series, values: pl.Series) -> BadRowError:
        """Return the error for the first row that `bad` marks."""
        at = bad.arg_max() or 0
        found = values[at]
        shown = f"0x{found.hex()}" if isinstance(found, bytes) else repr(found)
        return BadRowError(f"{self.path}: {name} must {rule}; {self.row(at)} has {shown[:90]}", at)


def integers(
    values: pl.Series, name: str, place: Place, dtype: pl.DataType | type = pl.Int64, *, empty: bool = False
) -> pl.Series:
    """Return whole numbers from zero up, or an error that names the first row that is none.

    Parameters
    ----------
    values : Series
        Integers, or their decimal text. A float is refused: its fraction, and digits beyond 2**53, would be lost.
    name, place
        For errors.
    dtype : data type
        What is returned; a number that does not fit is an error.
    empty : bool
        Whether a null, or an empty field of a text, may stand for an unknown number.
    """
    if values.dtype == pl.Null:
        values = values.cast(dtype)
    if values.dtype != pl.String and not values.dtype.is_integer():
        raise InputError(f"{place.path}: {name} must hold integers, not {values.dtype}")
    known = values.is_not_null()
    if values.dtype == pl.String:
        known &= values != ""
        values = values.set(~known, None)
    numbers = values.cast(dtype, strict=False)
    bad = known & numbers.is_null()
    if bad.any():
        raise place.fail(name, f"hold integers ({dtype})", bad, values)
    # Of blocks, transactions, logs and times alike: none of them is ever negative.
    negative = (numbers < 0).fill_null(False)
    if negative.any():
        raise place.fail(name, "not be negative", negative, numbers)
    if not empty and not known.all():
        raise place.fail(name, "hold integers, and none may be missing", ~known, values)
    return numbers


@dataclass(frozen=True)
class Spelling:
    """How the numbers of a text column are written: where the first of each kind stands."""

    prefixed: str | None = None
    letters: str | None = None
    digits: str | None = None
    short: bool = field(default=False)

    def base(self, name: str, path: str) -> int:
        """Return 16 or 10, the base that every number of the column is in.

        Numbers with 0x are hexadecimal. Without it they are hexadecimal if any has a letter, or if all have the 64
        digits of a padded slot, and else decimal. A column with and without 0x is refused: whether its 10 is ten or
        sixteen cannot be told.
        """
        bare = self.letters or self.digits
        if self.prefixed and bare:
            raise InputError(
                f"{path}: {name} mixes numbers with and without 0x ({self.prefixed}; {bare}): "
                "write all of them the same way"
            )
        return 16 if self.prefixed or self.letters or not self.short else 10


def spelling(values: pl.Series, place: Place) -> Spelling:
    """Return how the numbers of some rows are written; nulls and empty fields say nothing."""
    if values.dtype.is_integer() and len(values):
        return Spelling(digits=f"{place.row(0)} has {values[0]}", short=True)
    if values.dtype != pl.String:
        return Spelling()
    known = (values != "").fill_null(False)
    prefixed = known & values.str.starts_with("0x").fill_null(False)
    bare = known & ~prefixed
    digits = bare & values.str.contains(_DIGITS).fill_null(False)

    def first(marks: pl.Series) -> str | None:
        at = marks.arg_max() or 0
        return f"{place.row(at)} has {values[at]!r:.40}" if marks.any() else None

    return Spelling(
        first(prefixed),
        first(bare & ~digits),
        first(digits),
        bool((digits & (values.str.len_chars() != 64)).any()),
    )


def combined(found: Iterable[Spelling]) -> Spelling:
    """Return how a column is written whose parts are written as `found`."""
    out = Spelling()
    for one in found:
        out = Spelling(
            out.prefixed or one.prefixed,
            out.letters or one.letters,
            out.digits or one.digits,
            out.short or one.short,
        )
    return out


def addresses(values: pl.Series, name: str, place: Place) -> pl.Series:
    """Return 20 bytes of each row, from bytes or hexadecimal text with or without 0x; case does not matter."""
    if values.dtype == pl.String:
        digits = values.str.strip_prefix("0x")
        bad = ~(digits.str.contains(_HEX) & (digits.str.len_chars() == 40)).fill_null(False)
        if bad.any():
            raise place.fail(name, "be 20 bytes in hexadecimal", bad, values)
        return digits.str.decode("hex")
    return _binary(values, name, 20, place)


def words(values: pl.Series, name: str, place: Place, base: int = 16) -> pl.Series:
    """Return 32 bytes of each row, from bytes or from a number in text; a short number is padded, an empty one refused.

    Parameters
    ----------
    values : Series
        32 bytes, text, or integers.
    name, place
        For errors.
    base : {16, 10}
        Base of a text, of `Spelling.base`.
    """
    if values.dtype.is_integer():
        values, base = values.cast(pl.String), 10
    if values.dtype == pl.Null:
        values = values.cast(pl.String)
    if values.dtype != pl.String:
        return _binary(values, name, 32, place)
    if base == 10:
        return _decimal(values, name, place)
    digits = values.str.strip_prefix("0x")
    bad = ~(digits.str.contains(_HEX) & (digits.str.len_chars() <= 64)).fill_null(False)
    if bad.any():
        raise place.fail(name, "be a hexadecimal number of at most 32 bytes", bad, values)
    return digits.str.zfill(64).str.decode("hex")


def _decimal(values: pl.Series, name: str, place: Place) -> pl.Series:
    bad = ~(values.str.contains(_DIGITS) & (values.str.len_chars() <= _MOST_DIGITS)).fill_null(False)
    if bad.any():
        raise place.fail(name, "be a decimal number below 2**256", bad, values)
    texts = values.unique()
    numbers = [int(text) for text in texts]
    if max(numbers, default=0) >= 1 << 256:
        large = values.is_in([text for text, number in zip(texts, numbers, strict=True) if number >> 256])
        raise place.fail(name, "be a decimal number below 2**256", large, values)
    known = pl.DataFrame({"text": texts, "word": [number.to_bytes(32, "big") for number in numbers]})
    rows = pl.DataFrame({"text": values}).join(known, on="text", how="left", maintain_order="left")
    return rows["word"]


def _binary(values: pl.Series, name: str, length: int, place: Place) -> pl.Series:
    if values.dtype != pl.Binary:
        raise InputError(f"{place.path}: {name} must be {length} bytes or text, not {values.dtype}")
    bad = (values.is_null() | (values.bin.size() != length)).fill_null(True)
    if bad.any():
        raise place.fail(name, f"have {length} bytes", bad, values)
    return values


def writes(values: pl.Series, name: str, place: Place) -> pl.Series:
    """Return whether each row is a write: of truth values, or of the words in `READS` and `WRITES` in any case."""
    if values.dtype == pl.Boolean:
        if values.null_count():
            raise place.fail(name, "be true or false", values.is_null(), values)
        return values
    if values.dtype.is_integer():
        values = values.cast(pl.String)
    if values.dtype != pl.String:
        raise InputError(f"{place.path}: {name} must be text or truth values, not {values.dtype}")
    said = values.str.to_lowercase()
    write = said.is_in(list(WRITES)).fill_null(False)
    bad = ~(write | said.is_in(list(READS)).fill_null(False))
    if bad.any():
        raise place.fail(
            name, "be 'read' or 'write' (or r, w; sload, sstore; false, true; 0, 1)", bad, values
        )
    return write


OnBad = Callable[[InputError], None]
"""Takes the error of a row or file that is then left out; raises to stop."""


def convert(
    frame: pl.DataFrame, place: Place, read: Callable[[pl.DataFrame, Place], _Read], on_bad: OnBad | None
) -> _Read:
    """Return what `read` makes of some rows; with `on_bad`, of those that it can take, having told of the others."""
    while True:
        try:
            return read(frame, place)
        except BadRowError as error:
            if on_bad is None:
                raise
            on_bad(error)
            frame = pl.concat([frame[: error.at], frame[error.at + 1 :]])
            place = replace(place, dropped=(*place.dropped, place.position(error.at)))


def truths(values: pl.Series, name: str, place: Place) -> pl.Series:
    """Return truth values, or their names in any case."""
    if values.dtype == pl.String:
        said = values.str.to_lowercase().replace_strict({"true": True, "false": False}, default=None)
        if said.null_count():
            raise place.fail(name, "be true or false in every row", said.is_null(), values)
        return said
    if values.dtype != pl.Boolean or values.null_count():
        raise InputError(f"{place.path}: {name} must be true or false in every row")
    return values


def names(text: str) -> dict[str, str]:
    """Return a map of columns, ``block=blk,slot=key``: what a trace needs to what the file calls it.

    Raises
    ------
    InputError
        For anything else.
    """
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if not pairs or not all(re.fullmatch(r"\s*\w+\s*", left) and right.strip() for left, _, right in pairs):
        raise InputError(f"--map {text!r} is not a list of NAME=COLUMN, for example block=blk,slot=key")
    return {left.strip(): right.strip() for left, _, right in pairs}
