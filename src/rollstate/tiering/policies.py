"""Every policy under trial, by name, in the order in which tables and figures list them.

A rule looks at a `rollstate.tiering.trial.Trial`, which holds what was known at its border, and at the costs, and sets
the window of each spell behind the border. Rules are plain functions, and none looks at what came after.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from rollstate.errors import InputError
from rollstate.intervals import ACTIVITY
from rollstate.tiering import windows
from rollstate.tiering.costs import Costs
from rollstate.tiering.names import (
    ALWAYS,
    BY_ACTIVITY,
    CALIBRATED,
    CHOSEN,
    CLAIRVOYANT,
    CONFORMAL,
    EXPECTED_COX,
    EXPECTED_CURVE,
    NEVER,
    RANDOM,
    REGRET,
    SKI,
    THRESHOLD,
    TUNED,
)
from rollstate.tiering.names import PROPOSED as PROPOSED
from rollstate.tiering.names import SIMPLE as SIMPLE
from rollstate.tiering.replay import paid

if TYPE_CHECKING:
    from rollstate.tiering.trial import Trial

Window = np.ndarray | float
Rule = Callable[["Trial", Costs], Window]


def never(trial: Trial, costs: Costs) -> Window:
    """Keep every slot in RAM."""
    return np.inf


def always(trial: Trial, costs: Costs) -> Window:
    """Demote every slot at once."""
    return 0.0


def tuned(trial: Trial, costs: Costs) -> Window:
    """Take the one window that was best on the blocks before the border, or none where they cannot tell."""
    return windows.tuned(trial.profile, costs, open_end=True)[0]


def ski_rental(trial: Trial, costs: Costs) -> Window:
    """Wait until holding has cost as much as a miss."""
    return windows.ski_rental(costs)


def ski_rental_random(trial: Trial, costs: Costs) -> Window:
    """Wait for a random time, at most as long as `ski_rental`."""
    return windows.ski_rental_random(costs, len(trial.test), trial.seed)


def tuned_by_activity(trial: Trial, costs: Costs) -> Window:
    """Take the window that was best for slots of the same class of activity; a small class takes that of all."""
    best = np.full(len(ACTIVITY), tuned(trial, costs), float)
    for code, profile in trial.profiles_by_activity.items():
        best[code] = windows.tuned(profile, costs, open_end=True)[0]
    return best[trial.activity]


def threshold(trial: Trial, costs: Costs) -> Window:
    """Demote when an access within the horizon is less likely than the published threshold."""
    return windows.unlikely(trial.within_tau, trial.grid, costs, trial.tau)[trial.row]


def expected_curve(trial: Trial, costs: Costs) -> Window:
    """Take the window of least expected cost on the one curve of all slots."""
    return float(windows.exact(trial.curve, trial.grid, costs)[0])


def expected_cox(trial: Trial, costs: Costs) -> Window:
    """Take the window of least expected cost on the slot's own curve."""
    return windows.exact(trial.cox, trial.grid, costs)[trial.row]


def minimax_regret(trial: Trial, costs: Costs) -> Window:
    """Take the window of least regret over the curve of all slots and the slot's own."""
    common = np.broadcast_to(trial.curve, trial.cox.shape)
    return windows.robust([common, trial.cox], trial.grid, costs)[trial.row]


def expected_calibrated(trial: Trial, costs: Costs) -> Window:
    """Take the window of least expected cost on the slot's own curve, calibrated on the last known blocks."""
    return windows.exact(trial.learned(trial.calibrated), trial.grid, costs)[trial.row]


def conformal(trial: Trial, costs: Costs) -> Window:
    """Demote at once where the lower bound on the wait says that waiting will not pay."""
    return windows.conformal(trial.learned(trial.bound), costs)[trial.row]


def chosen(trial: Trial, costs: Costs) -> Window:
    """Take the policy that was the cheapest in the trial inside the known blocks; chance is not chosen."""
    return RULES[cheapest_before(trial, costs)](trial, costs)


def cheapest_before(trial: Trial, costs: Costs) -> str:
    """Return the policy that cost least in the trial inside the known blocks."""
    if trial.earlier is None:
        raise InputError("there is no trial inside the known blocks: they are too few")
    before = trial.earlier
    cost = {
        name: paid(before.test, rule(before, costs), costs).sum()
        for name, rule in BY_THEMSELVES.items()
        if name != RANDOM
    }
    return min(cost, key=cost.get)  # type: ignore[arg-type]


BY_THEMSELVES: dict[str, Rule] = {
    NEVER: never,
    ALWAYS: always,
    TUNED: tuned,
    SKI: ski_rental,
    RANDOM: ski_rental_random,
    BY_ACTIVITY: tuned_by_activity,
    THRESHOLD: threshold,
    EXPECTED_CURVE: expected_curve,
    EXPECTED_COX: expected_cox,
    REGRET: minimax_regret,
}
"""Rules that need nothing but what was known at the border."""
WITH_EARLIER_TRIAL: dict[str, Rule] = {CALIBRATED: expected_calibrated, CONFORMAL: conformal, CHOSEN: chosen}
"""Rules that need a trial inside the known blocks as well."""
RULES = BY_THEMSELVES | WITH_EARLIER_TRIAL
ORDER = (*RULES, CLAIRVOYANT)
"""Order of the policies in every table and figure."""


def available(trial: Trial) -> dict[str, Rule]:
    """Return the rules that a trial can carry: all, or those by themselves if the known blocks were too few."""
    return BY_THEMSELVES if trial.earlier is None else RULES
