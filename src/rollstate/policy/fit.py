r"""Fit a policy: how long slots of each class of access count stay in RAM.

Classes are those of `rollstate.profile.classes`: 0, 1, 2, 3-4, 5-8, ... accesses so far, as many as hold at least
`FEWEST` spells; a smaller class joins the one below. The window of a class is the one that was best for its spells, or
none where the blocks cannot tell (`rollstate.tiering.windows.tuned` with an open end), so that one class is the
simple rule of a tuned window. A profile gives the same from its counts: `rollstate.policy.profiles`.

That a class should never be demoted is known up to the longest idle time :math:`H` of its spells alone. Beyond it the
class follows ski rental: its slots leave RAM after :math:`\max(H, \ell)` idle blocks, when holding has cost at least
the miss :math:`\ell` (Karlin, Manasse, McGeoch and Owicki 1994, https://doi.org/10.1007/BF01189993). Every spell of
such a class then costs, on any trace, at most :math:`\max(H, \ell) + \ell`, at most twice what never demoting costs,
and, if an access ends it, at most :math:`1 + \max(H, \ell) / \ell` times what the clairvoyant pays.

The expected saving is out of time: the same fit on the first `EARLIER` of the blocks, judged on the rest.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rollstate import intervals
from rollstate.bootstrap import Resampling, resampling
from rollstate.errors import InputError
from rollstate.policy.format import COX, MODELS, TABLE, Clock, Cox, Policy, Saving, Training
from rollstate.profile.classes import access_bounds
from rollstate.profile.plan import seconds_per_block
from rollstate.scalars import real, whole
from rollstate.survival import forecasts, frailty, landmarks
from rollstate.survival.spells import add_covariates
from rollstate.tiering import policies, windows
from rollstate.tiering.costs import two_tiers
from rollstate.tiering.replay import after, gaps, paid
from rollstate.tiering.trial import EARLIER, FEWEST, curve_grid
from rollstate.traces.schema import Capability, Trace

CLASSES = 12
"""Classes of access count at most; the last is open."""
TOLERANCE = 0.05
"""How much more than the policy fitted for it a policy may cost at another penalty on the spells it was fitted on."""
FACTORS = 2.0 ** (np.arange(-20, 21) / 4)
"""Penalties at which that is looked at, as multiples of the one fitted for."""
DRAWS, SEED = 300, 20_261_121


@dataclass(frozen=True)
class Pool:
    """Spells of one class.

    Attributes
    ----------
    spells : int
    horizon : int
        The longest idle time in blocks that was seen; 0 without spells.
    candidates : array of float64, ascending from 0 to infinity
        Windows of which one is the best at any penalty.
    cost : callable
        Windows and a penalty to the total cost of each in slot-blocks.
    """

    spells: int
    horizon: int
    candidates: np.ndarray
    cost: Callable[[np.ndarray, float], np.ndarray]

    def tuned(self, penalty: float) -> float:
        """Return the window that was best, the longest of equals, or infinity where the spells cannot tell."""
        cost = self.cost(self.candidates, penalty)
        best = int(np.flatnonzero(cost <= cost.min() * (1 + 1e-12))[-1])
        return float(self.candidates[-1 if cost[-1] - cost[best] <= penalty else best])

    def window(self, penalty: float) -> float:
        """Return the window that was best, cut where the spells end: see `bounded`."""
        return float(bounded(self.tuned(penalty), self.horizon, penalty))


def bounded(window: Any, horizon: float, penalty: float) -> np.ndarray:
    """Return windows of which none is longer than both the longest idle time that was seen and ski rental's window."""
    return np.minimum(window, max(float(horizon), penalty))


Pools = Callable[[int, int], Pool]
"""First and last class of access count, both included, to the pool of their spells."""


def edges(spells: np.ndarray) -> list[int]:
    """Return the first class of each row of the table, from 0.

    Parameters
    ----------
    spells : array of int, shape (classes,)
        Spells of each class.
    """
    first, held = [], 0
    for number in range(len(spells) - 1, 0, -1):
        held += spells[number]
        if held >= FEWEST:
            first.append(number)
            held = 0
    if first and held + spells[0] < FEWEST:
        first.pop()
    return [0, *reversed(first)]


def ranges(first: list[int]) -> list[tuple[int, int]]:
    """Return the first and the last class of each row of the table, from the first ones."""
    ends = [*(number - 1 for number in first[1:]), CLASSES - 1]
    return list(zip(first, ends, strict=True))


def simple_windows(tuned: float, penalty: float) -> dict[str, float]:
    """Return the window in blocks of each simple rule, given the tuned one, at a penalty in slot-blocks."""
    return {
        policies.TUNED: tuned,
        policies.NEVER: np.inf,
        policies.ALWAYS: 0.0,
        policies.SKI: windows.ski_rental(two_tiers(penalty)),
    }


def table(pools: Pools, first: list[int], penalty: float) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Return the least number of accesses and the window of each row."""
    windows_of = [pools(low, high).window(penalty) for low, high in ranges(first)]
    least = (int(access_bounds(np.array(number))[0]) for number in first)
    return tuple(least), tuple(windows_of)


def horizons(pools: Pools, first: list[int]) -> tuple[int, ...]:
    """Return the longest idle time in blocks that each row has seen."""
    return tuple(pools(low, high).horizon for low, high in ranges(first))


def valid_range(pools: Pools, first: list[int], penalty: float) -> tuple[float, float]:
    """Return the penalties around one at which its table costs at most `TOLERANCE` more than the table fitted there."""
    rows = [pools(low, high) for low, high in ranges(first)]
    own = [np.array([row.window(penalty)]) for row in rows]
    fits = []
    for other in penalty * FACTORS:
        kept = sum(row.cost(window, other)[0] for row, window in zip(rows, own, strict=True))
        best = sum(row.cost(np.array([row.window(other)]), other)[0] for row in rows)
        fits.append(kept <= (1 + TOLERANCE) * best)
    middle = len(FACTORS) // 2
    low, high = middle, middle
    while low > 0 and fits[low - 1]:
        low -= 1
    while high < len(FACTORS) - 1 and fits[high + 1]:
        high += 1
    return float(penalty * FACTORS[low]), float(penalty * FACTORS[high])


def spell_pools(spells: pl.DataFrame) -> tuple[Pools, np.ndarray]:
    """Return the pools of a frame of spells, and the number of spells of each class."""
    starts = access_bounds(np.arange(CLASSES))[0]
    code = np.searchsorted(starts, spells["n_accesses"].to_numpy(), "right") - 1
    seen = gaps(spells)

    @functools.cache
    def pool(low: int, high: int) -> Pool:
        rows = np.flatnonzero((code >= low) & (code <= high))
        if not len(rows):
            return Pool(0, 0, np.array([0.0, np.inf]), lambda at, penalty: np.zeros(len(at)))
        known = windows.profile(seen.take(rows))
        return Pool(
            len(rows),
            int(known.ends[-1]),
            known.candidates,
            lambda at, penalty: windows.window_costs(known, at, two_tiers(penalty)),
        )

    return pool, np.bincount(code, minlength=CLASSES)


def clock(stamp: Capability, block_s: float | None) -> Clock:
    """Return the clock of a stamp."""
    return Clock(stamp.chain_id, None if block_s is None else float(block_s), stamp.observed_every)


def clock_of(trace: Trace, block_s: float | None = None) -> Clock:
    """Return the clock of a trace; `block_s` states the seconds per block where the trace does not know them."""
    known = seconds_per_block(trace.capability, trace.blocks)
    return clock(trace.capability, block_s if known is None else known)


def check(model: str, penalty: float, stamp: Capability) -> None:
    """Raise `InputError` where a policy cannot be fitted with these arguments, or on such a source."""
    if model not in MODELS:
        raise InputError(f"model {model!r} is not one of {', '.join(MODELS)}")
    if not (np.isfinite(penalty) and penalty > 0):
        raise InputError(f"penalty must be above 0 slot-blocks, not {penalty!r}")
    stamp.require("every_block", "a tiering policy")


def fit_trace(
    trace: Trace,
    *,
    model: str = TABLE,
    penalty: float,
    until: int | None = None,
    name: str = "trace",
    sha256: str | None = None,
    block_s: float | None = None,
    usd_per_slot_block: float | None = None,
) -> Policy:
    """Fit a policy on a trace.

    Parameters
    ----------
    trace : Trace
    model : {"table", "window", "cox"}
    penalty : float
        Cost of a miss in slot-blocks of RAM.
    until : int, optional
        The last block that the fit may see; the trace's last if not given.
    name, sha256 : str, optional
        What names the trace in the file.
    block_s : float, optional
        Seconds per block, where the trace does not know them.
    usd_per_slot_block : float, optional
        For the file.

    Raises
    ------
    InputError
        If the source left blocks out, no spell ended in an access, or an argument is out of range.
    """
    stamp = trace.capability
    check(model, penalty, stamp)
    last = stamp.window_stop - 1 if until is None else until
    if not stamp.window_start <= last < stamp.window_stop:
        raise InputError(
            f"block {last} lies outside of the trace's [{stamp.window_start}, {stamp.window_stop}); name one inside"
        )
    spells = landmarks.as_of(intervals.build(trace), last)
    if not len(spells) or not spells["event"].any():
        raise InputError(f"no slot is accessed twice up to block {last}: fit on a longer trace")
    pools, counts = spell_pools(spells)
    first = edges(counts) if model == TABLE else [0]
    least, tuned = table(pools, first, penalty)
    horizon = whole(spells["duration"].max())
    low, high = (0.0, float(horizon)) if model == COX else valid_range(pools, first, penalty)
    border = stamp.window_start + round(EARLIER * (last - stamp.window_start))
    return Policy(
        model=model,
        penalty=float(penalty),
        penalty_low=low,
        penalty_high=max(high, float(penalty)),
        accesses=least,
        windows=tuned,
        horizons=horizons(pools, first),
        tuned=pools(0, CLASSES - 1).tuned(penalty),
        horizon=horizon,
        told=penalty <= horizon,
        clock=clock_of(trace, block_s),
        trained=Training(
            Path(name).name,
            sha256,
            stamp,
            stamp.window_start,
            last,
            spells.height,
            int(spells["event"].sum()),
        ),
        saving=expected_saving(spells, border, model, penalty),
        usd_per_slot_block=usd_per_slot_block,
        cox=fit_cox(spells) if model == COX else None,
    )


def fit_cox(past: pl.DataFrame) -> Cox:
    """Fit the Cox model of the chapter ``tiering`` on spells before a border; see `rollstate.tiering.trial`."""
    mixture = frailty.fit_spells(past)
    rows = add_covariates(frailty.add_frailty(past, mixture))
    covariates = forecasts.affordable(rows, forecasts.COVARIATES)
    grid = curve_grid(whole(rows["duration"].max()))
    return Cox(forecasts.fit_cox(rows, covariates, ("activity",)), mixture, grid)


def cox_windows(cox: Cox, spells: pl.DataFrame, penalty: float, horizon: float) -> np.ndarray:
    """Return the window of each spell of least expected cost on its own curve, cut as `bounded` says, shape (n,)."""
    rows = add_covariates(frailty.add_frailty(spells, cox.mixture))
    curves, row = cox.forecast.curves(rows, cox.grid)
    return bounded(windows.exact(curves, cox.grid, two_tiers(penalty)), horizon, penalty)[row]


def spell_windows(least: tuple[int, ...], tuned: tuple[float, ...], spells: pl.DataFrame) -> np.ndarray:
    """Return the window of each spell by a table, shape (n,)."""
    return np.array(tuned)[np.searchsorted(least, spells["n_accesses"].to_numpy(), "right") - 1]


def expected_saving(spells: pl.DataFrame, border: int, model: str, penalty: float) -> Saving | None:
    """Fit on the blocks up to a border and return the saving on those behind it; None where either side is empty."""
    past, future = landmarks.as_of(spells, border), after(spells, border)
    if not len(past) or not len(future) or not past["event"].any():
        return None
    pools, counts = spell_pools(past)
    costs, test = two_tiers(penalty), gaps(future)
    if model == COX:
        window = cox_windows(fit_cox(past), future, penalty, real(past["duration"].max()))
    else:
        window = spell_windows(*table(pools, edges(counts) if model == TABLE else [0], penalty), future)
    simple = simple_windows(pools(0, CLASSES - 1).tuned(penalty), penalty)
    samples = resampling(future["contract_id"].to_numpy(), DRAWS, SEED)
    paid_by = {name: paid(test, at, costs) for name, at in simple.items()}
    ends = (
        whole((future["start"] + future["entry"]).min()) + 1,
        whole((future["start"] + future["duration"]).max()),
    )
    return _saving(paid(test, window, costs), paid_by, samples, ends)


def _saving(
    own: np.ndarray, simple: dict[str, np.ndarray], samples: Resampling, ends: tuple[int, int]
) -> Saving:
    """Compare with the cheapest simple rule, which is looked up in every sample."""
    total = {name: float(cost.sum()) for name, cost in simple.items()}
    against = min(total, key=lambda name: total[name])
    if not total[against]:
        return Saving(0.0, None, None, against, *ends)
    least = np.min(list(samples.sums_of(simple).values()), axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = 1 - samples.sums(own) / least
    found = samples.estimate(1 - own.sum() / total[against], drawn)
    return Saving(found.value, found.low, found.high, against, *ends)
