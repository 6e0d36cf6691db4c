"""What the accesses of a window add up to, part by part."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from rollstate.coverage.orders import FirstSeen, Orders
from rollstate.errors import InputError
from rollstate.traces import visits
from rollstate.traces.schema import Capability, Trace
from rollstate.traces.visits import per_slot


@dataclass(frozen=True)
class Counts:
    """Counts of a window, or of one part of it; those of parts that share no slot add up with `join`.

    Attributes
    ----------
    stamp : Capability
        Of the window.
    blocks : polars.DataFrame
        The blocks of the window, as a trace has them.
    written, read, writes, alone : int64 arrays, shape (blocks of the window,)
        Of each block: slots that it writes, slots that it only reads, touches that write (by transactions, where the
        source counts them), and slots that no other block touches.
    pairs : int64 array, shape (n,)
        Names each pair of a block and a contract that it touches, sorted: block times all contracts, plus the contract.
    slots : polars.DataFrame
        Slots of a contract that equally many blocks touch: ``contract_id``, ``blocks``, ``slots`` (how many), and
        ``written`` (in how many blocks they are written, together); sorted by contract and blocks.
    missing : polars.DataFrame
        What accesses and slots lack: ``check``, ``found`` ``of`` how many.
    orders : Orders
        Random orders of the observed blocks.
    first_seen : tuple of FirstSeen
        Slots first seen in each group of blocks, as the blocks came and in each of `orders`.
    """

    stamp: Capability
    blocks: pl.DataFrame
    written: np.ndarray
    read: np.ndarray
    writes: np.ndarray
    alone: np.ndarray
    pairs: np.ndarray
    slots: pl.DataFrame
    missing: pl.DataFrame
    orders: Orders
    first_seen: tuple[FirstSeen, ...]

    @classmethod
    def of(cls, part: Trace, *, orders: int, seed: int) -> Counts:
        """Count the accesses of a part of a trace; `orders` random orders of its blocks are drawn with `seed`.

        Raises
        ------
        InputError
            If an access lies outside of the window or names a slot that ``slots`` lacks.
        """
        stamp, rows = part.capability, visits.events(part)
        visits.check_inside(stamp, rows["block_number"].to_numpy())
        block = rows["block_number"].to_numpy() - stamp.window_start
        contract = rows["contract_id"].to_numpy()
        written, writes = (rows[name].to_numpy() for name in ("written", "writes"))
        slots = per_slot(rows)
        touched = slots["blocks"].to_numpy()
        begins = np.cumsum(touched) - touched

        def of_blocks(at: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
            return np.bincount(at, weights, stamp.n_blocks).astype(np.int64)

        observed = part.blocks["observed"].to_numpy()
        order = Orders(int(observed.sum()), orders, seed)
        came = (np.cumsum(observed) - 1)[block]
        return cls(
            stamp=stamp,
            blocks=part.blocks,
            written=of_blocks(block[written]),
            read=of_blocks(block[~written]),
            writes=of_blocks(block, writes),
            alone=of_blocks(block[begins[touched == 1]]),
            pairs=visits.Counts.collect([block * CONTRACTS + contract]).key,
            slots=_alike(slots.with_columns(slots=pl.lit(1, pl.Int64))),
            missing=_missing(part),
            orders=order,
            first_seen=tuple(order.first_seen(came, begins)),
        )

    def join(self, other: Counts) -> Counts:
        """Add the counts of another part of the same trace."""
        missing = pl.concat([self.missing, other.missing]).group_by("check", maintain_order=True)
        return Counts(
            stamp=self.stamp,
            blocks=self.blocks,
            written=self.written + other.written,
            read=self.read + other.read,
            writes=self.writes + other.writes,
            alone=self.alone + other.alone,
            pairs=visits.Counts.collect([self.pairs, other.pairs]).key,
            slots=_alike(pl.concat([self.slots, other.slots])),
            missing=missing.agg(pl.col("found", "of").sum()),
            orders=self.orders,
            first_seen=tuple(a + b for a, b in zip(self.first_seen, other.first_seen, strict=True)),
        )

    @property
    def events(self) -> np.ndarray:
        """Return the slots that each block touches."""
        return self.written + self.read

    @property
    def n_slots(self) -> int:
        """Return how many slots are touched."""
        return int(self.slots["slots"].sum())

    @cached_property
    def by_block(self) -> pl.DataFrame:
        """Return ``block_number``, ``written``, ``read``, ``writes`` and ``contracts`` of each block of the window."""
        return pl.DataFrame(
            {
                "block_number": self.blocks["block_number"],
                "written": self.written,
                "read": self.read,
                "writes": self.writes,
                "contracts": np.bincount(self.pairs // CONTRACTS, minlength=self.stamp.n_blocks),
            }
        )

    @cached_property
    def contracts(self) -> pl.DataFrame:
        """Return ``contract_id`` and ``blocks``, the events on its slots."""
        events = (pl.col("blocks") * pl.col("slots")).sum().alias("blocks")
        return self.slots.group_by("contract_id").agg(events).sort("contract_id")

    def quality(self) -> pl.DataFrame:
        """Return what a valid trace can still lack.

        Returns
        -------
        polars.DataFrame
            ``check``, ``found`` ``of`` how many, and ``reading``, what it means for the results.
        """
        of_blocks = pl.DataFrame(
            {
                "check": ["blocks without any touch", "blocks without a timestamp"],
                "found": [int((self.events == 0).sum()), self.blocks["timestamp"].null_count()],
                "of": self.blocks.height,
            },
            schema=self.missing.schema,
        )
        reading = pl.col("check").replace_strict(READINGS, return_dtype=pl.String).alias("reading")
        return pl.concat([of_blocks, self.missing]).with_columns(reading)


CONTRACTS = 1 << 32
"""More than there are contracts, whose numbers are uint32."""
READINGS = {
    "blocks without any touch": "a gap of the source, or a chain at rest",
    "blocks without a timestamp": "windows are in blocks, not in days",
    "slots of unknown age": "their first spell has no known beginning and is left out",
    "writes without a transaction": "system writes, or a source that does not say",
    "reads without a transaction": "conflicts of reads with writes within a block cannot be seen",
}
"""What each check of `Counts.quality` means for the results."""


def count(parts: Iterable[Counts]) -> Counts:
    """Add up the counts of all parts of a trace, in their order.

    Raises
    ------
    InputError
        If there is no access.
    """
    found = functools.reduce(Counts.join, parts)
    if found.slots.is_empty():
        raise _empty(found.stamp)
    return found


def events(trace: Trace) -> pl.DataFrame:
    """Return one row per (block, slot).

    Returns
    -------
    polars.DataFrame
        Of `rollstate.traces.visits.events`.

    Raises
    ------
    InputError
        If the trace holds no access.
    """
    if trace.accesses.is_empty():
        raise _empty(trace.capability)
    return visits.events(trace)


def _alike(slots: pl.DataFrame) -> pl.DataFrame:
    """Count slots of one contract with the same number of blocks together."""
    key = ("contract_id", "blocks")
    return slots.group_by(key).agg(pl.col("slots", "written").sum()).sort(key)


def _missing(part: Trace) -> pl.DataFrame:
    """Count what accesses and slots of a part lack."""
    unknown = part.accesses.filter(pl.col("tx_index").is_null())["is_write"]
    writes, unknown_writes = (int(flags.sum()) for flags in (part.accesses["is_write"], unknown))
    rows = [
        ("slots of unknown age", part.slots["created_block"].null_count(), part.slots.height),
        ("writes without a transaction", unknown_writes, writes),
        ("reads without a transaction", len(unknown) - unknown_writes, part.accesses.height - writes),
    ]
    return pl.DataFrame(rows, schema={"check": pl.String, "found": pl.Int64, "of": pl.Int64}, orient="row")


def _empty(stamp: Capability) -> InputError:
    return InputError(
        f"blocks [{stamp.window_start}, {stamp.window_stop}) hold no access; choose a wider window"
    )
