"""Results of the chapter ``flat_kv``."""

from __future__ import annotations

from rollstate.compendium.declared import Results, gate, result

_COUNT = "tests/dispute/test_flat_kv.py::test_counts_from_the_shape_equal_those_of_py_trie"
_HASHES = "tests/dispute/test_flat_kv.py::test_hashes_of_a_difference_are_counted_as_the_tree_makes_them"
_MERGED = "tests/dispute/test_flat_kv.py::test_merging_blocks_counts_shared_nodes_once"
_RUNS = "least and largest over disjoint runs of blocks"


class FlatKvResults(Results):
    """Database operations, bytes and hashes of a trie and of a flat store."""

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
