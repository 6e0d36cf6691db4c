"""The Cox engine beside R's coxph and lifelines: delayed entry, strata, Efron ties; tables of p for many spells."""

from __future__ import annotations

import argparse
import math
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from kept import keep, peak_gib

from rollstate.bootstrap import cluster_samples
from rollstate.survival import cox, kaplan_meier
from rollstate.survival.spells import Spells, make_spells
from rollstate.survival.steps import access_probability

R = """
library(survival)
d <- read.csv("{path}")
t <- system.time(coxph(Surv(entry, duration, event) ~ {x} + strata(stratum), d, ties = "efron"))
cat(t[["elapsed"]])
"""


def timed(action: Callable[[], Any]) -> tuple[float, Any]:
    """Return seconds and result."""
    begin = time.perf_counter()
    result = action()
    return time.perf_counter() - begin, result


def simulate(n: int, p: int, seed: int = 1) -> Spells:
    """Return spells of a stratified Cox model with delayed entry, in whole blocks."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p))
    stratum = rng.integers(0, 4, n)
    gap = np.ceil(rng.exponential(size=n) / (1e-4 * (1 + stratum) * np.exp(0.3 * x[:, 0] - 0.2 * x[:, 1])))
    end = rng.integers(20, 100_000, n)
    time_ = np.minimum(gap, end)
    entry = np.where(rng.random(n) < 0.1, np.floor(rng.random(n) * time_), 0)
    return make_spells(time_, gap <= end, x, entry=np.minimum(entry, time_ - 1), stratum=stratum)


def table(spells: Spells) -> pd.DataFrame:
    """Return the spells as R and lifelines read them."""
    frame = pd.DataFrame(spells.x, columns=list(spells.names))
    columns = {"entry": spells.entry, "duration": spells.duration, "event": spells.event.astype(int)}
    return frame.assign(**columns, stratum=spells.stratum)


def in_r(spells: Spells) -> float:
    """Return the seconds that R takes, without reading the file; NaN where there is no R."""
    if not shutil.which("Rscript"):
        return float("nan")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "d.csv"
        table(spells).to_csv(path, index=False)
        script = R.format(path=path, x=" + ".join(spells.names))
        done = subprocess.run(["Rscript", "-e", script], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def in_lifelines(spells: Spells) -> float:
    """Return the seconds that lifelines takes."""
    from lifelines import CoxPHFitter

    frame = table(spells)
    fit = CoxPHFitter().fit
    columns = {"duration_col": "duration", "event_col": "event", "entry_col": "entry", "strata": ["stratum"]}
    return timed(lambda: fit(frame, **columns))[0]


def bands(n: int, draws: int = 20) -> tuple[float, float]:
    """Return the seconds of `draws` bootstrap samples of a survival curve over 300 clusters, here and by lifelines."""
    from lifelines import KaplanMeierFitter

    gap = simulate(n, 2)
    duration = np.ceil(gap.duration / 100)
    cluster = np.arange(n) % 300
    spells = make_spells(duration, gap.event, cluster=cluster)
    at = np.geomspace(1, duration.max(), 40)
    own, _ = timed(lambda: kaplan_meier.cluster_simultaneous_band(spells, at, draws=draws, seed=1))

    def one_by_one() -> None:
        for rows in cluster_samples(cluster, draws, 1):
            KaplanMeierFitter().fit(duration[rows], gap.event[rows]).survival_function_at_times(at)

    return own, timed(one_by_one)[0]


def main(arguments: list[str] | None = None) -> None:
    """Print seconds, ratios and memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="also ten million spells with eight covariates")
    large = parser.parse_args(arguments).large
    cox.fit(simulate(1_000, 4))
    small, middle = simulate(10_000, 4), simulate(1_000_000, 4)
    ours = min(timed(lambda: cox.fit(small))[0] for _ in range(3))
    peer = in_lifelines(small)
    print(f"n = 10,000, p = 4: ours {ours:.2f} s, lifelines {peer:.1f} s, ratio {peer / ours:.0f}")
    keep("Cox fit of 10,000 spells", "lifelines", peer / ours)
    ours, model = timed(lambda: cox.fit(middle))
    peer = in_r(middle)
    print(f"n = 1,000,000, p = 4: ours {ours:.2f} s, R coxph {peer:.2f} s, ratio {peer / ours:.1f}")
    if math.isfinite(peer):
        keep("Cox fit of 1,000,000 spells", "R coxph", peer / ours)
    labels = np.array(middle.strata)[middle.stratum]
    idle = np.minimum(middle.duration, 300)
    took, _ = timed(lambda: access_probability(model, idle, 50, middle.x, stratum=labels, beyond="tail"))
    print(f"p(tau | idle) of 1,000,000 spells: {took:.2f} s, {took * 10:.1f} s for 10,000,000")
    own, peer = bands(100_000)
    print(
        f"20 bootstrap curves of 100,000 spells: {own:.2f} s, lifelines {peer:.2f} s, ratio {peer / own:.0f}"
    )
    keep("20 bootstrap curves of 100,000 spells", "lifelines", peer / own)
    if large:
        spells = simulate(10_000_000, 8)
        took, _ = timed(lambda: cox.fit(spells))
        print(f"n = 10,000,000, p = 8: {took:.0f} s, peak {peak_gib():.1f} GiB")


if __name__ == "__main__":
    main()
