"""What deriving the set costs, as comparisons of keys: a count, the same on every machine."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any


def sort_comparisons(keys: Iterable[Any]) -> int:
    """Return how many comparisons a stable merge sort (Timsort) makes of these keys.

    The reference algorithm sorts every query by slot and time; the maps need their distinct slots sorted once.
    """
    count = 0

    def compare(a: Any, b: Any) -> int:
        nonlocal count
        count += 1
        return (a > b) - (a < b)

    sorted(keys, key=functools.cmp_to_key(compare))
    return count
