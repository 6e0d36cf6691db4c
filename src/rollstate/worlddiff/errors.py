"""What can go wrong in the bookkeeping of storage: each error names the bad input, and leaves the state as it was."""

from rollstate.errors import InputError


class StaleSnapshotError(InputError):
    """A snapshot was taken before a commit, undone by an earlier rollback, or belongs to another object."""


class FrameError(InputError):
    """A frame was closed out of order, twice, or where none is open."""


class TransactionError(InputError):
    """A transaction was begun inside another or inside a frame, or ended where none is open."""


class ModeError(InputError):
    """The recording mode was changed after storage had been accessed."""


class KeyRangeError(InputError):
    """An address, key or value does not fit its width."""


class TraceError(InputError):
    """A trace of storage queries contradicts itself; the message names the slot and the query."""


class WorldError(InputError):
    """A world lacks a method of `world.World`, or one of them answers with something that cannot be kept."""
