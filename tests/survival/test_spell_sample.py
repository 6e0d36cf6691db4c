"""A sample of the spells of a trace has them as they are in the whole one, however its parts are read."""

import dataclasses

import numpy as np
import polars as pl
import pytest
from distributed import LocalCluster
from polars.testing import assert_frame_equal

from rollstate import executors, intervals
from rollstate.errors import InputError
from rollstate.survival import landmarks, spell_sample
from rollstate.traces import parts, store, summary
from rollstate.traces.synthetic import SyntheticParameters, generate

KEYS = ["slot_id", "start"]


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A trace, and where it is stored in three and in five parts."""
    trace = generate(SyntheticParameters(contracts=120, window_blocks=800, seed=5))[0]
    at = tmp_path_factory.mktemp("traces")
    for number in (3, 5):
        store.write_trace(trace, at / str(number), parts=number)
    return trace, at


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Every stored trace is large."""
    monkeypatch.setattr(parts, "IN_MEMORY", 0)


def drawn(folder, start=None, stop=None, **asked):
    first = parts.in_parts(str(folder), start, stop)
    a, n = first.capability.window_start, first.capability.n_blocks
    at = (a + n // 2, a + 3 * n // 4)
    return spell_sample.draw(first, **{"seed": 3, "borders": at, "at": at, "windows": (20, 60), **asked})


def some(monkeypatch, spells, slots):
    monkeypatch.setattr(spell_sample, "SPELLS", spells)
    monkeypatch.setattr(spell_sample, "SLOTS", slots)


@pytest.mark.parametrize("window", [(None, None), (90, 700)])
def test_a_sample_of_everything_is_the_whole(stored, window):
    trace, at = stored
    a = trace.capability.window_start
    start, stop = (None if one is None else a + one for one in window)
    whole = intervals.build(summary.narrowed(trace, start, stop))
    found = drawn(at / "3", start, stop)
    assert_frame_equal(found.spells, whole, categorical_as_str=True)
    source, last = spell_sample.Whole(whole, found.capability), found.capability.window_stop - 1
    for block in found.histories:
        right = landmarks.landmark(whole, block, 10, last)
        assert_frame_equal(landmarks.landmark(found.current, block, 10, last), right, categorical_as_str=True)
        assert found.mixture(block) == source.mixture(block)
        for length in (20, 60):
            for one, other in zip(found.recent(block, length), source.recent(block, length), strict=True):
                assert_frame_equal(one.sort(one.columns[0]), other.sort(one.columns[0]))


def test_what_is_drawn_is_what_it_is_in_the_whole_trace(stored, monkeypatch):
    trace, at = stored
    whole = intervals.build(trace)
    some(monkeypatch, whole.height // 4, trace.slots.height // 3)
    found = drawn(at / "3")
    assert 0.2 < found.spells.height / whole.height < 0.3
    for part in (found.spells, found.current):
        assert part.unique(KEYS).height == part.height
        assert_frame_equal(part, whole.join(part.select(KEYS), on=KEYS, how="semi"), categorical_as_str=True)
    # Slots are drawn apart from spells: all of their current spells are there.
    slots = landmarks.landmark(found.current, max(found.histories), 10, trace.capability.window_stop - 1)
    every = landmarks.landmark(whole, max(found.histories), 10, trace.capability.window_stop - 1)
    assert 0.2 < slots.height / every.height < 0.45
    assert (
        f"{found.spells.height:,} of {whole.height:,} spells drawn at random" in found.capability.describe()
    )


def test_parts_and_a_cluster_draw_the_same(stored, monkeypatch):
    trace, at = stored
    some(monkeypatch, 2_000, trace.slots.height // 2)
    one, other = drawn(at / "3"), drawn(at / "5")
    with LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0") as cluster:
        monkeypatch.setenv(executors.SCHEDULER, cluster.scheduler_address)
        far = drawn(at / "3")
    for found in (other, far):
        for name in ("spells", "current"):
            assert_frame_equal(getattr(one, name), getattr(found, name), categorical_as_str=True)
        assert found.capability == one.capability
        for border in one.histories:
            assert found.mixture(border) == one.mixture(border)


def test_each_spell_has_the_same_chance(stored, monkeypatch):
    """Over seeds, the share of events of a sample scatters about that of all spells, busy slots or not."""
    trace, at = stored
    whole = intervals.build(trace, columns=["event", "n_accesses"])
    some(monkeypatch, 1_500, 10)
    samples = [drawn(at / "5", seed=seed).spells for seed in range(30)]
    for of in (pl.col("event").mean(), (pl.col("n_accesses") > 20).mean()):
        values = np.array([one.select(of).item() for one in samples])
        error = values.std(ddof=1) / np.sqrt(len(values))
        assert 1e-4 < error < 0.01
        assert abs(values.mean() - whole.select(of).item()) < 4 * error


def test_transactions_unknown_in_part_or_all_give_the_same(stored, tmp_path):
    trace, _ = stored
    rows = trace.accesses
    unknown = pl.when(pl.int_range(pl.len()) % 3 > 0).then("tx_index")
    for level, column in (("all", unknown), ("none", pl.lit(None, rows.schema["tx_index"]))):
        bare = dataclasses.replace(
            trace,
            accesses=rows.with_columns(tx_index=column).unique().sort(store.ACCESS_ORDER),
            capability=dataclasses.replace(trace.capability, tx_level=level),
        )
        store.write_trace(bare, tmp_path / level, parts=3)
        assert_frame_equal(drawn(tmp_path / level).spells, intervals.build(bare), categorical_as_str=True)


def test_blocks_that_were_not_observed_are_refused(stored):
    trace, at = stored
    thin = dataclasses.replace(trace.capability, observed_every=2)
    with pytest.raises(InputError, match="gap between accesses"):
        spell_sample.draw(
            dataclasses.replace(parts.in_parts(str(at / "3")), capability=thin), seed=1, borders=()
        )
