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
