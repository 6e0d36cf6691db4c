"""What depends on a change is run again, with the reason; a failure names itself and replaces nothing."""

import contextlib
import errno
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import pytest

from rollstate.compendium import bundles, provenance, runner
from rollstate.compendium.results import load
from rollstate.errors import DataUnavailableError, InputError
from rollstate.traces import datasets

from .conftest import DRAW, RECORD, SETUP, TAKE

SAMPLE = {"trace": "sample"}


def run(project, **given):
    work = runner.plan("traces", {**SAMPLE, **given}, project.root)
    runner.run(work, project.root)
    return work


def why(project, **given):
    return runner.reasons(runner.plan("traces", {**SAMPLE, **given}, project.root), project.root)


def test_fresh_run_says_so_and_a_change_says_why(project, monkeypatch):
    assert why(project) == ["it has not been run"]
    work = run(project, seed=5)
    assert why(project, seed=5) == []
    assert load(work.folder / "results.json")["traces.slots"].value == 5
    assert why(project, seed=6) == ["it has not been run"]

    project.write(SETUP, TAKE, RECORD, DRAW + "\n")
    assert why(project, seed=5) == ["the notebook changed"]
    project.write(SETUP, TAKE, RECORD, DRAW)

    real = provenance._module_hash
    with monkeypatch.context() as patch:
        patch.setattr(
            provenance,
            "_module_hash",
            lambda name: "x" if name == "rollstate.compendium.style" else real(name),
        )
        assert why(project, seed=5) == ["module rollstate.compendium.style changed"]
    with monkeypatch.context() as patch:
        patch.setattr(datasets, "fingerprint", lambda name: "other")
        assert why(project, seed=5) == ["data set sample changed"]
    (project.root / "requirements.lock").write_text("other")
    assert why(project, seed=5) == ["the lock changed (other library versions)"]


@pytest.mark.thorough
def test_result_and_figure_name_the_cell_that_made_them(project):
    work = run(project)
    executed = nbformat.read(work.folder / "executed.ipynb", as_version=4)
    source = {cell.execution_count: cell.source for cell in executed.cells}
    assert source[load(work.folder / "results.json")["traces.slots"].cell] == RECORD
    stamp = json.loads((work.folder / "figures" / "line" / "provenance.json").read_text())
    assert source[stamp["cell"]] == DRAW


def test_same_inputs_give_the_same_bytes(project):
    # The order of a set of texts is that of Python's hashes, which differ from one process to the next by default.
    in_set_order = (
        "[{'one': 1, 'two': 2, 'three': 3}[x] for x in {'one', 'two', 'three'}] + [hash('slot') % 999]"
    )
    project.write(SETUP, TAKE, RECORD, DRAW.replace("[1, 2, 3]", in_set_order))
    first = run(project)
    seen = {
        path.relative_to(first.folder): path.read_bytes()
        for path in first.folder.rglob("*")
        if path.is_file() and path.name not in ("executed.ipynb", "written.json")
    }
    second = run(project)
    assert {path: (second.folder / path).read_bytes() for path in seen} == seen
    assert len(seen) > 5


def test_changed_parameter_is_named_with_both_values():
    old = {"notebook": 1, "parameters": {"a": 1}, "modules": {}, "data": {}, "lock": "", "version": "1"}
    new = {**old, "parameters": {"a": 2}, "data": {"d": "h"}, "version": "2"}
    assert provenance.differences(old, new) == [
        "parameter a changed: 1 to 2",
        "data set d is new",
        "the package version changed: 1 to 2",
    ]


def test_dependencies_are_those_a_notebook_imports_and_no_others(project):
    modules = provenance.modules_of(project.notebook)
    assert {"rollstate", "rollstate.compendium.chapter", "rollstate.compendium.style"} <= set(modules)
    # The runner may change without changing a result.
    for name in ("cli", "runner", "book", "lint"):
        assert f"rollstate.compendium.{name}" not in modules


def test_files_beside_a_module_count_and_caches_do_not(tmp_path, monkeypatch):
    package = tmp_path / "toy"
    for folder in (package, package / "inner"):
        folder.mkdir()
        (folder / "__init__.py").write_text("")
    monkeypatch.setattr(provenance, "PACKAGE", package)
    before = provenance._module_hash("toy")
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "kernels.nbi").write_text("cache")
    (package / "inner" / "contract.vy").write_text("other package")
    assert provenance._module_hash("toy") == before
    inner = provenance._module_hash("toy.inner")
    (package / "inner" / "contract.vy").write_text("changed")
    assert provenance._module_hash("toy.inner") != inner
    (package / "style.css").write_text("mine")
    assert provenance._module_hash("toy") != before


def test_failing_cell_is_named_and_the_good_run_stays(project):
    work = run(project)
    good = (work.folder / "results.json").read_bytes()
    project.write(SETUP, TAKE, RECORD, "1 / 0")
    with pytest.raises(runner.NotebookError) as caught:
        run(project)
    said = str(caught.value)
    for part in ("notebook traces failed in cell", "1 / 0", "ZeroDivisionError", "trace='sample'", "seed="):
        assert part in said
    assert (work.folder / "results.json").read_bytes() == good
    assert (work.folder.parent / f".{work.folder.name}.failed" / "executed.ipynb").exists()


def test_input_that_a_cell_refuses_is_said_without_the_code_of_the_cell(project):
    refusing = (
        "from rollstate.errors import InputError\nraise InputError('window [1, 2) is not part of the trace')"
    )
    project.write(SETUP, TAKE, RECORD, refusing)
    with pytest.raises(runner.NotebookError) as caught:
        run(project)
    first, parameters = str(caught.value).splitlines()
    assert first.startswith("notebook traces, cell ")
    assert first.endswith(": window [1, 2) is not part of the trace")
    assert "trace='sample'" in parameters


def test_misspelt_parameter_starts_no_kernel(project):
    with pytest.raises(InputError, match="did you mean 'seed'"):
        runner.plan("traces", {"sed": 1}, project.root)


@pytest.mark.thorough
def test_plain_papermill_works_unaided_and_is_as_strict(project, tmp_path):
    def papermill(*words):
        command = [
            sys.executable,
            "-m",
            "papermill",
            str(project.notebook),
            "out.ipynb",
            "--log-level",
            "ERROR",
        ]
        return subprocess.run(
            [*command, *words], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )

    done = papermill("-p", "trace", "sample", "-p", "seed", "11")
    assert done.returncode == 0, done.stderr
    registry = json.loads((tmp_path / "rollstate-run" / "traces" / "results.json").read_text())
    assert registry["traces.slots"]["value"] == 11
    done = papermill("-p", "sed", "11")
    assert done.returncode != 0
    assert "did you mean 'seed'" in done.stderr


@pytest.mark.thorough
@pytest.mark.parametrize("harm", ["delete a figure", "change a number", "change the notebook"])
def test_a_harmed_run_is_no_longer_fresh_and_heals_by_running_again(project, harm):
    work = run(project)
    file = {
        "delete a figure": work.folder / "figures" / "line" / "line.svg",
        "change a number": work.folder / "results.json",
        "change the notebook": work.folder / "executed.ipynb",
    }[harm]
    if harm == "delete a figure":
        file.unlink()
    else:
        file.write_text(file.read_text().replace("1", "2", 1))
    (line,) = why(project)
    assert line.endswith("was changed or deleted since it was written")
    assert file.name in line
    run(project)
    assert why(project) == []


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("run.json", '{"missing": []}'),
        ("run.json", "5"),
        ("run.json", '{"missing": [], "inputs": null}'),
        ("run.json", '{"missing": [], "inputs": {"parameters": {}}}'),
        ("written.json", "[]"),
        ("written.json", "{}"),
        ("written.json", "null"),
    ],
)
def test_a_damaged_record_is_no_fresh_run_and_heals(project, file, text):
    work = run(project)
    (work.folder / file).write_text(text)
    (line,) = why(project)
    assert line.endswith(f"{file} cannot be read")
    run(project)
    assert why(project) == []


def test_a_run_that_cannot_be_written_names_its_notebook_and_what_helps(project, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tempfile.mkdtemp", full)
    with pytest.raises(runner.NotebookError, match=r"notebook traces was not finished: .*free space there"):
        run(project)


@pytest.mark.thorough
def test_another_environment_is_another_run(project, monkeypatch):
    run(project)
    real = provenance.environment()
    monkeypatch.setattr(provenance, "environment", lambda: {**real, "packages": "others", "python": "3.99.0"})
    assert why(project) == [
        f"the environment changed: python: {real['python']} to 3.99.0",
        "the environment changed: installed versions",
    ]


@pytest.mark.thorough
def test_a_declared_result_that_is_not_recorded_fails_the_run(project):
    project.write(SETUP, TAKE, RECORD.replace("chapter.absent(", "print("), DRAW)
    with pytest.raises(runner.NotebookError, match=r"traces\.\w+ is declared and was not recorded"):
        run(project)


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("chapter.record(slotz=3)", "did you mean 'slots'"),
        ("chapter.record(slots='many')", "is declared int"),
        ("chapter.absent('no', 'slots')", "say in a sentence"),
        (RECORD + "\nchapter.record(slots=3)", "recorded twice"),
    ],
)
def test_what_was_not_declared_is_refused(project, cell, said):
    project.write(SETUP, TAKE, cell)
    with pytest.raises(runner.NotebookError, match=said):
        run(project)


@pytest.mark.thorough
def test_a_guard_that_does_not_exist_fails_the_run(project):
    (project.root / "tests").mkdir()
    with pytest.raises(runner.NotebookError, match=r"its guard .* does not exist"):
        run(project)


@pytest.mark.thorough
def test_a_killed_kernel_is_named_with_its_notebook(project):
    project.write(SETUP, TAKE, RECORD, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(runner.NotebookError, match="notebook traces lost its kernel"):
        run(project)


@pytest.mark.thorough
def test_a_killed_worker_is_named_with_its_notebook(project):
    project.write(SETUP, TAKE, RECORD, "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)")
    # Two: a single one runs in the process that was asked.
    works = [runner.plan("traces", SAMPLE, project.root, out=project.root / "runs" / name) for name in "ab"]
    for _, error in runner.execute(works, project.root, jobs=1, say=lambda line: None):
        assert "notebook traces was not finished: a worker process was killed" in str(error)
    assert list((project.root / "runs").iterdir()) == []


def test_a_single_notebook_runs_in_the_process_that_is_asked(project):
    said = []
    project.write(SETUP, TAKE, RECORD, "import os\nopen('parent', 'w').write(str(os.getppid()))")
    work = runner.plan("traces", SAMPLE, project.root)
    before = signal.getsignal(signal.SIGINT)
    with contextlib.chdir(project.root):
        assert list(runner.execute([work], project.root, jobs=2, say=said.append)) == [(work, None)]
    assert (project.root / "parent").read_text() == str(os.getpid())
    assert signal.getsignal(signal.SIGINT) is before
    assert said[0].startswith("  [1/1] traces")
    project.write(SETUP, TAKE, RECORD, "1 / 0")
    ((_, error),) = runner.execute([work], project.root, jobs=1, say=said.append)
    assert "ZeroDivisionError" in str(error)
    assert "FAILED" in said[1]


def test_magics_of_a_notebook_do_not_hide_what_it_imports(project):
    project.write(SETUP, TAKE, "%timeit 1 + 1\n!true\nfrom rollstate import tails")
    assert "rollstate.tails" in provenance.modules_of(project.notebook)


def test_code_of_another_checkout_is_refused(tmp_path, monkeypatch):
    package = tmp_path / "src" / "rollstate"
    package.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "9.9.9"\n')
    with pytest.raises(InputError, match=r"not the one of .*9\.9\.9"):
        provenance.check_package(tmp_path)
    installed = tmp_path / "site-packages" / "rollstate"
    installed.mkdir(parents=True)
    monkeypatch.setattr(provenance, "PACKAGE", installed)
    with pytest.raises(InputError):
        provenance.check_package(tmp_path)
    (tmp_path / "pyproject.toml").write_text(f'[project]\nversion = "{provenance.rollstate.__version__}"\n')
    provenance.check_package(tmp_path)
    monkeypatch.setattr(provenance, "PACKAGE", package)
    provenance.check_package(tmp_path)


def test_the_commit_of_a_source_archive_is_known(tmp_path):
    assert provenance.git_state(tmp_path) == {"commit": None, "dirty": None}
    (tmp_path / ".git_archival.txt").write_text(f"node: {'a' * 40}\n")
    assert provenance.git_state(tmp_path) == {"commit": "a" * 40, "dirty": None}
    (tmp_path / ".git_archival.txt").write_text("node: $Format:%H$\n")
    assert provenance.git_state(tmp_path)["commit"] is None


def test_an_archive_in_a_repository_of_somebody_else_keeps_its_own_commit(tmp_path):
    def git(*words):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True, capture_output=True)

    git("init")
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / ".git_archival.txt").write_text(f"node: {'a' * 40}\n")
    git("add", "-A")
    git("-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-m", "vendored")
    assert provenance.git_state(tmp_path / "archive") == {"commit": "a" * 40, "dirty": None}
    assert provenance.git_state(tmp_path)["dirty"] is False


def test_missing_real_data_is_an_error_unless_published_results_are_allowed(project, monkeypatch):
    real = datasets.locate

    def locate(name):
        if name == "mainnet-bal":
            raise DataUnavailableError("no network")
        return real(name)

    monkeypatch.setattr(datasets, "locate", locate)
    with pytest.raises(DataUnavailableError):
        runner.plan("traces", {}, project.root)
    work = runner.plan("traces", {}, project.root, allow_published=True)
    assert work.missing == ("mainnet-bal",)
    assert work.parameters.trace == "mainnet-bal", "never the sample in the place of real data"


def test_own_parameters_never_replace_the_books_run(project):
    assert runner.plan("traces", SAMPLE, project.root).folder.name.startswith("traces@")
    assert runner.plan("traces", {**SAMPLE, "seed": 3}, project.root).folder != (
        runner.plan("traces", {**SAMPLE, "seed": 4}, project.root).folder
    )


def test_unknown_chapter_is_named(project):
    with pytest.raises(InputError, match="no chapter 'nothing'"):
        runner.plan("nothing", {}, project.root)


def test_result_without_a_source_is_refused(project):
    project.write(SETUP, TAKE, RECORD.replace("chapter.source(", "("))
    with pytest.raises(runner.NotebookError, match="has no source yet"):
        run(project)


@pytest.mark.thorough
def test_a_run_names_no_folder_of_this_machine(project):
    folder = run(project).folder
    here = {str(project.root), str(Path.cwd()), str(Path.home()), sys.prefix, tempfile.gettempdir()}
    for file in folder.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            named = [one for one in here if one != "/" and f"{one}/".encode() in data]
            assert not named, f"{file.relative_to(folder)} names {named}"


def test_a_worker_can_read_tables_that_this_process_read_too():
    content = b"y\n" + b"1\n" * 100_000
    assert bundles.from_csv(content).height == 100_000
    others = set(multiprocessing.active_children())
    pool = runner.worker_processes(1)
    try:
        assert pool.submit(bundles.from_csv, content).result(timeout=60).height == 100_000
    finally:
        for worker in set(multiprocessing.active_children()) - others:
            worker.terminate()
        pool.shutdown(cancel_futures=True)
