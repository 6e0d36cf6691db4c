"""Batches of operations that end balanced, from few slots and many failed frames; and their run."""

from hypothesis import strategies as st

from rollstate.worlddiff.operations import replay
from rollstate.worlddiff.world import FixedCostWorld
from rollstate.worlddiff.world_diff import Mode, WorldDiff

FREE = 9
WORLD = FixedCostWorld({(1, 0): 1, (1, 1): 0, (FREE, 0): 2}, frozenset({FREE}))
SLOTS = [(1, 0), (1, 1), (2, 0), (FREE, 0), (FREE, 1)]
VALUES = [0, 1, 2]

slots = st.sampled_from(SLOTS)
values = st.sampled_from(VALUES)
# Rare corners need a slot to be written, undone and read again: failed frames are as frequent as writes.
KINDS = (
    ["read"] * 4 + ["write"] * 5 + ["enter"] * 4 + ["revert"] * 4
    + ["read_no_refund", "tread", "twrite", "tclear", "ok", "ext_snapshot", "ext_commit", "ext_rollback"]
)  # fmt: skip
kinds = st.sampled_from(KINDS)
steps = st.lists(st.tuples(kinds, slots, values), max_size=40)


def balanced(drawn):
    """Return the operations of `drawn` that may run where they stand, and what closes the rest."""
    out, depth, open_transaction = [], 0, False
    for kind, slot, value in drawn:
        if kind in ("ok", "revert"):
            if not depth:
                continue
            depth -= 1
        elif kind == "enter":
            depth += 1
        elif kind in ("tclear", "ext_snapshot", "ext_commit", "ext_rollback"):
            if depth or (kind != "tclear" and open_transaction == (kind == "ext_snapshot")):
                continue
            open_transaction ^= kind != "tclear"
        operands = {"write": (*slot, value), "twrite": (*slot, value)}
        touching = kind in ("read", "read_no_refund", "tread")
        out.append((kind, *operands.get(kind, slot if touching else ())))
    out += [("ok",)] * depth
    return out + [("ext_commit",)] * open_transaction


batches = steps.map(balanced)


def run(operations, mode, *, world=WORLD, kind=WorldDiff):
    """Return the bookkeeping after a batch, and what each operation returned."""
    diff = kind(world, mode)
    return diff, replay(diff, operations)


def told(diff, returned):
    """Return all that both modes tell alike."""
    return (
        returned,
        list(diff.storage_refunds),
        list(diff.pubdata_costs),
        diff.pubdata,
        dict(diff.storage_writes.entries),
        diff.changes(),
        diff.storage_accesses(),
    )


MODES = (Mode.RECORDING, Mode.OPT_OUT)
