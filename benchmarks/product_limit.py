"""A survival curve and its bootstrap over clusters, from counted spells, beside lifelines."""

from __future__ import annotations

import time
from collections.abc import Callable

from kept import keep

SPELLS, CLUSTERS, DRAWS = 1_000_000, 400, 200


def main() -> None:
    """Print seconds of one curve, and of a band of 200 draws, by both; lifelines' band is scaled up from five draws."""
    import numpy as np
    from lifelines import KaplanMeierFitter

    from rollstate.bootstrap import cluster_samples
    from rollstate.product_limit import cluster_band, kaplan_meier

    rng = np.random.default_rng(1)
    cluster = rng.integers(0, CLUSTERS, SPELLS)
    duration = np.ceil(rng.pareto(1.0, SPELLS) * 20 + 1e-9).clip(1, 10_000)
    event, entry, at = rng.random(SPELLS) < 0.6, np.zeros(SPELLS), np.arange(0, 10_000, 50)

    def seconds(work: Callable[[], object]) -> float:
        begin = time.perf_counter()
        work()
        return time.perf_counter() - begin

    def peer_band(draws: int) -> None:
        for rows in cluster_samples(cluster, draws, 1):
            KaplanMeierFitter().fit(duration[rows], event[rows]).predict(at)

    own = seconds(lambda: kaplan_meier(duration, event, entry))
    peer = seconds(lambda: KaplanMeierFitter().fit(duration, event))
    band = seconds(lambda: cluster_band(duration, event, entry, cluster, at, seed=1, draws=DRAWS))
    peer_of_five = seconds(lambda: peer_band(5)) * DRAWS / 5
    print(f"{SPELLS:,} spells in {CLUSTERS} clusters, one core")
    print(f"{'':28}{'rollstate':>11}{'lifelines':>11}{'ratio':>8}")
    print(f"{'one curve':28}{own:10.2f}s{peer:10.2f}s{peer / own:8.1f}")
    print(f"{f'band of {DRAWS} draws':28}{band:10.2f}s{peer_of_five:10.2f}s{peer_of_five / band:8.1f}")
    keep("one curve", "lifelines", peer / own)
    keep(f"band of {DRAWS} draws", "lifelines", peer_of_five / band)


if __name__ == "__main__":
    main()
