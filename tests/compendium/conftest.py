"""A project of one small notebook, for the runner and the command line."""

import shutil
from pathlib import Path

import nbformat
import pytest

from rollstate.compendium import provenance

SETUP = """from rollstate.compendium.chapter import Chapter
from rollstate.chapters.traces.parameters import Traces

chapter = Chapter(Traces, globals())"""
TAKE = "p = chapter.parameters()"
RECORD = """from rollstate.compendium.provenance import Model

chapter.source(Model("a toy of the tests"))
chapter.record("seed", p.seed, meaning="the seed", guard="tests/test_x.py::test_y")"""
DRAW = """import pandas as pd

from rollstate.compendium import style

fig, ax = style.subplots()
ax.plot([1, 2, 3])
chapter.figure("line", fig, data=pd.DataFrame({"y": [1, 2, 3]}),
               caption="A line through three points.", alt="A line that rises to three.")"""


class Project:
    """A folder that looks like the project, with a notebook whose cells a test can change."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.notebook = root / "notebooks" / "traces.ipynb"

    def write(self, *cells: str) -> None:
        """Write the notebook from its code cells; the first is tagged ``parameters``."""
        book = nbformat.v4.new_notebook(
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        )
        for number, source in enumerate(cells):
            cell = nbformat.v4.new_code_cell(source, id=f"cell-{number}")
            cell.metadata["tags"] = ["parameters"] if number == 0 else []
            book.cells.append(cell)
        nbformat.write(book, self.notebook)


@pytest.fixture
def project(tmp_path, root, monkeypatch):
    """Yield a small project; the package finds it as its root."""
    (tmp_path / "notebooks").mkdir()
    for name in ("CITATION.cff", "requirements.lock"):
        shutil.copy(root / name, tmp_path / name)
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: book/index\nchapters:\n  - file: notebooks/traces\n"
    )
    monkeypatch.setenv("ROLLSTATE_ROOT", str(tmp_path))
    provenance.project_root.cache_clear()
    made = Project(tmp_path)
    made.write(SETUP, TAKE, RECORD, DRAW)
    yield made
    provenance.project_root.cache_clear()
