"""CryptoPunks: the words that a sale surely writes.

Source: https://github.com/cryptopunksnotdead/punks.market (CC0), one CSV of sales per day with block and parties.
Layout of ``CryptoPunksMarket`` (https://etherscan.io/address/0xb47e3cd837ddf8e4c57f05d70ab865de6e193bbb#code):
10 ``punkIndexToAddress``, 11 ``balanceOf``, 12 ``punksOfferedForSale`` (five words: isForSale, punkIndex, seller,
minValue, onlySellTo), 14 ``pendingWithdrawals``. ``acceptBidForPunk`` reports no buyer (address zero); then the words
that only ``buyPunk`` writes, or that belong to the buyer, are left out. The clock is the block number.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import polars as pl

from rollstate.errors import InputError
from rollstate.traces import store
from rollstate.traces.recipes.storage_layout import TOUCHES, files, mapping_slot, stamp, word
from rollstate.traces.schema import Trace

CONTRACT = bytes.fromhex("b47e3cd837ddf8e4c57f05d70ab865de6e193bbb")
OWNER, BALANCE, OFFER, PENDING = 10, 11, 12, 14
PUNKS = 10_000
NOBODY = "0x" + "0" * 40
_HEAD = ["timestamp", "id", "price (in eth)", "price (in wei)", "from", "to", "block", "tx"]


def convert(folder: Path) -> Trace:
    """Return the trace of the sales in ``sales/<year>/<month>/<day>_(<count>).csv``."""
    sales = pl.concat([_sales(path) for path in files(folder, "sales/*/*/*.csv")])
    rows: list[tuple[int, bytes]] = []
    kinds: dict[bytes, str] = {}

    def write(block: int, slot: bytes, kind: str) -> None:
        rows.append((block, slot))
        kinds[slot] = kind

    for punk, seller, buyer, block in sales.select("id", "from", "to", "block").iter_rows():
        write(block, mapping_slot(word(punk), OWNER), "punkIndexToAddress")
        write(block, mapping_slot(word(punk), OFFER, 2), "offer.seller")
        write(block, mapping_slot(_padded(seller), BALANCE), "balanceOf")
        write(block, mapping_slot(_padded(seller), PENDING), "pendingWithdrawals")
        if buyer != NOBODY:
            write(block, mapping_slot(word(punk), OFFER), "offer.isForSale")
            write(block, mapping_slot(_padded(buyer), BALANCE), "balanceOf")
    for punk in range(PUNKS):
        kinds.setdefault(mapping_slot(word(punk), OWNER), "punkIndexToAddress")
        kinds.setdefault(mapping_slot(word(punk), OFFER, 2), "offer.seller")
    touches = pl.DataFrame(rows, schema={"block_number": pl.Int64, "slot": pl.Binary}, orient="row")
    touches = touches.with_columns(address=pl.lit(CONTRACT), is_write=True, tx_index=pl.lit(None, pl.Int32))
    slots = pl.DataFrame(
        {"slot": list(kinds), "slot_type": list(kinds.values())}, schema_overrides={"slot": pl.Binary}
    )
    slots = slots.with_columns(address=pl.lit(CONTRACT), contract_type=pl.lit("CryptoPunksMarket"))
    sold = sales["block"].to_numpy()
    window = int(sold.min()), int(sold.max()) + 1
    times = sales.group_by(block_number="block").agg(timestamp=pl.col("time").first())
    blocks = pl.DataFrame({"block_number": np.arange(*window, dtype=np.int64)})
    blocks = blocks.join(times, on="block_number", how="left", maintain_order="left")
    seen = stamp("cryptopunks_sales", window, 1)
    return store.assemble(touches.select(list(TOUCHES)), seen, slots=slots, blocks=blocks)


def _padded(address: str) -> bytes:
    return bytes.fromhex(address[2:]).rjust(32, b"\0")


def _sales(path: Path) -> pl.DataFrame:
    """Read the sales of one day, as many as the file's name says."""
    lines = [
        [cell.strip() for cell in line.split(",")] for line in path.read_text("utf-8").strip().split("\n")
    ]
    if lines[0] != _HEAD:
        raise InputError(f"{path}: columns are {', '.join(lines[0])}, must be {', '.join(_HEAD)}")
    said = re.search(r"\((\d+)\)\.csv$", path.name)
    if not said or int(said[1]) != len(lines) - 1:
        raise InputError(f"{path} has {len(lines) - 1} sales, not the number that its name says")
    if bad := next((i for i, line in enumerate(lines) if len(line) != len(_HEAD)), None):
        raise InputError(f"{path}: line {bad + 1} has {len(lines[bad])} fields, not {len(_HEAD)}")
    try:
        return pl.DataFrame(lines[1:], schema=_HEAD, orient="row").select(
            pl.col("id", "block").cast(pl.Int64),
            pl.col("from", "to").str.to_lowercase(),
            time=pl.col("timestamp").str.to_datetime("%Y-%m-%d %H:%M:%S UTC").dt.epoch("s"),
        )
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{path}: {error}") from error
