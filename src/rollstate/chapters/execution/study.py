"""What the chapter ``execution`` computes: limits by rule, engines, measured blocks, remedies, lists, commitments."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from rollstate.bootstrap import percentile_interval
from rollstate.chapters.execution.parameters import Execution
from rollstate.dispute import trie_shape
from rollstate.estimate import Estimate
from rollstate.execution import (
    block_inputs,
    commitment_cost,
    conflicts,
    engines,
    list_sizes,
    remedies,
    replay,
    schedules,
)
from rollstate.execution.conflicts import Block
from rollstate.traces import block_access_list, datasets
from rollstate.traces.parts import Parts, load_window
from rollstate.traces.schema import Trace

TAKEN, STRETCH = 200_000, 50
"""Accesses of the blocks that stand for a trace too large for one process, and how many of them follow each other."""

RULE_NAMES = {"strict": "strict", "lazy": "lazy balances", "listed": "with a block access list"}
ENGINES = ("locks", "optimistic, validated", "optimistic rounds", "two phases")


MEASURED = (
    "replayed", "accepted", "exact", "transactions", "by_py_evm", "strict_below", "lazy_below", "rank_correlation",
    "log_error", "halvings", "rank_correlation_halvings", "log_error_halvings", "rank_correlation_unfitted",
    "log_error_unfitted", "tps_variation", "gas_variation",
)  # fmt: skip
"""Results that need measured blocks."""


@dataclass(frozen=True)
class Sample:
    """Blocks of one source: its trace, the folder of its lists if it has any, and of what window they are a sample."""

    trace: Trace
    folder: Path | None
    window: Parts | None = None

    @cached_property
    def by_rule(self) -> dict[str, list[Block]]:
        """Blocks under each conflict rule."""
        return {
            rule: list(conflicts.blocks(conflicts.touches(self.trace, rule=rule))) for rule in conflicts.RULES
        }

    @cached_property
    def before(self) -> list[list[list[int]]]:
        """Dependencies under the strict rule, with locks."""
        return [conflicts.predecessors(block) for block in self.by_rule["strict"]]

    @cached_property
    def independent(self) -> np.ndarray:
        """Share of each block's transactions that conflict with no other, under the strict rule."""
        return np.array([conflicts.independent(block).mean() for block in self.by_rule["strict"]])


def sample(ref: str, start: int | None = None, stop: int | None = None) -> Sample:
    """Return the blocks of a data set, or of your own trace, inside a window.

    Of a trace that is read part by part these are stretches of `STRETCH` blocks, evenly spaced, with about `TAKEN`
    accesses together.
    """
    read = load_window(ref, start, stop)
    if isinstance(read, Parts):
        return Sample(read.some_blocks(TAKEN, length=STRETCH), None, read)
    folder = datasets.locate(ref)
    listed = folder.is_dir() and any(folder.glob("*.rlp"))
    return Sample(read, folder if listed else None)


def notes(seen: Sample) -> list[str]:
    """Say in sentences what the trace does not show: blocks that are left out, and conflicts."""
    return [*_of_sample(seen), *conflicts.unseen(seen.trace)]


def _of_sample(seen: Sample) -> list[str]:
    if seen.window is None:
        return []
    blocks = int(seen.trace.blocks["observed"].sum())
    return [
        f"All numbers of this trace are those of a sample of {blocks:,} of its {seen.window.blocks.height:,} blocks, with "
        f"{seen.trace.accesses.height:,} of {seen.window.accesses:,} accesses: stretches of up to {STRETCH} blocks that follow each "
        "other, evenly spaced over the window. Intervals resample these blocks."
    ]


def ratio(top: np.ndarray, bottom: np.ndarray, p: Execution) -> Estimate:
    """Return a ratio of sums over blocks with its bootstrap interval over blocks."""
    top, bottom = np.asarray(top, float), np.asarray(bottom, float)
    rows = np.random.default_rng(p.seed).integers(0, len(top), (p.draws, len(top)))
    return Estimate(
        float(top.sum() / bottom.sum()), *percentile_interval(top[rows].sum(1) / bottom[rows].sum(1))
    )


def mean(values: np.ndarray, p: Execution) -> Estimate:
    """Return a mean over blocks with its bootstrap interval over blocks."""
    return ratio(values, np.ones(len(values)), p)


def costs(seen: Sample, kind: str) -> list[np.ndarray]:
    """Return each block's costs: "unit" or "access gas"."""
    blocks = seen.by_rule["strict"]
    return [np.ones(len(b)) if kind == "unit" else conflicts.access_gas(b) for b in blocks]


def limits(seen: Sample, p: Execution) -> pl.DataFrame:
    """Return the limit of each rule: ``rule``, ``cost``, ``average``, ``limit``, ``low``, ``high``.

    ``average`` says whether it is a ratio of sums, which weighs blocks by their work, or a mean of the blocks' ratios.
    """
    rows = []
    for rule, blocks in seen.by_rule.items():
        for kind in ("unit", "access gas"):
            cost = costs(seen, kind)
            total = np.array([c.sum() for c in cost])
            path = np.array(
                [
                    conflicts.critical_path(conflicts.predecessors(b), c)
                    for b, c in zip(blocks, cost, strict=True)
                ]
            )
            rows.append((RULE_NAMES[rule], kind, "ratio of sums", *ratio(total, path, p)))
            rows.append((RULE_NAMES[rule], kind, "mean of ratios", *mean(total / path, p)))
    return pl.DataFrame(rows, schema=["rule", "cost", "average", "limit", "low", "high"], orient="row")


def pick(frame: pl.DataFrame, value: str, **where: str | int) -> Estimate:
    """Return the one line that has these values as an estimate."""
    row = frame.filter(*(pl.col(name) == this for name, this in where.items())).row(0, named=True)
    return Estimate(row[value], row["low"], row["high"])


def by_block(seen: Sample) -> pl.DataFrame:
    """Return ``block``, ``transactions``, ``path`` (strict, unit costs) and ``independent``."""
    blocks = seen.by_rule["strict"]
    paths = [conflicts.critical_path(b, np.ones(len(b))) for b in seen.before]
    return pl.DataFrame(
        {
            "block": [b.number for b in blocks],
            "transactions": [len(b) for b in blocks],
            "path": paths,
            "independent": seen.independent,
        }
    )


def speedups(seen: Sample, p: Execution) -> pl.DataFrame:
    """Return ``engine``, ``threads``, ``speedup``, ``low``, ``high``, ``aborts`` for each transaction; strict, unit costs."""
    blocks, sizes = seen.by_rule["strict"], np.array([len(b) for b in seen.by_rule["strict"]], float)
    rows = []
    for threads in sorted({*p.threads, p.quote}):
        units = [np.ones(len(b)) for b in blocks]
        locks = [schedules.list_schedule(b, u, threads) for b, u in zip(seen.before, units, strict=True)]
        valid = [schedules.revalidated(b, u, threads) for b, u in zip(seen.before, units, strict=True)]
        rounds = [schedules.optimistic_rounds(b, threads) for b in blocks]
        phases = [n / schedules.two_phase(q, threads) for n, q in zip(sizes, seen.independent, strict=True)]
        for engine, time, aborts in (
            ("locks", locks, 0),
            ("optimistic, validated", [t for t, _ in valid], sum(a for _, a in valid)),
            ("optimistic rounds", [t for t, _ in rounds], sum(a for _, a in rounds)),
            ("two phases", phases, sum(n * (1 - q) for n, q in zip(sizes, seen.independent, strict=True))),
        ):
            rows.append((engine, threads, *ratio(sizes, np.array(time), p), aborts / sizes.sum()))
    names = ["engine", "threads", "speedup", "low", "high", "aborts"]
    return pl.DataFrame(rows, schema=names, orient="row").sort("engine", "threads")


SCHEDULES = ("locks, strict rule", "locks, lazy balances", "block access list")
FULL_BLOCK = "any full block with a list, at least"


def listed(seen: Sample, p: Execution) -> pl.DataFrame:
    """Return speed-ups by access gas: ``schedule``, ``threads``, ``speedup``, ``low``, ``high``.

    With a list nothing waits. The last schedule is no sample: what the cap on a transaction's gas leaves to a full
    block at least, whatever is in it.
    """
    cost = costs(seen, "access gas")
    total, rows = np.array([c.sum() for c in cost]), []
    for name, rule in zip(SCHEDULES, conflicts.RULES, strict=True):
        before = [conflicts.predecessors(block) for block in seen.by_rule[rule]]
        for threads in sorted({*p.threads, p.quote}):
            times = [schedules.list_schedule(b, c, threads) for b, c in zip(before, cost, strict=True)]
            rows.append((name, threads, *ratio(total, np.array(times), p)))
    for threads in sorted({*p.threads, p.quote}):
        least = schedules.guaranteed(p.block_gas, threads)
        rows.append((FULL_BLOCK, threads, least, least, least))
    return pl.DataFrame(rows, schema=["schedule", "threads", "speedup", "low", "high"], orient="row")


READING = ("a thread waits for its reads", "the thread takes another transaction", "listed reads come first")
READ_DEPTHS = (1, 2, 4, 8, 16, 32, 64)


def reads(seen: Sample, p: Execution) -> list[np.ndarray]:
    """Return the time that storage takes for each transaction: one read for each key it is the first to touch."""
    found = []
    for block in seen.by_rule["strict"]:
        known: set[int] = set()
        new = []
        for keys in block.keys:
            own = set(keys.tolist()) - known
            known |= own
            new.append(p.disk_s * len(own))
        found.append(np.array(new))
    return found


def prefetch(seen: Sample, p: Execution) -> pl.DataFrame:
    """Return a model of a block's time on the quoted threads: ``engine``, ``depth``, ``ms``, ``low``, ``high``.

    The block's computing time is shared out by access gas. Dependencies are those of lazy balances; with a list there
    are none, and reads do not wait for earlier transactions.
    """
    lazy = [conflicts.predecessors(block) for block in seen.by_rule["lazy"]]
    free = [conflicts.predecessors(block) for block in seen.by_rule["listed"]]
    compute = [p.compute_s * c / c.sum() for c in costs(seen, "access gas")]
    storage, rows = reads(seen, p), []
    for engine, before, more in (
        (READING[0], lazy, {"held": True}),
        (READING[1], lazy, {}),
        (READING[2], free, {"prefetched": True}),
    ):
        # Threads that wait have a read each under way: storage that answers fewer is not in that engine's model.
        least = p.quote if "held" in more else 1
        for depth in sorted({*READ_DEPTHS, p.read_depth} - set(range(least))):
            time = [
                schedules.with_reads(b, c, r, p.quote, depth, **more) * 1e3
                for b, c, r in zip(before, compute, storage, strict=True)
            ]
            rows.append((engine, depth, *mean(np.array(time), p)))
    return pl.DataFrame(rows, schema=["engine", "depth", "ms", "low", "high"], orient="row")


@dataclass(frozen=True)
class Measured:
    """Replayed blocks, and what their engine's authors measured."""

    replays: list[replay.BlockReplay]
    times: pl.DataFrame

    @cached_property
    def loads(self) -> list[engines.Workload]:
        """The blocks as engines see them."""
        return [engines.workload(found) for found in self.replays]

    @cached_property
    def speedups(self) -> list[float]:
        """Speed-up that was measured on each block."""
        return (self.times["sequential_ms"] / self.times["parallel_ms"]).to_list()


def measured(ref: str) -> Measured:
    """Replay the blocks of a data set that has ``measured.csv`` beside a folder for each block."""
    folder = datasets.locate(ref)
    times = pl.read_csv(folder / "measured.csv").sort("block")
    replays = [replay.replay(*block_inputs.read_folder(folder / str(number))) for number in times["block"]]
    return Measured(replays, times)


def replayed(found: Measured) -> pl.DataFrame:
    """Return how far each replay is from its header: gas, deviation, accepted, who succeeded, and what py-evm ran."""
    rows = [
        (one.number, one.fork, len(one.transactions), one.header_gas, one.gas_used, one.deviation, one.accepted,
         sum(tx.success for tx in one.transactions), sum(tx.plain for tx in one.transactions), len(one.by_py_evm),
         len(one.unknown_hashes))
        for one in found.replays
    ]  # fmt: skip
    names = [
        "block",
        "rules",
        "transactions",
        "gas",
        "replayed gas",
        "deviation",
        "accepted",
        "succeeded",
        "transfers",
        "run by py-evm",
        "unknown hashes",
    ]
    return pl.DataFrame(rows, schema=names, orient="row")


def replay_results(frame: pl.DataFrame) -> dict[str, int]:
    """Return what the chapter records of `replayed`."""
    return {
        "replayed": frame.height,
        "accepted": int(frame["accepted"].sum()),
        "exact": int((frame["gas"] == frame["replayed gas"]).sum()),
        "transactions": int(frame["transactions"].sum()),
        "by_py_evm": int(frame["run by py-evm"].sum()),
    }


def against(found: Measured) -> pl.DataFrame:
    """Return each rule's limit beside the measured speed-up: ``block``, ``rule``, ``limit``, ``measured``."""
    rows = []
    for load, real in zip(found.loads, found.speedups, strict=True):
        cost = load.costs["gas less intrinsic"]
        for rule in conflicts.RULES:
            path = conflicts.critical_path(conflicts.predecessors(load.blocks[rule]), np.ones(len(load)))
            gas = conflicts.critical_path(conflicts.predecessors(load.blocks[rule]), cost)
            rows.append((load.number, RULE_NAMES[rule], len(load) / path, float(cost.sum() / gas), real))
    names = ["block", "rule", "limit", "limit_gas", "measured"]
    return pl.DataFrame(rows, schema=names, orient="row")


def fitted(found: Measured, p: Execution) -> engines.Fits:
    """Return what every engine of the grid says of every measured block."""
    start = engines.Engine(threads=p.engine_threads, sequential_below=p.sequential_gas)
    return engines.fits(found.loads, found.speedups, start)


ENGINE_FIELDS = ("rule", "cost", "overhead", "lock", "serial", "retry", "fixed")


def block_stm(fit: pl.DataFrame, p: Execution) -> pl.DataFrame:
    """Return what the engine nearest to each half says of Block-STM's benchmark beside what its authors published (32 threads).

    Gelashvili and others (2022), https://arxiv.org/abs/2203.06871: two random accounts for each transaction.
    """
    rng = np.random.default_rng(p.seed)
    rows = []
    for accounts, low, high in ((100, 8.0, 8.0), (10_000, 17.0, 20.0)):
        load = engines.random_transfers(10_000, accounts, rng)
        for (half,), part in fit.group_by("half", maintain_order=True):
            row = part.row(0, named=True)
            own = {name: row[name] for name in ENGINE_FIELDS}
            speedup, aborts = engines.Engine(threads=32, **own).run(load)
            rows.append((accounts, int(half), speedup, aborts, low, high))
    names = ["accounts", "half", "model", "aborts for each transaction", "published, low", "published, high"]
    return pl.DataFrame(rows, schema=names, orient="row")


EVERY = "all samples"


def remedy_table(
    seen: Sample, found: Measured | None, rollup: Sample, month: Sample, p: Execution
) -> pl.DataFrame:
    """Return what each remedy makes of the limit, by sample: ``sample``, ``remedy``, ``limit``, ``low``, ``high``.

    Intervals of a sample resample its blocks. The sample `EVERY` is the mean over samples of the remedies that all of
    them have; its interval resamples samples first, and then the blocks of each.
    """
    named = [
        (_name(seen, "block access lists" if seen.folder else "this trace"), remedies.rows_of(seen.trace))
    ]
    if found is not None:
        named.append(("replayed blocks", pl.concat([replay.touches(one) for one in found.replays])))
    for name, other in (("rollup", rollup), ("a month, thinned", month)):
        named.append((_name(other, name), remedies.rows_of(other.trace)))
    rows: list[tuple] = []
    pairs: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for name, touched in named:
        for remedy, (total, path) in remedies.limits(touched, hot=p.hot_keys, threads=p.quote).items():
            rows.append((name, remedy, *ratio(total, path, p)))
            pairs.setdefault(remedy, []).append((total, path))
    shared = (remedies.CONTRACTS, remedies.SLOTS)
    rows += [(EVERY, remedy, *clustered(pairs[remedy], p)) for remedy in shared]
    return pl.DataFrame(rows, schema=["sample", "remedy", "limit", "low", "high"], orient="row")


def _name(seen: Sample, what: str) -> str:
    """Return the name of a sample, which says where its source sees no accounts."""
    return what if seen.trace.capability.account_changes else f"{what}, storage alone"


def clustered(samples: list[tuple[np.ndarray, np.ndarray]], p: Execution) -> Estimate:
    """Return the mean over samples of ratios of sums; its interval resamples samples, then blocks within each.

    Parameters
    ----------
    samples : list of (top, bottom)
        Both for each block of a sample.
    """
    rng = np.random.default_rng(p.seed)

    def drawn(top: np.ndarray, bottom: np.ndarray) -> float:
        at = rng.integers(0, len(top), len(top))
        return float(top[at].sum() / bottom[at].sum())

    draws = [
        np.mean([drawn(*samples[i]) for i in rng.integers(0, len(samples), len(samples))])
        for _ in range(p.draws)
    ]
    value = np.mean([top.sum() / bottom.sum() for top, bottom in samples])
    return Estimate(float(value), *percentile_interval(np.array(draws)))


def list_bytes(seen: Sample) -> pl.DataFrame | None:
    """Return bytes of each block's list and of its state difference, or None where the source has no lists."""
    if seen.folder is None:
        return None
    inside = seen.trace.capability
    rows = [
        (number, list_sizes.list_bytes(accounts), list_sizes.difference_bytes(accounts), len(accounts))
        for number, accounts in block_access_list.blocks(seen.folder)
        if inside.window_start <= number < inside.window_stop
    ]
    return pl.DataFrame(rows, schema=["block", "list", "difference", "accounts"], orient="row")


def _stretches(seen: Sample) -> list[list[np.ndarray]]:
    """Return the keys that each block writes, one list for each stretch of a sample of blocks, one for all others."""
    written = commitment_cost.written_by_block(seen.trace)
    if seen.window is None:
        return [list(written.values())]
    observed = seen.trace.blocks.filter("observed")["block_number"].to_numpy()
    # Every stretch has as many observed blocks, and so has `observed` at its place.
    stretch = np.searchsorted(observed, list(written)) // min(STRETCH, len(observed))
    return [
        [keys for keys, at in zip(written.values(), stretch, strict=True) if at == one]
        for one in np.unique(stretch)
    ]


def kept(seen: Sample, p: Execution) -> pl.DataFrame:
    """Return ``interval``, ``what`` (keys or nodes), ``share``, ``low``, ``high`` of commitments that merge blocks.

    Keys and nodes are those of `rollstate.dispute.trie_shape.runs`, as in the chapter on flat storage.
    """
    parts, rows = _stretches(seen), []
    # An interval lies within a stretch; two of them are needed.
    for step in (step for step in p.intervals if sum(len(blocks) // step for blocks in parts) >= 2):
        found = [trie_shape.runs(blocks, step) for blocks in parts if step <= len(blocks)]
        apart, together = (np.concatenate(counts) for counts in zip(*found, strict=True))
        for at, what in enumerate(("keys", "nodes")):
            rows.append((step, what, *ratio(together[:, at], apart[:, at], p)))
    return pl.DataFrame(rows, schema=["interval", "what", "share", "low", "high"], orient="row")


def quoted(frame: pl.DataFrame, p: Execution) -> dict[str, Estimate | int]:
    """Return the interval that the text quotes, and the shares of keys and nodes left at it; by names of results."""
    steps = sorted(set(frame["interval"]))
    step = 10 if 10 in steps else steps[-1]
    return {
        "interval": step,
        "kept": pick(frame, "share", interval=step, what="keys"),
        "kept_nodes": pick(frame, "share", interval=step, what="nodes"),
    }


def judged(
    fit: pl.DataFrame, every: pl.DataFrame, unfitted: engines.Judged
) -> dict[str, float | int | Estimate]:
    """Return how far out-of-sample predictions are from measured speed-ups, by names of results.

    Parameters
    ----------
    fit : polars.DataFrame
        `engines.two_halves`.
    every : polars.DataFrame
        `engines.every_half`: its means, with the range that holds 95 % of all ways to halve the blocks.
    unfitted : Judged
        `engines.unfitted`.
    """
    found = engines.judge(fit["predicted"].to_list(), fit["measured"].to_list())
    out: dict[str, float | int | Estimate] = {
        "rank_correlation": found.rank_correlation,
        "log_error": found.log_error,
        "halvings": every.height,
        "rank_correlation_unfitted": unfitted.rank_correlation,
        "log_error_unfitted": unfitted.log_error,
    }
    for name in ("rank_correlation", "log_error"):
        values = every[name].to_numpy()
        out[f"{name}_halvings"] = Estimate(float(values.mean()), *percentile_interval(values))
    return out


def below(frame: pl.DataFrame, rule: str) -> int:
    """Return on how many blocks a rule's limit, unit costs, lies below the measured speed-up."""
    part = frame.filter(rule=RULE_NAMES[rule])
    return int((part["limit"] < part["measured"]).sum())


def hot_share(seen: Sample, p: Execution) -> float:
    """Return the share of conflicting pairs that the hottest keys of each block carry."""
    return remedies.hot_share(remedies.rows_of(seen.trace), p.hot_keys)
