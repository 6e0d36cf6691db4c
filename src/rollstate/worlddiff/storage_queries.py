"""The deduplicated set of storage accesses, from the full trace and from the maps that a verifier keeps anyway.

A storage argument in a circuit consumes one entry per slot: a *protective read* (the slot was read, or written and
brought back, and its value must be proved) or a *net write*. The reference algorithm sorts every query of the batch
by slot and time and replays each slot with a stack of undone and pending writes
(``sort_storage_access_queries``, https://github.com/matter-labs/zksync-protocol at commit 8ba377e). The same set
follows from three maps: pending writes, slots read while no write was pending, and initial values.

Why they agree, per slot: the depth of the stack is the number of writes not undone; the map of pending writes holds
the slot exactly while that number is positive. So "read with an empty stack" is "read with no pending write".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from rollstate.worlddiff.errors import TraceError

Slot = tuple[int, int]
"""Address (20 bytes) and key (32 bytes) of a storage slot, as integers."""


class StorageQuery(NamedTuple):
    """One entry of the trace; its time is its position. `rollback` marks a twin that undoes a write."""

    address: int
    key: int
    read_value: int
    written_value: int
    rw: bool
    rollback: bool


class StorageAccess(NamedTuple):
    """One entry of the deduplicated set: a net write (`rw`) or a protective read (both values equal)."""

    address: int
    key: int
    rw: bool
    read_value: int
    written_value: int


def sort_storage_queries(queries: Sequence[StorageQuery]) -> list[StorageAccess]:
    """Return the deduplicated accesses of a trace, in order of (address, key).

    Parameters
    ----------
    queries : sequence of StorageQuery
        The trace of a whole batch in order of time.

    Raises
    ------
    TraceError
        If a query does not read the slot's current value, a slot begins with a twin, or a twin does not undo the
        newest write that is still pending.

    Examples
    --------
    >>> write, twin = (StorageQuery(1, 0, 0, 7, True, undone) for undone in (False, True))
    >>> sort_storage_queries([write])
    [StorageAccess(address=1, key=0, rw=True, read_value=0, written_value=7)]
    >>> sort_storage_queries([write, twin])
    []
    """
    order = sorted(range(len(queries)), key=lambda i: (queries[i].address, queries[i].key, i))
    accesses, begin = [], 0
    while begin < len(order):
        slot = queries[order[begin]][:2]
        end = begin
        while end < len(order) and queries[order[end]][:2] == slot:
            end += 1
        access = _net_access(slot, [(i, queries[i]) for i in order[begin:end]])
        if access is not None:
            accesses.append(access)
        begin = end
    return accesses


def _net_access(slot: Slot, queries: list[tuple[int, StorageQuery]]) -> StorageAccess | None:
    """Replay the queries of one slot; None where nothing of it was observed and nothing remains."""
    initial = current = queries[0][1].read_value
    stack: list[StorageQuery] = []
    read_at_depth_zero = False
    for position, query in queries:
        if query.rollback:
            if not stack:
                raise _contradiction(slot, position, "undoes a write, but none is pending")
            if stack.pop() != query._replace(rollback=False) or query.written_value != current:
                raise _contradiction(slot, position, "does not undo the newest pending write")
            current = query.read_value
            continue
        if query.read_value != current:
            raise _contradiction(
                slot, position, f"reads {query.read_value:#x}, but the slot holds {current:#x}"
            )
        if query.rw:
            current = query.written_value
            stack.append(query)
        else:
            read_at_depth_zero |= not stack
    if not stack and not read_at_depth_zero:
        return None
    return StorageAccess(*slot, initial != current, initial, current)


def _contradiction(slot: Slot, position: int, what: str) -> TraceError:
    return TraceError(
        f"trace: query {position} of slot ({slot[0]:#x}, {slot[1]:#x}) {what}; "
        "the trace must hold every access of the batch in order, with a twin for each undone write"
    )


def accesses_from_maps(
    pending: Mapping[Slot, int], protective_reads: Iterable[Slot], initial: Mapping[Slot, int]
) -> list[StorageAccess]:
    """Return the same set from the maps alone, in order of (address, key).

    Parameters
    ----------
    pending : mapping of slot to int
        Value of each slot with a write that was not undone.
    protective_reads : iterable of slots
        Slots that were read while they had no pending write.
    initial : mapping of slot to int
        Value at the start of the batch of (at least) every slot of the other two.

    Raises
    ------
    TraceError
        If an initial value is missing: a default would be proved as if it were the state.
    """
    accesses = []
    for slot in sorted(pending.keys() | set(protective_reads)):
        if slot not in initial:
            raise TraceError(
                f"slot ({slot[0]:#x}, {slot[1]:#x}) has no initial value; load it on the first read or write"
            )
        before = initial[slot]
        after = pending.get(slot, before)
        accesses.append(StorageAccess(*slot, before != after, before, after))
    return accesses
