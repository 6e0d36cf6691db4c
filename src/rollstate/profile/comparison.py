"""Two chains side by side, from their profiles alone."""

from __future__ import annotations

import numpy as np
import polars as pl

from rollstate.errors import InputError
from rollstate.product_limit import survival_at
from rollstate.profile import counts, curves, reuse
from rollstate.profile.tables import Profile

SPANS_S = {"10 minutes": 600, "1 hour": 3600, "1 day": 86_400, "7 days": 604_800, "30 days": 2_592_000}


def compare(one: Profile, other: Profile, *, draws: int = 200, seed: int = 1) -> pl.DataFrame:
    """Return a table of what the two chains have in common, a row per quantity.

    Returns
    -------
    polars.DataFrame
        ``quantity``, ``a``, ``b`` (null where a profile cannot say), ``a_low``, ``a_high``, ``b_low``, ``b_high``
        (intervals over periods, where there are any). Times are in seconds of each chain's own clock.
    """
    sides = [_facts(profile, draws, seed) for profile in (one, other)]
    rows = []
    for quantity in dict.fromkeys([*sides[0], *sides[1]]):
        row: dict[str, str | float | None] = {"quantity": quantity}
        for side, facts in zip("ab", sides, strict=True):
            value, low, high = facts.get(quantity, (None, None, None))
            row |= {side: value, f"{side}_low": low, f"{side}_high": high}
        rows.append(row)
    schema = {"quantity": pl.String} | dict.fromkeys(
        ("a", "b", "a_low", "a_high", "b_low", "b_high"), pl.Float64
    )
    return pl.DataFrame(rows, schema=schema)


def _facts(
    profile: Profile, draws: int, seed: int
) -> dict[str, tuple[float | None, float | None, float | None]]:
    plan = profile.plan
    x, _ = counts.touches(profile)
    per_contract, _ = counts.touches(profile, "contracts")
    busiest = max(1, len(x) // 100)
    plain: dict[str, float | None] = {
        "blocks": plan.n_blocks,
        "seconds per block": plan.block_s,
        "visits": profile.n_visits,
        "slots touched": profile.n_touched,
        "contracts": profile.n_contracts,
        "visits per block": profile.n_visits / (plan.n_blocks - profile.capability.unobserved_blocks),
        "share of visits that write": float(profile.slots["sum_written"].sum()) / profile.n_visits,
        "share of slots touched once": float((x == 1).mean()),
        "share of visits on the busiest 1 % of slots": float(x[:busiest].sum() / x.sum()),
        "share of visits on the busiest contract": float(per_contract[0] / per_contract.sum()),
    }
    for k in (100, 1000, 10_000):
        try:
            plain[f"Hill index of touches, {k} busiest slots"] = counts.hill_of_touches(profile, k)
        except InputError:
            plain[f"Hill index of touches, {k} busiest slots"] = None
    curve = curves.kaplan_meier(profile)
    facts: dict[str, tuple[float | None, float | None, float | None]] = {
        name: (None if v is None else float(v), None, None) for name, v in plain.items()
    }
    for name, seconds in SPANS_S.items():
        if plan.block_s is None or not 1 <= seconds / plan.block_s < plan.n_blocks:
            continue
        lag = seconds / plan.block_s
        found = reuse.at(profile, lag, draws=draws, seed=seed)
        facts[f"reuse after {name}"] = (found.value, found.low, found.high)
        facts[f"share not touched again within {name}"] = (
            float(survival_at(curve, np.array([lag]))[0]), None, None,
        )  # fmt: skip
    return facts
