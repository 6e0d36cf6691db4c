"""Stack distances are those of a list that is walked, and reading times keep their bounds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollstate.errors import InputError
from rollstate.execution import caches


def walked(keys):
    """Return stack distances by keeping the stack."""
    stack, out = [], []
    for key in keys:
        out.append(stack.index(key) + 1 if key in stack else caches.NEVER)
        if key in stack:
            stack.remove(key)
        stack.insert(0, key)
    return out


def lru_hits(keys, size):
    """Return hits of a least-recently-used cache, simulated."""
    kept, hits = [], 0
    for key in keys:
        hits += key in kept
        kept = ([key] + [other for other in kept if other != key])[:size]
    return hits


KEYS = st.lists(st.integers(0, 12), min_size=1, max_size=60)


@given(KEYS)
def test_stack_distances_are_those_of_a_walk(keys):
    assert caches.stack_distances(np.array(keys)).tolist() == walked(keys)
    assert caches.stack_distances(np.array(keys) * 10**9 - 5).tolist() == walked(keys)


@given(KEYS, st.integers(0, 14))
def test_hit_ratio_is_that_of_a_simulated_cache(keys, size):
    distances = caches.stack_distances(np.array(keys))
    assert caches.hit_ratio(distances, [size])[0] == pytest.approx(lru_hits(keys, size) / len(keys))


def test_renumbering_changes_no_distance():
    # More accesses than places, and more keys than a quarter of them: the tree is rebuilt and grows.
    rounds, n = 5, 40_000
    distances = caches.stack_distances(np.tile(np.arange(n), rounds))
    assert (distances[:n] == caches.NEVER).all()
    assert (distances[n:] == n).all()


def test_reading_in_the_background_is_bounded_by_latency_and_rate():
    assert caches.read_time_s(1_500, 100e-6, 1) == pytest.approx(0.150)
    assert caches.read_time_s(1_500, 100e-6, 32) == pytest.approx(4.6875e-3)
    assert caches.read_time_s(1, 100e-6, 32) == 100e-6
    assert caches.read_time_s(1_500, 100e-6, 1_000, max_per_s=1e5) == pytest.approx(0.015)
    assert caches.read_time_s(0, 1, 1) == 0


def test_overlap_saves_at_most_half():
    assert caches.block_time_s(4, 2, 2, overlapped=False) == 4
    assert caches.block_time_s(4, 2, 2, overlapped=True) == 2


def test_mean_access_time_is_the_weighted_mean():
    assert caches.mean_access_s([0.9, 0.1], [100e-9, 100e-6]) == pytest.approx(10.09e-6)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: caches.stack_distances(np.ones(3)), "integers"),
        (lambda: caches.hit_ratio(np.empty(0, int), [1]), "no access"),
        (lambda: caches.mean_access_s([0.5, 0.4], [1, 2]), "sum to one"),
        (lambda: caches.read_time_s(1, 0, 1), "latency_s=0"),
        (lambda: caches.block_time_s(1, 0, 1, overlapped=True), "threads=0"),
    ],
)
def test_bad_input_is_named(call, said):
    with pytest.raises(InputError, match=said):
        call()
