"""How much of the state a window covers: concentration, reads against writes, and slots still to be discovered.

The unit is the *event*: a (block, slot) pair, however many transactions of the block touched the slot. An event is
*written* if any of its touches writes, else it is *read only*. On mainnet blocks 20615532 to 20615581 this rule
gives the published counts: 22,243 written and 37,936 read-only events, together 60,179.

Everything here is computed from `Counts`, which add up over the parts of a trace, so that no process needs to hold more
than one of them (`counts`). `concentration` measures how unequal slots and contracts are, `discovery` how many slots
are still to be seen.
"""

from rollstate.coverage.concentration import concentration, concentration_curve, gini, write_share
from rollstate.coverage.counts import Counts, count, events
from rollstate.coverage.discovery import discovery, unseen_share
from rollstate.traces.visits import per_slot

__all__ = [
    "Counts",
    "concentration",
    "concentration_curve",
    "count",
    "discovery",
    "events",
    "gini",
    "per_slot",
    "unseen_share",
    "write_share",
]
