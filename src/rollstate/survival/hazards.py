r"""Hazards that change along the spell: spells cut into pieces of gap time, and models of the hazard in each.

Within the piece :math:`(c_{k-1}, c_k]` the hazard of a spell is a constant :math:`\lambda_k(x)`; a piece that a spell
enters late or leaves early counts with its exposure. Beyond the last cut the hazard of the last piece goes on. Three
models:

* `fit_discrete`: a generalised linear model with complementary log-log link (grouped proportional hazards, Prentice and
  Gloeckler 1978, https://doi.org/10.2307/2529588), effects of covariates bending in log time;
* `fit_boosted`: gradient-boosted trees on the Poisson likelihood of the pieces, that of a piecewise exponential
  hazard (Holford 1980, https://doi.org/10.2307/2529982; Laird and Olivier 1981,
  https://doi.org/10.1080/01621459.1981.10477634);
* `fit_time_varying`: a Cox model whose effects differ from piece to piece, with a free baseline within each.
"""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg

from rollstate.compiled import compiled
from rollstate.errors import InputError
from rollstate.survival import cox
from rollstate.survival.spells import Spells, check_finite, standardised
from rollstate.survival.steps import Beyond, CumulativeHazard
from rollstate.threads import one_thread


@dataclass(frozen=True)
class Pieces:
    """Spells cut at gap times.

    Attributes
    ----------
    row, piece : array of int, shape (m,)
        Which spell, and which piece of gap time.
    entry, stop : array of float64, shape (m,)
        Gap times between which the spell is at risk in the piece.
    event : array of bool, shape (m,)
        Whether the spell ended with an event in the piece.
    """

    row: np.ndarray
    piece: np.ndarray
    entry: np.ndarray
    stop: np.ndarray
    event: np.ndarray

    @property
    def exposure(self) -> np.ndarray:
        """Blocks at risk in each piece, shape (m,)."""
        return self.stop - self.entry


def check_cuts(cuts: np.ndarray) -> np.ndarray:
    """Return inner boundaries of the pieces, shape (k,), or say which rule they break."""
    cuts = np.asarray(cuts, float)
    if cuts.ndim != 1 or not np.isfinite(cuts).all() or (np.diff(np.r_[0.0, cuts]) <= 0).any():
        raise InputError(f"cuts must be positive gap times in ascending order, got {cuts}")
    return cuts


def event_cuts(spells: Spells, pieces: int) -> np.ndarray:
    """Return inner boundaries that give each piece about the same number of events; fewer where gaps tie."""
    if not spells.event.any():
        raise InputError("pieces of gap time need events; there are none")
    gaps = spells.duration[spells.event]
    inner = np.unique(np.quantile(gaps, np.arange(1, pieces) / pieces, method="inverted_cdf"))
    # A cut at the last event would leave the last piece without one.
    return inner[inner < gaps.max()]


def cut(spells: Spells, cuts: np.ndarray) -> Pieces:
    """Cut spells into pieces; the events, and the exposure in every piece, stay the same."""
    edges = np.r_[0.0, check_cuts(cuts), np.inf]
    first = np.searchsorted(edges, spells.entry, "right") - 1
    last = np.searchsorted(edges, spells.duration, "left") - 1
    count = last - first + 1
    row = np.repeat(np.arange(len(spells)), count)
    piece = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count) + first[row]
    return Pieces(
        row=row,
        piece=piece,
        entry=np.maximum(edges[piece], spells.entry[row]),
        stop=np.minimum(edges[piece + 1], spells.duration[row]),
        event=spells.event[row] & (piece == last[row]),
    )


def exposures(cuts: np.ndarray, until: np.ndarray) -> np.ndarray:
    """Return the blocks that a spell spends in each piece until a gap time, shape (n,) to (n, k + 1)."""
    edges = np.r_[0.0, cuts, np.inf]
    return np.clip(np.asarray(until, float)[..., None] - edges[:-1], 0, np.diff(edges))


def _middles(cuts: np.ndarray, longest: float) -> np.ndarray:
    """Return the middle of each piece in log time, shape (k,): the first from half a block, the last to `longest`."""
    upper, lower = np.r_[cuts, longest], np.r_[0.5, cuts]
    return (np.log(lower) + np.log(upper)) / 2


def _cut_checked(spells: Spells, cuts: np.ndarray) -> tuple[Pieces, np.ndarray]:
    cuts = check_cuts(cuts)
    pieces = cut(spells, cuts)
    counts = np.bincount(pieces.piece[pieces.event], minlength=len(cuts) + 1)
    if not counts.all():
        empty = np.flatnonzero(counts == 0).tolist()
        raise InputError(f"pieces {empty} of gap time have no event; take fewer cuts, see event_cuts")
    return pieces, _middles(cuts, spells.duration.max())


class PiecewiseHazard:
    """A hazard that is constant within pieces of gap time: what the models below share.

    A subclass has ``names``, ``cuts`` and `piece_hazards`.
    """

    names: tuple[str, ...]
    cuts: np.ndarray

    def piece_hazards(self, x: np.ndarray) -> np.ndarray:
        """Return the hazard per block of each row of covariates, shape (n, p), in each piece, shape (n, k + 1)."""
        raise NotImplementedError

    def predict_cumulative_hazard(self, times: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return the cumulative hazard of each row at its own gap time, shape (n,)."""
        return self.hazard_of(x)(np.broadcast_to(np.asarray(times, float), len(x)))

    def hazard_of(self, x: np.ndarray) -> CumulativeHazard:
        """Return the cumulative hazard of rows with covariates, shape (n, p), as a function of their gap times."""
        x = np.asarray(x, float)
        check_finite(x, self.names)
        by_piece = self.piece_hazards(x)
        return lambda times: (exposures(self.cuts, times) * by_piece).sum(axis=1)


@dataclass(frozen=True)
class DiscreteModel(PiecewiseHazard):
    """A generalised linear hazard.

    Attributes
    ----------
    names : tuple of str
        Covariates.
    cuts : array of float64, shape (k,)
        Inner boundaries of the pieces.
    age : array of float64, shape (k + 1,)
        Standardised log time of each piece.
    level : array of float64, shape (k + 1,)
        Log hazard per block of each piece at mean covariates.
    effect, bend : array of float64, shape (p,)
        Effects of standardised covariates, and their change per unit of `age`.
    center, spread : array of float64, shape (p,)
        Mean and standard deviation that covariates are standardised with.
    """

    names: tuple[str, ...]
    cuts: np.ndarray
    age: np.ndarray
    level: np.ndarray
    effect: np.ndarray
    bend: np.ndarray
    center: np.ndarray
    spread: np.ndarray

    def piece_hazards(self, x: np.ndarray) -> np.ndarray:
        """Return the hazard per block of each row in each piece, shape (n, k + 1)."""
        z = (x - self.center) / self.spread
        log_hazard = self.level + (z @ self.effect)[:, None] + np.outer(z @ self.bend, self.age)
        # Far outside the data a linear predictor may overflow; a hazard of e**50 per block is an access at once.
        return np.exp(np.minimum(log_hazard, HIGHEST))


@one_thread()
def fit_discrete(spells: Spells, cuts: np.ndarray, *, bend: bool = True) -> DiscreteModel:
    """Fit a generalised linear model with complementary log-log link to the pieces of spells.

    The log exposure of a piece is an offset. statsmodels fits the same model from one row with all parameters for each
    piece of each spell; here a piece acts through its own level and effects, so that 40,000 spells take a tenth of the
    memory and of the time.

    Parameters
    ----------
    spells : Spells
        Data; strata are not used.
    cuts : array, shape (k,)
        Inner boundaries; every piece must have an event, see `event_cuts`.
    bend : bool
        Let effects change with log time: proportional hazards are not assumed then.

    Raises
    ------
    InputError
        If a piece has no event or a covariate is constant.
    ConvergenceError
        If the iterations do not converge.
    """
    standard, center, spread = standardised(spells)
    pieces, middle = _cut_checked(spells, cuts)
    age = (middle - middle.mean()) / (middle.std() or 1.0)
    k, p = len(middle), standard.shape[1]
    found = _climbed(
        [_Piece.of(standard, pieces, j, age[j] if bend else None, k) for j in range(k)],
        np.r_[_plain_levels(pieces, k), np.zeros(p * (1 + bend))],
    )
    level, effect, bends = np.split(found, [k, k + p])
    return DiscreteModel(
        names=spells.names,
        cuts=check_cuts(cuts),
        age=age,
        level=level,
        effect=effect,
        bend=bends if bend else np.zeros(p),
        center=center,
        spread=spread,
    )


def _plain_levels(pieces: Pieces, k: int) -> np.ndarray:
    """Return the log of events over exposure in each of k pieces."""
    return np.log(
        np.bincount(pieces.piece, pieces.event, k) / np.bincount(pieces.piece, pieces.exposure, minlength=k)
    )


@dataclass(frozen=True)
class _Piece:
    """The rows of one piece of gap time: all parameters act on them through few.

    Attributes
    ----------
    z : array of float64, shape (n, p + 1)
        A one and the covariates.
    offset : array of float64, shape (n,)
        Log exposure.
    event : array of bool, shape (n,)
    own : array of float64, shape (p + 1, q)
        From all q parameters to the level and the effects within the piece.
    """

    z: np.ndarray
    offset: np.ndarray
    event: np.ndarray
    own: np.ndarray

    @classmethod
    def of(cls, standard: np.ndarray, pieces: Pieces, j: int, age: float | None, k: int) -> _Piece:
        """Take the rows of piece `j` of `k`; effects bend with `age`, not at all if that is None."""
        rows = pieces.piece == j
        z = np.c_[np.ones(int(rows.sum())), standard[pieces.row[rows]]]
        p = standard.shape[1]
        level, none = np.eye(1, k, j), np.zeros((p, k))
        effects = [np.eye(p)] if age is None else [np.eye(p), age * np.eye(p)]
        own = np.block([[level, np.zeros((1, p * len(effects)))], [none, *effects]])
        return cls(z, np.log(pieces.exposure[rows]), pieces.event[rows], own)

    def terms(self, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray, float]:
        """Return log likelihood, score, information, and the largest distance of a probability from its answer."""
        hazard = np.exp(np.minimum(self.z @ (self.own @ theta) + self.offset, HIGHEST))
        event = self.event
        # h / (e^h - 1), the slope of log(1 - e^-h) in log h, as h e^-h / (1 - e^-h), which large h do not overflow.
        slope = np.where(event, hazard * np.exp(-hazard) / -np.expm1(-hazard), -hazard)
        curvature = np.where(event, slope * (hazard + slope - 1), hazard)
        apart = np.where(event, np.exp(-hazard), -np.expm1(-hazard))
        likelihood = np.log(-np.expm1(-hazard[event])).sum() - hazard[~event].sum()
        information = self.own.T @ (self.z.T @ (self.z * curvature[:, None])) @ self.own
        return float(likelihood), self.own.T @ (slope @ self.z), information, float(apart.max())


HIGHEST = 50.0
"""Log hazard at which it counts as an access at once; more would overflow."""
CLIMB_STEPS, CLIMB_GAIN = 100, 1e-12
"""Newton steps of the discrete hazard at most, and the share of the log likelihood whose gain ends them."""
SEPARATED = 1e-6
"""Probabilities that are all this close to what happened have no finite best effects."""


def _climbed(parts: list[_Piece], begin: np.ndarray) -> np.ndarray:
    """Return the maximum of the likelihood, which is concave, by Newton steps."""

    def total(theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray, float]:
        values, scores, informations, apart = zip(*(part.terms(theta) for part in parts), strict=True)
        return sum(values), np.sum(scores, axis=0), np.sum(informations, axis=0), max(apart)

    theta, (value, score, information, apart) = begin, total(begin)
    for _ in range(CLIMB_STEPS):
        if apart < SEPARATED:
            raise cox.ConvergenceError(
                "discrete hazard: covariates separate the accesses from the rest; use fewer covariates or pieces"
            )
        # Covariates that are collinear share an effect: the shortest step.
        step = linalg.pinvh(information) @ score
        step *= min(1.0, 4 / max(np.abs(step).max(), 1e-300))
        found = total(theta + step)
        while not found[0] >= value - CLIMB_GAIN * abs(value) and np.abs(step).max() > cox.TOLERANCE:
            step /= 2
            found = total(theta + step)
        gain, theta, (value, score, information, apart) = found[0] - value, theta + step, found
        if abs(gain) < CLIMB_GAIN * max(1.0, abs(value)):
            return theta
    raise cox.ConvergenceError("discrete hazard did not converge; use fewer covariates or pieces")


@dataclass(frozen=True)
class BoostedModel(PiecewiseHazard):
    """Gradient-boosted trees of the log hazard, as plain arrays.

    Attributes
    ----------
    names : tuple of str
        Covariates.
    cuts, middle : array of float64, shape (k,) and (k + 1,)
        Inner boundaries of the pieces, and the log time of each, which is the trees' last column.
    base : float
        Log hazard before the first tree.
    root : array of int64, shape (t,)
        Node at which each tree begins.
    feature, left, right : array of int64, shape (m,)
        Column that a node asks, -1 in a leaf, and the nodes for answers up to and above its threshold.
    threshold, value : array of float64, shape (m,)
        Threshold of a node, and what a leaf adds to the log hazard.
    """

    names: tuple[str, ...]
    cuts: np.ndarray
    middle: np.ndarray
    base: float
    root: np.ndarray
    feature: np.ndarray
    left: np.ndarray
    right: np.ndarray
    threshold: np.ndarray
    value: np.ndarray

    def piece_hazards(self, x: np.ndarray) -> np.ndarray:
        """Return the hazard per block of each row in each piece, shape (n, k + 1)."""
        return np.exp(np.minimum(self.log_hazards(x), HIGHEST))

    def log_hazards(self, x: np.ndarray) -> np.ndarray:
        """Return what the trees add up to, shape (n, k + 1)."""
        trees = (self.root, self.feature, self.left, self.right, self.threshold, self.value)
        return self.base + _summed_leaves(np.ascontiguousarray(x), self.middle, *trees)


@compiled
def _summed_leaves(
    x: np.ndarray,
    middle: np.ndarray,
    root: np.ndarray,
    feature: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    threshold: np.ndarray,
    value: np.ndarray,
) -> np.ndarray:
    """Return the sum of the leaves that each row of `x` with each last column of `middle`, ascending, falls into.

    A node that asks for a covariate has one answer for all pieces, and one that asks for the last column cuts them in
    two runs: a row walks each tree once, not once for each piece.
    """
    pieces, last = len(middle), x.shape[1]
    until = np.searchsorted(middle, threshold, side="right")
    out = np.zeros((len(x), pieces))
    # Runs of pieces that still wait at a node; each cut leaves one more.
    waiting = np.empty((pieces + 1, 3), np.int64)
    for i in range(len(x)):
        for begin in root:
            waiting[0, 0], waiting[0, 1], waiting[0, 2] = begin, 0, pieces
            size = 1
            while size:
                size -= 1
                node, low, high = waiting[size, 0], waiting[size, 1], waiting[size, 2]
                while feature[node] >= 0:
                    if feature[node] != last:
                        node = left[node] if x[i, feature[node]] <= threshold[node] else right[node]
                    elif until[node] <= low:
                        node = right[node]
                    elif until[node] >= high:
                        node = left[node]
                    else:
                        waiting[size, 0], waiting[size, 1], waiting[size, 2] = right[node], until[node], high
                        size += 1
                        node, high = left[node], until[node]
                for k in range(low, high):
                    out[i, k] += value[node]
    return out


@one_thread("sklearn.ensemble")
def fit_boosted(
    spells: Spells,
    cuts: np.ndarray,
    *,
    seed: int,
    iterations: int = 200,
    learning_rate: float = 0.08,
    leaves: int = 15,
    min_leaf: int = 200,
) -> BoostedModel:
    """Fit gradient-boosted trees to the pieces of spells.

    Parameters
    ----------
    spells : Spells
        Data; strata are not used.
    cuts : array, shape (k,)
        Inner boundaries of the pieces.
    seed : int
        Seed of the trees.
    iterations, learning_rate, leaves, min_leaf
        Trees, their step, leaves of each, and least pieces in a leaf.

    Raises
    ------
    ConvergenceError
        If steps run away, as those of a Poisson likelihood may in leaves where an access was all but ruled out.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    pieces, middle = _cut_checked(spells, cuts)
    booster = HistGradientBoostingRegressor(
        loss="poisson",
        max_iter=iterations,
        learning_rate=learning_rate,
        max_leaf_nodes=leaves,
        min_samples_leaf=min_leaf,
        early_stopping=False,
        random_state=seed,
    )
    # The Poisson likelihood of a count with an exposure is that of a rate with the exposure as weight.
    booster.fit(
        np.c_[spells.x[pieces.row], middle[pieces.piece]],
        pieces.event / pieces.exposure,
        sample_weight=pieces.exposure,
    )
    model = BoostedModel(spells.names, check_cuts(cuts), middle, **_plain_trees(booster))
    if model.log_hazards(spells.x).max() > HIGHEST:
        raise cox.ConvergenceError(
            "boosted trees ran away: covariates say almost with certainty which slots are accessed at once; use fewer "
            "covariates or trees"
        )
    return model


def _plain_trees(booster: Any) -> dict[str, Any]:
    """Return the trees of scikit-learn's regressor as the arrays of `BoostedModel`."""
    # One tree per step; scikit-learn has no public view of its nodes.
    trees = [predictor.nodes for (predictor,) in booster._predictors]
    root = np.cumsum([0, *map(len, trees)])[:-1]
    first = np.repeat(root, [len(nodes) for nodes in trees])
    nodes = np.concatenate(trees)
    leaf = nodes["is_leaf"].astype(bool)
    return {
        "base": float(np.ravel(booster._baseline_prediction)[0]),
        "root": root,
        "feature": np.where(leaf, -1, nodes["feature_idx"].astype(np.int64)),
        "left": nodes["left"].astype(np.int64) + first,
        "right": nodes["right"].astype(np.int64) + first,
        "threshold": nodes["num_threshold"].astype(float),
        "value": np.where(leaf, nodes["value"], 0.0).astype(float),
    }


@dataclass(frozen=True)
class TimeVaryingCox:
    """A Cox model with effects of their own in each piece of gap time.

    Attributes
    ----------
    names : tuple of str
        Covariates.
    cuts : array of float64, shape (k,)
        Inner boundaries of the pieces.
    model : CoxModel
        Fit to the pieces; its covariate ``name@j`` is ``name`` within piece j and zero outside.
    """

    names: tuple[str, ...]
    cuts: np.ndarray
    model: cox.CoxModel

    def predict_cumulative_hazard(
        self,
        times: np.ndarray,
        x: np.ndarray,
        stratum: np.ndarray | None = None,
        beyond: Beyond = "raise",
    ) -> np.ndarray:
        """Return the cumulative hazard of each row at its own gap time, shape (n,)."""
        x = np.asarray(x, float)
        check_finite(x, self.names)
        times = np.broadcast_to(np.asarray(times, float), len(x))
        edges = np.r_[0.0, self.cuts, np.inf]
        total = np.zeros(len(x))
        for j, (begin, end) in enumerate(itertools.pairwise(edges)):
            rows = np.flatnonzero(times > begin)
            own = np.zeros((len(rows), len(self.model.names)))
            own[:, j * x.shape[1] : (j + 1) * x.shape[1]] = x[rows]
            labels = None if stratum is None else np.asarray(stratum)[rows]
            for sign, at in ((1, np.minimum(times[rows], end)), (-1, np.full(len(rows), begin))):
                total[rows] += sign * self.model.predict_cumulative_hazard(at, own, labels, beyond)
        return total


def fit_time_varying(
    spells: Spells, cuts: np.ndarray, *, ties: cox.Ties = "efron", ridge: float = 0.0
) -> TimeVaryingCox:
    """Fit a Cox model with effects that differ between pieces of gap time.

    Parameters
    ----------
    spells : Spells
        Data; their clusters, if any, give robust standard errors.
    cuts : array, shape (k,)
        Inner boundaries of the pieces.
    ties, ridge
        As in `rollstate.survival.cox.fit`.
    """
    cuts = check_cuts(cuts)
    pieces = cut(spells, cuts)
    x = spells.x[pieces.row]
    blocks = [np.where((pieces.piece == j)[:, None], x, 0.0) for j in range(len(cuts) + 1)]
    split = dataclasses.replace(
        spells,
        entry=pieces.entry,
        duration=pieces.stop,
        event=pieces.event,
        x=np.concatenate(blocks, axis=1),
        names=tuple(f"{name}@{j}" for j in range(len(cuts) + 1) for name in spells.names),
        stratum=spells.stratum[pieces.row],
        cluster=None if spells.cluster is None else spells.cluster[pieces.row],
    )
    return TimeVaryingCox(spells.names, cuts, cox.fit(split, ties=ties, ridge=ridge))
