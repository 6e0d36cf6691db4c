"""Public data sets by name: a manifest with checksums, a local copy first, else fetched and checked.

``data/manifest.json`` names for each data set its files with URL, SHA-256 and size, its licence, citation and
source. A file is taken, in this order, from

1. the folder named by the environment variable ``ROLLSTATE_DATA``,
2. the cache, ``ROLLSTATE_CACHE`` or the user's cache folder,
3. its URL, fetched into the cache by pooch (https://www.fatiando.org/pooch), resumed where it was cut off; or raw
   files of a public repository, fetched the same way and converted by a recipe (`rollstate.traces.raw`).

Wherever it comes from, its SHA-256 must be that of the manifest. Nothing is ever put in the place of data that
cannot be had.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import platformdirs
import requests

from rollstate import executors
from rollstate.errors import DataUnavailableError, InputError
from rollstate.traces import block_access_list, raw, store, summary, tables, thinning, zksp
from rollstate.traces.formats import listing
from rollstate.traces.marks import is_profile
from rollstate.traces.schema import Trace

Out = TypeVar("Out")

_HERE = Path(__file__).resolve()
SAMPLE = "sample"
"""Name of the small synthetic trace that comes with the project."""


@dataclass(frozen=True)
class File:
    """One file of a data set; ``url`` is None where the only copy is a local one."""

    name: str
    sha256: str
    bytes: int
    url: str | None


@dataclass(frozen=True)
class Raw:
    """Raw files of a public repository, and the recipe that makes the data set of them.

    ``addresses`` is a list below ``data/addresses`` (see `rollstate.traces.raw`), ``recipe`` a module of
    `rollstate.traces.recipes`, or None where the files are the data set, and ``content`` the SHA-256 of what the recipe
    must give (`rollstate.traces.store.content_digest`).
    """

    addresses: str
    recipe: str | None = None
    content: str | None = None


@dataclass(frozen=True)
class DataSet:
    """One entry of the manifest.

    ``folder`` is its folder below a local or cached copy, ``chain_id`` the chain it is of, where its files do not say.
    For traces ``commit``, ``span``, ``sees``, ``misses`` and ``checks`` say in words what a reader of their profile
    should know; ``observed_every``, ``unobserved`` (blocks) and ``block_s`` what their files do not say of their clock,
    and ``label`` is their name in tables and figures.
    """

    name: str
    description: str
    source: str
    licence: str
    citation: str
    folder: str
    files: tuple[File, ...]
    chain_id: int | None = None
    raw: Raw | None = None
    commit: str = ""
    span: str = ""
    sees: str = ""
    misses: str = ""
    checks: tuple[str, ...] = ()
    observed_every: int = 1
    unobserved: tuple[int, ...] = ()
    block_s: float | None = None
    label: str = ""

    @property
    def bytes(self) -> int:
        """Size of all files, in bytes."""
        return sum(file.bytes for file in self.files)


@functools.cache
def data_folder() -> Path:
    """Return the project's ``data`` folder, which holds the manifest and the sample; a wheel brings its own."""
    for folder in _HERE.parents:
        if (folder / "data" / "manifest.json").is_file():
            return folder / "data"
    raise InputError("data/manifest.json is not beside the package: run from a checkout of the project")


@functools.cache
def manifest() -> dict[str, DataSet]:
    """Return the data sets by name."""
    entries = json.loads((data_folder() / "manifest.json").read_text(encoding="utf-8"))
    return {
        name: DataSet(
            name=name,
            **{
                **entry,
                "files": tuple(File(**file) for file in entry["files"]),
                "raw": Raw(**entry["raw"]) if "raw" in entry else None,
                **{key: tuple(entry[key]) for key in ("checks", "unobserved") if key in entry},
            },
        )
        for name, entry in entries.items()
    }


def names() -> list[str]:
    """Return the names of the data sets."""
    return list(manifest())


def label(ref: str) -> str:
    """Return the name of a trace in tables and figures: a data set's label, or `ref` itself.

    >>> label("cryptopunks"), label("my-trace.parquet")
    ('CryptoPunks', 'my-trace.parquet')
    """
    return (manifest()[ref].label or ref) if ref in manifest() else ref


def _entry(name: str) -> DataSet:
    try:
        return manifest()[name]
    except KeyError:
        raise InputError(
            f"{name!r} is neither a data set ({', '.join([SAMPLE, *names()])}) nor a file or folder that exists"
        ) from None


def cache_folder() -> Path:
    """Return the folder that fetched files go to."""
    return Path(os.environ.get("ROLLSTATE_CACHE") or platformdirs.user_cache_dir("rollstate"))


def locate(ref: str) -> Path:
    """Return the checked local folder of a data set, fetching what is missing, or the path `ref` names.

    Parameters
    ----------
    ref : str
        Name of a data set, ``"sample"``, or a path of the reader's own; one such as ``s3://bucket/trace`` is fsspec's
        to read.

    Raises
    ------
    InputError
        If `ref` is neither, or a local file does not have the manifest's SHA-256.
    DataUnavailableError
        If a file is not here and cannot be fetched; says which and what to do.
    """
    if ref == SAMPLE:
        return data_folder() / SAMPLE
    if listing.is_remote(ref):
        return listing.at_address(ref)
    if ref not in manifest() and Path(ref).exists():
        return Path(ref)
    entry = _entry(ref)
    local = os.environ.get("ROLLSTATE_DATA")
    if local and (Path(local) / entry.folder).is_dir():
        folder = Path(local) / entry.folder
        for file in entry.files:
            _check(folder / file.name, file)
        return folder
    folder = cache_folder() / entry.folder
    if entry.raw is not None:
        return raw.obtain(entry, folder)
    for file in entry.files:
        fetch_file(entry, file, folder)
    return folder


def _check(path: Path, file: File) -> None:
    """Refuse a file that is not the one of the manifest; a file is read once per state it was in."""
    try:
        status = path.stat()
    except FileNotFoundError:
        raise DataUnavailableError(
            f"{path} is missing; complete the folder, or unset ROLLSTATE_DATA to fetch the data set"
        ) from None
    found = _hash(path, status.st_mtime_ns, status.st_size)
    if found != file.sha256:
        raise InputError(
            f"{path} has SHA-256 {found}, the manifest says {file.sha256}; remove it to fetch it again"
        )


@functools.lru_cache(maxsize=4096)
def _hash(path: Path, mtime_ns: int, size: int) -> str:
    return _sha256(path)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fetch_file(entry: DataSet, file: File, folder: Path, *, progress: bool = True) -> None:
    """Fetch one file of a data set into a folder, unless it is there, and check it; `progress` shows a bar.

    Raises
    ------
    DataUnavailableError
        If it has no address, the address does not answer, or sends something else.
    """
    if (folder / file.name).exists():
        _check(folder / file.name, file)
        return
    if file.url is None:
        raise DataUnavailableError(
            f"data set {entry.name!r} has no public address for {file.name} (source: {entry.source}); "
            f"put a copy in {entry.folder}/ below the one that ROLLSTATE_DATA names"
        )
    # Imported where something is fetched: it brings a progress bar that warns in every notebook.
    import pooch

    # The progress bar says what is fetched.
    pooch.get_logger().setLevel("WARNING")
    target = folder / file.name
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        pooch.retrieve(
            url=file.url,
            known_hash=f"sha256:{file.sha256}",
            fname=target.name,
            path=target.parent,
            downloader=ResumableDownloader(
                target.with_name(f".{target.name}.part"), file.bytes, progress=progress
            ),
        )
    except requests.RequestException as error:
        raise DataUnavailableError(
            f"data set {entry.name!r}: {file.name} is not here and {file.url} does not answer "
            f"({type(error).__name__}); go online, or name a folder that holds {entry.name}/ in ROLLSTATE_DATA"
        ) from error
    except ValueError as error:
        raise DataUnavailableError(
            f"data set {entry.name!r}: {file.url} does not send the file of the manifest: {error}"
        ) from error


class ResumableDownloader:
    """A pooch downloader that goes on where an earlier try was cut off.

    Parameters
    ----------
    part : Path
        File that holds what has arrived so far; it survives an interruption.
    size : int
        Full size in bytes, from the manifest.
    timeout_s : float
        How long to wait for an answer.
    progress : bool
        Whether to show a bar.
    """

    def __init__(self, part: Path, size: int, timeout_s: float = 30.0, progress: bool = True) -> None:
        self.part, self.size, self.timeout_s, self.progress = part, size, timeout_s, progress

    def __call__(self, url: str, output_file: str, pooch_: Any, check_only: bool = False) -> None:
        """Fetch the rest of `url`, with a progress bar, and put the whole in `output_file`."""
        from tqdm import tqdm

        have = self.part.stat().st_size if self.part.exists() else 0
        if have < self.size:
            headers = {"Range": f"bytes={have}-"} if have else {}
            with requests.get(url, headers=headers, stream=True, timeout=self.timeout_s) as answer:
                answer.raise_for_status()
                # A server that ignores the range sends the file from its start.
                resumed = answer.status_code == requests.codes.partial_content
                bar = tqdm(
                    total=self.size,
                    initial=have if resumed else 0,
                    unit="B",
                    unit_scale=True,
                    desc=self.part.name[1:-5],
                    leave=False,
                    disable=not self.progress,
                )
                with bar, self.part.open("ab" if resumed else "wb") as stream:
                    for chunk in answer.iter_content(1 << 16):
                        stream.write(chunk)
                        bar.update(len(chunk))
        shutil.move(self.part, output_file)


def fingerprint(ref: str) -> str:
    """Return the SHA-256 that identifies the data `ref` names, whether or not it is here.

    For a data set of the manifest it is made from the manifest's checksums, for a file or folder from its bytes.
    """
    if ref in manifest():
        lines = [f"{file.name}\0{file.sha256}\n" for file in _entry(ref).files]
    else:
        path = locate(ref)
        found = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
        lines = [f"{file.relative_to(path.parent)}\0{_file_hash(file)}\n" for file in found]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _file_hash(path: Path) -> str:
    if not isinstance(path, Path):
        # Not every store behind an address says when a file was changed.
        return _sha256(path)
    status = path.stat()
    return _hash(path, status.st_mtime_ns, status.st_size)


def describe(name: str) -> str:
    """Return one line about a data set: name, size, licence, description, whether it is here or can be fetched."""
    entry = _entry(name)
    where = "data here" if is_here(name) else ("fetchable" if is_fetchable(name) else "copy only")
    return f"{name:<20} {entry.bytes / 1e6:7.2f} MB  {where:<10} {entry.licence:<14} {entry.description}"


def is_here(name: str) -> bool:
    """Say whether all files of a data set are in the local folder or in the cache."""
    entry = _entry(name)
    local = os.environ.get("ROLLSTATE_DATA")
    folders = [Path(local) / entry.folder] if local else []
    folders.append(cache_folder() / entry.folder)
    return any(all((folder / file.name).is_file() for file in entry.files) for folder in folders)


def is_fetchable(name: str) -> bool:
    """Say whether every file of a data set has a public address, itself or as raw files."""
    entry = _entry(name)
    return entry.raw is not None or all(file.url for file in entry.files)


def with_gaps(trace: Trace, entry: DataSet) -> Trace:
    """Return the trace with what the manifest knows of blocks that were not observed, where its files do not say it."""
    if trace.capability.observed_every == entry.observed_every:
        return trace
    stamp = dataclasses.replace(trace.capability, observed_every=entry.observed_every)
    return thinning.unobserve(dataclasses.replace(trace, capability=stamp), entry.unobserved)


def stored(ref: str) -> Path | None:
    """Return the trace folder of the reader's own, as `rollstate.traces.store` writes it, that `ref` names; or None."""
    path = locate(ref)
    return path if ref not in manifest() and (path / store.CAPABILITY_FILE).exists() else None


def over_parts(
    function: Callable[[Trace], Out], ref: str, start: int | None = None, stop: int | None = None
) -> Iterator[Out]:
    """Yield ``function(part)`` for each part of what a trace shows in ``[start, stop)``.

    A trace folder of several parts is read part by part, by the workers of the Dask cluster that the environment
    variable ``ROLLSTATE_SCHEDULER`` names, if it does; they must see the folder. Any other trace is its own only part.

    Parameters
    ----------
    function : callable
        Of a part: some slots, all of their rows, and all blocks. It can be pickled.
    ref : str
        As in `load_trace`.
    start, stop : int, optional
        As in `rollstate.traces.summary.narrowed`.
    """
    folder = stored(ref)
    if folder is not None and (parts := store.count_parts(folder)) > 1:
        work = functools.partial(_of_part, function=function, folder=folder, start=start, stop=stop)
        yield from executors.mapped(work, range(parts), executors.scheduler())
    else:
        yield function(summary.restrict(load_trace(ref), start, stop))


def _of_part(
    part: int, function: Callable[[Trace], Out], folder: Path, start: int | None, stop: int | None
) -> Out:
    return function(summary.narrowed(store.read_part(folder, part), start, stop))


def load_trace(ref: str, *, keys: bool = True) -> Trace:
    """Return the access trace that `ref` names.

    Parameters
    ----------
    ref : str
        ``"sample"``, the data sets ``"mainnet-bal"`` and ``"zksp"`` (the peer's synthetic trace), a trace folder
        written by `store.write_trace`, a Parquet or CSV table of the reader's own with its stamp
        (see `rollstate.traces.tables`), or any file or folder that `rollstate.traces.importing` recognises.
    keys : bool
        Whether slots keep their keys; `Trace.without_keys` says who needs none.

    Raises
    ------
    InputError
        If `ref` names something that is not a trace.
    """
    trace = _load(ref, keys)
    return trace if keys else trace.without_keys()


def _load(ref: str, keys: bool) -> Trace:
    """Return the trace that `ref` names; only of a trace folder keys are left out while it is read."""
    path = locate(ref)
    if is_profile(path):
        raise InputError(
            f"{ref} is a profile: it holds counts, not accesses. Co-access, caches, conflicts, witnesses and "
            "continuous covariates need the trace it was made from; what treats slots apart takes the profile, "
            "through rollstate.profile.load"
        )
    if (path / store.CAPABILITY_FILE).exists():
        trace = store.read_trace(path, keys=keys)
        return with_gaps(trace, manifest()[ref]) if ref in manifest() else trace
    # The formats of other tools load pyarrow and more, 50 MB.
    from rollstate.traces import importing

    if (
        not listing.is_remote(ref)
        and path.suffix in tables.ENDINGS
        and importing.recognised_as(str(path)) == "table"
    ):
        return tables.read_table(path)
    if any(path.glob("*.rlp")):
        chain_id = manifest()[ref].chain_id if ref in manifest() else None
        return block_access_list.read_folder(path, chain_id=chain_id)
    for peer in path.glob("mock_*_blocks*_*.csv.gz"):
        if blocks := re.search(r"_blocks(\d+)_", peer.name):
            return zksp.read(peer, int(blocks[1]))
    try:
        return importing.read([ref if listing.is_remote(ref) else str(path)])
    except InputError as error:
        raise InputError(f"{ref!r} is not a trace: {error}") from error
