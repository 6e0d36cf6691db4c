"""A run says each step as it begins: number, name, seconds and memory; a quiet one says nothing."""

import os
import re
import signal
import subprocess
import sys
import time

import psutil
import pytest
from click.testing import CliRunner
from tests.needs import thorough_after

from rollstate.compendium import progress, runner
from rollstate.compendium.cli import main

from .conftest import RECORD, SETUP, TAKE


@pytest.mark.parametrize("quiet", [False, True])
def test_a_log_has_one_line_a_step(project, capfd, quiet):
    project.write(SETUP, TAKE, RECORD)
    work = runner.plan("traces", {}, project.root, allow_published=True, fetch=False)
    runner.run(work, project.root, progress=not quiet and {"disable": True})
    said = [line for line in capfd.readouterr().err.splitlines() if " step " in line]
    if quiet:
        assert not said
        return
    # papermill adds a cell of its own for the parameters.
    assert len(said) == 4
    for number, line in enumerate(said, start=1):
        assert re.fullmatch(rf"  traces +step {number} of 4: \S+ \(\d+ s so far, \d+\.\d\d GB\)", line), line
    assert "cell-2" in said[-1]


def test_memory_is_that_of_this_process_and_its_children():
    assert 0.01 < progress.memory() < 1_000


def test_quiet_reaches_the_runner(project, monkeypatch):
    project.write(SETUP, TAKE, RECORD)
    seen = []
    monkeypatch.setattr(runner, "run_all", lambda works, root, **options: seen.append(options["quiet"]))
    for words in (["run", "traces"], ["run", "traces", "--quiet"]):
        CliRunner().invoke(main, [*words, "-p", "trace", "sample"])
    assert seen == [False, True]


def test_what_a_run_will_take_is_that_of_the_last_one_at_the_pace_of_this_one():
    before = {"a": 1.0, "b": 10.0, "c": 20.0}
    assert progress.expected(0.0, [], ["a", "b", "c"], before) == 31
    # A thirtieth of a run says nothing of its pace; a third does.
    assert progress.expected(9.0, ["a"], ["b", "c"], before) == 39
    assert progress.expected(22.0, ["a", "b"], ["c", "new"], before) == 62
    assert progress.expected(5.0, ["x"], ["y"], before) is None


@pytest.mark.thorough
def test_a_second_run_says_what_it_is_expected_to_take(project, capfd):
    project.write(SETUP, TAKE, RECORD)
    work = runner.plan("traces", {}, project.root, allow_published=True, fetch=False)
    for pattern in (r"\(\d+ s so far, ", r"\(\d+ s of about \d+ s, "):
        runner.run(work, project.root, progress={"disable": True})
        said = [line for line in capfd.readouterr().err.splitlines() if " step " in line]
        assert said
        assert all(re.search(pattern, line) for line in said), said


@pytest.mark.parametrize("whom", thorough_after(1, ["all", "one"]))
def test_an_interrupt_stops_at_once_and_leaves_what_was_good(project, whom):
    """As a terminal sends it, to all processes, and as ``kill`` does, to the first."""
    project.write(SETUP, TAKE, "import time; time.sleep(600)", RECORD)
    good = project.root / "_build" / "runs" / "traces" / "good.txt"
    good.parent.mkdir(parents=True)
    good.write_text("of an earlier run")
    out = str(good.parent)
    command = [
        sys.executable,
        "-c",
        "from rollstate.compendium.cli import main; main()",
        "run",
        "traces",
        "-p",
        "trace",
        "sample",
        "--out",
        out,
    ]
    run = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True
    )
    assert any("cell-2" in line for line in run.stderr)
    below = psutil.Process(run.pid).children(recursive=True)
    # The kernel: a single notebook runs in the process that was asked.
    assert len(below) >= 1
    begun = time.monotonic()
    (os.killpg if whom == "all" else os.kill)(run.pid, signal.SIGINT)
    said = run.communicate(timeout=60)[1]
    assert run.returncode == 130
    assert "Stopped." in said
    assert "Traceback" not in said
    assert time.monotonic() - begun < 60
    assert not psutil.wait_procs(below, timeout=20)[1]
    assert good.read_text() == "of an earlier run"
    assert not list(good.parent.parent.glob(".*.new-*"))
