"""The built book to a machine: every page's tags and structured data hold, every list of pages is true."""

import json
import re

import jsonschema
import pytest
import yaml
from bs4 import BeautifulSoup
from sphinx.util.inventory import InventoryFile
from tests.compendium.machine_schemas import (
    CITATION,
    CODEMETA,
    FIGURE_RECORD,
    NUMBER_RECORD,
    SCHEMAS,
    crate_faults,
)

from rollstate.compendium import runner


@pytest.fixture(scope="module")
def heads(html, pages, addresses):
    """The head of each page by its path."""
    texts = {
        path.relative_to(html).as_posix(): path.read_text(encoding="utf-8") for path in [*pages, *addresses]
    }
    return {path: BeautifulSoup(text.partition("</head>")[0], "html.parser") for path, text in texts.items()}


def test_every_page_is_described_for_people_libraries_and_previews(heads):
    for path, head in heads.items():
        assert len(head.find_all("meta", attrs={"name": "description"})) == 1, path
        assert len(head.find("meta", attrs={"name": "description"})["content"].split()) > 4, path
        for name in ("DC.title", "DC.creator", "DC.date", "DC.rights"):
            assert head.find("meta", attrs={"name": name}), (path, name)
        for name in ("og:title", "og:type", "og:description"):
            assert head.find("meta", attrs={"property": name}), (path, name)


def test_structured_data_of_every_page_holds(heads):
    found = {}
    for path, head in heads.items():
        for script in head.find_all("script", type="application/ld+json"):
            data = json.loads(script.string)
            jsonschema.validate(data, SCHEMAS[data["@type"]])
            found.setdefault(data["@type"], []).append(path)
    assert found["Book"] == ["book/index.html"]
    assert all(path.startswith("notebooks/") for path in found["ScholarlyArticle"])
    assert len(found["Dataset"]) == sum(path.startswith(("n/", "f/")) for path in heads)


def test_every_chapter_can_be_cited_from_its_page(heads, root):
    for chapter in runner.chapters(root):
        head = heads[f"notebooks/{chapter}.html"]
        for name in ("title", "author", "publication_date"):
            assert head.find("meta", attrs={"name": f"citation_{name}"})["content"], (chapter, name)


def test_the_page_at_the_root_says_of_what_book_it_is(html):
    text = (html / "index.html").read_text("utf-8")
    assert re.search(r"<title>[^<]{10,}</title>", text)
    assert re.search(r'<meta name="description" content="[^"]{50,}"', text)
    assert 'href="book/index.html"' in text


def test_files_of_data_sets_are_there(heads, html):
    for path, head in heads.items():
        if not path.startswith(("n/", "f/")):
            continue
        data = json.loads(head.find("script", type="application/ld+json").string)
        for one in data["distribution"]:
            assert (html / one["contentUrl"]).is_file(), one


def test_llms_txt_names_every_chapter_and_only_pages_that_exist(html, root):
    links = re.findall(r"\]\(([^)]+\.html)\)", (html / "llms.txt").read_text(encoding="utf-8"))
    assert {f"notebooks/{chapter}.html" for chapter in runner.chapters(root)} <= set(links)
    assert all((html / link).is_file() for link in links)


@pytest.mark.thorough
def test_every_record_at_an_address_holds(html):
    numbers = list((html / "n").rglob("number.json"))
    figures = [path for path in (html / "f").rglob("*.json") if path.name != "cite.json"]
    assert numbers
    assert figures
    for paths, schema in ((numbers, NUMBER_RECORD), (figures, FIGURE_RECORD)):
        for path in paths:
            jsonschema.validate(json.loads(path.read_text(encoding="utf-8")), schema)


def test_the_crate_covers_every_page_and_address(html, pages, addresses):
    data = json.loads((html / "ro-crate-metadata.json").read_text(encoding="utf-8"))
    assert crate_faults(data, html) == []
    known = {entity["@id"] for entity in data["@graph"]}
    assert {path.relative_to(html).as_posix() for path in [*pages, *addresses]} <= known


def test_the_inventory_leads_to_functions_figures_and_numbers(html, pages, addresses):
    with (html / "objects.inv").open("rb") as file:
        known = InventoryFile.load(file, "", lambda base, uri: uri)
    labels = {name: entry[2] for name, entry in known["std:label"].items()}
    for path in addresses:
        address = path.relative_to(html).as_posix()
        assert labels[address.removesuffix("/index.html")] == address
    functions = {name: entry[2] for name, entry in known["py:function"].items()}
    assert "rollstate.tails.estimators.hill" in functions
    ids = {
        path.relative_to(html).as_posix(): set(re.findall(r'id="([^"]+)"', path.read_text(encoding="utf-8")))
        for path in pages
    }
    for name, address in functions.items():
        page, _, anchor = address.partition("#")
        assert anchor in ids[page], name


def test_every_chapter_links_the_functions_it_calls(html, root):
    for chapter in runner.chapters(root):
        text = (html / "notebooks" / f"{chapter}.html").read_text(encoding="utf-8")
        assert "Functions of this chapter" in text, chapter
        assert re.search(r'href="\.\./api/\w+\.html#rollstate\.', text), chapter


def test_the_citation_file_is_what_its_format_demands(root):
    jsonschema.validate(yaml.load((root / "CITATION.cff").read_text(), yaml.BaseLoader), CITATION)


def test_codemeta_and_robots(html):
    jsonschema.validate(json.loads((html / "codemeta.json").read_text()), CODEMETA)
    assert "Disallow" not in (html / "robots.txt").read_text()
