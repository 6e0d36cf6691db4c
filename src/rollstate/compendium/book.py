"""Make the book: stage executed notebooks, results and figures, let Jupyter Book render, swap it in."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

import nbformat

from rollstate.compendium import bundles, results
from rollstate.compendium.chapter import MIME
from rollstate.compendium.files import replaced_folder, sha256, write_text
from rollstate.compendium.runner import Plan
from rollstate.errors import RollstateError

_STAMP = "build.json"


class BookError(RollstateError):
    """The renderer failed or warned; the message holds what it said."""


def page(executed: nbformat.NotebookNode, chapter: str, cells: set[int]) -> nbformat.NotebookNode:
    """Return the notebook as the book shows it.

    Code is folded, marks left by `Chapter.figure` and `Chapter.table` become directives, cells that computed
    results get anchors, and everything that differs from run to run (times, kernels' versions) is dropped.
    """
    out = []
    for cell in executed.cells:
        tags = cell.metadata.get("tags", [])
        if "injected-parameters" in tags:
            continue
        if cell.cell_type != "code":
            cell.metadata = nbformat.NotebookNode()
            out.append(cell)
            continue
        cell.metadata = nbformat.NotebookNode(tags=[*tags, "hide-input"])
        marks = [output.data[MIME] for output in cell.outputs if MIME in output.get("data", {})]
        cell.outputs = [output for output in cell.outputs if MIME not in output.get("data", {})]
        if cell.execution_count in cells or marks:
            target = bundles.anchor("cell", chapter, cell.execution_count)
            out.append(_markdown(f"({target})=", f"anchor-{cell.id}"))
        out.append(cell)
        for number, mark in enumerate(marks):
            ((kind, name),) = mark.items()
            out.append(_markdown(f"```{{result-{kind}}} {chapter}/{name}\n```", f"{kind}-{cell.id}-{number}"))
    out.append(_markdown(f"```{{run-provenance}} {chapter}\n```", "run-provenance"))
    metadata = {"kernelspec": executed.metadata["kernelspec"], "language_info": {"name": "python"}}
    return nbformat.v4.new_notebook(cells=out, metadata=metadata)


def _markdown(source: str, cell_id: str) -> nbformat.NotebookNode:
    cell = nbformat.v4.new_markdown_cell(source)
    cell.id = cell_id[:64]
    return cell


def stage(works: Iterable[Plan], root: Path, folder: Path) -> None:
    """Put all that the renderer reads into `folder`: pages, configuration, registry, figures, scripts."""
    for name in ("_config.yml", "_toc.yml", "CHANGELOG.md"):
        shutil.copy(root / name, folder / name)
    shutil.copytree(root / "book", folder / "book", ignore=shutil.ignore_patterns("__pycache__", "_static"))
    # Not named _static: Jupyter Book would load every script in that folder on every page.
    shutil.copytree(root / "book" / "_static", folder / "_public")
    mathjax = Path(str(resources.files("sphinx-mathjax-offline"))) / "static" / "mathjax"
    fonts = Path("output") / "chtml" / "fonts" / "woff-v2"
    shutil.copytree(mathjax / fonts, folder / "_public" / "mathjax" / fonts)
    shutil.copy(mathjax / "tex-chtml.js", folder / "_public" / "mathjax" / "tex-chtml.js")

    registry: dict[str, results.Result] = {}
    for work in works:
        run = work.folder
        own = results.load(run / "results.json") if (run / "results.json").exists() else {}
        registry |= own
        executed = nbformat.read(run / "executed.ipynb", as_version=4)
        rendered = page(executed, work.chapter, {result.cell for result in own.values()})
        (folder / "notebooks").mkdir(exist_ok=True)
        write_text(folder / "notebooks" / f"{work.chapter}.ipynb", nbformat.writes(rendered) + "\n")
        target = folder / "_registry" / work.chapter
        target.mkdir(parents=True)
        shutil.copy(run / "run.json", target / "run.json")
        for part in ("figures", "tables"):
            if (run / part).is_dir():
                shutil.copytree(run / part, target / part)
        # Readers download bundles, so they lie among the static files too.
        if (run / "figures").is_dir():
            shutil.copytree(run / "figures", folder / "_public" / "figures" / work.chapter)
    results.save(list(registry.values()), folder / "_registry" / "results.json")
    shutil.copy(folder / "_registry" / "results.json", folder / "_public" / "results.json")


def build(works: list[Plan], root: Path, target: Path) -> bool:
    """Render the book into `target`; return False if it was already up to date.

    The renderer starts from nothing each time something changed: its own cache does not see imported code.

    Raises
    ------
    BookError
        On any warning of the renderer (unknown result, broken link, missing reference); the old book stays.
    """
    with tempfile.TemporaryDirectory(prefix="rollstate-book-") as temporary:
        source = Path(temporary) / "source"
        source.mkdir()
        stage(works, root, source)
        stamp = {"staged": sha256(source), "lock": sha256(root / "requirements.lock")}
        try:
            if json.loads((target / _STAMP).read_text(encoding="utf-8")) == stamp:
                return False
        except (OSError, ValueError):
            pass
        jupyter_book = Path(sys.executable).with_name("jupyter-book")
        command = [str(jupyter_book), "build", str(source), "--path-output", temporary]
        command += ["--warningiserror", "--nitpick", "--keep-going", "--quiet"]
        done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
        html = Path(temporary) / "_build" / "html"
        problems = _problems(done.stdout + done.stderr, source)
        if done.returncode != 0 or problems or not (html / "index.html").exists():
            raise BookError("the book does not build:\n" + (problems or (done.stdout + done.stderr)[-4000:]))
        _clean(html)
        with replaced_folder(target) as folder:
            shutil.copytree(html, folder, dirs_exist_ok=True)
            write_text(folder / _STAMP, json.dumps(stamp, indent=1) + "\n")
    return True


def _problems(output: str, source: Path) -> str:
    lines = [line for line in output.splitlines() if re.search(r"\b(WARNING|ERROR|CRITICAL)\b", line)]
    return "\n".join(line.replace(f"{source}/", "") for line in lines)


def _clean(html: Path) -> None:
    """Drop what a reader does not need, and what no page of an offline book may name."""
    for name in (".buildinfo", "objects.inv"):
        (html / name).unlink(missing_ok=True)
    for file in html.rglob("*.html"):
        text = file.read_text(encoding="utf-8")
        # An inert constant of a disabled feature; the book names no host that it does not link to.
        cleaned = re.sub(r"<script>\s*const THEBE_JS_URL[^<]*</script>", "", text)
        if cleaned != text:
            file.write_text(cleaned, encoding="utf-8")


def read_run(work: Plan) -> dict[str, Any]:
    """Return the provenance record of a finished run."""
    return json.loads((work.folder / "run.json").read_text(encoding="utf-8"))
