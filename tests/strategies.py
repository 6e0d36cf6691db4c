"""Small random traces, for property tests."""

import polars as pl
from hypothesis import strategies as st

from rollstate.traces.schema import Capability
from rollstate.traces.store import assemble

WINDOW = (100, 130)


def capability(start=WINDOW[0], stop=WINDOW[1], **changes):
    """Return the stamp of a source that sees everything."""
    fields = {
        "source": "test",
        "observes_reads": True,
        "observes_all_writes": True,
        "tx_level": "all",
        "key_form": "synthetic",
        "window_start": start,
        "window_stop": stop,
        "chain_id": None,
        "extractor_version": "test",
    }
    return Capability(**{**fields, **changes})


def name(contract, slot):
    """Return address and slot bytes of two small numbers."""
    return contract.to_bytes(20, "big"), slot.to_bytes(32, "big")


def make_trace(touches, slots=None, **changes):
    """Return a trace of (block, tx, contract, slot, is_write) and of known slots (contract, slot, created)."""
    rows = [(block, tx, *name(contract, slot), write) for block, tx, contract, slot, write in touches]
    schema = {
        "block_number": pl.Int64,
        "tx_index": pl.Int32,
        "address": pl.Binary,
        "slot": pl.Binary,
        "is_write": pl.Boolean,
    }
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    known = None
    if slots is not None:
        known = pl.DataFrame(
            [(*name(contract, slot), created) for contract, slot, created in slots],
            schema={"address": pl.Binary, "slot": pl.Binary, "created_block": pl.Int64},
            orient="row",
        )
    return assemble(frame, capability(**changes), slots=known)


TOUCHES = st.lists(
    st.tuples(
        st.integers(WINDOW[0], WINDOW[1] - 1),
        st.one_of(st.none(), st.integers(0, 3)),
        st.integers(1, 3),
        st.integers(0, 4),
        st.booleans(),
    ),
    min_size=1,
    max_size=60,
)
