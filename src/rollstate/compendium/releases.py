"""What a release published: numbers, tables and the data of figures, kept to be shown where data cannot be had.

``releases/<version>/release.json`` holds results, texts and records of the runs; ``figures/<chapter>/<name>.csv`` and
``tables/<chapter>/<name>.csv`` beside it hold what was drawn. The first releases kept numbers alone, in one file
``releases/<version>.json``.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from packaging.version import InvalidVersion, Version

from rollstate.compendium import results
from rollstate.compendium.bundles import read_provenance
from rollstate.compendium.files import replaced_folder, sha256, write_bytes, write_text
from rollstate.compendium.marks import marks
from rollstate.compendium.results import Result
from rollstate.compendium.snapshots import Snapshot
from rollstate.errors import InputError

_RUN = ("inputs", "missing", "chapter")
_DRAWN = ("cell", "content_sha256", "drawn", "size_in", "source")


@dataclass(frozen=True)
class Release:
    """What one release published.

    Attributes
    ----------
    version : str
        The version.
    path : Path
        Its folder, or the file of a release that kept numbers alone.
    results : dict
        `Result` by key.
    runs : dict
        Record of each chapter's run.
    figures, tables : dict
        By ``chapter/name``: texts, the notebook's cell, and for a figure what it was drawn with.
    """

    version: str
    path: Path
    results: dict[str, Result]
    runs: dict[str, dict[str, Any]]
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def snapshot(self) -> Snapshot:
        """The numbers, for a comparison with other runs."""
        return Snapshot(f"release {self.version}", self.results, self.runs, {})

    def csv(self, kind: str, ref: str) -> bytes:
        """Return the CSV file of a figure or table (``kind`` is ``"figures"`` or ``"tables"``)."""
        return (self.path / kind / f"{ref}.csv").read_bytes()

    def digest(self) -> str:
        """Return the SHA-256 of all that the release holds."""
        return sha256(self.path)


def read(path: Path) -> Release:
    """Read a release: its folder, or the file of one that kept numbers alone.

    Raises
    ------
    InputError
        If it is no release.
    """
    file = path / "release.json" if path.is_dir() else path
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        return Release(
            version=record["version"],
            path=path,
            results=results.parse(record["results"]),
            runs=record["runs"],
            figures=record.get("figures", {}),
            tables=record.get("tables", {}),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is no release: {error}") from error


def is_release(path: Path) -> bool:
    """Return whether a path looks like a release: its folder, or a JSON file."""
    return path.suffix == ".json" or (path / "release.json").is_file()


def _versions(folder: Path) -> dict[Version, Path]:
    """Return where each release of a folder lies."""
    found = {}
    for path in [*folder.glob("*.json"), *(file.parent for file in folder.glob("*/release.json"))]:
        name = path.name.removesuffix(".json")
        try:
            found[Version(name)] = path
        except InvalidVersion as error:
            raise InputError(f"{path} is not named after a version: {error}") from error
    return found


def latest(folder: Path, *, before: str | None = None) -> Release | None:
    """Return the newest release of a folder, or the newest one below a version; None if there is none.

    Raises
    ------
    InputError
        If something in the folder is not named after a version.
    """
    found = _versions(folder)
    if before is not None:
        found = {version: path for version, path in found.items() if version < Version(before)}
    return read(found[max(found)]) if found else None


def every(folder: Path) -> list[Release]:
    """Return all releases of a folder, the newest first; errors as in `latest`."""
    return [read(path) for _, path in sorted(_versions(folder).items(), reverse=True)]


def write(snapshot: Snapshot, version: str, root: Path) -> Path:
    """Keep what the runs of `snapshot` show as that of a release, ``releases/<version>/``; return the folder.

    Raises
    ------
    InputError
        If the release is there already, or something in it was not computed: its data was not here.
    """
    target = root / "releases" / version
    if target.exists() or target.with_name(f"{version}.json").exists():
        raise InputError(f"{target} is there already: a release is never rewritten; raise the version")
    for chapter, record in snapshot.runs.items():
        if record["missing"]:
            raise InputError(
                f"{chapter} ran without {', '.join(record['missing'])}: a release needs the real data; "
                "set ROLLSTATE_DATA or run `make data`"
            )
    figures, tables = {}, {}
    with replaced_folder(target) as folder:
        for chapter, run in snapshot.folders.items():
            cells = dict(marks(nbformat.read(run / "executed.ipynb", as_version=4)))
            for bundle in sorted((run / "figures").glob("*/")):
                ref = f"{chapter}/{bundle.name}"
                stamp = read_provenance(bundle)
                texts = {
                    name: (bundle / f"{name}.txt").read_text(encoding="utf-8").strip()
                    for name in ("caption", "alt")
                }
                figures[ref] = {
                    **{name: stamp[name] for name in _DRAWN}, **texts, "cell_id": cells["figure", bundle.name]
                }  # fmt: skip
                write_bytes(folder / "figures" / f"{ref}.csv", (bundle / f"{bundle.name}.csv").read_bytes())
            for file in sorted((run / "tables").glob("*.csv")):
                ref = f"{chapter}/{file.stem}"
                caption = file.with_suffix(".txt").read_text(encoding="utf-8").strip()
                tables[ref] = {"caption": caption, "cell_id": cells["table", file.stem]}
                write_bytes(folder / "tables" / f"{ref}.csv", file.read_bytes())
        record = {
            "version": version,
            "runs": {name: {key: run[key] for key in _RUN} for name, run in snapshot.runs.items()},
            "results": {key: dataclasses.asdict(result) for key, result in snapshot.results.items()},
            "figures": figures,
            "tables": tables,
        }
        write_text(folder / "release.json", json.dumps(record, indent=1, sort_keys=True) + "\n")
    return target
