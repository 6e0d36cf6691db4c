"""Real transactions over flat storage and over Merkle Patricia tries: the same blocks, reads included.

- `blocks`: blocks to execute, with what they read and what they change; published ones, and those of the embedded
  chain's workload
- `hexary`: whole tries at once, from sorted keys
- `worlds`: a state of accounts, storage and code in a flat store, and in a trie of tries
- `rebuild`: the root of a flat state, made anew
- `comparison`: both worlds under the same blocks, counted and timed
"""
