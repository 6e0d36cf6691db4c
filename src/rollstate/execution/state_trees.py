r"""Depth, reads, hashes and bytes of authenticated trees over hashed keys.

Keys are hashed, so they fall on the leaves as at random: of :math:`w^d` nodes at depth :math:`d`,
:math:`w^d (1 - (1 - w^{-d})^n)` are expected to lie on the path of one of :math:`n` keys.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rollstate.errors import InputError

HASH_BYTES = 32


@dataclass(frozen=True)
class Layout:
    """How a tree is cut up.

    Attributes
    ----------
    width : int
        Children of a node.
    levels_per_page : int
        Levels that one read fetches.
    """

    width: int
    levels_per_page: int = 1

    def __post_init__(self) -> None:
        if self.width < 2 or self.levels_per_page < 1:
            raise InputError(
                f"width={self.width} must be at least 2, levels_per_page={self.levels_per_page} 1"
            )


HEXARY = Layout(16)
BINARY = Layout(2)
PAGED = Layout(2, 6)
"""Six binary levels in a page of 4 KiB: 126 hashes of 32 bytes and what is left for a header."""


@dataclass(frozen=True)
class UpdateCost:
    """Cost of one update, as a mean over the keys of a batch.

    Attributes
    ----------
    depth : float
        Levels above the leaves.
    reads : float
        Pages read.
    hashes : float
        Nodes hashed.
    hashed_bytes : float
        Bytes that go through the hash function.
    """

    depth: float
    reads: float
    hashes: float
    hashed_bytes: float


def depth(keys: float, width: int) -> float:
    r"""Return the depth at which a tree of `keys` leaves is full, :math:`\log_w n`.

    >>> depth(256, width=16)
    2.0
    """
    if not keys >= 1 or width < 2:
        raise InputError(f"keys={keys} must be at least 1, width={width} at least 2")
    return float(np.log(keys) / np.log(width))


def distinct_nodes(keys: int, width: int, level: int) -> float:
    """Return the expected number of nodes of a full level that lie on the path of one of some random keys.

    >>> distinct_nodes(1, width=16, level=3)
    1.0
    """
    nodes = float(width) ** level
    return float(-nodes * np.expm1(keys * np.log1p(-1 / nodes))) if level else float(keys > 0)


def update_cost(layout: Layout, state: int, batch: int = 1) -> UpdateCost:
    """Return the cost per key when `batch` random keys of `state` are updated and the root is renewed once.

    Levels are those above the leaves, down to the depth at which the tree is full, rounded up; a page is read once per
    batch. Leaves are hashed too.
    """
    if not 1 <= batch <= state:
        raise InputError(f"batch={batch} must lie between 1 and state={state}")
    # Exact powers of the width must not gain a level by rounding.
    levels = int(np.ceil(depth(state, layout.width) - 1e-9))
    nodes = np.array([distinct_nodes(batch, layout.width, level) for level in range(levels)])
    inner, pages = nodes.sum(), nodes[:: layout.levels_per_page].sum()
    hashed = inner * layout.width * HASH_BYTES + batch * HASH_BYTES
    return UpdateCost(levels, pages / batch, (inner + batch) / batch, hashed / batch)


def b_tree_reads(keys: int, fanout: int, cached_levels: int = 0) -> int:
    """Return the pages that a look-up in a B-tree reads when its upper levels are in memory."""
    if cached_levels < 0:
        raise InputError(f"cached_levels={cached_levels} must not be negative")
    return max(1, int(np.ceil(depth(keys, fanout) - 1e-9)) - cached_levels)


def lsm_reads(levels: int, false_positive: float) -> float:
    """Return the expected blocks that finding a key on the last of an LSM tree's levels reads, with Bloom filters.

    One for the key, and one for each other level whose filter is wrong (Dayan and others 2017,
    https://doi.org/10.1145/3035918.3064054).
    """
    if levels < 1 or not 0 <= false_positive <= 1:
        raise InputError(f"levels={levels} must be at least 1, false_positive={false_positive} a share")
    return 1 + (levels - 1) * false_positive


def witness_hexary_bytes(touched: float, state: float) -> float:
    r"""Return the bytes of a hexary witness, :math:`512 n \log_{16}(S/n) + 112 n`.

    Buterin 2020, https://ethereum-magicians.org/t/protocol-changes-to-bound-witness-size/3885.
    """
    _check(touched, state)
    return 512 * touched * float(np.log(state / touched) / np.log(16)) + 112 * touched


def witness_binary_bytes(touched: float, state: float) -> float:
    r"""Return the bytes of a binary witness, :math:`32 n \log_2(S/n) + 112 n`, by the reasoning of the hexary one."""
    _check(touched, state)
    return 32 * touched * float(np.log2(state / touched)) + 112 * touched


def witness_verkle_bytes(
    accounts: int, slots: int, written: int, state: int, chunks: int = 0, proof_bytes: int = 576
) -> float:
    """Return the bytes of a Verkle witness with the values after the block, after EIP-6800.

    Each stem takes 31 bytes, one for its depth, and two commitments (its own, and that of the half its values lie in);
    each value a suffix and 32 bytes, a written one 32 more; inner commitments 32 each. An account has two values in its
    stem (basic data and the code's hash); slots lie in stems of their own; code comes in pieces of 31 bytes. The
    opening has 18 elements of 32 bytes (Feist 2021,
    https://dankradfeist.de/ethereum/2021/06/18/pcs-multiproofs.html). Format: https://eips.ethereum.org/EIPS/eip-6800.

    Parameters
    ----------
    accounts, slots, written : int
        Accounts and slots touched, and values changed among them.
    state : int
        Stems of the whole tree.
    chunks : int
        Pieces of code that were read; 256 of them share a stem.
    """
    stems = accounts + slots + -(-chunks // 256)
    _check(stems, state)
    levels = int(np.ceil(depth(state, 256) - 1e-9))
    inner = sum(distinct_nodes(stems, 256, level) for level in range(1, levels))
    values = 2 * accounts + slots + chunks
    return 32 * inner + stems * (31 + 1 + 2 * 32) + values * 33 + written * 32 + proof_bytes


def _check(touched: float, state: float) -> None:
    if not 0 < touched <= state:
        raise InputError(f"touched={touched} must be positive and at most state={state}")
