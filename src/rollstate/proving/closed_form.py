r"""Closed forms of the proving pipeline: close a batch, prove it, aggregate proofs, verify on L1.

The factory law (Hopp and Spearman, Factory Physics, ch. 7): with :math:`w` items in a line whose stages take
:math:`T_1, \dots, T_m`,

.. math:: \mathrm{rate} &= \min(w / \textstyle\sum T_i,\ 1 / \max T_i), \\
          \mathrm{lead\ time} &= \max(\textstyle\sum T_i,\ w \max T_i).

The article's formulas ("order then prove", June 2024, and the vendor's documentation of the same month) are the
``article_*`` functions. They tie the number of provers to the number of proofs per aggregate and take every arrival as
regular; the other functions keep both apart and say what randomness adds. Functions that describe a steady state refuse
a load that has none.

Times are in seconds, rates per second, money in US dollars.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from rollstate.errors import InputError

_NO_WAIT_S = 1e-290


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"{name}={value!r} must be positive and finite")


def _not_negative(**values: float) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value >= 0):
            raise InputError(f"{name}={value!r} must be finite and not negative")


def _share(**values: float) -> None:
    for name, value in values.items():
        if not 0 <= value < 1:
            raise InputError(f"{name}={value!r} must be at least 0 and below 1")


def _load(rate_per_s: float, service_s: float, servers: int) -> float:
    """Return the utilisation, or refuse one that has no steady state."""
    _positive(rate_per_s=rate_per_s, service_s=service_s, servers=servers)
    rho = rate_per_s * service_s / servers
    if rho >= 1:
        raise InputError(
            f"load {rho:.3f}: {servers} servers of {service_s:g} s cannot keep up with {rate_per_s:g} per second, "
            f"the queue grows for ever; use at least {min_provers(rate_per_s, service_s)}"
        )
    return rho


def line_rate(stage_s: Sequence[float], wip: int) -> tuple[float, float]:
    """Return rate (per unit of time) and lead time of a line with `wip` items in it, by the factory law.

    >>> line_rate([10.0, 30.0], wip=1)
    (0.025, 40.0)
    """
    _positive(**{f"stage {i}": stage for i, stage in enumerate(stage_s)}, wip=wip)
    total, slowest = sum(stage_s), max(stage_s)
    return min(wip / total, 1 / slowest), max(total, wip * slowest)


def article_delay(close_s: float, prove_s: float, block_s: float, agg_s: float = 0.0, n: int = 1) -> float:
    """Return the article's delay to a consolidated state, N close + prove + aggregate + block.

    >>> article_delay(close_s=10, prove_s=300, block_s=12)
    322.0
    """
    _positive(close_s=close_s, prove_s=prove_s, block_s=block_s, n=n)
    _not_negative(agg_s=agg_s)
    return n * close_s + prove_s + agg_s + block_s


def article_throughput(
    close_s: float, prove_s: float, block_s: float, agg_s: float = 0.0, n: int = 1
) -> float:
    """Return the article's throughput in batches per second: 1/prove alone, N / max of the stages aggregated."""
    _positive(close_s=close_s, prove_s=prove_s, block_s=block_s, n=n)
    _not_negative(agg_s=agg_s)
    return n / max(prove_s, n * close_s, block_s, agg_s)


def article_delay_virtual(close_s: float, block_s: float, n: int = 1) -> float:
    """Return the article's delay to a virtual state, N close + block."""
    _positive(close_s=close_s, block_s=block_s, n=n)
    return n * close_s + block_s


def capacity(
    close_s: float, prove_s: float, agg_s: float, *, provers: int, group: int, failure: float = 0.0
) -> float:
    """Return the throughput in batches per second with provers and proofs per aggregate kept apart.

    The block time is no term: an L1 block takes many verifications, so it delays and does not limit.

    >>> capacity(10, 300, 0, provers=15, group=1)
    0.05
    """
    _positive(close_s=close_s, prove_s=prove_s, provers=provers, group=group)
    _not_negative(agg_s=agg_s)
    _share(failure=failure)
    limits = [1 / close_s, provers * (1 - failure) / prove_s]
    return min(limits + ([group / agg_s] if agg_s else []))


def delay_worst(
    close_s: float, prove_s: float, agg_s: float, block_s: float, *, provers: int, group: int
) -> float:
    """Return the delay of the first transaction of a group when all times are regular.

    Raises
    ------
    InputError
        If provers or the aggregator cannot keep up: then the delay grows with every batch, see `backlog_growth`.
    """
    _positive(block_s=block_s)
    rate = capacity(close_s, prove_s, agg_s, provers=provers, group=group)
    if rate < 1 / close_s * (1 - 1e-12):
        raise InputError(
            f"{provers} provers and groups of {group} finish {rate:.4g} batches per second, {1 / close_s:.4g} are "
            f"closed: the delay grows for ever; at least {math.ceil(prove_s / close_s)} provers are needed"
        )
    return group * close_s + prove_s + agg_s + block_s


def delay_mean(
    close_s: float, prove_s: float, agg_s: float, block_s: float, *, provers: int, group: int
) -> float:
    """Return the mean delay over transactions when all times are regular: half of the group's closing time less."""
    worst = delay_worst(close_s, prove_s, agg_s, block_s, provers=provers, group=group)
    return worst - group * close_s / 2


def backlog_growth(close_s: float, prove_s: float, provers: int) -> float:
    """Return by how many seconds each batch waits longer than the one before; zero if provers keep up.

    >>> backlog_growth(close_s=10, prove_s=300, provers=20)
    5.0
    >>> backlog_growth(close_s=10, prove_s=300, provers=30)
    0.0
    """
    _positive(close_s=close_s, prove_s=prove_s, provers=provers)
    return max(0.0, prove_s / provers - close_s)


def min_provers(rate_per_s: float, prove_s: float, failure: float = 0.0) -> int:
    """Return the fewest provers with a load strictly below one; failed proofs are tried again.

    >>> min_provers(rate_per_s=0.1, prove_s=120)
    13
    """
    _positive(rate_per_s=rate_per_s, prove_s=prove_s)
    _share(failure=failure)
    # A hair is taken off so that 0.1 * 120, which is not 12 in binary, counts as the 12 it is.
    return math.floor(rate_per_s * prove_s / (1 - failure) + 1e-9) + 1


def retry_moments(prove_s: float, failure: float) -> tuple[float, float]:
    """Return mean and squared coefficient of variation of a fixed proving time with retries until success.

    >>> retry_moments(prove_s=300, failure=0.25)
    (400.0, 0.25)
    """
    _positive(prove_s=prove_s)
    _share(failure=failure)
    return prove_s / (1 - failure), failure


def erlang_c(servers: int, offered: float) -> float:
    """Return the probability to wait in M/M/c at `offered` = rate x service, by Erlang's recursion.

    >>> erlang_c(servers=1, offered=0.5)
    0.5
    """
    _load(offered, 1.0, servers)
    blocking = 1.0
    for k in range(1, servers + 1):
        blocking = offered * blocking / (k + offered * blocking)
    return blocking / (1 - offered / servers * (1 - blocking))


def wait_mmc(rate_per_s: float, service_s: float, servers: int) -> float:
    """Return the mean wait in M/M/c."""
    _load(rate_per_s, service_s, servers)
    offered = rate_per_s * service_s
    return erlang_c(servers, offered) * service_s / (servers - offered)


def wait_md1(rate_per_s: float, service_s: float) -> float:
    """Return the mean wait in M/D/1 (Pollaczek and Khinchine), exact.

    >>> wait_md1(rate_per_s=0.5, service_s=1)
    0.5
    """
    rho = _load(rate_per_s, service_s, 1)
    return rho * service_s / (2 * (1 - rho))


def wait_mdc(rate_per_s: float, service_s: float, servers: int) -> float:
    """Return the mean wait in M/D/c by Cosmetatos (INFOR 13, 1975, 328-331)."""
    rho = _load(rate_per_s, service_s, servers)
    c = servers
    correction = 1 + (1 - rho) * (c - 1) * (math.sqrt(4 + 5 * c) - 2) / (16 * rho * c)
    return 0.5 * correction * wait_mmc(rate_per_s, service_s, c)


def wait_ggc(
    rate_per_s: float, service_s: float, servers: int, ca2: float, cs2: float, method: str = "kimura"
) -> float:
    """Return an approximate mean wait in G/G/c.

    Parameters
    ----------
    rate_per_s, service_s, servers
        Arrival rate, mean service time, number of servers.
    ca2, cs2 : float
        Squared coefficients of variation of inter-arrival and service times.
    method : {"kimura", "ac", "klb"}
        Kimura's interpolation between M/M/c, Cosmetatos' M/D/c and D/M/c (1986,
        https://doi.org/10.1287/mnsc.32.6.751), exact for M/M/c and Cosmetatos' for M/D/c; Allen and Cunneen; or that
        times the correction of Krämer and Langenbach-Belz for regular arrivals (as in Bolch and others, Queueing
        Networks and Markov Chains, 2006, 6.3, https://doi.org/10.1002/0471791571). Arrivals or services more variable
        than exponential are outside of Kimura's range: there the wait for exponential ones is scaled as by Allen and
        Cunneen.
    """
    rho = _load(rate_per_s, service_s, servers)
    _not_negative(ca2=ca2, cs2=cs2)
    if method not in ("kimura", "ac", "klb"):
        raise InputError(f"method {method!r} is not one of 'kimura', 'ac', 'klb'")
    exponential = wait_mmc(rate_per_s, service_s, servers)
    # With thousands of idle servers the wait is below what a float divides by.
    if ca2 + cs2 == 0 or exponential < _NO_WAIT_S:
        return 0.0
    if method == "kimura":
        inside = min(ca2, 1.0), min(cs2, 1.0)
        if sum(inside) == 0:
            return 0.0
        regular_service = wait_mdc(rate_per_s, service_s, servers)
        regular_arrivals = _wait_dmc(rho, servers, exponential)
        # In a queue that is nearly always empty regular arrivals do not wait at all, nor then do mixed ones.
        if inside[0] < 1 and regular_arrivals < _NO_WAIT_S:
            return 0.0
        terms = (1 - inside[0]) / regular_arrivals if inside[0] < 1 else 0.0
        terms += (1 - inside[1]) / regular_service + 2 * (sum(inside) - 1) / exponential
        return sum(inside) / terms * (ca2 + cs2) / sum(inside)
    wait = exponential * (ca2 + cs2) / 2
    if method == "ac" or ca2 > 1:
        return wait
    return wait * math.exp(-2 * (1 - rho) * (1 - ca2) ** 2 / (3 * rho * (ca2 + cs2)))


def _wait_dmc(rho: float, servers: int, exponential: float) -> float:
    """Return Kimura's mean wait in D/M/c from that in M/M/c; Krämer and Langenbach-Belz' where his turns negative."""
    c = servers
    correction = 1 - 4 * (1 - rho) * (c - 1) * (math.sqrt(4 + 5 * c) - 2) / (16 * rho * c)
    return 0.5 * (correction if correction > 0 else 1.0) * math.exp(-2 * (1 - rho) / (3 * rho)) * exponential


def batch_size_timer(rate_per_s: float, timeout_s: float) -> float:
    """Return the mean transactions of a batch whose timer its first Poisson arrival starts."""
    _positive(rate_per_s=rate_per_s, timeout_s=timeout_s)
    return 1 + rate_per_s * timeout_s


def batch_wait_timer(rate_per_s: float, timeout_s: float) -> float:
    """Return the mean wait of a transaction until such a batch closes."""
    x = rate_per_s * timeout_s
    _positive(rate_per_s=rate_per_s, timeout_s=timeout_s)
    return timeout_s / 2 * (2 + x) / (1 + x)


def batch_wait_count(rate_per_s: float, count: int) -> float:
    """Return the mean wait of a transaction until a batch of `count` is full."""
    _positive(rate_per_s=rate_per_s, count=count)
    return (count - 1) / (2 * rate_per_s)


def slot_wait(block_s: float, miss: float = 0.0, kind: str = "slot") -> float:
    """Return the mean wait for inclusion in an L1 block.

    ``"slot"`` for fixed slots of which a share `miss` is empty; ``"poisson"`` for memoryless blocks, where the wait
    is a whole mean block time, which is what the article takes.

    >>> slot_wait(12)
    6.0
    >>> slot_wait(12, kind="poisson")
    12.0
    """
    _positive(block_s=block_s)
    _share(miss=miss)
    if kind not in ("slot", "poisson"):
        raise InputError(f"kind {kind!r} is not one of 'slot', 'poisson'")
    return block_s / (1 - miss) if kind == "poisson" else block_s / 2 + block_s * miss / (1 - miss)


def aggregation_cost(
    group: float, verify_usd: float, tx_per_s: float, usd_per_tx_s: float, close_s: float
) -> float:
    """Return dollars per second of aggregating `group` batches: verification, and the transactions' waiting."""
    _positive(
        group=group, verify_usd=verify_usd, tx_per_s=tx_per_s, usd_per_tx_s=usd_per_tx_s, close_s=close_s
    )
    return verify_usd / (group * close_s) + tx_per_s * usd_per_tx_s * group * close_s / 2


def optimal_aggregation(verify_usd: float, tx_per_s: float, usd_per_tx_s: float, close_s: float) -> float:
    """Return the group size with the least `aggregation_cost`: the economic order quantity (Harris 1913).

    >>> optimal_aggregation(verify_usd=50, tx_per_s=1, usd_per_tx_s=0.01, close_s=10)
    10.0
    """
    _positive(verify_usd=verify_usd, tx_per_s=tx_per_s, usd_per_tx_s=usd_per_tx_s, close_s=close_s)
    return math.sqrt(2 * verify_usd / (tx_per_s * usd_per_tx_s)) / close_s


def resequencing_exponential(group: int) -> float:
    """Return E[max] / E of `group` independent exponential proving times: the harmonic number.

    >>> resequencing_exponential(2)
    1.5
    """
    _positive(group=group)
    return sum(1 / k for k in range(1, group + 1))


def resequencing_factor(service_s: np.ndarray, group: int) -> float:
    """Return E[max of `group` draws] / E of a measured sample, exactly: what waiting for the slowest proof adds."""
    ordered = np.sort(np.asarray(service_s, float))
    _positive(group=group, **{"number of proving times": len(ordered)})
    share = np.arange(len(ordered) + 1) / len(ordered)
    return float((ordered * np.diff(share**group)).sum() / ordered.mean())


def cost_per_tx(
    *,
    batch_tx: float,
    group: float,
    verify_gas: float,
    batch_gas: float,
    usd_per_gas: float,
    prover_usd_per_s: float,
    prove_s: float,
) -> dict[str, float]:
    """Return dollars per transaction by cause: L1 verification (shared by a group), batch posting, proving.

    A group of one is the article's naive horizontal scaling: every proof is verified by itself, and the cost of
    verification grows with the number of proofs.
    """
    _positive(batch_tx=batch_tx, group=group)
    _not_negative(
        verify_gas=verify_gas, batch_gas=batch_gas, usd_per_gas=usd_per_gas, prover_usd_per_s=prover_usd_per_s
    )
    return {
        "verify": verify_gas * usd_per_gas / (group * batch_tx),
        "post": batch_gas * usd_per_gas / batch_tx,
        "prove": prover_usd_per_s * prove_s / batch_tx,
    }
