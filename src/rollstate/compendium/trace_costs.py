"""What a trace will cost: measured on a part of it, multiplied up, and said to be so."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from rollstate.traces import store

MEASURED_ROWS = 300_000


@dataclass(frozen=True)
class Cost:
    """Seconds and bytes to read some rows and cut them into intervals, measured; and for how many rows they are asked.

    Attributes
    ----------
    measured : int
        Rows of the part that was measured.
    rows : int
        Rows of the trace.
    seconds, size : float
        For the part: time in seconds, frames in bytes.
    """

    measured: int
    rows: int
    seconds: float
    size: float

    def describe(self) -> str:
        """Say what was measured, and what it makes of the whole trace."""
        factor = self.rows / max(self.measured, 1)
        return (
            f"{self.measured:,} of {self.rows:,} rows were read and cut into intervals in {self.seconds:.1f} s, as "
            f"{self.size / 1e6:,.0f} MB of frames. In proportion the whole takes {self.seconds * factor:,.0f} s and "
            f"{self.size * factor / 1e9:.2f} GB; a chapter works on it whole, and with its copies may need three times "
            "that memory."
        )


def measure(folder: Path, rows: int) -> Cost:
    """Read a part of a stored trace, whole slots of it, and cut it into intervals.

    Parameters
    ----------
    folder : Path
        A valid trace.
    rows : int
        Its rows.
    """
    from rollstate import intervals

    started = time.perf_counter()
    part = store.read_part(folder, 0)
    if part.accesses.height > MEASURED_ROWS:
        step = -(-part.accesses.height // MEASURED_ROWS)
        chosen = part.slots["slot_id"].gather_every(step)
        mine = pl.col("slot_id").is_in(chosen.implode())
        part = type(part)(part.accesses.filter(mine), part.slots.filter(mine), part.blocks, part.capability)
    spells = intervals.build(part)
    seconds = time.perf_counter() - started
    frames = (part.accesses, part.slots, spells)
    return Cost(part.accesses.height, rows, seconds, float(sum(frame.estimated_size() for frame in frames)))
