"""Names of the policies that `rollstate.tiering.policies` makes, for who shows them and needs nothing else of them."""

FIXED = "fixed window"
"""One window for all slots, of whatever length."""
PUBLISHED = "published policy"
"""The published rule with its authors' search, which knows when each interval ends."""
NEVER, ALWAYS, TUNED, SKI = "never demote", "always demote", "tuned window", "ski rental"
SIMPLE = (TUNED, NEVER, ALWAYS, SKI)
"""The simple rules. The cheapest of them at a penalty is what every other policy is compared with there."""
RANDOM, BY_ACTIVITY = "randomized ski rental", "window per activity class"
THRESHOLD = "probability threshold"
"""The published rule, with the clock it needs."""
EXPECTED_CURVE, EXPECTED_COX = "expected cost, one curve", "expected cost, Cox"
PROPOSED = EXPECTED_COX
"""The policy that this project named before it saw any result."""
CALIBRATED, REGRET = "expected cost, calibrated", "minimax regret"
CONFORMAL, CHOSEN = "conformal bound", "chosen on earlier blocks"
CLAIRVOYANT = "clairvoyant"
"""Knows when each spell ends: the least cost that is possible."""
