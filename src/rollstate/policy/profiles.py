"""Fit a policy on a profile, and say what one costs there, in all and by its random groups, on the profile's grid.

On simulated chains of 300 contracts that differ in rate, 55 of 60 intervals of 95 % over groups held the cost of the
same table over the cheapest of the same simple rules on a chain of 8,000 contracts (tests/policy/test_groups.py).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from rollstate.errors import InputError
from rollstate.policy import fit
from rollstate.policy.format import COX, TABLE, Policy, Saving, Training
from rollstate.profile import Profile
from rollstate.profile.classes import access_bounds
from rollstate.profile.costs import costs_by_group, parted, window_table_where
from rollstate.profile.grid import GAPS
from rollstate.profile.resampling import ratio_to_least
from rollstate.profile.rows import between, ended
from rollstate.tiering.trial import EARLIER

_KEPT = 32
"""Parts of profiles whose counts are kept: policies for several penalties rest on the same ones."""


@functools.lru_cache(maxsize=_KEPT)
def profile_pools(
    profile: Profile, start: int | None = None, stop: int | None = None
) -> tuple[fit.Pools, np.ndarray]:
    """Return the pools of a profile between two cuts, and the number of spells of each class, which nobody changes."""
    rows = between(profile, start, stop, where=pl.col("accesses") < 255)
    code = np.minimum(rows["accesses"].to_numpy(), fit.CLASSES - 1)
    spells = np.bincount(code, rows["rows"].to_numpy(), fit.CLASSES).astype(np.int64)

    seen = (profile.plan.stop if stop is None else stop) - profile.plan.start

    @functools.cache
    def pool(low: int, high: int) -> fit.Pool:
        inside = pl.col("accesses") >= low
        if high < fit.CLASSES - 1:
            inside &= pl.col("accesses") <= high
        found = window_table_where(profile, inside, start, stop)
        hits = np.flatnonzero(np.diff(found.missed) < 0) + 1
        return fit.Pool(
            int(spells[low : high + 1].sum()),
            min(int(found.windows[-1]), seen) if found.exposure else 0,
            np.r_[0.0, found.windows[hits], np.inf],
            lambda at, penalty: found.costs(at, ram=1.0, cold=0.0, penalty=penalty),
        )

    return pool, spells


def fit_profile(
    profile: Profile,
    *,
    model: str = TABLE,
    penalty: float,
    stop: int | None = None,
    name: str = "profile",
    usd_per_slot_block: float | None = None,
) -> Policy:
    """Fit a policy on a profile: windows on its grid, the expected saving with its interval over the profile's groups.

    Parameters
    ----------
    profile : Profile
    model : {"table", "window"}
        A Cox model needs the trace.
    stop : int, optional
        The cut behind the last block that the fit may see; the profile's last if not given. Groups are counted
        between borders: at another cut the saving has no interval.
    penalty, name, usd_per_slot_block
        As in `rollstate.policy.fit.fit_trace`.
    """
    stamp, plan = profile.capability, profile.plan
    end = plan.stop if stop is None else stop
    fit.check(model, penalty, stamp)
    if model == COX:
        raise InputError(
            "a Cox policy needs continuous covariates, which a profile does not hold; fit it on the trace"
        )
    pools, counts = profile_pools(profile, None, end)
    sums = between(profile, None, end, table="sums")
    ended = int(sums.filter("event")["rows"].sum())
    if not ended:
        raise InputError("no slot of the profile is accessed twice: take the profile of a longer trace")
    # A spell ends in an access, or is open in the last fold; between, its pieces go on from fold to fold.
    still = sums.filter(~pl.col("event") & (pl.col("fold") == sums["fold"].max()))["rows"]
    first = fit.edges(counts) if model == TABLE else [0]
    least, tuned = fit.table(pools, first, penalty)
    low, high = fit.valid_range(pools, first, penalty)
    horizon = int(GAPS.high(np.array(sums["duration"].max())))
    return Policy(
        model=model,
        penalty=float(penalty),
        penalty_low=low,
        penalty_high=high,
        accesses=least,
        windows=tuned,
        horizons=fit.horizons(pools, first),
        tuned=pools(0, fit.CLASSES - 1).tuned(penalty),
        horizon=max(1, min(horizon, end - plan.start)),
        told=penalty <= end - plan.start,
        clock=fit.clock(stamp, plan.block_s),
        trained=Training(
            Path(name).name, profile.trace_sha256, stamp, stamp.window_start, end - 1,
            ended + int(still.sum()), ended,
        ),
        saving=_profile_saving(profile, model, penalty, end),
        usd_per_slot_block=usd_per_slot_block,
    )  # fmt: skip


def paid(
    pools: fit.Pools, accesses: tuple[int, ...], chosen: tuple[float, ...] | np.ndarray, penalty: float
) -> float:
    """Return what a table costs on the spells of some pools, in slot-blocks; its rows begin where a class begins."""
    starts = access_bounds(np.arange(fit.CLASSES))[0]
    row = np.searchsorted(accesses, starts, "right") - 1
    return float(sum(pools(k, k).cost(np.array([chosen[row[k]]]), penalty)[0] for k in range(fit.CLASSES)))


def border_of(profile: Profile, stop: int | None = None) -> int | None:
    """Return the border nearest to two thirds of a profile up to a cut; None where it has none."""
    plan = profile.plan
    end = plan.stop if stop is None else stop
    borders = [at for at in plan.borders if at < end]
    return min(borders, key=lambda at: abs(at - plan.start - EARLIER * (end - plan.start)), default=None)


def paid_by_group(
    ends: pl.DataFrame, accesses: tuple[int, ...], chosen: tuple[float, ...], penalty: float
) -> np.ndarray:
    """Return what a table costs in each random group as counted on a coarser grid, shape (groups,); see `paid`.

    Parameters
    ----------
    ends : polars.DataFrame
        Of `rollstate.profile.rows.ended`.
    accesses, chosen, penalty
        As in `paid`.
    """
    starts = access_bounds(np.minimum(ends["accesses"].to_numpy(), fit.CLASSES - 1))[0]
    row = np.searchsorted(accesses, starts, "right") - 1
    return costs_by_group(ends, np.array(chosen)[row], penalty)


@dataclass(frozen=True)
class Later:
    """Blocks of a profile between two cuts, on which tables are judged; `later` makes one.

    Attributes
    ----------
    pools : callable
        Of `profile_pools`.
    ends : polars.DataFrame or None
        By group; None where the profile does not know them there.
    penalty : float
    """

    pools: fit.Pools
    ends: pl.DataFrame | None
    penalty: float

    def paid(self, accesses: tuple[int, ...], chosen: tuple[float, ...]) -> np.ndarray:
        """Return what a table costs in each group, or in all of them where they are not known, shape (groups,)."""
        total = paid(self.pools, accesses, chosen, self.penalty)
        if self.ends is None:
            return np.array([total])
        return parted(total, paid_by_group(self.ends, accesses, chosen, self.penalty))


def later(profile: Profile, border: int, stop: int, penalty: float) -> Later:
    """Return the blocks between a border and a cut, at a penalty."""
    counted = profile.tells("ends_by_class", "accesses") and stop in profile.plan.spans
    ends = _ended(profile, border, stop) if counted else None
    return Later(profile_pools(profile, border, stop)[0], ends, penalty)


_ended = functools.lru_cache(maxsize=_KEPT)(ended)


def _profile_saving(profile: Profile, model: str, penalty: float, end: int) -> Saving | None:
    border = border_of(profile, end)
    if border is None:
        return None
    known, counts = profile_pools(profile, None, border)
    judged = later(profile, border, end, penalty)
    own = judged.paid(*fit.table(known, fit.edges(counts) if model == TABLE else [0], penalty))
    simple = fit.simple_windows(known(0, fit.CLASSES - 1).tuned(penalty), penalty)
    paid_by = {rule: judged.paid((0,), (at,)) for rule, at in simple.items()}
    against = min(paid_by, key=lambda rule: paid_by[rule].sum())
    if not paid_by[against].sum() > 0:
        return None
    others = np.array([*paid_by.values()])
    saved = 1 - ratio_to_least(own, others, draws=fit.DRAWS, seed=fit.SEED)
    return Saving(saved.value, saved.low, saved.high, against, border, end - 1)
