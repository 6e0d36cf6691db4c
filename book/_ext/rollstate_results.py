"""Sphinx side of the results registry: numbers, figures, tables and provenance by key.

Roles
    ``{num}`chapter.key|format` `` a registered result, with its interval, source, cell and guard on hover.
    ``{between}`chapter.key|format` `` the interval of a registered result.
    ``{lit}`12 s` ``               a constant or a figure quoted from a source: typed on purpose.
Directives
    ``{result-figure} chapter/name``, ``{result-table} chapter/name``, ``{run-provenance} chapter``,
    ``{figure-list}``, ``{number-list}``, ``{parameter-list}``, ``{parameter-table} chapter``, ``{gate-list}``,
    ``{citation-list}``, ``{release-changes}``, ``{data-banner}``.

An unknown key is a warning, and the book is built with warnings as errors.
"""

from __future__ import annotations

import csv
import html
import json
from itertools import count
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxRole

from rollstate.compendium import comparison, gates, releases, results, snapshots
from rollstate.compendium.bundles import anchor, bibtex
from rollstate.compendium.by_name import gates_of, parameter_class
from rollstate.errors import InputError


class Registry:
    """What the runs left, read once per build."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results = results.load(folder / "results.json")
        self.runs = {
            path.parent.name: json.loads(path.read_text(encoding="utf-8"))
            for path in sorted(folder.glob("*/run.json"))
        }
        self.skipped: dict[str, str] = json.loads((folder / "skipped.json").read_text(encoding="utf-8"))
        self.citations: dict[str, str] = json.loads((folder / "citations.json").read_text(encoding="utf-8"))

    def verdicts(self) -> list[gates.Verdict]:
        """Return the gates beside this build."""
        published = {chapter: parameter_class(chapter).resolve({}).as_dict() for chapter in self.runs}
        release = releases.latest(self.folder / "releases")
        expected = gates_of(self.runs, release.results if release else {})
        return gates.judge(expected, self.results, self.runs, published)

    def figures(self) -> list[str]:
        """Return ``chapter/name`` of every figure, in the order in which the cells drew them."""
        stamps = [
            (chapter, self.stamp(f"{chapter}/{path.parent.name}")["cell"], path.parent.name)
            for chapter in self.runs
            for path in (self.folder / chapter / "figures").glob("*/provenance.json")
        ]
        return [f"{chapter}/{name}" for chapter, _, name in sorted(stamps)]

    def bundle(self, ref: str) -> Path:
        """Return the folder of a figure's bundle."""
        chapter, _, name = ref.partition("/")
        return self.folder / chapter / "figures" / name

    def stamp(self, ref: str) -> dict[str, Any]:
        """Return the provenance of a figure."""
        return json.loads((self.bundle(ref) / "provenance.json").read_text(encoding="utf-8"))

    def text(self, ref: str, file: str) -> str:
        """Return one text of a figure's bundle."""
        return (self.bundle(ref) / file).read_text(encoding="utf-8").strip()


def registry(env: Any) -> Registry:
    """Return the registry of this build."""
    if not hasattr(env, "rollstate_registry"):
        env.rollstate_registry = Registry(Path(env.srcdir) / "_registry")
    return env.rollstate_registry


class number(nodes.Inline, nodes.TextElement):
    """A registered result in prose."""


class NumberRole(SphinxRole):
    """Quote a registered result, or its interval."""

    def __init__(self, *, interval: bool = False) -> None:
        super().__init__()
        self.interval = interval

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the number, or a warning for an unknown key or a bad format."""
        key, _, spec = self.text.partition("|")
        if key.strip().split(".")[0] in registry(self.env).skipped:
            # A chapter that this trace cannot support has its page, which says why.
            return [nodes.emphasis("", "not available")], []
        result = registry(self.env).results.get(key.strip())
        if result is not None and result.value is None:
            return [nodes.emphasis("", f"not available ({result.absent})")], []
        try:
            if result is None:
                raise InputError(f"unknown result {key!r}: no run recorded it")
            text = result.text(spec.strip())
            interval = result.interval_text(spec.strip())
            if self.interval and not interval:
                raise InputError(f"result {key!r} has no interval: it is exact for its data")
        except InputError as error:
            message = self.inliner.reporter.error(str(error), line=self.lineno)
            return [nodes.problematic(self.rawtext, f"[{key}?]")], [message]
        if self.interval:
            return [nodes.Text(interval)], []
        node = number(self.rawtext, text, key=result.key, interval=interval)
        return [node], []


class LiteralRole(SphinxRole):
    """Typed on purpose: a constant, or a figure quoted from a source."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the text as it stands."""
        return [nodes.Text(self.text)], []


_tips = count()


def visit_number_html(self: Any, node: number) -> None:
    """Write the number as a link to its cell, with a tooltip for mouse, keyboard and screen reader."""
    result = registry(self.builder.env).results[node["key"]]
    chapter = result.key.split(".")[0]
    page = self.builder.get_relative_uri(self.builder.current_docname, f"notebooks/{chapter}")
    stamp = registry(self.builder.env).runs[chapter]
    rows = [("value", f"{result.value:,}" if not isinstance(result.value, str) else result.value)]
    if result.unit:
        rows[0] = ("value", f"{rows[0][1]} {result.unit}")
    rows += [("interval", f"{node['interval']} ({result.interval_kind})")] if node["interval"] else []
    rows += [
        ("source", result.source.get("description") or _trace_line(result.source)),
        ("published in", f"{result.published}, not computed here{_why(stamp)}")
        if result.published
        else ("computed in", f"{chapter}, cell {result.cell}, run {stamp['key'][:8]}"),
        ("guarded by", result.guard),
    ]
    tip = f"tip-{next(_tips)}"
    # Numbers do not break over lines, sentences do.
    kind = " rs-text" if isinstance(result.value, str) else ""
    kind += " rs-published" if result.published else ""
    fragment = "" if result.published else f"#{anchor('cell', chapter, result.cell)}"
    body = "".join(f"<span><b>{name}</b> {html.escape(str(value))}</span>" for name, value in rows)
    self.body.append(
        f'<span class="rs-num{kind}"><a href="{page}{fragment}" aria-describedby="{tip}">'
        f"{html.escape(node.astext())}</a>"
        f'<span class="rs-tip" role="tooltip" id="{tip}"><em>{html.escape(result.meaning)}</em>{body}</span></span>'
    )
    raise nodes.SkipNode


def visit_number_plain(self: Any, node: number) -> None:
    """Write the number as text, where there is nothing to hover over."""


def _why(run: dict[str, Any]) -> str:
    """Say which data a run lacked."""
    return f": {', '.join(run['missing'])} not here" if run["missing"] else ""


def _trace_line(source: dict[str, Any]) -> str:
    return f"{source['source']}, blocks [{source['window_start']}, {source['window_stop']})"


def _raw(text: str) -> nodes.raw:
    return nodes.raw("", text, format="html")


class ResultFigure(SphinxDirective):
    """Show one figure of the registry with its caption, anchor, downloads, citation and provenance."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the figure."""
        ref = self.arguments[0]
        known = registry(self.env)
        if not known.bundle(ref).is_dir():
            raise self.error(f"unknown figure {ref!r}: no run drew it")
        chapter, _, name = ref.partition("/")
        target = anchor("fig", chapter, name)
        stamp = known.stamp(ref)
        width = "page" if stamp["size_in"][0] > 5 else "column"
        figure = nodes.figure("", classes=["rs-figure", f"rs-{width}"], align="center", names=[target])
        image = nodes.image(
            uri=f"/_registry/{chapter}/figures/{name}/{name}.*",
            alt=known.text(ref, "alt.txt"),
            loading="lazy",
        )
        figure += image
        figure += nodes.caption("", known.text(ref, "caption.txt"))
        figure += nodes.legend("", _raw(self._links(ref, stamp)))
        self.state.document.note_explicit_target(figure)
        self.set_source_info(figure)
        self.set_source_info(image)
        return [figure]

    def _links(self, ref: str, stamp: dict[str, Any]) -> str:
        chapter, _, name = ref.partition("/")
        up = "../" * self.env.docname.count("/")
        base = f"{up}_static/figures/{chapter}/{name}"
        downloads = " ".join(
            f'<a href="{base}/{file}" download>{label}</a>'
            for label, file in [
                (kind.upper(), f"{name}.{kind}") for kind in ("pdf", "svg", "png", "csv", "zip")
            ]
        )
        entry = html.escape(bibtex(name, stamp, stamp["content_sha256"]))
        source = stamp["source"].get("description") or _trace_line(stamp["source"])
        made = (
            f"<span class='rs-published'>published in {stamp['published']['version']}, not computed here"
            f"{html.escape(_why(registry(self.env).runs[chapter]))}</span>"
            if "published" in stamp
            else f'<a href="#{anchor("cell", chapter, stamp["cell"])}" title="{html.escape(source)}">source cell</a>'
        )
        return (
            f'<div class="rs-figure-links">{downloads}{made}'
            f'<a href="{base}/provenance.json">provenance</a>'
            f"<details><summary>cite this figure</summary><pre>{entry}</pre></details></div>"
        )


class ResultTable(SphinxDirective):
    """Show one table of the registry with its caption and CSV."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        chapter, _, name = self.arguments[0].partition("/")
        path = registry(self.env).folder / chapter / "tables" / f"{name}.csv"
        if not path.is_file():
            raise self.error(f"unknown table {self.arguments[0]!r}: no run wrote it")
        with path.open(encoding="utf-8", newline="") as file:
            head, *body = csv.reader(file)
        caption = path.with_suffix(".txt").read_text(encoding="utf-8").strip()
        return [
            table(
                head, [[_number(cell) for cell in row] for row in body], caption, anchor("tab", chapter, name)
            )
        ]


def _number(text: str) -> str:
    """Return a CSV cell as a reader wants it: four significant digits where it is a long decimal."""
    try:
        value = float(text)
    except ValueError:
        return text
    if value.is_integer() and abs(value) < 1e15:
        return f"{int(value):,}" if "." in text or abs(value) >= 10_000 else text
    return f"{value:,.4g}" if abs(value) >= 1e-4 else f"{value:.3g}"


def table(head: list[str], body: list[list[Any]], caption: str = "", name: str = "") -> nodes.table:
    """Return a docutils table; a cell is a text or a list of inline nodes."""
    out = nodes.table(classes=["rs-table"], names=[name] if name else [])
    if name:
        out["ids"] = [nodes.make_id(name)]
    if caption:
        out += nodes.title("", caption)
    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=1) for _ in head]
    for section, rows in ((nodes.thead(), [head]), (nodes.tbody(), body)):
        for row in rows:
            line = nodes.row()
            for cell in row:
                content = cell if isinstance(cell, list) else [nodes.Text(str(cell))]
                line += nodes.entry("", nodes.paragraph("", "", *content))
            section += line
        group += section
    out += group
    return out


class RunProvenance(SphinxDirective):
    """Say what a chapter's results depend on, and how to run them again."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return a folded block."""
        chapter = self.arguments[0]
        run = registry(self.env).runs[chapter]
        inputs, git = run["inputs"], run["git"]
        rows = [
            ("run", run["key"]),
            ("commit", f"{git['commit'] or 'none'}{' (with uncommitted changes)' if git['dirty'] else ''}"),
            ("package", f"rollstate {inputs['version']}, {len(inputs['modules'])} modules"),
            ("lock", inputs["lock"]),
            *((f"data set {name}", value) for name, value in inputs["data"].items()),
            ("run again", f"rollstate run {chapter}  # or: papermill notebooks/{chapter}.ipynb out.ipynb"),
        ]
        body = "".join(
            f"<tr><th scope='row'>{html.escape(k)}</th><td><code>{html.escape(str(v))}</code></td></tr>"
            for k, v in rows
        )
        return [
            _raw(
                "<details class='rs-provenance'><summary>Where these results come from</summary>"
                f"<table>{body}</table></details>"
            )
        ]


def permalink(content: str) -> str:
    """Return an anchor named by content: the same address as long as a figure or number says the same."""
    name = f"sha256-{content[:16]}"
    return f'<a id="{name}" href="#{name}" class="rs-permalink"><code>{content[:16]}</code></a>'


class FigureList(SphinxDirective):
    """List every figure: number, anchor, citation, downloads and provenance."""

    def run(self) -> list[nodes.Node]:
        """Return one block per figure."""
        known = registry(self.env)
        out: list[nodes.Node] = []
        for ref in known.figures():
            chapter, _, name = ref.partition("/")
            stamp = known.stamp(ref)
            target = anchor("fig", chapter, name)
            link = addnodes.pending_xref(
                "", refdomain="std", reftype="numref", reftarget=target, refexplicit=False, refwarn=True
            )
            link["refdoc"] = self.env.docname
            link += nodes.inline("", target, classes=["std", "std-numref"])
            base = "../" * self.env.docname.count("/") + f"_static/figures/{chapter}/{name}"
            files = " ".join(
                f'<a href="{base}/{file}" download>{file}</a>'
                for file in [*(f"{name}.{kind}" for kind in ("pdf", "svg", "png", "csv", "zip")), "cite.bib"]
            )
            data = ", ".join(f"{k} {v[:12]}" for k, v in stamp["inputs"]["data"].items()) or "no data set"
            entry = html.escape(bibtex(name, stamp, stamp["content_sha256"]))
            out += [
                nodes.paragraph("", "", link, nodes.Text(f". {known.text(ref, 'caption.txt')}")),
                _raw(
                    f'<div class="rs-figure-links">{files} <a href="{base}/provenance.json">provenance</a>'
                    f"<span>anchor <code>{target}</code></span>"
                    f"<span>content {permalink(stamp['content_sha256'])}</span>"
                    f"<span>data <code>{html.escape(data)}</code></span>"
                    f"<span>lock <code>{stamp['inputs']['lock'][:12]}</code></span>"
                    f"<span>commit <code>{str(stamp['git']['commit'])[:12]}</code></span>"
                    f"<details><summary>cite this figure</summary><pre>{entry}</pre></details></div>"
                ),
            ]
        return out


class NumberList(SphinxDirective):
    """List every registered result."""

    def run(self) -> list[nodes.Node]:
        """Return one table per chapter."""
        known = registry(self.env)
        out: list[nodes.Node] = []
        for chapter in known.runs:
            rows = [
                [
                    [nodes.literal("", result.key)],
                    [number("", result.text(), key=result.key, interval=result.interval_text())]
                    if result.value is not None
                    else "not available",
                    result.interval_text()
                    or ("exact for its data" if result.value is not None else result.absent),
                    result.meaning,
                    [_raw(permalink(result.content))],
                ]
                for result in known.results.values()
                if result.key.startswith(f"{chapter}.")
            ]
            if rows:
                head = ["key", "value", "interval", "meaning", "content"]
                out.append(table(head, rows, f"Results of {chapter}"))
        return out


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
        """Return a list of reasons and a table of changes."""
        known = registry(self.env)
        version = next(iter(known.runs.values()))["inputs"]["version"]
        release = releases.latest(known.folder / "releases", before=version)
        if release is None:
            return [nodes.paragraph("", "This is the first release.")]
        before = release.snapshot
        after = snapshots.Snapshot(f"This build, version {version}", known.results, known.runs, {})
        out: list[nodes.Node] = [nodes.paragraph("", f"{after.label}, beside {before.label}.")]
        reasons = nodes.bullet_list()
        for chapter, lines in comparison.reasons(before, after).items():
            said = "; ".join(lines) or "nothing differs"
            reasons += nodes.list_item("", nodes.paragraph("", f"{chapter}: {_shortened(said)}"))
        out.append(reasons)
        changes = [change for change in comparison.compare(before, after) if change.state != "same"]
        shared = [change for change in changes if change.before and change.after]
        new, gone = (sum(change.state == state for change in changes) for state in ("only in B", "only in A"))
        out.append(nodes.paragraph("", f"{new} numbers are new, {gone} are gone, {len(shared)} differ."))
        if shared:
            rows = [[[nodes.literal("", cells[0])], *cells[1:]] for cells in map(comparison.cells, shared)]
            out.append(table(["number", before.label, "this build", "difference", "verdict"], rows))
        return out


def _shortened(text: str, most: int = 400) -> str:
    return text if len(text) <= most else text[:most].rsplit("; ", 1)[0] + "; and more"


class DataBanner(SphinxDirective):
    """Say plainly which chapters could not reach their real data; nothing where all could."""

    def run(self) -> list[nodes.Node]:
        """Return an admonition, or nothing."""
        known = registry(self.env)
        chapters = [
            chapter
            for chapter, run in known.runs.items()
            if run["missing"] and self.env.docname in {f"notebooks/{chapter}", "book/index"}
        ]
        if not chapters:
            return []
        names = ", ".join(sorted({name for chapter in chapters for name in known.runs[chapter]["missing"]}))
        shown = [result for result in known.results.values() if result.key.split(".")[0] in chapters]
        versions = ", ".join(sorted({result.published for result in shown if result.published}))
        text = (
            f"Some data is not here: {names}. What needs it was taken from release {versions}, is marked "
            "with a dagger, and was not computed in this build; everything else was. The command make data "
            "fetches what has a public address."
            if versions
            else f"Some data is not here: {names}. What needs it is not available in this build; the command "
            "make data fetches what has a public address."
        )
        return [nodes.warning("", nodes.paragraph("", text))]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    plain = (visit_number_plain, lambda self, node: None)
    app.add_node(number, html=(visit_number_html, None), latex=plain, text=plain, epub=plain)
    app.add_role("num", NumberRole())
    app.add_role("between", NumberRole(interval=True))
    app.add_role("lit", LiteralRole())
    for name, directive in {
        "result-figure": ResultFigure,
        "result-table": ResultTable,
        "run-provenance": RunProvenance,
        "figure-list": FigureList,
        "number-list": NumberList,
        "parameter-list": ParameterList,
        "parameter-table": ParameterTable,
        "gate-list": GateList,
        "citation-list": CitationList,
        "release-changes": ReleaseChanges,
        "data-banner": DataBanner,
    }.items():
        app.add_directive(name, directive)
    app.add_css_file("rollstate.css")
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": False}
