"""What a partition of a stored trace costs in time and memory, and what a billion accesses would (docs/scale.md)."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from intervals import N_ACCESSES, PARTS, make

BILLION = 1_000_000_000


def work(kind: str, folder: Path) -> None:
    """Do one piece of work in this process and print its seconds and peak memory in GB."""
    from rollstate import intervals
    from rollstate.traces import store

    begin = time.perf_counter()
    if kind == "context":
        intervals.context(store.partitions(folder))
    else:
        shared = intervals.context([store.read_part(folder, 0)])
        begin = time.perf_counter()
        intervals.build(store.read_part(folder, 0), shared=shared)
    seconds = time.perf_counter() - begin
    print(json.dumps((seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)))


def measured(kind: str, folder: Path) -> tuple[float, float]:
    """Return seconds and peak GB of a piece of work, in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, kind, str(folder)], capture_output=True, text=True, check=True
    )
    return tuple(json.loads(done.stdout))


def main() -> None:
    """Print what was measured, and what it comes to."""
    if len(sys.argv) == 3:
        return work(sys.argv[1], Path(sys.argv[2]))
    with tempfile.TemporaryDirectory() as name:
        make(Path(name))
        folder = Path(name) / "trace"
        size = sum(file.stat().st_size for file in (folder / "accesses").glob("*"))
        context_s, context_gb = measured("context", folder)
        part_s, part_gb = measured("part", folder)
    per_part = N_ACCESSES / PARTS
    parts = BILLION / per_part
    print(f"{N_ACCESSES:,} accesses in {PARTS} parts, {size / N_ACCESSES:.1f} bytes per access stored")
    print(
        f"one part of {per_part:,.0f} accesses: {part_s:.2f} s, {part_gb:.2f} GB with libraries and context"
    )
    print(f"context of all parts: {context_s:.1f} s, {context_gb:.2f} GB")
    print(
        f"\n{BILLION:,} accesses: {parts:,.0f} such parts, {size / N_ACCESSES * BILLION / 1e9:.0f} GB stored"
    )
    print(f"context, one process: {context_s * BILLION / N_ACCESSES / 60:.0f} min")
    print(f"spells: {part_s * parts / 60:.0f} CPU minutes; {part_s * parts / 32 / 60:.1f} min on 32 workers")
    return None


if __name__ == "__main__":
    main()
