"""What the chapter ``observability`` computes: views of simulated chains held against the truth, and real blocks."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from rollstate import __version__, intervals, observability
from rollstate.chapters.observability.parameters import Observability
from rollstate.compendium.stamps import Model
from rollstate.estimate import Estimate
from rollstate.product_limit import kaplan_meier
from rollstate.traces import datasets, prestate, store, transfer_logs
from rollstate.traces.live import embedded, workload
from rollstate.traces.schema import Capability, Trace

TRUTH, BOTH, DIFFERENCE, LOGS = "truth", "prestate, both modes", "prestate, difference", "transfer logs"
VIEWS = (BOTH, DIFFERENCE, LOGS)


@dataclass(frozen=True)
class Simulated:
    """What was found on some simulated chains.

    Attributes
    ----------
    agreements : polars.DataFrame
        ``view`` and the columns of `rollstate.observability.agreement`, one line for each chain, view and measure.
    answers : polars.DataFrame
        ``replicate``, ``view`` (the truth included), ``number``, ``value``.
    spells : dict
        Gaps between accesses on the first chain by view, as `rollstate.intervals.build` gives them.
    blocks : list of (int, answer, answer)
        Number, full and difference answer of the tracer for each block of the last chain's window.
    """

    agreements: pl.DataFrame
    answers: pl.DataFrame
    spells: dict[str, pl.DataFrame]
    blocks: list[tuple[int, Any, Any]]

    @property
    def stamp(self) -> Model:
        """What results from these chains come from."""
        chains = self.answers["replicate"].n_unique()
        return Model(f"{chains} chains on py-evm, contracts in Vyper, drawn users; no chain data")


def simulate(p: Observability) -> Simulated:
    """Run the chains, look at each through every view, and ask each view the same questions."""
    questions = observability.Questions(p.threshold, p.horizon, p.timeout, p.penalty)
    agreements, answers, spells, played = [], [], {}, []
    for replicate in range(p.replicates):
        load = workload.Workload(blocks=p.blocks, users=p.users, seed=p.seed + replicate)
        played = embedded.play(workload.blocks(load))
        truth = embedded.truth(played)
        # Deploying, minting and approving come first, and are history.
        window = (workload.setup_blocks(load) + 1, len(played) + 1)
        inside = pl.col("block_number") >= window[0]
        everything = truth.select(*observability.TOUCH, is_write="changed")
        for view, touches in {TRUTH: everything, **_views(played)}.items():
            trace = _trace(touches, len(played))
            found = observability.answers(trace, questions, window)
            answers += [(replicate, view, number, value) for number, value in found.items()]
            if view != TRUTH:
                table = observability.agreement(truth.filter(inside), touches.filter(inside))
                agreements.append(table.select(pl.lit(view).alias("view"), pl.all()))
            if replicate == 0:
                spells[view] = intervals.build(trace, window=window)
    blocks = [(one.number, one.full, one.diff) for one in played if one.number >= window[0]]
    table = pl.DataFrame(answers, schema=["replicate", "view", "number", "value"], orient="row")
    return Simulated(pl.concat(agreements), table, spells, blocks)


def _views(played: Sequence[embedded.BlockViews]) -> dict[str, pl.DataFrame]:
    """Return the touches that each view shows of a chain."""
    logs = [log for one in played for log in transfer_logs.parse_logs(one.logs, one.number, one.number + 1)]
    both = pl.concat([prestate.block_touches(one.number, one.full, one.diff) for one in played])
    presumed = transfer_logs.touches(transfer_logs.transfers(logs), workload.layouts())
    return dict(zip(VIEWS, (both, both.filter("is_write"), presumed), strict=True))


def _trace(touches: pl.DataFrame, blocks: int) -> Trace:
    """Return touches as a trace of blocks 1 to `blocks`."""
    stamp = Capability("synthetic", True, True, "all", "slot", 1, blocks + 1, None, __version__)
    return store.assemble(touches, stamp)


def agreement(found: Simulated) -> pl.DataFrame:
    """Return ``measure`` (recall, precision), ``view``, ``what``, and ``value``, ``low``, ``high`` over the chains."""
    long = found.agreements.unpivot(
        ["recall", "precision"], index=["view", "what"], variable_name="measure", value_name="share"
    )
    return (
        long.drop_nulls("share")
        .group_by("measure", "view", "what", maintain_order=True)
        .agg(value=pl.col("share").mean(), low=pl.col("share").min(), high=pl.col("share").max())
    )


def downstream(found: Simulated) -> pl.DataFrame:
    """Return ``view``, ``number`` and the ratio to the truth's value: ``value``, ``low``, ``high`` over the chains."""
    truths = found.answers.filter(pl.col("view") == TRUTH).select("replicate", "number", true="value")
    ratio = pl.col("ratio")
    return (
        found.answers.filter(pl.col("view") != TRUTH)
        .join(truths, on=["replicate", "number"], maintain_order="left")
        .with_columns(ratio=pl.col("value") / pl.col("true"))
        .group_by("view", "number", maintain_order=True)
        .agg(value=ratio.mean(), low=ratio.min(), high=ratio.max())
    )


def estimate(frame: pl.DataFrame, **where: str) -> Estimate:
    """Return the one line of `agreement` or `downstream` that has these values, as an estimate with its range."""
    row = frame.filter(*(pl.col(name) == value for name, value in where.items())).row(0, named=True)
    return Estimate(row["value"], row["low"], row["high"])


def curves(found: Simulated) -> pl.DataFrame:
    """Return Kaplan-Meier curves of the first chain: ``view``, ``time``, ``survival``, ``low``, ``high``, from time 0."""
    out = []
    for view in (TRUTH, DIFFERENCE, LOGS):
        curve = kaplan_meier(
            *(found.spells[view][name].to_numpy() for name in ("duration", "event", "entry"))
        )
        start = pl.DataFrame({"time": [0.0], "survival": [1.0], "low": [1.0], "high": [1.0]})
        rows = curve.select(pl.col("time", "survival", "low", "high").cast(pl.Float64))
        out.append(pl.concat([start, rows]).select(pl.lit(view).alias("view"), pl.all()))
    return pl.concat(out)


@dataclass(frozen=True)
class Recorded:
    """Blocks whose tracer answers were recorded in both modes."""

    blocks: list[tuple[int, Any, Any]]
    capability: Any


def recorded(real: str, found: Simulated) -> Recorded:
    """Return the recorded blocks of a data set, or those of the last simulated chain for the sample."""
    if real == datasets.SAMPLE:
        return Recorded(found.blocks, found.stamp)
    modes: dict[int, dict[bool, Any]] = {}
    for path in sorted(datasets.locate(real).glob("*.json.gz")):
        with gzip.open(path) as file:
            [exchange] = json.load(file)
        number, options = exchange["request"]["params"]
        difference = options["tracerConfig"]["diffMode"]
        modes.setdefault(int(number, 16), {})[difference] = exchange["response"]["result"]
    blocks = [(number, both[False], both[True]) for number, both in sorted(modes.items())]
    touches = pl.concat([prestate.block_touches(*block) for block in blocks])
    stamp = Capability("prestate", True, True, "all", "slot", blocks[0][0], blocks[-1][0] + 1, 1, __version__)
    return Recorded(blocks, store.assemble(touches, stamp).capability)


def missed(blocks: list[tuple[int, Any, Any]]) -> dict[str, float]:
    """Return how many touches there are, and the shares of touches and slots that the difference mode lacks."""
    touches = pl.concat([prestate.block_touches(*block) for block in blocks])
    written = touches.filter("is_write")
    slots, of_writes = (one.select(observability.SLOT).n_unique() for one in (touches, written))
    return {
        "real_touches": touches.height,
        "real_missed": 1 - written.height / touches.height,
        "real_slots_missed": 1 - of_writes / slots,
    }


def sides(blocks: list[tuple[int, Any, Any]]) -> dict[str, float]:
    """Return the shares of changed slots that are absent from one side of the difference: created and cleared ones."""
    changed = created = cleared = 0
    for _, _, answer in blocks:
        for result in (entry["result"] for entry in answer):
            every = prestate.changed_slots(result)
            changed += len(every)
            created += len(every - prestate.changed_slots({"pre": result["pre"], "post": {}}))
            cleared += len(every - prestate.changed_slots({"pre": {}, "post": result["post"]}))
    return {"real_created": created / changed, "real_cleared": cleared / changed}
