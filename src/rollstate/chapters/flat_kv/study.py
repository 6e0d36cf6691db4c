"""What the chapter ``flat_kv`` computes: database operations and hashes of a trie and of a flat store, as counts."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import polars as pl

from rollstate.chapters.flat_kv.parameters import FlatKv
from rollstate.dispute import trie_shape
from rollstate.dispute.collapsed_tree import CollapsedTree
from rollstate.dispute.stores import LmdbStore
from rollstate.estimate import Estimate
from rollstate.execution import commitment_cost
from rollstate.flat_evm import blocks as runs
from rollstate.flat_evm import comparison
from rollstate.flat_evm.blocks import ExecutedBlock
from rollstate.scalars import real, whole
from rollstate.traces import datasets
from rollstate.traces.live.workload import Workload
from rollstate.traces.parts import Parts, load_window
from rollstate.traces.schema import Trace

UPDATE, BATCH, MERGED, FLAT = "root per update", "root per batch", "root per checkpoint", "flat"
_LARGEST_REPLAY = 1_000_000
_STEPS = (1, 2, 5, 10, 25, 50, 100, 250)
TAKEN, FEWEST, MOST = 200_000, _STEPS[-1], 4 * _STEPS[-1]
"""Accesses, and least and largest number of blocks, of the stretch that stands for a trace too large for one process."""


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


def load(ref: str) -> tuple[Trace, Parts | None]:
    """Return a trace, or a stretch in the middle of one that is read part by part, and then its window."""
    read = load_window(ref)
    if isinstance(read, Parts):
        # A root is counted for every block, which takes long where blocks are many and nearly empty.
        accesses = min(TAKEN, MOST * read.accesses // read.blocks.height)
        return read.some_blocks(accesses, length=FEWEST, together=True), read
    return read, None


def notes(trace: Trace, window: Parts | None) -> list[str]:
    """Say in a sentence what stretch of its window a trace is; nothing if it is all of it."""
    if window is None:
        return []
    return [
        f"Writes are those of one stretch in the middle of this trace, {trace.capability.n_blocks:,} of its "
        f"{window.blocks.height:,} blocks with {trace.accesses.height:,} of {window.accesses:,} accesses; the state has the slots "
        "that the stretch touches."
    ]


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
    rows.append(("h(Δ), collapsed tree", collapsed_hashes(p)[0], "in memory"))
    listed = float(trie_shape.permutations(np.array([64 * p.batch]))[0]) / p.batch
    rows.append(("h(Δ), sorted list", listed, "in memory"))
    return pl.DataFrame(rows, schema=["what", "permutations", "kind"], orient="row")


def collapsed_hashes(p: FlatKv) -> tuple[float, float]:
    """Build a batch's difference over 256-bit keys; return hashes per entry, and hashes to check a path of it."""
    rng = np.random.default_rng((p.seed, 4))
    delta = {int.from_bytes(rng.bytes(32), "big"): 2 for _ in range(p.batch)}
    tree = CollapsedTree()
    root = tree.build(delta)
    paths = [1 + len(tree.prove(root, key).bits) for key in delta]
    return tree.hashes / len(delta), float(np.mean(paths))


def hash_results(frame: pl.DataFrame) -> dict[str, float]:
    """Return what the chapter records of `hashing`, by name; depths that were not asked for are left out."""
    at = dict(frame.select("what", "permutations").iter_rows())
    names = {f"h(Δ), tree of depth {depth}": f"delta_{depth}" for depth in (32, 64, 256)}
    names["h(Δ), sorted list"] = "delta_list"
    names["h(Δ), collapsed tree"] = "delta_collapsed"
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


_MEASURED = "measured.csv"


def executed_embedded(p: FlatKv) -> list[ExecutedBlock]:
    """Run blocks of the embedded chain's workload."""
    rate = float(p.evm_transactions) * 0.75
    return runs.embedded(Workload(blocks=p.evm_blocks, rate=rate, burst=rate))


def executed_published(p: FlatKv) -> list[ExecutedBlock]:
    """Run the published blocks that have no more transactions than asked for."""
    return runs.published(
        datasets.locate(p.evm), most_transactions=p.evm_transactions, most_blocks=p.evm_blocks
    )


def compared(listed: list[ExecutedBlock], source: str, p: FlatKv) -> pl.DataFrame:
    """Count what the same blocks ask of a flat store and of a trie, for each size of the state that holds them.

    Returns
    -------
    polars.DataFrame
        ``source``, ``keys``, and for each block and world the counts of `comparison.measure`; no times.
    """
    frames = []
    for keys in p.evm_sizes:
        with tempfile.TemporaryDirectory() as name:
            flat, nodes = (LmdbStore(Path(tempfile.mkdtemp(dir=name))) for _ in comparison.WORLDS)
            root = comparison.load(listed, keys, flat, nodes, np.random.default_rng((p.seed, 3)))
            frame, _ = comparison.measure(listed, flat, nodes, root)
            flat.close()
            nodes.close()
        frames.append(frame.with_columns(source=pl.lit(source), keys=pl.lit(keys)))
    counted = pl.concat(frames)
    return counted.select(pl.exclude("^.*_seconds$"))


def operations(counted: pl.DataFrame) -> pl.DataFrame:
    """Return database operations per touched key: ``source``, ``world``, ``keys``, ``mean``, ``low``, ``high``.

    A touched key is an account or slot that a block reads, and once more if it changes it; ``mean`` is that of all blocks
    together, ``low`` and ``high`` are the least and the largest block.
    """
    done = pl.col("reads") + pl.col("writes")
    touched = pl.col("read_keys") + pl.col("written_keys")
    return counted.group_by("source", "world", "keys", maintain_order=True).agg(
        mean=done.sum() / touched.sum(), low=(done / touched).min(), high=(done / touched).max()
    )


def compared_results(counted: pl.DataFrame) -> dict[str, float | int]:
    """Return what the chapter records of `compared`, by name, for one source."""
    (source,) = counted["source"].unique()
    total = counted.group_by("world", "keys").agg(pl.exclude("source", "block").sum())
    large, small = whole(counted["keys"].max()), whole(counted["keys"].min())

    def ratio(keys: int, *columns: str) -> float:
        sums = {
            world: sum(real(total.filter(world=world, keys=keys)[column][0]) for column in columns)
            for world in comparison.WORLDS
        }
        return sums["trie"] / sums["flat"]

    one = counted.filter(world="flat", keys=large)
    return {
        f"{source}_blocks": one.height,
        f"{source}_transactions": int(one["transactions"].sum()),
        f"{source}_read_share": real(one["read_keys"].sum())
        / real((one["read_keys"] + one["written_keys"]).sum()),
        f"{source}_operations": ratio(large, "reads", "writes"),
        f"{source}_operations_first": ratio(small, "reads", "writes"),
        f"{source}_reads": ratio(large, "reads"),
        f"{source}_writes": ratio(large, "writes"),
        f"{source}_bytes": ratio(large, "bytes_read", "bytes_written"),
        f"{source}_permutations": ratio(large, "permutations"),
    }


def recorded_times() -> pl.DataFrame:
    """Return the CPU times that ``benchmarks/flat_evm.py --record`` wrote, with the machine they are from."""
    return pl.read_csv(resources.files(__package__).joinpath(_MEASURED).read_bytes())


def time_ratios(measured: pl.DataFrame) -> pl.DataFrame:
    """Return time over the trie by that over flat storage.

    Parameters
    ----------
    measured : polars.DataFrame
        `comparison.measure` with ``keys``.

    Returns
    -------
    polars.DataFrame
        ``keys``, ``what`` ("database": inside the database; "compiled": that, hashing and the EVM; "whole":
        all, with the bookkeeping of Python), ``flat`` and ``trie`` (seconds per block, mean), ``ratio`` of these, and
        ``low`` and ``high`` over blocks.
    """
    database = pl.col("read_seconds") + pl.col("write_seconds")
    parts = {
        "database": database,
        "compiled": database + pl.col("hash_seconds") + pl.col("evm_seconds"),
        "whole": pl.col("state_seconds") + pl.col("evm_seconds"),
    }
    rows = []
    for what, seconds in parts.items():
        wide = measured.with_columns(seconds=seconds).pivot(
            "world", index=["keys", "block"], values="seconds"
        )
        rows.append(
            wide.group_by("keys", maintain_order=True)
            .agg(
                flat=pl.col("flat").mean(),
                trie=pl.col("trie").mean(),
                low=(pl.col("trie") / pl.col("flat")).min(),
                high=(pl.col("trie") / pl.col("flat")).max(),
            )
            .with_columns(what=pl.lit(what), ratio=pl.col("trie") / pl.col("flat"))
        )
    ordered = pl.concat(rows).select("keys", "what", "flat", "trie", "ratio", "low", "high")
    return ordered.sort("keys", maintain_order=True)


def time_results(ratios: pl.DataFrame) -> dict[str, Estimate | int]:
    """Return what the chapter records of `time_ratios`: the largest and the smallest state."""
    large, small = whole(ratios["keys"].max()), whole(ratios["keys"].min())
    out: dict[str, Estimate | int] = {"time_keys": large, "time_keys_first": small}
    for what, keys, *found in ratios.select("what", "keys", "ratio", "low", "high").iter_rows():
        if keys == large:
            out[f"time_{what}"] = Estimate(*found)
        if keys == small:
            out[f"time_{what}_first"] = Estimate(*found)
    return out
