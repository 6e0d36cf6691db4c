"""What machines read is complete, well formed, and names addresses only where the book has one."""

import json
import shutil
import xml.etree.ElementTree as ElementTree
from urllib.robotparser import RobotFileParser

import jsonschema
import pytest
from bs4 import BeautifulSoup

from rollstate.compendium import machine, metadata
from rollstate.compendium.metadata import Page

from .machine_schemas import CODEMETA, SCHEMAS
from .test_references import NUMBER, WORK

BASE = "https://book.example"
VERSIONED = {**WORK, "version": "0.4.0"}
LONG = 'A description of "more" than <fifty> characters, which is what a search engine for data asks for.'


def page(kind, base=""):
    return Page(
        "n/eda.open_share/",
        "Open & <shut>",
        LONG,
        kind,
        VERSIONED,
        base,
        image="a.png",
        files=("n/eda.open_share/number.csv", "n/eda.open_share/number.json"),
        content="e" * 64,
        value=NUMBER if kind == "dataset" else None,
    )


def tags(text):
    soup = BeautifulSoup(f"<html><head>{text}</head></html>", "html.parser")
    found = {}
    for tag in soup.find_all("meta"):
        found.setdefault(tag.get("name") or tag.get("property"), []).append(tag["content"])
    return soup, found


@pytest.mark.parametrize("base", ["", BASE])
@pytest.mark.parametrize("kind", ["article", "book", "dataset"])
def test_structured_data_is_what_its_type_demands(kind, base):
    soup, _ = tags(metadata.head(page(kind, base)))
    data = json.loads(soup.find("script", type="application/ld+json").string)
    jsonschema.validate(data, SCHEMAS[data["@type"]])
    assert ("url" in data) == bool(base)
    if kind == "dataset":
        assert data["variableMeasured"]["minValue"] == NUMBER.interval[0]
        assert all(one["contentUrl"].startswith(base) for one in data["distribution"])


def test_nothing_that_needs_an_address_is_said_without_one():
    text = metadata.head(page("article"))
    for needs in ("canonical", "og:url", "og:image", "public_url", 'DC.identifier" content="http'):
        assert needs not in text


def test_a_published_page_has_all_that_open_graph_and_scholar_demand():
    soup, found = tags(metadata.head(page("article", BASE)))
    for name in ("og:title", "og:type", "og:url", "og:image", "og:description"):
        assert len(found[name]) == 1, name
    assert found["og:image"] == [f"{BASE}/a.png"]
    assert found["citation_title"] == ["Open & <shut>"]
    assert found["citation_author"] == ["The maintainers", "Jane Doe"]
    assert found["citation_publication_date"] == ["2026/11/27"]
    assert found["citation_inbook_title"] == [WORK["title"]]
    assert [link["href"] for link in soup.find_all("link", rel="canonical")] == [f"{BASE}/n/eda.open_share/"]
    assert not tags(metadata.head(page("article", BASE), canonical=False))[0].find_all("link")


def test_texts_cannot_break_out_of_their_tags():
    hostile = Page("p", '"><script>', "</script><b>" + LONG, "article", VERSIONED)
    text = metadata.head(hostile)
    assert text.count("<script") == text.count("</script>") == 1
    assert "<b>" not in text


def test_a_plain_page_claims_to_be_no_article():
    text = metadata.head(page("page", BASE))
    assert "citation_" not in text
    assert "ld+json" not in text


@pytest.fixture(params=["", BASE])
def marked(request, tmp_path, root):
    """A book of three pages, marked with and without an address."""
    project, html = tmp_path / "project", tmp_path / "html"
    (html / "notebooks").mkdir(parents=True)
    (html / "book").mkdir()
    (project / "notebooks").mkdir(parents=True)
    for name in ("CITATION.cff", "pyproject.toml", "_toc.yml"):
        shutil.copy(root / name, project / name)
    (project / "_config.yml").write_text(f"html:\n  baseurl: '{request.param}'\n")
    text = (
        "<html><head><title>t</title></head><body><article><h1>{}<a class='headerlink'>#</a></h1>"
        "<p>Short.</p><p>A paragraph of more than six words<span class='rs-tip'>hidden</span> here.</p>"
        "</article></body></html>"
    )
    pages = ["notebooks/traces.html", "book/index.html", "book/cite.html"]
    for path in pages:
        (html / path).write_text(text.format(path))
    machine.mark(html, project, pages, ["n/traces.slots/index.html"])
    return html, request.param


def test_the_first_real_paragraph_describes_a_page(marked):
    html, _ = marked
    _, found = tags((html / "notebooks" / "traces.html").read_text().split("<head>")[1].split("</head>")[0])
    assert found["description"] == ["A paragraph of more than six words here."]
    assert found["DC.title"] == ["notebooks/traces.html"]


def test_the_answer_of_an_abstract_describes_a_chapter():
    question = "<p>Question. Which of the seven words are here, all?</p>"
    html = f"<article><h1>T</h1>{question}<p><b>Answer.</b> All of them.</p></article>"
    page = machine._page("notebooks/t.html", html, {}, "")
    assert (page.title, page.description) == ("T", "All of them.")


def test_sitemap_and_robots(marked):
    html, base = marked
    robots = RobotFileParser()
    robots.parse((html / "robots.txt").read_text().splitlines())
    assert robots.can_fetch("*", f"{BASE}/n/traces.slots/")
    assert robots.site_maps() == ([f"{base}/sitemap.xml"] if base else None)
    assert (html / "sitemap.xml").exists() == bool(base)
    if base:
        tree = ElementTree.parse(html / "sitemap.xml").getroot()
        space = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
        assert tree.tag == f"{space}urlset"
        found = [one.findtext(f"{space}loc") for one in tree]
        pages = ("book/cite.html", "book/index.html", "notebooks/traces.html", "n/traces.slots/")
        assert found == [f"{base}/{path}" for path in pages]


def test_llms_txt_has_a_title_a_summary_and_sections_of_links(marked):
    lines = (marked[0] / "llms.txt").read_text().splitlines()
    assert lines[0].startswith("# ")
    assert lines[2].startswith("> ")
    assert [line for line in lines if line.startswith("## ")] == ["## Answers", "## Chapters", "## Use it"]
    assert sum(line.startswith("- [") for line in lines) == 3


def test_codemeta_says_what_the_citation_file_says(marked, root):
    data = json.loads((marked[0] / "codemeta.json").read_text())
    jsonschema.validate(data, CODEMETA)
    assert f"version: {data['version']}" in (root / "CITATION.cff").read_text()
