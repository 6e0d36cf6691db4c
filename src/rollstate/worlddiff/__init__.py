"""A verifier's memory: what the bookkeeping of storage accesses needs, with and without the trace of every access.

- `rollback`: map, set and log that undo, with snapshots that raise when stale
- `storage_queries`: the deduplicated set of accesses, from the trace and from the maps
- `world`: the state before the batch
- `world_diff`: the bookkeeping of one batch, with frames and transactions
- `operations`: streams of operations, and their replay
- `columnar`, `columnar_kernel`, `interning`: the same on arrays, keeping every access at 13 bytes
- `layout`: bytes of the original structures, by version
- `workloads`: streams of operations from counts, from block access lists
"""
