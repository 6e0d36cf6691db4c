"""Integers of a fixed width: what an address, a key or a value may be."""

from __future__ import annotations

import operator
from typing import Any

from rollstate.worlddiff.errors import KeyRangeError


def integer(what: str, value: Any, bits: int) -> int:
    """Return `value` as a Python integer of at most `bits` bits.

    Parameters
    ----------
    what : str
        What the value is, for the message.
    value : int or any other integer type, such as NumPy's
        Not a bool, which is a verdict and no number.
    bits : int
        Width.

    Raises
    ------
    KeyRangeError
        If it is no integer or does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> integer("key", np.uint64(7), 256)
    7
    >>> integer("address", 2**160, 160)
    Traceback (most recent call last):
    rollstate.worlddiff.errors.KeyRangeError: address 1461501637330902918203684832716283019655932542976 \
is not an integer of 160 bits (0 to 2**160 - 1)
    """
    try:
        number = -1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = -1
    if not 0 <= number < 1 << bits:
        raise KeyRangeError(f"{what} {value!r} is not an integer of {bits} bits (0 to 2**{bits} - 1)")
    return number


def storage_slot(address: Any, key: Any) -> tuple[int, int]:
    """Return address (160 bits) and key (256 bits) of a slot as Python integers, or raise `KeyRangeError`."""
    return integer("address", address, 160), integer("key", key, 256)
