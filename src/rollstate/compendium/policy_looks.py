"""One name, place, colour and marker for every policy, in every figure and table of the book.

Names are those of the science: `rollstate.tiering.policies`, `rollstate.horizons.names` and `rollstate.caching.curves`.
There are more policies than colours that can be told apart, so that some share a colour; none shares colour and marker.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rollstate.caching import curves
from rollstate.compendium.style import COLOURS, QUIET
from rollstate.horizons import names
from rollstate.tiering import policies

FIXED = "fixed window"
"""One window for all slots, of whatever length."""
PUBLISHED = "published policy"
"""The published rule with its authors' search, which knows when each interval ends."""
DARK = "#555555"
_BLUE, _ORANGE, _GREEN, _PINK, _PURPLE, _OLIVE, _BLACK, _TAN = COLOURS


@dataclass(frozen=True)
class Look:
    """Colour and marker of a policy."""

    colour: str
    marker: str


LOOKS: dict[str, Look] = {
    # When to demote. Simple rules are grey, black or purple; the proposed policy is blue.
    policies.NEVER: Look(DARK, "v"),
    policies.ALWAYS: Look(QUIET, "^"),
    FIXED: Look(_BLACK, "s"),
    policies.TUNED: Look(_BLACK, "o"),
    policies.SKI: Look(_PURPLE, "s"),
    policies.RANDOM: Look(_PURPLE, "D"),
    names.MONTH: Look(_PINK, "s"),
    names.QUARTER: Look(_TAN, "D"),
    policies.BY_ACTIVITY: Look(_OLIVE, "P"),
    names.CLASSES: Look(_ORANGE, "P"),
    names.RETUNED: Look(_BLUE, "^"),
    names.SLOTS: Look(_OLIVE, "X"),
    PUBLISHED: Look(_ORANGE, "X"),
    policies.THRESHOLD: Look(_PINK, "X"),
    policies.EXPECTED_CURVE: Look(_GREEN, "o"),
    policies.EXPECTED_COX: Look(_BLUE, "o"),
    policies.REGRET: Look(_ORANGE, "^"),
    policies.CALIBRATED: Look(_GREEN, "s"),
    policies.CONFORMAL: Look(_OLIVE, "D"),
    policies.CHOSEN: Look(_PINK, "v"),
    names.HINDSIGHT: Look(_BLACK, "*"),
    policies.CLAIRVOYANT: Look(QUIET, "*"),
    # What to evict.
    curves.LRU: Look(_BLUE, "s"),
    curves.LFU: Look(_ORANGE, "s"),
    curves.ARC: Look(_GREEN, "^"),
    curves.LIRS: Look(_PINK, "D"),
    curves.SIEVE: Look(_PURPLE, "v"),
    curves.S3FIFO: Look(_OLIVE, "o"),
    curves.WTINYLFU: Look(_BLACK, "X"),
    curves.GDSF: Look(_TAN, "o"),
    curves.LHD: Look(_ORANGE, "D"),
    curves.CACHEUS: Look(_GREEN, "D"),
    curves.FILLED: Look(_PINK, "o"),
    curves.WIPED: Look(_TAN, "s"),
    curves.HAZARD: Look(_PURPLE, "P"),
    curves.RATE: Look(_OLIVE, "^"),
    curves.BELADY: Look(QUIET, "D"),
}
"""The look of each policy, in the order in which figures and tables list them."""

COLOUR = {name: look.colour for name, look in LOOKS.items()}
MARKER = {name: look.marker for name, look in LOOKS.items()}
"""For ``palette=`` and ``markers=`` of seaborn, as they are."""

OTHER_NAMES = {
    "fixed window, tuned": policies.TUNED,
    "tuned fixed window": policies.TUNED,
    "window tuned once": policies.TUNED,
    "ski rental, random": policies.RANDOM,
    "random ski rental": policies.RANDOM,
    "randomised ski rental": policies.RANDOM,
    "tuned by activity": policies.BY_ACTIVITY,
    "window per class of activity": policies.BY_ACTIVITY,
    "best fixed window (hindsight)": names.HINDSIGHT,
    "least recently used": curves.LRU,
    "least-recently-used": curves.LRU,
    "TinyLFU": curves.WTINYLFU,
    "Belady's algorithm": "Belady's rule",
    "cutoff rule": policies.THRESHOLD,
    "threshold rule": policies.THRESHOLD,
}
"""Other names of these policies that were in use, and the one that is used."""


def listed(some: Iterable[str]) -> list[str]:
    """Return the policies among some names, in the order of `LOOKS`.

    >>> listed(["Belady", "LRU", "ski rental"])
    ['ski rental', 'LRU', 'Belady']
    """
    there = set(some)
    return [name for name in LOOKS if name in there]
