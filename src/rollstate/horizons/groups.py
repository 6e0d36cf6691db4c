"""Costs of rules by the profile's random groups of contracts or slots: what intervals over them rest on.

A rule is set once, on all that lies before a border, and its cost behind the border is parted among the groups: windows
stay as they are, contracts are drawn anew. The parts come from ``ends_by_class``, on a grid of four bins per octave;
their sum is brought to the cost that `rollstate.horizons.judging` finds, so that they carry the spread alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from rollstate.horizons import rules
from rollstate.horizons.rules import (
    ALWAYS,
    CLASSES,
    HINDSIGHT,
    MONTH,
    NEVER,
    QUARTER,
    SKI,
    TUNED,
    Chain,
    Known,
)
from rollstate.profile import resampling
from rollstate.profile.costs import costs_by_group
from rollstate.profile.rows import ended
from rollstate.profile.tables import LADDER

KNOWN = (MONTH, QUARTER, TUNED, NEVER, ALWAYS, SKI, CLASSES)
"""Rules whose windows depend on nothing but the classes that are counted by group."""
NEEDS = (("ends_by_class", "gap"), ("ends_by_class", "accesses"))


def known(chain: Chain) -> bool:
    """Whether the profile still has the classes by group."""
    return not set(NEEDS) & set(LADDER[: chain.profile.merged])


def costs(
    chain: Chain, border: int, penalty: float, names: Sequence[str], until: int | None = None
) -> dict[str, np.ndarray]:
    """Price rules that are set at a border behind it, by group.

    Parameters
    ----------
    chain : Chain
        With `known` classes.
    border, until
        As in `rollstate.horizons.judging.judge`.
    penalty : float
        Cost of a miss in slot-blocks of RAM.
    names : sequence of str
        Rules of `rollstate.horizons.rules.RULES` with one window for all, with one per class, or re-tuned (parted as
        under the window in force at the border), and `HINDSIGHT`.

    Returns
    -------
    dict of str to array of float64, shape (groups,)
        As counted on the coarser grid; `parted` brings the sums to exact totals.
    """
    plan = chain.profile.plan
    first, last = plan.fold_from(border), plan.fold_from(plan.stop if until is None else until)
    past, ends = Known(chain, first), ended(chain.profile, border, until)
    classes = chain.of_class @ [256, 1]
    row = np.searchsorted(
        classes, ends["accesses"].to_numpy().astype(np.int64) * 256 + ends["gap"].to_numpy()
    )
    found = {}
    for name in names:
        if name == HINDSIGHT:
            setting = rules.Set(chain.folds.joined(slice(first, last)).tuned(penalty)[0])
        else:
            setting = rules.RULES[name](past, penalty)
        if setting.column == "class":
            window = setting.windows[row]
        else:
            window = np.full(ends.height, setting.windows[first if setting.column == "start_fold" else 0])
        found[name] = costs_by_group(ends, window, penalty)
    return found


def parted(total: float, counted: np.ndarray) -> np.ndarray:
    """Return a total parted among groups as counted."""
    whole = counted.sum()
    return counted * (total / whole) if whole > 0 else np.zeros_like(counted)


def over_hindsight(chain: Chain, border: int, judged: pl.DataFrame) -> pl.DataFrame:
    """Add the interval over groups of each rule's cost over that of the best fixed window in hindsight.

    Parameters
    ----------
    chain : Chain
    border : int
        Where the rules were set.
    judged : polars.DataFrame
        Of `rollstate.horizons.judging.judge` there, up to the end of the window.

    Returns
    -------
    polars.DataFrame
        With ``low`` and ``high``, 95 % by the jackknife of the log; null where the rule is none of `KNOWN`, costs
        nothing, or the profile does not know the classes by group.
    """
    rows: list[dict[str, object]] = []
    for (penalty,), part in judged.group_by("penalty", maintain_order=True) if known(chain) else ():
        total = dict(part.select("policy", "cost").iter_rows())
        names = [name for name in KNOWN if total.get(name, 0) > 0]
        if not total[HINDSIGHT] > 0:
            continue
        counted = costs(chain, border, float(str(penalty)), [*names, HINDSIGHT])
        by_group = {name: parted(total[name], counted[name]) for name in counted}
        for name in names:
            found = resampling.ratio(by_group[name], by_group[HINDSIGHT])
            rows.append({"penalty": penalty, "policy": name, "low": found.low, "high": found.high})
    schema = {"penalty": pl.Float64, "policy": pl.String, "low": pl.Float64, "high": pl.Float64}
    return judged.join(
        pl.DataFrame(rows, schema=schema), on=["penalty", "policy"], how="left", maintain_order="left"
    )
