"""What each release said of a number or a figure, beside what this build says: the past of an address."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rollstate.compendium.releases import Release
from rollstate.compendium.results import Result

CURRENT, SAME, REPLACED = "current", "same content, other record", "replaced"


@dataclass(frozen=True)
class Said:
    """What one version showed.

    Attributes
    ----------
    version : str
        Version of the release; empty for this build.
    content : str
        SHA-256 of what it showed.
    state : str
        Whether that is still current, is the same in value but recorded otherwise, or was replaced.
    result : Result or None
        The number.
    caption : str
        Caption of the figure.
    csv : bytes
        The figure's data.
    """

    version: str
    content: str
    state: str
    result: Result | None = None
    caption: str = ""
    csv: bytes = b""


def of_number(key: str, now: Result | None, releases: Iterable[Release]) -> list[Said]:
    """Return what this build and each release, the newest first, say of a number; `now` is None if it is gone."""
    out = [] if now is None else [Said("", now.content, CURRENT, now)]
    for release in releases:
        if key not in release.results:
            continue
        # A release that is shown as this build's carries its version and its place in the page; so does the original.
        then = release.results[key]
        if now is not None and type(now.value) is type(then.value):
            then = dataclasses.replace(then, fmt=now.fmt)
        if now is not None and then.content == now.content:
            state = CURRENT
        elif now is not None and _said(then) == _said(now):
            state = SAME
        else:
            state = REPLACED
        out.append(Said(release.version, then.content, state, then))
    return out


def _said(result: Result) -> tuple[object, ...]:
    return result.value, result.unit, result.interval


def of_figure(ref: str, now: Mapping[str, str] | None, csv: bytes, releases: Iterable[Release]) -> list[Said]:
    """Return what this build and each release, the newest first, show in a figure.

    Parameters
    ----------
    ref : str
        ``chapter/name``.
    now : mapping or None
        Caption and content hash of this build's; None if it is gone.
    csv : bytes
        Data of this build's.
    releases : iterable of Release
        Those before 0.3.0 kept no figures.
    """
    out = [] if now is None else [Said("", now["content"], CURRENT, caption=now["caption"], csv=csv)]
    for release in releases:
        if ref not in release.figures:
            continue
        what, then = release.figures[ref], release.csv("figures", ref)
        if now is not None and what["content_sha256"] == now["content"]:
            state = CURRENT
        elif now is not None and hashlib.sha256(then).digest() == hashlib.sha256(csv).digest():
            state = SAME
        else:
            state = REPLACED
        out.append(Said(release.version, what["content_sha256"], state, caption=what["caption"], csv=then))
    return out


def superseded(histories: Mapping[str, list[Said]]) -> list[tuple[str, str, str, str]]:
    """Return (content, address, version, state) of everything that was cited and is not what this build shows."""
    rows, known = [], set()
    for address, said in histories.items():
        current = {one.content for one in said if not one.version}
        for one in said:
            if one.content not in current and one.content not in known:
                known.add(one.content)
                rows.append(
                    (one.content, address, one.version, one.state if current else "not in this build")
                )
    return rows
