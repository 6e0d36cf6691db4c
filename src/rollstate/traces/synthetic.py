r"""Synthetic traces with known truth: every slot's access hazard is given in closed form.

A slot :math:`i` born in block :math:`b_i` and last accessed in block :math:`s` is accessed in block :math:`t > s` with
probability :math:`1 - \exp(-\lambda_i(t \mid s))`,

.. math::

   \lambda_i(t \mid s) = {} & \lambda_0\, e^{\beta_{c(i)} + \gamma_{k(i)}}\, z_i
       \Bigl(1 + \frac{t - b_i}{A}\Bigr)^{-g} \\
       & \Bigl(1 + \alpha \cos \frac{2\pi (t - \varphi_i)}{P}\Bigr)
       \bigl(1 + \kappa e^{-(t - s) / \omega}\bigr),

with effects of the contract's type :math:`\beta` and of the slot's type :math:`\gamma`, a heavy-tailed frailty
:math:`z` (Pareto, mean one), decay with age, a period, and bursts: an access makes the next one likelier for a while.
After each access the slot is left for good with probability :math:`\delta`, so that

.. math:: S_i(u \mid s) = \delta + (1 - \delta) \exp\Bigl(-\sum_{t=s+1}^{s+u} \lambda_i(t \mid s)\Bigr).

Some slots come in bundles that one transaction always touches together, as the reserves of a pool are: they share one
hazard and one history, which makes spells of a contract dependent without blurring the truth. With frailty, decay,
period, bursts and :math:`\delta` off, gap times follow a Cox model exactly.

Simulation is exact, by thinning of geometric candidates (Lewis and Shedler 1979, https://doi.org/10.1002/nav.3800260304);
each contract draws from its own stream, so the trace does not depend on how it is cut into chunks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from rollstate import __version__
from rollstate.compiled import compiled
from rollstate.errors import InputError
from rollstate.traces.schema import ACCESSES_SCHEMA, BLOCKS_SCHEMA, SLOTS_SCHEMA, Capability, Trace


@dataclass(frozen=True)
class Kind:
    """A type of contract or of slot.

    Attributes
    ----------
    name : str
        Its name.
    share : float
        Its share among contracts, or among the slots of a contract; shares sum to one.
    effect : float
        Effect on the log hazard.
    write_share : float
        Probability that an access writes (slot types only).
    """

    name: str
    share: float
    effect: float
    write_share: float = 0.4


@dataclass(frozen=True)
class SyntheticParameters:
    r"""Parameters of the generator; blocks are the unit of time.

    Attributes
    ----------
    seed : int
        Seed of all streams.
    contracts : int
        Number of contracts.
    first_block, history_blocks, window_blocks : int
        Where the trace starts, how much of it precedes the analysis window, and how long the window is.
    slots_per_contract : float
        Mean number of slots of a contract (geometric).
    base_rate : float
        :math:`\lambda_0`, accesses per slot and block before any effect.
    contract_kinds, slot_kinds : tuple of Kind
        Types with their effects.
    frailty_index : float or None
        Tail index of the Pareto frailty, above one; None for none.
    decay_blocks, decay_power : float
        :math:`A` and :math:`g` of the decay with age; power 0 for none.
    period_blocks, period_depth : float
        :math:`P` and :math:`\alpha`, depth between 0 and 1; every contract has its own phase.
    burst_gain, burst_blocks : float
        :math:`\kappa` and :math:`\omega`; gain 0 for none.
    leave_probability : float
        :math:`\delta`, probability to be left for good after an access.
    bundled_share, bundle_size : float, int
        Share of slots that come in bundles, and slots per bundle.
    born_before_share : float
        Share of contracts that are older than the window, and of the slots of those.
    transactions_per_block : int
        Transaction indices are drawn below this number.
    """

    seed: int = 1
    contracts: int = 200
    first_block: int = 0
    history_blocks: int = 2_000
    window_blocks: int = 10_000
    slots_per_contract: float = 40.0
    base_rate: float = 5e-4
    contract_kinds: tuple[Kind, ...] = field(
        default=(
            Kind("token", 0.55, 0.0),
            Kind("exchange", 0.20, 1.5),
            Kind("collectible", 0.20, -1.0),
            Kind("governance", 0.05, -2.0),
        )
    )
    slot_kinds: tuple[Kind, ...] = field(
        default=(
            Kind("balance", 0.65, 0.0, 0.6),
            Kind("allowance", 0.20, -1.0, 0.5),
            Kind("config", 0.15, 0.5, 0.05),
        )
    )
    frailty_index: float | None = 1.5
    decay_blocks: float = 1_000.0
    decay_power: float = 0.5
    period_blocks: float = 720.0
    period_depth: float = 0.3
    burst_gain: float = 20.0
    burst_blocks: float = 20.0
    leave_probability: float = 0.1
    bundled_share: float = 0.2
    bundle_size: int = 3
    born_before_share: float = 0.6
    transactions_per_block: int = 50

    def __post_init__(self) -> None:
        rules = {
            "seed": self.seed >= 0,
            "contracts": self.contracts >= 1,
            "first_block": self.first_block >= 0,
            "history_blocks": self.history_blocks >= 0,
            "window_blocks": self.window_blocks >= 1,
            "slots_per_contract": self.slots_per_contract >= 1,
            "base_rate": 0 < self.base_rate < np.inf,
            "contract_kinds": _are_shares(self.contract_kinds),
            "slot_kinds": _are_shares(self.slot_kinds),
            "frailty_index": self.frailty_index is None or self.frailty_index > 1,
            "decay_blocks": self.decay_blocks > 0,
            "decay_power": self.decay_power >= 0,
            "period_blocks": self.period_blocks > 0,
            "period_depth": 0 <= self.period_depth < 1,
            "burst_gain": self.burst_gain >= 0,
            "burst_blocks": self.burst_blocks > 0,
            "leave_probability": 0 <= self.leave_probability < 1,
            "bundled_share": 0 <= self.bundled_share <= 1,
            "bundle_size": self.bundle_size >= 1,
            "born_before_share": 0 <= self.born_before_share <= 1,
            "transactions_per_block": self.transactions_per_block >= 1,
        }
        for name, holds in rules.items():
            if not holds:
                raise InputError(
                    f"synthetic trace: {name}={getattr(self, name)!r} is out of range, see its description"
                )

    @property
    def window(self) -> tuple[int, int]:
        """Analysis window ``[a, b)``, behind the history."""
        start = self.first_block + self.history_blocks
        return start, start + self.window_blocks

    def capability(self) -> Capability:
        """Return the stamp of a trace made with these parameters: it sees everything."""
        return Capability(
            source="synthetic",
            observes_reads=True,
            observes_all_writes=True,
            tx_level="all",
            key_form="synthetic",
            window_start=self.first_block,
            window_stop=self.window[1],
            chain_id=None,
            extractor_version=__version__,
        )


def _are_shares(kinds: tuple[Kind, ...]) -> bool:
    shares = [kind.share for kind in kinds]
    return bool(kinds) and min(shares) >= 0 and abs(sum(shares) - 1) < 1e-9


SAMPLE = SyntheticParameters(
    seed=20_261_120, contracts=120, first_block=1_000, history_blocks=600, window_blocks=1_200, base_rate=2e-3
)
"""Parameters of the small sample in ``data/sample``."""


@dataclass(frozen=True)
class Truth:
    r"""The hazard of every slot, in closed form.

    Attributes
    ----------
    parameters : SyntheticParameters
        What the trace was made with.
    slots : polars.DataFrame
        ``slot_id``, ``born`` (block), ``rate`` (:math:`\lambda_0 e^{\beta + \gamma} z`, per block), ``frailty``,
        ``phase`` (blocks), ``bundle`` (slots with the same number share one history).
    """

    parameters: SyntheticParameters
    slots: pl.DataFrame

    def survival(self, slot_id: np.ndarray, start: np.ndarray, idle: np.ndarray) -> np.ndarray:
        r"""Return the true :math:`S_i(u \mid s)`.

        Parameters
        ----------
        slot_id, start, idle : array of int, shape (n,)
            Slots, blocks of their last access, and blocks since then.

        Returns
        -------
        array of float64, shape (n,)
            Probability of no access in the ``idle`` blocks after ``start``.
        """
        rows = self.slots[np.asarray(slot_id)]
        p = self.parameters
        hazard = _cumulative_hazard(
            rows["rate"].to_numpy(),
            rows["born"].to_numpy(),
            rows["phase"].to_numpy(),
            np.asarray(start, np.int64),
            np.asarray(idle, np.int64),
            _shape(p),
        )
        return p.leave_probability + (1 - p.leave_probability) * np.exp(-hazard)


def generate(parameters: SyntheticParameters) -> tuple[Trace, Truth]:
    """Return a whole trace and its truth; see `generate_chunks` for one that need not fit in memory."""
    chunks = list(generate_chunks(parameters))
    accesses, slots, truth = (pl.concat([chunk[part] for chunk in chunks]) for part in range(3))
    blocks = pl.DataFrame(
        {"block_number": np.arange(parameters.first_block, parameters.window[1])},
        schema={"block_number": pl.Int64},
    ).with_columns(
        pl.lit(True if name == "observed" else None, dtype).alias(name)
        for name, dtype in BLOCKS_SCHEMA.items()
        if name != "block_number"
    )
    return Trace(accesses, slots, blocks, parameters.capability()), Truth(parameters, truth)


def generate_chunks(
    parameters: SyntheticParameters, contracts_per_chunk: int = 200
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]]:
    """Yield ``accesses``, ``slots`` and the truth's ``slots`` for some contracts at a time, ids ascending.

    The trace is the same whatever the size of the chunks, which bounds the memory.
    """
    first_slot, first_bundle = 0, 0
    for begin in range(0, parameters.contracts, contracts_per_chunk):
        made = [
            _contract(parameters, number)
            for number in range(begin, min(begin + contracts_per_chunk, parameters.contracts))
        ]
        accesses, slots, truth = [], [], []
        for columns, known in made:
            n = len(known["born"])
            accesses.append({**columns, "slot_id": columns["slot_id"] + first_slot})
            ids = np.arange(first_slot, first_slot + n)
            slots.append({**known, "slot_id": ids})
            truth.append({**known, "slot_id": ids, "bundle": known["bundle"] + first_bundle})
            first_slot += n
            first_bundle += known["bundle"][-1] + 1
        yield _accesses(accesses), _slots(slots), _truth(truth)


def _stack(columns: list[dict[str, np.ndarray]], name: str) -> np.ndarray:
    return np.concatenate([column[name] for column in columns])


def _accesses(columns: list[dict[str, np.ndarray]]) -> pl.DataFrame:
    return pl.DataFrame({name: _stack(columns, name) for name in ACCESSES_SCHEMA}).cast(ACCESSES_SCHEMA)


def _slots(columns: list[dict[str, np.ndarray]]) -> pl.DataFrame:
    contract, index = _stack(columns, "contract"), _stack(columns, "index")
    return pl.DataFrame(
        {
            "slot_id": _stack(columns, "slot_id"),
            "contract_id": contract,
            # Addresses and slots count up, so that ids follow the order of (address, slot).
            "address": [int(number + 1).to_bytes(20, "big") for number in contract],
            "slot": [int(number).to_bytes(32, "big") for number in index],
            "created_block": _stack(columns, "born"),
            "contract_type": _stack(columns, "contract_type"),
            "slot_type": _stack(columns, "slot_type"),
        }
    ).cast(SLOTS_SCHEMA)


def _truth(columns: list[dict[str, np.ndarray]]) -> pl.DataFrame:
    names = ("slot_id", "born", "rate", "frailty", "phase", "bundle")
    return pl.DataFrame({name: _stack(columns, name) for name in names})


def _contract(p: SyntheticParameters, number: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Draw one contract from its own stream: touches with slot numbers from zero, and what is known of its slots."""
    rng = np.random.default_rng(np.random.SeedSequence(p.seed, spawn_key=(number,)))
    kind = p.contract_kinds[rng.choice(len(p.contract_kinds), p=[kind.share for kind in p.contract_kinds])]
    start, (a, b) = p.first_block, p.window
    older = rng.random() < p.born_before_share and a > start
    born_contract = int(rng.integers(start, a) if older else rng.integers(a, b))
    n = rng.geometric(1 / p.slots_per_contract)
    # Groups of slots that share one history: bundles first, then single slots.
    bundles = int(n * p.bundled_share) // p.bundle_size
    sizes = np.r_[np.full(bundles, p.bundle_size), np.ones(n - bundles * p.bundle_size, np.int64)].astype(
        np.int64
    )
    groups = len(sizes)
    slot_kind = rng.choice(len(p.slot_kinds), size=groups, p=[kind.share for kind in p.slot_kinds])
    effects = np.array([kind.effect for kind in p.slot_kinds])[slot_kind] + kind.effect
    frailty = np.ones(groups)
    if p.frailty_index is not None:
        # Pareto with mean one: scale (index - 1) / index.
        frailty = (p.frailty_index - 1) / p.frailty_index * (1 + rng.pareto(p.frailty_index, groups))
    # Of an older contract, the same share of slots is older than the window too.
    early = older & (rng.random(groups) < p.born_before_share)
    born = np.where(
        early,
        rng.integers(born_contract, max(a, born_contract + 1), groups),
        rng.integers(max(a, born_contract), b, groups),
    )
    born[0] = born_contract
    phase = rng.uniform(0, p.period_blocks)
    rate = p.base_rate * np.exp(effects) * frailty
    blocks, counts = _histories(rng, rate, born, phase, b, p.leave_probability, _shape(p))
    # One transaction per access of a group; each of its slots is touched by it.
    tx = rng.integers(0, p.transactions_per_block, len(blocks)).astype(np.int32)
    member = np.repeat(np.arange(groups), sizes)
    ends = np.cumsum(counts)
    rows = np.concatenate([np.arange(ends[g] - counts[g], ends[g]) for g in member])
    slot_id = np.repeat(np.arange(n), counts[member])
    write_share = np.array([kind.write_share for kind in p.slot_kinds])[slot_kind[member]]
    is_write = rng.random(len(rows)) < write_share[slot_id]
    # The first access creates the slot, by writing it.
    is_write[np.r_[0, np.cumsum(counts[member])[:-1]]] = True
    touches = {"block_number": blocks[rows], "tx_index": tx[rows], "slot_id": slot_id, "is_write": is_write}
    known = {
        "contract": np.full(n, number),
        "index": np.arange(n),
        "born": born[member],
        "rate": rate[member],
        "frailty": frailty[member],
        "phase": np.full(n, phase),
        "bundle": member,
        "contract_type": np.full(n, kind.name),
        "slot_type": np.array([kind.name for kind in p.slot_kinds])[slot_kind[member]],
    }
    return touches, known


def _shape(p: SyntheticParameters) -> np.ndarray:
    """Return what shapes every hazard in time: A, g, P, alpha, kappa, omega."""
    return np.array(
        [p.decay_blocks, p.decay_power, p.period_blocks, p.period_depth, p.burst_gain, p.burst_blocks]
    )


@compiled
def _hazard(t: int, s: int, rate: float, born: int, phase: float, shape: np.ndarray) -> float:
    r"""Return :math:`\lambda(t \mid s)` of the module's equation."""
    decay = (1 + (t - born) / shape[0]) ** (-shape[1])
    season = 1 + shape[3] * np.cos(2 * np.pi * (t - phase) / shape[2])
    burst = 1 + shape[4] * np.exp(-(t - s) / shape[5])
    return rate * decay * season * burst


@compiled
def _histories(rng, rate, born, phase, stop, leave, shape):
    """Simulate each history from its birth, its first access, to `stop`; return blocks and their counts."""
    blocks = np.empty(1024, np.int64)
    counts = np.zeros(len(rate), np.int64)
    n = 0
    for i in range(len(rate)):
        s = born[i]
        t = s
        while t < stop:
            if n == len(blocks):
                grown = np.empty(2 * n, np.int64)
                grown[:n] = blocks
                blocks = grown
            blocks[n] = t
            n += 1
            counts[i] += 1
            s = t
            if rng.random() < leave:
                break
            # Thinning: decay and burst only fall, the season is at most 1 + depth, so the hazard of the next
            # block with the season at its top bounds all later ones.
            while True:
                season = 1 + shape[3] * np.cos(2 * np.pi * (t + 1 - phase) / shape[2])
                bound = _hazard(t + 1, s, rate[i], born[i], phase, shape) / season * (1 + shape[3])
                gap = np.ceil(-np.log(1 - rng.random()) / bound)
                if gap >= stop - t:
                    t = stop
                    break
                t += max(1, int(gap))
                accept = np.expm1(-_hazard(t, s, rate[i], born[i], phase, shape)) / np.expm1(-bound)
                if rng.random() < accept:
                    break
    return blocks[:n], counts


@compiled
def _cumulative_hazard(rate, born, phase, start, idle, shape):
    out = np.zeros(len(rate))
    for i in range(len(rate)):
        for t in range(start[i] + 1, start[i] + idle[i] + 1):
            out[i] += _hazard(t, start[i], rate[i], born[i], phase[i], shape)
    return out
