"""A sample of slots behaves as all of them do, and says by how much it may not."""

import numpy as np
import pytest

from rollstate.caching import curves, sampling, streams
from rollstate.errors import InputError
from rollstate.traces.parts import uniform


def popular(seed, slots=20_000, n=60_000):
    """Accesses of Zipf's popularity with working sets that move, 100 in a block."""
    rng = np.random.default_rng(seed)
    slot = (np.minimum(rng.zipf(1.25, n) - 1, slots // 8) * 7 + np.arange(n) // 40 * 3) % slots
    used, code = np.unique(slot, return_inverse=True)
    return streams.Accesses(
        code.astype(np.int32), np.arange(n, dtype=np.int64) // 100, np.zeros(len(used), np.int32), 1.0
    )


def test_a_sample_keeps_whole_slots():
    seen = popular(1)
    part = sampling.sample(seen, 0.25, seed=5)
    kept = np.flatnonzero(uniform(np.arange(seen.slots), 5) < 0.25)
    assert part.slots == len(kept)
    assert (kept[part.slot] == seen.slot[np.isin(seen.slot, kept)]).all()
    assert (part.block == seen.block[np.isin(seen.slot, kept)]).all()
    assert part.slots / seen.slots == pytest.approx(0.25, abs=0.02)
    again = sampling.sample(seen, 1.0, seed=5)
    assert (again.slot == seen.slot).all()


def test_a_sample_of_slots_hits_what_all_of_them_hit():
    """Within the width of the interval over slots, for every policy but LFU, whose counters do not age."""
    seen = popular(2)
    fixed = {"slot_bytes": 100, "draws": 200, "seed": 1}
    plain = {name: policy for name, policy in curves.FIXED.items() if name != curves.LFU}
    whole = curves.hit_ratios(seen, plain, [0.05], border=len(seen.slot) // 2, **fixed)
    part = sampling.sample(seen, 0.3, seed=7)
    cluster, over = sampling.clusters(part, seed=7)
    assert over == "slots"
    found = curves.hit_ratios(part, plain, [0.05], border=len(part.slot) // 2, cluster=cluster, **fixed)
    width = (found["hits_high"] - found["hits_low"]).to_numpy()
    error = np.abs((found["hits"] - whole["hits"]).to_numpy())
    assert width.min() > 0
    assert (error <= width).all(), found.with_columns(error=error)


def test_contracts_are_resampled_where_they_are_many():
    seen = popular(3)
    many = streams.Accesses(seen.slot, seen.block, (np.arange(seen.slots) % 50).astype(np.int32), 1.0)
    cluster, over = sampling.clusters(many, seed=1)
    assert over == "contracts"
    assert (cluster == many.contract).all()
    groups, over = sampling.clusters(seen, seed=1)
    assert over == "slots"
    assert len(np.unique(groups)) == sampling.GROUPS


@pytest.mark.parametrize(("rate", "said"), [(0.0, "above 0"), (1.5, "above 0"), (1e-12, "draws none")])
def test_a_share_that_draws_nothing_is_named(rate, said):
    with pytest.raises(InputError, match=said):
        sampling.sample(popular(1, n=1_000), rate, seed=1)
