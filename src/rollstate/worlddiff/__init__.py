"""A verifier's memory: what the bookkeeping of storage accesses needs, with and without the trace of every access.

- `ranges`: integers of a fixed width
- `rollback`: map, set and log that undo, with snapshots that raise when stale
- `storage_queries`: the deduplicated set of accesses, from the trace and from the maps
- `world`, `pricing`: the state before the batch, and what changing it costs
- `world_diff`: the bookkeeping of one batch, with frames and transactions
- `operations`: streams of operations, and their replay
- `columnar`, `columnar_kernel`, `interning`, `chunks`: the same on arrays, keeping every access at 4 bytes
- `layout`: bytes of the original structures, by version
- `workloads`: streams of operations from counts, from block access lists
"""
