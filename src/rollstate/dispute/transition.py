"""The transition function ``f``: transfers between accounts, total over every byte string.

If some posted bytes had no defined effect, whoever must prove the step would lose although honest. So anything
that is not a valid transfer does nothing, and doing nothing is a step like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass

from rollstate.dispute.commitment import VALUE_LIMIT, State, word
from rollstate.errors import InputError

TRANSFER_BYTES = 96


@dataclass(frozen=True)
class Transfer:
    """Move `amount` from one account to another; signatures are out of scope of this model."""

    source: int
    target: int
    amount: int

    def encode(self) -> bytes:
        """Return the transaction as posted: three 32-byte words."""
        return word(self.source) + word(self.target) + word(self.amount)


EXIT = 7
"""The three highest bits of an exit account's key: nothing leaves such an account on L2."""


def is_exit(key: int, depth: int) -> bool:
    """Return whether a key belongs to an exit account."""
    return depth >= 3 and key >> (depth - 3) == EXIT


def exit_key(depth: int, index: int) -> int:
    """Return the key of exit account `index`."""
    return (EXIT << (depth - 3)) + index


def decode(transaction: bytes, depth: int) -> Transfer | None:
    """Return the transfer that some bytes mean, or None for "no effect".

    No effect have bytes of another length, a key out of range, and a transfer from an exit account.
    """
    if len(transaction) != TRANSFER_BYTES:
        return None
    source, target = int.from_bytes(transaction[:32], "big"), int.from_bytes(transaction[32:64], "big")
    if (source | target) >> depth or is_exit(source, depth):
        return None
    return Transfer(source, target, int.from_bytes(transaction[64:], "big"))


@dataclass(frozen=True)
class Effect:
    """What one transaction reads and writes.

    Attributes
    ----------
    writes : tuple of (key, value now, value after)
        In order; empty for bytes that are no transfer within range.
    applied : bool
        False if the writes are only tried (overdraft, or a balance that would reach `VALUE_LIMIT`).
    """

    writes: tuple[tuple[int, int, int], ...]
    applied: bool


def effect(state: State, transaction: bytes, depth: int) -> Effect:
    """Return the effect of one posted byte string.

    The source is debited before the target is read, so a transfer to oneself is an ordinary transfer. After an
    overdraft nothing is tried; where the target would overflow, the debit has been tried.
    """
    transfer = decode(transaction, depth)
    if transfer is None:
        return Effect((), False)
    held = state.get(transfer.source, 0)
    there = state.get(transfer.target, 0)
    if held < transfer.amount:
        return Effect(((transfer.source, held, held), (transfer.target, there, there)), False)
    left = held - transfer.amount
    if transfer.target == transfer.source:
        there = left
    total = there + transfer.amount
    applied = total < VALUE_LIMIT
    return Effect(
        ((transfer.source, held, left), (transfer.target, there, total if applied else there)), applied
    )


def write(state: MutableMapping[int, int], key: int, value: int) -> None:
    """Set a key in place; value 0 deletes it."""
    if value:
        state[key] = value
    else:
        state.pop(key, None)


def apply_transaction(state: MutableMapping[int, int], transaction: bytes, depth: int) -> Effect:
    """Apply one posted byte string in place; return what it did."""
    result = effect(state, transaction, depth)
    if result.applied:
        for key, _, after in result.writes:
            write(state, key, after)
    return result


def execute(state: State, transactions: Iterable[bytes], depth: int) -> dict[int, int]:
    """Return ``f(S, T)`` without touching `state`."""
    after = dict(state)
    for transaction in transactions:
        apply_transaction(after, transaction, depth)
    return after


def check_genesis(state: State, depth: int) -> State:
    """Return a genesis state whose keys fit the depth and whose total cannot overflow a balance."""
    for key, value in state.items():
        if not 0 <= key < 1 << depth:
            raise InputError(f"genesis key {key:#x} does not fit a tree of depth {depth}")
        if value <= 0:
            raise InputError(f"genesis value {value} of key {key:#x} must be positive; leave absent keys out")
    if sum(state.values()) >= VALUE_LIMIT:
        raise InputError("the genesis values sum to 2**128 or more; a balance could then overflow")
    return state
