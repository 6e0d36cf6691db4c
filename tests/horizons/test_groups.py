"""Costs of rules by group: each group is priced as a replay of its own spells says, and their sum is exact."""

import numpy as np
import polars as pl
import pytest

from rollstate import intervals
from rollstate.horizons import groups, judging, rules
from rollstate.horizons.rules import CLASSES, HINDSIGHT, NEVER, RETUNED, SLOTS, TUNED
from rollstate.profile import load, resampling
from rollstate.profile.classes import access_class, octave_class
from rollstate.profile.reduction import _groups
from rollstate.tiering.costs import two_tiers
from rollstate.tiering.replay import gaps, paid
from tests.horizons.made import alike, made, trace

BLOCKS, PENALTY = 800, 20.0


@pytest.fixture(scope="module")
def touches():
    return alike(BLOCKS)


@pytest.fixture(scope="module")
def chain(touches):
    return rules.read(made(touches, BLOCKS))


def test_groups_are_those_of_a_replay_of_every_spell(touches, chain):
    border = judging.border_at(chain, 0.5)
    mine = groups.costs(chain, border, PENALTY, (CLASSES, TUNED, NEVER))
    whole = trace(touches, BLOCKS)
    spells = intervals.build(whole, window=(border, BLOCKS))
    slots = whole.slots.sort("slot_id")
    of_slot = dict(zip(slots["slot_id"], _groups(slots["slot"], slots["address"]), strict=True))
    group = spells["slot_id"].replace_strict(of_slot, return_dtype=pl.Int64).to_numpy()
    past = rules.Known(chain, chain.profile.plan.fold_from(border))
    of_class = {tuple(pair): code for code, pair in enumerate(chain.of_class.tolist())}
    code = [
        of_class[access_class(n), octave_class(gap or 0)]
        for n, gap in spells.select("n_accesses", "prev_gap").iter_rows()
    ]
    windows = {
        CLASSES: rules.by_class(past, PENALTY).windows[code],
        TUNED: np.full(spells.height, rules.tuned(past, PENALTY).windows[0]),
        NEVER: np.full(spells.height, np.inf),
    }
    total = dict(judging.judge(chain, border, [PENALTY]).select("policy", "cost").iter_rows())
    for name, window in windows.items():
        exact = np.bincount(group, paid(gaps(spells), window, two_tiers(PENALTY)), 64)
        assert mine[name].sum() == pytest.approx(total[name], rel=0.03)
        drawn = groups.parted(total[name], mine[name])
        assert drawn.sum() == pytest.approx(total[name])
        assert (drawn > 0).tolist() == (exact > 0).tolist()
        assert np.abs(drawn - exact).max() < 0.1 * exact.max()
        assert np.corrcoef(drawn, exact)[0, 1] > 0.99


def test_the_interval_is_the_jackknife_of_the_groups(chain):
    border = judging.border_at(chain, 0.5)
    judged = judging.judge(chain, border, [PENALTY, 60.0])
    table = groups.over_hindsight(chain, border, judged)
    assert table.drop("low", "high").equals(judged)
    row = table.filter(penalty=PENALTY, policy=CLASSES).row(0, named=True)
    total = dict(judged.filter(penalty=PENALTY).select("policy", "cost").iter_rows())
    counted = groups.costs(chain, border, PENALTY, (CLASSES, HINDSIGHT))
    over, under = (groups.parted(total[name], counted[name]) for name in (CLASSES, HINDSIGHT))
    found = resampling.ratio(over, under)
    assert found.value == pytest.approx(row["to_hindsight"])
    assert (row["low"], row["high"]) == found.interval
    assert row["low"] < row["to_hindsight"] < row["high"]
    assert table.filter(pl.col("policy").is_in([RETUNED, SLOTS]))["low"].null_count() == 4
    # A file without the classes by group gives the same table without the intervals.
    merged = rules.read(chain.profile.coarsened(6))
    assert groups.over_hindsight(merged, border, judged)["low"].null_count() == judged.height


def test_joined_groups_are_fewer_and_cost_the_same(chain):
    border = judging.border_at(chain, 0.5)
    joined = rules.read(chain.profile.coarsened(1))
    fine = groups.costs(chain, border, PENALTY, [CLASSES])[CLASSES]
    coarse = groups.costs(joined, border, PENALTY, [CLASSES])[CLASSES]
    assert coarse[16:].sum() == 0
    assert coarse[:16] == pytest.approx(fine.reshape(16, 4).sum(axis=1))


@pytest.mark.parametrize("name", ["cryptokitties", "cryptopunks", "foundation"])
def test_parts_on_the_shipped_profiles_add_up_within_the_grid(name):
    """Before they are brought to the exact totals the parts are off by a few percent: their shares mean something."""
    chain = rules.read(load(name))
    border = judging.border_at(chain, 0.5)
    for days in (1.0, 30.0, 365.0):
        penalty = days * chain.day
        total = dict(judging.judge(chain, border, [penalty]).select("policy", "cost").iter_rows())
        for rule, counted in groups.costs(chain, border, penalty, (CLASSES, TUNED, NEVER)).items():
            assert counted.sum() == pytest.approx(total[rule], rel=0.03)
            assert counted.min() >= 0
