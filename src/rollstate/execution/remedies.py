"""What each remedy against conflicts makes of the limit of speed-up."""

from __future__ import annotations

import numpy as np
import polars as pl

from rollstate.execution import conflicts, schedules
from rollstate.scalars import real
from rollstate.traces.schema import Trace


def rows_of(trace: Trace) -> pl.DataFrame:
    """Return touches with names that begin with a contract's address, as `limits` takes them.

    Columns are those of `conflicts.by_rule`: ``block_number``, ``tx``, ``kind``, ``name``, ``is_write``.
    """
    storage = (
        trace.accesses.filter(pl.col("tx_index").is_not_null())
        .join(trace.slots.select("slot_id", "address"), on="slot_id")
        .select(
            "block_number",
            pl.col("tx_index").cast(pl.Int32).alias("tx"),
            pl.lit("storage").alias("kind"),
            pl.concat_str(pl.col("address").bin.encode("hex"), pl.lit("/"), pl.col("slot_id")).alias("name"),
            "is_write",
        )
    )
    accounts = conflicts.trace_changes(trace).select(
        "block_number",
        pl.col("index").cast(pl.Int32).alias("tx"),
        "kind",
        pl.concat_str("kind", pl.lit(" "), pl.col("address").bin.encode("hex")).alias("name"),
        pl.lit(True).alias("is_write"),
    )
    return without_recipient(pl.concat([storage, accounts]))


def without_recipient(rows: pl.DataFrame) -> pl.DataFrame:
    """Leave out the balance that most transactions of a block change: its fee recipient's."""
    paid = (
        rows.filter((pl.col("kind") == "balance") & pl.col("is_write"))
        .group_by("block_number", "name")
        .len("payers")
    )
    recipient = paid.sort("payers", "name", descending=[True, False]).group_by("block_number").first()
    return rows.join(recipient.select("block_number", "name"), on=["block_number", "name"], how="anti")


def hottest(rows: pl.DataFrame, count: int) -> pl.DataFrame:
    """Return ``block_number`` and ``name`` of the keys with the most conflicting pairs in each block."""
    touched = rows.group_by("block_number", "name").agg(
        n=pl.col("tx").n_unique(), writers=pl.col("tx").filter(pl.col("is_write")).n_unique()
    )
    readers = pl.col("n") - pl.col("writers")
    pairs = (pl.col("n") * (pl.col("n") - 1) - readers * (readers - 1)) // 2
    return (
        touched.with_columns(pairs=pairs)
        .filter(pl.col("pairs") > 0)
        .sort("block_number", "pairs", "name", descending=[False, True, False])
        .group_by("block_number", maintain_order=True)
        .head(count)
    )


def hot_share(rows: pl.DataFrame, count: int) -> float:
    """Return the share of conflicting pairs, counted by key, that the hottest keys of each block carry."""
    every = real(hottest(rows, rows.height)["pairs"].sum())
    return real(hottest(rows, count)["pairs"].sum()) / every if every else 0.0


CONTRACTS, SLOTS = "contracts declared, not slots", "slots declared, storage alone"


def limits(rows: pl.DataFrame, *, hot: int, threads: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return total and makespan of each block under each remedy, unit costs.

    Parameters
    ----------
    rows : polars.DataFrame
        As `rows_of` gives them.
    hot : int
        Hottest keys of each block that are priced or sharded, so that nothing conflicts over them.
    threads : int
        Threads of the last line.

    Notes
    -----
    Of a source that sees no balances, nonces and code only `CONTRACTS` and `SLOTS` are known: the others would leave
    out conflicts that are there.
    """
    storage = rows.filter(pl.col("kind") == "storage")
    contract = (
        pl.when(pl.col("kind") == "storage")
        .then(pl.col("name").str.split("/").list.first())
        .otherwise("name")
    )
    cooled = rows.join(hottest(rows, hot), on=["block_number", "name"], how="anti")
    every = rows.select("block_number", "tx").unique()
    out = {}
    sees_accounts = storage.height < rows.height
    for name, part, rule in (
        ("none: strict rule", rows, "strict"),
        (CONTRACTS, storage.with_columns(name=contract), "strict"),
        (SLOTS, storage, "strict"),
        ("lazy balances", rows, "lazy"),
        (f"the {hot} hottest keys priced or sharded", cooled, "strict"),
        ("block access list", rows, "listed"),
    ):
        if not sees_accounts and name not in (CONTRACTS, SLOTS):
            continue
        # A transaction without a touch of this kind still runs.
        alone = every.select(
            "block_number", "tx", kind=pl.lit("none"), name=pl.format("t{}", "tx"), is_write=pl.lit(False)
        )
        found = list(
            conflicts.blocks(
                conflicts.by_rule(pl.concat([part.select(rows.columns), alone.select(rows.columns)]), rule)
            )
        )
        before = [conflicts.predecessors(block) for block in found]
        total = np.array([float(len(block)) for block in found])
        out[name] = (total, np.array([conflicts.critical_path(b, np.ones(len(b))) for b in before]))
        if rule == "lazy":
            out[f"lazy balances, {threads} threads"] = (
                total,
                np.array([schedules.list_schedule(b, np.ones(len(b)), threads) for b in before]),
            )
    return out
