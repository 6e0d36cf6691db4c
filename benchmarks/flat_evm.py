"""Real transactions over flat storage and over a trie, reads included, in one run with LMDB under both.

Three ratios, trie over flat, of the same blocks:

- ``database``: time inside LMDB alone, the same C for both;
- ``compiled``: LMDB, hashing (compiled) and the EVM (revm): what a client written in C or Rust could not avoid;
- ``whole``: all of it as it ran, with py-trie's bookkeeping in Python, which flatters the flat store.

It also measures what a root costs that nobody kept: made anew from the whole flat state, as when a challenge comes.

Time is the processor's, files in memory; ``--cold`` drops the files from the page cache and takes wall time.
``--sizes 10000 100000 1000000 --record FILE`` writes the table that the chapter ``flat_kv`` shows; filling a million
keys takes minutes.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from kept import keep, machine, peak_gib

from rollstate.chapters.flat_kv import study
from rollstate.dispute.stores import LmdbStore
from rollstate.flat_evm import blocks, comparison, rebuild
from rollstate.flat_evm.blocks import ExecutedBlock
from rollstate.traces import datasets
from rollstate.traces.live.workload import Workload

SIZES = (10_000, 100_000)
MOST_TRANSACTIONS = 200


def executed() -> tuple[str, list[ExecutedBlock]]:
    """Return published blocks of at most 200 transactions, or where they are not here those of the embedded chain."""
    if datasets.is_here("pevm-blocks"):
        folder = datasets.locate("pevm-blocks")
        return "mainnet", blocks.published(folder, most_transactions=MOST_TRANSACTIONS)
    return "embedded", blocks.embedded(Workload(blocks=6, rate=150.0, burst=150.0))


def forget(folder: Path) -> None:
    """Ask the system to drop the files of a folder from its page cache."""
    for file in folder.rglob("*.mdb"):
        handle = os.open(file, os.O_RDONLY)
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def rows(listed: list[ExecutedBlock], keys: int, *, cold: bool) -> pl.DataFrame:
    """Return `comparison.measure` of blocks on a state of a size."""
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / world for world in comparison.WORLDS]
        for folder in folders:
            folder.mkdir()
        stores = [LmdbStore(folder, 1 << 34) for folder in folders]
        started = time.thread_time()
        root = comparison.load(listed, keys, *stores, np.random.default_rng(1))
        for store in stores:
            store.close()
        sizes = [sum(file.stat().st_blocks for file in folder.iterdir()) * 512 / 1e6 for folder in folders]
        print(
            f"{keys:,} keys: filled in {time.thread_time() - started:.0f} s; flat {sizes[0]:.0f} MB, "
            f"trie {sizes[1]:.0f} MB",
            flush=True,
        )
        stores = [LmdbStore(folder, 1 << 34) for folder in folders[:1]]
        started = time.thread_time()
        rebuild.state_root((key, stores[0][key]) for key in stores[0])
        stores[0].close()
        took = time.thread_time() - started
        print(
            f"  root made anew from the flat state alone: {took:.1f} s, {keys / took:,.0f} keys/s", flush=True
        )
        if cold:
            forget(Path(name))
        stores = [LmdbStore(folder, 1 << 34) for folder in folders]
        clock = time.perf_counter if cold else time.thread_time
        frame, _ = comparison.measure(listed, *stores, root, clock)
        for store in stores:
            store.close()
        return frame.with_columns(keys=pl.lit(keys))


def main(arguments: list[str] | None = None) -> None:
    """Print a table of ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--cold", action="store_true", help="cold files, wall time")
    parser.add_argument("--record", type=Path, help="CSV file to write")
    chosen = parser.parse_args(arguments)
    source, listed = executed()
    frame = pl.concat([rows(listed, keys, cold=chosen.cold) for keys in chosen.sizes])
    frame = frame.with_columns(source=pl.lit(source), machine=pl.lit(machine()))
    print(f"{source} blocks: {len(listed)}; {machine()}")
    print(f"{'keys':>9} {'what':9}{'flat ms':>9}{'trie ms':>9}{'ratio':>7}  over blocks")
    for row in study.time_ratios(frame).iter_rows(named=True):
        print(
            f"{row['keys']:>9} {row['what']:9}{row['flat'] * 1e3:9.1f}{row['trie'] * 1e3:9.1f}"
            f"{row['ratio']:7.2f}  {row['low']:.2f} to {row['high']:.2f}"
        )
        keep(f"{row['what']} over {row['keys']:,} keys", "trie", row["trie"] / row["flat"])
    print(f"peak memory {peak_gib():.2f} GiB")
    if chosen.record:
        frame.write_csv(chosen.record, float_precision=6)


if __name__ == "__main__":
    main()
