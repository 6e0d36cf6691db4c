"""Accesses per second and bytes held: columns beside the dictionary path and the original's layout, in one run.

Every size runs in a process of its own, so that its resident memory is that of this size alone. "Held" is what the
structures hold by their own count at the end; "resident" is by how much the process has grown while they were made,
slices and what the allocator keeps included, and the operations themselves not. Rates are per second of processor time:
the work has one thread, and a busy machine would otherwise be measured too.
"""

from __future__ import annotations

import gc
import multiprocessing
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from kept import keep

from rollstate.worlddiff import layout
from rollstate.worlddiff.columnar import SLICE, ColumnarWorldDiff
from rollstate.worlddiff.operations import replay
from rollstate.worlddiff.workloads import StreamShape, stream
from rollstate.worlddiff.world import FixedCostWorld
from rollstate.worlddiff.world_diff import Mode, WorldDiff

SMALL = StreamShape(200, 92, 34, 143, 1_000)
SIZES = {
    "10^6": StreamShape(3_718, 92, 34, 143, 11_000),
    "published batch": StreamShape(4_487, 92, 34, 143, 11_000),
    "10^7": StreamShape(37_175, 92, 34, 143, 110_000),
    "10^6, 22 accesses per slot": StreamShape(3_718, 92, 34, 143, 45_000),
}
"""Shape of the published batch per transaction; the last has as many slots per access as the counted real batches."""
MOST_BYTES, LEAST_RATE = 16, 1e6
WORLD = FixedCostWorld({})


def timed(action: Callable[[], Any]) -> tuple[float, Any]:
    """Return seconds of processor time and result."""
    begin = time.process_time()
    result = action()
    return time.process_time() - begin, result


def resident() -> int:
    """Return the bytes of this process that are in memory."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status names no VmRSS; this benchmark runs on Linux")


def columns(shape: StreamShape) -> dict[str, float]:
    """Return rates and bytes of the columns; operations are unfolded outside of what is timed and measured."""
    compiling = ColumnarWorldDiff(WORLD)
    compiling.run(stream(StreamShape(1, 1, 1, 1, 1), 1))
    compiling.accesses_from_trace()
    operations = stream(shape, 1)
    gc.collect()
    before, seconds = resident(), 0.0
    diff = ColumnarWorldDiff(WORLD)
    for begin in range(0, len(operations), SLICE):
        part = operations.raw(begin, begin + SLICE)
        seconds += timed(lambda part=part: diff.feed(*part))[0]
    grown = resident() - before
    trace_s, by_trace = timed(diff.accesses_from_trace)
    maps_s, by_maps = timed(diff.accesses_from_maps)
    if not all((a == b).all() for a, b in zip(by_trace, by_maps, strict=True)):
        raise AssertionError("the trace and the maps give different sets")
    n, held = shape.accesses, diff.nbytes
    return {
        "rate": n / seconds,
        "with set": n / (seconds + trace_s + maps_s),
        "trace": (held["log"] + held["written values and costs"]) / n,
        "held": sum(held.values()) / n,
        "resident": grown / n,
        "model": layout.live(model(shape, diff)) / n,
        "original": original(shape, diff) / n,
    }


def counted(shape: StreamShape, diff: ColumnarWorldDiff) -> layout.BatchCounts:
    """Return what the stream did, for the layout model."""
    return layout.BatchCounts(
        reads=shape.transactions * shape.reads,
        writes=shape.transactions * shape.writes,
        code_reads=shape.transactions * shape.code_reads,
        transients=0,
        undone=diff.trace_length - shape.accesses,
        slots=diff.counts["slots"],
        slots_written=len(diff.storage_writes()),
    )


def model(shape: StreamShape, diff: ColumnarWorldDiff) -> list[layout.Structure]:
    """Return the layout of the columns, without the slice in work."""
    found = layout.columns(counted(shape, diff), diff.counts["values"])
    return [item for item in found if item.name != "slice"]


def original(shape: StreamShape, diff: ColumnarWorldDiff) -> float:
    """Return the bytes that the original holds for the same batch with its trace, by the layout model."""
    return layout.live(layout.structures(counted(shape, diff), "before", recording=True))


def dictionaries(shape: StreamShape, mode: Mode) -> dict[str, float]:
    """Return rates of the dictionary path; bytes as CPython holds them."""
    operations = list(stream(shape, 1).tuples())
    diff = WorldDiff(WORLD, mode)
    seconds, _ = timed(lambda: replay(diff, operations))
    derive_s, _ = timed(diff.storage_accesses)
    tracemalloc.start()
    again = WorldDiff(WORLD, mode)
    replay(again, operations)
    held = tracemalloc.get_traced_memory()[0] / shape.accesses
    tracemalloc.stop()
    n = shape.accesses
    return {"rate": n / seconds, "with set": n / (seconds + derive_s), "held": held}


def alone(action: Callable[..., dict[str, float]], *arguments: Any) -> dict[str, float]:
    """Return what `action` returns in a new process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(action, arguments)


def main() -> int:
    """Print one line per path; ratios are to the recording dictionary path of this run. 1 if a limit is missed."""
    table = {
        f"dictionaries, recording ({SMALL.accesses:,})": alone(dictionaries, SMALL, Mode.RECORDING),
        f"dictionaries, opt-out ({SMALL.accesses:,})": alone(dictionaries, SMALL, Mode.OPT_OUT),
        **{f"columns, {name} ({shape.accesses:,})": alone(columns, shape) for name, shape in SIZES.items()},
    }
    peer = next(iter(table.values()))
    names = ("trace", "held", "resident", "model", "original")
    print(f"{'path (accesses)':46s}{'accesses/s':>12s}{'ratio':>7s}{'with set/s':>12s}{'ratio':>7s}", end="")
    print("".join(f"{name:>10s}" for name in names) + "   bytes per access")
    missed = 0
    for name, row in table.items():
        line = f"{name:46s}{row['rate']:12,.0f}{row['rate'] / peer['rate']:7.1f}"
        line += f"{row['with set']:12,.0f}{row['with set'] / peer['with set']:7.1f}"
        if row is not peer:
            keep(name, "dictionaries, recording", row["rate"] / peer["rate"])
        print(line + "".join(f"{row.get(key, np.nan):10.2f}" for key in names))
        if "resident" in row and (row["held"] > MOST_BYTES or row["rate"] < LEAST_RATE):
            missed += 1
    print(f"columns beyond {MOST_BYTES} bytes held or below {LEAST_RATE:,.0f} accesses/s: {missed}")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
