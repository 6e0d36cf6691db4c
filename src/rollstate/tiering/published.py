"""The published rule as it is: a cutoff on p searched at twentieths of each interval's own, future, length.

Reproduced to show what its figures mean. It is not online: the grid knows when the interval will end, which also keeps
every slot not demoted at once for at least a twentieth of the time it will stay idle.

References
----------
https://github.com/egpivo/zk-state-prune at a93c774, ``internal/sim/statistical.go``.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from rollstate.survival import peer
from rollstate.survival.steps import access_probability
from rollstate.tiering.costs import Costs
from rollstate.tiering.replay import Gaps
from rollstate.tiering.windows import check_horizon

STEPS = 20


def windows(model: peer.PeerModel, spells: pl.DataFrame, costs: Costs) -> np.ndarray:
    """Return the blocks that the published rule keeps each interval in RAM, shape (n,); all of it if not demoted.

    Parameters
    ----------
    model : PeerModel
        Fitted as the peer does.
    spells : polars.DataFrame
        Of `rollstate.survival.peer.rows`.
    costs : Costs
        Of two tiers.
    """
    x, length = peer.covariates(spells), spells["duration"].to_numpy().astype(float)
    limit = min(1.0, costs.ram * check_horizon(model.tau) / costs.penalty)
    kept, undecided = length.copy(), np.ones(len(length), bool)
    for step in range(STEPS + 1):
        idle = length * step / STEPS
        demoted = undecided & (access_probability(model, idle, model.tau, x) < limit)
        kept[demoted] = length[demoted] if step == STEPS else np.floor(idle[demoted])
        undecided &= ~demoted
    return kept


def gaps_of(table: pl.DataFrame) -> Gaps:
    """Return the spells of a multiset of gaps.

    Parameters
    ----------
    table : polars.DataFrame
        ``gap_blocks``, ``n_observed``, ``n_censored``, ``censored_gap_blocks_interpolated`` (null where the gap itself
        is meant).
    """
    seen = table.filter(pl.col("n_observed") > 0)
    open_ = table.filter(pl.col("n_censored") > 0).with_columns(
        length=pl.coalesce("censored_gap_blocks_interpolated", pl.col("gap_blocks").cast(pl.Float64))
    )
    duration = np.r_[
        np.repeat(seen["gap_blocks"].to_numpy().astype(float), seen["n_observed"].to_numpy()),
        np.repeat(open_["length"].to_numpy().astype(float), open_["n_censored"].to_numpy()),
    ]
    event = np.arange(len(duration)) < int(seen["n_observed"].sum())
    return Gaps(np.zeros(len(duration)), duration, event)
