"""A policy replayed over 10^7 accesses beside the same in plain Python, and nanoseconds per decision of the readers."""

from __future__ import annotations

import runpy
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from kept import keep

from rollstate.policy import replay

ACCESSES, SLOTS, LOOPED, PENALTY = 10_000_000, 1_000_000, 300_000, 100.0
LEAST, WINDOWS = (0, 2, 3, 5, 9, 17, 33, 65, 129, 257), (0.0, 1, 2, 5, 9, 20, 40, 100, 500, np.inf)
EXAMPLES = Path(__file__).resolve().parents[1] / "examples" / "policy"


def stream(n: int) -> replay.Stream:
    """Return accesses of slots with Zipf's popularity, some 100 in a block."""
    rng = np.random.default_rng(1)
    slot = np.minimum(rng.zipf(1.2, n) - 1, SLOTS - 1)
    block = np.arange(n, dtype=np.int64) // 100
    pairs = np.unique(block * SLOTS + slot)
    slots, code = np.unique(pairs % SLOTS, return_inverse=True)
    contract = (np.arange(len(slots)) % 5_000).astype(np.int32)
    counted = np.ones(len(pairs), bool)
    return replay.Stream(code.astype(np.int32), pairs // SLOTS, counted, contract, -1, int(block[-1]))


def timed(action):
    """Return the seconds some work takes, and what it gives."""
    begin = time.perf_counter()
    found = action()
    return time.perf_counter() - begin, found


def main() -> None:
    """Print the table."""
    small, seen = stream(LOOPED), stream(round(1.9 * ACCESSES))
    replay.by_table(small, LEAST, WINDOWS, PENALTY)
    reader = runpy.run_path(str(EXAMPLES / "reader.py"))["Policy"]
    text = (EXAMPLES / "golden" / "policy.json").read_text()
    policy = reader(text)
    policy.rows = [(a, None if np.isinf(w) else w) for a, w in zip(LEAST, WINDOWS, strict=True)]
    pairs = list(zip(small.slot.tolist(), small.block.tolist(), strict=True))
    looped, misses = timed(lambda: sum(policy.access(s, b)[0] == "miss" for s, b in pairs))
    # The kernel also counts nothing for what is still open, so that misses are the same.
    assert misses == replay.by_table(small, LEAST, WINDOWS, PENALTY).misses.sum()
    took, _ = timed(lambda: replay.by_table(seen, LEAST, WINDOWS, PENALTY))
    own, per_access = took / len(seen.slot), looped / len(pairs)
    print(
        f"{len(seen.slot):,} accesses of {len(seen.contract):,} slots through {len(LEAST)} rows: {took:.2f} s"
    )
    print(f"the Python reader: {per_access * 1e9:,.0f} ns per decision; ratio {per_access / own:,.0f}")
    keep("policy by table", "the Python reader", per_access / own)
    if shutil.which("rustc"):
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder) / "reader"
            subprocess.run(["rustc", "-O", EXAMPLES / "reader.rs", "-o", program], check=True)
            lines = "".join(f"{s} {b}\n" for s, b in pairs)
            command = [program, EXAMPLES / "golden" / "policy.json", "--time"]
            done = subprocess.run(command, input=lines, text=True, capture_output=True, check=True)
            print(f"the Rust reader: {done.stdout.strip()}")


if __name__ == "__main__":
    main()
