"""A result typed into prose is found; what is not a result is left alone."""

from pathlib import Path

import nbformat
import pytest

from rollstate.compendium.declared import Results, result
from rollstate.compendium.lint import lint_prose, long_code, missing_guards, typed_numbers


@pytest.mark.parametrize(
    "text",
    [
        "The share is 73.1 % of all slots.",
        "It took 12 s.",
        "A speed-up of 5x was seen.",
        "There were 60,179 events.",
        "between 3 and four",
        "- item with 0.5 in it",
        "| cell | 42 |",
        "```{note}\nIt took 12 s.\n```",
        "```{data-banner}\n```\n\nIt took 12 s and `x`.",
    ],
)
def test_typed_result_is_found(text):
    assert list(typed_numbers(text, Path("page.md")))


@pytest.mark.parametrize(
    "text",
    [
        "The share is {num}`traces.share|.1%`.",
        "Blocks come every {lit}`12 s`.",
        "EIP-7928, ERC-20, SHA-256 and Python3 are names.",
        "`x = 3` and $x = 3$ and\n\n```python\ny = 4\n```\n",
        "$$\nx = 17\n$$",
        "Hill (1975) and {cite}`hill1975`.",
        "1. first\n2. second",
        "[text](https://example.org/a/123)",
        "(fig-3)=\n# Title",
        ":::{figure} x.png\n:width: 300\n:::",
        "<!-- 12 -->",
        "```{data-banner}\n```\n\nIntervals are {lit}`95 %` and `x`.",
        "~~~\n12\n~~~",
        "````{note}\n```python\nx = 3\n```\n````",
    ],
)
def test_what_is_no_typed_result_is_left_alone(text):
    assert not list(typed_numbers(text, Path("page.md")))


def test_line_is_named():
    (finding,) = typed_numbers("one\n\nis 7 here", Path("page.md"))
    assert (finding.line, finding.text) == (3, "7")
    assert "page.md:3" in str(finding)


def test_prose_of_this_book_holds_no_typed_result(root):
    assert [str(finding) for finding in lint_prose(root)] == []


def test_guard_that_does_not_exist_is_named(tmp_path):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").write_text("def test_there():\n    pass\n")

    class ToyResults(Results):
        """Two numbers."""

        there: int = result("a number", guard="tests/test_a.py::test_there")
        gone: int = result("a number", guard="tests/test_a.py::test_gone")

    (line,) = missing_guards(ToyResults.guards(), tmp_path)
    assert "toy.gone" in line


def test_long_cells_and_notebooks_are_named(tmp_path):
    (tmp_path / "notebooks").mkdir()
    cells = [nbformat.v4.new_code_cell("\n".join(["x = 1"] * count)) for count in (12, 13, 100)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "notebooks" / "toy.ipynb")
    lines = long_code(tmp_path)
    assert ["toy#1" in lines[0], "toy#2" in lines[1], "125 lines" in lines[2], len(lines)] == [True] * 3 + [3]


def test_notebooks_of_this_book_are_thin(root):
    assert long_code(root) == []
