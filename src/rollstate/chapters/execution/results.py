"""Results of the chapter ``execution``."""

from __future__ import annotations

from rollstate.compendium.declared import Results, gate, result

_BLOCKS = "95 % bootstrap over blocks"
_SAMPLES = "95 % bootstrap over samples, then over blocks"
_CLUSTERED = (
    "tests/chapters/execution/test_study.py::test_an_interval_over_samples_is_wider_than_one_over_blocks"
)
_REFERENCE = "tests/execution/test_schedules.py::test_mainnet_conflicts_are_the_reference"
_ROUNDS = "tests/execution/test_schedules.py::test_mainnet_optimistic_rounds_are_the_reference"
_GRAHAM = "tests/execution/test_schedules.py::test_schedules_keep_grahams_bounds"
_CAP = "tests/execution/test_schedules.py::test_no_block_is_slower_than_the_cap_guarantees"
_READS = "tests/chapters/execution/test_study.py::test_prefetched_reads_are_never_slower"
_RULES = "tests/execution/test_rules.py::test_a_looser_rule_never_lowers_the_limit"
_REPLAY = "tests/execution/test_replay.py::test_measured_blocks_replay"
_UNFITTED = "tests/execution/test_engines.py::test_an_average_is_over_all_engines_and_counts_good_ones_most"
_HALVES = "tests/execution/test_engines.py::test_a_fit_finds_the_engine_that_made_the_measurements"
_REMEDIES = "tests/execution/test_remedies.py::test_hottest_keys_are_those_with_most_pairs"
_LISTS = "tests/execution/test_remedies.py::test_a_difference_keeps_last_values_alone"
_KEPT = "tests/chapters/execution/test_study.py::test_merged_commitments_share_nodes"


class ExecutionResults(Results):
    """Numbers that the chapter records."""

    independent: float = result(
        "share of transactions that conflict with no other of their block under the strict rule, mean over blocks",
        fmt=".0%",
        interval=_BLOCKS,
        guard=_REFERENCE,
        gate=gate(0.6086, 0.0001, "a share of exact counts, rounded here"),
    )
    path_share: float = result(
        "critical path over transactions, strict rule", fmt=".0%", interval=_BLOCKS, guard=_REFERENCE
    )
    limit: float = result(
        "speed-up of unlimited threads, strict rule, unit costs, ratio of sums",
        fmt=".1f",
        interval=_BLOCKS,
        guard=_REFERENCE,
        gate=gate(5.916, 0.001, "a ratio of exact counts, rounded here"),
    )
    limit_mean: float = result(
        "speed-up of unlimited threads, strict rule, unit costs, mean of the blocks' ratios",
        fmt=".1f",
        interval=_BLOCKS,
        guard=_REFERENCE,
    )
    limit_lazy: float = result(
        "speed-up of unlimited threads with lazy balances, unit costs, ratio of sums",
        fmt=".1f",
        interval=_BLOCKS,
        guard=_RULES,
    )
    limit_listed: float = result(
        "speed-up of unlimited threads with a block access list, access gas, ratio of sums",
        fmt=".0f",
        interval=_BLOCKS,
        guard=_RULES,
    )
    quote: int = result("parameter: threads quoted in the text", unit="threads", guard=_GRAHAM)
    locks: float = result(
        "speed-up of locks at the quoted threads, strict rule", fmt=".2f", interval=_BLOCKS, guard=_REFERENCE
    )
    rounds: float = result(
        "speed-up of optimistic rounds at the quoted threads, strict rule",
        fmt=".2f",
        interval=_BLOCKS,
        guard=_ROUNDS,
    )
    validated: float = result(
        "speed-up of optimistic execution with validation at the quoted threads, strict rule",
        fmt=".2f",
        interval=_BLOCKS,
        guard=_GRAHAM,
    )
    two_phase: float = result(
        "speed-up of two phases at the quoted threads, strict rule",
        fmt=".2f",
        interval=_BLOCKS,
        guard="tests/execution/test_schedules.py::test_ledger_formulas",
    )
    listed_quote: float = result(
        "speed-up with block access lists at the quoted threads, access gas",
        fmt=".1f",
        interval=_BLOCKS,
        guard=_GRAHAM,
    )
    listed_least: float = result(
        "speed-up with a list at the quoted threads that any block of {block_gas} gas has, by the cap of a transaction",
        fmt=".1f",
        guard=_CAP,
    )
    read_depth: int = result("parameter: reads under way quoted in the text", guard=_READS)
    waiting_ms: float = result(
        "model: time of a block if a thread waits for its reads",
        unit="ms",
        fmt=".0f",
        interval=_BLOCKS,
        guard=_READS,
    )
    switching_ms: float = result(
        "model: time of a block if a waiting thread takes another transaction",
        unit="ms",
        fmt=".0f",
        interval=_BLOCKS,
        guard=_READS,
    )
    prefetched_ms: float = result(
        "model: time of a block if listed reads come first",
        unit="ms",
        fmt=".0f",
        interval=_BLOCKS,
        guard=_READS,
    )
    aborts: float = result("aborts per transaction of optimistic rounds", fmt=".2f", guard=_ROUNDS)
    aborts_validated: float = result("aborts per transaction with validation", fmt=".2f", guard=_GRAHAM)
    replayed: int = result("measured blocks that are replayed", guard=_REPLAY)
    accepted: int = result("replayed blocks whose gas is the header's to 0.1 %", guard=_REPLAY)
    exact: int = result("replayed blocks whose gas is the header's to the unit", guard=_REPLAY)
    transactions: int = result("transactions of the replayed blocks", fmt=",", guard=_REPLAY)
    by_py_evm: int = result(
        "transactions of the replayed blocks that py-evm ran, because revm could not be told what they look at or "
        "because they failed there",
        guard="tests/execution/test_executors.py::test_py_evm_runs_what_looks_at_its_block",
    )
    strict_below: int = result("measured blocks that beat the strict rule's limit", guard=_RULES)
    lazy_below: int = result(
        "measured blocks that beat the limit of lazy balances",
        guard=_RULES,
        gate=gate(0, 0, "a limit that a measurement beats is none"),
    )
    rank_correlation: float = result(
        "rank correlation of predicted and measured speed-ups, out of sample, blocks dealt to halves in turn",
        fmt=".2f",
        guard=_HALVES,
    )
    log_error: float = result(
        "mean absolute log error of predicted speed-ups, out of sample, blocks dealt to halves in turn",
        fmt=".2f",
        guard=_HALVES,
    )
    halvings: int = result("ways to halve the measured blocks", guard=_HALVES)
    rank_correlation_halvings: float = result(
        "rank correlation of predicted and measured speed-ups, out of sample, mean over all ways to halve the blocks",
        fmt=".2f",
        interval="95 % of all ways to halve the blocks",
        guard=_HALVES,
    )
    log_error_halvings: float = result(
        "mean absolute log error of predicted speed-ups, out of sample, mean over all ways to halve the blocks",
        fmt=".2f",
        interval="95 % of all ways to halve the blocks",
        guard=_HALVES,
    )
    rank_correlation_unfitted: float = result(
        "rank correlation of measured speed-ups and the average over all engines of the grid, none fitted",
        fmt=".2f",
        guard=_UNFITTED,
    )
    log_error_unfitted: float = result(
        "mean absolute log error of the average over all engines of the grid, none fitted",
        fmt=".2f",
        guard=_UNFITTED,
    )
    tps_variation: float = result(
        "coefficient of variation of transactions per second over the measured blocks",
        fmt=".2f",
        guard=_REPLAY,
    )
    gas_variation: float = result(
        "coefficient of variation of gas per second over the measured blocks", fmt=".2f", guard=_REPLAY
    )
    contracts_declared: float = result(
        "limit when transactions declare contracts, unit costs", fmt=".1f", interval=_BLOCKS, guard=_REMEDIES
    )
    slots_declared: float = result(
        "limit when transactions declare slots, unit costs", fmt=".1f", interval=_BLOCKS, guard=_REMEDIES
    )
    contracts_every: float = result(
        "limit when transactions declare contracts, unit costs, mean over samples",
        fmt=".1f",
        interval=_SAMPLES,
        guard=_CLUSTERED,
    )
    slots_every: float = result(
        "limit when transactions declare slots, unit costs, mean over samples",
        fmt=".1f",
        interval=_SAMPLES,
        guard=_CLUSTERED,
    )
    cooled: float = result(
        "limit without the {hot_keys} hottest keys of each block, unit costs",
        fmt=".0f",
        interval=_BLOCKS,
        guard=_REMEDIES,
    )
    hot_share: float = result(
        "share of conflicting pairs that the {hot_keys} hottest keys of each block carry",
        fmt=".0%",
        guard=_REMEDIES,
    )
    list_kb: float = result(
        "block access list of a block", unit="kB", fmt=".0f", interval=_BLOCKS, guard=_LISTS
    )
    difference_kb: float = result(
        "state difference of a block", unit="kB", fmt=".0f", interval=_BLOCKS, guard=_LISTS
    )
    interval: int = result("parameter: blocks per commitment quoted in the text", unit="blocks", guard=_KEPT)
    kept: float = result(
        "distinct written keys over the keys written block by block, when several blocks are committed at once",
        fmt=".0%",
        interval="95 % bootstrap over intervals",
        guard="tests/execution/test_commitment_cost.py::test_mainnet_shares_are_the_reference",
        gate=gate(0.8163, 0.0001, "a share of exact counts, rounded here"),
    )
    kept_nodes: float = result(
        "tree nodes hashed over those hashed block by block, when several blocks are committed at once",
        fmt=".0%",
        interval="95 % bootstrap over intervals",
        guard=_KEPT,
    )
