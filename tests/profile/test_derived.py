"""What is computed from a profile equals what the package computes from the trace, within the grid."""

import dataclasses

import numpy as np
import polars as pl
import pytest

from rollstate import coverage, intervals, product_limit
from rollstate.errors import InputError
from rollstate.profile import costs, counts, curves, resampling, reuse, rows
from rollstate.profile.classes import access_class, octave_class
from rollstate.profile.grid import GAPS, LAGS, Grid
from rollstate.profile.reduction import make
from rollstate.tails import estimators
from rollstate.tiering import windows
from rollstate.tiering.costs import two_tiers
from rollstate.tiering.replay import Gaps, paid
from rollstate.traces.synthetic import SyntheticParameters, generate
from rollstate.traces.thinning import thin


@pytest.fixture(scope="module")
def trace():
    return generate(SyntheticParameters(contracts=40, history_blocks=500, window_blocks=2500, seed=3))[0]


@pytest.fixture(scope="module")
def profile(trace):
    return make(trace, block_s=60.0)


@pytest.fixture(scope="module")
def middle(profile):
    return profile.plan.cuts[profile.plan.cuts.index(1500)]


@pytest.mark.parametrize("grid", [GAPS, LAGS, Grid(2)])
def test_grid_is_exact_below_and_narrow_above(grid):
    values = np.arange(1, 5000)
    index = grid.index(values)
    low, high = grid.low(index), grid.high(index)
    assert ((low <= values) & (values <= high)).all()
    assert (np.diff(index) >= 0).all()
    assert (low[values < 2 << grid.bits] == high[values < 2 << grid.bits]).all()
    assert (np.abs(grid.middle(index) - values) / values <= 0.5 / (1 << grid.bits)).all()


def test_gaps_are_exact_below_64_and_within_two_percent():
    values = np.unique(np.geomspace(1, 2**34, 20_000).astype(np.int64))
    error = np.abs(GAPS.middle(GAPS.index(values)) - values) / values
    assert (error[values < 64] == 0).all()
    assert error.max() < 0.02


@pytest.mark.parametrize("cut", [(None, None), (1500, None), (None, 1500), (750, 2250)])
def test_kaplan_meier(trace, profile, cut):
    window = (cut[0] or 0, cut[1] or 3000)
    spells = intervals.build(trace, window=window)
    exact = product_limit.kaplan_meier(*(spells[c].to_numpy() for c in ("duration", "event", "entry")))
    mine = curves.kaplan_meier(profile, *cut)
    assert mine["events"].sum() == exact["events"].sum()
    short = exact.filter(pl.col("time") < 64)
    assert mine.filter(pl.col("time") < 64).select(short.columns).equals(short)
    at = mine["time"].to_numpy()
    assert product_limit.survival_at(exact, at) == pytest.approx(mine["survival"].to_numpy(), abs=0.004)


def test_kaplan_meier_of_a_class(trace, profile):
    spells = intervals.build(trace).filter(pl.col("n_accesses") == 1)
    exact = product_limit.kaplan_meier(*(spells[c].to_numpy() for c in ("duration", "event", "entry")))
    mine = curves.kaplan_meier(profile, where=pl.col("accesses") == 1)
    assert mine["events"].sum() == exact["events"].sum()
    at = mine["time"].to_numpy()
    assert product_limit.survival_at(exact, at) == pytest.approx(mine["survival"].to_numpy(), abs=0.004)


def test_spells_of_the_last_blocks_alone(trace, profile, middle):
    """What a trace of the last hour before a border would have shown."""
    start = profile.plan.history["day"] if "day" in profile.plan.history else profile.plan.history["hour"]
    seen = trace.accesses.filter(pl.col("block_number") >= start)
    alone = intervals.build(dataclasses.replace(trace, accesses=seen), window=(start, middle))
    alone = alone.filter(pl.col("start") >= start)
    mine = rows.between(profile, start, middle, inside=True, table="sums")
    assert mine["sum_duration"].sum() - mine["sum_entry"].sum() == (alone["duration"] - alone["entry"]).sum()
    assert mine.filter("event")["rows"].sum() == alone["event"].sum()


def test_band_covers_its_curve_and_narrows_with_the_level(profile):
    at = np.array([5.0, 50, 500])
    whole = product_limit.survival_at(curves.kaplan_meier(profile), at)
    low, high = curves.band(profile, at, seed=1)
    narrow_low, narrow_high = curves.band(profile, at, seed=1, level=0.5)
    assert (low < whole).all()
    assert (whole < high).all()
    assert (narrow_high - narrow_low < high - low).all()
    few_low, _ = curves.band(profile, at, activity=2, seed=1)
    assert (few_low < low).all()


@pytest.mark.parametrize("cut", [(None, None), (1500, None), (None, 1500)])
def test_window_costs(trace, profile, cut):
    spells = intervals.build(trace, window=(cut[0] or 0, cut[1] or 3000))
    gaps = Gaps(*(spells[c].to_numpy() for c in ("entry", "duration", "event")))
    table = costs.window_table(profile, *cut)
    price = {"ram": 1.0, "cold": 0.1, "penalty": 200.0}
    tiers = dataclasses.replace(two_tiers(200.0), cold=0.1, ssd=0.1)
    at = np.r_[table.windows[table.windows <= spells["duration"].max()], np.inf]
    exact = windows.window_costs(gaps, at, tiers)
    assert table.costs(at, **price) == pytest.approx(exact)
    between = (at[:-2] + at[1:-1]) / 2
    near = windows.window_costs(gaps, between, tiers)
    assert table.costs(between, **price) == pytest.approx(near, rel=0.02)
    window, cost = windows.tuned(gaps, tiers)
    mine, mine_cost = table.tuned(**price)
    assert mine_cost == pytest.approx(cost, rel=0.002)
    assert mine == pytest.approx(window, rel=0.2)


def test_window_costs_of_a_class_and_of_groups(trace, profile):
    spells = intervals.build(trace).filter(pl.col("n_accesses") >= 2)
    gaps = Gaps(*(spells[c].to_numpy() for c in ("entry", "duration", "event")))
    table = costs.window_table_where(profile, pl.col("accesses") >= 2)
    at = np.array([0.0, 10, 63, 300, np.inf])
    exact = windows.window_costs(gaps, at, two_tiers(50.0))
    assert table.costs(at, ram=1.0, cold=0.0, penalty=50.0) == pytest.approx(exact, rel=0.01)
    grid, held, missed, exposure = costs.window_tables_by_group(profile)
    whole = costs.window_table(profile)
    at = [5, 15]
    assert missed.sum(axis=0)[at].tolist() == whole.missed[at].tolist()
    assert grid[at].tolist() == at
    assert held.sum(axis=0)[at] == pytest.approx(whole.held[at], rel=0.01)
    assert exposure.sum() == pytest.approx(whole.exposure, rel=0.02)


@pytest.mark.parametrize("cut", [(None, None), (1500, None), (None, 1500), (1875, 2250)])
def test_costs_by_class_and_group(trace, profile, cut):
    """Windows by class and group, against the spells one by one: exact below 8 blocks, near above."""
    spells = intervals.build(trace, window=(cut[0] or 0, cut[1] or 3000))
    ends = rows.ended(profile, *cut)
    assert ends["rows"].sum() == (spells["entry"] == 0).sum()
    known = np.array([access_class(n) for n in spells["n_accesses"]])
    of_gap = np.array([octave_class(g or 0) for g in spells["prev_gap"]])
    gaps = Gaps(*(spells[c].to_numpy() for c in ("entry", "duration", "event")))
    for seed, most, near in ((1, 8, 1e-12), (2, 400, 0.02)):
        windows = np.random.default_rng(seed).integers(0, most, (32, 32)).astype(float)
        windows[0] = 0.0
        exact = paid(gaps, windows[known, of_gap], two_tiers(50.0)).sum()
        mine = costs.costs_by_group(ends, windows[ends["accesses"], ends["gap"]], 50.0)
        assert mine.shape == (64,)
        assert mine.min() >= 0
        assert mine.sum() == pytest.approx(exact, rel=near)
    never = costs.costs_by_group(ends, np.full(ends.height, np.inf), 50.0)
    assert never.sum() == pytest.approx((spells["duration"] - spells["entry"]).sum())


def test_ends_lie_between_borders(profile):
    with pytest.raises(InputError, match="block 1440 is no border"):
        rows.ended(profile, 1440)


def test_clairvoyant(trace, profile):
    spells = intervals.build(trace, window=(1500, 3000)).filter(pl.col("event"))
    rest = (spells["duration"] - spells["entry"]).to_numpy()
    assert costs.clairvoyant(profile, 1.0, 200.0, 1500) == pytest.approx(
        np.minimum(rest, 200.0).sum(), rel=0.01
    )


def test_tails_and_shares(trace, profile):
    per_slot = coverage.per_slot(coverage.events(trace))
    mine, group = counts.touches(profile)
    exact = np.sort(per_slot["blocks"].to_numpy())[::-1]
    assert mine.tolist() == exact.tolist()
    assert len(group) == len(mine)
    k = 100
    fit = estimators.hill(exact.astype(float), np.ones(len(exact), bool), float(exact[k]))
    strict = exact > exact[k]
    assert counts.hill_of_touches(profile, k) == pytest.approx(fit.alpha * k / strict.sum())
    contracts = counts.touches(profile, "contracts")[0]
    assert contracts.sum() == exact.sum()
    spells = intervals.build(trace)
    threshold = 127
    fit = estimators.hill(
        spells["duration"].to_numpy().astype(float), spells["event"].to_numpy(), threshold,
        entry=spells["entry"].to_numpy().astype(float),
    )  # fmt: skip
    alpha, events = counts.hill_of_gaps(profile, threshold)
    assert events == fit.events
    assert alpha == pytest.approx(fit.alpha, rel=0.01)


def test_hot_sets(trace, profile):
    border = 1500
    blocks = trace.accesses.select("slot_id", "block_number").unique()
    before, after = (
        dict(blocks.filter(rule).group_by("slot_id").len().rows())
        for rule in (pl.col("block_number") < border, pl.col("block_number") >= border)
    )
    k = 300
    # Slots of one bin are alike to the profile: their mean is what it counts.
    bins = {}
    for slot, n in before.items():
        bins.setdefault(int(Grid(2).index(np.array([n]))[0]), []).append(after.get(slot, 0))
    hits, left = 0.0, k
    for code in sorted(bins, reverse=True):
        take = min(left, len(bins[code]))
        hits += take * np.mean(bins[code])
        left -= take
    row = counts.hot_set(profile, k, near=False).filter(pl.col("border") == border).row(0, named=True)
    assert row["touches"] == sum(after.values())
    assert row["frequent"] == pytest.approx(hits / row["touches"])
    exact = sorted(before, key=before.get, reverse=True)[:k]
    assert row["frequent"] == pytest.approx(sum(after.get(s, 0) for s in exact) / row["touches"], abs=0.03)
    assert row["best"] == pytest.approx(sum(sorted(after.values())[-k:]) / row["touches"], abs=0.02)
    last = dict(
        blocks.filter(pl.col("block_number") < border)
        .group_by("slot_id")
        .agg(pl.col("block_number").max())
        .rows()
    )
    newest = sorted(last, key=last.get, reverse=True)[:k]
    assert row["recent"] == pytest.approx(sum(after.get(s, 0) for s in newest) / row["touches"], abs=0.03)
    assert row["recent"] < row["best"]
    assert counts.hot_set(profile, k).height >= 1


def test_regression_on_grouped_rows_is_that_of_single_ones(profile):
    import statsmodels.api as sm

    table = rows.regression_rows(profile).filter(pl.col("event"))
    x = sm.add_constant(table.select("log_accesses", "log_gap").to_numpy())
    y = np.log(table["duration"].to_numpy())
    grouped = sm.WLS(y, x, weights=table["weight"].to_numpy()).fit().params
    n = table["weight"].to_numpy()
    single = sm.OLS(np.repeat(y, n), np.repeat(x, n, axis=0)).fit().params
    assert grouped == pytest.approx(single)
    assert (table["entry"] < table["duration"]).all()


def test_regression_rows_keep_exposure_and_events(trace, profile):
    table = rows.regression_rows(profile)
    spells = intervals.build(trace)
    assert table.filter("event")["weight"].sum() == spells["event"].sum()
    exposure = ((table["duration"] - table["entry"]) * table["weight"]).sum()
    assert exposure == pytest.approx((spells["duration"] - spells["entry"]).sum(), rel=0.02)


def test_jackknife_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(1).normal(3, 2, 64)
    present = np.ones(64, bool)
    mean, half = resampling.jackknife(lambda w: w @ values / w.sum(), present)
    assert mean == pytest.approx(values.mean())
    assert half == pytest.approx(1.9983 * values.std(ddof=1) / 8, rel=1e-3)
    low, high = resampling.bootstrap(lambda w: w @ values / w.sum(), present, draws=2000, seed=1)
    assert (high - low) / 2 == pytest.approx(half, rel=0.1)
    with pytest.raises(InputError, match="at least 2 groups"):
        resampling.jackknife(lambda w: w.sum(), np.arange(64) == 3)
    assert resampling.estimate(lambda w: w @ values, np.arange(64) == 3, draws=9, seed=1).interval is None


def test_interval_over_groups_covers():
    """A ratio of sums over random groups: its 95 % interval holds the truth about that often."""
    rng = np.random.default_rng(7)
    hits = 0
    for _ in range(200):
        chances = rng.poisson(50, 64)
        pairs = rng.binomial(chances, 0.3)
        ratio = lambda w, p=pairs, c=chances: w @ p / (w @ c)  # noqa: E731
        value, half = resampling.jackknife(ratio, chances > 0)
        hits += abs(value - 0.3) <= half
    assert 180 <= hits <= 199


def test_a_ratio_over_groups_covers_and_swaps():
    rng = np.random.default_rng(8)
    hits = 0
    for _ in range(200):
        under = rng.lognormal(0, 0.7, 64)
        over = under * 1.3 * rng.lognormal(-0.02, 0.2, 64)
        found = resampling.ratio(over, under)
        hits += found.low <= 1.3 <= found.high
    assert 180 <= hits <= 199
    assert found.value == pytest.approx(over.sum() / under.sum())
    other = resampling.ratio(under, over)
    assert (1 / other.high, 1 / other.value, 1 / other.low) == pytest.approx(
        (found.low, found.value, found.high)
    )
    # Of several, the mean is geometric, and the groups are left out of all at once.
    twice = resampling.ratio(np.array([over, under]), np.array([under, over]))
    assert tuple(twice) == pytest.approx((1, 1, 1))
    assert resampling.ratio(over[:1], under[:1]).interval is None
    # One group holds all that was paid: without it there is nothing to divide by.
    assert resampling.ratio(np.array([1.0, 0.0]), np.array([2.0, 0.0])).interval is None
    assert resampling.ratio(np.array([1.0, 1.0]), np.array([2.0, 0.0])).interval is None
    with pytest.raises(InputError, match="above zero on both sides"):
        resampling.ratio(np.zeros(3), np.ones(3))


def test_reuse(profile):
    table = reuse.by_lag(profile, seed=1)
    assert (table["low"] <= table["reuse"]).all()
    assert (table["reuse"] <= table["high"]).all()
    one = reuse.at(profile, 1, seed=1)
    assert one.value == table["reuse"][0]
    assert reuse.over_groups(profile, 1, seed=1).value == one.value
    classes = reuse.by_class(profile, seed=1)
    assert classes.filter(pl.col("lag_low") == 1)["chances"].sum() == table["chances"][0]
    assert table["interval_over"][0] == "periods"
    assert table["interval_over"][-1] == "groups"
    assert (table["low"] < table["high"]).all()
    late = reuse.by_lag(profile, where=pl.col("accesses") > 2, seed=1)
    assert late["low"][-1] is None
    assert reuse.at(profile, 2990, seed=1).interval is not None
    with pytest.raises(InputError, match="must lie between 1 and 2999"):
        reuse.at(profile, 3000, seed=1)


@pytest.mark.parametrize("every", [5, 10])
def test_thinning_leaves_frequency_reuse_and_shares_unbiased(trace, every):
    """The mean over all offsets of a thinning is that of the full trace, up to the ends of the window."""
    full = make(trace)
    parts = [make(thin(trace, every, offset)) for offset in range(every)]
    assert sum(part.n_visits for part in parts) == full.n_visits
    lag = int(LAGS.index(np.array([10]))[0])
    pairs = [part.pairs.filter(pl.col("lag") == lag)["sum_pairs"].sum() for part in parts]
    chances = [part.pairs.filter(pl.col("lag") == lag)["sum_chances"].sum() for part in parts]
    whole = full.pairs.filter(pl.col("lag") == lag)
    # Every pair of blocks 10 apart is in exactly one thinning.
    assert sum(pairs) == whole["sum_pairs"].sum()
    assert sum(chances) == whole["sum_chances"].sum()
    # One thinning alone: within its interval of the full value.
    one = reuse.at(parts[0], 10, seed=1, level=0.999)
    assert one.low <= whole["sum_pairs"].sum() / whole["sum_chances"].sum() <= one.high
    shares = []
    for part in (full, parts[0]):
        x, _ = counts.touches(part, "contracts")
        shares.append(x[:4].sum() / x.sum())
    assert shares[1] == pytest.approx(shares[0], abs=0.05)


def test_costs_refuse_a_thinned_trace(trace):
    thinned = make(thin(trace, 5))
    for call in (
        lambda: costs.window_table(thinned),
        lambda: costs.window_tables_by_group(thinned),
        lambda: costs.clairvoyant(thinned, 1.0, 5.0),
        lambda: costs.window_table_where(thinned, pl.col("accesses") > 0),
    ):
        with pytest.raises(InputError, match="did not observe every block"):
            call()


def test_wrong_questions_are_named(profile):
    with pytest.raises(InputError, match="is no cut"):
        curves.kaplan_meier(profile, 1501)
    with pytest.raises(InputError, match="'slots' or 'contracts'"):
        counts.touches(profile, "slot")
    with pytest.raises(InputError, match="k=0"):
        counts.hill_of_touches(profile, 0)
    with pytest.raises(InputError, match="lower the threshold"):
        counts.hill_of_gaps(profile, 2999)
    with pytest.raises(InputError, match="at least 1 slot"):
        counts.hot_set(profile, 0)
    with pytest.raises(InputError, match="widen it"):
        reuse.by_lag(profile, where=pl.col("period") > 99, seed=1)
    plain = dataclasses.replace(profile.plan, block_s=None)
    with pytest.raises(InputError, match="how long a block takes"):
        plain.blocks_of(3600, "a window of an hour")
