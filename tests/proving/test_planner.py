"""The plan is the cheapest that meets its target, and says where none does."""

import time
from dataclasses import replace

import numpy as np
import pytest

from rollstate.errors import InputError
from rollstate.proving import planner, runs
from rollstate.proving.planner import Choice, Inputs

EVERY = runs.synthetic(1)
RUN = EVERY[EVERY["run"] == "synthetic prover"]
CRASHING = EVERY[EVERY["run"] == "synthetic prover that crashes"]


@pytest.mark.parametrize("target", planner.TARGETS)
def test_optimum_is_that_of_brute_force(target):
    inputs = Inputs(deadline_s=12.0)
    drawn = planner.blocks(RUN, inputs, seed=1, count=2_000)
    kinds = planner.choices(drawn, inputs, gpus=(2, 8, 32, 128))
    every = [
        planner.evaluate(drawn, replace(kind, teams=teams), inputs)
        for kind in kinds
        for teams in range(1, 17)
    ]
    good = [row["usd_per_proof"] for row in every if planner.meets(row, inputs, target)]
    best = planner.optimum(drawn, inputs, target, most=16, kinds=kinds)
    assert best["usd_per_proof"] == pytest.approx(min(good), rel=0.01)


def test_target_out_of_reach_is_a_row():
    table = planner.plan(CRASHING, Inputs(deadline_s=0.1), seed=1).set_index("target")
    assert not table.loc["real-time", "met"]
    assert np.isnan(table.loc["real-time", "gpus_total"])


def test_plan_is_made_in_seconds():
    planner.plan(RUN, Inputs(), seed=1)
    begin = time.process_time()
    planner.plan(RUN, Inputs(), seed=1)
    assert time.process_time() - begin < 5


def test_retries_hedging_and_growth_do_what_they_say():
    inputs = Inputs()
    drawn = planner.blocks(CRASHING, inputs, seed=2, count=4_000)
    once = planner.evaluate(
        planner.blocks(CRASHING, Inputs(tries=1), seed=2, count=4_000), Choice(64, 8), inputs
    )
    again, hedged = (planner.evaluate(drawn, Choice(64, 8, copies), inputs) for copies in (1, 2))
    assert once["proved"] == pytest.approx(1 - CRASHING["crashed"].mean(), abs=0.03)
    assert once["proved"] < again["proved"] <= hedged["proved"]
    assert hedged["mean_s"] < again["mean_s"]
    assert hedged["gpus_total"] == 2 * again["gpus_total"]
    grown = planner.blocks(RUN, Inputs(gas_growth=2.0), seed=2, count=500)
    assert (grown.expected_s > planner.blocks(RUN, inputs, seed=2, count=500).expected_s).all()
    cut = planner.evaluate(drawn, Choice(64, 8, 1, 1e-6), inputs)
    assert cut["proved"] == 0
    assert cut["p99_s"] == np.inf


def test_worst_blocks_need_more_teams():
    found = planner.worst_case(Inputs(worst_s_per_mgas=6.7, worst_gas=45e6), 8)
    assert found["time_s"] == pytest.approx(301.5)
    assert found["teams"] == 26


def test_least_price_is_cost_and_expected_loss():
    inputs = Inputs(stake_usd=5.0, deadline_s=20.0)
    drawn = planner.blocks(RUN, inputs, seed=1, count=1_000)
    table = planner.auction(drawn, inputs, Choice(1, 8))
    assert table["price_usd"].to_numpy() == pytest.approx(table["cost_usd"] + 5 * table["miss"])
    assert table["miss"].is_monotonic_decreasing


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("gas_growth", 0.0),
        ("slot_s", np.nan),
        ("serial", 1.5),
        ("run_gpus", 2.5),
        ("stake_usd", -1.0),
        ("tries", 0),
    ],
)
def test_bad_input_is_named(field, value):
    with pytest.raises(InputError, match=field):
        Inputs(**{field: value})


def test_more_gpus_shorten_what_divides():
    assert Inputs(serial=0.0).speed(16) == pytest.approx(2)
    assert Inputs(serial=1.0).speed(128) == 1
    assert Inputs(serial=0.2).speed(8) == 1
    assert Inputs(serial=0.2).speed(10**9) == pytest.approx(1 + 0.8 / 8 / 0.2)
