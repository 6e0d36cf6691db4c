"""Bytes of a batch's bookkeeping, by version of the original and for our columns, from counts alone.

The original is Rust on a 64-bit machine: growing lists double, ordered maps are B-trees. Sizes of its records are
those of https://github.com/matter-labs/vm2 (``crates/vm2/src/world_diff.rs`` at commit
9a378c1 and the stages of pull request 109, a6bb2db to 4270ec4); list growth, the
sort's buffer and nodes are those of ``RawVec``, ``slice::sort`` (driftsort) and ``alloc::collections::btree``
(https://github.com/rust-lang/rust). Five versions:

========  ==========================================================================================
before    trace, pending twins, sets of read and of written slots, maps of values, of pubdata paid, of initial values
gate      the trace can be switched off; a set of protective reads, initial values of read slots too
group B   the three sets as one map of flags
group A   also values and pubdata paid as one map
merged    with the trace on, initial values of written slots only, as before the gate
========  ==========================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from rollstate.errors import InputError
from rollstate.worlddiff import columnar
from rollstate.worlddiff.chunks import CHUNK
from rollstate.worlddiff.interning import grown, index_size, larger

MIB = 2**20

QUERY, ENUMERATED_QUERY, SLOT_KEY = 128, 136, 56
"""Bytes of a trace entry, of one with its position as the sort makes it, and of address and key with padding."""
REFUND, COST = 4, 4
HEAP_GROUP = 72
"""Bytes of a group of heap pages in the list of them, as the reservation's hint counts it."""
NODE_KEYS, EDGES = 11, 96
"""Keys of a B-tree node, and bytes of the edges that an inner node has besides."""
VALUE_BYTES = {"set": 0, "flags": 1, "paid": 4, "value": 32, "slot": 40, "write": 40}
"""Bytes of what each map holds per slot."""
_LEAF_BYTES = {"set": 632, "flags": 640, "paid": 672, "value": 984, "slot": 1_072, "write": 1_072}
_NODES_PER_KEY = {"random": (0.1182, 0.0156), "ascending": (0.14286, 0.0238)}
"""Leaves and inner nodes per key, after insertion in random and in ascending order (splits at 4 to 6 of 11 keys)."""

FIRST_ROWS = 1_024
"""Rows with which the tables of our columns begin."""

VERSIONS = ("before", "gate", "group B", "group A", "merged")
FULL_BUFFER_BYTES = 8_000_000
"""Up to this size the sort's buffer is as long as what it sorts; beyond, at least half as long."""


@dataclass(frozen=True)
class BatchCounts:
    """What a batch did.

    Attributes
    ----------
    reads, writes, code_reads, transients : int
        SLOAD, SSTORE, code-hash reads of far calls, accesses of transient storage.
    undone : int
        Writes undone by failed frames.
    slots : int
        Distinct slots read or written.
    slots_written : int
        Those with a write that was not undone.
    slots_protective : int or None
        Those read while no write was pending; all if None.
    """

    reads: int
    writes: int
    code_reads: int
    transients: int
    undone: int
    slots: int
    slots_written: int
    slots_protective: int | None = None

    def __post_init__(self) -> None:
        counts = [value for value in vars(self).values() if value is not None]
        if min(counts) < 0 or self.undone > self.writes or self.slots_written > self.slots:
            raise InputError(
                f"{self}: counts must be at least 0, undone at most writes, slots_written at most slots"
            )

    @property
    def forward(self) -> int:
        """Accesses of storage: one query of the trace each."""
        return self.reads + self.writes + self.code_reads

    @property
    def trace(self) -> int:
        """Queries of the whole trace: accesses, and a twin per undone write."""
        return self.forward + self.undone

    @property
    def twins(self) -> int:
        """Twins still pending at the end."""
        return self.writes - self.undone

    @property
    def refunds(self) -> int:
        """Entries of the list of refunds."""
        return self.reads + self.writes

    @property
    def costs(self) -> int:
        """Entries of the list of pubdata costs."""
        return self.forward + self.transients

    def scaled(self, share: float) -> BatchCounts:
        """Return the counts of a batch `share` times as large, slots too."""
        return replace(
            self, **{name: round(value * share) for name, value in vars(self).items() if value is not None}
        )


def doubled(entries: float, first: int = 4) -> int:
    """Return the capacity of a list that starts at `first` entries and doubles when full.

    >>> [doubled(n) for n in (0, 1, 5, 1_214_190)]
    [0, 4, 8, 2097152]
    """
    capacity = first if entries > 0 else 0
    while capacity < entries:
        capacity *= 2
    return capacity


def btree_bytes(keys: float, holds: str, order: str = "random") -> float:
    """Return the bytes of an ordered map's nodes.

    Parameters
    ----------
    keys : float
        Number of slots in the map.
    holds : str
        Key of `VALUE_BYTES`.
    order : {"random", "ascending"}
        Order of insertion; ascending leaves nodes half empty.
    """
    if order not in _NODES_PER_KEY:
        raise InputError(f"order {order!r} is not one of {tuple(_NODES_PER_KEY)}")
    leaves, inner = _NODES_PER_KEY[order]
    return keys * (leaves * _LEAF_BYTES[holds] + inner * (_LEAF_BYTES[holds] + EDGES))


@dataclass(frozen=True)
class Structure:
    """One list or map: its entries at the end, and its bytes when it holds a number of them."""

    name: str
    entries: int
    size: Callable[[float], float]
    grows_at: tuple[int, ...] = ()
    """Entries at which it moves to a larger block."""
    moving: Callable[[float], float] = lambda full: 0.0
    """Bytes while it moves, the old block full and the new one there too."""

    @property
    def bytes(self) -> float:
        """Bytes at the end of the batch."""
        return self.size(self.entries)


def _list(name: str, entries: int, item: int, reserved: int | None = None) -> Structure:
    if reserved is not None:
        if reserved < entries:
            raise InputError(f"{name}: {reserved} entries reserved, {entries} used; reserve an upper bound")
        return Structure(name, entries, lambda _: reserved * item)
    return Structure(
        name, entries, lambda n: doubled(n) * item, _doublings(entries), lambda full: 3 * full * item
    )


def _doublings(entries: int, first: int = 4) -> tuple[int, ...]:
    steps, capacity = [], first
    while capacity < entries:
        steps.append(capacity)
        capacity *= 2
    return tuple(steps)


def _map(name: str, keys: int, holds: str, order: str) -> Structure:
    # Most slots are met early in a batch, so a map counts in full from the start.
    return Structure(name, keys, lambda _: btree_bytes(keys, holds, order))


def structures(
    counts: BatchCounts,
    version: str,
    *,
    recording: bool,
    reserve: bool | Mapping[str, int] = False,
    order: str = "random",
) -> list[Structure]:
    """Return the structures of one version of the original.

    Parameters
    ----------
    counts : BatchCounts
        What the batch did.
    version : str
        One of `VERSIONS`; before the gate the trace cannot be switched off.
    recording : bool
        Whether the trace is kept.
    reserve : bool or mapping of str to int
        Whether the lists of refunds and of pubdata costs are reserved, as ``reserve_auxiliary_log_capacity`` does from
        a witness that knows both lengths exactly. A mapping names lists and the entries reserved for each. No public
        revision reserves the trace.
    order : {"random", "ascending"}
        Order in which slots come.
    """
    if version not in VERSIONS:
        raise InputError(f"version {version!r} is not one of {VERSIONS}")
    if version == "before" and not recording:
        raise InputError("version 'before' always records; ask for recording=True, or for 'gate'")
    slots, written = counts.slots, counts.slots_written
    protective = slots if counts.slots_protective is None else counts.slots_protective
    lists = [("refunds", counts.refunds, REFUND), ("pubdata costs", counts.costs, COST)]
    if recording:
        lists = [("trace", counts.trace, QUERY), ("pending twins", counts.twins, QUERY), *lists]
    if isinstance(reserve, Mapping):
        room = dict(reserve)
    else:
        room = {"refunds": counts.refunds, "pubdata costs": counts.costs} if reserve else {}
    if unknown := sorted(room.keys() - {name for name, _, _ in lists}):
        raise InputError(
            f"reserve: {unknown} are no lists of this version; it has {[name for name, _, _ in lists]}"
        )
    found = [_list(name, entries, item, room.get(name)) for name, entries, item in lists]
    if version in ("before", "gate"):
        found.append(_map("slots read", slots, "set", order))
        found.append(_map("slots written", written, "set", order))
        if version == "gate":
            found.append(_map("protective reads", protective, "set", order))
    else:
        found.append(_map("flags", slots, "flags", order))
    if version in ("group A", "merged"):
        found.append(_map("pending writes", written, "write", order))
    else:
        found.append(_map("pending values", written, "value", order))
        found.append(_map("pubdata paid", written, "paid", order))
    loaded = written if version == "before" or (version == "merged" and recording) else slots
    found.append(_map("initial values", loaded, "slot", order))
    return found


def heap_groups(counts: BatchCounts, *, reserved: int | None = None) -> Structure:
    """Return the list of heap pages by far call, which the virtual machine holds beside the bookkeeping of storage.

    Each far call adds a group (one per code-hash read here). ``reserve_dynamic_heap_capacity`` of vm2 at commit 9a378c1
    allocates it once instead of letting it double.

    Parameters
    ----------
    counts : BatchCounts
        What the batch did.
    reserved : int, optional
        Groups reserved; the list doubles if not given.

    Examples
    --------
    >>> batch = BatchCounts(0, 0, 600_000, 0, 0, 1, 0)
    >>> [heap_groups(batch, reserved=n).bytes / MIB for n in (None, 2**19 + 2**17)]
    [72.0, 45.0]
    """
    return _list("heap groups", counts.code_reads, HEAP_GROUP, reserved)


def columns(
    counts: BatchCounts, values: int, *, reserve: bool = False, chunk: int = CHUNK
) -> list[Structure]:
    """Return the structures of `columnar.ColumnarWorldDiff`; journals are those of a batch of short transactions.

    Parameters
    ----------
    counts : BatchCounts
        What the batch did.
    values : int
        Distinct values, 0 included.
    reserve : bool
        Whether slots and values are reserved; else their tables grow by a quarter from 1,024 rows.
    chunk : int
        Entries per chunk.
    """

    def chunked(name: str, entries: int, item: int) -> Structure:
        # The chunk that the next entry falls into is there already.
        return Structure(name, entries, lambda n: (int(n) // chunk + 1) * chunk * item)

    def table(name: str, rows: int, item: int, indexed: bool) -> Structure:
        def parts(capacity: int) -> tuple[int, int]:
            return capacity * item, 4 * index_size(capacity) if indexed else 0

        def size(n: float) -> float:
            return sum(parts(rows if reserve else grown(max(n, 1), FIRST_ROWS)))

        def moving(full: float) -> float:
            (old, old_index), (new, new_index) = parts(int(full)), parts(larger(int(full)))
            return max(old + old_index + new, new + old_index + new_index)

        return Structure(name, rows, size, () if reserve else _growths(rows), moving)

    return [
        chunked("log", counts.trace + counts.transients, columnar.LOG_ENTRY_BYTES),
        chunked("written values and costs", counts.writes, columnar.WRITE_BYTES),
        table("slot keys", counts.slots, columnar.SLOT_BYTES, True),
        table("slot state", counts.slots, columnar.STATE_BYTES, False),
        table("values", values, columnar.VALUE_BYTES, True),
        Structure("slice", columnar.SLICE, lambda _: columnar.SLICE * columnar.SLICE_BYTES),
    ]


def _growths(rows: int) -> tuple[int, ...]:
    steps, capacity = [], FIRST_ROWS
    while capacity < rows:
        steps.append(capacity)
        capacity = larger(capacity)
    return tuple(steps)


def live(found: list[Structure]) -> float:
    """Return the bytes held at the end of the batch."""
    return sum(item.bytes for item in found)


def at(found: list[Structure], share: float) -> float:
    """Return the bytes held when a share of the batch is done, every structure growing evenly."""
    return sum(item.size(share * item.entries) for item in found)


def peak(found: list[Structure]) -> float:
    """Return the most bytes held at once while the batch runs: at the end, or while a list moves to a larger block."""
    most = live(found)
    for item in found:
        for full in item.grows_at:
            share = full / item.entries
            rest = sum(other.size(share * other.entries) for other in found if other is not item)
            most = max(most, rest + item.moving(full))
    return most


def peak_with_set(counts: BatchCounts, found: list[Structure], *, recording: bool) -> float:
    """Return the bytes held at the end of the batch while the deduplicated set is derived.

    From a trace: a copy of it with positions, and the buffer of a stable sort. From the maps: one ordered set of
    slots, inserted in ascending order.
    """
    if not recording:
        return live(found) + btree_bytes(counts.slots, "set", "ascending")
    buffer = max(counts.trace // 2, min(counts.trace, FULL_BUFFER_BYTES // ENUMERATED_QUERY))
    return live(found) + ENUMERATED_QUERY * (counts.trace + buffer)


def counts_of(batch: Mapping[str, int]) -> BatchCounts:
    """Return the counts of one row of `workloads.era_batches`.

    Such tables do not count undone writes, and of written slots only those that changed in the end: both are lower
    bounds, so that the trace and the maps are at least this large.
    """
    return BatchCounts(
        reads=batch["reads"],
        writes=batch["writes"],
        code_reads=batch["code_reads"],
        transients=batch["transient_reads"] + batch["transient_writes"],
        undone=0,
        slots=batch["slots"],
        slots_written=batch["changed"],
    )


def saving(counts: BatchCounts) -> tuple[float, float]:
    """Return the bytes that switching the trace off saves, and those that merging the maps then saves besides."""
    before = live(structures(counts, "before", recording=True))
    gate, merged = (live(structures(counts, version, recording=False)) for version in ("gate", "merged"))
    return before - gate, gate - merged
