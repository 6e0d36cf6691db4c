"""Random streams through four ways of bookkeeping: copies of everything, both modes of the journal, and columns.

A hundred streams in the fast tests; a nightly run sets ROLLSTATE_STREAMS to ten thousand, with a seed of its day.
"""

import os
import random

from tests.worlddiff.batches import KINDS, MODES, SLOTS, VALUES, WORLD, balanced, run
from tests.worlddiff.copying_oracle import CopyingDiff

from rollstate.worlddiff.columnar import ColumnarWorldDiff
from rollstate.worlddiff.operations import Operations
from rollstate.worlddiff.world_diff import Mode

STREAMS = int(os.environ.get("ROLLSTATE_STREAMS", "100"))
SEED = int(os.environ.get("ROLLSTATE_STREAM_SEED", "1"))


def drawn(rng):
    """Return a balanced stream of up to 60 steps."""
    length = rng.randrange(1, 61)
    return balanced([(rng.choice(KINDS), rng.choice(SLOTS), rng.choice(VALUES)) for _ in range(length)])


def by_copies(operations):
    """Return what copies of everything tell."""
    oracle = CopyingDiff(WORLD)
    returned = [getattr(oracle, name)(*arguments) for name, *arguments in operations]
    writes = {slot: (value, oracle.paid.get(slot, 0)) for slot, value in oracle.writes.items()}
    return {
        "returned": returned,
        "writes": writes,
        "refunds": oracle.refunds,
        "costs": oracle.costs,
        "pubdata": sum(paid for _, paid in writes.values()),
        "trace": oracle.trace,
        "accesses": oracle.accesses(),
        "observed": sorted(oracle.observed),
    }


def by_journal(operations, mode):
    """Return what the journal tells in one mode; the trace and the observed slots in that which keeps them."""
    diff, returned = run(operations, mode)
    told = {
        "returned": returned,
        "writes": {slot: tuple(entry) for slot, entry in diff.storage_writes.entries.items()},
        "refunds": list(diff.storage_refunds),
        "costs": list(diff.pubdata_costs),
        "pubdata": diff.pubdata,
        "accesses": diff.storage_accesses(),
    }
    if mode is Mode.RECORDING:
        return {**told, "trace": list(diff.trace)}
    return {**told, "observed": diff.protective_reads()}


def by_columns(operations):
    """Return what the columns tell, the set from their trace."""
    diff = ColumnarWorldDiff(WORLD, reserve_slots=4, reserve_values=4)
    diff.run(Operations.from_tuples(operations))
    from_trace, from_maps = diff.accesses_from_trace(), diff.accesses_from_maps()
    assert diff.accesses(from_trace) == diff.accesses(from_maps)
    return {
        "writes": {slot: tuple(entry) for slot, entry in diff.storage_writes().items()},
        "refunds": diff.refunds().tolist(),
        "costs": diff.pubdata_costs().tolist(),
        "pubdata": diff.pubdata,
        "trace": diff.queries(),
        "accesses": diff.accesses(from_trace),
        "observed": diff.protective_reads(),
    }


def test_four_ways_of_bookkeeping_tell_the_same_field_by_field():
    rng = random.Random(SEED)
    seen = {"undone": 0, "observed": 0, "rolled back": 0}
    for number in range(STREAMS):
        operations = drawn(rng)
        wanted = by_copies(operations)
        for told in (*(by_journal(operations, mode) for mode in MODES), by_columns(operations)):
            for field, value in told.items():
                assert value == wanted[field], f"stream {number} of seed {SEED}, {field}: {operations}"
        seen["undone"] += any(query.rollback for query in wanted["trace"])
        seen["observed"] += bool(wanted["observed"])
        seen["rolled back"] += ("ext_rollback",) in operations
    assert min(seen.values()) >= STREAMS // 20, f"the streams do not reach the corners: {seen}"
