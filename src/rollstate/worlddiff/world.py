"""The state before a batch: initial values, and what changing them costs in pubdata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from rollstate.worlddiff.errors import WorldError
from rollstate.worlddiff.ranges import integer
from rollstate.worlddiff.storage_queries import Slot

DERIVED_KEY_BYTES, ENUMERATION_INDEX_BYTES = 32, 4
"""Bytes that name a slot in a state difference: one that did not exist, and one that did."""
_LONGEST_COMPRESSED = 30


class StorageSlot(NamedTuple):
    """Value of a slot at the start of the batch; `is_initial` where the slot did not exist yet."""

    value: int
    is_initial: bool


class World(Protocol):
    """The state before the batch, constant while it runs."""

    def read(self, slot: Slot) -> StorageSlot:
        """Return the value before the batch."""

    def cost(self, initial: StorageSlot, value: int) -> int:
        """Return the pubdata bytes of bringing a slot from `initial` to `value`, at least 0."""

    def is_free(self, slot: Slot) -> bool:
        """Return whether accesses to the slot cost nothing."""


def check_world(world: Any) -> None:
    """Raise `WorldError` unless `world` has what `World` asks for."""
    missing = [name for name in ("read", "cost", "is_free") if not callable(getattr(world, name, None))]
    if missing:
        raise WorldError(
            f"{type(world).__name__} is no world: it lacks {', '.join(missing)}; see rollstate.worlddiff.world.World"
        )


def checked_read(world: World, slot: Slot) -> StorageSlot:
    """Return what a world says of a slot, or raise `WorldError` if that is no value of 256 bits."""
    try:
        found = world.read(slot)
        # The common case, which needs no new object.
        if type(found) is StorageSlot and type(found.value) is int and 0 <= found.value < 1 << 256:
            return found
        value, is_initial = found
        return StorageSlot(integer("value", value, 256), bool(is_initial))
    except (TypeError, ValueError) as error:
        raise WorldError(f"the world's read({slot}) is no StorageSlot(value, is_initial): {error}") from error


def checked_cost(world: World, initial: StorageSlot, value: int) -> int:
    """Return what a world asks for a change, or raise `WorldError` if that is no number of 31 bits."""
    try:
        return integer("cost", world.cost(initial, value), 31)
    except ValueError as error:
        raise WorldError(f"the world's cost({initial}, {value}) is no number of bytes: {error}") from error


@dataclass(frozen=True)
class _TableWorld:
    values: Mapping[Slot, int]
    free_addresses: frozenset[int] = frozenset()

    def read(self, slot: Slot) -> StorageSlot:
        """Return the value before the batch."""
        return StorageSlot(self.values.get(slot, 0), slot not in self.values)

    def is_free(self, slot: Slot) -> bool:
        """Return whether the slot's address is free."""
        return slot[0] in self.free_addresses


@dataclass(frozen=True)
class FixedCostWorld(_TableWorld):
    """A world whose pubdata costs depend only on whether the slot exists and whether it changes.

    Attributes
    ----------
    values : mapping of slot to int
        Slots that exist; any other reads as 0.
    free_addresses : frozenset of int
        Addresses whose slots are free.
    cost_absent, cost_existing : int
        Pubdata bytes of a change of a slot that did not exist, and of one that did.
    """

    cost_absent: int = 64
    cost_existing: int = 40

    def cost(self, initial: StorageSlot, value: int) -> int:
        """Return the pubdata bytes of a change, 0 if the value stays."""
        if value == initial.value:
            return 0
        return self.cost_absent if initial.is_initial else self.cost_existing


@dataclass(frozen=True)
class CompressedCostWorld(_TableWorld):
    """A world that prices a change by its compressed state difference, as ZKsync Era does.

    Attributes
    ----------
    values : mapping of slot to int
        Slots that exist; any other reads as 0.
    free_addresses : frozenset of int
        Addresses whose slots are free.

    Examples
    --------
    >>> world = CompressedCostWorld({(1, 0): 1_000})
    >>> world.cost(world.read((1, 0)), 1_001), world.cost(world.read((1, 1)), 1_001)
    (6, 35)
    """

    def cost(self, initial: StorageSlot, value: int) -> int:
        """Return the bytes of the slot's name and of its compressed value, 0 if the value stays."""
        if value == initial.value:
            return 0
        name = DERIVED_KEY_BYTES if initial.is_initial else ENUMERATION_INDEX_BYTES
        return name + compressed_bytes(initial.value, value)


def compressed_bytes(before: int, after: int) -> int:
    """Return the bytes of a value in a compressed state difference.

    One byte says how: the difference added, the difference subtracted, or the new value, without leading zero bytes,
    whichever is shortest; all 32 bytes where none of them is shorter than 31.

    Source: ``compress_with_best_strategy`` of https://github.com/matter-labs/zksync-era
    (``core/lib/types/src/writes/compression.rs``, compression version 1).

    Examples
    --------
    >>> compressed_bytes(255_438_218, 255_438_638), compressed_bytes(7, 0), compressed_bytes(0, 2**255)
    (3, 1, 33)
    """
    sizes = [(number % 2**256).bit_length() + 7 >> 3 for number in (after - before, before - after, after)]
    return 1 + min((size for size in sizes if size <= _LONGEST_COMPRESSED), default=32)
