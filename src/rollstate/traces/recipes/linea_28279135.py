"""Linea: reads and writes of every transaction of 115 consecutive blocks, from a replay file of its tracer.

Source: https://github.com/Consensys/linea-monorepo (MIT or Apache-2.0). A replay holds the storage before the blocks
and, for every transaction, the value of each slot it touched afterwards. A touch that leaves the value as it was is a
read: the file cannot tell it from a write of the same value. Gas is that of the header.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl

from rollstate.errors import InputError
from rollstate.traces import store
from rollstate.traces.recipes.storage_layout import TOUCHES, files, stamp
from rollstate.traces.schema import Trace

LINEA = 59144


def convert(folder: Path) -> Trace:
    """Return the trace of the one replay below `folder`."""
    (path,) = files(folder, "**/*.json.gz")[:1]
    try:
        replay = json.loads(gzip.decompress(path.read_bytes()))
        return _trace(replay, path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is not a replay of the Linea tracer: {error!r}") from error


def _trace(replay: dict[str, Any], path: Path) -> Trace:
    values = {(entry["address"], entry["key"]): int(entry["value"], 16) for entry in replay["storage"]}
    touches, blocks = [], []
    for block in replay["blocks"]:
        header = block["header"]
        number = _number(header["number"])
        for index, tx in enumerate(block["txs"]):
            for entry in tx["outcome"].get("storage") or []:
                name, after = (entry["address"], entry["key"]), int(entry["value"], 16)
                # A slot that the file did not list before was empty.
                wrote = values.get(name, 0) != after
                values[name] = after
                touches.append((number, index, _octets(name[0], 20), _octets(name[1], 32), wrote))
        blocks.append((number, _number(header["timestamp"]), _number(header["gasUsed"]), len(block["txs"])))
    columns = {"block_number": pl.Int64, "timestamp": pl.Int64, "gas_used": pl.Int64, "tx_count": pl.Int32}
    window = blocks[0][0], blocks[-1][0] + 1
    seen = stamp("linea_replay", window, LINEA, observes_reads=True, observes_all_writes=True, tx_level="all")
    frame = pl.DataFrame(touches, schema=TOUCHES, orient="row")
    return store.assemble(frame, seen, blocks=pl.DataFrame(blocks, schema=columns, orient="row"))


def _number(value: str | int) -> int:
    return int(value, 0) if isinstance(value, str) else value


def _octets(text: str, length: int) -> bytes:
    return bytes.fromhex(text.removeprefix("0x").zfill(2 * length))
