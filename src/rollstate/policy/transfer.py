"""Carry policies from trace to trace: what one that was fitted elsewhere costs, beside one that was fitted here."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from rollstate.errors import InputError
from rollstate.policy import fit, replay
from rollstate.policy.format import TABLE
from rollstate.tiering.trial import EARLIER
from rollstate.traces.schema import Trace


def transfer(
    traces: Mapping[str, Trace],
    *,
    penalty_s: float,
    block_s: Mapping[str, float] | None = None,
    model: str = TABLE,
) -> pl.DataFrame:
    """Fit a policy on the first two thirds of each trace, and replay it on the last third of every one.

    Parameters
    ----------
    traces : mapping of str to Trace
    penalty_s : float
        Cost of a miss: seconds of holding a slot in RAM, so that it is the same on every clock.
    block_s : mapping of str to float, optional
        Seconds per block of the traces that do not know them.
    model : {"table", "window"}

    Returns
    -------
    polars.DataFrame
        ``fitted``, ``judged``, ``total`` (slot-blocks of the trace that is judged), ``over_native`` (total over that of
        the policy fitted there) and ``competitive_ratio`` (over the clairvoyant's; null where that pays nothing).

    Raises
    ------
    InputError
        If the penalty is not above zero, or a trace does not know its clock.
    """
    if not penalty_s > 0:
        raise InputError(f"penalty must be above 0 seconds of holding a slot, not {penalty_s!r}")
    known = block_s or {}
    clocks = {name: fit.clock_of(trace, known.get(name)) for name, trace in traces.items()}
    if unknown := [name for name, clock in clocks.items() if clock.block_s is None]:
        raise InputError(
            f"{', '.join(unknown)} does not know its seconds per block: state them with --block-s"
        )
    seconds = {name: clock.block_s for name, clock in clocks.items() if clock.block_s is not None}
    borders = {
        name: trace.capability.window_start + round(EARLIER * trace.capability.n_blocks) - 1
        for name, trace in traces.items()
    }
    made = {
        name: fit.fit_trace(
            trace,
            model=model,
            penalty=penalty_s / seconds[name],
            until=borders[name],
            name=name,
            block_s=seconds[name],
        )
        for name, trace in traces.items()
    }
    rows = []
    for name, trace in traces.items():
        seen = replay.stream(trace, borders[name])
        penalty = penalty_s / seconds[name]
        bound = float(replay.by_foresight(seen, penalty)[0].cost.sum())
        total = {}
        for other, policy in made.items():
            here = policy.rescaled(seconds[name])
            total[other] = float(replay.by_table(seen, here.accesses, here.windows, penalty).cost.sum())
        rows += [
            {
                "fitted": other,
                "judged": name,
                "total": cost,
                "over_native": cost / total[name] if total[name] else None,
                "competitive_ratio": cost / bound if bound else None,
            }
            for other, cost in total.items()
        ]
    return pl.DataFrame(rows, schema_overrides={"over_native": pl.Float64, "competitive_ratio": pl.Float64})
