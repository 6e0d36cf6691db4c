"""Numbers and figures for a paper: escaped, named by key, and they compile."""

import os
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.needs import absent

from rollstate.compendium import latex, runner, snapshots
from rollstate.errors import InputError

PAPER = r"""\documentclass{article}
\usepackage{graphicx}
\input{generated/numbers}
\begin{document}
The seed is \rsnum{traces.slots}\cite{rollstate-traces-line}.
\includegraphics{generated/figures/traces-line}
\bibliographystyle{plain}\bibliography{generated/rollstate}
\end{document}
"""


@pytest.fixture
def exported(project):
    work = runner.plan("traces", {"trace": "sample", "seed": 47}, project.root, out=project.root / "run")
    runner.run(work, project.root)
    target = project.root / "generated"
    latex.export(snapshots.read(work.folder), project.root, target)
    return target


def test_every_number_figure_and_entry_is_there(exported):
    assert r"\csname rs@traces.slots\endcsname{47}" in (exported / "numbers.tex").read_text()
    assert (exported / "figures" / "traces-line.pdf").read_bytes().startswith(b"%PDF")
    entries = (exported / "rollstate.bib").read_text()
    for key in ("@misc{rollstate,", "@misc{rollstate-traces,", "@misc{rollstate-traces-line,"):
        assert key in entries


@pytest.mark.thorough
def test_a_paper_compiles_and_a_misquoted_number_does_not(exported):
    compiler = shutil.which("pdflatex")
    if not compiler:
        absent("pdflatex is not installed: apt-get install texlive-latex-recommended")

    def tex(text):
        (exported.parent / "paper.tex").write_text(text)
        return subprocess.run(
            [compiler, "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
            cwd=exported.parent, capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert tex(PAPER).returncode == 0
    wrong = tex(PAPER.replace("traces.slots", "traces.slot"))
    assert wrong.returncode != 0
    assert "no result traces.slot" in wrong.stdout


def test_the_example_paper_quotes_only_what_the_book_has(root):
    import re

    text = (root / "docs" / "paper" / "paper.tex").read_text()
    run = root / "_build" / "runs"
    if not run.is_dir():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("the book is not built: run `make book` first")
    snapshot = snapshots.read(run)
    numbers = re.findall(r"\\rs(?:num|interval)\{([^}]+)\}", text)
    assert len(set(numbers)) >= 5
    assert set(numbers) <= snapshot.results.keys()
    figures = re.findall(r"generated/figures/([\w-]+)\}", text)
    assert len(figures) == 3
    assert set(figures) <= {ref.replace("/", "-") for ref in snapshot.figures}


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"])))
def test_any_ascii_text_is_escaped(text):
    escaped = latex.escaped(text)
    for character in "%&#_$":
        assert escaped.count(character) == escaped.count("\\" + character)


def test_a_character_without_a_form_is_named():
    with pytest.raises(InputError, match="☃"):
        latex.escaped("a ☃")
