"""The product-limit curve equals R's and lifelines', delayed entry included."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lifelines import KaplanMeierFitter

from rollstate.bootstrap import cluster_samples, percentile_interval
from rollstate.errors import InputError
from rollstate.product_limit import at_risk, cluster_band, kaplan_meier, nelson_aalen, survival_at

SPELL = st.tuples(st.integers(0, 8), st.integers(1, 8), st.booleans()).map(
    lambda s: (s[0], s[0] + s[1], s[2])
)


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["heart", "lung_strat", "pbc_agescale", "cgd_recurrent"])
def test_equals_r_survfit(data_dir, name):
    frame = pd.read_csv(data_dir / "survival" / f"{name}.csv")
    oracle = json.loads((data_dir / "survival" / f"{name}.R.json").read_text())["km"]
    groups = (
        {"": frame} if oracle["strata"] is None else dict(iter(frame.groupby(oracle_name(data_dir, name))))
    )
    expected = pd.DataFrame({key: oracle[key] for key in ("time", "surv")})
    expected["stratum"] = oracle["strata"] or ""
    for value, rows in groups.items():
        curve = kaplan_meier(rows["stop"], rows["event"], rows["start"])
        label = expected["stratum"].str.split("=").str[-1].str.strip()
        wanted = expected[label == str(value)]
        assert len(wanted)
        assert survival_at(curve, wanted["time"]) == pytest.approx(
            wanted["surv"].to_numpy(), rel=1e-12, abs=1e-14
        )


def oracle_name(data_dir, name):
    """Return the column that stratifies an oracle."""
    return json.loads((data_dir / "survival" / f"{name}.R.json").read_text())["strata"]


@given(st.lists(SPELL, min_size=3, max_size=40))
def test_equals_a_walk_through_the_risk_sets(spells):
    entry, duration, event = map(np.array, zip(*spells, strict=True))
    curve = kaplan_meier(duration, event, entry)
    survival = 1.0
    expected = []
    for u in sorted({d for _, d, e in spells if e}):
        at_risk = sum(a < u <= b for a, b, _ in spells)
        died = sum(b == u and e for _, b, e in spells)
        survival *= 1 - died / at_risk
        expected.append((u, at_risk, died, survival))
    assert curve.select("time", "at_risk", "events").rows() == [row[:3] for row in expected]
    assert curve["survival"].to_list() == pytest.approx([row[3] for row in expected])


def test_interval_equals_lifelines():
    rng = np.random.default_rng(1)
    duration, event = rng.integers(1, 50, 300), rng.random(300) < 0.6
    curve = kaplan_meier(duration, event)
    peer = KaplanMeierFitter().fit(duration, event).confidence_interval_.loc[curve["time"].to_list()]
    inside = curve["survival"].to_numpy() > 0
    assert curve["low"].to_numpy()[inside] == pytest.approx(peer.iloc[:, 0].to_numpy()[inside], abs=1e-10)
    assert curve["high"].to_numpy()[inside] == pytest.approx(peer.iloc[:, 1].to_numpy()[inside], abs=1e-10)


def test_small_first_risk_sets_can_be_passed_over():
    # One late entrant dies when alone at risk: the plain curve is zero for ever.
    duration, event, entry = np.r_[2, np.full(50, 9)], np.ones(51, bool), np.r_[0, np.full(50, 3)]
    assert survival_at(kaplan_meier(duration, event, entry), [5])[0] == 0
    assert survival_at(kaplan_meier(duration, event, entry, min_at_risk=30), [5])[0] == 1


@pytest.mark.parametrize(
    ("duration", "event", "entry", "said"),
    [
        ([], [], None, "none"),
        ([1, 2], [True], None, "same length"),
        ([1, 2], [True, True], [1, 0], "row 0"),
        ([1, np.nan], [True, True], None, "row 1"),
        ([1, 2], [True, True], [-1, 0], "row 0"),
    ],
)
def test_malformed_spells_are_named(duration, event, entry, said):
    with pytest.raises(InputError, match=said):
        kaplan_meier(
            np.array(duration, float),
            np.array(event, bool),
            None if entry is None else np.array(entry, float),
        )


def test_band_is_wider_where_clusters_depend():
    rng = np.random.default_rng(2)
    cluster = np.repeat(np.arange(40), 25)
    # Within a cluster all spells are alike: 1,000 rows hold the information of 40.
    duration = rng.integers(1, 30, 40)[cluster]
    event, entry, at = np.ones(1000, bool), np.zeros(1000), np.array([10.0])
    wide = cluster_band(duration, event, entry, cluster, at, seed=1)
    narrow = cluster_band(duration, event, entry, np.arange(1000), at, seed=1)
    assert (wide[1] - wide[0])[0] > 3 * (narrow[1] - narrow[0])[0]
    assert wide[0][0] <= survival_at(kaplan_meier(duration, event), at)[0] <= wide[1][0]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.integers(0, 99))
def test_samples_hold_whole_clusters(cluster, seed):
    cluster = np.array(cluster)
    sizes = {c: (cluster == c).sum() for c in set(cluster.tolist())}
    for rows in cluster_samples(cluster, 3, seed):
        drawn = {c: (cluster[rows] == c).sum() for c in sizes}
        assert sum(drawn[c] // sizes[c] for c in sizes) == len(sizes)
        assert all(drawn[c] % sizes[c] == 0 for c in sizes)


def test_percentile_interval_of_a_uniform():
    assert percentile_interval(np.linspace(0, 1, 10_001), 0.9) == pytest.approx((0.05, 0.95))


def test_cumulative_hazards_add_up_tied_events_one_after_the_other():
    duration, event = np.array([1.0, 1, 2, 2, 2, 5]), np.array([True, False, True, True, True, False])
    entry = np.array([0.0, 0, 0, 1, 0, 3])
    curve = nelson_aalen(duration, event, entry)
    assert curve["time"].to_list() == [1, 2]
    assert curve["events"].to_list() == [1, 3]
    assert curve["hazard"].to_list() == pytest.approx([1 / 4, 1 / 4 + 1 / 3 + 1 / 2 + 1])


@given(st.integers(0, 100))
def test_numbers_at_risk_are_those_of_the_curve_and_all_fresh_spells_at_zero(seed):
    rng = np.random.default_rng(seed)
    entry = rng.integers(0, 3, 60).astype(float)
    duration = entry + rng.integers(1, 9, 60)
    curve = kaplan_meier(duration, rng.random(60) < 0.6, entry)
    assert at_risk(duration, entry, curve["time"].to_numpy()).tolist() == curve["at_risk"].to_list()
    assert at_risk(duration, entry, np.zeros(1))[0] == (entry == 0).sum()
