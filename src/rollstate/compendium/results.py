"""The results registry: every number the prose may quote, with its interval, source and guard."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import numbers
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollstate.compendium.files import write_text
from rollstate.errors import InputError

MODEL = "model: "
"""How the meaning of a number begins that follows from a model; prose shows such numbers with a mark."""

KEY = re.compile(r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+$")


@dataclass(frozen=True)
class Result:
    """A result as a run records it.

    Attributes
    ----------
    key : str
        ``<chapter>.<name>``.
    value : float, int, bool or str
        The number, or a short verdict.
    unit : str
        Unit, empty for counts, shares and verdicts.
    interval : tuple of float or None
        Lower and upper end of the uncertainty interval; None where the value is exact for its data.
    interval_kind : str
        How the interval was made, for example ``"95 % bootstrap over blocks"``.
    meaning : str
        What the number is, in a phrase.
    guard : str
        Pytest node that protects it, ``tests/...::test_name``.
    cell : int
        Execution count of the cell that computed it.
    source : dict
        Stamp of what the number was computed from.
    fmt : str
        Python format in which prose shows it unless it asks for another.
    absent : str
        Why there is no value, for the reader; ``value`` is then None.
    published : str
        Release that the number was taken from, where it was not computed in this build.
    """

    key: str
    value: float | int | bool | str | None
    unit: str
    interval: tuple[float, float] | None
    interval_kind: str
    meaning: str
    guard: str
    cell: int
    source: dict[str, Any]
    fmt: str = ""
    absent: str = ""
    published: str = ""

    def __post_init__(self) -> None:
        if not KEY.match(self.key):
            raise InputError(
                f"result key {self.key!r} must read <chapter>.<name>, lower case and underscores"
            )
        if not self.absent:
            object.__setattr__(self, "value", _plain(self.key, self.value))
        elif self.value is not None:
            raise InputError(f"result {self.key} is absent ({self.absent}) and has a value, {self.value!r}")
        if self.interval is not None:
            low, high = (_plain(self.key, end) for end in self.interval)
            if isinstance(low, str) or isinstance(high, str) or not low <= high:
                raise InputError(
                    f"result {self.key}: interval ({low}, {high}) has its ends swapped or is no pair of numbers"
                )
            if not self.interval_kind:
                raise InputError(f"result {self.key}: an interval needs interval_kind, how it was made")
            object.__setattr__(self, "interval", (low, high))
        if not self.meaning:
            raise InputError(f"result {self.key} needs a meaning: what the number is, in a phrase")
        if "::" not in self.guard:
            raise InputError(
                f"result {self.key} needs a guard, the test that protects it as tests/...::test_name"
            )

    @property
    def modelled(self) -> bool:
        """Whether the number follows from a model's assumptions rather than from measurements: its meaning says so."""
        return self.meaning.startswith(MODEL)

    @property
    def content(self) -> str:
        """SHA-256 of what the number says: key, value, unit, interval and source, wherever it was computed."""
        said = {name: getattr(self, name) for name in ("key", "value", "unit", "interval", "source")}
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    def text(self, spec: str = "") -> str:
        """Return the value as prose shows it: ``spec`` is a Python format, the unit follows."""
        if self.value is None:
            return "not available"
        spec = spec or self.fmt
        return _with_unit(_format(self.key, self.value, spec), self.unit, spec)

    def interval_text(self, spec: str = "") -> str:
        """Return the interval in the same format, or the empty string where there is none."""
        if self.interval is None:
            return ""
        spec = spec or self.fmt
        low, high = (_format(self.key, end, spec) for end in self.interval)
        return _with_unit(f"{low} to {high}", self.unit, spec)


def save(results: list[Result], path: Path) -> None:
    """Write `results` as canonical JSON, sorted by key, atomically."""
    rows = {result.key: dataclasses.asdict(result) for result in sorted(results, key=lambda r: r.key)}
    write_text(path, json.dumps(rows, indent=1, sort_keys=True, allow_nan=False) + "\n")


def load(path: Path) -> dict[str, Result]:
    """Read a registry written by `save`."""
    try:
        return parse(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"results registry {path} cannot be read: {error}; run the notebook again"
        ) from error


def parse(rows: dict[str, dict[str, Any]]) -> dict[str, Result]:
    """Return results by key from their plain JSON form."""
    return {
        key: Result(**{**row, "interval": tuple(row["interval"]) if row["interval"] else None})
        for key, row in rows.items()
    }


def _plain(key: str, value: Any) -> float | int | bool | str:
    """Return a NumPy or Python scalar as a plain one; refuse what JSON or a reader cannot hold."""
    if hasattr(value, "item") and not isinstance(value, str):
        value = value.item()
    if isinstance(value, bool | str):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real) and math.isfinite(value):
        return float(value)
    raise InputError(f"result {key}: {value!r} is not a finite number or a verdict; record a verdict instead")


def _format(key: str, value: float | int | bool | str, spec: str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    try:
        text = format(value, spec or ("," if isinstance(value, int) else ",.4g"))
    except ValueError as error:
        raise InputError(f"result {key}: {spec!r} is not a format for {value!r}: {error}") from error
    text = text.replace("%", "\u202f%").replace("-", "\u2212")
    return re.sub(r"e([+\u2212])0*(\d+)", lambda m: f"×10^{m[1].replace('+', '')}{m[2]}", text)


_COUNTED = frozenset({"blocks", "bytes", "days", "slot-blocks", "threads"})
"""Units that are words, of which one has no s."""


def _with_unit(text: str, unit: str, spec: str) -> str:
    if not unit or spec.endswith("%"):
        return text
    what, *more = unit.split(" ")
    if text == "1" and what in _COUNTED:
        unit = " ".join((what.removesuffix("s"), *more))
    return f"{text}\u202f{unit}"
