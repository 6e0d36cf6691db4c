"""The nearest published pipeline, zk-state-prune, step by step as it is: to reproduce its numbers, not to use them.

It splits slots by a seeded shuffle of Go's standard library, fits a Cox model with Breslow ties on intervals that
restart at the window (`rollstate.intervals.build_peer`), and reads survival off a baseline that lags one event time
behind. Each step is kept here because its published figures come out to the unit only with all of them.

References
----------
https://github.com/egpivo/zk-state-prune at a93c774, ``internal/model``; PCG-DXSM and Shuffle of
https://pkg.go.dev/math/rand/v2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import optimize

from rollstate import intervals
from rollstate.errors import InputError
from rollstate.survival import calibration, cox
from rollstate.survival.spells import make_spells
from rollstate.survival.steps import access_probability
from rollstate.traces.schema import Trace

HOLDOUT = 0.3
COVARIATES = ("n_accesses", "contract_age", "slot_age")
_MASK64, _MASK128 = (1 << 64) - 1, (1 << 128) - 1
_MULTIPLIER = (2549297995355413924 << 64) | 4865540595714422341
_INCREMENT = (6364136223846793005 << 64) | 1442695040888963407
_CHEAP, _GOLDEN = 0xDA942042E4DD58B5, 0x9E3779B97F4A7C15


def go_shuffle(n: int, seed: int) -> np.ndarray:
    """Return the permutation of 0..n-1 that Go's ``rand.New(rand.NewPCG(seed, seed ^ golden)).Shuffle`` makes."""
    state = (seed << 64) | (seed ^ _GOLDEN)

    def draw() -> int:
        nonlocal state
        state = (state * _MULTIPLIER + _INCREMENT) & _MASK128
        high, low = state >> 64, state & _MASK64
        high ^= high >> 32
        high = high * _CHEAP & _MASK64
        high ^= high >> 48
        return high * (low | 1) & _MASK64

    def below(bound: int) -> int:
        if bound & (bound - 1) == 0:
            return draw() & (bound - 1)
        product = draw() * bound
        if product & _MASK64 < bound:
            threshold = (1 << 64) % bound
            while product & _MASK64 < threshold:
                product = draw() * bound
        return product >> 64

    order = list(range(n))
    for i in range(n - 1, 0, -1):
        j = below(i + 1)
        order[i], order[j] = order[j], order[i]
    return np.array(order)


@dataclass(frozen=True)
class PeerModel:
    """The peer model after its fit.

    Attributes
    ----------
    model : CoxModel
        Breslow ties; the covariates are `COVARIATES`.
    time, hazard : array of float64, shape (k,)
        Event times, and the baseline cumulative hazard as the peer reads it: that of the event before.
    tau : float
        Upper median of the training durations, censored ones included.
    """

    model: cox.CoxModel
    time: np.ndarray
    hazard: np.ndarray
    tau: float

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the covariates, in the order of the coefficients."""
        return self.model.names

    def predict_cumulative_hazard(self, times: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return the cumulative hazard of each row at its own time as the peer reads it, shape (n,)."""
        position = np.searchsorted(self.time, np.asarray(times, float), "right") - 1
        hazard = np.where(position >= 0, self.hazard[np.maximum(position, 0)], 0.0)
        return hazard * np.exp(self.model.predict_log_partial_hazard(x))


def rows(trace: Trace, window: tuple[int, int]) -> pl.DataFrame:
    """Return the peer's intervals with ``contract_age`` and ``holdout``, as it splits them with seed 1."""
    spells = intervals.build_peer(trace, window=window)
    deployed = trace.slots.group_by("contract_id").agg(pl.col("created_block").min().alias("deployed"))
    slots = trace.slots.select("slot_id", "contract_id").join(deployed, on="contract_id")
    spells = spells.join(slots, on="slot_id").with_columns(
        contract_age=(pl.col("start") - pl.col("deployed")).clip(0)
    )
    present = spells["slot_id"].unique().sort().to_numpy()
    order = go_shuffle(len(present), 1)
    held = present[order[: int(HOLDOUT * len(present))]]
    return spells.with_columns(holdout=pl.col("slot_id").is_in(held)).sort("slot_id", "start")


def covariates(spells: pl.DataFrame) -> np.ndarray:
    """Return the three covariates of `rows`, shape (n, 3)."""
    return spells.select(pl.col(list(COVARIATES)).cast(pl.Float64)).to_numpy()


def fit(spells: pl.DataFrame) -> PeerModel:
    """Fit the peer's model on the training part of `rows`."""
    train = spells.filter(~pl.col("holdout"))
    if not len(train):
        raise InputError("the peer's split leaves no training rows; use a larger window")
    duration = train["duration"].to_numpy()
    model = cox.fit(
        make_spells(duration, train["event"].to_numpy(), covariates(train), COVARIATES), ties="breslow"
    )
    step = model.baseline[0]
    # The peer sums the hazard before it adds the event's own share.
    lagged = np.r_[0.0, step.value[:-1]]
    return PeerModel(model, step.time, lagged, float(np.sort(duration)[len(duration) // 2]))


def labelled(model: PeerModel, spells: pl.DataFrame) -> pl.DataFrame:
    """Return the held-out rows whose answer is known, with ``p`` and ``accessed``, and ``fits`` for calibration.

    Slots are calibrated on where the FNV-1a hash of their name is even.
    """
    tau = model.tau
    held = spells.filter(pl.col("holdout"))
    held = held.with_columns(
        p=pl.Series(access_probability(model, np.zeros(len(held)), tau, covariates(held))),
        accessed=pl.col("event") & (pl.col("duration") <= tau),
    )
    return held.filter(pl.col("accessed") | (pl.col("duration") > tau))


def name_of(address: bytes, slot: bytes) -> str:
    """Return the peer's name of a slot: address, and the index in hexadecimal with six digits."""
    return f"0x{address.hex()}:{int.from_bytes(slot, 'big'):06x}"


def fnv1a(text: str) -> int:
    """Return the 64-bit FNV-1a hash of a text (http://www.isthe.com/chongo/tech/comp/fnv/)."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 & _MASK64
    return value


def unpooled_isotonic(p: np.ndarray, y: np.ndarray, order: np.ndarray) -> calibration.Isotonic:
    """Fit a step with tied forecasts kept apart in a given order, and read the top of each tie, as the peer does."""
    value = optimize.isotonic_regression(y[order]).x
    x = p[order]
    last = np.r_[x[1:] != x[:-1], True]
    return calibration.Isotonic(x[last], value[last])
