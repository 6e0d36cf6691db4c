"""Which files a source names, here or at an address.

A path with ``://`` is read by fsspec, whose plug-ins (s3fs, gcsfs, ...) the reader installs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from rollstate.errors import InputError

_BESIDE = re.compile(r"\.capability\.json$|\.blocks\.(csv|parquet)$")


def is_remote(path: str) -> bool:
    """Say whether a path is fsspec's to read."""
    return "://" in path


def expand(sources: Sequence[str]) -> list[str]:
    """Return the files that some files, folders and patterns name, in order, each once.

    Hidden files and traces are left out.

    Raises
    ------
    InputError
        For a source that names no file.
    """
    out: dict[str, None] = {}
    for source in sources:
        found = _remote(source) if is_remote(source) else _local(source)
        if not found:
            raise InputError(
                f"{source} names no file: check the path, or the pattern, and that the folder holds files"
            )
        out |= dict.fromkeys(found)
    return list(out)


def _local(source: str) -> list[str]:
    path = Path(source)
    if path.is_dir():
        if (path / "capability.json").exists():
            raise InputError(f"{path} is a trace already; use it as it is")
        traces = {stamp.parent for stamp in path.rglob("capability.json")}
        found = [
            file for file in sorted(path.rglob("*")) if file.is_file() and not traces & set(file.parents)
        ]
        shown = [file for file in found if not any(p[0] in "._" for p in file.relative_to(path).parts)]
    elif path.is_file():
        shown = [path]
    else:
        anchor = Path(path.anchor) if path.anchor else Path()
        pattern = str(path.relative_to(anchor)) if path.anchor else source
        shown = sorted(file for file in anchor.glob(pattern) if file.is_file()) if "*" in source else []
    return [str(file) for file in shown if not _BESIDE.search(file.name)]


def _remote(source: str) -> list[str]:
    import fsspec

    with _listing(source):
        system, root = fsspec.core.url_to_fs(source)
        if "*" in root or system.isdir(root):
            found = system.glob(root) if "*" in root else system.find(root)
        else:
            found = [root]
        return [system.unstrip_protocol(path) for path in sorted(found)]


def at_address(address: str) -> Path:
    """Return what lies at an address as a path, which behaves like one on this machine.

    Raises
    ------
    InputError
        If nothing is there, or it cannot be reached.
    """
    from upath import UPath

    with _listing(address):
        # A UPath has the methods of a path, though for the type checker it is none.
        path = cast("Path", UPath(address))
        found = path.exists()
    if not found:
        raise InputError(f"{address}: nothing is there; check the address")
    return path


@contextmanager
def _listing(source: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # Each plug-in has errors of its own.
        raise InputError(
            f"{source} cannot be listed ({type(error).__name__}: {error}); is its fsspec plug-in "
            "installed, and are you allowed to read it?"
        ) from error
