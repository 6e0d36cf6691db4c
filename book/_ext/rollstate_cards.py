"""Cards of the landing page: a question's answer, its evidence, what to do, and one small figure."""

from __future__ import annotations

from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from rollstate_results import picture, registry
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from rollstate.compendium.by_name import figure_function

EVIDENCE = {
    "measured": "measured on a chain",
    "measured-shape": "measured times, simulated pipeline",
    "searched": "contract executed, model searched",
    "exact": "exact counts, modelled bytes",
}
"""How strong a card's evidence is, by the name that the page gives it."""

PARTS = ("answer", "evidence", "advice", "links")


class AnswerCard(SphinxDirective):
    """Show one answer: its content has four paragraphs, the answer, the evidence, the advice and the links."""

    has_content = True
    option_spec: ClassVar = {
        "figure": directives.unchanged_required,
        "evidence": lambda said: directives.choice(said, tuple(EVIDENCE)),
    }

    def run(self) -> list[nodes.Node]:
        """Return the card; without a picture where this build's data cannot draw the figure."""
        if missing := {"figure", "evidence"} - self.options.keys():
            raise self.error(f"a card needs {', '.join(sorted(missing))}")
        words = nodes.container(classes=["rs-card-words"])
        self.state.nested_parse(self.content, self.content_offset, words)
        paragraphs = [child for child in words.children if isinstance(child, nodes.paragraph)]
        if len(paragraphs) != len(PARTS) or len(words.children) != len(PARTS):
            raise self.error(f"a card has {len(PARTS)} paragraphs, one each: {', '.join(PARTS)}")
        for part, paragraph in zip(PARTS, paragraphs, strict=True):
            paragraph["classes"].append(f"rs-card-{part}")
        kind = self.options["evidence"]
        badge = nodes.inline("", EVIDENCE[kind], classes=["rs-evidence", f"rs-evidence-{kind}"])
        paragraphs[1].insert(0, badge)
        paragraphs[1].insert(1, nodes.Text(" "))
        card = nodes.container("", words, classes=["rs-card"])
        ref = self.options["figure"]
        chapter, _, name = ref.partition("/")
        figure_function(chapter, name.replace("-", "_"))
        known = registry(self.env)
        if known.bundle(ref).is_dir():
            image = picture(self, ref)
            link = nodes.reference("", "", image, refuri=f"../f/{ref}/index.html", classes=["rs-thumb"])
            width = "page" if known.stamp(ref)["size_in"][0] > 5 else "column"
            card += nodes.container("", link, classes=["rs-card-figure", f"rs-card-{width}"])
        return [card]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_directive("answer-card", AnswerCard)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": False}
