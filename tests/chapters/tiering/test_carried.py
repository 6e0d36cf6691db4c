"""The chapter's tables of policy files say what the files cost."""

import dataclasses

import numpy as np
import polars as pl
import pytest

from rollstate.chapters.tiering import carried, study
from rollstate.chapters.tiering.parameters import Tiering
from rollstate.errors import InputError
from rollstate.estimate import Estimate
from rollstate.policy import fit
from rollstate.policy.transfer import transfer
from rollstate.profile import load
from rollstate.tiering import costs, policies, replay
from rollstate.traces import datasets

P = Tiering(
    trace="sample", peer="sample", misses=(1.0, 30.0, 1_000.0), draws=30, quote=30.0,
    carried=("linea_28279135", "mainnet-bal"), carried_s=(120.0,),
)  # fmt: skip


@pytest.fixture(scope="module")
def found():
    return study.study(study.window(P), P)


@pytest.fixture(scope="module")
def pairs():
    return carried.pairs(P)


def test_the_table_and_cox_cost_what_their_windows_cost(found):
    frame = carried.against_cox(found, P)
    assert frame["miss"].to_list() == [30.0]
    row, at, tried = frame.row(0, named=True), costs.two_tiers(30.0), found.trial
    pools, counts = fit.spell_pools(tried.past)
    least, chosen = fit.table(pools, fit.edges(counts), 30.0)
    n = tried.future["n_accesses"].to_numpy()
    window = np.array([chosen[max(i for i, low in enumerate(least) if low <= one)] for one in n])
    own = replay.replay(tried.test, window, at).cost.sum()
    cox = replay.replay(tried.test, policies.expected_cox(tried, at), at).cost.sum()
    simple = min(
        replay.replay(tried.test, policies.RULES[name](tried, at), at).cost.sum() for name in policies.SIMPLE
    )
    assert row["ratio"] == pytest.approx(own / cox)
    assert row["table"] == pytest.approx(own / simple)
    assert row["cox"] == pytest.approx(cox / simple)
    assert row["ratio_low"] <= row["ratio"] <= row["ratio_high"]
    assert row["rows"] == len(least)
    with pytest.raises(InputError, match="widen table_range"):
        carried.against_cox(found, dataclasses.replace(P, table_range=(2.0, 3.0)))


def test_verdicts_need_the_whole_interval():
    frame = pl.DataFrame(
        {
            "miss": [3.0, 10.0, 30.0],
            "rows": [5, 5, 5],
            "ratio": [1.06, 0.99, 0.9],
            "ratio_low": [1.04, 0.94, 0.8],
            "ratio_high": [1.08, 1.04, 0.95],
            "verdict": [carried.MORE, carried.EQUAL, carried.CHEAPER],
        }
    )
    for row in frame.iter_rows(named=True):
        ratio = carried.Estimate(row["ratio"], row["ratio_low"], row["ratio_high"])
        assert carried._verdict(ratio) == row["verdict"]
    assert carried._verdict(carried.Estimate(2.0)) == carried.EQUAL
    got = carried.quoted_cox(frame)
    assert (got["table_points"], got["table_more_expensive"], got["table_cheaper"]) == (3, 1, 1)
    assert got["table_more_expensive_at"] == "3"
    assert (got["table_worst"].value, got["table_worst_at"]) == (1.06, 3.0)


def test_every_pair_costs_what_its_rescaled_policy_costs(pairs):
    names = {datasets.label(name): load(name) for name in P.carried}
    wanted = transfer(names, penalty_s=120.0)
    assert pairs.drop("penalty_s").equals(wanted)
    assert pairs.height == 4
    table = carried.shown_pairs(pairs)
    assert table.columns == ["penalty, s", "fitted on", *names]
    for row in pairs.iter_rows(named=True):
        cell = table.filter(pl.col("fitted on") == row["fitted"])[row["judged"]][0]
        ends = (row["over_simple"], row["over_simple_low"], row["over_simple_high"])
        assert cell == "{} ({} to {})".format(*(round(end, 2) for end in ends))


def test_the_worst_pairs_are_told_by_what_was_longer():
    rows = [
        ("a", "a", False, 1.2, 1.2), ("b", "b", False, 0.9, 0.9),
        ("a", "b", True, 2.0, 900.0), ("b", "a", False, 7.0, 7.0),
    ]  # fmt: skip
    frame = pl.DataFrame(rows, schema=["fitted", "judged", "longer", "over_simple", "uncut"], orient="row")
    ends = {
        f"{name}_{end}": pl.col(name) * by
        for name in ("over_simple", "uncut")
        for end, by in (("low", 0.5), ("high", 2.0))
    }
    frame = frame.with_columns(**ends)
    assert carried.quoted_pairs(frame) == {
        "carried": 2, "carried_cheaper": 0, "carried_clearly": 0, "carried_native": Estimate(1.2, 0.6, 2.4),
        "carried_longer": Estimate(2.0, 1.0, 4.0), "carried_uncut": Estimate(900.0, 450.0, 1800.0),
        "carried_shorter": Estimate(7.0, 3.5, 14.0),
    }  # fmt: skip
    lower = frame.with_columns(
        over_simple=0.8, over_simple_low=0.7, over_simple_high=pl.Series([0.9, 1.1, 0.9, 1.1])
    )
    found = carried.quoted_pairs(lower)
    assert (found["carried_cheaper"], found["carried_clearly"]) == (2, 1)
    assert found["carried_longer"] == Estimate(1.0)
    alone = carried.quoted_pairs(frame.filter(pl.col("fitted") == "a", pl.col("judged") == "a"))
    assert (alone["carried"], alone["carried_longer"]) == (0, Estimate(1.0))
