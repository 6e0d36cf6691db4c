"""What state access costs an execution environment; stands on traces.

- `conflicts`, `schedules`: which transactions wait for which, and what parallel engines make of it
- `commitment_cost`, `state_trees`, `block_witness`: what committing costs, and what a block's witness weighs
- `caches`: stack distances, access time by tier, asynchronous reads
- `throughput`: transactions and gas per second of measured blocks
- `expiry`: what an expiry window keeps, by time and by rent
- `shards`: transactions that cross shards
"""
