"""Names of the rules that `rollstate.horizons.rules` makes, for who shows them and needs nothing else of them."""

MONTH, QUARTER = "30 days", "90 days"
CLASSES, SLOTS, RETUNED = "window per class", "window per slot", "re-tuned on change"
HINDSIGHT = "best fixed window in hindsight"
