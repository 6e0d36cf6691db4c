"""The citation of the whole work, read from CITATION.cff."""

from __future__ import annotations

from pathlib import Path

import yaml


def summary(root: Path) -> dict[str, str]:
    """Return author, title, year and URL as `CITATION.cff` states them."""
    cff = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    authors = " and ".join(
        f"{{{author['name']}}}" if "name" in author else f"{author['family-names']}, {author['given-names']}"
        for author in cff["authors"]
    )
    return {
        "author": authors,
        "title": cff["title"],
        "year": str(cff["date-released"])[:4],
        "url": cff["url"],
    }
