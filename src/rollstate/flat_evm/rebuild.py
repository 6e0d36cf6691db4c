"""The root of a flat state, made anew from all of it: what somebody who keeps no trie does when a root is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

import rlp

from rollstate.dispute.keccak import keccak256
from rollstate.flat_evm import hexary

_ACCOUNT, _SLOT = b"a"[0], b"s"[0]


def state_root(entries: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the root of Ethereum's state trie over a flat store's entries.

    Parameters
    ----------
    entries : iterable of (bytes, bytes)
        Keys and values as `worlds.FlatWorld` stores them, in the order of the keys, which a B+ tree gives; code and
        other keys are passed over.
    """
    accounts: dict[bytes, bytes] = {}
    roots: dict[bytes, bytes] = {}
    for (kind, address), part in groupby(entries, lambda entry: (entry[0][0], entry[0][1:21])):
        if kind == _ACCOUNT:
            accounts[address] = next(part)[1]
        elif kind == _SLOT:
            leaves = [(keccak256(key[21:]), rlp.encode(int.from_bytes(value, "big"))) for key, value in part]
            roots[address] = hexary.of_leaves(leaves).root
    leaves = []
    for address, value in accounts.items():
        nonce, balance, code_hash = rlp.decode(value)
        root = roots.get(address, hexary.EMPTY_ROOT)
        leaves.append((keccak256(address), rlp.encode([nonce, balance, root, code_hash])))
    return hexary.of_leaves(leaves).root
