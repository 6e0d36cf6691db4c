"""Scalars of frames as plain numbers: an aggregate of a Polars column may be anything, for the type checker too."""

from __future__ import annotations

import numbers
from decimal import Decimal

from rollstate.errors import InputError


def real(value: object) -> float:
    """Return a scalar as a float.

    Parameters
    ----------
    value : object
        What an aggregate such as ``frame["gap"].max()`` returned; infinities and NaN pass.

    Raises
    ------
    InputError
        If it is no number: null for an empty column, a text, a date.

    Examples
    --------
    >>> import polars as pl
    >>> real(pl.Series([1, 4]).max())
    4.0
    >>> real(pl.Series([], dtype=pl.Float64).max())
    Traceback (most recent call last):
    rollstate.errors.InputError: a number is wanted, not None; the column is empty or holds no numbers
    """
    if isinstance(value, numbers.Real | Decimal):
        return float(value)
    raise InputError(f"a number is wanted, not {value!r}; the column is empty or holds no numbers")


def whole(value: object) -> int:
    """Return a scalar as an int; see `real`.

    Raises
    ------
    InputError
        If it is no number or has a fraction.

    Examples
    --------
    >>> import polars as pl
    >>> whole(pl.Series([1, 4]).max())
    4
    >>> whole(2.5)
    Traceback (most recent call last):
    rollstate.errors.InputError: a whole number is wanted, not 2.5
    """
    if isinstance(value, numbers.Integral):
        return int(value)
    if not real(value).is_integer():
        raise InputError(f"a whole number is wanted, not {value!r}")
    return int(real(value))
