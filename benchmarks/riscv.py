"""The compiled machine beside the slow one: instructions a second on the same program, in one run."""

from __future__ import annotations

import argparse
import random
import time

from kept import keep

from rollstate.riscv import guest, reference
from rollstate.riscv.guest import NATIVE, TOKEN, Transfer
from rollstate.riscv.interpreter import Machine

TRANSFERS = 400
PEER_STEPS = 20_000
GOAL = 1e7


def batch(count: int) -> tuple[dict[tuple[bytes, int], int], list[Transfer]]:
    """Return balances and transfers drawn at random."""
    rng = random.Random(1)
    accounts = [rng.randbytes(20) for _ in range(50)]
    balances = {(one, kind): 10**6 for one in accounts for kind in (NATIVE, TOKEN)}
    transfers = [
        Transfer(rng.randrange(2), *rng.sample(accounts, 2), rng.randrange(100)) for _ in range(count)
    ]
    return balances, transfers


def main(arguments: list[str] | None = None) -> None:
    """Print instructions a second of both and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transfers", type=int, default=TRANSFERS)
    chosen = parser.parse_args(arguments)
    memory = guest.memory(*batch(chosen.transfers))
    Machine.start(memory).run(10)
    machine = Machine.start(memory)
    started = time.thread_time()
    machine.finish(10**10)
    fast = machine.steps / (time.thread_time() - started)
    slow_memory, registers, pc = bytearray(memory.tobytes()), [0] * 32, 0
    started = time.thread_time()
    for _ in range(PEER_STEPS):
        pc, _ = reference.step(pc, registers, slow_memory)
    slow = PEER_STEPS / (time.thread_time() - started)
    print(f"{chosen.transfers} transfers, {machine.steps:,} instructions; processor time")
    print(f"{'':20}{'compiled':>14}{'reference':>12}{'ratio':>8}")
    print(f"{'instructions/s':20}{fast:14,.0f}{slow:12,.0f}{fast / slow:8.0f}")
    keep("instructions", "the reference in Python", fast / slow)
    print(f"goal of {GOAL:,.0f} instructions/s: {'met' if fast >= GOAL else 'missed'}")


if __name__ == "__main__":
    main()
