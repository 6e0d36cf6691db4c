"""All competitors answer the same question, and on known truth covariates help."""

import numpy as np
import polars as pl
import pytest
from scipy import optimize, special

from rollstate import intervals
from rollstate.errors import InputError
from rollstate.product_limit import kaplan_meier, survival_at
from rollstate.survival import forecasts, landmarks
from rollstate.survival.spells import add_covariates, matrix
from rollstate.survival.steps import access_probability
from rollstate.traces import synthetic

COVARIATES = ["log_accesses", "log_prev_gap", "first_gap", "log_rate", "log_co_contract"]


@pytest.fixture(scope="module")
def made():
    trace, truth = synthetic.generate(synthetic.SAMPLE)
    spells = add_covariates(intervals.build(trace))
    known = landmarks.as_of(spells, 2_200)
    fitted, failed = forecasts.fit_all(known, COVARIATES, strata=("activity",), seed=1, iterations=40)
    assert not failed
    rows = landmarks.landmark(spells, 2_500, 100, trace.capability.window_stop - 1)
    return spells, known, fitted, rows, truth


def test_the_reference_is_the_product_limit_given_the_idle_time(made):
    _, known, fitted, rows, _ = made
    curve = kaplan_meier(known["duration"].to_numpy(), known["event"].to_numpy(), known["entry"].to_numpy())
    idle = rows["idle"].to_numpy().astype(float)
    inside = idle + 100 <= curve["time"].max()
    wanted = 1 - survival_at(curve, idle[inside] + 100) / survival_at(curve, idle[inside])
    found = fitted[forecasts.CURVE].access_probability(rows, 100)[inside]
    # One minus the exponential of the cumulative hazard, beside the product.
    assert np.abs(found - wanted).max() < 0.01


@pytest.mark.thorough
def test_covariates_that_act_bring_every_model_closer_to_the_truth():
    """Proportional hazards by type of contract, and nothing else: exponential gaps whose rate the covariate knows."""
    alike = synthetic.SyntheticParameters(
        contracts=120, window_blocks=3_000, history_blocks=0, base_rate=2e-3, frailty_index=None, decay_power=0.0,
        period_depth=0.0, burst_gain=0.0, leave_probability=0.0, bundled_share=0.0,
    )  # fmt: skip
    trace, truth = synthetic.generate(alike)
    effects = {kind.name: kind.effect for kind in (*alike.contract_kinds, *alike.slot_kinds)}
    spells = intervals.build(trace).with_columns(
        pl.col(name).cast(pl.String).replace_strict(effects).alias(f"{name}_effect")
        for name in ("contract_type", "slot_type")
    )
    known = landmarks.as_of(spells, 2_000)
    fitted, _ = forecasts.fit_all(known, ["contract_type_effect", "slot_type_effect"], seed=1, iterations=40)
    rows = landmarks.landmark(spells, 2_500, 200, trace.capability.window_stop - 1)
    idle, slot, start = (rows[name].to_numpy() for name in ("idle", "slot_id", "start"))
    wanted = 1 - truth.survival(slot, start, idle + 200) / truth.survival(slot, start, idle)
    error = {
        name: np.abs(forecast.access_probability(rows, 200) - wanted).mean()
        for name, forecast in fitted.items()
    }
    for name in ("Cox, stratified", "discrete hazard", "Weibull", "boosted trees"):
        assert error[name] < 0.5 * error[forecasts.CURVE], error


def test_frailty_leaves_little_for_covariates_once_the_idle_time_is_known(made):
    """The negative result that the chapter reports: on the sample no model is much closer than the plain curve."""
    *_, fitted, rows, truth = made
    idle, slot, start = (rows[name].to_numpy() for name in ("idle", "slot_id", "start"))
    wanted = 1 - truth.survival(slot, start, idle + 100) / truth.survival(slot, start, idle)
    error = {
        name: np.abs(forecast.access_probability(rows, 100) - wanted).mean()
        for name, forecast in fitted.items()
    }
    assert min(error.values()) > 0.8 * error[forecasts.CURVE]


def test_every_forecast_is_a_probability_that_grows_with_the_horizon(made):
    *_, fitted, rows, _ = made
    for name, forecast in fitted.items():
        each = np.where(np.arange(len(rows)) % 2, 10.0, 100.0)
        short, long = forecast.access_probability(rows, 10), forecast.access_probability(rows, 100)
        assert ((short >= 0) & (long <= 1)).all(), name
        assert (long >= short - 1e-9).all(), name
        mixed = forecast.access_probability(rows, each)
        assert np.allclose(mixed, np.where(each == 10, short, long), rtol=1e-12, atol=1e-15), name


def test_rows_that_are_asked_for_many_horizons_answer_as_for_each(made):
    *_, fitted, rows, _ = made
    idle = rows["idle"].to_numpy().astype(float)
    for name, forecast in fitted.items():
        at = forecast.within(rows)
        for horizon in (1.0, 30, np.arange(len(rows)) % 90 + 1.0):
            assert np.array_equal(at(horizon), forecast.access_probability(rows, horizon)), name
        if isinstance(forecast, forecasts.SpellForecast):
            x = matrix(rows, forecast.model.names)
            assert np.array_equal(at(30), access_probability(forecast.model, idle, 30, x)), name


def test_a_landmark_model_uses_what_was_known(made):
    spells, *_, rows, _ = made

    def with_recent(rows, block):
        keys = ("slot_id", "contract_id")
        return landmarks.add_recent(
            rows, {50: tuple(landmarks.recent(spells, block, 50, key) for key in keys)}
        )

    earlier = with_recent(landmarks.landmark(spells, 2_000, 100, 2_200), 2_000)
    later = with_recent(rows, 2_500)
    forecast = forecasts.fit_landmark_logistic(
        earlier, ["log_idle", "slot_recent_50", "contract_recent_50"], 100
    )
    p = forecast.access_probability(later, 100)
    with pytest.raises(InputError, match="horizon of 100"):
        forecast.access_probability(later, 50)
    assert ((p > 0) & (p < 1)).all()
    assert np.corrcoef(p, landmarks.answers(later))[0, 1] > 0.2


def test_too_few_accesses_are_refused(made):
    known = made[1]
    with pytest.raises(InputError, match="too few"):
        forecasts.fit_all(known.head(30), COVARIATES, seed=1)
    assert forecasts.varying(pl.DataFrame({"a": [1, 1], "b": [1, 2]}), ["a", "b"]) == ["b"]


def test_only_the_models_asked_for_are_fitted_and_unknown_ones_are_named(made):
    known = made[1]
    fitted, _ = forecasts.fit_all(known, COVARIATES, seed=1, models=["Weibull"])
    assert list(fitted) == [forecasts.CURVE, "Weibull"]
    with pytest.raises(InputError, match="unknown models"):
        forecasts.fit_all(known, COVARIATES, seed=1, models=["Gompertz"])


def test_a_covariate_that_the_stratum_decides_is_left_out_of_the_stratified_model():
    """It made Newton wander in the noise of an information near zero."""
    frame = pl.DataFrame({"g": ["x", "x", "y", "y"], "decided": [0, 0, 1, 1], "free": [0, 1, 0, 0]})
    assert forecasts.varying(frame, ["decided", "free"], ["g"]) == ["free"]


def test_a_sample_keeps_whole_slots_and_everything_where_that_is_little(made):
    known = made[1]
    assert forecasts.sample_slots(known, 1) is known
    part = forecasts.sample_slots(known, 1, most=known.height // 4)
    assert part.height == pytest.approx(known.height / 4, rel=0.3)
    whole = known.filter(pl.col("slot_id").is_in(part["slot_id"].unique().implode()))
    assert part.equals(whole)
    assert part.equals(forecasts.sample_slots(known, 1, most=known.height // 4))


def test_a_stratum_that_training_has_not_seen_takes_the_curve_of_the_commonest():
    """On a trace of a few blocks the busiest class appears only after training."""
    rng = np.random.default_rng(1)
    known = pl.DataFrame(
        {
            "entry": np.zeros(200),
            "duration": np.ceil(rng.exponential(5, 200)),
            "event": np.ones(200, bool),
            "kind": ["often"] * 150 + ["rare"] * 50,
        }
    )
    model = forecasts.fit_cox(known, [], ("kind",))
    rows = pl.DataFrame({"idle": [2, 2, 2], "kind": ["often", "rare", "new"]})
    p = model.access_probability(rows, 3)
    assert p[2] == p[0] != p[1]
    curves, row = model.curves(rows, np.arange(5.0))
    assert np.array_equal(curves[row[2]], curves[row[0]])


def test_of_slots_with_many_spells_each_at_least_one_is_sampled():
    spells = pl.DataFrame({"slot_id": np.repeat([7, 8, 9], 40), "start": np.tile(np.arange(40), 3)})
    for most, slots in ((1, 1), (40, 1), (60, 2), (80, 2), (119, 3)):
        part = forecasts.sample_slots(spells, 3, most=most)
        assert part["slot_id"].n_unique() == slots
        assert part.height == 40 * slots
    assert forecasts.sample_slots(spells, 3, most=120) is spells


def test_the_landmark_model_is_the_ridge_estimate_of_standardised_covariates():
    """Half the squared coefficients per standard deviation is taken off the log-likelihood."""
    rng = np.random.default_rng(3)
    x = rng.normal(5, [1, 40], (60, 2))
    accessed = rng.random(60) < special.expit(x[:, 0] - 5 + (x[:, 1] - 5) / 40)
    rows = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "same": np.ones(60), "accessed": accessed})
    found = forecasts.fit_landmark_logistic(rows, ["a", "same", "b"], 50)
    assert found.names == ("a", "b")
    z = (x - x.mean(axis=0)) / x.std(axis=0)

    def loss(b):
        logit = b[0] + z @ b[1:]
        return np.logaddexp(0, -np.where(accessed, logit, -logit)).sum() + b[1:] @ b[1:] / 2

    best = optimize.minimize(loss, np.zeros(3), method="BFGS", options={"gtol": 1e-8}).x
    assert found.coefficients == pytest.approx(best[1:] / x.std(axis=0), rel=1e-3)
    wanted = special.expit(best[0] + z @ best[1:])
    assert found.within(rows)(50) == pytest.approx(wanted, rel=1e-3)
    with pytest.raises(InputError, match="all alike"):
        forecasts.fit_landmark_logistic(rows.filter("accessed"), ["a"], 50)
