"""Ethereum mainnet, every 216th block of thirty days: block access lists in hexadecimal SSZ.

Source: https://github.com/nerolation/eth-bal-analysis at d55f8da (Apache-2.0). A list is a container of four lists,
account accesses first: address (20 bytes) and slots, each a key (32 bytes) and its writes, each a transaction index
(uint16) and the value after it; a slot without writes was read. Balance changes (third field of what is used here:
transactions that changed any) give the number of transactions. The clock counts the samples: block 22400032 + 216 k is
block k of the trace. A file that is not such a list, or is an empty one (that of block 22561168 is), is a block that
was not observed.

Encoding: https://github.com/ethereum/consensus-specs/blob/dev/ssz/simple-serialize.md.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path

import polars as pl

from rollstate.errors import InputError
from rollstate.traces import store
from rollstate.traces.recipes.storage_layout import TOUCHES, files, stamp
from rollstate.traces.schema import Trace

FIRST, EVERY = 22_400_032, 216
WRITE, BALANCE = 34, 14
"""Bytes of one write (index, value) and of one balance change (index, amount)."""


def convert(folder: Path) -> Trace:
    """Return the trace of ``bal_raw/<block>_block_access_list.txt``."""
    touches: list[tuple[int, int | None, bytes, bytes, bool]] = []
    blocks: list[tuple[int, int | None, bool]] = []
    for path in files(folder, "bal_raw/*_block_access_list.txt"):
        k, rest = divmod(int(path.name.split("_")[0]) - FIRST, EVERY)
        if rest:
            raise InputError(f"{path}: block is not {FIRST} + {EVERY} k; the clock of this data set counts k")
        try:
            slots, transactions = decode(bytes.fromhex(path.read_text("ascii").strip()))
        except (ValueError, struct.error):
            slots = []
        if not slots:
            blocks.append((k, None, False))
            continue
        for address, slot, writes in slots:
            touches += [(k, tx, address, slot, True) for tx in writes]
            if not writes:
                touches.append((k, None, address, slot, False))
        blocks.append((k, transactions, True))
    columns = {"block_number": pl.Int64, "tx_count": pl.Int32, "observed": pl.Boolean}
    table = pl.DataFrame(blocks, schema=columns, orient="row").sort("block_number")
    window = int(table["block_number"][0]), int(table["block_number"][-1]) + 1
    every = pl.DataFrame({"block_number": range(*window)}, schema={"block_number": pl.Int64})
    table = every.join(table, on="block_number", how="left", maintain_order="left").with_columns(
        pl.col("observed").fill_null(False)
    )
    seen = stamp(
        "block_access_list_every_216th",
        window,
        1,
        observes_reads=True,
        tx_level="writes",
        observed_every=EVERY,
        unobserved_blocks=int((~table["observed"]).sum()),
    )
    return store.assemble(pl.DataFrame(touches, schema=TOUCHES, orient="row"), seen, blocks=table)


def decode(data: bytes) -> tuple[list[tuple[bytes, bytes, list[int]]], int]:
    """Return the slots (address, key, transactions that wrote it) and the number of transactions of a list.

    Raises
    ------
    ValueError, struct.error
        If the bytes are not a list in this layout.
    """
    offsets = struct.unpack_from("<4I", data)
    if offsets[0] != 16:
        raise ValueError(f"the container begins at byte {offsets[0]}, not 16")
    bounds = [*offsets, len(data)]
    accounts, balances, *_ = (data[a:b] for a, b in pairwise(bounds))
    slots = []
    for account in _elements(accounts):
        address, body = account[:20], _after(account, 20)
        for access in _elements(body):
            writes = _after(access, 32)
            slots.append((address, access[:32], _indices(writes, WRITE)))
    seen = {tx for account in _elements(balances) for tx in _indices(_after(account, 20), BALANCE)}
    return slots, len(seen)


def _elements(data: bytes) -> list[bytes]:
    """Return the elements of a list of elements of variable size."""
    if not data:
        return []
    count, rest = divmod(struct.unpack_from("<I", data)[0], 4)
    offsets = [*struct.unpack_from(f"<{count}I", data), len(data)]
    if rest or any(a > b for a, b in pairwise(offsets)):
        raise ValueError("the offsets of a list do not ascend")
    return [data[a:b] for a, b in pairwise(offsets)]


def _after(data: bytes, head: int) -> bytes:
    """Return the variable part of a container of `head` fixed bytes and one list."""
    if struct.unpack_from("<I", data, head)[0] != head + 4:
        raise ValueError(f"the list of a container begins elsewhere than at byte {head + 4}")
    return data[head + 4 :]


def _indices(data: bytes, size: int) -> list[int]:
    """Return the transaction index at the head of each record."""
    if len(data) % size:
        raise ValueError(f"{len(data)} bytes are no records of {size}")
    return [struct.unpack_from("<H", data, at)[0] for at in range(0, len(data), size)]
