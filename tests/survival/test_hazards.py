"""Parametric, discrete, boosted and time-varying models recover known truth, and equal R where R has them."""

import dataclasses
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, special, stats

from rollstate.errors import InputError
from rollstate.survival import hazards, parametric
from rollstate.survival.cox import ConvergenceError
from rollstate.survival.spells import make_spells
from rollstate.survival.steps import access_probability

SCALE = 1_000
"""Durations in thousandths, so that a gap of one block is short beside them: then R's densities are the limit."""


@pytest.fixture(scope="module")
def cured():
    """Whole-block gaps with delayed entry of a Weibull cure mixture with known parameters."""
    rng = np.random.default_rng(1)
    n = 30_000
    x = rng.normal(size=(n, 2))
    gone = rng.random(n) < 1 / (1 + np.exp(1 - 0.8 * x[:, 1]))
    gap = np.where(gone, np.inf, np.ceil(np.exp(3 + 0.5 * x[:, 0] + 1.2 * np.log(rng.weibull(1, n)))))
    late = np.where(rng.random(n) < 0.3, rng.integers(1, 50, n), 0)
    end = rng.integers(60, 2_000, n)
    kept = np.minimum(gap, end) > late
    spells = make_spells(
        np.minimum(gap, end)[kept], (gap <= end)[kept], x[kept], ["a", "b"], entry=late[kept].astype(float)
    )
    return spells, x[:3_000]


@pytest.fixture(scope="module")
def truth(cured):
    def within(idle, horizon):
        x = cured[1]

        def survival(t):
            scale = np.exp(3 + 0.5 * x[:, 0])
            gone = 1 / (1 + np.exp(1 - 0.8 * x[:, 1]))
            return gone + (1 - gone) * np.exp(-((t / scale) ** (1 / 1.2)))

        return 1 - survival(idle + horizon) / survival(idle)

    return within


@pytest.mark.real_data
@pytest.mark.parametrize("family", ["weibull", "lognormal"])
def test_accelerated_failure_times_are_those_of_r(family, oracle, r_extra):
    spells, _ = oracle("lung_strat")
    columns = [spells.names.index(name) for name in ("age", "ecog")]
    spells = make_spells(spells.duration * SCALE, spells.event, spells.x[:, columns], ["age", "ecog"])
    model = parametric.fit(spells, family, ridge=0)
    location = model.summary["coef"].to_numpy()
    wanted = np.array(r_extra[f"lung_{family}_coef"])
    assert location[:-1] - [np.log(SCALE), 0, 0] == pytest.approx(wanted, rel=2e-3)
    assert location[-1] == pytest.approx(np.log(r_extra[f"lung_{family}_scale"]), abs=2e-3)
    likelihood = model.log_likelihood + spells.event.sum() * np.log(SCALE)
    assert likelihood == pytest.approx(np.ravel(r_extra[f"lung_{family}_loglik"])[-1], abs=0.05)


def test_cure_mixture_is_recovered_and_beats_the_plain_model(cured):
    spells, _ = cured
    plain, mixture = (parametric.fit(spells, "weibull", cure=cure) for cure in (False, True))
    found = mixture.summary["coef"].to_numpy()
    assert found == pytest.approx([3, 0.5, 0, -1, 0, 0.8, np.log(1.2)], abs=0.06)
    assert mixture.log_likelihood > plain.log_likelihood + 1_000


def by_hand(theta, spells, family, cure):
    """Return the log likelihood of whole-block gaps, written from its definition."""
    p = spells.x.shape[1]
    location, scale = spells.x @ theta[1 : p + 1] + theta[0], np.exp(theta[p + 1])
    gone = special.expit(theta[p + 2] + spells.x @ theta[p + 3 :]) if cure else 0.0
    curve = {"weibull": stats.gumbel_l, "lognormal": stats.norm, "loglogistic": stats.logistic}[family]

    def survival(t):
        with np.errstate(divide="ignore"):
            return gone + (1 - gone) * curve.sf((np.log(t) - location) / scale)

    within = survival(spells.duration - spells.event) - spells.event * survival(spells.duration)
    return np.log(within / survival(spells.entry)).sum()


@pytest.mark.parametrize(
    ("family", "standard"),
    [("weibull", stats.gumbel_l), ("lognormal", stats.norm), ("loglogistic", stats.logistic)],
)
def test_a_family_is_the_distribution_of_log_time_and_its_slope_is_the_hazard(family, standard):
    z = np.linspace(-6, 3, 19)
    found = parametric.FAMILIES[family]
    survival = found.log_survival(z)
    slope = found.slope(z, survival)
    assert survival == pytest.approx(standard.logsf(z), rel=1e-9)
    assert slope == pytest.approx(-standard.pdf(z) / standard.sf(z), rel=1e-9)


def test_the_slope_of_a_normal_is_finite_where_gaps_are_all_alike():
    """Their scale tends to zero, and times lie many standard deviations away."""
    z = np.array([1e6, 1e8, 1e20, 1e100])
    found = parametric.FAMILIES["lognormal"]
    with np.errstate(over="raise", invalid="raise"):
        assert found.slope(z, found.log_survival(z)) == pytest.approx(-z, rel=1e-3)


@pytest.mark.parametrize("cure", [False, True])
@pytest.mark.parametrize("family", list(parametric.FAMILIES))
def test_fits_maximise_the_likelihood_of_whole_block_gaps(family, cure, cured):
    """With delayed entry; no neighbouring parameter has a higher likelihood, and the one stated is right."""
    spells = cured[0].take(np.arange(1_500))
    model = parametric.fit(spells, family, cure=cure, ridge=0)
    found = model.summary["coef"].to_numpy()
    cut = len(spells.names) + 1
    theta = np.r_[found[:cut], found[-1], found[cut:-1]]
    best = by_hand(theta, spells, family, cure)
    assert model.log_likelihood == pytest.approx(best, rel=1e-9)
    slope = optimize.approx_fprime(theta, lambda t: by_hand(t, spells, family, cure), 1e-6)
    assert np.abs(slope).max() < 1e-3 * len(spells)


@pytest.mark.parametrize("family", list(parametric.FAMILIES))
def test_parametric_fits_are_those_of_lifelines(family, cured):
    """To a tenth of a standard error, for its search stops early, and with no lower likelihood."""
    import lifelines

    spells = cured[0].take(np.arange(2_000))
    spells = make_spells(spells.duration, spells.event, spells.x, spells.names)
    model = parametric.fit(spells, family, ridge=0)
    fitter = {
        "weibull": lifelines.WeibullAFTFitter,
        "lognormal": lifelines.LogNormalAFTFitter,
        "loglogistic": lifelines.LogLogisticAFTFitter,
    }[family]()
    table = pd.DataFrame(spells.x, columns=list(spells.names)).assign(
        lower=np.maximum(spells.duration - spells.event, 1e-100),
        upper=np.where(spells.event, spells.duration, np.inf),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitter.fit_interval_censoring(table, "lower", "upper")
    wanted = fitter.params_.loc[fitter._primary_parameter_name]
    error = fitter.standard_errors_.loc[fitter._primary_parameter_name]
    names = ["Intercept", *spells.names]
    found = model.summary["coef"].to_numpy()[: len(names)]
    assert (np.abs(found - wanted[names]) < 0.1 * error[names]).all()
    assert model.log_likelihood > fitter.log_likelihood_ - 1e-3


@pytest.mark.parametrize("bend", [False, True])
def test_the_discrete_hazard_is_that_of_statsmodels(bend, cured):
    import statsmodels.api as sm

    spells = cured[0].take(np.arange(2_000))
    cuts = hazards.event_cuts(spells, 5)
    model = hazards.fit_discrete(spells, cuts, bend=bend)
    pieces = hazards.cut(spells, cuts)
    z = ((spells.x - model.center) / model.spread)[pieces.row]
    levels = (pieces.piece[:, None] == np.arange(len(cuts) + 1)).astype(float)
    design = np.c_[levels, z, z * model.age[pieces.piece, None]] if bend else np.c_[levels, z]
    family = sm.families.Binomial(sm.families.links.CLogLog())
    # From its own start statsmodels runs away.
    rates = np.log((pieces.event @ levels) / (pieces.exposure @ levels))
    start = np.r_[rates, np.zeros(design.shape[1] - len(rates))]
    glm = sm.GLM(pieces.event.astype(float), design, family, offset=np.log(pieces.exposure))
    wanted = glm.fit(start, tol=1e-12)
    found = np.r_[model.level, model.effect, model.bend] if bend else np.r_[model.level, model.effect]
    assert found == pytest.approx(wanted.params, abs=1e-6)
    assert bend or not model.bend.any()


def test_collinear_covariates_share_an_effect(cured):
    spells = cured[0].take(np.arange(2_000))
    cuts = hazards.event_cuts(spells, 5)
    twice = make_spells(
        spells.duration, spells.event, np.c_[spells.x, spells.x[:, 0]], ["a", "b", "c"], entry=spells.entry
    )
    one, both = (hazards.fit_discrete(of, cuts) for of in (spells, twice))
    assert both.effect[[0, 2]] == pytest.approx(one.effect[0] / 2, abs=1e-6)
    assert both.piece_hazards(twice.x) == pytest.approx(one.piece_hazards(spells.x), rel=1e-6)


@pytest.mark.parametrize("kind", ["cloglog", "boosted", "varying", "cure"])
@pytest.mark.thorough
def test_models_forecast_close_to_the_truth(kind, cured, truth):
    spells, x = cured
    cuts = hazards.event_cuts(spells, 12)
    if kind == "boosted":
        model = hazards.fit_boosted(spells, cuts, seed=1, iterations=80)
    elif kind == "varying":
        model = hazards.fit_time_varying(spells, cuts[[3, 8]])
    elif kind == "cure":
        model = parametric.fit(spells, "weibull", cure=True)
    else:
        model = hazards.fit_discrete(spells, cuts)
    idle = np.random.default_rng(2).integers(0, 200, len(x))
    options = {"beyond": "tail"} if kind == "varying" else {}
    p, wanted = access_probability(model, idle, 100, x, **options), truth(idle, 100)
    limit = {"cure": 0.01, "boosted": 0.06}.get(kind, 0.06)
    assert np.abs(p - wanted).mean() < limit
    assert np.corrcoef(p, wanted)[0, 1] > 0.9


def test_plain_arrays_of_trees_are_those_of_scikit_learn(cured, monkeypatch):
    spells = cured[0].take(np.arange(5_000))
    cuts = hazards.event_cuts(spells, 5)
    kept = []
    plain = hazards._plain_trees
    monkeypatch.setattr(hazards, "_plain_trees", lambda booster: kept.append(booster) or plain(booster))
    model = hazards.fit_boosted(spells, cuts, seed=1, iterations=30)
    x = cured[1][:200]
    for piece, middle in enumerate(model.middle):
        wanted = kept[0].predict(np.c_[x, np.full(len(x), middle)])
        assert model.piece_hazards(x)[:, piece] == pytest.approx(wanted, rel=1e-12)


def test_trees_that_run_away_have_no_forecast():
    """A covariate that says almost all sent leaves beyond what can be exponentiated, and forecasts were not numbers."""
    rng = np.random.default_rng(0)
    rate = np.exp(rng.normal(-4, 6, 5_000))
    gap, end = np.ceil(rng.exponential(1 / rate)), rng.integers(1, 5_000, 5_000)
    spells = make_spells(np.minimum(gap, end).astype(float), gap <= end, np.log(rate)[:, None], ["rate"])
    with pytest.raises(ConvergenceError, match="boosted trees"):
        hazards.fit_boosted(spells, hazards.event_cuts(spells, 10), seed=1, iterations=100)


def test_a_hazard_of_trees_beyond_all_numbers_is_an_access_at_once(cured):
    spells = cured[0].take(np.arange(2_000))
    model = hazards.fit_boosted(spells, hazards.event_cuts(spells, 3), seed=1, iterations=2)
    wild = dataclasses.replace(model, value=np.where(model.feature < 0, 1e4, 0.0))
    idle, x = np.array([0.0, 40.0]), cured[1][:2]
    assert access_probability(wild, idle, 10, x) == pytest.approx([1.0, 1.0])


@given(st.integers(0, 500), st.lists(st.integers(1, 90), min_size=1, max_size=5, unique=True))
def test_cutting_changes_neither_events_nor_exposure(seed, cuts):
    rng = np.random.default_rng(seed)
    entry = rng.integers(0, 40, 50).astype(float)
    duration = entry + rng.integers(1, 60, 50)
    spells = make_spells(duration, rng.random(50) < 0.6, entry=entry)
    pieces = hazards.cut(spells, np.sort(np.array(cuts, float)))
    assert pieces.event.sum() == spells.event.sum()
    assert np.bincount(pieces.row, pieces.exposure, 50) == pytest.approx(duration - entry)
    assert (pieces.exposure > 0).all()


@pytest.mark.parametrize("cuts", [[], [0.0], [5, 3], [np.nan], [[1.0]]])
def test_cuts_that_are_none_are_refused(cuts):
    if cuts == []:
        assert len(hazards.check_cuts(np.array([]))) == 0
        return
    with pytest.raises(InputError, match="ascending order"):
        hazards.check_cuts(np.array(cuts))


def test_bad_input_is_named(cured):
    spells, _ = cured
    few = spells.take(np.arange(40))
    with pytest.raises(InputError, match="not one of"):
        parametric.fit(few, "normal")
    with pytest.raises(InputError, match="whole blocks"):
        parametric.fit(make_spells(few.duration + 0.5, few.event, few.x))
    with pytest.raises(InputError, match="cannot determine"):
        parametric.fit(few.take(np.arange(3)))
    with pytest.raises(InputError, match="have no event"):
        hazards.fit_discrete(few, np.array([5_000.0, 6_000.0]))
    with pytest.raises(InputError, match="there are none"):
        hazards.event_cuts(make_spells(few.duration, np.zeros(len(few), bool)), 3)
    constant = make_spells(few.duration, few.event, np.ones((len(few), 1)))
    for fit in (parametric.fit, lambda s: hazards.fit_discrete(s, hazards.event_cuts(s, 2))):
        with pytest.raises(InputError, match="constant"):
            fit(constant)


def test_a_separating_covariate_is_not_a_fit():
    time = np.tile([1.0, 2.0], 50)
    spells = make_spells(time, time == 1, (time == 1).astype(float)[:, None])
    with pytest.raises((ConvergenceError, InputError)):
        hazards.fit_discrete(spells, np.array([1.0]))
    apart = make_spells(np.ones(100), np.arange(100) < 50, (np.arange(100) < 50).astype(float)[:, None])
    with pytest.raises(ConvergenceError, match="separate"):
        hazards.fit_discrete(apart, np.array([]))


@pytest.mark.parametrize("cure", [False, True])
def test_the_ridge_is_per_spell_on_half_the_squared_effects_without_intercepts(cure, cured):
    """At the maximum the mean log likelihood still rises by the ridge times each effect, and not along an intercept."""
    spells, ridge = cured[0].take(np.arange(1_500)), 0.05
    model = parametric.fit(spells, cure=cure, ridge=ridge)
    effects = [0.0, *model.location[1:]]
    assert np.abs(effects[1:]).max() > 0.1

    def mean(location, cured_share, log_scale):
        changed = dataclasses.replace(model, location=location, cure=cured_share, log_scale=log_scale)
        return parametric._log_likelihood(changed, spells) / len(spells)

    slope = optimize.approx_fprime(model.location, lambda b: mean(b, model.cure, model.log_scale), 1e-6)
    assert slope == pytest.approx(ridge * np.array(effects), abs=5e-5)
    if cure:
        slope = optimize.approx_fprime(model.cure, lambda b: mean(model.location, b, model.log_scale), 1e-6)
        assert slope == pytest.approx(ridge * np.array([0.0, *model.cure[1:]]), abs=5e-5)
    along = [mean(model.location, model.cure, model.log_scale + step) for step in (1e-4, -1e-4)]
    assert np.diff(along)[0] / 2e-4 == pytest.approx(0, abs=5e-5)
    twice = spells.take(np.r_[np.arange(1_500), np.arange(1_500)])
    assert parametric.fit(twice, cure=cure, ridge=ridge).location == pytest.approx(model.location, abs=1e-3)


def test_a_certain_access_overflows_nothing():
    """A step on the way to the maximum may take a hazard far above one."""
    certain = hazards._Piece(np.ones((2, 1)), np.full(2, 20.0), np.array([True, False]), np.eye(1))
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        likelihood, score, information, apart = certain.terms(np.zeros(1))
    assert (likelihood, score[0], information[0, 0], apart) == (-np.exp(20.0), -np.exp(20.0), np.exp(20.0), 1)
