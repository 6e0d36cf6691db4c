"""One name, place, colour and marker for every policy, in every figure and table of the book.

Names are those of the science: `rollstate.tiering.names`, `rollstate.horizons.names` and `rollstate.caching.names`.
There are more policies than colours that can be told apart, so that some share a colour; none shares colour and marker.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rollstate.caching import names as caching
from rollstate.compendium.style import COLOURS, QUIET
from rollstate.horizons import names as horizons
from rollstate.tiering import names as tiering

DARK = "#555555"
_BLUE, _ORANGE, _GREEN, _PINK, _PURPLE, _OLIVE, _BLACK, _TAN = COLOURS


@dataclass(frozen=True)
class Look:
    """Colour and marker of a policy."""

    colour: str
    marker: str


LOOKS: dict[str, Look] = {
    # When to demote. Simple rules are grey, black or purple; the proposed policy is blue.
    tiering.NEVER: Look(DARK, "v"),
    tiering.ALWAYS: Look(QUIET, "^"),
    tiering.FIXED: Look(_BLACK, "s"),
    tiering.TUNED: Look(_BLACK, "o"),
    tiering.SKI: Look(_PURPLE, "s"),
    tiering.RANDOM: Look(_PURPLE, "D"),
    horizons.MONTH: Look(_PINK, "s"),
    horizons.QUARTER: Look(_TAN, "D"),
    tiering.BY_ACTIVITY: Look(_OLIVE, "P"),
    horizons.CLASSES: Look(_ORANGE, "P"),
    horizons.RETUNED: Look(_BLUE, "^"),
    horizons.SLOTS: Look(_OLIVE, "X"),
    tiering.PUBLISHED: Look(_ORANGE, "X"),
    tiering.THRESHOLD: Look(_PINK, "X"),
    tiering.EXPECTED_CURVE: Look(_GREEN, "o"),
    tiering.EXPECTED_COX: Look(_BLUE, "o"),
    tiering.REGRET: Look(_ORANGE, "^"),
    tiering.CALIBRATED: Look(_GREEN, "s"),
    tiering.CONFORMAL: Look(_OLIVE, "D"),
    tiering.CHOSEN: Look(_PINK, "v"),
    horizons.HINDSIGHT: Look(_BLACK, "*"),
    tiering.CLAIRVOYANT: Look(QUIET, "*"),
    # What to evict.
    caching.LRU: Look(_BLUE, "s"),
    caching.LFU: Look(_ORANGE, "s"),
    caching.ARC: Look(_GREEN, "^"),
    caching.LIRS: Look(_PINK, "D"),
    caching.SIEVE: Look(_PURPLE, "v"),
    caching.S3FIFO: Look(_OLIVE, "o"),
    caching.WTINYLFU: Look(_BLACK, "X"),
    caching.GDSF: Look(_TAN, "o"),
    caching.LHD: Look(_ORANGE, "D"),
    caching.CACHEUS: Look(_GREEN, "D"),
    caching.FILLED: Look(_PINK, "o"),
    caching.WIPED: Look(_TAN, "s"),
    caching.HAZARD: Look(_PURPLE, "P"),
    caching.RATE: Look(_OLIVE, "^"),
    caching.BELADY: Look(QUIET, "D"),
}
"""The look of each policy, in the order in which figures and tables list them."""

COLOUR = {name: look.colour for name, look in LOOKS.items()}
MARKER = {name: look.marker for name, look in LOOKS.items()}
"""For ``palette=`` and ``markers=`` of seaborn, as they are."""

OTHER_NAMES = {
    "fixed window, tuned": tiering.TUNED,
    "tuned fixed window": tiering.TUNED,
    "window tuned once": tiering.TUNED,
    "ski rental, random": tiering.RANDOM,
    "random ski rental": tiering.RANDOM,
    "randomised ski rental": tiering.RANDOM,
    "tuned by activity": tiering.BY_ACTIVITY,
    "window per class of activity": tiering.BY_ACTIVITY,
    "best fixed window (hindsight)": horizons.HINDSIGHT,
    "least recently used": caching.LRU,
    "least-recently-used": caching.LRU,
    "TinyLFU": caching.WTINYLFU,
    "Belady's algorithm": "Belady's rule",
    "cutoff rule": tiering.THRESHOLD,
    "threshold rule": tiering.THRESHOLD,
}
"""Other names of these policies that were in use, and the one that is used."""


def listed(some: Iterable[str]) -> list[str]:
    """Return the policies among some names, in the order of `LOOKS`.

    >>> listed(["Belady", "LRU", "ski rental"])
    ['ski rental', 'LRU', 'Belady']
    """
    there = set(some)
    return [name for name in LOOKS if name in there]
