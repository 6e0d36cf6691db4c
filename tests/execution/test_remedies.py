"""Remedies and list sizes on touches counted by hand."""

import polars as pl
import pytest

from rollstate.execution import list_sizes, remedies
from rollstate.traces.block_access_list import AccountAccess, SlotChanges

NAMES = {
    "block_number": pl.Int64,
    "tx": pl.Int32,
    "kind": pl.String,
    "name": pl.String,
    "is_write": pl.Boolean,
}


def rows(*touches):
    return pl.DataFrame([(1, *touch) for touch in touches], schema=NAMES, orient="row")


# Slot a/1 is written by three and read by one more, a/2 and a/3 by one each; two pay each other.
TOUCHED = rows(
    (0, "storage", "a/1", True), (1, "storage", "a/1", True), (2, "storage", "a/1", True), (3, "storage", "a/1", False),
    (4, "storage", "a/2", True), (5, "storage", "a/3", True),
    (4, "balance", "balance b", True), (5, "balance", "balance b", True),
)  # fmt: skip


def test_hottest_keys_are_those_with_most_pairs():
    assert remedies.hottest(TOUCHED, 9).select("name", "pairs").rows() == [("a/1", 6), ("balance b", 1)]
    assert remedies.hot_share(TOUCHED, 1) == pytest.approx(6 / 7)


def test_each_remedy_removes_its_own_conflicts():
    paths = {
        name: (total[0], path[0])
        for name, (total, path) in remedies.limits(TOUCHED, hot=1, threads=6).items()
    }
    assert paths == {
        "none: strict rule": (6, 4),
        "contracts declared, not slots": (6, 5 + 1),
        "slots declared, storage alone": (6, 4),
        "lazy balances": (6, 4),
        "lazy balances, 6 threads": (6, 4),
        "the 1 hottest keys priced or sharded": (6, 2),
        "block access list": (6, 1),
    }


def test_a_source_of_storage_alone_has_the_limits_of_storage_alone():
    storage = TOUCHED.filter(pl.col("kind") == "storage")
    found = remedies.limits(storage, hot=1, threads=6)
    assert {name: path[0] for name, (_, path) in found.items()} == {remedies.CONTRACTS: 6, remedies.SLOTS: 4}


def test_the_fee_recipient_is_left_out():
    paid = pl.concat([TOUCHED, rows(*((tx, "balance", "balance fee", True) for tx in range(6)))])
    assert remedies.without_recipient(paid).equals(TOUCHED)


def test_a_difference_keeps_last_values_alone():
    word = lambda value: value.to_bytes(32, "big")  # noqa: E731
    busy = AccountAccess(
        b"\x01" * 20,
        (SlotChanges(word(1), ((1, word(5)), (2, word(6)))),),
        (word(9),),
        ((1, 7), (3, 8)),
        (),
        (),
    )
    idle = AccountAccess(b"\x02" * 20, (), (word(4),), (), (), ())
    (left,) = list_sizes.difference((busy, idle))
    assert left.storage_changes == (SlotChanges(word(1), ((2, word(6)),)),)
    assert left.balance_changes == ((3, 8),)
    assert not left.storage_reads
    assert list_sizes.difference_bytes((busy, idle)) < list_sizes.list_bytes((busy, idle))
