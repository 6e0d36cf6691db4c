"""Tests of proportional hazards: equal to R, of the stated size, with power, robust to clusters."""

import dataclasses

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose

from rollstate.errors import InputError
from rollstate.survival import cox
from rollstate.survival import proportionality as ph

from .conftest import SETS, simulate


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
