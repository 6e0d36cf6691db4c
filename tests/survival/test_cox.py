"""Cox models: equal to R, invariant where they must be, and refusing what cannot be estimated."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import optimize, stats

from rollstate.errors import InputError
from rollstate.survival import cox
from rollstate.survival.kaplan_meier import log_rank
from rollstate.survival.spells import make_spells
from rollstate.survival.steps import access_probability
from tests.needs import examples

from .conftest import SETS, deaths, simulate

TIES = ("efron", "breslow")


@pytest.mark.real_data
@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("name", SETS)
def test_equals_r_coxph(oracle, name, ties):
    spells, expected = oracle(name)
    expected = expected[ties]
    model = cox.fit(spells, ties=ties)
    assert_allclose(model.coefficients, expected["coef"], rtol=1e-8)
    assert_allclose([model.null_log_likelihood, model.log_likelihood], expected["loglik"], rtol=1e-10)
    assert_allclose(np.sqrt(np.diag(model.covariance)), expected["se"], rtol=1e-8)
    assert_allclose(model.covariance, expected["var"], rtol=1e-6)
    assert_allclose(np.sqrt(np.diag(model.robust_covariance)), expected["robust_se"], rtol=1e-8)
    assert_allclose(cox.concordance(model, spells), expected["concordance"]["c"], rtol=1e-10)
    martingale = cox.martingale_residuals(model, spells)
    assert_allclose((martingale**2).sum(), expected["martingale"]["sumsq"], rtol=1e-10)
    assert_allclose(martingale[:5], expected["martingale"]["first5"], atol=1e-9)
    again = cox.robust_covariance(model, spells, spells.cluster)
    assert_allclose(again, model.robust_covariance, rtol=1e-9, atol=1e-15)


@pytest.mark.real_data
@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("name", SETS)
def test_baseline_equals_r_survfit_of_every_stratum(oracle, name, ties):
    spells, expected = oracle(name)
    model = cox.fit(spells, ties=ties)
    for key, curve in expected[ties]["basehaz"].items():
        hazard = model.predict_cumulative_hazard(
            np.array(curve["time"]),
            np.zeros((len(curve["time"]), len(model.names))),
            key.split("=")[-1],
            beyond="flat",
        )
        assert_allclose(hazard, curve["H0"], rtol=1e-8, atol=1e-300)


@pytest.mark.real_data
def test_ridge_equals_r(oracle, r_extra):
    spells, _ = oracle("heart")
    spells = dataclasses.replace(spells, x=spells.x[:, :3], names=spells.names[:3])
    n = len(spells)
    # R penalises per sample variance, with n - 1.
    model = cox.fit(spells, ridge=5.0 * n / (n - 1))
    assert_allclose(model.coefficients, r_extra["heart_ridge_5_coef"], rtol=1e-8)


def slow_likelihood(spells, beta, ties):
    """Log partial likelihood by the book: one loop over event times."""
    eta = spells.x @ beta
    return sum(eta[died].mean() - np.log(np.exp(eta) @ counts) for _, died, counts in deaths(spells, ties))


@settings(max_examples=examples(25))
@given(seed=st.integers(0, 10_000), ties=st.sampled_from(TIES), rounding=st.sampled_from([None, 3.0, 10.0]))
def test_fit_maximises_the_likelihood_written_as_a_loop(seed, ties, rounding):
    spells = simulate(seed, n=80, rounding=rounding)
    model = cox.fit(spells, ties=ties)
    best = slow_likelihood(spells, model.coefficients, ties)
    assert_allclose(best, model.log_likelihood, rtol=1e-10)
    for step in np.eye(2) * 1e-3:
        assert slow_likelihood(spells, model.coefficients + step, ties) < best
        assert slow_likelihood(spells, model.coefficients - step, ties) < best


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), shift=st.floats(-1e3, 1e3), scale=st.floats(1e-3, 1e3))
def test_order_labels_and_units_do_not_matter(seed, shift, scale):
    spells = simulate(seed, n=120, rounding=5.0)
    model = cox.fit(spells)
    rows = np.random.default_rng(seed).permutation(len(spells))
    moved = make_spells(
        spells.duration[rows] * 7,
        spells.event[rows],
        spells.x[rows] * [scale, 1] + [shift, 0],
        spells.names,
        entry=spells.entry[rows] * 7,
        stratum=np.array(["z", "a"])[spells.stratum[rows]],
    )
    other = cox.fit(moved)
    assert_allclose(other.coefficients * [scale, 1], model.coefficients, rtol=1e-6)
    labels = np.array(["z", "a"])[spells.stratum[rows]]
    p = access_probability(model, 2.0, 6.0, spells.x, stratum=spells.stratum.astype(str), beyond="flat")
    q = access_probability(other, 14.0, 42.0, moved.x, stratum=labels, beyond="flat")
    assert_allclose(q, p[rows], rtol=1e-6)


def test_a_spell_that_enters_when_another_ends_is_not_at_risk_there():
    # The second spell enters at 3: had it been at risk at 3 (start <= t), the likelihood would be finite in x.
    late = make_spells([3, 5, 6, 7], [1, 1, 0, 1], [[0.0], [1.0], [0.3], [0.1]], entry=[0, 3, 0, 2])
    by_hand = slow_likelihood(late, np.array([0.4]), "efron")
    sums = cox.engine(late)
    result = sums(late.x[:, 0] * 0.4)
    assert_allclose(result.loglik_sat - result.deviance / 2, by_hand, rtol=1e-12)
    sooner = make_spells([3, 5, 6, 7], [1, 1, 0, 1], [[0.0], [1.0], [0.3], [0.1]], entry=[0, 2.999, 0, 2])
    assert abs(slow_likelihood(sooner, np.array([0.4]), "efron") - by_hand) > 0.1


def test_baseline_steps_at_the_event_not_after_it():
    spells = make_spells([1, 2, 2, 4], [1, 1, 0, 1])
    hazard = cox.fit(spells, ties="breslow").baseline[0]
    assert_allclose(hazard.at([0.999, 1, 1.999, 2, 4]), [0, 0.25, 0.25, 0.25 + 1 / 3, 0.25 + 1 / 3 + 1])


@pytest.mark.thorough
def test_intervals_cover_the_truth_as_often_as_they_say():
    truth, runs = np.array([0.7, -0.4]), 300
    covered = np.zeros(2)
    for seed in range(runs):
        model = cox.fit(simulate(seed, n=300))
        se = np.sqrt(np.diag(model.covariance))
        covered += np.abs(model.coefficients - truth) < 1.96 * se
    # Three Monte Carlo standard errors around 95 %.
    assert np.all(np.abs(covered / runs - 0.95) < 3 * np.sqrt(0.95 * 0.05 / runs))


@pytest.mark.thorough
def test_robust_errors_cover_where_spells_of_a_slot_repeat_each_other():
    runs, model_covers, robust_covers = 200, 0, 0
    for seed in range(runs):
        one = simulate(seed, n=150, strata=1)
        # Every spell three times: one third of the information that it seems to be.
        rows = np.repeat(np.arange(len(one)), 3)
        spells = dataclasses.replace(one.take(rows), cluster=rows)
        model = cox.fit(spells, ties="breslow")
        off = abs(model.coefficients[0] - 0.7)
        model_covers += off < 1.96 * np.sqrt(model.covariance[0, 0])
        robust_covers += off < 1.96 * np.sqrt(model.robust_covariance[0, 0])
    assert model_covers / runs < 0.85
    assert abs(robust_covers / runs - 0.95) < 3 * np.sqrt(0.95 * 0.05 / runs) + 0.01


def test_fixed_offset_is_a_known_part_of_the_hazard():
    spells = simulate(3)
    known = 0.7 * spells.x[:, 0]
    free = cox.fit(spells)
    rest = cox.fit(
        dataclasses.replace(spells, x=spells.x[:, 1:], names=("b",)),
        offset=free.coefficients[0] * spells.x[:, 0],
    )
    assert_allclose(rest.coefficients[0], free.coefficients[1], rtol=1e-6)
    assert cox.fit(dataclasses.replace(spells, x=spells.x[:, :1], names=("a",)), offset=known).coefficients[
        0
    ] == pytest.approx(free.coefficients[0] - 0.7, abs=0.05)


GOOD = simulate(1, n=60, strata=1)


@pytest.mark.parametrize(
    ("spells", "error", "message"),
    [
        (make_spells([1, 2, 3], [0, 0, 0], [[1.0], [2], [3]]), InputError, "none of 3 spells"),
        (make_spells([1, 2, 3], [0, 1, 0], [[1.0], [2], [3]]), InputError, "1 events cannot determine"),
        (
            make_spells([1, 2, 3, 4], [1, 1, 1, 0], np.full((4, 1), 3.1), ["k"]),
            InputError,
            r"\['k'\] are constant",
        ),
        (
            dataclasses.replace(GOOD, x=np.c_[GOOD.x, GOOD.x @ [1, 2]], names=("a", "b", "c")),
            InputError,
            r"\['a', 'b', 'c'\] are collinear",
        ),
        (
            make_spells(
                [1, 2, 3, 1, 2, 3],
                [1] * 6,
                [[0.0], [0], [0], [1], [1], [1]],
                ["k"],
                stratum=[0] * 3 + [1] * 3,
            ),
            InputError,
            r"\['k'\] are constant within the risk sets",
        ),
        (
            make_spells([1, 2, 3, 4, 5, 6], [1, 1, 1, 0, 0, 0], [[1.0], [1], [1], [0], [0], [0]], ["k"]),
            cox.ConvergenceError,
            r"\['k'\] separate the data",
        ),
    ],
)
def test_what_cannot_be_estimated_is_named(spells, error, message):
    with pytest.raises(error, match=message):
        cox.fit(spells)


def test_covariates_that_nearly_repeat_each_other_are_collinear_however_many_spells_there_are():
    spells = simulate(1, n=3_000, strata=1)
    noise = np.random.default_rng(1).normal(size=len(spells))
    nearly = dataclasses.replace(spells, x=np.c_[spells.x[:, 0], spells.x[:, 0] + 1e-6 * noise])
    with pytest.raises(InputError, match="are collinear"):
        cox.fit(nearly)
    apart = dataclasses.replace(spells, x=np.c_[spells.x[:, 0], spells.x[:, 0] + 0.01 * noise])
    assert np.isfinite(cox.fit(apart).coefficients).all()


@pytest.mark.parametrize("robust", [False, True])
def test_the_summary_holds_wald_tests_and_intervals(robust):
    spells = simulate(2, n=200, strata=1)
    if robust:
        spells = dataclasses.replace(spells, cluster=np.arange(200) // 4)
    model = cox.fit(spells)
    se = np.sqrt(np.diag(model.robust_covariance if robust else model.covariance))
    found, coefficients = model.summary, model.coefficients
    assert_allclose(found["exp(coef)"], np.exp(coefficients))
    assert_allclose(found["se(coef)"], np.sqrt(np.diag(model.covariance)))
    assert_allclose(found["coef lower 95%"], coefficients - 1.959964 * se, rtol=1e-6)
    assert_allclose(found["coef upper 95%"], coefficients + 1.959964 * se, rtol=1e-6)
    assert_allclose(found["z"], coefficients / se)
    assert_allclose(found["p"], stats.chi2.sf((coefficients / se) ** 2, 1), rtol=1e-6)


def test_the_shared_curves_of_rows_are_their_own_in_every_stratum():
    spells = simulate(4, strata=3)
    model = cox.fit(spells)
    times, stratum = np.array([1.0, 5.0, 20.0]), np.array(model.strata)[spells.stratum]
    curves, row = model.profiles(times, spells.x, stratum, beyond="tail")
    own = model.predict_survival_function(times, spells.x, stratum, beyond="tail")
    assert_allclose(curves[row], own, atol=cox.RATIO_STEP)
    assert len(curves) < len(spells)


def test_a_ridge_makes_a_separated_or_collinear_fit_finite():
    separated = make_spells([1, 2, 3, 4, 5, 6], [1, 1, 1, 0, 0, 0], [[1.0], [1], [1], [0], [0], [0]])
    assert 0 < cox.fit(separated, ridge=0.1).coefficients[0] < 20
    twice = dataclasses.replace(GOOD, x=np.c_[GOOD.x, GOOD.x[:, 0]], names=("a", "b", "c"))
    model = cox.fit(twice, ridge=1e-3)
    assert_allclose(model.coefficients[0], model.coefficients[2], rtol=1e-6)


def test_one_event_without_covariates_is_a_curve():
    model = cox.fit(make_spells([1, 2, 3], [0, 1, 0]))
    assert_allclose(model.predict_cumulative_hazard([2.0], np.zeros((1, 0))), [0.5])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"times": 1.0, "x": [[0.0, 0.0]], "stratum": ["9"]}, r"strata \['9'\] were not in the data"),
        ({"times": 1.0, "x": [[0.0, 0.0]]}, "name one for each row"),
        ({"times": 1.0, "x": [[np.nan, 0.0]], "stratum": ["0"]}, r"\['a'\] are not finite"),
        ({"times": 1.0, "x": [[0.0]], "stratum": ["0"]}, "1 covariates, the model has"),
        (
            {"times": 1e6, "x": [[0.0, 0.0]], "stratum": ["0"]},
            "stratum '0': gap time 1e.06 lies beyond the last event",
        ),
    ],
)
def test_prediction_refuses_what_it_cannot_know(arguments, message):
    model = cox.fit(simulate(1))
    with pytest.raises(InputError, match=message):
        model.predict_cumulative_hazard(**arguments)


def test_fitted_tail_recovers_a_pareto_hazard():
    rng = np.random.default_rng(5)
    gap = 10 * rng.random(20_000) ** (-1 / 0.7)
    model = cox.fit(make_spells(np.minimum(gap, 2_000), gap < 2_000))
    # P(T > 4000 | T > 2000) = 2^-0.7.
    p = access_probability(model, np.array([2_000.0]), 2_000, np.zeros((1, 0)), beyond="tail")
    assert p[0] == pytest.approx(1 - 2**-0.7, abs=0.04)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"duration": [1.0, 0], "event": [1, 0]}, "entry < duration must hold; row 1"),
        ({"duration": [1.0, 2], "event": [1, 0], "entry": [1.0, 0]}, "entry < duration must hold; row 0"),
        (
            {"duration": [1.0, 2], "event": [1, 0], "x": [[1.0], [np.inf]], "names": ["k"]},
            r"\['k'\] are not finite",
        ),
        ({"duration": [1.0, 2], "event": [1, 0], "x": [[1.0], [2]], "names": ["a", "b"]}, "different names"),
        ({"duration": [1.0, 2], "event": [1]}, "same length"),
        ({"duration": [], "event": []}, "there are none"),
    ],
)
def test_malformed_spells_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        make_spells(**arguments)


@pytest.mark.parametrize("entry", [False, True])
def test_coefficients_are_those_of_lifelines(entry):
    """Efron ties, strata, with and without delayed entry; on small data, as lifelines takes long on more."""
    from lifelines import CoxPHFitter

    spells = simulate(9, n=300, rounding=5.0, entry=entry)
    frame = pd.DataFrame(spells.x, columns=list(spells.names)).assign(
        duration=spells.duration, event=spells.event, entry=spells.entry, stratum=spells.stratum
    )
    fitter = CoxPHFitter()
    fitted = fitter.fit(
        frame if entry else frame.drop(columns="entry"),
        "duration",
        "event",
        strata=["stratum"],
        entry_col="entry" if entry else None,
        fit_options={"precision": 1e-9},
    )
    model = cox.fit(spells)
    assert_allclose(model.coefficients, fitted.params_[list(spells.names)].to_numpy(), rtol=1e-5)
    assert_allclose(
        np.sqrt(np.diag(model.covariance)), fitted.standard_errors_[list(spells.names)].to_numpy(), rtol=1e-4
    )


def test_the_log_rank_test_is_that_of_lifelines():
    from lifelines.statistics import multivariate_logrank_test

    spells = simulate(10, n=300, strata=1, rounding=5.0, entry=False)
    group = (spells.x[:, 1] > 0).astype(int) + 2 * (spells.x[:, 0] > 0)
    theirs = multivariate_logrank_test(spells.duration, group, spells.event)
    own = log_rank(spells, group)
    assert own.statistic == pytest.approx(theirs.test_statistic)
    assert own.p == pytest.approx(theirs.p_value)


def test_concordance_is_that_of_lifelines():
    from lifelines.utils import concordance_index

    spells = simulate(11, n=200, strata=1, rounding=5.0, entry=False)
    model = cox.fit(spells)
    risk = model.predict_log_partial_hazard(spells.x)
    theirs = concordance_index(spells.duration, -risk, spells.event)
    assert cox.concordance(model, spells) == pytest.approx(theirs, abs=5e-3)


@pytest.mark.parametrize("ridge", [0.0, 0.5])
@pytest.mark.parametrize("seed", [6, 9, 14, 20])
def test_newton_finds_the_maximum_where_its_full_steps_overshoot(seed, ridge):
    """A skewed covariate: its first steps go down the other side, and must be cut until the likelihood rises."""
    rng = np.random.default_rng(seed)
    x = rng.lognormal(0, 2, 12)
    time = np.ceil(rng.exponential(1 / x**3) * 1_000) + 1
    spells = make_spells(time, np.ones(12, bool), x[:, None])
    model = cox.fit(spells, ridge=ridge)

    def penalised(b):
        return slow_likelihood(spells, np.array([b]), "efron") - ridge / 2 * (b * x.std()) ** 2

    found = model.coefficients[0]
    wanted = optimize.minimize_scalar(
        lambda b: -penalised(b), bounds=(0, min(5, 600 / x.max())), method="bounded", options={"xatol": 1e-9}
    )
    assert found == pytest.approx(wanted.x, rel=1e-4, abs=1e-6)
    # The likelihoods are those without the penalty.
    assert model.log_likelihood == pytest.approx(slow_likelihood(spells, model.coefficients, "efron"))
    assert model.null_log_likelihood == pytest.approx(slow_likelihood(spells, np.zeros(1), "efron"))
    step = 1e-3 * found
    bend = (penalised(found + step) - 2 * penalised(found) + penalised(found - step)) / step**2
    assert model.covariance[0, 0] == pytest.approx(-1 / bend, rel=1e-3)


@pytest.mark.parametrize("ties", TIES)
def test_robust_errors_are_a_sandwich_of_scores_summed_by_cluster(ties):
    """Lin and Wei (1989), by loops over the event times."""
    spells = simulate(12, n=90, rounding=10.0)
    cluster = np.random.default_rng(1).integers(0, 25, 90)
    spells = dataclasses.replace(spells, x=spells.x * [1, 1e3], cluster=cluster)
    model = cox.fit(spells, ties=ties)
    risk, scores = np.exp((spells.x - model.center) @ model.coefficients), np.zeros((90, 2))
    for _, died, counts in deaths(spells, ties):
        weight = risk * counts
        mean = np.average(spells.x, axis=0, weights=weight)
        scores += (died / died.sum() - weight / weight.sum())[:, None] * (spells.x - mean)
    sums = np.array([scores[cluster == one].sum(axis=0) for one in range(25)])
    wanted = model.covariance @ sums.T @ sums @ model.covariance
    assert_allclose(model.robust_covariance, wanted, rtol=1e-6)
    names = np.array([f"c{one:02}" for one in cluster])
    assert_allclose(cox.robust_covariance(model, spells, names), wanted, rtol=1e-6)
    assert cox.fit(dataclasses.replace(spells, cluster=None)).robust_covariance is None


def test_martingale_residuals_are_events_less_what_the_hazard_expects():
    spells = simulate(5, n=150)
    model = cox.fit(spells)
    label = spells.stratum.astype(str)
    spent = (
        model.predict_cumulative_hazard(times, spells.x, label, beyond="flat")
        for times in (spells.duration, spells.entry)
    )
    upto, before = spent
    found = cox.martingale_residuals(model, spells)
    assert_allclose(found, spells.event - (upto - before), atol=1e-9)
    for code in range(2):
        assert found[spells.stratum == code].sum() == pytest.approx(0, abs=1e-8)


def test_curves_are_those_of_the_baseline_at_the_centre_and_the_hazard_ratio():
    spells = simulate(4, n=200, strata=2, rounding=5.0)
    model = cox.fit(spells, ties="breslow")
    at, stratum = np.array([0.0, 2, 6]), np.array(["1", "0"])
    x = spells.x[:2]
    ratio = np.exp((x - spells.x.mean(axis=0)) @ model.coefficients)
    own = np.exp((spells.x - spells.x.mean(axis=0)) @ model.coefficients)
    hazard = np.zeros((2, 3))
    for code in range(2):
        same = spells.stratum == code
        for t in np.unique(spells.duration[same & spells.event]):
            at_risk = same & (spells.entry < t) & (spells.duration >= t)
            died = (same & spells.event & (spells.duration == t)).sum()
            hazard[code] += (at >= t) * died / own[at_risk].sum()
    wanted = np.exp(-ratio[:, None] * hazard[[1, 0]])
    assert_allclose(model.predict_survival_function(at, x, stratum), wanted)
    assert_allclose(model.predict_survival_function(6.0, x, stratum), wanted[:, 2:])
    curves, row = model.profiles(at, x, stratum)
    assert_allclose(curves[row], wanted, atol=cox.RATIO_STEP)
    # Each row at a time of its own.
    found = model.predict_cumulative_hazard(at[1:], x, stratum)
    assert_allclose(np.exp(-found), [wanted[0, 1], wanted[1, 2]])
    assert_allclose(model.predict_log_partial_hazard(x), np.log(ratio))


def test_rows_share_a_curve_where_their_ratios_agree_and_in_their_stratum_alone():
    spells = simulate(4, n=200, strata=2)
    model = cox.fit(spells)
    step = np.array([cox.RATIO_STEP / model.coefficients[0], 0])
    x = spells.x[0] + np.array([0, 0, 0.3, 50, 0])[:, None] * step
    curves, row = model.profiles(np.array([10.0]), x, np.array(["0", "1", "0", "0", "0"]), "tail")
    assert row[0] == row[4]
    assert len({row[0], row[1], row[3]}) == 3
    own = model.predict_survival_function([10.0], x, np.array(["0", "1", "0", "0", "0"]), "tail")
    assert_allclose(curves[row], own, atol=cox.RATIO_STEP)
    assert model.profiles(np.array([10.0]), x[:0], np.array([], str))[0].shape == (0, 1)


@pytest.mark.parametrize(("events", "enough"), [(2, False), (3, True)])
def test_a_fit_needs_more_events_than_covariates_or_a_ridge(events, enough):
    rng = np.random.default_rng(2)
    spells = make_spells(np.arange(1, 41), np.arange(40) % 13 == 0, rng.normal(size=(40, 2)))
    spells = dataclasses.replace(spells, event=np.isin(np.arange(40), [5, 15, 25][:events]))
    if enough:
        assert cox.fit(spells).n_events == events
    else:
        with pytest.raises(InputError, match="2 events cannot determine 2 coefficients"):
            cox.fit(spells)
    assert np.isfinite(cox.fit(spells, ridge=0.1).coefficients).all()
    for ridge in (-0.1, np.inf):
        with pytest.raises(InputError, match="must be at least 0"):
            cox.fit(spells, ridge=ridge)


def test_ties_must_be_treated_in_a_known_way():
    with pytest.raises(InputError, match="'efron' or 'breslow'"):
        cox.fit(GOOD, ties="exact")


def test_the_summary_is_printed(capsys):
    cox.fit(GOOD).print_summary()
    said = capsys.readouterr().out
    assert f"efron ties: 60 spells, {int(GOOD.event.sum())} events, 1 strata" in said


def test_an_offset_shifts_the_likelihood_and_only_its_differences_matter():
    """The likelihood of covariates and offset together is maximal, and the offset's level is no matter."""
    spells = simulate(3, n=100, rounding=5.0)
    offset = np.random.default_rng(1).normal(2, 1, 100)
    model = cox.fit(spells, offset=offset)
    wide = dataclasses.replace(spells, x=np.c_[spells.x, offset], names=("a", "b", "known"))
    best = slow_likelihood(wide, np.r_[model.coefficients, 1], "efron")
    assert model.log_likelihood == pytest.approx(best, rel=1e-10)
    for step in np.eye(3)[:2] * 1e-3:
        for sign in (1, -1):
            assert slow_likelihood(wide, np.r_[model.coefficients, 1] + sign * step, "efron") < best
    again = cox.fit(spells, offset=offset + 7)
    assert_allclose(again.coefficients, model.coefficients, rtol=1e-8)
    assert_allclose(again.baseline[0].value, model.baseline[0].value, rtol=1e-8)
    # The information is the curvature at the offset.
    step = 1e-3
    bend = [
        slow_likelihood(wide, np.r_[model.coefficients, 1] + [sign * step, 0, 0], "efron") for sign in (1, -1)
    ]
    information = np.linalg.inv(model.covariance)
    assert information[0, 0] == pytest.approx((2 * best - sum(bend)) / step**2, rel=1e-3)
