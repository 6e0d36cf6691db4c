"""CryptoKitties: the packed word of every cat, written at its birth and whenever it gives birth.

Source: https://github.com/cryptocopycats/kitties (CC0), CSV of id, generation, parents and birth date. In the contract
``KittyBase`` (https://etherscan.io/address/0x06012c8cf97bead5deae237070f9587f8e7a266d#code) ``Kitty[] kitties`` is
declared at slot 6 and an element takes two words, genes first; birth times, parents and cooldown are packed in the
second, which a birth writes for the new cat and for its mother. The clock is in bins of 15 s.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from rollstate.errors import InputError
from rollstate.traces import store
from rollstate.traces.recipes.storage_layout import TOUCHES, array_slot, binned_clock, files, stamp
from rollstate.traces.schema import Trace

CONTRACT = bytes.fromhex("06012c8cf97bead5deae237070f9587f8e7a266d")
KITTIES, WORDS_PER_KITTY = 6, 2
BIN_S = 15


def convert(folder: Path) -> Trace:
    """Return the trace of the births in ``<range>/<nnn>.csv``."""
    born = pl.concat([_births(path) for path in files(folder, "[0-9]*/*.csv")])
    start, blocks = binned_clock(born["time"], BIN_S)
    number = ((pl.col("time") - start) // BIN_S).alias("block_number")
    mothers = born.filter(pl.col("matron_id") > 0).select(pl.col("matron_id").alias("id"), number)
    events = pl.concat([born.select("id", number), mothers])
    keys = events.select(pl.col("id").unique().sort()).with_columns(
        address=pl.lit(CONTRACT),
        slot=pl.col("id").map_elements(
            lambda cat: array_slot(cat, KITTIES, WORDS_PER_KITTY, 1), return_dtype=pl.Binary
        ),
    )
    touches = events.join(keys, on="id").with_columns(is_write=True, tx_index=pl.lit(None, pl.Int32))
    slots = born.unique("id", keep="first", maintain_order=True).join(keys, on="id").select(
        "address",
        "slot",
        number.alias("created_block"),
        contract_type=pl.lit("ERC721"),
        slot_type=pl.lit("kitty_packed"),
    )  # fmt: skip
    seen = stamp("cryptokitties_births", (0, blocks.height), 1)
    return store.assemble(touches.select(list(TOUCHES)), seen, slots=slots, blocks=blocks)


def _births(path: Path) -> pl.DataFrame:
    """Read one file; a cat without a mother (generation 0) has none."""
    names = ["id", "matron_id", "birthdate"]
    try:
        frame = pl.read_csv(path, columns=names, infer_schema=False, truncate_ragged_lines=True)
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{path}: {error}") from error
    text = frame.with_columns(pl.col(names).str.strip_chars())
    out = text.select(
        pl.col("id").cast(pl.Int64, strict=False),
        pl.col("matron_id").replace("", None).cast(pl.Int64, strict=False),
        time=pl.col("birthdate").str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False).dt.epoch("s"),
    )
    bad = out.with_row_index("row").filter(pl.col("id").is_null() | pl.col("time").is_null())
    if bad.height:
        raise InputError(f"{path}: row {bad['row'][0] + 2} has no id or no birth date")
    return out
