"""What the chapter ``flat_kv`` computes: database operations and hashes of a trie and of a flat store, as counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from rollstate.chapters.flat_kv.parameters import FlatKv
from rollstate.dispute import trie_shape
from rollstate.estimate import Estimate
from rollstate.execution import commitment_cost
from rollstate.scalars import real, whole
from rollstate.traces.schema import Trace

UPDATE, BATCH, MERGED, FLAT = "root per update", "root per batch", "root per checkpoint", "flat"
_LARGEST_REPLAY = 1_000_000
_STEPS = (1, 2, 5, 10, 25, 50, 100, 250)


def counts(p: FlatKv) -> tuple[pl.DataFrame, dict[int, trie_shape.TrieShape]]:
    """Count reads, bytes and permutations per update for every size of the state.

    Returns
    -------
    frame : polars.DataFrame
        ``mode``, ``keys``, ``reads`` (equal to writes), ``bytes``, ``permutations``, all per update, and ``fit``, the
        line in log16 of the keys for a root per update, null for the other modes.
    shapes : dict
        The trie of each size.
    """
    rng = np.random.default_rng(p.seed)
    rows, shapes = [], {}
    for size in sorted(p.sizes):
        shape = shapes[size] = trie_shape.TrieShape(trie_shape.random_keys(size, rng), p.value_bytes)
        many = rng.integers(0, size, p.batch * p.merged_batches)
        first = many[: p.batch]
        for mode, found, updates in (
            (UPDATE, shape.root_per_update(first), first.size),
            (BATCH, shape.root_per_batch(first), first.size),
            (MERGED, shape.root_per_batch(many), many.size),
        ):
            per_update = (found.nodes / updates, found.node_bytes / updates, found.permutations / updates)
            rows.append((mode, size, *per_update))
        rows.append((FLAT, size, 1.0, float(32 + p.value_bytes), 0.0))
    frame = pl.DataFrame(rows, schema=["mode", "keys", "reads", "bytes", "permutations"], orient="row")
    slope, start = line(frame)
    fit = pl.when(pl.col("mode") == UPDATE).then(start + slope * pl.col("keys").log(16))
    return frame.with_columns(fit=fit), shapes


def line(frame: pl.DataFrame) -> tuple[float, float]:
    """Return slope and intercept of the reads with a root per update, in log16 of the keys, by least squares."""
    rows = frame.filter(pl.col("mode") == UPDATE)
    slope, start = np.polyfit(np.log(rows["keys"]) / np.log(16), rows["reads"], 1)
    return float(slope), float(start)


def count_results(frame: pl.DataFrame) -> dict[str, float]:
    """Return what the chapter records of `counts`, by name."""
    largest, smallest = whole(frame["keys"].max()), whole(frame["keys"].min())
    rows = {row["mode"]: row for row in frame.filter(pl.col("keys") == largest).iter_rows(named=True)}
    slope, start = line(frame)
    out: dict[str, float] = {"largest": largest, "smallest": smallest, "slope": slope, "intercept": start}
    for name, mode in (("update", UPDATE), ("batch", BATCH), ("merged", MERGED)):
        out |= {f"reads_{name}": rows[mode]["reads"], f"bytes_{name}": rows[mode]["bytes"]}
        out[f"gain_{name}"] = rows[mode]["reads"] / rows[FLAT]["reads"]
    first = frame.filter((pl.col("keys") == smallest) & (pl.col("mode") == BATCH))
    out["reads_batch_first"] = first["reads"][0]
    out["residual"] = real((frame["fit"] - frame["reads"]).abs().max())
    out["permutations_batch"] = rows[BATCH]["permutations"]
    return out


@dataclass(frozen=True)
class Written:
    """The writes of a trace on a state of random keys.

    Attributes
    ----------
    blocks : list of array of uint64
        First eight bytes of the hashed keys that each block writes.
    shape : TrieShape
        The state: random keys and every key of the trace.
    """

    blocks: list[np.ndarray]
    shape: trie_shape.TrieShape

    @property
    def updates(self) -> int:
        """Slots written, once for each block that writes them."""
        return sum(block.size for block in self.blocks)


def written(trace: Trace, shapes: dict[int, trie_shape.TrieShape], value_bytes: int) -> Written:
    """Hash the slots of a trace and put its writes, block by block, on the largest state of at most a million keys."""
    blocks = commitment_cost.written_keys(trace)
    size = max((size for size in shapes if size <= _LARGEST_REPLAY), default=min(shapes))
    state = np.union1d(shapes[size].keys, commitment_cost.slot_keys(trace)["key"].to_numpy())
    return Written(blocks, trie_shape.TrieShape(state, value_bytes))


def choices(found: Written, p: FlatKv) -> pl.DataFrame:
    """Return reads per update by how keys are chosen: ``choice``, ``mode``, ``reads``."""
    rng = np.random.default_rng((p.seed, 1))
    state, mean = found.shape.keys, found.updates // len(found.blocks)
    chosen = {
        "uniform": [rng.integers(0, state.size, mean) for _ in found.blocks],
        "Zipf": [trie_shape.zipf_rows(mean, state.size, p.zipf, rng) for _ in found.blocks],
        "the trace": [np.searchsorted(state, block) for block in found.blocks],
    }
    rows = []
    for name, drawn in chosen.items():
        every = np.concatenate(drawn)
        blocks = sum(found.shape.root_per_batch(part).nodes for part in drawn)
        rows.append((name, "root per update", found.shape.root_per_update(every).nodes / every.size))
        rows.append((name, "root per block", blocks / every.size))
        rows.append((name, "one root for all blocks", found.shape.root_per_batch(every).nodes / every.size))
    return pl.DataFrame(rows, schema=["choice", "mode", "reads"], orient="row")


def hashing(frame: pl.DataFrame, p: FlatKv) -> pl.DataFrame:
    """Return Keccak permutations per update of the trie and of the difference: ``what``, ``permutations``, ``kind``."""
    rng = np.random.default_rng((p.seed, 2))
    largest = frame.filter(pl.col("keys") == frame["keys"].max())
    rows = [
        (mode, largest.filter(pl.col("mode") == mode)["permutations"][0], "reads the database")
        for mode in (UPDATE, BATCH, MERGED)
    ]
    for depth in p.depths:
        hashes = trie_shape.difference_hashes(p.batch, depth, rng) / p.batch
        rows.append((f"h(Δ), tree of depth {depth}", hashes, "in memory"))
    listed = float(trie_shape.permutations(np.array([64 * p.batch]))[0]) / p.batch
    rows.append(("h(Δ), sorted list", listed, "in memory"))
    return pl.DataFrame(rows, schema=["what", "permutations", "kind"], orient="row")


def hash_results(frame: pl.DataFrame) -> dict[str, float]:
    """Return what the chapter records of `hashing`, by name; depths that were not asked for are left out."""
    at = dict(frame.select("what", "permutations").iter_rows())
    names = {f"h(Δ), tree of depth {depth}": f"delta_{depth}" for depth in (32, 64, 256)}
    names["h(Δ), sorted list"] = "delta_list"
    return {name: at[what] for what, name in names.items() if what in at}


def merging(blocks: list[np.ndarray]) -> pl.DataFrame:
    """Return what rehashing once per K blocks saves.

    Returns
    -------
    polars.DataFrame
        ``blocks`` (K), ``what`` (leaves, nodes), ``ratio``: rehashed block by block over rehashed once, summed over
        disjoint runs of K blocks, ``low`` and ``high`` the least and largest of the runs' own ratios.
    """
    rows = []
    for k in (step for step in _STEPS if step <= len(blocks)):
        apart, together = trie_shape.runs(blocks, k)
        for at, what in enumerate(("leaves", "nodes")):
            own = apart[:, at] / together[:, at]
            rows.append((k, what, apart[:, at].sum() / together[:, at].sum(), own.min(), own.max()))
    return pl.DataFrame(rows, schema=["blocks", "what", "ratio", "low", "high"], orient="row")


def merge_results(frame: pl.DataFrame) -> dict[str, Estimate]:
    """Return the ratios of `merging` for all blocks and for ten, by name; a shorter trace leaves the latter out."""
    most = whole(frame["blocks"].max())
    out: dict[str, Estimate] = {}
    for what, blocks, *found in frame.select("what", "blocks", "ratio", "low", "high").iter_rows():
        out |= {f"merge_{what}": Estimate(*found)} if blocks == most else {}
        out |= {f"merge_{what}_10": Estimate(*found)} if blocks == 10 else {}
    return out
