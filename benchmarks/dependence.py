"""Autocorrelation of many series at once, as a shuffle test needs it, beside statsmodels, which takes one."""

from __future__ import annotations

import time

from kept import keep

SERIES, LENGTH, LAGS = 400, 1_000, 12


def main() -> None:
    """Print seconds for one shuffle of all series, by both."""
    import numpy as np
    from statsmodels.tsa.stattools import acf

    from rollstate.traces.dependence import autocorrelation

    series = np.random.default_rng(1).poisson(3, (SERIES, LENGTH)).astype(float)
    begin = time.perf_counter()
    for _ in range(10):
        found = autocorrelation(series, LAGS)
    own = (time.perf_counter() - begin) / 10
    begin = time.perf_counter()
    peer = np.stack([acf(row, nlags=LAGS, fft=True)[1:] for row in series])
    theirs = time.perf_counter() - begin
    np.testing.assert_allclose(found, peer, atol=1e-10)
    print(f"{SERIES} series of {LENGTH:,} values at {LAGS} lags, one core")
    print(f"{'rollstate':28}{own:10.4f}s")
    print(f"{'statsmodels':28}{theirs:10.4f}s   ratio {theirs / own:.1f}")
    keep("autocorrelations", "statsmodels", theirs / own)


if __name__ == "__main__":
    main()
