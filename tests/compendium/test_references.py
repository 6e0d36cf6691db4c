"""References say the same in three forms, each readable by a parser of its own."""

import json
import re

import pytest
from pybtex.database import parse_string

from rollstate.compendium import citation
from rollstate.compendium.references import FORMS, Reference
from rollstate.compendium.results import Result

WORK = {
    "author": "{The maintainers} and Doe, Jane",
    "title": "A book",
    "year": "2026",
    "date": "2026-11-27",
    "url": "https://example.org/code",
}
NUMBER = Result(
    key="eda.open_share",
    value=0.38,
    unit="",
    interval=(0.31, 0.45),
    interval_kind="95 % over contracts",
    meaning="share of gaps & spells that are 100 % open_ended",
    guard="tests/test_x.py::test_y",
    cell=3,
    source={"source": "model", "description": "none"},
    fmt=".0%",
)


@pytest.fixture(params=["", "https://book.example/"])
def reference(request):
    return citation.number(NUMBER, WORK, "0.4.0", request.param)


def url_of(reference):
    return "https://book.example/n/eda.open_share/" if reference.base else WORK["url"]


def test_bibtex_is_read_by_a_parser_with_every_field(reference):
    (entry,) = parse_string(reference.bibtex(), "bibtex").entries.values()
    assert [str(person) for person in entry.persons["author"]] == ["{The maintainers}", "Doe, Jane"]
    assert entry.fields["url"] == entry.fields["howpublished"] == url_of(reference)
    assert entry.fields["date"] == "2026-11-27"
    assert entry.fields["version"] == "0.4.0"
    assert NUMBER.content[:16] in entry.fields["note"]


def test_bibtex_holds_nothing_that_tex_would_misread(reference):
    (entry,) = parse_string(reference.bibtex(), "bibtex").entries.values()
    for name in ("title", "note"):
        assert not re.search(r"(?<!\\)[&%#_]", entry.fields[name]), entry.fields[name]


def test_ris_has_its_tags_in_order_one_a_line(reference):
    lines = reference.ris().splitlines()
    assert all(re.fullmatch(r"[A-Z][A-Z0-9]  - .*", line) for line in lines)
    assert lines[0] == "TY  - DATA"
    assert lines[-1] == "ER  - "
    tags = dict(line.split("  - ", 1) for line in lines)
    assert tags["UR"] == url_of(reference)
    assert tags["DA"] == "2026/11/27"
    assert [line for line in lines if line.startswith("AU")] == ["AU  - The maintainers", "AU  - Doe, Jane"]


def test_csl_is_one_item_of_the_schemas_fields(reference):
    (item,) = json.loads(reference.csl())
    assert item["type"] == "dataset"
    assert item["author"] == [{"literal": "The maintainers"}, {"family": "Doe", "given": "Jane"}]
    assert item["issued"] == {"date-parts": [[2026, 11, 27]]}
    assert item["URL"] == url_of(reference)
    # All are variables of CSL 1.0.2.
    assert item.keys() <= {
        "id", "type", "title", "author", "issued", "version", "URL", "DOI", "container-title", "note",
    }  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_doi_is_named_where_there_is_one(form):
    plain = Reference("k", "T", WORK, "1", "software")
    with_doi = Reference("k", "T", {**WORK, "doi": "10.1/x"}, "1", "software")
    assert "10.1/x" in FORMS[form](with_doi)
    assert "doi" not in FORMS[form](plain).lower()


def test_a_citation_of_the_project_has_a_full_date(root):
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", citation.book(root).date)
