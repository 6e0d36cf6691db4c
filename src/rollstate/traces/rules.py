"""The rules of `rollstate.traces.schema`, one by one: to refuse a trace, and to name all that is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import polars as pl

from rollstate.traces.schema import (
    ACCESS_ORDER,
    ACCESSES_SCHEMA,
    ACCOUNT_KINDS,
    ACCOUNTS_SCHEMA,
    BLOCKS_SCHEMA,
    SLOTS_SCHEMA,
    Capability,
)

SCHEMAS = {
    "accesses": ACCESSES_SCHEMA,
    "slots": SLOTS_SCHEMA,
    "blocks": BLOCKS_SCHEMA,
    "accounts": ACCOUNTS_SCHEMA,
}
KEYS = {"address": 20, "slot": 32}
"""Columns of a slot's key, and their bytes."""


class Rule(NamedTuple):
    """What must hold in each row of a frame, and how to say so."""

    holds: pl.Expr
    said: str


def broken(frame: pl.DataFrame, rules: list[Rule], first: int = 0) -> Iterator[tuple[str, int, dict]]:
    """Yield for each rule that does not hold everywhere: the rule, the number of rows, and the first of them.

    The frame's rows are counted from `first`.
    """
    numbered = frame.with_row_index("row", offset=first)
    for rule in rules:
        bad = numbered.filter(~rule.holds.fill_null(False))
        if bad.height:
            row = bad.row(0, named=True)
            shown = {key: value.hex() if isinstance(value, bytes) else value for key, value in row.items()}
            yield rule.said, bad.height, shown


def in_window(stamp: Capability) -> tuple[pl.Expr, str]:
    """Return the rule that a block is of the window, and how to say so."""
    inside = pl.col("block_number").is_between(stamp.window_start, stamp.window_stop, closed="left")
    return inside, f"must lie in the window [{stamp.window_start}, {stamp.window_stop})"


def access_rules(stamp: Capability, n_slots: int, unseen: pl.Series) -> list[Rule]:
    """Return the rules of ``accesses``; `unseen` are the blocks that were not observed."""
    tx, write = pl.col("tx_index"), pl.col("is_write")
    inside, window = in_window(stamp)
    out = [
        Rule(pl.col(name).is_not_null(), f"{name} must not be null")
        for name in ("block_number", "slot_id", "is_write")
    ]
    out += [
        Rule(inside, f"block_number {window}"),
        Rule(pl.col("slot_id") < n_slots, f"slot_id must be below {n_slots}"),
        Rule(tx.fill_null(0) >= 0, "tx_index must not be negative"),
    ]
    if stamp.tx_level == "none":
        out.append(Rule(tx.is_null(), "tx_index must be null: tx_level is none"))
    if stamp.tx_level == "writes":
        out.append(Rule(write | tx.is_null(), "reads must have no tx_index: tx_level is writes"))
    if not stamp.observes_reads:
        out.append(Rule(write, "there must be no reads: the source sees none"))
    if len(unseen):
        dark = pl.col("block_number").is_in(unseen.implode())
        out.append(Rule(~dark, "there must be none in a block that was not observed"))
    return out


def slot_rules(stamp: Capability) -> list[Rule]:
    """Return the rules of ``slots`` without their keys."""
    born = pl.col("created_block").fill_null(stamp.window_start) < stamp.window_stop
    return [
        Rule(
            pl.col("slot_id") == pl.int_range(0, pl.len(), dtype=pl.UInt32), "slot_id must count up from zero"
        ),
        Rule(pl.col("contract_id").is_not_null(), "contract_id must not be null"),
        Rule(born, "created_block must lie before the end of the window"),
    ]


def key_rules(*, in_order: bool) -> list[Rule]:
    """Return the rules of the keys of ``slots``.

    Slots in order of their keys, as we write them, are unique; else a table of all keys is needed.
    """
    sized = [
        Rule(
            pl.col(name).is_not_null() & (pl.col(name).bin.size() == length),
            f"{name} must have {length} bytes",
        )
        for name, length in KEYS.items()
    ]
    unique = Rule(pl.struct(*KEYS).is_unique(), "address and slot must be unique together")
    return sized if in_order else [*sized, unique]


def keys_ascend(slots: pl.DataFrame) -> bool:
    """Say whether slots are in order of their keys, each of which is there once."""
    return _ascends(slots, tuple(KEYS))


def block_rules(stamp: Capability) -> list[Rule]:
    """Return the rules of the rows of ``blocks``."""
    _, window = in_window(stamp)
    counts = pl.int_range(stamp.window_start, stamp.window_start + pl.len(), dtype=pl.Int64)
    return [
        Rule(pl.col("block_number") == counts, f"block_number must count up and {window}"),
        Rule(pl.col("timestamp").diff().fill_null(0) >= 0, "timestamp must not go back"),
        Rule(pl.col("observed").is_not_null(), "observed must not be null"),
    ]


def account_rules(stamp: Capability) -> list[Rule]:
    """Return the rules of the rows of ``accounts``."""
    inside, window = in_window(stamp)
    return [
        Rule(inside, f"block_number {window}"),
        Rule(pl.col("address").bin.size() == 20, "address must have 20 bytes"),
        Rule(pl.col("kind").is_in(ACCOUNT_KINDS), f"kind must be one of {ACCOUNT_KINDS}"),
    ]


def shape(name: str, frame: pl.DataFrame) -> str | None:
    """Say what is wrong with the columns of a frame; None if nothing is."""
    schema = SCHEMAS[name]
    return None if frame.schema == schema else f"columns are {dict(frame.schema)}, must be {dict(schema)}"


def order_of_accesses(frame: pl.DataFrame) -> str | None:
    """Say whether accesses are out of order, or there twice; None if they are not."""
    if _ascends(frame, ACCESS_ORDER):
        return None
    return f"rows must be unique and sorted by {', '.join(ACCESS_ORDER)}"


def _ascends(frame: pl.DataFrame, columns: Sequence[str]) -> bool:
    """Say whether each row is above the one before it, column by column, without a sorted copy; null comes first."""
    above = pl.lit(False)
    for name in reversed(columns):
        now, before = pl.col(name), pl.col(name).shift()
        same = now.eq_missing(before)
        above = (now > before).fill_null(now.is_not_null() & before.is_null()) | (same & above)
    return bool(frame.lazy().select(above.slice(1).all()).collect().item())


def in_order(accounts: pl.DataFrame) -> pl.DataFrame:
    """Return changes of accounts as a trace keeps them: each once, sorted by all columns."""
    return accounts.unique().sort(list(ACCOUNTS_SCHEMA))


def of_accounts(accounts: pl.DataFrame, stamp: Capability) -> str | None:
    """Say what is wrong with the changes of accounts as a whole; None if nothing is."""
    if not stamp.account_changes and not accounts.is_empty():
        return "there must be none, the stamp says that the source does not see them"
    if not accounts.equals(in_order(accounts)):
        return f"rows must be unique and sorted by {', '.join(ACCOUNTS_SCHEMA)}"
    return None


def of_blocks(blocks: pl.DataFrame, stamp: Capability) -> str | None:
    """Say what is wrong with the blocks as a whole; None if nothing is."""
    if blocks.height != stamp.n_blocks:
        return f"must have one row for each of {stamp.n_blocks} blocks, has {blocks.height}"
    unseen = int((~blocks["observed"]).sum())
    if unseen != stamp.unobserved_blocks:
        return (
            f"{unseen} are not observed, the stamp says {stamp.unobserved_blocks}; correct the stamp's "
            "unobserved_blocks, or the column observed"
        )
    return None
