"""The same caches on every trace at hand: which hits most where, and how far it is from Belady's bound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from rollstate.caching import curves, sampling, streams
from rollstate.chapters.caching.parameters import Caching
from rollstate.compendium.stamps import Model
from rollstate.traces import datasets
from rollstate.traces.schema import Trace


@dataclass(frozen=True)
class Place:
    """One trace as caches see it.

    Attributes
    ----------
    name : str
        Of the data set.
    seen : Accesses
        Of the sample of slots, if the trace is long.
    whole : Accesses
        Of all slots that were read.
    rate : float
        Share of the slots of the trace in the sample.
    every : int
        Blocks from one observed block to the next.
    """

    name: str
    seen: streams.Accesses
    whole: streams.Accesses
    rate: float
    every: int


def place(name: str, trace: Trace, p: Caching, taken: float = 1.0) -> Place:
    """Take all slots of a trace, or so many that the parameter's number of accesses is kept on average.

    The trace may itself be of a share `taken` of all slots.
    """
    whole = streams.accesses(trace, thinned=True)
    rate = min(1.0, p.most / len(whole.slot))
    seen = whole if rate == 1 else sampling.sample(whole, rate, seed=p.seed)
    return Place(name, seen, whole, rate * taken, trace.capability.observed_every)


def places(trace: Trace, p: Caching, taken: float = 1.0) -> list[Place]:
    """Read the other traces, and take the chapter's own beside them, each once; it has a share `taken` of its slots."""
    read = {p.trace: trace}
    for name in (p.rollup, p.births, p.sales, p.market, p.month):
        if name not in read:
            read[name] = datasets.load_trace(name)
    shares = {p.trace: taken}
    return [place(datasets.label(name), one, p, shares.get(name, 1.0)) for name, one in read.items()]


def stamp(found: list[Place]) -> Model:
    """Return what the results over all traces are computed from."""
    return Model(f"accesses of {', '.join(one.name for one in found)}")


def ratios(found: list[Place], p: Caching) -> pl.DataFrame:
    """Return `rollstate.caching.curves.hit_ratios` of every trace, with ``trace`` and ``over`` (what was resampled)."""
    frames = []
    for one in found:
        border = round(p.train * len(one.seen.slot))
        every = curves.FIXED | curves.survival_policies(one.seen, border, seed=p.seed)
        cluster, over = sampling.clusters(one.seen, seed=p.seed)
        frame = curves.hit_ratios(
            one.seen, {name: every[name] for name in curves.ORDER}, sorted(p.few), border=border,
            slot_bytes=p.slot_bytes, draws=p.draws, seed=p.seed, cluster=cluster,
        )  # fmt: skip
        frames.append(frame.select(pl.lit(one.name).alias("trace"), pl.lit(over).alias("over"), pl.all()))
    return pl.concat(frames)


def standings(frame: pl.DataFrame) -> pl.DataFrame:
    """Return one line per trace and size: the classical policy with the most hits, its equals, and its gap to Belady.

    Returns
    -------
    polars.DataFrame
        ``trace``, ``share``, ``best``, ``equals`` (classical policies whose paired interval holds no difference to it),
        ``hits`` with ``low`` and ``high``, ``lru``, ``belady``, ``gap`` (of Belady's hits that the best lacks, in points),
        ``hazard`` and ``rate`` (hits of the survival policies), ``over``.
    """
    rows = []
    for (trace, share), part in frame.group_by(["trace", "share"], maintain_order=True):
        at = {row["policy"]: row for row in part.iter_rows(named=True)}
        best = max(curves.CLASSICAL, key=lambda name: at[name]["hits"])
        low = {name: at[name]["behind_low"] for name in curves.CLASSICAL if name != best}
        equals = [name for name, end in low.items() if end is None or end <= 0]
        one, bound = at[best], at[curves.BELADY]["hits"]
        rows.append(
            {
                "trace": trace, "share": share, "best": best, "equals": ", ".join(equals) or "none",
                "hits": one["hits"], "low": one["hits_low"], "high": one["hits_high"], "lru": at[curves.LRU]["hits"],
                "belady": bound, "gap": bound - one["hits"], "hazard": at[curves.HAZARD]["hits"],
                "rate": at[curves.RATE]["hits"], "over": one["over"],
            }
        )  # fmt: skip
    ends = dict.fromkeys(("low", "high"), pl.Float64)
    return pl.DataFrame(rows, schema_overrides=ends)


def fewer_named(equals: str, best: str) -> str:
    """Return the policies of a cell ``equals`` of `standings` by naming the fewer: those, or all but the others.

    >>> fewer_named("LRU, LFU, ARC, LIRS, SIEVE, S3-FIFO, GDSF, Cacheus", "LHD"), fewer_named("LRU", "LHD")
    ('all but W-TinyLFU', 'LRU')
    """
    named = equals.split(", ")
    worse = [name for name in curves.CLASSICAL if name not in named and name != best]
    if not worse:
        return "all"
    return equals if len(named) <= len(worse) + 1 else f"all but {', '.join(worse)}"


def shown_standings(found: list[Place], frame: pl.DataFrame, p: Caching) -> pl.DataFrame:
    """Return `standings` as the table shows them, with what each trace is."""
    about = pl.DataFrame(
        [
            (one.name, len(one.seen.slot), one.rate, one.every, one.whole.ordered) for one in found
        ],
        schema=["trace", "accesses", "slots taken", "every k-th block", "order known"], orient="row",
    )  # fmt: skip
    numbers = ("hits", "low", "high", "lru", "belady", "gap", "hazard", "rate")
    found_best = standings(frame)
    shown = found_best.with_columns(
        (pl.col(*numbers) * 100).round(1),
        share=pl.col("share") * 100,
        equals=pl.Series([fewer_named(*row) for row in found_best.select("equals", "best").iter_rows()]),
    )
    about = about.with_columns((pl.col("slots taken", "order known") * 100).round(1))
    words = {
        "share": "memory, %", "equals": "not clearly worse", "lru": "LRU", "belady": "Belady", "gap": "gap to Belady",
        "hazard": curves.HAZARD, "rate": curves.RATE, "over": "interval over",
    }  # fmt: skip
    return shown.join(about, on="trace", how="left", maintain_order="left").rename(words)


def shown_all(frame: pl.DataFrame, p: Caching) -> pl.DataFrame:
    """Return hits of every policy at the quoted size as a table: a line per policy, a column per trace."""
    at = frame.filter(pl.col("share") == p.quote)
    return at.with_columns(hits=(pl.col("hits") * 100).round(1)).pivot("trace", index="policy", values="hits")


def headline(found: list[Place], frame: pl.DataFrame, p: Caching) -> dict[str, Any]:
    """Return the numbers over all traces that the text quotes; all but the counts of wins are at the quoted size."""
    every = standings(frame)
    at = every.filter(pl.col("share") == p.quote)
    counts = at["best"].value_counts().sort(["count", "best"], descending=[True, False])
    behind = {
        name: frame.filter(pl.col("policy") == name, pl.col("share") == p.quote)["behind"].to_numpy()
        for name in curves.CLASSICAL
    }
    safest = min(behind, key=lambda name: behind[name].max())
    return {
        "places": len(found),
        "places_best": ", ".join(f"{name} ({count})" for name, count in counts.iter_rows()),
        "places_safest": safest,
        "places_safest_behind": float(behind[safest].max()),
        "places_gap_low": float(at["gap"].to_numpy().min()),
        "places_gap_high": float(at["gap"].to_numpy().max()),
        "places_points": every.height,
        "places_hazard": every.filter(pl.col("hazard") > pl.col("hits")).height,
        "places_rate": every.filter(pl.col("rate") > pl.col("hits")).height,
    }


def sampling_error(found: list[Place], p: Caching) -> float:
    """Return the largest error of a policy's hits at the quoted size from sampling slots; 0 where nothing is sampled.

    Measured on the trace with the fewest accesses of those that are sampled, which is replayed whole for it.
    """
    sampled = [one for one in found if one.seen is not one.whole]
    if not sampled:
        return 0.0
    shortest = min(sampled, key=lambda one: len(one.whole.slot))
    both = []
    for seen in (shortest.whole, shortest.seen):
        frame = curves.hit_ratios(
            seen, curves.FIXED, [p.quote], border=round(p.train * len(seen.slot)), slot_bytes=p.slot_bytes, draws=20,
            seed=p.seed,
        )  # fmt: skip
        both.append(frame["hits"].to_numpy())
    return float(np.abs(both[0] - both[1]).max())


def orders(found: list[Place], p: Caching) -> pl.DataFrame:
    """Return hits at the quoted size if a block's accesses come by transaction, and if they come by slot.

    Only traces of which at least `KNOWN` of the accesses have a known transaction are compared.

    Returns
    -------
    polars.DataFrame
        ``trace``, ``policy``, ``by transaction``, ``by slot``, ``change`` (points of per cent).
    """
    frames = []
    for one in found:
        if one.whole.ordered < KNOWN:
            continue
        hits = {}
        for order, seen in (("by transaction", one.seen), ("by slot", streams.by_slot(one.seen))):
            frame = curves.hit_ratios(
                seen, curves.FIXED, [p.quote], border=round(p.train * len(seen.slot)), slot_bytes=p.slot_bytes,
                draws=20, seed=p.seed,
            )  # fmt: skip
            hits[order] = (frame["hits"] * 100).round(2)
        names = list(curves.FIXED)
        frames.append(pl.DataFrame({"trace": [one.name] * len(names), "policy": names, **hits}))
    if not frames:
        return pl.DataFrame(schema={"trace": pl.String, "policy": pl.String, "by transaction": pl.Float64,
                                    "by slot": pl.Float64, "change": pl.Float64})  # fmt: skip
    return pl.concat(frames).with_columns(change=(pl.col("by slot") - pl.col("by transaction")).round(2))


KNOWN = 0.3
"""Share of accesses with a known transaction from which on the order inside a block is compared."""
