"""Extraction from an endpoint that fails: complete, exactly once, resumable, and silent about its address."""

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.needs import examples
from tests.traces.stub_endpoint import Chain, Running, Stub, digest, hexed

from rollstate.compendium import cli
from rollstate.errors import InputError, RollstateError
from rollstate.traces import chunks, extraction, prestate, store, transfer_logs
from rollstate.traces.chunks import Job
from rollstate.traces.endpoint_errors import EndpointError, GaveUpError, TooLargeError
from rollstate.traces.extraction import extract
from rollstate.traces.rpc import Limits

MAIN = "from rollstate.compendium.cli import main; main()"
QUICK = Limits(timeout=0.5, pause=0.01, longest_pause=0.05, attempts=15)


def expected(chain: Chain, view: str, start: int, stop: int) -> pl.DataFrame:
    """What a patient reader of the chain itself finds."""
    if view == "prestate":
        frames = [
            prestate.block_touches(n, chain.trace(n, False), chain.trace(n, True)) for n in range(start, stop)
        ]
        return pl.concat(frames)
    logs = [log for number in range(start, stop) for log in chain.logs(number)]
    return transfer_logs.touches(transfer_logs.transfers(transfer_logs.parse_logs(logs, start, stop)))


def flat(trace) -> pl.DataFrame:
    columns = ["block_number", "tx_index", "address", "slot", "is_write"]
    return trace.accesses.join(trace.slots, on="slot_id").select(columns).sort(columns)


def contents(folder) -> dict:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("view", ["prestate", "transfers"])
@pytest.mark.thorough
def test_ten_thousand_blocks_from_a_failing_endpoint_are_complete_and_there_once(tmp_path, view) -> None:
    blocks = 10_001
    stub = Stub(Chain(blocks, fork_at=blocks - 40), faults=0.1, most_logs=300, reorg_after=40)
    with Running(stub) as url:
        extract(url, Job(view, 1, blocks), tmp_path / "trace", limits=QUICK)
    trace = store.read_trace(tmp_path / "trace")
    assert stub.chain.branch == 1
    assert set(stub.injected) == {"500", "429", "cut", "slow", "drop", "null", "rate", "internal"}
    assert flat(trace).equals(expected(stub.chain, view, 1, blocks).sort(pl.all()))
    assert trace.blocks["block_number"].to_list() == list(range(1, blocks))
    assert trace.blocks["timestamp"][0] == 1_700_000_012
    assert trace.capability.chain_id == stub.chain_id
    assert list(tmp_path.iterdir()) == [tmp_path / "trace"]


def test_the_window_is_half_open_and_receipts_give_gas_per_transaction(tmp_path) -> None:
    stub = Stub(Chain(30))
    with Running(stub) as url:
        extract(url, Job("prestate", 10, 13, 2, receipts=True), tmp_path / "trace", limits=QUICK)
    assert store.read_trace(tmp_path / "trace").blocks["block_number"].to_list() == [10, 11, 12]
    paid = pl.read_parquet(tmp_path / "trace" / "transactions.parquet")
    assert paid.select("block_number", "tx_index", "gas_used").rows() == [
        (10, 0, 21000),
        (11, 0, 21000),
        (11, 1, 21000),
    ]


@pytest.mark.thorough
def test_a_run_killed_at_any_point_resumes_to_the_same_bytes(tmp_path) -> None:
    stub = Stub(Chain(2_001), latency=0.002)
    arguments = ["--blocks", "1:2001", "--view", "prestate", "--chunk", "20", "--concurrency", "4"]
    with Running(stub) as url:
        environment = os.environ | {"ROLLSTATE_RPC": url}

        def start(name: str) -> subprocess.Popen:
            command = [sys.executable, "-c", MAIN, "extract", *arguments, "--out", name]
            return subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)

        kills, killed, resumed = 3, 0, 0
        partial = tmp_path / ".killed.partial"
        for kill in range(kills):
            process = start("killed")
            while process.poll() is None and len(list(partial.glob("*.json"))) < 5 + 20 * (kill + 1):
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            killed += process.returncode == -signal.SIGKILL
            resumed = len(list(partial.glob("*.json")))
        assert killed == kills
        assert resumed > 5
        before = stub.calls["debug_traceBlockByNumber"]
        assert start("killed").wait() == 0
        assert stub.calls["debug_traceBlockByNumber"] - before < 2 * 2_000
        whole = start("whole")
        assert "s3cr3t" not in whole.communicate()[1]
        assert whole.returncode == 0
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_bytes_do_not_depend_on_chunks_or_faults_but_for_the_record_of_the_job(tmp_path) -> None:
    for name, chunk, faults in (("a", 7, 0.0), ("b", 1000, 0.2)):
        with Running(Stub(Chain(200), faults=faults)) as url:
            extract(url, Job("transfers", 5, 200, chunk), tmp_path / name, limits=QUICK)
    first, second = contents(tmp_path / "a"), contents(tmp_path / "b")
    assert first.pop("extraction.json") != second.pop("extraction.json")
    assert first == second


def test_known_layouts_give_storage_slots_and_are_part_of_the_job(tmp_path) -> None:
    token = hexed(digest("token", 2)[:20])
    listed = tmp_path / "layouts.json"
    listed.write_text(json.dumps({token.upper().replace("X", "x"): {"balances": 9}}))
    arguments = [
        "--blocks",
        "1:60",
        "--view",
        "transfers",
        "--layouts",
        str(listed),
        "--out",
        str(tmp_path / "trace"),
    ]
    stub = Stub(Chain(60))
    with Running(stub) as url:
        done = CliRunner().invoke(cli.main, ["extract", "--rpc", url, *arguments])
    assert done.exit_code == 0, done.output
    trace = store.read_trace(tmp_path / "trace")
    assert trace.capability.key_form == "slot"
    logs = transfer_logs.parse_logs(
        [log for number in range(1, 60) for log in stub.chain.logs(number)], 1, 60
    )
    layouts = {bytes.fromhex(token[2:]): transfer_logs.TokenLayout(9)}
    expected = transfer_logs.touches(transfer_logs.transfers(logs), layouts)
    assert expected.height > 5
    assert flat(trace).equals(expected.sort(pl.all()))
    assert '"balances": 9' in (tmp_path / "trace" / "extraction.json").read_text()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"0xaa": {"balances": 1}}',
        '{"a": 1}',
        '{"0x%s": {}}' % ("aa" * 20),
        '{"a": {"balances": "1"}}',
    ],
)
def test_bad_layouts_are_refused(tmp_path, text) -> None:
    listed = tmp_path / "layouts.json"
    listed.write_text(text)
    with pytest.raises(InputError, match="layout"):
        Job("transfers", 1, 2, layouts=transfer_logs.read_layouts(listed))
    with pytest.raises(InputError, match="real slots already"):
        Job("prestate", 1, 2, layouts={})


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (-32601, "the method debug_traceBlockByNumber does not exist/is not available", "does not serve"),
        (-32000, "method not whitelisted", "does not serve"),
        (-32005, "query returned more than 10000 results", TooLargeError),
        (-32602, "eth_getLogs is limited to a 10,000 range", TooLargeError),
        (-32000, "block range is too wide", TooLargeError),
        (-32000, "query exceeds max results 20000, retry with the range 1-5", TooLargeError),
        (-32008, "Log response size exceeded", TooLargeError),
        (-32000, "missing trie node 0a (path )", "archive node"),
        (429, "Your app has exceeded its compute units per second capacity", GaveUpError),
        (-32005, "limit exceeded", GaveUpError),
        (-32000, "header not found", GaveUpError),
        (-32000, "execution timed out", GaveUpError),
        (3, "execution reverted", "execution reverted"),
    ],
)
def test_what_nodes_say_is_understood(tmp_path, code, message, kind) -> None:
    """Wordings of geth, Erigon and hosted endpoints; one block leaves nothing to halve, and one attempt no retry."""
    stub = Stub(Chain(40))
    stub.answer = lambda call: {"id": call["id"], "error": {"code": code, "message": message}}
    wanted, said = (EndpointError, kind) if isinstance(kind, str) else (kind, None)
    with Running(stub) as url, pytest.raises(wanted, match=said) as raised:
        extract(url, Job("prestate", 1, 2), tmp_path / "trace", limits=Limits(attempts=1))
    assert isinstance(raised.value, GaveUpError) == (kind is GaveUpError)


def test_a_finished_trace_is_replaced_only_when_told(tmp_path) -> None:
    job = Job("transfers", 1, 20)
    with Running(Stub(Chain(40))) as url:
        extract(url, job, tmp_path / "trace", limits=QUICK)
        before = contents(tmp_path / "trace")
        with pytest.raises(InputError, match="exists"):
            extract(url, Job("transfers", 1, 30), tmp_path / "trace", limits=QUICK)
        assert contents(tmp_path / "trace") == before
        extract(url, Job("transfers", 1, 30), tmp_path / "trace", limits=QUICK, overwrite=True)
    assert store.read_capability(tmp_path / "trace").window_stop == 30


def test_a_notebook_with_a_loop_of_its_own_can_extract(tmp_path) -> None:
    async def cell(url: str) -> None:
        extract(url, Job("transfers", 1, 20), tmp_path / "trace", limits=QUICK)
        with pytest.raises(InputError, match="exists"):
            extract(url, Job("transfers", 1, 20), tmp_path / "trace", limits=QUICK)

    # In a thread of its own: a browser test before this one may have left its loop running here.
    with Running(Stub(Chain(40))) as url, ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, cell(url)).result()
    assert store.read_capability(tmp_path / "trace").window_stop == 20


def interrupted(tmp_path, monkeypatch, job: Job) -> str:
    """Leave an extraction that ran out of room after a few chunks."""
    kept = []

    def full(self, chunk, frames, keep=chunks.Chunks.keep):
        kept.append(chunk)
        if len(kept) == 4:
            monkeypatch.setattr(pl.DataFrame, "write_parquet", no_room)
        keep(self, chunk, frames)

    def no_room(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(chunks.Chunks, "keep", full)
        with Running(Stub(Chain(200))) as url:
            write = pl.DataFrame.write_parquet
            with pytest.raises(chunks.StorageError, match="make room") as raised:
                extract(url, job, tmp_path / "trace", limits=QUICK)
            monkeypatch.setattr(pl.DataFrame, "write_parquet", write)
    return str(raised.value)


def test_a_full_disk_loses_no_finished_chunk(tmp_path, monkeypatch) -> None:
    job = Job("transfers", 1, 101, 10)
    assert "No space left" in interrupted(tmp_path, monkeypatch, job)
    stub = Stub(Chain(200))
    with Running(stub) as url:
        extract(url, job, tmp_path / "trace", limits=QUICK)
    assert 0 < stub.calls["eth_getLogs"] < 10
    assert flat(store.read_trace(tmp_path / "trace")).equals(
        expected(stub.chain, "transfers", 1, 101).sort(pl.all())
    )


def test_resuming_on_another_chain_or_with_another_job_is_refused(tmp_path, monkeypatch) -> None:
    job = Job("transfers", 1, 101, 10)
    interrupted(tmp_path, monkeypatch, job)
    with (
        Running(Stub(Chain(200), chain_id=5)) as url,
        pytest.raises(InputError, match="chain_id is 5, was 4242"),
    ):
        extract(url, job, tmp_path / "trace", limits=QUICK)
    with Running(Stub(Chain(200))) as url, pytest.raises(InputError, match="stop is 102, was 101"):
        extract(url, Job("transfers", 1, 102, 10), tmp_path / "trace", limits=QUICK)


def test_chunks_of_a_branch_the_chain_left_are_extracted_anew_on_resume(tmp_path, monkeypatch) -> None:
    job = Job("transfers", 1, 101, 10)
    interrupted(tmp_path, monkeypatch, job)
    chain = Chain(200, fork_at=4)
    chain.branch = 1
    with Running(Stub(chain)) as url:
        extract(url, job, tmp_path / "trace", limits=QUICK)
    assert flat(store.read_trace(tmp_path / "trace")).equals(
        expected(chain, "transfers", 1, 101).sort(pl.all())
    )


def test_a_damaged_chunk_is_extracted_anew(tmp_path, monkeypatch) -> None:
    job = Job("transfers", 1, 101, 10)
    interrupted(tmp_path, monkeypatch, job)
    chunk = next((tmp_path / ".trace.partial").glob("*.touches.parquet"))
    chunk.write_bytes(chunk.read_bytes()[:-9])
    with Running(Stub(Chain(200))) as url:
        extract(url, job, tmp_path / "trace", limits=QUICK)
    assert flat(store.read_trace(tmp_path / "trace")).equals(
        expected(Chain(200), "transfers", 1, 101).sort(pl.all())
    )


def test_an_endpoint_without_debug_methods_is_an_error_with_a_remedy_and_no_surrogate(tmp_path) -> None:
    stub = Stub(Chain(40), without=frozenset({"debug_traceBlockByNumber"}))
    with (
        Running(stub) as url,
        pytest.raises(EndpointError, match="archive node that serves the debug methods"),
    ):
        extract(url, Job("prestate", 1, 20), tmp_path / "trace", limits=QUICK)
    assert stub.calls["eth_getLogs"] == 0
    assert not (tmp_path / "trace").exists()


def test_an_endpoint_without_batches_is_asked_call_by_call(tmp_path) -> None:
    with Running(Stub(Chain(60), batches=False)) as url:
        extract(url, Job("prestate", 1, 50), tmp_path / "trace", limits=QUICK)
    assert flat(store.read_trace(tmp_path / "trace")).equals(
        expected(Chain(60), "prestate", 1, 50).sort(pl.all())
    )


def test_blocks_that_are_not_there_yet_and_nulls_are_errors_not_empty_blocks(tmp_path, monkeypatch) -> None:
    with Running(Stub(Chain(40))) as url, pytest.raises(InputError, match="newest block is 39"):
        extract(url, Job("transfers", 1, 41), tmp_path / "trace", limits=QUICK)
    stub = Stub(Chain(40))
    monkeypatch.setattr(stub.chain, "trace", lambda number, diff: None)
    with Running(stub) as url, pytest.raises(GaveUpError, match="null"):
        extract(url, Job("prestate", 1, 20), tmp_path / "trace", limits=Limits(attempts=2, pause=0.01))


@pytest.mark.parametrize("view", ["prestate", "transfers"])
def test_answers_about_other_blocks_are_never_kept(tmp_path, monkeypatch, view) -> None:
    """The traces or logs come from a branch that the headers do not belong to."""
    stub, other = Stub(Chain(40)), Chain(40, fork_at=12)
    other.branch = 1
    monkeypatch.setattr(stub.chain, "trace", other.trace)
    monkeypatch.setattr(stub.chain, "logs", other.logs)
    with Running(stub) as url, pytest.raises(GaveUpError, match=r"not of its|has left"):
        extract(url, Job(view, 1, 20), tmp_path / "trace", limits=QUICK)
    assert not (tmp_path / "trace").exists()


def test_retry_after_is_honoured(tmp_path, monkeypatch) -> None:
    stub, first = Stub(Chain(40)), []
    handle = stub.handle

    async def once(request):
        if not first:
            from aiohttp import web

            first.append(time.monotonic())
            return web.Response(status=429, headers={"Retry-After": "1"})
        if len(first) == 1:
            first.append(time.monotonic())
        return await handle(request)

    monkeypatch.setattr(stub, "handle", once)
    with Running(stub) as url:
        extract(
            url, Job("transfers", 1, 20), tmp_path / "trace", limits=Limits(pause=0.001, longest_pause=0.5)
        )
    assert first[1] - first[0] >= 1


def test_the_address_is_in_no_error_log_or_file(tmp_path, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "s3cr3t-key"
    with Running(Stub(Chain(40), faults=0.3)) as url:
        extract(url, Job("transfers", 1, 20), tmp_path / "trace", limits=QUICK)
    assert not any(secret.encode() in data for data in contents(tmp_path).values())
    # The server has gone: connections fail.
    with pytest.raises(GaveUpError) as raised:
        extract(url, Job("transfers", 1, 20), tmp_path / "other", limits=Limits(attempts=2, pause=0.01))
    assert secret not in caplog.text + str(raised.value) + repr(raised.value.__cause__)
    with pytest.raises(InputError) as bad:
        extract(f"ftp://x/{secret}", Job("transfers", 1, 20), tmp_path / "other")
    assert secret not in str(bad.value)


@pytest.mark.parametrize("blocks", ["5", "5:", "a:b", "7:7", "9:3", "-1:4", "1:2:3"])
def test_the_command_refuses_a_bad_window(tmp_path, blocks) -> None:
    arguments = ["extract", "--rpc", "http://127.0.0.1:1", "--blocks", blocks, "--view", "transfers"]
    done = CliRunner().invoke(cli.main, [*arguments, "--out", str(tmp_path / "x")])
    assert done.exit_code != 0
    assert "block" in done.output or "window" in done.output


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["0x1", "0x", "0x00"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
METHODS = [
    "eth_chainId",
    "eth_blockNumber",
    "eth_getBlockByNumber",
    "eth_getBlockReceipts",
    "debug_traceBlockByNumber",
]


@pytest.fixture(scope="module")
def hostile():
    stub = Stub(Chain(40))
    with Running(stub) as url:
        yield stub, url


@settings(max_examples=examples(200))
@given(data=st.data())
def test_any_answer_of_an_endpoint_is_a_trace_or_a_named_error(hostile, tmp_path_factory, data) -> None:
    """One method answers any JSON: in the place of its reply, of its error, of its result, or inside that."""
    stub, url = hostile
    method, bad = data.draw(st.sampled_from(METHODS)), data.draw(json_values)
    place = data.draw(st.sampled_from(["reply", "error", "result", "inside"]))
    step = data.draw(st.integers(0, 30))

    def answer(call: dict, answer=Stub.answer) -> object:
        good = answer(stub, call)
        if call["method"] != method:
            return good
        if place == "reply":
            return bad
        if place in {"error", "result"}:
            return {"id": call["id"], place: bad}
        inner = good["result"][0] if isinstance(good["result"], list) and good["result"] else good["result"]
        if isinstance(inner, dict):
            inner[sorted(inner)[step % len(inner)]] = bad
        return good

    folder = tmp_path_factory.mktemp("hostile")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stub, "answer", answer)
        patch.setattr(extraction, "ROUNDS", 1)
        try:
            extract(url, Job("prestate", 1, 6, receipts=True), folder / "trace", limits=Limits(attempts=1))
        except RollstateError:
            assert not (folder / "trace").exists()
            return
    assert store.read_trace(folder / "trace").blocks.height == 5
