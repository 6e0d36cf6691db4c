"""Where state should live: what each tier costs, when to demote, and how far that is from knowing the future.

- `costs`: prices and latencies as costs per slot-block and per access
- `windows`: how long a slot may stay idle in a tier, by every rule compared
- `replay`: what windows cost on spells, exactly; the clairvoyant bound
- `capacity`: the same under a limit on RAM, access by access
- `policies`, `names`: every policy under trial
- `evaluation`: totals with intervals over contracts or time, paired differences, sweeps over the miss penalty
- `published`: the rule of the nearest published work, as it is
"""
