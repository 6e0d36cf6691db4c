"""What the chapter ``verifier_memory`` computes: the same set both ways, bytes by version, what batches would save."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl

from rollstate.chapters.verifier_memory import audit
from rollstate.chapters.verifier_memory.parameters import VerifierMemory
from rollstate.traces import datasets
from rollstate.traces.parts import Parts, load_window
from rollstate.traces.schema import Trace
from rollstate.worlddiff import columnar, comparisons, layout, operations, workloads
from rollstate.worlddiff.world import FixedCostWorld
from rollstate.worlddiff.world_diff import Mode, WorldDiff

MIB = layout.MIB
BLOCKS = 50
"""Blocks of the trace that are made into streams."""
VERSIONS = {
    "trace on, before the change": ("before", True, False),
    "trace off": ("gate", False, False),
    "trace off, maps merged": ("merged", False, False),
    "trace off, maps merged, lists reserved": ("merged", False, True),
}
COLUMNS = "columns, trace on"
STAGES = {
    "before,\ntrace on": ("before", True),
    "trace\noff": ("gate", False),
    "sets\nmerged": ("group B", False),
    "writes\nmerged": ("group A", False),
    "merged,\ntrace on": ("merged", True),
}
PARTS = {
    "trace, or log of accesses": ("trace", "log"),
    "pending twins": ("pending twins",),
    "refunds and pubdata costs": ("refunds", "pubdata costs"),
    "ids and costs of writes": ("written values and costs",),
    "sets or flags of slots": ("slots read", "slots written", "protective reads", "flags"),
    "pending writes": ("pending values", "pubdata paid", "pending writes"),
    "initial values": ("initial values",),
    "keys and state of slots": ("slot keys", "slot state"),
    "table of values": ("values",),
}
STEPS: list[tuple] = [
    ("read", 1, 0),
    ("enter",),
    ("write", 1, 0, 7),
    ("enter",),
    ("read", 1, 0),
    ("write", 1, 0, 8),
    ("revert",),
    ("read", 1, 0),
    ("revert",),
    ("read", 1, 0),
    ("write", 1, 0, 9),
]


def batches(p: VerifierMemory) -> tuple[pd.DataFrame, str]:
    """Return counts of batches as `workloads.era_batches` does, and what they are, in words."""
    if p.counts == "sample":
        return workloads.sampled_batches(50, p.seed), "invented batches"
    return workloads.era_batches(datasets.locate(p.counts) / "era_batch_storage_counts.csv"), "real batches"


def claimed(p: VerifierMemory) -> layout.BatchCounts:
    """Return the counts of the published batch; how its accesses divide into kinds is a parameter."""
    writes = round(p.write_share * p.refunds)
    transients = round(p.transient_share * p.costs)
    return layout.BatchCounts(
        reads=p.refunds - writes,
        writes=writes,
        code_reads=p.costs - transients - p.refunds,
        transients=transients,
        undone=0,
        slots=p.slots,
        slots_written=p.slots,
    )


def timeline() -> pl.DataFrame:
    """Return one slot through nested frames that fail.

    Returns
    -------
    polars.DataFrame
        ``step``, ``operation``, ``series`` (open frames, pending writes, protective read, length of the trace) and
        ``value``.
    """
    rows: list[tuple[int, str, str, int]] = []
    for step in range(1, len(STEPS) + 1):
        name = str(STEPS[step - 1][0])
        recording = WorldDiff(FixedCostWorld({}), Mode.RECORDING)
        operations.replay(recording, STEPS[:step])
        done = [one[0] for one in STEPS[:step]]
        pending = len(recording.pending_twins)
        label = "fail" if name == "revert" else name
        rows.append((step, label, "open frames", done.count("enter") - done.count("revert")))
        rows.append((step, label, "pending writes", pending))
        rows.append((step, label, "length of the trace", len(recording.trace)))
        if name == "read" and pending == 0:
            rows.append((step, label, "protective read", 0))
    return pl.DataFrame(rows, ("step", "operation", "series", "value"), orient="row")


_FIELDS = {
    "pending writes": lambda diff: dict(diff.storage_writes.entries),
    "transient storage": lambda diff: dict(diff.transient_storage.entries),
    "events": lambda diff: list(diff.events),
    "logs to L1": lambda diff: list(diff.l1_logs),
    "pubdata": lambda diff: diff.pubdata,
    "flags of slots": lambda diff: dict(diff.slot_flags.entries),
    "refunds": lambda diff: list(diff.storage_refunds),
    "pubdata costs": lambda diff: list(diff.pubdata_costs),
    "decommits and their outcome": lambda diff: dict(diff.decommitted_hashes.entries),
    "trace": lambda diff: list(diff.trace),
    "initial values": lambda diff: dict(diff.initial_values),
}


def undone() -> pl.DataFrame:
    """Return which structure a failing frame and a rolled back transaction undo, found by doing it."""

    def change(diff: WorldDiff) -> None:
        diff.write(1, 0, 7)
        diff.write_transient(1, 0, 7)
        diff.emit("event")
        diff.send_to_l1("log")
        diff.decommit(5)

    framed, whole = (WorldDiff(FixedCostWorld({})) for _ in range(2))
    empty = {name: field(framed) for name, field in _FIELDS.items()}
    frame = framed.enter()
    change(framed)
    framed.revert(frame)
    whole.begin()
    change(whole)
    whole.rollback()
    told = [
        (name, *("undone" if field(diff) == empty[name] else "kept" for diff in (framed, whole)))
        for name, field in _FIELDS.items()
    ]
    return pl.DataFrame(told, ("structure", "frame fails", "transaction rolled back"), orient="row")


def load(ref: str) -> Trace:
    """Return a trace, or of one that is read part by part the blocks that `same_sets` takes of it."""
    read = load_window(ref)
    if not isinstance(read, Parts):
        return read
    # In the order of slots, in which the whole trace would have them first.
    seen = pl.concat(read.map(_first_blocks)).group_by("block_number").agg(pl.col("slot_id").min())
    return read.of_blocks(seen.sort("slot_id", "block_number")["block_number"].head(BLOCKS).to_numpy())


def _first_blocks(part: Trace) -> pl.DataFrame:
    """Return the `BLOCKS` blocks that come first in the order of slots, and the first slot of each."""
    first = part.accesses.group_by("block_number").agg(pl.col("slot_id").min())
    return first.sort("slot_id", "block_number").head(BLOCKS)


def same_sets(trace: Trace, p: VerifierMemory) -> dict[str, int]:
    """Return how many blocks of a trace were made into streams, and for how many both sets are equal.

    The slots, and which transaction wrote which, are those of the trace; the rest is sampled.
    """
    touches = trace.accesses.to_pandas()
    table = np.zeros((trace.slots.height, columnar.SLOT_BYTES), np.uint8)
    for row, (address, slot) in enumerate(trace.slots.select("address", "slot").iter_rows()):
        table[row] = np.frombuffer(address.rjust(20, b"\0") + slot.rjust(32, b"\0"), np.uint8)
    repeats, equal = workloads.Repeats(p.per_slot, p.reverted), 0
    blocks = touches["block_number"].unique()[:BLOCKS]
    for block in blocks:
        stream = workloads.from_touches(touches[touches["block_number"] == block], table, repeats, p.seed)
        diff = columnar.ColumnarWorldDiff(FixedCostWorld({}))
        diff.run(stream)
        by_trace, by_maps = diff.accesses_from_trace(), diff.accesses_from_maps()
        equal += all(np.array_equal(a, b) for a, b in zip(by_trace, by_maps, strict=True))
    return {"tried": len(blocks), "equal": equal}


def columns_of(counts: layout.BatchCounts) -> list[layout.Structure]:
    """Return the layout of the columns for a batch whose written values are all distinct, without work in progress."""
    return [item for item in layout.columns(counts, counts.writes + 1) if item.name != "slice"]


def measured(p: VerifierMemory) -> dict[str, int | float]:
    """Return what the columns hold of a stream with the published counts, every written value distinct."""
    counts = claimed(p)
    per_tx = [max(1, round(n / p.transactions)) for n in (counts.reads, counts.writes, counts.code_reads)]
    shape = workloads.StreamShape(
        p.transactions, per_tx[0], per_tx[1], per_tx[2], p.slots, reverted=p.reverted
    )
    diff = columnar.ColumnarWorldDiff(FixedCostWorld({}))
    diff.run(workloads.stream(shape, p.seed))
    held = diff.nbytes
    return {
        "measured_accesses": shape.accesses,
        "bytes_per_access": (held["log"] + held["written values and costs"]) / shape.accesses,
        "held_per_access": sum(held.values()) / shape.accesses,
    }


def growth(counts: layout.BatchCounts, transactions: int) -> pl.DataFrame:
    """Return the bytes held while a batch runs: ``version``, ``transactions`` run so far, ``mib``."""
    shares = np.linspace(0.005, 1, 400)
    found = {
        name: layout.structures(counts, version, recording=on, reserve=reserve)
        for name, (version, on, reserve) in VERSIONS.items()
    }
    found[COLUMNS] = columns_of(counts)
    rows = [
        (name, float(share) * transactions, layout.at(items, float(share)) / MIB)
        for name, items in found.items()
        for share in shares
    ]
    return pl.DataFrame(rows, ("version", "transactions", "mib"), orient="row")


def sizes(counts: layout.BatchCounts) -> dict[str, float | int]:
    """Return the bytes and savings that the chapter records of the published batch, by the names of its results."""
    gate, merging = (value / MIB for value in layout.saving(counts))
    before = layout.live(layout.structures(counts, "before", recording=True))
    reserved = layout.live(layout.structures(counts, "merged", recording=False, reserve=True))
    return {
        "before": before / MIB,
        "gate": gate,
        "merging": merging,
        "reserved": reserved / MIB,
        "columns": layout.live(columns_of(counts)) / MIB,
        "original_per_access": before / counts.forward,
        # Merging saves the same per slot, whatever else the batch does.
        "slots_needed": round(200 / (merging / counts.slots)),
        "trace_length": counts.trace * layout.QUERY / MIB,
        "coincidence": (counts.costs + counts.refunds) * layout.QUERY / MIB,
    }


def structures(counts: layout.BatchCounts) -> pl.DataFrame:
    """Return the bytes held at the end of a batch: ``version``, ``structure`` (a key of `PARTS`) and ``mib``."""
    found = {name: layout.structures(counts, version, recording=on) for name, (version, on) in STAGES.items()}
    found["columns,\ntrace on"] = columns_of(counts)
    part_of = {name: part for part, names in PARTS.items() for name in names}
    rows = [
        (version, part_of[item.name], item.bytes / MIB) for version, items in found.items() for item in items
    ]
    table = pl.DataFrame(rows, ("version", "structure", "mib"), orient="row")
    return table.group_by("version", "structure", maintain_order=True).agg(pl.col("mib").sum())


def savings(counts: layout.BatchCounts, table: pd.DataFrame) -> pl.DataFrame:
    """Return what dropping the trace and merging the maps save, for real batches and over a grid of the model.

    Parameters
    ----------
    counts : BatchCounts
        The published batch, whose mix of accesses the grid has.
    table : pandas.DataFrame
        As `batches` returns it.

    Returns
    -------
    polars.DataFrame
        ``series`` (model, batches, published batch), ``accesses``, ``slots``, ``per_slot``, ``gate`` and ``merging`` in
        MiB, ``ratio``.
    """
    one = replace(counts, slots=1, slots_written=1)
    made: list[tuple[str, float, layout.BatchCounts]] = []
    for per_slot in np.geomspace(2, 2_000, 31).tolist():
        for accesses in np.geomspace(1e5, 1e7, 25):
            slots = round(accesses / per_slot)
            batch = replace(one.scaled(accesses / one.forward), slots=slots, slots_written=slots)
            made.append(("model", per_slot, batch))
    real = [("batches", layout.counts_of(row)) for row in table.to_dict("records")]
    for series, batch in [*real, ("published batch", counts)]:
        made.append((series, batch.forward / batch.slots, batch))
    rows = []
    for series, per_slot, batch in made:
        gate, merging = (value / MIB for value in layout.saving(batch))
        rows.append((series, batch.forward, batch.slots, per_slot, gate, merging, gate / merging))
    names = ("series", "accesses", "slots", "per_slot", "gate", "merging", "ratio")
    return pl.DataFrame(rows, names, orient="row")


def median_ratio(table: pl.DataFrame) -> float:
    """Return the median over batches of how many times as much dropping the trace saves; from `savings`."""
    return float(table.filter(pl.col("series") == "batches")["ratio"].median())  # type: ignore[arg-type]


def work(p: VerifierMemory) -> pl.DataFrame:
    """Return comparisons of keys to derive the set: ``accesses``, ``sort of`` (trace or slots), ``comparisons``."""
    rows = []
    for size in p.sizes:
        shape = workloads.StreamShape(max(1, size // 269), 92, 34, 143, max(1, size // 110), p.reverted)
        diff = columnar.ColumnarWorldDiff(FixedCostWorld({}))
        diff.run(workloads.stream(shape, p.seed))
        queried = np.concatenate([chunk[1] for chunk in diff.trace_chunks()])
        distinct = np.unique(queried)
        np.random.default_rng(p.seed).shuffle(distinct)
        for name, keys in (("every query of the trace", queried), ("the distinct slots", distinct)):
            rows.append((shape.accesses, name, comparisons.sort_comparisons(keys.tolist())))
    return pl.DataFrame(rows, ("accesses", "sort of", "comparisons"), orient="row")


def work_ratio(table: pl.DataFrame) -> float:
    """Return the comparisons of the trace's sort as a multiple of those of the slots', on the largest stream."""
    trace, slots = table.filter(pl.col("accesses") == pl.col("accesses").max())["comparisons"]
    return trace / slots


def claims(p: VerifierMemory, same: dict[str, int]) -> pl.DataFrame:
    """Return the audit of the published figures, as `audit.claims` says; `same` is what `same_sets` returned."""
    return audit.claims(claimed(p), tried=same["tried"], equal=same["equal"])
