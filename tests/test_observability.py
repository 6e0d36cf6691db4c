"""Recall, precision and downstream numbers, by hand."""

import polars as pl
import pytest

from rollstate import observability
from rollstate.errors import InputError
from rollstate.observability import Questions
from rollstate.traces import store
from rollstate.traces.schema import Capability

A = b"\xaa" * 20


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_agreement_counts_slots_touches_reads_stores_and_changes() -> None:
    truth = pl.DataFrame(
        # block, tx, address, slot, stored, changed
        [(1, 0, A, key(1), True, True), (1, 0, A, key(2), True, False), (1, 1, A, key(1), False, False)],
        schema=[*observability.TOUCH, "stored", "changed"],
        orient="row",
    )
    view = pl.DataFrame(
        [(1, 0, A, key(1), True), (1, 1, A, key(1), True), (2, 0, A, key(3), True)],
        schema=[*observability.TOUCH, "is_write"],
        orient="row",
    )
    table = observability.agreement(truth, view)
    assert table.select("what", "true", "seen", "both").rows() == [
        ("slots", 2, 2, 1),
        ("touches", 3, 3, 2),
        ("reads", 2, 0, 0),
        ("stores", 2, 3, 1),
        ("changes", 1, 3, 1),
    ]
    assert table["recall"].to_list() == [1 / 2, 2 / 3, 0, 1 / 2, 1]
    assert table["precision"].to_list() == [1 / 2, 2 / 3, None, 1 / 3, 1 / 3]


def trace(blocks: list[int], stop: int):
    touches = pl.DataFrame(
        [(block, 0, A, key(1), True) for block in blocks],
        schema={
            "block_number": pl.Int64,
            "tx_index": pl.Int32,
            "address": pl.Binary,
            "slot": pl.Binary,
            "is_write": bool,
        },
        orient="row",
    )
    return store.assemble(touches, Capability("synthetic", True, True, "all", "slot", 0, stop, None, "test"))


def test_answers_of_one_slot_are_those_counted_by_hand() -> None:
    """Touched in 0, 2, 4, 14, 34 and watched to 40: gaps 2, 2, 10, 20 and an open one of 6."""
    found = observability.answers(trace([0, 2, 4, 14, 34], 40), Questions(1, 2, 5, 100.0), (0, 40))
    assert found["misses"] == 2
    kept = 2 + 2 + 5 + 5 + 5
    assert found["memory ratio"] == pytest.approx(kept / 40, rel=0.03)
    assert found["total cost"] == pytest.approx(kept + 200, abs=1)
    assert found["p(tau)"] == pytest.approx(2 / 5)
    assert found["median gap"] == 10


def test_questions_must_make_sense() -> None:
    with pytest.raises(InputError, match="at least one block"):
        Questions(0, 1, 1, 1.0)
