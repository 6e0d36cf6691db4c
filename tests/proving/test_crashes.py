"""Crashes are counted, explained by size only as far as they are, and told from blocks that cannot be proved."""

import numpy as np
import pandas as pd
import pytest

from rollstate.errors import InputError
from rollstate.proving import crashes


def drawn(seed, power=1.0, n=3_000):
    rng = np.random.default_rng(seed)
    size = rng.uniform(1e8, 1e9, n)
    return size, rng.random(n) < -np.expm1(-0.15 * (size / 5e8) ** power)


def test_share_of_crashes():
    one = crashes.share(np.array([True] * 34 + [False] * 216))
    assert one.value == 0.136
    assert (one.low, one.high) == pytest.approx((0.0960, 0.1849), abs=5e-4)
    assert crashes.share(np.zeros(10, bool)).low == 0


def test_effect_is_one_where_gas_has_none():
    rng = np.random.default_rng(1)
    one = crashes.effect(rng.uniform(1e7, 4e7, 4_000), rng.random(4_000) < 0.1)
    assert one.low < 1 < one.high


def test_memoryless_crashes_are_not_rejected_and_others_are():
    values = [crashes.memoryless(*drawn(seed)).p_value for seed in range(40)]
    assert np.mean(np.array(values) < 0.05) <= 0.2
    found = crashes.memoryless(*drawn(1))
    assert found.exponent.low < 1 < found.exponent.high
    assert found.hazard * 5e8 == pytest.approx(0.15, rel=0.1)
    assert crashes.memoryless(*drawn(1, power=3.0)).p_value < 1e-6


def test_overlap_tells_chance_from_blocks():
    rng = np.random.default_rng(2)
    one, other = (pd.DataFrame({"block": range(500), "crashed": rng.random(500) < 0.1}) for _ in range(2))
    count, expected, p_value = crashes.overlap(one, other)
    assert abs(count - expected) < 10
    assert p_value > 0.01
    assert crashes.overlap(one, one)[2] < 1e-9


def test_size_helps_only_where_it_says_something():
    size, crashed = drawn(3, n=6_000)
    strong = pd.DataFrame({"cycles": size, "crashed": size > 8e8})
    assert crashes.brier_gain(strong, "cycles", 3_000, draws=200, seed=1).low > 0
    rng = np.random.default_rng(4)
    none = pd.DataFrame({"cycles": size, "crashed": rng.permutation(crashed)})
    assert crashes.brier_gain(none, "cycles", 3_000, draws=200, seed=1).value < 1e-3


@pytest.mark.parametrize("crashed", [np.zeros(5, bool), np.ones(5, bool)])
def test_bad_input_is_named(crashed):
    with pytest.raises(InputError, match="some of each"):
        crashes.memoryless(np.ones(5), crashed)
