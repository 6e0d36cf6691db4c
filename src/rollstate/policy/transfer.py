"""Carry policies from trace to trace: what one fitted elsewhere costs, beside the simple rules of the place."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from rollstate.bootstrap import resampling
from rollstate.errors import InputError
from rollstate.estimate import Estimate
from rollstate.policy import fit, profiles, replay
from rollstate.policy.format import TABLE, Policy
from rollstate.profile import Profile
from rollstate.profile.costs import clairvoyant
from rollstate.profile.resampling import ratio_to_least
from rollstate.tiering.trial import EARLIER
from rollstate.traces.schema import Trace

Paid = Callable[[tuple[int, ...], tuple[float, ...]], np.ndarray]
Over = Callable[[np.ndarray, np.ndarray], Estimate]


@dataclass(frozen=True)
class Place:
    """A trace or a profile at one penalty, parted in two.

    Attributes
    ----------
    policy : Policy
        Fitted on its earlier blocks.
    paid : callable
        Rows of a table and their windows to what they cost on the later blocks, in slot-blocks by contract of a trace,
        or by random group of a profile.
    over : callable
        Of such costs, shape (n,), and those of several rules, shape (m, n): the sum of the former over the least sum of
        the latter, with its 95 % interval over contracts or groups.
    bound : float
        What the clairvoyant pays there.
    """

    policy: Policy
    paid: Paid
    over: Over
    bound: float


def of_trace(trace: Trace, penalty: float, *, model: str, name: str, block_s: float) -> Place:
    """Fit on two thirds of the blocks of a trace, judge on the rest."""
    stamp = trace.capability
    border = stamp.window_start + round(EARLIER * stamp.n_blocks) - 1
    made = fit.fit_trace(trace, model=model, penalty=penalty, until=border, name=name, block_s=block_s)
    seen = replay.stream(trace, border)
    bound, exposure, _ = replay.by_foresight(seen, penalty)
    if not exposure.any():
        raise InputError(f"nothing of {name} is seen in its last third: take a longer trace")
    judged = np.flatnonzero(exposure)
    samples = resampling(judged, fit.DRAWS, fit.SEED)

    def paid(accesses: tuple[int, ...], windows: tuple[float, ...]) -> np.ndarray:
        return replay.by_table(seen, accesses, windows, penalty).cost[judged]

    def over(own: np.ndarray, others: np.ndarray) -> Estimate:
        with np.errstate(divide="ignore", invalid="ignore"):
            drawn = samples.sums(own) / np.min([samples.sums(one) for one in others], axis=0)
        return samples.estimate(own.sum() / others.sum(axis=1).min(), drawn)

    return Place(made, paid, over, float(bound.cost.sum()))


def of_profile(profile: Profile, penalty: float, *, model: str, name: str) -> Place:
    """Fit on a profile up to its border at two thirds, judge on the blocks behind it."""
    border = profiles.border_of(profile)
    if border is None:
        raise InputError(f"the profile of {name} has no border in time: its window is too short")
    later = profiles.later(profile, border, profile.plan.stop, penalty)
    made = profiles.fit_profile(profile, model=model, penalty=penalty, stop=border, name=name)
    over = functools.partial(ratio_to_least, draws=fit.DRAWS, seed=fit.SEED)
    return Place(made, later.paid, over, clairvoyant(profile, 1.0, penalty, border, None))


def transfer(
    sources: Mapping[str, Trace | Profile],
    *,
    penalty_s: float,
    block_s: Mapping[str, float] | None = None,
    model: str = TABLE,
) -> pl.DataFrame:
    """Fit a policy on the first two thirds of each source, and replay it on the last third of every one.

    Parameters
    ----------
    sources : mapping of str to Trace or Profile
    penalty_s : float
        Cost of a miss: seconds of holding a slot in RAM, so that it is the same on every clock.
    block_s : mapping of str to float, optional
        Seconds per block of the traces that do not know them.
    model : {"table", "window"}

    Returns
    -------
    polars.DataFrame
        ``fitted``, ``judged``, ``longer`` (the judged source is the longer one), ``total`` (slot-blocks of the judged
        source), ``simple`` (the cheapest simple rule there, its window tuned on the earlier blocks there),
        ``over_simple`` (total over that rule's), ``uncut`` (the same if rows that follow ski rental beyond their
        horizon never demoted), ``over_native`` (total over that of the policy fitted there) and ``competitive_ratio``
        (over that of the clairvoyant); ratios are null where what they divide by pays nothing. The first two have
        95 % intervals, ``_low`` and ``_high``, with the policy as it was fitted: by the bootstrap over
        contracts of a judged trace, or over random groups of a judged profile; the cheapest simple rule is looked
        up in every sample. They are null for a single contract, and where a profile does not know its groups
        by accesses.

    Raises
    ------
    InputError
        If the penalty is not above zero, or a source does not know its clock.
    """
    if not penalty_s > 0:
        raise InputError(f"penalty must be above 0 seconds of holding a slot, not {penalty_s!r}")
    known = block_s or {}
    seconds = {name: _seconds(one, known.get(name)) for name, one in sources.items()}
    if unknown := [name for name, one in seconds.items() if one is None]:
        raise InputError(
            f"{', '.join(unknown)} does not know its seconds per block: state them with --block-s"
        )
    clocks = {name: one for name, one in seconds.items() if one is not None}
    places = {
        name: of_profile(one, penalty_s / clocks[name], model=model, name=name)
        if isinstance(one, Profile)
        else of_trace(one, penalty_s / clocks[name], model=model, name=name, block_s=clocks[name])
        for name, one in sources.items()
    }
    spans = {name: clocks[name] * one.capability.n_blocks for name, one in sources.items()}
    rows = []
    for name, place in places.items():
        rules = fit.simple_windows(place.policy.tuned, place.policy.penalty)
        simple = {rule: place.paid((0,), (window,)) for rule, window in rules.items()}
        least = min(simple, key=lambda rule: simple[rule].sum())
        native = place.paid(place.policy.accesses, place.policy.windows).sum()
        for other, carried in places.items():
            here = carried.policy.rescaled(clocks[name])
            own = place.paid(here.accesses, here.windows)
            total = float(own.sum())
            rows.append(
                {
                    "fitted": other,
                    "judged": name,
                    "longer": spans[name] > spans[other],
                    "total": total,
                    "simple": least,
                    **_over("over_simple", place, own, simple),
                    **_over("uncut", place, place.paid(here.accesses, here.uncut), simple),
                    "over_native": total / native if native else None,
                    "competitive_ratio": total / place.bound if place.bound else None,
                }
            )
    ends = [f"{name}{end}" for name in ("over_simple", "uncut") for end in ("", "_low", "_high")]
    return pl.DataFrame(
        rows, schema_overrides=dict.fromkeys((*ends, "over_native", "competitive_ratio"), pl.Float64)
    )


def _over(
    name: str, place: Place, own: np.ndarray, simple: Mapping[str, np.ndarray]
) -> dict[str, float | None]:
    """Return a ratio to the cheapest simple rule with its ends, by name; null where that rule pays nothing."""
    others = np.array([*simple.values()])
    paying = (others.sum(axis=1) > 0).all()
    value, low, high = place.over(own, others) if paying else (None, None, None)
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def _seconds(source: Trace | Profile, stated: float | None) -> float | None:
    if isinstance(source, Profile):
        return source.plan.block_s or stated
    return fit.clock_of(source, stated).block_s
