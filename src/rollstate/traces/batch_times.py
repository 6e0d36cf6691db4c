"""When each batch of an L2 was opened, committed, proven and executed, asked of a node that offers it.

Nodes of ZKsync chains do, by ``zks_getL1BatchDetails`` (https://docs.zksync.io/zksync-protocol/api/zks-rpc). No such
method of the nodes of Scroll or Linea is known to us; there the times are those of their L1 contracts' events.

The table is a CSV file with one row for each batch: ``batch``, ``opened_s``, ``transactions``, ``committed_s``,
``proven_s``, ``executed_s``, times in Unix seconds, empty where a stage is not reached. `rollstate.proving.life_cycle`
reads it.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from rollstate.errors import InputError
from rollstate.traces.json_values import ResponseError, mapping, quantity, shown
from rollstate.traces.rpc import Client, Limits

METHOD, NEWEST = "zks_getL1BatchDetails", "zks_L1BatchNumber"
TIMES = {"committed_s": "committedAt", "proven_s": "provenAt", "executed_s": "executedAt"}
SCHEMA = pl.Schema(
    {"batch": pl.Int64, "opened_s": pl.Float64, "transactions": pl.Int64, **dict.fromkeys(TIMES, pl.Float64)}
)


def extract(
    url: str, start: int, stop: int, out: Path, *, limits: Limits | None = None, overwrite: bool = False
) -> Path:
    """Write the life cycle of the batches ``[start, stop)`` to a CSV file.

    Nothing is written before all answers are there: a run that was cut off is begun anew.

    Raises
    ------
    InputError
        If `out` exists, or the window is empty or not yet on the chain.
    EndpointError
        If the endpoint offers no such times, or keeps failing.
    """
    if out.exists() and not overwrite:
        raise InputError(f"{out} exists; choose another file, or say overwrite to replace it")
    if not 0 <= start < stop:
        raise InputError(
            f"the window of batches [{start}, {stop}) is empty; it runs from A up to, not including, B"
        )
    work = _extract(url, start, stop, limits or Limits())
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        frame = asyncio.run(work)
    else:
        # A notebook runs a loop of its own: ours gets a thread.
        with ThreadPoolExecutor(1) as thread:
            frame = thread.submit(asyncio.run, work).result()
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(out.name + ".part")
    frame.write_csv(part)
    os.replace(part, out)
    return out


async def _extract(url: str, start: int, stop: int, limits: Limits) -> pl.DataFrame:
    async with Client(url, limits) as client:
        newest = await client.call(NEWEST, [], lambda result: quantity(result, NEWEST))
        if stop > newest + 1:
            raise InputError(f"the window ends at batch {stop}, but the chain's newest batch is {newest}")
        rows = await client.calls([(METHOD, [number]) for number in range(start, stop)], parse)
    for number, row in zip(range(start, stop), rows, strict=True):
        if row["batch"] != number:
            raise ResponseError(f"{METHOD}, batch {number}: the endpoint answers with batch {row['batch']}")
    return pl.DataFrame(rows, SCHEMA)


def parse(answer: object) -> dict[str, Any]:
    """Return one row of the table from the details of a batch; a `ResponseError` names the bad field."""
    found = mapping(answer, METHOD)
    number = _count(found.get("number"), f"{METHOD}, number")
    where = f"{METHOD}, batch {number}, "
    row: dict[str, Any] = {
        "batch": number,
        "opened_s": float(_count(found.get("timestamp"), where + "timestamp")),
    }
    row["transactions"] = sum(_count(found.get(name), where + name) for name in ("l1TxCount", "l2TxCount"))
    for column, name in TIMES.items():
        row[column] = _seconds(found.get(name), where + name)
    return row


def _count(value: object, where: str) -> int:
    """Return a number, which these methods write in decimal."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 63:
        raise ResponseError(f"{where} must be a number that is not negative, not {shown(value)}")
    return value


def _seconds(value: object, where: str) -> float | None:
    """Return a time as Unix seconds; null is a stage that is not reached."""
    if value is None:
        return None
    try:
        time = datetime.fromisoformat(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ResponseError(f"{where} must be a time in ISO 8601, not {shown(value)}") from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
