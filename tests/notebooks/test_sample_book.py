"""Without any real data the notebooks run on the sample, and the book made of them says so on every page concerned."""

import pytest

from rollstate.compendium import book, by_name, results, runner
from rollstate.errors import DataUnavailableError
from rollstate.traces import datasets

QUICK = {
    "draws": 50,
    "permutations": 200,
    "transactions": 20_000,
    "random_games": 200,
    "gaps": (2, 4),
    "replicates": 2,
    "sizes": (1_000, 10_000),
}
"""Fewer draws, games and keys than the published book takes: the pages are under test, not the numbers."""


@pytest.fixture(scope="module")
def offline():
    """Yield with every public data set out of reach."""
    real = datasets.locate

    def locate(name):
        if name in datasets.names():
            raise DataUnavailableError(f"{name} is out of reach in this test")
        return real(name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "locate", locate)
        yield


@pytest.fixture(scope="module")
def works(root, offline, tmp_path_factory):
    """Run every chapter from end to end."""
    folder = tmp_path_factory.mktemp("runs")
    made = []
    for chapter in runner.chapters(root):
        names = by_name.parameter_class(chapter).names()
        given = {name: value for name, value in QUICK.items() if name in names}
        made.append(runner.plan(chapter, given, root, allow_sample=True, out=folder / chapter))
    # One after the other: other tests run beside this one.
    runner.run_all(made, root, jobs=1, say=lambda line: None)
    return made


def test_every_chapter_runs_on_the_sample_and_records_what_it_computed(works):
    for work in works:
        assert bool(work.substituted) == bool(work.parameters.data_sets())
        registry = results.load(work.folder / "results.json")
        assert registry
        for result in registry.values():
            assert result.source["source"] in {"synthetic", "model"}, result.key
        assert list((work.folder / "figures").glob("*/*.svg"))


def test_book_says_plainly_that_it_was_built_without_real_data(works, root, tmp_path):
    assert book.build(works, root, tmp_path / "html")
    for page in ["book/index.html", *(f"notebooks/{w.chapter}.html" for w in works if w.substituted)]:
        assert "Built without real data" in (tmp_path / "html" / page).read_text(), page
    assert not book.build(works, root, tmp_path / "html"), "a second build has nothing to do"


def test_book_on_a_readers_trace_says_so_on_every_page_and_why_a_chapter_is_skipped(works, root, tmp_path):
    run = [work for work in works if work.chapter != "eda"]
    banner = "Not the published results: this book was built on my-trace."
    assert book.build(
        run, root, tmp_path / "html", skipped={"eda": "The trace is <too> short."}, banner=banner
    )
    for page in tmp_path.glob("html/[bn]*/**/*.html"):
        assert banner in page.read_text(), page
    skipped = (tmp_path / "html" / "notebooks" / "eda.html").read_text()
    assert "The trace is &lt;too&gt; short." in skipped
    assert "not available" in (tmp_path / "html" / "book" / "index.html").read_text()
    assert not list(tmp_path.glob("html/_static/figures/eda"))


def test_broken_page_leaves_the_old_book(works, root, tmp_path, monkeypatch):
    target = tmp_path / "html"
    target.mkdir()
    (target / "index.html").write_text("the old book")
    real = book.stage

    def stage(made, of, folder, **options):
        real(made, of, folder, **options)
        page = folder / "book" / "index.md"
        page.write_text(page.read_text() + "\n\n{num}`traces.misspelt`\n")

    monkeypatch.setattr(book, "stage", stage)
    with pytest.raises(book.BookError, match=r"unknown result 'traces\.misspelt'"):
        book.build(works, root, target)
    assert (target / "index.html").read_text() == "the old book"
