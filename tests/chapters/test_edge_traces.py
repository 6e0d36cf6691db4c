"""Every chapter that takes a trace ends, on traces at the edge, in results or in sentences for the reader."""

import os

import nbformat
import pytest
from tests.chapters.edge_traces import EDGE
from tests.needs import thorough_after

from rollstate.compendium import bundles, by_name, results, runner
from rollstate.compendium.chapter import Chapter
from rollstate.survival import forecasts
from rollstate.traces import datasets, parts, store

CHAPTERS = ("traces", "eda", "survival", "tiering")
"""Chapters that rest on the trace alone: their cells are run here one by one, without drawing."""
EVERY = (*CHAPTERS, "reuse", "execution", "execution_state", "verifier_memory")
"""Chapters whose parameter ``trace`` takes a trace of the reader's own."""
QUICK = {
    "draws": 50, "permutations": 100, "trees": 10, "min_visits": 5, "misses": (1.0, 10.0), "transactions": 2_000,
    "replications": 3, "gaps": (2, 4), "replicates": 2, "sizes": (100, 1_000),
}  # fmt: skip


def parameters(chapter, trace):
    """Return parameters that put a trace in the place of the chapter's, and the sample in that of its other data."""
    cls = by_name.parameter_class(chapter)
    sets = cls().data_sets()
    given = {name: value for name, value in QUICK.items() if name in cls.names()}
    given |= {name: datasets.SAMPLE for name, value in cls().as_dict().items() if value in sets}
    return {**given, "trace": str(trace)}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Every trace of the table in a folder of its own."""
    base, made = tmp_path_factory.mktemp("edge"), {}
    for name, make in EDGE.items():
        made[name] = base / name.replace(" ", "-")
        store.write_trace(make(), made[name], parts=3)
    return made


OTHER_DATA = dict.fromkeys(CHAPTERS, ()) | {
    "survival": ("closest", "curve_error", "kinds_", "peer_"),
    "tiering": ("peer_", "published_", "months"),
    "eda": ("peer_", "right_", "late_spells"),
}
"""Beginnings of the names of results that do not rest on the trace, by chapter."""
ELSEWHERE = {"survival": {"truth"}}
"""Cells that do not rest on the trace, by chapter."""


class Undrawn(Chapter):
    """A chapter whose figures are written as data alone: drawing is what takes the time."""

    def figure(self, draw, frame, **facts):
        """Check what is drawn, and draw nothing."""
        if frame is not None:
            bundles.plain_facts(draw.__name__, facts)
            bundles.from_csv(bundles.to_csv(frame))


def cells(root, chapter):
    """Return the code of the chapter's notebook, cell by cell, without the published works beside it."""
    notebook = nbformat.read(root / "notebooks" / f"{chapter}.ipynb", as_version=4)
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", ())
        left_out = any(tag.startswith("needs-") for tag in tags) or cell.id in ELSEWHERE.get(chapter, ())
        if cell.cell_type == "code" and not left_out:
            yield cell.source, "parameters" in tags


def lacking(chapter, trace):
    """Return what the chapter needs and the source of the trace lacks: then a book on it leaves the chapter out."""
    return datasets.load_trace(str(trace)).capability.lacks(by_name.parameter_class(chapter).needs)


@pytest.mark.parametrize("in_memory", [parts.IN_MEMORY, 0], ids=["whole", "in parts"])
@pytest.mark.parametrize("name", EDGE)
@pytest.mark.parametrize("chapter", thorough_after(3, CHAPTERS))
def test_the_study_ends_in_results_or_sentences(
    chapter, name, in_memory, folders, root, tmp_path, monkeypatch
):
    if lacking(chapter, folders[name]):
        return
    monkeypatch.setattr(parts, "IN_MEMORY", in_memory)
    monkeypatch.setenv("ROLLSTATE_RUN", str(tmp_path))
    monkeypatch.setattr("rollstate.compendium.chapter.Chapter", Undrawn)
    # Two models in the place of eight: what they are fitted on decides whether they can be.
    monkeypatch.setattr(forecasts, "MODELS", (forecasts.COX, forecasts.DISCRETE))
    space = {}
    for source, is_first in cells(root, chapter):
        exec(compile(source, chapter, "exec"), space)
        if is_first:
            space |= parameters(chapter, folders[name])
    recorded = results.load(tmp_path / "results.json")
    for result in recorded.values():
        assert result.value is not None or len(result.absent.split()) > 2
    left = [key for key in by_name.result_class(chapter).declared() if f"{chapter}.{key}" not in recorded]
    assert not [key for key in left if not key.startswith(OTHER_DATA[chapter])]


@pytest.mark.nightly
@pytest.mark.skipif(not os.environ.get("ROLLSTATE_NIGHTLY"), reason="every chapter: set ROLLSTATE_NIGHTLY=1")
@pytest.mark.parametrize("name", EDGE)
@pytest.mark.parametrize("chapter", EVERY)
def test_the_chapter_runs_and_draws(chapter, name, folders, root, tmp_path):
    if lacking(chapter, folders[name]):
        return
    work = runner.plan(chapter, parameters(chapter, folders[name]), root, out=tmp_path / chapter)
    runner.run(work, root)
    assert set(results.load(work.folder / "results.json")) == {
        f"{chapter}.{key}" for key in by_name.result_class(chapter).declared()
    }
