"""Raw files of public repositories, fetched by address and SHA-256, and turned into data sets by recipes.

``data/addresses/<name>.tsv.gz`` lists the files of a repository at a commit. Its first line names both and the pattern
of the addresses, which ends in ``PATH``; every other line is a path, its bytes and its SHA-256, separated by tabs. Raw
files are kept below ``raw/`` in the cache, so that an interrupted fetch goes on with the files that are missing.
"""

from __future__ import annotations

import gzip
import re
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from rollstate.errors import DataUnavailableError, InputError
from rollstate.traces import store
from rollstate.traces.recipes import convert

if TYPE_CHECKING:
    from rollstate.traces.datasets import DataSet, File

CONTENT_FILE = "content.sha256"
"""Written last into a converted data set: the digest of its content."""

AT_ONCE = 8


def addresses(name: str) -> list[File]:
    """Return the raw files of a list below ``data/addresses``.

    Raises
    ------
    InputError
        Naming the list and the line that is not one.
    """
    from rollstate.traces.datasets import File, data_folder

    path = data_folder() / "addresses" / name
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        head, *rest = lines.read().splitlines()
    pattern = re.search(r"(https://\S+)PATH$", head)
    if not pattern:
        raise InputError(f"{path}: the first line must end in the pattern of the addresses, https://...PATH")
    files = []
    for number, line in enumerate(rest, 2):
        parts = line.split("\t")
        if len(parts) != 3 or not parts[1].isdigit() or not re.fullmatch("[0-9a-f]{64}", parts[2]):
            raise InputError(f"{path}: line {number} is not path, bytes and SHA-256")
        files.append(File(parts[0], parts[2], int(parts[1]), pattern[1] + quote(parts[0])))
    return files


def obtain(entry: DataSet, folder: Path) -> Path:
    """Return the folder of a data set in the cache, made from its raw files if it is not there.

    Raises
    ------
    DataUnavailableError
        If a raw file cannot be fetched, or is not the one of the list.
    InputError
        If the recipe does not give the content of the manifest.
    """
    from rollstate.traces.datasets import cache_folder

    assert entry.raw is not None
    done = folder / CONTENT_FILE
    if entry.raw.recipe is None:
        return _as_they_are(entry, folder)
    if done.is_file() and done.read_text(encoding="ascii").strip() == entry.raw.content:
        return folder
    files = addresses(entry.raw.addresses)
    source = cache_folder() / "raw" / entry.name
    fetch(entry, files, source)
    trace = convert(entry.raw.recipe, source)
    found = store.content_digest(trace)
    if found != entry.raw.content:
        raise InputError(
            f"data set {entry.name!r}: the recipe gives content {found}, the manifest says {entry.raw.content}; "
            f"remove {source} and fetch it again"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.new-"))
    try:
        store.write_trace(trace, work / "trace")
        (work / "trace" / CONTENT_FILE).write_text(found + "\n", encoding="ascii")
        store.swap(work / "trace", folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder


def fetch(entry: DataSet, files: list[File], folder: Path) -> None:
    """Fetch files that are not there yet, several at once, with one progress bar for all.

    A file that fails does not keep the others from arriving; where none of the first arrives, the rest is not tried.
    """
    from tqdm import tqdm

    from rollstate.traces.datasets import fetch_file

    missing = [file for file in files if not (folder / file.name).is_file()]
    failed: list[DataUnavailableError] = []
    good = 0
    with (
        ThreadPoolExecutor(AT_ONCE) as pool,
        tqdm(total=len(missing), unit="file", desc=entry.name, leave=False, disable=len(missing) < 2) as bar,
    ):
        for future in [pool.submit(fetch_file, entry, file, folder, progress=False) for file in files]:
            try:
                future.result()
                good += 1
                bar.update()
            except DataUnavailableError as error:
                failed.append(error)
                if len(failed) == AT_ONCE and not good:
                    pool.shutdown(cancel_futures=True)
                    break
    if failed:
        left = sum(not (folder / file.name).is_file() for file in files)
        raise DataUnavailableError(
            f"{failed[0]} ({left} of {len(files)} files are missing; what has arrived is kept)"
        )


def _as_they_are(entry: DataSet, folder: Path) -> Path:
    """Fetch raw files that a data set holds packed, and pack them."""
    assert entry.raw is not None
    files = addresses(entry.raw.addresses)
    wanted = [file for file in files if not (folder / _packed(file)).is_file()]
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary)
        fetch(entry, wanted, source)
        for file in wanted:
            target = folder / _packed(file)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(gzip.compress((source / file.name).read_bytes(), 9, mtime=0))
    return folder


def _packed(file: File) -> str:
    """Return the name of a file in a data set of packed files: what lies below ``blocks/``, with the ending of gzip."""
    return file.name.removeprefix("blocks/") + ".gz"
