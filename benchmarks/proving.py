"""The whole pipeline by arrays, beside one simpy process per transaction and beside ciw, in transactions per second."""

from __future__ import annotations

import time

import numpy as np
from kept import keep, peak_gib

RATE, PROVERS, PROVE_S = 20.0, 14, 120.0
N_ARRAYS, N_SIMPY, N_CIW = 10_000_000, 100_000, 20_000


def arrays() -> float:
    """Return transactions per second of the vectorised pipeline, random draws included."""
    from rollstate.proving.simulation import Pipeline, draw, simulate

    work = np.random.default_rng(1).lognormal(np.log(PROVE_S), 0.3, 500)
    pipeline = Pipeline(max_tx=10**9, speeds=(1.0,) * PROVERS)
    simulate(pipeline, draw(tx_per_s=RATE, n=1_000, work_s=work, seed=1))
    begin = time.perf_counter()
    draws = draw(
        tx_per_s=RATE, n=N_ARRAYS, work_s=work, seed=2, miss=0.01, failure=0.01, batches=N_ARRAYS // 100
    )
    simulate(pipeline, draws)
    return N_ARRAYS / (time.perf_counter() - begin)


def simpy_processes() -> float:
    """Return transactions per second of a simpy model in which each transaction is a process that waits for its batch.

    Batches close by a timer, are proved by a pool and included in slots: less than the arrays do.
    """
    import simpy

    rng = np.random.default_rng(3)
    env = simpy.Environment()
    pool = simpy.Resource(env, PROVERS)
    final: list[float] = []
    state = {"batch": None}

    def batch(done):
        yield env.timeout(10.0)
        state["batch"] = None
        with pool.request() as request:
            yield request
            yield env.timeout(rng.lognormal(np.log(PROVE_S), 0.3))
        yield env.timeout(12.0 - env.now % 12.0)
        done.succeed()

    def transaction():
        if state["batch"] is None:
            state["batch"] = env.event()
            env.process(batch(state["batch"]))
        yield state["batch"]
        final.append(env.now)

    def source():
        for gap in rng.exponential(1 / RATE, N_SIMPY):
            yield env.timeout(gap)
            env.process(transaction())

    env.process(source())
    begin = time.perf_counter()
    env.run()
    assert len(final) == N_SIMPY
    return N_SIMPY / (time.perf_counter() - begin)


def ciw_queue() -> float:
    """Return jobs per second of ciw's G/D/c queue alone."""
    import ciw

    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(rate=0.1)],
        service_distributions=[ciw.dists.Deterministic(value=PROVE_S)],
        number_of_servers=[PROVERS],
    )
    ciw.seed(1)
    simulation = ciw.Simulation(network)
    begin = time.perf_counter()
    simulation.simulate_until_max_customers(N_CIW)
    return N_CIW / (time.perf_counter() - begin)


def main() -> None:
    """Print speeds and the ratio to simpy."""
    speeds = {
        "simpy, process per transaction": simpy_processes(),
        "ciw, queue alone": ciw_queue(),
        "rollstate, whole pipeline": arrays(),
    }
    floor = speeds["simpy, process per transaction"]
    print(f"{'':32}{'per second':>14}{'x simpy':>10}")
    for name, speed in speeds.items():
        print(f"{name:32}{speed:14,.0f}{speed / floor:10.1f}")
    keep("whole pipeline", "simpy, process per transaction", speeds["rollstate, whole pipeline"] / floor)
    print(f"peak memory {peak_gib():.2f} GiB at {N_ARRAYS:,} transactions")


if __name__ == "__main__":
    main()
