"""What the contract stores and what travels in its messages: constants, batches, checkpoints, games."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from rollstate.dispute.commitment import ZERO, check_depth, word
from rollstate.dispute.keccak import keccak256
from rollstate.dispute.step import require

NOBODY = "0x" + "00" * 20
SECTIONS = 64
"""Parts that one message of the sequencer cuts a range into."""


class Stage(IntEnum):
    """Where a game stands; the last stage exists where the transition is a program."""

    RESPOND = 0
    FIND_BATCH = 1
    FIND_STEP = 2
    PROGRAM = 3


class Outcome(IntEnum):
    """How a game was closed; a void one after it was known whether the denied claim was right."""

    SEQUENCER = 1
    CHALLENGER = 2
    REFUNDED = 3
    FORFEITED = 4


@dataclass(frozen=True)
class Rules:
    """Constants of a rollup; the defaults are the book's toy scale.

    Attributes
    ----------
    depth : int
        Depth of the state tree.
    window : int
        Seconds in which a claim may be challenged.
    clock : int
        Seconds each side may think in a game.
    extension : int
        Seconds each side has at least when it enters a stage.
    sequencer_bond, challenger_bond : int
        Wei.
    max_gap : int
        Largest ``n - r``.
    patience : int
        Seconds after which the seat of an idle sequencer is free, and between two forced batches.
    """

    depth: int = 32
    window: int = 1200
    clock: int = 600
    extension: int = 60
    sequencer_bond: int = 10**18
    challenger_bond: int = 10**17
    max_gap: int = 1024
    patience: int = 3600

    def __post_init__(self) -> None:
        check_depth(self.depth)
        require(self.window > 0, "no window")
        require(self.clock > 0, "no clock")
        require(self.extension <= self.clock, "extension above clock")
        require(self.sequencer_bond >= self.challenger_bond, "sequencer bond below challenger bond")
        require(self.challenger_bond > 1, "challenger bond cannot be halved")
        require(self.max_gap > 0, "no gap")
        require(self.patience >= self.window, "patience below window")


@dataclass
class Batch:
    """A posted batch and the claim about it."""

    tx_root: bytes
    size: int
    delta: bytes = ZERO
    serial: bytes = ZERO
    posted_at: int = 0
    held_by: int = 0
    opener: str = NOBODY


@dataclass(frozen=True)
class Checkpoint:
    """A pending claim of ``h(S_r')``; serial zero means none."""

    batch: int = 0
    root: bytes = ZERO
    serial: bytes = ZERO
    posted_at: int = 0
    open_games: int = 0
    opener: str = NOBODY


def section_ends(low: int, high: int) -> tuple[int, ...]:
    """Return where the sections of a range begin and end; a range of nothing has one end."""
    part = max(1, -(-(high - low) // SECTIONS))
    return (*range(low, high, part), high)


def committed(fields: Iterable[object]) -> bytes:
    """Return the hash of a record of addresses, words and numbers, as the contract encodes it."""
    words = []
    for value in fields:
        if isinstance(value, str):
            words.append(bytes(12) + bytes.fromhex(value[2:]))
        else:
            words.append(value if isinstance(value, bytes) else word(int(value)))  # type: ignore[call-overload]
    return keccak256(b"".join(words))


@dataclass(frozen=True)
class Game:
    """One game, as it travels in calldata and events; fields as in the contract."""

    batch: int
    first: int
    serial: bytes
    claim: bytes
    challenger: str
    on_checkpoint: bool
    stage: Stage
    sequencer_turn: bool
    lo: int
    hi: int
    lo_hash: bytes
    hi_hash: bytes
    middles: bytes
    pre: bytes
    post: bytes
    x: int
    sequencer_clock: int
    challenger_clock: int
    last: int

    @property
    def ends(self) -> tuple[int, ...]:
        """Where the sections of ``lo..hi`` begin and end: the sequencer's values there decide the next range."""
        return section_ends(self.lo, self.hi)

    def as_tuple(self) -> tuple:
        """Return the fields in the contract's order and plain types."""
        return tuple(int(v) if isinstance(v, Stage) else v for v in self.__dict__.values())

    def commitment(self) -> bytes:
        """Return the hash that the contract stores."""
        return committed(self.__dict__.values())
