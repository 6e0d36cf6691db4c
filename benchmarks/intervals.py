"""From a Parquet file of accesses to spells, beside a bare sort of the same file: the least any builder must do.

Every measurement is a process of its own, so that its peak memory is its own; the best of three runs is shown.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from kept import keep, peak_gib

N_ACCESSES = 2_000_000
N_SLOTS = 300_000
N_CONTRACTS = 20_000
N_BLOCKS = 20_000
TXS_PER_BLOCK = 150
PARTS = 8
REPEATS = 3
PEER = "Polars sort"


def make(folder: Path, seed: int = 1) -> None:
    """Write accesses with Zipf slots in the order of the chain, and the same trace in parts by slot."""
    import numpy as np
    import polars as pl

    from rollstate.traces import store
    from rollstate.traces.schema import ACCESS_ORDER, ACCESSES_SCHEMA, BLOCKS_SCHEMA, SLOTS_SCHEMA, Capability

    rng = np.random.default_rng(seed)
    weight = np.arange(1, N_SLOTS + 1) ** -0.9
    rank = np.searchsorted(np.cumsum(weight) / weight.sum(), rng.random(N_ACCESSES))
    accesses = pl.DataFrame(
        {
            "block_number": np.sort(rng.integers(0, N_BLOCKS, N_ACCESSES)),
            "tx_index": rng.integers(0, TXS_PER_BLOCK, N_ACCESSES),
            "slot_id": rng.permutation(N_SLOTS)[np.minimum(rank, N_SLOTS - 1)],
            "is_write": rng.random(N_ACCESSES) < 0.4,
        },
        schema=ACCESSES_SCHEMA,
    )
    contract = np.sort((rng.pareto(1, N_SLOTS) * 10).astype(np.int64) % N_CONTRACTS)
    number = pl.Series(np.arange(N_SLOTS))
    slots = pl.DataFrame({"slot_id": number, "contract_id": contract}).select(
        pl.col("slot_id", "contract_id").cast(pl.UInt32),
        pl.col("contract_id").cast(pl.String).str.zfill(20).cast(pl.Binary).alias("address"),
        pl.col("slot_id").cast(pl.String).str.zfill(32).cast(pl.Binary).alias("slot"),
        pl.lit(None, pl.Int64).alias("created_block"),
        pl.lit(None, pl.String).alias("contract_type"),
        pl.lit(None, pl.String).alias("slot_type"),
    )
    blocks = pl.DataFrame(
        {
            "block_number": np.arange(N_BLOCKS),
            **dict.fromkeys(("timestamp", "gas_used", "tx_count")),
            "observed": True,
        },
        schema=BLOCKS_SCHEMA,
    )
    stamp = Capability("benchmark", True, True, "all", "synthetic", 0, N_BLOCKS, None, "1")
    accesses.write_parquet(folder / "chain.parquet")
    slots.cast(SLOTS_SCHEMA).write_parquet(folder / "slots.parquet")
    store.write_chunks([(accesses.sort(ACCESS_ORDER), slots)], blocks, stamp, folder / "trace", parts=PARTS)


def polars_sort(folder: Path) -> int:
    """Read and sort, nothing else."""
    import polars as pl

    return (
        pl.read_parquet(folder / "chain.parquet")
        .sort("slot_id", "block_number", "tx_index", "is_write")
        .height
    )


def duckdb_sort(folder: Path) -> int:
    """Read and sort, nothing else, into a Polars frame."""
    import duckdb

    order = "slot_id, block_number, tx_index, is_write"
    return duckdb.sql(f"select * from '{folder / 'chain.parquet'}' order by {order}").pl().height


def duckdb_windows(folder: Path) -> int:
    """Build the same spells with window functions, without ages, rates and activity."""
    import duckdb

    return (
        duckdb.sql(
            f"""
            with touch as (
                select slot_id, contract_id, block_number, tx_index, bool_or(is_write) as wrote
                from '{folder / "chain.parquet"}' join '{folder / "slots.parquet"}' using (slot_id)
                group by all
            ), counted as (
                select *, count(*) over (partition by block_number, tx_index) - 1 as co_tx from touch
            ), visit as (
                select slot_id, contract_id, block_number, bool_or(wrote) as wrote, max(co_tx) as co_tx
                from counted group by all
            ), shared as (
                select *, count(*) over (partition by contract_id, block_number) - 1 as co_contract from visit
            )
            select *, row_number() over slot as n_accesses,
                block_number - lag(block_number) over slot as prev_gap,
                coalesce(lead(block_number) over slot, {N_BLOCKS - 1}) - block_number as duration,
                lead(block_number) over slot is not null as event
            from shared
            window slot as (partition by slot_id order by block_number)
            qualify duration > 0
            """
        )
        .pl()
        .height
    )


def build_whole(folder: Path) -> int:
    """Read the file and build the spells of the whole trace in memory."""
    import polars as pl

    from rollstate import intervals
    from rollstate.traces import store
    from rollstate.traces.schema import Trace

    stamp = store.read_capability(folder / "trace")
    accesses, slots = (pl.read_parquet(folder / f"{name}.parquet") for name in ("chain", "slots"))
    return intervals.build(Trace(accesses, slots, pl.DataFrame(), stamp)).height


def build_parts(folder: Path) -> int:
    """Build the spells of the stored trace part by part; each part is let go before the next."""
    from rollstate import intervals

    return sum(spells.height for spells in intervals.build_partitioned(folder / "trace"))


MEASURED: dict[str, Callable[[Path], int]] = {
    PEER: polars_sort,
    "DuckDB sort": duckdb_sort,
    "DuckDB window functions": duckdb_windows,
    "rollstate, in memory": build_whole,
    f"rollstate, {PARTS} parts": build_parts,
}


def measure(name: str, folder: Path) -> dict[str, float]:
    """Time one of `MEASURED` in this process; imports do not count."""
    import duckdb  # noqa: F401
    import polars  # noqa: F401

    from rollstate import intervals  # noqa: F401

    begin = time.perf_counter()
    rows = MEASURED[name](folder)
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "rows": rows, "gib": peak_gib()}


def main() -> None:
    """Print seconds, ratio to the bare sort, and peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder))
        found = {}
        for name in MEASURED:
            command = [sys.executable, __file__, "--measure", name, "--folder", folder]
            runs = [json.loads(subprocess.check_output(command)) for _ in range(REPEATS)]
            found[name] = min(runs, key=lambda run: run["seconds"])
    print(f"{N_ACCESSES:,} accesses of {N_SLOTS:,} slots, best of {REPEATS}")
    print(f"{'':28}{'seconds':>9}{'x ' + PEER:>15}{'peak GiB':>10}{'rows':>13}")
    for name, run in found.items():
        ratio = run["seconds"] / found[PEER]["seconds"]
        print(f"{name:28}{run['seconds']:9.2f}{ratio:15.2f}{run['gib']:10.2f}{run['rows']:13,}")
        if name != PEER:
            keep(name, PEER, 1 / ratio)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--measure")
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments.folder)))
    else:
        main()
