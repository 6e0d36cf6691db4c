"""Snakemake calls the same command line, and gets the same numbers."""

import subprocess
import sys
from pathlib import Path

import pytest

from rollstate.compendium import results, runner


def snakemake(root, *words):
    program = Path(sys.executable).with_name("snakemake")
    return subprocess.run(
        [program, "--cores", "1", *words],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.real_data
@pytest.mark.thorough
def test_a_sweep_by_snakemake_has_the_numbers_of_a_run(root, tmp_path):
    config = ["--config", f"out={tmp_path}", "chapter=traces", "name=draws", "values=20",
              f"rollstate={Path(sys.executable).with_name('rollstate')}"]  # fmt: skip
    done = snakemake(root, "sweep", "--directory", str(root), *config)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "sweep" / "20" / "sweep.csv").read_text().startswith("draws,key,value")
    made = results.load(tmp_path / "sweep" / "20" / "0000" / "results.json")
    work = runner.plan("traces", {"draws": 20}, root, out=tmp_path / "direct")
    runner.run(work, root)
    assert made == results.load(tmp_path / "direct" / "results.json")


@pytest.mark.thorough
def test_every_chapter_of_the_book_is_a_job(root, tmp_path):
    done = snakemake(root, "--dry-run", "--config", f"out={tmp_path}")
    assert done.returncode == 0, done.stderr[-3000:]
    for chapter in runner.chapters(root):
        assert f"runs/{chapter}/run.json" in done.stdout + done.stderr, chapter
