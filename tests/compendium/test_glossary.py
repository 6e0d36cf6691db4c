"""Each term is defined once and used; what is used and special is defined."""

import pytest

from rollstate.compendium import glossary
from rollstate.errors import InputError


def project(tmp_path, block):
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "glossary.md").write_text(f"# Glossary\n\n```{{glossary}}\n{block}\n```\n")
    return tmp_path


def test_terms_may_share_an_entry(tmp_path):
    root = project(
        tmp_path, "gap\ninter-access time\n  Blocks from one\n  access to the next.\n\ntier\n  A place."
    )
    assert glossary.terms(root) == {
        "gap": "Blocks from one access to the next.",
        "inter-access time": "Blocks from one access to the next.",
        "tier": "A place.",
    }


@pytest.mark.parametrize(("block", "said"), [("gap", "no entry"), ("gap\n  A.\n\ngap\n  B.", "two entries")])
def test_a_term_without_its_one_entry_is_refused(tmp_path, block, said):
    with pytest.raises(InputError, match=said):
        glossary.terms(project(tmp_path, block))


@pytest.mark.parametrize(
    ("term", "text", "found"),
    [
        ("gap", "Gaps are long", "Gaps"),
        ("gap", "a gap-time", None),
        ("gap", "singapore", None),
        ("witness", "two witnesses", "witnesses"),
        ("Cox model", "a Cox model", "Cox model"),
        ("Gini", "gini", None),
        ("ski rental", "the ski\nrental rule", "ski\nrental"),
    ],
)
def test_terms_are_found_as_words_in_both_numbers(term, text, found):
    match = glossary.pattern(term).search(text)
    assert (match and match[0]) == found


def test_the_three_faults_are_found():
    pages = {"book/a.md": "A {term}`nothing` and a Brier score of {num}`x.brier`; `frailty` in code. A gap."}
    lines = glossary.findings({"gap": "Blocks.", "interval": "Blocks.", "tier": "A place."}, pages)
    assert lines == [
        "book/a.md: {term}`nothing` is not in the glossary",
        "book/a.md: 'Brier' is used and not in the glossary",
        "book/glossary.md: no page uses 'tier'",
    ]


def test_the_book_has_none_of_them(root):
    assert glossary.findings(glossary.terms(root), glossary.prose(root)) == []
