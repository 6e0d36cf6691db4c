"""Numbers and figures for a paper: escaped, named by key, and they compile."""

import os
import re
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
\usepackage{hyperref}
\begin{document}
\section{Seed \rsnum{traces.slots}}
The seed is \rsnum{traces.slots}\cite{rollstate-traces-line}, \rsnum[.0%]{traces.slots} or \rsnum[,.0f]{traces.slots}.
\footnote{It is \rsnum[.1\%]{traces.slots}.}
\begin{figure}\caption{Of \rsnum[.1\%]{traces.slots} and \rsnum{traces.slots}.}\end{figure}
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
    assert r"\csname rs@traces.slots@\endcsname{47}" in (exported / "numbers.tex").read_text()
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

    right = tex(PAPER)
    assert right.returncode == 0, right.stdout[-2000:]
    wrong = {
        ("traces.slots}", "traces.slot}"): "no result traces.slot",
        ("[.0%]{traces.slots}", "[.7f]{traces.slots}"): "no format .7f of traces.slots",
        ("[.0%]{traces.slots}", "[.0]{traces.slots}"): "no format .0 of traces.slots",
        (r"\rsnum{traces.slots}", r"\rsinterval{traces.slots}"): "no interval of traces.slots",
    }
    for change, said in wrong.items():
        assert change[0] in PAPER
        failed = tex(PAPER.replace(*change))
        assert failed.returncode != 0
        assert said in failed.stdout


@pytest.mark.thorough
def test_a_format_is_the_one_of_python(exported):
    """What the paper shows is what TeX typeset: read from the boxes of the log."""
    compiler = shutil.which("pdflatex")
    if not compiler:
        absent("pdflatex is not installed: apt-get install texlive-latex-recommended")
    asked = {
        r"\rsnum{traces.slots}": "47",
        r"\rsnum[.1f]{traces.slots}": "47.0",
        r"\rsnum[.0%]{traces.slots}": "4700%",
        r"\rsnum[.0\%]{traces.slots}": "4700%",
        r"\mbox{\rsnum[.0\%]{traces.slots}}": "4700%",
        r"\rsnum[.2e]{traces.slots}": "4.70",
    }
    lines = "".join(rf"\setbox0\hbox{{}}\setbox0=\hbox\bgroup {one}\egroup\showbox0" + "\n" for one in asked)
    latex.export(snapshots.read(exported.parent / "run"), exported.parent, exported, [".2e"])
    (exported.parent / "boxes.tex").write_text(
        "\\documentclass{article}\n\\input{generated/numbers}\n\\showboxbreadth=99 \\showboxdepth=9\n"
        f"\\begin{{document}}\n{lines}\\end{{document}}\n"
    )
    subprocess.run([compiler, "-interaction=batchmode", "boxes.tex"], cwd=exported.parent, check=False,
                   capture_output=True)  # fmt: skip
    log = (exported.parent / "boxes.log").read_text(errors="replace")
    shown = ["".join(re.findall(r"\\OT1/\S+ (\S)\n", part)) for part in log.split("> \\box0=")[1:]]
    assert len(shown) == len(asked)
    for (source, said), seen in zip(asked.items(), shown, strict=True):
        assert seen.startswith(said), source


@pytest.mark.thorough
def test_a_format_that_suits_no_number_is_refused(exported):
    with pytest.raises(InputError, match=r"'\.2q'"):
        latex.macros(snapshots.read(exported.parent / "run"), [".2q"])


def test_the_example_paper_quotes_only_what_the_book_has(root):
    text = (root / "docs" / "paper" / "paper.tex").read_text()
    run = root / "_build" / "runs"
    if not run.is_dir():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("the book is not built: run `make book` first")
    snapshot = snapshots.read(run)
    numbers = re.findall(r"\\rs(?:num|interval)(?:\[[^\]]*\])?\{([^}]+)\}", text)
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
