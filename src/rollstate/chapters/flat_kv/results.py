"""Results of the chapter ``flat_kv``."""

from __future__ import annotations

from rollstate.compendium.declared import Results, gate, result

_COUNT = "tests/dispute/test_flat_kv.py::test_counts_from_the_shape_equal_those_of_py_trie"
_HASHES = "tests/dispute/test_flat_kv.py::test_hashes_of_a_difference_are_counted_as_the_tree_makes_them"
_MERGED = "tests/dispute/test_flat_kv.py::test_merging_blocks_counts_shared_nodes_once"
_COLLAPSED = (
    "tests/dispute/test_collapsed_tree.py::test_the_root_is_that_of_the_definition_at_two_hashes_an_entry"
)
_WORLDS = (
    "tests/flat_evm/test_worlds.py::"
    "test_after_the_blocks_the_root_is_that_of_the_final_state_and_both_worlds_hold_it"
)
_ASKED = "tests/flat_evm/test_worlds.py::test_a_flat_world_reads_each_key_once_and_a_trie_a_path_of_each"
_TIMES = "tests/chapters/flat_kv/test_study.py::test_times_are_ratios_of_means_and_span_the_blocks"
_BLOCKS = "least and largest block"
_RUNS = "least and largest over disjoint runs of blocks"


class FlatKvResults(Results):
    """Database operations, bytes and hashes of a trie and of a flat store."""

    _without_trace = ("mainnet_",)

    largest: int = result("keys in the largest state", fmt=",", guard=_COUNT)
    smallest: int = result("keys in the smallest state", fmt=",", guard=_COUNT)
    batch: int = result("updates per batch", fmt=",", guard=_COUNT)
    merged_batches: int = result("batches per checkpoint", guard=_COUNT)
    reads_update: float = result(
        "reads per update with a root after every update, largest state",
        fmt=".2f",
        guard=_COUNT,
        gate=gate(7.48, 0.02, "sampling of random keys"),
    )
    reads_batch: float = result(
        "reads per update with a root per batch, largest state", fmt=".2f", guard=_COUNT
    )
    reads_merged: float = result(
        "reads per update with a root per {merged_batches} batches, largest state", fmt=".2f", guard=_COUNT
    )
    reads_batch_first: float = result(
        "reads per update with a root per batch, smallest state", fmt=".2f", guard=_COUNT
    )
    bytes_update: float = result(
        "bytes of nodes written per update with a root after every update, largest state",
        unit="bytes",
        fmt=",.0f",
        guard=_COUNT,
    )
    bytes_batch: float = result(
        "bytes of nodes written per update with a root per batch, largest state",
        unit="bytes",
        fmt=",.0f",
        guard=_COUNT,
    )
    bytes_merged: float = result(
        "bytes of nodes written per update with a root per {merged_batches} batches, largest state",
        unit="bytes",
        fmt=",.0f",
        guard=_COUNT,
    )
    gain_update: float = result(
        "database operations of a trie over those of a flat store, root after every update, largest state",
        fmt=".1f",
        guard=_COUNT,
    )
    gain_batch: float = result(
        "database operations of a trie over those of a flat store, root per batch, largest state",
        fmt=".1f",
        guard=_COUNT,
        gate=gate(4.62, 0.02, "sampling of random keys"),
    )
    gain_merged: float = result(
        "database operations of a trie over those of a flat store, root per {merged_batches} batches, largest state",
        fmt=".1f",
        guard=_COUNT,
    )
    slope: float = result(
        "reads per update added by 16 times the keys, root after every update", fmt=".2f", guard=_COUNT
    )
    intercept: float = result("intercept of the fit in log16 of the keys", fmt=".2f", guard=_COUNT)
    residual: float = result("largest distance of a count from the fit", fmt=".2f", guard=_COUNT)
    blocks: int = result("blocks of the trace", guard=_COUNT)
    written_per_block: float = result("slots written per block", fmt=".0f", guard=_COUNT)
    state: int = result("keys in the state that the trace is replayed on", fmt=",", guard=_COUNT)
    reads_trace_block: float = result(
        "reads per update of the trace's writes, root per block", fmt=".2f", guard=_COUNT
    )
    delta_32: float = result(
        "Keccak permutations per entry of h(Delta), sparse tree of depth 32", fmt=".0f", guard=_HASHES
    )
    delta_64: float = result(
        "Keccak permutations per entry of h(Delta), sparse tree of depth 64", fmt=".0f", guard=_HASHES
    )
    delta_256: float = result(
        "Keccak permutations per entry of h(Delta), sparse tree of depth 256", fmt=".0f", guard=_HASHES
    )
    delta_collapsed: float = result(
        "Keccak permutations per entry of h(Delta), collapsed tree over keys of 256 bits",
        fmt=".1f",
        guard=_COLLAPSED,
        gate=gate(2.0, 0.01, "two for each entry less one in all"),
    )
    collapsed_path: float = result(
        "Keccak permutations to check one entry of a batch's difference in the collapsed tree",
        fmt=".1f",
        guard=_COLLAPSED,
    )
    delta_list: float = result(
        "Keccak permutations per entry of the hash of the sorted list", fmt=".2f", guard=_HASHES
    )
    permutations_batch: float = result(
        "Keccak permutations per update, root per batch, largest state", fmt=".1f", guard=_COUNT
    )
    merge_blocks: int = result("blocks merged at most", guard=_MERGED)
    merge_leaves: float = result(
        "leaves rehashed block by block over those rehashed once for all merged blocks",
        fmt=".2f",
        interval=_RUNS,
        guard=_MERGED,
    )
    merge_nodes: float = result(
        "nodes rehashed block by block over those rehashed once for all merged blocks",
        fmt=".2f",
        interval=_RUNS,
        guard=_MERGED,
        gate=gate(1.914, 0.0005, "counts on the published blocks, rounded here"),
    )
    merge_leaves_10: float = result(
        "leaves rehashed block by block over those rehashed once per 10 blocks",
        fmt=".2f",
        interval=_RUNS,
        guard=_MERGED,
    )
    merge_nodes_10: float = result(
        "nodes rehashed block by block over those rehashed once per 10 blocks",
        fmt=".2f",
        interval=_RUNS,
        guard=_MERGED,
    )
    embedded_blocks: int = result("blocks of the embedded chain that were executed", guard=_WORLDS)
    embedded_transactions: int = result(
        "transactions of the blocks of the embedded chain that were executed", fmt=",", guard=_WORLDS
    )
    embedded_read_share: float = result(
        "share of reads among the keys that the blocks of the embedded chain read or change",
        fmt=".0%",
        guard=_ASKED,
    )
    embedded_operations: float = result(
        "database operations of a trie over those of a flat store, blocks of the embedded chain, largest state",
        fmt=".2f",
        guard=_ASKED,
    )
    embedded_operations_first: float = result(
        "database operations of a trie over those of a flat store, blocks of the embedded chain, smallest state",
        fmt=".2f",
        guard=_ASKED,
    )
    embedded_reads: float = result(
        "database reads of a trie over those of a flat store, blocks of the embedded chain, largest state",
        fmt=".2f",
        guard=_ASKED,
    )
    embedded_writes: float = result(
        "database writes of a trie over those of a flat store, blocks of the embedded chain, largest state",
        fmt=".2f",
        guard=_ASKED,
    )
    embedded_bytes: float = result(
        "bytes read and written of a trie over those of a flat store, blocks of the embedded chain, largest state",
        fmt=".2f",
        guard=_ASKED,
    )
    embedded_permutations: float = result(
        "Keccak permutations of a trie over those of a flat store with a listed difference, blocks of the embedded chain, largest state",
        fmt=".1f",
        guard=_ASKED,
    )
    mainnet_blocks: int = result("mainnet blocks that were executed", guard=_WORLDS)
    mainnet_transactions: int = result(
        "transactions of the mainnet blocks that were executed", fmt=",", guard=_WORLDS
    )
    mainnet_read_share: float = result(
        "share of reads among the keys that the mainnet blocks read or change", fmt=".0%", guard=_ASKED
    )
    mainnet_operations: float = result(
        "database operations of a trie over those of a flat store, mainnet blocks, largest state",
        fmt=".2f",
        guard=_ASKED,
    )
    mainnet_operations_first: float = result(
        "database operations of a trie over those of a flat store, mainnet blocks, smallest state",
        fmt=".2f",
        guard=_ASKED,
    )
    mainnet_reads: float = result(
        "database reads of a trie over those of a flat store, mainnet blocks, largest state",
        fmt=".2f",
        guard=_ASKED,
    )
    mainnet_writes: float = result(
        "database writes of a trie over those of a flat store, mainnet blocks, largest state",
        fmt=".2f",
        guard=_ASKED,
    )
    mainnet_bytes: float = result(
        "bytes read and written of a trie over those of a flat store, mainnet blocks, largest state",
        fmt=".2f",
        guard=_ASKED,
    )
    mainnet_permutations: float = result(
        "Keccak permutations of a trie over those of a flat store with a listed difference, mainnet blocks, largest state",
        fmt=".1f",
        guard=_ASKED,
    )
    time_machine: str = result("machine that the times are from", guard=_TIMES)
    time_keys: int = result("keys in the largest state that was timed", fmt=",", guard=_TIMES)
    time_keys_first: int = result("keys in the smallest state that was timed", fmt=",", guard=_TIMES)
    time_database: float = result(
        "time of a trie over that of a flat store, inside the database, largest state",
        fmt=".2f",
        interval=_BLOCKS,
        guard=_TIMES,
    )
    time_database_first: float = result(
        "time of a trie over that of a flat store, inside the database, smallest state",
        fmt=".2f",
        interval=_BLOCKS,
        guard=_TIMES,
    )
    time_compiled: float = result(
        "time of a trie over that of a flat store, inside the database, hashing and the EVM, largest state",
        fmt=".2f",
        interval=_BLOCKS,
        guard=_TIMES,
    )
    time_compiled_first: float = result(
        "time of a trie over that of a flat store, inside the database, hashing and the EVM, smallest state",
        fmt=".2f",
        interval=_BLOCKS,
        guard=_TIMES,
    )
    time_whole: float = result(
        "time of a trie over that of a flat store, with the bookkeeping of Python, largest state",
        fmt=".2f",
        interval=_BLOCKS,
        guard=_TIMES,
    )
    time_whole_first: float = result(
        "time of a trie over that of a flat store, with the bookkeeping of Python, smallest state",
        fmt=".2f",
        interval=_BLOCKS,
        guard=_TIMES,
    )
