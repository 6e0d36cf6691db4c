"""The HTML of a number's and of a figure's own page: light, without the book's navigation, readable on its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

import polars as pl

from rollstate.compendium.bundles import anchor
from rollstate.compendium.histories import REPLACED, SAME, Said
from rollstate.compendium.metadata import Page, head
from rollstate.compendium.references import FILES, FORMS, Reference

MOST_ROWS = 200
"""Rows of a figure's data that its page shows; the file has all."""

_NAMES = {"bibtex": "BibTeX", "ris": "RIS", "csl": "CSL-JSON"}
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
{head}<link rel="stylesheet" href="{up}_static/address.css">
<link rel="stylesheet" href="{up}_static/figures.css">
<script defer src="{up}_static/tables.js"></script>
<script defer src="{up}_static/explore.js"></script>
</head>
<body>
{banner}<header><a href="{up}book/index.html">Rollup state</a> / {crumbs}</header>
<main>
{body}
</main>
</body>
</html>
"""


def number(
    key: str,
    said: list[Said],
    reference: Reference,
    runs: Mapping[str, Mapping[str, Any]],
    *,
    banner: str = "",
) -> str:
    """Return the page of a number.

    Parameters
    ----------
    key : str
        Key of the number.
    said : list of Said
        What this build and the releases say; a number without an entry of this build is gone.
    reference : Reference
        How to cite it.
    runs : mapping
        ``run.json`` by chapter, for the link to the cell.
    banner : str
        What to say at the top.
    """
    now, chapter, up = said[0].result, key.split(".")[0], "../../"
    assert now is not None
    if said[0].version:
        lead = _gone(
            f"This build does not make this number. Release {said[0].version} was the last one with it."
        )
    elif now.value is None:
        lead = f"<p class='value'>not available</p><p>{escape(now.absent)}.</p>"
    else:
        lead = ""
    if now.value is not None:
        interval = f" <span>{escape(now.interval_text())}</span>" if now.interval else ""
        lead += f"<p class='value'>{escape(now.text())}{interval}</p>"
    source = now.source.get("description") or _window(now.source)
    rows = [
        ("meaning", escape(now.meaning)),
        ("exact value", f"<code>{escape(repr(now.value))}</code> {escape(now.unit)}"),
        ("interval", escape(now.interval_kind) or "none: exact for its data"),
        ("source", escape(source)),
        ("made in", _made(key, said[0], chapter, up, runs)),
        ("guarded by", f"<code>{escape(now.guard)}</code>"),
        ("content", _content(now.content)),
    ]
    table = _table(
        ["version", "value", "interval", "content", "state"],
        [
            [
                escape(one.version or "this build"),
                escape(one.result.text()),
                escape(one.result.interval_text()) or "exact",
                _content(one.content, anchored=place > 0 and one.content != said[0].content),
                escape(_state(one)),
            ]
            for place, one in enumerate(said)
            if one.result is not None
        ],
    )
    body = (
        f"<h1><code>{escape(key)}</code></h1>\n{lead}\n{_facts(rows)}"
        f"<h2>In all releases</h2>\n{table}\n"
        f"<h2>Data</h2>\n<p>{_downloads(['number.csv', 'number.json'])}</p>\n{_cite(reference)}"
    )
    crumbs = f'<a href="{up}book/numbers.html">numbers</a> / {escape(key)}'
    title = f"{key}: {now.meaning}"
    interval = f", interval {now.interval_text()} ({now.interval_kind})" if now.interval else ""
    description = f"{now.meaning}: {now.text()}{interval}. A number of {reference.work['title']}."
    page = Page(
        reference.address,
        title,
        description,
        "dataset",
        reference.work,
        reference.base,
        files=tuple(f"{reference.address}{file}" for file in ("number.csv", "number.json")),
        content=now.content,
        value=now,
    )
    return _PAGE.format(
        title=escape(title), head=head(page), up=up, banner=_banner(banner), crumbs=crumbs, body=body
    )


def figure(
    ref: str,
    said: list[Said],
    reference: Reference,
    *,
    alt: str,
    data: pl.DataFrame,
    explorable: bool,
    runs: Mapping[str, Mapping[str, Any]],
    banner: str = "",
) -> str:
    """Return the page of a figure.

    Parameters
    ----------
    ref : str
        ``chapter/name``.
    said : list of Said
        What this build and the releases show.
    reference : Reference
        How to cite it.
    alt : str
        Its alternative text.
    data : polars.DataFrame
        What it draws.
    explorable : bool
        Whether the book has a chart of it to explore.
    runs : mapping
        ``run.json`` by chapter, for the link to the chapter.
    banner : str
        What to say at the top.
    """
    chapter, _, name = ref.partition("/")
    up = "../../../"
    files = f"{up}_static/figures/{chapter}/{name}/{name}"
    if said[0].version:
        picture = _gone(
            f"This build does not draw this figure. Release {said[0].version} was the last one with it; "
            "its data is below."
        )
        downloads = _downloads([f"{name}.csv", f"{name}.json"])
        where = escape(chapter)
    else:
        picture = f'<a href="{files}.svg"><img src="{files}.svg" alt="{escape(alt)}"></a>'
        others = " ".join(
            f'<a href="{files}.{kind}" download>{kind.upper()}</a>' for kind in ("pdf", "svg", "png", "zip")
        )
        downloads = f"{_downloads([f'{name}.csv', f'{name}.json'])} {others}"
        where = f'<a href="{up}notebooks/{chapter}.html#{anchor("fig", chapter, name)}">{escape(chapter)}</a>'
    explore = f' data-figure="{ref}" data-explore="{up}_static/explore/{ref}.js"' if explorable else ""
    if explorable:
        downloads += f' <a href="{up}_static/explore/{ref}.vl.json" download>Vega-Lite</a>'
    rows = [
        ("anchor", f"<code>{anchor('fig', chapter, name)}</code>"),
        ("chapter", where),
        ("content", _content(said[0].content)),
    ]
    table = _table(
        ["version", "caption", "data", "content", "state"],
        [
            [
                escape(one.version or "this build"),
                escape(one.caption),
                _downloads([f"{name}-{one.version}.csv" if one.version else f"{name}.csv"]),
                _content(one.content, anchored=place > 0 and one.content != said[0].content),
                escape(_state(one)),
            ]
            for place, one in enumerate(said)
        ],
    )
    more = (
        f"<p>The first {MOST_ROWS} of {data.height:,} rows; the file has all.</p>"
        if data.height > MOST_ROWS
        else ""
    )
    shown = _table(
        data.columns, [[_cell(value) for value in row] for row in data.head(MOST_ROWS).iter_rows()]
    )
    body = (
        f"<h1>Figure <code>{escape(ref)}</code></h1>\n"
        f"<figure{explore}>{picture}<figcaption>{escape(said[0].caption)}</figcaption></figure>\n"
        f"{_facts(rows)}<h2>Data</h2>\n<p>{downloads}</p>\n"
        f"<details><summary>Show the data as a table</summary>{more}{shown}</details>\n"
        f"<h2>In all releases</h2>\n<p>Releases before 0.3.0 kept no figures.</p>\n{table}\n{_cite(reference)}"
    )
    crumbs = f'<a href="{up}book/figures.html">figures</a> / {escape(ref)}'
    title = f"Figure {ref}: {said[0].caption}"
    page = Page(
        reference.address,
        title,
        f"{said[0].caption} A figure of {reference.work['title']}, with its data.",
        "dataset",
        reference.work,
        reference.base,
        image="" if said[0].version else f"_static/figures/{chapter}/{name}/{name}.png",
        files=tuple(f"{reference.address}{name}.{kind}" for kind in ("csv", "json")),
        content=said[0].content,
    )
    return _PAGE.format(
        title=escape(title), head=head(page), up=up, banner=_banner(banner), crumbs=crumbs, body=body
    )


def _cell(value: Any) -> str:
    """Return one value of a table of data: full precision is in the file."""
    if isinstance(value, float):
        return escape(f"{value:,.6g}")
    return escape("" if value is None else str(value))


def _banner(text: str) -> str:
    return f'<p class="gone" role="note">{escape(text)}</p>\n' if text else ""


def _gone(text: str) -> str:
    return f"<p class='gone' role='note'>{escape(text)}</p>"


def _state(one: Said) -> str:
    if not one.version:
        return "current"
    return {REPLACED: "replaced", SAME: "the same content, recorded otherwise"}.get(one.state, one.state)


def _made(key: str, said: Said, chapter: str, up: str, runs: Mapping[str, Mapping[str, Any]]) -> str:
    """Say where the number was computed, with a link to the cell."""
    now = said.result
    assert now is not None
    if said.version or chapter not in runs:
        return escape(chapter)
    page = f"{up}notebooks/{chapter}.html"
    if now.published or not now.cell:
        where = (
            f"published in {now.published}, not computed in this build" if now.published else "not computed"
        )
        return f'<a href="{page}">{escape(chapter)}</a> ({escape(where)})'
    return f'<a href="{page}#{anchor("cell", chapter, now.cell)}">{escape(chapter)}, cell {now.cell}</a>'


def _window(source: Mapping[str, Any]) -> str:
    return f"{source['source']}, blocks [{source['window_start']}, {source['window_stop']})"


def _content(digest: str, *, anchored: bool = True) -> str:
    """Return the short form of a content hash, with an anchor of its name."""
    name = f' id="sha256-{digest[:16]}"' if anchored else ""
    return f'<code{name} title="SHA-256 {digest}">{digest[:16]}</code>'


def _facts(rows: Iterable[tuple[str, str]]) -> str:
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows) + "</dl>\n"


def _table(names: Iterable[str], body: Iterable[Iterable[str]]) -> str:
    """Return a table in a box that scrolls by itself; cells are HTML."""
    columns = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    rows = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in body)
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="table">'
        f'<table class="rs-table"><thead><tr>{columns}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _downloads(files: Iterable[str]) -> str:
    return " ".join(f'<a href="{escape(file)}" download>{escape(file)}</a>' for file in files)


def _cite(reference: Reference) -> str:
    parts = [
        f'<h3>{_NAMES[form]} <a href="{file}" download>{file}</a></h3>\n'
        f'<pre tabindex="0">{escape(FORMS[form](reference))}</pre>'
        for form, file in FILES.items()
    ]
    return "<h2>Cite</h2>\n" + "\n".join(parts)
