"""One chapter under many parameters: each point is a run of its own, on this machine or on a Dask cluster."""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from rollstate.compendium import results, runner
from rollstate.executors import mapped

Row = dict[str, Any]

# A run speaks to its kernel through the environment of its process, which the threads of a worker share.
_ONE_RUN = threading.Lock()


def points(grid: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return every combination of a grid of parameters, the last one varying fastest."""
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def sweep(
    chapter: str,
    grid: Mapping[str, Sequence[Any]],
    root: Path,
    folder: Path,
    *,
    scheduler: str | None = None,
) -> Iterator[pd.DataFrame]:
    """Run a chapter at every point of a grid and yield the results of each.

    Parameters
    ----------
    chapter : str
        Name of the chapter.
    grid : mapping
        Values by parameter. All points are checked before the first runs.
    root, folder : Path
        The project's folder, and where the runs go: one folder each, named by its number. On a cluster the workers
        must see both under the same names. A point whose run is there and fresh is not run again.
    scheduler : str, optional
        Address of a Dask scheduler.

    Yields
    ------
    pandas.DataFrame
        One row per number: the point's parameters, ``key``, ``value``, ``low``, ``high``, ``unit``.
    """
    plans = [
        runner.plan(chapter, point, root, out=folder / f"{number:04d}")
        for number, point in enumerate(points(grid))
    ]
    for plan, rows in zip(plans, mapped(functools.partial(_run, root=root), plans, scheduler), strict=True):
        frame = pd.DataFrame(rows)
        for name in reversed(list(grid)):
            value = getattr(plan.parameters, name)
            frame.insert(0, name, ", ".join(map(str, value)) if isinstance(value, tuple) else value)
        yield frame


def _run(plan: runner.Plan, root: Path) -> list[Row]:
    with _ONE_RUN:
        if runner.reasons(plan, root):
            runner.run(plan, root)
    registry = results.load(plan.folder / "results.json")
    return [
        {
            "key": key,
            "value": result.value,
            "low": result.interval[0] if result.interval else None,
            "high": result.interval[1] if result.interval else None,
            "unit": result.unit,
        }
        for key, result in registry.items()
    ]
