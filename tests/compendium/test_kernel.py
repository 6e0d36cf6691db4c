"""A run takes nothing from the user's settings, folder or other Pythons that its record does not name."""

import json
import os
import sys

import nbformat
import pytest

from rollstate.compendium import runner
from rollstate.compendium.results import load

from .conftest import DRAW, RECORD, SETUP, TAKE

SEEN = """import builtins, gc, os, sys

assert not hasattr(builtins, "intruder"), builtins.intruder
assert "" not in sys.path and os.getcwd() not in sys.path
assert gc.get_threshold()[0] == 10_000
import seaborn"""


def run(project, out):
    work = runner.plan("traces", {"trace": "sample"}, project.root, out=out)
    runner.run(work, project.root)
    return out


def drawn(folder):
    return {
        file.name: file.read_bytes()
        for file in (folder / "figures" / "line").glob("line.*")
        if file.is_file()
    }


@pytest.mark.thorough
def test_neither_kernels_nor_settings_of_the_user_reach_a_run(project, tmp_path, monkeypatch):
    project.write(SETUP, TAKE, RECORD, DRAW, SEEN)
    plain = run(project, tmp_path / "plain")

    elsewhere = tmp_path / "jupyter" / "kernels" / "python3"
    elsewhere.mkdir(parents=True)
    spec = {"argv": ["/bin/false", "{connection_file}"], "display_name": "Python 3", "language": "python"}
    (elsewhere / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    startup = tmp_path / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    intruder = "import builtins\nbuiltins.intruder = __file__\n"
    (startup / "00.py").write_text(intruder)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    (tmp_path / "startup.py").write_text(intruder)
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "startup.py"))
    (tmp_path / "matplotlibrc").write_text("savefig.facecolor: red\nxtick.direction: inout\nfont.size: 20\n")
    monkeypatch.setenv("MATPLOTLIBRC", str(tmp_path / "matplotlibrc"))
    folder = tmp_path / "reader"
    folder.mkdir()
    (folder / "seaborn.py").write_text("raise ImportError('of the reader')")
    monkeypatch.chdir(folder)

    other = run(project, tmp_path / "other")
    assert load(other / "results.json") == load(plain / "results.json")
    assert drawn(other) == drawn(plain)
    executed = nbformat.read(other / "executed.ipynb", as_version=4)
    assert executed.metadata["language_info"]["version"] == sys.version.split()[0]


@pytest.mark.thorough
def test_a_kernel_that_is_killed_leaves_no_file(project, tmp_path, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    project.write(SETUP, TAKE, RECORD, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(runner.NotebookError, match="lost its kernel"):
        run(project, tmp_path / "runs" / "traces")
    assert [name for name in os.listdir(temporary) if not name.endswith(".lock")] == []
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [".traces.failed"]
    assert not (tmp_path / "runs" / ".traces.failed" / ".kernel").exists()
