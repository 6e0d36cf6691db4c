"""The profiles that come with the package, and the one way to get a profile of whatever a name or a path means."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from rollstate.errors import InputError
from rollstate.profile.files import load_file
from rollstate.profile.reduction import make, make_stored
from rollstate.profile.tables import Profile
from rollstate.traces import datasets, parts, store
from rollstate.traces.marks import is_profile
from rollstate.traces.parts import Parts
from rollstate.traces.schema import Trace

INDEX = "index.json"


@dataclass(frozen=True)
class Shipped:
    """A profile that comes with the package; all but `path` as ``index.json`` has it.

    Attributes
    ----------
    name : str
        Name of the data set.
    path : Path
        The file.
    source, commit, licence : str
        Where the data is from.
    span, sees, misses : str
        What was observed, in words.
    checks : tuple of str
        What was checked of the data and of its conversion.
    trace_sha256, sha256 : str
        Of the trace it was made from (`rollstate.traces.datasets.fingerprint`), and of the file.
    bytes : int
        Size of the file.
    """

    name: str
    path: Path
    source: str
    commit: str
    licence: str
    span: str
    sees: str
    misses: str
    checks: tuple[str, ...]
    trace_sha256: str
    sha256: str
    bytes: int


def folder() -> Path:
    """Return the folder of the package's profiles."""
    return Path(str(resources.files("rollstate") / "data" / "profiles"))


@functools.cache
def shipped(at: Path | None = None) -> dict[str, Shipped]:
    """Return the package's profiles by the name of their data set.

    Raises
    ------
    InputError
        If an entry of the index lacks something, or a file lacks its entry.
    """
    at = at or folder()
    entries: dict[str, dict[str, Any]] = json.loads((at / INDEX).read_text(encoding="utf-8"))
    found = {}
    for name, entry in entries.items():
        try:
            fields = {**entry, "checks": tuple(entry["checks"])}
            found[name] = Shipped(name=name, path=at / f"{name}.parquet", **fields)
        except (KeyError, TypeError) as error:
            raise InputError(
                f"{at / INDEX}: the entry of {name} is not whole ({error}); each has source, commit, licence, span, "
                "sees, misses, checks, trace_sha256, sha256 and bytes"
            ) from error
    for path in sorted(at.glob("*.parquet")):
        if path.stem not in found:
            raise InputError(
                f"{path} has no SHA-256 in {INDEX}; make it again with `python -m rollstate.profile.shipping`"
            )
    return found


def load(ref: str | Path, *, block_s: float | None = None, scheduler: str | None = None) -> Profile:
    """Return the profile of what a name or a path means.

    Parameters
    ----------
    ref : str or Path
        A profile's file, the name of a data set (its shipped profile where there is one), or a trace in any form
        that `rollstate.traces.datasets.load_trace` reads; that is reduced now.
    block_s : float, optional
        Seconds per block, for a trace that does not know them.
    scheduler : str, optional
        Address of a Dask scheduler whose workers see the trace: they reduce the parts of a stored one.

    Raises
    ------
    InputError
        If it is neither, or a file is damaged.
    """
    name = str(ref)
    if name in (known := shipped()):
        return checked(known[name])
    path = Path(ref)
    if is_profile(path) or path.suffix == ".profile":
        return load_file(path)
    folder = datasets.stored(name)
    if folder is not None and store.count_parts(folder) > 1:
        made = make_stored(folder, block_s=block_s, scheduler=scheduler)
    else:
        made = make(datasets.load_trace(name), block_s=block_s)
    return dataclasses.replace(made, trace_sha256=datasets.fingerprint(name))


def load_window(
    ref: str, start: int | None = None, stop: int | None = None, *, keys: bool = True
) -> Trace | Profile | Parts:
    """Return a window of a trace (`rollstate.traces.parts.load_window`), or a profile as it is.

    Parameters
    ----------
    ref : str
        A profile's file, or what `rollstate.traces.datasets.load_trace` reads.
    start, stop : int, optional
        First block, and the one after the last; the trace's own if not given.
    keys : bool
        Whether slots keep their keys; `Trace.without_keys` says who needs none.

    Raises
    ------
    InputError
        If a profile is asked for a window, or the trace does not hold it.
    """
    path = datasets.locate(ref)
    if is_profile(path):
        if start is not None or stop is not None:
            raise InputError("the window of a profile is fixed: leave window_start and window_stop out")
        return load_file(path)
    return parts.load_window(ref, start, stop, keys=keys)


@functools.cache
def checked(entry: Shipped) -> Profile:
    """Read a shipped profile whose bytes are those of the index, once."""
    try:
        found = hashlib.sha256(entry.path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"{entry.path} is missing from the package ({error}); install it again") from error
    if found != entry.sha256:
        raise InputError(
            f"{entry.path} has SHA-256 {found}, {INDEX} says {entry.sha256}; install the package again"
        )
    return load_file(entry.path)
