"""What the chapter ``execution_state`` computes: trees, witnesses, caches, reads, expiry, shards."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from rollstate import coverage
from rollstate.bootstrap import percentile_interval
from rollstate.caching.curves import LRU
from rollstate.chapters.execution_state.parameters import ExecutionState
from rollstate.dispute import trie_shape
from rollstate.errors import InputError
from rollstate.estimate import Estimate
from rollstate.execution import (
    block_witness,
    caches,
    commitment_cost,
    conflicts,
    expiry,
    list_sizes,
    remedies,
    schedules,
    shards,
    state_trees,
    throughput,
)
from rollstate.tiering.names import FIXED
from rollstate.traces import block_access_list, datasets
from rollstate.traces.datasets import SAMPLE
from rollstate.traces.parts import Parts, load_window
from rollstate.traces.schema import Trace

TREES = {
    "hexary": state_trees.HEXARY,
    "binary": state_trees.BINARY,
    "binary, six levels a page": state_trees.PAGED,
}
DEPTHS = (1, 2, 4, 8, 16, 32, 64)
TAKEN, FEWEST = 200_000, 50
"""Accesses, and least number of blocks, of the stretch that stands for a trace too large for one process."""


@dataclass(frozen=True)
class Seen:
    """A trace, accounts listed in each block where lists say them, and touches, one for each slot and block.

    ``weights`` has the bytes of each block's ``list`` and ``difference`` where the source has access lists. ``window`` is
    what the trace is a stretch of, if it is one.
    """

    trace: Trace
    listed: dict[int, int]
    p: ExecutionState
    weights: pl.DataFrame | None = None
    window: Parts | None = None

    @cached_property
    def events(self) -> pl.DataFrame:
        """Touches with the gap to the one before."""
        gap = pl.col("block_number").diff().over("slot_id")
        return coverage.events(self.trace).with_columns(gap=gap).sort("block_number", "slot_id")

    @cached_property
    def numbers(self) -> np.ndarray:
        """Blocks with a touch."""
        return np.unique(self.events["block_number"].to_numpy())

    @cached_property
    def distances(self) -> np.ndarray:
        """Stack distance of each touch."""
        return caches.stack_distances(self.events["slot_id"].to_numpy())

    def by_block(self, marks: np.ndarray) -> np.ndarray:
        """Return the sum of marks in each block."""
        at = np.searchsorted(self.numbers, self.events["block_number"].to_numpy())
        return np.bincount(at, marks, len(self.numbers))

    @cached_property
    def touches(self) -> np.ndarray:
        """Touches of each block."""
        return self.by_block(np.ones(self.events.height))

    def share(self, top: np.ndarray, bottom: np.ndarray) -> Estimate:
        """Return a ratio of sums over blocks with its bootstrap interval."""
        rows = np.random.default_rng(self.p.seed).integers(0, len(top), (self.p.draws, len(top)))
        # Blocks without a touch can leave a draw with nothing to divide by.
        drawn = top[rows].sum(1) / np.maximum(bottom[rows].sum(1), 1)
        return Estimate(float(top.sum() / max(bottom.sum(), 1)), *percentile_interval(drawn))

    def mean(self, values: np.ndarray) -> Estimate:
        """Return a mean over blocks with its bootstrap interval."""
        return self.share(values, np.ones(len(values)))


def load(p: ExecutionState) -> Seen:
    """Return the trace that the parameters name, with the number of listed accounts where it has lists.

    Of a trace that is read part by part it is a stretch of blocks in the middle, with about `TAKEN` accesses.
    """
    trace = load_window(p.trace)
    if isinstance(trace, Parts):
        return Seen(trace.some_blocks(TAKEN, length=FEWEST, together=True), {}, p, window=trace)
    folder = datasets.locate(p.trace)
    if not (folder.is_dir() and any(folder.glob("*.rlp"))):
        return Seen(trace, {}, p)
    listed, sizes = {}, []
    for number, accounts in block_access_list.blocks(folder):
        listed[number] = len(accounts)
        sizes.append((list_sizes.list_bytes(accounts), list_sizes.difference_bytes(accounts)))
    weights = pl.DataFrame(sizes, schema=["list", "difference"], orient="row")
    return Seen(trace, listed, p, weights)


def notes(seen: Seen) -> list[str]:
    """Say in sentences what the trace does not show: blocks that are left out, and conflicts."""
    return [*_of_stretch(seen), *conflicts.unseen(seen.trace)]


def _of_stretch(seen: Seen) -> list[str]:
    if seen.window is None:
        return []
    stamp, every = seen.trace.capability, seen.window
    return [
        f"All numbers of this trace are those of one stretch in its middle, {stamp.n_blocks:,} of its {every.blocks.height:,} blocks "
        f"with {seen.trace.accesses.height:,} of {every.accesses:,} accesses. Caches start empty at the first of these blocks, so "
        "that they hit less than over the whole trace."
    ]


def trees(p: ExecutionState) -> pl.DataFrame:
    """Return ``tree``, ``batch``, ``depth``, ``reads``, ``hashes``, ``hashed_bytes``: expected cost for each key."""
    rows = []
    for tree, layout in TREES.items():
        for batch in (1, 10, 100, 1_000, 10_000):
            cost = state_trees.update_cost(layout, p.slots, batch)
            rows.append((tree, batch, cost.depth, cost.reads, cost.hashes, cost.hashed_bytes))
    return pl.DataFrame(
        rows, schema=["tree", "batch", "depth", "reads", "hashes", "hashed_bytes"], orient="row"
    )


def amplification(frame: pl.DataFrame, p: ExecutionState) -> pl.DataFrame:
    """Return page reads of one update when each node is a key of an index, with and without upper levels in memory."""
    one = frame.filter(batch=1)
    cold, warm = (state_trees.b_tree_reads(p.slots, 200, cached) for cached in (0, 3))
    return one.select(
        "tree",
        pl.col("reads").alias("node reads"),
        (pl.col("reads") * cold).alias("pages, B-tree, nothing cached"),
        (pl.col("reads") * warm).alias("pages, B-tree, three levels cached"),
        (pl.col("reads") * state_trees.lsm_reads(7, 0.01)).alias("pages, LSM tree of 7 levels"),
    )


def witnesses(seen: Seen) -> dict[str, np.ndarray]:
    """Return each block's witness in kB by kind of tree, all listed accounts counted."""
    p = seen.p
    named = seen.events.join(seen.trace.slots.select("slot_id", "address"), on="slot_id").select(
        "block_number", "address"
    )
    changes = conflicts.trace_changes(seen.trace).select("block_number", "address")
    with_changes = pl.concat([named, changes])
    found = dict(with_changes.group_by("block_number").agg(pl.col("address").n_unique()).iter_rows())
    contracts = dict(named.group_by("block_number").agg(pl.col("address").n_unique()).iter_rows())
    writes = seen.trace.accesses.filter("is_write").select("block_number", "slot_id").unique()
    written = dict(writes.group_by("block_number").len().iter_rows())
    changed = dict(changes.unique().group_by("block_number").len().iter_rows())
    listed: dict[int, int] = found | seen.listed
    out: dict[str, list[float]] = {"hexary": [], "binary": [], "Verkle": []}
    for number, touched in zip(seen.numbers.tolist(), seen.touches.tolist(), strict=True):
        accounts, slots = listed[number], int(touched)
        for kind, size in (
            ("hexary", state_trees.witness_hexary_bytes),
            ("binary", state_trees.witness_binary_bytes),
        ):
            out[kind].append(size(accounts, p.accounts) + size(slots, p.slots))
        values = written.get(number, 0) + changed.get(number, 0)
        chunks = p.code_chunks * contracts[number]
        out["Verkle"].append(
            state_trees.witness_verkle_bytes(accounts, slots, values, p.accounts + p.slots, chunks)
        )
    return {kind: np.array(sizes) / 1e3 for kind, sizes in out.items()}


def witness_frame(seen: Seen, sizes: dict[str, np.ndarray]) -> pl.DataFrame:
    """Return ``kind``, ``kb``, ``low``, ``high``."""
    rows = [(kind, *seen.mean(kb)) for kind, kb in sizes.items()]
    return pl.DataFrame(rows, schema=["kind", "kb", "low", "high"], orient="row")


def real_witnesses(ref: str) -> pl.DataFrame | None:
    """Return real trie nodes, the hexary formula for them, code, and leaves of each witness; None for the sample."""
    if ref == SAMPLE:
        return None
    real = [block_witness.read(path) for path in sorted(datasets.locate(ref).glob("*.json.gz"))]
    rows = [(w.node_bytes / 1e3, w.formula_bytes() / 1e3, w.code_bytes / 1e3, w.leaves) for w in real]
    return pl.DataFrame(rows, schema=["real_kb", "formula_kb", "code_kb", "leaves"], orient="row")


def cache(seen: Seen) -> pl.DataFrame:
    """Return ``size``, ``hits``, ``low``, ``high`` of least-recently-used caches."""
    most = max(int(seen.distances.max()), 2)
    sizes = np.unique(np.geomspace(max(1, min(256, most // 2)), most, 12).round().astype(int))
    rows = [
        (int(s), *seen.share(seen.by_block((seen.distances > 0) & (seen.distances <= s)), seen.touches))
        for s in sizes
    ]
    return pl.DataFrame(rows, schema=["size", "hits", "low", "high"], orient="row")


def last(frame: pl.DataFrame, value: str, **where: str | int) -> Estimate:
    """Return the last line that has these values as an estimate."""
    row = frame.filter(*(pl.col(name) == this for name, this in where.items())).row(-1, named=True)
    return Estimate(row[value], row["low"], row["high"])


def reading(seen: Seen) -> pl.DataFrame:
    """Return a block's modelled time: ``engine``, ``depth``, ``ms``, ``low``, ``high``."""
    p, rows = seen.p, []
    for engine, threads, overlapped in (
        ("one thread, then reads", 1, False),
        ("one thread, reads at once", 1, True),
        (f"{p.threads} threads, then reads", p.threads, False),
        (f"{p.threads} threads, reads at once", p.threads, True),
    ):
        for depth in DEPTHS:
            reads = [caches.read_time_s(n, p.disk_s, depth) for n in seen.touches]
            ms = np.array(
                [caches.block_time_s(p.compute_s, threads, r, overlapped=overlapped) * 1e3 for r in reads]
            )
            rows.append((engine, depth, *seen.mean(ms)))
    return pl.DataFrame(rows, schema=["engine", "depth", "ms", "low", "high"], orient="row")


def read_ms(seen: Seen, depth: int) -> Estimate:
    """Return the modelled time to read a block's slots with so many reads under way."""
    return seen.mean(np.array([caches.read_time_s(n, seen.p.disk_s, depth) * 1e3 for n in seen.touches]))


def expired(seen: Seen) -> pl.DataFrame:
    """Return ``policy``, ``kept``, ``hits``, ``low``, ``high`` of windows and of caches of the same mean size."""
    stamp = seen.trace.capability
    windows = [w for w in seen.p.windows if 2 * w <= stamp.n_blocks]
    curve = expiry.window_curve(seen.events, windows, stamp.window_start, stamp.window_stop)
    judged = seen.events["block_number"].to_numpy() >= stamp.window_start + max(windows)
    late, gap = seen.by_block(judged), seen.events["gap"].fill_null(stamp.window_stop).to_numpy()
    rows = []
    for window, _, size in curve.rows():
        rows.append((FIXED, size, *seen.share(seen.by_block(judged & (gap <= window)), late)))
    for _, _, size in curve.rows():
        hit = judged & (seen.distances > 0) & (seen.distances <= round(size))
        rows.append((LRU, size, *seen.share(seen.by_block(hit), late)))
    return pl.DataFrame(rows, schema=["policy", "kept", "hits", "low", "high"], orient="row")


def warm_sets(ref: str) -> pl.DataFrame | None:
    """Return published warm sets in percent of all slots, and a power law through 1 and 7 days; None for the sample."""
    if ref == SAMPLE:
        return None
    table = pl.read_csv(datasets.locate(ref) / "state_access_aggregates.csv")
    warm, rows = table.filter(table="warmth_slots_pct_of_1552604459"), []
    for kind, label in (("W", "written"), ("R", "read"), ("RuW", "touched")):
        share = dict(warm.filter(metric=kind).select("window_days", "value").rows())
        said = expiry.power_extrapolation(np.array([1, 7]), np.array([share[1], share[7]]), 30)
        rows.append((label, share[1], share[7], share[30], said, said / share[30] - 1))
    names = ["slots", "1 day", "7 days", "30 days", "30 days by power law", "error"]
    return pl.DataFrame(rows, schema=names, orient="row")


HASHED, OWN_BLOCKS, LATER_BLOCKS = "hash", "partition, its own blocks", "partition, later blocks"
QUOTED = {"hash_cross": HASHED, "train_cross": OWN_BLOCKS, "later_cross": LATER_BLOCKS}
"""Placements by the name of the result that quotes what crosses under them."""


def sharded(seen: Seen) -> pl.DataFrame:
    """Return ``placement``, ``shards``, ``share``, ``low``, ``high`` of transactions that cross shards.

    Raises
    ------
    InputError
        If there are no transactions to place in either half of the window.
    """
    changed, stamp = shards.changed_accounts(seen.trace), seen.trace.capability
    middle = (stamp.window_start + stamp.window_stop) // 2
    first, later = (
        changed.filter(pl.col("block_number") < middle),
        changed.filter(pl.col("block_number") >= middle),
    )

    for half, rows in (("first", first), ("second", later)):
        if rows.is_empty():
            raise InputError(
                f"no transaction of the {half} half of the window writes to an account other than the busiest of its block"
            )

    def crossing(rows: pl.DataFrame, placed: pl.DataFrame) -> Estimate:
        marks = shards.measured_cross(rows, placed)
        found = marks.group_by("block_number").agg(pl.col("crossing").sum(), pl.len()).sort("block_number")
        return seen.share(found["crossing"].to_numpy().astype(float), found["len"].to_numpy().astype(float))

    out = []
    for count in seen.p.shards:
        plain, known = shards.hashed(changed, count), shards.partitioned(first, count)
        filled = pl.concat([known, plain.join(known, on="address", how="anti")])
        accounts = shards.measured_cross(later, plain)["accounts"].to_numpy()
        said = float(np.mean(shards.cross_share(accounts, count)))
        out += [
            ("closed form", count, said, said, said),
            (HASHED, count, *crossing(later, plain)),
            (OWN_BLOCKS, count, *crossing(first, known)),
            (LATER_BLOCKS, count, *crossing(later, filled)),
        ]
    return pl.DataFrame(out, schema=["placement", "shards", "share", "low", "high"], orient="row").sort(
        "placement", maintain_order=True
    )


def limit(seen: Seen, cost: str, rule: str = "strict") -> Estimate:
    """Return the speed-up of unlimited threads, costs "unit" or "gas", as a ratio of sums over blocks."""
    found = list(conflicts.blocks(conflicts.touches(seen.trace, rule=rule)))
    weights = [np.ones(len(b)) if cost == "unit" else conflicts.access_gas(b) for b in found]
    before = [conflicts.predecessors(b) for b in found]
    path = np.array([conflicts.critical_path(b, c) for b, c in zip(before, weights, strict=True)])
    return seen.share(np.array([c.sum() for c in weights]), path)


def storage_tries(seen: Seen) -> Estimate:
    """Return the storage tries that a block touches, one for each contract."""
    named = seen.events.join(seen.trace.slots.select("slot_id", "address"), on="slot_id")
    return seen.mean(
        named.group_by("block_number")
        .agg(pl.col("address").n_unique())
        .sort("block_number")["address"]
        .to_numpy()
    )


def merged(seen: Seen, blocks: int = 10) -> dict[str, Estimate] | None:
    """Return what committing once in some blocks leaves to hash; None for fewer than two such runs.

    Shares of ``keys`` and ``nodes`` left, and ``nodes per key`` with a root in each block.
    """
    keys = commitment_cost.written_keys(seen.trace)
    if len(keys) < 2 * blocks:
        return None
    apart, together = trie_shape.runs(keys, blocks)
    return {
        "keys": seen.share(together[:, 0], apart[:, 0]),
        "nodes": seen.share(together[:, 1], apart[:, 1]),
        "nodes per key": seen.share(apart[:, 1], apart[:, 0]),
    }


def engines(seen: Seen) -> dict[str, Estimate]:
    """Return speed-ups and aborts for each transaction on the chapter's threads: strict rule, unit costs, by name.

    Speed-ups: ``locks``, ``validated``, ``validated, retries at a tenth``, ``rounds``, ``two phases``. Aborts:
    ``aborts validated`` (the writes of a failed run mark what waits for them) and ``aborts rounds`` (no marks).
    """
    blocks = list(conflicts.blocks(conflicts.touches(seen.trace, rule="strict")))
    before, threads = [conflicts.predecessors(block) for block in blocks], seen.p.threads
    size = np.array([float(len(block)) for block in blocks])
    units = [np.ones(len(block)) for block in blocks]
    valid = [schedules.revalidated(b, u, threads) for b, u in zip(before, units, strict=True)]
    cheap = [schedules.revalidated(b, u, threads, retry=0.1)[0] for b, u in zip(before, units, strict=True)]
    rounds = np.array([schedules.optimistic_rounds(block, threads) for block in blocks], float)
    share = [float(conflicts.independent(block).mean()) for block in blocks]
    phases = [n / schedules.two_phase(q, threads) for n, q in zip(size, share, strict=True)]
    locks = [schedules.list_schedule(b, u, threads) for b, u in zip(before, units, strict=True)]
    return {
        "locks": seen.share(size, np.array(locks)),
        "validated": seen.share(size, np.array([time for time, _ in valid])),
        "validated, retries at a tenth": seen.share(size, np.array(cheap)),
        "rounds": seen.share(size, rounds[:, 0]),
        "two phases": seen.share(size, np.array(phases)),
        "aborts validated": seen.share(np.array([aborts for _, aborts in valid]), size),
        "aborts rounds": seen.share(rounds[:, 1], size),
    }


def declared(seen: Seen) -> tuple[dict[str, Estimate], float]:
    """Return the limit of speed-up under each remedy, unit costs, and the hottest keys' share of conflicting pairs."""
    rows, p = remedies.rows_of(seen.trace), seen.p
    found = remedies.limits(rows, hot=p.hot_keys, threads=p.threads)
    shares = {name: seen.share(total, path) for name, (total, path) in found.items()}
    return shares, remedies.hot_share(rows, p.hot_keys)


def variations(ref: str) -> tuple[float, float] | None:
    """Return how transactions and gas per second vary over measured blocks; None for the sample."""
    if ref == SAMPLE:
        return None
    rates = throughput.rates(pl.read_csv(datasets.locate(ref) / "measured.csv"))
    tps, gas = (throughput.variation(rates, measure) for measure in throughput.MEASURES)
    return tps, gas


def amdahl(p: ExecutionState) -> pl.DataFrame:
    """Return what is left of some claimed speed-ups: ``claim``, ``share``, ``speed-up of the share``, ``overall``."""
    rows = [
        (claim, share, speed, schedules.amdahl(share, speed))
        for claim, share, speed in (
            ("parallel EVM, no limit", 0.8, np.inf),
            *(
                (f"parallel EVM, {threads} threads", 0.8, threads)
                for threads in sorted({8, 16, 32, p.threads})
            ),
            ("compiled code in no time", 0.5, np.inf),
            ("compiled code, ten times", 0.5, 10),
            ("half of that is host work", 0.25, np.inf),
        )
    ]
    return pl.DataFrame(rows, schema=["claim", "share", "speed-up of the share", "overall"], orient="row")
