"""Write the golden vectors of the readers: a policy fitted on the sample, accesses, and what must be said of each.

    python examples/policy/golden.py [FOLDER]

Needs the package; the answers come from the package's own windows on spells, not from a reader.
"""

import sys
from pathlib import Path

import numpy as np

from rollstate.policy import fit, format
from rollstate.tiering.costs import two_tiers
from rollstate.tiering.replay import Gaps, replay
from rollstate.traces import datasets

SLOTS, ACCESSES, SEED = 40, 1_500, 7


def vectors():
    """Return the policy, and arrays of slots, blocks and the class of what each access finds."""
    trace = datasets.load_trace("sample")
    policy = fit.fit_trace(
        trace, penalty=100.0, name="sample", sha256=datasets.fingerprint("sample"), block_s=12.0
    )
    rng = np.random.default_rng(SEED)
    slot = np.minimum(rng.zipf(1.3, ACCESSES) - 1, SLOTS - 1)
    block = 1_000_000 + np.cumsum(rng.integers(0, 4, ACCESSES))
    return policy, slot, block


def answers(policy, slot, block):
    """Return one line for each access."""
    windows, seen, lines = np.array(policy.windows), {}, []
    for s, now in zip(slot.tolist(), block.tolist(), strict=True):
        count, last = seen.get(s, (0, None))
        own = windows[np.searchsorted(policy.accesses, count, "right") - 1]
        if last is None:
            found = "first"
        elif now == last:
            found = "hit"
        else:
            spell = Gaps(np.zeros(1), np.array([float(now - last)]), np.array([True]))
            found = "miss" if replay(spell, own, two_tiers(1.0)).miss_cold[0] else "hit"
        count += now != last
        seen[s] = (count, now)
        own = windows[np.searchsorted(policy.accesses, count, "right") - 1]
        lines.append(f"{found} {now + int(own) if np.isfinite(own) else 'never'}")
    return lines


def write(folder):
    """Write the three files."""
    policy, slot, block = vectors()
    format.save(policy, folder / "policy.json")
    accesses = "".join(f"{s} {b}\n" for s, b in zip(slot, block, strict=True))
    (folder / "accesses.txt").write_text(accesses)
    (folder / "answers.txt").write_text("\n".join(answers(policy, slot, block)) + "\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "golden")
