"""A tiering policy as one file that a client can follow: fitted on a trace or a profile, stored, replayed, explained.

- `format`: the JSON file, its schema (``policy.schema.json``), and what is refused
- `fit`: a window per class of access count, one window, or a Cox model, with the expected saving on later blocks
- `transfer`: what a policy costs on a trace that it was not fitted on
- `replay`: what a policy costs on a trace, beside the simple rules and the clairvoyant, in one pass over the accesses
"""
