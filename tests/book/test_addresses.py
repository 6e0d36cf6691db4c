"""What authors cite resolves: every number, figure and content hash that a release published has its place."""

import json
import re

import pytest

from rollstate.compendium import releases


@pytest.fixture(scope="module")
def published(root):
    return releases.every(root / "releases")


def test_every_number_and_figure_of_every_release_has_its_page(html, published):
    for release in published:
        assert all((html / "n" / key / "index.html").is_file() for key in release.results), release.version
        assert all((html / "f" / ref / "index.html").is_file() for ref in release.figures), release.version


@pytest.mark.parametrize("kind", ["numbers", "figures"])
def test_every_content_that_was_ever_cited_is_an_anchor_of_its_list(html, published, kind):
    text = (html / "book" / f"{kind}.html").read_text(encoding="utf-8")
    anchors = re.findall(r'id="(sha256-[0-9a-f]{16})"', text)
    assert len(anchors) == len(set(anchors))
    for release in published:
        cited = (
            [result.content for result in release.results.values()]
            if kind == "numbers"
            else [figure["content_sha256"] for figure in release.figures.values()]
        )
        assert {f"sha256-{content[:16]}" for content in cited} <= set(anchors), release.version


def test_data_and_references_lie_at_the_address(html):
    for number in (html / "n").iterdir():
        files = {path.name for path in number.iterdir()}
        assert files == {"index.html", "number.csv", "number.json", "cite.bib", "cite.ris", "cite.json"}
        assert json.loads((number / "number.json").read_text())["key"] == number.name
    for figure in (html / "f").glob("*/*"):
        files = {path.name for path in figure.iterdir()}
        assert {
            "index.html",
            f"{figure.name}.csv",
            f"{figure.name}.json",
            "cite.bib",
            "cite.ris",
            "cite.json",
        } <= files
