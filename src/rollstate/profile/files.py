"""A profile on disk: one Parquet file, its stamp and plan in the metadata of the schema."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from rollstate import __version__
from rollstate.errors import InputError
from rollstate.profile.grid import GAPS, TOUCHES
from rollstate.profile.plan import Plan
from rollstate.profile.tables import LADDER, TABLES, VERSION, Profile, keys, sums, without_classes
from rollstate.traces.marks import PROFILE_KEY
from rollstate.traces.schema import Capability

_SUMS = {name for table in TABLES for name in sums(table)}
_DICTIONARY = ["table", "contract_type", "slot_type", "group", "rows"]
_PACKED = (_SUMS - {"rows", "sum_chances"}) | {"touches", "duration", "entry"}
"""Columns by the encoding that takes least; all others are stored as they are."""
_ABOVE = {
    "sums": {"sum_entry": ("entry", GAPS), "sum_duration": ("duration", GAPS)},
    "hot": {"sum_before": ("before", TOUCHES), "sum_after": ("after", TOUCHES)},
}
"""Sums that are stored as what they are above the least that their bin allows: zero where a bin is one number."""
FAST, SMALL = 9, 19
"""Levels of zstd: the second takes ten times as long and gains a tenth, and is tried where that decides."""

LARGEST = 2_000_000
"""A profile larger than this, in bytes, is a mistake: it would no longer be handed around."""


def save(profile: Profile, path: Path, *, small: bool = False) -> Path:
    """Write a profile; the file appears whole or not at all, and the same profile gives the same bytes.

    Where the file would be larger than `LARGEST`, columns of `rollstate.profile.tables.LADDER` are merged one after the
    other; what is loaded then says so.

    Parameters
    ----------
    profile : Profile
    path : Path
    small : bool
        Take the time for the smallest file in any case.

    Raises
    ------
    InputError
        If the file is too large with all of them merged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    new = Path(name)
    try:
        profile = _far_too_large_merged(profile)
        for merged in range(profile.merged, len(LADDER) + 1):
            profile = profile.coarsened(merged)
            _write(profile, new, FAST)
            if (small or new.stat().st_size > LARGEST) and new.stat().st_size <= 1.2 * LARGEST:
                _write(profile, new, SMALL)
            if (size := new.stat().st_size) <= LARGEST:
                break
        else:
            raise InputError(f"profile: {path} would take {size} bytes, more than {LARGEST}")
        new.chmod(0o644)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    return path


def _far_too_large_merged(profile: Profile) -> Profile:
    """Return the profile with columns merged as long as its tables alone are far larger than a file may be.

    Each step of the ladder changes one table, so that this takes a small part of writing them all every time.
    """
    sizes = {name: _stored_size(profile, name) for name in TABLES}
    for merged in range(profile.merged + 1, len(LADDER) + 1):
        if sum(sizes.values()) <= 1.5 * LARGEST:
            break
        profile = profile.coarsened(merged)
        changed, _ = LADDER[merged - 1]
        sizes[changed] = _stored_size(profile, changed)
    return profile


def _stored_size(profile: Profile, name: str) -> int:
    """Return the bytes of one table."""
    sink = pa.BufferOutputStream()
    _write_rows(_stored(profile, name), sink, FAST)
    return sink.getvalue().size


def _stored(profile: Profile, name: str) -> pl.DataFrame:
    """Return a table as it is stored: pieces that say no more than the sums are left to these."""
    table = _lowered(name, profile.table(name), -1)
    if name == "pieces" and table.equals(without_classes(profile.sums)):
        table = table.clear()
    return table.with_columns(pl.lit(name).alias("table")).select("table", *TABLES[name])


def _write(profile: Profile, path: Path, level: int) -> None:
    """Write all tables as one, with the stamp."""
    stamp = {
        "version": VERSION,
        "written_by": __version__,
        "capability": profile.capability.as_dict(),
        "plan": profile.plan.as_dict(),
        "trace_sha256": profile.trace_sha256,
        "merged": profile.merged,
        "digest": _digest(profile),
    }
    frame = pl.concat([_stored(profile, name) for name in TABLES], how="diagonal")
    _write_rows(frame, path, level, {PROFILE_KEY: json.dumps(stamp, sort_keys=True)})


def _write_rows(frame: pl.DataFrame, to: Any, level: int, metadata: dict[str, str] | None = None) -> None:
    """Write rows of one or all tables in the encodings that take least."""
    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    pq.write_table(
        table.replace_schema_metadata(metadata),
        to,
        compression="zstd",
        compression_level=level,
        use_dictionary=_DICTIONARY,
        column_encoding={name: "DELTA_BINARY_PACKED" for name in table.column_names if name in _PACKED},
        row_group_size=1 << 22,
        write_statistics=False,
    )


def _lowered(name: str, frame: pl.DataFrame, sign: int) -> pl.DataFrame:
    """Return a table with the least of the bins taken off the sums of `_ABOVE` (``sign`` -1) or put on them (1)."""
    return frame.with_columns(
        pl.col(column) + sign * pl.col("rows") * pl.Series(grid.low(frame[of].to_numpy()))
        for column, (of, grid) in _ABOVE.get(name, {}).items()
    )


def load_file(path: Path) -> Profile:
    """Read a profile and check it.

    Raises
    ------
    InputError
        If the file is missing, damaged, not a profile, or one of another version of the schema.
    """
    try:
        metadata = pl.read_parquet_metadata(path)
    except FileNotFoundError as error:
        raise InputError(
            f"{path} does not exist: name a profile, or make one with `rollstate profile`"
        ) from error
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(
            f"{path} cannot be read as a profile ({error}); it is damaged or foreign: copy it again, or make it anew "
            "with `rollstate profile TRACE --out FILE`"
        ) from error
    stamp = _stamp(path, metadata)
    try:
        frames = _frames(path)
        plan, capability = Plan.from_dict(stamp["plan"]), Capability.from_dict(stamp["capability"])
    except (pl.exceptions.PolarsError, OSError, KeyError, TypeError, InputError) as error:
        raise InputError(f"{path} is a damaged profile ({error}); copy it again or make it anew") from error
    profile = Profile(
        capability, plan, **frames, trace_sha256=stamp.get("trace_sha256"), merged=stamp.get("merged", 0)
    )
    if _digest(profile) != stamp.get("digest"):
        raise InputError(f"{path}: the counts are not those that were saved; copy it again or make it anew")
    return profile


def _frames(path: Path) -> dict[str, Any]:
    """Return the tables, read one by one: a row of the file has the columns of them all, most of them empty."""
    stored = pl.scan_parquet(path)
    frames = {}
    for name, schema in TABLES.items():
        columns = [pl.col(column).cast(kind) for column, kind in schema.items()]
        frames[name] = _lowered(name, stored.filter(pl.col("table") == name).select(columns).collect(), 1)
    if frames["pieces"].is_empty():
        frames["pieces"] = without_classes(frames["sums"])
    return frames


def _stamp(path: Path, metadata: dict[str, str]) -> dict[str, Any]:
    if PROFILE_KEY not in metadata:
        raise InputError(
            f"{path} is a Parquet file, but not a profile; make one with `rollstate profile TRACE --out FILE`"
        )
    stamp = json.loads(metadata[PROFILE_KEY])
    if stamp.get("version") != VERSION:
        raise InputError(
            f"{path} is a profile of schema version {stamp.get('version')} (rollstate {stamp.get('written_by')}), this "
            f"is version {VERSION}: its grids differ; make it anew from its trace"
        )
    return stamp


def _digest(profile: Profile) -> str:
    """Return a SHA-256 of every count, whatever the version of the Parquet writer."""
    digest = hashlib.sha256()
    for name in TABLES:
        frame = profile.table(name)
        digest.update(f"{name} {frame.height}\n".encode())
        for column in (*keys(name), *sums(name)):
            values = frame[column]
            if values.dtype == pl.String:
                digest.update(("=" + values).fill_null("").str.join("\0").item().encode())
            else:
                digest.update(values.cast(pl.Int64).to_numpy().tobytes())
    return digest.hexdigest()
