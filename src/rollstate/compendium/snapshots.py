"""What runs said and what they were made from, in one record."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rollstate.compendium import results
from rollstate.compendium.results import Result
from rollstate.errors import InputError


@dataclass(frozen=True)
class Snapshot:
    """Results and inputs of some runs.

    Attributes
    ----------
    label : str
        What to call it: a folder, or a release.
    results : dict
        `Result` by key.
    runs : dict
        ``run.json`` by chapter.
    figures : dict
        Bundle folder by ``chapter/name``; empty for a release.
    folders : dict
        Folder of each chapter's run; empty for a release.
    """

    label: str
    results: dict[str, Result]
    runs: dict[str, dict[str, Any]]
    figures: dict[str, Path]
    folders: dict[str, Path] = field(default_factory=dict)


def read(folder: Path) -> Snapshot:
    """Read one run, or a folder of runs (``_build/runs``, or what ``rollstate book`` made).

    Raises
    ------
    InputError
        If the folder holds no run.
    """
    for inner in (folder, folder / "runs", folder / "_build" / "runs"):
        found = [inner] if (inner / "run.json").is_file() else []
        # A run with other parameters lies beside the published one, as chapter@key.
        found = found or sorted(p.parent for p in inner.glob("*/run.json") if "@" not in p.parent.name)
        if found:
            break
    else:
        raise InputError(f"{folder} holds no finished run: expected run.json in it, or in its subfolders")
    registry: dict[str, Result] = {}
    runs, figures, folders = {}, {}, {}
    for run in found:
        record = json.loads((run / "run.json").read_text(encoding="utf-8"))
        chapter = record["chapter"]
        runs[chapter], folders[chapter] = record, run
        if (run / "results.json").is_file():
            registry |= results.load(run / "results.json")
        for bundle in sorted((run / "figures").glob("*/provenance.json")):
            figures[f"{chapter}/{bundle.parent.name}"] = bundle.parent
    return Snapshot(str(folder), registry, runs, figures, folders)
