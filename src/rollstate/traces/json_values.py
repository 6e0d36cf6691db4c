"""Values of Ethereum's JSON-RPC answers: taken as what they must be, or refused by name.

Quantities and byte strings are hexadecimal text with ``0x``
(https://ethereum.github.io/execution-apis, "hex value encoding"). An endpoint is not trusted: each function here
returns a value of the stated form or raises a `ResponseError` that says where in the answer the bad one is.
"""

from __future__ import annotations

import re
from typing import Any

from rollstate.errors import InputError

_HEX = re.compile(r"0[xX][0-9a-fA-F]*", re.ASCII)


class ResponseError(InputError):
    """An endpoint's answer breaks the rules of its method; nothing of it is kept."""


def shown(value: object) -> str:
    """Return a short text of any JSON value, for errors."""
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def mapping(value: object, where: str) -> dict[str, Any]:
    """Return a JSON object; anything else, null included, is a `ResponseError`."""
    if not isinstance(value, dict):
        raise ResponseError(f"{where} must be an object, not {shown(value)}")
    return value


def sequence(value: object, where: str) -> list[Any]:
    """Return a JSON array; anything else, null included, is a `ResponseError`."""
    if not isinstance(value, list):
        raise ResponseError(f"{where} must be an array, not {shown(value)}")
    return value


def quantity(value: object, where: str, bits: int = 63) -> int:
    """Return a hexadecimal number below ``2**bits``."""
    digits = _digits(value, where, "a hexadecimal number")
    if not digits or len(digits) > 64:
        raise ResponseError(f"{where} must be a hexadecimal number, not {shown(value)}")
    number = int(digits, 16)
    if number >= 1 << bits:
        raise ResponseError(f"{where} must be below 2**{bits}, not {shown(value)}")
    return number


def octets(value: object, where: str, length: int | None = None) -> bytes:
    """Return a hexadecimal byte string, of exactly `length` bytes where that is given; case does not matter."""
    digits = _digits(value, where, "a hexadecimal byte string")
    if len(digits) % 2 or (length is not None and len(digits) != 2 * length):
        size = "whole bytes" if length is None else f"{length} bytes"
        raise ResponseError(f"{where} must be a hexadecimal string of {size}, not {shown(value)}")
    return bytes.fromhex(digits)


def word(value: object, where: str) -> bytes:
    """Return 32 bytes; shorter text is a number written short, as some clients write storage."""
    return quantity(value, where, 256).to_bytes(32, "big")


def _digits(value: object, where: str, what: str) -> str:
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise ResponseError(f"{where} must be {what}, not {shown(value)}")
    return value[2:]
