"""Atomic writes and content hashes."""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

WRITTEN = "written.json"
"""Name of the file that says what a folder held when it was written."""
REMEDIES = {
    errno.ENOSPC: "free space there, or write elsewhere",
    errno.EDQUOT: "free space there, or write elsewhere",
    errno.EROFS: "copy the checkout to where you may write, or name a folder there with --out",
    errno.EACCES: "get the permission, or name a folder of yours with --out",
    errno.EPERM: "get the permission, or name a folder of yours with --out",
}
"""What to do when the system refuses to write, by the number of its error."""


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_text(path: Path, content: str) -> None:
    """Write UTF-8 text as `write_bytes` does."""
    write_bytes(path, content.encode())


@contextmanager
def replaced_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `target` when the block ends without an error.

    On an error the old `target` stays as it was and what was written is left beside it, in
    ``.<name>.failed``, for inspection. Two processes with the same target take turns.
    """
    with _turn(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _drop_abandoned(target)
        work = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.new-"))
        try:
            yield work
        except BaseException:
            failed = target.parent / f".{target.name}.failed"
            shutil.rmtree(failed, ignore_errors=True)
            work.rename(failed)
            raise
        # Others may read what was made, whatever the caller's umask.
        for path in (work, *work.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        old = target.parent / f".{target.name}.old"
        shutil.rmtree(old, ignore_errors=True)
        if target.exists():
            target.rename(old)
        work.rename(target)
        shutil.rmtree(old, ignore_errors=True)


def drop_abandoned(target: Path) -> None:
    """Remove what processes that were killed while they wrote `target` left beside it."""
    with _turn(target):
        _drop_abandoned(target)


def _drop_abandoned(target: Path) -> None:
    for stale in target.parent.glob(f".{glob.escape(target.name)}.new-*"):
        shutil.rmtree(stale, ignore_errors=True)


def _turn(target: Path) -> FileLock:
    """Return the lock of a folder; it lies with the temporary files, for nothing may be left beside the folder."""
    name = hashlib.sha256(str(target.resolve()).encode()).hexdigest()[:16]
    return FileLock(Path(tempfile.gettempdir()) / f"rollstate-{os.getuid()}-{name}.lock")


def cannot_write(error: OSError) -> str:
    """Say what the system refused and what helps, in one line."""
    remedy = REMEDIES.get(error.errno or 0)
    return str(error) if remedy is None else f"{error}; {remedy}"


def note_written(folder: Path) -> None:
    """Note in a folder what it holds, for `altered` to compare with."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    written = {path.relative_to(folder).as_posix(): sha256(path) for path in files}
    write_text(folder / WRITTEN, json.dumps(written, indent=1) + "\n")


def altered(folder: Path) -> list[str]:
    """Name the files of a folder that are gone or no longer what `note_written` noted, one line each."""
    try:
        written = json.loads((folder / WRITTEN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        written = None
    # A folder that was noted is never empty.
    if not isinstance(written, dict) or not written:
        return [f"{WRITTEN} cannot be read"]
    return [f"{name} was changed or deleted since it was written" for name in differing(folder, written)]


def differing(folder: Path, digests: Mapping[str, str]) -> list[str]:
    """Return the names of files that are gone from a folder, or whose SHA-256 is not the one beside their name."""
    return [
        name
        for name, digest in digests.items()
        if not (folder / name).is_file() or sha256(folder / name) != digest
    ]


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, or of a folder: its files' relative names and contents, in order."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()
    for inside in sorted(path.rglob("*")):
        if inside.is_file() and "__pycache__" not in inside.parts:
            digest.update(f"{inside.relative_to(path).as_posix()}\0{sha256(inside)}\n".encode())
    return digest.hexdigest()
