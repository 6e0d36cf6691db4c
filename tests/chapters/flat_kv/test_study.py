"""The chapter's own frames, on tries small enough to think through."""

import numpy as np
import polars as pl
import pytest

from rollstate.chapters.flat_kv import study
from rollstate.chapters.flat_kv.parameters import FlatKv
from rollstate.dispute import trie_shape
from rollstate.estimate import Estimate
from rollstate.execution import commitment_cost
from rollstate.traces import datasets, parts, store, summary

P = FlatKv(sizes=(1_000, 10_000), batch=200, merged_batches=3, depths=(32,))


@pytest.fixture(scope="module")
def counted():
    return study.counts(P)


def test_rarer_roots_cost_less_and_a_flat_store_one_read(counted):
    for _, part in counted[0].group_by("keys"):
        reads = dict(part.select("mode", "reads").iter_rows())
        assert reads[study.UPDATE] > reads[study.BATCH] > reads[study.MERGED]
        assert reads[study.FLAT] == 1


def test_the_line_goes_through_two_points(counted):
    found = study.count_results(counted[0])
    assert found["residual"] == pytest.approx(0, abs=1e-9)
    assert found["gain_batch"] == found["reads_batch"]
    assert (found["smallest"], found["largest"]) == (1_000, 10_000)


@pytest.mark.thorough
def test_every_written_slot_of_a_trace_is_a_key_of_the_state(counted):
    trace = datasets.load_trace("sample")
    found = study.written(trace, counted[1], P.value_bytes)
    pairs = trace.accesses.filter("is_write").select("block_number", "slot_id").unique()
    assert found.updates == pairs.height
    assert len(found.blocks) == pairs["block_number"].n_unique()
    assert np.isin(np.concatenate(found.blocks), found.shape.keys).all()
    reads = study.choices(found, P)
    once = reads.filter(pl.col("mode") == "one root for all blocks")["reads"]
    assert (once <= reads.filter(pl.col("mode") == "root per block")["reads"]).all()


def test_merging_the_same_block_twice_halves_the_work():
    block = np.arange(1, 50, dtype=np.uint64) << np.uint64(50)
    frame = study.merging([block, block])
    twice = Estimate(2.0, 2.0, 2.0)
    assert study.merge_results(frame) == {"merge_leaves": twice, "merge_nodes": twice}
    assert set(study.merge_results(study.merging([block] * 10))) == {
        "merge_leaves", "merge_nodes", "merge_leaves_10", "merge_nodes_10",
    }  # fmt: skip


def test_merged_runs_weigh_by_their_work_as_in_the_chapter_on_conflicts():
    """Ratios of sums, here and there: the share of nodes left is the inverse of the ratio quoted here."""
    blocks = commitment_cost.written_keys(datasets.load_trace("sample"))
    apart, together = trie_shape.runs(blocks, 10)
    ratios = study.merge_results(study.merging(blocks))
    for at, name in enumerate(("merge_leaves_10", "merge_nodes_10")):
        assert 1 / ratios[name].value == pytest.approx(together[:, at].sum() / apart[:, at].sum())


def test_a_depth_that_was_not_asked_for_has_no_count(counted):
    found = study.hash_results(study.hashing(counted[0], P))
    assert set(found) == {"delta_32", "delta_list", "delta_collapsed"}
    assert found["delta_collapsed"] == pytest.approx(2 - 1 / P.batch)
    assert found["delta_32"] > found["delta_list"]


E = FlatKv(evm_sizes=(1_000, 3_000), evm_blocks=2, evm_transactions=12)


@pytest.fixture(scope="module")
def compared():
    return study.compared(study.executed_embedded(E), "embedded", E)


@pytest.mark.thorough
def test_executed_blocks_are_compared_at_every_size_and_without_clocks(compared):
    assert compared["keys"].unique().sort().to_list() == [1_000, 3_000]
    assert compared.height == 2 * 2 * 2
    assert not [name for name in compared.columns if "seconds" in name]
    found = study.compared_results(compared)
    rows = compared.filter(keys=3_000)
    sums = {
        world: sum(rows.filter(world=world).select("reads", "writes").sum().row(0))
        for world in ("flat", "trie")
    }
    assert found["embedded_operations"] == pytest.approx(sums["trie"] / sums["flat"])
    assert found["embedded_operations"] > found["embedded_operations_first"] > 1
    assert found["embedded_blocks"] == 2
    each = study.operations(compared)
    assert (each["low"] <= each["mean"]).all()
    assert (each["mean"] <= each["high"]).all()


def test_times_are_ratios_of_means_and_span_the_blocks():
    frame = pl.DataFrame(
        [
            {"keys": 10, "block": block, "world": world, "read_seconds": a, "write_seconds": a,
             "hash_seconds": a, "evm_seconds": 1.0, "state_seconds": 9 * a}
            for block, world, a in ((1, "flat", 1.0), (1, "trie", 2.0), (2, "flat", 1.0), (2, "trie", 6.0))
        ]
    )  # fmt: skip
    found = study.time_results(study.time_ratios(frame))
    assert found["time_database"] == Estimate(4.0, 2.0, 6.0)
    assert found["time_compiled"] == Estimate((7 + 19) / 8, 7 / 4, 19 / 4)
    assert found["time_whole"] == Estimate((19 + 55) / 20, 1.9, 5.5)
    assert found["time_database"] == found["time_database_first"]


def test_the_recorded_times_are_complete():
    found = study.recorded_times()
    assert found["machine"].n_unique() == 1
    per_run = found.group_by("keys", "block").len()
    assert (per_run["len"] == 2).all()
    assert set(study.time_results(study.time_ratios(found))) >= {
        "time_database",
        "time_compiled",
        "time_whole",
    }


@pytest.mark.real_data
def test_published_blocks_are_chosen_by_their_size():
    chosen = study.executed_published(FlatKv(evm_transactions=40, evm_blocks=5))
    assert [one.transactions for one in chosen] == [37, 24]


def test_of_a_large_trace_in_parts_a_stretch_is_taken(counted, tmp_path, monkeypatch):
    whole = datasets.load_trace("sample")
    store.write_trace(whole, tmp_path / "three", parts=3)
    at = str(tmp_path / "three")
    alone, window = study.load(at)
    assert window is None
    assert study.notes(alone, window) == []
    assert alone.accesses.equals(whole.accesses)
    monkeypatch.setattr(parts, "IN_MEMORY", 1_000)
    monkeypatch.setattr(study, "TAKEN", 4_000)
    trace, window = study.load(at)
    stamp = trace.capability
    right = summary.restrict(whole, stamp.window_start, stamp.window_stop)
    assert stamp.n_blocks == 500
    assert f"500 of its 1,800 blocks with {right.accesses.height:,} of" in study.notes(trace, window)[0]
    found, exact = (study.written(one, counted[1], P.value_bytes) for one in (trace, right))
    assert [sorted(block) for block in found.blocks] == [sorted(block) for block in exact.blocks]
    assert study.merging(found.blocks).equals(study.merging(exact.blocks))
    monkeypatch.setattr(study, "MOST", 250)
    assert study.load(at)[0].capability.n_blocks == 250
