"""Pages of the reference to the package, made from the docstrings as reStructuredText; nothing is imported for it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sphinx.ext.napoleon import Config, NumpyDocstring

from rollstate.compendium import interface
from rollstate.compendium.files import write_text
from rollstate.compendium.interface import ROOT, TOP, Module, Name

FOLDER = "api"
_INDEX = """The functions and classes behind the chapters, from their docstrings, with a link to the source of each. The
inventory ``objects.inv`` beside the start page lets another Sphinx project link by name to each function,
``:external+rollstate:py:func:`rollstate.tails.estimators.hill```, and to each number and figure,
``:external+rollstate:ref:`n/reuse.days``` and ``:external+rollstate:ref:`f/reuse/hot-set```."""
_NAPOLEON: Any = Config(napoleon_use_ivar=True, napoleon_use_rtype=False)


def write(folder: Path, callers: Mapping[str, list[str]]) -> list[str]:
    """Write one page for each subpackage into a staged book; return their names for the table of contents.

    Parameters
    ----------
    folder : Path
        The staged book.
    callers : mapping
        Full names that each chapter calls, as `interface.called` returns them.
    """
    pages = interface.pages()
    for page, modules in pages.items():
        chapters = [
            chapter
            for chapter, names in callers.items()
            if any(interface_page(name) == page for name in names)
        ]
        write_text(folder / FOLDER / f"{page}.rst", _page(page, modules, chapters))
    rows = "".join(
        f"- :doc:`{title(page)} <{page}>`: {_about(page, modules)}\n" for page, modules in pages.items()
    )
    write_text(folder / FOLDER / "index.rst", f"{_heading('API reference', '=')}{_INDEX}\n\n{rows}")
    return [f"{FOLDER}/{page}" for page in pages]


def interface_page(name: str) -> str:
    """Return the page on which a full name stands."""
    parts = name.split(".")
    return parts[1] if parts[1] in interface.pages() else TOP


def title(page: str) -> str:
    """Return the title of a page."""
    return "Modules beside the packages" if page == TOP else f"{ROOT}.{page}"


def _about(page: str, modules: list[Module]) -> str:
    """Return the first line of a package's docstring, or the names of the modules."""
    if page == TOP:
        return ", ".join(f"``{one.name}``" for one in modules) + "."
    return modules[0].doc.partition("\n")[0]


def _page(page: str, modules: list[Module], chapters: list[str]) -> str:
    out = [_heading(title(page), "=")]
    if chapters:
        out.append(
            "Chapters that call it: " + ", ".join(f":doc:`/notebooks/{name}`" for name in chapters) + ".\n\n"
        )
    for one in modules:
        if one.name != title(page):
            out.append(_heading(f"``{one.name}``", "-"))
        out.append(f".. py:module:: {one.name}\n\n{one.doc}\n\n")
        out += [_described(one.name, name, what) for name, what in one.names.items()]
    return "".join(out)


def _described(module: str, name: str, what: Name) -> str:
    """Return the directive that describes one name; a member stands under its class."""
    if what.kind in ("property", "data"):
        head = f".. py:{what.kind}:: {name}\n" + (f"   :type: {what.signature}\n" if what.signature else "")
    else:
        head = f".. py:{what.kind}:: {name}{what.signature}\n"
    return f"{head}   :module: {module}\n\n{textwrap.indent(markup(name, what), '   ')}\n\n"


def markup(name: str, what: Name) -> str:
    """Return a docstring as reStructuredText, its numpydoc sections as lists of fields."""
    return (
        what.doc
        if what.kind == "data"
        else str(NumpyDocstring(what.doc, _NAPOLEON, what=what.kind, name=name))
    )


def _heading(text: str, mark: str) -> str:
    return f"{text}\n{mark * len(text)}\n\n"
