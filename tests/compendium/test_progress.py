"""A run says each step as it begins: number, name, seconds and memory; a quiet one says nothing."""

import re

import pytest
from click.testing import CliRunner

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
