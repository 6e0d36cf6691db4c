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


def by_hand(duration, event, entry):
    """Times, at risk and events of a curve, by counting."""
    times = sorted(set(duration[event]))
    at_risk = np.array([((entry < t) & (duration >= t)).sum() for t in times])
    died = np.array([(event & (duration == t)).sum() for t in times])
    return np.array(times, float), at_risk, died


def test_curves_by_stratum_are_counted_with_greenwoods_errors_and_nairs_bands():
    spells = simulate(7, n=160, strata=2, rounding=5.0)
    curves = km.survival_curves(spells)
    assert curves["stratum"].unique(maintain_order=True).to_list() == list(spells.strata)
    for code, label in enumerate(spells.strata):
        part = spells.take(spells.stratum == code)
        time, n, d = by_hand(part.duration, part.event, part.entry)
        survival = np.cumprod(1 - d / n)
        variance = np.cumsum(d / (n * (n - d)))
        found = curves.filter(curves["stratum"] == label)
        for name, values in (("time", time), ("at_risk", n), ("events", d), ("survival", survival)):
            assert_allclose(found[name].to_numpy(), values, err_msg=name)
        assert_allclose(found["se"].to_numpy(), survival * np.sqrt(variance))
        # The band of Klein and Moeschberger (2003), 4.4, on the log-log scale, where a_L <= n v / (1 + n v) <= a_U.
        a = len(part) * variance / (1 + len(part) * variance)
        kept = (a >= 0.05) & (a <= 0.95)
        c = km.equal_precision_value(a[kept].min(), a[kept].max())
        theta = np.exp(c * np.sqrt(variance) / np.log(survival))
        for name, power in (("band_low", 1 / theta), ("band_high", theta)):
            band = found[name].to_numpy()
            assert_allclose(band[kept], (survival**power)[kept])
            assert np.isnan(band[~kept]).all()


def test_a_curve_that_ends_at_zero_has_no_error_there():
    curve = km.survival_curves(make_spells(np.array([1, 2, 2, 3]), np.ones(4, bool)))
    assert curve["survival"].to_list() == [0.75, 0.25, 0]
    assert_allclose(curve["se"].to_numpy()[:2], [0.75 * np.sqrt(1 / 12), 0.25 * np.sqrt(1 / 12 + 2 / 3)])
    assert np.isnan(curve["se"].to_numpy()[2])


def test_no_band_is_given_where_the_curve_is_too_sure_or_too_unsure():
    for variance in (1e-6, 100.0):
        low, high = km.equal_precision_band(np.array([0.9]), np.array([variance]), 100)
        assert np.isnan(low).all()
        assert np.isnan(high).all()
    # Its ends count: 1 / (1 + 1) is a half.
    for trim, given in ((0.5, True), (0.500001, False)):
        low, high = km.equal_precision_band(np.array([0.5]), np.array([0.25]), 4, trim=trim)
        assert np.isfinite([low[0], high[0]]).all() == given
    # And it is not narrower than the pointwise interval.
    z = stats.norm.ppf(0.975)
    low, high = km.equal_precision_band(np.array([0.5]), np.array([0.25]), 4)
    assert low[0] < 0.5 ** np.exp(z * 0.5 / np.log(2)) < 0.5 ** np.exp(-z * 0.5 / np.log(2)) < high[0]


def test_the_cluster_band_is_that_of_samples_of_copied_spells():
    spells = dataclasses.replace(simulate(3, n=120, strata=1, rounding=5.0), cluster=np.arange(120) % 30)
    at = np.array([0.0, 1, 3, 8])
    found = km.cluster_simultaneous_band(spells, at, seed=4, draws=60, level=0.9)
    curve = kaplan_meier(spells.duration, spells.event, spells.entry)
    assert_allclose(found["survival"].to_numpy(), survival_at(curve, at))
    transformed = []
    for rows in cluster_samples(spells.cluster, 60, 4):
        one = kaplan_meier(spells.duration[rows], spells.event[rows], spells.entry[rows])
        transformed.append(np.log(-np.log(survival_at(one, at[1:]))))
    center, transformed = np.log(-np.log(survival_at(curve, at[1:]))), np.array(transformed)
    se = transformed.std(axis=0, ddof=1)
    largest = np.quantile((np.abs(transformed - center) / se).max(axis=1), 0.9)
    for prefix, value in (("", stats.norm.ppf(0.95)), ("band_", largest)):
        for side, sign in (("low", 1), ("high", -1)):
            wanted = np.exp(-np.exp(center + sign * value * se))
            assert_allclose(found[prefix + side].to_numpy()[1:], wanted, rtol=1e-9)
            # Before the first event survival is one in every sample, and has no band.
            assert np.isnan(found[prefix + side].to_numpy()[0])


def test_the_cluster_band_needs_two_clusters_and_a_time_with_a_curve():
    spells = dataclasses.replace(simulate(5, n=200, strata=1), cluster=np.arange(200) % 2)
    assert km.cluster_simultaneous_band(spells, np.array([30.0]), seed=1, draws=20)["low"][0] > 0
    given = km.cluster_simultaneous_band(spells, np.array([30.0]), seed=1, draws=400, level=0.95)
    assert km.cluster_simultaneous_band(spells, np.array([30.0]), seed=1).equals(given)
    with pytest.raises(InputError, match="survival is 0 or 1"):
        km.cluster_simultaneous_band(spells, np.array([0.0]), seed=1, draws=20)


def test_the_restricted_mean_is_the_area_under_the_curve_with_delayed_entry():
    """The area by a sum over blocks, its variance by the delta method over the curve's steps."""
    spells = simulate(8, n=150, strata=1, rounding=5.0)
    horizon = 9.0
    time, n, d = by_hand(spells.duration, spells.event, spells.entry)
    survival = dict(zip(time, np.cumprod(1 - d / n), strict=True))
    height = [min((s for t, s in survival.items() if t <= block), default=1.0) for block in range(9)]
    variance = 0.0
    for t, at_risk, died in zip(time, n, d, strict=True):
        if t <= horizon:
            variance += sum(height[int(t) :]) ** 2 * died / (at_risk * (at_risk - died))
    row = km.restricted_mean(spells, horizon).row(0, named=True)
    assert row == {"stratum": "0", "mean": pytest.approx(sum(height)), "se": pytest.approx(np.sqrt(variance))}
    # An event at the horizon itself cuts nothing off the area.
    at = float(time[3])
    cut = km.restricted_mean(spells, at)
    assert cut["mean"][0] == pytest.approx(sum(height[: int(at)]))
    # The longest follow-up itself is a horizon.
    assert km.restricted_mean(spells, spells.duration.max())["mean"][0] > sum(height)


@pytest.mark.parametrize("groups", [2, 3])
def test_the_robust_log_rank_test_is_that_of_martingale_sums_by_cluster(groups):
    """Lin and Wei (1989) at no effect, written as loops over spells and event times."""
    rng = np.random.default_rng(groups)
    spells = simulate(9, n=90, strata=2, rounding=8.0)
    spells = dataclasses.replace(spells, cluster=rng.integers(0, 40, 90))
    group = rng.integers(0, groups, 90)
    member = group[:, None] == np.arange(groups - 1)
    sums = np.zeros((40, groups - 1))
    for i in range(90):
        same = spells.stratum == spells.stratum[i]
        for t in np.unique(spells.duration[same & spells.event]):
            if not spells.entry[i] < t <= spells.duration[i]:
                continue
            at_risk = same & (spells.entry < t) & (spells.duration >= t)
            died = same & spells.event & (spells.duration == t)
            martingale = float(died[i]) - died.sum() / at_risk.sum()
            sums[spells.cluster[i]] += (member[i] - member[at_risk].mean(axis=0)) * martingale
    score = sums.sum(axis=0)
    wanted = score @ np.linalg.solve(sums.T @ sums, score)
    found = km.log_rank(spells, group, robust=True)
    assert_allclose([found.statistic, found.p], [wanted, stats.chi2.sf(wanted, groups - 1)], rtol=1e-8)
    assert found.df == groups - 1


def test_a_comparison_needs_an_event():
    with pytest.raises(InputError, match="no events"):
        km.log_rank(make_spells(np.array([1, 2]), np.zeros(2, bool)), np.array([0, 1]))


def test_the_restricted_mean_up_to_the_last_of_gaps_that_all_ended_is_their_mean():
    """Nothing is left of the curve behind its last step, nor of the variance."""
    gaps = np.array([1.0, 2, 2, 5])
    row = km.restricted_mean(make_spells(gaps, np.ones(4, bool)), 5).row(0, named=True)
    assert (row["mean"], row["se"]) == pytest.approx((gaps.mean(), gaps.std() / 2))
