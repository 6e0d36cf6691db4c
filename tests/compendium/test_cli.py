"""The command line says what it did, and fails with one message."""

import errno
import os
import shutil

import pytest
from click.testing import CliRunner

from rollstate.compendium.cli import main
from rollstate.compendium.results import load as load_results
from rollstate.traces import datasets

from .conftest import RECORD, SETUP, TAKE


@pytest.fixture
def call(project):
    return lambda *words: CliRunner().invoke(main, list(words))


@pytest.mark.thorough
def test_run_why_and_figures_tell_the_same_story(call, project):
    first = call("run", "traces", "-p", "trace", "sample", "--jobs", "1")
    assert first.exit_code == 0, first.output
    assert "due: it has not been run" in first.output
    assert call("why", "traces", "-p", "trace", "sample").output.startswith("traces is fresh")
    again = call("run", "traces", "-p", "trace", "sample")
    assert "fresh" in again.output
    assert "due" not in again.output
    said = call("why", "traces", "-p", "trace", "sample", "-p", "seed", "9")
    assert "it has not been run" in said.output


@pytest.mark.thorough
def test_lists_name_what_is_gone_from_a_figure(call, project):
    made = project.root / "_build" / "runs" / "traces"
    assert call("run", "traces", "-p", "trace", "sample", "--out", str(made)).exit_code == 0
    figure = made / "figures" / "line"
    (figure / "provenance.json").unlink()
    (figure / "caption.txt").unlink()
    for words, said in (("status", "altered since: provenance.json"), ("figures", "caption.txt is gone")):
        done = call(words)
        assert done.exit_code == 0, done.output
        assert said in done.output


def test_a_full_or_read_only_disk_is_one_message(call, project, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), "references.bib")

    monkeypatch.setattr("rollstate.compendium.citation.book", refuse)
    done = call("cite")
    assert done.exit_code == 1
    assert "Read-only file system: 'references.bib'; copy the checkout" in done.output


@pytest.mark.thorough
def test_out_names_the_folder(call, project, tmp_path):
    done = call("run", "traces", "-p", "trace", "sample", "--out", str(tmp_path / "mine"))
    assert done.exit_code == 0, done.output
    assert (tmp_path / "mine" / "results.json").exists()


@pytest.mark.thorough
def test_parameters_come_from_a_file_and_the_command_line_wins(call, tmp_path):
    file = tmp_path / "my.yml"
    file.write_text("trace: sample\nseed: 3\n")
    done = call("run", "traces", "--params", str(file), "-p", "seed", "4", "--out", str(tmp_path / "mine"))
    assert done.exit_code == 0, done.output
    assert '"value": 4' in (tmp_path / "mine" / "results.json").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "traces", "-p", "sed", "3"), "did you mean 'seed'"),
        (("run", "traces", "-p", "seed", "-3"), "at least 0"),
        (("run", "traces", "-p", "trace", "{a: 1"), "-p trace {a: 1 cannot be read as YAML"),
        (("sweep", "traces", "-p", "seed", "1,]", "--out", "x"), "-p seed 1,] cannot be read as YAML"),
        (("run", "tiering", "-p", "table_range", "[100, 3]"), "two penalties, the lower first"),
        (("run", "tiering", "-p", "capacities", "[]"), "at least one value"),
        (("run", "nothing"), "no chapter 'nothing'"),
        (("run", "-p", "seed", "3", "traces", "traces"), "exactly one"),
        (("run", "traces", "-p", "trace", "no/such/file.parquet"), "no/such/file.parquet"),
    ],
)
def test_bad_input_is_one_clear_message(call, words, said):
    done = call(*words)
    assert done.exit_code == 1
    assert said in done.output
    assert "Traceback" not in done.output


@pytest.mark.thorough
def test_own_trace_is_found_from_the_readers_folder(call, project, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(datasets.locate("sample"), tmp_path / "mine")
    load = "from rollstate.traces import datasets\n\ntrace = datasets.load_trace(p.trace)"
    project.write(SETUP, TAKE, load, RECORD.replace("p.seed", "trace.accesses.height"))
    done = call("run", "traces", "-p", "trace", "mine", "--out", "out")
    assert done.exit_code == 0, done.output
    assert load_results(tmp_path / "out" / "results.json")["traces.slots"].value > 1_000
    # The data counts, not its name: other bytes under the same path are run again.
    (tmp_path / "mine" / "capability.json").write_text(
        (tmp_path / "mine" / "capability.json").read_text() + " "
    )
    assert "data set mine changed" in call("why", "traces", "-p", "trace", "mine", "--out", "out").output


def test_status_names_every_chapter(call):
    assert call("status").output.startswith("traces")
