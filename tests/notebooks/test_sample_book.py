"""The whole book on the sample: every chapter runs without real data, and the pages say where numbers come from."""

import os

import pytest

from rollstate.compendium import book, by_name, releases, results, runner
from rollstate.traces import datasets

# All chapters together take longer than the rest of the tests: the nightly run has them.
pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(
        not os.environ.get("ROLLSTATE_NIGHTLY"), reason="every chapter: set ROLLSTATE_NIGHTLY=1"
    ),
]

QUICK = {
    "draws": 50,
    "permutations": 200,
    "transactions": 50_000,
    "replications": 10,
    "crowd_plays": 100,
    "random_games": 200,
    "gaps": (2, 4),
    "replicates": 2,
    "sizes": (1_000, 10_000),
}
"""Fewer draws, games and keys than the published book takes: the pages are under test, not the numbers."""


@pytest.fixture(scope="module")
def works(root, tmp_path_factory):
    """Every chapter, run on the sample in the place of each of its data sets."""
    folder = tmp_path_factory.mktemp("sample-book")
    made = []
    for chapter in runner.chapters(root):
        cls = by_name.parameter_class(chapter)
        sets = cls().data_sets()
        given = {name: value for name, value in QUICK.items() if name in cls.names()}
        given |= {name: datasets.SAMPLE for name, value in cls().as_dict().items() if value in sets}
        made.append(runner.plan(chapter, given, root, out=folder / chapter))
    # One after the other: other tests run beside this one.
    runner.run_all(made, root, jobs=1, say=lambda line: None)
    return made


def test_every_chapter_runs_on_the_sample_and_records_what_it_computed(works):
    for work in works:
        registry = results.load(work.folder / "results.json")
        declared = by_name.result_class(work.chapter).declared()
        assert set(registry) == {f"{work.chapter}.{name}" for name in declared}
        for result in registry.values():
            # Profiles that come with the package need no sample in their place.
            real = result.source["source"] not in {"synthetic", "model"}
            profiled = getattr(work.parameters, "others", ())
            assert not real or not work.parameters.data_sets() or profiled, result.key
            assert not result.published
        assert list((work.folder / "figures").glob("*/*.svg"))


def test_a_figure_is_drawn_again_from_its_own_file(works):
    from rollstate.compendium import bundles

    for work in works:
        for folder in (work.folder / "figures").glob("*/"):
            drawn = bundles.read_provenance(folder)["drawn"]
            draw = by_name.figure_function(work.chapter, drawn["function"])
            again = draw(bundles.from_csv((folder / f"{folder.name}.csv").read_bytes()), **drawn["facts"])
            svg = (folder / f"{folder.name}.svg").read_bytes()
            assert bundles.render(again.figure, "svg") == svg, f"{work.chapter}/{folder.name}"


def test_book_is_built_once(works, root, tmp_path):
    assert book.build(works, root, tmp_path / "html")
    assert not book.build(works, root, tmp_path / "html"), "a second build has nothing to do"
    crate = (tmp_path / "html" / "ro-crate-metadata.json").read_text()
    assert all(f"#run-{work.chapter}" in crate for work in works)


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


def test_without_any_data_the_book_shows_what_was_published_and_marks_it(root, tmp_path, monkeypatch):
    """What a newcomer builds who has Python, make and the package index alone."""
    release = releases.latest(root / "releases")
    monkeypatch.delenv("ROLLSTATE_DATA", raising=False)
    monkeypatch.setenv("ROLLSTATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets, "_fetch", _unreachable)
    works = []
    for chapter in runner.chapters(root):
        work = runner.plan(chapter, {}, root, allow_published=True, out=tmp_path / "runs" / chapter)
        if work.missing and not work.executed:
            works.append(work)
    assert works
    runner.run_all(works, root, jobs=1, say=lambda line: None)
    for work in works:
        for key, result in results.load(work.folder / "results.json").items():
            if result.value is not None:
                assert (result.published, result.value) == (release.version, release.results[key].value)
        shown = {path.name for path in (work.folder / "figures").glob("*/")}
        assert shown == {
            ref.partition("/")[2] for ref in release.figures if ref.startswith(f"{work.chapter}/")
        }


def _unreachable(*args):
    from rollstate.errors import DataUnavailableError

    raise DataUnavailableError("there is no network")
