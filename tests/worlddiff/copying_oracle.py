"""The same bookkeeping without any journal: every snapshot is a full copy, every undoing puts the copy back."""

import copy

from rollstate.worlddiff.storage_queries import StorageAccess, StorageQuery


class CopyingDiff:
    """One batch, by copies."""

    def __init__(self, world):
        self.world = world
        self.writes, self.transient, self.paid = {}, {}, {}
        # What the transaction's undoing puts back: transient storage as it was at the last clearing or commit.
        self.kept_transient = {}
        self.read_before, self.written_before, self.observed = set(), set(), set()
        self.refunds, self.costs = [], []
        self.trace, self.pending = [], []
        self.frames, self.saved = [], None

    def _current(self, slot):
        return self.writes.get(slot, self.world.read(slot).value)

    def _read(self, slot):
        cold = slot not in self.read_before
        self.read_before.add(slot)
        self.costs.append(0)
        if slot not in self.writes:
            self.observed.add(slot)
        value = self._current(slot)
        self.trace.append(StorageQuery(*slot, value, value, False, False))
        return value, cold

    def read(self, *slot):
        value, cold = self._read(slot)
        self.refunds.append(0 if cold and not self.world.is_free(slot) else 1970)
        return [value, self.refunds[-1]]

    def read_no_refund(self, *slot):
        return [self._read(slot)[0]]

    def write(self, address, key, value):
        slot = (address, key)
        free = self.world.is_free(slot)
        before = self.paid.get(slot, 0)
        query = StorageQuery(*slot, self._current(slot), value, True, False)
        self.trace.append(query)
        self.pending = [*self.pending, query._replace(rollback=True)]
        if not free:
            self.paid[slot] = self.world.cost(self.world.read(slot), value)
        self.costs.append(self.paid.get(slot, 0) - before)
        if free or slot in self.written_before:
            self.refunds.append(5440)
        else:
            self.refunds.append(2000 if slot in self.read_before else 0)
        self.written_before.add(slot)
        self.read_before.add(slot)
        self.writes[slot] = value
        return [self.refunds[-1]]

    def tread(self, *slot):
        self.costs.append(0)
        return [self.transient.get(slot, 0)]

    def twrite(self, address, key, value):
        self.costs.append(0)
        self.transient[address, key] = value
        return []

    def tclear(self):
        self.transient, self.kept_transient = {}, {}
        return []

    def enter(self):
        self.frames.append(copy.deepcopy((self.writes, self.transient, self.paid, self.pending)))
        return []

    def ok(self):
        self.frames.pop()
        return []

    def revert(self):
        undone = self.pending
        self.writes, self.transient, self.paid, self.pending = self.frames.pop()
        self.trace += reversed(undone[len(self.pending) :])
        return []

    def ext_snapshot(self):
        self.saved = copy.deepcopy({name: value for name, value in vars(self).items() if name != "world"})
        return []

    def ext_commit(self):
        self.saved, self.pending = None, []
        self.kept_transient = copy.deepcopy(self.transient)
        return []

    def ext_rollback(self):
        vars(self).update(self.saved)
        self.transient = copy.deepcopy(self.kept_transient)
        self.saved = None
        return []

    def accesses(self):
        """Return the deduplicated set by its definition: observed at its batch value, or written for good."""
        found = []
        for slot in sorted(self.observed | set(self.writes)):
            before, after = self.world.read(slot).value, self._current(slot)
            found.append(StorageAccess(*slot, before != after, before, after))
        return found
