"""Models of parallel engines, fitted to measured speed-ups and judged on blocks that they have not seen.

A model is a conflict rule, a measure of cost, and overheads; `Engine.speedup` is what it says of a block. Parameters
come from a grid. With a handful of training blocks many engines fit about as well, so that there are several ways to
fit (`CANDIDATES`); which one is used is decided on training blocks alone, by leaving each of them out in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, product

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
    fixed : float
        What each block adds, whatever is in it, in transfers: threads that start and stop, versions set up.
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
    fixed: float = 0.0

    def run(self, load: Workload) -> tuple[float, float]:
        """Return the speed-up over one thread without overheads, and aborts for each transaction."""
        if load.gas < self.sequential_below:
            return 1.0, 0.0
        makespan, aborts = self.parallel(load)
        return float(load.costs[self.cost].sum() / (makespan + self.rest(load))), aborts / len(load)

    def parallel(self, load: Workload) -> tuple[float, int]:
        """Return how long the parallel part takes, and its aborts; neither depends on ``serial`` or ``fixed``."""
        cost = load.costs[self.cost]
        keys = np.array([len(own) for own in load.blocks[self.rule].keys], float)
        own = cost * (1 + self.overhead) + self.transfer(load) * self.lock * keys
        return schedules.revalidated(load.before[self.rule], own, self.threads, retry=self.retry)

    def rest(self, load: Workload) -> float:
        """Return what comes on top of the parallel part."""
        return self.transfer(load) * (self.serial * len(load) + self.fixed)

    def transfer(self, load: Workload) -> float:
        """Return the cost of a transfer."""
        return 1.0 if self.cost == "unit" else float(load.costs[self.cost].min())

    def speedup(self, load: Workload) -> float:
        """Return the speed-up over one thread without overheads."""
        return self.run(load)[0]


@dataclass(frozen=True)
class Grid:
    """Values that a fit may choose from.

    The rule is not fitted by default: it is what the engine does. pevm, whose speed-ups the book has, updates balances
    lazily (https://github.com/risechain/pevm).
    """

    rules: tuple[str, ...] = ("lazy",)
    costs: tuple[str, ...] = COSTS
    overheads: tuple[float, ...] = (0.0, 0.25, 0.5, 1.0)
    locks: tuple[float, ...] = (0.0, 0.05)
    serials: tuple[float, ...] = (0.0, 0.15, 0.3, 0.6)
    retries: tuple[float, ...] = (0.25, 0.5, 1.0)
    fixed: tuple[float, ...] = (0.0, 50.0, 100.0, 200.0, 400.0)


POWERS = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0)
"""How much a fit may trust the training blocks: engines count by their error to the power of minus this.

At 0 all engines of the grid count alike and nothing is fitted; as it grows, the best one alone counts. With few blocks
the best engine is mostly the luckiest, and what lies between is the usual remedy (a tempered average of models).
"""
LEAST_ERROR = 1e-9
"""Mean absolute log error below which engines count as equally good, so that none counts without bound."""


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


@dataclass(frozen=True)
class Fits:
    """What every engine of a grid says of every block.

    Attributes
    ----------
    engines : tuple of Engine
        Engines of the grid.
    logs : array, shape (engines, blocks)
        Logarithm of each one's speed-up.
    measured : array, shape (blocks,)
        Logarithm of the measured speed-ups.
    """

    engines: tuple[Engine, ...]
    logs: np.ndarray
    measured: np.ndarray

    def weights(self, power: float, training: np.ndarray) -> np.ndarray:
        """Return how much each engine counts, by its error on training blocks; they add up to one."""
        error = np.maximum(np.abs(self.logs[:, training] - self.measured[training]).mean(1), LEAST_ERROR)
        weight = (error / error.min()) ** -power
        return np.asarray(weight / weight.sum())

    def predicted(self, power: float, training: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Return the logarithm of predicted speed-ups of blocks ``at``."""
        return np.asarray(self.weights(power, training) @ self.logs[:, at])

    def chosen(self, training: np.ndarray) -> float:
        """Return the power of `POWERS` that predicts training blocks best, each one left out in turn."""

        def missed(power: float) -> float:
            errors = [
                abs(self.predicted(power, training[training != i], np.array([i]))[0] - self.measured[i])
                for i in training
            ]
            return round(float(np.mean(errors)), 12)

        return min(POWERS, key=missed)

    def best(self, training: np.ndarray) -> Engine:
        """Return the engine nearest to the training blocks; the earlier one of two equal ones."""
        error = np.abs(self.logs[:, training] - self.measured[training]).mean(1)
        return self.engines[int(np.argmin(np.round(error, 12)))]


def fits(
    loads: Sequence[Workload], measured: Sequence[float], start: Engine, grid: Grid | None = None
) -> Fits:
    """Run every engine of a grid on every block; ``start`` gives threads and the gas below which there is one."""
    if len(loads) != len(measured) or len(loads) < 2:
        raise InputError(f"{len(loads)} blocks and {len(measured)} measurements: at least two of each")
    grid = grid or Grid()
    found: list[Engine] = []
    logs: list[list[float]] = []
    for rule, cost, overhead, lock, retry in product(
        grid.rules, grid.costs, grid.overheads, grid.locks, grid.retries
    ):
        engine = replace(start, rule=rule, cost=cost, overhead=overhead, lock=lock, retry=retry)
        parallel = [None if load.gas < start.sequential_below else engine.parallel(load)[0] for load in loads]
        for serial, fixed in product(grid.serials, grid.fixed):
            own = replace(engine, serial=serial, fixed=fixed)
            found.append(own)
            logs.append(
                [
                    0.0 if time is None else float(np.log(load.costs[cost].sum() / (time + own.rest(load))))
                    for load, time in zip(loads, parallel, strict=True)
                ]
            )
    return Fits(tuple(found), np.array(logs), np.log(np.asarray(measured, float)))


def unfitted(found: Fits) -> Judged:
    """Judge the average over all engines of the grid, each counting alike: what a fit has to beat."""
    return judge(np.exp(found.logs.mean(0)).tolist(), np.exp(found.measured).tolist())


def two_halves(found: Fits, loads: Sequence[Workload]) -> pl.DataFrame:
    """Predict each half of the blocks from the other one: power and weights see the other half alone.

    Blocks are dealt to the halves in turn, by number.

    Returns
    -------
    polars.DataFrame
        ``block``, ``half``, ``measured``, ``predicted`` (out of sample), ``power``, and of the engine nearest to the
        other half ``aborts`` for each transaction, ``rule``, ``cost``, ``overhead``, ``lock``, ``serial``, ``retry``,
        ``fixed``.
    """
    order = np.array(sorted(range(len(loads)), key=lambda i: loads[i].number))
    halves = (order[0::2], order[1::2])
    rows = []
    for half, (own, other) in enumerate((halves, halves[::-1])):
        power = found.chosen(other)
        engine = found.best(other)
        for i, log in zip(own, found.predicted(power, other, own), strict=True):
            rows.append(
                (loads[i].number, half, float(np.exp(found.measured[i])), float(np.exp(log)), power,
                 engine.run(loads[i])[1], engine.rule, engine.cost, engine.overhead, engine.lock, engine.serial,
                 engine.retry, engine.fixed)
            )  # fmt: skip
    names = [
        "block", "half", "measured", "predicted", "power", "aborts", "rule", "cost", "overhead", "lock", "serial",
        "retry", "fixed",
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=names, orient="row").sort("block")


def every_half(found: Fits) -> pl.DataFrame:
    """Judge predictions over all ways to halve the blocks: ``rank_correlation``, ``log_error``, a row for each way.

    One half has a block more than the other if their number is odd.
    """
    count = len(found.measured)
    if count < 4:
        raise InputError(f"{count} blocks cannot be halved: at least four are needed")
    rows = []
    ways = combinations(range(count), count // 2)
    # Of an even number each way comes twice, once with the first block in either half.
    for part in (own for own in ways if count % 2 or own[0] == 0):
        first = np.array(part)
        second = np.setdiff1d(np.arange(count), first)
        predicted = np.empty(count)
        for own, other in ((first, second), (second, first)):
            predicted[own] = found.predicted(found.chosen(other), other, own)
        judged = judge(np.exp(predicted).tolist(), np.exp(found.measured).tolist())
        rows.append((judged.rank_correlation, judged.log_error))
    return pl.DataFrame(rows, schema=["rank_correlation", "log_error"], orient="row")


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
