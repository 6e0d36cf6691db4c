r"""Models of the gap as generators of future visits: every slot a renewal process whose law changes as it ages.

A visit is a slot touched in an observed block. A model says how long a slot stays idle after a visit, given what is
known then: how many visits it has had (class :math:`c`) and how long the last gap was. From the state at the end of
training it is run forwards: an idle slot waits for :math:`W - e` blocks more, :math:`P(W > t \mid W > e) = S_c(t) /
S_c(e)`; a touched one draws a new wait from the curve of its new class. Slots not seen before arrive as they did in an
equal span before. So a model answers about anything that can be measured on a trace, and it is measured alike on both.

All clocks count observed blocks. Of a chain of which every k-th block was observed these are models of what is seen in
such blocks: their gaps are no gaps of the chain, but reuse by lag is the chain's.

Sources: Markov renewal processes: Cinlar (1969), https://doi.org/10.2307/1426216; the gamma-Poisson law of rates:
`rollstate.horizons.posterior`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import polars as pl
from scipy import optimize

from rollstate.errors import InputError
from rollstate.horizons import posterior
from rollstate.horizons.rules import FEWEST
from rollstate.product_limit import product_limit
from rollstate.profile.grid import GAPS
from rollstate.survival import parametric
from rollstate.survival.cox import ConvergenceError
from rollstate.survival.steps import step_hazard
from rollstate.traces.schema import Trace

LEAST_AT_RISK = 30
"""Spells at risk before which a curve with delayed entry does not begin to fall."""

Draw = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Numbers of slots, their visits so far, last gaps and idle times, shape (n,) each, to the blocks until the next visit
counted from the last one; infinity if there is none."""


@dataclass(frozen=True)
class Visits:
    """Slots and the blocks that touch them, sorted by slot and block, each pair once.

    Attributes
    ----------
    slot, block : array of int64, shape (n,)
    """

    slot: np.ndarray
    block: np.ndarray

    @property
    def gap(self) -> np.ndarray:
        """Blocks since the slot's visit before, int64, shape (n,); 0 for its first one."""
        return np.where(self._first, 0, np.diff(self.block, prepend=0))

    @property
    def number(self) -> np.ndarray:
        """Which visit of its slot each is, from 1, int64, shape (n,)."""
        at = np.arange(len(self.slot))
        return at - np.maximum.accumulate(np.where(self._first, at, 0)) + 1

    @property
    def _first(self) -> np.ndarray:
        return np.diff(self.slot, prepend=-1) != 0

    def take(self, rows: np.ndarray) -> Visits:
        """Return the visits of a mask."""
        return Visits(self.slot[rows], self.block[rows])


def in_order(slot: np.ndarray, block: np.ndarray) -> Visits:
    """Return visits in any order, blocks from 0, as sorted ones."""
    size = int(block.max(initial=0)) + 1
    slot, block = np.divmod(np.sort(slot.astype(np.int64) * size + block), size)
    return Visits(slot, block)


def visits(trace: Trace) -> Visits:
    """Return the visits of a trace, its blocks counted from the start of the window."""
    table = trace.accesses.select("slot_id", "block_number").unique().sort("slot_id", "block_number")
    return Visits(
        table["slot_id"].to_numpy().astype(np.int64),
        table["block_number"].to_numpy().astype(np.int64) - trace.capability.window_start,
    )


@dataclass(frozen=True)
class Known:
    """Spells and slots as known when block `stop` begins.

    Attributes
    ----------
    stop : int
        The first block that is not known.
    number, gap, age, entry, duration : array of int64, shape (n,)
        Of each spell: visits so far, gap before it (0 if none), blocks from the slot's first visit to its start, and
        the gap times between which it is at risk; unended ones up to the last block.
    event : array of bool, shape (n,)
        Whether a visit ended it.
    slot, visits, last_gap, idle, seen : array of int64, shape (m,)
        Of each slot: its number, visits so far, last gap, idle time at the last block, and the time since its first
        visit.
    """

    stop: int
    number: np.ndarray
    gap: np.ndarray
    age: np.ndarray
    entry: np.ndarray
    duration: np.ndarray
    event: np.ndarray
    slot: np.ndarray
    visits: np.ndarray
    last_gap: np.ndarray
    idle: np.ndarray
    seen: np.ndarray


def known(of: Visits, stop: int, since: int = 0) -> Known:
    """Return what is known of visits when block `stop` begins.

    Parameters
    ----------
    of : Visits
    stop : int
    since : int
        Spells are at risk from this block on; visits before it count as history, and spells begun before it enter late.

    Raises
    ------
    InputError
        If there is no visit before it.
    """
    before = of.take(of.block < stop)
    if not len(before.slot):
        raise InputError(
            f"no slot is touched before block {stop} of the window: there is nothing to learn from"
        )
    last = np.diff(before.slot, append=-1) != 0
    number, gap = before.number, before.gap
    until = np.where(last, stop - 1, np.append(before.block[1:], 0))
    duration = until - before.block
    entry = np.maximum(since - 1 - before.block, 0)
    at_risk = duration > entry
    first = before.block[number == 1]
    age = before.block - np.repeat(first, number[last])
    return Known(
        stop,
        number[at_risk],
        gap[at_risk],
        age[at_risk],
        entry[at_risk],
        duration[at_risk],
        ~last[at_risk],
        before.slot[last],
        number[last],
        gap[last],
        duration[last],
        stop - 1 - first,
    )


def octaves(values: np.ndarray) -> np.ndarray:
    """Return 0 for 0, 1 for 1, 2 for 2 to 3, 3 for 4 to 7, ..., as `rollstate.profile.classes.octave_class`."""
    return np.frexp(np.asarray(values, float))[1].astype(np.int64)


def access_classes(number: np.ndarray) -> np.ndarray:
    """Return 0 for one visit, 1 for two, 2 for 3 to 4, 3 for 5 to 8, ...: `access_class` less one."""
    return octaves(np.asarray(number) - 1)


class Law(Protocol):
    """A fitted model of the gap."""

    def start(self, of: Known, newcomers: int, rng: np.random.Generator) -> Draw:
        """Return the draw of waits for one run: slots are numbered as in `of`, then the newcomers."""

    def score(self, of: Known, visits: np.ndarray) -> np.ndarray:
        """Return what known slots are ranked by, shape (m,), from their mean numbers of visits over all runs."""


@dataclass(frozen=True)
class Curves:
    """Survival curves by class of visits so far and by octave of the last gap.

    Attributes
    ----------
    survival : array of float64, shape (curves, blocks + 1)
        At gaps of 0, 1, ... blocks.
    of : array of int64, shape (classes, octaves)
        Which curve a class has; later classes and octaves have that of the last.
    """

    survival: np.ndarray
    of: np.ndarray

    def which(self, number: np.ndarray, gap: np.ndarray) -> np.ndarray:
        """Return the curve of each slot, shape (n,)."""
        rows, columns = (size - 1 for size in self.of.shape)
        return self.of[np.minimum(access_classes(number), rows), np.minimum(octaves(gap), columns)]

    def start(self, of: Known, newcomers: int, rng: np.random.Generator) -> Draw:
        """See `Law.start`."""
        blocks = self.survival.shape[1]
        # Curves one behind the other, each rising from an even number by at most one: one search serves all.
        fallen = (2 * np.arange(len(self.survival))[:, None] + 1 - self.survival).ravel()

        def draw(who: np.ndarray, number: np.ndarray, gap: np.ndarray, idle: np.ndarray) -> np.ndarray:
            curve = self.which(number, gap)
            left = self.survival[curve, np.minimum(idle, blocks - 1)]
            at = np.searchsorted(fallen, 2 * curve + 1 - rng.random(len(curve)) * left) - curve * blocks
            # Idle for longer than every gap of its class: given up.
            return np.where((at < blocks) & (left > 0), np.maximum(at, idle + 1), np.inf)

        return draw

    def score(self, of: Known, visits: np.ndarray) -> np.ndarray:
        """See `Law.score`: slots of one curve and idle time are alike to the model, and are given their mean."""
        alike = self.which(of.visits, of.last_gap) * (of.stop + 1) + of.idle
        _, code, size = np.unique(alike, return_inverse=True, return_counts=True)
        return (np.bincount(code, visits) / size)[code]


@dataclass(frozen=True)
class Rates:
    """A constant rate of each slot, drawn from the posterior of a gamma law."""

    prior: posterior.Prior

    def mean(self, of: Known) -> np.ndarray:
        """Return the posterior mean rate of each known slot, shape (m,)."""
        return (self.prior.shape + of.visits - 1) / (self.prior.rate + of.seen)

    def start(self, of: Known, newcomers: int, rng: np.random.Generator) -> Draw:
        """See `Law.start`; at most one visit in a block."""
        shape = np.append(self.prior.shape + of.visits - 1, np.full(newcomers, self.prior.shape))
        time = np.append(self.prior.rate + of.seen, np.full(newcomers, self.prior.rate))
        chance = np.clip(rng.gamma(shape) / time, 1e-12, 1 - 1e-12)

        def draw(who: np.ndarray, number: np.ndarray, gap: np.ndarray, idle: np.ndarray) -> np.ndarray:
            wait = np.ceil(np.log1p(-rng.random(len(who))) / np.log1p(-chance[who]))
            return idle + np.maximum(wait, 1)

        return draw

    def score(self, of: Known, visits: np.ndarray) -> np.ndarray:
        """See `Law.score`: the posterior mean of the rate."""
        return self.mean(of)


def fit_pooled(of: Known, blocks: int) -> Curves:
    """Fit one Kaplan-Meier curve for all spells, at gaps up to `blocks`."""
    return Curves(_product_limit(of, slice(None), blocks)[None], np.zeros((1, 1), np.int64))


def fit_classes(of: Known, blocks: int) -> Curves:
    """Fit a Kaplan-Meier curve for each class of visits so far."""
    return _by_class(of, lambda here: _product_limit(of, here, blocks))


def fit_parametric(of: Known, blocks: int, family: parametric.Family) -> Curves:
    """Fit a parametric curve for each class of visits so far, by maximum likelihood.

    The model and its likelihood are those of `rollstate.survival.parametric` without covariates, of which two numbers
    are left: spells alike are counted, and a simplex search takes no time, where lifelines takes seconds for a class.
    """
    times = np.arange(blocks + 1)[1:]
    log_survival = parametric.FAMILIES[family].log_survival

    def curve(here: np.ndarray) -> np.ndarray:
        # Entry, last gap time known to be survived, end: each combination once.
        size = blocks + 1
        code, count = np.unique(
            (of.entry * size + of.duration - of.event)[here] * size + of.duration[here], return_counts=True
        )
        cells = np.column_stack([code // size**2, code // size % size, code % size]).astype(float)
        ended = cells[:, 1] < cells[:, 2]
        logs = np.log(np.maximum(cells, parametric.SOON))

        def negative(theta: np.ndarray) -> float:
            entered, before, at = log_survival((logs - theta[0]) / np.exp(theta[1])).T
            with np.errstate(divide="ignore", invalid="ignore"):
                within = np.where(ended, np.log(-np.expm1(at - before)), 0.0)
            value = -float((count * (within + before - entered)).sum() / count.sum())
            return value if np.isfinite(value) else np.inf

        weight = count * ended
        middle = float(weight @ logs[:, 2] / weight.sum())
        found = optimize.minimize(
            negative,
            [middle, 0.5],
            method="Nelder-Mead",
            options={"xatol": 1e-5, "fatol": 1e-10, "maxfev": 4_000},
        )
        if not found.success:
            raise ConvergenceError(f"{family}: no maximum of the likelihood was found ({found.message})")
        return np.append(1.0, np.exp(log_survival((np.log(times) - found.x[0]) / np.exp(found.x[1]))))

    return _by_class(of, curve)


def fit_table(of: Known, blocks: int) -> Curves:
    """Fit a Kaplan-Meier curve for each class of visits and octave of the last gap with enough completed gaps."""
    coarse = fit_classes(of, blocks)
    rows = np.minimum(access_classes(of.number), len(coarse.of) - 1)
    columns = octaves(of.gap)
    events = np.zeros((len(coarse.of), int(columns.max()) + 1), np.int64)
    np.add.at(events, (rows, columns), of.event)
    curves, which = list(coarse.survival), np.repeat(coarse.of, events.shape[1], axis=1)
    for row, column in np.argwhere(events >= FEWEST):
        here = (rows == row) & (columns == column)
        which[row, column] = len(curves)
        curves.append(_product_limit(of, here, blocks))
    return Curves(np.array(curves), which)


def fit_rates(of: Known) -> Rates:
    """Fit the gamma law of rates over slots, by `rollstate.horizons.posterior.fit`."""
    mean_gap = of.age // np.maximum(of.number - 1, 1)
    pieces = pl.DataFrame(
        {
            "event": of.event,
            "accesses": access_classes(of.number) + 1,
            "pace": octaves(mean_gap),
            "duration": GAPS.index(of.duration),
            "entry": GAPS.index(of.entry),
            "rows": np.ones(len(of.duration), np.int64),
            "ends": of.duration.astype(float),
            "begins": of.entry.astype(float),
        }
    )
    return Rates(posterior.fit(pieces))


def _by_class(of: Known, curve: Callable[[np.ndarray], np.ndarray]) -> Curves:
    """Return a curve for each class of visits, up to the last one with enough completed gaps; it takes all above."""
    code = access_classes(of.number)
    enough = np.bincount(code, of.event) >= FEWEST
    classes = int(np.argmin(np.append(enough, False)))
    if not classes:
        raise InputError(
            f"fewer than {FEWEST} slots are touched again in the training blocks: no curve can be fitted; take a "
            "longer trace"
        )
    code = np.minimum(code, classes - 1)
    curves = [curve(code == one) for one in range(classes)]
    return Curves(np.array(curves), np.arange(classes)[:, None])


def _product_limit(of: Known, here: np.ndarray | slice, blocks: int) -> np.ndarray:
    """Return the product-limit curve at gaps 0 to `blocks`; beyond the last event the fitted tail goes on."""
    duration, entry = of.duration[here], of.entry[here]
    events = np.bincount(duration[of.event[here]], minlength=blocks + 1)
    # At risk at a gap time: entered before it, not ended before it.
    entered, ended = (np.bincount(one, minlength=blocks + 1) for one in (entry, duration))
    at_risk = np.cumsum(entered) - entered - (np.cumsum(ended) - ended)
    time = np.flatnonzero(events)
    table = product_limit(time.astype(float), events[time], at_risk[time], min_at_risk=LEAST_AT_RISK)
    time, survival, events = (table[name].to_numpy() for name in ("time", "survival", "events"))
    times = np.arange(blocks + 1)
    curve = np.append(1.0, survival)[np.searchsorted(time, times, "right")]
    some = survival > 0
    tail = step_hazard(time[some], -np.log(survival[some]), events[some])
    if np.isfinite(tail.tail_index):
        late = times > tail.last
        curve[late] *= (times[late] / tail.last) ** -tail.tail_index
    return curve


def run(law: Law, of: Known, arrivals: np.ndarray, *, seed: int) -> Visits:
    """Return the visits of one run of a model over the blocks after training.

    Parameters
    ----------
    law : Law
    of : Known
        The state at the end of training.
    arrivals : array of int, shape (blocks,)
        Slots touched for the first time in each block of the run.
    seed : int
        Of the run.

    Returns
    -------
    Visits
        From block ``of.stop`` on; known slots by their row in `of`, newcomers behind them.
    """
    rng = np.random.default_rng(seed)
    blocks, m, new = len(arrivals), len(of.slot), int(arrivals.sum())
    # Blocks are counted from the last one of training.
    born = np.repeat(np.arange(1, blocks + 1), arrivals)
    who = np.arange(m + new)
    at = np.append(-of.idle, born)
    number, gap = (
        np.append(of.visits, np.ones(new, np.int64)),
        np.append(of.last_gap, np.zeros(new, np.int64)),
    )
    idle = np.append(of.idle, np.zeros(new, np.int64))
    draw = law.start(of, new, rng)
    slots, when = [who[m:]], [born]
    while len(who):
        wait = draw(who, number, gap, idle)
        going = at + wait <= blocks
        who, number, gap = who[going], number[going] + 1, wait[going].astype(np.int64)
        at = at[going] + gap
        idle = np.zeros(len(who), np.int64)
        slots.append(who)
        when.append(at)
    return in_order(np.concatenate(slots), np.concatenate(when) + of.stop - 1)
