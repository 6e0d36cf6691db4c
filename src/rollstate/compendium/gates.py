"""Gates: what a headline number must be, how far it may be from that, and why so far."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rollstate.compendium.results import Result
from rollstate.errors import InputError

FILE = "gates.yaml"


@dataclass(frozen=True)
class Gate:
    """One gate of ``gates.yaml``.

    Attributes
    ----------
    key : str
        Key of the result.
    expected : float, int, bool or str
        What it must be with the published parameters and data.
    tolerance : float
        How far a number may be from that, in the number's own unit; 0 where it is exact.
    reason : str
        Why so far: a Monte Carlo error, a stated bound, rounding.
    """

    key: str
    expected: float | int | bool | str
    tolerance: float
    reason: str

    def __post_init__(self) -> None:
        number = isinstance(self.expected, int | float) and not isinstance(self.expected, bool)
        if number and not math.isfinite(self.expected):
            raise InputError(f"{FILE}: {self.key} expects {self.expected!r}, which is no finite number")
        if not isinstance(self.tolerance, int | float) or not 0 <= self.tolerance < math.inf:
            raise InputError(f"{FILE}: tolerance of {self.key} must be a number of at least 0")
        if self.tolerance and not number:
            raise InputError(f"{FILE}: {self.key} is a verdict and has no tolerance")
        if len(str(self.reason).split()) < 3:
            raise InputError(f"{FILE}: {self.key} needs a reason for its tolerance, in words")

    def admits(self, value: float | int | bool | str) -> bool:
        """Return whether a value passes."""
        if isinstance(self.expected, str | bool) or isinstance(value, str | bool):
            return value == self.expected
        return abs(value - self.expected) <= self.tolerance


@dataclass(frozen=True)
class Verdict:
    """A gate beside this build: ``state`` is ``"green"``, ``"red"`` or ``"not judged"``, ``why`` says why."""

    gate: Gate
    state: str
    why: str


def load(root: Path) -> list[Gate]:
    """Read ``gates.yaml``; none if the project has no such file.

    Raises
    ------
    InputError
        If an entry is not a gate.
    """
    path = root / FILE
    if not path.exists():
        return []
    try:
        rows = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        return [Gate(key=key, **row) for key, row in rows.items()]
    except (yaml.YAMLError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: every entry is `key: {{expected, tolerance, reason}}`; cannot be read: {error}"
        ) from error


def judge(
    gates: list[Gate],
    registry: Mapping[str, Result],
    runs: Mapping[str, Mapping[str, Any]],
    published: Mapping[str, Mapping[str, Any]],
) -> list[Verdict]:
    """Hold a build's results against the gates.

    Parameters
    ----------
    gates : list of Gate
        The gates.
    registry : mapping
        Results by key.
    runs : mapping
        ``run.json`` of each chapter.
    published : mapping
        Parameters by chapter with which the gates were set. A run with others, or on the sample in the place of data
        that could not be had, is not judged: it says nothing about the published number.
    """
    verdicts = []
    for gate in gates:
        chapter = gate.key.split(".")[0]
        run = runs.get(chapter)
        if run is None:
            verdicts.append(Verdict(gate, "not judged", f"chapter {chapter} was not run"))
        elif run["substituted"]:
            missing = ", ".join(run["substituted"])
            verdicts.append(Verdict(gate, "not judged", f"{missing} could not be had"))
        elif run["inputs"]["parameters"] != published[chapter]:
            verdicts.append(Verdict(gate, "not judged", "other parameters than the published ones"))
        elif gate.key not in registry:
            verdicts.append(Verdict(gate, "red", "the run no longer records it"))
        else:
            value = registry[gate.key].value
            state = "green" if gate.admits(value) else "red"
            verdicts.append(Verdict(gate, state, _distance(gate, value)))
    return verdicts


def _distance(gate: Gate, value: Any) -> str:
    if isinstance(gate.expected, str | bool) or isinstance(value, str | bool):
        return f"is {value!r}, expected {gate.expected!r}"
    if not gate.tolerance:
        return f"is {value:,}, expected exactly {gate.expected:,}"
    return f"is {value:.6g}, expected {gate.expected:.6g} within {gate.tolerance:.3g}"
