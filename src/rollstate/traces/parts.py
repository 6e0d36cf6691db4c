"""A stored trace that one process should not hold, read part by part."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl

from rollstate.errors import InputError
from rollstate.traces import datasets, store, summary, thinning
from rollstate.traces.schema import (
    ACCESS_ORDER,
    ACCESSES_SCHEMA,
    SLOTS_SCHEMA,
    Capability,
    Trace,
)

Out = TypeVar("Out")

IN_MEMORY = 4_000_000
"""Accesses of a window up to which it is read as a whole."""


@dataclass(frozen=True)
class Parts:
    """A window of a trace folder, of which no process holds more than some parts.

    Attributes
    ----------
    ref : str
        As in `rollstate.traces.datasets.load_trace`.
    start, stop : int or None
        First block of the window, and the one after the last; the trace's own if None.
    capability : Capability
        Of the window.
    blocks : polars.DataFrame
        Of the window.
    accesses : int
        Of the window.
    slots : int
        Of the trace.
    """

    ref: str
    start: int | None
    stop: int | None
    capability: Capability
    blocks: pl.DataFrame
    accesses: int
    slots: int

    def map(self, function: Callable[[Trace], Out]) -> Iterator[Out]:
        """Yield ``function(part)`` of every part: `rollstate.traces.datasets.over_parts`."""
        return datasets.over_parts(function, self.ref, self.start, self.stop)

    def count_contracts(self, enough: int) -> int:
        """Return how many contracts the window's slots are of; at `enough` of them the other parts are not read."""
        found = set[int]()
        for part in store.partitions(datasets.locate(self.ref)):
            found.update(summary.narrowed(part, self.start, self.stop).slots["contract_id"].unique())
            if len(found) >= enough:
                break
        return len(found)

    def share(self, accesses: int) -> float:
        """Return the share of the window that so many accesses are, at most 1."""
        return min(1.0, accesses / max(self.accesses, 1))

    def sample_of_slots(self, accesses: int, *, seed: int) -> Trace:
        """Return the trace of slots drawn at random with about so many accesses, all of each slot.

        A slot is drawn if the hash of its number falls below a share (`uniform`), wherever its part is read. Slots and
        contracts are numbered anew, in their order. The stamp says that it is a sample.
        """
        share = self.share(accesses)
        drawn = self._gathered(functools.partial(_drawn, share=share, seed=seed))
        if drawn.slots.is_empty():
            raise InputError(f"a share of {share:g} draws none of the slots; take more accesses")
        what = f"{drawn.accesses.height:,} of {self.accesses:,} accesses, by slots drawn at random"
        return Trace(drawn.accesses, drawn.slots, self.blocks, self.capability.sampled(what))

    def some_blocks(self, accesses: int, *, length: int, together: bool = False) -> Trace:
        """Return the trace of stretches of blocks with about so many accesses, evenly spaced: `of_blocks`.

        Parameters
        ----------
        accesses : int
            Of all stretches; one of them is taken if it has more.
        length : int
            Observed blocks of a stretch.
        together : bool
            Take the stretches beside each other, as one in the middle of the window.
        """
        numbers = self.blocks.filter("observed")["block_number"].to_numpy()
        at = stretches(len(numbers), self.share(accesses), length, together=together)
        return self.of_blocks(numbers[at])

    def of_blocks(self, numbers: np.ndarray) -> Trace:
        """Return the trace of some blocks, all accesses of each, and the slots that they touch, numbered anew.

        The stamp says that it is a sample; blocks between the first and the last that are left out were not observed.
        """
        start, stop = int(numbers.min()), int(numbers.max()) + 1
        empty = Trace(ACCESSES_SCHEMA.to_frame(), SLOTS_SCHEMA.to_frame(), self.blocks, self.capability)
        frame = summary.narrowed(empty, start, stop)
        inside = dataclasses.replace(
            self, start=start, stop=stop, capability=frame.capability, blocks=frame.blocks
        )
        chosen = pl.Series(numbers, dtype=pl.Int64)
        found = inside._gathered(functools.partial(_in_blocks, numbers=chosen))
        of_blocks = f"{len(numbers):,} of {self.blocks.height:,} blocks"
        what = f"{found.accesses.height:,} of {self.accesses:,} accesses, in {of_blocks}"
        accounts = frame.capability.account_changes
        stamp = dataclasses.replace(frame.capability.sampled(what), account_changes=accounts)
        left_out = np.setdiff1d(frame.blocks["block_number"].to_numpy(), numbers)
        sample = thinning.unobserve(dataclasses.replace(found, capability=stamp), pl.Series(left_out))
        return self._with_accounts(sample, chosen)

    def whole(self) -> Trace:
        """Return the window as a trace of its own, slots and contracts numbered anew: for windows of few accesses."""
        return self._with_accounts(self._gathered(_itself), self.blocks["block_number"])

    def _gathered(self, function: Callable[[Trace], Trace]) -> Trace:
        parts = list(self.map(function))
        return summary.renumbered(
            Trace(
                pl.concat([part.accesses for part in parts]).sort(ACCESS_ORDER),
                pl.concat([part.slots for part in parts]).sort("slot_id"),
                self.blocks,
                self.capability,
            )
        )

    def _with_accounts(self, trace: Trace, numbers: pl.Series) -> Trace:
        """Return a trace with the changes of accounts in some blocks, where the source lists them."""
        folder = datasets.stored(self.ref)
        if folder is None or not self.capability.account_changes:
            return trace
        inside = pl.col("block_number").is_in(numbers.implode())
        return dataclasses.replace(trace, accounts=store.read_accounts(folder, inside))


def in_parts(ref: str, start: int | None = None, stop: int | None = None) -> Parts | None:
    """Return the window of a trace folder that is stored in parts and has more than `IN_MEMORY` accesses; else None.

    Raises
    ------
    InputError
        If the window is empty or not part of the trace's.
    """
    folder = datasets.stored(ref)
    if folder is None or store.count_parts(folder) < 2:
        return None
    frame = store.read_frame(folder)
    accesses = _accesses(folder, frame)
    if accesses <= IN_MEMORY:
        return None
    window = summary.narrowed(frame, start, stop)
    if window is not frame:
        accesses = _accesses(folder, window)
    return Parts(ref, start, stop, window.capability, window.blocks, accesses, store.count_slots(folder))


def _accesses(folder: Path, window: Trace) -> int:
    stamp = window.capability
    return store.count_accesses(folder, stamp.window_start, stamp.window_stop)


def load_window(
    ref: str, start: int | None = None, stop: int | None = None, *, keys: bool = True
) -> Trace | Parts:
    """Return a window of a trace: as a whole, or, where it has more than `IN_MEMORY` accesses, as its parts.

    Parameters
    ----------
    ref : str
        As in `rollstate.traces.datasets.load_trace`.
    start, stop : int, optional
        First block, and the one after the last; the trace's own if not given.
    keys : bool
        Whether slots keep their keys; `Trace.without_keys` says who needs none.
    """
    parts = in_parts(ref, start, stop)
    if parts is None:
        return summary.restrict(datasets.load_trace(ref, keys=keys), start, stop)
    if parts.accesses > IN_MEMORY:
        return parts
    return parts.whole() if keys else parts.whole().without_keys()


def stretches(blocks: int, share: float, length: int, *, together: bool = False) -> np.ndarray:
    """Return the positions of a share of the blocks, ascending, in stretches that are evenly spaced.

    Parameters
    ----------
    blocks : int
        In all.
    share : float
        Of the blocks; at least one stretch is taken, and no block twice.
    length : int
        Blocks of a stretch; with fewer blocks than that, all are taken.
    together : bool
        Take the stretches beside each other, in the middle.

    Examples
    --------
    >>> stretches(20, 0.3, 3).tolist(), stretches(20, 0.3, 3, together=True).tolist()
    ([3, 4, 5, 13, 14, 15], [7, 8, 9, 10, 11, 12])
    """
    length = min(length, blocks)
    count = min(max(1, round(share * blocks / length)), blocks // length)
    if together:
        length, count = count * length, 1
    room = blocks / count
    first = np.floor((np.arange(count) + 0.5) * room - length / 2).astype(np.int64)
    return (first[:, None] + np.arange(length)).ravel()


def uniform(number: np.ndarray, seed: int) -> np.ndarray:
    """Return a hash of each number as a float in [0, 1), shape (n,): the finaliser of SplitMix64.

    Source: Steele, Lea and Flood 2014, https://doi.org/10.1145/2714064.2660195.
    """
    x = np.asarray(number, np.uint64) + np.uint64(seed * 0x9E3779B97F4A7C15 % 2**64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return (x >> np.uint64(11)) * 2.0**-53


def _drawn(part: Trace, share: float, seed: int) -> Trace:
    slots = part.slots.filter(pl.Series(uniform(part.slots["slot_id"].to_numpy(), seed) < share))
    accesses = part.accesses.filter(pl.col("slot_id").is_in(slots["slot_id"].implode()))
    return Trace(accesses, slots, part.blocks, part.capability)


def _in_blocks(part: Trace, numbers: pl.Series) -> Trace:
    accesses = part.accesses.filter(pl.col("block_number").is_in(numbers.implode()))
    touched = pl.col("slot_id").is_in(accesses["slot_id"].unique().implode())
    return Trace(accesses, part.slots.filter(touched), part.blocks, part.capability)


def _itself(part: Trace) -> Trace:
    return part
