"""Blocks per second of an extraction, over those of a client that makes two calls per block, one after the other.

Both ask the same endpoint, a stub on loopback in a process of its own that waits before each answer. The peer only
asks and parses JSON; the extraction also checks, links and stores, and asks for each block's second trace.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import requests
from kept import keep, peak_gib

from rollstate.traces.chunks import Job
from rollstate.traces.extraction import extract

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = 10_001
SECOND_CALL = {
    "transfers": ("eth_getBlockReceipts", []),
    "prestate": (
        "debug_traceBlockByNumber",
        [{"tracer": "prestateTracer", "tracerConfig": {"diffMode": True}}],
    ),
}


def sequential(url: str, view: str, blocks: int) -> float:
    """Return the blocks per second of the peer."""
    session, begin = requests.Session(), time.perf_counter()
    method, options = SECOND_CALL[view]
    for number in range(1, blocks + 1):
        for name, params in (
            ("eth_getBlockByNumber", [hex(number), False]),
            (method, [hex(number), *options]),
        ):
            body = {"jsonrpc": "2.0", "id": 1, "method": name, "params": params}
            session.post(url, json=body).json()["result"]
    return blocks / (time.perf_counter() - begin)


def extraction(url: str, view: str, blocks: int) -> float:
    """Return the blocks per second of an extraction, its files included."""
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        extract(url, Job(view, 1, blocks + 1), Path(folder) / "trace")
        return blocks / (time.perf_counter() - begin)


def main() -> None:
    """Print a line for each latency and view."""
    print(f"{'latency ms':>10} {'view':>10} {'peer block/s':>13} {'ours block/s':>13} {'ratio':>6}")
    for latency in (0.0, 0.005, 0.02, 0.1):
        with tempfile.TemporaryDirectory() as folder:
            port_file = Path(folder) / "url"
            command = [
                sys.executable,
                "-m",
                "tests.traces.stub_endpoint",
                str(port_file),
                str(BLOCKS),
                str(latency),
            ]
            server = subprocess.Popen(command, cwd=ROOT)
            try:
                while not port_file.exists():
                    time.sleep(0.02)
                url = port_file.read_text()
                for view, blocks in (("transfers", 10_000), ("prestate", 2_000)):
                    peer = sequential(url, view, 300 if latency < 0.05 else 30)
                    ours = extraction(url, view, blocks)
                    print(
                        f"{1000 * latency:>10.0f} {view:>10} {peer:>13.0f} {ours:>13.0f} {ours / peer:>6.1f}"
                    )
                    keep(f"{view} at {1000 * latency:.0f} ms", "two calls per block, in turn", ours / peer)
            finally:
                server.terminate()
                server.wait(timeout=10)
    print(f"largest resident memory: {peak_gib():.2f} GiB")


if __name__ == "__main__":
    main()
