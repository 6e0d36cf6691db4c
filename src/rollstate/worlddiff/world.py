"""The state before a batch: initial values, and what changing them costs in pubdata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from rollstate.worlddiff.storage_queries import Slot


class StorageSlot(NamedTuple):
    """Value of a slot at the start of the batch; `is_initial` where the slot did not exist yet."""

    value: int
    is_initial: bool


class World(Protocol):
    """The state before the batch, constant while it runs."""

    def read(self, slot: Slot) -> StorageSlot:
        """Return the value before the batch."""

    def cost(self, initial: StorageSlot, value: int) -> int:
        """Return the pubdata bytes of bringing a slot from `initial` to `value`."""

    def is_free(self, slot: Slot) -> bool:
        """Return whether accesses to the slot cost nothing."""


@dataclass(frozen=True)
class FixedCostWorld:
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

    values: Mapping[Slot, int]
    free_addresses: frozenset[int] = frozenset()
    cost_absent: int = 64
    cost_existing: int = 40

    def read(self, slot: Slot) -> StorageSlot:
        """Return the value before the batch."""
        return StorageSlot(self.values.get(slot, 0), slot not in self.values)

    def cost(self, initial: StorageSlot, value: int) -> int:
        """Return the pubdata bytes of a change, 0 if the value stays."""
        if value == initial.value:
            return 0
        return self.cost_absent if initial.is_initial else self.cost_existing

    def is_free(self, slot: Slot) -> bool:
        """Return whether the slot's address is free."""
        return slot[0] in self.free_addresses
