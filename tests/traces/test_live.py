"""The embedded chain against a real node: two machines, the same touches."""

import os
import shutil
import socket
import subprocess
import time
from collections import Counter

import polars as pl
import pytest
import requests
from tests.needs import absent

from rollstate.errors import InputError
from rollstate.traces import prestate, store, transfer_logs
from rollstate.traces.chunks import Job
from rollstate.traces.extraction import extract
from rollstate.traces.live import embedded, workload

LOAD = workload.Workload(blocks=60, users=40)
KEYS = ["block_number", "tx_index", "address", "slot"]


@pytest.fixture(scope="module")
def views():
    return embedded.play(workload.blocks(LOAD))


@pytest.fixture(scope="module")
def truth(views):
    return embedded.truth(views)


def from_prestate(views) -> pl.DataFrame:
    return pl.concat([prestate.block_touches(view.number, view.full, view.diff) for view in views])


def from_logs(views) -> pl.DataFrame:
    logs = [
        log for view in views for log in transfer_logs.parse_logs(view.logs, view.number, view.number + 1)
    ]
    return transfer_logs.touches(transfer_logs.transfers(logs), workload.layouts())


def flat(folder) -> pl.DataFrame:
    trace = store.read_trace(folder)
    return trace.accesses.join(trace.slots, on="slot_id").select(*KEYS, "is_write").sort(pl.all())


def test_the_workload_is_a_function_of_its_parameters_and_mostly_succeeds(views):
    assert workload.blocks(LOAD) == workload.blocks(LOAD)
    outcome = [done for view in views for done in view.succeeded]
    assert 0.75 < sum(outcome) / len(outcome) < 1
    with pytest.raises(InputError, match="at least 2"):
        workload.Workload(blocks=1)


def test_prestate_invents_nothing_and_misses_only_loads_of_contracts_being_created(views, truth):
    found = from_prestate(views)
    assert found.join(truth, on=KEYS, how="anti").is_empty()
    missed = truth.join(found, on=KEYS, how="anti")
    assert not missed["changed"].any()
    assert not missed["stored"].any()
    assert missed.height > 0
    written = found.filter("is_write").select(KEYS)
    assert set(written.rows()) == set(truth.filter("changed").select(KEYS).rows())


def test_known_layouts_name_slots_that_were_stored(views, truth):
    """A balance slot from a log is one the token's SSTORE named, in the same transaction."""
    found = from_logs(views)
    assert found.height > 100
    assert found.join(truth.filter("stored"), on=KEYS, how="anti").is_empty()


def deployments(blocks) -> list[tuple[workload.Transaction, int]]:
    """Return the transactions that deploy, each with its sender's nonce."""
    nonces, out = Counter(), []
    for tx in (tx for block in blocks for tx in block):
        if tx.to is None:
            out.append((tx, nonces[tx.sender]))
        nonces[tx.sender] += 1
    return out


@pytest.fixture(scope="module")
def anvil():
    binary = os.environ.get("ROLLSTATE_ANVIL") or shutil.which("anvil")
    if binary is None:
        absent(
            "anvil is not installed: npm install @foundry-rs/anvil-linux-amd64, or name it with ROLLSTATE_ANVIL"
        )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    flags = [
        "--silent",
        "--steps-tracing",
        "--no-mining",
        "--order",
        "fifo",
        "--hardfork",
        "cancun",
        "--base-fee",
        "0",
        "--auto-impersonate",
    ]
    process = subprocess.Popen(
        [binary, "--port", str(port), "--gas-limit", str(10**9), *flags], stdout=subprocess.DEVNULL
    )
    url, session = f"http://127.0.0.1:{port}", requests.Session()

    def ask(method: str, *params: object) -> object:
        reply = session.post(url, json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).json()
        assert "error" not in reply, (method, reply["error"])
        return reply["result"]

    try:
        for _ in range(100):
            try:
                ask("eth_chainId")
                break
            except requests.ConnectionError:
                time.sleep(0.05)
        blocks = workload.blocks(LOAD)
        for sender in sorted({tx.sender for block in blocks for tx in block}):
            ask("anvil_setBalance", "0x" + sender.hex(), hex(10**24))
        for block in blocks:
            for tx in block:
                fields = {
                    "from": "0x" + tx.sender.hex(),
                    "gas": hex(workload.GAS),
                    "data": "0x" + tx.data.hex(),
                }
                ask("eth_sendTransaction", fields | ({"to": "0x" + tx.to.hex()} if tx.to else {}))
            ask("anvil_mine")
        yield url
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.mark.chain
def test_a_node_shows_every_touch_of_the_embedded_machine(anvil, views, truth, tmp_path):
    """Anvil also lists loads of contracts being created, which geth's rules leave out."""
    extract(anvil, Job("prestate", 1, len(views) + 1, receipts=True), tmp_path / "trace")
    found, true = flat(tmp_path / "trace"), truth.select(*KEYS, is_write="changed")
    assert found.equals(true.sort(pl.all()))
    by_geth = from_prestate(views)
    extra = found.join(by_geth, on=found.columns, how="anti")
    assert by_geth.join(found, on=found.columns, how="anti").is_empty()
    assert not extra["is_write"].any()
    assert set(extra["address"]) <= {
        workload.created(tx.sender, nonce) for tx, nonce in deployments(workload.blocks(LOAD))
    }
    paid = pl.read_parquet(tmp_path / "trace" / "transactions.parquet")
    assert paid["succeeded"].to_list() == [done for view in views for done in view.succeeded]


@pytest.mark.chain
def test_a_node_shows_the_transfers_that_the_embedded_machine_predicts(anvil, views, tmp_path):
    extract(anvil, Job("transfers", 1, len(views) + 1, 7), tmp_path / "trace")
    logs = [
        log for view in views for log in transfer_logs.parse_logs(view.logs, view.number, view.number + 1)
    ]
    expected = transfer_logs.touches(transfer_logs.transfers(logs))
    assert flat(tmp_path / "trace").equals(expected.sort(pl.all()))


@pytest.mark.chain
def test_a_nodes_opcodes_are_the_truth_of_the_embedded_machine(anvil, truth):
    """Loads and stores counted in the node's step-by-step trace, of the last blocks with ten transactions or so."""

    def ask(method: str, *params: object) -> object:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return requests.post(anvil, json=body).json()["result"]

    last = truth["block_number"].max()
    found, expected = set(), set()
    for number in range(last - 12, last + 1):
        for index, name in enumerate(ask("eth_getBlockByNumber", hex(number), False)["transactions"]):
            sent = ask("eth_getTransactionByHash", name)
            if sent["to"] is None:
                continue
            steps = ask("debug_traceTransaction", name, {"disableMemory": True, "disableStorage": True})[
                "structLogs"
            ]
            frames = [bytes.fromhex(sent["to"][2:])]
            for step, after in zip(steps, [*steps[1:], None], strict=True):
                del frames[step["depth"] :]
                stack = [int(word, 16) for word in step["stack"]]
                if step["op"] in {"SLOAD", "SSTORE"}:
                    slot = stack[-1].to_bytes(32, "big")
                    found.add((number, index, frames[-1], slot, step["op"] == "SSTORE"))
                if step["op"] in {"CALL", "STATICCALL"} and after and after["depth"] > step["depth"]:
                    frames.append(stack[-2].to_bytes(32, "big")[12:])
            rows = truth.filter(pl.col("block_number") == number, pl.col("tx_index") == index)
            for _, _, address, slot, loaded, stored, _ in rows.iter_rows():
                expected |= {
                    (number, index, address, slot, kind)
                    for kind, on in ((False, loaded), (True, stored))
                    if on
                }
    assert len(expected) > 50
    assert found == expected
