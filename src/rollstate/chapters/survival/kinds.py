"""Survival by the kind of contract: how much can be labelled, the curves, and what a label is worth to a forecast."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rollstate.chapters.survival import study
from rollstate.chapters.survival.parameters import Survival
from rollstate.chapters.survival.study import FEWEST_EVENTS, Study
from rollstate.errors import InputError
from rollstate.estimate import Estimate
from rollstate.execution.block_inputs import read_folder
from rollstate.scalars import whole
from rollstate.survival import forecasts
from rollstate.traces import datasets, kinds
from rollstate.traces.parts import Parts

FEWEST = 100
"""Completed gaps below which a class of slots has no forecast of its own."""
NO_KIND = "unlabelled"


def codes(p: Survival) -> dict[bytes, bytes]:
    """Return the code of every contract that the blocks with state at hand touch, by address."""
    folder: Path = datasets.locate(p.codes)
    blocks = [
        path for path in sorted(folder.iterdir()) if path.is_dir() and list(path.glob("pre_state.json*"))
    ]
    if not blocks:
        raise InputError(
            f"{p.codes} holds no block with the state before it, so that there is no code to read"
        )
    found: dict[bytes, bytes] = {}
    for one in blocks:
        state = read_folder(one)[1]
        found |= {
            bytes.fromhex(address[2:]): account.code for address, account in state.items() if account.code
        }
    return found


def labels(found: Study, by_address: dict[bytes, bytes]) -> pl.DataFrame:
    """Return the kinds of the trace's contracts; see `rollstate.traces.kinds.labels`.

    Raises
    ------
    InputError
        If no contract of the trace is known.
    """
    seen = found.seen
    parts = seen.map(kinds.contracts) if isinstance(seen, Parts) else [kinds.contracts(seen)]
    table = kinds.labels(kinds.together(parts), by_address)
    if table["kind"].null_count() == table.height:
        raise InputError(
            "none of the trace's contracts has a known kind: neither their code nor their name is at hand"
        )
    return table


def numbers(table: pl.DataFrame) -> dict[str, Any]:
    """Return the shares of accesses and contracts labelled, and how far code and name agree."""
    both = table.drop_nulls(["by_code", "by_name"])
    told = both.filter(pl.col("by_code") != kinds.PROXY)
    every = whole(table["accesses"].sum())
    return {
        "kinds_labelled": whole(table.drop_nulls("kind")["accesses"].sum()) / every,
        "kinds_by_code": whole(table.drop_nulls("by_code")["accesses"].sum()) / every,
        "kinds_contracts": table.drop_nulls("kind").height / table.height,
        "kinds_compared": both.height,
        "kinds_proxies": both.height - told.height,
        "kinds_agree": told.filter(pl.col("by_code") == pl.col("by_name")).height,
    }


def _with_kinds(rows: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
    known = table.select("contract_id", pl.col("kind").fill_null(NO_KIND))
    return rows.drop("stratum", strict=False).join(known, on="contract_id", how="left", maintain_order="left").rename(
        {"kind": "stratum"}
    )  # fmt: skip


def curves(found: Study, table: pl.DataFrame) -> pl.DataFrame:
    """Return Kaplan-Meier curves by kind, as `study.curves`; kinds with too few accesses are left out."""
    known = _with_kinds(found.known, table)
    events = known.group_by("stratum").agg(pl.col("event").sum()).filter(pl.col("event") >= FEWEST_EVENTS)
    order = [name for name in (*kinds.KINDS, NO_KIND) if name in events["stratum"]]
    if not order:
        raise InputError("no kind of contract has enough accesses in the training blocks for a curve")
    return pl.concat([study.curve(name, known.filter(stratum=name), found.p) for name in order])


def gain(found: Study, table: pl.DataFrame) -> dict[str, Any]:
    """Return the Brier scores on the judged slots of curves by activity, and by activity and kind, and the difference.

    A class of activity and kind with fewer than `FEWEST` completed gaps in training takes the curve of its activity.
    """
    known, judge = _with_kinds(found.known, table), _with_kinds(found.judge, table)
    by_class, by_kind = np.zeros(judge.height), np.zeros(judge.height)
    pooled = forecasts.fit_curve(known)
    for (activity,), rows in judge.with_row_index("row").group_by("activity", maintain_order=True):
        own = known.filter(pl.col("activity") == activity)
        curve = forecasts.fit_curve(own) if own["event"].sum() >= FEWEST else pooled
        at = rows["row"].to_numpy()
        by_class[at] = by_kind[at] = curve.access_probability(rows, found.horizon)
        for (name,), part in rows.group_by("stratum", maintain_order=True):
            alike = own.filter(pl.col("stratum") == name)
            if name != NO_KIND and alike["event"].sum() >= FEWEST:
                one = forecasts.fit_curve(alike)
                by_kind[part["row"].to_numpy()] = one.access_probability(part, found.horizon)
    off_class, off_kind = ((one - found.answers) ** 2 for one in (by_class, by_kind))
    samples = found.by_contract
    scores = {
        "kinds_brier_class": off_class,
        "kinds_brier_kind": off_kind,
        "kinds_difference": off_kind - off_class,
    }
    said = {name: Estimate(*samples.mean(off)) for name, off in scores.items()}
    low, high = said["kinds_difference"].low, said["kinds_difference"].high
    verdict = (
        "better"
        if high is not None and high < 0
        else "worse"
        if low is not None and low > 0
        else "no difference"
    )
    return {**said, "kinds_verdict": study.VERDICTS[verdict].replace("the curve", "curves by activity alone")}
