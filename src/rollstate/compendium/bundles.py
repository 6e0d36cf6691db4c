"""Figure bundles: PDF, SVG, PNG, tidy CSV, caption, alt text, BibTeX and provenance, byte for byte."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from rollstate.compendium import citation
from rollstate.compendium.drawing import Drawing
from rollstate.compendium.files import differing, write_bytes, write_text
from rollstate.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
    """Return the figure as reproducible PDF, SVG or PNG bytes.

    They are those of `matplotlib.figure.Figure.savefig`, which draws all twice: once for the layout, which the house
    style computes as it draws.
    """
    from matplotlib import rcParams
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    canvas = {"pdf": FigureCanvasPdf, "svg": FigureCanvasSVG, "png": FigureCanvasAgg}[kind](figure)
    buffer, screen = io.BytesIO(), figure.dpi
    figure.dpi = rcParams["savefig.dpi"]
    getattr(canvas, f"print_{kind}")(buffer, metadata=_METADATA[kind])
    figure.dpi = screen
    return buffer.getvalue()


def to_csv(data: Any) -> bytes:
    """Return a tidy frame (pandas or Polars) as CSV bytes."""
    frame = data if isinstance(data, pl.DataFrame) else pl.from_pandas(data)
    if frame.is_empty():
        raise InputError("the tidy frame of a figure or table is empty; give the data that was drawn")
    return frame.write_csv().encode()


def from_csv(content: bytes) -> pl.DataFrame:
    """Return the frame of CSV bytes written by `to_csv`; types are inferred from all rows."""
    return pl.read_csv(io.BytesIO(content), infer_schema_length=None)


def check_name(name: str) -> None:
    """Refuse the name of a figure or table that cannot be an anchor."""
    if not NAME.match(name):
        raise InputError(f"figure name {name!r} must be lower case letters, digits and hyphens")


def check_text(name: str, kind: str, text: str) -> None:
    """Refuse a caption or alt text that says nothing."""
    if len(text.split()) < 4:
        raise InputError(f"figure {name!r} needs a {kind} that says what it shows, not {text!r}")


def plain_facts(name: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords of a figure function as plain JSON scalars, or refuse what is none."""
    plain = {}
    for key, value in facts.items():
        scalar = value.item() if hasattr(value, "item") and not isinstance(value, str) else value
        if not isinstance(scalar, str | int | float | bool | None):
            raise InputError(
                f"figure {name!r} takes plain values beside its frame, not {key}={value!r}; "
                "put a series into the frame"
            )
        plain[key] = scalar
    return plain


def write_figure(folder: Path, name: str, drawing: Drawing, csv: bytes, provenance: dict[str, Any]) -> Path:
    """Write the bundle of one figure and return its folder.

    Parameters
    ----------
    folder : Path
        Folder of the run's figures.
    name : str
        Anchor of the figure, unique in its chapter.
    drawing : Drawing
        The figure with its caption and alt text.
    csv : bytes
        The tidy data that is drawn.
    provenance : dict
        What the run depends on; the content hash of the drawn data and picture is added.
    """
    # rocrate takes half a second and 10 MB: only a figure that is written pays them.
    from rollstate.compendium import crate

    check_name(name)
    check_text(name, "caption", drawing.caption)
    check_text(name, "alt text", drawing.alt)
    target = folder / name
    if target.exists():
        raise InputError(f"figure {name!r} is drawn twice in this run; names are permanent anchors")
    files = {f"{name}.{kind}": render(drawing.figure, kind) for kind in ("pdf", "svg", "png")}
    files[f"{name}.csv"] = csv
    files["caption.txt"] = (drawing.caption + "\n").encode()
    files["alt.txt"] = (drawing.alt + "\n").encode()
    width, height = drawing.figure.get_size_inches()
    content = hashlib.sha256(csv + files[f"{name}.svg"]).hexdigest()
    for file, content_bytes in files.items():
        write_bytes(target / file, content_bytes)
    hashes = {file: hashlib.sha256(content_bytes).hexdigest() for file, content_bytes in files.items()}
    stamp = {
        **provenance,
        "figure": name,
        "content_sha256": content,
        "files": hashes,
        "size_in": [float(width), float(height)],
    }
    write_text(target / "provenance.json", json.dumps(stamp, indent=1, sort_keys=True) + "\n")
    write_text(target / "cite.bib", citation.figure(name, provenance, content).bibtex())
    write_text(target / crate.NAME, crate.of_figure(stamp, drawing.caption, hashes))
    return target


def altered(bundle: Path) -> list[str]:
    """Return the files of a bundle that are missing or no longer what its provenance says.

    Raises
    ------
    InputError
        If the folder is no figure bundle.
    """
    return differing(bundle, read_provenance(bundle)["files"])


def read_provenance(bundle: Path) -> dict[str, Any]:
    """Return the record of what a figure was made from; an `InputError` if the folder is no figure bundle."""
    path = bundle / "provenance.json"
    try:
        stamp = json.loads(path.read_text(encoding="utf-8"))
        if not {"chapter", "inputs", "content_sha256", "files"} <= stamp.keys():
            raise ValueError("fields are missing")
        dict(stamp["files"])
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise InputError(
            f"{bundle} is no figure bundle: {path.name} cannot be read ({error}); `rollstate figures` lists them"
        ) from error
    return stamp


def archive(bundle: Path) -> bytes:
    """Return a bundle as one ZIP archive, the same bytes for the same files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as out:
        for file in sorted(bundle.iterdir()):
            # The archive would otherwise hold the time and the permissions of each file.
            entry = zipfile.ZipInfo(f"{bundle.name}/{file.name}", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            out.writestr(entry, file.read_bytes())
    return buffer.getvalue()
