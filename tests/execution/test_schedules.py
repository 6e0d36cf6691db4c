"""Conflicts are all found, schedules keep their bounds, and mainnet gives the reference numbers."""

import gzip
import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollstate.errors import InputError
from rollstate.execution import conflicts, schedules
from rollstate.execution.conflicts import Block
from rollstate.traces import datasets, prestate, store
from rollstate.traces.schema import Capability


def block(*transactions):
    """Return a block from dictionaries key -> whether written."""
    ordered = [dict(sorted(own.items())) for own in transactions]
    return Block(
        1,
        tuple(np.array(list(own), np.int64) for own in ordered),
        tuple(np.array(list(own.values()), bool) for own in ordered),
    )


BLOCKS = st.lists(st.dictionaries(st.integers(0, 8), st.booleans(), min_size=1, max_size=4), max_size=14).map(
    lambda found: block(*found)
)


def conflict(left, right):
    a, b = (dict(zip(k.tolist(), w.tolist(), strict=True)) for k, w in (left, right))
    return any(a[key] or b[key] for key in a.keys() & b.keys())


def pairs(found):
    """Return every conflicting pair, by comparing all with all."""
    own = list(zip(found.keys, found.writes, strict=True))
    return {(i, j) for j in range(len(own)) for i in range(j) if conflict(own[i], own[j])}


@given(BLOCKS)
def test_chains_of_predecessors_are_all_conflicts_and_imply_all(found):
    before = conflicts.predecessors(found)
    direct = {(i, j) for j, earlier in enumerate(before) for i in earlier}
    every = pairs(found)
    assert direct <= every
    reach = set(direct)
    for j in range(len(found)):
        for i in before[j]:
            reach |= {(h, j) for h, k in reach if k == i}
    assert every <= reach


@given(BLOCKS)
def test_independent_transactions_are_in_no_pair(found):
    contested = {i for pair in pairs(found) for i in pair}
    assert conflicts.independent(found).tolist() == [i not in contested for i in range(len(found))]


@given(BLOCKS, st.integers(1, 6), st.integers(0, 2**31))
def test_schedules_keep_grahams_bounds(found, workers, seed):
    before = conflicts.predecessors(found)
    cost = np.random.default_rng(seed).integers(1, 9, len(found)).astype(float)
    path, total = conflicts.critical_path(before, cost), cost.sum()
    for makespan in (
        schedules.list_schedule(before, cost, workers),
        schedules.revalidated(before, cost, workers)[0],
    ):
        assert makespan >= max(path, total / workers) - 1e-9
    assert schedules.list_schedule(before, cost, workers) <= path + total / workers + 1e-9
    assert schedules.list_schedule(before, cost, 1) == pytest.approx(total)
    assert schedules.list_schedule(before, cost, len(found) + 1) == pytest.approx(path)
    assert schedules.revalidated(before, cost, 1) == (pytest.approx(total), 0)


@given(BLOCKS, st.integers(1, 6))
def test_optimistic_rounds_finish_with_as_many_tries_as_aborts_say(found, workers):
    rounds, aborts = schedules.optimistic_rounds(found, workers)
    assert rounds * workers >= len(found) + aborts
    assert schedules.optimistic_rounds(found, 1) == (len(found), 0)
    unit = conflicts.critical_path(conflicts.predecessors(found), np.ones(len(found)))
    assert rounds >= unit


def test_fully_dependent_block_takes_a_round_each():
    chain = block(*[{0: True}] * 7)
    assert schedules.optimistic_rounds(chain, 4)[0] == 7
    assert schedules.list_schedule(conflicts.predecessors(chain), np.ones(7), 4) == 7


def test_readers_of_one_key_do_not_wait_for_each_other():
    found = block({0: True}, {0: False}, {0: False}, {0: True})
    assert conflicts.predecessors(found) == [[], [0], [0], [0, 1, 2]]


def test_gas_of_touches_is_counted():
    found = block({0: True, 1: False}, {2: False})
    assert conflicts.access_gas(found).tolist() == [21_000 + 2 * 2_100 + 2_900, 21_000 + 2_100]


@pytest.mark.real_data
def test_reads_add_conflicts_that_writes_do_not_show(data_dir):
    frames = []
    for number, full, diff in [(17073191, "35", "32"), (17073192, "36", "33")]:
        answers = []
        for name in (full, diff):
            with gzip.open(data_dir / "prestate" / f"test_{name}.json.gz") as lines:
                answers.append(json.load(lines)[0]["response"]["result"])
        frames.append(prestate.block_touches(number, *answers))
    stamp = Capability("prestate", True, True, "all", "slot", 17073191, 17073193, 1, "test")
    rows = conflicts.touches(store.assemble(pl.concat(frames), stamp))
    true, seen = list(conflicts.blocks(rows)), list(conflicts.blocks(rows.filter("is_write")))
    paths = [
        [conflicts.critical_path(conflicts.predecessors(b), np.ones(len(b))) for b in found]
        for found in (seen, true)
    ]
    # Every pair of transactions that write a key is a pair of those that read or write it.
    assert all(few <= all_ for few, all_ in zip(*paths, strict=True))
    assert all(len(pairs(a)) > len(pairs(b)) for a, b in zip(true, seen, strict=True))


def test_ledger_formulas():
    assert schedules.amdahl(0.8, np.inf) == pytest.approx(5)
    assert schedules.amdahl(0.8, 8) == pytest.approx(3.333, abs=5e-4)
    assert schedules.amdahl(0.5, np.inf) == 2
    assert schedules.two_phase(0.6485, 8) == pytest.approx(2.312, abs=5e-4)


@pytest.fixture(scope="module")
def mainnet(data_dir):
    return list(conflicts.blocks(conflicts.touches(datasets.load_trace("mainnet-bal"))))


@pytest.mark.real_data
def test_mainnet_conflicts_are_the_reference(mainnet):
    sizes = np.array([len(found) for found in mainnet])
    before = [conflicts.predecessors(found) for found in mainnet]
    paths = np.array([conflicts.critical_path(b, np.ones(len(b))) for b in before])
    shares = np.array([conflicts.independent(found).mean() for found in mainnet])
    assert sizes.mean() == pytest.approx(156.7, abs=0.05)
    assert shares.mean() == pytest.approx(0.609, abs=5e-4)
    assert paths.mean() == pytest.approx(26.5, abs=0.05)
    total = sizes.sum()
    speed = {
        p: total / sum(schedules.list_schedule(b, np.ones(len(b)), p) for b in before)
        for p in (2, 4, 8, 16, 32)
    }
    assert {p: round(s, 2) for p, s in speed.items()} == {2: 1.89, 4: 3.28, 8: 4.90, 16: 5.62, 32: 5.82}
    assert total / paths.sum() == pytest.approx(5.92, abs=5e-3)


@pytest.mark.real_data
def test_mainnet_optimistic_rounds_are_the_reference(mainnet):
    total = sum(len(found) for found in mainnet)
    found = {p: np.sum([schedules.optimistic_rounds(b, p) for b in mainnet], axis=0) for p in (4, 8, 16, 32)}
    assert {p: round(total / rounds, 2) for p, (rounds, _) in found.items()} == {
        4: 2.80,
        8: 4.11,
        16: 5.18,
        32: 5.68,
    }
    tries = {p: aborts / total for p, (_, aborts) in found.items()}
    assert tries == pytest.approx({4: 0.42, 8: 0.89, 16: 1.71, 32: 2.94}, abs=0.01)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: schedules.list_schedule([[]], np.ones(1), 0), "workers=0"),
        (lambda: schedules.list_schedule([[]], np.ones(2), 1), "2 costs for 1"),
        (lambda: schedules.two_phase(1.2, 4), "share"),
        (lambda: schedules.amdahl(0.5, 0), "speedup=0"),
        (lambda: conflicts.critical_path([[]], np.ones(2)), "2 costs"),
    ],
)
def test_bad_input_is_named(call, said):
    with pytest.raises(InputError, match=said):
        call()


@given(st.lists(st.integers(1, schedules.TRANSACTION_GAS), min_size=1, max_size=30), st.integers(1, 9))
def test_no_block_is_slower_than_the_cap_guarantees(gas, workers):
    makespan = schedules.list_schedule([[]] * len(gas), np.array(gas, float), workers)
    assert sum(gas) / makespan >= schedules.guaranteed(sum(gas), workers) * (1 - 1e-12)
    assert schedules.guaranteed(sum(gas), 1) == pytest.approx(1)


def test_a_full_block_is_guaranteed_by_hand():
    assert schedules.guaranteed(60e6, 8) == pytest.approx(60e6 / (7.5e6 + 7 / 8 * 2**24))
    for bad in ({"gas": 0.0}, {"gas": 1.0, "most": 0.0}):
        with pytest.raises(InputError, match="must be positive"):
            schedules.guaranteed(workers=2, **bad)
