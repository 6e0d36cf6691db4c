"""Survival curves of the training blocks from a profile, which knows neither covariates nor single slots."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from rollstate.chapters.survival.parameters import Survival
from rollstate.errors import InputError
from rollstate.intervals import ACTIVITY
from rollstate.product_limit import survival_at
from rollstate.profile import Profile
from rollstate.profile import curves as grouped
from rollstate.profile.classes import activity
from rollstate.profile.grid import GAPS
from rollstate.profile.rows import between, risk
from rollstate.scalars import real

NO_SLOTS = (
    "a profile counts spells by class and does not know what a model needs of each slot; take the trace that it was made "
    "from"
)


def border(profile: Profile, train: float) -> int:
    """Return that border of the profile's plan which is nearest to a share of the window."""
    plan = profile.plan
    if not plan.borders:
        raise InputError("the profile has no border in time: its window is too short")
    return min(plan.borders, key=lambda block: abs((block - plan.start) / plan.n_blocks - train))


def numbers(profile: Profile, p: Survival) -> dict[str, Any]:
    """Return the spells known at the end of training, and what the strata are."""
    profile.capability.require("every_block", "a gap between accesses")
    last = border(profile, p.train)
    # Every spell ends once: with an access, or open in the fold before the border.
    pieces = between(profile, None, last, table="sums")
    ends = pl.col("event") | (pl.col("fold") == profile.plan.fold_from(last) - 1)
    return {
        "spells": int(pieces.filter(ends)["rows"].sum()),
        "strata": f"Strata are classes of activity, from a profile, up to block {last:,}.",
    }


def curves(profile: Profile, p: Survival, labels: dict[str, str], fewest: int) -> pl.DataFrame:
    """Return Kaplan-Meier curves by class of activity, with pointwise bands over the profile's random groups.

    Parameters
    ----------
    profile : Profile
        Of a source that observed every block.
    p : Survival
        Parameters of the chapter.
    labels : dict of str to str
        Names of the classes in words.
    fewest : int
        Accesses below which a class has no curve.

    Returns
    -------
    polars.DataFrame
        As `rollstate.chapters.survival.study.curves`.
    """
    profile.capability.require("every_block", "a gap between accesses")
    last, parts = border(profile, p.train), []
    for code, name in enumerate(ACTIVITY):
        where = activity(pl.col("accesses")) == code
        table = grouped.kaplan_meier(profile, None, last, where=where)
        if table["events"].sum() < fewest:
            continue
        times = np.unique(np.round(np.geomspace(1, real(table["time"].max()), 40)))
        low, high = grouped.band(profile, times, None, last, activity=code, draws=p.draws, seed=p.seed)
        at_risk = risk(between(profile, None, last, where=where))[1][0]
        at = np.r_[0.0, times]
        bins = np.minimum(GAPS.index(np.maximum(at, 1).astype(np.int64)), len(at_risk) - 1)
        parts.append(
            pl.DataFrame(
                {
                    "time": at,
                    "survival": np.r_[1.0, survival_at(table, times)],
                    "low": np.r_[1.0, low],
                    "high": np.r_[1.0, high],
                    "at_risk": at_risk[bins],
                }
            ).select(pl.lit(labels[name]).alias("stratum"), pl.all())
        )
    if not parts:
        raise InputError("no class of activity has enough accesses before the border for a curve")
    return pl.concat(parts)
