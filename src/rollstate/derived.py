"""Where files lie that can be made again from sources: compiled functions, compiled contracts."""

from __future__ import annotations

from pathlib import Path

import platformdirs

PACKAGE = Path(__file__).parent


def derived_folder(name: str) -> Path:
    """Return the folder of one kind of derived files: below ``_build`` in a checkout, else in the user's cache."""
    checkout = PACKAGE.parents[1]
    inside = (checkout / "_toc.yml").is_file()
    return (checkout / "_build" if inside else Path(platformdirs.user_cache_dir("rollstate"))) / name
