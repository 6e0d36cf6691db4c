"""The index is right where there is one, and refused where the window holds none."""

import gc
import weakref
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, optimize, special, stats

from rollstate import intervals, tails
from rollstate.errors import InputError
from rollstate.risk_table import ClusteredRiskTable
from rollstate.tails import alternatives, assessment, estimators
from rollstate.tails.alternatives import Alternative
from rollstate.tails.estimators import TailSums
from rollstate.traces import datasets, zksp

XI = 1 / 0.7


def pareto_spells(rng, n, *, alpha=0.7, scale=50.0, window=20_000, late=0.3):
    """Draw Pareto gaps in whole blocks, censored by a window, some entering late."""
    gap = np.ceil(scale * (1 - rng.random(n)) ** (-1 / alpha))
    end = rng.integers(1, window, n).astype(float)
    entry = np.where(rng.random(n) < late, rng.integers(0, 2_000, n), 0).astype(float)
    kept = np.minimum(gap, end) > entry
    gap, end, entry = gap[kept], end[kept], entry[kept]
    return np.minimum(gap, end), gap <= end, entry


def test_one_completed_gap_beyond_the_threshold_is_enough():
    assert tails.completed_hill(np.array([8.0, 1.0, 2.0]), 1) == pytest.approx(1 / np.log(4))


def test_uncensored_estimate_is_hills():
    x = np.array([10.0, 1.0, 2.0, 4.0, 8.0])
    fit = tails.hill(x, np.ones(5, bool), 2.0)
    assert fit.alpha == pytest.approx(3 / np.log([10 / 2, 8 / 2, 4 / 2]).sum())
    assert fit.se == pytest.approx(fit.alpha / np.sqrt(3))
    assert (fit.exceedances, fit.events) == (3, 3)


def test_censored_estimate_is_that_of_einmahl_and_others():
    rng = np.random.default_rng(3)
    z, d, _ = pareto_spells(rng, 2_000, late=0)
    u = tails.threshold_of(z, 500)
    beyond = z > u
    adapted = np.log(z[beyond] / u).mean() / d[beyond].mean()
    assert 1 / tails.hill(z, d, u).alpha == pytest.approx(adapted)


@given(st.floats(0.3, 3), st.integers(0, 2**32 - 1))
def test_estimate_does_not_depend_on_the_unit_of_time(factor, seed):
    z, d, e = pareto_spells(np.random.default_rng(seed), 200)
    u = float(np.median(z))
    if not d[z > u].any():
        return
    one = tails.hill(z, d, u, entry=e)
    two = tails.hill(z * factor, d, u * factor, entry=e * factor)
    assert two.alpha == pytest.approx(one.alpha)


def test_monte_carlo_shows_which_estimator_is_right():
    # Window, censoring and late entry as in the reference simulation: true xi = 1/0.7 = 1.429.
    rng = np.random.default_rng(0)
    found = {"completed": [], "no entry": [], "entry": [], "discrete": []}
    for _ in range(60):
        z, d, e = pareto_spells(rng, 5_000)
        u = 200.0
        found["completed"].append(1 / tails.hill(z[d], d[d], u).alpha)
        found["no entry"].append(1 / tails.hill(z, d, u).alpha)
        found["entry"].append(1 / tails.hill(z, d, u, entry=e).alpha)
        found["discrete"].append(1 / tails.discrete(z, d, u, entry=e).alpha)
    mean = {name: np.mean(values) for name, values in found.items()}
    error = {name: np.std(values) / np.sqrt(60) for name, values in found.items()}
    for name in ("entry", "discrete"):
        assert abs(mean[name] - XI) < 4 * error[name], name
    assert mean["completed"] < XI - 10 * error["completed"]
    assert mean["no entry"] > XI + 10 * error["no entry"]


def test_small_scales_need_the_discrete_likelihood():
    rng = np.random.default_rng(5)
    discrete, continuous = [], []
    for _ in range(60):
        z, d, e = pareto_spells(rng, 5_000, scale=1.0)
        discrete.append(1 / tails.discrete(z, d, 3.0, entry=e).alpha)
        continuous.append(1 / tails.hill(z, d, 3.0, entry=e).alpha)
    se = np.std(discrete) / np.sqrt(60)
    assert abs(np.mean(discrete) - XI) < 4 * se
    assert abs(np.mean(continuous) - XI) > 4 * se


@pytest.mark.parametrize("clustered", [False, True])
def test_interval_covers_the_truth(clustered):
    rng = np.random.default_rng(7)
    hits, runs = 0, 300
    for _ in range(runs):
        z, d, e = pareto_spells(rng, 800)
        cluster = None
        if clustered:
            # Each spell five times over: the sandwich must see that nothing was added.
            z, d, e = (np.repeat(x, 5) for x in (z, d, e))
            cluster = np.repeat(np.arange(len(z) // 5), 5)
        low, high = tails.discrete(z, d, 100.0, entry=e, cluster=cluster).interval()
        hits += low <= 0.7 <= high
    # Binomial: 95 % of 300 within four standard errors.
    assert abs(hits - 0.95 * runs) < 4 * np.sqrt(runs * 0.95 * 0.05)


def test_discrete_score_is_the_derivative_of_the_likelihood():
    rng = np.random.default_rng(11)
    z, d, e = pareto_spells(rng, 400)
    u = 60.0
    fit = tails.discrete(z, d, u, entry=e)
    t, died, low = z[z > u], d[z > u], np.maximum(u, e[z > u])

    def likelihood(a):
        inside = np.log((t - 1) ** -a - t**-a)
        return np.where(died, inside, -a * np.log(t)).sum() + a * np.log(low).sum()

    h = 1e-4
    assert abs(likelihood(fit.alpha + h) - likelihood(fit.alpha - h)) / (2 * h) < 1e-2
    curvature = -(likelihood(fit.alpha + h) - 2 * likelihood(fit.alpha) + likelihood(fit.alpha - h)) / h**2
    assert fit.se == pytest.approx(1 / np.sqrt(curvature), rel=1e-3)


def test_real_power_law_is_identified_and_its_interval_covers():
    z, d, e = pareto_spells(np.random.default_rng(13), 6_000, alpha=0.9, scale=5.0, window=200_000, late=0)
    found = tails.assess(z, d, entry=e, seed=1, draws=20)
    assert found.identified, found.reasons
    assert found.interval[0] <= 0.9 <= found.interval[1]
    assert found.k_interval[0] <= found.fit.exceedances <= found.k_interval[1]


@pytest.mark.parametrize(
    ("draw", "name"),
    [
        (lambda rng, n: np.exp(rng.normal(3, 1.0, n)), "lognormal"),
        (lambda rng, n: 50 * rng.exponential(1, n), "Weibull"),
        # The lesser of a Pareto and an exponential time is a truncated power law exactly.
        (
            lambda rng, n: np.minimum(
                10 * (1 - rng.random(n)) ** (-1 / 0.8), 10 + 200 * rng.exponential(1, n)
            ),
            "truncated power law",
        ),
    ],
)
def test_other_tails_are_not_called_power_laws(draw, name):
    z = np.ceil(draw(np.random.default_rng(17), 6_000))
    found = tails.assess(z, np.ones(len(z), bool), seed=1, draws=10, k=3_000)
    assert found.verdict == tails.UNIDENTIFIED
    favoured = dict(found.alternatives.select("alternative", "favours").rows())
    assert favoured[name] == "alternative"


def test_power_law_is_rarely_rejected_against_the_truncated_one():
    # The parameter is on its boundary under the truth: 5 % of 60 within four standard errors.
    rejected, runs = 0, 60
    for seed in range(runs):
        z, d, e = pareto_spells(np.random.default_rng(seed), 400, alpha=1.2, scale=20, late=0)
        table = tails.compare(z, d, 40.0, entry=e, rivals=tails.ALTERNATIVES[2:])
        rejected += table["favours"][0] == "alternative"
    assert rejected <= runs * 0.05 + 4 * np.sqrt(runs * 0.05 * 0.95)


@pytest.mark.real_data
def test_mainnet_gaps_are_not_a_tail_fifty_blocks_can_identify(data_dir):
    spells = intervals.build(datasets.load_trace("mainnet-bal"))
    gaps = spells.filter("event")["duration"].to_numpy()
    # The completed gaps alone give any index one likes.
    assert [round(tails.completed_hill(gaps, k), 1) for k in (50, 2000)] == [15.9, 3.2]
    found = tails.assess(
        spells["duration"].to_numpy(),
        spells["event"].to_numpy(),
        entry=spells["entry"].to_numpy(),
        cluster=spells["contract_id"].to_numpy(),
        seed=1,
        draws=4,
    )
    assert found.verdict == tails.UNIDENTIFIED
    assert len(found.reasons) >= 2


@pytest.mark.real_data
def test_peer_rule_reproduces_the_peers_index(data_dir):
    trace = zksp.read(Path(data_dir) / "zksp" / "mock_contracts200_blocks200000_seed42.csv.gz", 200_000)
    found = intervals.build_peer(trace, window=(40_000, 200_000)).filter("event")
    assert round(tails.peer_hill(found["duration"].to_numpy()), 3) == 1.262


def test_plot_has_a_row_per_threshold_with_its_event_share():
    z, d, e = pareto_spells(np.random.default_rng(19), 3_000)
    plot = tails.hill_plot(z, d, entry=e)
    assert plot["threshold"].is_unique().all()
    assert plot["k"].is_sorted()
    assert ((plot["low"] <= plot["alpha"]) & (plot["alpha"] <= plot["high"])).all()
    assert (plot["theta"] <= 1).all()


def test_thirty_spells_are_enough_for_a_plot_and_no_fewer():
    gaps = np.arange(1, 31)
    assert len(tails.hill_plot(gaps, np.ones(30, bool)))
    with pytest.raises(InputError, match="29 spells are too few"):
        tails.hill_plot(gaps[:29], np.ones(29, bool))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: tails.hill(np.array([1.0, 2]), np.array([True, False]), 1.5), "no event"),
        (lambda: tails.hill(np.array([1.0, 2]), np.array([True, True]), 0.0), "positive"),
        (lambda: tails.discrete(np.array([1.5, 2]), np.array([True, True]), 1.0), "whole"),
        (lambda: tails.threshold_of(np.arange(5), 5), "between 1 and 4"),
        (lambda: tails.peer_hill(np.arange(1, 5)), "at least ten"),
        (lambda: tails.completed_hill(np.ones(20), 5), "exceed"),
        (lambda: tails.assess(np.arange(1, 11), np.ones(10, bool), seed=1), "too few"),
        (lambda: tails.hill_plot(np.arange(1, 11), np.ones(10, bool)), "too few"),
        (lambda: tails.hill(np.array([np.nan, 2]), np.array([True, True]), 1.0), "row 0"),
        (lambda: tails.assess(np.full(50, 7.0), np.ones(50, bool), seed=1), "no tail"),
    ],
)
def test_bad_input_is_named(call, said):
    with pytest.raises(InputError, match=said):
        call()


def test_the_threshold_of_k_leaves_the_k_longest_beyond_it():
    z = np.random.default_rng(3).permutation(200).astype(float)
    for k in range(1, 200):
        assert tails.threshold_of(z, k) == 199 - k
        assert (z > tails.threshold_of(z, k)).sum() == k


@pytest.mark.parametrize(
    ("heavy", "verdicts"),
    [(True, {"power law", "neither"}), (False, {"alternative"})],
    ids=["Pareto", "exponential"],
)
def test_each_rival_is_judged_by_the_test_that_its_nesting_asks_for(heavy, verdicts):
    """The rival that contains the power law by a likelihood ratio on the boundary, the others by Vuong's test."""
    rng = np.random.default_rng(3)
    z, d, e = pareto_spells(rng, 1_500)
    if not heavy:
        z = np.ceil(e + 60 + rng.exponential(200, len(z)))
    cluster = np.arange(len(z)) % 60
    # Gaps without memory: a rival that heavy tails refuse, and that has one parameter as the power law has.
    memoryless = Alternative(
        "exponential", lambda t, p: -np.exp(p[0]) * t, lambda gaps, _: -np.log([gaps.mean])
    )
    rivals = (*tails.ALTERNATIVES, memoryless)
    table = tails.compare(z, d, 60.0, entry=e, cluster=cluster, rivals=rivals)
    # The same spells once more in clusters of their own: Vuong's statistic grows with the root of the clusters.
    twice = [np.r_[part, part] for part in (z, d, e)]
    again = tails.compare(
        *twice[:2], 60.0, entry=twice[2], cluster=np.r_[cluster, cluster + 60], rivals=rivals
    )
    judged = set()
    for row, more in zip(table.iter_rows(named=True), again.iter_rows(named=True), strict=True):
        assert more["log_ratio"] == pytest.approx(2 * row["log_ratio"], rel=1e-2, abs=0.02)
        if row["alternative"] == "truncated power law":
            assert row["statistic"] == pytest.approx(max(0, -2 * row["log_ratio"]))
            wanted = 0.5 * stats.chi2.sf(row["statistic"], 1) if row["statistic"] > 0 else 1
            favours = {True: "alternative", False: "neither"}
        else:
            assert more["statistic"] == pytest.approx(np.sqrt(2) * row["statistic"], rel=1e-2)
            assert np.sign(row["statistic"]) == np.sign(row["log_ratio"]) != 0
            wanted = 2 * stats.norm.sf(abs(row["statistic"]))
            favours = {True: "power law" if row["log_ratio"] > 0 else "alternative", False: "neither"}
        assert row["p_value"] == pytest.approx(wanted)
        assert row["favours"] == favours[row["p_value"] < 0.05]
        judged.add(row["favours"])
    assert judged == verdicts


def test_a_wider_model_that_fits_no_better_has_no_case():
    """Were its search to end below the power law, the likelihood ratio would be negative: no statistic, p of 1."""
    z, d, _ = pareto_spells(np.random.default_rng(3), 500, late=0)
    worse = Alternative("truncated power law", lambda t, p: -9 * np.log(t) - 0 * p[0], lambda *_: np.zeros(1))
    row = tails.compare(z, d, 60.0, rivals=(worse,)).row(0, named=True)
    assert row["log_ratio"] > 0
    assert (row["statistic"], row["p_value"], row["favours"]) == (0, 1, "neither")


@pytest.mark.parametrize(("power_law", "near"), [(False, 1e-3), (True, 0.05)], ids=["lognormal", "Pareto"])
def test_neighbouring_times_taken_together_find_the_same_rivals(power_law, near, monkeypatch):
    """Against a search over twice as many times; under a power law the rivals have no best but their limit."""
    rng = np.random.default_rng(11)
    z, d, e = pareto_spells(rng, 12_000, alpha=0.8, scale=900)
    if not power_law:
        z = np.ceil(e + rng.lognormal(8, 1.5, len(z)))
    cluster = rng.integers(0, 80, len(z))
    pooled = tails.compare(z, d, 1_000.0, entry=e, cluster=cluster)
    assert len(np.unique(z[z > 1_000])) > 4_000
    monkeypatch.setattr(alternatives, "CELLS", 10**6)
    whole = tails.compare(z, d, 1_000.0, entry=e, cluster=cluster)
    assert pooled["favours"].to_list() == whole["favours"].to_list()
    np.testing.assert_allclose(pooled["log_ratio"], whole["log_ratio"], atol=near)


def test_a_sample_taken_together_keeps_its_counts_and_its_mean():
    time = np.arange(101.0, 50_101.0)
    counts = np.random.default_rng(2).integers(1, 3, (3, len(time))).astype(float)
    sample = alternatives.Sample(100.0, time, *counts)
    pooled = sample.pooled()
    assert len(pooled.time) <= alternatives.CELLS
    assert (np.diff(pooled.time) > 0).all()
    assert [pooled.events.sum(), pooled.censored.sum(), pooled.entered.sum()] == counts.sum(1).tolist()
    assert pooled.log_mean == pytest.approx(sample.log_mean, abs=1e-3)
    few = alternatives.Sample(100.0, time[:50], *counts[:, :50])
    assert few.pooled() is few


def test_the_threshold_is_the_same_from_some_of_the_times(monkeypatch):
    z, d, e = pareto_spells(np.random.default_rng(5), 20_000, alpha=0.9, scale=500)
    chosen = tails.choose_threshold(z, d, e)
    monkeypatch.setattr(assessment, "COMPARED", 1_500)
    assert tails.choose_threshold(z, d, e) == pytest.approx(chosen, rel=0.3)


def test_sums_of_a_sample_are_gone_with_it():
    """Nothing that searched for an index keeps them: forty samples of a long window would not fit."""
    duration = np.arange(1.0, 200.0)
    sums = TailSums.of(ClusteredRiskTable.of(duration, duration % 2 == 0).whole)
    kept = weakref.ref(sums)
    gc.disable()
    try:
        assert sums.index(10.0) > 0
        del sums
        assert kept() is None
    finally:
        gc.enable()


def test_the_series_of_the_score_is_that_of_the_bernoulli_numbers():
    """x / (e^x - 1) is the sum of B_k x^k / k!, and is used for the score over the index."""
    powers = np.array([0, 1, 2, 4, 6, 8])
    wanted = special.bernoulli(8)[powers] / special.factorial(powers)
    np.testing.assert_allclose(estimators.SERIES, wanted, rtol=1e-10)
    np.testing.assert_array_equal(estimators.DEGREE, powers - 1)


@pytest.mark.parametrize("alpha", [0.05, 0.4, 1.3, 6.0])
@pytest.mark.parametrize("u", [2.0, 40.0])
def test_the_index_is_the_root_of_the_score_summed_gap_by_gap(alpha, u):
    rng = np.random.default_rng(8)
    z = np.ceil(np.minimum(u * rng.random(400) ** (-1 / alpha), 1e7))
    d = (z < 1e7) & (rng.random(400) < 0.8)
    e = np.where(rng.random(400) < 0.3, np.floor(z / 2), 0)
    z, d, e = (part[z > u] for part in (z, d, e))
    step = -np.log1p(-1 / z[d])
    fixed = -np.log(z[~d] / u).sum() + np.log(np.maximum(e, u) / u).sum() - np.log((z[d] - 1) / u).sum()
    wanted = optimize.brentq(lambda a: (step / np.expm1(a * step)).sum() + fixed, 1e-6, 1e3, xtol=1e-14)
    fit = tails.discrete(z, d, u, entry=e)
    assert fit.alpha == pytest.approx(wanted, rel=1e-9)
    # The information is what the score falls by: the sum of r^2 e^(a r) / (e^(a r) - 1)^2.
    information = (step**2 * np.exp(wanted * step) / np.expm1(wanted * step) ** 2).sum()
    assert fit.se == pytest.approx(information**-0.5, rel=1e-4)
    assert (fit.exceedances, fit.events) == (len(z), d.sum())


def test_a_plot_goes_from_ten_exceedances_to_all_spells_but_one():
    # Quantiles of a power law, all different.
    longest_first = np.ceil(1e5 * (20_000 / np.arange(1, 20_001)) ** 2)
    z = np.random.default_rng(1).permutation(longest_first)
    plot = tails.hill_plot(z, np.ones(20_000, bool))
    assert (len(plot), plot["k"][0], plot["k"][-1]) == (60, 10, 19_999)
    # The threshold leaves k beyond it; steps are even in the logarithm.
    assert plot["threshold"].to_list() == longest_first[plot["k"].to_numpy()].tolist()
    assert np.diff(np.log(plot["k"].to_numpy()[20:])) == pytest.approx(np.log(1999.9) / 59, rel=0.04)
    np.testing.assert_allclose(plot["theta"], np.log(plot["k"]) / np.log(20_000))
    row = plot.row(30, named=True)
    fit = tails.discrete(z, np.ones(20_000, bool), row["threshold"])
    assert (row["alpha"], row["low"], row["high"]) == pytest.approx((fit.alpha, *fit.interval()))
    counted = estimators.ClusteredRiskTable.of(z, np.ones(20_000, bool), None, None)
    assert estimators.hill_plot_of(counted).equals(plot)
    few = tails.hill_plot(z, np.ones(20_000, bool), points=3)
    assert few["k"].to_list() == [10, 447, 19_999]


def test_rivals_have_the_survival_that_their_names_say():
    t = np.array([1.5, 20.0, 3e3])
    survival = {one.name: one.log_survival for one in tails.ALTERNATIVES}
    found = survival["lognormal"](t, np.array([2.0, np.log(1.7)]))
    np.testing.assert_allclose(found, stats.lognorm.logsf(t, 1.7, scale=np.exp(2)))
    found = survival["Weibull"](t, np.array([3.0, np.log(0.6)]))
    np.testing.assert_allclose(found, stats.weibull_min.logsf(t, 0.6, scale=np.exp(3)))
    # The hazard of a truncated power law is the index over t plus the rate of its cut.
    found = survival["truncated power law"](np.array([4.0, 9.0]), np.log([0.7, 0.01]))
    integral = integrate.quad(lambda x: 0.7 / x + 0.01, 4, 9)[0]
    assert found[0] - found[1] == pytest.approx(integral)


def test_a_sample_counts_events_ends_and_entries_by_the_survival_beyond_the_threshold():
    """Gaps of 4 and 9 blocks beyond 3: an event in a block is the survival up to it, less that to its end."""
    sample = alternatives.Sample(3.0, np.array([4.0, 9.0]), *np.array([[2.0, 1], [0, 3], [1, 0]]))
    found = sample.log_likelihood(lambda t: -0.1 * t)
    first, long = 1 - np.exp(-0.1), np.exp(-0.5) - np.exp(-0.6)
    np.testing.assert_allclose(found, [np.log([first, long]), [-0.1, -0.6], [0.1, 0.6]])
    assert sample.total(found) == pytest.approx(2 * np.log(first) + np.log(long) - 3 * 0.6 + 0.1)
    assert (sample.count.tolist(), sample.mean) == ([2, 4], 44 / 6)
    logs = np.repeat(np.log([4, 9]), [2, 4])
    assert (sample.log_mean, sample.log_spread) == pytest.approx((logs.mean(), logs.std()))
    # What cannot happen costs nothing where it did not: no event in the second row of times.
    never = np.array([[0, -np.inf], [0, 0], [0, 0]])
    assert alternatives.Sample(3.0, sample.time, *np.diag([1.0, 1.0])[[0, 1, 1]]).total(never) == 0


def test_gaps_that_are_all_alike_have_no_index():
    """The likelihood rises for ever with the index; the search for its maximum ends all the same."""
    with pytest.raises(InputError, match="the likelihood has no maximum"):
        tails.discrete(np.full(40, 3.0), np.ones(40, bool), 2.0)


def test_an_interval_is_even_on_the_log_scale():
    low, high = estimators.Fit(2.0, 0.5, 1.0, 60, 50).interval()
    assert np.log([low, high]) == pytest.approx(np.log(2.0) + 1.959964 * 0.25 * np.array([-1, 1]), rel=1e-6)


def test_the_peers_rule_takes_the_upper_half():
    # Of the gaps 1 to 10 the upper five, over the least of them: 5 / log(7/6 * 8/6 * 9/6 * 10/6).
    gaps = np.random.default_rng(3).permutation(np.arange(1.0, 11.0))
    assert tails.peer_hill(gaps) == pytest.approx(5 / np.log(7 * 8 * 9 * 10 / 6**4))
    assert tails.peer_hill(np.append(gaps, 11)) == pytest.approx(6 / np.log(7 * 8 * 9 * 10 * 11 / 6**5))
