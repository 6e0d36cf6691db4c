"""The chapter's frames: estimates of the sample, and commitments that share nodes."""

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.traces import activity

from rollstate.chapters.execution import study
from rollstate.chapters.execution.parameters import Execution
from rollstate.errors import InputError
from rollstate.estimate import Estimate
from rollstate.execution import commitment_cost, conflicts, engines
from rollstate.traces import datasets, importing, parts, store, summary

P = Execution(
    trace="sample",
    measured="sample",
    rollup="sample",
    month="sample",
    draws=50,
    threads=(1, 2),
    intervals=(1, 4),
)


@pytest.fixture(scope="module")
def seen():
    return study.sample("sample", 1000, 1060)


def test_a_ratio_of_sums_weighs_blocks_by_their_work():
    assert study.ratio(np.array([9.0, 1.0]), np.array([1.0, 1.0]), P).value == 5
    assert study.mean(np.array([9.0, 1.0]), P).value == 5
    assert study.ratio(np.array([9.0, 1.0]), np.array([3.0, 1.0]), P).value == 2.5


def test_merged_commitments_share_nodes(seen):
    shares = study.kept(seen, P)
    one = shares.filter(interval=1)["share"].to_list()
    assert one == [1, 1]
    keys, nodes = shares.filter(interval=4)["share"].to_list()
    assert nodes < keys <= 1


def test_a_list_leaves_nothing_to_wait_for(seen):
    found = study.listed(seen, P)
    at = dict(found.filter(threads=P.quote).select("schedule", "speedup").iter_rows())
    strict, lazy, free = (at[name] for name in study.SCHEDULES)
    assert strict <= lazy * 1.01
    assert lazy <= free
    assert 1 < at[study.FULL_BLOCK] < P.quote
    one = found.filter(threads=1)["speedup"]
    assert one.to_list() == pytest.approx([1] * 4)


def test_prefetched_reads_are_never_slower(seen):
    frame = study.prefetch(seen, P)
    for depth in study.READ_DEPTHS:
        time = {name: study.pick(frame, "ms", engine=name, depth=depth).value for name in study.READING[1:]}
        # All reads are done before the end, and computing takes the threads' share at least.
        read = np.mean([r.sum() for r in study.reads(seen, P)]) / depth * 1e3
        assert time[study.READING[2]] >= max(read, P.compute_s * 1e3 / P.quote) * 0.999
        assert time[study.READING[2]] <= time[study.READING[1]] * 1.001
    assert frame.filter(engine=study.READING[0])["depth"].min() == P.quote
    with pytest.raises(InputError, match="at least quote = 8"):
        Execution(read_depth=4)
    many = frame.filter(depth=64)
    assert many.filter(engine=study.READING[1])["ms"][0] <= many.filter(engine=study.READING[0])["ms"][0]


def test_a_key_is_read_once_in_a_block(seen):
    for block, time in zip(seen.by_rule["strict"], study.reads(seen, P), strict=True):
        assert time.sum() == pytest.approx(P.disk_s * np.unique(np.concatenate(block.keys)).size)


def test_an_interval_over_samples_is_wider_than_one_over_blocks():
    rng = np.random.default_rng(1)
    blocks = [(rng.uniform(9, 11, 50) * speed, np.full(50, 10.0)) for speed in (2.0, 4.0, 9.0)]
    every = study.clustered(blocks, P)
    assert every.value == pytest.approx(np.mean([top.sum() / 500 for top, _ in blocks]))
    inside = [study.ratio(*sample, P) for sample in blocks]
    assert every.high - every.low > 3 * max(one.high - one.low for one in inside)
    assert study.clustered([(np.ones(3), np.ones(3))] * 2, P) == Estimate(1, 1, 1)


def test_remedies_have_a_line_for_every_sample(seen):
    table = study.remedy_table(seen, None, seen, seen, P)
    stored = [f"{name}, storage alone" for name in ("this trace", "rollup", "a month, thinned")]
    assert table["sample"].unique(maintain_order=True).to_list() == [*stored, study.EVERY]
    alone = table.filter(pl.col("sample") == stored[1]).select("remedy", "limit").rows()
    mean = table.filter(pl.col("sample") == study.EVERY).select("remedy", "limit").rows()
    assert dict(mean) == pytest.approx({name: dict(alone)[name] for name, _ in mean})


def test_replays_are_counted_by_how_near_they_are():
    frame = pl.DataFrame(
        {
            "accepted": [True, False, True],
            "gas": [100_000, 100_000, 100_000],
            "replayed gas": [100_000, 99_000, 100_050],
            "transactions": [3, 4, 5],
            "run by py-evm": [0, 2, 1],
        }
    )
    assert study.replay_results(frame) == {
        "replayed": 3, "accepted": 2, "exact": 1, "transactions": 12, "by_py_evm": 3,
    }  # fmt: skip


def test_a_model_is_judged_in_turn_and_over_all_halvings():
    fit = pl.DataFrame({"predicted": [1.0, 2.0, 4.0], "measured": [1.0, 2.0, 4.0]})
    every = pl.DataFrame({"rank_correlation": [0.2, 0.4, 0.9], "log_error": [0.1, 0.2, 0.3]})
    found = study.judged(fit, every, engines.Judged(0.6, 0.2))
    assert (found["rank_correlation"], found["log_error"], found["halvings"]) == (1, 0, 3)
    assert (found["rank_correlation_unfitted"], found["log_error_unfitted"]) == (0.6, 0.2)
    middle = found["rank_correlation_halvings"]
    assert middle.value == pytest.approx(0.5)
    assert 0.2 <= middle.low < middle.value < middle.high <= 0.9


def test_limits_follow_the_rules(seen):
    limits = study.limits(seen, P)
    found = [
        study.pick(limits, "limit", rule=rule, cost="unit", average="ratio of sums").value
        for rule in study.RULE_NAMES.values()
    ]
    assert found == sorted(found)


STEPS = [
    (b, t, c, s, (b + t + c + s) % 3) for b in range(3) for t in range(3) for c in (1, 2) for s in range(3)
]


@pytest.fixture
def lists(tmp_path):
    (tmp_path / "lists").mkdir()
    activity.rlp(activity.run(STEPS), tmp_path / "lists")
    return tmp_path / "lists"


def test_lists_and_the_trace_made_of_them_give_the_same_numbers(lists, tmp_path):
    importing.import_trace([str(lists)], tmp_path / "trace")
    direct, stored = study.sample(str(lists)), study.sample(str(tmp_path / "trace"))
    assert stored.independent.tolist() == direct.independent.tolist()
    assert study.limits(stored, P).equals(study.limits(direct, P))
    assert study.limits(direct, P).filter(rule="strict")["limit"].min() > 0
    value = "limit"
    assert study.remedy_table(stored, None, stored, stored, P)[value].equals(
        study.remedy_table(direct, None, direct, direct, P)[value]
    )


def test_a_trace_of_storage_alone_says_what_it_misses(lists, seen):
    assert not any("balances" in said for said in conflicts.unseen(study.sample(str(lists)).trace))
    assert any("without changes of balances" in said for said in conflicts.unseen(seen.trace))
    assert study.remedy_table(seen, None, seen, seen, P)["sample"][0] == "this trace, storage alone"


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """The sample, stored in three parts and too large for one process."""
    store.write_trace(datasets.load_trace("sample"), tmp_path / "three", parts=3)
    monkeypatch.setattr(parts, "IN_MEMORY", 1_000)
    return str(tmp_path / "three")


def test_all_blocks_of_a_trace_in_parts_have_its_limits(stored, monkeypatch):
    """In stretches that cover a window nothing is lost, but for intervals of a commitment that no stretch holds."""
    monkeypatch.setattr(study, "STRETCH", 20)
    found, whole = study.sample(stored, 1000, 1300), study.sample("sample", 1000, 1300)
    assert found.window is None
    monkeypatch.setattr(parts, "IN_MEMORY", 10)
    found = study.sample(stored, 1000, 1300)
    assert found.window is not None
    assert_frame_equal(study.limits(found, P), study.limits(whole, P))
    assert_frame_equal(study.by_block(found), study.by_block(whole))


def test_a_sample_of_blocks_is_named_and_near_the_whole(stored, monkeypatch):
    monkeypatch.setattr(study, "TAKEN", 5_000)
    found, whole = study.sample(stored), study.sample("sample")
    assert study.notes(whole) == conflicts.unseen(whole.trace)
    note = study.notes(found)[0]
    assert f"{found.trace.accesses.height:,} of {whole.trace.accesses.height:,} accesses" in note
    assert " 650 of its 1,800 blocks" in note
    for rule in study.RULE_NAMES.values():
        near = study.pick(study.limits(found, P), "limit", rule=rule, cost="unit", average="ratio of sums")
        exact = study.pick(study.limits(whole, P), "limit", rule=rule, cost="unit", average="ratio of sums")
        # The interval holds nineteen of twenty samples; twice its half-width holds nearly all.
        assert abs(near.value - exact.value) <= near.high - near.low


def test_commitments_merge_blocks_of_one_stretch_alone(stored, monkeypatch):
    monkeypatch.setattr(study, "TAKEN", 5_000)
    found, whole = study.sample(stored), study.sample("sample").trace
    shares = study.kept(found, P)
    observed = found.trace.blocks.filter("observed")["block_number"].to_numpy().reshape(-1, study.STRETCH)
    distinct = written = 0
    for stretch in observed:
        keys = commitment_cost.written_keys(summary.restrict(whole, int(stretch[0]), int(stretch[-1]) + 1))
        for at in range(0, len(keys) - 3, 4):
            distinct += len(np.unique(np.concatenate(keys[at : at + 4])))
            written += sum(len(block) for block in keys[at : at + 4])
    assert shares.filter(interval=4, what="keys")["share"].item() == pytest.approx(distinct / written)
