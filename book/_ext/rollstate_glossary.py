"""The first use of a glossary term on a page is a link to its entry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

from rollstate.compendium import glossary

_LEFT_ALONE = (
    nodes.reference, nodes.title, nodes.literal, nodes.literal_block, nodes.raw, nodes.math, nodes.math_block,
    nodes.table, nodes.caption, nodes.figure, addnodes.pending_xref, nodes.field_list, nodes.comment,
)  # fmt: skip


def link_terms(app: Sphinx, doctree: nodes.document) -> None:
    """Replace the first use of each term in the running text of a page by a link."""
    page = app.env.docname
    if page.split("/")[-1] in ("glossary", "references", "CHANGELOG") or page.startswith(
        ("book/parameters/", "api/")
    ):
        return
    # Longer terms first, so that "block access list" is not taken for "access".
    waiting = sorted(glossary.terms(Path(app.srcdir)), key=len, reverse=True)
    entries = glossary.terms(Path(app.srcdir))
    done: set[str] = set()
    for text in [node for node in doctree.findall(nodes.Text) if _is_prose(node)]:
        parts: list[nodes.Node | str] = [str(text)]
        for term in waiting:
            if entries[term] in done:
                continue
            for place, part in enumerate(parts):
                found = glossary.pattern(term).search(part) if isinstance(part, str) else None
                if found is None:
                    continue
                link = addnodes.pending_xref(
                    "", nodes.inline("", found[0], classes=["xref", "std", "std-term"]), refdomain="std",
                    reftype="term", reftarget=term, refexplicit=True, refwarn=True, refdoc=page,
                )  # fmt: skip
                parts[place : place + 1] = [part[: found.start()], link, part[found.end() :]]
                done.add(entries[term])
                break
        if len(parts) > 1:
            new = [nodes.Text(part) if isinstance(part, str) else part for part in parts if part != ""]
            text.parent.replace(text, new)


def _is_prose(node: nodes.Text) -> bool:
    """Return whether a text stands in a paragraph and in nothing that is a link, a heading, code or a picture's."""
    parent, inside = node.parent, False
    while parent is not None:
        if isinstance(parent, _LEFT_ALONE):
            return False
        inside |= isinstance(parent, nodes.paragraph)
        parent = parent.parent
    return inside


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("doctree-read", link_terms)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": False}
