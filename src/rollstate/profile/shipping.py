"""Make the profiles that come with the package, of the data at hand: ``python -m rollstate.profile.shipping``."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rollstate.errors import InputError
from rollstate.profile.files import save
from rollstate.profile.packaged import INDEX, folder
from rollstate.profile.reduction import make
from rollstate.traces import datasets

NAMES = (
    "mainnet-bal",
    "mainnet_thinned_30d",
    "cryptokitties",
    "cryptopunks",
    "foundation",
    "linea_28279135",
    "zksp",
)
"""Data sets whose profiles come with the package."""

LARGEST_TOGETHER = 6_000_000
"""Bytes that all of them may take."""


def ship(names: Sequence[str] = NAMES, to: Path | None = None) -> dict[str, dict[str, object]]:
    """Write the profile of each data set and the index of all.

    Entries of other data sets stay as they are.

    Raises
    ------
    InputError
        If the manifest does not say what a reader must know of a data set, or the files become too large.
    """
    to = to or folder()
    index = to / INDEX
    entries = json.loads(index.read_text(encoding="utf-8")) if index.exists() else {}
    for name in names:
        entry = datasets.manifest()[name]
        for field in ("commit", "span", "sees", "misses", "checks"):
            if not getattr(entry, field):
                raise InputError(f"data/manifest.json: {name} has no {field}; a shipped profile must say it")
        digest = datasets.fingerprint(name)
        profile = make(datasets.load_trace(name), block_s=entry.block_s)
        path = save(dataclasses.replace(profile, trace_sha256=digest), to / f"{name}.parquet", small=True)
        entries[name] = {
            "source": entry.source,
            "commit": entry.commit,
            "licence": entry.licence,
            "span": entry.span,
            "sees": entry.sees,
            "misses": entry.misses,
            "checks": list(entry.checks),
            "trace_sha256": digest,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "bytes": path.stat().st_size,
        }
    total = sum(int(str(entry["bytes"])) for entry in entries.values())
    if total > LARGEST_TOGETHER:
        raise InputError(f"the shipped profiles take {total} bytes together, more than {LARGEST_TOGETHER}")
    text = json.dumps(dict(sorted(entries.items())), indent=1, ensure_ascii=False)
    index.write_text(text + "\n", encoding="utf-8")
    return entries


if __name__ == "__main__":
    for shipped_name, made in ship(sys.argv[1:] or NAMES).items():
        print(shipped_name, made["bytes"])
