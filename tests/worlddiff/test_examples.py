"""The examples in the docstrings hold."""

import doctest
import importlib
import pkgutil

import pytest

from rollstate import worlddiff

MODULES = [f"{worlddiff.__name__}.{found.name}" for found in pkgutil.iter_modules(worlddiff.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples_hold(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples_where_a_reader_begins():
    tried = {
        name.rsplit(".", 1)[1] for name in MODULES if doctest.testmod(importlib.import_module(name)).attempted
    }
    assert {"world", "world_diff", "columnar", "storage_queries", "rollback", "interning", "layout"} <= tried
