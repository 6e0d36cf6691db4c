"""What a test may need that a bare machine lacks: a package of the system, or published data."""

import os
from pathlib import Path

import pytest


def absent(what: str):
    """Skip with one sentence; fail in CI, where the absence would hide a break."""
    if os.environ.get("CI"):
        pytest.fail(f"in CI nothing may be absent: {what}")
    pytest.skip(what)


def data_folder() -> Path | None:
    """Return the local copy of the published data sets, named by ROLLSTATE_DATA."""
    folder = os.environ.get("ROLLSTATE_DATA")
    return Path(folder) if folder and Path(folder).is_dir() else None
