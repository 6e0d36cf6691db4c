"""What machines read of a page: description, Dublin Core, Highwire (``citation_*``), Open Graph and JSON-LD.

Sources: https://scholar.google.com/intl/en/scholar/inclusion.html (citation tags), https://ogp.me (Open Graph),
https://www.dublincore.org/specifications/dublin-core/dcmi-terms/ , https://schema.org (ScholarlyArticle, Dataset).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from rollstate.compendium.references import authors
from rollstate.compendium.results import Result

LICENSE = "https://spdx.org/licenses/MIT"


@dataclass(frozen=True)
class Page:
    """What is said of one page.

    Attributes
    ----------
    path : str
        Its path in the book, as it is linked: ``notebooks/reuse.html``, ``n/reuse.days/``.
    title, description : str
        Plain texts.
    kind : {"article", "book", "dataset", "page"}
        What it is to a machine.
    work : mapping
        The whole work, as `citation.summary` returns it.
    base : str
        Address of the published book; empty if it has none: then nothing that needs an address is said.
    image : str
        Path of a picture of the page.
    files : tuple of str
        Paths of the files of a data set.
    content : str
        SHA-256 of what a data set says.
    value : Result or None
        The number that a data set is about.
    """

    path: str
    title: str
    description: str
    kind: str
    work: Mapping[str, str]
    base: str = ""
    image: str = ""
    files: tuple[str, ...] = ()
    content: str = ""
    value: Result | None = None

    def address(self, path: str) -> str:
        """Return where a path is found: absolute if the book has an address."""
        return f"{self.base}/{path}" if self.base else path


def head(page: Page, *, canonical: bool = True) -> str:
    """Return the tags of a page's head; `canonical` is false where the renderer has written that link itself."""
    lines = [_named("description", page.description), *_dublin_core(page), *_open_graph(page)]
    if page.kind in ("article", "book"):
        lines += _highwire(page)
    if page.base and canonical:
        lines.append(f'<link rel="canonical" href="{escape(page.address(page.path))}">')
    if (data := json_ld(page)) is not None:
        # A closing tag in a text would end the script.
        text = json.dumps(data, indent=1, sort_keys=True).replace("<", "\\u003c")
        lines.append(f'<script type="application/ld+json">\n{text}\n</script>')
    return "\n".join(lines) + "\n"


def _named(name: str, content: str) -> str:
    return f'<meta name="{name}" content="{escape(" ".join(content.split()))}">'


def _dublin_core(page: Page) -> list[str]:
    kinds = {"dataset": "Dataset", "article": "Text", "book": "Text", "page": "Text"}
    rows = [
        ("title", page.title),
        ("description", page.description),
        *(("creator", _full(author)) for author in authors(page.work["author"])),
        ("date", page.work.get("date", page.work["year"])),
        ("type", kinds[page.kind]),
        ("format", "text/html"),
        ("language", "en"),
        ("rights", LICENSE),
        ("relation", page.work["url"]),
    ]
    if page.base:
        rows.append(("identifier", page.address(page.path)))
    if page.content:
        rows.append(("identifier", f"sha256:{page.content}"))
    return [_named(f"DC.{name}", content) for name, content in rows]


def _open_graph(page: Page) -> list[str]:
    rows = [
        ("og:title", page.title),
        ("og:type", "article" if page.kind == "article" else "website"),
        ("og:description", page.description),
        ("og:site_name", page.work["title"]),
        ("og:locale", "en_GB"),
    ]
    if page.base:
        rows.append(("og:url", page.address(page.path)))
        if page.image:
            rows.append(("og:image", page.address(page.image)))
    return [
        f'<meta property="{name}" content="{escape(" ".join(content.split()))}">' for name, content in rows
    ]


def _highwire(page: Page) -> list[str]:
    rows = [
        ("title", page.title),
        *(("author", _full(author)) for author in authors(page.work["author"])),
        ("publication_date", page.work.get("date", page.work["year"]).replace("-", "/")),
        ("language", "en"),
    ]
    if page.kind == "article":
        rows.append(("inbook_title", page.work["title"]))
    if page.base:
        rows.append(("public_url", page.address(page.path)))
    if "doi" in page.work:
        rows.append(("doi", page.work["doi"]))
    return [_named(f"citation_{name}", content) for name, content in rows]


def _full(author: Mapping[str, str]) -> str:
    return author.get("literal") or f"{author['given']} {author['family']}"


def _creators(work: Mapping[str, str]) -> list[dict[str, str]]:
    return [
        {"@type": "Organization", "name": author["literal"]}
        if "literal" in author
        else {"@type": "Person", "givenName": author["given"], "familyName": author["family"]}
        for author in authors(work["author"])
    ]


def json_ld(page: Page) -> dict[str, Any] | None:
    """Return what schema.org calls the page: ScholarlyArticle, Book or Dataset; None for any other page."""
    kinds = {"article": "ScholarlyArticle", "book": "Book", "dataset": "Dataset"}
    if page.kind not in kinds:
        return None
    work = page.work
    data: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": kinds[page.kind],
        "name": page.title,
        "description": page.description,
        "datePublished": work.get("date", work["year"]),
        "version": work["version"],
        "license": LICENSE,
        "inLanguage": "en",
    }
    data["creator" if page.kind == "dataset" else "author"] = _creators(work)
    if page.kind != "book":
        data["isPartOf"] = {"@type": "Book", "name": work["title"], "url": page.base or work["url"]}
    if page.kind == "article":
        data["headline"] = page.title
    if page.base:
        data["url"] = data["@id"] = page.address(page.path)
        if page.image:
            data["image"] = page.address(page.image)
    if page.kind == "dataset":
        data["identifier"] = f"sha256:{page.content}"
        data["isAccessibleForFree"] = True
        data["distribution"] = [_download(page, file) for file in page.files]
        if page.value is not None and page.value.value is not None:
            data["variableMeasured"] = _measured(page.value)
    return data


def _download(page: Page, file: str) -> dict[str, str]:
    media = {"csv": "text/csv", "json": "application/json"}[file.rpartition(".")[2]]
    return {"@type": "DataDownload", "encodingFormat": media, "contentUrl": page.address(file)}


def _measured(result: Result) -> dict[str, Any]:
    data: dict[str, Any] = {"@type": "PropertyValue", "name": result.meaning, "value": result.value}
    if result.unit:
        data["unitText"] = result.unit
    if result.interval is not None:
        data["minValue"], data["maxValue"] = result.interval
        data["measurementTechnique"] = result.interval_kind
    return data


def sitemap(base: str, paths: Sequence[str], date: str) -> str:
    """Return a sitemap of pages, https://www.sitemaps.org/protocol.html; it needs absolute addresses."""
    rows = "".join(
        f" <url><loc>{escape(f'{base}/{path}')}</loc><lastmod>{date}</lastmod></url>\n" for path in paths
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{rows}</urlset>\n'
    )


def robots(base: str) -> str:
    """Return a robots.txt that lets everyone in and names the sitemap where there is one."""
    return "User-agent: *\nAllow: /\n" + (f"Sitemap: {base}/sitemap.xml\n" if base else "")


def llms(work: Mapping[str, str], about: str, sections: Mapping[str, Sequence[Page]]) -> str:
    """Return an llms.txt, https://llmstxt.org: what the book is, and its pages with a sentence each."""
    out = [f"# {work['title']}", "", f"> {' '.join(about.split())}"]
    for name, pages in sections.items():
        rows = [f"- [{page.title}]({page.address(page.path)}): {page.description}" for page in pages]
        out += ["", f"## {name}", "", *rows]
    return "\n".join(out) + "\n"


def codemeta(cff: Mapping[str, Any], work: Mapping[str, str], requires: str) -> str:
    """Return a CodeMeta 3.0 record, https://codemeta.github.io/terms/, of what CITATION.cff says.

    Parameters
    ----------
    cff : mapping
        CITATION.cff.
    work : mapping
        The same, as `citation.summary` returns it.
    requires : str
        Versions of Python that it runs on.
    """
    return (
        json.dumps(
            {
                "@context": "https://w3id.org/codemeta/3.0",
                "@type": "SoftwareSourceCode",
                "name": work["title"],
                "version": work["version"],
                "datePublished": work["date"],
                "license": f"https://spdx.org/licenses/{cff['license']}",
                "codeRepository": cff["repository-code"],
                "url": work["url"],
                "keywords": cff["keywords"],
                "programmingLanguage": "Python",
                "runtimePlatform": f"Python {requires}",
                "author": _creators(work),
            },
            indent=1,
        )
        + "\n"
    )
