"""The tutorial's commands do what it says, as they stand there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.needs import absent


def blocks(root):
    text = (root / "docs" / "tutorial.md").read_text(encoding="utf-8")
    return [
        line for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL) for line in block.splitlines()
    ]


@pytest.mark.real_data
def test_every_command_of_the_tutorial_runs(root):
    if not (root / "_build" / "html" / "build.json").exists():
        absent("the book is not built: run `make book` first")
    shutil.rmtree(root / "_build" / "tutorial", ignore_errors=True)
    (root / "_build" / "tutorial").mkdir()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    lines = [line for line in blocks(root) if line != "make book"]
    assert len(lines) > 10
    for line in lines:
        done = subprocess.run(
            line,
            shell=True,
            cwd=root,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        if line.startswith("rollstate cite"):
            assert "@misc{" in done.stdout
        if line.startswith("rollstate verify"):
            assert "is reproduced" in done.stdout
    made = root / "_build" / "tutorial"
    for name in (
        "book.pdf",
        "diff.html",
        "mine/results.json",
        "sweep/sweep.csv",
        "paper/generated/numbers.tex",
    ):
        assert (made / name).stat().st_size, name
