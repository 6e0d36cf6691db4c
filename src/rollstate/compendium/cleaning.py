"""What the renderer adds to pages for nothing goes, and what only some pages need stays with those."""

from __future__ import annotations

import re
from itertools import count
from pathlib import Path

UNUSED = ("fontawesome.js", "design-tabs.js", "sphinx-design.min.css", "sphinx-thebe.js", "sphinx-thebe.css")
"""What the renderer adds to each page for nothing: icons that the theme has as a font, tabs and grids, live cells."""
SEARCH = ("searchtools.js", "language_data.js", "searchindex.js")
"""What the theme adds to each page though the page of results alone searches; the index grows with the book."""
_RESULTS_PAGE = "DOCUMENTATION_OPTIONS.pagename = 'search'"


def clean_page(text: str) -> str:
    """Return the HTML of a page without inert scripts and doubled tags, with names for what unfolds."""
    unused = "|".join(map(re.escape, UNUSED if _RESULTS_PAGE in text else UNUSED + SEARCH))
    # Inert settings of live cells, which are off; the book names no host that it does not link to.
    text = re.sub(r"<script>\s*(const THEBE_JS_URL|kernelName)[^<]*</script>", "", text)
    text = re.sub(r'<script type="text/x-thebe-config">[^<]*</script>', "", text)
    text = re.sub(rf'<script[^>]*[/"](?:{unused})[^>]*>\s*(</script>)?', "", text)
    text = re.sub(rf"<link[^>]*/(?:{unused})[^>]*>", "", text)
    # The theme and the renderer each write this tag.
    first, *others = re.split(r'(?=<meta name="viewport")', text)
    text = first + "".join(
        other if not number else re.sub(r"^<meta[^>]*>", "", other) for number, other in enumerate(others)
    )
    # What a screen reader says of the arrows that unfold the table of contents, of folded code, of a list of anchors.
    toggle = '<summary><span class="toctree-toggle"'
    text = text.replace(toggle, toggle.replace("<summary", '<summary aria-label="Pages below"'))
    number = count(1)
    text = re.sub(
        r'<summary aria-label="Toggle hidden content"',
        lambda _: f'<summary aria-label="code, part {next(number)}"',
        text,
    )
    text = text.replace('<div role="list" class="citation-list">', '<div class="citation-list">')
    return re.sub(r'(<div class="citation" id="[^"]*") role="doc-biblioentry"', r"\1", text)


def clean(html: Path) -> None:
    """Drop what a reader does not need, and what no page of an offline book may name."""
    (html / ".buildinfo").unlink(missing_ok=True)
    for name in UNUSED:
        for file in (html / "_static").rglob(name):
            file.unlink()
    for pattern in ("*.js.map", "*.ttf"):
        for file in (html / "_static").rglob(pattern):
            file.unlink()
    for file in html.rglob("*.html"):
        text = file.read_text(encoding="utf-8")
        cleaned = clean_page(text)
        if cleaned != text:
            file.write_text(cleaned, encoding="utf-8")
