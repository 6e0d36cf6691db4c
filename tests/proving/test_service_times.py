"""Measured times are read as they are, and crashes are not ignored."""

import numpy as np
import pandas as pd
import pytest

from rollstate.errors import InputError
from rollstate.proving import runs, service_times


@pytest.mark.real_data
def test_reference_numbers_of_zisk(data_dir):
    every = runs.load(data_dir / "proving")
    zisk = every[every["zkvm"] == "zisk-v0.16.1"]
    both = dict(iter(zisk.groupby("client")))
    assert {len(part) for part in both.values()} == {250}
    reth = both["reth-v1.11.0"]
    # Half of the published set is at hand; the whole has mean 16.15 s, slope 0.567 s per Mgas and R2 0.924.
    fit = service_times.fit(reth["gas"].to_numpy(), reth["prove_s"].to_numpy())
    assert reth["prove_s"].mean() == pytest.approx(16.15, rel=0.03)
    assert fit.slope_s == pytest.approx(0.567, rel=0.06)
    assert fit.r2 == pytest.approx(0.924, abs=0.04)


def test_fit_finds_the_line_and_its_error():
    rng = np.random.default_rng(5)
    size = rng.uniform(5e6, 45e6, 2_000)
    fit = service_times.fit(size, (4 + 0.5 * size / 1e6) * (1 + 0.1 * rng.standard_normal(2_000)))
    assert fit.intercept_s == pytest.approx(4, abs=0.2)
    assert fit.slope_s == pytest.approx(0.5, rel=0.02)
    assert fit.slope_interval[0] < 0.5 < fit.slope_interval[1]
    # Variance of the line over that and of the error: 33.3 of 33.3 + 3.1.
    assert fit.r2 == pytest.approx(0.916, abs=0.01)
    assert fit.relative.std() == pytest.approx(0.1, rel=0.05)


def test_bands_cover_in_every_decile():
    # Many runs of 250 blocks whose error grows with size, judged on blocks that the fit has not seen.
    found = []
    for seed in range(60):
        every = runs.synthetic(seed)
        part = every[every["run"] == "synthetic prover"]
        found.append(service_times.judged(part, "cycles", 150))
    share = pd.concat(found).groupby("decile")["inside"].mean()
    assert len(share) == 10
    assert share.between(0.92, 0.98).all()


def crashing(seed, n=4_000):
    """Return invented runs whose crashes depend on gas, and the mean that no crash hides."""
    rng = np.random.default_rng(seed)
    gas = rng.uniform(5e6, 45e6, n)
    prove = (4 + 4.0 * gas / 1e6) * rng.lognormal(0, 0.08, n)
    crashed = rng.random(n) < 1 / (1 + np.exp(4 - gas / 1e7))
    part = pd.DataFrame({"gas": gas, "prove_s": np.where(crashed, np.nan, prove), "crashed": crashed})
    # The generator's expectation given gas; its noise has mean exp(0.08^2 / 2).
    return part, float((4 + 4.0 * gas / 1e6).mean() * np.exp(0.08**2 / 2))


def test_both_corrections_undo_informative_crashes():
    found = [service_times.mean_times(crashing(seed)[0]) for seed in range(30)]
    truth = [crashing(seed)[1] for seed in range(30)]
    bias = {name: np.mean([f[name] - t for f, t in zip(found, truth, strict=True)]) for name in found[0]}
    error = {
        name: np.std([f[name] - t for f, t in zip(found, truth, strict=True)]) / np.sqrt(30) for name in bias
    }
    assert bias["left out"] < -0.5
    for name in ("weighted", "filled in"):
        assert abs(bias[name]) < 4 * error[name], name


def test_no_crash_needs_no_weight():
    frame = crashing(1)[0].copy()
    frame["prove_s"] = 4 + frame["gas"] / 2e6
    frame["crashed"] = False
    means = service_times.mean_times(frame)
    assert means["left out"] == pytest.approx(means["weighted"]) == pytest.approx(means["filled in"])


def test_fixed_times_need_the_ceiling():
    assert service_times.provers_needed(np.array([10.0]), 12, max_wait_s=0.5, seed=1) == 1
    assert service_times.provers_needed(np.array([30.0]), 12, max_wait_s=0.5, seed=1) == 3


def test_confidence_varies_with_the_sample_and_with_nothing_else():
    work = np.random.default_rng(2).lognormal(np.log(16), 0.3, 60)
    one = service_times.provers_confidence(work, 12, max_wait_s=0.1, draws=10, seed=3, jobs=1_000)
    two = service_times.provers_confidence(work, 12, max_wait_s=0.1, draws=10, seed=3, jobs=1_000)
    assert (one == two).all()
    assert one.min() >= 2


def test_run_that_cannot_keep_up_has_no_number():
    assert service_times.provers_needed(np.array([100.0]), 12, max_wait_s=1, seed=1, most=2) is None
    boot = service_times.provers_confidence(np.full(20, 100.0), 12, max_wait_s=1, draws=3, seed=1, most=2)
    assert np.isinf(boot).all()


def test_bad_input_is_named():
    with pytest.raises(InputError, match="too few"):
        service_times.fit(np.ones(5), np.ones(5))
    with pytest.raises(InputError, match="several sizes"):
        service_times.fit(np.ones(20), np.ones(20))
    with pytest.raises(InputError, match="'gas2'"):
        service_times.fit(np.ones(20), np.ones(20), "gas2")
    with pytest.raises(InputError, match="every run crashed"):
        service_times.finish_weights(np.ones(3), np.ones(3, bool))
