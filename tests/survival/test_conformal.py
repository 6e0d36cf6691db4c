"""Coverage is promised without a model, and kept on data that a model gets wrong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollstate.errors import InputError
from rollstate.survival import conformal

ALPHA = 0.1


def wrong_model(w, scale):
    """An exponential model at twice the true rate."""
    return -np.expm1(-2 * w / scale)


def draw(rng, n):
    scale = rng.uniform(5, 200, n)
    return scale, np.ceil(rng.exponential(scale))


def test_bounds_cover_however_wrong_the_model_is():
    """Mean coverage over many splits lies within Monte Carlo error of at least the level."""
    rng, covered = np.random.default_rng(1), []
    for _ in range(300):
        (scale, wait), (new_scale, new_wait) = draw(rng, 200), draw(rng, 200)
        q = conformal.score_quantile(wrong_model(wait, scale), ALPHA)
        bound = conformal.lower_bounds(lambda w, s=new_scale: wrong_model(w, s), q, 200, 10_000)
        covered.append((new_wait >= bound).mean())
    error = np.std(covered) / np.sqrt(len(covered))
    assert np.mean(covered) > 1 - ALPHA - 3 * error
    assert np.mean(covered) < 1 - ALPHA + 0.06, "the bounds say something"


def test_censoring_only_makes_bounds_smaller():
    rng = np.random.default_rng(2)
    scale, wait = draw(rng, 2_000)
    censored = np.minimum(wait, rng.uniform(1, 100, 2_000))
    full, cut = (conformal.score_quantile(wrong_model(w, scale), ALPHA) for w in (wait, censored))
    assert cut <= full


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.floats(0.01, 0.99))
def test_the_quantile_is_an_order_statistic(scores, alpha):
    q = conformal.score_quantile(np.array(scores), alpha)
    rank = int(np.floor(alpha * (len(scores) + 1)))
    assert q == (sorted(scores)[rank - 1] if rank else 0.0)
    assert np.mean(np.array(scores) < q) <= alpha * (1 + 1 / len(scores)) + 1e-12


@given(st.floats(0.001, 0.999), st.integers(1, 500))
def test_a_bound_is_the_first_block_that_reaches_the_quantile(q, longest):
    scale = np.array([3.0, 40.0, 900.0])
    bound = conformal.lower_bounds(lambda w: wrong_model(w, scale), q, 3, longest)
    for b, s in zip(bound, scale, strict=True):
        assert 1 <= b <= longest
        assert b == 1 or wrong_model(b - 1, s) < q
        assert b == longest or wrong_model(b, s) >= q


def test_simultaneous_bounds_hold_at_all_idle_times_at_once():
    grid, rng, covered, marginal = np.array([0.0, 5, 20, 60]), np.random.default_rng(3), [], []
    for _ in range(200):
        (scale, gap), (new_scale, new_gap) = draw(rng, 300), draw(rng, 300)
        scores = conformal.simultaneous_scores(lambda u, w, s=scale: wrong_model(w, s), grid, gap)
        q = conformal.score_quantile(scores, ALPHA)
        bound = conformal.lower_bounds(lambda w, s=new_scale: wrong_model(w, s), q, 300, 10_000)
        held = np.ones(300, bool)
        for idle in grid:
            held &= (new_gap <= idle) | (new_gap - idle >= bound)
        covered.append(held.mean())
        q0 = conformal.score_quantile(wrong_model(gap, scale), ALPHA)
        marginal.append(q <= q0)
    assert np.mean(covered) > 1 - ALPHA - 3 * np.std(covered) / np.sqrt(len(covered))
    assert all(marginal), "a bound for all idle times is never above the one for idle time zero"


def test_the_miss_rate_is_controlled_in_expectation():
    rng, missed, demoted = np.random.default_rng(4), [], []
    for _ in range(300):
        p, new = rng.random(150) ** 2, rng.random(150) ** 2
        # The model is overconfident: the truth is the root.
        accessed, new_accessed = rng.random(150) < np.sqrt(p), rng.random(150) < np.sqrt(new)
        threshold = conformal.risk_controlled(p, accessed, 0.05)
        missed.append(((new < threshold) & new_accessed).mean())
        demoted.append((new < threshold).mean())
    error = np.std(missed) / np.sqrt(len(missed))
    assert np.mean(missed) < 0.05 + 3 * error
    assert np.mean(missed) > 0.03
    assert np.mean(demoted) > 0.1


def test_too_few_rows_promise_nothing():
    assert conformal.score_quantile(np.ones(5), 0.1) == 0.0
    assert conformal.risk_controlled(np.ones(5), np.ones(5, bool), 0.1) == 0.0


@pytest.mark.parametrize("alpha", [0, 1, -0.1, float("nan")])
def test_levels_out_of_range_are_refused(alpha):
    with pytest.raises(InputError, match="between 0 and 1"):
        conformal.score_quantile(np.ones(5), alpha)


@pytest.mark.parametrize("scores", [np.array([]), np.array([np.nan]), np.ones((2, 2))])
def test_scores_must_be_numbers(scores):
    with pytest.raises(InputError, match="finite and not empty"):
        conformal.score_quantile(scores, 0.1)


def test_coverage_is_reported_by_stratum():
    table = conformal.coverage(
        {"own": np.array([1, 1, 5, 5]), "none": np.zeros(4)},
        np.array([1, 0, 5, np.inf]),
        np.array(["a", "a", "b", "b"]),
        np.arange(4),
        draws=50,
        seed=1,
    )
    assert table["bound"].to_list() == ["own"] * 3 + ["none"] * 3
    assert table["stratum"].to_list() == [conformal.ALL, "a", "b"] * 2
    assert table["coverage"].to_list() == [0.75, 0.5, 1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize(("alpha", "wanted"), [(0.1, 0.0), (0.2, 0.1), (0.39, 0.1), (0.4, 0.2), (0.85, 0.4)])
def test_the_threshold_is_the_next_access_that_may_not_be_missed(alpha, wanted):
    """Of four rows, all accessed, m may be missed where (m + 1) / 5 is at most alpha."""
    p = np.array([0.3, 0.1, 0.4, 0.2])
    assert conformal.risk_controlled(p, np.ones(4, bool), alpha) == wanted
    # Where fewer were accessed than may be missed, everything is demoted.
    assert conformal.risk_controlled(p, p > 0.35, 0.4) == np.inf


def test_rows_to_control_the_risk_on_must_fit_their_answers():
    for p, accessed in (
        (np.ones(2), np.ones(3)),
        (np.ones((2, 1)), np.ones((2, 1))),
        (np.ones(0), np.ones(0)),
    ):
        with pytest.raises(InputError, match="of one length, not empty"):
            conformal.risk_controlled(p, accessed, 0.1)


def test_bounds_of_rows_are_found_side_by_side():
    q = np.array([0.0, 0.3, 0.35, 1.5])
    bound = conformal.lower_bounds(lambda w: w / 10, q, 4, 8)
    # A quantile that is reached exactly is reached; one that never is gives the longest wait seen.
    assert bound.tolist() == [1, 3, 4, 8]


def test_a_spell_that_ends_at_an_idle_time_does_not_count_there():
    def within(idle, wait):
        return wait / (100 + 1000 * idle)

    found = conformal.simultaneous_scores(within, np.array([0.0, 5.0]), np.array([5.0, 6.0]))
    assert found.tolist() == [5 / 100, 1 / 5100]
