"""Tests of proportional hazards: equal to R, of the stated size, with power, robust to clusters."""

import dataclasses

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from rollstate.errors import InputError
from rollstate.survival import cox
from rollstate.survival import proportionality as ph
from rollstate.survival.spells import make_spells

from .conftest import SETS, deaths, simulate


@pytest.mark.real_data
@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("name", SETS)
def test_equals_r_cox_zph(oracle, name, ties):
    spells, expected = oracle(name)
    model = cox.fit(spells, ties=ties)
    # The largest set has one transform of each kind only: its risk-set moments take a second each.
    for transform in ph.TRANSFORMS if name != "synthA" else ("km", "rank"):
        result = ph.score_test(model, spells, transform)
        reference = expected[ties][f"zph_{transform}"]
        assert result["term"].to_list() == reference["row"]
        assert_allclose(result["chisq"].to_numpy(), reference["chisq"], rtol=1e-6)
        assert_allclose(result["p"].to_numpy(), reference["p"], rtol=1e-6)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_weighted_score_residuals_are_the_models_for_a_constant_weight(ties):
    spells = simulate(4, rounding=10.0)
    model = cox.fit(spells, ties=ties)
    expected = cox.engine(spells, ties).score_residuals(
        model.predict_log_partial_hazard(spells.x), spells.x - model.center
    )
    assert_allclose(ph.weighted_score_residuals(model, spells, np.ones(len(spells))), expected, atol=1e-10)


def test_weighted_score_residuals_sum_to_the_score_of_the_interaction():
    spells = simulate(4, rounding=10.0)
    model = cox.fit(spells)
    g = ph.transform_times(spells, "log")
    raw = cox.engine(spells).schoenfeld_residuals(
        model.predict_log_partial_hazard(spells.x), spells.x - model.center
    )
    assert_allclose(ph.weighted_score_residuals(model, spells, g).sum(axis=0), g @ raw, atol=1e-9)


def rejections(slope, runs, repeat=1, robust=False):
    """Share of runs in which the first covariate's test rejects at 5 %."""
    out = []
    for seed in range(runs):
        spells = simulate(seed, n=250, strata=1, slope=slope)
        rows = np.repeat(np.arange(len(spells)), repeat)
        spells = spells.take(rows)
        model = cox.fit(spells, ties="breslow")
        out.append(ph.score_test(model, spells, "km", cluster=rows if robust else None)["p"][0] < 0.05)
    return np.mean(out)


@pytest.mark.thorough
def test_has_its_size_under_proportional_hazards():
    assert abs(rejections(0.0, 400) - 0.05) < 3 * np.sqrt(0.05 * 0.95 / 400)


@pytest.mark.thorough
def test_has_power_where_the_effect_changes():
    assert rejections(0.5, 60) > 0.8


@pytest.mark.thorough
def test_only_the_robust_test_keeps_its_size_when_spells_repeat():
    assert rejections(0.0, 150, repeat=3) > 0.15
    assert abs(rejections(0.0, 150, repeat=3, robust=True) - 0.05) < 3 * np.sqrt(0.05 * 0.95 / 150) + 0.01


def test_smoothed_effect_is_flat_under_proportional_hazards_and_bends_without():
    at = np.geomspace(2, 60, 10)
    for slope, flat in ((0.0, True), (0.5, False)):
        spells = simulate(11, n=2_000, strata=1, slope=slope)
        effect = ph.effect_over_time(cox.fit(spells), spells, at=at, cluster=np.arange(len(spells)))
        first = effect.filter(effect["covariate"] == "a")
        inside = (first["low"] <= first["constant"]) & (first["constant"] <= first["high"])
        assert inside.mean() > 0.8 if flat else inside.mean() < 0.8
        if not flat:
            assert first["effect"][9] > first["effect"][0]


def test_scaled_residuals_average_to_the_coefficient():
    spells = simulate(6)
    model = cox.fit(spells)
    residuals = ph.scaled_schoenfeld(model, spells)
    assert_allclose([residuals[name].mean() for name in model.names], model.coefficients, atol=1e-8)


def test_natural_spline_is_linear_beyond_its_knots():
    x, knots = np.linspace(0, 4, 30), np.array([0.0, 1, 2, 4])
    basis = ph.natural_spline(x, knots)
    for beyond in (np.array([5.0, 6, 7, 8]), np.array([-4.0, -3, -2, -1])):
        assert_allclose(np.diff(basis(beyond), n=2, axis=0), 0, atol=1e-9)
    # The same functions as the truncated cubes of Hastie, Tibshirani, Friedman (2009), eq. 5.4 and 5.5.
    cubes = np.maximum(x[:, None] - knots, 0) ** 3
    d = (cubes - cubes[:, -1:])[:, :-1] / (knots[-1] - knots[:-1])
    columns = np.stack([np.ones_like(x), x, d[:, 0] - d[:, -1], d[:, 1] - d[:, -1]], axis=1)
    assert basis(x).shape == (30, 4)
    assert_allclose(basis(x) @ np.linalg.lstsq(basis(x), columns, rcond=None)[0], columns, atol=1e-8)


def test_two_knots_make_a_line():
    assert_allclose(ph.natural_spline(np.array([1.0]), np.array([1.0, 2.0]))(np.array([3.0])), [[1, 3]])


def test_bad_requests_are_named():
    spells = simulate(1, n=50)
    with pytest.raises(InputError, match="not one of"):
        ph.score_test(cox.fit(spells), spells, "square")
    empty = dataclasses.replace(spells, x=np.zeros((50, 0)), names=())
    with pytest.raises(InputError, match="no covariates"):
        ph.score_test(cox.fit(empty), empty)


@pytest.mark.parametrize("groups", [1, 2, 29])
def test_a_robust_test_over_too_few_clusters_is_refused(groups):
    """With no more clusters than covariates its global statistic is the number of clusters, for any data at all."""
    spells = simulate(2, n=600)
    model = cox.fit(spells)
    with pytest.raises(InputError, match="clusters are too few"):
        ph.score_test(model, spells, "km", cluster=np.arange(600) % groups)


def test_clusters_are_contracts_where_these_suffice_else_slots_else_none():
    frame = pl.DataFrame({"contract_id": np.arange(100) % 29, "slot_id": np.arange(100) % 30})
    assert ph.clusters_that_suffice(frame, ("contract_id", "slot_id")) == "slot_id"
    assert ph.clusters_that_suffice(frame, ("contract_id",)) is None
    wide = frame.with_columns(contract_id=pl.col("slot_id"))
    assert ph.clusters_that_suffice(wide, ("contract_id", "slot_id")) == "contract_id"


def test_the_statistic_over_thirty_clusters_depends_on_the_data():
    found = []
    for seed in (1, 2):
        spells = simulate(seed, n=600)
        table = ph.score_test(cox.fit(spells), spells, "km", cluster=np.arange(600) % 30)
        found.append(table["chisq"][-1])
    assert abs(found[0] - found[1]) > 1e-3


def by_loops(model, spells, g):
    """Return the score, and the three moments of the risk sets' covariances, summed over events by loops."""
    risk, p = np.exp(spells.x @ model.coefficients), spells.x.shape[1]
    score, moments = np.zeros(p), np.zeros((3, p, p))
    for _, died, counts in deaths(spells, model.ties):
        weight = risk * counts
        mean = np.average(spells.x, axis=0, weights=weight)
        covariance = np.cov(spells.x.T, aweights=weight, bias=True)
        at = g[died][0]
        score += at * (spells.x[died].mean(axis=0) - mean)
        moments += np.array([1, at, at**2])[:, None, None] * covariance
    return score, moments


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("transform", ph.TRANSFORMS)
def test_the_score_test_is_that_of_sums_over_events_and_risk_sets(transform, ties):
    """Grambsch and Therneau (1994): covariates times g(u) are added to the model, and their effects are zero."""
    made = simulate(12, n=70, rounding=10.0)
    third = np.random.default_rng(3).normal(size=70)
    spells = dataclasses.replace(made, x=np.c_[made.x, third], names=("a", "b", "c"))
    model = cox.fit(spells, ties=ties)
    g = ph.transform_times(spells, transform)
    g = g - g[spells.event].mean()
    score, (plain, crossed, squared) = by_loops(model, spells, g)
    variance = squared - crossed @ np.linalg.solve(plain, crossed)
    single, whole = score**2 / np.diag(variance), score @ np.linalg.solve(variance, score)
    found = ph.score_test(model, spells, transform)
    assert_allclose(found["chisq"].to_numpy(), [*single, whole], rtol=1e-6)
    assert_allclose(found["p"].to_numpy(), stats.chi2.sf([*single, whole], [1, 1, 1, 3]), rtol=1e-6)
    assert found["df"].to_list() == [1, 1, 1, 3]
    assert found["term"].to_list() == ["a", "b", "c", "GLOBAL"]


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_weighted_score_residuals_are_those_of_loops_over_events(ties):
    spells = simulate(13, n=60, rounding=15.0)
    model = cox.fit(spells, ties=ties)
    g = ph.transform_times(spells, "log")
    risk = np.exp((spells.x - model.center) @ model.coefficients)
    wanted = np.zeros_like(spells.x)
    for t, died, weight in deaths(spells, ties):
        mean = np.average(spells.x, axis=0, weights=risk * weight)
        step = died / died.sum() - risk * weight / (risk @ weight)
        wanted += np.log(t) * step[:, None] * (spells.x - mean)
    assert_allclose(ph.weighted_score_residuals(model, spells, g), wanted, atol=1e-9)


def test_the_robust_test_sums_the_residuals_of_each_cluster():
    spells = simulate(14, n=120, rounding=10.0)
    cluster = np.random.default_rng(1).integers(0, 40, 120)
    model = cox.fit(spells)
    g = ph.transform_times(spells, "km")
    g = g - g[spells.event].mean()
    score, (plain, crossed, _) = by_loops(model, spells, g)
    # Estimating the coefficients takes out what the covariates themselves explain.
    own = ph.weighted_score_residuals(model, spells, np.ones(120))
    u = ph.weighted_score_residuals(model, spells, g) - own @ np.linalg.solve(plain, crossed)
    sums = np.array([u[cluster == one].sum(axis=0) for one in range(40)])
    variance = sums.T @ sums
    wanted = [*score**2 / np.diag(variance), score @ np.linalg.solve(variance, score)]
    assert_allclose(ph.score_test(model, spells, cluster=cluster)["chisq"].to_numpy(), wanted, rtol=1e-6)


def test_a_stratum_without_events_has_residuals_of_zero():
    spells = simulate(4, rounding=10.0)
    event = spells.event & (spells.stratum == 0)
    spells = dataclasses.replace(spells, event=event)
    found = ph.weighted_score_residuals(cox.fit(spells), spells, np.ones(len(spells)))
    assert not found[spells.stratum == 1].any()
    assert np.abs(found[spells.stratum == 0]).max() > 0.1


def test_transforms_of_time_are_those_of_r():
    spells = make_spells(np.array([3, 1, 3, 8]), np.array([True, True, False, True]))
    wanted = {"identity": [3, 1, 3, 8], "log": np.log([3, 1, 3, 8]), "rank": [2.5, 1, 2.5, 4]}
    # Just before 1 all are there, before 3 three of four, before 8 two thirds of these.
    wanted["km"] = [0.25, 0, 0.25, 0.5]
    for name, values in wanted.items():
        assert_allclose(ph.transform_times(spells, name), values, err_msg=name)


def test_scaled_residuals_are_the_plain_ones_by_the_covariance_of_an_event():
    spells = simulate(6, n=60, strata=1)
    model = cox.fit(spells)
    risk, rows = np.exp(spells.x @ model.coefficients), np.flatnonzero(spells.event)
    rows = rows[np.argsort(spells.duration[rows])]
    found = ph.scaled_schoenfeld(model, spells)
    assert found["row"].to_list() == rows.tolist()
    assert found["time"].to_list() == spells.duration[rows].tolist()
    for row, values in zip(rows, found.select("a", "b").rows(), strict=True):
        t = spells.duration[row]
        at_risk = (spells.entry < t) & (spells.duration >= t)
        raw = spells.x[row] - np.average(spells.x, axis=0, weights=risk * at_risk)
        assert_allclose(values, len(rows) * raw @ model.covariance + model.coefficients, atol=1e-8)


def test_the_smoothed_effect_is_least_squares_with_clustered_errors():
    spells = simulate(15, n=300, strata=1)
    model, at, cluster = cox.fit(spells), np.array([3.0, 30.0]), np.arange(300) % 50
    residuals = ph.scaled_schoenfeld(model, spells)
    time = np.log(residuals["time"].to_numpy())
    for df in (2, 4):
        basis = ph.natural_spline(time, np.quantile(time, np.linspace(0, 1, df)))
        z, y = basis(time), residuals["b"].to_numpy()
        beta, inverse = np.linalg.lstsq(z, y)[0], np.linalg.inv(z.T @ z)
        left, group = y - z @ beta, cluster[residuals["row"].to_numpy()]
        sums = np.array([(z * left[:, None])[group == one].sum(axis=0) for one in range(50)])
        error = np.sqrt(np.diag(basis(np.log(at)) @ inverse @ sums.T @ sums @ inverse @ basis(np.log(at)).T))
        found = ph.effect_over_time(model, spells, at=at, df=df, level=0.9, cluster=cluster)
        found = found.filter(found["covariate"] == "b")
        effect = basis(np.log(at)) @ beta
        assert_allclose(found["effect"].to_numpy(), effect, rtol=1e-7)
        for name, sign in (("low", -1), ("high", 1)):
            wanted = effect + sign * stats.norm.ppf(0.95) * error
            assert_allclose(found[name].to_numpy(), wanted, rtol=1e-6)
        assert found["constant"].unique().to_list() == [model.coefficients[1]]
    # Without clusters every event is its own; four columns and 95 % unless told otherwise.
    given = ph.effect_over_time(model, spells, at=at, df=4, level=0.95, cluster=np.arange(300))
    found = ph.effect_over_time(model, spells, at=at)
    for name in ("effect", "low", "high"):
        assert_allclose(found[name].to_numpy(), given[name].to_numpy(), rtol=1e-9)
