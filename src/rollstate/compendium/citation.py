"""The citation of the whole work, read from CITATION.cff, of its chapters, its figures and its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import yaml

from rollstate.compendium.references import Reference
from rollstate.compendium.results import Result


def summary(root: Path) -> dict[str, str]:
    """Return author, title, year, date, version and URL, and DOI if there is one, as `CITATION.cff` states them."""
    cff = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    authors = " and ".join(
        f"{{{author['name']}}}" if "name" in author else f"{author['family-names']}, {author['given-names']}"
        for author in cff["authors"]
    )
    return {
        "author": authors,
        "title": cff["title"],
        "year": str(cff["date-released"])[:4],
        "date": str(cff["date-released"]),
        "url": cff["url"],
        "version": str(cff["version"]),
        **({"doi": cff["doi"]} if "doi" in cff else {}),
    }


def base_url(root: Path) -> str:
    """Return the address at which the book is published, ``html: baseurl`` of `_config.yml`; empty if none is set."""
    path = root / "_config.yml"
    config = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return str(config.get("html", {}).get("baseurl") or "").rstrip("/")


def repository(root: Path) -> str:
    """Return the address of the project's sources, as `CITATION.cff` states it."""
    return yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))["repository-code"]


def book(root: Path) -> Reference:
    """Return the reference to the book."""
    work = summary(root)
    return Reference("rollstate", work["title"], work, work["version"], "software", base=base_url(root))


def chapter(name: str, root: Path) -> Reference:
    """Return the reference to one chapter."""
    work = summary(root)
    return Reference(
        f"rollstate-{name.replace('_', '-')}",
        heading(root / "notebooks" / f"{name}.ipynb"),
        work,
        work["version"],
        "chapter",
        address=f"notebooks/{name}.html",
        base=base_url(root),
        note=f"Chapter of: {work['title']}",
        container=work["title"],
    )


def figure(name: str, stamp: Mapping[str, Any], content: str, base: str = "") -> Reference:
    """Return the reference to one figure: version, commit and content hash make it permanent.

    Parameters
    ----------
    name : str
        Name of the figure.
    stamp : mapping
        Its provenance.
    content : str
        SHA-256 of what it shows.
    base : str, optional
        Address of the published book.
    """
    work, where = stamp["citation"], stamp["chapter"]
    return Reference(
        f"rollstate-{where}-{name}",
        f"{work['title']}: figure {where}/{name}",
        work,
        stamp.get("published", {}).get("version", stamp["inputs"]["version"]),
        "graphic",
        address=f"f/{where}/{name}/",
        base=base,
        note=f"content SHA-256 {content[:16]}, {_commit(stamp['git'])}",
        container=work["title"],
    )


def published_figure(
    ref: str, content: str, work: Mapping[str, str], version: str, base: str = ""
) -> Reference:
    """Return the reference to a figure ``chapter/name`` as a release showed it."""
    chapter, _, name = ref.partition("/")
    unknown = {"commit": None, "dirty": None}
    stamp = {"chapter": chapter, "citation": work, "inputs": {"version": version}, "git": unknown}
    return figure(name, stamp, content, base)


def number(result: Result, work: Mapping[str, str], version: str, base: str = "") -> Reference:
    """Return the reference to one number of a version of the work."""
    interval = f", interval {result.interval_text()} ({result.interval_kind})" if result.interval else ""
    return Reference(
        f"rollstate-{result.key.replace('.', '-')}",
        f"{work['title']}: number {result.key}",
        work,
        result.published or version,
        "dataset",
        address=f"n/{result.key}/",
        base=base,
        note=f"{result.meaning}: {result.text()}{interval}; content SHA-256 {result.content[:16]}",
        container=work["title"],
    )


def _commit(git: Mapping[str, Any]) -> str:
    """Say which commit a bundle was made from, and whether the checkout held anything else."""
    if git["commit"] is None:
        return "commit unknown"
    return f"commit {git['commit'][:12]}" + (" with uncommitted changes" if git["dirty"] else "")


def heading(notebook: Path) -> str:
    """Return the title of a notebook, its first heading."""
    cells = nbformat.read(notebook, as_version=4).cells
    lines = (line for cell in cells if cell.cell_type == "markdown" for line in cell.source.splitlines())
    return next((line[2:].strip() for line in lines if line.startswith("# ")), notebook.stem)
