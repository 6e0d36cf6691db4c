"""Figure bundles: PDF, SVG, PNG, tidy CSV, caption, alt text, BibTeX and provenance, byte for byte."""

from __future__ import annotations

import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from rollstate.compendium.files import write_bytes, write_text
from rollstate.errors import InputError

NAME = re.compile(r"^[a-z][a-z0-9-]*$")
# Without these a file's bytes would hold the time it was made.
_METADATA = {
    "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
}


def anchor(kind: str, chapter: str, name: object) -> str:
    """Return the anchor of a figure, table or cell in the book: hyphens alone, as an HTML id is made of them."""
    return f"{kind}-{chapter}-{name}".replace("_", "-")


def render(figure: Figure, kind: str) -> bytes:
    """Return the figure as reproducible PDF, SVG or PNG bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, metadata=_METADATA[kind])
    return buffer.getvalue()


def to_csv(data: Any) -> bytes:
    """Return a tidy frame (pandas or Polars) as CSV bytes."""
    frame = data if isinstance(data, pd.DataFrame) else data.to_pandas()
    if frame.empty:
        raise InputError("the tidy frame of a figure or table is empty; give the data that was drawn")
    return frame.to_csv(index=False, lineterminator="\n").encode()


def check_texts(name: str, **texts: str) -> None:
    """Refuse a figure or table without its texts, or with a name that cannot be an anchor."""
    if not NAME.match(name):
        raise InputError(f"figure name {name!r} must be lower case letters, digits and hyphens")
    for kind, text in texts.items():
        if len(text.split()) < 4:
            raise InputError(f"figure {name!r} needs a {kind} that says what it shows, not {text!r}")


def write_figure(
    folder: Path,
    name: str,
    figure: Figure,
    data: Any,
    caption: str,
    alt: str,
    provenance: dict[str, Any],
) -> Path:
    """Write the bundle of one figure and return its folder.

    Parameters
    ----------
    folder : Path
        Folder of the run's figures.
    name : str
        Anchor of the figure, unique in its chapter.
    figure : matplotlib.figure.Figure
        The figure.
    data : DataFrame
        The tidy data that is drawn.
    caption, alt : str
        What the figure shows; for the eye, and for a reader who cannot see it.
    provenance : dict
        What the run depends on; the content hash of the drawn data and picture is added.
    """
    check_texts(name, caption=caption, alt=alt)
    target = folder / name
    if target.exists():
        raise InputError(f"figure {name!r} is drawn twice in this run; names are permanent anchors")
    files = {f"{name}.{kind}": render(figure, kind) for kind in ("pdf", "svg", "png")}
    files[f"{name}.csv"] = to_csv(data)
    files["caption.txt"] = (caption + "\n").encode()
    files["alt.txt"] = (alt + "\n").encode()
    width, height = figure.get_size_inches()
    content = hashlib.sha256(files[f"{name}.csv"] + files[f"{name}.svg"]).hexdigest()
    for file, content_bytes in files.items():
        write_bytes(target / file, content_bytes)
    stamp = {**provenance, "content_sha256": content, "size_in": [float(width), float(height)]}
    write_text(target / "provenance.json", json.dumps(stamp, indent=1, sort_keys=True) + "\n")
    write_text(target / "cite.bib", bibtex(name, provenance, content))
    return target


def bibtex(name: str, provenance: dict[str, Any], content: str) -> str:
    """Return a BibTeX entry for one figure: version, commit and content hash make it permanent."""
    citation = provenance["citation"]
    chapter = provenance["chapter"]
    return (
        f"@misc{{rollstate-{chapter}-{name},\n"
        f"  author       = {{{citation['author']}}},\n"
        f"  title        = {{{{{citation['title']}: figure {chapter}/{name}}}}},\n"
        f"  year         = {{{citation['year']}}},\n"
        f"  version      = {{{provenance['inputs']['version']}}},\n"
        f"  howpublished = {{{citation['url']}}},\n"
        f"  note         = {{content SHA-256 {content[:16]}, commit {str(provenance['git']['commit'])[:12]}}},\n"
        "}\n"
    )
