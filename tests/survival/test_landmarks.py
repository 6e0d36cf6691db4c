"""A landmark asks only what is known, and every slot seen by then has one answer."""

from collections import Counter

import numpy as np
import polars as pl
import pytest

from rollstate import intervals
from rollstate.errors import InputError
from rollstate.survival import landmarks
from rollstate.traces import datasets


@pytest.fixture(scope="module")
def trace():
    return datasets.load_trace("sample")


@pytest.fixture(scope="module")
def spells(trace):
    return intervals.build(trace)


def by_hand(trace, block, horizon):
    """Return idle time and answer of every slot accessed by a block, from the accesses themselves."""
    seen = trace.accesses.select("slot_id", "block_number").unique()
    last = seen.filter(pl.col("block_number") <= block).group_by("slot_id").agg(pl.col("block_number").max())
    following = seen.filter(pl.col("block_number").is_between(block + 1, block + horizon))
    following = following.group_by("slot_id").agg(pl.col("block_number").min().alias("next"))
    return last.join(following, on="slot_id", how="left").sort("slot_id")


@pytest.mark.parametrize(("block", "horizon"), [(1500, 1), (1700, 40), (2000, 300), (2795, 4)])
def test_one_row_per_slot_with_the_answer_of_the_accesses(trace, spells, block, horizon):
    last_block = trace.capability.window_stop - 1
    rows = landmarks.landmark(spells, block, horizon, last_block).sort("slot_id")
    # A slot created and not accessed yet has been seen, too.
    wanted = by_hand(trace, block, horizon)
    rows = rows.filter(pl.col("slot_id").is_in(wanted["slot_id"].implode()))
    assert rows["slot_id"].to_list() == wanted["slot_id"].to_list()
    assert rows["idle"].to_list() == (block - wanted["block_number"]).to_list()
    assert rows["accessed"].to_list() == wanted["next"].is_not_null().to_list()
    assert rows["wait"].to_list() == (wanted["next"] - block).to_list()


def test_what_was_known_does_not_depend_on_what_followed(trace, spells):
    block = 2000
    early = intervals.build(trace, window=(trace.capability.window_start, block + 1))
    columns = ["slot_id", "start", "entry", "duration", "event"]
    known = landmarks.as_of(spells, block).select(columns).sort("slot_id", "start")
    assert known.equals(early.select(columns).sort("slot_id", "start"))


def test_recent_counts_look_back_only(trace, spells):
    block, window = 2000, 50
    rows = landmarks.landmark(spells, block, 10, trace.capability.window_stop - 1)
    added = landmarks.add_recent(rows, recents(spells, block, window))
    seen = trace.accesses.select("slot_id", "block_number").unique()
    seen = seen.filter(pl.col("block_number").is_between(block - window + 1, block))
    own = dict(seen.group_by("slot_id").len().iter_rows())
    wanted = [np.log1p(own.get(slot, 0)) for slot in added["slot_id"]]
    assert added[f"slot_recent_{window}"].to_list() == pytest.approx(wanted)
    contract = dict(trace.slots.select("slot_id", "contract_id").iter_rows())
    together = Counter()
    for slot, times in own.items():
        together[contract[slot]] += times
    wanted = [np.log1p(together[contract[slot]] - own.get(slot, 0)) for slot in added["slot_id"]]
    assert added[f"contract_recent_{window}"].to_list() == pytest.approx(wanted)
    assert added["log_idle"].to_list() == pytest.approx(np.log1p(rows["idle"].to_numpy()))
    future = spells.filter(pl.col("start") <= block)
    assert landmarks.add_recent(rows, recents(future, block, window)).equals(added)


def recents(spells, block, window):
    return {window: tuple(landmarks.recent(spells, block, window, key) for key in ("slot_id", "contract_id"))}


@pytest.mark.parametrize(
    ("block", "horizon", "match"),
    [(2799, 1, "must end by"), (2000, 0, "must end by"), (900, 5, "no slot had been seen")],
)
def test_questions_without_an_answer_are_refused(spells, block, horizon, match):
    with pytest.raises(InputError, match=match):
        landmarks.landmark(spells, block, horizon, 2799)


def test_a_spell_counts_from_the_block_in_which_it_came_into_view_to_the_last_one_seen():
    """The first slot is seen from block 105 on, accessed in 113; the second is seen up to block 108."""
    frame = pl.DataFrame(
        {
            "slot_id": [1, 2],
            "start": [100, 101],
            "entry": [4, 0],
            "duration": [13, 7],
            "event": [True, False],
        }
    )
    for block, slots in ((103, [2]), (104, [1, 2]), (108, [1, 2]), (109, [1]), (112, [1])):
        assert landmarks.landmark(frame, block, 1, 200)["slot_id"].to_list() == slots
    rows = landmarks.landmark(frame, 108, 5, 200)
    assert rows["accessed"].to_list() == [True, False]
    assert rows["wait"].to_list() == [5, None]
    assert rows["idle"].to_list() == [8, 7]
    assert landmarks.landmark(frame, 108, 4, 200)["accessed"].to_list() == [False, False]
    with pytest.raises(InputError, match="no slot had been seen"):
        landmarks.landmark(frame, 113, 1, 200)
