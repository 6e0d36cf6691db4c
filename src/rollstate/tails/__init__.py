r"""How heavy the tail of gap times is, and whether this window can tell.

A tail beyond a threshold :math:`u` is Pareto with index :math:`\alpha` if :math:`S(t)/S(u) = (t/u)^{-\alpha}`. Gap
times are whole blocks, end with the window (right censoring) and may enter late, at an age :math:`e`. With gap
:math:`t`, event flag :math:`d` and :math:`\ell = \max(u, e)`, the likelihood of a spell beyond :math:`u` is

.. math::

   \Bigl[\frac{(t-1)^{-\alpha} - t^{-\alpha}}{\ell^{-\alpha}}\Bigr]^{d}
   \Bigl[\frac{t^{-\alpha}}{\ell^{-\alpha}}\Bigr]^{1-d},

the exact one on integers (`discrete`). Its continuous version is solved in closed form (`hill`),

.. math:: \hat\xi = \frac1{\hat\alpha} = \frac{\sum_{t>u} \log(t / \ell)}{\sum_{t>u} d},

which is Hill (1975, https://doi.org/10.1214/aos/1176343247) without censoring and entry, and its adaptation to
censoring by Einmahl, Fils-Villetard and Guillou (2008, https://doi.org/10.3150/07-BEJ104) without entry.

An index is a number only where the window identifies one: `assess` chooses the threshold, carries the uncertainty of
that choice, compares with other tails and says "not a tail this window can identify" where that is the truth.
"""

from rollstate.tails.alternatives import ALTERNATIVES, Alternative, compare, compare_of
from rollstate.tails.assessment import (
    IDENTIFIED,
    UNIDENTIFIED,
    Assessment,
    assess,
    assess_of,
    choose_threshold,
)
from rollstate.tails.estimators import (
    Fit,
    completed_hill,
    discrete,
    discrete_of,
    hill,
    hill_plot,
    hill_plot_of,
    peer_hill,
    threshold_of,
)

__all__ = [
    "ALTERNATIVES",
    "IDENTIFIED",
    "UNIDENTIFIED",
    "Alternative",
    "Assessment",
    "Fit",
    "assess",
    "assess_of",
    "choose_threshold",
    "compare",
    "compare_of",
    "completed_hill",
    "discrete",
    "discrete_of",
    "hill",
    "hill_plot",
    "hill_plot_of",
    "peer_hill",
    "threshold_of",
]
