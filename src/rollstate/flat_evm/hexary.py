"""Whole Merkle Patricia tries at once: every node of a trie over sorted keys of 32 bytes, compiled.

py-trie inserts key by key, in about half a millisecond each; a state of a million keys needs this. What follows, reads
and updates, is py-trie's.

Source: Ethereum Yellow Paper, appendices B (RLP), C (hex-prefix) and D,
https://ethereum.github.io/yellowpaper/paper.pdf.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import rlp

from rollstate.compiled import compiled
from rollstate.dispute.keccak import absorb, keccak256
from rollstate.errors import InputError

EMPTY_ROOT = keccak256(rlp.encode(b""))
NIBBLES = 64
_LONGEST = 200
"""Longest value in bytes; an account has at most 110."""


@dataclass(frozen=True)
class Nodes:
    """The nodes of a trie.

    Attributes
    ----------
    root : bytes
        Root hash.
    hashes : uint8[n, 32]
        Hash of each node that is kept by its hash; nodes shorter than a hash stand in their parents.
    ends : int64[n]
        Where each node's bytes end in `data`.
    data : uint8[sum of lengths]
        The nodes, one after the other.
    """

    root: bytes
    hashes: np.ndarray
    ends: np.ndarray
    data: np.ndarray

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield each node by its hash, in the order of the hashes, as a B+ tree takes them fastest."""
        starts = np.concatenate([[0], self.ends[:-1]])
        flat = self.data.tobytes()
        if not len(self.hashes):
            return
        order = np.lexsort(self.hashes[:, 7::-1].T)
        for row in order:
            yield self.hashes[row].tobytes(), flat[starts[row] : self.ends[row]]


def of_leaves(leaves: list[tuple[bytes, bytes]]) -> Nodes:
    """Return all nodes of a trie of leaves in any order, distinct keys of 32 bytes with their values; see `build`."""
    ordered = sorted(leaves)
    keys = np.frombuffer(b"".join(key for key, _ in ordered), np.uint8).reshape(-1, 32)
    return build(keys, [value for _, value in ordered])


def build(keys: np.ndarray, values: Sequence[bytes]) -> Nodes:
    """Return all nodes of a trie.

    Parameters
    ----------
    keys : uint8[n, 32]
        Sorted, distinct.
    values : sequence of bytes
        Their values, at most 200 bytes each.

    Raises
    ------
    InputError
        If keys are not sorted and distinct, or a value is empty or too long.
    """
    if keys.ndim != 2 or keys.shape[1:] != (32,) or len(keys) != len(values):
        raise InputError(f"a trie takes n keys of 32 bytes and n values, not {keys.shape} and {len(values)}")
    lengths = np.fromiter(map(len, values), np.int64, len(values))
    if len(values) and not 1 <= lengths.min() <= lengths.max() <= _LONGEST:
        raise InputError(f"a value has 1 to {_LONGEST} bytes, not {lengths.min()} or {lengths.max()}")
    if not len(values):
        return Nodes(EMPTY_ROOT, np.empty((0, 32), np.uint8), np.empty(0, np.int64), np.empty(0, np.uint8))
    if not _ascending(keys):
        raise InputError("keys must be sorted and distinct")
    # A trie of n keys has fewer than n branches, each below at most one extension, beside n leaves.
    room = int(lengths.sum()) + 48 * len(values) + (532 + 40) * len(values) + 64
    data, hashes = np.empty(room, np.uint8), np.empty((3 * len(values), 32), np.uint8)
    ends, used = np.empty(3 * len(values), np.int64), np.zeros(2, np.int64)
    packed = np.frombuffer(b"".join(values), np.uint8)
    stops = np.cumsum(lengths)
    root = np.empty(40, np.uint8)
    _all_nodes(np.ascontiguousarray(keys), packed, stops, data, hashes, ends, used, root)
    count, size = used
    return Nodes(root[1:33].tobytes(), hashes[:count].copy(), ends[:count].copy(), data[:size].copy())


@compiled
def _ascending(keys):
    for i in range(1, len(keys)):
        later = False
        for j in range(32):
            if keys[i, j] != keys[i - 1, j]:
                later = keys[i, j] > keys[i - 1, j]
                break
        if not later:
            return False
    return True


@compiled
def _nibble(keys, row, at):
    byte = np.int64(keys[row, at >> 1])
    return byte >> 4 if at & 1 == 0 else byte & 15


@compiled
def _put_path(keys, row, start, stop, leaf, out, at):
    """Write nibbles `start` to `stop` of a key as an RLP string in hex-prefix form; return where it ends."""
    count = stop - start
    size = count // 2 + 1
    if size > 1:
        out[at] = 0x80 + size
        at += 1
    first = (2 if leaf else 0) + (count & 1)
    here = start
    if count & 1:
        out[at] = (first << 4) | _nibble(keys, row, here)
        here += 1
    else:
        out[at] = first << 4
    at += 1
    while here < stop:
        out[at] = (_nibble(keys, row, here) << 4) | _nibble(keys, row, here + 1)
        here += 2
        at += 1
    return at


@compiled
def _put_value(value, out, at):
    """Write an RLP string; return where it ends."""
    if value.size == 1 and value[0] < 0x80:
        out[at] = value[0]
        return at + 1
    if value.size < 56:
        out[at] = 0x80 + value.size
        at += 1
    else:
        out[at], out[at + 1] = 0xB8, value.size
        at += 2
    out[at : at + value.size] = value
    return at + value.size


@compiled
def _close(body, size, is_root, data, hashes, ends, used, ref):
    """Put a list's head before its body, keep the node by its hash or embed it; return the reference's length."""
    head = 1 if size < 56 else 2 if size < 256 else 3
    whole = np.empty(head + size, np.uint8)
    if head == 1:
        whole[0] = 0xC0 + size
    elif head == 2:
        whole[0], whole[1] = 0xF8, size
    else:
        whole[0], whole[1], whole[2] = 0xF9, size >> 8, size & 255
    whole[head:] = body[:size]
    if whole.size < 32 and not is_root:
        ref[: whole.size] = whole
        return whole.size
    digest = absorb(whole).view(np.uint8)
    data[used[1] : used[1] + whole.size] = whole
    used[1] += whole.size
    hashes[used[0]] = digest
    ends[used[0]] = used[1]
    used[0] += 1
    ref[0] = 0xA0
    ref[1:33] = digest
    return 33


@compiled
def _close_branch(refs, lengths, is_root, data, hashes, ends, used, ref):
    """Make a branch of its 16 references; return its own reference's length."""
    body, at = np.empty(17 * 33, np.uint8), 0
    for digit in range(16):
        length = lengths[digit]
        if length == 0:
            body[at] = 0x80
            length = 1
        else:
            body[at : at + length] = refs[digit, :length]
        at += length
    body[at] = 0x80
    return _close(body, at + 1, is_root, data, hashes, ends, used, ref)


@compiled
def _shared(keys, row):
    """Return how many nibbles a key and the next one share; -1 for the last key."""
    if row + 1 >= len(keys) or row < 0:
        return -1
    at = 0
    while _nibble(keys, row, at) == _nibble(keys, row + 1, at):
        at += 1
    return at


@compiled
def _all_nodes(keys, packed, stops, data, hashes, ends, used, ref):
    """Make the nodes, leaves in order, each branch once its last key is past: branches open are those on one path."""
    refs, lengths = np.empty((NIBBLES, 16, 40), np.uint8), np.zeros((NIBBLES, 16), np.int64)
    opened, height = np.empty(NIBBLES + 1, np.int64), 0
    body = np.empty(17 * 33 + _LONGEST, np.uint8)
    before = -1
    for row in range(len(keys)):
        after = _shared(keys, row)
        if after > before:
            opened[height] = after
            height += 1
            lengths[after] = 0
        above = max(before, after)
        at = _put_path(keys, row, above + 1, NIBBLES, True, body, 0)
        at = _put_value(packed[(stops[row - 1] if row else 0) : stops[row]], body, at)
        length = _close(body, at, above < 0, data, hashes, ends, used, ref)
        if above >= 0:
            digit = _nibble(keys, row, above)
            refs[above, digit], lengths[above, digit] = ref, length
        while height and opened[height - 1] > after:
            depth = opened[height - 1]
            height -= 1
            above = max(after, opened[height - 1] if height else -1)
            if above >= 0 and (height == 0 or opened[height - 1] != above):
                opened[height] = above
                height += 1
                lengths[above] = 0
            whole = above < 0 and depth == 0
            length = _close_branch(refs[depth], lengths[depth], whole, data, hashes, ends, used, ref)
            if depth > above + 1:
                at = _put_path(keys, row, above + 1, depth, False, body, 0)
                body[at : at + length] = ref[:length]
                length = _close(body, at + length, above < 0, data, hashes, ends, used, ref)
            if above >= 0:
                digit = _nibble(keys, row, above)
                refs[above, digit], lengths[above, digit] = ref, length
        before = after
