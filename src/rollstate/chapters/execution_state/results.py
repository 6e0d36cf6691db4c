"""Results of the chapter ``execution_state``."""

from __future__ import annotations

from rollstate.compendium.declared import Results, gate, result

_BLOCKS = "95 % bootstrap over blocks"
_WITNESS = "tests/execution/test_state_trees.py::test_witness_of_a_block_is_the_published_one"
_READS = "tests/execution/test_caches.py::test_reading_in_the_background_is_bounded_by_latency_and_rate"
_GRAHAM = "tests/execution/test_schedules.py::test_schedules_keep_grahams_bounds"
_PARTITION = "tests/execution/test_shards.py::test_partition_keeps_separate_groups_apart"


class ExecutionStateResults(Results):
    """Numbers that the chapter records."""

    slots: int = result(
        "parameter: storage slots of the whole state",
        guard="tests/execution/test_state_trees.py::test_one_update_walks_one_path",
    )
    hexary_kb: float = result(
        "model: hexary witness of a block, mean over blocks",
        unit="kB",
        fmt=",.0f",
        interval=_BLOCKS,
        guard=_WITNESS,
    )
    binary_kb: float = result(
        "model: binary witness of a block, mean over blocks",
        unit="kB",
        fmt=",.0f",
        interval=_BLOCKS,
        guard=_WITNESS,
    )
    verkle_kb: float = result(
        "model: Verkle witness of a block with {code_chunks} pieces of code an account, mean over blocks",
        unit="kB",
        fmt=",.0f",
        interval=_BLOCKS,
        guard="tests/execution/test_state_trees.py::test_verkle_witness_counts_stems_values_and_code",
    )
    best_hits: float = result(
        "share of accesses, one per slot and block, that an unlimited cache answers",
        fmt=".0%",
        interval=_BLOCKS,
        guard="tests/execution/test_caches.py::test_hit_ratio_is_that_of_a_simulated_cache",
    )
    depth: int = result("parameter: reads under way that the text quotes", guard=_READS)
    serial_ms: float = result(
        "model: time to read a block's slots one after the other",
        unit="ms",
        fmt=".0f",
        interval=_BLOCKS,
        guard=_READS,
    )
    deep_ms: float = result(
        "model: time to read a block's slots, {depth} at once",
        unit="ms",
        fmt=".1f",
        interval=_BLOCKS,
        guard=_READS,
    )
    window_hits: float = result(
        "share of accesses to slots touched within the longest window before",
        fmt=".0%",
        interval=_BLOCKS,
        guard="tests/execution/test_expiry.py::test_window_curve_is_that_of_a_walk",
        gate=gate(0.51, 0.0005, "a share of exact counts, rounded here"),
    )
    few_shards: int = result("parameter: number of shards that the text quotes", guard=_PARTITION)
    hash_cross: float = result(
        "cross-shard share, placed by hash",
        fmt=".0%",
        interval=_BLOCKS,
        guard="tests/execution/test_shards.py::test_mainnet_shares_are_the_reference",
        gate=gate(0.7775, 0.0005, "a share of exact counts, rounded here"),
    )
    train_cross: float = result(
        "cross-shard share of a partition on its own blocks", fmt=".0%", interval=_BLOCKS, guard=_PARTITION
    )
    later_cross: float = result(
        "cross-shard share of a partition on later blocks", fmt=".0%", interval=_BLOCKS, guard=_PARTITION
    )
    limit_unit: float = result(
        "speed-up of unlimited threads, strict rule, unit costs", fmt=".1f", interval=_BLOCKS, guard=_GRAHAM
    )
    limit_gas: float = result(
        "speed-up of unlimited threads, strict rule, access gas",
        fmt=".1f",
        interval=_BLOCKS,
        guard=_GRAHAM,
        gate=gate(4.28, 0.01, "a ratio of exact counts, rounded here"),
    )
    claims: int = result(
        "claims of the survey with a verdict",
        guard="tests/chapters/execution_state/test_ledger.py::test_every_claim_has_a_row",
        gate=gate(66, 0, "every checkable claim has a row"),
    )
    untested: int = result(
        "claims without data that could decide them",
        guard="tests/chapters/execution_state/test_ledger.py::test_every_claim_has_a_row",
    )
