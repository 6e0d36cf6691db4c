"""Three conflict rules: what commutes does not wait, what code reads does, and looser rules have higher limits."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollstate.errors import InputError
from rollstate.execution import conflicts, schedules

KINDS = ("storage", "balance", "nonce", "code")
TOUCH = st.tuples(st.integers(0, 6), st.sampled_from(KINDS), st.integers(0, 3), st.booleans())


def rows(touches):
    return pl.DataFrame(
        [(1, tx, kind, f"{kind} {key}", written) for tx, kind, key, written in touches],
        schema={
            "block_number": pl.Int64,
            "tx": pl.Int32,
            "kind": pl.String,
            "name": pl.String,
            "is_write": pl.Boolean,
        },
        orient="row",
    )


def path(touched, rule, mode="locks"):
    (found,) = conflicts.blocks(conflicts.by_rule(touched, rule))
    return conflicts.critical_path(conflicts.predecessors(found, mode=mode), np.ones(len(found)))


@given(st.lists(TOUCH, min_size=1, max_size=25))
def test_a_looser_rule_never_lowers_the_limit(touches):
    touched = rows(touches)
    assert path(touched, "strict") >= path(touched, "lazy") >= path(touched, "listed") == 1
    for rule in conflicts.RULES:
        assert path(touched, rule) >= path(touched, rule, "versions")


def test_credits_commute_and_a_look_waits_for_all_of_them():
    credits = [(tx, "balance", 0, True) for tx in range(4)]
    assert path(rows(credits), "strict") == 4
    assert path(rows(credits), "lazy") == 1
    (found,) = conflicts.blocks(conflicts.by_rule(rows([*credits, (4, "balance", 0, False)]), "lazy"))
    assert conflicts.predecessors(found) == [[], [], [], [], [0, 1, 2, 3]]


def test_a_sender_keeps_its_order():
    assert path(rows([(tx, "nonce", 0, True) for tx in range(3)]), "lazy") == 3


def test_versions_let_a_write_pass_an_earlier_read():
    touched = rows([(0, "storage", 0, False), (1, "storage", 0, True), (2, "storage", 0, False)])
    (found,) = conflicts.blocks(conflicts.by_rule(touched, "strict"))
    assert conflicts.predecessors(found) == [[], [0], [1]]
    assert conflicts.predecessors(found, mode="versions") == [[], [], [1]]


def test_unknown_rules_and_modes_are_named():
    touched = rows([(0, "storage", 0, True)])
    with pytest.raises(InputError, match="'loose'"):
        conflicts.by_rule(touched, "loose")
    (found,) = conflicts.blocks(conflicts.by_rule(touched, "strict"))
    with pytest.raises(InputError, match="'hopes'"):
        conflicts.predecessors(found, mode="hopes")


def test_a_retry_from_cache_costs_less_and_its_abort_is_counted():
    chain = [[], [0], [1]]
    assert schedules.revalidated(chain, np.ones(3), 3) == (3, 2)
    makespan, aborts = schedules.revalidated(chain, np.ones(3), 3, retry=0.5)
    assert makespan == 2
    assert aborts == 2


def test_waiting_for_storage_lets_others_run():
    apart, compute, read = [[], [], []], np.ones(3), np.full(3, 2.0)
    assert schedules.with_reads(apart, compute, read, 1, 3, held=True) == 9
    assert schedules.with_reads(apart, compute, read, 1, 3) == 5
    assert schedules.with_reads(apart, compute, read, 1, 1) == 7
    chain = [[], [0], [1]]
    assert schedules.with_reads(chain, compute, read, 1, 3) == 9
    assert schedules.with_reads(chain, compute, read, 1, 3, prefetched=True) == 5


def test_bad_times_are_named():
    with pytest.raises(InputError, match="1 and 2 times for 1"):
        schedules.with_reads([[]], np.ones(1), np.ones(2), 1, 1)
    with pytest.raises(InputError, match="retry=0"):
        schedules.revalidated([[]], np.ones(1), 1, retry=0)
