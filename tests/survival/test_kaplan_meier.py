"""Curves by stratum, bands, restricted means and log-rank tests."""

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from rollstate.bootstrap import cluster_samples, resampling
from rollstate.errors import InputError
from rollstate.product_limit import kaplan_meier, survival_at
from rollstate.survival import kaplan_meier as km
from rollstate.survival.spells import make_spells

from .conftest import SETS, simulate


@pytest.mark.real_data
@pytest.mark.parametrize("name", SETS)
def test_curves_equal_r_survfit(oracle, name):
    spells, expected = oracle(name)
    curves = km.survival_curves(spells) if name != "cgd_recurrent" else None
    if curves is None:
        with pytest.raises(InputError, match="stratum '8' has no event"):
            km.survival_curves(spells)
        curves = km.survival_curves(spells.take(spells.stratum < 4))
    expected = expected["km"]
    labels = [str(s).split("=")[-1] for s in expected["strata"] or ["all"] * len(expected["time"])]
    checked = 0
    for time, survival, se, label in zip(
        expected["time"], expected["surv"], expected["stderr"], labels, strict=True
    ):
        curve = curves.filter(curves["stratum"] == label)
        if not len(curve):
            continue
        assert_allclose(survival_at(curve, [time]), [survival], rtol=1e-12, atol=1e-15)
        position = np.searchsorted(curve["time"].to_numpy(), time, "right") - 1
        if se != "NaN" and position >= 0 and survival > 0:
            assert_allclose(curve["se"][int(position)], se, rtol=1e-8)
            checked += 1
    assert checked >= 5


@pytest.mark.real_data
def test_log_rank_and_restricted_mean_equal_r(oracle, r_extra):
    spells, _ = oracle("lung_strat")
    pooled = dataclasses.replace(spells, stratum=np.zeros(len(spells), int), strata=("all",))
    assert_allclose(km.log_rank(pooled, spells.stratum).statistic, r_extra["lung_logrank_sex"][0], rtol=1e-8)
    ecog = spells.x[:, spells.names.index("ecog")]
    result = km.log_rank(spells, ecog)
    assert_allclose(result.statistic, r_extra["lung_logrank_ecog_by_sex"][0], rtol=1e-8)
    assert result.df == len(np.unique(ecog)) - 1
    means = km.restricted_mean(spells, 500)
    assert_allclose(means["mean"].to_numpy(), r_extra["lung_rmean_500"], rtol=1e-8)
    assert_allclose(means["se"].to_numpy(), r_extra["lung_rmean_500_se"], rtol=1e-6)


@pytest.mark.thorough
def test_log_rank_has_its_size_under_delayed_entry_and_only_the_robust_one_under_clusters():
    plain, naive, robust = [], [], []
    for seed in range(300):
        spells = simulate(seed, n=150, beta=(0.0, 0.0), rounding=5.0)
        group = np.random.default_rng(seed).integers(0, 2, len(spells))
        plain.append(km.log_rank(spells, group).p)
        rows = np.repeat(np.arange(len(spells)), 3)
        repeated = dataclasses.replace(spells.take(rows), cluster=rows)
        naive.append(km.log_rank(repeated, group[rows]).p)
        robust.append(km.log_rank(repeated, group[rows], robust=True).p)
    error = 3 * np.sqrt(0.05 * 0.95 / 300)
    assert abs(np.mean(np.array(plain) < 0.05) - 0.05) < error
    assert np.mean(np.array(naive) < 0.05) > 0.15
    assert abs(np.mean(np.array(robust) < 0.05) - 0.05) < error + 0.01


def test_equal_precision_value_is_that_of_published_tables():
    # Klein and Moeschberger (2003), table C.3a: 95 %, a_L = 0.1, a_U = 0.9.
    assert km.equal_precision_value(0.1, 0.9) == pytest.approx(3.0, abs=0.06)
    assert km.equal_precision_value(0.02, 0.98) == pytest.approx(3.24, abs=0.08)


@pytest.mark.parametrize(("first", "last", "level"), [(0.45, 0.55, 0.95), (0.4, 0.6, 0.8), (0.3, 0.7, 0.9)])
def test_equal_precision_value_of_a_short_stretch_is_that_of_simulated_bridges(first, last, level):
    """Within what the approximation and 256 steps of 20,000 paths leave; above the pointwise value in any case."""
    rng = np.random.default_rng(1)
    at = np.linspace(first, last, 257)
    # A bridge over sqrt(t (1 - t)) is Brownian motion at s = t / (1 - t), over sqrt(s).
    s = at / (1 - at)
    steps = rng.normal(size=(20_000, len(s))) * np.sqrt(np.diff(s, prepend=0))
    highest = np.abs(np.cumsum(steps, axis=1) / np.sqrt(s)).max(axis=1)
    found = km.equal_precision_value(first, last, level)
    assert found == pytest.approx(np.quantile(highest, level), rel=0.05)
    assert found > stats.norm.ppf(0.5 + level / 2)


@pytest.mark.thorough
def test_simultaneous_band_holds_the_whole_true_curve_and_the_pointwise_one_does_not():
    inside = {"pointwise": 0, "simultaneous": 0}
    runs = 300
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        gap, stop = rng.exponential(100, 300), rng.uniform(50, 400, 300)
        curve = km.survival_curves(make_spells(np.minimum(gap, stop), gap < stop))
        kept = curve.drop_nulls("band_low")
        truth = np.exp(-kept["time"].to_numpy() / 100)
        for name, low, high in (("pointwise", "low", "high"), ("simultaneous", "band_low", "band_high")):
            below, above = kept[low].to_numpy(), kept[high].to_numpy()
            # The true curve is continuous: check it at both ends of every step.
            inside[name] += bool(np.all((below <= truth) & (truth <= above)))
    assert inside["simultaneous"] / runs > 0.95 - 3 * np.sqrt(0.05 * 0.95 / runs)
    assert inside["pointwise"] / runs < 0.85


def test_cluster_band_widens_with_dependence():
    one = dataclasses.replace(simulate(2, n=200, strata=1), cluster=np.arange(200))
    rows = np.repeat(np.arange(200), 4)
    four = dataclasses.replace(one.take(rows), cluster=rows)
    at = np.array([10.0, 20, 40])
    single = km.cluster_simultaneous_band(one, at, seed=1, draws=200)
    repeated = km.cluster_simultaneous_band(four, at, seed=1, draws=200)
    assert_allclose(repeated["survival"], single["survival"], rtol=1e-12)
    width = (repeated["band_high"] - repeated["band_low"]) / (single["band_high"] - single["band_low"])
    assert_allclose(width, 1, atol=0.1)
    assert (repeated["band_low"] < repeated["low"]).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: km.restricted_mean(s, 1e6), "beyond the follow-up"),
        (lambda s: km.log_rank(s, np.zeros(len(s))), "at least two are needed"),
        (lambda s: km.log_rank(s, s.stratum, robust=True), "needs spells with clusters"),
        (lambda s: km.cluster_simultaneous_band(s, [1.0], seed=1), "needs spells with clusters"),
    ],
)
def test_bad_requests_are_named(call, message):
    with pytest.raises(InputError, match=message):
        call(simulate(1, n=50))


@pytest.mark.parametrize("cells", [50, 20_000_000])
def test_curves_of_samples_are_those_of_the_copied_spells(cells, monkeypatch):
    """In one go and in steps of a few times."""
    monkeypatch.setattr(km, "CELLS", cells)
    spells = simulate(5, n=300, rounding=5.0)
    cluster = np.arange(300) % 17
    samples = resampling(cluster, 6, 3)
    at = np.array([0.5, 1, 2, 5, 9, 40])
    found = km.log_survival_by_sample(spells, samples.code, samples.counts, at)
    for row, rows in zip(found, cluster_samples(cluster, 6, 3), strict=True):
        curve = kaplan_meier(spells.duration[rows], spells.event[rows], spells.entry[rows])
        with np.errstate(divide="ignore"):
            assert row == pytest.approx(np.log(survival_at(curve, at)), abs=1e-12)


def test_one_cluster_has_no_band():
    spells = dataclasses.replace(simulate(5, n=50), cluster=np.zeros(50, int))
    with pytest.raises(InputError, match="at least two clusters"):
        km.cluster_simultaneous_band(spells, np.array([5.0]), seed=1)


def test_the_restricted_mean_of_gaps_that_all_ended_is_their_plain_mean():
    rng = np.random.default_rng(2)
    gaps, stratum = rng.integers(1, 40, 60), np.arange(60) % 2
    gaps[:2] = 45
    means = km.restricted_mean(make_spells(gaps, np.ones(60, bool), stratum=stratum), 30)
    for code, row in enumerate(means.iter_rows(named=True)):
        cut = np.minimum(gaps[stratum == code], 30)
        assert row["mean"] == pytest.approx(cut.mean())
        assert row["se"] == pytest.approx(cut.std() / np.sqrt(len(cut)))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("late", [False, True])
def test_the_log_rank_test_is_that_of_statsmodels(seed, late):
    """Ties, two slots and one at risk at last, and either delayed entry or strata: statsmodels fails on both."""
    from statsmodels.duration.survfunc import survdiff

    rng = np.random.default_rng(seed)
    n = 80
    duration = np.r_[25, 20, rng.integers(1, 12, n - 2)]
    entry = np.where(rng.random(n) < 0.3, np.minimum(rng.integers(0, 4, n), duration - 1), 0) * late
    event, group = rng.random(n) < 0.7, np.r_[0, 1, rng.integers(0, 3, n - 2)]
    event[:2] = True
    stratum = np.r_[0, 0, rng.integers(0, 2, n - 2)] * (not late)
    found = km.log_rank(make_spells(duration, event, entry=entry, stratum=stratum), group)
    more = {"entry": entry} if late else {"strata": stratum}
    wanted = survdiff(duration, event.astype(int), group, **more)
    assert [found.statistic, found.p] == pytest.approx(wanted, rel=1e-8)
    assert found.df == 2
