"""Scores are proper, calibrators do what they say, and the peer's finding is an artefact of unpooled ties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from rollstate.bootstrap import resampling
from rollstate.errors import InputError
from rollstate.survival import calibration, scores
from rollstate.survival.spells import make_spells


def draw(seed, n=2_000, power=1.0):
    rng = np.random.default_rng(seed)
    p = np.round(rng.beta(0.5, 1.5, n), 2)
    return p, (rng.random(n) < p**power).astype(float)


def test_scores_are_those_of_scikit_learn():
    p, y = draw(1)
    assert scores.brier(p, y).mean() == pytest.approx(brier_score_loss(y, p))
    kept = np.clip(p, calibration.FLOOR, 1 - calibration.FLOOR)
    assert scores.log_score(p, y).mean() == pytest.approx(log_loss(y, kept))
    assert scores.auc(p, y) == pytest.approx(roc_auc_score(y, p))


def test_the_calibration_line_is_a_logistic_regression():
    p, y = draw(2, power=0.5)
    kept = np.clip(p, calibration.FLOOR, 1 - calibration.FLOOR)
    peer = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1_000).fit(np.log(kept / (1 - kept))[:, None], y)
    assert scores.calibration_line(p, y) == pytest.approx([peer.intercept_[0], peer.coef_[0, 0]], abs=1e-4)


@pytest.mark.parametrize("seed", range(20))
def test_the_score_of_the_line_is_zero(seed):
    """At the maximum what is left over sums to nothing, and to nothing when weighted by the covariate."""
    rng = np.random.default_rng(seed)
    n = rng.integers(60, 400)
    x = np.round(rng.normal(0, 4, n), 1)
    y = (rng.random(n) < special.expit(rng.normal() + rng.normal() * x / 2)).astype(float)
    intercept, slope = calibration.logistic_line(x, y)
    left = y - special.expit(intercept + slope * x)
    assert [left.sum(), left @ x] == pytest.approx([0, 0], abs=1e-6)


def test_forecasts_that_are_all_alike_have_the_level_of_the_answers():
    intercept, slope = calibration.logistic_line(np.full(4, 1.7), np.array([0, 1, 1, 1]))
    assert intercept + 1.7 * slope == pytest.approx(np.log(3), rel=1e-12)
    assert slope == pytest.approx(1.7 * intercept)


def test_labels_at_random_have_a_line_too():
    """Full Newton steps cycled on this."""
    rng = np.random.default_rng(1)
    p, y = rng.random(80), rng.integers(0, 2, 80)
    intercept, slope = scores.calibration_line(p, y)
    peer = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1_000).fit(np.log(p / (1 - p))[:, None], y)
    assert [intercept, slope] == pytest.approx([peer.intercept_[0], peer.coef_[0, 0]], abs=1e-4)


@pytest.mark.parametrize("answers", ["00001111", "11110000", "0000", "1111"])
def test_a_line_that_does_not_exist_is_refused(answers):
    y = np.array(list(answers), float)
    p = np.linspace(0.1, 0.9, len(y))
    with pytest.raises(InputError, match="separate the answers"):
        calibration.logistic_line(p, y)
    if len(y) == 8:
        # One value with both answers, and the others on their sides: still no finite slope.
        p[3] = p[4]
        with pytest.raises(InputError, match="separate the answers"):
            calibration.logistic_line(p, y)
        p[3], p[4] = p[4] + 0.1, p[4]
        assert np.isfinite(calibration.logistic_line(p, y)).all()


def test_the_band_of_the_reliability_curve_holds_the_middle_of_the_refits():
    p, y = draw(5, n=300)
    cluster, at = np.arange(300) % 30, np.array([0.05, 0.2, 0.6])
    found = scores.reliability(p, y, resampling(cluster, 50, 1), at=at, level=0.8)
    refits = [
        calibration.fit_isotonic(p, y, counts[cluster]).predict(at)
        for counts in resampling(cluster, 50, 1).counts
    ]
    assert found["forecast"].to_list() == at.tolist()
    assert found["frequency"].to_numpy() == pytest.approx(calibration.fit_isotonic(p, y).predict(at))
    for name, share in (("low", 0.1), ("high", 0.9)):
        assert found[name].to_numpy() == pytest.approx(np.quantile(refits, share, axis=0))


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=40))
def test_isotonic_pools_ties_and_is_that_of_scikit_learn(rows):
    p, y = np.array([r[0] / 6 for r in rows]), np.array([float(r[1]) for r in rows])
    fitted = calibration.fit_isotonic(p, y)
    peer = IsotonicRegression(out_of_bounds="clip").fit(p, y)
    assert fitted.predict(p) == pytest.approx(peer.predict(p))
    order = np.random.default_rng(1).permutation(len(p))
    assert np.array_equal(calibration.fit_isotonic(p[order], y[order]).value, fitted.value)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30), st.integers(0, 10))
def test_venn_abers_is_two_isotonic_fits(rows, new):
    """The definition: refit with the new forecast labelled 0, then 1."""
    p, y = np.array([r[0] / 5 for r in rows]), np.array([float(r[1]) for r in rows])
    at = new / 10
    low, high = calibration.fit_venn_abers(p, y).interval(np.array([at]))
    wanted = [
        calibration.fit_isotonic(np.append(p, at), np.append(y, label)).predict(np.array([at]))[0]
        for label in (0, 1)
    ]
    assert [low[0], high[0]] == pytest.approx(wanted)


def test_decomposition_adds_up():
    p, y = draw(3, power=0.6)
    parts = scores.decomposition(p, y)
    total = parts["miscalibration"] - parts["discrimination"] + parts["uncertainty"]
    assert total == pytest.approx(scores.brier(p, y).mean())
    assert min(parts.values()) >= -1e-12


def test_differences_of_a_model_to_itself_are_none_and_a_better_one_is_better():
    rng = np.random.default_rng(4)
    p, y = draw(4)
    noisy = np.clip(p + rng.normal(0, 0.3, len(p)), 0, 1)
    table = scores.compare(
        {"truth": p, "same": p, "noisy": noisy},
        y,
        resampling(np.arange(len(p)), 200, 1),
        reference="truth",
    )
    verdicts = dict(zip(table["model"], table["verdict"], strict=True))
    assert verdicts == {"same": "no difference", "noisy": "worse", "truth": None}


def test_one_cluster_has_no_interval_and_no_verdict():
    p, y = draw(4)
    table = scores.compare(
        {"truth": p, "half": np.full(len(p), 0.5)}, y, resampling(np.zeros(len(p)), 20, 1), reference="truth"
    )
    assert table["low"].null_count() == table.height
    assert table["verdict"].to_list() == [None, "no difference"]


def test_the_interval_of_a_mean_covers_as_often_as_it_says():
    rng, covered = np.random.default_rng(5), 0
    for seed in range(200):
        cluster = np.repeat(np.arange(60), 5)
        values = rng.normal(size=60)[cluster] + rng.normal(size=300)
        _, low, high = resampling(cluster, 200, seed).mean(values)
        covered += low <= 0 <= high
    assert covered / 200 > 0.95 - 4 * np.sqrt(0.05 * 0.95 / 200)


def test_censored_rows_are_weighted_to_the_score_without_censoring():
    rng = np.random.default_rng(6)
    gap = np.ceil(rng.exponential(20, 40_000))
    censor = rng.integers(5, 80, 40_000)
    p = np.full(len(gap), 0.4)
    spells = make_spells(np.minimum(gap, censor), gap <= censor)
    full = ((p - (gap <= 15)) ** 2).mean()
    assert scores.ipcw_brier(p, spells, 15) == pytest.approx(full, abs=0.004)
    with pytest.raises(InputError, match="seen from their start"):
        scores.ipcw_brier(p, make_spells(gap + 1, gap > 0, entry=np.ones(len(gap))), 15)


def test_survival_at_the_event_is_uniform_for_the_truth_and_not_for_another():
    rng = np.random.default_rng(7)
    gap, censor = rng.exponential(20, 5_000), rng.exponential(30, 5_000)
    time, event = np.minimum(gap, censor), gap <= censor
    one = np.ones(len(gap))
    assert scores.d_calibration(np.exp(-time / 20), event, one)["p"][0] > 0.01
    assert scores.d_calibration(np.exp(-time / 30), event, one)["p"][0] < 1e-6


def test_a_calibrated_curve_is_the_true_one_under_censoring_and_late_entry():
    rng = np.random.default_rng(8)
    n = 40_000
    rate = rng.uniform(0.02, 0.1, n)
    gap, censor, entry = rng.exponential(1 / rate), rng.uniform(5, 60, n), rng.uniform(0, 10, n)
    end, event = np.minimum(gap, censor), gap <= censor
    seen = end > entry
    at = np.array([1.0, 5.0, 20.0, 40.0])
    truth = np.exp(-np.outer(rate[:200], at))
    # The forecast hazard is off by a power and a factor, the same for all.
    forecast = np.exp(-(2 * (0.5 * np.outer(rate[:200], at)) ** 0.7))
    hazards = (2 * (0.5 * rate * t) ** 0.7 for t in (entry, end))
    begin, stop = (h[seen] for h in hazards)
    found = calibration.fit_curve(begin, stop, event[seen]).predict(forecast)
    assert np.abs(forecast - truth).max() > 0.1
    assert np.abs(found - truth).max() < 0.02
    right = calibration.fit_curve((rate * entry)[seen], (rate * end)[seen], event[seen]).predict(truth)
    assert np.abs(right - truth).max() < 0.02
    with pytest.raises(InputError, match="no later spell"):
        calibration.fit_curve(np.zeros(2), np.ones(2), np.zeros(2, bool))


@pytest.mark.parametrize(
    ("p", "y"),
    [([0.5, 1.2], [0, 1]), ([0.5, np.nan], [0, 1]), ([0.5], [0, 1]), ([0.5, 0.5], [0, 2]), ([], [])],
)
def test_forecasts_that_are_none_are_refused(p, y):
    with pytest.raises(InputError):
        scores.check_forecast(np.array(p), np.array(y))


def test_refits_of_samples_are_the_fits_of_their_rows_one_by_one():
    rng = np.random.default_rng(5)
    p, y = rng.random(200).round(1), (rng.random(200) < 0.4).astype(float)
    samples = resampling(rng.integers(0, 30, 200), 4, 1)
    at = np.linspace(0, 1, 21)
    for one, drawn in zip(calibration.refit_isotonic(p, y, samples), samples.counts, strict=True):
        weight = drawn[samples.code].astype(float)
        assert np.array_equal(one.predict(at), calibration.fit_isotonic(p, y, weight).predict(at))


def test_a_certain_forecast_that_fails_costs_the_floor_and_no_more():
    found = scores.log_score(np.array([1.0, 0.0, 1.0, 0.0]), np.array([0, 1, 1, 0]))
    assert found == pytest.approx([-np.log(calibration.FLOOR)] * 2 + [calibration.FLOOR] * 2, rel=1e-6)


def test_weights_are_one_over_the_share_still_observed():
    """Two spells of three blocks, one accessed, one cut off there; half of those observed longer stay observed."""
    spells = make_spells(np.array([2, 3, 3, 5]), np.array([True, False, True, False]))
    # At three blocks all answers are known, the spell that is cut off there was idle in its third block too.
    for horizon, weights in ((3, [1, 1, 1, 1]), (3.5, [1, 0, 1, 2]), (4, [1, 0, 1, 2]), (5, [1, 0, 1, 2])):
        assert scores.censoring_weights(spells, horizon).tolist() == weights
    assert scores.ipcw_brier(np.full(4, 0.25), spells, 4) == pytest.approx((2 * 0.75**2 + 2 * 0.25**2) / 4)
    with pytest.raises(InputError, match="no spell is observed for 6 blocks"):
        scores.censoring_weights(spells, 6)


def test_spells_are_spread_over_the_bins_that_their_survival_leaves_open():
    # Events at v = 0.05 and 0.15; one censored at 0.2 is as likely in the first bin as in the second.
    survival, entry = np.array([0.05, 0.075, 0.1]), np.array([1, 0.5, 0.5])
    found = scores.d_calibration(survival, np.array([True, True, False]), entry)
    counts = np.r_[1.5, 1.5, np.zeros(8)]
    assert found["share"].to_numpy() == pytest.approx(counts / 3)
    assert found["p"].to_numpy() == pytest.approx(stats.chisquare(counts).pvalue)
    assert found["low"].to_numpy() == pytest.approx(np.arange(10) / 10)
    assert found["high"].to_numpy() == pytest.approx(np.arange(1, 11) / 10)
    two = scores.d_calibration(survival, np.array([True, True, False]), entry, bins=2)
    assert two["p"][0] == pytest.approx(stats.chisquare([3, 0]).pvalue)
    # Of one censored at zero nothing is left to spread; it counts in no bin.
    none = scores.d_calibration(np.array([0.3, 0.0]), np.array([True, False]), np.ones(2), bins=2)
    assert none["share"].to_list() == [0.5, 0]


def test_bands_and_intervals_are_of_95_per_cent_unless_another_level_is_asked_for():
    p, y = draw(6, n=200)
    samples, at = resampling(np.arange(200) % 40, 100, 1), np.array([0.1, 0.5])
    given = scores.reliability(p, y, samples, at=at, level=0.95)
    assert scores.reliability(p, y, samples, at=at).equals(given)
    models = {"truth": p, "half": np.full(200, 0.5)}
    given = scores.compare(models, y, samples, reference="truth", level=0.95)
    assert scores.compare(models, y, samples, reference="truth").equals(given)
    assert not scores.compare(models, y, samples, reference="truth", level=0.8).equals(given)


def test_the_verdict_is_that_of_the_interval_of_the_difference():
    p, y = draw(4)
    rng = np.random.default_rng(4)
    noisy = np.clip(p + rng.normal(0, 0.3, len(p)), 0, 1)
    samples = resampling(np.arange(len(p)), 200, 1)
    row = scores.compare({"noisy": noisy, "truth": p}, y, samples, reference="noisy").row(1, named=True)
    gap = (p - y) ** 2 - (noisy - y) ** 2
    assert row["verdict"] == "better"
    assert row["difference"] == pytest.approx(gap.mean())
    means = [np.average(gap, weights=counts) for counts in samples.counts]
    assert [row["difference_low"], row["difference_high"]] == pytest.approx(
        np.quantile(means, [0.025, 0.975])
    )


def test_the_area_under_the_curve_of_answers_that_are_all_alike_is_not_defined():
    for answers in ([0, 0], [1, 1]):
        assert np.isnan(scores.auc(np.array([0.2, 0.4]), np.array(answers)))
    assert scores.auc(np.array([0.2, 0.4]), np.array([0, 1])) == 1
