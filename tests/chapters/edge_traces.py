"""Traces at the edge of what a chapter can answer on, small enough to run every chapter on each."""

import dataclasses

import numpy as np
from tests.strategies import make_trace

from rollstate.traces import thinning


def busy(blocks=range(100, 160), slots=12, contracts=4, seed=3, **changes):
    """Return a trace in which some slots are busy and others rare, in more blocks than any chapter needs."""
    rng = np.random.default_rng(seed)
    chance = np.geomspace(0.8, 0.02, slots)
    touches = [
        (block, int(rng.integers(3)), int(1 + slot % contracts), int(slot), bool(rng.random() < 0.4))
        for block in blocks
        for slot in np.flatnonzero(rng.random(slots) < chance)
    ]
    return make_trace(touches, window_start=blocks[0], window_stop=blocks[-1] + 1, **changes)


def _without_index(trace):
    accesses = trace.accesses.with_columns(tx_index=None).cast(trace.accesses.schema).unique()
    stamp = dataclasses.replace(trace.capability, tx_level="none")
    return dataclasses.replace(
        trace, accesses=accesses.sort("slot_id", "block_number", "is_write"), capability=stamp
    )


def _writes_alone(trace):
    stamp = dataclasses.replace(trace.capability, observes_reads=False)
    return dataclasses.replace(trace, accesses=trace.accesses.filter("is_write"), capability=stamp)


EDGE = {
    "one block": lambda: busy(range(100, 101)),
    "one slot": lambda: busy(slots=1, contracts=1),
    "one contract": lambda: busy(contracts=1),
    "no access again": lambda: make_trace(
        [(100 + n, 0, 1 + n % 5, n, n % 3 == 0) for n in range(30)], window_start=100, window_stop=130
    ),
    "no reads": lambda: _writes_alone(busy()),
    "no transaction index": lambda: _without_index(busy()),
    "6 blocks": lambda: busy(range(100, 106)),
    "thinned": lambda: thinning.thin(busy(), 5),
    "every fifth block of the chain": lambda: busy(observed_every=5),
}
"""Makers of the traces, by what is special about them."""
