"""The policy file: what it holds, how it is written and read, and what is refused.

A policy says how many blocks without an access a slot stays in RAM, given how often the slot has been accessed so far.
The file is JSON of the schema ``policy.schema.json`` beside this module; ``null`` for a window means that the slot is
never demoted, which no fitted table says (see `rollstate.policy.fit`). Numbers are written in the shortest form that
reads back exactly.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np

from rollstate.errors import InputError
from rollstate.survival import model_file
from rollstate.survival.forecasts import CoxForecast
from rollstate.survival.frailty import GammaFrailty
from rollstate.traces.schema import Capability

SCHEMA, VERSION = "rollstate-policy", 1
TABLE, WINDOW, COX = "table", "window", "cox"
MODELS = (TABLE, WINDOW, COX)
SAME_CLOCK = 0.1
"""Relative difference of the seconds per block below which two clocks count as the same."""


@dataclass(frozen=True)
class Clock:
    """What a block is: the chain, the seconds it takes (None if unknown), and whether every block was observed."""

    chain_id: int | None
    block_s: float | None
    observed_every: int = 1


@dataclass(frozen=True)
class Training:
    """What a policy was fitted on.

    Attributes
    ----------
    name : str
        The trace or profile, without its folder.
    sha256 : str or None
        Of the trace (`rollstate.traces.datasets.fingerprint`).
    capability : Capability
        The stamp of the trace.
    first_block, last_block : int
        Blocks that the fit has seen, both included.
    spells, accesses : int
        Spells seen there, and how many of them ended in an access.
    """

    name: str
    sha256: str | None
    capability: Capability
    first_block: int
    last_block: int
    spells: int
    accesses: int


@dataclass(frozen=True)
class Saving:
    """The share of the cheapest simple rule's cost that the same fit on earlier blocks saved on the later ones.

    Attributes
    ----------
    value : float
        One less the ratio of costs; negative where the policy cost more.
    low, high : float or None
        95 % interval over contracts; None where the data carries none.
    against : str
        The cheapest simple rule on the judged blocks.
    first_block, last_block : int
        Judged blocks, both included.
    """

    value: float
    low: float | None
    high: float | None
    against: str
    first_block: int
    last_block: int


@dataclass(frozen=True)
class Cox:
    """A stratified Cox model with what its covariates and windows need."""

    forecast: CoxForecast
    mixture: GammaFrailty
    grid: np.ndarray


@dataclass(frozen=True)
class Policy:
    """A fitted policy.

    Attributes
    ----------
    model : {"table", "window", "cox"}
    penalty, penalty_low, penalty_high : float
        Cost of a miss in slot-blocks of RAM that it was fitted for, and the range in which it may be used.
    accesses : tuple of int
        Least number of accesses so far of each row, ascending from 0.
    windows : tuple of float
        Idle blocks in RAM of each row; infinity never demotes. Of a Cox policy both describe the table of the same fit.
    horizons : tuple of int
        The longest idle time in blocks that the fit has seen of each row's slots. A window that is no shorter is ski
        rental's beyond it: the blocks spoke against no idle time that they hold.
    tuned : float
        The one window that was best for all slots on the same spells: a simple rule to compare with.
    horizon : int
        The longest idle time in blocks that the fit has seen: the file says nothing about longer ones.
    told : bool
        Whether the training blocks are long enough to tell policies apart at this penalty.
    clock : Clock
    trained : Training
    saving : Saving or None
        None where the trace is too short to hold blocks back.
    usd_per_slot_block : float or None
        Price of a slot-block of RAM, where prices were given.
    cox : Cox or None
    """

    model: str
    penalty: float
    penalty_low: float
    penalty_high: float
    accesses: tuple[int, ...]
    windows: tuple[float, ...]
    horizons: tuple[int, ...]
    tuned: float
    horizon: int
    told: bool
    clock: Clock
    trained: Training
    saving: Saving | None = None
    usd_per_slot_block: float | None = None
    cox: Cox | None = None

    @property
    def uncut(self) -> tuple[float, ...]:
        """The windows without ski rental: rows whose window is no shorter than their horizon never demote."""
        pairs = zip(self.windows, self.horizons, strict=True)
        return tuple(math.inf if window >= seen else window for window, seen in pairs)

    def most(self, penalty: float) -> float:
        """Return the most that one spell can cost in slot-blocks, on any trace, at a penalty."""
        longest = max(self.windows) if self.cox is None else max(float(self.horizon), penalty)
        return longest + penalty

    def check_penalty(self, penalty: float) -> float:
        """Return a penalty that the policy was fitted for.

        Raises
        ------
        InputError
            If it lies outside of the range.
        """
        if not self.penalty_low <= penalty <= self.penalty_high:
            raise InputError(
                f"penalty {penalty:g} lies outside of {self.penalty_low:g} to {self.penalty_high:g}, which this policy "
                f"was fitted for; fit one with `rollstate policy fit ... --penalty {penalty:g}`"
            )
        return float(penalty)

    def check_clock(self, clock: Clock, sha256: str | None = None) -> None:
        """Raise `InputError` where a trace, of this SHA-256, counts time otherwise than the one that was fitted on."""
        own = self.clock
        if sha256 is not None and sha256 == self.trained.sha256 and own.block_s is None:
            return
        if own.observed_every != clock.observed_every:
            raise InputError(
                f"the trace counts every {clock.observed_every}th block, the policy every {own.observed_every}th: its "
                "windows are in another unit; take a trace of the policy's clock, or fit a policy on this trace"
            )
        if own.block_s is None or clock.block_s is None:
            if own.chain_id is None or own.chain_id != clock.chain_id:
                raise InputError(
                    "it is not known how long a block of the policy or of the trace takes, and they are not of one "
                    "chain: state it with --block-s, when fitting and when replaying, or fit a policy on this trace"
                )
        elif abs(own.block_s / clock.block_s - 1) > SAME_CLOCK:
            raise InputError(
                f"a block of the trace takes {clock.block_s:g} s, of the policy {own.block_s:g} s: rescale the policy "
                "with --rescale, or fit one on this trace"
            )

    def rescaled(self, block_s: float) -> Policy:
        """Return the policy for blocks of another length: windows and penalties last as many seconds as before.

        Raises
        ------
        InputError
            If the policy's own clock is unknown, or it is a Cox model, whose covariates count blocks.
        """
        if self.clock.block_s is None or self.model == COX:
            raise InputError(
                "a policy without known seconds per block, or with a Cox model, cannot be rescaled; fit one on this "
                "trace"
            )
        if not (math.isfinite(block_s) and block_s > 0):
            raise InputError(f"seconds per block must be above 0, not {block_s!r}")
        factor = self.clock.block_s / block_s
        price = self.usd_per_slot_block
        return dataclasses.replace(
            self,
            penalty=self.penalty * factor,
            penalty_low=self.penalty_low * factor,
            penalty_high=self.penalty_high * factor,
            windows=tuple(math.floor(one * factor) if math.isfinite(one) else one for one in self.windows),
            horizons=tuple(math.floor(one * factor) for one in self.horizons),
            tuned=math.floor(self.tuned * factor) if math.isfinite(self.tuned) else self.tuned,
            horizon=math.floor(self.horizon * factor),
            clock=dataclasses.replace(self.clock, block_s=block_s),
            usd_per_slot_block=None if price is None else price / factor,
        )


@functools.cache
def schema() -> dict[str, Any]:
    """Return the JSON schema of a policy file."""
    return json.loads(
        (resources.files("rollstate.policy") / "policy.schema.json").read_text(encoding="utf-8")
    )


def as_dict(policy: Policy) -> dict[str, Any]:
    """Return a policy as plain JSON types, with the SHA-256 of all the rest."""
    trained = dataclasses.asdict(policy.trained) | {"capability": policy.trained.capability.as_dict()}
    body: dict[str, Any] = {
        "schema": SCHEMA,
        "version": VERSION,
        "model": policy.model,
        "penalty": {"fitted": policy.penalty, "low": policy.penalty_low, "high": policy.penalty_high},
        "table": [
            {"accesses": least, "window": _window(window), "horizon": horizon}
            for least, window, horizon in zip(policy.accesses, policy.windows, policy.horizons, strict=True)
        ],
        "tuned": _window(policy.tuned),
        "horizon": policy.horizon,
        "told": policy.told,
        "clock": dataclasses.asdict(policy.clock),
        "trained": trained,
        "saving": None if policy.saving is None else dataclasses.asdict(policy.saving),
        "usd_per_slot_block": policy.usd_per_slot_block,
    }
    if policy.cox is not None:
        body["cox"] = {
            field.name: model_file.packed(getattr(policy.cox, field.name))
            for field in dataclasses.fields(Cox)
        }
    return body | {"sha256": _digest(body)}


def from_dict(data: Any, name: str = "the policy") -> Policy:
    """Read what `as_dict` gave.

    Raises
    ------
    InputError
        If it is no policy, one of another version, damaged, or breaks the schema.
    """
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise InputError(f"{name} is not a policy; make one with `rollstate policy fit`")
    if data.get("version") != VERSION:
        raise InputError(
            f"{name} has version {data.get('version')!r}, this package reads version {VERSION}; fit it again with this "
            "package, or use the version that wrote it"
        )
    found = min(
        jsonschema.Draft202012Validator(schema()).iter_errors(data), key=lambda e: e.json_path, default=None
    )
    if found is not None:
        raise InputError(f"{name} breaks the schema at {found.json_path}: {found.message}; fit it again")
    body = {key: value for key, value in data.items() if key != "sha256"}
    if data["sha256"] != _digest(body):
        raise InputError(f"{name} was altered: its content does not have the SHA-256 it states; fit it again")
    least = tuple(row["accesses"] for row in data["table"])
    if least[0] != 0 or list(least) != sorted(set(least)):
        raise InputError(f"{name}: the table's accesses must ascend from 0, not {least}; fit it again")
    trained = data["trained"] | {"capability": Capability.from_dict(data["trained"]["capability"])}
    cox = data.get("cox")
    return Policy(
        model=data["model"],
        penalty=data["penalty"]["fitted"],
        penalty_low=data["penalty"]["low"],
        penalty_high=data["penalty"]["high"],
        accesses=least,
        windows=tuple(_blocks(row["window"]) for row in data["table"]),
        horizons=tuple(row["horizon"] for row in data["table"]),
        tuned=_blocks(data["tuned"]),
        horizon=data["horizon"],
        told=data["told"],
        clock=Clock(**data["clock"]),
        trained=Training(**trained),
        saving=None if data["saving"] is None else Saving(**data["saving"]),
        usd_per_slot_block=data["usd_per_slot_block"],
        cox=None if cox is None else Cox(**{key: model_file.unpacked(value) for key, value in cox.items()}),
    )


def save(policy: Policy, path: Path) -> Path:
    """Write a policy; the same policy gives the same bytes."""
    text = json.dumps(as_dict(policy), indent=1, allow_nan=False) + "\n"
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_text(text, encoding="utf-8")
        new.replace(path)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error}); name a file in a folder that exists"
        ) from error
    return path


def load(path: Path) -> Policy:
    """Read a policy written by `save`; see `from_dict`."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as a policy ({error}); make one with `rollstate policy fit`"
        ) from error
    return from_dict(data, str(path))


def explain(policy: Policy) -> str:
    """Say in plain words what a policy does, what it is from, and where it does not speak."""
    clock, trained, saving = policy.clock, policy.trained, policy.saving

    def blocks(window: float) -> str:
        if not math.isfinite(window):
            return "stays in RAM for good"
        seconds = "" if clock.block_s is None else f" ({window * clock.block_s:,.0f} s)"
        return f"leaves RAM after {window:,.0f} blocks without an access{seconds}"

    lines = [
        f"A {policy.model} policy for misses that cost {policy.penalty:g} slot-blocks of RAM (valid from "
        f"{policy.penalty_low:.3g} to {policy.penalty_high:.3g})."
    ]
    if policy.usd_per_slot_block is not None:
        lines.append(f"A slot-block of RAM costs ${policy.usd_per_slot_block:.3g}.")
    if policy.model == COX:
        lines.append(
            "The window of a slot follows from a Cox model of its history; a table of the same fit would say:"
        )
    ends = [*(f"{least - 1}" for least in policy.accesses[1:]), ""]
    for least, end, window, seen in zip(policy.accesses, ends, policy.windows, policy.horizons, strict=True):
        span = f"{least} or more" if not end else f"{least}" if int(end) == least else f"{least} to {end}"
        rental = ", by ski rental: no idle time that was seen spoke for less" if window >= seen else ""
        lines.append(f"  accessed {span:>10} times so far: {blocks(window)}{rental}")
    if math.isfinite(most := policy.most(policy.penalty)):
        lines.append(f"Whatever the trace, no spell costs more than {most:,.0f} slot-blocks.")
    lines.append(
        f"Fitted on {trained.name}, blocks {trained.first_block} to {trained.last_block}: {trained.spells:,} spells, "
        f"{trained.accesses:,} ended by an access. {trained.capability.describe()}."
    )
    if saving is None:
        lines.append("No expected saving: the blocks are too few to hold some back.")
    else:
        span = "no interval" if saving.low is None else f"95 % interval {saving.low:.1%} to {saving.high:.1%}"
        lines.append(
            f"Expected saving against {saving.against!r}: {saving.value:.1%} ({span}), from the same fit on the blocks "
            f"before {saving.first_block}, judged on {saving.first_block} to {saving.last_block}."
        )
    lines.append(f"It has seen no idle time longer than {policy.horizon:,} blocks, and says nothing beyond.")
    if not policy.told:
        lines.append(
            "A miss costs more than holding a slot through all of these blocks: they cannot tell policies apart at "
            "this penalty. Fit on a longer trace."
        )
    return "\n".join(lines)


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _window(value: float) -> float | None:
    return None if not math.isfinite(value) else int(value) if float(value).is_integer() else float(value)


def _blocks(value: float | None) -> float:
    return math.inf if value is None else float(value)
