"""Formulas give the article's numbers, agree with each other, and refuse what has no steady state."""

import heapq
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollstate.errors import InputError
from rollstate.proving import closed_form as cf


@pytest.mark.parametrize(
    ("stages", "wip", "rate", "lead"),
    [
        ((3, 2, 1), 1, 1 / 6, 6),
        ((3, 2, 1), 2, 1 / 3, 6),
        ((3, 2, 1), 3, 1 / 3, 9),
        ((1,) * 6, 1, 1 / 6, 6),
        ((1,) * 6, 6, 1, 6),
        ((1,) * 3, 1, 1 / 3, 3),
        ((1,) * 3, 3, 1, 3),
    ],
)
def test_factory_law_gives_both_documents_numbers(stages, wip, rate, lead):
    assert cf.line_rate(stages, wip) == pytest.approx((rate, lead))


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=6), st.integers(1, 50))
def test_factory_law_obeys_little(stages, wip):
    rate, lead = cf.line_rate(stages, wip)
    assert rate * lead == pytest.approx(wip)


def test_single_batch():
    assert cf.article_delay(10, 120, 15) == 145
    assert cf.article_delay(3, 120, 15) == 138
    assert cf.article_throughput(10, 120, 15) == pytest.approx(1 / 120)


@pytest.mark.parametrize(("n", "delay", "rate"), [(4, 187, 1 / 30), (12, 267, 0.1), (24, 387, 0.1)])
def test_straight_aggregation(n, delay, rate):
    assert cf.article_delay(10, 120, 15, 12, n) == delay
    assert cf.article_throughput(10, 120, 15, 12, n) == pytest.approx(rate)


def test_both_documents_meet_at_the_knee():
    assert cf.article_delay(10, 120, 15, 12, 12) == cf.article_delay(3, 120, 15, 12, 40) == 267


def test_virtual_state_is_earlier_by_proving_and_aggregation():
    assert cf.article_delay_virtual(10, 15) == 25
    assert cf.article_delay_virtual(10, 15, 12) == 135
    for n in range(1, 30):
        assert cf.article_delay(10, 120, 15, 12, n) - cf.article_delay_virtual(10, 15, n) == 132


@pytest.mark.parametrize(("group", "agg", "delay"), [(1, 0, 145), (2, 12, 167), (4, 12, 187), (12, 12, 267)])
def test_provers_and_group_apart(group, agg, delay):
    assert cf.delay_worst(10, 120, agg, 15, provers=12, group=group) == delay
    assert cf.capacity(10, 120, agg, provers=12, group=group) == pytest.approx(0.1)
    assert cf.delay_mean(10, 120, agg, 15, provers=12, group=group) == delay - 5 * group


def test_one_aggregator_cannot_take_single_proofs():
    assert cf.capacity(10, 120, 12, provers=12, group=1) == pytest.approx(1 / 12)
    with pytest.raises(InputError, match="grows for ever"):
        cf.delay_worst(10, 120, 12, 15, provers=12, group=1)


def test_backlog_of_one_prover():
    assert cf.backlog_growth(10, 120, 1) == 110
    assert cf.backlog_growth(10, 120, 12) == 0


@pytest.mark.parametrize(("failure", "count"), [(0.0, 13), (0.05, 13), (0.1, 14)])
def test_fewest_provers_are_strictly_enough(failure, count):
    assert cf.min_provers(0.1, 120, failure) == count


@given(st.floats(0.01, 5), st.floats(0.1, 300))
def test_fewest_provers_have_a_load_below_one(rate, prove):
    c = cf.min_provers(rate, prove)
    assert rate * prove < c * (1 + 1e-9)
    assert c == 1 or rate * prove >= (c - 1) * (1 - 1e-6)


def test_queueing_reference_values():
    assert cf.wait_mmc(0.1, 120, 14) == pytest.approx(28.9023, abs=5e-5)
    assert cf.erlang_c(14, 12) == pytest.approx(0.48171, abs=5e-6)
    assert cf.wait_ggc(0.1, 120, 14, 1, 0, "ac") == pytest.approx(14.4512, abs=5e-5)
    assert cf.wait_mdc(0.1, 120, 14) == pytest.approx(15.3740, abs=5e-5)
    assert cf.wait_mdc(0.1, 120, 13) == pytest.approx(43.54, abs=5e-3)
    assert cf.wait_ggc(0.1, 120, 14, 0.25, 0.077, "klb") == pytest.approx(3.90, abs=5e-3)


@pytest.mark.parametrize("servers", [13, 14, 16])
def test_default_for_general_times_is_exact_where_the_others_are_not(servers):
    assert cf.wait_ggc(0.1, 120, servers, 1, 0) == pytest.approx(cf.wait_mdc(0.1, 120, servers))
    assert cf.wait_ggc(0.1, 120, servers, 1, 1) == pytest.approx(cf.wait_mmc(0.1, 120, servers))
    # Simulated: 16.3 s.
    assert cf.wait_ggc(0.1, 120, 14, 1, 0.077) == pytest.approx(16.3, rel=0.015)
    assert cf.wait_ggc(0.1, 120, servers, 0, 0) == 0
    assert cf.wait_ggc(0.1, 120, servers, 2, 1) == pytest.approx(1.5 * cf.wait_mmc(0.1, 120, servers))


@given(st.floats(0.05, 0.95), st.floats(1, 300))
def test_one_server_forms_agree(rho, service):
    rate = rho / service
    assert cf.wait_mdc(rate, service, 1) == pytest.approx(cf.wait_md1(rate, service))
    assert cf.wait_mmc(rate, service, 1) == pytest.approx(rho * service / (1 - rho))


def test_batch_and_slot_waits():
    assert cf.batch_wait_timer(20, 10) == pytest.approx(5.024876, abs=5e-7)
    assert cf.batch_size_timer(20, 10) == 201
    assert cf.batch_wait_count(20, 201) == 5
    assert cf.slot_wait(12, 0.01) == pytest.approx(6.1212, abs=5e-5)
    assert cf.slot_wait(15, kind="poisson") == 15


def test_optimal_aggregation_is_the_minimum():
    args = {"verify_usd": 21, "tx_per_s": 20, "usd_per_tx_s": 1e-5, "close_s": 10}
    best = cf.optimal_aggregation(**args)
    assert best == pytest.approx(45.8258, abs=5e-5)
    cost = cf.aggregation_cost(best, **args)
    assert cost == pytest.approx(math.sqrt(2 * 21 * 20 * 1e-5))
    assert all(cf.aggregation_cost(best * f, **args) > cost for f in (0.5, 0.9, 1.1, 2))
    # Low traffic aggregates more, not less.
    assert cf.optimal_aggregation(**{**args, "tx_per_s": 1}) == pytest.approx(204.94, abs=5e-3)


def test_resequencing():
    assert cf.resequencing_exponential(4) == pytest.approx(2.0833, abs=5e-5)
    assert cf.resequencing_factor([7.0], 5) == 1
    sample = np.random.default_rng(1).exponential(1, 200_000)
    assert cf.resequencing_factor(sample, 4) == pytest.approx(25 / 12, rel=0.01)
    # Exact for a small sample: the largest of two draws with replacement from {1, 3}.
    assert cf.resequencing_factor([1.0, 3.0], 2) == pytest.approx((0.25 * 1 + 0.75 * 3) / 2)


def test_retries():
    assert cf.retry_moments(120, 0.05) == pytest.approx((126.3158, 0.05), abs=1e-4)


def test_cost_parts_fall_with_the_group_where_they_are_shared():
    args = {
        "batch_tx": 200,
        "verify_gas": 350e3,
        "batch_gas": 20e3,
        "usd_per_gas": 6e-5,
        "prover_usd_per_s": 1e-3,
        "prove_s": 120,
    }
    one, ten = cf.cost_per_tx(group=1, **args), cf.cost_per_tx(group=10, **args)
    assert one["verify"] == pytest.approx(350e3 * 6e-5 / 200)
    assert one["verify"] == pytest.approx(10 * ten["verify"])
    assert one["prove"] == ten["prove"] == pytest.approx(6e-4)
    assert one["post"] == ten["post"] == pytest.approx(20e3 * 6e-5 / 200)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: cf.wait_mmc(0.1, 120, 12), "use at least 13"),
        (lambda: cf.wait_mdc(0.1, 130, 12), "grows for ever"),
        (lambda: cf.wait_md1(1, 1), "load 1.000"),
        (lambda: cf.article_delay(-1, 120, 15), "close_s=-1"),
        (lambda: cf.article_delay(math.nan, 120, 15), "close_s=nan"),
        (lambda: cf.min_provers(0.1, 120, 1.0), "failure=1.0"),
        (lambda: cf.wait_ggc(0.1, 120, 14, 1, 1, "best"), "'ac', 'klb'"),
        (lambda: cf.slot_wait(12, kind="x"), "'slot', 'poisson'"),
        (lambda: cf.slot_wait(12, miss=1), "miss=1"),
        (lambda: cf.line_rate([1, 0], 1), "stage 1"),
        (lambda: cf.resequencing_factor([], 2), "proving times"),
    ],
)
def test_bad_input_is_named(call, said):
    with pytest.raises(InputError, match=said):
        call()


def simulated_wait(rho, servers, ca2, cs2, n=300_000):
    """Return the mean wait of a first-come queue with gamma or regular times, customer by customer."""
    rng = np.random.default_rng(5)

    def times(mean, cv2):
        return (rng.gamma(1 / cv2, mean * cv2, n) if cv2 else np.full(n, mean)).tolist()

    free, now, waited = [0.0] * servers, 0.0, 0.0
    for gap, service in zip(times(1 / (rho * servers), ca2), times(1.0, cs2), strict=True):
        now += gap
        start = max(now, heapq.heappop(free))
        waited += start - now
        heapq.heappush(free, start + service)
    return waited / n


@pytest.mark.parametrize(
    ("rho", "servers", "ca2", "cs2"),
    [(0.7, 4, 0, 1), (0.8, 8, 0, 1), (0.8, 4, 0.25, 0.75), (0.8, 4, 0.75, 0.25)],
)
def test_kimuras_wait_is_that_of_a_simulated_queue(rho, servers, ca2, cs2):
    formula = cf.wait_ggc(rho * servers, 1.0, servers, ca2, cs2)
    assert formula == pytest.approx(simulated_wait(rho, servers, ca2, cs2), rel=0.08)


@pytest.mark.parametrize("cs2", [0.0, 0.3, 1.0])
def test_thousands_of_idle_servers_mean_no_wait(cs2):
    assert cf.wait_ggc(0.1, 120, 10_000, 1.0, cs2) == 0


@pytest.mark.parametrize("rho", [1e-5, 5e-4, 0.3])
@pytest.mark.parametrize("cs2", [0.25, 1.0])
def test_a_server_with_poisson_arrivals_waits_as_pollaczek_and_khinchine_say_however_idle(rho, cs2):
    assert cf.wait_ggc(rho, 1.0, 1, 1.0, cs2) == pytest.approx(rho / (1 - rho) * (1 + cs2) / 2)


def test_arrivals_that_are_not_quite_random_hardly_wait_in_an_idle_queue():
    """A wait of regular arrivals below the smallest float is none."""
    waits = [cf.wait_ggc(rho, 1.0, 1, 0.5, 1.0) for rho in (1e-5, 5e-4, 2e-3, 0.1)]
    assert waits[:2] == [0, 0]
    assert 0 < waits[2] < waits[3]
