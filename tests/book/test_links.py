"""What the pages say without a browser: links, texts, hosts."""

import json
import re
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from rollstate.compendium import lint, results, runner


class Page(HTMLParser):
    """Collects anchors, links and images of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids, self.links, self.images, self.scripts = set(), [], [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids |= {attrs[name] for name in ("id", "name") if attrs.get(name)}
        if tag == "a" and attrs.get("href"):
            self.links.append(attrs["href"])
        if tag == "img":
            self.images.append(attrs)
        for name in ("src", "href"):
            if tag in {"script", "link", "img", "iframe"} and attrs.get(name):
                self.scripts.append(attrs[name])


@pytest.fixture(scope="module")
def parsed(pages, addresses):
    return {path.resolve(): Page(path) for path in [*pages, *addresses]}


def test_every_internal_link_leads_somewhere(parsed):
    broken = []
    for path, page in parsed.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists() or (
                parts.fragment and target in parsed and unquote(parts.fragment) not in parsed[target].ids
            ):
                broken.append(f"{path.name}: {link}")
    assert broken == []


def test_nothing_is_loaded_from_elsewhere(parsed):
    loaded = {link for page in parsed.values() for link in page.scripts}
    assert [
        link for link in loaded if urlsplit(link).scheme in {"http", "https"} or link.startswith("//")
    ] == []


def test_every_figure_has_an_alternative_text(parsed):
    figures = [image for page in parsed.values() for image in page.images if "_images" in image["src"]]
    assert figures
    assert [image["src"] for image in figures if len(image.get("alt", "").split()) < 4] == []


def test_no_page_shows_an_unknown_number(pages):
    for path in pages:
        assert not re.search(
            r"\[[\w.|]+\?\]", re.sub(r"<script.*?</script>", "", path.read_text(), flags=re.DOTALL)
        )


def test_every_guard_named_in_the_book_exists(html, root):
    registry = results.load(html / "_static" / "results.json")
    assert registry
    assert lint.missing_guards({key: one.guard for key, one in registry.items()}, root) == []


def test_every_figure_can_be_downloaded_and_cited(html, root):
    bundles = [path.parent for path in (html / "_static" / "figures").rglob("provenance.json")]
    assert {path.parent.name for path in bundles} == set(runner.chapters(root))
    for bundle in bundles:
        stamp = json.loads((bundle / "provenance.json").read_text())
        kinds = {path.suffix for path in bundle.iterdir()}
        assert {".pdf", ".svg", ".png", ".csv", ".bib"} <= kinds
        assert stamp["content_sha256"][:16] in (bundle / "cite.bib").read_text()
        assert stamp["source"]


def test_every_table_can_be_downloaded_whole(html):
    """A page shows the first rows of a long table, and says so; its file has all of them."""
    long = 0
    for run in sorted((html.parent / "runs").glob("[a-z]*/tables/*.csv")):
        chapter = run.parts[-3]
        public = html / "_static" / "tables" / chapter / run.name
        assert public.read_bytes() == run.read_bytes()
        text = (html / "notebooks" / f"{chapter}.html").read_text(encoding="utf-8")
        assert f'href="../_static/tables/{chapter}/{run.name}"' in text
        rows = len(run.read_text(encoding="utf-8").splitlines()) - 1
        long += rows > 100 and f"of {rows} rows" in text
    assert long


def test_no_path_of_the_building_machine_is_published(html, root):
    here = f"{root}/".encode()
    # What a failed run left behind for its author has a name with a dot.
    runs = [folder for folder in (root / "_build" / "runs").iterdir() if not folder.name.startswith(".")]
    for folder in (html, *runs):
        for path in folder.rglob("*"):
            if not path.is_file() or "mathjax" in path.parts:
                continue
            if path.suffix == ".zip":
                with zipfile.ZipFile(path) as bundle:
                    naming = [name for name in bundle.namelist() if here in bundle.read(name)]
                    assert not naming, (path, naming)
            assert here not in path.read_bytes(), path
