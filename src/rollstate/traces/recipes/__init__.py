"""From the raw files of a public repository to a trace: one module per data set, each with ``convert(folder)``.

``folder`` holds the raw files under their paths in the repository. A recipe checks what it reads and names the file
and row that does not fit; it leaves nothing out in silence.
"""

from __future__ import annotations

import importlib
from pathlib import Path

from rollstate.traces.schema import Trace

NAMES = ("cryptokitties", "cryptopunks", "foundation", "linea_28279135", "mainnet_thinned_30d")
"""Data sets that have a recipe."""


def convert(name: str, folder: Path) -> Trace:
    """Return the trace of a data set, made from its raw files."""
    return importlib.import_module(f"rollstate.traces.recipes.{name}").convert(folder)
