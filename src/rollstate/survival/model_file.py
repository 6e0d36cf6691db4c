"""A fitted model as one JSON file that loads into the same predictions, bit for bit.

Numbers are written in their shortest form that reads back exactly. The file names its schema and its kind and carries
the capability stamp of the trace it was fitted on: a model fitted on a source that sees less must not silently score
one that sees more.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import tempfile
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rollstate.errors import InputError
from rollstate.survival.calibration import CurveCalibration, Isotonic, Logistic, VennAbers
from rollstate.survival.cox import CoxModel
from rollstate.survival.forecasts import CoxForecast, CurveForecast, LandmarkForecast, SpellForecast
from rollstate.survival.frailty import GammaFrailty
from rollstate.survival.hazards import BoostedModel, DiscreteModel, TimeVaryingCox
from rollstate.survival.parametric import ParametricModel
from rollstate.survival.steps import StepHazard
from rollstate.traces.schema import Capability

SCHEMA = "rollstate-survival-model"
VERSION = 2
KINDS = {
    kind.__name__: kind
    for kind in (
        BoostedModel, CoxForecast, CoxModel, CurveCalibration, CurveForecast, DiscreteModel, GammaFrailty, Isotonic,
        LandmarkForecast, Logistic, ParametricModel, SpellForecast, StepHazard, TimeVaryingCox, VennAbers,
    )
}  # fmt: skip
"""What can be kept: every `rollstate.survival.forecasts.Forecaster`, the models in them, and calibrators."""


@dataclass(frozen=True)
class Stored:
    """A model with what it needs to be used.

    Attributes
    ----------
    model : object
        One of `KINDS`.
    calibrator : object or None
        Applied to its probabilities.
    capability : Capability
        Of the trace it was fitted on.
    """

    model: Any
    calibrator: Any
    capability: Capability

    def check(self, capability: Capability) -> None:
        """Raise `InputError` unless a trace sees what the model's trace saw."""
        fields = ("observes_reads", "observes_all_writes", "key_form")
        mine, theirs = self.capability, capability
        wrong = [name for name in fields if getattr(mine, name) != getattr(theirs, name)]
        if wrong:
            said = ", ".join(
                f"{name} {getattr(mine, name)!r} against {getattr(theirs, name)!r}" for name in wrong
            )
            raise InputError(
                f"the model was fitted on {mine.source!r}, which sees other things than {theirs.source!r}: {said}; "
                "fit a model on this kind of trace"
            )


def save(stored: Stored, path: Path) -> None:
    """Write a model; the file is whole or not there, and an old one stays until then."""
    body = {
        "model": packed(stored.model),
        "calibrator": packed(stored.calibrator),
        "capability": stored.capability.as_dict(),
    }
    text = json.dumps(
        {"schema": SCHEMA, "version": VERSION, "sha256": _digest(body), **body}, indent=1, sort_keys=True
    )
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def load(path: Path) -> Stored:
    """Read a model written by `save`.

    Raises
    ------
    InputError
        If the file is missing, holds no model, has another version, or is damaged.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a model: {error}") from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise InputError(f"{path} is not a survival model of rollstate (schema {SCHEMA!r})")
    if data.get("version") != VERSION:
        raise InputError(f"{path} has version {data.get('version')!r}; this package reads version {VERSION}")
    body = {name: data.get(name) for name in ("model", "calibrator", "capability")}
    if data.get("sha256") != _digest(body):
        raise InputError(
            f"{path} is damaged: its content does not have the SHA-256 it states; fit the model again"
        )
    capability = Capability.from_dict(data["capability"])
    return Stored(unpacked(body["model"]), unpacked(body["calibrator"]), capability)


def _digest(body: Any) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def packed(value: Any) -> Any:
    """Return a model, an array or a number as plain JSON types; `unpacked` reads it back."""
    if dataclasses.is_dataclass(value):
        kind = type(value).__name__
        if kind not in KINDS:
            raise InputError(f"a {kind} cannot be kept in a model file; it can keep {', '.join(KINDS)}")
        fields = {field.name: packed(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"kind": kind, "fields": fields}
    if isinstance(value, np.ndarray):
        values = [_number(item) for item in value.ravel().tolist()]
        return {"dtype": value.dtype.str, "shape": list(value.shape), "values": values}
    if isinstance(value, tuple | list):
        return {"items": [packed(item) for item in value]}
    if isinstance(value, float | np.floating):
        return _number(float(value))
    if value is None or isinstance(value, str | int | bool):
        return value
    raise InputError(
        f"a {type(value).__name__} cannot be kept in a model file; it can keep {', '.join(KINDS)}"
    )


def _number(value: Any) -> Any:
    # JSON has no infinities and no NaN.
    return value if not isinstance(value, float) or np.isfinite(value) else {"special": repr(value)}


def unpacked(value: Any) -> Any:
    """Read what `packed` gave."""
    if not isinstance(value, dict):
        return value
    if "special" in value:
        return float(value["special"])
    if "items" in value:
        return tuple(unpacked(item) for item in value["items"])
    if "dtype" in value:
        numbers = [unpacked(item) for item in value["values"]]
        return np.array(numbers, np.dtype(value["dtype"])).reshape(value["shape"])
    kind = KINDS[value["kind"]]
    hints = typing.get_type_hints(kind)
    return kind(**{name: unpacked(item) for name, item in value["fields"].items() if name in hints})
