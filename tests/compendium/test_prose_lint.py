"""Faults of prose are found, sentences without them are left alone, and this book has none."""

from pathlib import Path

import pytest

from rollstate.compendium import by_name, prose_lint, runner
from rollstate.compendium.declared import Results, result

_GUARD = "tests/test_x.py::test_y"


class ToyResults(Results):
    """Numbers with units."""

    gas: int = result("gas of a game", unit="gas", fmt=",", guard=_GUARD)
    delay: float = result("delay of a game", unit="s", fmt=".0f", guard=_GUARD)
    seen: int = result("blocks that were seen", unit="blocks", guard=_GUARD)
    share: float = result("share of games that were won", fmt=".0%", guard=_GUARD)
    plain: float = result("games played", guard=_GUARD)


TOY = {f"toy.{name}": one for name, one in ToyResults.declared().items()}


@pytest.mark.parametrize(
    "text",
    [
        "It costs {num}`toy.gas` gas in all.",
        "It takes {num}`toy.delay` seconds.",
        "It takes {num}`toy.delay|.1f` s.",
        "over {num}`toy.seen`\nblocks of the chain",
        "over {num}`toy.seen` judged blocks",
        "It is {num}`toy.share` percent.",
        "It is {num}`toy.plain|.1%` % of all.",
        "between {between}`toy.seen` blocks",
    ],
)
def test_a_unit_said_twice_is_found(text):
    assert len(list(prose_lint.doubled_units(text, TOY))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "It costs {num}`toy.gas`. Gas is paid by both.",
        "It takes {num}`toy.delay` on average, seconds more than before.",
        "over {num}`toy.seen` of which blocks are few",
        "over {num}`toy.seen`, blocks of one day",
        "{num}`toy.share` per block",
        "{num}`toy.plain` games, {num}`toy.gas` per game",
        "{num}`unknown.key` blocks",
    ],
)
def test_a_unit_said_once_is_left_alone(text):
    assert not list(prose_lint.doubled_units(text, TOY))


@pytest.mark.parametrize(
    "text",
    [
        "# Sorting is 3 times faster",
        "**It needs fewer reads**",
        "text\n\n## Flat storage is cheaper",
        "**times as much**",
    ],
)
def test_a_headline_that_compares_with_nothing_is_found(text):
    assert len(list(prose_lint.without_baseline(text))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "# Sorting is faster than before",
        "**It costs N times as much as the best window**",
        "It is faster.",
        "## Many windows instead of one",
        "# What a trace shows",
        "**Which slot it is matters more than when it was touched.**",
    ],
)
def test_a_headline_with_a_baseline_or_without_comparison_is_left_alone(text):
    assert not list(prose_lint.without_baseline(text))


def test_private_words_are_found_as_words_alone():
    assert next(prose_lint.private_words("Ours is dearer.")).startswith("'ours'")
    assert not list(prose_lint.private_words("Hours later, `ours` and $dear$ pass; a dearth of data."))


GOOD = "# T\n\n**Question.** q?\n\n**Answer.** a {num}`toy.gas`.\n\n**How we know.** h.\n\n**Limits.** l."


def test_another_name_of_a_policy_is_found_and_the_used_one_is_not():
    assert [
        line.split("'")[1] for line in prose_lint.other_names("The least recently used slot; TinyLFU")
    ] == [
        "least recently used",
        "TinyLFU",
    ]
    assert not list(prose_lint.other_names("LRU, W-TinyLFU, and a `fixed window, tuned` in code"))


def test_an_abstract_has_its_four_paragraphs_in_order_and_is_short():
    assert not list(prose_lint.abstract(GOOD))
    assert list(prose_lint.abstract(GOOD.replace("**Limits.**", "Limits.")))
    assert list(
        prose_lint.abstract(GOOD.replace("Question", "Limits", 1).replace("Limits.** l", "Question.** l"))
    )
    words = " word" * prose_lint.ABSTRACT_WORDS
    (line,) = prose_lint.abstract(GOOD + words)
    assert "words, at most 120" in line


def test_a_role_is_one_word_and_a_citation_none():
    # The labels have six words, q, a, h and l one each, and the role in the answer is one.
    rest = prose_lint.ABSTRACT_WORDS - 11
    long = GOOD + " {num}`toy.a|.1f b`" * rest + " {cite}`one`" * 9
    assert not list(prose_lint.abstract(long))
    assert list(prose_lint.abstract(long + " one"))


@pytest.mark.parametrize(
    "meaning", ["the same of the window", "its cost per block", "model: that least price"]
)
def test_a_meaning_that_leans_on_another_is_found(meaning):
    class LeaningResults(Results):
        """One number."""

        one: float = result(meaning, guard=_GUARD)

    (line,) = prose_lint.leaning_meanings({"leaning.one": LeaningResults.declared()["one"]})
    assert line.startswith("leaning.one")
    assert not prose_lint.leaning_meanings(TOY)


FIGURES = """
def draw(frame, n):
    ax.set(xlabel="log_co_contract", ylabel="share of slots")
    ax.set_title(f"first_gap {n}")
    style.title(figure, f"Flat storage takes {n} times fewer reads")
    style.title(figure, f"Flat storage takes {n} times fewer reads than a trie")
    return Drawing(figure, caption=f"Cost in $c_t$ and `a_b`, {n}.", alt="Ours in RAM.")
"""


def test_raw_names_and_titles_without_baseline_are_found_in_figures():
    lines = prose_lint.figure_texts(FIGURES, Path("figures.py"))
    assert [line.split(": ", 1)[0] for line in lines] == [f"figures.py:{n}" for n in (3, 4, 5, 7)]
    for line, said in zip(
        lines, ("log_co_contract", "first_gap", "compares with nothing", "'ours'"), strict=True
    ):
        assert said in line


def test_what_a_build_shows_raw_is_found(tmp_path):
    folder = tmp_path / "toy" / "figures" / "cost"
    folder.mkdir(parents=True)
    (folder / "caption.txt").write_text(
        "Cost at 1e-08 and 0.12345678, by mean_ratio and known_name, 1.5 on 2026-11-28."
    )
    (folder / "alt.txt").write_text("0.123 at 1,000, EIP-7928 and v1.2.3")
    tables = tmp_path / "toy" / "tables"
    tables.mkdir()
    (tables / "t.csv").write_text(
        "worst_factor,name\n0.123456789,log_score\n1e-9,known_name\n2,tuned by activity\n95%,3\u202f%\n"
    )
    lines = prose_lint.built_texts(tmp_path, frozenset({"known_name"}))
    assert [line.split("'")[1] for line in lines] == [
        "mean_ratio",
        "1e-08",
        "0.12345678",
        "log_score",
        "tuned by activity",
        "95%",
    ]
    assert prose_lint.built_texts(tmp_path / "none") == []


def test_this_book_has_none_of_these_faults(root):
    declared = {
        f"{name}.{key}": one
        for name in runner.chapters(root)
        for key, one in by_name.result_class(name).declared().items()
    }
    # What the last build shows is the business of `rollstate lint`: it may be a build of another version.
    assert prose_lint.in_sources(root, declared) == []
