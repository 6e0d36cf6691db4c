"""Results of the chapter ``eda``."""

from __future__ import annotations

from rollstate.compendium.declared import Results, gate, result

_CONTRACTS = "95 % bootstrap over contracts, of a profile over its random groups, {draws} draws"
_BLOCKS = "95 % moving-block bootstrap over blocks, {draws} draws"
_SPELLS = "tests/intervals/test_intervals.py::test_spells_are_those_of_a_walk_block_by_block"
_CURVE = "tests/test_product_limit.py::test_equals_r_survfit"
_HAZARD = "tests/chapters/eda/test_study.py::test_hazards_are_those_of_nelson_and_aalen"
_TAIL = "tests/tails/test_tails.py::test_mainnet_gaps_are_not_a_tail_fifty_blocks_can_identify"
_WALK = "tests/traces/test_summary.py::test_reuse_is_that_of_a_walk_block_by_block"
_REUSE = "tests/traces/test_summary.py::test_mainnet_reuse_is_the_reference"
_PAIRS = (
    "tests/traces/test_summary.py::test_co_access_of_slots_that_are_independent_given_the_calls_has_lift_one"
)
_ROWS = "tests/traces/test_summary.py::test_activity_has_a_row_per_busy_contract"
_NOISE = "tests/traces/test_summary.py::test_noise_is_not_called_periodic_and_a_wave_is"
_PEER = "tests/intervals/test_intervals.py::test_peer_rule_reproduces_the_peers_numbers"
_INDEX = "tests/tails/test_tails.py::test_peer_rule_reproduces_the_peers_index"
_LATE = "tests/intervals/test_intervals.py::test_delayed_entry_changes_the_peers_picture"
_PAIRED = "tests/chapters/eda/test_study.py::test_difference_of_the_rules_is_bootstrapped_in_pairs"
_PUBLISHED = "a published count, reproduced to the unit"


class EdaResults(Results):
    """How often slots are touched, how long the gaps are, and what a window can tell of both."""

    _without_trace = ("peer_", "right_", "late_spells")

    touched_again: float = result(
        "share of touched slots that a second block touches",
        fmt=".0%",
        interval=_CONTRACTS,
        guard="tests/chapters/eda/test_study.py::test_frequencies_are_counted_by_hand",
    )
    spells: int = result("spells", fmt=",", guard=_SPELLS)
    censored_share: float = result("share of spells without an event", fmt=".0%", guard=_SPELLS)
    horizon: int = result("half of the longest observable gap", unit="blocks", fmt=",", guard=_SPELLS)
    open_share: float = result(
        "share of spells without another access within the horizon (Kaplan-Meier)",
        fmt=".0%",
        interval=_CONTRACTS,
        guard=_CURVE,
        gate=gate(0.523, 0.0005, "a product-limit estimate, exact for its data, rounded here"),
    )
    naive_open_share: float = result(
        "share of completed gaps longer than the horizon, which ignores the open ones",
        fmt=".0%",
        guard=_CURVE,
    )
    hazard_first: float = result(
        "chance of another access in the first block after an access",
        fmt=".1%",
        interval=_CONTRACTS,
        guard=_HAZARD,
    )
    hazard_late: float = result(
        "chance of another access per block over the second half of the observable gaps (Nelson-Aalen)",
        fmt=".2%",
        interval=_CONTRACTS,
        guard=_HAZARD,
    )
    tail_verdict: str = result(
        "verdict on a power-law tail of the gap",
        guard=_TAIL,
        gate=gate("not a tail this window can identify", 0, "a verdict has no tolerance"),
    )
    tail_reasons: str = result("why the tail of the gap is identified or not", guard=_TAIL)
    naive_alpha_small_k: float = result(
        "Hill estimate from the fifty longest completed gaps, or a twentieth of them, censoring ignored",
        fmt=".1f",
        guard=_TAIL,
    )
    naive_alpha_large_k: float = result(
        "Hill estimate from the two thousand longest completed gaps, or a quarter of them, censoring ignored",
        fmt=".1f",
        guard=_TAIL,
    )
    lag_short: int = result("parameter: blocks looked back, the shorter look", unit="blocks", guard=_WALK)
    lag_long: int = result("parameter: blocks looked back, the longer look", unit="blocks", guard=_WALK)
    reuse_short: float = result(
        "share of a block's slots touched in the blocks looked back, the shorter look",
        fmt=".0%",
        interval=_BLOCKS,
        guard=_REUSE,
    )
    reuse_long: float = result(
        "share of a block's slots touched in the blocks looked back, the longer look",
        fmt=".0%",
        interval=_BLOCKS,
        guard=_REUSE,
    )
    co_access_contracts: int = result(
        "contracts active in at least {min_active} blocks with two touched slots or more",
        fmt=",",
        guard=_PAIRS,
    )
    co_access_lift: float = result(
        "median over contracts of the observed pairs of slots in a block over those expected given its calls",
        fmt=".2f",
        interval=_CONTRACTS,
        guard=_PAIRS,
    )
    co_access_upper: float = result(
        "observed pairs of slots in a block over those expected given its calls, 90th percentile of the contracts",
        fmt=".1f",
        interval=_CONTRACTS,
        guard=_PAIRS,
    )
    periodic_contracts: int = result(
        "contracts with enough visits for an autocorrelation", fmt=",", guard=_ROWS
    )
    periodic_share: float = result(
        "share of busy contracts whose autocorrelation is not noise (5 %, adjusted)", fmt=".1%", guard=_NOISE
    )
    lags_outside: int = result("lags at which the mean autocorrelation leaves the band", guard=_NOISE)
    lags_tried: int = result("lags of the autocorrelation that were tried", guard=_NOISE)
    peer_intervals: int = result(
        "intervals by the rule of zk-state-prune", fmt=",", guard=_PEER, gate=gate(55_781, 0, _PUBLISHED)
    )
    peer_events: int = result("observed intervals by the rule of zk-state-prune", fmt=",", guard=_PEER)
    peer_exposure: int = result(
        "exposure by the rule of zk-state-prune",
        unit="slot-blocks",
        fmt=",",
        guard=_PEER,
        gate=gate(3_288_391_615, 0, _PUBLISHED),
    )
    peer_hill: float = result(
        "Hill index by the rule of zk-state-prune",
        fmt=".3f",
        guard=_INDEX,
        gate=gate(1.262, 0.0005, "a published estimate, given to three decimals"),
    )
    right_spells: int = result("spells with delayed entry", fmt=",", guard=_LATE)
    late_spells: int = result("spells that enter late", fmt=",", guard=_LATE)
    peer_open: float = result(
        "share of gaps still open at half of the window by the rule of zk-state-prune",
        fmt=".1%",
        interval=_CONTRACTS,
        guard=_LATE,
    )
    right_open: float = result(
        "share of gaps still open at half of the window with delayed entry",
        fmt=".1%",
        interval=_CONTRACTS,
        guard=_LATE,
    )
    peer_excess: float = result(
        "open share by the rule of zk-state-prune minus that with delayed entry, at half of the window",
        fmt=".1%",
        interval="95 % paired bootstrap over contracts, {draws} draws",
        guard=_PAIRED,
    )
