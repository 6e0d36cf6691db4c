"""The package's closed forms as functions of what the page "My rollup" asks, by the names of its inputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from rollstate.dispute import economics
from rollstate.dispute.records import Rules
from rollstate.execution import caches, schedules, state_trees
from rollstate.proving import closed_form
from rollstate.tiering import costs, windows

Values = Mapping[str, float]


def worksheet(v: Values) -> costs.Costs:
    """Return what tiers cost in dollars."""
    media = {
        "ram": costs.Medium(v["ram_usd"], costs.MEDIA["ram"].latency_s),
        "ssd": costs.Medium(v["ssd_usd"], v["ssd_us"] * 1e-6),
        "cold": costs.Medium(v["cold_usd"], v["cold_ms"] * 1e-3),
    }
    return costs.worksheet(media, slot_bytes=v["slot_bytes"], block_s=v["block_s"], usd_per_s=v["usd_per_s"])


def ssd_window(v: Values) -> float:
    """Return the idle time, in hours, after which a slot leaves RAM for SSD."""
    sheet = worksheet(v)
    pair = costs.Costs(sheet.ram, sheet.ssd, sheet.ssd, sheet.miss_ssd, sheet.miss_ssd)
    return windows.ski_rental(pair) * v["block_s"] / 3600


def cold_window(v: Values) -> float:
    """Return the idle time, in days, after which a slot leaves SSD for cold storage."""
    sheet = worksheet(v)
    miss = sheet.miss_cold - sheet.miss_ssd
    return (
        windows.ski_rental(costs.Costs(sheet.ssd, sheet.cold, sheet.cold, miss, miss)) * v["block_s"] / 86_400
    )


def penalty(v: Values) -> float:
    """Return how many blocks in RAM cost as much as a miss on SSD."""
    sheet = worksheet(v)
    return sheet.miss_ssd / sheet.ram


def wait(v: Values) -> float:
    """Return the mean wait for a prover: batches close at random, failed proofs are tried again."""
    mean, variation = closed_form.retry_moments(v["prove_s"], v["failure"])
    return closed_form.wait_ggc(1 / v["close_s"], mean, int(v["provers"]), 1.0, variation)


def _line(v: Values) -> tuple[float, float, float]:
    return v["close_s"], v["prove_s"], v["agg_s"]


def _crew(v: Values) -> dict[str, int]:
    return {"provers": int(v["provers"]), "group": int(v["group"])}


def _usd_per_gas(v: Values) -> float:
    return v["gwei"] * 1e-9 * v["eth_usd"]


def best_group(v: Values) -> float:
    """Return the group size with the least cost of verification and waiting."""
    verify = v["verify_gas"] * _usd_per_gas(v)
    return closed_form.optimal_aggregation(verify, v["tx_per_s"], v["delay_usd"], v["close_s"])


def cost(cause: str) -> Callable[[Values], float]:
    """Return what computes one cause of the cost per transaction."""

    def compute(v: Values) -> float:
        return closed_form.cost_per_tx(
            batch_tx=v["tx_per_s"] * v["close_s"],
            group=v["group"],
            verify_gas=v["verify_gas"],
            batch_gas=v["batch_gas"],
            usd_per_gas=_usd_per_gas(v),
            prover_usd_per_s=v["prover_usd_per_h"] / 3600,
            prove_s=v["prove_s"],
        )[cause]

    return compute


def read_s(v: Values, depth: float) -> float:
    """Return the time of a block's reads with so many under way."""
    return caches.read_time_s(v["block_slots"], v["disk_us"] * 1e-6, depth)


def block_ms(*, overlapped: bool) -> Callable[[Values], float]:
    """Return what computes a block's time: one after the other on one thread, or all at once."""

    def compute(v: Values) -> float:
        reads, threads = read_s(v, v["depth"] if overlapped else 1), v["threads"] if overlapped else 1
        return caches.block_time_s(v["compute_ms"] * 1e-3, threads, reads, overlapped=overlapped) * 1e3

    return compute


def speed_up(v: Values) -> float:
    """Return how many times faster all at once is."""
    return block_ms(overlapped=False)(v) / block_ms(overlapped=True)(v)


def kept_hashes(layout: state_trees.Layout) -> Callable[[Values], float]:
    """Return what computes the share of node hashes per key that one root for several blocks leaves."""

    def compute(v: Values) -> float:
        state, written = int(v["state_slots"]), int(v["written_slots"])
        many = state_trees.update_cost(layout, state, written * int(v["interval"]))
        return many.hashes / state_trees.update_cost(layout, state, written).hashes

    return compute


def _rules(v: Values) -> Rules:
    """Return the contract's constants; those that no answer depends on fit the others."""
    bond, window = round(v["bond_eth"] * economics.WEI), int(v["window_s"])
    return Rules(
        window=window,
        clock=int(v["clock_s"]),
        extension=int(v["extension_s"]),
        sequencer_bond=bond,
        challenger_bond=bond // 10,
        patience=max(window, Rules.patience),
    )


def per_eth(v: Values) -> float:
    """Return the delay that one ETH buys a sequencer that loses on purpose."""
    return economics.delays(_rules(v))[1].seconds_per_eth


def least_provers(v: Values) -> float:
    """Return the fewest provers that keep up."""
    return closed_form.min_provers(1 / v["close_s"], v["prove_s"], v["failure"])


def capacity_per_hour(v: Values) -> float:
    """Return the batches that can pass in an hour."""
    return 3600 * closed_form.capacity(*_line(v), **_crew(v), failure=v["failure"])


def delay_mean(v: Values) -> float:
    """Return the mean delay to finality when all times are regular."""
    return closed_form.delay_mean(*_line(v), v["slot_s"], **_crew(v))


def delay_worst(v: Values) -> float:
    """Return the longest delay to finality when all times are regular."""
    return closed_form.delay_worst(*_line(v), v["slot_s"], **_crew(v))


def slot_wait(v: Values) -> float:
    """Return the mean wait for an L1 slot."""
    return closed_form.slot_wait(v["slot_s"], v["miss"])


def backlog(v: Values) -> float:
    """Return by how much each batch waits longer than the one before."""
    return closed_form.backlog_growth(v["close_s"], v["prove_s"], int(v["provers"]))


def read_ms(*, deep: bool) -> Callable[[Values], float]:
    """Return what computes the time of a block's reads: one after the other, or many under way."""
    return lambda v: read_s(v, v["depth"] if deep else 1) * 1e3


def two_phase(v: Values) -> float:
    """Return the speed-up of running all at once and conflicting ones again."""
    return schedules.two_phase(v["independent"], v["threads"])


def amdahl(v: Values) -> float:
    """Return the speed-up if what does not conflict took no time."""
    return schedules.amdahl(v["independent"], math.inf)


def witness_kb(kind: Callable[[float, float], float]) -> Callable[[Values], float]:
    """Return what computes the size of a block's witness."""
    return lambda v: kind(v["written_slots"], v["state_slots"]) / 1e3


def game_s(v: Values) -> float:
    """Return the delay that puppet games can buy."""
    return economics.delays(_rules(v))[0].seconds


def dispute_eth(v: Values) -> float:
    """Return what a dispute's gas costs."""
    return economics.gas_cost(int(v["dispute_gas"]), v["gwei"])


def op_bond(v: Values) -> float:
    """Return the bond that OP Stack's game asks for at a depth."""
    return economics.op_bond(int(v["op_depth"]))
