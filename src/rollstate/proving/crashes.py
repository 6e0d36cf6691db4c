r"""Crashes of measured runs: how often, how little size predicts them, and whether trying again is the right model.

A proof of :math:`n` segments, each of which fails by itself with a small probability, crashes with probability

.. math:: P(\mathrm{crash}) = 1 - e^{-h\,x}, \qquad x = \mathrm{cycles},

a proportional hazard in the cycles. With an exponent, :math:`h\,x^b`, it is a generalised linear model with the
complementary log-log link; :math:`b = 1` is the memoryless case, in which another try succeeds as likely as the first.
Were crashes a property of the block, the same blocks would crash under another client: `overlap` tests that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from rollstate.errors import InputError
from rollstate.estimate import Estimate


def share(crashed: np.ndarray) -> Estimate:
    """Return the share of runs that crashed, with its 95 % interval (Clopper and Pearson 1934)."""
    crashed = np.asarray(crashed, bool)
    if not len(crashed):
        raise InputError("there is no run to count crashes of")
    low, high = proportion_confint(int(crashed.sum()), len(crashed), 0.05, method="beta")
    return Estimate(float(crashed.mean()), float(low), float(high))


def effect(gas: np.ndarray, crashed: np.ndarray) -> Estimate:
    """Return the odds ratio of a crash per million gas, with its 95 % Wald interval."""
    _both(crashed)
    design = sm.add_constant(np.asarray(gas, float) / 1e6)
    model = sm.Logit(np.asarray(crashed, float), design).fit(disp=False)
    low, high = np.exp(model.conf_int()[1])
    return Estimate(float(np.exp(model.params[1])), float(low), float(high))


@dataclass(frozen=True)
class Memoryless:
    """Whether the hazard is proportional to the cycles.

    Attributes
    ----------
    hazard : float
        Crashes per unit of the size, where the exponent is one.
    exponent : Estimate
        Power of the size in the hazard, with its 95 % Wald interval.
    p_value : float
        Of the likelihood-ratio test that the exponent is one.
    """

    hazard: float
    exponent: Estimate
    p_value: float

    def probability(self, size: np.ndarray) -> np.ndarray:
        """Return the probability of a crash by size, with an exponent of one."""
        return -np.expm1(-self.hazard * np.asarray(size, float))


def memoryless(size: np.ndarray, crashed: np.ndarray) -> Memoryless:
    """Fit the hazard of a crash on cycles (or gas), and test that it is proportional to them."""
    x, hit = np.asarray(size, float), np.asarray(crashed, float)
    _both(crashed)
    if not (np.isfinite(x) & (x > 0)).all():
        raise InputError("the size of every run must be positive and finite to fit a hazard in it")
    log = np.log(x)
    family = sm.families.Binomial(sm.families.links.CLogLog())
    fixed = sm.GLM(hit, np.ones((len(hit), 1)), family=family, offset=log).fit()
    free = sm.GLM(hit, sm.add_constant(log - log.mean()), family=family).fit()
    low, high = free.conf_int()[1]
    ratio = max(0.0, 2 * (free.llf - fixed.llf))
    exponent = Estimate(float(free.params[1]), float(low), float(high))
    return Memoryless(float(np.exp(fixed.params[0])), exponent, float(stats.chi2.sf(ratio, 1)))


def overlap(one: pd.DataFrame, other: pd.DataFrame) -> tuple[int, float, float]:
    """Return how many blocks crash in both of two runs, how many chance alone expects, and the p-value for more.

    Fisher's exact test, one-sided: few common crashes speak for chance, many for blocks that cannot be proved.
    """
    both = one[["block", "crashed"]].merge(other[["block", "crashed"]], on="block")
    if both.empty:
        raise InputError("the two runs have no block in common")
    a, b = (both[name].to_numpy(bool) for name in ("crashed_x", "crashed_y"))
    table = [[(a & b).sum(), (a & ~b).sum()], [(~a & b).sum(), (~a & ~b).sum()]]
    return int((a & b).sum()), float(a.mean() * b.sum()), float(stats.fisher_exact(table, "greater").pvalue)


def brier_gain(run: pd.DataFrame, covariate: str, train: int, *, draws: int, seed: int) -> Estimate:
    """Return by how much knowing the size improves the forecast of a crash on later blocks.

    The difference of Brier scores, the constant's less that of the hazard in the size, both fitted on the first `train`
    blocks; above zero the size helps. With its 95 % bootstrap interval over the judged blocks.
    """
    if not 0 < train < len(run):
        raise InputError(f"train={train} must lie between 0 and the {len(run)} blocks of the run")
    first, rest = run.iloc[:train], run.iloc[train:]
    model = memoryless(first[covariate].to_numpy(), first["crashed"].to_numpy())
    hit = rest["crashed"].to_numpy(float)
    constant = (hit - first["crashed"].mean()) ** 2
    gain = constant - (hit - model.probability(rest[covariate].to_numpy())) ** 2
    rng = np.random.default_rng(seed)
    means = gain[rng.integers(0, len(gain), (draws, len(gain)))].mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Estimate(float(gain.mean()), float(low), float(high))


def _both(crashed: np.ndarray) -> None:
    crashed = np.asarray(crashed, bool)
    if not crashed.any() or crashed.all():
        raise InputError(
            f"{int(crashed.sum())} of {len(crashed)} runs crashed: a model of crashes needs some of each"
        )
