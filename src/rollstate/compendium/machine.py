"""Tell machines what the built book is: tags in each page's head, sitemap, robots.txt, llms.txt, codemeta.json."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from html import escape
from pathlib import Path

import yaml
from bs4 import BeautifulSoup

from rollstate.compendium import citation, interface_pages, metadata, runner
from rollstate.compendium.files import write_text
from rollstate.compendium.metadata import Page

_ABOUT = (
    "What of a rollup's state is used again, how long proving delays a transaction, whether state differences can "
    "stand in for roots, what a verifier must remember, and what execution costs: computed from real traces, each "
    "number with its interval, source and test."
)
_LONGEST = 300
_ANSWER = "Answer. "
_HIDDEN = (".rs-tip", "script", "style", ".admonition", ".headerlink", "dl", ".citation")


def mark(
    html: Path, root: Path, pages: Iterable[str], addresses: Iterable[str], *, published: bool = True
) -> None:
    """Write into the folder of a built book what machines read.

    Parameters
    ----------
    html : Path
        Folder of the built book.
    root : Path
        The project's folder.
    pages : iterable of str
        Paths of the book's own pages, whose heads are completed.
    addresses : iterable of str
        Paths of the pages of numbers and figures, which are complete.
    published : bool
        Whether this is the book that is published; another one never names that one's address.
    """
    base, work = citation.base_url(root) if published else "", citation.summary(root)
    said = []
    for path in sorted(pages):
        file = html / path
        text = file.read_text(encoding="utf-8")
        if "</head>" not in text or 'http-equiv="Refresh"' in text:
            continue
        page = _page(path, text, work, base)
        tags = metadata.head(page, canonical='rel="canonical"' not in text)
        write_text(file, text.replace("</head>", f"{tags}</head>", 1))
        said.append(page)
    known = [page for page in said if page.path not in ("search.html", "genindex.html")]
    paths = [page.path for page in known] + [_as_linked(path) for path in sorted(addresses)]
    if base:
        write_text(html / "sitemap.xml", metadata.sitemap(base, paths, work["date"]))
    write_text(html / "robots.txt", metadata.robots(base))
    order = [f"notebooks/{name}.html" for name in runner.chapters(root)]
    sections = {
        "Answers": [page for page in known if page.kind == "book"],
        "Chapters": sorted(
            (page for page in known if page.kind == "article"), key=lambda page: order.index(page.path)
        ),
        "Use it": [
            page
            for page in known
            if page.kind == "page" and page.path.startswith("book/") and "/parameters/" not in page.path
        ],
        "API reference": [page for page in known if page.path.startswith(f"{interface_pages.FOLDER}/")],
    }
    filled = {name: shown for name, shown in sections.items() if shown}
    write_text(html / "llms.txt", metadata.llms(work, _ABOUT, filled))
    cff = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    write_text(html / "codemeta.json", metadata.codemeta(cff, work, project["requires-python"]))


def front(root: Path, *, published: bool) -> str:
    """Return the page at the book's root, which leads to the landing page and says of what book.

    Parameters
    ----------
    root : Path
        Folder of the repository.
    published : bool
        Whether this is the book that is published: its address is named then.
    """
    base, title = citation.base_url(root) if published else "", escape(citation.summary(root)["title"])
    canonical = f'<link rel="canonical" href="{base}/book/index.html" />\n' if base else ""
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8" /><title>{title}</title>\n'
        f'<meta name="description" content="{escape(_ABOUT)}" />\n'
        f"{canonical}"
        '<meta http-equiv="Refresh" content="0; url=book/index.html" /></head>\n'
        f'<body><p><a href="book/index.html">{title}</a></p></body></html>\n'
    )


def _as_linked(path: str) -> str:
    return path.removesuffix("index.html") if path != "book/index.html" else path


def _page(path: str, text: str, work: dict[str, str], base: str) -> Page:
    """Return what to say of a rendered page: its first heading, and its abstract's answer or its first paragraph."""
    soup = BeautifulSoup(text, "html.parser")
    article = soup.find("article") or soup
    for hidden in article.select(", ".join(_HIDDEN)):
        hidden.decompose()
    heading = article.find("h1")
    title = _plain(heading.get_text()) if heading else path
    paragraphs = [_plain(paragraph.get_text()) for paragraph in article.find_all("p")]
    answers = [said.removeprefix(_ANSWER) for said in paragraphs if said.startswith(_ANSWER)]
    long = [said for said in paragraphs if len(said.split()) > 6]
    description = next(iter([*answers, *long]), f"{title}. {_ABOUT}")
    picture = article.select_one("figure img, .rs-thumb img")
    image = ""
    # A bundle's figure is a vector here; what a link is shown with must be pixels.
    if picture and (name := re.search(r"f/([^/]+/[^/]+)/index\.html", str(article))):
        chapter, _, figure = name[1].partition("/")
        image = f"_static/figures/{chapter}/{figure}/{figure}.png"
    kind = "article" if path.startswith("notebooks/") else "book" if path == "book/index.html" else "page"
    return Page(path, title, _shortened(description), kind, work, base, image)


def _plain(text: str) -> str:
    return " ".join(text.replace("\u2020", "").split())


def _shortened(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    cut = text[:_LONGEST]
    end = cut.rfind(". ")
    return cut[: end + 1] if end > 80 else cut.rsplit(" ", 1)[0] + " \u2026"
