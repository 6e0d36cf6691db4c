"""The chapter's frames: estimates of the sample, and commitments that share nodes."""

import numpy as np
import pytest

from rollstate.chapters.execution import study
from rollstate.chapters.execution.parameters import Execution

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
