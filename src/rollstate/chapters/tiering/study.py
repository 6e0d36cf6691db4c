"""What the chapter ``tiering`` computes: policies judged on later blocks, at many penalties, beside simple rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from rollstate import intervals
from rollstate.bootstrap import Resampling, resampling
from rollstate.caching import curves, sampling, streams
from rollstate.chapters.tiering import profiles
from rollstate.chapters.tiering.parameters import Tiering
from rollstate.compendium.stamps import Model
from rollstate.errors import InputError
from rollstate.estimate import Estimate
from rollstate.horizons.rules import HINDSIGHT
from rollstate.profile import Profile, load_window
from rollstate.scalars import real
from rollstate.survival import landmarks, peer
from rollstate.survival.spell_sample import Sampled, Whole, draw
from rollstate.tiering import costs, evaluation, policies, published, replay, trial, windows
from rollstate.tiering.names import PUBLISHED
from rollstate.tiering.policies import CLAIRVOYANT, PROPOSED, REGRET, SKI, TUNED
from rollstate.traces import datasets
from rollstate.traces.parts import Parts
from rollstate.traces.schema import Capability, Trace

FURTHER = {
    policies.CALIBRATED: "calibrating the curves",
    policies.REGRET: "minimax regret",
    policies.CONFORMAL: "conformal bounds",
    policies.BY_ACTIVITY: "a window per activity class",
    policies.CHOSEN: "choosing the rule on earlier blocks",
}
"""What was tried beside the proposed policy, in words."""


@dataclass(frozen=True)
class Study:
    """One chain: its trace and spells, the trial at the border, and every policy's cost at every penalty.

    Attributes
    ----------
    seen : Trace or Parts
        The accesses.
    source : Whole or Sampled
        Its spells, or a sample of those of a trace that is read in parts.
    table : polars.DataFrame
        Of `rollstate.tiering.trial.judge`, with the clusters ``contract`` and ``time``.
    by_contract : Resampling
        Samples of whole contracts of the judged spells.
    """

    seen: Trace | Parts
    source: Whole | Sampled
    trial: trial.Trial
    table: pl.DataFrame
    by_contract: Resampling

    @property
    def judged(self) -> pl.DataFrame:
        """`table` with intervals over contracts."""
        return self.table.filter(pl.col("cluster") == "contract").drop("cluster")

    @property
    def train_blocks(self) -> int:
        """Blocks that policies know."""
        return self.trial.border - self.capability.window_start + 1

    @property
    def capability(self) -> Capability:
        """The stamp of what the study rests on."""
        return self.source.capability


def window(p: Tiering) -> Trace | Profile | Parts:
    """Return the window of the trace that the parameters name, or the profile."""
    return load_window(p.trace, p.window_start, p.window_stop, keys=False)


def study(seen: Trace | Profile | Parts, p: Tiering) -> Study:
    """Set windows at the border of a trace, and replay them on the blocks behind it.

    Of a trace that is read in parts spells are drawn at random (`rollstate.survival.spell_sample`).

    Raises
    ------
    InputError
        If the trace cannot carry it: nothing is seen on one side of the border, no access ends a gap before it, or
        there are blocks that were not observed; or it is a profile.
    """
    if isinstance(seen, Profile):
        raise InputError(profiles.NO_SLOTS)
    stamp = seen.capability
    stamp.require("every_block", "a window's cost on later blocks")
    border = stamp.window_start + round(p.train * stamp.n_blocks) - 1
    if isinstance(seen, Parts):
        borders = (border, trial.earlier_border(stamp.window_start, border), *_edges(stamp))
        source: Whole | Sampled = draw(seen, seed=p.seed, borders=borders)
    else:
        source = Whole(intervals.build(seen), stamp)
    tried = trial.prepare(source.spells, border, seed=p.seed, mixture_at=source.mixture, first=source.first)
    runs = tried.future["start"].to_numpy() // max(1, stamp.n_blocks // 10)
    by_contract = resampling(tried.future["contract_id"].to_numpy(), p.draws, p.seed)
    samples = {"contract": by_contract, "time": resampling(runs, p.draws, p.seed)}
    return Study(seen, source, tried, trial.judge(tried, p.misses, samples), by_contract)


# The published comparison.


def published_rule(p: Tiering) -> dict[str, Any]:
    """Return what the published rule, with its search, costs on its authors' synthetic trace at its own penalty."""
    trace = datasets.load_trace(p.peer)
    window = (
        trace.capability.window_start + trace.capability.n_blocks // 5,
        trace.capability.window_stop,
    )
    rows, at = peer.rows(trace, window), costs.two_tiers(100_000)
    seen = replay.Gaps(
        np.zeros(len(rows)), rows["duration"].to_numpy().astype(float), rows["event"].to_numpy()
    )
    outcome = replay.replay(seen, published.windows(peer.fit(rows), rows, at), at)
    return {
        "peer_misses": int(outcome.miss_cold.sum()),
        "peer_total": int(outcome.cost.sum()),
        "peer_gain": float(outcome.cost.sum() / windows.tuned(seen, at)[1]),
    }


@dataclass(frozen=True)
class Published:
    """The published sweep over penalties beside simple rules on the same gaps.

    Attributes
    ----------
    sweep : polars.DataFrame
        ``policy``, ``miss``, ``total``, ``ratio`` (to the clairvoyant's cost).
    counts : dict
        Counts over published points; empty without the published data.
    stamp : Stamp
        What it is computed from.
    """

    sweep: pl.DataFrame
    counts: dict[str, int]
    stamp: Any


def published_sweep(p: Tiering) -> Published:
    """Replay simple rules on the published gaps; without them on the spells of the trace, and nothing is counted."""
    if p.peer == datasets.SAMPLE:
        trace = datasets.load_trace(p.peer)
        gaps = replay.gaps(intervals.build(trace))
        return Published(_simple_sweep(gaps, p.misses), {}, trace.capability)
    folder = datasets.locate(p.peer)
    gaps = published.gaps_of(pl.read_csv(folder / "scroll_100k_gaps.csv"))
    stated = (
        pl.read_csv(folder / "scroll_100k_published_sweep.csv")
        .select("policy", miss=pl.col("ell").cast(pl.Float64), total=pl.col("total_cost").cast(pl.Float64))
        .unique()
    )
    own = stated.filter(pl.col("policy").is_in(["stat", "statistical"])).select("miss", "total").sort("miss")
    simple = _simple_sweep(gaps, own["miss"].to_list())
    bound = simple.select("miss", bound=pl.col("total") / pl.col("ratio")).unique("miss")
    points = own.join(bound, on="miss", validate="1:1", maintain_order="left").select(
        pl.lit(PUBLISHED).alias("policy"), "miss", "total", ratio=pl.col("total") / pl.col("bound")
    )
    stamp = Model("published gaps of the peer's Scroll run")
    return Published(pl.concat([points, simple]), published_counts(stated, own, simple), stamp)


def _simple_sweep(gaps: replay.Gaps, misses: Sequence[float]) -> pl.DataFrame:
    rules = {
        HINDSIGHT: lambda at: windows.tuned(gaps, at)[0],
        SKI: windows.ski_rental,
        policies.ALWAYS: lambda at: 0.0,
        policies.NEVER: lambda at: np.inf,
    }
    swept = evaluation.sweep(gaps, rules, misses)
    bound = swept.filter(pl.col("policy") == CLAIRVOYANT).select("miss", bound="total")
    return (
        swept.filter(pl.col("policy") != CLAIRVOYANT)
        .join(bound, on="miss", maintain_order="left")
        .select("policy", "miss", "total", ratio=pl.col("total") / pl.col("bound"))
        .sort(pl.col("policy").cast(pl.Enum(list(rules))), "miss", maintain_order=True)
        .with_columns(pl.col("policy").cast(pl.String))
    )


def published_counts(stated: pl.DataFrame, own: pl.DataFrame, simple: pl.DataFrame) -> dict[str, int]:
    """Return at how many published points simple rules do as well or better.

    Parameters
    ----------
    stated : polars.DataFrame
        Published rows: ``policy``, ``miss``, ``total``.
    own : polars.DataFrame
        Those of the published policy: ``miss``, ``total``.
    simple : polars.DataFrame
        Simple rules on the same gaps: ``policy``, ``miss``, ``total``.
    """
    beside = own.join(simple.pivot("policy", index="miss", values="total"), on="miss", validate="1:1")
    kept = stated.filter(pl.col("policy") == "no_prune").select("miss", kept="total")
    long = stated.filter(pl.col("policy").is_in(["fixed_30d", "fixed_90d"])).join(kept, on="miss")
    return {
        "published_points": own.height,
        "published_beaten": beside.filter(pl.col(HINDSIGHT) < pl.col("total")).height,
        "published_always": beside.filter((pl.col(policies.ALWAYS) - pl.col("total")).abs() < 0.5).height,
        "months": long.height,
        "months_same": long.filter(pl.col("total") == pl.col("kept")).height,
    }


# Policies on later blocks.


def standings(judged: pl.DataFrame) -> pl.DataFrame:
    """Return one line per policy, over the penalties at which the judged blocks can tell, best first.

    Parameters
    ----------
    judged : polars.DataFrame
        `Study.judged`.

    Returns
    -------
    polars.DataFrame
        ``policy``, ``differs``, ``below``, ``cheaper``, ``more_expensive`` (numbers of penalties, against the cheapest simple
        rule), ``mean_ratio`` (geometric), ``worst_ratio`` and ``worst_factor`` (over the clairvoyant).
    """
    return (
        judged.filter(pl.col("told") & (pl.col("policy") != CLAIRVOYANT))
        .group_by("policy", maintain_order=True)
        .agg(
            differs=pl.col("differs").sum(),
            below=(pl.col("differs") & (pl.col("ratio") < 1)).sum(),
            cheaper=(pl.col("verdict") == "cheaper").sum(),
            more_expensive=(pl.col("verdict") == "more expensive").sum(),
            mean_ratio=pl.col("ratio").log().mean().exp(),
            worst_ratio=pl.col("ratio").max(),
            worst_factor=pl.col("factor").max(),
        )
        .sort("mean_ratio", maintain_order=True)
    )


def headline(found: Study, prefix: str = "") -> dict[str, Any]:
    """Return the numbers of one chain that the text quotes, with a prefix before their names.

    Counts are over all penalties; the lowest and highest ratio are over those at which the judged blocks can tell.
    """
    own = found.judged.filter(pl.col("policy") == PROPOSED)
    told = own.filter("told").sort("ratio", maintain_order=True)
    robust = found.judged.filter(pl.col("policy") == REGRET)
    out: dict[str, Any] = {
        "told": told.height,
        "differs": int(own["differs"].sum()),
        "cheaper": own.filter(pl.col("verdict") == "cheaper").height,
        "more_expensive": own.filter(pl.col("verdict") == "more expensive").height,
        "competitive": real(own["factor"].max()),
        "robust_differs": int(robust["differs"].sum()),
        "robust_below": robust.filter(pl.col("differs") & (pl.col("ratio") < 1)).height,
        "robust_cheaper": robust.filter(pl.col("verdict") == "cheaper").height,
        "robust_more_expensive": robust.filter(pl.col("verdict") == "more expensive").height,
    }
    if told.height:
        out |= {"best_ratio": _ratio(told, 0), "worst_ratio": _ratio(told, -1), "best_at": told["miss"][0]}
    return {prefix + name: value for name, value in out.items()}


NOT_TOLD = "At no penalty that was asked for can the judged blocks tell policies apart: they are too few."


def time_and_ski(found: Study) -> dict[str, Any]:
    """Return how often the proposed policy wins with runs of blocks as clusters, and ski rental's worst factor."""
    by_time = found.table.filter(pl.col("cluster") == "time", pl.col("policy") == PROPOSED)
    return {
        "cheaper_time": by_time.filter(pl.col("verdict") == "cheaper").height,
        "competitive_ski": real(found.judged.filter(pl.col("policy") == SKI)["factor"].max()),
    }


STANDINGS = (
    "Policies on {where} over the penalties at which its blocks can tell, best first: at how many their cost differs from "
    "that of the cheapest simple rule, is lower, and is clearly lower or higher; mean ratio (geometric), highest ratio, and "
    "highest cost over the clairvoyant's."
)


def shown_standings(found: Study) -> pl.DataFrame:
    """Return `standings` as the table shows them: named in words, rounded."""
    frame = standings(found.judged)
    if not frame.height:
        frame = pl.DataFrame(
            {name: ["none can be told apart" if name == "policy" else None] for name in frame.columns}
        )
    words = {
        "below": "lower",
        "cheaper": "clearly lower",
        "more_expensive": "clearly higher",
        "mean_ratio": "mean ratio",
        "worst_ratio": "highest ratio",
        "worst_factor": "highest / clairvoyant",
    }
    return frame.with_columns(pl.col(pl.Float64).round(3)).rename(words)


def never(best: pl.DataFrame) -> int:
    """Return at how many penalties no policy is cheaper than never demoting, from `winners`."""
    return best.filter(pl.col("winner") == policies.NEVER).height


def threshold_range(by_tau: pl.DataFrame) -> dict[str, float]:
    """Return the lowest and highest cost of the probability threshold over its horizon, from `horizons`."""
    ratio = by_tau.filter(pl.col("policy") == policies.THRESHOLD)["ratio"]
    return {"tau_best": real(ratio.min()), "tau_worst": real(ratio.max())}


def drift_range(drift: pl.DataFrame) -> dict[str, float]:
    """Return the highest cost over the best window of the fold, from `folds`."""
    return {"drift": real(drift[FOLD[4]].max()), "drift_proposed": real(drift[FOLD[5]].max())}


def _ratio(rows: pl.DataFrame, position: int) -> Estimate:
    return Estimate(*rows.select("ratio", "ratio_low", "ratio_high").row(position))


def what_helps(studies: Sequence[Study]) -> dict[str, str]:
    """Return what has a lower mean cost than the proposed policy on some chain, and what on none, in words."""
    helping = set()
    for found in studies:
        mean = dict(standings(found.judged).select("policy", "mean_ratio").iter_rows())
        helping |= {name for name in FURTHER if mean.get(name, np.inf) < mean.get(PROPOSED, np.inf)}
    no_help = ", ".join(words for name, words in FURTHER.items() if name not in helping)
    help_ = ", ".join(words for name, words in FURTHER.items() if name in helping)
    return {"help": help_ or "nothing", "no_help": no_help or "nothing that was tried"}


def winners(judged: pl.DataFrame) -> pl.DataFrame:
    """Return the cheapest policy at each penalty: ``miss``, ``told``, ``winner``, ``simple``, ``ratio``, ``verdict``.

    The clairvoyant and chance are left out; of equally cheap policies the simpler one, which is listed first, wins.
    """
    return (
        judged.filter(~pl.col("policy").is_in([CLAIRVOYANT, policies.RANDOM]))
        .sort("total", maintain_order=True)
        .group_by("miss", maintain_order=True)
        .first()
        .sort("miss")
        .select("miss", "told", winner="policy", simple="simple", ratio="ratio", verdict="verdict")
    )


def measured(found: Study, p: Tiering) -> pl.DataFrame:
    """Return what each policy keeps, hits and pays at the quoted penalty: ``policy``, ``metric``, ``value``, ends."""
    tried, at = found.trial, costs.two_tiers(p.quote)
    # One after the other: what each spell does under a policy is as large as the spells.
    return pl.concat(
        evaluation.metrics_with_intervals(
            tried.test, {name: replay.replay(tried.test, window, at)}, at, found.by_contract
        )
        for name, window in trial.set_windows(tried, at).items()
        if name != policies.RANDOM
    )


def metric(frame: pl.DataFrame, policy: str, name: str) -> Estimate:
    """Return one number of `measured`."""
    row = frame.row(by_predicate=(pl.col("policy") == policy) & (pl.col("metric") == name), named=True)
    return Estimate(row["value"], row["low"], row["high"])


def _cheapest_simple(tried: trial.Trial, at: costs.Costs) -> float:
    rules = (policies.RULES[name] for name in policies.SIMPLE)
    return min(replay.paid(tried.test, rule(tried, at), at).sum() for rule in rules)


def horizons(found: Study, p: Tiering) -> pl.DataFrame:
    """Return the cost of the probability threshold by its horizon, and of expected cost, which has none.

    Returns
    -------
    polars.DataFrame
        ``policy``, ``tau`` (blocks), ``ratio`` to the cheapest simple rule.
    """
    tried, at = found.trial, costs.two_tiers(p.quote)
    taus = np.unique(np.round(np.geomspace(1, max(2.0, tried.longest), 12)))
    least = _cheapest_simple(tried, at)
    by_tau = [windows.cutoff(tried.cox, tried.grid, at, tau)[tried.row] for tau in taus]
    rows = [
        (policies.THRESHOLD, tau, replay.paid(tried.test, window, at).sum() / least)
        for tau, window in zip(taus, by_tau, strict=True)
    ]
    own = replay.paid(tried.test, policies.expected_cox(tried, at), at).sum() / least
    rows += [(PROPOSED, tau, own) for tau in taus]
    return pl.DataFrame(rows, schema=["policy", "tau", "ratio"], orient="row")


MISJUDGED = (TUNED, SKI, PROPOSED)


def misjudged(found: Study, p: Tiering) -> pl.DataFrame:
    """Return what a wrong penalty costs: ``policy``, ``factor`` (assumed over true), ``ratio`` to the cost when right."""
    tried, true = found.trial, costs.two_tiers(p.quote)
    rows = []
    for name in MISJUDGED:
        rule = policies.RULES[name]
        right = replay.paid(tried.test, rule(tried, true), true).sum()
        for factor in (0.01, 0.1, 1.0, 10.0, 100.0):
            window = rule(tried, costs.two_tiers(p.quote * factor))
            rows.append((name, factor, replay.paid(tried.test, window, true).sum() / right))
    return pl.DataFrame(rows, schema=["policy", "factor", "ratio"], orient="row")


def worst_tenfold(frame: pl.DataFrame, policy: str) -> float:
    """Return what a tenfold error of the penalty costs a policy on its worse side, from `misjudged`."""
    return real(frame.filter(pl.col("policy") == policy, pl.col("factor").is_in([0.1, 10.0]))["ratio"].max())


FOLD = [
    "fold",
    "from block",
    "window tuned before",
    "best window after",
    "tuned over best window",
    "proposed over best window",
    "proposed over clairvoyant",
]


def folds(found: Study, p: Tiering) -> pl.DataFrame:
    """Move the border: each fold trains on what lies before it and is judged on the next sixth of the window.

    A fold without spells behind its border, or without accesses before it, is left out.
    """
    rows = []
    for number, (edge, until) in enumerate(_edges(found.capability).items(), start=1):
        if (paid := _fold(found, edge, until, p)) is not None:
            rows.append((number, edge + 1, *paid))
    return pl.DataFrame(rows, schema=FOLD, orient="row")


def _edges(stamp: Capability) -> dict[int, int]:
    """Return the last block that each fold knows, and the last one that it is judged on."""
    first, last = stamp.window_start, stamp.window_stop - 1
    step = max(2, stamp.n_blocks // 6)
    edges = (first + (number + 1) * step - 1 for number in range(1, 5))
    return {edge: min(edge + step, last) for edge in edges if edge < last}


def _fold(found: Study, edge: int, until: int, p: Tiering) -> tuple[float, ...] | None:
    """Return what `folds` says of a border, from the window tuned before it on; None where nothing can be learned."""
    at = costs.two_tiers(p.quote)
    try:
        fold = trial.at_border(
            landmarks.as_of(found.source.spells, until), edge, seed=p.seed, mixture_at=found.source.mixture
        )
    except InputError:
        return None
    best, least = windows.tuned(fold.test, at)
    tuned, proposed = (
        replay.paid(fold.test, policies.RULES[name](fold, at), at).sum() for name in (TUNED, PROPOSED)
    )
    bound = replay.clairvoyant(fold.test, at).sum()
    return float(policies.tuned(fold, at)), best, tuned / least, proposed / least, proposed / bound


# Three tiers.

TIERS = ("two windows", "published placement", "all in RAM", "all on SSD", "all cold")
PRICES = (1e-4, 1e-2, 1.0)
"""Values of a second, as multiples of the parameter, at which three tiers are compared."""


def prices(p: Tiering) -> pl.DataFrame:
    """Return what the tiers are taken to cost: ``tier``, ``usd_per_gib_month``, ``latency_s``, ``source``."""
    return pl.DataFrame(
        [
            {
                "tier": name,
                "$ per GiB and month": one.usd_per_gib_month,
                "latency, s": one.latency_s,
                "source": one.source,
            }
            for name, one in costs.MEDIA.items()
        ]
    )


def worksheet(p: Tiering, factor: float = 1.0) -> costs.Costs:
    """Return the costs of the three tiers in dollars, with the value of a second multiplied by a factor."""
    return costs.worksheet(
        costs.MEDIA, slot_bytes=p.slot_bytes, block_s=p.block_s, usd_per_s=p.usd_per_s * factor
    )


def break_even(p: Tiering) -> dict[str, float]:
    """Return how long a slot may idle in RAM (hours) and on SSD (days) until a miss below would have cost as much."""
    sheet = worksheet(p)
    ssd = sheet.miss_ssd / (sheet.ram - sheet.ssd) * p.block_s
    cold = (sheet.miss_cold - sheet.miss_ssd) / (sheet.ssd - sheet.cold) * p.block_s
    return {"ssd_break_even": ssd / 3600, "cold_break_even": cold / 86_400}


def three_tiers(found: Study, p: Tiering) -> pl.DataFrame:
    """Replay the two-window rule, the published placement and each tier alone at several values of a second.

    Returns
    -------
    polars.DataFrame
        ``usd_per_s``, ``policy``, ``ram``, ``ssd`` (shares of slot-blocks), ``hits`` (share of accesses found in RAM),
        ``total`` (dollars) and ``ratio`` to the cheapest single tier.
    """
    tried, rows = found.trial, []
    for factor in PRICES:
        sheet = worksheet(p, factor)
        curves = (tried.cox, tried.grid, sheet)
        pairs: dict[str, tuple[Any, Any]] = {
            TIERS[0]: windows.exact_three(*curves),
            TIERS[1]: windows.literal_three(*curves, tried.tau),
            TIERS[2]: (np.inf, np.inf),
            TIERS[3]: (0.0, np.inf),
            TIERS[4]: (0.0, 0.0),
        }
        done = {}
        for name, (first, second) in pairs.items():
            if np.ndim(first):
                first, second = first[tried.row], second[tried.row]
            done[name] = evaluation.metrics(
                tried.test, replay.replay(tried.test, first, sheet, second), sheet
            )
        least = min(done[name]["total"] for name in TIERS[2:])
        rows += [
            {
                "usd_per_s": p.usd_per_s * factor,
                "policy": name,
                "ram": one["ram_ratio"],
                "ssd": one["ssd_share"],
                "hits": one["hit_coverage"],
                "total": one["total"],
                "ratio": one["total"] / least,
            }
            for name, one in done.items()
        ]
    return pl.DataFrame(rows)


def three(frame: pl.DataFrame, p: Tiering, policy: str, column: str) -> float:
    """Return one number of `three_tiers` at the parameter's value of a second."""
    at = (pl.col("usd_per_s") == p.usd_per_s) & (pl.col("policy") == policy)
    return float(frame.row(by_predicate=at, named=True)[column])


def quoted_tiers(frame: pl.DataFrame, p: Tiering) -> dict[str, float]:
    """Return the numbers of `three_tiers` that the text quotes."""
    two, literal = TIERS[:2]
    return {
        "three_ram": three(frame, p, two, "ram"),
        "three_ssd": three(frame, p, two, "ssd"),
        "three_ratio": three(frame, p, two, "ratio"),
        "three_published": three(frame, p, literal, "ratio"),
    }


# RAM with a limit.

BELADY = curves.BELADY
CACHED = 4_000_000
"""Accesses, about, of the slots that caches are replayed on where the trace is read in parts."""
CACHES = (curves.LRU, curves.LFU, curves.LIRS, curves.S3FIFO, curves.WTINYLFU, curves.GDSF, BELADY)


def cache_hits(found: Study, p: Tiering) -> pl.DataFrame:
    """Return hits among repeated accesses by cache and share of the footprint's bytes.

    Every cache has the same bytes, its metadata included. Of a trace that is read in parts caches are replayed on some
    of its slots, with as much less room (`rollstate.caching.sampling`).

    Returns
    -------
    polars.DataFrame
        ``policy``, ``share``, ``hits``, ``hits_low``, ``hits_high``, of `rollstate.caching.curves.hit_ratios`.
    """
    trace = found.seen
    if isinstance(trace, Parts):
        trace = trace.sample_of_slots(CACHED, seed=p.seed)
    seen = streams.accesses(trace)
    caches = {name: curves.FIXED[name] for name in CACHES}
    ratios = curves.hit_ratios(
        seen, caches, sorted(p.capacities), border=0, slot_bytes=p.slot_bytes, draws=p.draws, seed=p.seed,
        cluster=sampling.clusters(seen, seed=p.seed)[0],
    )  # fmt: skip
    return ratios.select("policy", "share", "hits", "hits_low", "hits_high")


def cache_note(found: Study) -> str:
    """Say in a sentence that caches are replayed on a sample of slots; nothing where they have all of them."""
    if not isinstance(found.seen, Parts):
        return ""
    return (
        f"Caches are replayed on slots drawn at random, which have about {min(CACHED, found.seen.accesses):,} of the "
        f"{found.seen.accesses:,} accesses, with as much less room; the bars hold what that adds, but for LFU, whose counters do "
        "not age."
    )


def quoted_hits(hits: pl.DataFrame, p: Tiering) -> dict[str, Any]:
    """Return the numbers of `cache_hits` at the middle one of the sizes."""
    middle = sorted(p.capacities)[len(p.capacities) // 2]
    at = {name: curves.row(hits, name, middle) for name in CACHES}
    online = max((name for name in CACHES if name != BELADY), key=lambda name: at[name].value)
    return {
        "capacity": float(middle),
        "lru": at["LRU"],
        "belady": at[BELADY],
        "best_online": online,
        "best_online_hits": at[online],
    }
