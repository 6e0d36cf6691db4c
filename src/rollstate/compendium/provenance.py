"""Where a result comes from: code, data, parameters and lock, each by content hash."""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import os
import platform
import re
import subprocess
import tomllib
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import grimp
import nbformat
from IPython.core.inputtransformer2 import TransformerManager

import rollstate
from rollstate.compendium import citation
from rollstate.compendium.files import sha256
from rollstate.compendium.parameters import Parameters
from rollstate.errors import InputError
from rollstate.traces import datasets

PACKAGE = Path(rollstate.__file__).parent
DATA_READERS = {
    "data/profiles": "rollstate.profile.packaged",
    "dispute/contracts": "rollstate.dispute.chain",
    "traces/live/contracts": "rollstate.traces.live.workload",
}
"""Folders of package data, and the module through which alone each is read: they count for those that import it."""


@functools.cache
def project_root() -> Path:
    """Return the project's folder: ROLLSTATE_ROOT, else the nearest folder upward with a `_toc.yml`."""
    named = os.environ.get("ROLLSTATE_ROOT")
    starts = [Path(named)] if named else [Path.cwd(), *Path.cwd().parents, *PACKAGE.parents]
    for folder in starts:
        if (folder / "_toc.yml").is_file() and (folder / "notebooks").is_dir():
            check_package(folder.resolve())
            return folder.resolve()
    raise InputError(
        "no rollstate project here (a folder with _toc.yml and notebooks/); "
        "run inside a checkout, or name one with ROLLSTATE_ROOT"
    )


def check_package(root: Path) -> None:
    """Refuse to run another checkout's code under this project's name.

    Raises
    ------
    InputError
        If the imported package is neither the source of `root` nor an installed wheel of the same version.
    """
    own = root / "src" / "rollstate"
    if not own.is_dir() or own.samefile(PACKAGE):
        return
    wheel = "site-packages" in PACKAGE.parts
    declared = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    if not wheel or declared != rollstate.__version__:
        raise InputError(
            f"the package that runs is {PACKAGE} ({rollstate.__version__}), not the one of {root} ({declared}); use "
            "the environment of this checkout (`make book` and `make test` make it) or unset PYTHONPATH"
        )


@functools.cache
def environment() -> dict[str, str]:
    """Return Python, platform and a digest of all installed versions: what the lock promises, as it is here."""
    installed = sorted({(one.name.lower(), one.version) for one in metadata.distributions()})
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": hashlib.sha256(json.dumps(installed).encode()).hexdigest(),
    }


def git_state(root: Path) -> dict[str, Any]:
    """Return commit and dirty flag of the checkout or of the source archive; None where unknown."""

    def git(*words: str) -> str:
        return subprocess.run(
            ("git", "-C", str(root), *words), capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        # An archive that lies in somebody's repository is not at a commit of that one.
        if Path(git("rev-parse", "--show-toplevel")).samefile(root):
            return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.CalledProcessError):
        pass
    return {"commit": _archived_commit(root), "dirty": None}


def require_clean(root: Path, what: str) -> None:
    """Refuse to publish from a checkout whose commit does not hold all that ran.

    Raises
    ------
    InputError
        If the checkout has uncommitted changes.
    """
    if git_state(root)["dirty"]:
        raise InputError(
            f"{what} would cite a commit that lacks the uncommitted changes here; commit them first"
        )


def _archived_commit(root: Path) -> str | None:
    """Return the commit that `git archive` wrote into the archive, or None."""
    try:
        commit = (root / ".git_archival.txt").read_text(encoding="utf-8").partition("node:")[2].strip()
    except OSError:
        return None
    return commit if re.fullmatch("[0-9a-f]{40}", commit) else None


@functools.cache
def _graph() -> grimp.ImportGraph:
    return grimp.build_graph("rollstate", cache_dir=None)


def notebook_code(path: Path) -> list[str]:
    """Return the sources of a notebook's code cells."""
    cells = nbformat.read(path, as_version=4).cells
    return [cell.source for cell in cells if cell.cell_type == "code"]


def modules_of(path: Path) -> dict[str, str]:
    """Return the SHA-256 of every rollstate module a notebook depends on, directly or not.

    Imports inside functions count; the compendium's runner and command line do not, unless imported.
    Files beside a module that are not Python (contracts, style sheets) belong to its package.
    """
    graph = _graph()
    found: set[str] = set()
    for source in notebook_code(path):
        # Magics such as %timeit are Python only after IPython has read them.
        for node in ast.walk(ast.parse(TransformerManager().transform_cell(source))):
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module)
                found.update(f"{node.module}.{alias.name}" for alias in node.names)
    # A chapter finds what it declares by its own name.
    found |= {f"rollstate.chapters.{path.stem}.{part}" for part in ("parameters", "results")}
    todo, closure = found & set(graph.modules), set()
    while todo:
        closure |= todo
        reached = todo.union(*(graph.find_upstream_modules(name) for name in todo))
        # Importing a.b.c also runs a/__init__ and a/b/__init__, and what these import.
        reached |= {".".join(name.split(".")[:i]) for name in reached for i in range(1, name.count(".") + 1)}
        todo = reached - closure
    return {name: _module_hash(name) for name in sorted(closure)}


def _module_hash(name: str) -> str:
    base = PACKAGE.parent / Path(*name.split("."))
    source = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
    belonging = _files_beside(base) if base.is_dir() else []
    belonging += [
        file
        for folder, reader in DATA_READERS.items()
        if reader == name
        for file in _files_in(PACKAGE / folder)
    ]
    if not belonging:
        return sha256(source)
    digest = hashlib.sha256(sha256(source).encode())
    for file in belonging:
        digest.update(f"{file.relative_to(PACKAGE)}{sha256(file)}".encode())
    return digest.hexdigest()


def _files_in(folder: Path) -> list[Path]:
    """Return a folder's files that are not Python's, sorted; caches of the interpreter and of numba are not sources."""
    return [
        file
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.suffix != ".py" and "__pycache__" not in file.parts
    ]


def _files_beside(base: Path) -> list[Path]:
    """Return the files that belong to a package itself: neither to a sub-package nor to a module that reads them."""
    read_elsewhere = [PACKAGE / folder for folder in DATA_READERS]
    return [
        file
        for file in _files_in(base)
        if next(folder for folder in file.parents if (folder / "__init__.py").exists()) == base
        and not any(file.is_relative_to(folder) for folder in read_elsewhere)
    ]


def inputs(
    notebook: Path, parameters: Parameters, root: Path, instead: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return everything a run depends on, by name: the cache key is the hash of this.

    Parameters
    ----------
    notebook : Path
        The notebook.
    parameters : Parameters
        Resolved parameters.
    root : Path
        The project's folder.
    instead : mapping, optional
        What stands in for data sets that are not here.
    """
    instead = instead or {}
    code = "\0".join(notebook_code(notebook))
    prose = sha256(notebook)
    return {
        "notebook": {"code": hashlib.sha256(code.encode()).hexdigest(), "file": prose},
        "parameters": parameters.as_dict(),
        "modules": modules_of(notebook),
        "data": {name: instead.get(name) or datasets.fingerprint(name) for name in parameters.data_sets()},
        "lock": sha256(root / "requirements.lock"),
        "version": rollstate.__version__,
        "environment": environment(),
    }


def context(chapter: str, depends_on: dict[str, Any], root: Path) -> dict[str, Any]:
    """Return the part of the provenance that every figure of a run shares."""
    return {
        "chapter": chapter,
        "inputs": depends_on,
        "git": git_state(root),
        "citation": citation.summary(root),
    }


def key(dependencies: dict[str, Any]) -> str:
    """Return the cache key of `inputs`."""
    return hashlib.sha256(json.dumps(dependencies, sort_keys=True).encode()).hexdigest()


def is_comparable(dependencies: Any) -> bool:
    """Return whether this is what `inputs` returns, so that `differences` can compare it: a record may be damaged."""
    groups = ("parameters", "modules", "data")
    return (
        isinstance(dependencies, dict)
        and {"notebook", "lock", "version", *groups} <= dependencies.keys()
        and all(isinstance(dependencies[name], dict) for name in groups)
    )


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Say in words what changed between the inputs of two runs, one line each; empty if nothing did."""
    lines = []
    if old["notebook"] != new["notebook"]:
        lines.append("the notebook changed")
    for group, noun in (("parameters", "parameter"), ("modules", "module"), ("data", "data set")):
        before, after = old[group], new[group]
        for name in sorted(before.keys() | after.keys()):
            if name not in before:
                lines.append(f"{noun} {name} is new")
            elif name not in after:
                lines.append(f"{noun} {name} is no longer used")
            elif before[name] != after[name]:
                detail = f": {before[name]!r} to {after[name]!r}" if group == "parameters" else ""
                lines.append(f"{noun} {name} changed{detail}")
    if old["lock"] != new["lock"]:
        lines.append("the lock changed (other library versions)")
    for name, value in new.get("environment", {}).items():
        before = old.get("environment", {}).get(name)
        if before != value:
            what = "installed versions" if name == "packages" else f"{name}: {before} to {value}"
            lines.append(f"the environment changed: {what}")
    if old["version"] != new["version"]:
        lines.append(f"the package version changed: {old['version']} to {new['version']}")
    return lines
