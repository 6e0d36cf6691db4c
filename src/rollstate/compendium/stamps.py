"""Stamps of results that do not rest on a trace; a trace brings its own, `rollstate.traces.schema.Capability`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Model:
    """Stamp of results that come from no trace: a model, a simulation, or measurements named in words."""

    description: str

    def as_dict(self) -> dict[str, Any]:
        """Return the stamp as plain JSON types."""
        return {"source": "model", **asdict(self)}

    def describe(self) -> str:
        """Say in one line where the results come from."""
        return self.description
