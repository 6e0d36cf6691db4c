"""What the chapter ``eda`` computes: frequencies, gaps, their tail, working sets, pairs of slots, interval rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from lifelines import KaplanMeierFitter, NelsonAalenFitter

from rollstate import intervals, scalars, tails
from rollstate.bootstrap import cluster_samples, cluster_weights, percentile_interval
from rollstate.chapters.eda import bands
from rollstate.chapters.eda.bands import Spells
from rollstate.chapters.eda.parameters import Eda
from rollstate.chapters.eda.sums import Sums
from rollstate.errors import InputError
from rollstate.intervals import ACTIVITY
from rollstate.product_limit import cumulative_hazard, survival_of
from rollstate.profile import Profile, load_window, of_parts
from rollstate.profile import counts as profile_counts
from rollstate.profile.rows import whole_spells
from rollstate.risk_table import RiskTable
from rollstate.traces import dependence, working_set
from rollstate.traces.parts import Parts
from rollstate.traces.schema import Capability, Trace
from rollstate.traces.visits import events, per_slot

ALL, COMPLETED = "all spells", "completed gaps alone"
MERGED = "merged"
MOST_STRATA = 5
_ACTIVITY = {
    "first": "1st access",
    "few": "2nd to 4th access",
    "many": "5th access or later",
    MERGED: "all accesses",
}
COUNTS_ALONE = (
    "A profile counts slots one by one and does not hold {what}: take the trace that it was made from."
)
"""What a section says that needs the accesses themselves."""


@dataclass(frozen=True)
class Answer:
    """What one section found.

    Attributes
    ----------
    numbers : dict
        Results by name.
    frame : polars.DataFrame or None
        What is drawn; None where the trace gives nothing to draw.
    facts : dict
        What the figure wants to know beside its frame.
    missing : tuple of str
        Results that this trace cannot give, and `why`, in a sentence.
    """

    numbers: dict[str, Any] = field(default_factory=dict)
    frame: pl.DataFrame | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True)
class Window:
    """The window of a trace, or the whole of a profile, and its spells.

    Attributes
    ----------
    data : Trace or Profile
        The accesses, or counts of them; of a trace in parts its profile.
    spells : polars.DataFrame
        Distinct spells by contract: ``contract_id``, ``duration``, ``event``, ``entry``, ``activity``, the label of the
        strata, and ``count``, how often each occurs.
    no_spells : str
        Why there is none, in a sentence; empty where there are some.
    clustered : polars.DataFrame or None
        What intervals are drawn from, where `spells` do not know it: those of a profile by random group.
    parts : Parts or None
        What `data` was reduced from, where that can be read again.
    """

    data: Trace | Profile
    spells: pl.DataFrame
    no_spells: str = ""
    clustered: pl.DataFrame | None = None
    parts: Parts | None = None
    _sums: dict[tuple[int, ...], Sums] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def capability(self) -> Capability:
        """The stamp of the data."""
        return self.data.capability

    @property
    def clusters(self) -> str:
        """What intervals resample, in words."""
        return self.data.clusters if isinstance(self.data, Profile) else "contracts"

    @classmethod
    def of(cls, trace: Trace, label: str = "activity") -> Window:
        """Build the spells of a trace and count them."""
        names = list(dict.fromkeys(("contract_id", "duration", "event", "entry", "activity", label)))
        try:
            spells = intervals.build(trace, columns=names)
        except InputError as error:
            if trace.capability.sees_every_block:
                raise
            return cls(trace, pl.DataFrame(), _sentence(f"{error}."))
        if spells.is_empty():
            return cls(
                trace,
                spells,
                "The window holds no spell: it needs two blocks and an access before the last of them.",
            )
        return cls(trace, spells.group_by(names).len("count").sort(names))

    @classmethod
    def of_parts(cls, parts: Parts) -> Window:
        """Reduce a stored trace to its profile, and keep its parts for what counts of slots one by one do not hold."""
        return replace(cls.of_profile(of_parts(parts)), parts=parts)

    @classmethod
    def of_profile(cls, profile: Profile) -> Window:
        """Take the spells of a profile; intervals rest on its random groups, on a coarser grid."""
        if not profile.capability.sees_every_block:
            try:
                profile.capability.require("every_block", "a gap between accesses")
            except InputError as error:
                return cls(profile, pl.DataFrame(), _sentence(f"{error}."))
        fine, coarse = (_of_groups(whole_spells(profile, by_group=by_group)) for by_group in (False, True))
        return cls(profile, fine, "The profile holds no spell." if fine.is_empty() else "", coarse)

    @cached_property
    def all(self) -> Spells:
        """All spells."""
        return Spells.of(self.spells)

    @cached_property
    def events(self) -> pl.DataFrame:
        """`rollstate.traces.visits.events` of a trace."""
        if isinstance(self.data, Profile):
            raise InputError(COUNTS_ALONE.format(what="which slots a block touches"))
        return events(self.data)

    @property
    def accesses(self) -> Trace | Parts | None:
        """Where the accesses themselves are; None of a profile whose trace is not at hand."""
        return self.parts if isinstance(self.data, Profile) else self.data

    def sums(self, lags: Sequence[int]) -> Sums:
        """Return what blocks and contracts touch, looking back so many blocks where the window can tell.

        The parts of a stored trace are read once for all sections that ask for the same lags.
        """
        if self.accesses is None:
            raise InputError(COUNTS_ALONE.format(what="which slots a block touches"))
        usable = tuple(working_set.usable_lags(self.accesses, lags))
        if usable not in self._sums:
            self._sums[usable] = (
                Sums.of_parts(self.accesses, usable)
                if isinstance(self.accesses, Parts)
                else Sums.of(self.accesses, usable, rows=self.events)
            )
        return self._sums[usable]


def _of_groups(spells: pl.DataFrame) -> pl.DataFrame:
    """Return the spells of a profile in the columns of `Window`."""
    names = dict(enumerate(ACTIVITY))
    return spells.select(
        pl.col("group").alias("contract_id"),
        "duration",
        "event",
        pl.lit(0, pl.Int64).alias("entry"),
        pl.col("activity").replace_strict(names, default=MERGED, return_dtype=pl.String),
        "count",
    )


def window(p: Eda) -> Window:
    """Return the window, or the profile, that the parameters name; a large stored trace is read part by part."""
    seen = load_window(p.trace, p.window_start, p.window_stop, keys=False)
    if isinstance(seen, Parts):
        return Window.of_parts(seen)
    return Window.of_profile(seen) if isinstance(seen, Profile) else Window.of(seen, p.strata)


def frequency(seen: Window, p: Eda) -> Answer:
    """Return the share of touched slots that at least so many blocks touch: ``visits``, ``share``, ``low``, ``high``."""
    if isinstance(seen.data, Profile):
        visits, contract = profile_counts.touches(seen.data)
    else:
        touched = per_slot(seen.events)
        visits, contract = touched["blocks"].to_numpy(), touched["contract_id"].to_numpy()
    levels = np.unique(np.append(np.geomspace(1, visits.max(), 30).astype(int), 2))
    # Slots of each contract by their highest level, then at each level or a higher one.
    _, code = np.unique(contract, return_inverse=True)
    reached = np.zeros((code.max() + 1, len(levels)))
    np.add.at(reached, (code, np.searchsorted(levels, visits, "right") - 1), 1)
    reached = reached[:, ::-1].cumsum(1)[:, ::-1]
    low, high = bands.ends(
        (
            (weights @ reached) / (weights @ reached[:, 0])
            for weights in cluster_weights(len(reached), p.draws, p.seed)
        ),
        len(reached),
    )
    share = reached.sum(0) / len(visits)
    frame = bands.frame({"visits": levels, "share": share, "low": low, "high": high})
    again = frame.row(1, named=True)
    return Answer({"touched_again": bands.estimate(again["share"], again["low"], again["high"])}, frame)


def strata(spells: pl.DataFrame, wanted: str) -> tuple[pl.DataFrame, str]:
    """Return the spells with a column ``stratum``, in order, and what it is.

    Activity takes the place of a label that the trace does not give to every spell. Of many labels the most frequent
    ones are kept, the others are one stratum.
    """
    if wanted not in spells.columns or wanted == "activity" or spells[wanted].null_count():
        order = list(_ACTIVITY.values())
        named = pl.col("activity").cast(pl.String).replace_strict(_ACTIVITY)
        wanted = "activity"
    else:
        counts = spells[wanted].cast(pl.String).value_counts(sort=True)[wanted].to_list()
        order = sorted(counts[:MOST_STRATA]) + (["other"] if len(counts) > MOST_STRATA else [])
        label = pl.col(wanted).cast(pl.String)
        named = pl.when(label.is_in(order)).then(label).otherwise(pl.lit("other"))
    return spells.with_columns(stratum=named.cast(pl.Enum(order))).sort(
        "stratum", maintain_order=True
    ), wanted


def gaps(seen: Window, p: Eda) -> Answer:
    """Return survival curves of the gap by stratum, by lifelines, and what completed gaps alone would say.

    Returns
    -------
    Answer
        Its frame has ``stratum``, ``gap`` from 0 on, ``survival``, ``low``, ``high``, and the spells ``at_risk`` after
        that gap, and the ``events`` and ``censored`` ones up to it. The stratum `COMPLETED` has the survival alone.
    """
    if seen.no_spells:
        names = ("spells", "censored_share", "horizon", "open_share", "naive_open_share")
        return Answer(missing=names, why=seen.no_spells)
    spells, by = strata(seen.spells, p.strata)
    whole, longest = seen.all, int(seen.all.duration.max())
    grid = _grid(longest)
    parts = []
    for (name,), part in spells.group_by("stratum", maintain_order=True):
        one = Spells.of(part)
        fit = KaplanMeierFitter().fit(**bands.begun(one).rows)
        low, high = _band(seen, str(name), one, grid, p)
        curve = {"stratum": [str(name)] * len(grid), "gap": grid, "survival": fit.predict(grid).to_numpy()}
        parts.append(bands.frame({**curve, "low": low, "high": high, **_counts(fit.event_table, grid)}))
    horizon = longest // 2
    low, high = _band(seen, ALL, whole, np.array([horizon]), p)
    still_open = KaplanMeierFitter().fit(**bands.begun(whole).rows).predict(horizon)
    numbers = {
        "spells": int(whole.count.sum()),
        "censored_share": float(whole.count[~whole.event].sum() / whole.count.sum()),
        "horizon": horizon,
        "open_share": bands.estimate(float(still_open), low[0], high[0]),
    }
    facts = {"by": by.replace("_", " ")}
    if not whole.event.any():
        return Answer(
            numbers, pl.concat(parts), facts, ("naive_open_share",), "No gap is completed in this window."
        )
    table = whole.table.whole
    until = np.r_[0, np.cumsum(table.events)] / table.events.sum()
    completed = 1 - until[np.searchsorted(table.time, grid, "right")]
    naive = pl.DataFrame({"stratum": [COMPLETED] * len(grid), "gap": grid, "survival": completed})
    numbers["naive_open_share"] = float(1 - until[np.searchsorted(table.time, horizon, "right")])
    return Answer(numbers, pl.concat([*parts, naive], how="diagonal"), facts)


def _counts(table: Any, grid: np.ndarray) -> dict[str, np.ndarray]:
    """Return the spells at risk after each gap time, and those with and without an event up to it, of lifelines' table."""
    table = table.reindex(table.index.union(grid)).sort_index()
    return {
        "at_risk": (table["at_risk"] - table["removed"]).ffill()[grid].to_numpy().astype(int),
        "events": table["observed"].fillna(0).cumsum()[grid].to_numpy().astype(int),
        "censored": table["censored"].fillna(0).cumsum()[grid].to_numpy().astype(int),
    }


def _grid(longest: int) -> np.ndarray:
    """Return the gap times at which curves are drawn: each one, or some three hundred."""
    every = np.arange(longest + 1)
    return every if longest <= 400 else np.unique(np.linspace(0, longest, 300).astype(int))


def hazard(seen: Window, p: Eda) -> Answer:
    """Return the chance of another access per block, by gap time and stratum.

    The increments of lifelines' Nelson-Aalen estimate over runs of gap times that double in length, over that length.

    Returns
    -------
    Answer
        Its frame has ``stratum``, ``above`` and ``to`` (gap times), ``hazard``, ``low``, ``high``; runs without a spell
        at risk throughout are left out, and nothing is drawn where no gap ends.
    """
    if seen.no_spells:
        return Answer(missing=("hazard_first", "hazard_late"), why=seen.no_spells)
    longest = int(seen.all.duration.max())
    edges = np.append(2 ** np.arange(longest.bit_length()) - 1, longest)
    spells, _ = strata(seen.spells, p.strata)
    strata_of = spells.group_by("stratum", maintain_order=True)
    late = np.array([longest // 2, longest])
    parts, late_ends = [], list[tuple[np.ndarray, np.ndarray]]()
    for name, one in ((ALL, seen.all), *((str(name), Spells.of(part)) for (name,), part in strata_of)):
        until = edges[edges <= one.duration.max()]
        if len(until) < 2:
            continue
        fit = NelsonAalenFitter(nelson_aalen_smoothing=False).fit(**one.rows)
        rate = np.diff(fit.cumulative_hazard_at_times(until).to_numpy()) / np.diff(until)
        ends, *of_late = _rates(seen, name, one, [until, late] if name == ALL else [until], p)
        late_ends = late_ends or of_late
        runs = {"above": until[:-1], "to": until[1:], "hazard": rate, "low": ends[0], "high": ends[1]}
        parts.append(bands.frame({"stratum": [name] * len(rate), **runs}))
    if not parts or late[0] < 1:
        names = ("hazard_first", "hazard_late")
        return Answer(missing=names, why="The window is too short for a gap to be followed.")
    first, (low, high) = parts[0].row(0, named=True), late_ends[0]
    numbers = {
        "hazard_first": bands.estimate(first["hazard"], first["low"], first["high"]),
        "hazard_late": bands.estimate(_rate(seen.all.table.whole, [late])[0], low[0], high[0]),
    }
    return Answer(numbers, pl.concat(parts) if seen.all.event.any() else None)


def _clustered(seen: Window, stratum: str, p: Eda) -> Spells | None:
    """Return what intervals of a profile's stratum are drawn from; None where its spells know their clusters."""
    if seen.clustered is None:
        return None
    part = seen.clustered
    if stratum != ALL:
        part = strata(part, p.strata)[0].filter(pl.col("stratum").cast(pl.String) == stratum)
    return Spells.of(part) if part.height else None


def _band(seen: Window, stratum: str, one: Spells, grid: np.ndarray, p: Eda) -> tuple[np.ndarray, np.ndarray]:
    """Return the band of a curve; that of a profile has the width of the coarser grid, about the curve of the finer."""
    coarse = _clustered(seen, stratum, p)
    low, high = bands.survival(coarse or one, grid, draws=p.draws, seed=p.seed)
    if coarse is None:
        return low, high
    shift = survival_of(one.table.whole, grid) - survival_of(coarse.table.whole, grid)
    return np.clip(low + shift, 0, 1), np.clip(high + shift, 0, 1)


def _rates(
    seen: Window, stratum: str, one: Spells, edges: list[np.ndarray], p: Eda
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the ends of the interval of `_rate`, as `_band` does, for each array of edges."""
    coarse = _clustered(seen, stratum, p)
    table = (coarse or one).table
    parts = np.cumsum([len(until) - 1 for until in edges])
    drawn = (_rate(part, edges) for part in table.draws(p.draws, p.seed))
    low, high = bands.ends(drawn, table.clusters, (parts[-1],))
    if coarse is not None:
        shift = _rate(one.table.whole, edges) - _rate(table.whole, edges)
        low, high = np.maximum(low + shift, 0), high + shift
    return list(zip(np.split(low, parts[:-1]), np.split(high, parts[:-1]), strict=True))


def _rate(table: RiskTable, edges: list[np.ndarray]) -> np.ndarray:
    """Return the mean hazard between neighbouring edges of each array, one after the other."""
    at = np.cumsum([len(until) for until in edges])[:-1]
    hazards = np.split(cumulative_hazard(table, np.concatenate(edges)), at)
    return np.concatenate([np.diff(one) / np.diff(until) for one, until in zip(hazards, edges, strict=True)])


def tail(seen: Window, p: Eda) -> tuple[Answer, pl.DataFrame | None]:
    """Return the Hill plot and the verdict on a power-law tail, and the comparison with other tails."""
    if seen.no_spells:
        names = ("tail_verdict", "tail_reasons", "naive_alpha_small_k", "naive_alpha_large_k")
        return Answer(missing=names, why=seen.no_spells), None
    spells = seen.all
    completed = np.repeat(spells.duration[spells.event], spells.count[spells.event])
    naive: dict[str, Any] = {}
    for name, k in (
        ("naive_alpha_small_k", min(50, len(completed) // 20)),
        ("naive_alpha_large_k", min(2_000, len(completed) // 4)),
    ):
        try:
            naive[name] = tails.completed_hill(completed, k)
        except InputError:
            continue
    lacks = tuple({"naive_alpha_small_k", "naive_alpha_large_k"} - set(naive))
    why = "The window holds too few completed gaps of different lengths for a Hill estimate."
    try:
        table = (_clustered(seen, ALL, p) or spells).table
        plot = tails.hill_plot_of(table)
        found = tails.assess_of(table, k=p.k_rule, seed=p.seed, draws=min(p.draws, 40))
    except InputError as error:
        said = {"tail_verdict": tails.UNIDENTIFIED, "tail_reasons": _sentence(str(error))}
        return Answer({**said, **naive}, missing=lacks, why=why), None
    numbers = {
        "tail_verdict": found.verdict,
        "tail_reasons": _sentence("; ".join(found.reasons) or "no objection was found"),
        **naive,
    }
    low, high = found.k_interval
    facts = {"chosen_k": found.fit.exceedances, "k_low": low, "k_high": high, "drift": found.drift}
    return Answer(numbers, plot, facts, lacks, why), found.alternatives


def reuse(seen: Window, p: Eda) -> Answer:
    """Return the share of a block's slots that the blocks before it touched: ``lag``, ``share``, ends, ``touches``."""
    names = ("lag_short", "reuse_short", "lag_long", "reuse_long")
    if seen.accesses is None:
        return Answer(missing=names, why=COUNTS_ALONE.format(what="which slots a block touches"))
    sums = seen.sums(p.lags)
    if not sums.touches.lags:
        if lacking := seen.capability.lacks(["every_block"]):
            why = (
                f"What the last blocks hold of a block's slots cannot be told from this source: {lacking[0]}."
            )
        else:
            why = "The window is shorter than the shortest look back."
        return Answer(missing=names, why=why)
    shares = pl.concat(
        [
            working_set.reuse_share(working_set.reuse(one), seed=p.seed, draws=p.draws).with_columns(
                touches=pl.lit(name)
            )
            for name, one in (("all touches", sums.touches), ("writes alone", sums.writes))
        ]
    )
    every = shares.filter(pl.col("touches") == "all touches")
    if every.is_empty():
        why = "No block that touches a slot has observed blocks before it."
        return Answer(missing=names, why=why)
    numbers: dict[str, Any] = {}
    for name, at in (("short", min(1, every.height - 1)), ("long", -1)):
        row = every.row(at, named=True)
        numbers |= {
            f"lag_{name}": row["lag"],
            f"reuse_{name}": bands.estimate(row["share"], row["low"], row["high"]),
        }
    return Answer(numbers, shares)


def co_access(seen: Window, p: Eda) -> Answer:
    """Return how often slots of a contract meet in a block over what its calls alone would do, by active blocks.

    Returns
    -------
    Answer
        Its frame has ``active`` (class in words), ``contracts``, ``quantile`` ("median" or "90th percentile"),
        ``value``, ``low``, ``high``.
    """
    if seen.accesses is None:
        names = ("co_access_contracts", "co_access_lift", "co_access_upper")
        return Answer(missing=names, why=COUNTS_ALONE.format(what="which slots are touched together"))
    pairs = dependence.co_access(seen.sums(p.lags).calls, min_active=p.min_active)
    numbers: dict[str, Any] = {"co_access_contracts": pairs.height}
    if pairs.height < 2:
        return Answer(
            numbers,
            missing=("co_access_lift", "co_access_upper"),
            why="Fewer than two contracts are active often enough for their pairs of slots to be judged.",
        )
    steps = p.min_active * 2 ** np.arange(40)
    edges = steps[steps <= scalars.whole(pairs["active"].max())][:5].tolist()
    rows = []
    for first, behind in zip(edges, [*edges[1:], None], strict=True):
        inside = (pl.col("active") >= first) & (pl.lit(True) if behind is None else pl.col("active") < behind)
        lift = pairs.filter(inside)["lift"].to_numpy()
        words = f"{first} or more" if behind is None else f"{first} to {behind - 1}"
        rows += [(words, len(lift), *one) for one in _quantiles(lift, p)] if len(lift) >= 2 else []
    whole = _quantiles(pairs["lift"].to_numpy(), p)
    rows += [("all of these", pairs.height, *one) for one in whole]
    for name, (_, *ends) in zip(("co_access_lift", "co_access_upper"), whole, strict=True):
        numbers[name] = bands.estimate(*ends)
    schema = ["active", "contracts", "quantile", "value", "low", "high"]
    return Answer(numbers, pl.DataFrame(rows, schema=schema, orient="row"))


def _quantiles(values: np.ndarray, p: Eda) -> list[tuple[str, float, float, float]]:
    """Return median and 90th percentile with their bootstrap intervals."""
    rows = []
    for name, level in (("median", 0.5), ("90th percentile", 0.9)):
        drawn = [
            np.quantile(values[picked], level)
            for picked in cluster_samples(np.arange(len(values)), p.draws, p.seed)
        ]
        rows.append((name, float(np.quantile(values, level)), *percentile_interval(np.array(drawn))))
    return rows


def autocorrelation(seen: Window, p: Eda) -> Answer:
    """Return the mean autocorrelation of busy contracts by lag, and how many of them differ from noise.

    A long window is read in runs of blocks: shuffling each block of each contract would say no more.
    """
    names = ("periodic_contracts", "periodic_share", "lags_outside", "lags_tried")
    if seen.accesses is None:
        return Answer(missing=names, why=COUNTS_ALONE.format(what="the visits of a contract block by block"))
    if not seen.capability.sees_every_block:
        why = "Blocks that were not observed would count as blocks without a visit, which makes a rhythm of its own."
        return Answer(missing=names, why=why)
    width = -(-seen.capability.n_blocks // 1_000)
    _, series = dependence.activity(seen.sums(p.lags).calls, p.min_visits, width)
    max_lag = min(p.max_lag, series.shape[1] // 3)
    numbers: dict[str, Any] = {"periodic_contracts": len(series)}
    if not len(series) or max_lag < 1:
        return Answer(
            numbers,
            missing=("periodic_share", "lags_outside", "lags_tried"),
            why="No contract has enough visits in enough blocks for an autocorrelation.",
        )
    adjusted, by_lag = dependence.autocorrelation_test(series, max_lag, seed=p.seed, draws=p.permutations)
    outside = by_lag.filter(~pl.col("mean").is_between(pl.col("low"), pl.col("high"))).height
    numbers |= {
        "periodic_share": float((adjusted < 0.05).mean()),
        "lags_outside": outside,
        "lags_tried": max_lag,
    }
    frame = by_lag.with_columns(pl.col("lag") * width)
    return Answer(numbers, frame, {"width": width, "contracts": len(series)})


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
