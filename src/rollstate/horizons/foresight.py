r"""What models of the gap foretell of blocks to come, beside what came: reuse by lag, coverage, hot sets.

Training blocks come first, the judged ones after them. Every model of `rollstate.horizons.renewal` is run over the
judged blocks, and what comes out is measured as the trace itself is: reuse at lag L within the judged blocks; the
share of visits that a window of w blocks covers, that is, whose slot was visited at most w blocks before; and the
share of visits that fall on the k slots that the model ranks first. The simplest forecasts are the baseline: reuse of
the training blocks, coverage of as many blocks before the border, and the k slots visited most often.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rollstate.compiled import compiled
from rollstate.errors import InputError
from rollstate.horizons import renewal
from rollstate.horizons.renewal import Known, Law, Visits
from rollstate.survival.cox import ConvergenceError

CARRIED = "carried forward"
"""The baseline."""
POOLED, BY_VISITS, TABLE, RATES = (
    "one curve",
    "Kaplan-Meier by visits",
    "table of visits and last gap",
    "gamma-Poisson per slot",
)
WEIBULL, LOGNORMAL, LOGLOGISTIC = "Weibull by visits", "log-normal by visits", "log-logistic by visits"
MODELS: dict[str, Callable[[Known, int], Law]] = {
    POOLED: renewal.fit_pooled,
    BY_VISITS: renewal.fit_classes,
    WEIBULL: lambda of, blocks: renewal.fit_parametric(of, blocks, "weibull"),
    LOGNORMAL: lambda of, blocks: renewal.fit_parametric(of, blocks, "lognormal"),
    LOGLOGISTIC: lambda of, blocks: renewal.fit_parametric(of, blocks, "loglogistic"),
    TABLE: renewal.fit_table,
    RATES: lambda of, blocks: renewal.fit_rates(of),
}
"""Every model under trial by name, named before any of them was scored."""
PERIODS = 10
"""Equal parts of the judged blocks that intervals resample."""


@dataclass(frozen=True)
class Measured:
    """Counts by period of some blocks, that everything shown is a ratio of.

    Attributes
    ----------
    pairs, chances : array of int64, shape (lags, periods)
        Visits whose slot is visited exactly a lag later, and visits that could be.
    covered : array of int64, shape (windows, periods)
        Visits whose slot was visited at most a window before.
    visits : array of int64, shape (periods,)
    """

    pairs: np.ndarray
    chances: np.ndarray
    covered: np.ndarray
    visits: np.ndarray

    def __add__(self, other: Measured) -> Measured:
        return Measured(*(getattr(self, name) + getattr(other, name) for name in vars(self)))

    def reuse(self, weights: np.ndarray) -> np.ndarray:
        """Return reuse at each lag, shape (lags,), periods weighted."""
        return self.pairs @ weights / np.maximum(self.chances @ weights, 1)

    def coverage(self, weights: np.ndarray) -> np.ndarray:
        """Return the share of visits that each window covers, shape (windows,), periods weighted."""
        return self.covered @ weights / np.maximum(self.visits @ weights, 1)


def measure(
    of: Visits,
    start: int,
    observed: np.ndarray,
    lags: np.ndarray,
    windows: np.ndarray,
    periods: int = PERIODS,
) -> Measured:
    """Count visits from block `start` on.

    Parameters
    ----------
    of : Visits
        With the visits before `start` that coverage looks back on.
    start : int
        First block that counts.
    observed : array of bool, shape (blocks,)
        Whether each block was observed; its length is the end.
    lags, windows : array of int64
        In blocks.
    periods : int
        Equal parts of the blocks.
    """
    stop = len(observed)
    chosen = (of.block >= start) & (of.block < stop)
    chosen[chosen] = observed[of.block[chosen]]
    gap, of = of.gap[chosen], of.take(chosen)
    period = (of.block - start) * periods // (stop - start)
    code = of.slot * stop + of.block

    def count(rows: np.ndarray) -> np.ndarray:
        return np.bincount(period[rows], minlength=periods)

    pairs, chances = [], []
    for lag in lags:
        could = of.block + lag < stop
        could[could] = observed[of.block[could] + lag]
        pairs.append(count(could & _again(code, int(lag))))
        chances.append(count(could))
    covered = [count((gap > 0) & (gap <= window)) for window in windows]
    every = np.bincount(period, minlength=periods)
    return Measured(np.array(pairs), np.array(chances), np.array(covered), every)


@compiled
def _again(code: np.ndarray, lag: int) -> np.ndarray:
    """Return for each of ascending numbers whether the number `lag` above it is there too."""
    found = np.zeros(code.size, np.bool_)
    at = 0
    for i in range(code.size):
        while at < code.size and code[at] < code[i] + lag:
            at += 1
        found[i] = at < code.size and code[at] == code[i] + lag
    return found


def first_ranked(score: np.ndarray, k: int) -> np.ndarray:
    """Return how much of each slot is among the k of the highest score, shape (m,): those that tie share the rest."""
    _, code, size = np.unique(-score, return_inverse=True, return_counts=True)
    before = np.cumsum(size) - size
    return np.clip((k - before) / size, 0, 1)[code]


@dataclass(frozen=True)
class Foretold:
    """What one forecast says.

    Attributes
    ----------
    reuse, coverage : array of float64
        At each lag, and of each window.
    served : array of float64, shape (periods,)
        Visits of each period of the judged blocks on its hot set: what came.
    expected : float
        Share of the visits that it says fall on its hot set.
    visits : float
        Visits that it says there are.
    """

    reuse: np.ndarray
    coverage: np.ndarray
    served: np.ndarray
    expected: float
    visits: float


@dataclass(frozen=True)
class Foresight:
    """What came in the judged blocks, and what every forecast said.

    Attributes
    ----------
    start, stop : int
        The judged blocks.
    lags, windows : array of int64
    came : Measured
    best : array of float64, shape (periods,)
        Visits on the hot set that is best in hindsight.
    said : dict of str to Foretold
        By name, `CARRIED` first.
    failed : dict of str to str
        Models that have no fit on these blocks, and why.
    """

    start: int
    stop: int
    lags: np.ndarray
    windows: np.ndarray
    came: Measured
    best: np.ndarray
    said: dict[str, Foretold]
    failed: dict[str, str]


def foresee(
    of: Visits, observed: np.ndarray, *, start: int, hot: int, runs: int, seed: int, periods: int = PERIODS
) -> Foresight:
    """Fit every model on the blocks before `start` and run it over those from there on.

    Parameters
    ----------
    of : Visits
        Of all blocks.
    observed : array of bool, shape (blocks,)
    start : int
        First judged block.
    hot : int
        Slots in the hot set.
    runs : int
        Runs of each model that are measured; one more ranks the slots.
    seed : int
        Of the first run.
    periods : int
        Equal parts of the judged blocks.

    Raises
    ------
    InputError
        If there are fewer judged blocks than two for each period, or more than training blocks; or nothing is learnt
        in training.
    """
    stop = len(observed)
    judged = stop - start
    if not 2 * periods <= judged <= start:
        raise InputError(
            f"{judged} judged blocks after {start} of training: there must be at least {2 * periods} of them, and no "
            "more than of training"
        )
    lags = np.unique(np.geomspace(1, judged / 2, 12).round().astype(np.int64))
    windows = np.unique(np.geomspace(1, judged, 14).round().astype(np.int64))
    came = measure(of, start, observed, lags, windows, periods)
    state = renewal.known(of, start, start - judged)
    arrivals = np.bincount(of.block[of.number == 1], minlength=stop)[start - judged : start]
    later = of.take(of.block >= start)
    row = np.searchsorted(state.slot, later.slot)
    old = (row < len(state.slot)) & (state.slot[np.minimum(row, len(state.slot) - 1)] == later.slot)
    period = (later.block - start) * periods // judged

    def served(weight: np.ndarray) -> np.ndarray:
        return np.bincount(period[old], weight[row[old]], periods)

    said = {CARRIED: _carried(of, observed, state, start, lags, windows, hot, served)}
    failed = {}
    for name, fit in MODELS.items():
        try:
            law = fit(state, stop)
        except (InputError, ConvergenceError) as error:
            failed[name] = str(error)
            continue
        ranked, *counted = (renewal.run(law, state, arrivals, seed=seed + one) for one in range(runs + 1))
        parts = [measure(_joined(state, ahead), start, observed, lags, windows, 1) for ahead in counted]
        total = functools.reduce(operator.add, parts)
        # Ranked by one run and counted on the others: no slot is expected to be busy for having been so in its choice.
        weight = first_ranked(law.score(state, _visited(state, ranked, observed)), hot)
        busy = sum(float(weight @ _visited(state, ahead, observed)) for ahead in counted)
        said[name] = Foretold(
            total.reuse(np.ones(1)),
            total.coverage(np.ones(1)),
            served(weight),
            busy / max(int(total.visits[0]), 1),
            float(total.visits[0] / runs),
        )
    times = np.unique(later.slot, return_inverse=True, return_counts=True)
    best = np.bincount(period, first_ranked(times[2].astype(float), hot)[times[1]], periods)
    return Foresight(start, stop, lags, windows, came, best, said, failed)


def _visited(state: Known, ahead: Visits, observed: np.ndarray) -> np.ndarray:
    """Return how often a run visits each known slot in observed blocks, shape (m,)."""
    mine = ahead.slot[(ahead.slot < len(state.slot)) & observed[ahead.block]]
    return np.bincount(mine, minlength=len(state.slot))


def _joined(state: Known, ahead: Visits) -> Visits:
    """Return the last visits of known slots with those of a run behind them."""
    slot = np.append(np.arange(len(state.slot)), ahead.slot)
    return renewal.in_order(slot, np.append(state.stop - 1 - state.idle, ahead.block))


def _carried(
    of: Visits,
    observed: np.ndarray,
    state: Known,
    start: int,
    lags: np.ndarray,
    windows: np.ndarray,
    hot: int,
    served: Callable[[np.ndarray], np.ndarray],
) -> Foretold:
    """Return the baseline: what was so in the training blocks, and the slots visited most often."""
    before = of.take(of.block < start)
    judged = len(observed) - start
    whole = measure(before, 0, observed[:start], lags, windows[:0], 1)
    recent = measure(before, start - judged, observed[:start], lags[:0], windows, 1)
    # What the rule would have served a span earlier is what it is expected to serve now.
    earlier = renewal.known(of, start - judged)
    weight = first_ranked(earlier.visits.astype(float), hot)
    span = before.take(before.block >= start - judged)
    row = np.searchsorted(earlier.slot, span.slot)
    old = (row < len(earlier.slot)) & (earlier.slot[np.minimum(row, len(earlier.slot) - 1)] == span.slot)
    everyone = np.ones(1)
    return Foretold(
        whole.reuse(everyone),
        recent.coverage(everyone),
        served(first_ranked(state.visits.astype(float), hot)),
        float(weight[row[old]].sum() / max(len(span.slot), 1)),
        float(recent.visits[0]),
    )
