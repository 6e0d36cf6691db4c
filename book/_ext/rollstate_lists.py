"""Directives that list: figures, numbers, what was cited before, parameters, gates, citations, changes.

``{figure-list}``, ``{number-list}``, ``{tombstones} figures`` or ``numbers``, ``{parameter-list}``,
``{parameter-table} chapter``, ``{gate-list}``, ``{citation-list}``, ``{release-changes}``.
"""

from __future__ import annotations

import html
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from rollstate_results import number, picture, raw, registry, table
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from rollstate.compendium import addresses, comparison, histories, releases, snapshots
from rollstate.compendium.bundles import anchor
from rollstate.compendium.by_name import parameter_class


def permalink(content: str) -> str:
    """Return an anchor named by content: the same address as long as a figure or number says the same."""
    name = f"sha256-{content[:16]}"
    return f'<a id="{name}" href="#{name}" class="rs-permalink"><code>{content[:16]}</code></a>'


class FigureList(SphinxDirective):
    """List every figure: picture, number, caption, anchor, and its own page with data, releases and citation."""

    def run(self) -> list[nodes.Node]:
        """Return one block per figure, in a list that can be filtered."""
        known = registry(self.env)
        up = "../" * self.env.docname.count("/")
        out = nodes.container(classes=["rs-list"])
        for ref in known.figures():
            chapter, _, name = ref.partition("/")
            stamp = known.stamp(ref)
            target = anchor("fig", chapter, name)
            image = picture(self, ref)
            thumb = nodes.reference("", "", image, refuri=f"{up}f/{ref}/index.html", classes=["rs-thumb"])
            link = addnodes.pending_xref(
                "", refdomain="std", reftype="numref", reftarget=target, refexplicit=False, refwarn=True
            )
            link["refdoc"] = self.env.docname
            link += nodes.inline("", target, classes=["std", "std-numref"])
            base = f"{up}_static/figures/{chapter}/{name}"
            files = " ".join(
                f'<a href="{base}/{name}.{kind}" download>{kind.upper()}</a>'
                for kind in ("pdf", "svg", "png", "csv", "zip")
            )
            links = raw(
                f'<div class="rs-figure-links"><a href="{up}f/{ref}/index.html">data, releases, citation</a>{files}'
                f'<a href="{base}/provenance.json">provenance</a><span>anchor <code>{target}</code></span>'
                f"<span>content {permalink(stamp['content_sha256'])}</span></div>"
            )
            words = nodes.container(
                "", nodes.paragraph("", "", link, nodes.Text(f". {known.text(ref, 'caption.txt')}")), links
            )
            out += nodes.container("", nodes.container("", thumb), words, classes=["rs-figure-item"])
        return [out]


class NumberList(SphinxDirective):
    """List every registered result."""

    def run(self) -> list[nodes.Node]:
        """Return one table per chapter, in a list that can be filtered."""
        known = registry(self.env)
        out = nodes.container(classes=["rs-list"])
        for chapter in known.runs:
            rows = [
                [
                    [self._page(result.key)],
                    [number("", result.text(), key=result.key, interval=result.interval_text())]
                    if result.value is not None
                    else "not available",
                    result.interval_text()
                    or ("exact for its data" if result.value is not None else result.absent),
                    result.meaning,
                    [raw(permalink(result.content))],
                ]
                for result in known.results.values()
                if result.key.startswith(f"{chapter}.")
            ]
            if rows:
                head = ["key", "value", "interval", "meaning", "content"]
                out += table(head, rows, f"Results of {chapter}")
        return [out]

    def _page(self, key: str) -> nodes.reference:
        up = "../" * self.env.docname.count("/")
        return nodes.reference("", "", nodes.literal("", key), refuri=f"{up}n/{key}/index.html")


class Tombstones(SphinxDirective):
    """List what was cited by content and is no longer what this build shows, each with the anchor it was cited by."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return a folded list, which a link to one of its anchors unfolds."""
        kind = directives.choice(self.arguments[0], ("numbers", "figures"))
        known = registry(self.env)
        said = addresses.past(known.folder, releases.every(known.folder / "releases"))
        up, letter = "../" * self.env.docname.count("/"), kind[0]
        rows = histories.superseded(said.numbers if kind == "numbers" else said.figures)
        if not rows:
            return [nodes.paragraph("", f"All {kind} that were ever published are current.")]
        items = "".join(
            f'<li id="sha256-{content[:16]}"><code>{content[:16]}</code> {html.escape(address)}, release {version}: '
            f'{html.escape(state)}; <a href="{up}{letter}/{address}/index.html">then and now</a></li>'
            for content, address, version, state in rows
        )
        return [
            raw(
                f'<details class="rs-tombstones"><summary>{len(rows)} {kind} cited by content before</summary>'
                f"<ul>{items}</ul></details>"
            )
        ]


class ParameterList(SphinxDirective):
    """List the pages of parameters, one per chapter."""

    def run(self) -> list[nodes.Node]:
        """Return a list of links."""
        out = nodes.bullet_list()
        for chapter in registry(self.env).runs:
            link = addnodes.pending_xref(
                "", refdomain="std", reftype="doc", reftarget=f"/book/parameters/{chapter}", refexplicit=True
            )
            link["refdoc"] = self.env.docname
            link += nodes.inline("", chapter)
            about = (parameter_class(chapter).__doc__ or "").splitlines()[0]
            out += nodes.list_item("", nodes.paragraph("", "", link, nodes.Text(f": {about}")))
        return [out]


class ParameterTable(SphinxDirective):
    """Show the parameters of one chapter, and the command that sets them."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the table and the commands."""
        chapter = self.arguments[0]
        cls = parameter_class(chapter)
        rows = [
            [[nodes.literal("", row["name"])], row["default"], row["unit"], row["range"], row["meaning"]]
            for row in cls.describe()
        ]
        head = ["parameter", "default", "unit", "range", "meaning"]
        commands = [f"rollstate run {chapter} -p {name} VALUE" for name in cls.names()[:1]]
        commands.append(f"papermill notebooks/{chapter}.ipynb out.ipynb -p {cls.names()[0]} VALUE")
        return [table(head, rows), nodes.literal_block("", "\n".join(commands), language="bash")]


class GateList(SphinxDirective):
    """Show the gates: what a headline number must be, how far off it may be, why, and how it stands."""

    def run(self) -> list[nodes.Node]:
        """Return one table."""
        rows = []
        for verdict in registry(self.env).verdicts():
            mark = {"green": "\u2713 holds", "red": "\u2717 fails", "not judged": "not judged"}[verdict.state]
            state = nodes.inline(
                "", f"{mark}: {verdict.why}", classes=[f"rs-{verdict.state.replace(' ', '-')}"]
            )
            rows.append([[nodes.literal("", verdict.key)], [state], verdict.gate.reason])
        if not rows:
            return [nodes.paragraph("", "This project sets no gates.")]
        return [table(["number", "this build", "why this tolerance"], rows)]


class CitationList(SphinxDirective):
    """Show the BibTeX entries of the book and of its chapters."""

    def run(self) -> list[nodes.Node]:
        """Return one literal block per entry."""
        return [
            nodes.literal_block("", entry, language="bibtex")
            for entry in registry(self.env).citations.values()
        ]


class ReleaseChanges(SphinxDirective):
    """Say which numbers changed since the release before this one, and what differs in what made them."""

    def run(self) -> list[nodes.Node]:
        """Return a table of changes, and a list of reasons."""
        known = registry(self.env)
        version = next(iter(known.runs.values()))["inputs"]["version"]
        release = releases.latest(known.folder / "releases", before=version)
        if release is None:
            return [nodes.paragraph("", "This is the first release.")]
        before = release.snapshot
        after = snapshots.Snapshot(f"This build, version {version}", known.results, known.runs, {})
        out: list[nodes.Node] = [nodes.paragraph("", f"{after.label}, beside {before.label}.")]
        changes = [change for change in comparison.compare(before, after) if change.state != "same"]
        shared = [change for change in changes if change.before and change.after]
        new, gone = (sum(change.state == state for change in changes) for state in ("only in B", "only in A"))
        out.append(nodes.paragraph("", f"{new} numbers are new, {gone} are gone, {len(shared)} differ."))
        if shared:
            rows = [[[nodes.literal("", cells[0])], *cells[1:]] for cells in map(comparison.cells, shared)]
            out.append(table(["number", before.label, "this build", "difference", "verdict"], rows))
        out.append(nodes.paragraph("", "What differs in what made them:"))
        reasons = nodes.bullet_list()
        for chapter, lines in comparison.reasons(before, after).items():
            said = "; ".join(lines) or "nothing differs"
            reasons += nodes.list_item("", nodes.paragraph("", f"{chapter}: {_shortened(said)}"))
        return [*out, reasons]


def _shortened(text: str, most: int = 400) -> str:
    return text if len(text) <= most else text[:most].rsplit("; ", 1)[0] + "; and more"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    for name, directive in {
        "figure-list": FigureList,
        "number-list": NumberList,
        "tombstones": Tombstones,
        "parameter-list": ParameterList,
        "parameter-table": ParameterTable,
        "gate-list": GateList,
        "citation-list": CitationList,
        "release-changes": ReleaseChanges,
    }.items():
        app.add_directive(name, directive)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": False}
