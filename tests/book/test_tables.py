"""Tables and glossary of the built book: no raw float, no name of a script, and terms that lead to their entry."""

import re

import pytest
from bs4 import BeautifulSoup

RAW_FLOAT = re.compile(r"[-\u2212]?\d+\.0*[1-9]\d{4,}|.*\de[+-]\d.*|nan|inf|NaN|None|True|False")
RAW_NAME = re.compile(r"\b[a-z]+_[a-z_]+\b")


@pytest.fixture(scope="module")
def articles(pages, html):
    found = {}
    for path in pages:
        soup = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        found[path.relative_to(html).as_posix()] = soup.find("article") or soup
    return found


def test_result_tables_show_no_raw_float_and_no_name_of_a_script(articles):
    cells = 0
    for page, article in articles.items():
        if not page.startswith("notebooks/"):
            continue
        for cell in article.select("table.rs-table th, table.rs-table td"):
            for hidden in cell.select(".rs-tip, code"):
                hidden.decompose()
            text = cell.get_text()
            cells += 1
            assert not RAW_FLOAT.fullmatch(text.strip()), (page, text)
            assert not re.search(r"\d%", text), (page, text)
            assert not RAW_NAME.search(text) or cell.name == "td", (page, text)
    assert cells > 200


def test_first_uses_lead_to_the_glossary_once_a_page(articles):
    linked = 0
    for page, article in articles.items():
        targets = [link["href"] for link in article.select('a[href*="glossary.html#term-"]')]
        assert len(targets) == len(set(targets)), page
        linked += len(targets)
        if page.startswith("notebooks/"):
            assert targets, page
    assert linked > 40
