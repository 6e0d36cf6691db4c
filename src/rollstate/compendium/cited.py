"""What a reader names to be cited: a chapter, a figure, a number, or the anchor or address that the book shows."""

from __future__ import annotations

import re
from pathlib import Path

from rollstate.compendium import bundles, citation, releases, runner
from rollstate.compendium.bundles import anchor
from rollstate.compendium.references import Reference
from rollstate.compendium.snapshots import Snapshot
from rollstate.errors import InputError


def resolve(what: str, snapshot: Snapshot, root: Path) -> Reference:
    """Return the reference to what `what` names.

    Parameters
    ----------
    what : str
        ``chapter``, ``chapter/figure`` or ``chapter.number``; an anchor, ``fig-chapter-name``, ``tab-...`` and
        ``cell-...`` (their chapter is cited) or ``sha256-...``; or an address that holds or ends in any of these.
    snapshot : Snapshot
        What the runs said.
    root : Path
        The project's folder, with its releases.

    Raises
    ------
    InputError
        If nothing has that name.
    """
    name = _bare(what)
    chapters, base = runner.chapters(root), citation.base_url(root)
    work = citation.summary(root)
    if name in chapters:
        return citation.chapter(name, root)
    by_anchor = {anchor("fig", *ref.split("/")): ref for ref in snapshot.figures}
    ref = by_anchor.get(name, name)
    if ref in snapshot.figures:
        stamp = bundles.read_provenance(snapshot.figures[ref])
        return citation.figure(ref.partition("/")[2], stamp, stamp["content_sha256"], base)
    if name in snapshot.results:
        return citation.number(snapshot.results[name], work, work["version"], base)
    if name.startswith("sha256-"):
        return _by_content(name.removeprefix("sha256-"), snapshot, root)
    kind, _, rest = name.partition("-")
    if kind in ("tab", "cell"):
        # The longest name first: one chapter's may begin another's.
        for chapter in sorted(chapters, key=len, reverse=True):
            if rest.startswith(chapter.replace("_", "-") + "-"):
                return citation.chapter(chapter, root)
    raise InputError(
        f"{what!r} is no chapter ({', '.join(chapters)}), no figure (`rollstate figures`), no number (the list of "
        "numbers in the book) and no anchor of these (fig-..., tab-..., cell-..., sha256-...)"
    )


def _bare(what: str) -> str:
    """Return the name at the end of an address or anchor."""
    page, _, fragment = what.partition("#")
    if fragment:
        return fragment
    page = re.sub(r"/?(index\.html)?$", "", page)
    if found := re.search(r"(?:^|/)(?:n/([^/]+)|f/([^/]+/[^/]+)|notebooks/(\w+)\.html)$", page):
        return next(group for group in found.groups() if group)
    return page


def _by_content(digest: str, snapshot: Snapshot, root: Path) -> Reference:
    """Return the reference to what has this content, in the runs or in any release."""
    if len(digest) < 16:
        raise InputError(f"sha256-{digest} is too short: the book shows sixteen digits")
    work, base = citation.summary(root), citation.base_url(root)
    for ref, bundle in snapshot.figures.items():
        stamp = bundles.read_provenance(bundle)
        if stamp["content_sha256"].startswith(digest):
            return citation.figure(ref.partition("/")[2], stamp, stamp["content_sha256"], base)
    for result in snapshot.results.values():
        if result.content.startswith(digest):
            return citation.number(result, work, work["version"], base)
    for release in releases.every(root / "releases"):
        for result in release.results.values():
            if result.content.startswith(digest):
                return citation.number(result, work, release.version, base)
        for ref, what in release.figures.items():
            if what["content_sha256"].startswith(digest):
                return citation.published_figure(ref, what["content_sha256"], work, release.version, base)
    raise InputError(f"no run and no release has the content sha256-{digest}")
