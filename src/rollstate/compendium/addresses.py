"""Pages at addresses that stay: ``n/<number>/`` and ``f/<chapter>/<figure>/``, with data, references and the past."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollstate.compendium import address_pages, citation, histories, releases, results
from rollstate.compendium.bundles import from_csv
from rollstate.compendium.files import write_bytes, write_text
from rollstate.compendium.histories import Said
from rollstate.compendium.references import FILES, FORMS, Reference
from rollstate.compendium.releases import Release


@dataclass(frozen=True)
class Past:
    """What this build and all releases say, by address.

    Attributes
    ----------
    numbers, figures : dict
        `Said` of each version, this build's first, by key and by ``chapter/name``.
    """

    numbers: dict[str, list[Said]]
    figures: dict[str, list[Said]]


def past(registry: Path, published: Iterable[Release]) -> Past:
    """Return what this build and the releases say.

    Parameters
    ----------
    registry : Path
        Folder of this build's ``results.json`` and of ``<chapter>/figures/<name>`` below it.
    published : iterable of Release
        The newest first.
    """
    published = list(published)
    now = results.load(registry / "results.json")
    shown = _shown(registry)
    keys = sorted(now.keys() | {key for release in published for key in release.results})
    refs = sorted(shown.keys() | {ref for release in published for ref in release.figures})
    numbers = {key: histories.of_number(key, now.get(key), published) for key in keys}
    figures = {}
    for ref in refs:
        bundle = shown.get(ref)
        data = (bundle / f"{bundle.name}.csv").read_bytes() if bundle else b""
        facts = None
        if bundle:
            stamp = json.loads((bundle / "provenance.json").read_text(encoding="utf-8"))
            caption = (bundle / "caption.txt").read_text(encoding="utf-8").strip()
            facts = {"caption": caption, "content": stamp["content_sha256"]}
        figures[ref] = histories.of_figure(ref, facts, data, published)
    return Past(numbers, figures)


def _shown(registry: Path) -> dict[str, Path]:
    """Return the bundle of each figure of this build by ``chapter/name``."""
    return {
        f"{path.parents[2].name}/{path.parent.name}": path.parent
        for path in sorted(registry.glob("*/figures/*/provenance.json"))
    }


def current(registry: Path) -> dict[str, str]:
    """Return the chapter of every number and figure of this build by its address, ``n/...`` or ``f/...``."""
    numbers = {f"n/{key}": key.partition(".")[0] for key in results.load(registry / "results.json")}
    return numbers | {f"f/{ref}": ref.partition("/")[0] for ref in _shown(registry)}


def write(
    html: Path, registry: Path, runs: Mapping[str, Mapping[str, Any]], root: Path, *, banner: str = ""
) -> list[str]:
    """Write the pages of all numbers and figures into the folder of a built book; return their paths.

    Parameters
    ----------
    html : Path
        Folder of the built book.
    registry : Path
        What the book was made from, as in `past`.
    runs : mapping
        ``run.json`` by chapter.
    root : Path
        The project's folder: its releases, its citation and its configuration.
    banner : str
        What to say at the top of every page, as on the book's own; such a book is not the published one, so that
        nothing in it names the address of that.
    """
    known = past(registry, releases.every(root / "releases"))
    work, base = citation.summary(root), "" if banner else citation.base_url(root)
    pages = []
    for key, said in known.numbers.items():
        number = said[0].result
        assert number is not None
        version = said[0].version or work["version"]
        reference = citation.number(number, work, version, base)
        folder = html / "n" / key
        _write_references(folder, reference)
        write_text(folder / "number.csv", _number_csv(said, work["version"]))
        write_text(folder / "number.json", json.dumps(_number_json(said, reference), indent=1) + "\n")
        write_text(folder / "index.html", address_pages.number(key, said, reference, runs, banner=banner))
        pages.append(f"n/{key}/index.html")
    for ref, said in known.figures.items():
        chapter, _, name = ref.partition("/")
        bundle = registry / chapter / "figures" / name
        gone = bool(said[0].version)
        reference = _figure_reference(ref, said[0], bundle, work, base)
        folder = html / "f" / chapter / name
        _write_references(folder, reference)
        write_bytes(folder / f"{name}.csv", said[0].csv)
        for one in said:
            if one.version:
                write_bytes(folder / f"{name}-{one.version}.csv", one.csv)
        record: dict[str, Any] = {
            "figure": ref,
            "caption": said[0].caption,
            "content_sha256": said[0].content,
        }
        if not gone:
            record |= {
                "alt": (bundle / "alt.txt").read_text(encoding="utf-8").strip(),
                "provenance": json.loads((bundle / "provenance.json").read_text(encoding="utf-8")),
            }
        record |= {"url": reference.url, "releases": [_release(one) for one in said if one.version]}
        write_text(folder / f"{name}.json", json.dumps(record, indent=1) + "\n")
        alt = record.get("alt", "")
        text = address_pages.figure(
            ref,
            said,
            reference,
            alt=alt,
            data=from_csv(said[0].csv),
            explorable=(html / "_static" / "explore" / chapter / f"{name}.js").is_file(),
            runs=runs,
            banner=banner,
        )
        write_text(folder / "index.html", text)
        pages.append(f"f/{chapter}/{name}/index.html")
    return pages


def described(html: Path, pages: Iterable[str]) -> list[str]:
    """Return the paths of some pages of numbers and figures with the data beside each, CSV and JSON, sorted."""
    references = set(FILES.values())
    return sorted(
        file.relative_to(html).as_posix()
        for page in pages
        for file in (html / page).parent.iterdir()
        if file.suffix in (".html", ".csv", ".json") and file.name not in references
    )


def _write_references(folder: Path, reference: Reference) -> None:
    for form, file in FILES.items():
        write_text(folder / file, FORMS[form](reference))


def _figure_reference(ref: str, said: Said, bundle: Path, work: Mapping[str, str], base: str) -> Reference:
    """Return the reference to a figure; one that is no longer made has its release's version."""
    if not said.version:
        name = ref.partition("/")[2]
        stamp = json.loads((bundle / "provenance.json").read_text(encoding="utf-8"))
        return citation.figure(name, {**stamp, "citation": work}, said.content, base)
    return citation.published_figure(ref, said.content, work, said.version, base)


def _ends(result: results.Result) -> tuple[Any, Any]:
    return result.interval or (None, None)


def _number_csv(said: list[Said], version: str) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["version", "build", "value", "low", "high", "unit", "content_sha256"])
    for one in said:
        assert one.result is not None
        build = "release" if one.version else "this build"
        row = [
            one.version or version,
            build,
            one.result.value,
            *_ends(one.result),
            one.result.unit,
            one.content,
        ]
        writer.writerow(row)
    return buffer.getvalue()


def _number_json(said: list[Said], reference: Reference) -> dict[str, Any]:
    now = said[0].result
    assert now is not None
    names = (
        "key",
        "value",
        "unit",
        "interval",
        "interval_kind",
        "meaning",
        "guard",
        "source",
        "absent",
        "published",
    )
    return {
        **{name: getattr(now, name) for name in names},
        "current": not said[0].version,
        "content_sha256": now.content,
        "url": reference.url,
        "releases": [
            {**_release(one), "value": one.result.value, "interval": one.result.interval}
            for one in said
            if one.version and one.result is not None
        ],
    }


def _release(one: Said) -> dict[str, Any]:
    return {"version": one.version, "content_sha256": one.content, "state": one.state}
