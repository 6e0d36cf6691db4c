"""The pipeline simulated twice: by processes (simpy) and by arrays, equal path by path on the same draws.

Transactions arrive and are put into batches; a closed batch is proved by the first free prover and, apart from that,
posted with others in a sequence; proofs are committed in order, aggregated in groups and verified in an L1 slot. All
randomness is drawn beforehand (`Draws`), so that both engines see the same path.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import simpy

from rollstate.errors import InputError
from rollstate.proving import kernels


@dataclass(frozen=True)
class Pipeline:
    """How the pipeline works; times in seconds.

    Attributes
    ----------
    max_tx, max_gas, timeout_s
        When a batch closes: full, out of gas, or so long after its first transaction.
    speeds : tuple of float
        Speed of each prover; a proof takes work / speed.
    group : int
        Batches per aggregate.
    aggregate_s : float
        Time of one aggregation step; one aggregator works on one group at a time.
    fan_in : int
        Proofs that one step joins: a group takes ceil(log_fan_in(group)) steps. 0: one step joins any number.
    sequence : int
        Batches per sequencing transaction.
    block_s : float
        Time between L1 slots.
    prove_after : {"close", "virtual"}
        Whether proving begins when a batch is closed, or when it is virtual: ordered on L1 ("order then prove").
    """

    max_tx: int = 300
    max_gas: float = math.inf
    timeout_s: float = 10.0
    speeds: tuple[float, ...] = (1.0,) * 14
    group: int = 4
    aggregate_s: float = 12.0
    fan_in: int = 0
    sequence: int = 1
    block_s: float = 12.0
    prove_after: str = "close"

    def __post_init__(self) -> None:
        rules = {
            "max_tx": self.max_tx >= 1,
            "max_gas": self.max_gas > 0,
            "timeout_s": self.timeout_s > 0,
            "speeds": len(self.speeds) > 0 and all(0 < speed < math.inf for speed in self.speeds),
            "group": self.group >= 1,
            "aggregate_s": 0 <= self.aggregate_s < math.inf,
            "fan_in": self.fan_in == 0 or self.fan_in >= 2,
            "sequence": self.sequence >= 1,
            "block_s": 0 < self.block_s < math.inf,
            "prove_after": self.prove_after in ("close", "virtual"),
        }
        for name, holds in rules.items():
            if not holds:
                raise InputError(
                    f"pipeline: {name}={getattr(self, name)!r} is out of range, see its description"
                )

    @property
    def group_s(self) -> float:
        """Time to aggregate one group, in seconds."""
        if self.fan_in == 0 or self.group == 1:
            return self.aggregate_s
        # Whole levels of the tree, without the rounding of a logarithm.
        levels, reach = 0, 1
        while reach < self.group:
            levels, reach = levels + 1, reach * self.fan_in
        return levels * self.aggregate_s


@dataclass(frozen=True)
class Draws:
    """The random numbers of one path, drawn before it is simulated.

    Attributes
    ----------
    arrival_s, gas : array of float64, shape (n,)
        Arrival time, ascending, and gas of each transaction.
    work_s : array of float64, shape (>= number of batches,)
        Proving time of each batch at speed one, failed tries included.
    usable : array of bool, shape (slots,)
        Whether each L1 slot includes what is posted: false where it is missed or undone by a reorganisation.
    """

    arrival_s: np.ndarray
    gas: np.ndarray
    work_s: np.ndarray
    usable: np.ndarray

    def __post_init__(self) -> None:
        if not len(self.arrival_s) or (np.diff(self.arrival_s) < 0).any():
            raise InputError("draws: arrival_s must be non-empty and ascending")
        if len(self.gas) != len(self.arrival_s):
            raise InputError(f"draws: gas has {len(self.gas)} values, arrival_s {len(self.arrival_s)}")
        if not ((self.work_s > 0) & np.isfinite(self.work_s)).all():
            raise InputError("draws: work_s must be positive and finite")


@dataclass(frozen=True)
class Path:
    """What happened: per transaction ``virtual_s`` and ``final_s``, per batch ``close_s``, ``start_s``, ``proved_s``.

    ``batch`` gives the batch of each transaction; all times are on the clock of the arrivals.
    """

    batch: np.ndarray
    close_s: np.ndarray
    start_s: np.ndarray
    proved_s: np.ndarray
    virtual_s: np.ndarray
    final_s: np.ndarray


def draw(
    *,
    tx_per_s: float,
    n: int,
    work_s: np.ndarray,
    seed: int,
    failure: float = 0.0,
    miss: float = 0.0,
    reorg: float = 0.0,
    tx_gas: float = 0.0,
    block_s: float = 12.0,
    batches: int | None = None,
) -> Draws:
    """Draw a path: Poisson arrivals, proving times resampled from `work_s`, retries, missed and undone slots.

    Parameters
    ----------
    tx_per_s, n
        Arrival rate and number of transactions.
    work_s : array
        Proving times to resample; one value for a fixed time.
    seed : int
        Seed of all streams.
    failure, miss, reorg : float
        Probability that a proof fails and is tried again, that a slot is missed, that it is undone.
    tx_gas : float
        Mean gas of a transaction (exponential); 0 for none.
    block_s : float
        Time between slots.
    batches : int, optional
        How many proving times to draw; one per transaction, which is always enough, if not given.
    """
    if not (0 <= failure < 1 and 0 <= miss < 1 and 0 <= reorg < 1 and miss + reorg < 1):
        raise InputError(f"draw: failure={failure}, miss={miss}, reorg={reorg} must be shares below 1")
    if not (tx_per_s > 0 and n >= 1):
        raise InputError(f"draw: tx_per_s={tx_per_s} and n={n} must be positive")
    arrivals, proofs, retries, slots, gas = (
        np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(5)
    )
    arrival_s = np.cumsum(arrivals.exponential(1 / tx_per_s, n))
    sample = np.atleast_1d(np.asarray(work_s, float))
    size = batches or n
    tries = retries.geometric(1 - failure, size)
    work = sample[proofs.integers(0, len(sample), size)] * tries
    count = int(arrival_s[-1] / block_s * 1.5) + 1_000
    return Draws(
        arrival_s=arrival_s,
        gas=gas.exponential(tx_gas, n) if tx_gas else np.zeros(n),
        work_s=work.astype(float),
        usable=slots.random(count) >= miss + reorg,
    )


def simulate(pipeline: Pipeline, draws: Draws) -> Path:
    """Simulate one path by array operations, stage after stage."""
    p = pipeline
    batch, close_s = kernels.close_batches(draws.arrival_s, draws.gas, p.max_tx, p.max_gas, p.timeout_s)
    m = len(close_s)
    if len(draws.work_s) < m:
        raise InputError(f"draws: work_s has {len(draws.work_s)} proving times for {m} batches")
    posted = np.repeat(
        kernels.next_slot(kernels.in_groups(close_s, p.sequence), p.block_s, draws.usable), p.sequence
    )
    virtual = posted[:m]
    ready = close_s if p.prove_after == "close" else virtual
    start_s, proved_s = kernels.prove(ready, draws.work_s[:m], np.array(p.speeds))
    complete = kernels.in_groups(proved_s, p.group)
    done = kernels.prove(complete, np.full(len(complete), p.group_s), np.ones(1))[1]
    final = np.repeat(kernels.next_slot(done, p.block_s, draws.usable), p.group)[:m]
    return Path(batch, close_s, start_s, proved_s, virtual[batch], final[batch])


def simulate_processes(pipeline: Pipeline, draws: Draws) -> Path:
    """Simulate by simpy processes; the same path as `simulate`, event by event."""
    return _Processes(pipeline, draws).run()


class _Clock(simpy.Environment):
    """Events at absolute times.

    A timeout is a difference that simpy adds to the clock again, which moves it by a rounding error: enough to part
    two events that fall on the same L1 slot.
    """

    def at(self, time: float, priority: int = 1) -> simpy.Event:
        """Return an event at `time`, now if that has passed; a higher `priority` comes later within an instant."""
        event = simpy.Event(self)
        event._ok, event._value = True, None
        queue: list[Any] = self._queue
        heapq.heappush(queue, (max(time, self.now), priority, next(self._eid), event))
        return event


_LAST = 9
"""Priority of what happens when all else of an instant has."""


class _Processes:
    """The pipeline as processes: a source, a timer and a proof per batch, a dispatcher, a poster and a committer."""

    def __init__(self, pipeline: Pipeline, draws: Draws) -> None:
        self.p, self.draws = pipeline, draws
        self.env = _Clock()
        self.idle = list(range(len(pipeline.speeds)))
        self.waiting: deque[simpy.Event] = deque()
        self.aggregator = simpy.Resource(self.env, 1)
        n = len(draws.arrival_s)
        self.batch = np.empty(n, np.int64)
        self.close_s, self.start_s, self.proved_s, self.virtual_s, self.final_s = (
            np.full(n, np.nan) for _ in range(5)
        )
        self.number, self.count, self.used, self.is_open = -1, 0, 0.0, False
        self.first, self.ended = 0.0, False
        self.ready: list[simpy.Event] = []
        self.proved: list[simpy.Event] = []
        self.virtual: list[simpy.Event] = []
        self.exhausted, self.changed = False, self.env.event()

    def run(self) -> Path:
        self.env.process(self._source())
        self.env.process(self._poster())
        self.env.process(self._committer())
        self.env.run()
        m = self.number + 1
        return Path(
            self.batch,
            self.close_s[:m],
            self.start_s[:m],
            self.proved_s[:m],
            self.virtual_s[self.batch],
            self.final_s[self.batch],
        )

    def _source(self) -> Generator:
        p = self.p
        for i, arrival in enumerate(self.draws.arrival_s):
            yield self.env.at(arrival)
            if self.is_open and (
                arrival >= self.first + p.timeout_s or self.used + self.draws.gas[i] > p.max_gas
            ):
                self._close(min(arrival, self.first + p.timeout_s))
            if not self.is_open:
                self._open(arrival)
            self.batch[i] = self.number
            self.count += 1
            self.used += self.draws.gas[i]
            if self.count == p.max_tx:
                self._close(arrival)
        self.ended = True
        if not self.is_open:
            self._exhaust()

    def _open(self, now: float) -> None:
        self.number, self.count, self.used, self.first, self.is_open = self.number + 1, 0, 0.0, now, True
        for events in (self.ready, self.proved, self.virtual):
            events.append(self.env.event())
        self.env.process(self._timer(self.number, now + self.p.timeout_s))
        self.env.process(self._prove(self.number))
        self._change()

    def _exhaust(self) -> None:
        self.exhausted = True
        self._change()

    def _change(self) -> None:
        """Wake those who wait for another batch, or for the news that there is none."""
        self.changed.succeed()
        self.changed = self.env.event()

    def _timer(self, number: int, at: float) -> Generator:
        yield self.env.at(at)
        if self.is_open and self.number == number:
            self._close(at)

    def _close(self, at: float) -> None:
        self.is_open = False
        self.close_s[self.number] = at
        self.ready[self.number].succeed()
        if self.ended:
            self._exhaust()

    def _prove(self, number: int) -> Generator[simpy.Event, Any, None]:
        yield self.ready[number] if self.p.prove_after == "close" else self.virtual[number]
        turn = self.env.event()
        self.waiting.append(turn)
        self._dispatch()
        prover: int = yield turn
        self.start_s[number] = self.env.now
        self.proved_s[number] = self.env.now + self.draws.work_s[number] / self.p.speeds[prover]
        yield self.env.at(self.proved_s[number])
        heapq.heappush(self.idle, prover)
        self._dispatch()
        self.proved[number].succeed()

    def _dispatch(self) -> None:
        """Give waiting batches to idle provers when all else of this instant has happened."""

        def match(_: simpy.Event) -> None:
            while self.waiting and self.idle:
                self.waiting.popleft().succeed(heapq.heappop(self.idle))

        self.env.at(self.env.now, _LAST).callbacks.append(match)

    def _slot(self, time: float) -> float:
        usable, k = self.draws.usable, math.ceil(time / self.p.block_s - 1e-9)
        while k < len(usable) and not usable[k]:
            k += 1
        return k * self.p.block_s

    def _members(self, first: int, size: int) -> Generator[simpy.Event, Any, int]:
        """Wait until batches from `first` on exist, up to `size` or the last; return how many there are."""
        while self.number < first + size - 1 and not self.exhausted:
            yield self.changed
        return min(size, self.number + 1 - first)

    def _poster(self) -> Generator[simpy.Event, Any, None]:
        first = 0
        while True:
            size = yield from self._members(first, self.p.sequence)
            if size <= 0:
                return
            yield self.env.all_of(self.ready[first : first + size])
            slot = self._slot(self.close_s[first : first + size].max())
            self.virtual_s[first : first + size] = slot
            self.env.process(self._announce(first, size, slot))
            first += size

    def _announce(self, first: int, size: int, slot: float) -> Generator:
        yield self.env.at(slot)
        for event in self.virtual[first : first + size]:
            event.succeed()

    def _committer(self) -> Generator[simpy.Event, Any, None]:
        first, free, complete = 0, 0.0, 0.0
        while True:
            size = yield from self._members(first, self.p.group)
            if size <= 0:
                return
            yield self.env.all_of(self.proved[first : first + size])
            complete = max(complete, self.proved_s[first : first + size].max())
            with self.aggregator.request() as request:
                yield request
                free = max(complete, free) + self.p.group_s
                yield self.env.at(free)
            self.final_s[first : first + size] = self._slot(free)
            first += size
