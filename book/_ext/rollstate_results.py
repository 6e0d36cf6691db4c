"""Sphinx side of the results registry: numbers, figures, tables and provenance by key.

Roles
    ``{num}`chapter.key|format` `` a registered result, with its interval, source, cell and guard on hover.
    ``{between}`chapter.key|format` `` the interval of a registered result.
    ``{lit}`12 s` ``               a constant: typed on purpose.
    ``{quoted}`220 MiB` ``         a figure that a source published: typed on purpose, and marked as such.
Directives
    ``{result-table} chapter/name``, ``{run-provenance} chapter``, ``{data-banner}``;
    `rollstate_lists` has those that list.

An unknown key is a warning, and the book is built with warnings as errors.
"""

from __future__ import annotations

import csv
import html
import json
import math
import re
from itertools import count
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxRole

from rollstate.compendium import citation, gates, releases, results, runner
from rollstate.compendium.bundles import anchor
from rollstate.compendium.by_name import gates_of, parameter_class
from rollstate.errors import InputError

CSS_PIXELS = 96
"""Pixels of a style sheet in an inch."""


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
        """Return ``chapter/name`` of every figure, in the order in which a reader meets them."""
        pages = [
            self.folder.parent / "notebooks" / f"{name}.ipynb" for name in runner.chapters(self.folder.parent)
        ]
        texts = [page.read_text(encoding="utf-8") for page in pages if page.stem in self.runs]
        return [
            ref for text in texts for ref in re.findall(r"\{result-figure\} ([a-z0-9_]+/[a-z0-9-]+)", text)
        ]

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
    """Typed on purpose: a constant."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the text as it stands."""
        return [nodes.Text(self.text)], []


QUOTED = "published by the source that the text names, not computed in this book"


class QuotedRole(SphinxRole):
    """Typed on purpose: a figure that a source published, with the mark of such figures."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the text as an abbreviation whose explanation says what the mark means."""
        text = " ".join(self.text.split())
        return [nodes.abbreviation(self.rawtext, text, classes=["rs-quoted"], explanation=QUOTED)], []


MODELLED = "a model's value: it follows from stated assumptions and parameters, not from measurements alone"

_tips = count()


def visit_number_html(self: Any, node: number) -> None:
    """Write the number as a link to its cell, with a tooltip for mouse, keyboard and screen reader."""
    result = registry(self.builder.env).results[node["key"]]
    chapter = result.key.split(".")[0]
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
        *([("kind", MODELLED)] if result.modelled else []),
    ]
    tip = f"tip-{next(_tips)}"
    # Numbers do not break over lines, sentences do.
    kind = " rs-text" if isinstance(result.value, str) else ""
    kind += " rs-published" if result.published else ""
    kind += " rs-model" if result.modelled else ""
    body = "".join(f"<span><b>{name}</b> {html.escape(str(value))}</span>" for name, value in rows)
    self.body.append(
        f'<span class="rs-num{kind}"><a href="{_address(self.builder, result)}" aria-describedby="{tip}">'
        f"{html.escape(node.astext())}</a>"
        f'<span class="rs-tip" role="tooltip" id="{tip}"><em>{html.escape(result.meaning)}</em>{body}'
        f"<span><b>follow it</b> for all releases, data and citation: n/{result.key}/</span></span></span>"
    )
    raise nodes.SkipNode


def _address(builder: Any, result: results.Result) -> str:
    """Return the link of a number: its own page, or on paper, which has none, the cell that computed it."""
    chapter = result.key.split(".")[0]
    if builder.name != "singlehtml":
        return "../" * builder.current_docname.count("/") + f"n/{result.key}/index.html"
    page = builder.get_relative_uri(builder.current_docname, f"notebooks/{chapter}")
    return page if result.published else f"{page}#{anchor('cell', chapter, result.cell)}"


def visit_number_plain(self: Any, node: number) -> None:
    """Write the number as text, where there is nothing to hover over."""


def _why(run: dict[str, Any]) -> str:
    """Say which data a run lacked."""
    return f": {', '.join(run['missing'])} not here" if run["missing"] else ""


def _trace_line(source: dict[str, Any]) -> str:
    return f"{source['source']}, blocks [{source['window_start']}, {source['window_stop']})"


class sized_image(nodes.image):
    """An image whose place on the page is known before it is loaded."""


def visit_sized_image(self: Any, node: sized_image) -> None:
    """Write the image with its size in pixels; style sheets scale it."""
    self.visit_image(node)
    width, height = (round(inches * CSS_PIXELS) for inches in node["size_in"])
    self.body[-1] = self.body[-1].replace("<img ", f'<img width="{width}" height="{height}" ', 1)


def picture(directive: SphinxDirective, ref: str) -> sized_image:
    """Return the image of a figure, ``<chapter>/<name>``, with its alternative text."""
    chapter, _, name = ref.partition("/")
    known = registry(directive.env)
    image = sized_image(
        uri=f"/_registry/{chapter}/figures/{name}/{name}.*",
        alt=known.text(ref, "alt.txt"),
        loading="lazy",
        size_in=known.stamp(ref)["size_in"],
    )
    directive.set_source_info(image)
    return image


def raw(text: str) -> nodes.raw:
    """Return a node of HTML."""
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
        figure += picture(self, ref)
        figure += nodes.caption("", known.text(ref, "caption.txt"))
        figure += nodes.legend("", raw(self._links(ref, stamp)))
        self.state.document.note_explicit_target(figure)
        self.set_source_info(figure)
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
        entry = html.escape(citation.figure(name, stamp, stamp["content_sha256"]).bibtex())
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
            f'<a href="{up}f/{ref}/index.html">data, releases, citation</a>'
            f"<details><summary>cite this figure</summary><pre>{entry}</pre></details></div>"
        )


MOST_ROWS = 60
"""Rows of a table that a page shows; what is longer is for a program, and a file."""


class ResultTable(SphinxDirective):
    """Show one table of the registry with its caption and its CSV file."""

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
        if len(body) > MOST_ROWS:
            caption += f" The first {MOST_ROWS} of {len(body)} rows; the file below has all."
        up = "../" * self.env.docname.count("/")
        link = f'<a href="{up}_static/tables/{chapter}/{name}.csv" download>CSV</a>'
        return [
            table(
                [heading(cell) for cell in head],
                [[self._cell(cell) for cell in row] for row in body[:MOST_ROWS]],
                caption,
                anchor("tab", chapter, name),
            ),
            raw(f'<div class="rs-figure-links">{link}</div>'),
        ]

    def _cell(self, text: str) -> str | list[nodes.Node]:
        """Return a cell for a reader: the name of a number or figure is a link to its page."""
        known, up = registry(self.env), "../" * self.env.docname.count("/")
        for letter, there in (
            ("n", text in known.results),
            ("f", "/" in text and known.bundle(text).is_dir()),
        ):
            if there:
                return [
                    nodes.reference("", "", nodes.literal("", text), refuri=f"{up}{letter}/{text}/index.html")
                ]
        return plain_number(text)


_UNITS = {"s": "(s)", "kb": "(kB)", "kw": "(kW)", "usd": "$", "kwh": "kWh"}


def heading(name: str) -> str:
    """Return the name of a column as words: what a script calls ``final_p99_s`` is "final p99 (s)" to a reader."""
    if "_" not in name:
        return re.sub(r"(?<=\d)\s?%", "\u202f%", name)
    words = name.split("_")
    return " ".join(_UNITS.get(word, word) for word in words)


def plain_number(text: str) -> str:
    """Return a CSV cell as a reader wants it: four significant digits where it is a long decimal."""
    if text in ("true", "false"):
        return "yes" if text == "true" else "no"
    try:
        value = float(text)
    except ValueError:
        return re.sub(r"(?<=\d)\s?%", "\u202f%", text)
    if not math.isfinite(value):
        return "not defined" if math.isnan(value) else "\u2212\u221e" if value < 0 else "\u221e"
    if value.is_integer() and abs(value) < 1e15:
        return f"{int(value):,}" if "." in text or abs(value) >= 10_000 else text
    size = abs(value)
    spec = ",.4g" if 1e-4 <= size < 1e4 else ",.0f" if 1e4 <= size < 1e15 else ".3g"
    shown = f"{value:{spec}}"
    return re.sub(r"e([+-])0*(\d+)", lambda found: f"\u00d710^{found[1].strip('+')}{found[2]}", shown)


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
            raw(
                "<details class='rs-provenance'><summary>Where these results come from</summary>"
                f"<table>{body}</table></details>"
            )
        ]


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
    app.add_node(sized_image, html=(visit_sized_image, lambda self, node: None))
    app.add_role("num", NumberRole())
    app.add_role("between", NumberRole(interval=True))
    app.add_role("lit", LiteralRole())
    app.add_role("quoted", QuotedRole())
    for name, directive in {
        "result-table": ResultTable,
        "run-provenance": RunProvenance,
        "data-banner": DataBanner,
    }.items():
        app.add_directive(name, directive)
    app.add_css_file("rollstate.css")
    app.add_js_file("tables.js", loading_method="defer")
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": False}
