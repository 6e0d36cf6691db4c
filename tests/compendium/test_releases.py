"""A release keeps numbers, tables and figures' data, is never rewritten, and stands in where data is not here."""

import json

import nbformat
import pytest

from rollstate.chapters.traces.results import TracesResults
from rollstate.compendium import by_name, published, releases, results, runner, snapshots
from rollstate.compendium.style import Drawing, subplots
from rollstate.errors import DataUnavailableError, InputError
from rollstate.traces import datasets

from .conftest import DRAW, RECORD, SETUP, TAKE

TABLE = 'chapter.table("few", pl.DataFrame({"a": [1]}), caption="A table of one number.")'


def line(frame, *, colour):
    figure, ax = subplots()
    ax.plot(frame["y"], color=colour)
    return Drawing(figure, "A line through three points.", "A line that rises to three.")


@pytest.fixture
def released(project, monkeypatch):
    """A release of the toy project, made with the published parameters."""
    monkeypatch.setattr(by_name, "figure_function", lambda chapter, name: {"line": line}[name])
    monkeypatch.setattr(datasets, "locate", lambda name: project.root)
    monkeypatch.setattr(datasets, "fingerprint", lambda name: "the real data")
    project.write(SETUP, TAKE, RECORD, DRAW, TABLE)
    work = runner.plan("traces", {}, project.root)
    runner.run(work, project.root)
    releases.write(snapshots.read(work.folder), "0.1.0", project.root)
    return work


@pytest.fixture
def nothing_here(monkeypatch):
    """No data set can be had any more."""

    def locate(name):
        raise DataUnavailableError(f"{name} is not here")

    monkeypatch.setattr(datasets, "locate", locate)


def everything(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_release_keeps_what_was_shown_and_is_never_rewritten(project, released):
    release = releases.read(project.root / "releases" / "0.1.0")
    assert release.results == results.load(released.folder / "results.json")
    assert list(release.figures) == ["traces/line"]
    assert release.csv("figures", "traces/line") == b"y\n1\n2\n3\n"
    assert release.tables["traces/few"]["caption"] == "A table of one number."
    with pytest.raises(InputError, match="never rewritten"):
        releases.write(snapshots.read(released.folder), "0.1.0", project.root)


def test_without_its_data_a_chapter_shows_what_was_published_and_says_so(project, released, nothing_here):
    with pytest.raises(DataUnavailableError):
        runner.plan("traces", {}, project.root)
    before = everything(released.folder)
    work = runner.plan("traces", {}, project.root, allow_published=True)
    assert (work.missing, work.executed, work.published) == (("mainnet-bal",), False, True)
    assert runner.reasons(work, project.root) == ["the data it could not reach changed"]
    runner.run(work, project.root)
    assert runner.reasons(work, project.root) == []
    found = results.load(work.folder / "results.json")
    assert {result.published for result in found.values() if result.value is not None} == {"0.1.0"}
    after = everything(work.folder)
    for name in ("line.svg", "line.pdf", "line.png", "line.csv", "alt.txt", "caption.txt"):
        path = next(path for path in before if path.name == name)
        assert after[path] == before[path], name
    stamp = json.loads((work.folder / "figures" / "line" / "provenance.json").read_text())
    assert stamp["published"]["version"] == "0.1.0"
    assert "Published in 0.1.0" in (work.folder / "tables" / "few.txt").read_text()
    shown = nbformat.read(work.folder / "executed.ipynb", as_version=4)
    assert dict(released_marks(shown)) == {("figure", "line"): "cell-3", ("table", "few"): "cell-4"}


def released_marks(notebook):
    from rollstate.compendium.marks import marks

    return marks(notebook)


@pytest.mark.thorough
def test_own_parameters_are_never_answered_with_published_results(project, released, nothing_here):
    work = runner.plan("traces", {"seed": 3}, project.root, allow_published=True)
    runner.run(work, project.root)
    found = results.load(work.folder / "results.json")
    assert {result.value for result in found.values()} == {None}
    assert "mainnet-bal, which is not here" in found["traces.slots"].absent
    assert found["traces.slots"].text() == "not available"
    assert not (work.folder / "figures").exists()


def test_on_another_trace_what_does_not_rest_on_it_is_taken_from_the_release(
    project, released, nothing_here, monkeypatch
):
    monkeypatch.setattr(TracesResults, "_without_trace", ("slots",))
    project.write(SETUP, TAKE, RECORD, DRAW, TABLE)
    book = nbformat.read(project.notebook, as_version=4)
    for cell in book.cells[2:]:
        cell.metadata["tags"] = ["needs-trace"]
    book.cells[4].metadata["tags"].append("without-trace")
    nbformat.write(book, project.notebook)
    work = runner.plan("traces", {"trace": "sample"}, project.root)
    assert (work.missing, work.published, work.own_trace) == (("sample",), False, True)
    runner.run(work, project.root)
    found = results.load(work.folder / "results.json")
    assert found["traces.slots"].published == "0.1.0"
    assert found["traces.slots"].value == results.load(released.folder / "results.json")["traces.slots"].value
    assert "sample, which is not here" in found["traces.contracts"].absent
    assert (work.folder / "tables" / "few.csv").exists()
    assert not (work.folder / "figures").exists()
    other = runner.plan("traces", {"trace": "sample", "seed": 3}, project.root)
    assert not other.own_trace


@pytest.mark.thorough
def test_a_release_cannot_be_made_of_published_results(project, released, nothing_here):
    work = runner.plan("traces", {}, project.root, allow_published=True)
    runner.run(work, project.root)
    with pytest.raises(InputError, match="mainnet-bal"):
        releases.write(snapshots.read(work.folder), "0.2.0", project.root)


def test_cells_that_need_a_missing_data_set_are_left_out_and_the_rest_is_computed(
    project, released, nothing_here
):
    book = nbformat.read(project.notebook, as_version=4)
    for cell in book.cells[3:]:
        cell.metadata["tags"] = ["needs-trace"]
    nbformat.write(book, project.notebook)
    assert published.needs(book) == {"trace": {"cell-3", "cell-4"}}
    work = runner.plan("traces", {}, project.root)
    assert work.executed
    runner.run(work, project.root)
    found = results.load(work.folder / "results.json")
    assert found["traces.slots"].published == ""
    assert (work.folder / "figures" / "line" / "line.svg").exists()
    assert "published" in json.loads((work.folder / "figures" / "line" / "provenance.json").read_text())


@pytest.mark.thorough
def test_the_release_before_is_by_number_not_by_letter(project, released):
    folder = project.root / "releases"
    for version in ("0.2.0", "0.10.0", "0.9.1", "0.10.0rc1"):
        (folder / f"{version}.json").write_text(json.dumps({"version": version, "runs": {}, "results": {}}))
    assert releases.latest(folder).version == "0.10.0"
    assert releases.latest(folder, before="0.10.0").version == "0.10.0rc1"
    assert releases.latest(folder, before="0.2.0").version == "0.1.0"
    assert releases.latest(folder, before="0.1.0") is None


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", json.dumps({"version": "1", "runs": {}, "results": {"a": 1}})]
)
def test_a_file_that_is_no_release_is_refused(tmp_path, content):
    file = tmp_path / "0.1.0.json"
    file.write_text(content)
    with pytest.raises(InputError, match="is no release"):
        releases.read(file)


def test_a_file_not_named_after_a_version_is_refused(tmp_path):
    (tmp_path / "draft.json").write_text("{}")
    with pytest.raises(InputError, match="not named after a version"):
        releases.latest(tmp_path)
