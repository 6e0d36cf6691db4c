"""The mixture is recovered from its own data, and shrinks as Bayes' rule says."""

import numpy as np
import polars as pl
import pytest
from scipy import integrate, stats

from rollstate.errors import InputError
from rollstate.survival import frailty


def test_rate_and_shape_are_recovered_and_equal_scipys_likelihood():
    rng = np.random.default_rng(1)
    exposure = rng.uniform(50, 500, 20_000)
    events = rng.poisson(0.02 * exposure * rng.gamma(0.7, 1 / 0.7, 20_000))
    found = frailty.fit(events, exposure)
    assert found.rate == pytest.approx(0.02, rel=0.05)
    assert found.shape == pytest.approx(0.7, rel=0.05)
    assert found.p < 1e-10
    mu = found.rate * exposure
    exact = stats.nbinom.logpmf(events, found.shape, found.shape / (found.shape + mu)).sum()
    assert found.log_likelihood == pytest.approx(exact, rel=1e-9)


def test_spells_count_by_slot():
    spells = pl.DataFrame(
        {
            "slot_id": [1, 1, 2, 3],
            "event": [True, False, True, False],
            "entry": [0, 0, 2, 0],
            "duration": [3, 4, 9, 20],
        }
    )
    assert frailty.fit_spells(spells) == frailty.fit(np.array([1, 1, 0]), np.array([7, 7, 20]))


@pytest.mark.thorough
def test_alike_slots_have_no_frailty_and_the_test_has_its_size():
    rng = np.random.default_rng(2)
    exposure = np.full(2_000, 100.0)
    small = [frailty.fit(rng.poisson(0.05 * exposure), exposure).p < 0.05 for _ in range(200)]
    assert np.mean(small) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


def test_the_p_value_is_half_that_of_a_chi_squared_and_at_most_a_half():
    for gain in (0.0, 0.3, 2.0):
        found = frailty.GammaFrailty(0.02, 0.7, gain - 5, -5.0)
        assert found.p == pytest.approx(stats.chi2.sf(2 * gain, 1) / 2)
    assert frailty.GammaFrailty(0.02, 0.7, -5 - 1e-9, -5.0).p == 0.5
    assert found.variance == 1 / 0.7


def test_alike_slots_are_counted():
    rng = np.random.default_rng(8)
    exposure = rng.integers(1, 4, 300) * 10.0
    events = rng.poisson(0.1 * exposure * rng.gamma(0.7, 1 / 0.7, 300))
    alike, count = np.unique(np.stack([events, exposure]), axis=1, return_counts=True)
    counted, single = frailty.fit(*alike, count), frailty.fit(events, exposure)
    for name in ("rate", "shape", "log_likelihood", "poisson_log_likelihood"):
        assert getattr(counted, name) == pytest.approx(getattr(single, name), rel=1e-4), name


def test_posterior_is_bayes_rule():
    found = frailty.GammaFrailty(0.02, 0.7, 0, 0)
    prior = stats.gamma(0.7, scale=1 / 0.7)

    def weighted(power):
        return integrate.quad(lambda z: z**power * stats.poisson.pmf(3, 0.02 * 90 * z) * prior.pdf(z), 0, 60)[
            0
        ]

    assert found.posterior_rate(3, 90) == pytest.approx(0.02 * weighted(1) / weighted(0), rel=1e-4)
    assert found.posterior_rate(0, 1e-9) == pytest.approx(0.02)
    assert found.posterior_rate(1e6, 1e6) == pytest.approx(1, rel=1e-4)


def test_the_covariate_looks_back_only():
    spells = pl.DataFrame({"n_accesses": [1, 5], "rate": [1.0, 0.5]})
    found = frailty.GammaFrailty(0.1, 2.0, 0, 0)
    added = frailty.add_frailty(spells, found)["log_frailty"].to_numpy()
    assert np.exp(added) * 0.1 == pytest.approx([(0 + 2) / (1 + 20), (4 + 2) / (10 + 20)])


def test_a_slot_that_was_created_but_never_accessed_has_the_prior():
    spells = pl.DataFrame({"n_accesses": [0], "rate": [0.0]})
    found = frailty.GammaFrailty(0.1, 2.0, 0, 0)
    added = frailty.add_frailty(spells, found)["log_frailty"].to_numpy()
    assert np.exp(added) * 0.1 == pytest.approx(2 / (1 + 20))


@pytest.mark.parametrize(
    ("events", "exposure", "match"),
    [
        ([0, 0], [1, 1], "no slot is accessed again"),
        ([1], [0], "blocks at risk"),
        ([-1], [1], "0 or more accesses"),
        ([], [], "no slot is seen"),
    ],
)
def test_bad_input_is_named(events, exposure, match):
    with pytest.raises(InputError, match=match):
        frailty.fit(np.array(events), np.array(exposure))


@pytest.mark.parametrize("count", [None, np.array([3, 1, 2, 5])])
def test_the_likelihood_of_one_rate_is_that_of_poisson_counts(count):
    events, exposure = np.array([0, 4, 1, 2]), np.array([30.0, 20, 50, 10])
    weight = np.ones(4) if count is None else count
    rate = (events @ weight) / (exposure @ weight)
    wanted = weight @ stats.poisson.logpmf(events, rate * exposure)
    assert frailty.fit(events, exposure, count).poisson_log_likelihood == pytest.approx(wanted, rel=1e-12)


def test_a_single_access_says_how_long_it_took():
    """One access in four blocks: nothing in between, four blocks seen."""
    spells = pl.DataFrame({"n_accesses": [1], "rate": [0.25]})
    added = frailty.add_frailty(spells, frailty.GammaFrailty(0.1, 2.0, 0, 0))["log_frailty"].to_numpy()
    assert np.exp(added) * 0.1 == pytest.approx(2 / (4 + 20))
