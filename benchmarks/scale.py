"""What chapters cost by the number of accesses: seconds and peak memory of what they compute, figures left out.

``python benchmarks/scale.py [ACCESSES] [few|many|long ...] [traces|eda|survival|tiering ...]``; the shapes are those of
``benchmarks/profile.py``. Each chapter is measured in a process of its own, after one on a small trace has compiled
what is compiled. A line is a row of the table of ``docs/scale.md``.

``python benchmarks/scale.py profile [ACCESSES] [few|many|long ...]`` reduces the trace to a profile instead, and runs
the chapters that take one on it, notebook and figures included.

``python benchmarks/scale.py cluster TRACE ...`` reduces stored traces on a Dask cluster of two worker processes.
"""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from profile import SHAPES, make_trace

import polars as pl
from kept import peak_gib

CHAPTERS = ("traces", "eda", "survival", "tiering")
WORDS = {"few": "few busy slots", "many": "many slots", "long": "long and sparse"}
"""The shapes as the table names them."""
GOALS = {
    1_000_000: {"traces": (7, 1), "eda": (20, 1), "survival": (20, 1.5), "tiering": (20, 1.5)},
    10_000_000: {"traces": (60, 2), "eda": (120, 3), "survival": (120, 3), "tiering": (120, 3)},
}
"""Seconds and gigabytes that a chapter should not exceed, by the number of accesses."""


def traces(folder: str) -> None:
    """Compute what the chapter on the trace shows."""
    from rollstate import coverage
    from rollstate.chapters.traces import study
    from rollstate.chapters.traces.parameters import Traces

    p = Traces(trace=folder)
    seen = study.window(p)
    study.counts(seen), seen.quality(), study.blocks(seen), study.per_block(seen), study.write_shares(seen, p)
    study.concentrations(study.concentration(seen, p))
    study.unseen_late(seen, coverage.discovery(seen))
    coverage.unseen_share(seen, replicates=p.draws, seed=p.seed)


def eda(folder: str) -> None:
    """Compute what the chapter on gaps shows."""
    from rollstate.chapters.eda import study
    from rollstate.chapters.eda.parameters import Eda

    p = Eda(trace=folder)
    seen = study.window(p)
    for section in (study.frequency, study.gaps, study.hazard, study.tail, study.reuse, study.co_access):
        section(seen, p)
    study.autocorrelation(seen, p)


def survival(folder: str) -> None:
    """Compute what the chapter on forecasts shows of its trace."""
    from rollstate.chapters.survival import study
    from rollstate.chapters.survival.parameters import Survival

    p = Survival(trace=folder)
    found = study.study(study.window(p), p)
    study.curves(found)
    if (fit := study.proportional(found)) is not None:
        study.effects(fit)
    compared = study.compare(found)
    study.score_table(found, compared), study.by_range(found, compared)
    study.reliability(found, compared, study.calibrate(found, compared))
    study.bounds(found, compared), study.demotion(found, compared)
    study.simultaneous_coverage(found, compared)


def tiering(folder: str) -> None:
    """Compute what the chapter on tiers shows of its trace."""
    from rollstate.chapters.tiering import study
    from rollstate.chapters.tiering.parameters import Tiering

    p = dataclasses.replace(Tiering(), trace=folder)
    found = study.study(study.window(p), p)
    study.headline(found)
    for section in (study.measured, study.horizons, study.misjudged, study.folds, study.three_tiers):
        section(found, p)
    study.cache_hits(found, p)


PROFILED = ("eda", "reuse", "survival", "tiering")
"""Chapters that take a profile in the place of the trace."""


def from_profiles(size: int, shapes: Sequence[str]) -> None:
    """Print a row for each shape and step: the reduction, and each chapter on what it left."""
    rollstate = str(Path(sys.executable).with_name("rollstate"))
    print("| shape | step | seconds | peak memory |\n|---|---|---|---|")
    for shape in shapes:
        with tempfile.TemporaryDirectory() as name:
            trace, profile = Path(name) / "trace", Path(name) / "chain.profile"
            # In a process of its own: a child takes over the peak of memory of the one that starts it.
            make = f"from profile import *; make_trace({size}, {shape!r}, Path({str(trace)!r}))"
            subprocess.run([sys.executable, "-c", make], cwd=Path(__file__).parent, check=True)
            steps = {"profile": [rollstate, "profile", str(trace), "--out", str(profile)]}
            for chapter in PROFILED:
                run = ["run", chapter, "-p", "trace", str(profile), "--out", f"{name}/{chapter}"]
                steps[chapter] = [rollstate, *run]
            for step, command in steps.items():
                seconds, memory = measured(command)
                print(f"| {WORDS[shape]} | {step} | {seconds:.1f} | {memory:.2f} GiB |", flush=True)


def on_cluster(traces: Sequence[str]) -> None:
    """Print a row for each stored trace: seconds of its reduction on two workers, and peak memory of each process."""
    from distributed import Client, LocalCluster

    from rollstate.traces import store

    rollstate = str(Path(sys.executable).with_name("rollstate"))
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
            command = [
                rollstate,
                "profile",
                trace,
                "--scheduler",
                cluster.scheduler_address,
                "--out",
                str(out),
            ]
            seconds, memory = measured(command)
            with Client(cluster) as client:
                workers = max(client.run(peak_gib).values())
            parts, size = store.count_parts(Path(trace)), out.stat().st_size / 1e6
            cells = (f"{rows:,}", f"{parts}", f"{seconds:.0f}", f"{workers:.2f} GiB", f"{memory:.2f} GiB")
            print(f"| {' | '.join((*cells, f'{size:.2f} MB'))} |", flush=True)


def measured(command: Sequence[str]) -> tuple[float, float]:
    """Return seconds and peak memory in GiB of a command, which must succeed."""
    begun = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said)
        _, status, usage = os.wait4(child.pid, 0)
        if status:
            said.seek(0)
            raise SystemExit(f"{' '.join(command)} ended with {status}:\n{said.read()}")
    return time.perf_counter() - begun, usage.ru_maxrss / 2**20


def main() -> None:
    """Print a row for each shape and chapter."""
    if sys.argv[1:2] == ["cluster"]:
        return on_cluster(sys.argv[2:])
    if sys.argv[1:2] == ["profile"]:
        sizes = [int(float(word)) for word in sys.argv[2:] if word not in SHAPES] or [10_000_000]
        return from_profiles(sizes[0], [word for word in sys.argv[2:] if word in SHAPES] or list(SHAPES))
    if sys.argv[1:2] == ["measure"]:
        begun = time.perf_counter()
        globals()[sys.argv[2]](sys.argv[3])
        usage = resource.getrusage(resource.RUSAGE_SELF)
        seconds = time.perf_counter() - begun
        print(json.dumps((seconds, usage.ru_utime + usage.ru_stime, peak_gib())))
        return None
    size = int(float(sys.argv[1])) if len(sys.argv) > 1 else 1_000_000
    print("| shape | chapter | seconds | processor | peak memory | goal |\n|---|---|---|---|---|---|")
    for shape in [name for name in sys.argv if name in SHAPES] or SHAPES:
        for chapter in [name for name in sys.argv if name in CHAPTERS] or CHAPTERS:
            with tempfile.TemporaryDirectory() as name:
                for rows, folder in ((20_000, Path(name) / "small"), (size, Path(name) / "trace")):
                    make_trace(rows, shape, folder)
                    command = [sys.executable, __file__, "measure", chapter, str(folder)]
                    done = subprocess.run(command, capture_output=True, text=True, check=True)
            seconds, processor, memory = json.loads(done.stdout.splitlines()[-1])
            row = (WORDS[shape], chapter, f"{seconds:.1f}", f"{processor:.1f}", f"{memory:.2f} GiB")
            print(f"| {' | '.join((*row, _verdict(size, chapter, seconds, memory)))} |", flush=True)
    return None


def _verdict(size: int, chapter: str, seconds: float, memory: float) -> str:
    """Return whether the goal at a number of accesses is met, in words."""
    if size not in GOALS:
        return "none set"
    most, gigabytes = GOALS[size][chapter]
    missed = [
        name
        for name, over in (("time", seconds > most), ("memory", memory * 1.073741824 > gigabytes))
        if over
    ]
    return f"missed: {' and '.join(missed)}" if missed else "met"


if __name__ == "__main__":
    main()
