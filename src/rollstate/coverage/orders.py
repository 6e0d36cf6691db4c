"""Random orders of blocks, which are the same wherever they are drawn."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from rollstate.threads import side_by_side

POINTS = 2_000
"""Numbers of blocks at which curves are given, where there are more blocks."""
ORDERED, GROUPS = 50_000, 8_192
"""Most blocks that are put into a random order one by one, and the groups (a power of two) that more of them make."""

PIECE = 1 << 17
"""Rows that are looked at together: what is made of them stays in the processor's cache."""


class FirstSeen(NamedTuple):
    """Of each group of blocks, in their order: how many blocks have come at its end, and slots that it first shows."""

    until: np.ndarray
    slots: np.ndarray

    def __add__(self, other: FirstSeen) -> FirstSeen:  # type: ignore[override]
        """Add the slots of another part of the trace, whose blocks came in the same order."""
        return FirstSeen(self.until, self.slots + other.slots)


@dataclass(frozen=True)
class Orders:
    """The order in which blocks came, and `orders` random ones.

    Blocks that come after each other fall into one group; slots are counted by the group that first shows them. These
    counts add up over parts of a trace that share no slot, since each part draws the same orders.

    Attributes
    ----------
    n_blocks : int
        Observed blocks.
    orders, seed : int
        How many random orders, and the seed of them.
    """

    n_blocks: int
    orders: int
    seed: int

    @cached_property
    def shown(self) -> np.ndarray:
        """Numbers of blocks at which curves are given: all, or about `POINTS`, with the half and the last fifth."""
        n = self.n_blocks
        shown = np.unique(np.linspace(1, n, min(n, POINTS)).astype(int))
        return np.union1d(shown, [max(1, n // 2), max(1, n - max(1, n // 5))])

    def as_they_came(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the group of each block, and how many blocks have come at the end of each group."""
        return np.searchsorted(self.shown, np.arange(1, self.n_blocks + 1)), self.shown

    def _drawn(self) -> Iterator[np.ndarray]:
        """Yield what each random order is made of, drawn one after the other."""
        rng = np.random.default_rng(self.seed)
        for _ in range(self.orders):
            if self.n_blocks <= ORDERED:
                yield rng.permutation(self.n_blocks)
            else:
                # Two random bytes a block, of which as many bits as name a group; `rng.integers` takes longer.
                yield rng.bit_generator.random_raw(-(-self.n_blocks // 4))

    def _placed(self, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the group of each block, and how many have come at the end of each group, in a random order.

        Of more than `ORDERED` blocks each falls into a group by itself, which is faster than to order all: the first
        groups together are as many blocks as they happen to be, in random order, and the curve lies between their ends.
        """
        if self.n_blocks <= ORDERED:
            return self._places.take(drawn), self.shown
        come = drawn.astype("<u8", copy=False).view("<u2")[: self.n_blocks] & (GROUPS - 1)
        pieces = np.array_split(come, -(-len(come) // PIECE))
        return come, np.cumsum(sum(np.bincount(piece, minlength=GROUPS) for piece in pieces))

    @cached_property
    def _places(self) -> np.ndarray:
        return self.as_they_came()[0].astype(np.uint16)

    def first_seen(self, block: np.ndarray, begins: np.ndarray) -> Iterator[FirstSeen]:
        """Yield how many slots are first seen in each group of blocks: as they came, then in each random order.

        Parameters
        ----------
        block : int array, shape (n,)
            Which of the observed blocks touches a slot, sorted by slot.
        begins : int array, shape (slots,)
            First row of each slot.
        """
        ends = np.append(begins[1:], len(block))
        cuts = np.unique(np.append(np.searchsorted(begins, np.arange(0, len(block), PIECE)), len(begins)))
        pieces = [
            (block[begins[low] : ends[high - 1]], begins[low:high] - begins[low])
            for low, high in itertools.pairwise(cuts)
        ]
        longest = max((len(rows) for rows, _ in pieces), default=0)

        def counted(come: np.ndarray, until: np.ndarray) -> FirstSeen:
            slots = np.zeros(len(until), np.int64)
            # The same memory for all pieces: new memory costs more than what is done with it. The least of each slot is
            # found twice as fast among 32 bits as among 16.
            short, groups = np.empty(longest, come.dtype), np.empty(longest, np.int32)
            for rows, starts in pieces:
                here = slice(len(rows))
                come.take(rows, out=short[here], mode="clip")
                groups[here] = short[here]
                slots += np.bincount(np.minimum.reduceat(groups[here], starts), minlength=len(until))
            return FirstSeen(until, slots)

        yield counted(*self.as_they_came())
        # Draws follow from each other, the counts do not.
        yield from side_by_side(lambda drawn: counted(*self._placed(drawn)), self._drawn())

    def curve(self, seen: FirstSeen) -> np.ndarray:
        """Return the slots seen in the first blocks, at the numbers `shown`."""
        return np.interp(self.shown, np.append(0, seen.until), np.append(0, np.cumsum(seen.slots)))
