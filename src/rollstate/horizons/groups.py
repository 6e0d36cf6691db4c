"""Costs of rules by the profile's random groups of contracts or slots: what intervals over them rest on.

A rule is set once, on all that lies before a border, and its cost behind the border is parted among the groups: windows
stay as they are, contracts are drawn anew. The parts come from ``ends_by_class``, on a grid of four bins per octave;
their sum is brought to the cost that `rollstate.horizons.judging` finds, so that they carry the spread alone.

Groups are counted by accesses and last gap. The window per slot also asks for the mean gap, and re-tuning for the fold
in which a spell began: there each cell of a group is parted as that cell is over all groups
(`rollstate.profile.rows.shares`). On 150 simulated chains of 300 contracts that differ in rate, 95 % intervals held the
cost of the same windows on a chain of 12,000 contracts in 87 to 89 % (re-tuning) and 95 % (window per slot) of the
cases. Those of one tuned window, whose parts are exact, held it in 86 to 88 %: the best window in hindsight, which they
are compared with, is the best of the small chain itself (tests/horizons/test_groups.py).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from rollstate.horizons import judging, rules
from rollstate.horizons.rules import (
    ALWAYS,
    CLASSES,
    HINDSIGHT,
    MONTH,
    NEVER,
    QUARTER,
    RETUNED,
    SKI,
    SLOTS,
    TUNED,
    Chain,
    Known,
)
from rollstate.profile import resampling
from rollstate.profile.costs import costs_by_group, parted
from rollstate.profile.rows import ended, parted_by

KNOWN = (MONTH, QUARTER, TUNED, NEVER, ALWAYS, SKI, CLASSES, RETUNED, SLOTS)
"""Rules that are parted among groups."""


def known(chain: Chain) -> bool:
    """Whether the profile still has the classes by group."""
    return all(chain.profile.tells("ends_by_class", name) for name in ("gap", "accesses"))


@dataclass(frozen=True)
class Behind:
    """Ends of spells behind a border, by group, beside what is known before it; `behind` makes one.

    Attributes
    ----------
    past : Known
    last : int
        The fold that is no longer judged.
    ends : polars.DataFrame
        Of `rollstate.profile.rows.ended`.
    """

    past: Known
    last: int
    ends: pl.DataFrame

    @functools.cached_property
    def of_class(self) -> np.ndarray:
        """The ``class`` of each row of `ends`."""
        return self.past.chain.class_of(*(self.ends[name].to_numpy() for name in ("accesses", "gap")))

    @functools.cached_property
    def by_history(self) -> pl.DataFrame:
        """The ends, parted by ``history``."""
        return parted_by(self.ends, self.past.chain.by_history)

    @functools.cached_property
    def by_start(self) -> pl.DataFrame:
        """The ends, parted by ``start_fold``."""
        return parted_by(self.ends, self.past.chain.by_start)


def behind(chain: Chain, border: int, until: int | None = None) -> Behind:
    """Read what lies behind a border, by group, of a chain with `known` classes.

    Parameters
    ----------
    border, until
        As in `rollstate.horizons.judging.judge`.
    """
    plan = chain.profile.plan
    last = plan.fold_from(plan.stop if until is None else until)
    return Behind(chain.before(plan.fold_from(border)), last, ended(chain.profile, border, until))


def costs(seen: Behind, penalty: float, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Price rules that are set at a border behind it, by group.

    Parameters
    ----------
    seen : Behind
    penalty : float
        Cost of a miss in slot-blocks of RAM.
    names : sequence of str
        Rules of `rollstate.horizons.rules.RULES`, and `HINDSIGHT`.

    Returns
    -------
    dict of str to array of float64, shape (groups,)
        As counted on the coarser grid; `rollstate.profile.costs.parted` brings the sums to exact totals.
    """
    folds, first = seen.past.chain.folds, seen.past.first
    found = {}
    for name in names:
        if name == HINDSIGHT:
            setting = rules.Set(folds.joined(slice(first, seen.last)).tuned(penalty)[0])
        else:
            setting = rules.RULES[name](seen.past, penalty)
        ends = seen.ends
        match setting.column:
            case "":
                window = np.full(ends.height, setting.windows[0])
            case "class":
                window = setting.windows[seen.of_class]
            case column:
                ends = seen.by_history if column == "history" else seen.by_start
                window = setting.windows[ends[column].to_numpy()]
        found[name] = costs_by_group(ends, window, penalty)
    return found


def over_hindsight(chain: Chain, border: int, judged: pl.DataFrame, until: int | None = None) -> pl.DataFrame:
    """Add the interval over groups of each rule's cost over that of the best fixed window in hindsight.

    Parameters
    ----------
    chain : Chain
    border, until
        As in `rollstate.horizons.judging.judge`.
    judged : polars.DataFrame
        What that gave.

    Returns
    -------
    polars.DataFrame
        With ``low`` and ``high``, 95 % by the jackknife of the log; null where the rule is none of `KNOWN`, costs
        nothing, or the profile does not know the classes by group.
    """
    rows: list[dict[str, object]] = []
    seen = behind(chain, border, until) if known(chain) else None
    for (penalty,), part in judged.group_by("penalty", maintain_order=True):
        total = dict(part.select("policy", "cost").iter_rows())
        names = [name for name in KNOWN if total.get(name, 0) > 0]
        if seen is None or not total[HINDSIGHT] > 0:
            continue
        counted = costs(seen, float(str(penalty)), [*names, HINDSIGHT])
        by_group = {name: parted(total[name], counted[name]) for name in counted}
        for name in names:
            if by_group[name].sum() > 0 and by_group[HINDSIGHT].sum() > 0:
                found = resampling.ratio(by_group[name], by_group[HINDSIGHT])
                rows.append({"penalty": penalty, "policy": name, "low": found.low, "high": found.high})
    schema = {"penalty": pl.Float64, "policy": pl.String, "low": pl.Float64, "high": pl.Float64}
    return judged.join(
        pl.DataFrame(rows, schema=schema), on=["penalty", "policy"], how="left", maintain_order="left"
    )


def over_hindsight_on_eighths(chain: Chain, judged: pl.DataFrame) -> pl.DataFrame:
    """Add the same to what `rollstate.horizons.judging.rolling` gave."""
    parts = []
    for (start,), part in judged.group_by("start", maintain_order=True):
        border = int(str(start))
        parts.append(over_hindsight(chain, border, part, judging.end_of_eighth(chain, border)))
    return pl.concat(parts)
