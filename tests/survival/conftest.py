"""Data sets and results of R's survival package, and small simulated data."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rollstate.survival.spells import make_spells

SETS = ("heart", "pbc_agescale", "lung_strat", "cgd_recurrent", "synthA")


@pytest.fixture(scope="session")
def oracle(data_dir):
    """Return spells and R's results of a data set by name."""
    read = {}

    def load(name):
        if name not in read:
            folder = data_dir / "survival"
            result = json.loads((folder / f"{name}.R.json").read_text())
            frame = pl.read_csv(folder / (f"{name}.csv.gz" if name == "synthA" else f"{name}.csv"))
            if name == "synthA":
                frame = frame.with_columns(
                    lcnt=(pl.col("cnt") - 1).clip(upper_bound=20).log1p(),
                    lprev=pl.col("prev").log1p(),
                    lco=pl.col("co").log1p(),
                )
            strata = result["strata"]
            spells = make_spells(
                frame["stop"].to_numpy(),
                frame["event"].to_numpy(),
                frame.select(pl.col(result["x"]).cast(pl.Float64)).to_numpy(),
                result["x"],
                entry=frame["start"].to_numpy(),
                stratum=None if strata is None else frame[strata].to_numpy(),
                cluster=frame[result["id"]].to_numpy(),
            )
            read[name] = spells, result
        return read[name]

    return load


@pytest.fixture(scope="session")
def r_extra():
    """Return further results of R 4.2.2, survival 3.5.3, on the same data."""
    return json.loads((Path(__file__).parent / "r_extra.json").read_text())


def deaths(spells, ties):
    """Yield for each event time, and each event of it under Efron's rule: time, who died, and who counts how much."""
    for code in range(len(spells.strata)):
        same = spells.stratum == code
        for t in np.unique(spells.duration[same & spells.event]):
            at_risk = same & (spells.entry < t) & (spells.duration >= t)
            died = same & spells.event & (spells.duration == t)
            count = died.sum()
            for share in np.arange(count) / count if ties == "efron" else np.zeros(count):
                yield t, died, at_risk - share * died


def simulate(seed, n=400, beta=(0.7, -0.4), strata=2, rounding=None, entry=True, slope=0.0):
    """Simulate spells of a stratified Cox model with delayed entry; `slope` bends the first effect in log time."""
    rng = np.random.default_rng(seed)
    kept = []
    while sum(map(len, kept)) < n:
        x = np.c_[rng.normal(size=n), rng.random(n) < 0.5].astype(float)
        stratum = rng.integers(0, strata, n)
        target = rng.exponential(size=n) / (0.02 * (1 + stratum) * np.exp(x @ beta))
        # Weibull hazard of shape 1 + slope * x0 for the bend.
        gap = target ** (1 / (1 + slope * np.tanh(x[:, 0])))
        late = np.where(rng.random(n) < 0.3, rng.exponential(20, n), 0) if entry else np.zeros(n)
        stop = rng.uniform(5, 150, n)
        if rounding:
            gap, late, stop = (np.ceil(v / rounding) for v in (gap, late, stop))
        time, event = np.minimum(gap, stop), gap <= stop
        rows = time > late
        kept.append(np.c_[late, time, event, stratum, x][rows])
    late, time, event, stratum, *x = np.concatenate(kept)[:n].T
    return make_spells(time, event, np.stack(x, axis=1), ["a", "b"], entry=late, stratum=stratum.astype(int))
