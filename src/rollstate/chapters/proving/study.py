"""What the chapter ``proving`` computes: closed forms, replicated simulations, measured runs, an operator's plan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from rollstate.bootstrap import percentile_interval
from rollstate.chapters.proving.parameters import Proving
from rollstate.compendium.stamps import Model
from rollstate.errors import InputError
from rollstate.estimate import Estimate
from rollstate.proving import closed_form as cf
from rollstate.proving import (
    crashes,
    frontier,
    kernels,
    life_cycle,
    planner,
    replications,
    runs,
    service_times,
)
from rollstate.proving.simulation import Pipeline
from rollstate.traces import datasets

LINES = {"3 + 2 + 1 h": (3, 2, 1), "six stages of 1 h": (1,) * 6, "three stages of 1 h": (1,) * 3}
GROUPS = (1, 2, 3, 4, 5, 6, 8)
MANY_CRASHES = 0.01


def knee(p: Proving) -> int:
    """Return the provers at which regular times just keep up."""
    return math.ceil(p.prove_s / p.close_s)


def closed_forms(p: Proving) -> dict[str, Any]:
    """Return the numbers that formulas alone give, by the name under which they are recorded."""
    close, prove, block, agg = p.close_s, p.prove_s, p.article_block_s, p.aggregate_s
    count = knee(p)
    virtual = cf.article_delay_virtual(close, block)
    return {
        "toy_one": cf.line_rate((3, 2, 1), 1)[0],
        "toy_many": cf.line_rate((3, 2, 1), 2)[0],
        "delay_single": cf.article_delay(close, prove, block),
        "growth": cf.backlog_growth(close, prove, 1),
        "knee": count,
        "min_provers": cf.min_provers(1 / close, prove),
        "delay_tied": cf.article_delay(close, prove, block, agg, count),
        "delay_apart": cf.delay_worst(close, prove, agg, block, provers=count, group=2),
        "delay_virtual": virtual,
        "gained": cf.article_delay(close, prove, block, agg) - virtual,
        "throughput_single": 3600 * cf.article_throughput(close, prove, block),
        "throughput_most": 3600 * cf.capacity(close, prove, agg, provers=count, group=2),
        "slot": p.slot_s,
        "max_wait": p.max_wait_s,
        "tx_rate": p.tx_per_s,
        "example_provers": example(p),
        "best_group": cf.optimal_aggregation(verify_usd(p), p.tx_per_s, p.delay_usd, close),
    }


def verify_usd(p: Proving) -> float:
    """Return the cost of verifying one aggregate on L1."""
    return p.verify_gas * p.gwei * 1e-9 * p.eth_usd


def example(p: Proving) -> int:
    """Return the provers of the example: one more than the fewest that are stable with failures."""
    return cf.min_provers(1 / p.close_s, p.prove_s, p.failure) + 1


def factory() -> pd.DataFrame:
    """Return rate and lead time of three toy lines by the items in them: ``line``, ``wip``, ``rate``, ``lead``."""
    rows = [(name, wip, *cf.line_rate(stages, wip)) for name, stages in LINES.items() for wip in range(1, 9)]
    return pd.DataFrame(rows, columns=["line", "wip", "rate", "lead"])


def formulas(p: Proving) -> pd.DataFrame:
    """Return delays with regular times: ``panel`` (by batch, by provers), ``series``, ``x``, ``delay_s``."""
    count, rows = knee(p), []
    ready = np.arange(1, 201) * p.close_s
    for provers in sorted({1, count // 2, count - 1, count} - {0}):
        done = kernels.prove(ready, np.full(200, p.prove_s), np.ones(provers))[1]
        delay = done - ready + p.close_s + p.article_block_s
        rows += [
            ("by batch", f"{provers} prover{'s' * (provers > 1)}", i + 1, d) for i, d in enumerate(delay)
        ]
    for n in range(1, 2 * count + 1):
        tied = cf.article_delay(p.close_s, p.prove_s, p.article_block_s, p.aggregate_s, n)
        rows.append(("by provers", "article: group as large as the number of provers", n, tied))
        if n >= p.prove_s / p.close_s and 2 * p.close_s >= p.aggregate_s:
            apart = cf.delay_worst(p.close_s, p.prove_s, p.aggregate_s, p.article_block_s, provers=n, group=2)
            rows.append(("by provers", "groups of two", n, apart))
    return pd.DataFrame(rows, columns=["panel", "series", "x", "delay_s"])


def queueing(p: Proving) -> pd.DataFrame:
    """Return mean waits with Poisson batches and a fixed time: ``provers``, ``how``, ``wait_s``, ``low_s``, ``high_s``."""
    rows: list[tuple[Any, ...]] = []
    first, jobs = cf.min_provers(1 / p.close_s, p.prove_s), 400_000
    paths = [
        np.cumsum(np.random.default_rng(seed).exponential(p.close_s, jobs))
        for seed in replications.seeds(p.seed, p.replications)
    ]
    for count in range(first, first + 6):
        waits = [
            kernels.wait_constant_service(ready, p.prove_s, count)[jobs // 5 :].mean() for ready in paths
        ]
        rows.append((count, "simulated", *replications.mean(waits)))
        for how, wait in (
            ("Cosmetatos", cf.wait_mdc(1 / p.close_s, p.prove_s, count)),
            ("Allen and Cunneen", cf.wait_ggc(1 / p.close_s, p.prove_s, count, 1, 0, "ac")),
            ("M/M/c (Erlang)", cf.wait_mmc(1 / p.close_s, p.prove_s, count)),
        ):
            rows.append((count, how, wait, wait, wait))
    return pd.DataFrame(rows, columns=["provers", "how", "wait_s", "low_s", "high_s"])


def throughput(p: Proving) -> pd.DataFrame:
    """Return batches per hour by provers: ``provers``, ``how``, ``per_h``; the provers are never short of work."""
    rows: list[tuple[Any, ...]] = []
    rng = np.random.default_rng(p.seed)
    work = np.full(20_000, p.prove_s) * rng.geometric(1 - p.failure, 20_000)
    ready = np.arange(20_000) * p.close_s
    for count in range(1, 2 * knee(p) + 1):
        done = kernels.prove(ready, work, np.ones(count))[1]
        regular = cf.capacity(p.close_s, p.prove_s, p.aggregate_s, provers=count, group=max(2, p.group))
        rows.append((count, "regular times", 3600 * regular))
        rows.append((count, "simulated, with failures", float(3600 * len(done) / done.max())))
    return pd.DataFrame(rows, columns=["provers", "how", "per_h"])


@dataclass(frozen=True)
class Measured:
    """The measured runs, the one that stands for real-time proving, and the one with most crashes."""

    every: pd.DataFrame
    name: str
    crash_name: str
    stamp: Model

    @property
    def run(self) -> pd.DataFrame:
        """Rows of the run that stands for real-time proving."""
        return self.of(self.name)

    def of(self, name: str) -> pd.DataFrame:
        """Rows of one run, in the order of blocks."""
        return self.every[self.every["run"] == name].reset_index(drop=True)

    @property
    def times(self) -> np.ndarray:
        """Proving times of the finished blocks of the real-time run."""
        return self.run["prove_s"].dropna().to_numpy()


def measured(p: Proving) -> Measured:
    """Read the measured runs, or invent some for the sample."""
    if p.runs == datasets.SAMPLE:
        every = runs.synthetic(p.seed)
        name, kind = every["run"].iloc[0], "invented proving runs"
    else:
        every, name = runs.load(datasets.locate(p.runs)), p.run
        kind = (
            "measured proving runs of consecutive mainnet blocks (eth-act/zkevm-benchmark-runs), 8 x RTX 5090"
        )
    pick(every, name)
    return Measured(every, name, every.groupby("run")["crashed"].sum().idxmax(), Model(kind))


def pick(every: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the rows of one run; an `InputError` lists the runs there are."""
    if name not in set(every["run"]):
        raise InputError(f"run={name!r} is not measured; there are: {'; '.join(sorted(set(every['run'])))}")
    return every[every["run"] == name]


def _boot(values: np.ndarray, statistic: Any, p: Proving) -> Estimate:
    rng = np.random.default_rng(p.seed)
    found = [statistic(values[rng.integers(0, len(values), len(values))]) for _ in range(p.draws)]
    return Estimate(float(statistic(values)), *percentile_interval(np.array(found)))


def calibration(m: Measured) -> pd.DataFrame:
    """Return blocks and fitted bands of the crash run: ``panel``, ``kind``, ``size``, ``prove_s``, ``low_s``, ``high_s``."""
    part, out = m.of(m.crash_name), []
    for covariate in ("gas", "cycles"):
        line = service_times.fit(part[covariate].to_numpy(), part["prove_s"].to_numpy(), covariate)
        grid = np.linspace(part[covariate].min(), part[covariate].max(), 40)
        low, high = line.band(grid)
        scale = service_times.UNITS[covariate]
        top = part["prove_s"].max() * 1.06
        out += [
            pd.DataFrame({"kind": "fit", "size": grid / scale, "prove_s": line.predict(grid), "low_s": low, "high_s": high}),
            pd.DataFrame(
                {
                    "kind": np.where(part["crashed"], "crashed", "finished"),
                    "size": part[covariate] / scale,
                    "prove_s": part["prove_s"].fillna(top),
                }
            ),
        ]  # fmt: skip
        for frame in out[-2:]:
            frame["panel"] = covariate
    return pd.concat(out, ignore_index=True)


def coverage(m: Measured, p: Proving) -> pd.DataFrame:
    """Return coverage of 95 % bands on later blocks: ``covariate``, ``decile``, ``share``, ``low``, ``high``, all runs."""
    rows: list[tuple[Any, ...]] = []
    for covariate in ("gas", "cycles"):
        known = [part for _, part in m.every.groupby("run") if part[covariate].notna().all()]
        found = pd.concat(service_times.judged(part, covariate, p.train) for part in known)
        for decile, inside in [(0, found["inside"]), *found.groupby("decile")["inside"]]:
            rows.append((covariate, int(decile), *crashes.share(inside.to_numpy())))
    return pd.DataFrame(rows, columns=["covariate", "decile", "share", "low", "high"])


def times(m: Measured, p: Proving) -> dict[str, Any]:
    """Return what the measured times say, by the name under which it is recorded."""
    run, part = m.run, m.of(m.crash_name)
    gas = service_times.fit(run["gas"].to_numpy(), run["prove_s"].to_numpy())
    by = {
        one: service_times.fit(part[one].to_numpy(), part["prove_s"].to_numpy(), one)
        for one in ("gas", "cycles")
    }
    covered = coverage(m, p).set_index(["covariate", "decile"])
    done = m.times
    return {
        "run": m.name,
        "slope": Estimate(gas.slope_s, *gas.slope_interval),
        "r2": gas.r2,
        "r2_crash_gas": by["gas"].r2,
        "r2_crash_cycles": by["cycles"].r2,
        "sd_gas": by["gas"].residual_sd_s,
        "sd_cycles": by["cycles"].residual_sd_s,
        "coverage_gas": Estimate(*covered.loc[("gas", 0)]),
        "coverage_cycles": Estimate(*covered.loc[("cycles", 0)]),
        "coverage_gas_top": Estimate(*covered.loc[("gas", 10)]),
        "coverage_cycles_top": Estimate(*covered.loc[("cycles", 10)]),
        "scv": float(done.var() / done.mean() ** 2),
        "tail": float(np.quantile(done, 0.99) / done.mean()),
        "resequencing": cf.resequencing_factor(done, 4) - 1,
        "within_slot": _boot(done, lambda some: float((some <= p.slot_s).mean()), p),
    }


def crashed(m: Measured, p: Proving) -> dict[str, Any]:
    """Return what the crashes say, by the name under which it is recorded."""
    part = m.of(m.crash_name)
    hit = part["crashed"].to_numpy()
    rng = np.random.default_rng(p.seed)
    samples = [
        service_times.mean_times(part.iloc[rng.integers(0, len(part), len(part))]) for _ in range(p.draws)
    ]
    means = service_times.mean_times(part)
    out: dict[str, Any] = {
        f"mean_{how.replace(' ', '_')}": Estimate(
            value, *percentile_interval(np.array([one[how] for one in samples]))
        )
        for how, value in means.items()
    }
    bias = np.array([one["weighted"] - one["left out"] for one in samples])
    hazard = crashes.memoryless(part["cycles"].to_numpy(), hit)
    return out | {
        "crash_run": m.crash_name,
        "crashes": int(hit.sum()),
        "crash_blocks": len(part),
        "crash_share": crashes.share(hit),
        "crash_share_run": crashes.share(m.run["crashed"].to_numpy()),
        "crash_odds": crashes.effect(part["gas"].to_numpy(), hit),
        "crash_bias": Estimate(means["weighted"] - means["left out"], *percentile_interval(bias)),
        "crash_exponent": hazard.exponent,
        "crash_memoryless_p": hazard.p_value,
        "brier_gain": crashes.brier_gain(part, "cycles", p.train, draws=10 * p.draws, seed=p.seed),
    }


def common_crashes(m: Measured) -> tuple[int, float, float] | None:
    """Return blocks that crash in both runs with most crashes, the expected number and the p-value; None for one such run."""
    counts = m.every.groupby("run")["crashed"].sum().sort_values(ascending=False, kind="stable")
    names = list(counts[counts > 1].index[:2])
    return crashes.overlap(*(m.of(name) for name in names)) if len(names) == 2 else None


def provers(m: Measured, p: Proving) -> pd.DataFrame:
    """Return what each run needs for one block per slot; a run that cannot keep up has no number.

    Columns ``run``, ``blocks``, ``crash_share``, ``provers``, ``low``, ``high``, ``confidence``, ``within_slot``.
    """
    rows: list[tuple[Any, ...]] = []
    for name, part in m.every.groupby("run"):
        done = part["prove_s"].dropna().to_numpy()
        options: dict[str, Any] = {"max_wait_s": p.max_wait_s, "seed": p.seed}
        needed = service_times.provers_needed(done, p.slot_s, **options)
        boot = service_times.provers_confidence(done, p.slot_s, draws=p.draws, **options)
        low, high = np.quantile(boot, [0.025, 0.975], method="nearest")
        value = math.inf if needed is None else needed
        ends = (min(low, value), max(high, value))
        row = (value, *ends, float((boot <= value).mean()))
        shown = [one if math.isfinite(one) else None for one in row]
        rows.append((name, len(part), part["crashed"].mean(), *shown, float((done <= p.slot_s).mean())))
    names = ["run", "blocks", "crash_share", "provers", "low", "high", "confidence", "within_slot"]
    return pd.DataFrame(rows, columns=names)


def needed(table: pd.DataFrame, name: str) -> tuple[Estimate, float] | None:
    """Return the provers that a run needs and how many bootstrap samples need no more; None if it cannot keep up."""
    row = table[table["run"] == name].iloc[0]
    if pd.isna(row["provers"]) or pd.isna(row["high"]):
        return None
    return Estimate(int(row["provers"]), row["low"], row["high"]), float(row["confidence"])


def real_time(m: Measured) -> pd.DataFrame:
    """Return the finished blocks' times: ``run``, ``time_s``."""
    done = m.every[~m.every["crashed"]]
    return done[["run", "prove_s"]].rename(columns={"prove_s": "time_s"})


def pipeline(p: Proving, **changes: Any) -> Pipeline:
    """Return the example's pipeline."""
    one = Pipeline(
        max_tx=10**9,
        timeout_s=p.close_s,
        speeds=(1.0,) * example(p),
        group=p.group,
        aggregate_s=p.aggregate_s,
        block_s=p.slot_s,
    )
    return replace(one, **changes)


def traffic(p: Proving, **changes: Any) -> replications.Traffic:
    """Return the example's traffic."""
    return replace(replications.Traffic(p.tx_per_s, p.transactions, p.failure, p.miss), **changes)


def simulated(p: Proving, work_s: np.ndarray, load: Any = None, **changes: Any) -> replications.Replicated:
    """Return independent replications of the example's pipeline, with changes."""
    return replications.replicate(
        pipeline(p, **changes), load or traffic(p), work_s, replications=p.replications, seed=p.seed
    )


def article_times(m: Measured, p: Proving) -> np.ndarray:
    """Return proving times of the measured shape about the article's mean."""
    return m.times / m.times.mean() * p.prove_s


def timeline(p: Proving, work_s: np.ndarray) -> pd.DataFrame:
    """Return the stages of a transaction's way on one path: ``stage``, ``mean_s``, ``p05_s``, ``p95_s``."""
    found = replications.stages(*replications.path(pipeline(p), traffic(p), work_s, p.seed))
    found = found.iloc[int(replications.FILL * len(found)) :]
    low, high = found.quantile(0.05), found.quantile(0.95)
    return pd.DataFrame({"stage": found.columns, "mean_s": found.mean(), "p05_s": low, "p95_s": high})


def groups(p: Proving, work_s: np.ndarray) -> tuple[pd.DataFrame, dict[int, replications.Replicated]]:
    """Return mean delays by size of the group, regular and simulated: ``group``, ``how``, ``mean_s``, ``low_s``, ``high_s``."""
    found, rows = {}, []
    for group in GROUPS:
        if group * p.close_s <= p.aggregate_s:
            continue
        found[group] = simulated(p, work_s, group=group)
        rows.append((group, "simulated", *found[group].final.mean()))
        regular = cf.delay_mean(
            p.close_s, p.prove_s, p.aggregate_s, p.slot_s / 2, provers=example(p), group=group
        )
        rows.append((group, "closed form, regular times", regular, regular, regular))
    return pd.DataFrame(rows, columns=["group", "how", "mean_s", "low_s", "high_s"]), found


def best_group(found: dict[int, replications.Replicated]) -> tuple[int, Estimate]:
    """Return the group with the least mean delay, and by how much the smallest stable group is slower (paired)."""
    best = min(found, key=lambda group: found[group].final.means.mean())
    return best, replications.paired(found, min(found), best)


def failures(p: Proving, work_s: np.ndarray) -> pd.DataFrame:
    """Return the delay's tail by failures and provers: ``failure``, ``provers``, ``p99_s``, ``low_s``, ``high_s``."""
    base, rows = example(p), []
    for failure in sorted({0.0, p.failure, 0.05, 0.1}):
        for extra in (0, 4):
            count = cf.min_provers(1 / p.close_s, p.prove_s, failure) + 1
            count = max(base, count) + extra
            found = simulated(p, work_s, traffic(p, failure=failure), speeds=(1.0,) * count)
            more = f"{extra} more provers" if extra else "one prover more than is stable"
            rows.append((failure, more, *found.final.quantile(0.99)))
    return pd.DataFrame(rows, columns=["failure", "provers", "p99_s", "low_s", "high_s"])


def variants(p: Proving, work_s: np.ndarray) -> pd.DataFrame:
    """Return delays of other designs with the same provers' capacity: ``design`` and delays with their intervals."""
    count, rows = example(p), []
    designs: dict[str, dict[str, Any]] = {
        "example": {},
        "order first, prove what is virtual": {"prove_after": "virtual"},
        "half of the provers 1.5 times as fast, half 0.5 times": {
            "speeds": tuple([1.5] * (count // 2) + [0.5] * (count // 2) + [1.0] * (count % 2))
        },
        "16 proofs in one aggregation step": {"group": 16},
        "16 proofs in a tree that joins four at a time": {"group": 16, "fan_in": 4},
        "16 proofs in a tree that joins two at a time": {"group": 16, "fan_in": 2},
        "sequences of four batches": {"sequence": 4},
    }
    for name, changes in designs.items():
        found = simulated(p, work_s, **changes)
        rows.append((name, *found.virtual.mean(), *found.final.mean(), *found.final.quantile(0.99)))
    ends = ("", "_low", "_high")
    columns = [f"{one}{end}_s" for one in ("virtual_mean", "final_mean", "final_p99") for end in ends]
    return pd.DataFrame(rows, columns=["design", *columns])


def prices(p: Proving) -> frontier.Prices:
    """Return the money of the chapter's parameters."""
    return frontier.Prices(
        verify_gas=p.verify_gas,
        usd_per_gas=p.gwei * 1e-9 * p.eth_usd,
        prover_usd_per_s=p.prover_usd_per_h / 3600,
    )


def choices(p: Proving, work_s: np.ndarray, sizes: Sequence[int] = (2, 4, 8, 16, 32)) -> pd.DataFrame:
    """Return the frontier of delay against cost over group and closing time, with the example's provers."""
    points = [
        frontier.Point(example(p), group, close) for close in (p.close_s, 2 * p.close_s) for group in sizes
    ]
    return frontier.sweep(
        points, traffic(p), prices(p), work_s, pipeline(p), replications=p.replications, seed=p.seed
    )


def costs(p: Proving) -> pd.DataFrame:
    """Return cost per transaction by group and cause, closed form: ``group``, ``cause``, ``usd``."""
    best = cf.optimal_aggregation(verify_usd(p), p.tx_per_s, p.delay_usd, p.close_s)
    rows, money = [], prices(p)
    for group in np.unique(np.geomspace(1, max(8 * best, 8), 40)):

        def parts(size: float) -> dict[str, float]:
            return cf.cost_per_tx(
                batch_tx=cf.batch_size_timer(p.tx_per_s, p.close_s), group=size, verify_gas=p.verify_gas,
                batch_gas=money.batch_gas, usd_per_gas=money.usd_per_gas,
                prover_usd_per_s=money.prover_usd_per_s * example(p), prove_s=p.close_s,
            )  # fmt: skip

        waiting = {"waiting": p.delay_usd * group * p.close_s / 2}
        aggregated, naive = parts(float(group)) | waiting, parts(1.0) | waiting
        rows += [(group, cause, usd) for cause, usd in aggregated.items()]
        rows += [
            (group, "total", sum(aggregated.values())),
            (group, "total, no aggregation", sum(naive.values())),
        ]
    return pd.DataFrame(rows, columns=["group", "cause", "usd"])


def operator(p: Proving, **changes: Any) -> planner.Inputs:
    """Return what the operator of the plan faces, with changes."""
    return replace(planner.Inputs(slot_s=p.slot_s, stake_usd=p.stake_usd), **changes)


def growth(m: Measured, p: Proving) -> pd.DataFrame:
    """Return the cheapest plans by gas growth and by the share of a proof that more GPUs do not shorten.

    Returns
    -------
    pandas.DataFrame
        ``gas_growth``, ``serial``, ``target``, ``met``, ``gpus``, ``usd_per_proof``, ``within``; a target that nothing
        tried meets has no numbers. The growth is varied at the assumed share, and the share at the gas of today.
    """
    assumed = planner.Inputs.serial
    cases = [(one, assumed) for one in p.gas_growth] + [(1.0, one) for one in p.serial]
    rows = []
    for gas, serial in dict.fromkeys(cases):
        found = planner.plan(m.run, operator(p, gas_growth=gas, serial=serial), seed=p.seed)
        for row in found[found["target"] != "real-time"].to_dict("records"):
            columns = ("target", "met", "gpus_total", "usd_per_proof", "within")
            rows.append((gas, serial, *(row[name] for name in columns)))
    return pd.DataFrame(
        rows, columns=["gas_growth", "serial", "target", "met", "gpus", "usd_per_proof", "within"]
    )


def reached(table: pd.DataFrame, p: Proving) -> dict[str, Any]:
    """Return what `growth` says, by the name under which it is recorded; without what no plan gives."""
    assumed = planner.Inputs.serial
    live = table[(table["target"] == "live") & (table["serial"] == assumed) & table["met"]]
    most = live[live["gas_growth"] == max(p.gas_growth)]
    out: dict[str, Any] = {"serial": assumed, "gas_growth_most": max(p.gas_growth)}
    if len(most):
        out["growth_gpus"] = int(most["gpus"].iloc[0])
    shares = table[(table["target"] == "performance") & (table["gas_growth"] == 1.0) & table["met"]]["serial"]
    if len(shares):
        out["serial_most"] = float(shares.max())
    return out


def auction(m: Measured, p: Proving) -> pd.DataFrame:
    """Return what a prover of the live plan's kind must ask in a reverse auction, by its teams; empty without a plan.

    The columns of `rollstate.proving.planner.auction`.
    """
    inputs = operator(p)
    drawn = planner.blocks(m.run, inputs, seed=p.seed)
    best = planner.optimum(drawn, inputs, "performance") or planner.optimum(drawn, inputs, "live")
    if best is None:
        return pd.DataFrame(columns=["teams", "miss", "cost_usd", "slashed_usd", "price_usd"])
    kind = planner.Choice(1, best["gpus"], best["copies"], best["timeout_s"])
    return planner.auction(drawn, inputs, kind)


BID = ("auction_teams", "auction_usd", "auction_miss")
"""Recorded numbers of a reverse auction, which nobody enters without a plan that keeps up."""


def best_bid(table: pd.DataFrame) -> dict[str, Any]:
    """Return the least price of `auction`, by the name under which it is recorded."""
    row = table.loc[table["price_usd"].idxmin()]
    return dict(zip(BID, (int(row["teams"]), float(row["price_usd"]), float(row["miss"])), strict=True))


def recorded(p: Proving) -> pd.DataFrame | None:
    """Return the recorded life cycle of batches that the parameters name; None if they name none."""
    if p.life_cycle is None:
        return None
    if p.life_cycle == datasets.SAMPLE:
        return life_cycle.synthetic(p.seed)
    return life_cycle.read(datasets.locate(p.life_cycle))


def against_recorded(
    batches: pd.DataFrame, p: Proving, work_s: np.ndarray
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return delays by source, and the models' distances from recorded ones.

    The example takes the page's parameters as they are. The fitted pipeline is made from the first half of the
    batches, and both are judged on the second.

    Returns
    -------
    tuple
        ``stage``, ``source``, ``level``, ``delay_s`` (quantiles of each distribution); and
        `rollstate.proving.life_cycle.compare`.
    """
    half = len(batches) // 2
    first, later = batches.iloc[:half], batches.iloc[half:]
    own = pipeline(p), replace(traffic(p), transactions=min(p.transactions, 200_000)), work_s
    fit = life_cycle.fitted(first, pipeline(p), traffic(p), seed=p.seed)
    models = {
        name: life_cycle.simulated(*one, replications=10, seed=p.seed)
        for name, one in (
            ("example of this page", own),
            ("fitted on earlier batches", (fit.pipeline, fit.traffic, fit.work_s)),
        )
    }
    levels = np.linspace(0.01, 0.99, 99)
    parts = [
        pd.DataFrame(
            {"stage": stage, "source": source, "level": levels, "delay_s": frame[stage].quantile(levels)}
        )
        for stage in ("committed", "proven")
        for source, frame in {"recorded": life_cycle.delays(later), **models}.items()
    ]
    return pd.concat(parts, ignore_index=True), life_cycle.compare(later, models)


LIFE = ("life_batches", "life_open", "ks_proven", "ks_proven_fitted")
"""Recorded numbers that need the life cycle of an L2's batches."""


def life(batches: pd.DataFrame, table: pd.DataFrame) -> dict[str, Any]:
    """Return what the recorded batches say, by the name under which it is recorded."""
    by = table[table["stage"] == "proven"].set_index("model")["ks"]
    proven = int(batches["proven_s"].notna().sum())
    return {
        "life_batches": proven,
        "life_open": len(batches) - proven,
        "ks_proven": float(by["example of this page"]),
        "ks_proven_fitted": float(by["fitted on earlier batches"]),
    }


def plan(m: Measured, p: Proving) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the operator's plan for the real-time run, and its recorded numbers."""
    inputs = operator(p)
    table = planner.plan(m.run, inputs, seed=p.seed)
    worst = planner.worst_case(inputs, inputs.run_gpus)
    row = table[table["target"] == "performance"].iloc[0]
    live = table[table["target"] == "live"].iloc[0]
    numbers: dict[str, Any] = {"worst_provers": worst["teams"], "worst_time": worst["time_s"]}
    if live["met"]:
        numbers |= {"plan_live_gpus": int(live["gpus_total"]), "plan_live_usd": float(live["usd_per_proof"])}
    if row["met"]:
        numbers |= {"plan_gpus": int(row["gpus_total"]), "plan_usd": float(row["usd_per_proof"])}
        numbers |= {"plan_kw": float(row["kw"]), "plan_within": float(row["within"])}
    numbers["plan_real_time"] = bool(table[table["target"] == "real-time"]["met"].iloc[0])
    return table, numbers


PLAN = ("plan_live_gpus", "plan_live_usd", "plan_gpus", "plan_usd", "plan_kw", "plan_within")
"""Recorded numbers of a plan that are missing where no plan meets its target."""
