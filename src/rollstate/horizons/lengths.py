"""How long must a trace be? Windows tuned on the last hour, day, week or month, judged on all that follows.

A trace is long enough for a window if the window is at most `LARGEST_SHARE` of it, so that gaps on both sides of the
window are seen whole, and if it holds at least `FEWEST` completed gaps.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from rollstate.horizons import judging, tables
from rollstate.horizons.rules import FEWEST, Chain, check_penalty
from rollstate.profile.plan import BORDERS, MAIN_BORDER, SPANS_S

ALL = "all before"
"""Name of the span from the first block to the border at one half."""
LARGEST_SHARE = 0.5
"""Largest share of a trace that a window tuned on it may take."""


def is_enough(blocks: int, gaps: int, window: float) -> bool:
    """Say whether a trace of some blocks with some completed gaps is long enough to set a window by."""
    return gaps >= FEWEST and window <= LARGEST_SHARE * blocks


def by_length(chain: Chain, penalties: Sequence[float]) -> pl.DataFrame:
    """Return what the second half costs under windows tuned on spans before it, over the best one in hindsight.

    A span is seen as a trace of these blocks alone would show it: a slot comes in by its first touch there.

    Parameters
    ----------
    chain : Chain
        Of `rollstate.horizons.rules.read`.
    penalties : sequence of float
        Costs of a miss in slot-blocks of RAM.

    Returns
    -------
    polars.DataFrame
        ``span`` ("hour", "day", "week", "month" as far as the profile was cut there, and `ALL`), ``blocks`` (its
        length), ``gaps`` (completed in it), ``enough`` (`is_enough`), ``penalty``, ``window`` (blocks; infinity where
        no gap was completed), ``to_hindsight``.
    """
    plan = chain.profile.plan
    border = judging.border_at(chain, BORDERS[MAIN_BORDER])
    until = plan.fold_from(border)
    judged = chain.folds.joined(slice(until, None))
    rows = []
    for span in (*(name for name in SPANS_S if name in plan.history), ALL):
        start = plan.history.get(span, plan.start)
        seen = tables.by_fold(chain.profile, since=start).joined(slice(plan.fold_from(start), until))
        for penalty in map(check_penalty, penalties):
            window = float(seen.tuned(penalty)[0][0])
            ratio = judging.over(float(judged.cost(window, penalty)[0]), float(judged.tuned(penalty)[1][0]))
            length, gaps = border - start, int(seen.accesses[0])
            rows.append((span, length, gaps, is_enough(length, gaps, window), penalty, window, ratio))
    schema = {
        "span": pl.String, "blocks": pl.Int64, "gaps": pl.Int64, "enough": pl.Boolean, "penalty": pl.Float64,
        "window": pl.Float64, "to_hindsight": pl.Float64,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")
