"""The synthetic trace of zk-state-prune, read as an access trace.

Lines ``S,slot,created,slot type,category,deploy`` list the slots, lines ``E,slot,block,is_write`` the accesses; a
slot reads ``0x<address>:<hexadecimal index>``.

Source: https://github.com/egpivo/zk-state-prune at a93c774 (MIT), ``internal/extractor/mock_extractor.go``.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from rollstate import __version__
from rollstate.errors import InputError
from rollstate.traces.schema import Capability, Trace
from rollstate.traces.store import assemble

CONTRACT_TYPES = ("other", "erc20", "dex", "nft", "bridge", "governance")
SLOT_TYPES = ("unknown", "balance", "mapping", "array", "fixed")


def read(path: Path, total_blocks: int) -> Trace:
    """Read a dump of the peer's generator.

    Parameters
    ----------
    path : Path
        CSV, compressed or not.
    total_blocks : int
        Number of blocks that were generated; the trace's window is ``[0, total_blocks)``.
    """
    columns = ["kind", "slot", "a", "b", "c", "d"]
    try:
        rows = pl.read_csv(
            path, has_header=False, new_columns=columns, infer_schema=False, truncate_ragged_lines=True
        )
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{path} cannot be read as a dump of zk-state-prune: {error}") from error
    number = {name: pl.col(name).cast(pl.Int64) for name in "abc"}
    key = (
        pl.col("slot").str.slice(2, 40).str.decode("hex").alias("address"),
        pl.col("slot").str.split(":").list.last().str.zfill(64).str.decode("hex").alias("slot"),
    )
    slots = rows.filter(pl.col("kind") == "S").select(
        *key,
        number["a"].alias("created_block"),
        number["b"].replace_strict(dict(enumerate(SLOT_TYPES)), return_dtype=pl.String).alias("slot_type"),
        number["c"]
        .replace_strict(dict(enumerate(CONTRACT_TYPES)), return_dtype=pl.String)
        .alias("contract_type"),
    )
    touches = rows.filter(pl.col("kind") == "E").select(
        *key,
        number["a"].alias("block_number"),
        pl.lit(None, pl.Int32).alias("tx_index"),
        (pl.col("b") == "1").alias("is_write"),
    )
    stamp = Capability(
        source="zk-state-prune mock",
        observes_reads=True,
        observes_all_writes=True,
        tx_level="none",
        key_form="synthetic",
        window_start=0,
        window_stop=total_blocks,
        chain_id=None,
        extractor_version=__version__,
    )
    return assemble(touches, stamp, slots=slots)
