"""Costs of rules by the profile's random groups of contracts or slots: what intervals over them rest on.

A rule is set once, on all that lies before a border, and its cost behind the border is parted among the groups: windows
stay as they are, contracts are drawn anew. The parts come from ``ends_by_class``, on a grid of four bins per octave;
their sum is brought to the cost that `rollstate.horizons.judging` finds, so that they carry the spread alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rollstate.horizons import rules
from rollstate.horizons.rules import HINDSIGHT, Chain, Known
from rollstate.profile.costs import costs_by_group
from rollstate.profile.rows import ended
from rollstate.profile.tables import LADDER

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
