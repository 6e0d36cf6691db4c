"""The citation of the whole work, read from CITATION.cff, and of its chapters."""

from __future__ import annotations

from pathlib import Path

import nbformat
import yaml


def summary(root: Path) -> dict[str, str]:
    """Return author, title, year, version and URL as `CITATION.cff` states them."""
    cff = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    authors = " and ".join(
        f"{{{author['name']}}}" if "name" in author else f"{author['family-names']}, {author['given-names']}"
        for author in cff["authors"]
    )
    return {
        "author": authors,
        "title": cff["title"],
        "year": str(cff["date-released"])[:4],
        "url": cff["url"],
        "version": str(cff["version"]),
    }


def book(root: Path) -> str:
    """Return the BibTeX entry of the book."""
    cited = summary(root)
    return _entry("rollstate", f"{{{{{cited['title']}}}}}", cited)


def chapter(name: str, root: Path) -> str:
    """Return the BibTeX entry of one chapter."""
    cited = summary(root)
    title = f"{{{{{heading(root / 'notebooks' / f'{name}.ipynb')}}}}}"
    return _entry(
        f"rollstate-{name.replace('_', '-')}",
        title,
        cited,
        f"  note         = {{Chapter of: {cited['title']}}},\n",
    )


def heading(notebook: Path) -> str:
    """Return the title of a notebook, its first heading."""
    cells = nbformat.read(notebook, as_version=4).cells
    lines = (line for cell in cells if cell.cell_type == "markdown" for line in cell.source.splitlines())
    return next((line[2:].strip() for line in lines if line.startswith("# ")), notebook.stem)


def _entry(key: str, title: str, cited: dict[str, str], note: str = "") -> str:
    return (
        f"@misc{{{key},\n"
        f"  author       = {{{cited['author']}}},\n"
        f"  title        = {title},\n"
        f"  year         = {{{cited['year']}}},\n"
        f"  version      = {{{cited['version']}}},\n"
        f"{note}"
        f"  howpublished = {{{cited['url']}}},\n"
        "}\n"
    )
