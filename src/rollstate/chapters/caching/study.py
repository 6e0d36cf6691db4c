"""What the chapter ``caching`` computes: hit ratios of caches with the same bytes, and what survival analysis adds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from rollstate.caching import curves, sampling, streams
from rollstate.chapters.caching.parameters import Caching
from rollstate.errors import InputError
from rollstate.scalars import whole
from rollstate.traces.parts import Parts, load_window
from rollstate.traces.schema import Trace

DRAWN = 2_000_000
"""Accesses of the sample of slots that stands for a trace too large for one process."""


@dataclass(frozen=True)
class Study:
    """A trace with its accesses in order, and hit ratios of all policies.

    Attributes
    ----------
    border : int
        Position of the first access that is judged.
    ratios : polars.DataFrame
        Of `rollstate.caching.curves.hit_ratios`, policies in the order of `rollstate.caching.curves.ORDER`.
    window : Parts or None
        Of what `trace` is a sample of slots, if it is one.
    """

    trace: Trace
    seen: streams.Accesses
    border: int
    ratios: pl.DataFrame
    window: Parts | None = None

    @property
    def taken(self) -> float:
        """Share of the slots that are replayed."""
        return 1.0 if self.window is None else self.window.share(DRAWN)


def study(p: Caching) -> Study:
    """Read the trace, train on its first accesses, and judge every policy on the others.

    Of a trace that is read part by part about `DRAWN` accesses are replayed, those of slots drawn at random.
    """
    if p.quote not in p.shares:
        raise InputError(f"quote {p.quote:g} must be one of the shares {p.shares}")
    read = load_window(p.trace)
    window = read if isinstance(read, Parts) else None
    trace = read.sample_of_slots(DRAWN, seed=p.seed) if isinstance(read, Parts) else read
    seen = streams.accesses(trace)
    border = round(p.train * len(seen.slot))
    every = curves.FIXED | curves.survival_policies(seen, border, seed=p.seed)
    every = {name: every[name] for name in curves.ORDER}
    return Study(trace, seen, border, ratios(seen, every, sorted(p.shares), border, p), window)


def notes(found: Study) -> list[str]:
    """Say in sentences what a sample of slots means for the hit ratios; nothing where all slots are replayed."""
    if found.window is None:
        return []
    drawn, every = found.trace.accesses.height, found.window.accesses
    return [
        f"Hit ratios are those of a random sample of slots, which has {drawn:,} of the {every:,} accesses of the trace, all of "
        "those of each slot that was drawn.",
        "Caches have as much smaller room as the sample has fewer slots, so that a share of the bytes means the same as on all "
        "slots, and intervals resample the contracts of the sample. LFU need not hit what it would hit on all slots, because its "
        f"counters do not age. Nor need any policy in room for less than {sampling.FEWEST_PLACES} slots of the sample; the least room "
        f"here is for {whole(found.ratios['room'].min()):,}.",
    ]


def ratios(
    seen: streams.Accesses, policies: dict[str, curves.Policy], shares: list[float], border: int, p: Caching
) -> pl.DataFrame:
    """Return hit ratios with the chapter's bytes per slot, draws and seed."""
    return curves.hit_ratios(
        seen, policies, shares, border=border, slot_bytes=p.slot_bytes, draws=p.draws, seed=p.seed
    )


def headline(found: Study, p: Caching) -> dict[str, Any]:
    """Return the numbers that the text quotes."""
    at = {name: curves.row(found.ratios, name, p.quote) for name in curves.ORDER}
    best = max(curves.CLASSICAL, key=lambda name: at[name].value)
    out: dict[str, Any] = {
        "share": float(p.quote),
        "sizes": len(p.shares),
        "repeated": int(curves.repeated(found.seen.slot, found.border).sum()),
        "ordered": float(found.seen.ordered),
        "best": best,
        "best_hits": at[best],
        "lru": at[curves.LRU],
        "lfu": at[curves.LFU],
        "filled": at[curves.FILLED],
        "wiped": at[curves.WIPED],
        "belady": at[curves.BELADY],
        "hazard": at[curves.HAZARD],
        "rate": at[curves.RATE],
    }
    for key, name in (("hazard", curves.HAZARD), ("rate", curves.RATE)):
        closed = curves.gap_closed(found.ratios, name)
        out[f"{key}_wins"] = closed.filter(pl.col("closed") > 0).height
        there = closed.filter(pl.col("share") == p.quote)["closed"][0]
        # Without a gap the best classical policy is the bound itself, and nothing is left to close.
        out[f"{key}_closed"] = 0.0 if there is None else float(there)
    return out


def order_effect(found: Study, p: Caching) -> float:
    """Return the largest change of a fixed policy's hit ratio at the quoted size if blocks are ordered by slot."""
    by_slot = streams.accesses(found.trace, streams.BY_SLOT)
    other = ratios(by_slot, curves.FIXED, [p.quote], found.border, p)
    changes = [
        abs(curves.row(other, name, p.quote).value - curves.row(found.ratios, name, p.quote).value)
        for name in curves.FIXED
    ]
    return float(max(changes))


def gaps(found: Study) -> pl.DataFrame:
    """Return the share of the gap that each survival policy closes: ``policy``, ``share``, ``best``, ``closed``.

    Raises
    ------
    InputError
        If there is a gap at no size of memory.
    """
    table = pl.concat(
        curves.gap_closed(found.ratios, name).select(pl.lit(name).alias("policy"), "share", "best", "closed")
        for name in (curves.HAZARD, curves.RATE)
    )
    if table["closed"].is_null().all():
        raise InputError("at no size of memory does the best classical policy hit less than Belady's rule")
    return table


def standings(found: Study) -> pl.DataFrame:
    """Return hit ratios as a table: a line per policy, a column per size, and the bytes beside a slot."""
    beside = dict(curves.SURVIVAL_BESIDE)
    for name, policy in curves.FIXED.items():
        beside[name] = policy.beside + policy.ghosts * (curves.HASH + curves.LINKS)
    wide = found.ratios.with_columns(
        share=pl.col("share").map_elements(lambda x: f"{100 * x:g}\u202f%", return_dtype=pl.String),
        hits=(100 * pl.col("hits")).round(1),
    ).pivot("share", index="policy", values="hits")
    return wide.with_columns(
        pl.Series("bytes beside a slot", [round(float(beside[name]), 1) for name in wide["policy"]])
    )
