"""What a view of a chain shows of the truth, and what its blindness does to the numbers computed from it.

The truth is every slot that an SLOAD or SSTORE of a transaction named, as
`rollstate.traces.live.embedded.TRUTH_SCHEMA` lists it; a view is a table of touches, as any extractor yields it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from rollstate import intervals
from rollstate.errors import InputError
from rollstate.product_limit import kaplan_meier, survival_at
from rollstate.tails import estimators
from rollstate.traces.schema import Trace

SLOT = ("address", "slot")
TOUCH = ("block_number", "tx_index", *SLOT)


def agreement(truth: pl.DataFrame, view: pl.DataFrame) -> pl.DataFrame:
    """Count what a view has in common with the truth.

    Parameters
    ----------
    truth : polars.DataFrame
        `TOUCH`, ``stored`` and ``changed``.
    view : polars.DataFrame
        `TOUCH` and ``is_write``.

    Returns
    -------
    polars.DataFrame
        One row for each ``what``: distinct ``slots``; ``touches`` of a slot by a transaction; ``reads``, touches that
        leave the value as it was; ``stores`` (SSTORE, also in vain) and ``changes`` (another value afterwards), both
        against the view's writes. ``true``, ``seen`` and ``both`` count distinct ones; ``recall`` = both / true and
        ``precision`` = both / seen, null where nothing is there.
    """
    sides = {
        "slots": (truth.select(SLOT), view.select(SLOT)),
        "touches": (truth.select(TOUCH), view.select(TOUCH)),
        "reads": (
            truth.filter(~pl.col("changed")).select(TOUCH),
            view.filter(~pl.col("is_write")).select(TOUCH),
        ),
        "stores": (truth.filter("stored").select(TOUCH), view.filter("is_write").select(TOUCH)),
        "changes": (truth.filter("changed").select(TOUCH), view.filter("is_write").select(TOUCH)),
    }
    rows = []
    for what, (one, other) in sides.items():
        one, other = one.unique(), other.unique()
        rows.append((what, one.height, other.height, one.join(other, on=one.columns, how="semi").height))
    table = pl.DataFrame(rows, schema=["what", "true", "seen", "both"], orient="row")

    def share(of: str) -> pl.Expr:
        return pl.when(pl.col(of) > 0).then(pl.col("both") / pl.col(of))

    return table.with_columns(share("true").alias("recall"), share("seen").alias("precision"))


@dataclass(frozen=True)
class Questions:
    """What is asked of a trace.

    Attributes
    ----------
    threshold : int
        Gap time in blocks beyond which the tail is fitted.
    horizon : int
        Gap time in blocks of p(tau), the chance of an access within it.
    timeout : int
        Blocks without access after which a slot leaves memory.
    penalty : float
        Cost of an access to a slot outside of memory, in slot-blocks of memory.
    """

    threshold: int
    horizon: int
    timeout: int
    penalty: float

    def __post_init__(self) -> None:
        if min(self.threshold, self.horizon, self.timeout) < 1 or self.penalty < 0:
            raise InputError(
                "threshold, horizon and timeout must be at least one block, and penalty not negative"
            )


def answers(trace: Trace, questions: Questions, window: tuple[int, int]) -> dict[str, float]:
    """Return what a trace says of tail, reuse and cost.

    Parameters
    ----------
    trace : Trace
        The trace; what lies before the window is history.
    questions : Questions
        What is asked.
    window : (int, int)
        Half-open window of blocks.

    Returns
    -------
    dict
        ``tail index`` beyond the threshold; ``median gap`` in blocks by Kaplan and Meier, infinite if the curve stays
        above one half; ``p(tau)``; ``memory ratio``, slot-blocks in memory under the timeout over all slot-blocks;
        ``misses``, accesses to slots outside of memory; ``total cost`` in slot-blocks, that of memory plus misses times
        penalty.
    """
    spells = intervals.build(trace, window=window)
    duration, event, entry = (spells[name].to_numpy() for name in ("duration", "event", "entry"))
    curve = kaplan_meier(duration, event, entry)
    below = curve.filter(pl.col("survival") <= 0.5)["time"]
    kept = np.clip(np.minimum(duration, questions.timeout) - entry, 0, None).sum()
    misses = int((event & (duration > questions.timeout)).sum())
    return {
        "tail index": estimators.discrete(duration, event, questions.threshold, entry=entry).alpha,
        "median gap": float(below[0]) if len(below) else float("inf"),
        "p(tau)": float(1 - survival_at(curve, np.array([questions.horizon]))[0]),
        "memory ratio": float(kept / (duration - entry).sum()),
        "misses": float(misses),
        "total cost": float(kept + questions.penalty * misses),
    }
