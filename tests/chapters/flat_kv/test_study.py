"""The chapter's own frames, on tries small enough to think through."""

import numpy as np
import polars as pl
import pytest

from rollstate.chapters.flat_kv import study
from rollstate.chapters.flat_kv.parameters import FlatKv
from rollstate.dispute import trie_shape
from rollstate.estimate import Estimate
from rollstate.execution import commitment_cost
from rollstate.traces import datasets

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
    assert set(found) == {"delta_32", "delta_list"}
    assert found["delta_32"] > found["delta_list"]
