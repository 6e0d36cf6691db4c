"""Results of the chapter ``reuse``."""

from __future__ import annotations

from rollstate.compendium.declared import Results, gate, result

_PERIODS = "95 % bootstrap over days, or as many equal parts of a shorter window, {draws} draws"
_GROUPS = "95 % bootstrap over groups of contracts, or of slots where contracts are few, {draws} draws"
_BORDERS = "range over the moments at which the set is chosen"
_ORACLE = "tests/profile/test_reduction.py::test_pairs_by_brute_force"
_LEVEL = "tests/chapters/reuse/test_study.py::test_level_is_the_reuse_of_shuffled_blocks"
_FACTORS = "tests/chapters/reuse/test_study.py::test_factors_compare_lags_and_classes"
_HOT = "tests/chapters/reuse/test_study.py::test_hot_sets_are_averaged_over_their_borders"
_INDEX = "tests/chapters/reuse/test_study.py::test_index_of_touches_is_hills"
_GAPS = "tests/chapters/reuse/test_study.py::test_index_of_gaps_drifts_where_there_is_no_power_law"
_EXACT = "a ratio of exact counts, rounded here"


class ReuseResults(Results):
    """How often a touched slot is touched again after some time, and whether frequency or recency says which."""

    days: float = result("days that the trace spans", unit="days", fmt=".3g", guard=_FACTORS)
    reuse_43_min: float = result(
        "share of the slots of a block that a block 43 minutes later touches",
        fmt=".1%",
        interval=_PERIODS,
        guard=_ORACLE,
        gate=gate(0.0924, 0.0001, _EXACT),
    )
    reuse_1_day: float = result(
        "share of the slots of a block that a block one day later touches",
        fmt=".1%",
        interval=_PERIODS,
        guard=_ORACLE,
    )
    reuse_7_days: float = result(
        "share of the slots of a block that a block seven days later touches",
        fmt=".1%",
        interval=_PERIODS,
        guard=_ORACLE,
    )
    reuse_29_days: float = result(
        "share of the slots of a block that a block 29 days later touches",
        fmt=".1%",
        interval=_PERIODS,
        guard=_ORACLE,
        gate=gate(0.0469, 0.0001, _EXACT),
    )
    short_lag_1: float = result(
        "share of the slots of a block that the next block touches",
        fmt=".1%",
        interval=_PERIODS,
        guard=_ORACLE,
    )
    short_lag_10: float = result(
        "share of the slots of a block that the tenth block after it touches",
        fmt=".1%",
        interval=_PERIODS,
        guard=_ORACLE,
    )
    short_lag_40: float = result(
        "share of the slots of a block that the fortieth block after it touches, give or take two",
        fmt=".1%",
        interval=_PERIODS,
        guard=_ORACLE,
    )
    level: float = result(
        "reuse at any lag if each slot's touches fell on the blocks of the window at random",
        fmt=".1%",
        interval=_GROUPS,
        guard=_LEVEL,
    )
    lag_factor: float = result(
        "reuse at the shortest lag over that at the longest", fmt=".1f", guard=_FACTORS
    )
    lag_span: float = result("longest lag over the shortest", fmt=",.0f", guard=_FACTORS)
    class_factor: float = result(
        "reuse after a day of the slots touched most over that of slots touched twice",
        fmt=",.0f",
        guard=_FACTORS,
    )
    hot_frequent: float = result(
        "share of a span's touches on the {hot} slots touched most often in the span before it",
        fmt=".0%",
        interval=_BORDERS,
        guard=_HOT,
    )
    hot_recent: float = result(
        "share of a span's touches on the {hot} slots touched last before it",
        fmt=".0%",
        interval=_BORDERS,
        guard=_HOT,
    )
    hot_best: float = result(
        "share of a span's touches on the {hot} slots touched most often in it: the bound",
        fmt=".0%",
        interval=_BORDERS,
        guard=_HOT,
    )
    hot_span: float = result("length of the spans before and after", unit="days", fmt=".3g", guard=_HOT)
    frequency_index: float = result(
        "Hill index of the touches of a slot, the busiest sixtieth", fmt=".2f", interval=_GROUPS, guard=_INDEX
    )
    frequency_drift: float = result(
        "largest over smallest index of the touches of a slot, from the busiest 300th to the busiest thirtieth",
        fmt=".2f",
        guard=_INDEX,
    )
    contracts_index: float = result(
        "Hill index of the touches of a contract, the busiest 25th", fmt=".2f", interval=_GROUPS, guard=_INDEX
    )
    contracts_drift: float = result(
        "largest over smallest index of the touches of a contract, from the busiest 100th to the busiest tenth",
        fmt=".2f",
        guard=_INDEX,
    )
    gaps_drift: float = result(
        "largest over smallest index of the gap between touches, over thresholds and traces",
        fmt=",.0f",
        guard=_GAPS,
    )
    gaps_low: float = result("smallest index of the gap", fmt=".2f", guard=_GAPS)
    gaps_high: float = result("largest index of the gap", fmt=".2f", guard=_GAPS)
