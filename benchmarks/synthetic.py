"""Ten million synthetic accesses, chunk by chunk, beside one NumPy sort of as many rows."""

from __future__ import annotations

import time

from kept import keep, peak_gib

CONTRACTS = 48_000


def main() -> None:
    """Print seconds, ratio to the sort, and peak memory of this process."""
    import numpy as np

    from rollstate.traces.synthetic import SyntheticParameters, generate, generate_chunks

    # The first call compiles.
    generate(SyntheticParameters(contracts=2))
    begin = time.perf_counter()
    parameters = SyntheticParameters(contracts=CONTRACTS, window_blocks=20_000, base_rate=2e-3)
    accesses = sum(chunk.height for chunk, _, _ in generate_chunks(parameters))
    seconds = time.perf_counter() - begin
    peak = peak_gib()
    rows = np.random.default_rng(1).integers(0, 2**40, accesses)
    begin = time.perf_counter()
    rows.sort()
    floor = time.perf_counter() - begin
    print(f"{accesses:,} accesses of {CONTRACTS:,} contracts, one core")
    print(f"{'':28}{'seconds':>9}{'x NumPy sort':>15}{'peak GiB':>10}")
    print(f"{'NumPy sort':28}{floor:9.2f}{1:15.2f}")
    print(f"{'rollstate, in chunks':28}{seconds:9.2f}{seconds / floor:15.2f}{peak:10.2f}")
    keep("accesses in chunks", "NumPy sort", floor / seconds)


if __name__ == "__main__":
    main()
