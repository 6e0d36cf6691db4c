"""Foundation, an NFT market: one pseudo slot per token, written at mint, listing and bid.

Source: https://github.com/Barabasi-Lab/crypto-art (MIT; Vasan, Janosov and Barabási 2022,
https://doi.org/10.1038/s41598-022-05146-6), tables of mints, listings and bids with Unix seconds. The contract's own
slots are not known, so a token stands for its words (key form ``holder``). The clock is in bins of a minute.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl
from eth_hash.auto import keccak

from rollstate.errors import InputError
from rollstate.traces import store
from rollstate.traces.recipes.storage_layout import TOUCHES, binned_clock, stamp, word
from rollstate.traces.schema import Trace

MARKET = keccak(b"Foundation/token")[:20]
BIN_S = 60
TABLES = {"mint": "mint_date", "list": "listing_date", "bid": "bid_date"}


def convert(folder: Path) -> Trace:
    """Return the trace of ``data/{mint,list,bid}_data.csv``."""
    tables = {name: _events(folder / "data" / f"{name}_data.csv", column) for name, column in TABLES.items()}
    events = pl.concat(list(tables.values()))
    start, blocks = binned_clock(events["time"], BIN_S)
    number = (pl.col("time") - start) // BIN_S
    tokens = events.select(pl.col("token_id").unique().sort()).with_columns(
        address=pl.lit(MARKET), slot=pl.col("token_id").map_elements(word, return_dtype=pl.Binary)
    )
    touches = events.join(tokens, on="token_id").with_columns(
        block_number=number, is_write=True, tx_index=pl.lit(None, pl.Int32)
    )
    minted = tables["mint"].group_by("token_id").agg(pl.col("time").min())
    slots = tokens.join(minted, on="token_id", how="left").select(
        "address",
        "slot",
        number.alias("created_block"),
        contract_type=pl.lit("market"),
        slot_type=pl.lit("token"),
    )
    seen = stamp("foundation_market", (0, blocks.height), 1, key_form="holder")
    return store.assemble(touches.select(list(TOUCHES)), seen, slots=slots, blocks=blocks)


def _events(path: Path, column: str) -> pl.DataFrame:
    """Read token and time of one table; rows without a time are no events."""
    try:
        frame = pl.read_csv(path, columns=["token_id", column], infer_schema=False)
        # Both columns pass through a float where the table was written by pandas.
        return frame.drop_nulls().select(
            pl.col("token_id").cast(pl.Float64).cast(pl.Int64),
            time=pl.col(column).cast(pl.Float64).cast(pl.Int64),
        )
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{path}: {error}") from error
