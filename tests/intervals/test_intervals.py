"""Spells count every block at risk once, know nothing of the future, and enter late where they must."""

import dataclasses
from collections import defaultdict
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import TOUCHES, WINDOW, make_trace

from rollstate import intervals
from rollstate.errors import InputError
from rollstate.traces import datasets, store, zksp
from rollstate.traces.schema import Trace
from rollstate.traces.visits import Counts, shared_counts

START, STOP = WINDOW
CREATED = st.one_of(st.none(), st.integers(START - 20, STOP - 1))


@st.composite
def traces(draw):
    """A random trace, with some creations known and some slots never touched."""
    touches = draw(TOUCHES)
    names = {(contract, slot) for _, _, contract, slot, _ in touches} | draw(
        st.sets(st.tuples(st.integers(1, 3), st.integers(5, 7)), max_size=2)
    )
    return make_trace(touches, [(*name, draw(CREATED)) for name in sorted(names)])


WINDOWS = st.tuples(st.integers(START, STOP - 1), st.integers(START + 1, STOP)).filter(lambda w: w[0] < w[1])


def reference(trace: Trace, a: int, b: int) -> list[tuple]:
    """Walk through every slot block by block: slow, and written independently of the package."""
    touches = defaultdict(lambda: defaultdict(list))
    for block, tx, slot, write in trace.accesses.rows():
        if block < b:
            touches[slot][block].append((tx, write))
    contract_of = dict(trace.slots.select("slot_id", "contract_id").rows())
    created = dict(trace.slots.select("slot_id", "created_block").rows())
    touched_in = defaultdict(set)
    touched_by = defaultdict(set)
    for block, tx, slot, _ in trace.accesses.rows():
        touched_in[contract_of[slot], block].add(slot)
        if tx is not None:
            touched_by[block, tx].add(slot)
    origins = {}
    for slot in contract_of:
        visits = set(touches[slot])
        born = created[slot]
        if born is not None and START <= born < b and (not visits or born < min(visits)):
            visits = visits | {born}
        origins[slot] = sorted(visits)
    out = []
    for slot, visits in origins.items():
        for number, start in enumerate(visits):
            following = visits[number + 1] if number + 1 < len(visits) else None
            at_risk = [
                block - start
                for block in range(a, b)
                if block > start and (following is None or block <= following)
            ]
            if not at_risk:
                continue
            seen = [block for block in visits[: number + 1] if block in touches[slot]]
            here = touches[slot].get(start, [])
            txs = [len(touched_by[start, tx]) - 1 for tx, _ in here if tx is not None]
            family = [
                block
                for other, first in origins.items()
                if contract_of[other] == contract_of[slot]
                for block in (*first[:1], created[other])
                if block is not None
            ]
            out.append(
                (
                    slot,
                    start,
                    min(at_risk) - 1,
                    max(at_risk),
                    following is not None,
                    len(seen),
                    start - visits[number - 1] if number else None,
                    start - min(visits[0], visits[0] if created[slot] is None else created[slot]),
                    start - min(family),
                    len(touched_in[contract_of[slot], start] - {slot}),
                    max(txs) if txs else None,
                    any(write for _, write in here),
                )
            )
    return out


COLUMNS = [
    "slot_id",
    "start",
    "entry",
    "duration",
    "event",
    "n_accesses",
    "prev_gap",
    "slot_age",
    "contract_age",
    "co_contract",
    "co_tx",
    "wrote",
]


@given(traces(), WINDOWS)
def test_spells_are_those_of_a_walk_block_by_block(trace, window):
    assert intervals.build(trace, window=window).select(COLUMNS).rows() == reference(trace, *window)


@given(traces(), WINDOWS, st.lists(st.sampled_from(intervals.COLUMNS), min_size=1, unique=True))
def test_some_columns_are_those_of_all(trace, window, columns):
    whole = intervals.build(trace, window=window)
    assert whole.columns == list(intervals.COLUMNS)
    assert intervals.build(trace, window=window, columns=columns).equals(whole.select(columns))


@given(traces(), WINDOWS)
def test_exposure_adds_up_exactly(trace, window):
    a, b = window
    spells = intervals.build(trace, window=window)
    at_risk = dict(
        spells.group_by("slot_id").agg((pl.col("duration") - pl.col("entry")).sum().alias("blocks")).rows()
    )
    first = dict(trace.accesses.group_by("slot_id").agg(pl.col("block_number").min()).rows())
    for slot, born in trace.slots.select("slot_id", "created_block").rows():
        known = [block for block in (first.get(slot), born) if block is not None and block >= START]
        # From the block after the first sight of the slot, or the window's start, to the window's end.
        expected = max(0, b - max(a, min(known) + 1)) if known else 0
        assert at_risk.get(slot, 0) == expected


@given(traces(), st.data())
def test_splitting_a_window_and_joining_loses_nothing(trace, data):
    a, b = data.draw(WINDOWS)
    cut = data.draw(st.integers(a, b))
    parts = [intervals.build(trace, window=w) for w in ((a, cut), (cut, b)) if w[0] < w[1]]
    joined = (
        pl.concat(parts)
        .group_by("slot_id", "start")
        .agg(
            pl.col("entry").min(),
            pl.col("duration").max(),
            pl.col("event").any(),
            (pl.col("duration") - pl.col("entry")).sum().alias("exposure"),
        )
        .sort("slot_id", "start")
    )
    whole = intervals.build(trace, window=(a, b)).select(
        "slot_id",
        "start",
        "entry",
        "duration",
        "event",
        (pl.col("duration") - pl.col("entry")).alias("exposure"),
    )
    assert joined.equals(whole)


@given(traces(), TOUCHES, st.integers(START, STOP - 1))
def test_no_future_edit_changes_a_past_covariate(trace, others, block):
    rows = trace.accesses.join(trace.slots.select("slot_id", "address", "slot"), on="slot_id")
    past = rows.filter(pl.col("block_number") <= block).drop("slot_id")
    other = make_trace(others)
    future = other.accesses.join(other.slots.select("slot_id", "address", "slot"), on="slot_id").filter(
        pl.col("block_number") > block
    )
    known = trace.slots.select("address", "slot", "created_block")
    edited = store.assemble(pl.concat([past, future.select(past.columns)]), trace.capability, slots=known)

    def covariates(of):
        spells = intervals.build(of).filter(pl.col("start") <= block)
        outcomes = ("slot_id", "contract_id", "entry", "duration", "event")
        return spells.join(of.slots.select("slot_id", "address", "slot"), on="slot_id").drop(outcomes)

    # A creation stated after the edit's end of the past is future too: compare what both saw begin.
    left, right = (covariates(of).sort("address", "slot", "start") for of in (trace, edited))
    assert left.equals(right)


@given(traces(), WINDOWS, st.integers(1, 4))
def test_part_by_part_gives_the_same_spells(tmp_path_factory, trace, window, parts):
    folder = tmp_path_factory.mktemp("parts") / "trace"
    store.write_trace(trace, folder, parts=parts)
    pieces = list(intervals.build_partitioned(folder, window=window))
    whole = intervals.build(trace, window=window)
    assert pl.concat(pieces).sort("slot_id", "start").equals(whole)


@given(traces(), WINDOWS, st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(trace, window, random):
    def shuffled(frame):
        order = list(range(frame.height))
        random.shuffle(order)
        return frame[order]

    mixed = dataclasses.replace(trace, accesses=shuffled(trace.accesses), slots=shuffled(trace.slots))
    assert intervals.build(mixed, window=window).equals(intervals.build(trace, window=window))


@given(traces(), st.integers(START + 1, STOP - 1))
def test_last_accesses_are_history_enough_to_go_on(trace, cut):
    later = dataclasses.replace(
        trace,
        accesses=trace.accesses.filter(pl.col("block_number") >= cut),
        capability=dataclasses.replace(trace.capability, window_start=cut),
    )
    # The last access, or the creation of a slot that had none yet.
    seen = trace.accesses.filter(pl.col("block_number") < cut)
    born = trace.slots.filter(pl.col("created_block").is_between(START, cut - 1)).join(
        seen, on="slot_id", how="anti"
    )
    history = pl.concat(
        [
            seen.group_by("slot_id").agg(last_access=pl.col("block_number").max()),
            born.select("slot_id", last_access="created_block"),
        ]
    )
    times = ["slot_id", "start", "entry", "duration", "event"]
    continued = intervals.build(later, history=history)
    assert continued.select(times).equals(intervals.build(trace, window=(cut, STOP)).select(times))
    before = continued.filter(pl.col("start") < cut)
    assert (before["n_accesses"] == 1).all()
    for unknown in ("prev_gap", "co_contract", "co_tx", "wrote"):
        assert before[unknown].is_null().all()


def test_a_history_must_be_one():
    trace = make_trace([(105, 0, 1, 1, True)])
    for rows, message in (
        ({"slot_id": [0]}, "last_access"),
        ({"slot_id": [0], "last_access": [START]}, "does not lie before"),
        ({"slot_id": [0, 0], "last_access": [5, 6]}, "twice"),
    ):
        with pytest.raises(InputError, match=message):
            intervals.build(trace, history=pl.DataFrame(rows))


def test_accesses_must_fit_the_stamp_and_the_slots():
    trace = make_trace([(105, 0, 1, 1, True)])
    moved = dataclasses.replace(trace.capability, window_start=110)
    with pytest.raises(InputError, match="outside of the stamp"):
        intervals.build(dataclasses.replace(trace, capability=moved))
    with pytest.raises(InputError, match="does not describe"):
        intervals.build(dataclasses.replace(trace, slots=trace.slots.head(0)))


def test_ages_count_from_a_creation_known_from_before_the_trace():
    trace = make_trace([(110, 0, 1, 1, True), (112, 0, 1, 2, True)], [(1, 1, START - 50), (1, 2, None)])
    spells = intervals.build(trace)
    assert spells.select("slot_age", "contract_age", "rate").rows() == [(60, 60, 1.0), (0, 62, 1.0)]


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=30), st.sampled_from([0, 57, 60]))
def test_rows_that_share_a_key_are_counted_whether_or_not_it_fits_one_sort(rows, shift):
    key = np.array([key << shift for key, _ in rows], np.int64)
    counted = np.array([flag for _, flag in rows], bool)
    expected = [sum(flag for other, flag in rows if other == key) for key, _ in rows]
    assert shared_counts(key, counted, None).tolist() == expected
    assert shared_counts(key, None, Counts.collect([key[counted]])).tolist() == expected


@given(traces())
def test_spells_do_not_depend_on_keys_or_on_slots_of_which_nothing_is_known(trace):
    touched = trace.accesses["slot_id"].unique().implode()
    told = trace.slots.filter(pl.col("slot_id").is_in(touched) | pl.col("created_block").is_not_null())
    spells = intervals.build(trace)
    assert spells.equals(intervals.build(trace.without_keys()))
    assert spells.equals(intervals.build(dataclasses.replace(trace, slots=told)))


def test_classes_and_rates_count_the_accesses_so_far():
    # Created in block 100, the trace's first one, then accessed in five blocks: the creation is no access.
    blocks = [103, 104, 109, 119, 124]
    trace = make_trace([(block, 0, 1, 1, True) for block in blocks], [(1, 1, START)])
    spells = intervals.build(trace)
    assert spells.select("start", "n_accesses", "activity").rows() == [
        (100, 0, "first"),
        (103, 1, "first"),
        (104, 2, "few"),
        (109, 3, "few"),
        (119, 4, "few"),
        (124, 5, "many"),
    ]
    # Blocks since the slot was first seen count both ends.
    assert spells["rate"].to_list() == [0 / 1, 1 / 4, 2 / 5, 3 / 10, 4 / 20, 5 / 25]


def test_slot_with_unknown_past_is_not_taken_as_fresh():
    trace = make_trace([(110, 0, 1, 1, True)], [(1, 1, None), (1, 2, None), (1, 3, START - 5)])
    spells = intervals.build(trace)
    assert spells.select("slot_id", "start", "entry", "duration", "event").rows() == [(0, 110, 0, 19, False)]


def test_history_gives_true_delayed_entry():
    trace = make_trace([(105, 0, 1, 1, True), (118, 0, 1, 1, False)])
    spells = intervals.build(trace, window=(110, 130))
    assert spells.select("start", "entry", "duration", "event").rows() == [
        (105, 4, 13, True),
        (118, 0, 11, False),
    ]


def test_bad_window_is_refused():
    trace = make_trace([(105, 0, 1, 1, True)])
    for window in ((105, 105), (90, 120), (110, 140)):
        with pytest.raises(InputError, match="window"):
            intervals.build(trace, window=window)


def test_empty_trace_gives_no_spells():
    trace = make_trace([])
    assert intervals.build(trace).height == 0


@pytest.mark.real_data
def test_mainnet_spells(data_dir):
    trace = datasets.load_trace("mainnet-bal")
    spells = intervals.build(trace)
    per_slot = trace.accesses.select("slot_id", "block_number").unique()
    # 60,179 visits on 33,645 slots: all but the first of a slot end a spell.
    assert spells["event"].sum() == per_slot.height - trace.slots.height == 26_534
    first = per_slot.group_by("slot_id").agg(pl.col("block_number").min())
    expected = (trace.capability.window_stop - 1 - first["block_number"]).sum()
    assert (spells["duration"] - spells["entry"]).sum() == expected


@pytest.fixture(scope="module")
def peer(data_dir):
    return zksp.read(Path(data_dir) / "zksp" / "mock_contracts200_blocks200000_seed42.csv.gz", 200_000)


PEER_WINDOW = (40_000, 200_000)


@pytest.mark.real_data
def test_peer_rule_reproduces_the_peers_numbers(peer):
    found = intervals.build_peer(peer, window=PEER_WINDOW)
    assert found["slot_id"].n_unique() == 40_391
    assert found.height == 55_781
    assert found["event"].sum() == 15_390
    assert found["duration"].sum() == 3_288_391_615
    assert found.filter("left_truncated")["slot_id"].n_unique() == 6_346


@pytest.mark.real_data
def test_delayed_entry_changes_the_peers_picture(peer):
    # The peer restarts pre-existing slots at the window's start: their waiting time so far is lost.
    found = intervals.build_peer(peer, window=PEER_WINDOW)
    right = intervals.build(peer, window=PEER_WINDOW)
    late = right.filter(pl.col("entry") > 0)
    assert late.height > 0.9 * found.filter(pl.col("left_truncated") & (pl.col("n_accesses") == 0)).height
    assert (late["duration"] > late["entry"]).all()
    restarted = found.filter("left_truncated").group_by("slot_id").agg(pl.col("duration").first())
    # The true gap is longer than the restarted one for every slot that waited before the window.
    both = late.sort("start").unique("slot_id", keep="first").join(restarted, on="slot_id", suffix="_peer")
    assert (both["duration"] > both["duration_peer"]).mean() > 0.95


BORN = st.integers(START - 20, STOP - 1)


@given(TOUCHES, st.dictionaries(st.tuples(st.integers(1, 3), st.integers(0, 7)), BORN), WINDOWS)
def test_peer_rule_is_that_of_a_walk_slot_by_slot(touches, extra, window):
    a, b = window
    names = {(contract, slot): START for _, _, contract, slot, _ in touches} | extra
    trace = make_trace(touches, [(*name, born) for name, born in sorted(names.items())])
    visited = defaultdict(set)
    for block, _, slot, _ in trace.accesses.rows():
        visited[slot].add(block)
    expected = []
    for slot, born in trace.slots.select("slot_id", "created_block").rows():
        if born >= b:
            continue
        origin = max(a, born)
        inside = sorted(block for block in visited[slot] if origin <= block < b)
        starts = sorted({origin, *inside})
        for start, end in zip(starts, [*starts[1:], None], strict=True):
            duration = (b if end is None else end) - start
            seen = sum(block <= start for block in inside)
            expected.append((slot, start, 0, duration, end is not None, seen, start - born, born < a))
    columns = ["slot_id", "start", "entry", "duration", "event", "n_accesses", "slot_age", "left_truncated"]
    assert intervals.build_peer(trace, window=window).select(columns).rows() == expected


def test_peer_rule_needs_creations():
    with pytest.raises(InputError, match="created_block"):
        intervals.build_peer(make_trace([(105, 0, 1, 1, True)]))
