"""Costs of rules by group: each group is priced as a replay of its own spells says, and their sum is exact."""

import numpy as np
import polars as pl
import pytest

from rollstate import intervals
from rollstate.horizons import groups, judging, posterior, rules
from rollstate.horizons.rules import CLASSES, HINDSIGHT, NEVER, RETUNED, SLOTS, TUNED
from rollstate.profile import load, resampling
from rollstate.profile.classes import access_class, octave_class
from rollstate.profile.costs import parted
from rollstate.profile.reduction import _groups
from rollstate.tiering.costs import two_tiers
from rollstate.tiering.replay import gaps, paid
from tests.horizons.made import alike, made, mixed, trace

BLOCKS, PENALTY = 800, 20.0


@pytest.fixture(scope="module")
def touches():
    return alike(BLOCKS)


@pytest.fixture(scope="module")
def chain(touches):
    return rules.read(made(touches, BLOCKS))


def test_groups_are_those_of_a_replay_of_every_spell(touches, chain):
    border = judging.border_at(chain, 0.5)
    mine = groups.costs(groups.behind(chain, border), PENALTY, (CLASSES, SLOTS, RETUNED, TUNED, NEVER))
    whole = trace(touches, BLOCKS)
    spells = intervals.build(whole, window=(border, BLOCKS))
    slots = whole.slots.sort("slot_id")
    of_slot = dict(zip(slots["slot_id"], _groups(slots["slot"], slots["address"]), strict=True))
    group = spells["slot_id"].replace_strict(of_slot, return_dtype=pl.Int64).to_numpy()
    past = rules.Known(chain, chain.profile.plan.fold_from(border))
    of_class, of_history = (
        {tuple(pair): code for code, pair in enumerate(pairs.tolist())}
        for pairs in (chain.of_class, chain.of_history)
    )
    begun = dict(whole.accesses.group_by("slot_id").agg(pl.col("block_number").min()).iter_rows())
    known = list(spells.select("slot_id", "start", "n_accesses", "prev_gap").iter_rows())
    code = [of_class[access_class(n), octave_class(gap or 0)] for _, _, n, gap in known]
    pace = [(start - begun[slot]) // (n - 1) if n > 1 else 0 for slot, start, n, _ in known]
    history = [
        of_history[access_class(n), octave_class(mean)]
        for (_, _, n, _), mean in zip(known, pace, strict=True)
    ]
    fold = np.searchsorted(chain.profile.plan.cuts, spells["start"].to_numpy(), "right") - 1
    windows = {
        CLASSES: rules.by_class(past, PENALTY).windows[code],
        SLOTS: rules.by_slot(past, PENALTY).windows[history],
        RETUNED: rules.retuned(past, PENALTY).windows[fold],
        TUNED: np.full(spells.height, rules.tuned(past, PENALTY).windows[0]),
        NEVER: np.full(spells.height, np.inf),
    }
    total = dict(judging.judge(chain, border, [PENALTY]).select("policy", "cost").iter_rows())
    for name, window in windows.items():
        exact = np.bincount(group, paid(gaps(spells), window, two_tiers(PENALTY)), 64)
        assert mine[name].sum() == pytest.approx(total[name], rel=0.03)
        drawn = parted(total[name], mine[name])
        assert drawn.sum() == pytest.approx(total[name])
        if name not in (SLOTS, RETUNED):  # these are parted in the shares of all groups
            assert (drawn > 0).tolist() == (exact > 0).tolist()
        # Counts that shares part and that cancel leave what their sum is rounded by.
        assert drawn.min() >= -1e-12 * drawn.max()
        assert np.abs(drawn - exact).max() < 0.1 * exact.max()
        assert np.corrcoef(drawn, exact)[0, 1] > 0.99


def test_the_interval_is_the_jackknife_of_the_groups(chain):
    border = judging.border_at(chain, 0.5)
    judged = judging.judge(chain, border, [PENALTY, 60.0])
    table = groups.over_hindsight(chain, border, judged)
    assert table.drop("low", "high").equals(judged)
    row = table.filter(penalty=PENALTY, policy=CLASSES).row(0, named=True)
    total = dict(judged.filter(penalty=PENALTY).select("policy", "cost").iter_rows())
    counted = groups.costs(groups.behind(chain, border), PENALTY, (CLASSES, HINDSIGHT))
    over, under = (parted(total[name], counted[name]) for name in (CLASSES, HINDSIGHT))
    found = resampling.ratio(over, under)
    assert found.value == pytest.approx(row["to_hindsight"])
    assert (row["low"], row["high"]) == found.interval
    assert row["low"] < row["to_hindsight"] < row["high"]
    drawn = table.filter(pl.col("policy").is_in([CLASSES, RETUNED, SLOTS]))
    assert (drawn["low"] <= drawn["to_hindsight"]).all()
    assert (drawn["to_hindsight"] <= drawn["high"]).all()
    # A file without the classes by group gives the same table without the intervals.
    merged = rules.read(chain.profile.coarsened(6))
    assert groups.over_hindsight(merged, border, judged)["low"].null_count() == judged.height


def test_joined_groups_are_fewer_and_cost_the_same(chain):
    border = judging.border_at(chain, 0.5)
    joined = rules.read(chain.profile.coarsened(1))
    fine = groups.costs(groups.behind(chain, border), PENALTY, [CLASSES])[CLASSES]
    coarse = groups.costs(groups.behind(joined, border), PENALTY, [CLASSES])[CLASSES]
    assert coarse[16:].sum() == 0
    assert coarse[:16] == pytest.approx(fine.reshape(16, 4).sum(axis=1))


@pytest.mark.thorough
def test_intervals_hold_what_as_many_contracts_as_one_likes_cost():
    """Windows of each small chain are priced on a large one of the same law.

    The share of 95 % intervals that hold that cost was measured with 150 chains at these two penalties: 89 % and 87 %
    of those of re-tuning, 95 % and 95 % of those of the window per slot. Of those of one tuned window, which groups are
    counted by exactly, 88 % and 86 % hold it, of the window per class 93 % and 91 %: what is missing is not lost by
    parting, but because the best window in hindsight is the best of the small chain itself.
    """
    chains, penalties, blocks = 40, (20.0, 80.0), 600
    large = rules.read(made(mixed(8_000, 10**6), blocks, 3_600.0))
    border = judging.border_at(large, 0.5)
    first = large.profile.plan.fold_from(border)
    frame = large.between(first, len(large.profile.plan.cuts) - 1)
    whole = {"": large.folds.joined(slice(first, None))}
    held = dict.fromkeys((RETUNED, SLOTS), 0)
    for seed in range(chains):
        one = rules.read(made(mixed(300, seed), blocks, 3_600.0))
        assert one.profile.plan.cuts == large.profile.plan.cuts
        past = rules.Known(one, first)
        table = groups.over_hindsight(one, border, judging.judge(one, border, penalties))
        for penalty in penalties:
            best = one.folds.joined(slice(first, None)).tuned(penalty)[0]
            base = judging._priced(rules.Set(best), frame, whole, penalty)["cost"]
            by_slot = past.prior.window(*posterior.history(*large.of_history.T), penalty)
            for name, setting in (
                (RETUNED, rules.retuned(past, penalty)),
                (SLOTS, rules.Set(by_slot, "history")),
            ):
                truth = judging._priced(setting, frame, whole, penalty)["cost"] / base
                low, high = table.filter(penalty=penalty, policy=name).select("low", "high").row(0)
                held[name] += low <= truth <= high
    for name, count in held.items():
        assert 0.78 * 2 * chains <= count, (name, count)


@pytest.mark.parametrize("name", ["cryptokitties", "cryptopunks", "foundation"])
def test_parts_on_the_shipped_profiles_add_up_within_the_grid(name):
    """Before they are brought to the exact totals the parts are off by a few percent: their shares mean something."""
    chain = rules.read(load(name))
    border = judging.border_at(chain, 0.5)
    for days in (1.0, 30.0, 365.0):
        penalty = days * chain.day
        total = dict(judging.judge(chain, border, [penalty]).select("policy", "cost").iter_rows())
        for rule, counted in groups.costs(
            groups.behind(chain, border), penalty, (CLASSES, RETUNED, SLOTS, TUNED, NEVER)
        ).items():
            assert counted.sum() == pytest.approx(total[rule], rel=0.03)
            assert counted.min() >= 0
