r"""How long a slot may stay idle in RAM, by every rule that is compared.

All are online: a window is set at an access, from what is known then, and runs on the slot's own clock. With
:math:`c` per slot-block and :math:`\ell` per miss:

* *fixed*: one window for all, given, or `tuned` to be the best in hindsight on earlier blocks;
* *ski rental*: :math:`T = \ell / c`, at most twice the clairvoyant cost of spells that an access ends, and a random
  one, :math:`T = (\ell / c) \ln(1 + U (e - 1))`, at most :math:`e / (e - 1)` times in expectation (Karlin, Manasse,
  McGeoch and Owicki 1994, https://doi.org/10.1007/BF01189993); a spell that never ends costs :math:`\ell`, which
  who knows the future saves;
* *probability threshold*: leave RAM when :math:`p(\tau \mid u) < p^* = c \tau / \ell`, the published rule, with the
  clock it needs;
* *expected cost*: :math:`T^* = \arg\min_T \; c\,E[\min(D, T)] + \ell\,P(D > T)`, from a survival curve per profile;
  two windows for three tiers;
* *minimax regret*: the same against the worst of several curves;
* *conformal*: leave RAM at once if the lower bound on the wait (`rollstate.survival.conformal`) reaches
  :math:`\ell / c`, so that keeping pays for a share :math:`\alpha` of slots at most; else as ski rental.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from rollstate.errors import InputError
from rollstate.tiering.costs import Costs
from rollstate.tiering.replay import Gaps


def check_horizon(tau: float) -> float:
    """Return the horizon, which must be above zero."""
    if not math.isfinite(tau) or tau <= 0:
        raise InputError(f"tau must be above 0 blocks, not {tau!r}")
    return float(tau)


def ski_rental(costs: Costs) -> float:
    """Return the deterministic window: as long as holding has not yet cost a miss."""
    return costs.penalty / (costs.ram - costs.cold) if costs.ram > costs.cold else math.inf


def ski_rental_random(costs: Costs, n: int, seed: int) -> np.ndarray:
    """Return n random windows, at most `ski_rental` each."""
    u = np.random.default_rng(seed).random(n)
    return ski_rental(costs) * np.log1p(u * (math.e - 1))


@dataclass(frozen=True)
class Profile:
    """Spells sorted once, so that the cost of any window is a look-up: `profile` makes one.

    Attributes
    ----------
    ends, begins, accessed : array of float64
        Durations, entries and durations of spells that an access ended, each ascending.
    candidates : array of float64
        Windows of which one is the best at any penalty: none, each gap that an access ended, and no end.
    end_sums, begin_sums : array of float64
        Their cumulative sums, from 0.
    """

    ends: np.ndarray
    begins: np.ndarray
    accessed: np.ndarray
    candidates: np.ndarray
    end_sums: np.ndarray
    begin_sums: np.ndarray

    def held(self, windows: np.ndarray) -> np.ndarray:
        """Return the slot-blocks in RAM under each of many windows, shape (m,)."""
        return _clipped_sum(self.ends, self.end_sums, windows) - _clipped_sum(
            self.begins, self.begin_sums, windows
        )

    def missed(self, windows: np.ndarray) -> np.ndarray:
        """Return the accesses that come after each of many windows, shape (m,)."""
        return len(self.accessed) - np.searchsorted(self.accessed, windows, "right")

    @functools.cached_property
    def of_candidates(self) -> tuple[np.ndarray, np.ndarray]:
        """What `held` and `missed` say of the candidates: no penalty changes it."""
        return self.held(self.candidates), self.missed(self.candidates)

    def costs(self, held: np.ndarray, missed: np.ndarray, costs: Costs) -> np.ndarray:
        """Return the total two-tier cost of slot-blocks in RAM and misses, shape (m,)."""
        exposure = self.end_sums[-1] - self.begin_sums[-1]
        return costs.ram * held + costs.cold * (exposure - held) + costs.penalty * missed


def profile(seen: Gaps) -> Profile:
    """Sort spells for `window_costs`; a sweep over penalties needs it once."""
    ends, begins = np.sort(seen.duration), np.sort(seen.entry)
    sums = (np.r_[0.0, np.cumsum(values)] for values in (ends, begins))
    accessed = np.sort(seen.duration[seen.event])
    return Profile(ends, begins, accessed, np.r_[0.0, np.unique(accessed), np.inf], *sums)


def window_costs(seen: Gaps | Profile, windows: np.ndarray, costs: Costs) -> np.ndarray:
    """Return the total two-tier cost of each of many windows at once, shape (m,); moves are not counted."""
    known = seen if isinstance(seen, Profile) else profile(seen)
    windows = np.asarray(windows, float)
    return known.costs(known.held(windows), known.missed(windows), costs)


def _clipped_sum(values: np.ndarray, sums: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the sum of min(value, w) over sorted values for each w."""
    below = np.searchsorted(values, at, "right")
    above = len(values) - below
    return sums[below] + np.where(above > 0, above * np.where(np.isfinite(at), at, 0), 0.0)


def tuned(seen: Gaps | Profile, costs: Costs, *, open_end: bool = False) -> tuple[float, float]:
    """Return the fixed window that would have been best on some spells, and its cost.

    Cost falls only where an access is kept, so the best window is zero, a gap that an access ended, or no end at all.
    Of equally good ones it is the longest: a window as long as all that was seen says nothing against longer gaps.

    Parameters
    ----------
    seen : Gaps or Profile
        Spells.
    costs : Costs
        Of two tiers.
    open_end : bool
        Never demote where these spells cannot tell: where all the holding beyond the best window costs no more than one
        miss would. For a window that is used on later spells; the best one in hindsight needs none of it.
    """
    known = seen if isinstance(seen, Profile) else profile(seen)
    candidates = known.candidates
    cost = known.costs(*known.of_candidates, costs)
    best = int(np.flatnonzero(cost <= cost.min() * (1 + 1e-12))[-1])
    if open_end and cost[-1] - cost[best] <= costs.penalty:
        best = -1
    return float(candidates[best]), float(cost[best])


def expected_costs(survival: np.ndarray, grid: np.ndarray, holding: float, penalty: float) -> np.ndarray:
    r"""Return :math:`c E[\min(D, T)] + \ell P(D > T)` at each T of a grid, shape (n, g).

    Parameters
    ----------
    survival : array, shape (n, g)
        S at each gap time of the grid, a step that holds until the next.
    grid : array, shape (g,)
        Gap times in ascending order, 0 first, where S is 1.
    holding, penalty : float
        c and l.
    """
    survival, grid = np.atleast_2d(np.asarray(survival, float)), np.asarray(grid, float)
    if grid[0] != 0 or (np.diff(grid) <= 0).any() or survival.shape[1] != len(grid):
        raise InputError(
            "expected cost: the grid must ascend from 0, with one column of survival for each point"
        )
    if (survival < -1e-12).any() or (survival > 1 + 1e-12).any() or (np.diff(survival, axis=1) > 1e-9).any():
        raise InputError("expected cost: survival must fall from 1 towards 0")
    held = np.concatenate(
        [np.zeros((len(survival), 1)), np.cumsum(survival[:, :-1] * np.diff(grid), axis=1)], axis=1
    )
    return holding * held + penalty * survival


def exact(survival: np.ndarray, grid: np.ndarray, costs: Costs) -> np.ndarray:
    """Return the two-tier window of each profile with the least expected cost, shape (n,).

    The last point of the grid stands for no end, so the grid should go on, on a fitted tail, well beyond what was seen:
    else a curve that stays flat from its last event on would say that waiting cannot pay, for want of data alone.
    """
    cost = expected_costs(survival, grid, costs.ram - costs.cold, costs.penalty + costs.demote)
    return _open_end(np.argmin(cost, axis=1), grid)


def exact_three(survival: np.ndarray, grid: np.ndarray, costs: Costs) -> tuple[np.ndarray, np.ndarray]:
    """Return the two windows of each profile with the least expected cost over three tiers, shape (n,) each.

    The cost splits into one term for leaving RAM and one for leaving SSD. Where the second would come first, SSD is not
    worth a stop and both are the window of two tiers.
    """
    first = np.argmin(
        expected_costs(survival, grid, costs.ram - costs.ssd, costs.miss_ssd + costs.promote), axis=1
    )
    further = costs.miss_cold - costs.miss_ssd
    second = np.argmin(expected_costs(survival, grid, costs.ssd - costs.cold, further), axis=1)
    both = np.argmin(expected_costs(survival, grid, costs.ram - costs.cold, costs.penalty), axis=1)
    first, second = np.where(first > second, both, first), np.where(first > second, both, second)
    return _open_end(first, grid), _open_end(second, grid)


def robust(curves: list[np.ndarray], grid: np.ndarray, costs: Costs) -> np.ndarray:
    """Return the window with the least regret in the worst of several curves, shape (n,).

    Parameters
    ----------
    curves : list of array, shape (n, g)
        Survival of each profile in each case.
    """
    regrets = []
    for survival in curves:
        cost = expected_costs(survival, grid, costs.ram - costs.cold, costs.penalty + costs.demote)
        regrets.append(cost - cost.min(axis=1, keepdims=True))
    return _open_end(np.argmin(np.max(regrets, axis=0), axis=1), grid)


def conformal(bound: np.ndarray, costs: Costs) -> np.ndarray:
    """Return the window of each spell by its lower bound on the wait, shape (n,).

    Parameters
    ----------
    bound : array, shape (n,)
        In blocks from the access on.
    """
    pays = ski_rental(costs)
    return np.where(np.asarray(bound, float) >= pays, 0.0, pays)


def cutoff(survival: np.ndarray, grid: np.ndarray, costs: Costs, tau: float) -> np.ndarray:
    r"""Return the first idle time at which an access within tau is less likely than :math:`p^*`, shape (n,).

    Parameters
    ----------
    survival, grid
        As in `expected_costs`; beyond the grid the curve is flat.
    tau : float
        Horizon in blocks.
    """
    return unlikely(access_within(survival, grid, check_horizon(tau)), grid, costs, tau)


def unlikely(within: np.ndarray, grid: np.ndarray, costs: Costs, tau: float) -> np.ndarray:
    """Return `cutoff` from the probabilities that `access_within` gives, which are the same at all penalties."""
    limit = min(1.0, (costs.ram - costs.cold) * tau / costs.penalty) if costs.penalty else 1.0
    return _first(within < limit, grid)


def literal_three(
    survival: np.ndarray, grid: np.ndarray, costs: Costs, tau: float
) -> tuple[np.ndarray, np.ndarray]:
    r"""Return when the published placement over three tiers leaves RAM, and when it reaches cold storage, shape (n,).

    At each idle time the slot belongs where :math:`c(d)\,\tau + \ell(d)\,p(\tau \mid u)` is least over RAM, SSD and
    cold storage; it goes down when that place is lower than where it is, and comes up at an access alone.

    Parameters
    ----------
    survival, grid, tau
        As in `cutoff`.
    """
    p = access_within(survival, grid, check_horizon(tau))
    prices = ((costs.ram, 0.0), (costs.ssd, costs.miss_ssd), (costs.cold, costs.miss_cold))
    place = np.argmin(
        [holding * tau + (miss + costs.promote * (miss > 0)) * p for holding, miss in prices], axis=0
    )
    return _first(place >= 1, grid), _first(place == 2, grid)


def access_within(survival: np.ndarray, grid: np.ndarray, tau: float) -> np.ndarray:
    """Return the probability of an access within tau blocks at each idle time of a grid, shape (n, g).

    Between points of the grid the cumulative hazard rises on lines, or a horizon shorter than their distance would see
    no hazard at all; beyond the grid there is none.
    """
    survival, grid = np.atleast_2d(np.asarray(survival, float)), np.asarray(grid, float)
    hazard = -np.log(np.maximum(survival, np.finfo(float).tiny))
    end = np.minimum(grid + tau, grid[-1])
    right = np.clip(np.searchsorted(grid, end, "left"), 1, len(grid) - 1)
    share = (end - grid[right - 1]) / (grid[right] - grid[right - 1])
    later = hazard[:, right - 1] + share * (hazard[:, right] - hazard[:, right - 1])
    return -np.expm1(hazard - later)


def _first(holds: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Return the first idle time of a grid at which a condition holds, infinity if it never does, shape (n,)."""
    return np.where(holds.any(axis=1), _open_end(np.argmax(holds, axis=1), grid), np.inf)


def _open_end(index: np.ndarray, grid: np.ndarray) -> np.ndarray:
    return np.where(index == len(grid) - 1, np.inf, grid[index])
