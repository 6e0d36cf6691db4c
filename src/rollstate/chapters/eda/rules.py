"""Two rules that make spells of a trace, held against each other: a part of the chapter ``eda``."""

from __future__ import annotations

import numpy as np
import polars as pl

from rollstate import intervals, tails
from rollstate.chapters.eda import bands
from rollstate.chapters.eda.bands import Spells
from rollstate.chapters.eda.parameters import Eda
from rollstate.chapters.eda.study import Answer
from rollstate.errors import InputError
from rollstate.product_limit import survival_of
from rollstate.risk_table import ClusteredRiskTable, RiskTable
from rollstate.traces.schema import Trace

RESTARTED, DELAYED = "restarted at the window's start", "delayed entry"


def peer_rule(peer: Trace, p: Eda) -> Answer:
    """Compare the rule of zk-state-prune with delayed entry on a trace that knows when its slots were created.

    Returns
    -------
    Answer
        Its frame has ``panel`` ("share" or "difference"), ``rule``, ``gap``, ``survival``, ``low``, ``high``; the
        difference is paired: both rules are drawn from the same contracts.
    """
    names = (
        "peer_intervals", "peer_events", "peer_exposure", "peer_hill", "right_spells", "late_spells", "peer_open",
        "right_open", "peer_excess",
    )  # fmt: skip
    start, stop = peer.capability.window_start, peer.capability.window_stop
    inside = (start + int(p.peer_history * (stop - start)), stop)
    try:
        wrong, right = intervals.build_peer(peer, window=inside), intervals.build(peer, window=inside)
        index = tails.peer_hill(wrong.filter("event")["duration"].to_numpy())
    except InputError as error:
        return Answer(missing=names, why=f"This trace cannot show the rule: {error}.")
    owner = peer.slots.select("slot_id", "contract_id")
    wrong = wrong.join(owner, on="slot_id", how="left", maintain_order="left")
    at = np.linspace(0, inside[1] - inside[0] - 1, 200).astype(int)
    curves = paired_curves(wrong, right, at, p)
    half = at[len(at) // 2]
    of_half = {
        (row["panel"], row["rule"]): bands.estimate(row["survival"], row["low"], row["high"])
        for row in curves.filter(pl.col("gap") == half).iter_rows(named=True)
    }
    numbers = {
        "peer_intervals": wrong.height,
        "peer_events": int(wrong["event"].sum()),
        "peer_exposure": int(wrong["duration"].sum()),
        "peer_hill": index,
        "right_spells": right.height,
        "late_spells": right.filter(pl.col("entry") > 0).height,
        "peer_open": of_half["share", RESTARTED],
        "right_open": of_half["share", DELAYED],
        "peer_excess": of_half["difference", RESTARTED],
    }
    return Answer(numbers, curves, {"half": int(half)})


def paired_curves(wrong: pl.DataFrame, right: pl.DataFrame, at: np.ndarray, p: Eda) -> pl.DataFrame:
    """Return the survival curves of two sets of spells and their difference, with bands from the same draws."""
    one, other = Spells.of(wrong), Spells.of(right)
    names = ("duration", "event", "entry", "contract")
    duration, event, entry, contract = (
        np.concatenate([getattr(one, name), getattr(other, name)]) for name in names
    )
    first = np.arange(len(duration)) < wrong.height
    tables = [ClusteredRiskTable.of(duration, event, entry, contract, count=rows) for rows in (first, ~first)]

    def curves(pair: tuple[RiskTable, RiskTable]) -> np.ndarray:
        one, other = (survival_of(table, at, min_at_risk=bands.MIN_AT_RISK) for table in pair)
        return np.stack([one, other, one - other])

    found = curves((tables[0].whole, tables[1].whole))
    drawn = zip(*(table.draws(p.draws, p.seed) for table in tables), strict=True)
    low, high = bands.ends((curves(pair) for pair in drawn), tables[0].clusters, found.shape)
    series = (("share", RESTARTED), ("share", DELAYED), ("difference", RESTARTED))
    return pl.concat(
        [
            bands.frame(
                {
                    "panel": [panel] * len(at), "rule": [rule] * len(at), "gap": at, "survival": found[i],
                    "low": low[i], "high": high[i],
                }
            )
            for i, (panel, rule) in enumerate(series)
        ]
    )  # fmt: skip
