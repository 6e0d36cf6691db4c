"""Reducing ten million accesses to a profile, beside a bare sort of the same rows: time and peak memory.

``python benchmarks/profile.py [ACCESSES] [few|many|long]``; each shape is made and measured in a process of its own.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from kept import peak_gib

from rollstate.profile.files import save
from rollstate.profile.reduction import make_stored
from rollstate.traces import store
from rollstate.traces.schema import Capability

SHAPES = {
    "few": (20_000, 400, 1.2, 10_000),
    "many": (3_000_000, 30_000, 1.05, 10_000),
    "long": (300_000, 4_000, 1.1, 2_000_000),
}
"""Slots, contracts, exponent of Zipf's law, blocks."""


def make_trace(rows: int, shape: str, folder: Path) -> None:
    """Write a trace whose slots are touched by Zipf's law, in parts of two million rows."""
    slots, contracts, power, blocks = SHAPES[shape]
    rng = np.random.default_rng(1)
    weights = np.arange(1, slots + 1.0) ** -power
    picked = np.searchsorted(np.cumsum(weights / weights.sum()), rng.random(rows))
    order = rng.permutation(slots)
    owner = np.sort(rng.integers(0, contracts, slots))
    accesses = (
        pl.DataFrame(
            {
                "block_number": rng.integers(0, blocks, rows),
                "tx_index": pl.Series([None] * rows, dtype=pl.Int32),
                "slot_id": order[np.minimum(picked, slots - 1)].astype(np.uint32),
                "is_write": rng.random(rows) < 0.4,
            }
        )
        .unique()
        .sort("slot_id", "block_number", "is_write")
    )
    table = pl.DataFrame(
        {"slot_id": np.arange(slots, dtype=np.uint32), "contract_id": owner.astype(np.uint32)}
    )
    table = table.with_columns(
        address=pl.col("contract_id").map_elements(lambda c: c.to_bytes(20, "big"), return_dtype=pl.Binary),
        slot=pl.col("slot_id").map_elements(lambda s: s.to_bytes(32, "big"), return_dtype=pl.Binary),
        created_block=pl.lit(None, pl.Int64),
        contract_type=pl.lit(None, pl.String),
        slot_type=pl.lit(None, pl.String),
    )
    block = pl.DataFrame({"block_number": np.arange(blocks, dtype=np.int64)}).with_columns(
        timestamp=12 * pl.col("block_number"),
        gas_used=pl.lit(None, pl.Int64),
        tx_count=pl.lit(None, pl.Int32),
        observed=True,
    )
    stamp = Capability("benchmark", True, True, "none", "synthetic", 0, blocks, None, "1")
    parts = max(1, -(-rows // store.ROWS_PER_PART))
    store.write_chunks([(accesses, table)], block, stamp, folder, parts=parts)


def measure(folder: Path) -> None:
    start, cpu = time.perf_counter(), time.process_time()
    profile = make_stored(folder)
    made, cpu = time.perf_counter() - start, time.process_time() - cpu
    path = save(profile, folder / "chain.profile")
    saved = time.perf_counter() - start - made
    peak = peak_gib()
    start = time.perf_counter()
    rows = sum(part.accesses.sort("block_number", "slot_id").height for part in store.partitions(folder))
    peer = time.perf_counter() - start
    print(
        f"{rows:>11,} rows: reduced in {made:.1f} s ({cpu:.1f} s of processor), written in {saved:.1f} s, "
        f"peak {peak:.2f} GiB, "
        f"{path.stat().st_size / 1e6:.2f} MB; read and sorted by polars in {peer:.1f} s, ratio {made / peer:.1f}"
    )


if __name__ == "__main__":
    if sys.argv[1] == "measure":
        measure(Path(sys.argv[2]))
        sys.exit()
    with tempfile.TemporaryDirectory() as temporary:
        target = Path(temporary) / "trace"
        size = int(float(sys.argv[1])) if len(sys.argv) > 1 else 10_000_000
        for name in sys.argv[2:] or SHAPES:
            make_trace(size, name, target)
            print(name, end=" ", flush=True)
            subprocess.run([sys.executable, __file__, "measure", str(target)], check=True)
            shutil.rmtree(target)
