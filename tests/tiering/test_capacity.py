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


def by_hand(seen, priority, room, aging, admission):
    cache, known, misses, age = {}, set(), 0, 0.0
    for i, s in enumerate(seen.slot.tolist()):
        value = priority[i] + age
        if s in cache:
            cache[s] = value
            continue
        misses += s in known
        known.add(s)
        if len(cache) == room:
            gone = min(cache, key=lambda k: (cache[k], k))
            if admission and value < cache[gone]:
                continue
            if aging:
                age = cache[gone]
                value = priority[i] + age
            del cache[gone]
        cache[s] = value
    return misses


@given(pairs, st.integers(1, 8), st.booleans(), st.booleans())
def test_priority_caches_are_those_of_a_dictionary(rows, room, aging, admission):
    seen = seen_of(rows)
    priority = capacity.frequency(seen)
    found = capacity.by_priority(seen, priority, capacity=room, aging=aging, admission=admission)
    assert found.misses == by_hand(seen, priority, min(room, seen.slots), aging, admission)


@given(pairs, st.integers(1, 8))
def test_belady_misses_least(rows, room):
    seen = seen_of(rows)
    best = capacity.by_priority(seen, capacity.next_use(seen), capacity=room, admission=True).misses
    assert best <= capacity.by_recency(seen, capacity=room).misses
    for aging in (False, True):
        assert best <= capacity.by_priority(seen, capacity.frequency(seen), capacity=room, aging=aging).misses


@given(pairs)
def test_room_for_all_misses_nothing_and_holds_the_same(rows):
    seen = seen_of(rows)
    found = capacity.by_priority(seen, capacity.frequency(seen), capacity=seen.slots)
    assert found == capacity.by_recency(seen)


@given(pairs)
def test_counts_and_next_uses_are_those_of_a_walk(rows):
    seen = seen_of(rows)
    count, following = {}, {}
    wanted = []
    for s in seen.slot.tolist():
        count[s] = count.get(s, 0) + 1
        wanted.append(count[s])
    assert capacity.frequency(seen).tolist() == wanted
    later = [0.0] * len(seen.slot)
    for i in range(len(seen.slot) - 1, -1, -1):
        later[i] = -float(following.get(seen.slot[i], 2 * len(seen.slot)))
        following[seen.slot[i]] = i
    assert capacity.next_use(seen).tolist() == later


@pytest.mark.parametrize("room", [0, -1, float("nan")])
def test_no_room_is_refused(room):
    seen = seen_of([(1, 1)])
    with pytest.raises(InputError, match="at least 1 slot"):
        capacity.by_recency(seen, capacity=room)
    with pytest.raises(InputError, match="at least 1 slot"):
        capacity.by_priority(seen, np.ones(1), capacity=room)


def test_other_bad_input_is_named():
    seen = seen_of([(1, 1)])
    with pytest.raises(InputError, match="no accesses"):
        seen_of([])
    with pytest.raises(InputError, match="at least 0 idle blocks"):
        capacity.by_recency(seen, window=-1)
    with pytest.raises(InputError, match="finite number for each"):
        capacity.by_priority(seen, np.ones(2), capacity=1)
    assert windows.ski_rental(c.two_tiers(5.0)) == 5.0


def test_the_first_access_of_a_slot_is_its_earliest_block():
    seen = capacity.accesses(pl.DataFrame({"block_number": [5, 7, 7, 9], "slot_id": [3, 3, 8, 8]}), end=10)
    assert capacity.first_access(seen).tolist() == [5, 5, 7, 7]
