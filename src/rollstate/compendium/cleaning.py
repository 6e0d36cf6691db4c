"""What the renderer adds to pages for nothing goes, and what only some pages need stays with those."""

from __future__ import annotations

import re
from itertools import count
from pathlib import Path

from fontTools import subset

from rollstate.compendium.files import write_text

UNUSED = ("fontawesome.js", "design-tabs.js", "sphinx-design.min.css", "sphinx-thebe.js", "sphinx-thebe.css")
"""What the renderer adds to each page for nothing: icons that the theme has as a font, tabs and grids, live cells."""
SEARCH = ("searchtools.js", "language_data.js", "searchindex.js")
"""What the theme adds to each page though the page of results alone searches; the index grows with the book."""
_ICON_FONT = "fa-solid-900"
_ICON_RULE = re.compile(r'((?:\.fa-[\w-]+:{1,2}before,?)+)\{content:"\\[0-9a-f]+"\}')
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
    # A formula wider than a phone scrolls, with the keyboard too.
    text = text.replace('<div class="math ', '<div tabindex="0" class="math ')
    text = re.sub(r'<dt class="sig .*?</dt>|<code class="docutils.*?</code>', _thin, text, flags=re.DOTALL)
    return re.sub(r'(<div class="citation" id="[^"]*") role="doc-biblioentry"', r"\1", text)


def _thin(signature: re.Match[str]) -> str:
    """Return a signature or code without marks that only forbid breaks: a third of a page of the reference."""
    text, before = signature[0], ""
    while text != before:
        text, before = re.sub(r'<span class="(?:pre|w|n|o|p)">([^<]*)</span>', r"\1", text), text
    return text


def keep_icons(css: str, used: str) -> str:
    """Return the rules without those of icons that ``used``, the text of all pages and scripts, does not name."""
    names = set(re.findall(r"\bfa-[\w-]+", used))
    return _ICON_RULE.sub(lambda rule: rule[0] if names & set(re.findall(r"fa-[\w-]+", rule[1])) else "", css)


def _fewer_icons(static: Path, used: str) -> None:
    """Cut the theme's font of 2,000 icons down to those that a page, a script or a style names."""
    sheets = [path for path in sorted(static.rglob("*.css")) if _ICON_FONT in path.read_text("utf-8")]
    for path in static.rglob(f"{_ICON_FONT}.ttf"):
        texts = {sheet: keep_icons(sheet.read_text("utf-8"), used) for sheet in sheets}
        codes = {
            int(code, 16) for text in texts.values() for code in re.findall(r'"\\([0-9a-f]{2,5})"', text)
        }
        options = subset.Options(flavor="woff", recalc_timestamp=False, layout_features=[])
        font = subset.load_font(str(path), options)
        cutter = subset.Subsetter(options)
        cutter.populate(unicodes=codes)
        cutter.subset(font)
        subset.save_font(font, str(path.with_suffix(".woff")), options)
        path.with_suffix(".woff2").unlink(missing_ok=True)
        old, new = (f'{_ICON_FONT}.{kind}) format("{kind}")' for kind in ("woff2", "woff"))
        for sheet, text in texts.items():
            write_text(sheet, text.replace(old, new))


def clean(html: Path) -> None:
    """Drop what a reader does not need, and what no page of an offline book may name."""
    (html / ".buildinfo").unlink(missing_ok=True)
    for name in UNUSED:
        for file in (html / "_static").rglob(name):
            file.unlink()
    pages, scripts = html.rglob("*.html"), (html / "_static").rglob("*.js")
    used = "".join(path.read_text(encoding="utf-8") for path in (*pages, *scripts))
    _fewer_icons(html / "_static", used)
    for pattern in ("*.js.map", "*.ttf"):
        for file in (html / "_static").rglob(pattern):
            file.unlink()
    for file in html.rglob("*.html"):
        text = file.read_text(encoding="utf-8")
        cleaned = clean_page(text)
        if cleaned != text:
            file.write_text(cleaned, encoding="utf-8")
