"""Trials use what was known, and compare what they say they compare."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from rollstate import intervals
from rollstate.bootstrap import resampling
from rollstate.errors import InputError
from rollstate.survival import forecasts, landmarks
from rollstate.survival.cox import ConvergenceError
from rollstate.tiering import policies, trial
from rollstate.tiering import windows as w
from rollstate.tiering.costs import two_tiers
from rollstate.tiering.replay import replay
from rollstate.traces import datasets, synthetic

BORDER = 2_000
PENALTIES = (3.0, 100.0, 3_000.0)


@pytest.fixture(scope="module")
def spells():
    return intervals.build(datasets.load_trace("sample"))


@pytest.fixture(scope="module")
def tried(spells):
    return trial.prepare(spells, BORDER, seed=1)


def test_an_altered_future_changes_no_window(spells, tried):
    """Of spells that begin alike, whatever happens after the border."""
    altered = spells.with_columns(
        event=pl.when(pl.col("start") + pl.col("duration") > BORDER)
        .then(~pl.col("event"))
        .otherwise(pl.col("event")),
        duration=pl.when(pl.col("start") + pl.col("duration") > BORDER)
        .then(pl.col("duration") + 11)
        .otherwise(pl.col("duration")),
    )
    other = trial.prepare(altered, BORDER, seed=1)
    keys = ["slot_id", "start"]
    assert tried.future.select(keys).equals(other.future.select(keys))
    assert not tried.future["event"].equals(other.future["event"])
    for penalty in PENALTIES:
        costs = two_tiers(penalty)
        before, after = trial.set_windows(tried, costs), trial.set_windows(other, costs)
        assert set(before) == set(policies.RULES) == set(after)
        for name in before:
            assert np.array_equal(before[name], after[name]), name


def test_the_earlier_trial_lies_within_the_known_blocks(tried):
    earlier = tried.earlier
    assert earlier.border < tried.border
    assert (earlier.future["start"] + earlier.future["duration"]).max() <= tried.border


def samples(tried, draws=20):
    return {"contract": resampling(tried.future["contract_id"].to_numpy(), draws, 1)}


def test_the_earlier_border_counts_from_the_first_block_that_was_seen(spells):
    """Every second slot's spells began 400 blocks before anybody looked at them."""
    before = 400 * (pl.col("slot_id") % 2).cast(pl.Int64)
    late = spells.with_columns(
        pl.col("start") - before, *(pl.col(name) + before for name in ("entry", "duration"))
    )
    first = (spells["start"] + spells["entry"]).min()
    assert late["start"].min() < first
    earlier = trial.prepare(late, BORDER, seed=1).earlier
    assert earlier.border == first + round(trial.EARLIER * (BORDER - first))


def test_judging_is_replaying_each_policy(tried):
    table = trial.judge(tried, PENALTIES, samples(tried))
    assert set(table["miss"]) == set(PENALTIES)
    costs = two_tiers(100.0)
    row = table.row(
        by_predicate=(pl.col("miss") == 100) & (pl.col("policy") == policies.PROPOSED), named=True
    )
    window = w.exact(tried.cox, tried.grid, costs)[tried.row]
    assert row["total"] == pytest.approx(replay(tried.test, window, costs).cost.sum())
    assert row["factor"] >= 1
    assert row["differs"]


def test_every_policy_is_compared_with_the_cheapest_simple_rule_at_every_penalty(tried):
    """A tuned window alone was compared with before, where never demoting cost a third of it."""
    table = trial.judge(tried, (0.1, *PENALTIES, 1e6), samples(tried))
    for miss in (0.1, *PENALTIES, 1e6):
        costs = two_tiers(miss)
        simple = {
            policies.TUNED: policies.tuned(tried, costs),
            policies.NEVER: np.inf,
            policies.ALWAYS: 0.0,
            policies.SKI: miss,
        }
        cost = {name: replay(tried.test, window, costs).cost.sum() for name, window in simple.items()}
        at = table.filter(pl.col("miss") == miss)
        assert at["simple"].unique().to_list() == [min(cost, key=cost.get)]
        for row in at.iter_rows(named=True):
            assert row["ratio"] == pytest.approx(row["total"] / min(cost.values())), row["policy"]
        assert at.filter(pl.col("policy").is_in(policies.SIMPLE))["ratio"].min() == pytest.approx(1)


def test_a_penalty_that_holding_through_the_judged_blocks_cannot_reach_is_not_told(tried):
    judged = tried.future.select((pl.col("duration") - pl.col("entry")).max()).item()
    assert trial.can_tell(tried, judged)
    assert not trial.can_tell(tried, judged + 1)


def test_no_rule_leaves_ram_for_want_of_data_beyond_its_blocks(spells):
    """Where a miss costs more than anything that was ever seen, only rules that look at no data may demote."""
    short = trial.prepare(landmarks.as_of(spells, 1_300), 1_250, seed=1)
    windows = trial.set_windows(short, two_tiers(1e9))
    for name in (policies.TUNED, policies.EXPECTED_CURVE, policies.EXPECTED_COX, policies.REGRET):
        assert np.isinf(windows[name]).all(), name


def test_spells_that_share_a_curve_have_the_windows_of_their_own(tried):
    """Log hazard ratios are rounded to share curves; windows are those of the model itself."""
    past, future = (trial.with_covariates(frame, tried.mixture) for frame in (tried.past, tried.future))
    by_cox = forecasts.fit_cox(past, forecasts.affordable(past, forecasts.COVARIATES), ("activity",))
    rows = future.head(500).with_columns(idle=pl.lit(0))
    own = np.stack([1 - by_cox.access_probability(rows, at) for at in tried.grid], axis=1)
    shared = tried.cox[tried.row[:500]]
    assert np.abs(own - shared).max() < 1e-3
    costs = two_tiers(100.0)
    assert np.mean(w.exact(own, tried.grid, costs) == w.exact(shared, tried.grid, costs)) > 0.98


def test_each_class_of_activity_has_its_own_window_and_a_small_one_that_of_all(tried, monkeypatch):
    costs = two_tiers(100.0)
    window = policies.tuned_by_activity(tried, costs)
    for name in ("first", "few", "many"):
        train = tried.train.take((tried.past["activity"] == name).to_numpy())
        mine = window[(tried.future["activity"] == name).to_numpy()]
        assert len(train) >= trial.FEWEST
        assert (mine == w.tuned(train, costs, open_end=True)[0]).all()
    monkeypatch.setattr(trial, "FEWEST", 10**9)
    pooled = dataclasses.replace(tried)
    assert (policies.tuned_by_activity(pooled, costs) == policies.tuned(tried, costs)).all()


def test_the_chosen_policy_was_the_cheapest_before(tried):
    costs = two_tiers(100.0)
    before = {
        name: replay(tried.earlier.test, rule(tried.earlier, costs), costs).cost.sum()
        for name, rule in policies.BY_THEMSELVES.items()
        if name != policies.RANDOM
    }
    cheapest = min(before, key=before.get)
    assert policies.cheapest_before(tried, costs) == cheapest
    windows = trial.set_windows(tried, costs)
    assert np.array_equal(windows[policies.CHOSEN], windows[cheapest])


@pytest.mark.parametrize("blocks", [6, 12, 19])
def test_a_trace_of_a_few_blocks_has_its_trial_with_or_without_an_earlier_one(blocks):
    dense = synthetic.SyntheticParameters(
        contracts=60, window_blocks=blocks, history_blocks=0, base_rate=0.05, decay_power=0.0
    )
    trace, _ = synthetic.generate(dense)
    short = intervals.build(trace)
    tried = trial.prepare(short, trace.capability.window_start + blocks // 2 - 1, seed=1)
    table = trial.judge(tried, PENALTIES, samples(tried))
    assert set(table["policy"]) >= {*policies.BY_THEMSELVES, policies.CLAIRVOYANT}
    assert table["total"].is_finite().all()


def test_conformal_bounds_hold_for_their_share_of_later_spells(tried):
    whole = tried.test.entry == 0
    kept = ~tried.test.event | (tried.test.duration >= tried.bound[tried.row])
    assert kept[whole].mean() > 0.88
    assert np.median(tried.bound) > 1


def test_windows_by_bounds_wait_no_longer_than_a_miss_is_worth():
    assert w.conformal(np.array([5.0, 20.0, 50.0]), two_tiers(20.0)).tolist() == [20, 0, 0]


@pytest.mark.parametrize("border", [0, 10**9])
def test_a_border_outside_the_trace_is_named(spells, border):
    with pytest.raises(InputError, match=f"border {border}"):
        trial.prepare(spells, border, seed=1)


def test_the_hazard_of_a_row_runs_on_lines_and_goes_on_beyond_the_grid():
    grid, hazard = np.array([0.0, 2, 10]), np.array([[0.0, 1, 9], [0, 4, 6]])
    made = SimpleNamespace(grid=grid, cox=np.exp(-hazard), row=np.array([0, 0, 0, 1, 1, 1]))
    at = np.array([0.0, 1, 6, 2, 10, 14])
    found = trial._hazard_at(made, at)
    assert found == pytest.approx(np.array([0, 0.5, 5, 4, 6, 7]) + 1e-9 * at)


def test_later_blocks_without_an_access_cannot_judge(tried):
    """Demoting everything costs nothing there."""
    silent = dataclasses.replace(tried.test, event=np.zeros_like(tried.test.event))
    samples = {"contract": resampling(tried.future["contract_id"].to_numpy(), 20, 1)}
    with pytest.raises(InputError, match="nothing is accessed on the later blocks"):
        trial.judge(dataclasses.replace(tried, test=silent), [1.0], samples)


def test_a_cox_model_that_cannot_be_fitted_is_a_reason_and_no_failure(spells, monkeypatch):
    def fails(*_given):
        raise ConvergenceError("Newton did not converge")

    monkeypatch.setattr(forecasts, "fit_cox", fails)
    with pytest.raises(InputError, match=f"border {BORDER}: no Cox model can be fitted"):
        trial.prepare(spells, BORDER, seed=1)
