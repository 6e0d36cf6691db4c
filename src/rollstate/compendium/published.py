"""Results of the last release in the place of those whose data is not here, marked as such wherever they are shown."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import nbformat

from rollstate.compendium import bundles, by_name, results
from rollstate.compendium.files import write_bytes, write_text
from rollstate.compendium.marks import MIME
from rollstate.compendium.releases import Release
from rollstate.errors import InputError


def needs(notebook: nbformat.NotebookNode) -> dict[str, set[str]]:
    """Return the ids of the cells tagged ``needs-<name>``, by the parameter that names the data set they need."""
    found: dict[str, set[str]] = {}
    for cell in notebook.cells:
        for tag in cell.metadata.get("tags", ()):
            if tag.startswith("needs-"):
                found.setdefault(tag.removeprefix("needs-").replace("-", "_"), set()).add(cell.id)
    return found


def without_trace(notebook: nbformat.NotebookNode) -> set[str]:
    """Return the ids of the cells tagged ``without-trace``, which show the same for every trace."""
    return {cell.id for cell in notebook.cells if "without-trace" in cell.metadata.get("tags", ())}


def fill(
    folder: Path,
    notebook: nbformat.NotebookNode,
    release: Release | None,
    context: Mapping[str, Any],
    *,
    missing: Collection[str],
    cells: Collection[str] | None,
    own_trace: bool = False,
) -> None:
    """Complete a run with what a release published.

    Parameters
    ----------
    folder : Path
        Folder of the run; what it recorded stays.
    notebook : NotebookNode
        The executed notebook, or the source where nothing was executed; it is written to ``executed.ipynb``.
    release : Release or None
        Where to take results from; None, or a run with other parameters than the published ones, leaves them absent.
    context : mapping
        What the run depends on, for the record of each figure.
    missing : collection of str
        Data sets that are not here.
    cells : collection of str or None
        Ids of the cells that were left out; None if nothing was executed.
    own_trace : bool
        Whether the trace is not the published one: of the release is then taken what does not rest on it alone.
    """
    chapter = context["chapter"]
    path = folder / "results.json"
    recorded = results.load(path) if path.exists() else {}
    published = {} if release is None else release.results
    if own_trace:
        cells = without_trace(notebook).intersection(cells or ())
    declared = by_name.result_class(chapter)
    for name, one in declared.declared().items():
        key = f"{chapter}.{name}"
        if key in recorded:
            continue
        holds = declared.without_trace(name) or not own_trace
        if release is not None and holds and key in published and published[key].value is not None:
            recorded[key] = dataclasses.replace(
                published[key], published=release.version, fmt=one.fmt, cell=0
            )
        else:
            recorded[key] = results.Result(
                key=key,
                value=None,
                unit=one.unit,
                interval=None,
                interval_kind="",
                meaning=one.meaning.format(**context["inputs"]["parameters"]),
                guard=one.guard,
                cell=0,
                source={"source": "model", "description": "nothing: the data is not here"},
                fmt=one.fmt,
                absent=f"it needs {', '.join(missing)}, which is not here"
                if missing
                else "it was not published",
            )
    results.save(list(recorded.values()), path)

    shown: dict[str, list[dict[str, str]]] = {}
    if release is not None:
        for ref, what in release.figures.items():
            if _wanted(ref, what, chapter, cells):
                name = ref.partition("/")[2]
                _draw(folder / "figures", name, release, what, context)
                shown.setdefault(what["cell_id"], []).append({"figure": name})
        for ref, what in release.tables.items():
            if _wanted(ref, what, chapter, cells):
                name = ref.partition("/")[2]
                write_bytes(folder / "tables" / f"{name}.csv", release.csv("tables", ref))
                note = f"{what['caption']} (Published in {release.version}, not computed here.)"
                write_text(folder / "tables" / f"{name}.txt", note + "\n")
                shown.setdefault(what["cell_id"], []).append({"table": name})
    _show(notebook, shown)
    write_text(folder / "executed.ipynb", nbformat.writes(notebook) + "\n")


def _wanted(ref: str, what: Mapping[str, Any], chapter: str, cells: Collection[str] | None) -> bool:
    """Return whether a figure or table is of this chapter and of a cell that was left out."""
    return ref.startswith(f"{chapter}/") and (cells is None or what["cell_id"] in cells)


def _draw(
    target: Path, name: str, release: Release, what: Mapping[str, Any], context: Mapping[str, Any]
) -> None:
    """Draw a published figure again from its data, with the function that draws it today."""
    csv = release.csv("figures", f"{context['chapter']}/{name}")
    draw = by_name.figure_function(context["chapter"], what["drawn"]["function"])
    try:
        drawing = draw(bundles.from_csv(csv), **what["drawn"]["facts"])
    except TypeError as error:
        raise InputError(
            f"figure {context['chapter']}/{name} of release {release.version} cannot be drawn by this version "
            f"({error}); make a new release from the real data"
        ) from error
    stamp = {
        **context,
        "cell": 0,
        "source": what["source"],
        "drawn": what["drawn"],
        "published": {"version": release.version, "content_sha256": what["content_sha256"]},
    }
    bundles.write_figure(target, name, drawing, csv, stamp)


def _show(notebook: nbformat.NotebookNode, shown: Mapping[str, list[dict[str, str]]]) -> None:
    """Put marks into the cells that show the figures and tables; what has no cell any more comes last."""
    known = {cell.id: cell for cell in notebook.cells if cell.cell_type == "code"}
    for cell_id, what in shown.items():
        cell = known.get(cell_id)
        if cell is None:
            cell = nbformat.v4.new_code_cell("", id=f"published-{cell_id}"[:64])
            notebook.cells.append(cell)
        cell.outputs = [
            nbformat.v4.new_output("display_data", data={MIME: mark}, metadata={}) for mark in what
        ]
