"""Results of the chapter ``tiering``."""

from __future__ import annotations

from typing import Any

from rollstate.compendium.declared import Results, gate, result

_CONTRACTS = "95 % bootstrap over contracts"
_BAR = "the cheapest of the tuned window, never demoting, always demoting and ski rental"
_JUDGED = "tests/tiering/test_trial.py::test_every_policy_is_compared_with_the_cheapest_simple_rule_at_every_penalty"
_TOLD = "tests/tiering/test_trial.py::test_a_penalty_that_holding_through_the_judged_blocks_cannot_reach_is_not_told"
_ONLINE = "tests/tiering/test_trial.py::test_an_altered_future_changes_no_window"
_STANDINGS = (
    "tests/chapters/tiering/test_study.py::test_standings_count_penalties_at_which_the_blocks_can_tell"
)
_FACTOR = "tests/tiering/test_replay.py::test_nobody_beats_the_clairvoyant"
_UNIT = "tests/tiering/test_windows.py::test_the_published_synthetic_row_comes_out_to_the_unit"
_SWEEP = "tests/tiering/test_windows.py::test_fixed_windows_of_the_published_sweep_come_out_to_the_unit"
_COUNTS = "tests/chapters/tiering/test_study.py::test_published_points_are_counted_by_hand"
_METRICS = "tests/tiering/test_evaluation.py::test_every_metric_has_an_interval_about_its_value"
_THRESHOLD = "tests/tiering/test_windows.py::test_the_cutoff_leaves_when_an_access_is_unlikely_enough"
_MISJUDGED = "tests/chapters/tiering/test_study.py::test_the_right_penalty_costs_what_it_costs"
_FOLDS = "tests/chapters/tiering/test_study.py::test_folds_train_on_what_lies_before_them"
_SHEET = "tests/tiering/test_replay.py::test_the_worksheet_is_prices_times_time"
_PAIR = "tests/tiering/test_windows.py::test_two_windows_are_the_best_pair"
_LITERAL = "tests/tiering/test_windows.py::test_the_published_placement_is_the_argmin_over_three_tiers"
_LRU = "tests/caching/test_policies.py::test_a_cache_is_that_of_its_paper"
_PRIORITY = "tests/caching/test_curves.py::test_equal_memory_is_kept"
_BELADY = "tests/caching/test_policies.py::test_no_cache_hits_more_than_belady"
_OVER_SLOTS = "95 % bootstrap over contracts, or over groups of slots where contracts are few"
_COX = "tests/chapters/tiering/test_carried.py::test_the_table_and_cox_cost_what_their_windows_cost"
_OVER_GROUPS = "95 % bootstrap over the random groups of the profile judged on, policy as it was fitted"
_CARRIED = "tests/chapters/tiering/test_carried.py::test_every_pair_costs_what_its_rescaled_policy_costs"
_FALLBACK = (
    "tests/policy/test_policy.py::test_beyond_its_horizon_a_row_that_never_demotes_costs_no_more_than_it_says"
)


def _count(meaning: str, guard: str = _JUDGED, **options: Any) -> Any:
    return result(meaning, guard=guard, **options)


def _ratio(meaning: str, guard: str = _JUDGED, **options: Any) -> Any:
    return result(meaning, fmt=".3f", interval=_CONTRACTS, guard=guard, **options)


def _share(meaning: str, guard: str, **options: Any) -> Any:
    return result(meaning, fmt=".0%", guard=guard, **options)


def _hits(meaning: str, guard: str) -> Any:
    return result(meaning, fmt=".0%", interval=_OVER_SLOTS, guard=guard)


class TieringResults(Results):
    """What policies cost on later blocks, beside the cheapest simple rule and beside the published policy."""

    _without_trace = ("peer_", "published_", "months", "carried")

    peer_misses: int = _count(
        "misses of the published rule on its authors' synthetic trace",
        _UNIT,
        gate=gate(14271, 0, "a published count, reproduced to the unit"),
    )
    peer_total: int = result(
        "total cost of the published rule on its authors' synthetic trace",
        unit="slot-blocks",
        guard=_UNIT,
        gate=gate(1429318925, 0, "a published count, reproduced to the unit"),
    )
    peer_gain: float = result(
        "cost of the published rule over that of the best fixed window, on its authors' synthetic trace",
        fmt=".2f",
        guard=_UNIT,
    )
    published_points: int = _count("published points of the policy on Scroll", _SWEEP)
    published_beaten: int = _count(
        "points at which one fixed window of the same data is cheaper",
        "tests/tiering/test_windows.py::test_one_tuned_window_beats_the_published_policy_wherever_they_differ",
        gate=gate(16, 0, "a count over published points"),
    )
    published_always: int = _count(
        "published points at which the policy costs what always demoting costs", _COUNTS
    )
    months: int = _count("published rows of windows of 30 and 90 days", _COUNTS)
    months_same: int = _count(
        "published rows of windows of 30 and 90 days that cost what never demoting costs", _COUNTS
    )

    chain: str = result(
        "chain of the trace", guard="tests/traces/test_store.py::test_a_stamp_names_its_chain"
    )
    train_blocks: int = result("blocks that policies know", unit="blocks", guard=_ONLINE)
    judged_blocks: int = result(
        "longest stretch that is seen of a spell behind the border", unit="blocks", guard=_TOLD
    )
    points: int = _count("penalties tried")
    told: int = _count("penalties at which the judged blocks can tell policies apart", _TOLD)
    differs: int = _count(f"penalties at which the proposed policy's cost is not that of {_BAR}")
    cheaper: int = _count(f"penalties at which the proposed policy is cheaper than {_BAR}")
    more_expensive: int = _count(
        f"penalties at which the proposed policy costs more than {_BAR}",
        gate=gate(0, 0, "a count over thirteen penalties"),
    )
    best_ratio: float = _ratio(
        f"lowest cost of the proposed policy over that of {_BAR}, where the blocks can tell",
        gate=gate(0.826, 0.03, "half of the half-width of its interval"),
    )
    best_at: float = result(
        "penalty at which the cost of the proposed policy over the cheapest simple rule is lowest",
        unit="slot-blocks in RAM",
        fmt=",.0f",
        guard=_JUDGED,
    )
    worst_ratio: float = _ratio(
        f"highest cost of the proposed policy over that of {_BAR}, where the blocks can tell"
    )
    cheaper_time: int = _count(
        "penalties at which the proposed policy is cheaper, bootstrap over runs of blocks"
    )
    competitive: float = result(
        "highest cost of the proposed policy over the clairvoyant's", fmt=".1f", guard=_FACTOR
    )
    competitive_ski: float = result(
        "highest cost of ski rental over the clairvoyant's",
        fmt=".1f",
        guard="tests/tiering/test_replay.py::test_an_open_spell_costs_ski_rental_a_miss_and_the_clairvoyant_nothing",
    )
    robust_differs: int = _count(f"penalties at which the cost of minimax regret is not that of {_BAR}")
    robust_below: int = _count(
        "penalties at which the cost of minimax regret is lower than that of the cheapest simple rule"
    )
    robust_cheaper: int = _count("penalties at which contracts can tell that minimax regret is cheaper")
    robust_more_expensive: int = _count(
        "penalties at which contracts can tell that minimax regret costs more"
    )

    peer_told: int = _count("penalties at which the synthetic chain can tell policies apart", _TOLD)
    peer_differs: int = _count(
        f"penalties at which the proposed policy's cost is not that of {_BAR}, synthetic chain"
    )
    peer_cheaper: int = _count(
        f"penalties at which the proposed policy is cheaper than {_BAR}, synthetic chain"
    )
    peer_more_expensive: int = _count(
        f"penalties at which the proposed policy costs more than {_BAR}, synthetic chain",
        gate=gate(1, 0, "a count over thirteen penalties"),
    )
    peer_best_ratio: float = _ratio(
        f"lowest cost of the proposed policy over that of {_BAR}, where the synthetic chain can tell",
        gate=gate(0.917, 0.018, "half of the half-width of its interval"),
    )
    peer_best_at: float = result(
        "penalty at which the cost of the proposed policy over the cheapest simple rule is lowest, synthetic chain",
        unit="slot-blocks in RAM",
        fmt=",.0f",
        guard=_JUDGED,
    )
    peer_worst_ratio: float = _ratio(
        f"highest cost of the proposed policy over that of {_BAR}, where the synthetic chain can tell"
    )
    peer_competitive: float = result(
        "highest cost of the proposed policy over the clairvoyant's, synthetic chain",
        fmt=".1f",
        guard=_FACTOR,
    )
    peer_robust_differs: int = _count(
        f"penalties at which the cost of minimax regret is not that of {_BAR}, synthetic chain"
    )
    peer_robust_below: int = _count(
        "penalties at which the cost of minimax regret is lower than that of the cheapest simple rule, synthetic chain"
    )
    peer_robust_cheaper: int = _count(
        "penalties at which contracts can tell that minimax regret is cheaper, synthetic chain"
    )
    peer_robust_more_expensive: int = _count(
        "penalties at which contracts can tell that minimax regret costs more, synthetic chain"
    )

    no_help: str = result(
        "what has a higher mean cost than the proposed policy on both chains", guard=_STANDINGS
    )
    help: str = result(
        "what has a lower mean cost than the proposed policy on at least one chain", guard=_STANDINGS
    )
    never: int = _count("penalties at which no policy is cheaper than never demoting", _STANDINGS)
    kept: float = result(
        "share of slot-blocks that the proposed policy keeps in RAM at a penalty of {quote:g}",
        fmt=".1%",
        interval=_CONTRACTS,
        guard=_METRICS,
    )
    found: float = result(
        "share of accesses that the proposed policy finds in RAM at a penalty of {quote:g}",
        fmt=".0%",
        interval=_CONTRACTS,
        guard=_METRICS,
    )
    tau_best: float = result(
        f"cost of the probability threshold over that of {_BAR}, lowest over its horizon",
        fmt=".2f",
        guard=_THRESHOLD,
    )
    tau_worst: float = result(
        f"cost of the probability threshold over that of {_BAR}, highest over its horizon",
        fmt=".2f",
        guard=_THRESHOLD,
    )
    tenfold: float = result(
        "cost of the proposed policy with a penalty misjudged tenfold over that with the true one, worse side",
        fmt=".2f",
        guard=_MISJUDGED,
    )
    tenfold_tuned: float = result(
        "cost of the tuned window with a penalty misjudged tenfold over that with the true one, worse side",
        fmt=".2f",
        guard=_MISJUDGED,
    )
    tenfold_ski: float = result(
        "cost of ski rental with a penalty misjudged tenfold over that with the true one, worse side",
        fmt=".2f",
        guard=_MISJUDGED,
    )
    drift: float = result(
        "highest cost of the tuned window over the best one of the same fold", fmt=".2f", guard=_FOLDS
    )
    drift_proposed: float = result(
        "highest cost of the proposed policy over the best window of the same fold", fmt=".2f", guard=_FOLDS
    )
    ssd_break_even: float = result(
        "model: idle time in RAM that costs as much as one access on SSD", unit="h", fmt=".0f", guard=_SHEET
    )
    cold_break_even: float = result(
        "model: idle time on SSD that costs as much as one access in cold storage instead",
        unit="d",
        fmt=",.0f",
        guard=_SHEET,
    )
    three_ram: float = _share("model: share of slot-blocks that the two-window rule keeps in RAM", _PAIR)
    three_ssd: float = _share("model: share of slot-blocks that the two-window rule keeps on SSD", _PAIR)
    three_ratio: float = result(
        "model: cost of the two-window rule over that of the cheapest single tier", fmt=".3f", guard=_PAIR
    )
    three_published: float = result(
        "model: cost of the published placement over that of the cheapest single tier",
        fmt=".3f",
        guard=_LITERAL,
    )
    capacity: float = _share(
        "parameter: memory that the text quotes, as a share of the bytes of all slots", _LRU
    )
    table_points: int = _count("penalties at which a table of windows is compared with the Cox model", _COX)
    table_rows: int = _count("rows of the table of windows that is compared with the Cox model", _COX)
    table_cheaper: int = _count(
        "penalties at which the table of windows clearly costs less than the Cox model", _COX
    )
    table_more_expensive: int = _count(
        "penalties at which the table of windows clearly costs more than the Cox model, counted", _COX
    )
    table_more_expensive_at: str = result(
        "penalties at which the table of windows clearly costs more than the Cox model", guard=_COX
    )
    table_worst: float = _ratio("highest cost of the table over that of the Cox model", _COX)
    table_worst_at: float = result(
        "penalty at which the table of windows costs most over the Cox model", fmt=",g", guard=_COX
    )
    carried: int = _count("pairs of profiles and penalties at which a table was carried elsewhere", _CARRIED)
    carried_cheaper: int = _count(
        "pairs and penalties at which a carried table costs less than the cheapest simple rule there",
        _CARRIED,
    )
    carried_clearly: int = _count(
        "pairs and penalties at which the interval of a carried table's cost over that of the cheapest simple rule there lies below one",
        _CARRIED,
    )
    carried_native: float = result(
        "highest cost of a table where it was fitted over that of the cheapest simple rule",
        fmt=".2f",
        interval=_OVER_GROUPS,
        guard=_CARRIED,
    )
    carried_longer: float = result(
        "highest cost of a table carried to a longer trace over that of the cheapest simple rule there",
        fmt=".2f",
        interval=_OVER_GROUPS,
        guard=_FALLBACK,
    )
    carried_uncut: float = result(
        "highest cost of a table carried to a longer trace whose rows never demote beyond the longest idle time they have seen, over that of the cheapest simple rule there",
        fmt=",.0f",
        interval=_OVER_GROUPS,
        guard=_FALLBACK,
    )
    carried_shorter: float = result(
        "highest cost of a table carried to a shorter trace over that of the cheapest simple rule there",
        fmt=",.0f",
        interval=_OVER_GROUPS,
        guard=_CARRIED,
    )
    lru: float = _hits("hit ratio among repeated accesses, LRU", _LRU)
    belady: float = _hits("hit ratio among repeated accesses, the best possible", _BELADY)
    best_online: str = result("best cache without knowledge of the future in as much memory", guard=_PRIORITY)
    best_online_hits: float = _hits(
        "hit ratio among repeated accesses of the best cache without knowledge of the future", _PRIORITY
    )
