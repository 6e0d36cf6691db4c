"""Counted spells give the curves of the spells themselves, and their bootstrap is that of the rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import KaplanMeierFitter

from rollstate import tails
from rollstate.bootstrap import cluster_samples, cluster_weights
from rollstate.errors import InputError
from rollstate.product_limit import cluster_band, kaplan_meier, survival_at, survival_of
from rollstate.risk_table import ClusteredRiskTable
from rollstate.tails.assessment import choose_threshold_of
from rollstate.tails.estimators import discrete_of, index_of, threshold_for


def spells(seed, n=400, clusters=25):
    """Return gaps in whole blocks with censoring, late entry and clusters."""
    rng = np.random.default_rng(seed)
    duration = np.ceil(5 * rng.pareto(1.2, n) + 1e-9).clip(1, 500)
    entry = np.where(rng.random(n) < 0.3, rng.integers(0, 20, n), 0)
    kept = duration > entry
    event, cluster = rng.random(n) < 0.7, rng.integers(0, clusters, n)
    return duration[kept], event[kept], entry[kept].astype(float), cluster[kept]


@given(st.integers(0, 1_000))
@settings(max_examples=20)
def test_risk_sets_are_those_of_lifelines(seed):
    duration, event, entry, cluster = spells(seed)
    table = ClusteredRiskTable.of(duration, event, entry, cluster).whole
    # lifelines' table counts those that enter at a time before those that leave at it.
    peer = KaplanMeierFitter().fit(duration, event, entry=entry)
    for time, n, d, c in zip(table.time, table.at_risk, table.events, table.censored, strict=True):
        assert n == ((entry < time) & (time <= duration)).sum()
        assert d == peer.event_table["observed"].get(time, 0)
        assert c == peer.event_table["censored"].get(time, 0)
    at = table.time[table.events > 0]
    assert survival_of(table, at) == pytest.approx(
        kaplan_meier(duration, event, entry)["survival"].to_numpy()
    )


def test_survival_without_entry_is_that_of_lifelines():
    duration, event, _, cluster = spells(3)
    table = ClusteredRiskTable.of(duration, event, None, cluster).whole
    peer = KaplanMeierFitter().fit(duration, event)
    at = np.arange(0, 400, 7)
    assert survival_of(table, at) == pytest.approx(peer.predict(at).to_numpy(), abs=1e-12)


def test_draws_are_the_samples_of_whole_clusters():
    duration, event, entry, cluster = spells(5)
    table = ClusteredRiskTable.of(duration, event, entry, cluster)
    samples = cluster_samples(cluster, 8, 11)
    at = np.arange(1, 100)
    for drawn, rows in zip(table.draws(8, 11), samples, strict=True):
        again = ClusteredRiskTable.of(duration[rows], event[rows], entry[rows], cluster[rows]).whole
        assert drawn.spells == again.spells == len(rows)
        assert survival_of(drawn, at) == pytest.approx(survival_of(again, at))
    rows = list(cluster_samples(cluster, 8, 11))
    curves = [survival_at(kaplan_meier(duration[r], event[r], entry[r]), at) for r in rows]
    band = cluster_band(duration, event, entry, cluster, at, seed=11, draws=8)
    assert band[0] == pytest.approx(np.quantile(curves, 0.025, axis=0))
    assert band[1] == pytest.approx(np.quantile(curves, 0.975, axis=0))


def test_weights_sum_to_the_number_of_clusters_and_none_is_refused():
    assert all(weights.sum() == 7 for weights in cluster_weights(7, 5, 1))
    with pytest.raises(InputError, match="nothing to resample"):
        next(cluster_weights(0, 5, 1))


def test_a_number_for_each_spell_is_as_many_rows():
    duration, event, entry, cluster = spells(7)
    count = np.random.default_rng(1).integers(1, 5, len(duration))
    weighted = ClusteredRiskTable.of(duration, event, entry, cluster, count)
    many = ClusteredRiskTable.of(*(np.repeat(x, count) for x in (duration, event, entry, cluster)))
    assert weighted.whole.at_risk.tolist() == many.whole.at_risk.tolist()
    one, other = discrete_of(weighted, 4.0), discrete_of(many, 4.0)
    assert one.alpha == pytest.approx(other.alpha)
    assert one.se == pytest.approx(other.se)


def test_thresholds_and_indices_of_counts_are_those_of_rows():
    duration, event, entry, cluster = spells(9)
    table = ClusteredRiskTable.of(duration, event, entry, cluster).whole
    for k in (1, 10, 50, 200, len(duration) - 1):
        assert threshold_for(table, k) == tails.threshold_of(duration, k)
    # The likelihood of each spell by itself, with its own entry.
    u = 6.0
    t, d, low = duration[duration > u], event[duration > u], np.maximum(u, entry[duration > u])

    def likelihood(a):
        return np.where(d, np.log((t - 1) ** -a - t**-a), -a * np.log(t)).sum() + a * np.log(low).sum()

    index = index_of(table, u)
    assert likelihood(index) > max(likelihood(index * 1.001), likelihood(index * 0.999))
    assert choose_threshold_of(table) == tails.choose_threshold(duration, event, entry)


def test_gaps_that_are_all_alike_have_no_index():
    table = ClusteredRiskTable.of(np.full(20, 1.0), np.ones(20, bool)).whole
    with pytest.raises(InputError, match="no maximum"):
        index_of(table, 0.5)


@pytest.mark.parametrize("longest", [30, 3_000, 300_000])
@pytest.mark.parametrize("threshold", [0.5, 1, 7, 20.5])
def test_sums_from_each_gap_time_on_give_the_index_at_which_the_score_is_zero(longest, threshold):
    """The score is taken spell by spell here: the series of long gaps and the sums of short ones agree with it."""
    rng = np.random.default_rng(longest)
    duration = np.ceil(np.minimum((1 - rng.random(2_000)) ** -1.25, longest))
    event = (rng.random(2_000) < 0.8) & (duration < longest)
    entry = np.floor(duration * np.where(rng.random(2_000) < 0.3, 0.5 * rng.random(2_000), 0.0))
    alpha = index_of(ClusteredRiskTable.of(duration, event, entry).whole, threshold)
    beyond = duration > threshold
    t, ended, e = duration[beyond], event[beyond], np.maximum(entry[beyond], threshold)

    # A gap of one block has probability one less what lies beyond, which the score leaves out: it has no step.
    def likelihood(a):
        event_log = np.log(
            np.where(t > 1, np.maximum(t - 1, 1) ** -a - t**-a, 1.0), where=ended, out=np.zeros(len(t))
        )
        return np.sum(np.where(ended, event_log, -a * np.log(t)) + a * np.log(e))

    assert likelihood(alpha) >= max(likelihood(alpha * 1.0001), likelihood(alpha * 0.9999))
