"""What simple rules cost on later blocks, from a profile: the windows that do not look at single slots."""

from __future__ import annotations

from typing import Any

import numpy as np

from rollstate.chapters.tiering.parameters import Tiering
from rollstate.errors import InputError
from rollstate.profile import Profile, costs

NO_SLOTS = (
    "a profile counts spells by class and does not know what a policy needs of each slot; take the trace that it was made "
    "from"
)
FACTORS = (0.1, 10.0)
"""By how much a penalty is misjudged, as in the chapter's table."""


def numbers(profile: Profile, p: Tiering) -> dict[str, Any]:
    """Return the results of the chapter that simple rules alone decide.

    Windows are tuned before the border of the profile's plan that is nearest to the parameter, and judged behind it;
    idle time is carried over.

    Returns
    -------
    dict
        ``train_blocks``, ``competitive_ski``, ``tenfold_tuned`` and ``tenfold_ski``, by the names of the results.
    """
    plan = profile.plan
    if not plan.borders:
        raise InputError("the profile has no border in time: its window is too short")
    border = min(plan.borders, key=lambda block: abs((block - plan.start) / plan.n_blocks - p.train))
    before, after = costs.window_table(profile, None, border), costs.window_table(profile, border, None)

    def paid(window: float, miss: float) -> float:
        return float(after.costs(np.array([window]), ram=1.0, cold=0.0, penalty=miss)[0])

    def tuned(miss: float) -> float:
        window, cost = before.tuned(ram=1.0, cold=0.0, penalty=miss)
        whole = float(before.costs(np.array([np.inf]), ram=1.0, cold=0.0, penalty=miss)[0])
        # As in the chapter: where the blocks before the border cannot tell, nothing is demoted.
        return np.inf if whole - cost <= miss else window

    ski = {miss: paid(miss, miss) / costs.clairvoyant(profile, 1.0, miss, border, None) for miss in p.misses}
    right = {"tuned": paid(tuned(p.quote), p.quote), "ski": paid(p.quote, p.quote)}
    wrong = {
        "tuned": max(paid(tuned(p.quote * factor), p.quote) for factor in FACTORS),
        "ski": max(paid(p.quote * factor, p.quote) for factor in FACTORS),
    }
    return {
        "train_blocks": border - plan.start,
        "competitive_ski": max(ski.values()),
        **{f"tenfold_{name}": wrong[name] / right[name] for name in right},
    }
