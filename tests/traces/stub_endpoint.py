"""A local JSON-RPC endpoint with a made-up chain and faults on purpose.

Run as ``python -m tests.traces.stub_endpoint PORT_FILE BLOCKS [LATENCY]`` for one in a process of its own.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import sys
import threading
from collections import Counter
from pathlib import Path

from aiohttp import web

TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
CHAIN = 4242


def digest(*parts: object) -> bytes:
    return hashlib.sha256(repr(parts).encode()).digest()


def hexed(data: bytes) -> str:
    return "0x" + data.hex()


class Chain:
    """Blocks made from their number; from `fork_at` on, those of another branch once `branch` is 1."""

    def __init__(self, blocks: int, fork_at: int | None = None) -> None:
        self.blocks, self.fork_at, self.branch = blocks, fork_at, 0

    def _tag(self, number: int) -> int:
        return self.branch if self.fork_at is not None and number >= self.fork_at else 0

    def hash(self, number: int) -> bytes:
        return digest("block", number, self._tag(number))

    def transactions(self, number: int) -> list[bytes]:
        return [digest("tx", number, self._tag(number), i) for i in range(number % 3)]

    def header(self, number: int) -> dict | None:
        if number >= self.blocks:
            return None
        return {
            "number": hex(number),
            "hash": hexed(self.hash(number)),
            "parentHash": hexed(self.hash(number - 1)),
            "timestamp": hex(1_700_000_000 + 12 * number),
            "gasUsed": hex(21_000 * (number % 3)),
            "transactions": [hexed(one) for one in self.transactions(number)],
        }

    def logs(self, number: int) -> list[dict]:
        out = []
        for index, name in enumerate(self.transactions(number)):
            ends = [digest("account", name[side] % 40)[:20] for side in (0, 1)]
            out.append(
                {
                    "address": hexed(digest("token", name[2] % 5)[:20]),
                    "topics": [TRANSFER, *(hexed(end.rjust(32, b"\0")) for end in ends)],
                    "data": hexed(bytes(31) + b"\1"),
                    "blockNumber": hex(number),
                    "blockHash": hexed(self.hash(number)),
                    "transactionIndex": hex(index),
                    "transactionHash": hexed(name),
                    "logIndex": hex(index),
                    "removed": False,
                }
            )
        return out

    def trace(self, number: int, diff: bool) -> list[dict]:
        out = []
        for name in self.transactions(number):
            address = hexed(digest("contract", name[3] % 7)[:20])
            touched = {
                hexed(bytes(31) + bytes([name[k] % 50])): hexed(bytes(31) + bytes([k])) for k in range(4, 9)
            }
            changed = dict(list(touched.items())[:2])
            new = {slot: hexed(bytes(31) + b"\x7f") for slot in changed}
            old = {slot: value for slot, value in changed.items() if int(value, 16)}
            sides = {"pre": {address: {"storage": old}}, "post": {address: {"storage": new}}}
            result = sides if diff else {address: {"balance": "0x0", "storage": touched}}
            out.append({"txHash": hexed(name), "result": result})
        return out

    def receipts(self, number: int) -> list[dict]:
        return [
            {
                "blockHash": hexed(self.hash(number)),
                "transactionIndex": hex(index),
                "transactionHash": hexed(name),
                "gasUsed": hex(21_000),
                "status": "0x1",
            }
            for index, name in enumerate(self.transactions(number))
        ]


class Stub:
    """The endpoint. `faults` is the share of requests, and of calls in them, that go wrong."""

    def __init__(
        self,
        chain: Chain,
        *,
        faults: float = 0.0,
        latency: float = 0.0,
        most_logs: int = 10**9,
        reorg_after: int | None = None,
        without: frozenset[str] = frozenset(),
        batches: bool = True,
        chain_id: int = CHAIN,
        seed: int = 0,
    ) -> None:
        self.chain, self.faults, self.latency, self.most_logs = chain, faults, latency, most_logs
        self.reorg_after, self.without, self.batches, self.chain_id = reorg_after, without, batches, chain_id
        self.random = random.Random(seed)
        self.calls: Counter[str] = Counter()
        self.injected: Counter[str] = Counter()
        self.requests = 0

    def answer(self, call: dict) -> dict:
        method, params = call["method"], call["params"]
        self.calls[method] += 1
        reply = {"jsonrpc": "2.0", "id": call["id"]}
        if method in self.without:
            return reply | {
                "error": {"code": -32601, "message": f"the method {method} does not exist/is not available"}
            }
        if self.random.random() < self.faults / 2:
            fault = self.random.choice(["null", "rate", "internal"])
            self.injected[fault] += 1
            codes = {"rate": (-32005, "daily request rate exceeded"), "internal": (-32603, "internal error")}
            if fault == "null":
                return reply | {"result": None}
            return reply | {"error": dict(zip(("code", "message"), codes[fault], strict=True))}
        number = int(params[0], 16) if params and isinstance(params[0], str) else 0
        if method == "eth_getLogs":
            first, last = int(params[0]["fromBlock"], 16), int(params[0]["toBlock"], 16)
            logs = [log for block in range(first, last + 1) for log in self.chain.logs(block)]
            if len(logs) > self.most_logs:
                said = f"query returned more than {self.most_logs} results"
                return reply | {"error": {"code": -32005, "message": said}}
            # Some nodes answer out of order, and with doubles.
            return reply | {"result": list(reversed(logs)) + logs[:1]}
        results = {
            "eth_chainId": lambda: hex(self.chain_id),
            "eth_blockNumber": lambda: hex(self.chain.blocks - 1),
            "eth_getBlockByNumber": lambda: self.chain.header(number),
            "eth_getBlockReceipts": lambda: self.chain.receipts(number),
            "debug_traceBlockByNumber": lambda: self.chain.trace(
                number, params[1]["tracerConfig"]["diffMode"]
            ),
        }
        return reply | {"result": results[method]()}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests += 1
        if self.reorg_after is not None and self.requests >= self.reorg_after:
            self.chain.branch = 1
        if self.latency:
            await asyncio.sleep(self.latency)
        if self.random.random() < self.faults:
            fault = self.random.choice(["500", "429", "cut", "slow", "drop"])
            self.injected[fault] += 1
            if fault == "500":
                return web.Response(status=503, text="<html>")
            if fault == "429":
                return web.Response(status=429, headers={"Retry-After": "0.02"})
            if fault == "cut":
                return web.Response(text='[{"jsonrpc": "2.0", "id"')
            if fault == "drop":
                request.transport.close()
                return web.Response()
            await asyncio.sleep(0.6)
        if isinstance(body, list) and not self.batches:
            return web.json_response(
                {"id": None, "error": {"code": -32600, "message": "batch requests not supported"}}
            )
        answers = [self.answer(call) for call in body] if isinstance(body, list) else self.answer(body)
        if isinstance(answers, list):
            self.random.shuffle(answers)
        return web.Response(text=json.dumps(answers), content_type="application/json")

    async def serve(self) -> tuple[web.AppRunner, str]:
        app = web.Application(client_max_size=1 << 26)
        app.router.add_post("/v2/{key}", self.handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]
        return runner, f"http://127.0.0.1:{port}/v2/s3cr3t-key"


class Running:
    """The endpoint in a thread: ``with Running(stub) as url``."""

    def __init__(self, stub: Stub) -> None:
        self.stub = stub

    def __enter__(self) -> str:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.runner, url = asyncio.run_coroutine_threadsafe(self.stub.serve(), self.loop).result()
        return url

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self.runner.cleanup(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


async def _main(port_file: str, blocks: str, latency: str = "0") -> None:
    _, url = await Stub(Chain(int(blocks)), latency=float(latency)).serve()
    new = Path(port_file).with_suffix(".new")
    new.write_text(url)
    new.rename(port_file)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
