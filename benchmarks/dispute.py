"""Tree updates beside py-trie, flat execution beside a trie in the same store: wall time, this machine, this run.

Counts of reads, writes and hashes are the result (chapter ``flat_kv``); wall time in Python says as much about
Python as about state, so it is kept here.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from kept import keep, peak_gib
from trie import HexaryTrie

from rollstate.dispute.keccak import keccak256
from rollstate.dispute.packed_tree import PackedTree
from rollstate.dispute.stores import open_store

LEAVES = 300_000
UPDATES = 30_000
PEER_LEAVES = 30_000
PEER_UPDATES = 2_000
STORED = 10_000
BATCH = 300
REPEATS = 3
VALUE_BYTES = 77


def timed(work: Callable[[], object]) -> float:
    """Return the seconds some work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def trees(leaves: int, peer_leaves: int) -> list[tuple[str, float, float]]:
    """Return rows (what, ours per second, py-trie per second); the peer's smaller tree is in its favour."""
    rng = np.random.default_rng(1)
    keys = np.unique(rng.integers(0, 1 << 32, leaves, dtype=np.uint64))
    values = rng.integers(1, 1 << 60, keys.size, dtype=np.uint64)
    warm = PackedTree(keys[:10], values[:10])
    warm.update(keys[:1], values[:1])
    ours: list[PackedTree] = []
    build = keys.size / timed(lambda: ours.append(PackedTree(keys, values)))
    chosen = rng.choice(keys, UPDATES)
    update = UPDATES / timed(lambda: ours[0].update(chosen, values[:UPDATES]))

    peer_keys = [keccak256(int(key).to_bytes(32, "big")) for key in keys[:peer_leaves]]
    trie = HexaryTrie({}, prune=True)

    def write(count: int) -> None:
        with trie.squash_changes() as batch:
            for key in peer_keys[:count]:
                batch[key] = rng.bytes(32)

    peer_build = peer_leaves / timed(lambda: write(peer_leaves))
    order = rng.permutation(peer_leaves)
    peer_keys = [peer_keys[i] for i in order]
    peer_update = PEER_UPDATES / timed(lambda: write(PEER_UPDATES))
    return [("build, leaves/s", build, peer_build), ("batched updates/s", update, peer_update)]


def forget(folder: Path) -> None:
    """Ask the system to drop the files of a folder from its page cache."""
    for file in folder.rglob("*"):
        if file.is_file():
            handle = os.open(file, os.O_RDONLY)
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


def stores(kind: str) -> list[tuple[str, str, float, float]]:
    """Return rows (store, cache, microseconds per flat update, per trie update)."""
    rng = np.random.default_rng(2)
    keys = [rng.bytes(32) for _ in range(STORED)]
    with tempfile.TemporaryDirectory() as name:
        flat_folder, trie_folder = Path(name) / "flat", Path(name) / "trie"
        flat_folder.mkdir(), trie_folder.mkdir()
        flat, nodes = open_store(kind, flat_folder), open_store(kind, trie_folder)
        trie = HexaryTrie(nodes)
        with trie.squash_changes() as batch:
            for key in keys:
                flat[key] = batch[key] = rng.bytes(VALUE_BYTES)
        root = trie.root_hash
        flat.commit(), nodes.commit()
        flat.close(), nodes.close()
        rows = []
        for cache in ("warm", "cold"):
            took: dict[str, list[float]] = {"flat": [], "trie": []}
            for _ in range(REPEATS):
                picked = [keys[i] for i in rng.integers(0, STORED, BATCH)]
                fresh = [rng.bytes(VALUE_BYTES) for _ in picked]
                if cache == "cold":
                    forget(Path(name))
                flat, nodes = open_store(kind, flat_folder), open_store(kind, trie_folder)
                trie = HexaryTrie(nodes, root)

                def write_flat(store=flat, picked=picked, fresh=fresh) -> None:
                    for key, value in zip(picked, fresh, strict=True):
                        store[key]
                        store[key] = value
                    store.commit()

                def write_trie(store=nodes, trie=trie, picked=picked, fresh=fresh) -> None:
                    for key, value in zip(picked, fresh, strict=True):
                        trie[key] = value
                    store.commit()

                took["flat"].append(timed(write_flat) / BATCH * 1e6)
                took["trie"].append(timed(write_trie) / BATCH * 1e6)
                root = trie.root_hash
                flat.close(), nodes.close()
            rows.append((kind, cache, statistics.median(took["flat"]), statistics.median(took["trie"])))
        return rows


def main(arguments: list[str] | None = None) -> None:
    """Print two tables of ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leaves", type=int, default=LEAVES)
    parser.add_argument("--peer-leaves", type=int, default=PEER_LEAVES)
    chosen = parser.parse_args(arguments)
    print(
        f"tree of {chosen.leaves} leaves, depth 32, {UPDATES} updates; py-trie: {chosen.peer_leaves} leaves"
    )
    print(f"{'':20}{'ours':>12}{'py-trie':>12}{'ratio':>8}")
    for what, ours, peer in trees(chosen.leaves, chosen.peer_leaves):
        print(f"{what:20}{ours:12.0f}{peer:12.0f}{ours / peer:8.1f}")
        keep(what, "py-trie", ours / peer)
    print(f"peak memory {peak_gib():.2f} GiB")
    print(f"\n{STORED} keys, {BATCH} updates, root per update; Python wall time, microseconds per update")
    print(f"{'store':12}{'cache':8}{'flat':>10}{'trie':>10}{'ratio':>8}")
    for kind in ("lmdb", "rocksdict"):
        for store, cache, flat, trie in stores(kind):
            print(f"{store:12}{cache:8}{flat:10.1f}{trie:10.1f}{trie / flat:8.1f}")
            keep(f"flat update in {store}, {cache}", "py-trie", trie / flat)


if __name__ == "__main__":
    main()
