"""A model comes back as it was, bit for bit; a file that is not one says so."""

import dataclasses
import json
import os

import numpy as np
import pytest

from rollstate import intervals
from rollstate.errors import InputError
from rollstate.survival import (
    calibration,
    cox,
    forecasts,
    frailty,
    hazards,
    landmarks,
    model_file,
    parametric,
)
from rollstate.survival.spells import add_covariates
from rollstate.survival.steps import access_probability
from rollstate.traces import datasets

from .conftest import simulate

STAMP = datasets.load_trace("sample").capability


@pytest.fixture(scope="module")
def spells():
    return simulate(3, n=600, rounding=1.0)


@pytest.fixture(scope="module")
def models(spells):
    plain = dataclasses.replace(spells, stratum=np.zeros(len(spells), int), strata=("all",))
    cuts = hazards.event_cuts(plain, 4)
    return {
        "cox": cox.fit(spells),
        "parametric": parametric.fit(plain, "lognormal"),
        "cure": parametric.fit(plain, "weibull", cure=True),
        "discrete": hazards.fit_discrete(plain, cuts),
        "varying": hazards.fit_time_varying(plain, cuts[:1]),
        "trees": hazards.fit_boosted(plain, cuts, seed=1, iterations=5),
    }


@pytest.mark.parametrize("name", ["cox", "parametric", "cure", "discrete", "varying", "trees"])
def test_predictions_are_the_same_to_the_last_bit(name, models, spells, tmp_path):
    model = models[name]
    rng = np.random.default_rng(1)
    calibrator = calibration.fit_isotonic(rng.random(50), rng.integers(0, 2, 50))
    model_file.save(model_file.Stored(model, calibrator, STAMP), tmp_path / "m.json")
    back = model_file.load(tmp_path / "m.json")
    options = {
        "cox": {"stratum": np.array(spells.strata)[spells.stratum], "beyond": "tail"},
        "varying": {"beyond": "tail"},
    }
    idle = np.minimum(spells.entry, 5)
    old, new = (
        access_probability(m, idle, 10, spells.x, **options.get(name, {})) for m in (model, back.model)
    )
    assert np.array_equal(old, new)
    assert np.array_equal(calibrator.predict(old), back.calibrator.predict(new))
    assert back.capability == STAMP
    again = tmp_path / "again.json"
    model_file.save(back, again)
    assert again.read_bytes() == (tmp_path / "m.json").read_bytes()


def test_all_calibrators_and_the_frailty_are_kept(tmp_path):
    rng = np.random.default_rng(1)
    p, y = rng.random(80), rng.integers(0, 2, 80)
    for fit in calibration.FITS.values():
        calibrator = fit(p, y)
        model_file.save(
            model_file.Stored(frailty.GammaFrailty(0.1, np.inf, -1.0, -2.0), calibrator, STAMP),
            tmp_path / "m",
        )
        back = model_file.load(tmp_path / "m")
        assert np.array_equal(back.calibrator.predict(p), calibrator.predict(p))
        assert back.model.shape == np.inf


def test_every_forecaster_is_a_plain_object_that_comes_back_as_it_was(tmp_path):
    trace = datasets.load_trace("sample")
    spells = add_covariates(intervals.build(trace))
    known, rows = landmarks.as_of(spells, 1_500), landmarks.landmark(spells, 2_000, 100, 2_200)
    covariates = ["log_accesses", "log_prev_gap", "first_gap"]
    fitted, failed = forecasts.fit_all(known, covariates, strata=("activity",), seed=1, iterations=5)
    assert not failed
    earlier = landmarks.landmark(known, 1_300, 100, 1_500)
    fitted[forecasts.LANDMARK] = forecasts.fit_landmark_logistic(earlier, covariates, 100)
    assert {*fitted} == {forecasts.CURVE, *forecasts.MODELS, forecasts.LANDMARK}
    for name, forecaster in fitted.items():
        model_file.save(model_file.Stored(forecaster, None, STAMP), tmp_path / "m.json")
        back = model_file.load(tmp_path / "m.json").model
        assert type(back) is type(forecaster), name
        assert np.array_equal(back.access_probability(rows, 100), forecaster.access_probability(rows, 100)), (
            name
        )


def test_what_is_no_model_is_not_written(tmp_path):
    with pytest.raises(InputError, match="Capability cannot be kept"):
        model_file.save(model_file.Stored(STAMP, None, STAMP), tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_model_is_refused(models, tmp_path):
    path = tmp_path / "m.json"
    model_file.save(model_file.Stored(models["cox"], None, STAMP), path)
    good = json.loads(path.read_text())
    damaged = json.loads(path.read_text())
    damaged["model"]["fields"]["coefficients"]["values"][0] += 1e-9
    cases = {
        "cannot be read": "{",
        "is not a survival model": json.dumps({"schema": "other"}),
        "has version 9": json.dumps({**good, "version": 9}),
        "is damaged": json.dumps(damaged),
    }
    for match, text in cases.items():
        path.write_text(text)
        with pytest.raises(InputError, match=match):
            model_file.load(path)
    with pytest.raises(InputError, match="cannot be read"):
        model_file.load(tmp_path / "missing")


def test_a_failed_write_leaves_the_old_file(models, tmp_path, monkeypatch):
    path = tmp_path / "m.json"
    path.write_text("old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        model_file.save(model_file.Stored(models["cox"], None, STAMP), path)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["m.json"]


def test_a_model_does_not_score_a_trace_of_another_kind(models):
    stored = model_file.Stored(models["cox"], None, STAMP)
    stored.check(dataclasses.replace(STAMP, window_stop=STAMP.window_stop + 5, source="another"))
    with pytest.raises(InputError, match="observes_reads True against False"):
        stored.check(dataclasses.replace(STAMP, observes_reads=False))
