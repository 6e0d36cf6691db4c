"""A project of one small notebook, for the runner and the command line."""

import shutil
from pathlib import Path

import nbformat
import pytest

from rollstate.compendium import provenance

SETUP = """from rollstate.compendium.chapter import Chapter

chapter = Chapter("traces", globals())"""
TAKE = "p = chapter.parameters()"
RECORD = """from rollstate.chapters.traces.results import TracesResults
from rollstate.compendium.stamps import Model

chapter.source(Model("a toy of the tests"))
chapter.record(slots=p.seed)
others = [name for name in TracesResults.declared() if name != "slots"]
chapter.absent("This toy of the tests has no trace.", *others)"""
DRAW = """import polars as pl

from rollstate.compendium import style

def line(frame, *, colour):
    figure, ax = style.subplots()
    ax.plot(frame["y"], color=colour)
    return style.Drawing(figure, "A line through three points.", "A line that rises to three.")

chapter.figure(line, pl.DataFrame({"y": [1, 2, 3]}), colour="black")"""


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
