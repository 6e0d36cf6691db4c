"""What the chapter ``traces`` computes: counts of a window, its concentration, and what it has not shown yet."""

from __future__ import annotations

import functools

import numpy as np
import polars as pl

from rollstate import coverage
from rollstate.chapters.traces.parameters import Traces
from rollstate.coverage import Counts
from rollstate.estimate import Estimate
from rollstate.scalars import real, whole
from rollstate.traces import datasets

TOP = 0.01
"""Share of the units that counts as the busiest ones."""
POINTS = 1_000
"""Most points that a figure of blocks shows, about as many as a page has dots in a row."""


def window(p: Traces) -> Counts:
    """Count the window of the trace that the parameters name, part by part (`rollstate.traces.datasets.over_parts`)."""
    of_part = functools.partial(Counts.of, orders=p.draws, seed=p.seed)
    return coverage.count(datasets.over_parts(of_part, p.trace, p.window_start, p.window_stop))


def counts(seen: Counts) -> dict[str, str | int | float]:
    """Return the counts that the chapter records, by the names of its results."""
    written, read = int(seen.written.sum()), int(seen.read.sum())
    once = whole(seen.slots.filter(pl.col("blocks") == 1)["slots"].sum())
    return {
        "chain": seen.stamp.chain,
        "blocks": seen.stamp.n_blocks,
        "events": written + read,
        "slots": seen.n_slots,
        "contracts": seen.contracts.height,
        "written": written,
        "read_only": read,
        "writes": int(seen.writes.sum()),
        "read_share": read / (written + read),
        "once": once / seen.n_slots,
    }


def blocks(seen: Counts) -> pl.DataFrame:
    """Return what each observed block touches, or the means of runs of blocks where there are more than `POINTS`.

    Returns
    -------
    polars.DataFrame
        Columns of `rollstate.coverage.Counts.by_block`; ``block_number`` is that of the first block of a run.
    """
    shown = _observed(seen)
    if (run := _run(shown)) == 1:
        return shown
    return (
        shown.group_by(run=pl.int_range(pl.len()) // run, maintain_order=True)
        .agg(pl.col("block_number").first(), pl.exclude("block_number").mean())
        .drop("run")
    )


def per_block(seen: Counts) -> dict[str, int | float]:
    """Return what the figure of `blocks` says of single blocks.

    Returns
    -------
    dict
        ``blocks`` that were observed and the ``run`` of them that a point stands for; ``median``, ``mean``, ``least`` and
        ``most`` slots of a block, the median of its ``contracts``, and the share of slots that are only ``read``.
    """
    shown = _observed(seen)
    slots = shown["written"] + shown["read"]
    return {
        "blocks": shown.height,
        "run": _run(shown),
        "median": real(slots.median()),
        "mean": real(slots.mean()),
        "least": whole(slots.min()),
        "most": whole(slots.max()),
        "contracts": real(shown["contracts"].median()),
        "read": whole(shown["read"].sum()) / whole(slots.sum()),
    }


def _observed(seen: Counts) -> pl.DataFrame:
    return seen.by_block.filter(seen.blocks["observed"])


def _run(shown: pl.DataFrame) -> int:
    return -(-shown.height // POINTS)


def write_shares(seen: Counts, p: Traces) -> dict[str, Estimate | str]:
    """Return how often events write on slots touched once, and on others, and whether the two intervals overlap.

    Returns
    -------
    dict
        ``write_share_once``, ``write_share_again``, ``write_share_verdict``; without the classes that are empty, and
        without the verdict unless both have an interval.
    """
    table = coverage.write_share(seen.slots, bounds=(1,), replicates=p.draws, seed=p.seed)
    found = {
        "write_share_once" if row["most"] == 1 else "write_share_again": _estimate(row, "share")
        for row in table.to_dicts()
    }
    intervals = [one.interval for one in found.values() if one.interval]
    if len(intervals) < 2:
        return dict(found)
    (a, b), (c, d) = intervals
    return {**found, "write_share_verdict": "do not overlap" if b < c or d < a else "overlap"}


def concentration(seen: Counts, p: Traces) -> pl.DataFrame:
    """Return the concentration of events on slots and on contracts.

    Returns
    -------
    polars.DataFrame
        ``unit``, ``top`` (share of the units, busiest first; null for the Gini coefficient), ``value``, ``low``,
        ``high``. Curves begin at ten slots: below, single slots would be drawn.
    """
    begin = min(TOP, 10 / seen.n_slots)
    parts = []
    contracts = seen.contracts.with_columns(slots=pl.lit(1, pl.Int64))
    for unit, frame in (("slots", seen.slots), ("contracts", contracts)):
        grid = np.unique(
            np.append(np.geomspace(max(begin, 1 / whole(frame["slots"].sum())), 1, 60), [TOP, 0.1])
        )
        table = coverage.concentration(
            frame["blocks"].to_numpy(),
            frame["contract_id"].to_numpy(),
            tuple(grid.tolist()),
            units=frame["slots"].to_numpy(),
            replicates=p.draws,
            seed=p.seed,
        )
        parts.append(table.select(pl.lit(unit).alias("unit"), pl.all()))
    return pl.concat(parts)


def concentrations(table: pl.DataFrame) -> dict[str, Estimate]:
    """Return the busiest hundredth's share and the Gini coefficient of each unit of `concentration`."""
    found = {}
    for unit in ("slots", "contracts"):
        part = table.filter(pl.col("unit") == unit)
        found[f"top_{unit}"] = _estimate(part.filter(pl.col("top") == TOP).row(0, named=True), "value")
        found[f"gini_{unit}"] = _estimate(part.filter(pl.col("top").is_null()).row(0, named=True), "value")
    return found


def unseen_late(seen: Counts, discovery: pl.DataFrame) -> float:
    """Return the share of the events in the last fifth of the blocks, at least one, that are first sightings.

    Parameters
    ----------
    seen : Counts
        Of the window.
    discovery : polars.DataFrame
        As `rollstate.coverage.discovery` returns it.
    """
    blocks = discovery["blocks"][-1]
    late = max(1, blocks // 5)
    shown = dict(discovery.select("blocks", "seen").iter_rows()) | {0: 0}
    events = seen.events[-late:].sum()
    return (shown[blocks] - shown[blocks - late]) / events if events else 0.0


def _estimate(row: dict[str, float | None], value: str) -> Estimate:
    return Estimate(row[value], row["low"], row["high"])  # type: ignore[arg-type]
