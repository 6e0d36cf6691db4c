"""What a table costs in each random group of a profile, and how often the interval from it holds."""

import numpy as np
import pytest

from rollstate.errors import InputError
from rollstate.policy import fit, profiles, replay
from rollstate.profile.reduction import _groups
from rollstate.profile.resampling import ratio_to_least
from rollstate.profile.tables import LADDER
from tests.horizons.made import made, mixed, trace

BLOCKS, PENALTY = 600, 20.0


def test_each_group_pays_what_a_replay_of_its_contracts_says():
    touches = mixed(300, 1, BLOCKS)
    whole, reduced = trace(touches, BLOCKS), made(touches, BLOCKS)
    border = profiles.border_of(reduced)
    later = profiles.later(reduced, border, BLOCKS, PENALTY)
    table = (0, 2, 5), (3.0, 12.0, 90.0)
    exact = replay.by_table(replay.stream(whole, border - 1), *table, PENALTY).cost
    address = whole.slots.unique("contract_id", maintain_order=True).sort("contract_id")["address"]
    group = np.bincount(_groups(address), exact, 64)
    mine = later.paid(*table)
    assert mine.sum() == pytest.approx(profiles.paid(later.pools, *table, PENALTY))
    assert np.abs(mine - group).max() < 0.05 * group.max()
    assert np.corrcoef(mine, group)[0, 1] > 0.999
    # Groups are counted between borders, and by accesses as long as the file tells them apart.
    merged = reduced.coarsened(LADDER.index(("ends_by_class", "accesses")) + 1)
    assert len(profiles.later(merged, border, BLOCKS, PENALTY).paid(*table)) == 1
    assert profiles.fit_profile(merged, penalty=PENALTY).saving.low is None


def test_the_least_is_looked_up_in_every_sample():
    over, under = np.array([4.0, 4.0, 4.0]), np.array([[1.0, 2.0, 6.0], [5.0, 3.0, 2.0]])
    found = ratio_to_least(over, under, draws=4_000, seed=1)
    assert found.value == 12 / 9
    rng = np.random.default_rng(2)
    drawn = [rng.integers(0, 3, 3) for _ in range(4_000)]
    ratios = [over[one].sum() / under[:, one].sum(axis=1).min() for one in drawn]
    assert found.interval == pytest.approx(np.quantile(ratios, [0.025, 0.975]), rel=0.1)
    assert ratio_to_least(over[:1], under[:, :1], draws=20, seed=1).interval is None
    empty = np.array([[1.0, 0.0, 0.0], [5.0, 3.0, 2.0]])
    assert ratio_to_least(over, empty, draws=200, seed=1).interval is None
    with pytest.raises(InputError, match="above zero"):
        ratio_to_least(over, 0 * under, draws=20, seed=1)


@pytest.mark.thorough
def test_intervals_hold_what_a_table_costs_on_more_contracts():
    """The table and the simple rules of each small chain are priced on a large one of the same law.

    Of 60 such chains 55 held the ratio.
    """
    chains = 30
    large = made(mixed(8_000, 10**6, BLOCKS), BLOCKS)
    border = profiles.border_of(large)
    pools, _ = profiles.profile_pools(large, border, None)
    held = 0
    for seed in range(chains):
        one = made(mixed(300, seed, BLOCKS), BLOCKS)
        policy = profiles.fit_profile(one, penalty=PENALTY, stop=border)
        simple = fit.simple_windows(policy.tuned, PENALTY)
        later = profiles.later(one, border, BLOCKS, PENALTY)
        found = ratio_to_least(
            later.paid(policy.accesses, policy.windows),
            np.array([later.paid((0,), (at,)) for at in simple.values()]),
            draws=fit.DRAWS,
            seed=fit.SEED,
        )
        own = profiles.paid(pools, policy.accesses, policy.windows, PENALTY)
        truth = own / min(profiles.paid(pools, (0,), (at,), PENALTY) for at in simple.values())
        held += found.low <= truth <= found.high
    assert held >= 0.8 * chains, held
