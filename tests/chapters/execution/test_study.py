"""The chapter's frames: estimates of the sample, and commitments that share nodes."""

import numpy as np
import pytest
from tests.traces import activity

from rollstate.chapters.execution import study
from rollstate.chapters.execution.parameters import Execution
from rollstate.execution import conflicts
from rollstate.traces import importing

P = Execution(trace="sample", measured="sample", rollup="sample", draws=50, threads=(1, 2), intervals=(1, 4))


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
    assert study.remedy_table(stored, None, None, P)[value].equals(
        study.remedy_table(direct, None, None, P)[value]
    )


def test_a_trace_of_storage_alone_says_what_it_misses(lists, seen):
    assert not any("balances" in said for said in conflicts.unseen(study.sample(str(lists)).trace))
    assert any("without changes of balances" in said for said in conflicts.unseen(seen.trace))
    assert study.remedy_table(seen, None, None, P)["sample"][0] == "this trace, storage alone"
