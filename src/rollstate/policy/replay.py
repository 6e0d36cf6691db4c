"""Replay a policy on a trace in one pass over its accesses, as a client would follow it.

The state is a count and the last block of each slot. What is added up, per contract, is what
`rollstate.tiering.replay.replay` gives spell by spell, and the tests hold the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from rollstate import intervals
from rollstate.bootstrap import Resampling, resampling
from rollstate.compiled import compiled
from rollstate.errors import InputError
from rollstate.policy.fit import DRAWS, SEED, clock_of, cox_windows, simple_windows
from rollstate.policy.format import Cox, Policy
from rollstate.tiering import policies
from rollstate.tiering.costs import two_tiers
from rollstate.tiering.replay import after, gaps
from rollstate.tiering.replay import replay as replay_spells
from rollstate.traces.schema import Trace
from rollstate.traces.visits import visits

OWN = "policy"


@dataclass(frozen=True)
class Stream:
    """Accesses of a trace as a client sees them.

    Attributes
    ----------
    slot : array of int32, shape (n,)
        Numbered from 0; blocks of each slot ascend.
    block : array of int64, shape (n,)
    counted : array of bool, shape (n,)
        False where the slot is created and not accessed.
    contract : array of int32, shape (slots,)
        Numbered from 0.
    border, end : int
        What lies after block `border` is judged, up to block `end`.
    """

    slot: np.ndarray
    block: np.ndarray
    counted: np.ndarray
    contract: np.ndarray
    border: int
    end: int


def stream(trace: Trace, border: int | None = None) -> Stream:
    """Return the accesses of a trace, judged behind a block, or all."""
    stamp = trace.capability
    border = stamp.window_start - 1 if border is None else border
    if not stamp.window_start - 1 <= border < stamp.window_stop - 1:
        raise InputError(
            f"nothing can be judged behind block {border}: the trace has blocks {stamp.window_start} to "
            f"{stamp.window_stop - 1}; take an earlier block"
        )
    seen = visits(trace, stamp.window_stop)
    order = np.argsort(seen.block, kind="stable")
    # Contracts without a visit count too: all are resampled.
    slots = trace.slots.select("slot_id", "contract_id").sort("slot_id")
    row = np.searchsorted(slots["slot_id"].to_numpy(), seen.slots["slot_id"].to_numpy())
    contract = np.unique(slots["contract_id"].to_numpy(), return_inverse=True)[1].astype(np.int32)
    return Stream(
        row[seen.index[order]].astype(np.int32),
        seen.block[order],
        seen.is_access[order],
        contract,
        border,
        stamp.window_stop - 1,
    )


@dataclass(frozen=True)
class Sums:
    """What a policy did, per contract, shape (contracts,): slot-blocks in RAM, misses, moves; `cost` in slot-blocks."""

    ram: np.ndarray
    misses: np.ndarray
    moves: np.ndarray
    cost: np.ndarray


def by_table(seen: Stream, accesses: tuple[int, ...], windows: tuple[float, ...], penalty: float) -> Sums:
    """Replay a window per class of access count.

    Parameters
    ----------
    seen : Stream
    accesses : tuple of int
        Least number of accesses of each row, ascending from 0.
    windows : tuple of float
        Idle blocks in RAM of each row.
    penalty : float
        Cost of a miss in slot-blocks.
    """
    ram, misses, moves = _table(
        seen.slot, seen.block, seen.counted, seen.contract, int(seen.contract.max(initial=-1)) + 1,
        seen.border, seen.end, np.array(accesses, np.int64), np.array(windows, float),
    )  # fmt: skip
    return Sums(ram, misses, moves, ram + penalty * misses)


def by_foresight(seen: Stream, penalty: float) -> tuple[Sums, np.ndarray, np.ndarray]:
    """Replay the clairvoyant; also return slot-blocks and accesses judged, shape (contracts,) each."""
    ram, misses, cost, exposure, events = _foresight(
        seen.slot,
        seen.block,
        seen.contract,
        int(seen.contract.max(initial=-1)) + 1,
        seen.border,
        seen.end,
        penalty,
    )
    return Sums(ram, misses, np.zeros_like(misses), cost), exposure, events


def replay(
    policy: Policy,
    trace: Trace,
    *,
    penalty: float | None = None,
    border: int | None = None,
    block_s: float | None = None,
    sha256: str | None = None,
) -> pl.DataFrame:
    """Replay a policy, the simple rules and the clairvoyant on the blocks of a trace behind a border.

    Parameters
    ----------
    policy : Policy
    trace : Trace
        Of the policy's clock.
    penalty : float, optional
        Cost of a miss in slot-blocks of RAM; the one that the policy was fitted for if not given.
    border : int, optional
        Last block that is not judged; the whole trace is judged if not given.
    block_s : float, optional
        Seconds per block, where the trace does not know them.
    sha256 : str, optional
        Of the trace (`rollstate.traces.datasets.fingerprint`), if it may be the one that the policy was fitted on.

    Returns
    -------
    polars.DataFrame
        ``policy``, ``ram_ratio``, ``hit_coverage``, ``misses``, ``moves``, ``total`` (slot-blocks), ``regret``,
        ``competitive_ratio`` as in `rollstate.tiering.evaluation.metrics`; ``ratio``, ``ratio_low``, ``ratio_high``:
        total over that of the cheapest simple rule, with its 95 % interval over contracts (null for a single one).

    Raises
    ------
    InputError
        If the clock, the penalty or the border does not fit.
    """
    policy.check_clock(clock_of(trace, block_s), sha256)
    penalty = policy.check_penalty(policy.penalty if penalty is None else penalty)
    seen = stream(trace, border)
    bound, exposure, events = by_foresight(seen, penalty)
    simple = simple_windows(policy.tuned, penalty)
    own = by_table(seen, policy.accesses, policy.windows, penalty) if policy.cox is None else (
        _by_cox(policy.cox, trace, seen, penalty, policy.horizon)
    )  # fmt: skip
    sums = {OWN: own}
    sums |= {name: by_table(seen, (0,), (window,), penalty) for name, window in simple.items()}
    sums[policies.CLAIRVOYANT] = bound
    samples = resampling(np.flatnonzero(exposure), DRAWS, SEED) if exposure.any() else None
    if samples is None:
        raise InputError("nothing of the trace is seen behind the border; take an earlier block")
    return _frame(sums, tuple(simple), bound, exposure, events, samples)


def _frame(
    sums: Any, simple: Any, bound: Any, exposure: np.ndarray, events: np.ndarray, samples: Resampling
) -> pl.DataFrame:
    judged = exposure > 0
    drawn = samples.sums_of({name: one.cost[judged] for name, one in sums.items()})
    least, least_drawn = (
        min(sums[name].cost.sum() for name in simple),
        np.min([drawn[name] for name in simple], axis=0),
    )
    rows, total_bound = [], bound.cost.sum()
    for name, one in sums.items():
        total, misses = float(one.cost.sum()), int(one.misses.sum())
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = samples.estimate(np.divide(total, least), drawn[name] / least_drawn)
        rows.append(
            {
                "policy": name,
                "ram_ratio": float(one.ram.sum() / exposure.sum()),
                "hit_coverage": 1 - misses / int(events.sum()) if events.any() else 1.0,
                "misses": misses,
                "moves": int(one.moves.sum()),
                "total": total,
                "regret": float(total - total_bound),
                "competitive_ratio": float(total / total_bound) if total_bound > 0 else np.inf,
                "ratio": ratio.value,
                "ratio_low": ratio.low,
                "ratio_high": ratio.high,
            }
        )
    numbers = {"ratio_low": pl.Float64, "ratio_high": pl.Float64}
    return pl.DataFrame(rows, schema_overrides=numbers)


def _by_cox(cox: Cox, trace: Trace, seen: Stream, penalty: float, horizon: float) -> Sums:
    """Replay a Cox policy spell by spell: its covariates need what `rollstate.intervals.build` knows."""
    spells = after(intervals.build(trace), seen.border)
    did = replay_spells(gaps(spells), cox_windows(cox, spells, penalty, horizon), two_tiers(penalty))
    ids = np.unique(trace.slots["contract_id"].to_numpy())
    code = np.searchsorted(ids, spells["contract_id"].to_numpy())

    def summed(values: np.ndarray) -> np.ndarray:
        return np.bincount(code, values, len(ids))

    misses, moves = (summed(x).astype(np.int64) for x in (did.miss_cold, did.moves))
    return Sums(summed(did.ram), misses, moves, summed(did.cost))


@compiled
def _table(slot, block, counted, contract, contracts, border, end, edges, windows):
    slots = len(contract)
    last, count, row = np.full(slots, -1, np.int64), np.zeros(slots, np.int64), np.zeros(slots, np.int32)
    started = np.zeros(slots, np.bool_)
    ram, misses, moves = np.zeros(contracts), np.zeros(contracts, np.int64), np.zeros(contracts, np.int64)
    for i in range(len(slot)):
        s, now = slot[i], block[i]
        if started[s]:
            gap = now - last[s]
            waited = max(0, border - last[s])
            if gap > waited:
                window, c = windows[row[s]], contract[s]
                ram[c] += min(gap, window) - min(waited, window)
                if gap > window:
                    misses[c] += 1
                    moves[c] += 1
                    if window >= waited:
                        moves[c] += 1
        started[s] = True
        last[s] = now
        if counted[i]:
            count[s] += 1
            while row[s] + 1 < len(edges) and count[s] >= edges[row[s] + 1]:
                row[s] += 1
    for s in range(slots):
        if not started[s]:
            continue
        gap, waited = end - last[s], max(0, border - last[s])
        if gap > waited:
            window, c = windows[row[s]], contract[s]
            ram[c] += min(gap, window) - min(waited, window)
            if waited <= window < gap:
                moves[c] += 1
    return ram, misses, moves


@compiled
def _foresight(slot, block, contract, contracts, border, end, penalty):
    last = np.full(len(contract), np.int64(-1) << 62, np.int64)
    never = np.int64(-1) << 62
    ram, cost, exposure = np.zeros(contracts), np.zeros(contracts), np.zeros(contracts)
    misses, events = np.zeros(contracts, np.int64), np.zeros(contracts, np.int64)
    for i in range(len(slot)):
        s, now = slot[i], block[i]
        if last[s] != never:
            seen = now - max(last[s], border)
            if seen > 0:
                c = contract[s]
                exposure[c] += seen
                events[c] += 1
                if seen <= penalty:
                    ram[c] += seen
                    cost[c] += seen
                else:
                    misses[c] += 1
                    cost[c] += penalty
        last[s] = now
    for s in range(len(contract)):
        if last[s] != never and end > max(last[s], border):
            exposure[contract[s]] += end - max(last[s], border)
    return ram, misses, cost, exposure, events
