"""What chapters cost by the number of accesses: seconds, and peak memory of all their processes together.

``python benchmarks/scale.py [ACCESSES] [few|many|long ...] [traces|eda|survival|tiering ...]``; the shapes are those of
``benchmarks/profile.py``. Each chapter is run as a reader runs it, with ``rollstate run``: its notebook, its figures,
the start of every process. One run on a small trace before it has compiled what is compiled. Memory that processes
share is counted once (proportional set size). A line is a row of the table of ``docs/scale.md``.

``python benchmarks/scale.py profile [ACCESSES] [few|many|long ...]`` reduces the trace to a profile, and runs the
chapters that take one on it.

``python benchmarks/scale.py cluster TRACE ...`` reduces stored traces on a Dask cluster of two worker processes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from profile import SHAPES, make_trace
from typing import NamedTuple

import polars as pl
import psutil
from kept import peak_gib

CHAPTERS = ("traces", "eda", "survival", "tiering")
WORDS = {"few": "few busy slots", "many": "many slots", "long": "long and sparse"}
"""The shapes as the table names them."""
GOALS = {
    1_000_000: {"traces": (7, 1), "eda": (20, 1), "survival": (20, 1.5), "tiering": (20, 1.5)},
    10_000_000: {"traces": (60, 2), "eda": (120, 3), "survival": (120, 3), "tiering": (120, 3)},
}
"""Seconds and gigabytes that a chapter should not exceed, by the number of accesses."""
PROFILED = ("eda", "reuse", "survival", "tiering")
"""Chapters that take a profile in the place of the trace."""


def from_profiles(size: int, shapes: Sequence[str]) -> None:
    """Print a row for each shape and step: the reduction, and each chapter on what it left."""
    print("| shape | step | seconds | peak memory |\n|---|---|---|---|")
    for shape in shapes:
        with tempfile.TemporaryDirectory() as name:
            trace, profile = Path(name) / "trace", Path(name) / "chain.profile"
            make_trace(size, shape, trace)
            steps = {"profile": ["profile", str(trace), "--out", str(profile)]}
            steps |= {chapter: run(chapter, profile, f"{name}/{chapter}") for chapter in PROFILED}
            for step, command in steps.items():
                cost = measured(command)
                print(f"| {WORDS[shape]} | {step} | {cost.seconds:.1f} | {cost.memory:.2f} GiB |", flush=True)


def on_cluster(traces: Sequence[str]) -> None:
    """Print a row for each stored trace: seconds of its reduction on two workers, and peak memory of each process."""
    from distributed import Client, LocalCluster

    from rollstate.traces import store

    print("| accesses | parts | seconds | peak of a worker | peak of the process that asks | file |")
    print("|---|---|---|---|---|---|")
    for trace in traces:
        rows = pl.scan_parquet(f"{trace}/accesses/*.parquet").select(pl.len()).collect().item()
        with (
            tempfile.TemporaryDirectory() as name,
            LocalCluster(
                n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0"
            ) as cluster,
        ):
            out = Path(name) / "chain.profile"
            asked = ["--scheduler", cluster.scheduler_address, "--out", str(out)]
            cost = measured(["profile", trace, *asked])
            with Client(cluster) as client:
                workers = max(client.run(peak_gib).values())
            parts, size = store.count_parts(Path(trace)), out.stat().st_size / 1e6
            cells = (
                f"{rows:,}",
                f"{parts}",
                f"{cost.seconds:.0f}",
                f"{workers:.2f} GiB",
                f"{cost.memory:.2f} GiB",
            )
            print(f"| {' | '.join((*cells, f'{size:.2f} MB'))} |", flush=True)


class Cost(NamedTuple):
    """Seconds that passed, seconds of processors, and peak memory in GiB."""

    seconds: float
    processor: float
    memory: float


def run(chapter: str, trace: Path, out: str) -> list[str]:
    """Return the arguments that run a chapter on a trace."""
    return ["run", chapter, "-p", "trace", str(trace), "--out", out]


def measured(arguments: Sequence[str]) -> Cost:
    """Run ``rollstate`` with arguments, which must succeed; memory is that of all its processes at one time."""
    command = [str(Path(sys.executable).with_name("rollstate")), *arguments]
    begun, peak = time.perf_counter(), 0
    with tempfile.TemporaryFile("w+") as said:
        child = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=said)
        while (ended := os.wait4(child.pid, os.WNOHANG))[0] == 0:
            peak = max(peak, held(child))
            time.sleep(0.1)
        _, status, usage = ended
        if status:
            said.seek(0)
            raise SystemExit(f"{' '.join(command)} ended with {status}:\n{said.read()}")
    return Cost(time.perf_counter() - begun, usage.ru_utime + usage.ru_stime, peak / 2**30)


def held(parent: psutil.Process) -> int:
    """Return the bytes that a process and its descendants hold, what they share counted once."""
    total = 0
    with suppress(psutil.Error):
        for process in (parent, *parent.children(recursive=True)):
            with suppress(psutil.Error):
                total += process.memory_full_info().pss
    return total


def main() -> None:
    """Print a row for each shape and chapter."""
    if sys.argv[1:2] == ["cluster"]:
        return on_cluster(sys.argv[2:])
    if sys.argv[1:2] == ["profile"]:
        sizes = [int(float(word)) for word in sys.argv[2:] if word not in SHAPES] or [10_000_000]
        return from_profiles(sizes[0], [word for word in sys.argv[2:] if word in SHAPES] or list(SHAPES))
    size = int(float(sys.argv[1])) if len(sys.argv) > 1 else 1_000_000
    print("| shape | chapter | seconds | processor | peak memory | goal |\n|---|---|---|---|---|---|")
    for shape in [name for name in sys.argv if name in SHAPES] or SHAPES:
        for chapter in [name for name in sys.argv if name in CHAPTERS] or CHAPTERS:
            with tempfile.TemporaryDirectory() as name:
                for rows in (20_000, size):
                    trace = Path(name) / str(rows)
                    make_trace(rows, shape, trace)
                    cost = measured(run(chapter, trace, f"{trace}-{chapter}"))
            row = (
                WORDS[shape],
                chapter,
                f"{cost.seconds:.1f}",
                f"{cost.processor:.1f}",
                f"{cost.memory:.2f} GiB",
            )
            print(f"| {' | '.join((*row, _verdict(size, chapter, cost)))} |", flush=True)
    return None


def _verdict(size: int, chapter: str, cost: Cost) -> str:
    """Return whether the goal at a number of accesses is met, in words."""
    if size not in GOALS:
        return "none set"
    most, gigabytes = GOALS[size][chapter]
    missed = [
        name
        for name, over in (("time", cost.seconds > most), ("memory", cost.memory * 1.073741824 > gigabytes))
        if over
    ]
    return f"missed: {' and '.join(missed)}" if missed else "met"


if __name__ == "__main__":
    main()
