"""Results of the chapter ``reuse``."""

from __future__ import annotations

from rollstate.compendium.declared import Results, gate, result

_PERIODS = (
    "95 % bootstrap over days, or equal parts of a shorter window; over groups of contracts or slots where fewer than "
    "eight of them hold a pair of blocks so far apart; {draws} draws"
)
_GROUPS = "95 % bootstrap over groups of contracts, or of slots where contracts are few, {draws} draws"
_DRAWN = "95 % jackknife over the profile's random groups of slots or contracts, windows as they were set"
_PARTS = "tests/horizons/test_groups.py::test_groups_are_those_of_a_replay_of_every_spell"
_BORDERS = "range over the moments at which the set is chosen"
_ORACLE = "tests/profile/test_reduction.py::test_pairs_by_brute_force"
_LEVEL = "tests/chapters/reuse/test_study.py::test_level_is_the_reuse_of_shuffled_blocks"
_FACTORS = "tests/chapters/reuse/test_study.py::test_factors_compare_lags_and_classes"
_HOT = "tests/chapters/reuse/test_study.py::test_hot_sets_are_averaged_over_their_borders"
_INDEX = "tests/chapters/reuse/test_study.py::test_index_of_touches_is_hills"
_GAPS = "tests/chapters/reuse/test_study.py::test_index_of_gaps_drifts_where_there_is_no_power_law"
_REPLAY = "tests/horizons/test_rules.py::test_fixed_rules_cost_what_a_replay_of_every_spell_says"
_GROUP = "tests/horizons/test_rules.py::test_a_group_is_priced_as_if_it_were_alone"
_RETUNED = "tests/horizons/test_rules.py::test_re_tuned_windows_are_those_of_a_spells_start"
_SLOT = "tests/horizons/test_rules.py::test_the_slots_window_has_the_least_expected_cost"
_CHANGE = "tests/horizons/test_rules.py::test_re_tuning_survives_a_change_and_costs_little_without_one"
_WORST = "tests/chapters/reuse/test_windows.py::test_the_worst_case_and_the_goal_are_counted_by_hand"
_DRIFT = "tests/chapters/reuse/test_windows.py::test_drift_is_the_eighth_where_the_tuned_window_loses_most"
_SPAN = "tests/horizons/test_lengths.py::test_a_span_is_seen_as_a_trace_of_its_blocks_alone"
_LENGTH = "tests/chapters/reuse/test_windows.py::test_lengths_are_summed_up_by_hand"
_NEXT = "tests/horizons/test_few.py::test_the_next_window_lies_in_its_prediction_interval"
_COVERS = "tests/horizons/test_few.py::test_measured_coverage"
_ONE_MORE = "95 % prediction interval of one more eighth, from those of all long traces"
_WILSON = "95 % Wilson interval over simulated samples"
_TENTHS = "95 % bootstrap over tenths of the judged blocks, {draws} draws"
_FORETOLD = "tests/horizons/test_foresight.py::test_measures_by_brute_force"
_RENEWAL = "tests/horizons/test_foresight.py::test_the_true_law_foretells_reuse_and_coverage"
_RANKED = "tests/horizons/test_foresight.py::test_ties_share_the_rest_of_a_hot_set"
_COUNTED = "tests/chapters/reuse/test_foretold.py::test_models_are_counted_by_their_paired_difference"
_EXACT = "a ratio of exact counts, rounded here"


class ReuseResults(Results):
    """How often a touched slot is touched again after some time, and whether frequency or recency says which."""

    _without_trace = ("foretold_",)

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
    hot_span: float = result(
        "length of the span before and of the span after a choice of hot slots",
        unit="days",
        fmt=".3g",
        guard=_HOT,
    )
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
    gaps_low: float = result(
        "smallest Hill index of the gap between touches, over thresholds and traces", fmt=".2f", guard=_GAPS
    )
    gaps_high: float = result(
        "largest Hill index of the gap between touches, over thresholds and traces", fmt=".2f", guard=_GAPS
    )
    worst_month: float = result(
        "largest cost of a fixed window of 30 days over the best window in hindsight, penalties of a RAM-day and more",
        fmt=".0f",
        interval=_DRAWN,
        guard=_REPLAY,
    )
    worst_quarter: float = result(
        "largest cost of a fixed window of 90 days over the best window in hindsight, penalties of a RAM-day and more",
        fmt=".0f",
        interval=_DRAWN,
        guard=_REPLAY,
    )
    worst_tuned: float = result(
        "largest cost of the window tuned on the first half over the best window in hindsight, penalties of a RAM-day and more",
        fmt=".2f",
        interval=_DRAWN,
        guard=_REPLAY,
    )
    worst_retuned: float = result(
        "largest cost of the window re-tuned on change over the best window in hindsight, penalties of a RAM-day and more",
        fmt=".2f",
        interval=_DRAWN,
        guard=_RETUNED,
    )
    worst_slots: float = result(
        "largest cost of the window per slot over the best window in hindsight, penalties of a RAM-day and more",
        fmt=".1f",
        interval=_DRAWN,
        guard=_SLOT,
    )
    worst_classes: float = result(
        "largest cost of the window per class over the best window in hindsight, penalties of a RAM-day and more",
        fmt=".2f",
        interval=_DRAWN,
        guard=_PARTS,
    )
    best_classes: float = result(
        "smallest cost of the window per class over the best window in hindsight, penalties of a RAM-day and more",
        fmt=".2f",
        interval=_DRAWN,
        guard=_PARTS,
    )
    classes_better: int = result(
        "points, of a long trace and a penalty of a RAM-day or more, at which the window per class costs less than the "
        "best window in hindsight, by its interval",
        guard=_WORST,
    )
    classes_worse: int = result(
        "points, of a long trace and a penalty of a RAM-day or more, at which the window per class costs more than the "
        "best window in hindsight, by its interval",
        guard=_WORST,
    )
    retuned_over_simple: float = result(
        "largest cost of re-tuning over the cheapest of the four simple rules", fmt=".2f", guard=_RETUNED
    )
    goal_retuned: int = result(
        "traces and penalties at which re-tuning is within 5 % of the best window in hindsight and within 2 % of the "
        "cheapest simple rule",
        guard=_WORST,
    )
    goal_slots: int = result(
        "traces and penalties at which the window per slot is within 5 % of the best window in hindsight and within 2 % of the cheapest simple rule",
        guard=_WORST,
    )
    goal_cells: int = result("traces and penalties judged, of a RAM-day and more", guard=_WORST)
    drift_trace: str = result("long trace on which the tuned window loses most to drift", guard=_DRIFT)
    drift_day: float = result(
        "day at which the eighth of the trace begins in which the tuned window loses most to drift",
        unit="days",
        fmt=",.0f",
        guard=_DRIFT,
    )
    drift_tuned: float = result(
        "cost of the tuned window over the best in hindsight, in the eighth in which it loses most, at the largest penalty",
        fmt=".2f",
        interval=_DRAWN,
        guard=_DRIFT,
    )
    drift_quarter: float = result(
        "cost of a fixed window of 90 days over the best in hindsight, in the eighth in which the tuned window loses most",
        fmt=".2f",
        interval=_DRAWN,
        guard=_DRIFT,
    )
    drift_retuned: float = result(
        "cost of re-tuning on change over the best in hindsight, in the eighth in which the tuned window loses most",
        fmt=".2f",
        interval=_DRAWN,
        guard=_CHANGE,
    )
    next_tuned: float = result(
        "cost of the tuned window over the best in hindsight, at {penalty} RAM-days, geometric mean over eighths",
        fmt=".2f",
        interval=_ONE_MORE,
        guard=_NEXT,
    )
    next_retuned: float = result(
        "cost of re-tuning on change over the best in hindsight, at {penalty} RAM-days, geometric mean over eighths",
        fmt=".2f",
        interval=_ONE_MORE,
        guard=_NEXT,
    )
    eighths: int = result("eighths of long traces that rules were judged on", guard=_NEXT)
    covers_percentile: float = result(
        "measured coverage of the percentile interval over seven windows, for 95 %",
        fmt=".0%",
        interval=_WILSON,
        guard=_COVERS,
    )
    covers_bca: float = result(
        "measured coverage of the BCa interval over seven windows, for 95 %",
        fmt=".0%",
        interval=_WILSON,
        guard="tests/horizons/test_few.py::test_bca_covers_less_than_the_bootstrap_t_with_seven_clusters",
    )
    covers_t: float = result(
        "measured coverage of the bootstrap-t interval over seven windows, for 95 %",
        fmt=".0%",
        interval=_WILSON,
        guard=_COVERS,
    )
    hour_least: float = result(
        "smallest cost over hindsight of a window tuned on an hour, penalties of 30 RAM-days and more",
        fmt=".1f",
        guard=_SPAN,
    )
    hour_most: float = result(
        "largest cost over hindsight of a window tuned on an hour, penalties of 30 RAM-days and more",
        fmt=".1f",
        guard=_SPAN,
    )
    week_90_least: float = result(
        "smallest cost over hindsight of a window tuned on a week, at 90 RAM-days", fmt=".2f", guard=_SPAN
    )
    week_90_most: float = result(
        "largest cost over hindsight of a window tuned on a week, at 90 RAM-days", fmt=".2f", guard=_SPAN
    )
    week_365_least: float = result(
        "smallest cost over hindsight of a window tuned on a week, at 365 RAM-days", fmt=".2f", guard=_SPAN
    )
    week_365_most: float = result(
        "largest cost over hindsight of a window tuned on a week, at 365 RAM-days", fmt=".2f", guard=_SPAN
    )
    accepted_most: float = result(
        "largest cost over hindsight of a window from a span that is long enough for it",
        fmt=".2f",
        guard=_LENGTH,
    )
    accepted_spans: int = result("spans and penalties where the span is long enough", guard=_LENGTH)
    refused_most: float = result(
        "largest cost over hindsight of a window from a span that is too short for it",
        fmt=".1f",
        guard=_LENGTH,
    )
    refused_spans: int = result("spans and penalties where the span is too short", guard=_LENGTH)
    foretold_models: int = result(
        "models of the next touch that forecast the last third of the month", guard=_COUNTED
    )
    foretold_visits: float = result(
        "touches that the Kaplan-Meier curves by visits foretell over those that came",
        fmt=".2f",
        guard=_RENEWAL,
    )
    foretold_reuse_carried: float = result(
        "mean error of reuse by lag, carried forward from the days before",
        fmt=".2%",
        interval=_TENTHS,
        guard=_FORETOLD,
    )
    foretold_reuse_best: float = result(
        "mean error of reuse by lag, smallest of any model", fmt=".2%", interval=_TENTHS, guard=_FORETOLD
    )
    foretold_reuse_model: str = result("model that reuse by lag is foretold best by", guard=_COUNTED)
    foretold_reuse_better: int = result(
        "models that foretell reuse by lag better than what is carried forward, beyond doubt", guard=_COUNTED
    )
    foretold_reuse_worse: int = result("models that do so worse, for reuse by lag", guard=_COUNTED)
    foretold_coverage_carried: float = result(
        "mean error of the share of touches that a window covers, carried forward from the days before",
        fmt=".2%",
        interval=_TENTHS,
        guard=_FORETOLD,
    )
    foretold_coverage_best: float = result(
        "mean error of the share of touches that a window covers, smallest of any model",
        fmt=".2%",
        interval=_TENTHS,
        guard=_FORETOLD,
    )
    foretold_coverage_model: str = result(
        "model that coverage of windows is foretold best by", guard=_COUNTED
    )
    foretold_coverage_better: int = result(
        "models that foretell coverage of windows better than what is carried forward, beyond doubt",
        guard=_COUNTED,
    )
    foretold_coverage_worse: int = result("models that do so worse, for coverage of windows", guard=_COUNTED)
    foretold_hot_carried: float = result(
        "share of the touches served by {hot} slots, touched most often before",
        fmt=".1%",
        interval=_TENTHS,
        guard=_RANKED,
    )
    foretold_hot_best: float = result(
        "share of the touches served by {hot} slots, largest of any model's set",
        fmt=".1%",
        interval=_TENTHS,
        guard=_RANKED,
    )
    foretold_hot_model: str = result("model that the hot set is foretold best by", guard=_COUNTED)
    foretold_hot_better: int = result(
        "models that foretell the hot set better than what is carried forward, beyond doubt", guard=_COUNTED
    )
    foretold_hot_worse: int = result("models that do so worse, for the hot set", guard=_COUNTED)
