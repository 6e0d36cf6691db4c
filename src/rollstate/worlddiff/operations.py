"""Storage operations of a batch, as tuples for one at a time and as arrays for many at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rollstate.worlddiff.errors import FrameError, TraceError
from rollstate.worlddiff.ranges import integer, storage_slot
from rollstate.worlddiff.storage_queries import Slot
from rollstate.worlddiff.world_diff import Frame, WorldDiff

NAMES = (
    "read",
    "read_no_refund",
    "write",
    "tread",
    "twrite",
    "tclear",
    "enter",
    "ok",
    "revert",
    "ext_snapshot",
    "ext_commit",
    "ext_rollback",
)
"""Operations in order of their codes, 0 first; ``ext`` ones bracket a transaction."""
CODES = {name: code for code, name in enumerate(NAMES)}
TOUCHING = 5
"""Codes below name a slot."""
_ARITY = {"read": 2, "read_no_refund": 2, "write": 3, "tread": 2, "twrite": 3}


@dataclass(frozen=True)
class Operations:
    """A stream of operations over a table of slots and a table of values.

    Attributes
    ----------
    code : array of uint8, shape (n,)
        Index into `NAMES`.
    slot : array of uint32, shape (n,)
        Row of `slots`; of no meaning where no slot is touched.
    value : array of uint32, shape (n,)
        Row of `values`; of no meaning where nothing is written.
    slots : array of uint8, shape (s, 52)
        Address and key, big-endian.
    values : array of uint8, shape (v, 32)
        Values, big-endian.
    """

    code: np.ndarray
    slot: np.ndarray
    value: np.ndarray
    slots: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.code)

    def raw(self, begin: int, end: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return codes, slot keys (n, 52) and values (n, 32) of a range, as a machine would hand them over."""
        part = slice(begin, end)
        return self.code[part], self.slots[self.slot[part]], self.values[self.value[part]]

    def tuples(self) -> Iterator[tuple]:
        """Yield the operations one at a time: name, then address, key and value as integers where it has them."""
        slots = slots_of(self.slots)
        values = [int.from_bytes(row.tobytes(), "big") for row in self.values]
        for code, slot, value in zip(
            self.code.tolist(), self.slot.tolist(), self.value.tolist(), strict=True
        ):
            name = NAMES[code]
            arity = _ARITY.get(name, 0)
            yield (name, *slots[slot], values[value])[: 1 + arity] if arity else (name,)

    @classmethod
    def from_tuples(cls, operations: Iterable[Sequence[Any]]) -> Operations:
        """Build arrays from what `tuples` yields; a `KeyRangeError` names what does not fit its width."""
        code, slot, value = [], [], []
        slots: dict[Slot, int] = {}
        values: dict[int, int] = {0: 0}
        for name, *arguments in operations:
            _check_form(name, arguments)
            code.append(CODES[name])
            slot.append(slots.setdefault(tuple(arguments[:2]), len(slots)) if arguments else 0)
            value.append(values.setdefault(arguments[2], len(values)) if len(arguments) == 3 else 0)
        return cls(
            np.array(code, np.uint8),
            np.array(slot, np.uint32),
            np.array(value, np.uint32),
            slot_rows(slots or [(0, 0)]),
            value_rows(values),
        )


def _check_form(name: str, arguments: Sequence[Any]) -> None:
    if name not in CODES:
        raise TraceError(f"operation {name!r} is unknown; the operations are {', '.join(NAMES)}")
    if len(arguments) != _ARITY.get(name, 0):
        raise TraceError(f"operation {name!r} takes {_ARITY.get(name, 0)} arguments, not {arguments!r}")


def slots_of(rows: np.ndarray) -> list[Slot]:
    """Return address and key of each row of 52 big-endian bytes."""
    data, read = np.ascontiguousarray(rows).tobytes(), int.from_bytes
    return [
        (read(data[at : at + 20], "big"), read(data[at + 20 : at + 52], "big"))
        for at in range(0, len(data), 52)
    ]


def slot_rows(slots: Iterable[Slot]) -> np.ndarray:
    """Return slots as 52 bytes each, shape (s, 52), uint8."""
    checked = (storage_slot(address, key) for address, key in slots)
    return _rows([address.to_bytes(20, "big") + key.to_bytes(32, "big") for address, key in checked], 52)


def value_rows(values: Iterable[int]) -> np.ndarray:
    """Return values as 32 bytes each, shape (v, 32), uint8.

    Examples
    --------
    >>> value_rows([0, 258])[:, -2:].tolist()
    [[0, 0], [1, 2]]
    """
    return _rows([integer("value", value, 256).to_bytes(32, "big") for value in values], 32)


def _rows(items: list[bytes], width: int) -> np.ndarray:
    return np.frombuffer(b"".join(items), np.uint8).reshape(-1, width)


def replay(world_diff: WorldDiff, operations: Iterable[Sequence[Any]]) -> list[list[int]]:
    """Run operations on a `WorldDiff` and return what each returned.

    Returns
    -------
    list of lists
        Value and refund of a read, value of a read without refund or a transient read, refund of a write, else
        empty.
    """
    frames: list[Frame] = []
    return [_run(world_diff, frames, *operation) for operation in operations]


def _run(world_diff: WorldDiff, frames: list[Frame], name: str, *arguments: int) -> list[int]:
    _check_form(name, arguments)
    if name in ("ok", "revert") and not frames:
        raise FrameError(f"operation {name!r} closes a frame, but none is open")
    match name:
        case "read":
            return list(world_diff.read(*arguments))
        case "read_no_refund":
            return [world_diff.read_without_refund(*arguments)]
        case "write":
            return [world_diff.write(*arguments)]
        case "tread":
            return [world_diff.read_transient(*arguments)]
        case "twrite":
            world_diff.write_transient(*arguments)
        case "tclear":
            world_diff.clear_transient()
        case "enter":
            frames.append(world_diff.enter())
        case "ok":
            world_diff.leave(frames.pop())
        case "revert":
            world_diff.revert(frames.pop())
        case "ext_snapshot":
            world_diff.begin()
        case "ext_commit":
            world_diff.commit()
        case "ext_rollback":
            world_diff.rollback()
    return []
