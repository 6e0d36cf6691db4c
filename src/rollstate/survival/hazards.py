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
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from rollstate.compiled import compiled
from rollstate.errors import InputError
from rollstate.survival import cox
from rollstate.survival.spells import Spells, check_finite, standardised
from rollstate.survival.steps import Beyond


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
        x = np.asarray(x, float)
        check_finite(x, self.names)
        times = np.broadcast_to(np.asarray(times, float), len(x))
        return (exposures(self.cuts, times) * self.piece_hazards(x)).sum(axis=1)


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
        return np.exp(np.minimum(log_hazard, 50.0))


def fit_discrete(spells: Spells, cuts: np.ndarray, *, bend: bool = True) -> DiscreteModel:
    """Fit a generalised linear model with complementary log-log link to the pieces of spells.

    The log exposure of a piece is an offset.

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
    import statsmodels.api as sm
    from statsmodels.tools.sm_exceptions import PerfectSeparationWarning

    standard, center, spread = standardised(spells)
    pieces, middle = _cut_checked(spells, cuts)
    age = (middle - middle.mean()) / (middle.std() or 1.0)
    z = standard[pieces.row]
    levels = (pieces.piece[:, None] == np.arange(len(middle))).astype(float)
    design = np.concatenate([levels, z, z * age[pieces.piece, None]] if bend else [levels, z], axis=1)
    family = sm.families.Binomial(sm.families.links.CLogLog())
    model = sm.GLM(pieces.event.astype(float), design, family, offset=np.log(pieces.exposure))
    with warnings.catch_warnings():
        warnings.simplefilter("error", PerfectSeparationWarning)
        # Trial steps of the iterations may leave the unit interval.
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            result = model.fit(maxiter=100, tol=1e-10)
        except (PerfectSeparationWarning, np.linalg.LinAlgError, ValueError) as error:
            raise cox.ConvergenceError(f"discrete hazard: {error}; use fewer covariates or pieces") from error
    if not result.converged or not np.isfinite(result.params).all():
        raise cox.ConvergenceError("discrete hazard did not converge; use fewer covariates or pieces")
    k, p = len(middle), standard.shape[1]
    level, effect, bends = np.split(result.params, [k, k + p])
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
        trees = (self.root, self.feature, self.left, self.right, self.threshold, self.value)
        return np.exp(self.base + _summed_leaves(np.ascontiguousarray(x), self.middle, *trees))


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
    """Return the sum of the leaves that each row of `x` with each last column of `middle` falls into."""
    out = np.zeros((len(x), len(middle)))
    last = x.shape[1]
    for i in range(len(x)):
        for k in range(len(middle)):
            for node in root:
                while feature[node] >= 0:
                    asked = middle[k] if feature[node] == last else x[i, feature[node]]
                    node = left[node] if asked <= threshold[node] else right[node]
                out[i, k] += value[node]
    return out


MANY_PIECES = 100_000
"""Pieces of spells from which on trees are grown by several threads."""


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
    """
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

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
    # Threads that wait for each other cost more than they save on few pieces, above all on a busy machine.
    threads = 1 if len(pieces.row) < MANY_PIECES else None
    # The Poisson likelihood of a count with an exposure is that of a rate with the exposure as weight.
    with threadpool_limits(threads, user_api="openmp"):
        booster.fit(
            np.c_[spells.x[pieces.row], middle[pieces.piece]],
            pieces.event / pieces.exposure,
            sample_weight=pieces.exposure,
        )
    return BoostedModel(spells.names, check_cuts(cuts), middle, **_plain_trees(booster))


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
