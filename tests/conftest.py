"""Fixtures every layer of the tests shares."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.needs import THOROUGH, absent, data_folder, examples

# A deadline is a timed test: compilation and a busy machine would fail it.
settings.register_profile(
    "rollstate",
    settings.get_profile("ci" if os.environ.get("CI") else "default"),
    deadline=None,
    max_examples=examples(100),
)
settings.load_profile("rollstate")

_LEFT_OUT = pytest.StashKey[list[str]]()
ROOT = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(config, items):
    """Leave out, as groups, the tests on published data where that data is not here, and those that take long."""
    groups = {
        "on published data": (
            "name its folder with ROLLSTATE_DATA, or run `make data`",
            [] if data_folder() else [item for item in items if _on_data(item)],
        ),
        "that take long": (
            "set ROLLSTATE_THOROUGH=1",
            [] if _thorough(config) else [item for item in items if item.get_closest_marker("thorough")],
        ),
    }
    left = {item for _, group in groups.values() for item in group}
    items[:] = [item for item in items if item not in left]
    config.hook.pytest_deselected(items=list(left))
    config.stash[_LEFT_OUT] = lines = [
        f"{len(group)} tests {which} were left out: {remedy}"
        for which, (remedy, group) in groups.items()
        if group
    ]
    if hasattr(config, "workeroutput"):
        config.workeroutput["left_out"] = lines


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """Take over what a worker of pytest-xdist left out: only the controller writes the summary."""
    node.config.stash[_LEFT_OUT] = getattr(node, "workeroutput", {}).get("left_out", [])


def _on_data(item):
    return bool(item.get_closest_marker("real_data")) or "data_dir" in item.fixturenames


def _thorough(config):
    """Long tests run where they are asked for: in CI, by variable, or by name."""
    return THOROUGH or "::" in "".join(config.args) or "thorough" in config.getoption("-m")


def pytest_terminal_summary(terminalreporter, config):
    """Say in a line for each group how many tests were left out, and what they need."""
    for line in config.stash.get(_LEFT_OUT, []):
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def root() -> Path:
    """Folder of the project."""
    return ROOT


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Local copy of the published data sets, named by ROLLSTATE_DATA."""
    folder = data_folder()
    return folder if folder is not None else absent("the published data sets, named by ROLLSTATE_DATA")
