"""What the chapter ``eda`` counts of accesses beyond slots taken one by one, part by part."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from rollstate.traces.dependence import Calls
from rollstate.traces.parts import Parts
from rollstate.traces.schema import Trace
from rollstate.traces.visits import events
from rollstate.traces.working_set import Seen


@dataclass(frozen=True)
class Sums:
    """Counts of a window, or of one part of it; those of parts that share no slot add up with `join`.

    Attributes
    ----------
    touches, writes : Seen
        Slots that each block touches, and that it writes, and those of them that the blocks before it did.
    calls : Calls
        Slots that each block touches of each contract, and how often slots of a contract are touched.
    """

    touches: Seen
    writes: Seen
    calls: Calls

    @classmethod
    def of(cls, part: Trace, lags: Sequence[int], *, rows: pl.DataFrame | None = None) -> Sums:
        """Count a trace, or a part of one; `rows` are its `rollstate.traces.visits.events`, where they are known."""
        rows = events(part) if rows is None else rows
        touches, writes = (Seen.of(part, lags, writes_only=only, rows=rows) for only in (False, True))
        return cls(touches, writes, Calls.of(part, rows=rows))

    @classmethod
    def of_parts(cls, parts: Parts, lags: Sequence[int]) -> Sums:
        """Add up the counts of all parts of a stored trace, in their order."""
        return functools.reduce(cls.join, parts.map(functools.partial(cls.of, lags=lags)))

    def join(self, other: Sums) -> Sums:
        """Add the counts of another part of the same trace."""
        return Sums(
            self.touches.join(other.touches), self.writes.join(other.writes), self.calls.join(other.calls)
        )
