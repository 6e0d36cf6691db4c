"""Habits of nodes and gateways: each is worked around, or named with block, method and remedy.

Answers have the shapes that the named clients send; hashes and values are those of the stub's chain.
"""

import time

import polars as pl
import pytest
from aiohttp import web
from click.testing import CliRunner
from tests.traces.stub_endpoint import Chain, Running, Stub, hexed
from tests.traces.test_extraction import QUICK, contents, expected, flat

from rollstate.compendium import cli
from rollstate.traces import endpoint_errors, extraction, store
from rollstate.traces.chunks import Job
from rollstate.traces.endpoint_errors import (
    CallRefusedError,
    EndpointError,
    GaveUpError,
    TooLargeError,
    TransientError,
)
from rollstate.traces.extraction import extract
from rollstate.traces.rpc import Limits

TRACE = "debug_traceBlockByNumber"
WINDOW = (0, 24)


def failing(code, message, data=None):
    error = {"code": code, "message": message}
    return {"error": error if data is None else error | {"data": data}}


def block(call):
    return int(call["params"][0], 16) if call["params"] and isinstance(call["params"][0], str) else -1


def span(call):
    return int(call["params"][0]["toBlock"], 16) - int(call["params"][0]["fromBlock"], 16) + 1


class Client(Stub):
    """A stub with a habit: a function of a call that gives what is said in the place of the answer, or None."""

    def __init__(self, habit, **options):
        super().__init__(Chain(40), **options)
        self.habit, self.asked = habit, []

    def answer(self, call):
        self.asked.append(call)
        said = self.habit(call)
        return super().answer(call) if said is None else {"jsonrpc": "2.0", "id": call["id"], **said}


def slow(seconds, number=7):
    """geth: a transaction is cut off by a time limit below what it takes."""

    def habit(call):
        if call["method"] == TRACE and block(call) == number:
            allowed = call["params"][1].get("timeout", "5s")
            if int(allowed.rstrip("s")) < seconds:
                return {
                    "result": [
                        {"txHash": hexed(Chain(40).transactions(number)[0]), "error": "execution timeout"}
                    ]
                }
        return None

    return habit


def logs_above(most, code, message, data=None):
    return lambda call: (
        failing(code, message, data) if call["method"] == "eth_getLogs" and span(call) > most else None
    )


def for_blocks(numbers, said, method=TRACE):
    return lambda call: said if call["method"] == method and block(call) in numbers else None


WORKED_AROUND = {
    "geth, five seconds are too short": ("prestate", slow(40)),
    "geth, minutes are too short": ("prestate", slow(200)),
    "geth, a time limit as an error of the call": (
        "prestate",
        lambda call: (
            failing(-32000, "execution timeout")
            if call["method"] == TRACE and block(call) == 8 and call["params"][1]["timeout"] == "60s"
            else None
        ),
    ),
    "besu, no time limit": (
        "prestate",
        lambda call: (
            failing(-32602, "Invalid params")
            if call["method"] == TRACE and "timeout" in call["params"][1]
            else None
        ),
    ),
    "geth, genesis": ("prestate", for_blocks({0}, failing(-32000, "genesis is not traceable"))),
    "geth, range": ("transfers", logs_above(5, -32602, "exceed maximum block range: 5")),
    "reth, size": (
        "transfers",
        logs_above(3, -32008, "Response is too big", "Exceeded max limit of 157286400"),
    ),
    "reth, range": ("transfers", logs_above(6, -32602, "query exceeds max block range 6")),
    "reth, results": (
        "transfers",
        logs_above(4, -32602, "query exceeds max results 20000, retry with the range 1-5"),
    ),
    "erigon, range": ("transfers", logs_above(2, -32000, "query block range exceeds server limit")),
    "nethermind, time": ("transfers", logs_above(8, -32000, "eth_getLogs query timeout")),
    "besu, range": ("transfers", logs_above(5, -32005, "Requested range exceeds maximum RPC range limit")),
    "nitro, results": ("transfers", logs_above(2, -32000, "logs matched by query exceeds limit of 10000")),
    "op-geth, range": ("transfers", logs_above(9, -32000, "block range is too large")),
    "scroll, range": ("transfers", logs_above(9, -32000, "block range is bigger than maxBlockRange")),
    "ZKsync Era, results": (
        "transfers",
        logs_above(
            3, -32602, "Query returned more than 10000 results. Try with this block range [0x1, 0x3]."
        ),
    ),
    "Infura, range": ("transfers", logs_above(10, -32602, "range 24 exceeds limit of 10")),
    "Tenderly, the reason in data": (
        "transfers",
        logs_above(4, -32602, "invalid params", {"payload": "range 24 is bigger than range limit 4"}),
    ),
    "proxyd, size": ("transfers", logs_above(4, -32020, "backend response too large")),
    "QuickNode, range": ("transfers", logs_above(6, -32614, "eth_getLogs is limited to a 10,000 range")),
    "Alchemy, size": (
        "transfers",
        logs_above(
            6,
            -32602,
            "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range",
        ),
    ),
}


@pytest.mark.parametrize("client", WORKED_AROUND)
def test_a_habit_that_can_be_worked_around_is(tmp_path, client):
    view, habit = WORKED_AROUND[client]
    stub = Client(habit)
    with Running(stub) as url:
        extract(url, Job(view, *WINDOW), tmp_path / "trace", limits=QUICK)
    trace = store.read_trace(tmp_path / "trace")
    assert flat(trace).equals(expected(stub.chain, view, *WINDOW).sort(pl.all()))
    assert trace.capability.unobserved_blocks == 0


def test_the_tracer_gets_more_time_step_by_step_and_only_where_it_needs_it(tmp_path):
    stub = Client(slow(1000))
    with Running(stub) as url:
        extract(url, Job("prestate", *WINDOW), tmp_path / "trace", limits=QUICK)
    given = {}
    for call in stub.asked:
        if call["method"] == TRACE:
            given.setdefault(block(call), set()).add(call["params"][1]["timeout"])
    assert given.pop(7) == {f"{seconds}s" for seconds in extraction.TRACER_SECONDS}
    assert set.union(*given.values()) == {"60s"}
    # Blocks without transactions are not traced at all.
    assert set(given) == {number for number in range(*WINDOW) if number % 3 and number != 7}


NAMED = {
    "geth, any time is too short": (
        slow(10**6),
        r"block 7 cannot be traced, with 1200 s .*execution timeout.*--rpc.evmtimeout.*--skip-untraceable",
    ),
    "geth, pruned": (
        for_blocks({7}, failing(-32000, "missing trie node 0a (path )")),
        r"block 7 cannot be traced: debug_traceBlockByNumber, block 7: .*archive node",
    ),
    "geth, a tracer in JavaScript failed": (
        for_blocks(
            {7},
            {
                "result": [
                    {
                        "txHash": hexed(bytes(32)),
                        "error": "TypeError: cannot read property '0x69' of null in server-side",
                    }
                ]
            },
        ),
        r"block 7 cannot be traced: transaction 0: \"TypeError: cannot read property",
    ),
    "nitro, an old block": (
        for_blocks({7}, failing(-32000, "tracing failed: insufficient funds for gas * price + value")),
        r"block 7 cannot be traced: .*insufficient funds",
    ),
    "reth, one answer is too big": (
        for_blocks({7}, failing(-32008, "Response is too big", "Exceeded max limit of 157286400")),
        r"block 7 cannot be traced: .*Response is too big \(Exceeded max limit of 157286400\)",
    ),
    "besu, the reason in data": (
        for_blocks({7}, failing(-32000, "Internal failure", "World state unavailable for block 7")),
        r"block 7 .*World state unavailable",
    ),
    "nethermind, old state": (
        for_blocks({7}, failing(-32002, "No state available for block 0x7")),
        r"block 7 cannot be traced: .*archive node",
    ),
    "ZKsync Era, no prestate tracer": (
        for_blocks(range(40), failing(-32602, "Invalid params", "unknown variant `prestateTracer`")),
        r"block \d+: error -32602, .*unknown variant `prestateTracer`.*--view transfers",
    ),
    "anvil, no debug methods": (
        for_blocks(range(40), failing(-32601, "Method not found")),
        r"block \d+: .*does not serve this method; .*--view transfers",
    ),
    "a node without the mode of differences": (
        for_blocks({7}, {"result": [{"txHash": hexed(Chain(40).transactions(7)[0]), "result": {}}]}),
        r"block 7, transaction 0.*must have pre and post.*does not know diffMode",
    ),
    "a node that has no trace of a block": (
        for_blocks({7}, {"result": []}),
        r"block 7: its trace, of 0 transactions, is not of its 1 transactions",
    ),
}


@pytest.mark.parametrize("client", NAMED)
def test_a_habit_that_ends_an_extraction_is_named_with_block_and_remedy(tmp_path, monkeypatch, client):
    monkeypatch.setattr(extraction, "ROUNDS", 2)
    habit, said = NAMED[client]
    stub = Client(habit)
    with Running(stub) as url, pytest.raises(EndpointError, match=said):
        extract(url, Job("prestate", *WINDOW), tmp_path / "trace", limits=QUICK)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    "client", [name for name, (_, said) in NAMED.items() if said.startswith("block 7 cannot be traced")]
)
def test_untraceable_blocks_can_be_left_out_and_are_stamped_as_not_observed(tmp_path, client):
    stub = Client(NAMED[client][0])
    arguments = ["extract", "--blocks", "0:24", "--view", "prestate", "--skip-untraceable", "--receipts"]
    with Running(stub) as url:
        done = CliRunner().invoke(cli.main, [*arguments, "--rpc", url, "--out", str(tmp_path / "trace")])
    assert done.exit_code == 0, done.output
    trace = store.read_trace(tmp_path / "trace")
    wanted = expected(stub.chain, "prestate", *WINDOW).filter(pl.col("block_number") != 7).sort(pl.all())
    assert flat(trace).equals(wanted)
    assert trace.capability.unobserved_blocks == 1
    assert trace.blocks.filter(~pl.col("observed"))["block_number"].to_list() == [7]


def test_a_window_in_which_nothing_can_be_traced_is_no_trace(tmp_path):
    stub = Client(for_blocks(range(40), failing(-32000, "missing trie node 0a (path )")))
    # Blocks without transactions are observed: there is nothing to trace.
    with Running(stub) as url, pytest.raises(Exception, match="none of the 1 blocks could be traced"):
        extract(url, Job("prestate", 7, 8, skip_untraceable=True), tmp_path / "trace", limits=QUICK)


def test_null_receipts_of_empty_blocks_are_none(tmp_path):
    """Erigon and op-geth, for blocks without transactions."""

    def habit(call):
        empty = call["method"] == "eth_getBlockReceipts" and not Chain(40).transactions(block(call))
        return {"result": None} if empty else None

    with Running(Client(habit)) as url:
        extract(url, Job("transfers", *WINDOW, receipts=True), tmp_path / "trace", limits=QUICK)
    paid = pl.read_parquet(tmp_path / "trace" / "transactions.parquet")
    assert paid.height == sum(number % 3 for number in range(*WINDOW))


def test_a_chain_with_many_blocks_a_second_is_a_chain(tmp_path):
    stub = Client(lambda call: None)
    header = stub.chain.header

    def quarter(number):
        found = header(number)
        return found and found | {"timestamp": hex(1_700_000_000 + number // 4)}

    stub.chain.header = quarter
    with Running(stub) as url:
        extract(url, Job("transfers", *WINDOW), tmp_path / "trace", limits=QUICK)
    stamps = store.read_trace(tmp_path / "trace").blocks["timestamp"]
    assert stamps.value_counts()["count"].unique().to_list() == [4]


def test_changes_of_accounts_are_in_the_trace(tmp_path):
    stub = Client(lambda call: None)
    trace = stub.chain.trace

    def paying(number, diff):
        found = trace(number, diff)
        for entry in found if diff else ():
            entry["result"]["pre"]["0x" + "ee" * 20] = {"balance": "0x9", "nonce": 3}
            entry["result"]["post"]["0x" + "ee" * 20] = {"balance": "0x8", "nonce": 4}
            entry["result"]["pre"]["0x" + "dd" * 20] = {"balance": "0x9", "code": "0x60"}
        return found

    stub.chain.trace = paying
    with Running(stub) as url:
        extract(url, Job("prestate", 7, 9), tmp_path / "trace", limits=QUICK)
    accounts = store.read_trace(tmp_path / "trace").accounts
    assert accounts.select("block_number", "tx_index", "kind").rows()[:2] == [
        (7, 0, "balance"),
        (7, 0, "code"),
    ]
    assert accounts.filter(address=b"\xee" * 20)["kind"].to_list() == ["balance", "nonce"] * 3
    # An account that is gone has changed all that it had.
    assert accounts.filter(address=b"\xdd" * 20)["kind"].to_list() == ["balance", "code"] * 3


@pytest.mark.parametrize(
    ("status", "text", "said"),
    [
        (401, "no", "HTTP 401: the key is missing or wrong"),
        (402, '{"error": "payment required"}', "HTTP 402: payment is required"),
        (403, "", "HTTP 403"),
        (404, "not found", "HTTP 404: there is no endpoint at this address"),
        (405, "", "HTTP 405: this address takes no JSON-RPC"),
        (426, "Upgrade Required", "HTTP 426: it wants another protocol.*https://"),
        (200, "<!doctype html><title>Sign in</title>", "answers with a web page"),
    ],
)
def test_what_waiting_does_not_change_ends_at_once_with_its_meaning(tmp_path, status, text, said):
    stub = Stub(Chain(40))

    async def handle(request):
        stub.requests += 1
        return web.Response(status=status, text=text)

    stub.handle = handle
    with Running(stub) as url, pytest.raises(EndpointError, match=said):
        extract(url, Job("transfers", *WINDOW), tmp_path / "trace", limits=Limits())
    assert stub.requests == 1


def test_an_address_where_nothing_answers_is_given_up_soon(tmp_path):
    started = time.monotonic()
    with pytest.raises(GaveUpError, match=r"has never answered .*check its address"):
        extract("http://127.0.0.1:9", Job("transfers", *WINDOW), tmp_path / "trace", limits=Limits())
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("view", ["prestate", "transfers"])
def test_requests_shrink_until_a_gateway_takes_them(tmp_path, view):
    """HTTP 413 for a body above some bytes, and a batch refused as an error of its own (geth, proxyd)."""
    for limit in (700, None):
        stub = Stub(Chain(40))
        handle = stub.handle

        async def small(request, handle=handle, limit=limit):
            body = await request.json()
            if limit and len(await request.read()) > limit:
                return web.Response(status=413, text="<html>Request Entity Too Large</html>")
            if limit is None and isinstance(body, list) and len(body) > 3:
                return web.json_response(
                    {"id": None, "error": {"code": -32600, "message": "batch too large"}}
                )
            return await handle(request)

        stub.handle = small
        with Running(stub) as url:
            extract(url, Job(view, *WINDOW), tmp_path / f"{limit}", limits=QUICK)
        assert flat(store.read_trace(tmp_path / f"{limit}")).equals(
            expected(stub.chain, view, *WINDOW).sort(pl.all())
        )
    assert contents(tmp_path / "700") == contents(tmp_path / "None")


@pytest.mark.parametrize(
    ("method", "error", "kind"),
    [
        ("eth_getLogs", {"code": -32000, "message": "can't query more than 1000 blocks"}, TooLargeError),
        ("eth_getLogs", {"code": -32005, "message": "limit exceeded"}, TransientError),
        ("eth_getLogs", {"code": -32016, "message": "Your app has exceeded its rate limit"}, TransientError),
        (
            "eth_getLogs",
            {"code": 429, "message": "compute units per second capacity exceeded"},
            TransientError,
        ),
        ("eth_getLogs", {"code": -32000, "message": "invalid block range params"}, TooLargeError),
        ("eth_getBlockByNumber", {"code": -32000, "message": "header not found"}, TransientError),
        (TRACE, {"code": -32000, "message": "execution timeout"}, CallRefusedError),
        (
            TRACE,
            {"code": -32000, "message": "required historical state unavailable (reexec=128)"},
            CallRefusedError,
        ),
        (TRACE, {"code": -32603, "message": "unknown tracer: prestateTracer"}, EndpointError),
        (TRACE, "a text", CallRefusedError),
    ],
)
def test_what_an_error_means(method, error, kind):
    found = endpoint_errors.meaning(method, ["0x7"] if method != "eth_getLogs" else [{}], error)
    assert type(found) is kind
