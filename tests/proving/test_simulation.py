"""Two engines, one path; both agree with the closed forms and with Little's law."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.needs import examples, thorough_after

from rollstate.errors import InputError
from rollstate.proving import closed_form as cf
from rollstate.proving import kernels
from rollstate.proving.simulation import Draws, Pipeline, draw, simulate, simulate_processes

FIELDS = ("batch", "close_s", "start_s", "proved_s", "virtual_s", "final_s")


def assert_same_path(pipeline, draws):
    fast, slow = simulate(pipeline, draws), simulate_processes(pipeline, draws)
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(fast, name), getattr(slow, name), err_msg=name)


PIPELINES = st.builds(
    Pipeline,
    max_tx=st.integers(1, 30),
    max_gas=st.sampled_from([np.inf, 5.0, 1.5]),
    timeout_s=st.floats(0.5, 20),
    speeds=st.lists(st.floats(0.3, 2), min_size=1, max_size=5).map(tuple),
    group=st.integers(1, 5),
    aggregate_s=st.floats(0, 20),
    fan_in=st.sampled_from([0, 2, 3]),
    sequence=st.integers(1, 4),
    block_s=st.floats(1, 20),
    prove_after=st.sampled_from(["close", "virtual"]),
)


@settings(max_examples=examples(150))
@given(PIPELINES, st.integers(0, 2**31), st.integers(1, 120), st.floats(0, 0.4), st.floats(0, 0.3))
def test_processes_and_arrays_take_the_same_path(pipeline, seed, n, failure, miss):
    draws = draw(
        tx_per_s=3, n=n, work_s=np.array([2.0, 5.0, 11.0, 30.0]), seed=seed, failure=failure, miss=miss,
        reorg=0.05, tx_gas=1.0, block_s=pipeline.block_s,
    )  # fmt: skip
    assert_same_path(pipeline, draws)


def test_long_path_is_the_same_to_the_last_bit():
    work = np.random.default_rng(1).lognormal(np.log(110), 0.3, 500)
    draws = draw(tx_per_s=20, n=20_000, work_s=work, seed=3, failure=0.02, miss=0.01, reorg=0.001)
    assert_same_path(Pipeline(max_tx=250), draws)


def regular(n_batches, per_batch=1_000, close=10.0):
    """Return arrivals so fine that every batch closes by its timer after ``close`` seconds."""
    arrival = np.arange(n_batches * per_batch) * close / per_batch
    return Draws(arrival, np.zeros(len(arrival)), np.full(n_batches + 2, 120.0), np.ones(1, bool))


@pytest.mark.parametrize(("group", "agg", "worst"), [(1, 0.0, 145), (2, 12.0, 167), (12, 12.0, 267)])
def test_regular_times_give_the_closed_form(group, agg, worst):
    pipeline = Pipeline(
        max_tx=10**9, timeout_s=10.0, speeds=(1.0,) * 12, group=group, aggregate_s=agg, block_s=1e-6
    )
    draws = regular(48)
    path = simulate(pipeline, draws)
    whole = path.batch < 48 // group * group
    delay = (path.final_s - draws.arrival_s)[whole]
    # The slot is nearly instant; the article adds a whole block of 15 s.
    assert delay.max() + 15 == pytest.approx(worst, abs=0.05)
    mean = cf.delay_mean(10, 120, agg, 15, provers=12, group=group)
    assert delay.mean() + 15 == pytest.approx(mean, abs=0.05)


def test_too_few_provers_add_the_growth_to_every_batch():
    path = simulate(Pipeline(max_tx=10**9, speeds=(1.0,), group=1, aggregate_s=0.0), regular(20))
    wait = path.start_s - path.close_s
    assert np.diff(wait) == pytest.approx(cf.backlog_growth(10, 120, 1))


def poisson_wait(rate, service, c, n, seed):
    rng = np.random.default_rng(seed)
    ready = np.cumsum(rng.exponential(1 / rate, n))
    work = service(rng, n)
    return ready, work, kernels.prove(ready, work, np.ones(c))[0] - ready


@pytest.mark.parametrize("c", thorough_after(1, [13, 14, 16]))
def test_constant_service_agrees_with_cosmetatos(c):
    ready, _, wait = poisson_wait(0.1, lambda rng, n: np.full(n, 120.0), c, 1_000_000, 5)
    # Batch means: their spread is the Monte Carlo error.
    means = wait[100_000:].reshape(30, -1).mean(1)
    error = means.std() / np.sqrt(30)
    assert abs(means.mean() - cf.wait_mdc(0.1, 120, c)) < 4 * error + 0.02 * means.mean()
    assert wait == pytest.approx(kernels.wait_constant_service(ready, 120.0, c), abs=1e-6)


def test_exponential_service_agrees_with_erlang():
    _, _, wait = poisson_wait(0.1, lambda rng, n: rng.exponential(120, n), 14, 1_500_000, 6)
    means = wait[:1_500_000].reshape(30, -1).mean(1)
    assert abs(means.mean() - cf.wait_mmc(0.1, 120, 14)) < 4 * means.std() / np.sqrt(30)


def test_littles_law_holds_on_the_path():
    ready, work, wait = poisson_wait(0.1, lambda rng, n: rng.exponential(120, n), 14, 200_000, 7)
    leave = ready + wait + work
    span = leave.max() - ready[0]
    times = np.sort(np.r_[ready, leave])
    inside = np.searchsorted(ready, times, "right") - np.searchsorted(np.sort(leave), times, "right")
    average = (inside[:-1] * np.diff(times)).sum() / span
    assert average == pytest.approx(len(ready) / span * (leave - ready).mean(), rel=1e-9)


def test_timer_batches_have_the_stated_size_and_wait():
    draws = draw(tx_per_s=20, n=400_000, work_s=np.array([1.0]), seed=8)
    batch, close = kernels.close_batches(draws.arrival_s, draws.gas, 10**9, np.inf, 10.0)
    assert np.bincount(batch).mean() == pytest.approx(cf.batch_size_timer(20, 10), rel=0.01)
    assert (close[batch] - draws.arrival_s).mean() == pytest.approx(cf.batch_wait_timer(20, 10), rel=0.01)


def test_slots_are_waited_for_as_stated():
    rng = np.random.default_rng(9)
    time = np.sort(rng.uniform(0, 1e6, 300_000))
    wait = kernels.next_slot(time, 12.0, rng.random(90_000) >= 0.01) - time
    assert wait.mean() == pytest.approx(cf.slot_wait(12, 0.01), rel=0.01)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=40), st.integers(1, 7))
def test_groups_are_complete_when_their_last_proof_in_order_is(done, group):
    done = np.array(done)
    found = kernels.in_groups(done, group)
    for g, at in enumerate(found):
        assert at == done[: min((g + 1) * group, len(done))].max()


def test_faster_provers_are_no_worse():
    draws = draw(tx_per_s=20, n=30_000, work_s=np.array([100.0, 130.0]), seed=10)
    slow = Pipeline()
    fast = replace(slow, speeds=(1.2,) * 14)
    assert (simulate(fast, draws).final_s <= simulate(slow, draws).final_s).all()


@pytest.mark.parametrize(
    ("field", "value"),
    [("max_tx", 0), ("timeout_s", 0.0), ("speeds", ()), ("speeds", (0.0,)), ("group", 0), ("fan_in", 1),
     ("sequence", 0), ("block_s", np.inf), ("prove_after", "never"), ("aggregate_s", -1.0)],
)  # fmt: skip
def test_pipeline_out_of_range_is_named(field, value):
    with pytest.raises(InputError, match=field):
        Pipeline(**{field: value})


def test_bad_draws_are_named():
    good = draw(tx_per_s=1, n=5, work_s=np.array([1.0]), seed=1)
    for changes, said in (
        ({"arrival_s": good.arrival_s[::-1]}, "ascending"),
        ({"gas": np.zeros(2)}, "gas has 2"),
        ({"work_s": np.array([np.nan])}, "work_s"),
    ):
        with pytest.raises(InputError, match=said):
            replace(good, **changes)
    with pytest.raises(InputError, match="proving times for"):
        simulate(Pipeline(max_tx=1), replace(good, work_s=np.ones(2)))
    with pytest.raises(InputError, match=r"miss=0\.6"):
        draw(tx_per_s=1, n=5, work_s=np.array([1.0]), seed=1, miss=0.6, reorg=0.6)


def test_aggregation_tree_takes_its_levels():
    assert Pipeline(group=8, aggregate_s=5.0, fan_in=2).group_s == 15
    assert Pipeline(group=9, aggregate_s=5.0, fan_in=2).group_s == 20
    assert Pipeline(group=9, aggregate_s=5.0).group_s == 5
