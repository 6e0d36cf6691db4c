r"""Hazards that change along the spell: spells cut into pieces of gap time, and models of the hazard in each.

Within the piece :math:`(c_{k-1}, c_k]` the hazard of a spell is a constant :math:`\lambda_k(x)`; a piece that a spell
enters late or leaves early counts with its exposure. Beyond the last cut the hazard of the last piece goes on. Three
models:

* `fit_discrete`: a generalised linear model with complementary log-log link (grouped proportional hazards, Prentice and
  Gloeckler 1978, https://doi.org/10.2307/2529588) or logistic link, effects of covariates bending in log time;
* `fit_boosted`: gradient-boosted trees on the Poisson likelihood of the pieces, that of a piecewise exponential
  hazard (Holford 1980, https://doi.org/10.2307/2529982; Laird and Olivier 1981,
  https://doi.org/10.1080/01621459.1981.10477634);
* `fit_time_varying`: a Cox model whose effects differ from piece to piece, with a free baseline within each.
"""

from __future__ import annotations

import dataclasses
import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from rollstate.errors import InputError
from rollstate.survival import cox
from rollstate.survival.spells import Spells, check_finite, standardised
from rollstate.survival.steps import Beyond

Link = Literal["cloglog", "logit"]


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


def _exposures(cuts: np.ndarray, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return the blocks that [begin, end], shape (n,), spends in each piece, shape (n, k)."""
    edges = np.r_[0.0, cuts, np.inf]
    return np.clip(np.minimum(end[:, None], edges[1:]) - np.maximum(begin[:, None], edges[:-1]), 0, None)


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


@dataclass(frozen=True)
class DiscreteModel:
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
    link : {"cloglog", "logit"}
    """

    names: tuple[str, ...]
    cuts: np.ndarray
    age: np.ndarray
    level: np.ndarray
    effect: np.ndarray
    bend: np.ndarray
    center: np.ndarray
    spread: np.ndarray
    link: Link

    def access_probability(self, idle: np.ndarray, horizon: float, x: np.ndarray) -> np.ndarray:
        """Return the probability of an access within `horizon` blocks of slots idle for `idle` blocks, shape (n,)."""
        x = np.asarray(x, float)
        check_finite(x, self.names)
        z = (x - self.center) / self.spread
        idle = np.asarray(idle, float)
        log_hazard = self.level + (z @ self.effect)[:, None] + np.outer(z @ self.bend, self.age)
        # Far outside the data a linear predictor may overflow; a hazard of e**50 per block is an access at once.
        log_hazard = np.minimum(log_hazard, 50.0)
        mass = _exposures(self.cuts, idle, idle + horizon) * np.exp(log_hazard)
        return -np.expm1(-(mass if self.link == "cloglog" else np.log1p(mass)).sum(axis=1))


def fit_discrete(
    spells: Spells, cuts: np.ndarray, *, link: Link = "cloglog", bend: bool = True
) -> DiscreteModel:
    """Fit a generalised linear model to the pieces of spells.

    Parameters
    ----------
    spells : Spells
        Data; strata are not used.
    cuts : array, shape (k,)
        Inner boundaries; every piece must have an event, see `event_cuts`.
    link : {"cloglog", "logit"}
        The log exposure of a piece is an offset on this scale.
    bend : bool
        Let effects change with log time: proportional hazards are not assumed then.

    Raises
    ------
    InputError
        If a piece has no event, a covariate is constant or the link is unknown.
    ConvergenceError
        If the iterations do not converge.
    """
    import statsmodels.api as sm
    from statsmodels.tools.sm_exceptions import PerfectSeparationWarning

    links = {"cloglog": sm.families.links.CLogLog(), "logit": sm.families.links.Logit()}
    if link not in links:
        raise InputError(f"link {link!r} is not one of {tuple(links)}")
    standard, center, spread = standardised(spells)
    pieces, middle = _cut_checked(spells, cuts)
    age = (middle - middle.mean()) / (middle.std() or 1.0)
    z = standard[pieces.row]
    levels = (pieces.piece[:, None] == np.arange(len(middle))).astype(float)
    design = np.concatenate([levels, z, z * age[pieces.piece, None]] if bend else [levels, z], axis=1)
    model = sm.GLM(
        pieces.event.astype(float), design, sm.families.Binomial(links[link]), offset=np.log(pieces.exposure)
    )
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
        link=link,
    )


@dataclass(frozen=True)
class BoostedModel:
    """Gradient-boosted trees of the log hazard.

    Attributes
    ----------
    names : tuple of str
        Covariates.
    cuts, middle : array of float64, shape (k,) and (k + 1,)
        Inner boundaries of the pieces, and the log time of each, which is the trees' last column.
    booster : object
        The fitted `sklearn.ensemble.HistGradientBoostingRegressor`.
    """

    names: tuple[str, ...]
    cuts: np.ndarray
    middle: np.ndarray
    booster: Any

    def access_probability(self, idle: np.ndarray, horizon: float, x: np.ndarray) -> np.ndarray:
        """Return the probability of an access within `horizon` blocks of slots idle for `idle` blocks, shape (n,)."""
        x = np.asarray(x, float)
        check_finite(x, self.names)
        idle = np.asarray(idle, float)
        exposure = _exposures(self.cuts, idle, idle + horizon)
        row, piece = np.nonzero(exposure)
        rate = self.booster.predict(np.c_[x[row], self.middle[piece]])
        return -np.expm1(-np.bincount(row, rate * exposure[row, piece], minlength=len(x)))


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
    return BoostedModel(spells.names, check_cuts(cuts), middle, booster)


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

    def access_probability(
        self,
        idle: np.ndarray,
        horizon: float,
        x: np.ndarray,
        stratum: np.ndarray | None = None,
        beyond: Beyond = "raise",
    ) -> np.ndarray:
        """Return the probability of an access within `horizon` blocks of slots idle for `idle` blocks, shape (n,)."""
        x = np.asarray(x, float)
        check_finite(x, self.names)
        idle = np.asarray(idle, float)
        edges = np.r_[0.0, self.cuts, np.inf]
        total = np.zeros(len(x))
        for j in range(len(edges) - 1):
            begin = np.clip(idle, edges[j], edges[j + 1])
            end = np.clip(idle + horizon, edges[j], edges[j + 1])
            rows = np.flatnonzero(end > begin)
            if not len(rows):
                continue
            own = np.zeros((len(rows), len(self.model.names)))
            own[:, j * x.shape[1] : (j + 1) * x.shape[1]] = x[rows]
            labels = None if stratum is None else np.asarray(stratum)[rows]
            total[rows] += self.model.predict_cumulative_hazard(end[rows], own, labels, beyond)
            total[rows] -= self.model.predict_cumulative_hazard(begin[rows], own, labels, beyond)
        return -np.expm1(-total)


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
