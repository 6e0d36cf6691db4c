"""Extract a window of a live chain: chunk by chunk, resumable at any point, each block exactly once.

`rollstate.traces.chunks` keeps what is finished.

A chunk is kept only if its blocks are linked by their hashes and every answer belongs to these blocks: traces by the
hashes of their transactions, logs and receipts by that of the block. At the end the last block of each chunk is asked
for again; chunks of a branch that the chain has left are extracted anew.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
from tqdm import tqdm

from rollstate.errors import InputError
from rollstate.traces import prestate, transfer_logs
from rollstate.traces.chunks import Chunks, Job
from rollstate.traces.endpoint_errors import (
    SLOW,
    EndpointError,
    GaveUpError,
    ParametersRefusedError,
    TooLargeError,
)
from rollstate.traces.json_values import ResponseError, mapping, octets, quantity, sequence
from rollstate.traces.rpc import Client, Limits, together
from rollstate.traces.schema import ACCOUNTS_SCHEMA

TRACE_BATCH = 4
"""Traces in one request: the answers for one busy mainnet block are megabytes."""
TRACER_SECONDS = (60, 300, 1200)
"""Time limits of the tracer, one after the other: geth's own is five seconds."""
ROUNDS = 6
"""How often a chunk is asked for again whose answers contradict each other, as they do while a chain reorganizes."""
HEADERS_SCHEMA = pl.Schema(
    {
        "block_number": pl.Int64,
        "timestamp": pl.Int64,
        "gas_used": pl.Int64,
        "tx_count": pl.Int32,
        "observed": pl.Boolean,
        "hash": pl.Binary,
        "parent": pl.Binary,
    }
)
RECEIPTS_SCHEMA = pl.Schema(
    {
        "block_number": pl.Int64,
        "tx_index": pl.Int32,
        "tx_hash": pl.Binary,
        "gas_used": pl.Int64,
        "succeeded": pl.Boolean,
    }
)


def extract(
    url: str,
    job: Job,
    out: Path,
    *,
    limits: Limits | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> Path:
    """Extract a trace from an endpoint into a folder, or go on where an earlier run stopped.

    Parameters
    ----------
    url : str
        Address of the endpoint; not stored.
    job : Job
        What to extract.
    out : Path
        The folder of the trace, as `rollstate.traces.store.read_trace` reads it.
    limits : Limits, optional
        How hard to press the endpoint.
    overwrite : bool
        Replace a finished trace; it stays whole until the new one is.
    progress : bool
        Show a bar with the time that is left.

    Raises
    ------
    InputError
        If `out` exists, an unfinished extraction beside it is another one, or the window is not yet on the chain.
    EndpointError
        If the endpoint does not serve what the view needs, or keeps failing. Nothing is lost: run again to resume.
    StorageError
        If a file cannot be written.
    """
    if out.exists() and not overwrite:
        raise InputError(f"{out} exists; choose another folder, or say overwrite to replace it")
    work = _extract(url, job, out, limits or Limits(), progress)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    # A notebook runs a loop of its own: ours gets a thread.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def _extract(url: str, job: Job, out: Path, limits: Limits, progress: bool) -> Path:
    async with Client(url, limits) as client:
        chain_id = await client.call("eth_chainId", [], lambda result: quantity(result, "eth_chainId"))
        head = await client.call("eth_blockNumber", [], lambda result: quantity(result, "eth_blockNumber"))
        if job.stop > head + 1:
            raise InputError(f"the window ends at {job.stop}, but the chain's newest block is {head}")
        work = Chunks(out, job, chain_id)
        source = _Source(client, job)
        with tqdm(total=job.stop - job.start, unit="block", disable=not progress, smoothing=0.1) as bar:
            for _ in range(ROUNDS):
                missing = [chunk for chunk in job.chunks() if not work.has(chunk)]
                bar.n = job.stop - job.start - sum(stop - start for start, stop in missing)
                bar.refresh()
                # A few chunks at once keep the requests flowing; more would only hold more answers in memory.
                queue = iter(missing)

                async def worker(queue: Any = queue) -> None:
                    for chunk in queue:
                        work.keep(chunk, await source.chunk(*chunk))
                        bar.update(chunk[1] - chunk[0])

                await together([worker() for _ in range(min(len(missing), limits.concurrency))])
                if not await _left(client, work, job):
                    return work.finish()
    raise GaveUpError(
        f"the chain reorganized during each of {ROUNDS} rounds; extract older blocks, or try later"
    )


async def _left(client: Client, work: Chunks, job: Job) -> int:
    """Drop the chunks that are not on the chain as it is now; return how many."""
    chunks = job.chunks()
    now = await client.calls(
        [_header_call(stop - 1) for _, stop in chunks], lambda result: _header(result)[4]
    )
    dropped = [
        chunk for chunk, tip in zip(chunks, now, strict=True) if work.record(chunk)["last_hash"] != tip.hex()
    ]
    pairs = pairwise(chunks)
    dropped += [b for a, b in pairs if work.record(a)["last_hash"] != work.record(b)["parent_hash"]]
    for chunk in dropped:
        work.drop(chunk)
    return len(dropped)


class _Source:
    """Turns answers about a chunk into frames, or asks again."""

    def __init__(self, client: Client, job: Job) -> None:
        self.client, self.job = client, job
        self.span = job.chunk_blocks
        self.limits_tracer = True

    async def chunk(self, start: int, stop: int) -> dict[str, pl.DataFrame]:
        for attempt in range(1, ROUNDS + 1):
            try:
                return await self._chunk(start, stop)
            except ResponseError as error:
                if attempt == ROUNDS:
                    raise GaveUpError(f"blocks [{start}, {stop}) failed {ROUNDS} times: {error}") from error
                await asyncio.sleep(self.client.limits.pause * attempt)
        raise AssertionError

    async def _chunk(self, start: int, stop: int) -> dict[str, pl.DataFrame]:
        calls = [_header_call(number) for number in range(start, stop)]
        headers = self.client.calls(calls, _header)
        if self.job.view == "prestate":
            # Blocks without transactions need no trace, and some, as the first one, have none.
            found = await headers
            busy = [start + at for at, header in enumerate(found) if header[3]]
            seen, paid = await together([self._traces(busy), self._receipts(busy)])
        else:
            found, seen = await together([headers, self._logs(start, stop)])
            paid = await self._receipts([start + at for at, header in enumerate(found) if header[3]])
        hashes = _linked(found, start)
        frames: dict[str, pl.DataFrame] = {}
        skipped: dict[int, str] = {}
        if self.job.view == "prestate":
            skipped = {number: why for number, why in seen.items() if isinstance(why, str)}
            frames["touches"], frames["accounts"] = _traced(found, seen)
        else:
            if any(log.block_hash != hashes[log.block_number] for log in seen):
                raise ResponseError(f"blocks [{start}, {stop}): a log is of a block that the chain has left")
            frames["touches"] = transfer_logs.touches(transfer_logs.transfers(seen), self.job.token_layouts())
        rows = [(*row[:3], len(row[3]), row[0] not in skipped, *row[4:]) for row in found]
        frames["blocks"] = pl.DataFrame(rows, HEADERS_SCHEMA, orient="row")
        if self.job.receipts:
            frames["transactions"] = _transactions(found, paid)
        return frames

    async def _traces(self, numbers: list[int]) -> dict[int, Any]:
        """Return both answers of each block, or the reason why it cannot be traced."""
        out: dict[int, Any] = {}
        due = list(numbers)
        for seconds in TRACER_SECONDS:
            out |= await self._traced_within(due, seconds)
            due = [number for number in due if isinstance(out[number], str) and SLOW.search(out[number])]
            if not due:
                break
        failed = {number: why for number, why in out.items() if isinstance(why, str)}
        if failed and not self.job.skip_untraceable:
            number, why = min(failed.items())
            given = self.limits_tracer and number in due
            slow = f", with {TRACER_SECONDS[-1]} s to do it in" if given else ""
            raise EndpointError(
                f"block {number} cannot be traced{slow}: {why}. Ask another client, or an archive node with a longer "
                "limit (geth: --rpc.evmtimeout), or leave such blocks out with --skip-untraceable: they are then "
                "stamped as not observed"
            )
        return out

    async def _traced_within(self, numbers: list[int], seconds: int) -> dict[int, Any]:
        """Return both answers of each block, or the reason why not, with a time limit if the endpoint takes one."""
        limit = seconds if self.limits_tracer else None
        calls = [
            (prestate.METHOD, [hex(number), prestate.tracer(diff, limit)])
            for number in numbers
            for diff in (False, True)
        ]
        answers = await self.client.calls(
            calls,
            _trace,
            # A slow block keeps those waiting that share its request.
            batch=TRACE_BATCH if seconds == TRACER_SECONDS[0] else 1,
            refused=lambda error: error if isinstance(error, ParametersRefusedError) else str(error),
            timeout=seconds + self.client.limits.timeout,
        )
        if refusal := next((one for one in answers if isinstance(one, ParametersRefusedError)), None):
            if limit is None:
                raise refusal
            self.limits_tracer = False
            return await self._traced_within(numbers, seconds)
        return {number: _both(*answers[2 * at : 2 * at + 2]) for at, number in enumerate(numbers)}

    async def _logs(self, start: int, stop: int) -> list[transfer_logs.Log]:
        """Ask for the logs in spans that shrink where the endpoint refuses or stalls, and grow back."""
        topics = [["0x" + signature.hex() for signature in transfer_logs.SIGNATURES]]
        logs: list[transfer_logs.Log] = []
        while start < stop:
            span = max(1, min(self.span, stop - start))
            where = {"fromBlock": hex(start), "toBlock": hex(start + span - 1), "topics": topics}
            try:
                logs += await self.client.call(
                    "eth_getLogs",
                    [where],
                    partial(transfer_logs.parse_logs, start=start, stop=start + span),
                    attempts=3 if span > 1 else None,
                )
            except (TooLargeError, GaveUpError):
                if span == 1:
                    raise
                self.span = span // 2
                continue
            start += span
            self.span = min(self.job.chunk_blocks, max(self.span, 2 * span))
        return logs

    async def _receipts(self, numbers: list[int]) -> dict[int, Any]:
        """Return the receipts of some blocks with transactions; of the others some nodes say null."""
        if not self.job.receipts:
            return {}
        calls = [("eth_getBlockReceipts", [hex(number)]) for number in numbers]
        found = await self.client.calls(
            calls, lambda answer: sequence(answer, "eth_getBlockReceipts"), batch=10
        )
        return dict(zip(numbers, found, strict=True))


def _trace(answer: object) -> Any:
    """Return the answer of the tracer, or what it says it failed on."""
    found = sequence(answer, prestate.METHOD)
    return prestate.tracer_error(found) or found


def _both(full: Any, diff: Any) -> Any:
    """Return the two answers of a block, or the reason why one of them is none."""
    return next((why for why in (full, diff) if isinstance(why, str)), (full, diff))


def _traced(headers: list[tuple], traces: dict[int, Any]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return touches and changes of accounts of the blocks that could be traced."""
    touches, accounts = [prestate.TOUCHES_SCHEMA.to_frame()], [ACCOUNTS_SCHEMA.to_frame()]
    for header in headers:
        number, hashes = header[0], header[3]
        answers = traces.get(number)
        if answers is None or isinstance(answers, str):
            continue
        for answer in answers:
            named = [
                octets(one["txHash"], "txHash", 32)
                for one in answer
                if isinstance(one, dict) and one.get("txHash")
            ]
            if len(answer) != len(hashes) or (named and named != hashes):
                raise ResponseError(
                    f"block {number}: its trace, of {len(answer)} transactions, is not of its {len(hashes)} "
                    "transactions; the chain reorganized, or the node has no trace of it"
                )
        touches.append(prestate.block_touches(number, *answers))
        accounts.append(prestate.block_changes(number, answers[1]))
    return pl.concat(touches), pl.concat(accounts)


def _header_call(number: int) -> tuple[str, list[Any]]:
    return "eth_getBlockByNumber", [hex(number), False]


def _header(answer: object) -> tuple[int, int, int, list[bytes], bytes, bytes]:
    """Return number, timestamp, gas used, transaction hashes, hash and parent hash of a block."""
    block = mapping(answer, "eth_getBlockByNumber")
    where = "eth_getBlockByNumber, "
    listed = sequence(block.get("transactions"), where + "transactions")
    return (
        quantity(block.get("number"), where + "number"),
        quantity(block.get("timestamp"), where + "timestamp"),
        quantity(block.get("gasUsed"), where + "gasUsed"),
        [octets(value, where + "a transaction", 32) for value in listed],
        octets(block.get("hash"), where + "hash", 32),
        octets(block.get("parentHash"), where + "parentHash", 32),
    )


def _linked(headers: list[tuple], start: int) -> dict[int, bytes]:
    """Return the hash of each block, having checked that each is the one asked for and follows the one before."""
    for at, header in enumerate(headers):
        if header[0] != start + at:
            raise ResponseError(f"block {start + at}: the endpoint answers with block {header[0]}")
        if at and header[5] != headers[at - 1][4]:
            raise ResponseError(
                f"block {start + at} does not follow block {start + at - 1}: the chain reorganized"
            )
    return {header[0]: header[4] for header in headers}


def _transactions(headers: list[tuple], receipts: dict[int, Any]) -> pl.DataFrame:
    rows = []
    for header in headers:
        listed = receipts.get(header[0], [])
        where = f"eth_getBlockReceipts, block {header[0]}"
        block = []
        for entry in listed:
            receipt = mapping(entry, where)
            if octets(receipt.get("blockHash"), f"{where}, blockHash", 32) != header[4]:
                raise ResponseError(f"{where}: a receipt is of a block that the chain has left")
            index = quantity(receipt.get("transactionIndex"), f"{where}, transactionIndex", 31)
            name = octets(receipt.get("transactionHash"), f"{where}, transactionHash", 32)
            gas = quantity(receipt.get("gasUsed"), f"{where}, gasUsed")
            # Before Byzantium a receipt had a state root in place of its status.
            status = receipt.get("status")
            block.append(
                (header[0], index, name, gas, None if status is None else quantity(status, where) == 1)
            )
        block.sort()
        if [row[2] for row in block] != header[3] or [row[1] for row in block] != list(range(len(block))):
            raise ResponseError(f"{where}: the receipts are not those of its {len(header[3])} transactions")
        rows += block
    return pl.DataFrame(rows, RECEIPTS_SCHEMA, orient="row")
