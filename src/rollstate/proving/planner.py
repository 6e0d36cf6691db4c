"""An operator's plan: how many provers of how many GPUs, with which retries, prove blocks in time, at what cost.

Blocks arrive one per slot. A block is proved by a team of ``gpus`` GPUs, or by ``copies`` teams at once of which the
first to finish counts (hedging). An attempt may crash, at a point spread evenly over its time, or be cut off after a
time-out; it is then tried again by the same team, with new luck but the same block, up to ``tries`` times. Time per
block follows the line in gas that the measured run gives, its errors are the run's own, and crashes are
memoryless: both grow with gas. More GPUs on one block shorten the part of the work that divides, by Amdahl's law.

Definitions follow the Ethereum Foundation's real-time proving target (99 % of blocks within 10 s, proofs of at most
300 KiB, 10 kW; https://blog.ethereum.org/2025/07/10/realtime-proving) and ethproofs' classes (performance: at least
70 % of blocks under 10 s; liveness: at least 95 % of blocks proved; https://ethproofs.org).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from rollstate.errors import InputError
from rollstate.proving import kernels, service_times

PERFORMANCE, LIVENESS, PROOF_BYTES, POWER_W = 0.70, 0.95, 300 * 1024, 10_000.0
"""Shares of blocks under the deadline and proved, bytes of a proof and watts that the definitions ask for."""
P99 = 0.99


@dataclass(frozen=True)
class Inputs:
    """What the operator faces; defaults with their sources.

    Attributes
    ----------
    gas_growth : float
        Gas of future blocks over that of the measured ones.
    slot_s, deadline_s : float
        Time between blocks, and the time in which a block must be proved (12 s and 10 s on mainnet).
    run_gpus : int
        GPUs of the measured run (``8x5090``: eight).
    serial : float
        Share of the measured time that more GPUs do not shorten. An assumption: no public run varies it.
    gpu_usd_per_h, gpu_w, kwh_usd : float
        Rent of a GPU (an assumption), its board power (575 W, RTX 5090's data sheet), price of electricity where it is
        not in the rent.
    block_tx : float
        Transactions of a block, for the cost of one.
    tries : int
        Attempts before a block counts as unproved.
    worst_s_per_mgas : float
        Time per million gas of the worst blocks on the measured run's GPUs (6.7 s at the 99th percentile over the
        Ethereum execution spec tests).
    worst_gas : float
        Gas of such a block, in gas.
    stake_usd : float
        What a prover loses for a block not proved by the deadline, in a reverse auction.
    """

    gas_growth: float = 1.0
    slot_s: float = 12.0
    deadline_s: float = 10.0
    run_gpus: int = 8
    serial: float = 0.05
    gpu_usd_per_h: float = 0.5
    gpu_w: float = 575.0
    kwh_usd: float = 0.0
    block_tx: float = 200.0
    tries: int = 3
    worst_s_per_mgas: float = 6.7
    worst_gas: float = 45e6
    stake_usd: float = 10.0

    def __post_init__(self) -> None:
        positive = ("gas_growth", "slot_s", "deadline_s", "run_gpus", "block_tx", "tries", "worst_gas")
        free = ("gpu_usd_per_h", "gpu_w", "kwh_usd", "worst_s_per_mgas", "stake_usd")
        for name in (*positive, *free):
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0 or (name in positive and value == 0):
                kind = "positive" if name in positive else "not negative"
                raise InputError(f"plan: {name}={value!r} must be finite and {kind}")
        if not 0 <= self.serial <= 1:
            raise InputError(f"plan: serial={self.serial!r} must lie between 0 and 1")
        for name in ("run_gpus", "tries"):
            if getattr(self, name) != int(getattr(self, name)):
                raise InputError(f"plan: {name}={getattr(self, name)!r} must be a whole number")

    def speed(self, gpus: int) -> float:
        """Return the speed of a team of so many GPUs over that of the measured run (Amdahl 1967)."""
        one = self.serial + (1 - self.serial) / self.run_gpus
        return one / (self.serial + (1 - self.serial) / gpus)

    @property
    def gpu_usd_per_s(self) -> float:
        """Cost of a GPU per second, electricity at full board power included."""
        return (self.gpu_usd_per_h + self.gpu_w / 1000 * self.kwh_usd) / 3600


@dataclass(frozen=True)
class Choice:
    """What the operator decides: teams, GPUs of a team, copies of a proof, seconds until an attempt is cut off."""

    teams: int
    gpus: int
    copies: int = 1
    timeout_s: float = math.inf

    def __post_init__(self) -> None:
        if min(self.teams, self.gpus, self.copies) < 1 or not self.timeout_s > 0:
            raise InputError(f"plan: {self} must have at least one of each, and a positive time-out")


@dataclass(frozen=True)
class Blocks:
    """Drawn blocks and the luck of their attempts, at the speed of the measured run.

    Attributes
    ----------
    expected_s : array, shape (n,)
        Expected time of each block.
    error : array, shape (n, copies, tries)
        Relative error of each attempt.
    crash : array, shape (n, copies, tries)
        Share of its time after which an attempt crashes; infinite if it does not.
    """

    expected_s: np.ndarray
    error: np.ndarray
    crash: np.ndarray


def blocks(run: pd.DataFrame, inputs: Inputs, *, seed: int, count: int = 10_000, copies: int = 2) -> Blocks:
    """Draw blocks from one measured run, its gas multiplied by the growth.

    Parameters
    ----------
    run : pandas.DataFrame
        Rows of one run of `rollstate.proving.runs.read`.
    """
    if count < 100 or copies < 1:
        raise InputError(f"plan: count={count} blocks and copies={copies} are too few")
    names = set(run["run"])
    if len(names) != 1:
        raise InputError(f"plan: {len(names)} runs in place of one; choose one of {'; '.join(sorted(names))}")
    line = service_times.fit(run["gas"].to_numpy(), run["prove_s"].to_numpy())
    rng = np.random.default_rng(seed)
    gas = run["gas"].to_numpy()[rng.integers(0, len(run), count)]
    # Memoryless in gas: the hazard that the crash share gives on average.
    hazard = -math.log1p(-min(float(run["crashed"].mean()), 0.99)) / float(run["gas"].mean())
    shape = (count, copies, int(inputs.tries))
    first = rng.exponential(1.0, shape)
    mean = (hazard * gas * inputs.gas_growth)[:, None, None]
    with np.errstate(divide="ignore"):
        at = np.where(mean > 0, first / np.where(mean > 0, mean, 1.0), np.inf)
    return Blocks(
        expected_s=line.predict(gas * inputs.gas_growth),
        error=line.relative[rng.integers(0, len(line.relative), shape)],
        crash=np.where(at < 1, at, np.inf),
    )


def busy(drawn: Blocks, choice: Choice, inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
    """Return for how long each block keeps its teams, in seconds, and whether it is proved then."""
    if choice.copies > drawn.error.shape[1]:
        raise InputError(f"plan: {choice.copies} copies asked, {drawn.error.shape[1]} drawn")
    expected = drawn.expected_s[:, None, None] / inputs.speed(choice.gpus)
    whole = np.maximum(expected * (1 + drawn.error[:, : choice.copies]), 1e-3)
    at = whole * np.minimum(drawn.crash[:, : choice.copies], 1.0)
    good = np.isinf(drawn.crash[:, : choice.copies]) & (at <= choice.timeout_s)
    spent = np.cumsum(np.minimum(at, choice.timeout_s), axis=2)
    succeeded = good.any(2)
    first = np.argmax(good, axis=2)
    until = np.where(succeeded, np.take_along_axis(spent, first[..., None], 2)[..., 0], np.inf)
    proved = succeeded.any(1)
    # Where no copy succeeds the teams are busy until the last one gives up.
    return np.where(proved, until.min(1), spent[..., -1].max(1)), proved


def evaluate(
    drawn: Blocks,
    choice: Choice,
    inputs: Inputs,
    known: tuple[np.ndarray, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Return what a choice does: delays, shares of blocks, money, energy.

    `known` is what `busy` gives for this choice, which does not depend on the number of teams.

    Returns
    -------
    dict
        The choice; ``p99_s`` (infinite if more than a hundredth is never proved), ``mean_s``, ``within`` (share proved
        by the deadline), ``proved`` (share proved at all), ``load``, ``gpus_total``, ``kw``, ``usd_per_proof``,
        ``usd_per_tx``, ``kwh_per_proof``, ``kwh_per_tx``, ``keeps_up``.
    """
    time, proved = known or busy(drawn, choice, inputs)
    ready = np.arange(len(time)) * inputs.slot_s
    _, done = kernels.prove(ready, time, np.ones(choice.teams))
    delay = np.where(proved, done - ready, np.inf)
    gpus = choice.teams * choice.copies * choice.gpus
    load = float(time.mean() / (choice.teams * inputs.slot_s))
    usd = gpus * inputs.gpu_usd_per_s * inputs.slot_s
    # GPUs draw full power while they prove; idle power is left out.
    kwh = choice.copies * choice.gpus * inputs.gpu_w * float(time.mean()) / 3.6e6
    return {
        **asdict(choice),
        "p99_s": float(np.quantile(delay, P99, method="higher")),
        "mean_s": float(delay[proved].mean()) if proved.any() else math.inf,
        "within": float((delay <= inputs.deadline_s).mean()),
        "proved": float(proved.mean()),
        "load": load,
        "keeps_up": load < 1,
        "gpus_total": gpus,
        "kw": gpus * inputs.gpu_w / 1000,
        "usd_per_proof": usd,
        "usd_per_tx": usd / inputs.block_tx,
        "kwh_per_proof": kwh,
        "kwh_per_tx": kwh / inputs.block_tx,
    }


GPUS = (1, 2, 4, 8, 16, 32, 64, 128)
COPIES = (1, 2)
TIMEOUTS = (math.inf, 2.0, 3.0)
"""Time-outs to try, over the longest measured time of a block at that speed; infinite for none."""


def choices(drawn: Blocks, inputs: Inputs, gpus: Sequence[int] = GPUS) -> list[Choice]:
    """Return the kinds of choice to compare, each with one team."""
    longest = float(np.quantile(drawn.expected_s, 0.99))
    return [
        Choice(1, one, copies, multiple * longest / inputs.speed(one))
        for one in gpus
        for copies in COPIES
        for multiple in TIMEOUTS
    ]


def meets(row: dict[str, Any], inputs: Inputs, target: str) -> bool:
    """Say whether an evaluated choice meets a target.

    ``"real-time"`` asks for the deadline at the 99th percentile and `LIVENESS`, ``"performance"`` for `PERFORMANCE` of
    the blocks by the deadline and `LIVENESS`, ``"live"`` for `LIVENESS` by provers that keep up.
    """
    if target not in TARGETS:
        raise InputError(f"target {target!r} is not one of {', '.join(TARGETS)}")
    live = row["keeps_up"] and row["proved"] >= LIVENESS
    if target == "real-time":
        return live and row["p99_s"] <= inputs.deadline_s
    return live and (target == "live" or row["within"] >= PERFORMANCE)


TARGETS = ("live", "performance", "real-time")


def optimum(
    drawn: Blocks, inputs: Inputs, target: str, *, most: int = 64, kinds: Sequence[Choice] | None = None
) -> dict[str, Any] | None:
    """Return the evaluated choice with the least cost per proof that meets a target; None if none of these does.

    For each kind of choice more teams only shorten waiting, so that the fewest are found by bisection. Ties in cost go
    to the shorter 99th percentile.
    """
    best: dict[str, Any] | None = None
    for kind in choices(drawn, inputs) if kinds is None else kinds:
        known = busy(drawn, kind, inputs)
        cheapest = math.floor(float(known[0].mean()) / inputs.slot_s) + 1
        low, high = max(1, cheapest), most
        if low > high:
            continue
        found = None
        # One try with the most teams tells whether waiting is what is in the way.
        last = evaluate(drawn, _with_teams(kind, high), inputs, known)
        if not meets(last, inputs, target):
            continue
        while low <= high:
            middle = (low + high) // 2
            row = evaluate(drawn, _with_teams(kind, middle), inputs, known)
            if meets(row, inputs, target):
                found, high = row, middle - 1
            else:
                low = middle + 1
        found = last if found is None else found
        if best is None or _rank(found) < _rank(best):
            best = found
    return best


def _with_teams(kind: Choice, teams: int) -> Choice:
    return Choice(teams, kind.gpus, kind.copies, kind.timeout_s)


def _rank(row: dict[str, Any]) -> tuple[float, float]:
    return row["usd_per_proof"], row["p99_s"]


def worst_case(inputs: Inputs, gpus: int) -> dict[str, float]:
    """Return time and teams for blocks that are all of the worst kind, full of the operations dearest to prove.

    They come one per slot; the times are taken as fixed, so that one team more than the load is enough.
    """
    time = inputs.worst_s_per_mgas * inputs.worst_gas * inputs.gas_growth / 1e6 / inputs.speed(gpus)
    teams = math.floor(time / inputs.slot_s + 1e-9) + 1
    return {"gpus": gpus, "time_s": time, "teams": teams, "gpus_total": gpus * teams}


def auction(drawn: Blocks, inputs: Inputs, kind: Choice, *, most: int = 64) -> pd.DataFrame:
    """Return what a prover earns in a reverse auction with a deadline and a stake, by its number of teams.

    Profit is price less cost less P(miss) times the stake, so that the least price at which a prover takes part is its
    cost plus what it expects to lose; competition drives the price there (Vickrey 1961,
    https://doi.org/10.1111/j.1540-6261.1961.tb02789.x).

    Returns
    -------
    pandas.DataFrame
        ``teams``, ``miss`` (share of blocks after the deadline), ``cost_usd``, ``slashed_usd``, ``price_usd`` (the
        least price), for numbers of teams that keep up.
    """
    rows: list[tuple[float, ...]] = []
    known = busy(drawn, kind, inputs)
    for teams in range(1, most + 1):
        row = evaluate(drawn, _with_teams(kind, teams), inputs, known)
        if not row["keeps_up"]:
            continue
        miss = 1 - row["within"]
        cost, lost = row["usd_per_proof"], miss * inputs.stake_usd
        rows.append((teams, miss, cost, lost, cost + lost))
        # Once more teams no longer save a block they only cost.
        if miss == 0 or (len(rows) > 1 and miss >= rows[-2][1]):
            break
    return pd.DataFrame(rows, columns=["teams", "miss", "cost_usd", "slashed_usd", "price_usd"])


def plan(run: pd.DataFrame, inputs: Inputs, *, seed: int, most: int = 64) -> pd.DataFrame:
    """Return the cheapest choice for each target, one row each; a target that nothing tried meets has no numbers.

    The columns of `evaluate`, and ``target``, ``met``, ``proof_fits`` (proofs at most `PROOF_BYTES`), ``power_fits``.
    """
    drawn = blocks(run, inputs, seed=seed)
    size = run["proof_bytes"].max()
    rows = []
    for target in TARGETS:
        best = optimum(drawn, inputs, target, most=most)
        row = {"target": target, "met": best is not None, **(best or {})}
        row["proof_fits"] = bool(size <= PROOF_BYTES) if np.isfinite(size) else None
        row["power_fits"] = None if best is None else best["kw"] * 1000 <= POWER_W
        rows.append(row)
    columns = ["target", "met", *evaluate(drawn, Choice(1, 1), inputs), "proof_fits", "power_fits"]
    return pd.DataFrame(rows).reindex(columns=columns)
