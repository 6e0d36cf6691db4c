"""The landing page: five answers in twenty seconds, each with its evidence, advice and picture."""

import re
from html.parser import HTMLParser

import pytest

MOST_NUMBERS = 15


@pytest.fixture(scope="module")
def source(root):
    return (root / "book" / "index.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def landing(html):
    return (html / "book" / "index.html").read_text(encoding="utf-8")


class Elements(HTMLParser):
    """Counts classes and collects what pictures link to."""

    def __init__(self, text):
        super().__init__()
        self.classes, self.thumbs = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        names = (attrs.get("class") or "").split()
        self.classes += names
        if tag == "a" and "rs-thumb" in names:
            self.thumbs.append(attrs["href"])


def test_five_questions_with_a_card_each_and_few_numbers(source):
    questions = re.findall(r"^### .*\?$", source, re.MULTILINE)
    assert len(questions) == source.count("```{answer-card}") == 5
    assert len(re.findall(r"\{(?:num|between|lit)\}`", source)) <= MOST_NUMBERS


def test_each_card_has_an_answer_its_evidence_advice_and_links(landing):
    found = Elements(landing).classes
    for part in (
        "rs-card",
        "rs-card-answer",
        "rs-card-evidence",
        "rs-evidence",
        "rs-card-advice",
        "rs-card-links",
    ):
        assert found.count(part) == 5, part


def test_each_picture_leads_to_the_page_of_its_figure(landing, html):
    thumbs = Elements(landing).thumbs
    assert thumbs
    for thumb in thumbs:
        assert (html / "book" / thumb).resolve().is_file(), thumb


def test_three_ways_to_use_the_book_each_with_its_command(source):
    ways = source.split("## Three ways to use the book")[1].split("\n\n")[1]
    assert ways.count("\n- ") + ways.startswith("- ") == 3
    assert all(re.search(r"`(make|rollstate) [^`]+`", way) for way in ways.split("\n- "))
