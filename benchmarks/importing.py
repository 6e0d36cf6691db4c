"""Time and memory of an import, by rows, beside DuckDB sorting and deduplicating the same rows under a memory limit.

Files are those of cryo: differences and reads of the same blocks, half the rows each. DuckDB does less: it finds net
writes and sorts by slot, but numbers no slots and writes one file.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from kept import keep, peak_gib

SIZES = (1_000_000, 3_000_000, 10_000_000)
FILE_ROWS = 500_000
SLOTS, CONTRACTS = 2_000_000, 3_000
HUNDRED_MILLION = 100_000_000
LIMIT = "1GB"


def make(folder: Path, rows: int, seed: int = 1) -> None:
    """Write tables of differences and reads of slots with heavy-tailed popularity."""
    rng = np.random.default_rng(seed)
    contracts = [row.tobytes() for row in rng.integers(0, 256, (CONTRACTS, 20), dtype=np.uint8)]
    keys = pl.Series([row.tobytes() for row in rng.integers(0, 256, (SLOTS, 32), dtype=np.uint8)])
    owners = pl.Series([contracts[at] for at in (rng.pareto(0.8, SLOTS) * 3).astype(int) % CONTRACTS])
    values = pl.Series([number.to_bytes(32, "big") for number in range(1_000)])
    for file in range(rows // (2 * FILE_ROWS)):
        first = 100_000 + 1_000 * file
        for table, address in (("diffs", "address"), ("reads", "contract_address")):
            # Popular slots are many, so that memory that grew with slots would show.
            slots = (rng.pareto(0.4, FILE_ROWS) * 50).astype(np.int64) % SLOTS
            columns = {
                "block_number": np.sort(rng.integers(first, first + 1_000, FILE_ROWS)).astype(np.uint32),
                "transaction_index": rng.integers(0, 200, FILE_ROWS).astype(np.uint32),
                address: owners.gather(slots),
                "slot": keys.gather(slots),
            }
            for name in ("from_value", "to_value") if table == "diffs" else ("value",):
                columns[name] = values.gather(rng.integers(0, len(values), FILE_ROWS))
            name = f"net__storage_{table}__{first}_to_{first + 999}.parquet"
            pl.DataFrame(columns).write_parquet(folder / name)


QUERY = """
COPY (
  WITH touches AS (
    SELECT block_number, transaction_index, address, slot, from_value <> to_value AS is_write
    FROM read_parquet('{folder}/*diffs*.parquet')
    UNION ALL
    SELECT block_number, transaction_index, contract_address, slot, FALSE
    FROM read_parquet('{folder}/*reads*.parquet')
  )
  SELECT address, slot, block_number, transaction_index, bool_or(is_write) AS is_write
  FROM touches GROUP BY ALL ORDER BY ALL
) TO '{out}' (FORMAT parquet, COMPRESSION zstd)
"""


def work(kind: str, folder: Path, out: Path) -> None:
    """Do one piece of work in this process, and print its seconds, peak memory in GB, slots, and CPU seconds."""
    begin = time.perf_counter()
    slots = 0
    if kind == "import":
        from rollstate.traces import importing

        slots = importing.import_trace([str(folder)], out).slots
    else:
        import duckdb

        with duckdb.connect(config={"memory_limit": LIMIT, "temp_directory": str(out.parent)}) as base:
            base.execute(QUERY.format(folder=folder, out=out))
    seconds = time.perf_counter() - begin
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps((seconds, peak_gib() * 2**30 / 1e9, slots, used.ru_utime + used.ru_stime)))


def main() -> None:
    """Print what was measured, and what a hundred million rows come to."""
    if len(sys.argv) == 4:
        return work(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
    sizes = [int(word) for word in sys.argv[1:]] or SIZES
    seconds = peak = 0.0
    for rows in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "files"
            folder.mkdir()
            make(folder, rows)
            found = {}
            for kind in ("import", "duckdb"):
                done = subprocess.run(
                    [sys.executable, __file__, kind, str(folder), f"{name}/{kind}"],
                    capture_output=True,
                    text=True,
                    check=True,
                )
                found[kind] = json.loads(done.stdout)
        seconds, peak, slots, cpu = found["import"]
        other, other_peak, _, other_cpu = found["duckdb"]
        print(
            f"{rows:,} rows, {slots:,} slots: {seconds:.0f} s ({cpu:.0f} CPU s), peak {peak:.2f} GB; DuckDB limited to "
            f"{LIMIT}: {other:.0f} s ({other_cpu:.0f} CPU s), {other_peak:.2f} GB; ratio {seconds / other:.1f}",
            flush=True,
        )
        keep(f"{rows:,} rows", "DuckDB", other / seconds)
    factor = HUNDRED_MILLION / sizes[-1]
    print(
        f"{HUNDRED_MILLION:,} rows, not measured: {seconds * factor / 60:.0f} min if time grows in proportion; the "
        "peak so far is that of a batch or a range; of a hundred million rows a range reads from two hundred runs"
    )
    return None


if __name__ == "__main__":
    main()
