"""What the chapter ``traces`` computes: counts of a window, its concentration, and what it has not shown yet."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from rollstate import coverage
from rollstate.chapters.traces.parameters import Traces
from rollstate.estimate import Estimate
from rollstate.traces import datasets, summary
from rollstate.traces.schema import Trace

TOP = 0.01
"""Share of the units that counts as the busiest ones."""


@dataclass(frozen=True)
class Window:
    """The window of a trace, with the frames that several sections need.

    Attributes
    ----------
    trace : Trace
        The accesses inside the window.
    by_block : polars.DataFrame
        As `rollstate.traces.summary.by_block` counts them.
    events, slots : polars.DataFrame
        As `rollstate.traces.visits.events` and `rollstate.coverage.per_slot` have them.
    """

    trace: Trace

    @cached_property
    def by_block(self) -> pl.DataFrame:
        """Return reads and writes of each block."""
        return summary.by_block(self.trace, self.events)

    @cached_property
    def events(self) -> pl.DataFrame:
        """Pairs of block and slot."""
        return coverage.events(self.trace)

    @cached_property
    def slots(self) -> pl.DataFrame:
        """Counts by touched slot."""
        return coverage.per_slot(self.trace, self.events)

    @cached_property
    def contracts(self) -> pl.DataFrame:
        """``contract_id`` and ``blocks``, the events on its slots."""
        return self.slots.group_by("contract_id").agg(pl.col("blocks").sum()).sort("contract_id")


def window(p: Traces) -> Window:
    """Return the window of the trace that the parameters name."""
    return Window(summary.restrict(datasets.load_trace(p.trace), p.window_start, p.window_stop))


def counts(seen: Window) -> dict[str, str | int | float]:
    """Return the counts that the chapter records, by the names of its results."""
    events, read = int(seen.slots["blocks"].sum()), int(seen.by_block["read"].sum())
    return {
        "chain": seen.trace.capability.chain,
        "blocks": seen.trace.capability.n_blocks,
        "events": events,
        "slots": seen.slots.height,
        "contracts": seen.contracts.height,
        "written": int(seen.by_block["written"].sum()),
        "read_only": read,
        "writes": int(seen.by_block["writes"].sum()),
        "read_share": read / events,
        "once": float((seen.slots["blocks"] == 1).mean()),  # type: ignore[arg-type]
    }


def write_shares(seen: Window, p: Traces) -> dict[str, Estimate | str]:
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


def concentration(seen: Window, p: Traces) -> pl.DataFrame:
    """Return the concentration of events on slots and on contracts.

    Returns
    -------
    polars.DataFrame
        ``unit``, ``top`` (share of the units, busiest first; null for the Gini coefficient), ``value``, ``low``,
        ``high``. Curves begin at ten slots: below, single slots would be drawn.
    """
    begin = min(TOP, 10 / seen.slots.height)
    parts = []
    for unit, frame in (("slots", seen.slots), ("contracts", seen.contracts)):
        grid = np.unique(np.append(np.geomspace(max(begin, 1 / frame.height), 1, 60), [TOP, 0.1]))
        table = coverage.concentration(
            frame["blocks"].to_numpy(),
            frame["contract_id"].to_numpy(),
            tuple(grid.tolist()),
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


def unseen_late(seen: Window, discovery: pl.DataFrame) -> float:
    """Return the share of the events in the last fifth of the blocks, at least one, that are first sightings.

    Parameters
    ----------
    seen : Window
        The window.
    discovery : polars.DataFrame
        As `rollstate.coverage.discovery` returns it.
    """
    blocks = discovery["blocks"][-1]
    late = max(1, blocks // 5)
    shown = dict(discovery.select("blocks", "seen").iter_rows()) | {0: 0}
    events = seen.by_block.tail(late).select(pl.col("written") + pl.col("read")).sum().item()
    return (shown[blocks] - shown[blocks - late]) / events if events else 0.0


def _estimate(row: dict[str, float | None], value: str) -> Estimate:
    return Estimate(row[value], row["low"], row["high"])  # type: ignore[arg-type]
