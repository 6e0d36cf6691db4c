"""Fixtures every layer of the tests shares."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# A deadline is a timed test: compilation and a busy machine would fail it.
settings.register_profile(
    "rollstate", settings.get_profile("ci" if os.environ.get("CI") else "default"), deadline=None
)
settings.load_profile("rollstate")

ROOT = Path(__file__).resolve().parents[1]


def _missing(what: str):
    """Skip where a reader simply lacks the data; fail in CI, where its absence would hide a break."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} must be present in CI")
    pytest.skip(what)


@pytest.fixture(scope="session")
def root() -> Path:
    """Folder of the project."""
    return ROOT


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Local copy of the published data sets, named by ROLLSTATE_DATA."""
    folder = os.environ.get("ROLLSTATE_DATA")
    if not folder or not Path(folder).is_dir():
        _missing("the published data sets: set ROLLSTATE_DATA to their folder, or run `make data`")
    return Path(folder)
