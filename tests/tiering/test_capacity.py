"""Access by access and spell by spell agree where both apply; caches are those of a plain dictionary."""

from collections import OrderedDict

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollstate import intervals
from rollstate.errors import InputError
from rollstate.tiering import capacity, windows
from rollstate.tiering import costs as c
from rollstate.tiering import replay as r
from rollstate.traces import datasets

pairs = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9)), min_size=1, max_size=120)


def seen_of(rows):
    frame = pl.DataFrame(rows, schema={"block_number": pl.Int64, "slot_id": pl.UInt32}, orient="row")
    return capacity.accesses(frame, 41)


def gaps_of(seen):
    order = np.lexsort((seen.block, seen.slot))
    slot, block = seen.slot[order], seen.block[order]
    same = np.r_[slot[1:] == slot[:-1], False]
    duration = np.where(same, np.r_[block[1:], 0] - block, seen.end - block)
    kept = duration > 0
    return r.Gaps(np.zeros(kept.sum()), duration[kept].astype(float), same[kept])


@given(pairs, st.integers(0, 45))
def test_without_a_limit_it_is_the_replay_of_spells(rows, window):
    seen = seen_of(rows)
    found = capacity.by_recency(seen, window=window)
    wanted = r.replay(gaps_of(seen), float(window), c.two_tiers(7.0))
    assert found.misses == wanted.miss_cold.sum()
    assert found.held == wanted.ram.sum()
    assert found.first == seen.slots


@given(pairs)
def test_without_any_limit_nothing_is_missed(rows):
    seen = seen_of(rows)
    assert capacity.by_recency(seen).misses == 0
    assert capacity.by_recency(seen).held == r.replay(gaps_of(seen), np.inf, c.two_tiers(1)).ram.sum()


def test_real_traces_agree_too():
    trace = datasets.load_trace("sample")
    spells = intervals.build(trace).filter(pl.col("entry") == 0)
    created = trace.slots.filter(pl.col("created_block").is_not_null())
    seen = capacity.accesses(trace.accesses, trace.capability.window_stop - 1)
    found = capacity.by_recency(seen, window=100)
    wanted = r.replay(gaps_of(seen), 100.0, c.two_tiers(1.0))
    assert found.misses == wanted.miss_cold.sum()
    assert len(spells) > 0 < len(created)


@given(pairs, st.integers(1, 8))
def test_least_recently_used_is_that_of_an_ordered_dictionary(rows, room):
    seen = seen_of(rows)
    cache, known, misses = OrderedDict(), set(), 0
    for s in seen.slot.tolist():
        if s in cache:
            cache.move_to_end(s)
            continue
        misses += s in known
        known.add(s)
        if len(cache) == room:
            cache.popitem(last=False)
        cache[s] = True
    assert capacity.by_recency(seen, capacity=room).misses == misses


@pytest.mark.parametrize("room", [0, -1, float("nan")])
def test_no_room_is_refused(room):
    seen = seen_of([(1, 1)])
    with pytest.raises(InputError, match="at least 1 slot"):
        capacity.by_recency(seen, capacity=room)


def test_other_bad_input_is_named():
    seen = seen_of([(1, 1)])
    with pytest.raises(InputError, match="no accesses"):
        seen_of([])
    with pytest.raises(InputError, match="at least 0 idle blocks"):
        capacity.by_recency(seen, window=-1)
    assert windows.ski_rental(c.two_tiers(5.0)) == 5.0
