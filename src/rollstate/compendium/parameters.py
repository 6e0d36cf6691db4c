"""Typed, strict parameters: defaults, units and bounds of a chapter live in one frozen dataclass."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import types
import typing
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from rollstate.errors import InputError


def parameter(
    default: Any,
    *,
    doc: str,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[Any, ...] = (),
    empty: bool = False,
) -> Any:
    """Declare one parameter of a `Parameters` class.

    Parameters
    ----------
    default : object
        Value used where the reader gives none.
    doc : str
        What it means, in a short phrase.
    unit : str
        Unit of the value, empty if it has none.
    low, high : float or None
        Inclusive bounds; of every element where the value is a tuple.
    choices : tuple
        The only allowed values, if not empty.
    empty : bool
        Whether a tuple may hold nothing.
    """
    return dataclasses.field(
        default=default,
        metadata={
            "doc": doc,
            "unit": unit,
            "low": low,
            "high": high,
            "choices": choices,
            "empty": empty,
        },
    )


@dataclasses.dataclass(frozen=True)
class Parameters:
    """Base of every chapter's parameters: validates on construction, refuses unknown names.

    ``needs`` names what the chapter must know of its trace, from `rollstate.traces.schema.NEEDS`; ``takes_profile``
    says whether a profile can take the trace's place.
    """

    needs: ClassVar[tuple[str, ...]] = ()
    takes_profile: ClassVar[bool] = False

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self))
        for field in dataclasses.fields(self):
            value = _coerce(f"{self.chapter()}.{field.name}", getattr(self, field.name), hints[field.name])
            _check_bounds(f"{self.chapter()}.{field.name}", value, field.metadata)
            object.__setattr__(self, field.name, value)

    @classmethod
    def chapter(cls) -> str:
        """Return the chapter's name: the class name in snake case, which is the notebook's name."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the parameters' names in order of declaration."""
        return tuple(field.name for field in dataclasses.fields(cls))

    @classmethod
    def resolve(cls, given: Mapping[str, Any]) -> Self:
        """Return the full set: what was given, defaults for the rest.

        Raises
        ------
        InputError
            For a name the chapter does not have (with the nearest one that it has) or a bad value.
        """
        for name in given:
            if name not in cls.names():
                near = difflib.get_close_matches(name, cls.names(), n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(cls.names())}"
                raise InputError(f"chapter {cls.chapter()!r} has no parameter {name!r}; {hint}")
        return cls(**given)

    def as_dict(self) -> dict[str, Any]:
        """Return the values as plain JSON types."""
        return {
            name: list(value) if isinstance(value := getattr(self, name), tuple) else value
            for name in self.names()
        }

    def data_sets(self) -> tuple[str, ...]:
        """Return what the chapter reads: names of data sets, or paths of the reader's own."""
        return (str(self.as_dict()["trace"]),) if "trace" in self.names() else ()

    @classmethod
    def describe(cls) -> list[dict[str, Any]]:
        """Return one row per parameter: name, default, unit, range, meaning."""
        return [
            {
                "name": field.name,
                "default": _show(field.default),
                "unit": field.metadata["unit"],
                "range": _range(field.metadata),
                "meaning": field.metadata["doc"],
            }
            for field in dataclasses.fields(cls)
        ]

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td><code>{row['name']}</code></td><td>{_show(getattr(self, row['name']))}</td>"
            f"<td>{row['unit']}</td><td>{row['range']}</td><td>{row['meaning']}</td></tr>"
            for row in self.describe()
        )
        head = "".join(f"<th>{name}</th>" for name in ("parameter", "value", "unit", "range", "meaning"))
        table = f"<table class='rs-parameters'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        return f"<details class='rs-folded'><summary>parameters of this run</summary>{table}</details>"


_WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a finite number",
    str: "text",
    types.NoneType: "null",
}
_EXAMPLES = {int: ("1", "2"), float: ("0.5", "2"), str: ("a", "b")}


def _coerce(name: str, value: Any, hint: Any) -> Any:
    """Return `value` as the declared type, or say what was expected; only lossless changes are made."""
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if value is None and type(None) in options:
        return None
    for option in options:
        if typing.get_origin(option) is tuple:
            if isinstance(value, list | tuple):
                return tuple(_coerce(name, item, typing.get_args(option)[0]) for item in value)
        elif option is float and isinstance(value, int | float) and not isinstance(value, bool):
            if math.isfinite(value):
                return float(value)
        elif option is int and isinstance(value, float) and value.is_integer():
            return int(value)
        elif isinstance(value, option) and (option is bool or not isinstance(value, bool)):
            return value
    raise InputError(f"parameter {name} must be {_wanted(hint)}, not {value!r}")


def _wanted(hint: Any) -> str:
    """Return a declared type in words."""
    if isinstance(hint, types.UnionType):
        return " or ".join(map(_wanted, typing.get_args(hint)))
    if typing.get_origin(hint) is tuple:
        return f"a list such as [{', '.join(_EXAMPLES[typing.get_args(hint)[0]])}]"
    return _WORDS[hint]


def _check_bounds(name: str, value: Any, metadata: Mapping[str, Any]) -> None:
    if value == () and not metadata["empty"]:
        raise InputError(f"parameter {name} must hold at least one value, not none")
    for item in value if isinstance(value, tuple) else (value,):
        if item is None:
            continue
        low, high, choices = metadata["low"], metadata["high"], metadata["choices"]
        if (
            (choices and item not in choices)
            or (low is not None and item < low)
            or (high is not None and item > high)
        ):
            raise InputError(f"parameter {name} must be {_range(metadata)}, not {item!r}")


def _range(metadata: Mapping[str, Any]) -> str:
    if metadata["choices"]:
        return "one of " + ", ".join(map(str, metadata["choices"]))
    low, high = metadata["low"], metadata["high"]
    if low is None and high is None:
        return ""
    if high is None:
        return f"at least {_show(low)}"
    if low is None:
        return f"at most {_show(high)}"
    return f"{_show(low)} to {_show(high)}"


def _show(value: Any) -> str:
    """Return a value as a reader wants to see it; a seed is a name, not an amount."""
    if value is None:
        return "not given"
    if isinstance(value, tuple):
        return ", ".join(map(_show, value))
    return f"{value:.10g}" if isinstance(value, float) else str(value)
