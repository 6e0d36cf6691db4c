"""Keccak-256 compiled for arrays: thousands of tree nodes per call instead of one Python call per node.

Source: the Keccak reference, https://keccak.team/keccak_specs_summary.html, with the original ``0x01`` padding
that Ethereum kept.
"""

from __future__ import annotations

import numpy as np

from rollstate.compiled import compiled

RATE = 136
"""Bytes absorbed per permutation at 256 bits of output."""

ROUND_CONSTANTS = np.array(
    [
        0x0000000000000001, 0x0000000000008082, 0x800000000000808A, 0x8000000080008000, 0x000000000000808B,
        0x0000000080000001, 0x8000000080008081, 0x8000000000008009, 0x000000000000008A, 0x0000000000000088,
        0x0000000080008009, 0x000000008000000A, 0x000000008000808B, 0x800000000000008B, 0x8000000000008089,
        0x8000000000008003, 0x8000000000008002, 0x8000000000000080, 0x000000000000800A, 0x800000008000000A,
        0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
    ],
    dtype=np.uint64,
)  # fmt: skip


@compiled(inline="always")
def _rotate(word, bits):
    return (word << np.uint64(bits)) | (word >> np.uint64(64 - bits))


@compiled
def permute(a):
    """Apply Keccak-f[1600] in place to 25 lanes, ``uint64[25]``, lane (x, y) at ``x + 5 y``."""
    a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12 = (
        a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11], a[12],
    )  # fmt: skip
    a13, a14, a15, a16, a17, a18, a19, a20, a21, a22, a23, a24 = (
        a[13], a[14], a[15], a[16], a[17], a[18], a[19], a[20], a[21], a[22], a[23], a[24],
    )  # fmt: skip
    for constant in ROUND_CONSTANTS:
        # theta
        c0 = a0 ^ a5 ^ a10 ^ a15 ^ a20
        c1 = a1 ^ a6 ^ a11 ^ a16 ^ a21
        c2 = a2 ^ a7 ^ a12 ^ a17 ^ a22
        c3 = a3 ^ a8 ^ a13 ^ a18 ^ a23
        c4 = a4 ^ a9 ^ a14 ^ a19 ^ a24
        d0 = c4 ^ _rotate(c1, 1)
        d1 = c0 ^ _rotate(c2, 1)
        d2 = c1 ^ _rotate(c3, 1)
        d3 = c2 ^ _rotate(c4, 1)
        d4 = c3 ^ _rotate(c0, 1)
        # rho and pi: lane (x, y) moves to (y, 2x + 3y)
        b0 = a0 ^ d0
        b10 = _rotate(a1 ^ d1, 1)
        b20 = _rotate(a2 ^ d2, 62)
        b5 = _rotate(a3 ^ d3, 28)
        b15 = _rotate(a4 ^ d4, 27)
        b16 = _rotate(a5 ^ d0, 36)
        b1 = _rotate(a6 ^ d1, 44)
        b11 = _rotate(a7 ^ d2, 6)
        b21 = _rotate(a8 ^ d3, 55)
        b6 = _rotate(a9 ^ d4, 20)
        b7 = _rotate(a10 ^ d0, 3)
        b17 = _rotate(a11 ^ d1, 10)
        b2 = _rotate(a12 ^ d2, 43)
        b12 = _rotate(a13 ^ d3, 25)
        b22 = _rotate(a14 ^ d4, 39)
        b23 = _rotate(a15 ^ d0, 41)
        b8 = _rotate(a16 ^ d1, 45)
        b18 = _rotate(a17 ^ d2, 15)
        b3 = _rotate(a18 ^ d3, 21)
        b13 = _rotate(a19 ^ d4, 8)
        b14 = _rotate(a20 ^ d0, 18)
        b24 = _rotate(a21 ^ d1, 2)
        b9 = _rotate(a22 ^ d2, 61)
        b19 = _rotate(a23 ^ d3, 56)
        b4 = _rotate(a24 ^ d4, 14)
        # chi and iota
        a0 = b0 ^ (~b1 & b2) ^ constant
        a1 = b1 ^ (~b2 & b3)
        a2 = b2 ^ (~b3 & b4)
        a3 = b3 ^ (~b4 & b0)
        a4 = b4 ^ (~b0 & b1)
        a5 = b5 ^ (~b6 & b7)
        a6 = b6 ^ (~b7 & b8)
        a7 = b7 ^ (~b8 & b9)
        a8 = b8 ^ (~b9 & b5)
        a9 = b9 ^ (~b5 & b6)
        a10 = b10 ^ (~b11 & b12)
        a11 = b11 ^ (~b12 & b13)
        a12 = b12 ^ (~b13 & b14)
        a13 = b13 ^ (~b14 & b10)
        a14 = b14 ^ (~b10 & b11)
        a15 = b15 ^ (~b16 & b17)
        a16 = b16 ^ (~b17 & b18)
        a17 = b17 ^ (~b18 & b19)
        a18 = b18 ^ (~b19 & b15)
        a19 = b19 ^ (~b15 & b16)
        a20 = b20 ^ (~b21 & b22)
        a21 = b21 ^ (~b22 & b23)
        a22 = b22 ^ (~b23 & b24)
        a23 = b23 ^ (~b24 & b20)
        a24 = b24 ^ (~b20 & b21)
    a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11], a[12] = (
        a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12,
    )  # fmt: skip
    a[13], a[14], a[15], a[16], a[17], a[18], a[19], a[20], a[21], a[22], a[23], a[24] = (
        a13, a14, a15, a16, a17, a18, a19, a20, a21, a22, a23, a24,
    )  # fmt: skip


@compiled
def absorb(data):
    """Return the Keccak-256 hash of ``uint8[n]`` as ``uint64[4]``, for compiled callers."""
    lanes = np.zeros(25, np.uint64)
    size = data.size
    padded = np.zeros((size // RATE + 1) * RATE, np.uint8)
    padded[:size] = data
    padded[size] = 0x01
    padded[-1] |= 0x80
    words = padded.view(np.uint64)
    for start in range(0, words.size, RATE // 8):
        for j in range(RATE // 8):
            lanes[j] ^= words[start + j]
        permute(lanes)
    return lanes[:4].copy()


def keccak256(data: bytes) -> bytes:
    """Return the Keccak-256 hash of `data`, 32 bytes.

    >>> keccak256(b"").hex()[:16]
    'c5d2460186f7233c'
    """
    return absorb(np.frombuffer(data, np.uint8)).tobytes()


@compiled
def hash_pair(left, right, out, lanes):
    """Write ``H(left, right)`` to `out`, each ``uint64[4]``; ``H(0, 0) = 0``, so an empty subtree is zero.

    `lanes` is scratch, ``uint64[25]``.
    """
    if (left[0] | left[1] | left[2] | left[3] | right[0] | right[1] | right[2] | right[3]) == 0:
        for j in range(4):
            out[j] = 0
        return
    for j in range(4):
        lanes[j] = left[j]
        lanes[4 + j] = right[j]
    lanes[8] = 1
    for j in range(9, 25):
        lanes[j] = 0
    lanes[16] = np.uint64(0x8000000000000000)
    permute(lanes)
    for j in range(4):
        out[j] = lanes[j]


@compiled
def climb(bits, leaf, siblings):
    """Return every node from a leaf to the root, ``uint64[depth + 1, 4]``, leaf first.

    Parameters
    ----------
    bits : uint8[depth]
        1 where the node is the right child, leaf level first.
    leaf : uint64[4]
        The leaf, zero if absent.
    siblings : uint64[depth, 4]
        The other child at each level, leaf level first.
    """
    nodes = np.empty((bits.size + 1, 4), np.uint64)
    nodes[0] = leaf
    lanes = np.empty(25, np.uint64)
    for level in range(bits.size):
        if bits[level]:
            hash_pair(siblings[level], nodes[level], nodes[level + 1], lanes)
        else:
            hash_pair(nodes[level], siblings[level], nodes[level + 1], lanes)
    return nodes
