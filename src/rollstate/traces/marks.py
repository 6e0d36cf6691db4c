"""How a profile is told from a trace, without reading either."""

from __future__ import annotations

from pathlib import Path

import polars as pl

PROFILE_KEY = "rollstate.profile"
"""Key of a profile's stamp in the metadata of its Parquet schema."""


def is_profile(path: Path) -> bool:
    """Say whether a file is a profile, of any version; a trace table and anything else is not."""
    if not path.is_file():
        return False
    try:
        return PROFILE_KEY in pl.read_parquet_metadata(path)
    except (OSError, pl.exceptions.PolarsError):
        return False
