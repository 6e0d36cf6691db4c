"""What a chapter declares, found by the chapter's name alone: the machinery imports no chapter otherwise."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from rollstate.compendium.declared import Results
from rollstate.compendium.gates import Gate, within_published
from rollstate.compendium.parameters import Parameters
from rollstate.compendium.results import Result
from rollstate.errors import InputError

_Class = TypeVar("_Class")


def installed() -> list[str]:
    """Return the names of the chapters of this version, also where there is no checkout with their notebooks."""
    return [
        module.name for module in pkgutil.iter_modules(importlib.import_module("rollstate.chapters").__path__)
    ]


def parameter_class(chapter: str) -> type[Parameters]:
    """Return the parameter class of a chapter."""
    return _declared_in(chapter, "parameters", Parameters)


def result_class(chapter: str) -> type[Results]:
    """Return the class that declares what a chapter records."""
    return _declared_in(chapter, "results", Results)


def _declared_in(chapter: str, part: str, base: type[_Class]) -> type[_Class]:
    """Return the subclass of `base` that a chapter's module declares; chapters are found by their name alone."""
    module = _module(chapter, part)
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, base) and value.__module__ == module.__name__:
            return value
    raise InputError(f"{module.__name__} declares no {base.__name__} class")


def gates_of(chapters: Iterable[str], published: Mapping[str, Result]) -> dict[str, Gate]:
    """Return the gates of some chapters by the key of their result.

    Parameters
    ----------
    chapters : iterable of str
        Names of chapters.
    published : mapping
        Results of the last release by key. A declared result without a gate of its own that was published with an
        interval must stay within half of that interval.
    """
    made: dict[str, Gate] = {}
    for chapter in chapters:
        declared = {f"{chapter}.{name}": one for name, one in result_class(chapter).declared().items()}
        made |= within_published({key: published[key] for key in declared if key in published})
        made |= {key: one.gate for key, one in declared.items() if one.gate is not None}
    return made


def figure_function(chapter: str, name: str) -> Any:
    """Return the function that draws a figure of a chapter; its name is the figure's, with underscores."""
    try:
        return getattr(_module(chapter, "figures"), name.replace("-", "_"))
    except AttributeError:
        raise InputError(f"chapter {chapter!r} draws no figure {name!r} in this version") from None


def _module(chapter: str, part: str) -> Any:
    """Import one part of a chapter; an `InputError` if there is no such chapter."""
    name = f"rollstate.chapters.{chapter}.{part}"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in (name, name.rpartition(".")[0]):
            raise
        raise InputError(f"there is no chapter {chapter!r}; `rollstate status` lists them") from None
