"""Windows of days and months: what they cost on long traces, and how far a trace of some length can set them.

Everything is computed from a profile (`rollstate.profile`), so it holds on a machine without the traces.

- `tables`: holding and misses of every window, by fold of time or by class of slot
- `posterior`: a window per slot from the gamma-Poisson posterior of its rate
- `rules`, `names`: what is compared, every rule named before any result
- `judging`: rules set on what lies before a border and judged behind it; rolling folds
- `lengths`: what a window costs that was tuned on the last hour, day, week or month
- `few`: intervals from few clusters, leave-one-out, prediction for one more window
- `advice`: a policy for the reader's own trace, or why the trace cannot give one
"""
