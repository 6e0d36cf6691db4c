"""Storage operations per second and bytes: columns beside the dictionary path, with and without its trace."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

from rollstate.worlddiff.columnar import SLICE, ColumnarWorldDiff
from rollstate.worlddiff.operations import Operations, replay
from rollstate.worlddiff.workloads import StreamShape, stream
from rollstate.worlddiff.world import FixedCostWorld
from rollstate.worlddiff.world_diff import Mode, WorldDiff

LARGE = StreamShape(4_487, 92, 34, 143, 11_000)
SMALL = StreamShape(200, 92, 34, 143, 1_000)
WORLD = FixedCostWorld({})


def slices(operations: Operations) -> Iterator[tuple]:
    """Yield raw slices, unfolded outside of what is timed."""
    for begin in range(0, len(operations), SLICE):
        yield operations.raw(begin, begin + SLICE)


def timed(action: Callable[[], Any]) -> tuple[float, Any]:
    """Return seconds and result."""
    begin = time.perf_counter()
    result = action()
    return time.perf_counter() - begin, result


def columns(shape: StreamShape) -> tuple[float, float, float]:
    """Return accesses per second of recording (interning included), of both derivations, and bytes per access."""
    operations = stream(shape, 1)
    diff, seconds = ColumnarWorldDiff(WORLD), 0.0
    for part in slices(operations):
        seconds += timed(lambda part=part: diff.feed(*part))[0]
    trace_s, by_trace = timed(diff.accesses_from_trace)
    maps_s, by_maps = timed(diff.accesses_from_maps)
    assert (by_trace.after == by_maps.after).all()
    assert (by_trace.slot == by_maps.slot).all()
    held = sum(diff.nbytes.values()) / diff.trace_length
    return shape.accesses / seconds, shape.accesses / (seconds + trace_s + maps_s), held


def dictionaries(shape: StreamShape, mode: Mode) -> tuple[float, float, float]:
    """Return the same of the dictionary path; bytes as CPython holds them."""
    operations = list(stream(shape, 1).tuples())
    diff = WorldDiff(WORLD, mode)
    seconds, _ = timed(lambda: replay(diff, operations))
    derive_s, _ = timed(diff.storage_accesses)
    tracemalloc.start()
    again = WorldDiff(WORLD, mode)
    replay(again, operations)
    held = tracemalloc.get_traced_memory()[0] / shape.accesses
    tracemalloc.stop()
    return shape.accesses / seconds, shape.accesses / (seconds + derive_s), held


def main() -> None:
    """Print one line per path; ratios are to the recording dictionary path of this run."""
    columns(SMALL)
    table = {
        f"dictionaries, recording ({SMALL.accesses:,} accesses)": dictionaries(SMALL, Mode.RECORDING),
        f"dictionaries, opt-out ({SMALL.accesses:,} accesses)": dictionaries(SMALL, Mode.OPT_OUT),
        f"columns ({SMALL.accesses:,} accesses)": columns(SMALL),
        f"columns ({LARGE.accesses:,} accesses)": columns(LARGE),
    }
    peer = next(iter(table.values()))
    print(f"{'path':46s}{'accesses/s':>12s}{'ratio':>8s}{'with set/s':>12s}{'ratio':>8s}{'B/access':>10s}")
    for name, (rate, both, held) in table.items():
        print(f"{name:46s}{rate:12,.0f}{rate / peer[0]:8.1f}{both:12,.0f}{both / peer[1]:8.1f}{held:10.1f}")


if __name__ == "__main__":
    main()
