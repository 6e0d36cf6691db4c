"""Equal memory, hits behind a border, and the export that others read."""

import dataclasses

import numpy as np
import polars as pl
import pytest

from rollstate.caching import curves, streams
from rollstate.errors import InputError
from rollstate.traces import datasets


@pytest.fixture(scope="module")
def trace():
    return datasets.load_trace("sample")


@pytest.fixture(scope="module")
def seen(trace):
    return streams.accesses(trace)


def test_accesses_follow_transactions_or_slots(trace, seen):
    wanted = (
        trace.accesses.group_by("block_number", "slot_id")
        .agg(pl.col("tx_index").min())
        .sort("block_number", "tx_index", "slot_id")
    )
    ids = np.sort(wanted["slot_id"].unique().to_numpy())
    assert (ids[seen.slot] == wanted["slot_id"].to_numpy()).all()
    assert (seen.block == wanted["block_number"].to_numpy()).all()
    assert seen.ordered == 1
    by_slot = streams.accesses(trace, streams.BY_SLOT)
    assert sorted(zip(by_slot.block, by_slot.slot, strict=True)) == list(
        zip(by_slot.block, by_slot.slot, strict=True)
    )
    unknown = dataclasses.replace(
        trace, accesses=trace.accesses.with_columns(tx_index=pl.lit(None, pl.Int32))
    )
    assert streams.accesses(unknown).ordered == 0
    assert (streams.accesses(unknown).slot == by_slot.slot).all()


def test_equal_memory_is_kept(seen):
    """Slots, what lies beside them, and ghosts fit into the same bytes, and one more would not."""
    for name, policy in curves.FIXED.items():
        for share in (0.01, 0.1):
            each = 100 + policy.beside + policy.ghosts * 24
            room = policy.room(share, seen.slots, 100)
            budget = share * seen.slots * 100
            assert room * each <= budget < (room + 1) * each, name
    rooms = {name: policy.room(0.1, seen.slots, 100) for name, policy in curves.FIXED.items()}
    assert rooms[curves.ARC] < rooms[curves.LRU] < rooms[curves.FILLED]


def test_hits_are_counted_among_repeated_accesses_behind_the_border(seen):
    border = len(seen.slot) // 2
    found = curves.hit_ratios(
        seen, {curves.LRU: curves.FIXED[curves.LRU]}, [0.05], border=border, slot_bytes=100, draws=50, seed=1
    )
    room = curves.FIXED[curves.LRU].room(0.05, seen.slots, 100)
    cache, known, hits, counted = {}, set(), 0, 0
    for i, s in enumerate(seen.slot.tolist()):
        if i >= border and s in known:
            counted += 1
            hits += s in cache
        known.add(s)
        cache.pop(s, None)
        if len(cache) == room:
            del cache[next(iter(cache))]
        cache[s] = True
    one = curves.row(found, curves.LRU, 0.05)
    assert one.value == pytest.approx(hits / counted)
    assert one.low <= one.value <= one.high


@pytest.mark.thorough
def test_the_share_of_the_gap_that_is_closed(seen):
    border = len(seen.slot) // 2
    every = curves.FIXED | curves.survival_policies(seen, border, seed=1)
    found = curves.hit_ratios(seen, every, [0.02, 0.1], border=border, slot_bytes=100, draws=20, seed=1)
    for line in curves.gap_closed(found, curves.HAZARD).iter_rows(named=True):
        best = curves.row(found, line["best"], line["share"]).value
        own, bound = (curves.row(found, name, line["share"]).value for name in (curves.HAZARD, curves.BELADY))
        assert best == max(curves.row(found, name, line["share"]).value for name in curves.CLASSICAL)
        assert line["closed"] == pytest.approx((own - best) / (bound - best))
    for name in (curves.BELADY,):
        assert (curves.gap_closed(found, name)["closed"] == 1).all()


@pytest.mark.thorough
def test_survival_policies_know_only_what_came_before(seen):
    border = len(seen.slot) // 2
    altered = dataclasses.replace(
        seen, slot=np.r_[seen.slot[:border], seen.slot[border:][::-1]], block=seen.block.copy()
    )
    for name in (curves.HAZARD, curves.RATE):
        own = curves.survival_policies(seen, border, seed=1)[name]
        other = curves.survival_policies(altered, border, seed=1)[name]
        hits = [one.run(seen.slot, seen.slots, 50) for one in (own, other)]
        assert (hits[0] == hits[1]).all()


def test_bad_input_is_named(trace, seen):
    with pytest.raises(InputError, match="order 'x'"):
        streams.accesses(trace, "x")
    with pytest.raises(InputError, match="no accesses"):
        streams.accesses(dataclasses.replace(trace, accesses=trace.accesses.clear()))
    thinned = dataclasses.replace(trace, capability=dataclasses.replace(trace.capability, observed_every=3))
    with pytest.raises(InputError, match="did not observe every block"):
        streams.accesses(thinned)
    fixed = {"border": 0, "slot_bytes": 100, "draws": 20, "seed": 1}
    with pytest.raises(InputError, match="shares of the footprint"):
        curves.hit_ratios(seen, curves.FIXED, [0.0], **fixed)
    with pytest.raises(InputError, match="no cache can hit"):
        curves.hit_ratios(seen, curves.FIXED, [0.1], **(fixed | {"border": len(seen.slot)}))
    with pytest.raises(InputError, match="no gap to learn from"):
        curves.survival_policies(seen, 0, seed=1)


def test_the_export_is_read_as_it_was_written(seen, tmp_path):
    path = streams.export(seen, tmp_path / "trace.oracleGeneral", block_s=12.0, size=32)
    rows = np.fromfile(path, np.dtype("<u4, <u8, <u4, <i8"))
    assert path.stat().st_size == 24 * len(seen.slot)
    assert (rows["f1"] == seen.slot + 1).all()
    assert (rows["f2"] == 32).all()
    assert rows["f0"][-1] == 12 * (seen.block[-1] - seen.block[0])
    last = {}
    for i in range(len(rows) - 1, -1, -1):
        assert rows["f3"][i] == last.get(seen.slot[i], -1)
        last[seen.slot[i]] = i
    with pytest.raises(InputError, match="above 0"):
        streams.export(seen, path, size=0)


def test_libcachesim_reads_the_export(seen, tmp_path):
    other = pytest.importorskip("libcachesim", reason="the oracle needs libcachesim")
    path = streams.export(seen, tmp_path / "trace.oracleGeneral.bin")
    reader = other.TraceReader(str(path), trace_type=other.TraceType.ORACLE_GENERAL_TRACE)
    missed, _ = other.LRU(200).process_trace(reader)
    own = curves.FIXED[curves.LRU].run(seen.slot, seen.slots, 200)
    assert missed == pytest.approx(1 - own.mean(), abs=1e-9)
