"""The built book to a machine: every page's tags and structured data hold, every list of pages is true."""

import json
import re

import jsonschema
import pytest
from bs4 import BeautifulSoup
from tests.compendium.machine_schemas import CODEMETA, SCHEMAS

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


def test_codemeta_and_robots(html):
    jsonschema.validate(json.loads((html / "codemeta.json").read_text()), CODEMETA)
    assert "Disallow" not in (html / "robots.txt").read_text()
