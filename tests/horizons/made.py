"""Traces that the tests of windows over months share."""

import numpy as np

from rollstate import profile
from tests.strategies import make_trace


def touched(slots, blocks, draw, seed=1, contracts=20):
    """Return touches of slots whose gaps `draw(rng, now)` gives one after the other, up to a number of blocks."""
    rng = np.random.default_rng(seed)
    touches = []
    for slot in range(slots):
        now = int(rng.integers(0, 20))
        while now < blocks:
            touches.append((now, 0, 1 + slot % contracts, slot, True))
            now += max(1, round(draw(rng, now)))
    return touches


def trace(touches, blocks):
    """Return the trace of touches in blocks from 0."""
    return make_trace(touches, start=0, stop=blocks)


def made(touches, blocks, block_s=86_400.0):
    """Return its profile; a block is a day if nothing else is said."""
    return profile.make(trace(touches, blocks), block_s=block_s)


def alike(blocks=800, slots=150, seed=1):
    """Return touches without drift: most gaps are of a few blocks, some of tens, one in twenty of hundreds."""

    def draw(rng, now):
        chance = rng.random()
        return rng.geometric(0.3 if chance < 0.7 else 0.03 if chance < 0.95 else 0.005)

    return touched(slots, blocks, draw, seed)


def drifting(blocks=1600, slots=200, seed=1, change=5 / 8):
    """Return touches whose gaps are about five blocks before a change, and about forty after it."""

    def draw(rng, now):
        return 3 + rng.integers(0, 5) if now < change * blocks else 36 + rng.integers(0, 9)

    return touched(slots, blocks, draw, seed)


def mixed(contracts, seed, blocks=600):
    """Return touches of two slots of each of some contracts, which differ in rate and in when they are given up."""
    rng = np.random.default_rng(seed)
    touches = []
    for contract in range(contracts):
        pace, life = rng.gamma(0.7, 0.08) + 1e-4, rng.exponential(400.0)
        for slot in range(2):
            now = int(rng.integers(0, blocks // 2))
            end = min(blocks, now + 2 * life * rng.random())
            rate = np.clip(pace * rng.gamma(2, 0.5), 1e-4, 1)
            while now < end:
                touches.append((now, 0, 1 + contract, slot, True))
                now += int(rng.geometric(rate))
    return touches
