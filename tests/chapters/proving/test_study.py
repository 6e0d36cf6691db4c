"""What the chapter computes, on invented runs."""

from dataclasses import replace

import pandas as pd
import pytest

from rollstate.chapters.proving import study
from rollstate.chapters.proving.parameters import Proving
from rollstate.errors import InputError

P = replace(Proving(), runs="sample", transactions=50_000, tx_per_s=5.0, replications=10, draws=20)


@pytest.fixture(scope="module")
def measured():
    return study.measured(P)


def test_every_run_has_a_row(measured):
    slow = measured.of(measured.name).assign(run="slow", prove_s=5_000.0)
    found = study.provers(replace(measured, every=pd.concat([measured.every, slow])), P)
    assert set(found["run"]) == {measured.name, measured.crash_name, "slow"}
    assert study.needed(found, "slow") is None
    assert found["within_slot"].between(0, 1).all()
    assert study.needed(found, measured.name)[0].value >= 1


def test_smallest_group_is_not_the_best_with_random_times(measured):
    table, found = study.groups(P, study.article_times(measured, P))
    best, excess = study.best_group(found)
    assert best > min(found)
    assert excess.low > 0
    regular = table[table["how"] != "simulated"]
    assert regular["mean_s"].is_monotonic_increasing


def test_unknown_run_is_named():
    with pytest.raises(InputError, match="is not measured"):
        study.pick(study.measured(P).every, "nobody")


def test_plans_by_growth_and_assumption(measured):
    p = replace(P, gas_growth=(1.0, 3.0), serial=(0.05, 0.5))
    table = study.growth(measured, p)
    assert len(table) == 2 * 3
    live = table[table["target"] == "live"].set_index(["gas_growth", "serial"])["usd_per_proof"]
    assert live[3.0, 0.05] > live[1.0, 0.05]
    found = study.reached(table, p)
    assert found["gas_growth_most"] == 3
    assert (
        found["growth_gpus"]
        == table[(table["target"] == "live") & (table["gas_growth"] == 3)]["gpus"].iloc[0]
    )
    nothing = table.assign(met=False)
    assert set(study.reached(nothing, p)) == {"serial", "gas_growth_most"}


def test_auction_of_the_planned_prover(measured):
    table = study.auction(measured, P)
    assert table["price_usd"].to_numpy() == pytest.approx(table["cost_usd"] + P.stake_usd * table["miss"])


def test_recorded_batches_are_compared_where_there_are_any(measured):
    assert study.recorded(P) is None
    batches = study.recorded(replace(P, life_cycle="sample"))
    frame, table = study.against_recorded(batches, P, study.article_times(measured, P))
    numbers = study.life(batches, table)
    assert set(numbers) == set(study.LIFE)
    assert numbers["life_open"] > 0
    assert numbers["ks_proven_fitted"] < numbers["ks_proven"] == 1
    assert set(frame["source"]) == {"recorded", "example of this page", "fitted on earlier batches"}
