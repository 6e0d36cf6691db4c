"""What the page "My rollup" asks and answers is whole: every name, default and function is there."""

import importlib
import re

import pytest

from rollstate.compendium import my_rollup

DEFAULTS = {one.name: one.start for one in my_rollup.inputs()}


def test_names_are_unique_and_defaults_are_allowed():
    names = [one.name for one in [*my_rollup.inputs(), *my_rollup.outputs()]]
    assert len(names) == len(set(names))
    for one in my_rollup.inputs():
        assert one.low <= one.start <= one.high, one.name
        assert not one.whole or float(one.start).is_integer(), one.name


def test_every_answer_names_a_function_of_the_package():
    for one in my_rollup.outputs():
        module, _, name = f"rollstate.{one.source}".rpartition(".")
        assert callable(getattr(importlib.import_module(module), name)), one.source


def test_the_browser_computes_the_same_list_of_answers(root):
    script = (root / "book" / "_static" / "my_rollup.js").read_text(encoding="utf-8")
    body = script.split("const formulas = {")[1].split("\n  };")[0]
    named = re.findall(r"^    (\w+):", body, re.MULTILINE)
    assert named == [one.name for one in my_rollup.outputs()]


@pytest.mark.parametrize("name", [one.name for one in my_rollup.inputs()])
def test_every_input_changes_an_answer(name):
    one = next(one for one in my_rollup.inputs() if one.name == name)
    before = my_rollup.answers(DEFAULTS)
    changed = [my_rollup.answers({**DEFAULTS, name: value}) for value in (one.low, one.high)]
    assert any(answers != before for answers in changed)


def test_published_values_come_out_of_the_defaults():
    found = my_rollup.answers(DEFAULTS)
    # The chapter's numbers: 10 + 120 + ... of the article's example, and the break-evens of list prices.
    assert found["delay_worst"] == 4 * 10 + 120 + 12 + 12
    assert found["min_provers"] == 13
    assert found["ssd_window_h"] == pytest.approx(36.953158811804784)


def test_what_cannot_keep_up_has_no_answer():
    found = my_rollup.answers({**DEFAULTS, "provers": 2})
    assert found["delay_mean"] is None
    assert found["wait"] is None
    assert found["backlog"] > 0
