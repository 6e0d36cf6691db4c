"""Bytes that a block access list takes, and what is left of it when only the state after the block counts."""

from __future__ import annotations

from dataclasses import replace

from rollstate.traces import block_access_list
from rollstate.traces.block_access_list import AccountAccess, SlotChanges


def list_bytes(accounts: tuple[AccountAccess, ...]) -> int:
    """Return the bytes of a list in the layout of EIP-7928."""
    return len(block_access_list.encode(accounts, "final"))


def difference(accounts: tuple[AccountAccess, ...]) -> tuple[AccountAccess, ...]:
    """Return the state difference in the same form: the last value of all that changed, no reads."""
    last = tuple(
        replace(
            one,
            storage_changes=tuple(SlotChanges(s.slot, s.changes[-1:]) for s in one.storage_changes),
            storage_reads=(),
            balance_changes=one.balance_changes[-1:],
            nonce_changes=one.nonce_changes[-1:],
            code_changes=one.code_changes[-1:],
        )
        for one in accounts
    )
    return tuple(
        one
        for one in last
        if one.storage_changes or one.balance_changes or one.nonce_changes or one.code_changes
    )


def difference_bytes(accounts: tuple[AccountAccess, ...]) -> int:
    """Return the bytes of `difference`."""
    return list_bytes(difference(accounts))
