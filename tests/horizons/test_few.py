"""Intervals from few clusters: what they cover is measured."""

import numpy as np
import pytest
from scipy import stats

from rollstate.errors import InputError
from rollstate.horizons import few

DRAWS = 400


def skewed(clusters):
    """Return a sampler of clusters whose sizes and ratios are skewed, and the ratio of the expectations."""

    def draw(rng):
        under = rng.lognormal(0, 0.5, clusters)
        return under * rng.lognormal(0, 0.6, clusters), under

    return draw, float(np.exp(0.6**2 / 2))


@pytest.mark.parametrize(("clusters", "short"), [(7, 0.08), (15, 0.03)])
def test_measured_coverage(clusters, short):
    """Of skewed ratios the percentile interval covers far too few; the bootstrap-t is short by a few points."""
    draw, truth = skewed(clusters)
    found = {
        name: few.coverage(
            lambda a, b, of=of: of(a, b, draws=DRAWS, seed=1), draw, truth, samples=600, seed=clusters
        )
        for name, of in {"percentile": few.percentile, "t": few.bootstrap_t}.items()
    }
    assert found["percentile"].value < found["t"].value
    assert found["t"].value == pytest.approx(0.95, abs=short)
    assert found["t"].value - found["percentile"].value > 0.03


def test_bca_covers_less_than_the_bootstrap_t_with_seven_clusters():
    draw, truth = skewed(7)
    found = few.coverage(lambda a, b: few.bca(a, b, draws=DRAWS, seed=1), draw, truth, samples=200, seed=7)
    assert 0.78 < found.value < 0.94


def test_the_next_window_lies_in_its_prediction_interval():
    rng = np.random.default_rng(3)
    inside = 0
    for _ in range(2000):
        *seen, following = np.exp(rng.normal(0.1, 0.2, 8))
        found = few.prediction(np.array(seen))
        inside += found.low <= following <= found.high
    assert stats.binomtest(inside, 2000, 0.95).pvalue > 0.001


def test_standard_error_is_that_of_a_ratio():
    rng = np.random.default_rng(5)
    ratios, errors = [], []
    for _ in range(4000):
        under = rng.gamma(9, 1, 40)
        ratio, error = few._ratio(under * rng.gamma(4, 0.25, 40), under)
        ratios.append(ratio)
        errors.append(error)
    assert np.mean(errors) == pytest.approx(np.std(ratios), rel=0.05)


def test_effective_clusters():
    assert few.effective(np.full(7, 3.0)) == pytest.approx(7)
    assert few.effective(np.array([1.0, 1e-9, 1e-9])) == pytest.approx(1)
    assert few.effective(np.array([1.0, 1, 2])) == pytest.approx(16 / 6)


def test_leave_one_out_is_the_ratio_of_the_rest():
    over, under = np.array([1.0, 2, 6]), np.array([2.0, 2, 4])
    assert few.leave_one_out(over, under) == pytest.approx([8 / 6, 7 / 6, 3 / 4])


def test_clusters_that_are_alike_have_no_interval():
    under = np.array([1.0, 2, 3])
    for of in (few.bootstrap_t, few.bca):
        assert of(2 * under, under, draws=50, seed=1).interval is None
    assert few.prediction(np.array([1.5])).interval is None


def test_errors_name_the_input():
    with pytest.raises(InputError, match=r"at least 3 of them.*\(2,\)"):
        few.bootstrap_t(np.ones(2), np.ones(2), draws=10, seed=1)
    with pytest.raises(InputError, match="not all 0"):
        few.bootstrap_t(np.zeros(3), np.ones(3), draws=10, seed=1)
    with pytest.raises(InputError, match="above 0"):
        few.bca(np.ones(3), np.array([1.0, 0, 2]), draws=10, seed=1)
    with pytest.raises(InputError, match=r"not \[1.0, -2.0\]"):
        few.prediction(np.array([1.0, -2]))
