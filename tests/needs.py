"""What a test may need that a bare machine lacks: a package of the system, or published data."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

THOROUGH = bool(os.environ.get("CI") or os.environ.get("ROLLSTATE_THOROUGH"))
"""Whether tests may take their time: CI, or by variable."""
LEAST_EXAMPLES = 10


def examples(thorough: int) -> int:
    """Return how many examples a property is tried on: a quarter of those of a thorough run in a quick one."""
    return thorough if THOROUGH else max(LEAST_EXAMPLES, thorough // 4)


def thorough_after(count: int, cases: Iterable[Any]) -> list[Any]:
    """Return cases for a test of which a quick run takes the first ``count``; a case of many values is a tuple."""
    listed = list(cases)
    longer = (case if isinstance(case, tuple) else (case,) for case in listed[count:])
    return [*listed[:count], *(pytest.param(*case, marks=pytest.mark.thorough) for case in longer)]


def absent(what: str):
    """Skip with one sentence; fail in CI, where the absence would hide a break."""
    if os.environ.get("CI"):
        pytest.fail(f"in CI nothing may be absent: {what}")
    pytest.skip(what)


def data_folder() -> Path | None:
    """Return the local copy of the published data sets, named by ROLLSTATE_DATA."""
    folder = os.environ.get("ROLLSTATE_DATA")
    return Path(folder) if folder and Path(folder).is_dir() else None
