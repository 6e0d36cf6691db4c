"""Sphinx side of the reference to the package: links to sources, and the functions that a chapter calls.

Directive
    ``{functions-called} chapter``
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

import rollstate
from rollstate.compendium import interface
from rollstate.compendium.interface_pages import FOLDER


def staged(env: BuildEnvironment) -> dict[str, Any]:
    """Return what was staged for the reference: the repository's address, and what each chapter calls."""
    return json.loads((Path(env.srcdir) / "_registry" / "interface.json").read_text(encoding="utf-8"))


def source_address(name: str, repository: str) -> str:
    """Return where the source of a full name is published; empty if the source does not define it."""
    found = interface.where(name)
    if found is None:
        return ""
    file, (first, last) = found
    return f"{repository}/blob/v{rollstate.__version__}/src/{interface.ROOT}/{file}#L{first}-L{last}"


def link_sources(app: Sphinx, doctree: nodes.document) -> None:
    """Put a link to its source behind each signature."""
    repository = staged(app.env)["repository"]
    for signature in doctree.findall(addnodes.desc_signature):
        if "fullname" not in signature or app.builder.format != "html":
            continue
        address = source_address(f"{signature['module']}.{signature['fullname']}", repository)
        if address:
            label = nodes.inline("", "source", classes=["rs-source"])
            signature += nodes.reference("", "", label, internal=False, refuri=address)


def link_names(app: Sphinx, doctree: nodes.document) -> None:
    """Let each name in the reference lead to what its module means by it, not to another of the same name."""
    if not app.env.docname.startswith(f"{FOLDER}/"):
        return
    for link in list(doctree.findall(addnodes.pending_xref)):
        if link.get("refdomain") != "py":
            continue
        inside, in_class = link.get("py:module") or "", link.get("py:class") or ""
        types = link["reftype"] == "class"
        full = interface.shown_name(link["reftarget"], inside, in_class, types=types)
        if full:
            link["reftype"], link["reftarget"], link["refspecific"] = "obj", full, False
            link["refwarn"] = True
        else:
            link.replace_self(link.children)


class FunctionsCalled(SphinxDirective):
    """List the functions that a chapter calls, by module: those of the science link to the reference."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return a folded list; on paper, which has no reference, nothing."""
        if self.env.app.builder.name == "singlehtml":
            return []
        names = staged(self.env)["called"][self.arguments[0]]
        by_module: dict[str, list[str]] = {}
        for name in names:
            by_module.setdefault(name.rpartition(".")[0], []).append(name)
        rows = nodes.bullet_list()
        for module, found in by_module.items():
            line = nodes.paragraph("", "", nodes.literal("", module), nodes.Text(": "))
            for place, name in enumerate(found):
                line += nodes.Text(", ") if place else nodes.Text("")
                line += self._link(name)
            rows += nodes.list_item("", line)
        head = f"<details class='rs-provenance'><summary>Functions of this chapter ({len(names)})</summary>"
        return [nodes.raw("", head, format="html"), rows, nodes.raw("", "</details>", format="html")]

    def _link(self, name: str) -> nodes.Node:
        text = nodes.literal("", name.rpartition(".")[2])
        if name.startswith(f"{interface.ROOT}.chapters."):
            address = source_address(name, staged(self.env)["repository"])
            return nodes.reference("", "", text, internal=False, refuri=address)
        return addnodes.pending_xref(
            "", text, refdomain="py", reftype="obj", reftarget=name, refexplicit=True, refwarn=True,
            refdoc=self.env.docname,
        )  # fmt: skip


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_directive("functions-called", FunctionsCalled)
    app.connect("doctree-read", link_sources)
    app.connect("doctree-read", link_names)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": False}
