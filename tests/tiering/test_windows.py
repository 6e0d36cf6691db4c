"""Windows minimise what they say, and published tables come out to the unit."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollstate.errors import InputError
from rollstate.survival import peer
from rollstate.tiering import costs as c
from rollstate.tiering import published
from rollstate.tiering import replay as r
from rollstate.tiering import windows as w
from rollstate.traces import datasets

from .test_replay import made, spells


@given(spells, st.lists(st.floats(0, 80), min_size=1, max_size=8), st.floats(0, 50))
def test_costs_of_many_windows_are_those_of_replaying_each(rows, chosen, penalty):
    seen, costs = made(rows), c.two_tiers(penalty)
    chosen = np.array([*chosen, np.inf])
    wanted = [r.replay(seen, value, costs).cost.sum() for value in chosen]
    assert w.window_costs(seen, chosen, costs) == pytest.approx(wanted)


@given(spells, st.floats(0, 50))
def test_the_tuned_window_is_the_best_of_all(rows, penalty):
    seen, costs = made(rows), c.two_tiers(penalty)
    best, cost = w.tuned(seen, costs)
    everything = np.r_[np.arange(0, 90, 0.5), np.inf]
    assert cost <= w.window_costs(seen, everything, costs).min() + 1e-9
    assert cost == pytest.approx(r.replay(seen, best, costs).cost.sum())


def test_a_window_as_long_as_the_data_is_no_window():
    """Ending at the longest gap seen would miss every longer one later, and save nothing here."""
    seen = made([(0, 3, True), (0, 24, True), (0, 24, False)])
    assert w.tuned(seen, c.two_tiers(1_000.0))[0] == np.inf
    assert w.tuned(made([(0, 3, True), (0, 24, False)]), c.two_tiers(1_000.0))[0] == 3


@given(st.integers(0, 1_000), st.floats(0.1, 100))
def test_the_exact_window_has_the_least_expected_cost(seed, penalty):
    rng = np.random.default_rng(seed)
    grid = np.r_[0.0, np.cumsum(rng.integers(1, 6, 12))]
    survival = np.sort(rng.random(13))[::-1] * 0.9
    survival[0] = 1.0
    costs = c.two_tiers(penalty)
    # A sample with exactly this survival: the mean cost of each window is its expected cost.
    n = 20_000
    gap = grid[1:][np.minimum(np.searchsorted(-survival[1:], -rng.random(n), "left"), 11)]
    alive = rng.random(n) < survival[-1]
    window = w.exact(survival[None, :], grid, costs)[0]
    expected = w.expected_costs(survival[None, :], grid, 1.0, penalty)[0]
    at = -1 if np.isinf(window) else int(np.flatnonzero(grid == window)[0])
    assert expected[at] == expected.min()
    assert len(gap) == len(alive)


def test_expected_costs_are_means_of_replayed_ones():
    rng = np.random.default_rng(1)
    grid = np.arange(0.0, 200.0)
    survival = 0.3 + 0.7 * np.exp(-((grid / 20) ** 0.6))
    n = 200_000
    u = rng.random(n)
    gone = u < 0.3
    gap = np.where(gone, np.inf, np.ceil(20 * (-np.log(np.where(gone, 0.5, (u - 0.3) / 0.7))) ** (1 / 0.6)))
    seen = r.Gaps(np.zeros(n), np.where(gap < 199, gap, 199.0), gap < 199)
    costs = c.two_tiers(30.0)
    expected = w.expected_costs(survival[None, :], grid, 1.0, 30.0)[0] - 30.0 * survival[-1]
    for window in (0, 5, 20, 60, 150):
        paid = r.replay(seen, float(window), costs).cost
        assert paid.mean() == pytest.approx(expected[window], abs=4 * paid.std() / np.sqrt(n))


@given(st.integers(0, 500))
def test_two_windows_are_the_best_pair(seed):
    rng = np.random.default_rng(seed)
    grid = np.arange(0.0, 12.0)
    survival = np.r_[1.0, np.sort(rng.random(11))[::-1]]
    costs = c.Costs(3.0, rng.uniform(0.5, 2.5), 0.2, rng.uniform(0, 20), rng.uniform(20, 60))
    first, second = (x[0] for x in w.exact_three(survival[None, :], grid, costs))

    def cost(i, j):
        held = np.r_[0.0, np.cumsum(survival[:-1])]
        return (
            costs.ram * held[i] + costs.ssd * (held[j] - held[i]) + costs.cold * (held[-1] - held[j])
            + costs.miss_ssd * (survival[i] - survival[j]) + costs.miss_cold * survival[j]
        )  # fmt: skip

    i, j = (11 if np.isinf(x) else int(x) for x in (first, second))
    assert i <= j
    assert cost(i, j) <= min(cost(a, b) for a in range(12) for b in range(a, 12)) + 1e-9


def test_a_robust_window_hedges_between_curves():
    grid = np.arange(0.0, 100.0)
    busy, quiet = np.exp(-grid / 5)[None, :], 0.5 + 0.5 * np.exp(-grid / 50)[None, :]
    costs = c.two_tiers(25.0)
    own = [w.exact(curve, grid, costs)[0] for curve in (busy, quiet)]
    both = w.robust([busy, quiet], grid, costs)[0]
    assert min(own) <= both <= max(own)
    assert w.robust([busy], grid, costs)[0] == own[0]


@pytest.mark.parametrize("seed", range(5))
def test_the_robust_window_of_each_profile_has_the_least_regret_in_the_worst_case(seed):
    rng = np.random.default_rng(seed)
    grid = np.r_[0.0, np.cumsum(rng.integers(1, 6, 8))]
    curves = [np.c_[np.ones(3), np.sort(rng.random((3, 8)))[:, ::-1]] for _ in range(2)]
    costs = c.Costs(2.0, 1.0, 0.5, 15.0, 15.0, 1.0)
    found = w.robust(curves, grid, costs)
    for row in range(3):
        worst = np.zeros(9)
        for curve in curves:
            # Holding costs a block more in RAM by 1.5; a miss costs the penalty and the way down.
            cost = [1.5 * (curve[row][:i] * np.diff(grid)[:i]).sum() + 16 * curve[row][i] for i in range(9)]
            worst = np.maximum(worst, np.array(cost) - min(cost))
        at = int(worst.argmin())
        assert found[row] == (np.inf if at == 8 else grid[at])


def test_the_cutoff_counts_what_ram_costs_beyond_cold_storage():
    """An access within a horizon of 10 pays at 0.5 a block for a miss of 50 from a probability of a tenth on."""
    grid, survival = np.arange(0.0, 50.0), 0.5 + 0.5 * np.exp(-np.arange(0.0, 50.0) / 4)
    costs = c.Costs(1.0, 0.75, 0.5, 50.0, 50.0)
    assert w.cutoff(survival[None, :], grid, costs, 10.0) == w.cutoff(
        survival[None, :], grid, c.two_tiers(100.0), 10.0
    )
    # With free misses nothing is worth holding.
    assert w.cutoff(survival[None, :], grid, c.two_tiers(0.0), 10.0) == 0


def test_the_cutoff_leaves_when_an_access_is_unlikely_enough():
    grid = np.arange(0.0, 50.0)
    survival = 0.5 + 0.5 * np.exp(-grid / 4)
    costs, tau = c.two_tiers(100.0), 10.0
    window = int(w.cutoff(survival[None, :], grid, costs, tau)[0])
    p = 1 - survival[np.minimum(np.arange(50) + 10, 49)] / survival
    assert p[window] < 0.1
    assert (p[:window] >= 0.1).all()


def test_survival_that_rises_is_refused():
    with pytest.raises(InputError, match="fall from 1"):
        w.expected_costs(np.array([[1.0, 0.5, 0.6]]), np.arange(3.0), 1.0, 1.0)
    with pytest.raises(InputError, match="ascend from 0"):
        w.expected_costs(np.ones((1, 2)), np.array([1.0, 2.0]), 1.0, 1.0)


@pytest.mark.real_data
def test_the_published_synthetic_row_comes_out_to_the_unit(data_dir):
    rows = peer.rows(datasets.load_trace("zksp"), (40_000, 200_000))
    costs = c.two_tiers(100_000)
    seen = r.Gaps(np.zeros(len(rows)), rows["duration"].to_numpy().astype(float), rows["event"].to_numpy())
    found = r.replay(seen, published.windows(peer.fit(rows), rows, costs), costs)
    assert int(found.miss_cold.sum()) == 14_271
    assert int(found.ram.sum()) == 2_218_925
    assert seen.exposure == 3_288_391_615
    assert int(found.cost.sum()) == 1_429_318_925
    assert 1 - found.miss_cold.sum() / seen.event.sum() == pytest.approx(0.0727, abs=5e-5)
    # Baselines of the same row.
    # The published search over windows stopped at 1,164 and 1,456,404,728; the best one is cheaper still.
    window, cost = w.tuned(seen, costs)
    assert r.replay(seen, 1_164.0, costs).cost.sum() == 1_456_404_728
    assert (window, cost) == (1_168, 1_456_120_586)
    assert r.clairvoyant(seen, costs).sum() == 580_505_960
    assert r.replay(seen, 0.0, costs).cost.sum() == 1_539_000_000


@pytest.fixture(scope="module")
def scroll(data_dir):
    table = pl.read_csv(data_dir / "zksp" / "scroll_100k_gaps.csv")
    return published.gaps_of(table), pl.read_csv(data_dir / "zksp" / "scroll_100k_published_sweep.csv")


@pytest.mark.real_data
def test_fixed_windows_of_the_published_sweep_come_out_to_the_unit(scroll):
    seen, sweep = scroll
    checked = 0
    for row in sweep.iter_rows(named=True):
        window = {"fixed_1k": 1_000.0, "fixed_10k": 10_000.0, "no_prune": np.inf}.get(row["policy"])
        if window is None:
            continue
        costs = c.two_tiers(row["ell"])
        found = r.replay(seen, window, costs)
        assert round(found.cost.sum()) == row["total_cost"], row
        assert found.miss_cold.sum() == row["misses"]
        checked += 1
    assert checked > 20


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("miss", "always", "best", "window", "bound"),
    [
        (10, 1_445_630, 1_386_963, 1, 972_934),
        (64, 9_252_032, 5_434_772, 18, 3_618_530),
        (1_024, 148_032_512, 32_840_719, 344, 20_568_562),
        (16_384, None, 139_556_616, None, 67_013_579),
    ],
)
def test_baselines_beside_the_published_sweep(scroll, miss, always, best, window, bound):
    seen, costs = scroll[0], c.two_tiers(miss)
    found = w.tuned(seen, costs)
    if window is None:
        # The recorded search was over a coarser grid.
        assert found[1] <= best
    else:
        assert found[0] == window
        assert round(found[1]) == best
    assert round(r.clairvoyant(seen, costs).sum()) == bound
    if always:
        assert r.replay(seen, 0.0, costs).cost.sum() == always


@pytest.mark.real_data
def test_one_tuned_window_beats_the_published_policy_wherever_they_differ(scroll):
    seen, sweep = scroll
    for row in sweep.filter(pl.col("policy").is_in(["stat", "statistical"])).iter_rows(named=True):
        best = w.tuned(seen, c.two_tiers(row["ell"]))[1]
        assert best <= row["total_cost"] * (1 + 1e-9), row
        if row["ell"] >= 10:
            assert best < row["total_cost"]


@given(
    st.lists(st.floats(0.5, 1.0), min_size=4, max_size=4),
    st.floats(0, 50),
    st.floats(0, 50),
    st.floats(0, 50),
    st.floats(1, 8),
)
def test_the_published_placement_is_the_argmin_over_three_tiers(steps, miss_ssd, further, promote, tau):
    """Walk the idle times: the slot goes down when a lower tier has the least cost, and stays down."""
    grid = np.array([0.0, 1, 2, 4, 8])
    survival = np.r_[1.0, np.cumprod(steps)]
    hazard = -np.log(survival)
    sheet = c.Costs(3.0, 1.0, 0.1, miss_ssd, miss_ssd + further, promote=promote)
    # A miss that costs nothing is none, and brings nothing up.
    up = [miss + promote * (miss > 0) for miss in (miss_ssd, miss_ssd + further)]
    first, second = np.inf, np.inf
    for i, u in enumerate(grid[:-1]):
        p = 1 - np.exp(hazard[i] - np.interp(u + tau, grid, hazard))
        cost = [3.0 * tau, 1.0 * tau + up[0] * p, 0.1 * tau + up[1] * p]
        place = int(np.argmin(cost))
        first = min(first, u) if place >= 1 else first
        second = min(second, u) if place == 2 else second
    found = w.literal_three(survival, grid, sheet, tau)
    assert (found[0][0], found[1][0]) == (first, second)


def test_no_window_ends_where_the_spells_cannot_tell():
    """All the holding beyond the best window costs less than one miss would: then nothing says to leave."""
    seen = made([(0, 4, True)] * 50 + [(0, 5, False)] * 9)
    assert w.tuned(seen, c.two_tiers(10.0))[0] == 4
    assert w.tuned(seen, c.two_tiers(10.0), open_end=True)[0] == np.inf
    assert w.tuned(seen, c.two_tiers(8.0), open_end=True)[0] == 4


def test_the_chance_within_a_horizon_runs_on_lines_between_the_points_of_a_grid():
    """Cumulative hazard 0, 1, 9 at 0, 2, 10: within 1 block half of the first step; beyond the grid nothing."""
    grid = np.array([0.0, 2, 10])
    survival = np.exp(-np.array([[0.0, 1, 9]]))
    for tau, wanted in {1.0: (0.5, 1, 0), 2.0: (1, 2, 0), 4.0: (3, 4, 0), 99.0: (9, 8, 0)}.items():
        found = w.access_within(survival, grid, tau)[0]
        assert found == pytest.approx([1 - np.exp(-hazard) for hazard in wanted]), tau


PRICED = c.Costs(3.0, 1.0, 1.0, 20.0, 20.0, 0.0, 4.0)
"""Two tiers of which the lower one costs too, and so does the way up: a block in RAM costs 2 more, a miss 24."""


def test_a_lower_tier_that_costs_shortens_the_saving_and_the_way_up_is_part_of_a_miss():
    seen = made([(0, 4, True), (2, 30, True), (0, 50, False), (0, 9, True)])
    chosen = np.array([0.0, 4.0, 9.0, 30.0, np.inf])
    replayed = [r.replay(seen, value, PRICED).cost.sum() for value in chosen]
    assert w.window_costs(seen, chosen, PRICED) == pytest.approx(replayed)
    assert w.ski_rental(PRICED) == 12
    assert (w.ski_rental_random(PRICED, 50, 1) <= 12).all()
    assert w.ski_rental(c.Costs(1.0, 1.0, 1.0, 5.0, 5.0)) == np.inf
    assert w.conformal(np.array([11.9, 12.0, 12.1]), PRICED).tolist() == [12, 0, 0]
    grid = np.arange(0.0, 60.0)
    survival = 0.4 + 0.6 * np.exp(-grid / 6)[None, :]
    free = c.two_tiers(12.0)
    # Only the ratio of what a miss costs to what a block in RAM costs more decides: 24 / 2 = 12 / 1.
    assert w.cutoff(survival, grid, PRICED, 5.0) == w.cutoff(survival, grid, free, 5.0)
    assert w.exact(survival, grid, PRICED) == w.exact(survival, grid, free)
    assert w.robust([survival], grid, PRICED) == w.exact(survival, grid, PRICED) < 59
    down = c.Costs(3.0, 1.0, 1.0, 20.0, 20.0, 6.0, 4.0)
    longer = w.exact(survival, grid, c.two_tiers(15.0))
    assert (
        w.exact(survival, grid, down)
        == w.robust([survival], grid, down)
        == longer
        > w.exact(survival, grid, free)
    )


def test_a_cutoff_of_nothing_to_lose_leaves_at_once_and_a_certain_access_never():
    grid = np.arange(0.0, 30.0)
    survival = np.exp(-grid)[None, :]
    assert w.cutoff(survival, grid, c.two_tiers(0.0), 5.0)[0] == 0
    # A horizon that costs more than a miss: nothing is likely enough.
    assert w.cutoff(survival, grid, c.two_tiers(2.0), 5.0)[0] == 0
    assert w.cutoff(survival, grid, c.two_tiers(1e9), 1e-3)[0] == np.inf


@given(st.integers(0, 200))
def test_two_windows_count_the_way_up_from_each_tier(seed):
    """The pair costs as little as any, on the spells of a curve that all gaps of which are seen, moves up included."""
    rng = np.random.default_rng(seed)
    gap = rng.integers(1, 12, 40).astype(float)
    seen = r.Gaps(np.zeros(40), gap, np.ones(40, bool))
    grid = np.arange(0.0, 13.0)
    survival = (gap[:, None] > grid).mean(axis=0)[None, :]
    costs = c.Costs(
        3.0, rng.uniform(0.5, 2.5), 0.2, rng.uniform(0, 9), rng.uniform(9, 40), 0.0, rng.uniform(0, 9)
    )
    first, second = (float(x[0]) for x in w.exact_three(survival, grid, costs))
    paid = r.replay(seen, first, costs, second).cost.sum()
    every = [(a, b) for a in range(13) for b in range(a, 13)]
    assert paid <= min(r.replay(seen, float(a), costs, float(b)).cost.sum() for a, b in every) + 1e-9


@pytest.mark.parametrize(
    ("survival", "grid", "said"),
    [
        ([1.0, 0.5], [0.0, 0.0], "ascend from 0"),
        ([1.0, 0.5, 0.2], [0.0, 1.0], "ascend from 0"),
        ([1.1, 0.5], [0.0, 1.0], "fall from 1"),
        ([1.0, -0.1], [0.0, 1.0], "fall from 1"),
        ([0.5, 0.5001], [0.0, 1.0], "fall from 1"),
    ],
)
def test_a_curve_that_is_none_is_refused(survival, grid, said):
    with pytest.raises(InputError, match=said):
        w.expected_costs(np.array([survival]), np.array(grid), 1.0, 1.0)


def test_a_curve_may_touch_its_bounds_and_rounding_beyond_them_is_none():
    found = w.expected_costs(np.array([[1.0, 1.0, 0.0, 1e-10]]), np.array([0.0, 1, 3, 4]), 2.0, 5.0)
    assert found[0] == pytest.approx([5, 2 + 5, 2 * 3, 2 * 3])


@pytest.mark.parametrize("tau", [0.0, -1.0, np.nan, np.inf])
def test_a_horizon_is_a_positive_number(tau):
    assert w.check_horizon(1e-9) == 1e-9
    with pytest.raises(InputError, match="tau must be above 0"):
        w.check_horizon(tau)


def test_the_tuned_window_is_the_longest_of_equally_good_ones_and_open_where_the_end_costs_one_miss():
    seen = made([(0, 4, True), (0, 6, True), (0, 26, False)])
    # Kept beyond 6, the open spell costs 20 more than it does there.
    assert w.tuned(seen, c.two_tiers(20.0), open_end=True)[0] == np.inf
    assert w.tuned(seen, c.two_tiers(19.9), open_end=True)[0] == 6
    # At 2 a miss, keeping to 4 costs 4 more in holding of each of three spells and saves 2.
    assert w.tuned(made([(0, 2, True), (0, 9, False)]), c.two_tiers(4.0)) == (2.0, 4.0)


@pytest.mark.parametrize("penalty", [0.0, 2.0])
def test_a_certain_access_is_waited_for_however_little_a_miss_costs(penalty):
    """The threshold is a probability: it ends at one, and one is not less likely than that."""
    grid, survival = np.arange(4.0), np.array([[1.0, 1.0, 0.0, 0.0]])
    assert w.access_within(survival, grid, 5.0)[0].tolist() == [1, 1, 0, 0]
    assert w.cutoff(survival, grid, c.two_tiers(penalty), 5.0)[0] == 2
