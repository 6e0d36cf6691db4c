"""The examples in docstrings run as part of the tests; only modules that have some are imported."""

import doctest
import importlib
from pathlib import Path

import pytest

import rollstate

FOLDER = Path(rollstate.__file__).parent
MODULES = sorted(path for path in FOLDER.rglob("*.py") if ">>> " in path.read_text(encoding="utf-8"))


def module_of(path):
    parts = path.relative_to(FOLDER.parent).with_suffix("").parts
    return importlib.import_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_the_examples_of_a_module_hold(path):
    found = doctest.testmod(module_of(path), optionflags=doctest.ELLIPSIS)
    assert found.attempted, "the examples belong to private or unreachable docstrings"
    assert not found.failed, f"{found.failed} of {found.attempted} examples fail; see above"


def test_at_least_thirty_public_docstrings_carry_examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    names = {
        test.name
        for path in MODULES
        for test in finder.find(module_of(path))
        if test.examples and "._" not in test.name
    }
    assert len(names) >= 30, f"{len(names)} public docstrings carry examples"
