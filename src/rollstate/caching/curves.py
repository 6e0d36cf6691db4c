"""Hit ratios by share of the footprint, every policy with the same bytes of memory, its metadata included.

Memory is stated as a share of the bytes of all slots of the trace. A policy that keeps more beside a slot, or that
remembers slots that left (ghosts), has room for fewer. Hits are counted among accesses of slots seen before, on the
accesses behind a border; caches are warm by then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from rollstate.bootstrap import resampling
from rollstate.caching import cacheus, density, hazards, heaps, lists
from rollstate.caching.names import (
    ARC,
    BELADY,
    CACHEUS,
    FILLED,
    GDSF,
    HAZARD,
    LFU,
    LHD,
    LIRS,
    LRU,
    RATE,
    S3FIFO,
    SIEVE,
    WIPED,
    WTINYLFU,
)
from rollstate.caching.streams import Accesses
from rollstate.errors import InputError
from rollstate.estimate import Estimate
from rollstate.survival import frailty
from rollstate.threads import side_by_side

LINKS, COUNT, HEAP, TICK, MARK, HASH, AGE = 16, 4, 4, 4, 1, 8, 2
"""Bytes: two pointers, a counter, a place in a heap or array, a block number, flags, a ghost's key, a coarse age.

Tables of a fixed size, of hit densities and hazards, are not counted: they do not grow with the memory.
"""


@dataclass(frozen=True)
class Policy:
    """A policy with what it keeps.

    Attributes
    ----------
    run : callable
        Slots, their number and the room to hits, shape (n,).
    beside : float
        Bytes kept beside each slot of room, sketches included.
    ghosts : float
        Slots remembered after they left, per slot of room.
    """

    run: Callable[[np.ndarray, int, int], np.ndarray]
    beside: float
    ghosts: float = 0.0

    def room(self, share: float, slots: int, slot_bytes: float) -> int:
        """Return how many slots fit into a share of the bytes of all slots, at least one."""
        each = slot_bytes + self.beside + self.ghosts * (HASH + LINKS)
        return max(1, int(share * slots * slot_bytes / each))


CLASSICAL: dict[str, Policy] = {
    LRU: Policy(lists.lru, LINKS),
    LFU: Policy(heaps.lfu, COUNT + HEAP + TICK),
    ARC: Policy(lists.arc, LINKS + MARK, 1.0),
    LIRS: Policy(lists.lirs, 2 * LINKS + MARK, 1.0),
    SIEVE: Policy(lists.sieve, LINKS + MARK),
    S3FIFO: Policy(lists.s3fifo, LINKS + MARK, 1 - lists.SMALL),
    WTINYLFU: Policy(lists.wtinylfu, LINKS + MARK + lists.SKETCH_WIDTH / 2),
    GDSF: Policy(heaps.gdsf, COUNT + HEAP + TICK + 8),
    LHD: Policy(density.lhd, TICK + 2 * AGE + 2 * MARK + HEAP),
    # Counts stay with the slots that left.
    CACHEUS: Policy(cacheus.cacheus, LINKS + 2 * COUNT + HEAP + TICK + MARK, 2 * cacheus.HISTORY),
}
CLIENTS: dict[str, Policy] = {FILLED: Policy(lists.filled, 0), WIPED: Policy(lists.wiped, 0)}
BOUND: dict[str, Policy] = {BELADY: Policy(heaps.belady, 0)}
SURVIVAL_BESIDE = {HAZARD: MARK + TICK + HEAP + lists.SKETCH_WIDTH / 2, RATE: COUNT + 2 * TICK + HEAP}
"""Bytes that the survival policies keep beside each slot."""
FIXED = CLASSICAL | CLIENTS | BOUND
ORDER = (*CLASSICAL, *CLIENTS, HAZARD, RATE, BELADY)
"""Order of the policies in tables and figures."""
NUMBERS = tuple(f"{name}{end}" for name in ("hits", "behind") for end in ("", "_low", "_high"))
"""Numbers of `hit_ratios`."""


def repeated(slot: np.ndarray, border: int) -> np.ndarray:
    """Mark the accesses from position `border` on whose slot was accessed before, shape (n,)."""
    out = np.ones(len(slot), bool)
    out[np.unique(slot, return_index=True)[1]] = False
    out[:border] = False
    return out


def survival_policies(seen: Accesses, border: int, *, seed: int) -> dict[str, Policy]:
    """Return the two survival policies, learned on the accesses before a border.

    Parameters
    ----------
    seen : Accesses
    border : int
        Position of the first access that they do not know.
    seed : int
        Of the candidates drawn.

    Raises
    ------
    InputError
        If no slot was accessed twice before the border.
    """
    slot, block = seen.slot[:border], seen.block[:border]
    if border < 2 or not repeated(slot, 0).any():
        raise InputError("no slot is accessed twice before the border: there is no gap to learn from")
    counts = np.bincount(slot)
    first = np.full(len(counts), np.iinfo(np.int64).max)
    np.minimum.at(first, slot, block)
    touched = counts > 0
    mixture = frailty.fit(counts[touched] - 1, (block[-1] - first[touched] + 1).astype(float))
    per_block = len(np.unique(slot)) / max(1, block[-1] - block[0] + 1)

    def by_hazard(slots_seen: np.ndarray, slots: int, room: int) -> np.ndarray:
        # The time in which as many new slots come as there is room for.
        horizon = int(np.clip(round(room / per_block), 1, max(1, (block[-1] - block[0]) // 2)))
        counts = lists.sketch_counts(slots_seen, room)
        table = hazards.hazard_table(slot, block, counts[:border], slots, horizon)
        return hazards.by_hazard(slots_seen, seen.block, counts, slots, room, table, seed=seed)

    def by_rate(slots_seen: np.ndarray, slots: int, room: int) -> np.ndarray:
        return hazards.by_rate(
            slots_seen, seen.block, slots, room, shape=mixture.shape, rate=mixture.rate, seed=seed
        )

    return {name: Policy(run, SURVIVAL_BESIDE[name]) for name, run in ((HAZARD, by_hazard), (RATE, by_rate))}


def hit_ratios(
    seen: Accesses,
    policies: dict[str, Policy],
    shares: Sequence[float],
    *,
    border: int,
    slot_bytes: float,
    draws: int,
    seed: int,
    cluster: np.ndarray | None = None,
) -> pl.DataFrame:
    """Return hits among repeated accesses behind a border by policy and share of the footprint's bytes.

    Parameters
    ----------
    seen : Accesses
    policies : dict of str to Policy
    shares : sequence of float
    border : int
        Position of the first access that is judged.
    slot_bytes : float
    draws, seed : int
        Of the bootstrap.
    cluster : array of int, shape (slots,), optional
        What the bootstrap resamples; contracts if not given.

    Returns
    -------
    polars.DataFrame
        ``policy``, ``share``, ``room`` (slots), ``hits``, ``hits_low``, ``hits_high`` (95 % over clusters, null for a
        single one), and ``behind``, ``behind_low``, ``behind_high``: by how much it hits less than the classical policy
        with the most hits at that share, on the same samples; null where none is among the policies.

    Raises
    ------
    InputError
        If no slot is accessed again behind the border, or a share is not above 0.
    """
    if any(not 0 < share <= 1 for share in shares):
        raise InputError(f"shares of the footprint must lie above 0 and at most at 1, not {tuple(shares)}")
    judged = np.flatnonzero(repeated(seen.slot, border))
    if not len(judged):
        raise InputError("no slot is accessed again behind the border: no cache can hit")
    of_slot = seen.contract if cluster is None else cluster
    samples = resampling(of_slot[seen.slot[judged]], draws, seed)
    rows: list[tuple[Any, ...]] = []
    room = {(n, s): p.room(s, seen.slots, slot_bytes) for n, p in policies.items() for s in shares}

    def judge(run: tuple[str, int]) -> tuple[float, np.ndarray]:
        name, places = run
        hit = policies[name].run(seen.slot, seen.slots, places)[judged]
        return float(hit.mean()), samples.means(hit)

    runs = list(dict.fromkeys((name, places) for (name, _), places in room.items()))
    known = dict(zip(runs, side_by_side(judge, runs), strict=True))
    at = {key: known[key[0], places] for key, places in room.items()}
    for name, share in at:
        value, drawn = at[name, share]
        rivals = [at[other, share] for other in CLASSICAL if other in policies]
        best, best_drawn = max(rivals, key=lambda one: one[0]) if rivals else (None, None)
        behind = (None, None, None) if best is None else samples.estimate(best - value, best_drawn - drawn)
        rows.append((name, float(share), room[name, share], *samples.estimate(value, drawn), *behind))
    schema = {"policy": pl.String, "share": pl.Float64, "room": pl.Int64} | dict.fromkeys(NUMBERS, pl.Float64)
    return pl.DataFrame(rows, schema=schema, orient="row")


def gap_closed(ratios: pl.DataFrame, policy: str) -> pl.DataFrame:
    """Return the share of the gap between the best classical policy and Belady that a policy closes, by share.

    Returns
    -------
    polars.DataFrame
        ``share``, ``best`` (classical policy), ``closed`` (negative where the policy hits less; null without a gap).
    """
    rows = []
    for share in ratios["share"].unique(maintain_order=True):
        at = dict(ratios.filter(pl.col("share") == share).select("policy", "hits").iter_rows())
        best = max(CLASSICAL, key=lambda name: at[name])
        gap = at[BELADY] - at[best]
        rows.append((share, best, (at[policy] - at[best]) / gap if gap > 0 else None))
    return pl.DataFrame(
        rows, schema={"share": pl.Float64, "best": pl.String, "closed": pl.Float64}, orient="row"
    )


def row(ratios: pl.DataFrame, policy: str, share: float) -> Estimate:
    """Return one number of `hit_ratios`."""
    found = ratios.row(by_predicate=(pl.col("policy") == policy) & (pl.col("share") == share), named=True)
    return Estimate(found["hits"], found["hits_low"], found["hits_high"])
