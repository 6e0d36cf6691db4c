"""Results of the chapter ``caching``."""

from __future__ import annotations

from typing import Any

from rollstate.compendium.declared import Results, result

_CONTRACTS = "95 % over contracts"
_PAPER = "tests/caching/test_policies.py::test_a_cache_is_that_of_its_paper"
_BELADY = "tests/caching/test_policies.py::test_no_cache_hits_more_than_belady"
_MEMORY = "tests/caching/test_curves.py::test_equal_memory_is_kept"
_GAP = "tests/caching/test_curves.py::test_the_share_of_the_gap_that_is_closed"
_HAZARD = "tests/caching/test_policies.py::test_hazard_eviction_keeps_what_comes_back"
_RATE = "tests/caching/test_policies.py::test_rate_eviction_keeps_what_is_accessed_often"
_ORDER = "tests/caching/test_curves.py::test_accesses_follow_transactions_or_slots"
_PLACES = "tests/chapters/caching/test_places.py::test_standings_name_the_best_and_its_equals"
_SAMPLE = "tests/caching/test_sampling.py::test_a_sample_of_slots_hits_what_all_of_them_hit"


def _hits(meaning: str, guard: str) -> Any:
    return result(meaning, fmt=".1%", interval=_CONTRACTS, guard=guard)


class CachingResults(Results):
    """Numbers that the chapter records."""

    share: float = result(
        "parameter: memory that the text quotes, as a share of the bytes of all slots",
        fmt=".0%",
        guard=_MEMORY,
    )
    repeated: int = result("repeated accesses that are judged", fmt=",", guard=_MEMORY)
    ordered: float = result("share of accesses whose transaction is known", fmt=".0%", guard=_ORDER)
    order_effect: float = result(
        "largest change of a policy's hit ratio if a block's accesses come by slot instead",
        fmt=".1%",
        guard=_ORDER,
    )
    best: str = result("classical policy with the most hits in the quoted memory", guard=_MEMORY)
    best_hits: float = _hits(
        "hit ratio among repeated accesses of the best classical policy in the quoted memory", _PAPER
    )
    lru: float = _hits("hit ratio of LRU in the quoted memory", _PAPER)
    lfu: float = _hits("hit ratio of LFU whose counters go with the slot", _PAPER)
    filled: float = _hits("hit ratio of a cache without eviction that fills up", _PAPER)
    wiped: float = _hits("hit ratio of a cache that is wiped whole at its cap", _PAPER)
    belady: float = _hits("the highest hit ratio that is possible with as many bytes", _BELADY)
    hazard: float = _hits("hit ratio of eviction by the conditional hazard", _HAZARD)
    rate: float = _hits("hit ratio of eviction by the posterior rate", _RATE)
    hazard_closed: float = result(
        "share of the gap from the best classical policy to the bound that the conditional hazard closes",
        fmt=".1%",
        guard=_GAP,
    )
    rate_closed: float = result(
        "share of the gap from the best classical policy to the bound that the posterior rate closes",
        fmt=".1%",
        guard=_GAP,
    )
    hazard_wins: int = result(
        "sizes at which the conditional hazard hits more than every classical policy", fmt="d", guard=_GAP
    )
    rate_wins: int = result(
        "sizes at which the posterior rate hits more than every classical policy", fmt="d", guard=_GAP
    )
    sizes: int = result("sizes of memory that are compared", fmt="d", guard=_MEMORY)
    places: int = result("traces on which the same caches are compared", fmt="d", guard=_PLACES)
    places_best: str = result(
        "classical policies with the most hits at the quoted memory, and on how many traces", guard=_PLACES
    )
    places_safest: str = result(
        "classical policy whose largest shortfall over all traces is the smallest, at the quoted memory",
        guard=_PLACES,
    )
    places_safest_behind: float = result(
        "hits that the policy of the smallest worst shortfall lacks to the best one of a trace, at most",
        fmt=".1%",
        guard=_PLACES,
    )
    places_gap_low: float = result(
        "smallest gap from the best classical policy to the bound over all traces", fmt=".1%", guard=_PLACES
    )
    places_gap_high: float = result("largest such gap", fmt=".1%", guard=_PLACES)
    places_points: int = result("pairs of traces and sizes that are compared", fmt="d", guard=_PLACES)
    places_hazard: int = result(
        "traces and sizes where the conditional hazard hits more than every classical policy",
        fmt="d",
        guard=_PLACES,
    )
    places_rate: int = result(
        "traces and sizes where the posterior rate hits more than every classical policy",
        fmt="d",
        guard=_PLACES,
    )
    sampling_error: float = result(
        "largest error of a policy's hit ratio from sampling slots, on a trace that is also replayed whole",
        fmt=".1%",
        guard=_SAMPLE,
    )
    order_largest: float = result(
        "largest change of a policy's hit ratio, over all traces with known transactions, if accesses come by slot",
        fmt=".1%",
        guard="tests/chapters/caching/test_places.py::test_the_order_inside_a_block_is_compared_where_it_is_known",
    )
