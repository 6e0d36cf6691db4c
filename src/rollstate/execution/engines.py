"""Models of parallel engines, fitted to measured speed-ups and judged on blocks that they have not seen.

A model is a conflict rule, a measure of cost, and overheads; `Engine.speedup` is what it says of a block. Parameters
come from a grid, by least mean absolute log error on training blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np
import polars as pl
from scipy.stats import spearmanr

from rollstate.errors import InputError
from rollstate.execution import conflicts, schedules
from rollstate.execution.conflicts import Block
from rollstate.execution.replay import BlockReplay
from rollstate.execution.replay import touches as replayed_touches

COSTS = ("unit", "access gas", "gas less intrinsic")
BASE_GAS = 5_500
"""What a transaction costs before its code runs, in gas that code would use in that time.

From pevm's published blocks of one gigagas (https://github.com/risechain/pevm, crates/pevm/benches/README.md): 3.34 µs
for a transfer, 6.64 µs for an ERC-20 transfer with about 5,400 gas of execution, so 3.34 / (3.30 / 5,400).
"""


@dataclass(frozen=True)
class Workload:
    """A block as engines see it: who touches what under each rule, what each transaction costs, and the block's gas."""

    number: int
    blocks: dict[str, Block]
    costs: dict[str, np.ndarray]
    gas: float

    @cached_property
    def before(self) -> dict[str, list[list[int]]]:
        """Dependencies of an engine with several versions of each value, by rule."""
        return {rule: conflicts.predecessors(block, mode="versions") for rule, block in self.blocks.items()}

    def __len__(self) -> int:
        return len(self.costs["unit"])


def workload(found: BlockReplay) -> Workload:
    """Return a replayed block as a workload."""
    rows = replayed_touches(found)
    blocks = {rule: next(conflicts.blocks(conflicts.by_rule(rows, rule))) for rule in conflicts.RULES}
    execution = [one.gas_used - one.intrinsic_gas for one in found.transactions]
    costs = {
        "unit": np.ones(len(found.transactions)),
        "access gas": conflicts.access_gas(blocks["strict"]),
        "gas less intrinsic": BASE_GAS + np.maximum(execution, 0).astype(float),
    }
    return Workload(found.number, blocks, costs, float(found.header_gas))


@dataclass(frozen=True)
class Engine:
    """An optimistic engine with validation.

    Attributes
    ----------
    rule, cost : str
        One of `conflicts.RULES` and of `COSTS`.
    threads : int
        Threads.
    overhead : float
        What versions and validation add to each run, as a share of its cost.
    lock : float
        What each touched key adds to each run, as a share of what a transfer costs.
    serial : float
        What each transaction adds after the parallel part, on one thread, as a share of what a transfer costs.
    retry : float
        Cost of a retry over that of the first run.
    sequential_below : float
        Blocks with less gas run on one thread, without overhead.
    """

    rule: str = "lazy"
    cost: str = "gas less intrinsic"
    threads: int = 8
    overhead: float = 0.0
    lock: float = 0.0
    serial: float = 0.0
    retry: float = 1.0
    sequential_below: float = 0.0

    def run(self, load: Workload) -> tuple[float, float]:
        """Return the speed-up over one thread without overheads, and aborts for each transaction."""
        if load.gas < self.sequential_below:
            return 1.0, 0.0
        cost = load.costs[self.cost]
        keys = np.array([len(own) for own in load.blocks[self.rule].keys], float)
        base = 1.0 if self.cost == "unit" else float(cost.min())
        own = cost * (1 + self.overhead) + base * self.lock * keys
        makespan, aborts = schedules.revalidated(load.before[self.rule], own, self.threads, retry=self.retry)
        return float(cost.sum() / (makespan + self.serial * base * len(load))), aborts / len(load)

    def speedup(self, load: Workload) -> float:
        """Return the speed-up over one thread without overheads."""
        return self.run(load)[0]


@dataclass(frozen=True)
class Grid:
    """Values that a fit may choose from."""

    rules: tuple[str, ...] = ("strict", "lazy")
    costs: tuple[str, ...] = COSTS
    overheads: tuple[float, ...] = (0.0, 0.25, 0.5, 1.0)
    locks: tuple[float, ...] = (0.0, 0.05)
    serials: tuple[float, ...] = (0.0, 0.15, 0.3, 0.6)
    retries: tuple[float, ...] = (0.25, 0.5, 1.0)


@dataclass(frozen=True)
class Judged:
    """How far a model's speed-ups are from measured ones."""

    rank_correlation: float
    log_error: float


def judge(predicted: Sequence[float], measured: Sequence[float]) -> Judged:
    """Return Spearman's rank correlation and the mean absolute log error; at least three blocks."""
    if len(predicted) != len(measured) or len(measured) < 3:
        raise InputError(
            f"{len(predicted)} predictions and {len(measured)} measurements: at least three of each"
        )
    error = float(np.mean(np.abs(np.log(np.asarray(predicted) / np.asarray(measured)))))
    if len(set(predicted)) == 1 or len(set(measured)) == 1:
        return Judged(0.0, error)
    return Judged(float(spearmanr(predicted, measured).statistic), error)


def fit(
    loads: Sequence[Workload], measured: Sequence[float], start: Engine, grid: Grid | None = None
) -> Engine:
    """Return the engine of the grid with the least mean absolute log error; the earlier one of two equal ones."""
    if len(loads) != len(measured) or not loads:
        raise InputError(f"{len(loads)} blocks and {len(measured)} measurements")
    grid = grid or Grid()
    best, least = start, np.inf
    for rule, cost, overhead, lock, serial, retry in product(
        grid.rules, grid.costs, grid.overheads, grid.locks, grid.serials, grid.retries
    ):
        engine = replace(
            start, rule=rule, cost=cost, overhead=overhead, lock=lock, serial=serial, retry=retry
        )
        error = np.mean(
            [abs(np.log(engine.speedup(load) / real)) for load, real in zip(loads, measured, strict=True)]
        )
        if error < least - 1e-12:
            best, least = engine, error
    return best


def two_halves(
    loads: Sequence[Workload], measured: Sequence[float], start: Engine, grid: Grid | None = None
) -> pl.DataFrame:
    """Predict each half of the blocks with an engine fitted on the other one.

    Blocks are dealt to the halves in turn, by number.

    Returns
    -------
    polars.DataFrame
        ``block``, ``half``, ``measured``, ``predicted`` (out of sample), ``aborts`` for each transaction, and the
        parameters: ``rule``, ``cost``, ``overhead``, ``lock``, ``serial``, ``retry``.
    """
    order = sorted(range(len(loads)), key=lambda i: loads[i].number)
    halves = (order[0::2], order[1::2])
    rows = []
    for half, (own, other) in enumerate((halves, halves[::-1])):
        engine = fit([loads[i] for i in other], [measured[i] for i in other], start, grid)
        for i in own:
            speedup, aborts = engine.run(loads[i])
            rows.append(
                (loads[i].number, half, measured[i], speedup, aborts, engine.rule, engine.cost, engine.overhead,
                 engine.lock, engine.serial, engine.retry)
            )  # fmt: skip
    names = [
        "block", "half", "measured", "predicted", "aborts", "rule", "cost", "overhead", "lock", "serial", "retry",
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=names, orient="row").sort("block")


def random_transfers(transactions: int, accounts: int, rng: np.random.Generator) -> Workload:
    """Return a block in which each transaction reads and writes two random accounts, as in Block-STM's benchmark."""
    if accounts < 2 or transactions < 1:
        raise InputError(f"transactions={transactions} and accounts={accounts} must be at least 1 and 2")
    first = rng.integers(0, accounts, transactions)
    second = (first + rng.integers(1, accounts, transactions)) % accounts
    keys = tuple(np.sort(pair).astype(np.int64) for pair in np.column_stack([first, second]))
    writes = tuple(np.ones(2, bool) for _ in keys)
    block = Block(0, keys, writes)
    alone = Block(0, tuple(np.array([2 * i, 2 * i + 1]) for i in range(transactions)), writes)
    unit = np.ones(transactions)
    return Workload(0, {"strict": block, "lazy": block, "listed": alone}, dict.fromkeys(COSTS, unit), np.inf)
