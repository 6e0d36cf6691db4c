"""What runs said and what they were made from, in one record: of a build, of a folder of runs, of a release."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollstate.compendium import results
from rollstate.compendium.files import write_text
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
        Bundle folder by ``chapter/name``; empty for a release, which keeps numbers alone.
    """

    label: str
    results: dict[str, Result]
    runs: dict[str, dict[str, Any]]
    figures: dict[str, Path]


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
    runs, figures = {}, {}
    for run in found:
        record = json.loads((run / "run.json").read_text(encoding="utf-8"))
        chapter = record["chapter"]
        runs[chapter] = record
        if (run / "results.json").is_file():
            registry |= results.load(run / "results.json")
        for bundle in sorted((run / "figures").glob("*/provenance.json")):
            figures[f"{chapter}/{bundle.parent.name}"] = bundle.parent
    return Snapshot(str(folder), registry, runs, figures)


def write_release(snapshot: Snapshot, version: str, root: Path) -> Path:
    """Keep a snapshot's numbers as those of a release, ``releases/<version>.json``; return the file.

    Raises
    ------
    InputError
        If the release is there already, or some chapter ran on the sample in the place of its data.
    """
    path = root / "releases" / f"{version}.json"
    if path.exists():
        raise InputError(f"{path} is there already: a release is never rewritten; raise the version")
    for chapter, run in snapshot.runs.items():
        if run["substituted"]:
            missing = ", ".join(run["substituted"])
            raise InputError(
                f"{chapter} ran without {missing}: a release needs the real data; set ROLLSTATE_DATA"
            )
    kept = ("inputs", "substituted", "chapter")
    record = {
        "version": version,
        "runs": {name: {key: run[key] for key in kept} for name, run in snapshot.runs.items()},
        "results": {key: dataclasses.asdict(result) for key, result in snapshot.results.items()},
    }
    write_text(path, json.dumps(record, indent=1, sort_keys=True) + "\n")
    return path


def read_release(path: Path) -> Snapshot:
    """Read a file written by `write_release`."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        registry = {
            key: Result(**{**row, "interval": tuple(row["interval"]) if row["interval"] else None})
            for key, row in record["results"].items()
        }
        return Snapshot(f"release {record['version']}", registry, record["runs"], {})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no release: {error}") from error


def latest_release(folder: Path, *, before: str | None = None) -> Snapshot | None:
    """Return the newest release of a folder, or the newest one below a version; None if there is none."""

    def number(version: str) -> tuple[int, ...]:
        return tuple(int(part) for part in version.split("."))

    found = sorted(folder.glob("*.json"), key=lambda path: number(path.stem))
    if before is not None:
        found = [path for path in found if number(path.stem) < number(before)]
    return read_release(found[-1]) if found else None
