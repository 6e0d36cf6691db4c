"""The chapter's own frames: estimates with their range, and the two sides of a difference."""

import polars as pl

from rollstate.chapters.observability import study
from rollstate.estimate import Estimate

A, SLOT_1, SLOT_2, SLOT_3 = "0x" + "aa" * 20, "0x" + "01" * 32, "0x" + "02" * 32, "0x" + "03" * 32
ONE, TWO = "0x" + "00" * 31 + "01", "0x" + "00" * 31 + "02"
DIFFERENCE = [
    {
        "result": {
            "pre": {A: {"storage": {SLOT_1: ONE, SLOT_3: ONE}}},
            "post": {A: {"storage": {SLOT_1: TWO, SLOT_2: ONE}}},
        }
    }
]


def test_sides_of_a_difference_are_counted_by_hand():
    # Slot 1 changes, slot 2 is created and absent from pre, slot 3 is cleared and absent from post.
    assert study.sides([(1, [], DIFFERENCE)]) == {"real_created": 1 / 3, "real_cleared": 1 / 3}


def test_ratios_compare_each_chain_with_its_own_truth():
    answers = pl.DataFrame(
        {
            "replicate": [0, 0, 1, 1],
            "view": [study.TRUTH, study.LOGS] * 2,
            "number": ["total cost"] * 4,
            "value": [10.0, 5.0, 20.0, 15.0],
        }
    )
    found = study.Simulated(pl.DataFrame(), answers, {}, [])
    ratios = study.downstream(found)
    assert study.estimate(ratios, view=study.LOGS, number="total cost") == Estimate(0.625, 0.5, 0.75)
