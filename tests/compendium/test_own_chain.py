"""A book on the reader's own trace: what the trace supports is run, the rest says why, nothing is faked."""

import dataclasses

import nbformat
import polars as pl
import pytest
from click.testing import CliRunner
from tests.traces.stub_endpoint import Chain, Running, Stub

from rollstate import executors, profile
from rollstate.chapters.traces.parameters import Traces
from rollstate.compendium import book as pages
from rollstate.compendium import by_name, own_chain, published, releases, results, runner
from rollstate.compendium.cli import main
from rollstate.errors import InputError
from rollstate.traces import datasets, store

from .conftest import RECORD, SETUP, TAKE

RECORD_TRACE = """from rollstate.chapters.traces.results import TracesResults
from rollstate.traces.datasets import load_trace

trace = load_trace(p.trace)
chapter.source(trace.capability)
chapter.record(slots=trace.accesses.height)
others = [name for name in TracesResults.declared() if name != "slots"]
chapter.absent("This toy of the tests records one number.", *others)"""


@pytest.fixture
def own(tmp_path):
    """A small trace of the reader's own, in a folder of its own."""
    trace = datasets.load_trace("sample")
    stamp = dataclasses.replace(trace.capability, source="my-node", observes_reads=False)
    writes = trace.accesses.filter(pl.col("is_write"))
    folder = tmp_path / "my-trace"
    store.write_trace(dataclasses.replace(trace, accesses=writes, capability=stamp), folder)
    return folder


def quiet(line):
    pass


def test_a_chapter_is_run_on_the_trace_and_stamped_with_it(project, own, tmp_path):
    project.write(
        SETUP,
        TAKE,
        RECORD_TRACE,
    )
    planned = own_chain.plan(project.root, tmp_path / "runs", str(own))
    done = own_chain.run(planned, project.root, jobs=1, say=quiet)
    assert not done.skipped
    (work,) = done.works
    assert work.parameters.trace == str(own)
    assert '"source": "my-node"' in (work.folder / "results.json").read_text()
    assert "Not the published results" in own_chain.banner(str(own), datasets.load_trace(str(own)).capability)


def test_a_chapter_whose_needs_the_source_cannot_meet_is_skipped_with_the_reason(
    project, own, tmp_path, monkeypatch
):
    monkeypatch.setattr(Traces, "needs", ("all_writes", "reads"))
    planned = own_chain.plan(project.root, tmp_path / "runs", str(own))
    assert planned.works == []
    assert planned.skipped == {"traces": "The trace cannot support this chapter: it does not see reads."}


def test_a_chapter_that_refuses_the_trace_is_skipped_with_what_it_said(project, own, tmp_path):
    project.write(
        SETUP, TAKE, 'from rollstate.errors import InputError\nraise InputError("too short a window")'
    )
    planned = own_chain.plan(project.root, tmp_path / "runs", str(own))
    said = []
    with pytest.raises(Exception, match="no chapter can be run"):
        own_chain.run(planned, project.root, jobs=1, say=said.append)
    assert any("too short a window" in line for line in said)


@pytest.mark.thorough
def test_a_chapter_that_fails_says_so_and_the_others_are_built(project, own, tmp_path):
    project.write(SETUP, TAKE, RECORD, "1 / 0")
    book = own_chain.plan(project.root, tmp_path / "runs", str(own))
    book.works.append(dataclasses.replace(book.works[0], chapter="observability", folder=tmp_path / "other"))
    fresh = {"observability"}
    done = own_chain.OwnBook()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "reasons", lambda work, root: [] if work.chapter in fresh else ["due"])
        done = own_chain.run(book, project.root, jobs=1, say=quiet)
    assert [work.chapter for work in done.works] == ["observability"]
    assert "ZeroDivisionError division by zero" in done.skipped["traces"]
    assert "notebook traces failed in cell" in done.failed["traces"]


@pytest.mark.thorough
def test_a_profile_is_taken_where_counts_carry_the_chapter(project, tmp_path, monkeypatch):
    project.write(SETUP, TAKE, RECORD)
    path = profile.save(profile.make(datasets.load_trace("sample")), tmp_path / "chain.profile")
    planned = own_chain.plan(project.root, tmp_path / "runs", str(path))
    assert planned.skipped == {"traces": own_chain.NEEDS_ACCESSES}
    monkeypatch.setattr(Traces, "takes_profile", True)
    planned = own_chain.plan(project.root, tmp_path / "runs", str(path))
    assert planned.works[0].parameters.trace == str(path)
    assert "synthetic" in own_chain.banner(str(path), own_chain.stamp_of(str(path)))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "name one source"),
        (("--dataset", "sample", "--trace", "x"), "name one source"),
        (("--trace", "no-such-file"), "no-such-file"),
        (("--blocks", "5:9"), "--rpc with --blocks"),
        (("--rpc", "http://127.0.0.1:9", "--blocks", "5"), "is not A:B"),
        (("--rpc", "http://127.0.0.1:9", "--blocks", "5:9", "--dataset", "sample"), "name one source"),
        (("--dataset", "sample", "-p", "seed", "3"), "CHAPTER.NAME"),
        (("--dataset", "sample", "-p", "traces.sed", "3"), "did you mean 'seed'"),
        (("--dataset", "sample", "-p", "trace.seed", "3"), "no chapter 'trace'"),
    ],
)
def test_bad_input_is_one_message_before_anything_runs(project, tmp_path, words, said):
    done = CliRunner().invoke(main, ["book", "--out", str(tmp_path / "out"), *words])
    assert done.exit_code == 1
    assert said in done.output
    assert not (tmp_path / "out").exists()


@pytest.fixture
def built(project, monkeypatch):
    """What would be rendered, and a project whose one chapter counts the accesses of its trace."""
    project.write(
        SETUP,
        TAKE,
        RECORD_TRACE,
    )
    calls = []
    monkeypatch.setattr(
        pages, "build", lambda works, root, target, **options: calls.append((works, target, options))
    )
    return calls


@pytest.mark.parametrize("command", [["book", "--trace", "sample", "--out", "own"], ["run", "traces"]])
def test_notebooks_know_of_the_scheduler_that_is_named(command, monkeypatch):
    monkeypatch.setenv(executors.SCHEDULER, "")
    known = []
    for module, name in ((own_chain, "plan"), (runner, "plan")):
        monkeypatch.setattr(module, name, lambda *_, **__: known.append(executors.scheduler()) or 1 / 0)
    CliRunner().invoke(main, [*command, "--scheduler", "tcp://here:8786"])
    assert known == ["tcp://here:8786"]


def test_an_endpoint_becomes_a_book_once_and_never_another_window(built, tmp_path):
    arguments = ["book", "--view", "transfers", "--out", str(tmp_path / "own")]
    with Running(Stub(Chain(40))) as url:
        done = CliRunner().invoke(main, [*arguments, "--rpc", url, "--blocks", "1:30"])
        assert done.exit_code == 0, done.output
    assert url not in done.output
    (works, target, options) = built[0]
    assert target == tmp_path / "own" / "html"
    assert works[0].parameters.trace == str(tmp_path / "own" / "trace")
    assert "transfer_logs" in options["banner"]
    # The trace is there: the endpoint, now gone, is not asked again.
    again = CliRunner().invoke(main, [*arguments, "--rpc", url, "--blocks", "1:30"])
    assert again.exit_code == 0, again.output
    for other in (["--blocks", "1:31"], ["--blocks", "1:30", "--view", "prestate"]):
        refused = CliRunner().invoke(main, [*arguments, "--rpc", url, *other])
        assert refused.exit_code == 1
        assert "holds another trace" in refused.output


@pytest.mark.real_data
@pytest.mark.thorough
def test_a_folder_of_block_access_lists_becomes_a_book(built, data_dir, tmp_path):
    lists = next(data_dir.glob("mainnet-bal/**/*.rlp")).parent
    done = CliRunner().invoke(main, ["book", "--bal-dir", str(lists), "--out", str(tmp_path / "own")])
    assert done.exit_code == 0, done.output
    (work,) = built[0][0]
    assert '"source": "block_access_list"' in (work.folder / "results.json").read_text()


def test_every_need_that_a_chapter_names_is_one(root):
    stamp = datasets.load_trace("sample").capability
    for chapter in runner.chapters(root):
        assert isinstance(stamp.lacks(by_name.parameter_class(chapter).needs), list)
    with pytest.raises(KeyError):
        stamp.lacks(["a wish"])


def test_what_does_not_rest_on_the_trace_is_declared_and_shown_in_cells_that_can_be_left_out(root):
    for chapter in runner.chapters(root):
        declared = by_name.result_class(chapter)
        for beginning in declared._without_trace:
            assert any(name.startswith(beginning) for name in declared.declared()), (chapter, beginning)
        notebook = nbformat.read(root / "notebooks" / f"{chapter}.ipynb", as_version=4)
        needing = published.needs(notebook)
        needing.pop(runner.TRACE, None)
        assert published.without_trace(notebook) <= set().union(*needing.values()), chapter


@pytest.mark.real_data
@pytest.mark.thorough
@pytest.mark.parametrize("chapter", ["eda", "reuse", "survival", "tiering"])
def test_what_does_not_rest_on_the_trace_is_the_same_on_another(chapter, root, data_dir, tmp_path):
    """Computed on the sample, it is what the release says of the published trace."""
    release = releases.latest(root / "releases")
    work = runner.plan(chapter, {"trace": datasets.SAMPLE}, root, out=tmp_path / chapter)
    assert work.own_trace
    assert not work.missing
    runner.run(work, root)
    found = results.load(work.folder / "results.json")
    declared = by_name.result_class(chapter)
    same = [f"{chapter}.{name}" for name in declared.declared() if declared.without_trace(name)]
    assert same
    for key in same:
        said = release.results[key].value
        assert found[key].value == (pytest.approx(said, rel=1e-6) if isinstance(said, float) else said), key
    cells = published.without_trace(nbformat.read(work.notebook, as_version=4))
    for ref, what in release.figures.items():
        if ref.startswith(f"{chapter}/") and what["cell_id"] in cells:
            name = ref.partition("/")[2]
            assert (work.folder / "figures" / name / f"{name}.csv").read_bytes() == release.csv(
                "figures", ref
            )


def test_each_lack_is_said_in_words(own):
    stamp = datasets.load_trace(str(own)).capability
    assert stamp.lacks(["reads", "all_writes", "tx_of_writes", "storage_keys"]) == ["it does not see reads"]
    blind = dataclasses.replace(stamp, observes_all_writes=False, tx_level="none", key_form="holder")
    assert len(blind.lacks(["reads", "all_writes", "tx_of_writes", "storage_keys"])) == 4


def test_input_errors_reach_another_process_with_their_kind(project, own, tmp_path):
    project.write(SETUP, TAKE, 'from rollstate.errors import InputError\nraise InputError("said so")')
    work = runner.plan("traces", {"trace": str(own)}, project.root, out=tmp_path / "run")
    # Two notebooks run in workers, one would not.
    works = [work, dataclasses.replace(work, folder=tmp_path / "other")]
    (_, error), _ = runner.execute(works, project.root, jobs=1, say=quiet)
    assert (error.kind, error.said) == (InputError.__name__, "said so")
