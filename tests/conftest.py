"""Fixtures every layer of the tests shares."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.needs import absent, data_folder

# A deadline is a timed test: compilation and a busy machine would fail it.
settings.register_profile(
    "rollstate", settings.get_profile("ci" if os.environ.get("CI") else "default"), deadline=None
)
settings.load_profile("rollstate")

_LEFT_OUT = pytest.StashKey[int]()
ROOT = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(config, items):
    """Leave out, as one group, the tests on published data where that data is not here."""
    if data_folder() is not None:
        return
    on_data = [
        item for item in items if item.get_closest_marker("real_data") or "data_dir" in item.fixturenames
    ]
    items[:] = [item for item in items if item not in set(on_data)]
    config.hook.pytest_deselected(items=on_data)
    config.stash[_LEFT_OUT] = len(on_data)


def pytest_terminal_summary(terminalreporter, config):
    """Say in one line how many tests were left out, and what they need."""
    if count := config.stash.get(_LEFT_OUT, 0):
        terminalreporter.write_line(
            f"{count} tests on published data were left out: name its folder with ROLLSTATE_DATA, or run `make data`"
        )


@pytest.fixture(scope="session")
def root() -> Path:
    """Folder of the project."""
    return ROOT


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Local copy of the published data sets, named by ROLLSTATE_DATA."""
    folder = data_folder()
    return folder if folder is not None else absent("the published data sets, named by ROLLSTATE_DATA")
