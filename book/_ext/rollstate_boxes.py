"""The box of a figure: beside the picture its data as a table and, where a chapter says how, a chart to explore.

``{result-figure} chapter/name`` shows it. The page itself holds the static picture with its links. What scripts make
of it, tabs and an explorable chart (``book/_static/figures.js`` and ``explore.js``), starts from an inert template.
"""

from __future__ import annotations

import csv
import html
from typing import Any

from docutils import nodes
from rollstate_results import MOST_ROWS, ResultFigure, heading, plain_number, registry
from sphinx.application import Sphinx


class template(nodes.General, nodes.Element):
    """Inert HTML for scripts; not raw text, which the search would index with all its numbers."""


def visit_template(self: Any, node: template) -> None:
    """Write the template as it is."""
    self.body.append(node["html"])
    raise nodes.SkipNode


class FigureBox(ResultFigure):
    """Show one figure of the registry with all that belongs to it."""

    def run(self) -> list[nodes.Node]:
        """Return the figure; paper, which has no scripts, gets it without the template."""
        (figure,) = super().run()
        assert isinstance(figure, nodes.figure)
        if self.env.app.builder.name != "singlehtml":
            figure[-1] += template(html=self._template(self.arguments[0]))
        return [figure]

    def _template(self, ref: str) -> str:
        """Return the data of a figure as a table of its first rows, and the address of its chart."""
        known, up = registry(self.env), "../" * self.env.docname.count("/")
        chapter, _, name = ref.partition("/")
        with (known.bundle(ref) / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            head, *body = csv.reader(file)
        rows = "all rows" if len(body) <= MOST_ROWS else f"the first {MOST_ROWS} of {len(body):,} rows"
        file_link = f'<a href="{up}_static/figures/{chapter}/{name}/{name}.csv" download>CSV file</a>'
        heads = "".join(f'<th scope="col">{html.escape(heading(cell))}</th>' for cell in head)
        lines = "".join(
            f"<tr>{''.join(f'<td>{html.escape(plain_number(cell))}</td>' for cell in row)}</tr>"
            for row in body[:MOST_ROWS]
        )
        chart = known.folder.parent / "_public" / "explore" / chapter / f"{name}.js"
        explore = f' data-explore="{up}_static/explore/{ref}.js"' if chart.is_file() else ""
        return (
            f'<template class="rs-data" data-figure="{ref}"{explore}><p>The data that is drawn, {rows}; '
            f"the {file_link} has every digit.</p>"
            f'<table class="rs-table"><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table></template>'
        )


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_node(template, html=(visit_template, None))
    app.add_directive("result-figure", FigureBox)
    app.add_css_file("figures.css")
    for script in ("figures.js", "explore.js"):
        app.add_js_file(script, loading_method="defer")
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": False}
