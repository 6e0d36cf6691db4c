"""The form of the page "My rollup", ``{my-rollup}``: what `rollstate.compendium.my_rollup` asks and answers."""

from __future__ import annotations

from decimal import Decimal
from html import escape
from typing import Any

from docutils import nodes
from rollstate_results import raw
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from rollstate.compendium.my_rollup import TOPICS, Input, Output, Topic


class MyRollup(SphinxDirective):
    """Show the form; without scripts it says what it would do."""

    def run(self) -> list[nodes.Node]:
        """Return one section per topic."""
        # On paper nothing can be set: the form is left out, and so is its script.
        if self.env.app.builder.name == "singlehtml":
            return [nodes.paragraph("", "The form is on the page of this name in the book.")]
        up = "../" * self.env.docname.count("/")
        body = "\n".join(_topic(topic, up) for topic in TOPICS)
        return [
            raw(
                f'<form class="rs-rollup" autocomplete="off">{body}<p><button type="reset">Reset all</button></p>'
                "</form>"
                "<noscript><p>This page computes in your browser and needs scripts; "
                "the functions that it names give the same.</p></noscript>"
                f'<script src="{up}_static/my_rollup.js"></script>'
            )
        ]


def _topic(topic: Topic, up: str) -> str:
    asked = "".join(map(_input, topic.inputs))
    answered = "".join(map(_output, topic.outputs))
    return (
        f"<fieldset><legend>{escape(topic.title)}</legend><p>{escape(topic.about)} "
        f'<a href="{up}notebooks/{topic.chapter}.html">The chapter</a> says how we know.</p>'
        f'<div class="rs-asked">{asked}</div><dl>{answered}</dl></fieldset>'
    )


def _input(one: Input) -> str:
    unit = f" <small>{escape(one.unit)}</small>" if one.unit else ""
    step = "1" if one.whole else "any"
    return (
        f"<label><span>{escape(one.label)}{unit}</span>"
        f'<input type="number" inputmode="decimal" name="{one.name}" value="{_plain(one.start)}" '
        f'min="{_plain(one.low)}" max="{_plain(one.high)}" step="{step}">'
        '<span class="rs-wrong" role="status"></span></label>'
    )


def _plain(value: float) -> str:
    """Return a number as a form takes it, without noise of binary fractions."""
    if float(value).is_integer():
        return str(int(value))
    # Digits alone, without an exponent: the shortest that mean this value to twelve places.
    return format(Decimal(f"{value:.12g}"), "f")


def _output(one: Output) -> str:
    return (
        f'<dt>{escape(one.label)}</dt><dd><output name="{one.name}">\u2026</output> {escape(one.unit)} '
        f'<code title="the function behind it">{escape(one.source)}</code></dd>'
    )


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_directive("my-rollup", MyRollup)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": False}
