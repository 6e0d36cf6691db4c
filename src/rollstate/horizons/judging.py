"""Rules set on what lies before a border, and judged behind it: halves and rolling folds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from rollstate.errors import InputError
from rollstate.horizons import rules, tables
from rollstate.horizons.rules import CLAIRVOYANT, HINDSIGHT, SIMPLE, Chain
from rollstate.horizons.tables import Table
from rollstate.profile import costs
from rollstate.profile.plan import BORDERS, MAIN_BORDER

EIGHTHS = tuple(share for share in BORDERS if share * 8 == round(share * 8))
"""Shares of the window at which rolling folds begin, of equal length."""
SCHEMA = {
    "penalty": pl.Float64, "policy": pl.String, "window": pl.Float64, "ram_ratio": pl.Float64,
    "hit_coverage": pl.Float64, "misses": pl.Float64, "cost": pl.Float64, "to_hindsight": pl.Float64,
    "to_simple": pl.Float64, "simple": pl.String, "told": pl.Boolean,
}  # fmt: skip


def judge(chain: Chain, border: int, penalties: Sequence[float], until: int | None = None) -> pl.DataFrame:
    """Set every available rule at a border and price it on the blocks behind.

    Parameters
    ----------
    chain : Chain
        Of `rollstate.horizons.rules.read`.
    border : int
        A border of the plan.
    penalties : sequence of float
        Costs of a miss in slot-blocks of RAM; cold storage is free.
    until : int, optional
        The cut up to which is judged; the end of the window if not given.

    Returns
    -------
    polars.DataFrame
        A row per penalty and policy, in the order of `rollstate.horizons.rules.ORDER`: ``window`` (blocks; null where
        it is not one for all), ``ram_ratio`` (share of slot-blocks in RAM), ``hit_coverage`` (share of accesses that
        find their slot there), ``misses``, ``cost``, ``to_hindsight`` (cost over that of the best fixed window of the
        judged blocks), ``to_simple`` (over the cheapest of the four simple rules), ``simple`` (which that is),
        ``told`` (whether a miss costs no more than holding a slot through all judged blocks). Shares and misses of
        the clairvoyant are null.

    Raises
    ------
    InputError
        If `border` is none of the plan's, or there is no access on one side of it.
    """
    plan = chain.profile.plan
    if border not in chain.borders:
        raise InputError(f"block {border} is no border of the profile; choose one of {chain.borders}")
    first, last = plan.fold_from(border), plan.fold_from(plan.stop if until is None else until)
    if last <= first:
        raise InputError(f"there is nothing to judge between blocks {border} and {until}; end later")
    known, all_spells = chain.before(first), chain.folds.joined(slice(first, last))
    if not known.all.accesses[0] or not all_spells.accesses[0]:
        raise InputError(
            f"border {border}: windows need spells that an access ended on both sides of it; take a longer trace"
        )
    frame = chain.between(first, last)
    groups = {"": all_spells}
    rows: list[dict[str, object]] = []
    for penalty in map(rules.check_penalty, penalties):
        at = {
            name: _priced(rule(known, penalty), frame, groups, penalty)
            for name, rule in rules.available(chain.profile).items()
        }
        best = all_spells.tuned(penalty)[0]
        at[HINDSIGHT] = _priced(rules.Set(best), frame, groups, penalty)
        clairvoyant = costs.clairvoyant(chain.profile, 1.0, penalty, border, until)
        at[CLAIRVOYANT] = {"cost": clairvoyant}
        simple = min(SIMPLE, key=lambda name: at[name]["cost"])
        rows += [
            {
                "penalty": penalty,
                "policy": name,
                **found,
                "to_hindsight": over(found["cost"], at[HINDSIGHT]["cost"]),
                "to_simple": over(found["cost"], at[simple]["cost"]),
                "simple": simple,
                "told": penalty <= plan.cuts[last] - border,
            }
            for name, found in at.items()
        ]
    return pl.DataFrame(rows, schema=SCHEMA)


def second_half(chain: Chain, penalties: Sequence[float]) -> pl.DataFrame:
    """Return `judge` with the border at one half."""
    return judge(chain, border_at(chain, BORDERS[MAIN_BORDER]), penalties)


def rolling(chain: Chain, penalties: Sequence[float]) -> pl.DataFrame:
    """Return `judge` on each eighth of the window with all before it known, with ``fold`` (1 to 7) and ``start``.

    Folds without an access on one side are left out.
    """
    parts = []
    for number, start in enumerate(eighths(chain), 1):
        try:
            judged = judge(chain, start, penalties, end_of_eighth(chain, start))
        except InputError:
            continue
        parts.append(judged.select(pl.lit(number).alias("fold"), pl.lit(start).alias("start"), pl.all()))
    if not parts:
        raise InputError(
            "no eighth of the trace has accesses before and in it; take a longer trace for rolling folds"
        )
    return pl.concat(parts)


def eighths(chain: Chain) -> list[int]:
    """Return the first block of every eighth but the first."""
    return [border_at(chain, share) for share in EIGHTHS]


def end_of_eighth(chain: Chain, start: int) -> int:
    """Return the block behind the eighth that begins at a block."""
    return min((at for at in eighths(chain) if at > start), default=chain.profile.plan.stop)


def border_at(chain: Chain, share: float) -> int:
    """Return the border at a share of the window; an `InputError` where the trace is too short to have one."""
    plan = chain.profile.plan
    border = plan.start + round(share * plan.n_blocks)
    if border not in chain.borders:
        raise InputError(
            f"a window of {plan.n_blocks} blocks has no border at {share:g} of it; take a longer trace"
        )
    return border


def _priced(
    setting: rules.Set, frame: pl.DataFrame, groups: dict[str, Table], penalty: float
) -> dict[str, float]:
    """Return window, shares, misses and cost of a setting; tables by group are made once and kept in `groups`."""
    column = setting.column
    if column not in groups:
        groups[column] = tables.table(frame, frame[column].to_numpy(), len(setting.windows))
    table = groups[column]
    ram, misses = float(table.ram(setting.windows).sum()), float(table.misses(setting.windows).sum())
    found = {
        "ram_ratio": ram / float(table.exposure.sum()),
        "hit_coverage": 1 - misses / float(table.accesses.sum()),
        "misses": misses,
        "cost": ram + penalty * misses,
    }
    return found if column else {"window": float(setting.windows[0]), **found}


def over(one: float, other: float) -> float:
    """Return a ratio of costs: not a number if both are nothing, infinity if only the other is."""
    return one / other if other > 0 else float("nan") if one == 0 else np.inf
