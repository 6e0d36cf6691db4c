"""Caches on a sample of the slots: as many accesses as are needed, with an error that can be stated.

A slot is in the sample if a hash of its number falls below a share of the hash's range, so that all of its accesses are
in or out, and a cache with as much smaller room hits what the whole one hits (SHARDS; Waldspurger, Park, Garthwaite and
Ahmad 2015, https://www.usenix.org/conference/fast15/technical-sessions/presentation/waldspurger). What the choice of
slots adds to the error is in an interval that resamples slots. LFU need not scale: its counters do not age, and the few
places that still turn over are not in proportion to the room. Replaying a trace whole and on a sample measures that.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from rollstate.caching.streams import Accesses
from rollstate.errors import InputError
from rollstate.traces.parts import uniform

FEWEST_CONTRACTS, GROUPS = 30, 200
"""Contracts from which on they are what an interval resamples; with fewer, groups of slots by their hash."""

FEWEST_PLACES = 300
"""Room in slots of the sample from which on hit ratios of all policies scale.

On synthetic traces of Zipf's popularity, replayed whole and on samples, hit ratios with more room lay at most 5.5
points apart, 99 of 100 within their interval; with less room up to 32 points, one in eight outside of it.
"""


def sample(seen: Accesses, rate: float, *, seed: int) -> Accesses:
    """Return the accesses of a share of the slots, numbered anew.

    Raises
    ------
    InputError
        If the share is not above 0 and at most 1, or no slot is drawn.
    """
    if not 0 < rate <= 1:
        raise InputError(f"the share of slots in a sample must lie above 0 and at most at 1, not {rate!r}")
    kept = uniform(np.arange(seen.slots), seed) < rate
    if not kept.any():
        raise InputError(f"a share of {rate:g} draws none of {seen.slots} slots; take a larger one")
    number = np.cumsum(kept) - 1
    rows = kept[seen.slot]
    return dataclasses.replace(
        seen,
        slot=number[seen.slot[rows]].astype(np.int32),
        block=seen.block[rows],
        contract=seen.contract[kept],
    )


def clusters(seen: Accesses, *, seed: int) -> tuple[np.ndarray, str]:
    """Return what an interval resamples, as a number for each slot, and its name: contracts, or groups of slots."""
    if len(np.unique(seen.contract)) >= FEWEST_CONTRACTS:
        return seen.contract, "contracts"
    return (uniform(np.arange(seen.slots), seed + 1) * GROUPS).astype(np.int32), "slots"
