"""Collections that undo: a map, a set and a log, each with a journal and snapshots that know when they are stale.

A snapshot is a position in a journal. A bare position is a hazard: after the journal was cleared, or shortened and
grown again, it points at something else. Here a snapshot also carries the *epoch* (raised by `Journal.commit`) and
the *generation* (raised by `Journal.rollback`) in which it was taken, and raises `StaleSnapshotError` instead of
undoing the wrong entries. What each collection does on rollback and commit follows ``RollbackableMap``,
``RollbackableSet`` and ``RollbackableLog`` of https://github.com/matter-labs/vm2 (``crates/vm2/src/rollback.rs`` at
commit 9a378c1).
"""

from __future__ import annotations

import bisect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from rollstate.worlddiff.errors import StaleSnapshotError

_ABSENT = object()
"""What a journal holds for a key that was not there; None is a value like any other."""


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """A position to which one collection can be rolled back; only `Journal.snapshot` makes one."""

    owner: Journal = field(repr=False)
    epoch: int
    generation: int
    length: int


class Journal(ABC):
    """What the three collections share: snapshots, and the rules by which one becomes stale."""

    def __init__(self) -> None:
        self._epoch = 0
        self._generation = 0
        # (generation, length) of rollbacks in this epoch, lengths ascending: the first one after a snapshot's
        # generation is the shortest the journal has been since.
        self._cuts: list[tuple[int, int]] = []

    @abstractmethod
    def _length(self) -> int:
        """Return the length of the journal."""

    @abstractmethod
    def _undo_to(self, length: int) -> None:
        """Undo the newest entries until `length` are left."""

    @abstractmethod
    def _forget(self) -> None:
        """Drop what is needed only to undo."""

    def snapshot(self) -> Snapshot:
        """Return a token for the present state."""
        return Snapshot(self, self._epoch, self._generation, self._length())

    def start(self) -> Snapshot:
        """Return a token for the state at the last commit."""
        return Snapshot(self, self._epoch, self._generation, 0)

    def check(self, snapshot: Snapshot) -> None:
        """Raise `StaleSnapshotError` unless `snapshot` still names a state of this collection."""
        if snapshot.owner is not self:
            raise StaleSnapshotError(
                "the snapshot was taken of another collection, or before this one was replaced; take a new one"
            )
        if snapshot.epoch != self._epoch:
            raise StaleSnapshotError(
                f"the snapshot is of epoch {snapshot.epoch}, a commit has begun epoch {self._epoch}; "
                "what was committed cannot be rolled back"
            )
        after = bisect.bisect_right(self._cuts, snapshot.generation, key=lambda cut: cut[0])
        if after < len(self._cuts) and self._cuts[after][1] < snapshot.length:
            raise StaleSnapshotError(
                f"the snapshot at journal length {snapshot.length} was itself undone by a rollback to "
                f"{self._cuts[after][1]}; roll back innermost first"
            )

    def rollback(self, snapshot: Snapshot) -> None:
        """Return to the state of `snapshot`, which stays valid; raise `StaleSnapshotError` if it is stale."""
        self.check(snapshot)
        self._undo_to(snapshot.length)
        self._generation += 1
        while self._cuts and self._cuts[-1][1] >= snapshot.length:
            self._cuts.pop()
        self._cuts.append((self._generation, snapshot.length))

    def commit(self) -> None:
        """Keep the state for good: every snapshot taken so far becomes stale."""
        self._epoch += 1
        self._cuts.clear()
        self._forget()


class JournalMap(Journal):
    """A map whose journal holds the value that each change replaced.

    Examples
    --------
    >>> balances = JournalMap()
    >>> before = balances.snapshot()
    >>> balances.insert("alice", 5)
    >>> balances.rollback(before)
    >>> balances.entries
    {}
    """

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[Any, Any] = {}
        self._journal: list[tuple[Any, Any]] = []

    def _length(self) -> int:
        return len(self._journal)

    def _undo_to(self, length: int) -> None:
        while len(self._journal) > length:
            key, previous = self._journal.pop()
            if previous is _ABSENT:
                del self.entries[key]
            else:
                self.entries[key] = previous

    def _forget(self) -> None:
        self._journal.clear()

    def get(self, key: Any, default: Any = None) -> Any:
        """Return the value of `key`, or `default`."""
        return self.entries.get(key, default)

    def insert(self, key: Any, value: Any, default: Any = None) -> Any:
        """Set `key` and return what it replaced, `default` if it was not there."""
        previous = self.entries.get(key, _ABSENT)
        self._journal.append((key, previous))
        self.entries[key] = value
        return default if previous is _ABSENT else previous

    def update(self, key: Any, change: Callable[[Any], Any], default: Any = None) -> None:
        """Replace the value of `key` (absent: `default`) by ``change(value)``; journals always."""
        self.insert(key, change(self.entries.get(key, default)))

    def add_flags(self, key: Any, bits: int) -> bool:
        """Set `bits` in the flags of `key` (absent: 0); journal, and return True, only if one was not set."""
        previous = self.entries.get(key, 0)
        if previous | bits == previous:
            return False
        self.insert(key, previous | bits)
        return True

    def changes_after(self, snapshot: Snapshot, default: Any = None) -> dict[Any, tuple[Any, Any]]:
        """Return ``key -> (value at the snapshot, value now)`` of the keys that were set since, sorted by key.

        A key set back to its old value is listed too; `default` stands for one that was not there.
        """
        self.check(snapshot)
        before = dict(reversed(self._journal[snapshot.length :]))
        return {
            key: (default if before[key] is _ABSENT else before[key], self.entries[key])
            for key in sorted(before)
        }


class JournalSet(Journal):
    """A set whose journal holds the members in order of arrival since the last commit."""

    def __init__(self) -> None:
        super().__init__()
        self.members: set[Any] = set()
        self._journal: list[Any] = []

    def _length(self) -> int:
        return len(self._journal)

    def _undo_to(self, length: int) -> None:
        self.members.difference_update(self._journal[length:])
        del self._journal[length:]

    def _forget(self) -> None:
        self._journal.clear()

    def add(self, key: Any) -> bool:
        """Add `key` and return True if it was new."""
        if key in self.members:
            return False
        self.members.add(key)
        self._journal.append(key)
        return True


class JournalLog(Journal):
    """A list that only grows or is cut back; a commit keeps its entries."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[Any] = []
        self._committed = 0

    def _length(self) -> int:
        return len(self.entries) - self._committed

    def _undo_to(self, length: int) -> None:
        del self.entries[self._committed + length :]

    def _forget(self) -> None:
        self._committed = len(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.entries)

    def append(self, entry: Any) -> None:
        """Append one entry to the log."""
        self.entries.append(entry)

    def after(self, snapshot: Snapshot) -> list[Any]:
        """Return the entries added since `snapshot`."""
        self.check(snapshot)
        return self.entries[self._committed + snapshot.length :]
