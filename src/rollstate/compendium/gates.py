"""Gates: what a headline number must be, how far it may be from that, and why so far."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rollstate.compendium.results import Result
from rollstate.errors import InputError


@dataclass(frozen=True)
class Gate:
    """What a result must be with the published parameters and data.

    Attributes
    ----------
    expected : float, int, bool or str
        The published value.
    tolerance : float
        How far a number may be from that, in the number's own unit; 0 where it is exact.
    reason : str
        Why so far: a Monte Carlo error, a stated bound, rounding.
    """

    expected: float | int | bool | str
    tolerance: float
    reason: str

    def __post_init__(self) -> None:
        number = isinstance(self.expected, int | float) and not isinstance(self.expected, bool)
        if not isinstance(self.expected, str) and not math.isfinite(self.expected):
            raise InputError(f"a gate expects {self.expected!r}, which is no finite number")
        if not isinstance(self.tolerance, int | float) or not 0 <= self.tolerance < math.inf:
            raise InputError(
                f"the tolerance of a gate must be a number of at least 0, not {self.tolerance!r}"
            )
        if self.tolerance and not number:
            raise InputError(f"a gate expects the verdict {self.expected!r} and has no tolerance")
        if len(str(self.reason).split()) < 3:
            raise InputError(
                f"the gate at {self.expected!r} needs a reason for its tolerance, in words, not {self.reason!r}"
            )

    def admits(self, value: float | int | bool | str | None) -> bool:
        """Return whether a value passes."""
        if value is None or isinstance(self.expected, str | bool) or isinstance(value, str | bool):
            return value == self.expected
        return abs(value - self.expected) <= self.tolerance


@dataclass(frozen=True)
class Verdict:
    """A gate beside this build: ``state`` is ``"green"``, ``"red"`` or ``"not judged"``, ``why`` says why."""

    key: str
    gate: Gate
    state: str
    why: str


def within_published(published: Mapping[str, Result]) -> dict[str, Gate]:
    """Return a gate for every published number with an interval: half of that interval, either way."""
    made = {}
    for key, one in published.items():
        if (
            one.interval is not None
            and isinstance(one.value, int | float)
            and not isinstance(one.value, bool)
        ):
            half = (one.interval[1] - one.interval[0]) / 2
            made[key] = Gate(one.value, half, "half of the interval published with it")
    return made


def judge(
    gates: Mapping[str, Gate],
    registry: Mapping[str, Result],
    runs: Mapping[str, Mapping[str, Any]],
    published: Mapping[str, Mapping[str, Any]],
) -> list[Verdict]:
    """Hold a build's results against the gates.

    Parameters
    ----------
    gates : mapping
        Gates by the key of their result.
    registry : mapping
        Results by key.
    runs : mapping
        ``run.json`` of each chapter.
    published : mapping
        Parameters by chapter with which the gates were set. A run with others says nothing about the published number
        and is not judged; nor is a number that was taken from a release instead of computed.
    """
    verdicts = []
    for key, gate in gates.items():
        run = runs.get(key.split(".")[0])
        found = registry.get(key)
        if run is None:
            state, why = "not judged", f"chapter {key.split('.')[0]} was not run"
        elif run["inputs"]["parameters"] != published[key.split(".")[0]]:
            state, why = "not judged", "other parameters than the published ones"
        elif found is None:
            state, why = "red", "the run no longer records it"
        elif found.published:
            state, why = "not judged", f"published in {found.published}, not computed here"
        elif found.value is None:
            state, why = "red", f"not recorded: {found.absent}"
        else:
            state, why = "green" if gate.admits(found.value) else "red", _distance(gate, found.value)
        verdicts.append(Verdict(key, gate, state, why))
    return verdicts


def _distance(gate: Gate, value: Any) -> str:
    if isinstance(gate.expected, str | bool) or isinstance(value, str | bool):
        return f"is {value!r}, expected {gate.expected!r}"
    if not gate.tolerance:
        return f"is {value:,}, expected exactly {gate.expected:,}"
    return f"is {value:.6g}, expected {gate.expected:.6g} within {gate.tolerance:.3g}"
