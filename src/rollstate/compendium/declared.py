"""What a chapter records, declared once: meaning, unit, format, interval, guarding test and gate of each number."""

from __future__ import annotations

import difflib
import numbers
import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from rollstate.compendium.gates import Gate
from rollstate.errors import InputError
from rollstate.estimate import Estimate

_TYPES = (float, int, bool, str)


@dataclass(frozen=True)
class Declared:
    """A result as a chapter declares it, before any run.

    Attributes
    ----------
    meaning : str
        What the number is, in a phrase. Braces are filled from the chapter's parameters.
    unit : str
        Unit, empty for counts, shares and verdicts.
    fmt : str
        Python format in which prose shows it unless it asks for another.
    interval : str
        How the interval is made, for example ``"95 % bootstrap over contracts"``; empty where the number has none.
        Braces are filled from the chapter's parameters.
    guard : str
        Pytest node that protects it, ``tests/...::test_name``.
    gate : Gate or None
        What it must be with the published parameters and data.
    type : type
        float, int, bool or str, from the annotation.
    """

    meaning: str
    unit: str = ""
    fmt: str = ""
    interval: str = ""
    guard: str = ""
    gate: Gate | None = None
    type: type = float

    def check(self, key: str) -> None:
        """Refuse a declaration that a reader could not use."""
        if self.type not in _TYPES:
            raise InputError(f"result {key} must be declared float, int, bool or str, not {self.type}")
        if not self.meaning:
            raise InputError(f"result {key} needs a meaning: what the number is, in a phrase")
        if "::" not in self.guard:
            raise InputError(f"result {key} needs a guard, the test that protects it as tests/...::test_name")
        if self.interval and self.type in (bool, str):
            raise InputError(f"result {key} is a verdict and has no interval")

    def take(self, key: str, value: Any) -> tuple[Any, tuple[float, float] | None]:
        """Return a recorded value as the declared type, with its interval.

        Raises
        ------
        InputError
            For another type, a missing interval, or one that was not declared.
        """
        interval = None
        if self.interval:
            if not isinstance(value, Estimate):
                raise InputError(f"result {key} declares an interval ({self.interval}): record an Estimate")
            value, interval = value.value, value.interval
        elif isinstance(value, Estimate):
            raise InputError(f"result {key} declares no interval: name its kind with interval=")
        if hasattr(value, "item") and not isinstance(value, str):
            value = value.item()
        truth = isinstance(value, bool)
        fits = {
            bool: truth,
            str: isinstance(value, str),
            int: isinstance(value, numbers.Integral) and not truth,
            float: isinstance(value, numbers.Real) and not truth,
        }
        if not fits[self.type]:
            raise InputError(f"result {key} is declared {self.type.__name__}, not {value!r}")
        return self.type(value), interval


def result(
    meaning: str,
    *,
    guard: str,
    unit: str = "",
    fmt: str = "",
    interval: str = "",
    gate: Gate | None = None,
) -> Any:
    """Declare one number or verdict of a `Results` class; see `Declared` for the parameters."""
    return Declared(meaning, unit, fmt, interval, guard, gate)


def gate(expected: float | int | bool | str, tolerance: float = 0.0, reason: str = "") -> Gate:
    """Return the gate of a declared result: what it must be, how far off it may be, and why so far."""
    return Gate(expected, tolerance, reason)


class Results:
    """Base of what a chapter records: one annotated attribute per number, each made with `result`.

    Examples
    --------
    >>> class ToyResults(Results):
    ...     share: float = result("share of heads", fmt=".0%", guard="tests/test_toy.py::test_share")
    >>> ToyResults.chapter(), list(ToyResults.declared())
    ('toy', ['share'])
    """

    _declared: ClassVar[dict[str, Declared]] = {}
    _without_trace: ClassVar[tuple[str, ...]] = ()
    """Beginnings of the names of results that rest on other data than the parameter ``trace``."""

    def __init_subclass__(cls) -> None:
        cls._declared = {}
        for name, hint in typing.get_type_hints(cls).items():
            if name.startswith("_"):
                continue
            one = vars(cls).get(name)
            key = f"{cls.chapter()}.{name}"
            if not isinstance(one, Declared):
                raise InputError(f'result {key} must be declared with result("meaning", guard=...)')
            complete = Declared(one.meaning, one.unit, one.fmt, one.interval, one.guard, one.gate, hint)
            complete.check(key)
            cls._declared[name] = complete
        for name, value in vars(cls).items():
            if isinstance(value, Declared) and name not in cls._declared:
                raise InputError(f"result {cls.chapter()}.{name} needs a type: float, int, bool or str")

    @classmethod
    def chapter(cls) -> str:
        """Return the chapter's name: the class name without ``Results``, in snake case."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__.removesuffix("Results")).lower()

    @classmethod
    def declared(cls) -> Mapping[str, Declared]:
        """Return the declarations by name, in order."""
        return cls._declared

    @classmethod
    def without_trace(cls, name: str) -> bool:
        """Return whether a result is the same for every ``trace``."""
        return name.startswith(cls._without_trace)

    @classmethod
    def guards(cls) -> dict[str, str]:
        """Return the guarding test of each result, by ``<chapter>.<name>``."""
        return {f"{cls.chapter()}.{name}": one.guard for name, one in cls.declared().items()}

    @classmethod
    def about(cls, name: str) -> Declared:
        """Return one declaration; an `InputError` names the nearest one for an unknown name."""
        try:
            return cls._declared[name]
        except KeyError:
            near = difflib.get_close_matches(name, cls._declared, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"declare it in {cls.__module__}"
            raise InputError(f"chapter {cls.chapter()!r} declares no result {name!r}; {hint}") from None
