"""Caches under a limit of memory: the same bytes for every policy, its metadata included.

- `streams`: accesses of a trace in order, and their export for other simulators
- `lists`: LRU, ARC, LIRS, SIEVE, S3-FIFO, W-TinyLFU, and what clients do: a cache that fills up, one that is wiped
- `heaps`: LFU, GDSF, Belady
- `density`: LHD
- `hazards`: eviction by the conditional hazard, and by the posterior rate, learned on earlier accesses
- `sampling`: a sample of the slots of a long trace, and what intervals resample
- `curves`, `names`: hit ratios by share of the footprint, at equal memory
"""
